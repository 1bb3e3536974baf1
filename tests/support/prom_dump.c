/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_dump — decoded by the generated code, written in the order of the wire.
 */
#include "tests/support/prom_dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/base/number.h"
#include "core/otlp/otlp_walk.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"

#define DUMP_MAX_BYTES (256 << 20)
#define NS_PER_MS 1000000

typedef Opentelemetry__Proto__Common__V1__KeyValue key_value;
typedef Opentelemetry__Proto__Metrics__V1__Metric metric_message;

void prom_dump_init(struct prom_dump *dump)
{
    *dump = (struct prom_dump){0};
    bytes_init(&dump->heads, DUMP_MAX_BYTES);
    bytes_init(&dump->abouts, DUMP_MAX_BYTES);
    bytes_init(&dump->points, DUMP_MAX_BYTES);
}

void prom_dump_fini(struct prom_dump *dump)
{
    bytes_fini(&dump->heads);
    bytes_fini(&dump->abouts);
    bytes_fini(&dump->points);
}

void prom_dump_clear(struct prom_dump *dump)
{
    bytes_clear(&dump->heads);
    bytes_clear(&dump->abouts);
    bytes_clear(&dump->points);
    dump->point_count = 0;
}

/* --- pieces ----------------------------------------------------------------------------------- */

static void put_text(struct bytes *out, const char *text)
{
    bytes_append(out, text, strlen(text));
}

static void put_slice(struct bytes *out, struct slice text)
{
    bytes_append(out, text.ptr, text.len);
}

static void put_f64(struct bytes *out, double value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    bytes_append(out, text, number_format_f64(value, text, sizeof(text)));
}

static void put_u64(struct bytes *out, uint64_t value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    bytes_append(out, text, number_format_u64(value, text, sizeof(text)));
}

static void put_attributes(struct bytes *out, key_value *const *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_text(out, i > 0 ? "," : "");
        put_slice(out, pb_slice(pairs[i]->key));
        put_text(out, "=");
        put_slice(out, pb_slice(pairs[i]->value->string_value));
    }
}

static void put_hex(struct bytes *out, const char *key, ProtobufCBinaryData id)
{
    put_text(out, id.len > 0 ? key : "");
    for (size_t i = 0; i < id.len; i++) {
        char text[3];
        (void)snprintf(text, sizeof(text), "%02x", id.data[i]);
        put_text(out, text);
    }
}

static void put_exemplars(struct bytes *out,
                          Opentelemetry__Proto__Metrics__V1__Exemplar *const *exemplars,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_text(out, " # ");
        put_attributes(out, exemplars[i]->filtered_attributes, exemplars[i]->n_filtered_attributes);
        put_text(out, exemplars[i]->n_filtered_attributes > 0 ? " " : "");
        put_f64(out, exemplars[i]->as_double);
        if (exemplars[i]->time_unix_nano != 0) {
            put_text(out, " @");
            put_u64(out, exemplars[i]->time_unix_nano / NS_PER_MS);
        }
        put_hex(out, " trace=", exemplars[i]->trace_id);
        put_hex(out, " span=", exemplars[i]->span_id);
    }
}

static void put_times(struct bytes *out, uint64_t time_ns, uint64_t start_ns, uint32_t flags)
{
    put_text(out, " @");
    put_u64(out, time_ns / NS_PER_MS);
    if (start_ns != 0) {
        put_text(out, " from=");
        put_u64(out, start_ns / NS_PER_MS);
    }
    put_text(out, (flags & 1) != 0 ? " ended" : "");
}

static void put_head(struct bytes *out, const char *kind, const metric_message *metric,
                     key_value *const *pairs, size_t count)
{
    put_text(out, kind);
    put_slice(out, pb_slice(metric->name));
    if (count > 0) {
        put_text(out, "{");
        put_attributes(out, pairs, count);
        put_text(out, "}");
    }
}

/* --- points ----------------------------------------------------------------------------------- */

static void put_number(struct bytes *out, const char *kind, const metric_message *metric,
                       const Opentelemetry__Proto__Metrics__V1__NumberDataPoint *point)
{
    put_head(out, kind, metric, point->attributes, point->n_attributes);
    if (point->value_case ==
        OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_DOUBLE) {
        put_text(out, " ");
        put_f64(out, point->as_double);
    }
    put_times(out, point->time_unix_nano, point->start_time_unix_nano, point->flags);
    put_exemplars(out, point->exemplars, point->n_exemplars);
    put_text(out, "\n");
}

static void put_histogram(struct bytes *out, const metric_message *metric,
                          const Opentelemetry__Proto__Metrics__V1__HistogramDataPoint *point)
{
    put_head(out, "hist ", metric, point->attributes, point->n_attributes);
    put_text(out, " count=");
    put_u64(out, point->count);
    if (point->has_sum) {
        put_text(out, " sum=");
        put_f64(out, point->sum);
    }
    assert_int_equal(point->n_bucket_counts, point->n_explicit_bounds + 1);
    for (size_t i = 0; i < point->n_bucket_counts; i++) {
        put_text(out, " ");
        if (i < point->n_explicit_bounds) {
            put_f64(out, point->explicit_bounds[i]);
        } else {
            put_text(out, "inf");
        }
        put_text(out, ":");
        put_u64(out, point->bucket_counts[i]);
    }
    put_times(out, point->time_unix_nano, point->start_time_unix_nano, point->flags);
    put_exemplars(out, point->exemplars, point->n_exemplars);
    put_text(out, "\n");
}

static void put_summary(struct bytes *out, const metric_message *metric,
                        const Opentelemetry__Proto__Metrics__V1__SummaryDataPoint *point)
{
    put_head(out, "summary ", metric, point->attributes, point->n_attributes);
    put_text(out, " count=");
    put_u64(out, point->count);
    put_text(out, " sum=");
    put_f64(out, point->sum);
    for (size_t i = 0; i < point->n_quantile_values; i++) {
        put_text(out, " ");
        put_f64(out, point->quantile_values[i]->quantile);
        put_text(out, "=");
        put_f64(out, point->quantile_values[i]->value);
    }
    put_times(out, point->time_unix_nano, point->start_time_unix_nano, point->flags);
    put_text(out, "\n");
}

static size_t put_points(struct bytes *out, const metric_message *metric)
{
    switch ((uint32_t)metric->data_case) {
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE:
        for (size_t i = 0; i < metric->gauge->n_data_points; i++) {
            put_number(out, "gauge ", metric, metric->gauge->data_points[i]);
        }
        return metric->gauge->n_data_points;
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM:
        assert_int_equal(metric->sum->aggregation_temporality, 2);
        for (size_t i = 0; i < metric->sum->n_data_points; i++) {
            put_number(out, metric->sum->is_monotonic ? "sum " : "sum~ ", metric,
                       metric->sum->data_points[i]);
        }
        return metric->sum->n_data_points;
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM:
        assert_int_equal(metric->histogram->aggregation_temporality, 2);
        for (size_t i = 0; i < metric->histogram->n_data_points; i++) {
            put_histogram(out, metric, metric->histogram->data_points[i]);
        }
        return metric->histogram->n_data_points;
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUMMARY:
        for (size_t i = 0; i < metric->summary->n_data_points; i++) {
            put_summary(out, metric, metric->summary->data_points[i]);
        }
        return metric->summary->n_data_points;
    default:
        fail_msg("a metric of a kind that nobody writes");
        return 0;
    }
}

/* --- around them ------------------------------------------------------------------------------ */

static void put_about(struct bytes *out, const metric_message *metric)
{
    put_slice(out, pb_slice(metric->name));
    assert_int_equal(metric->n_metadata, 1);
    assert_true(slice_is_text(pb_slice(metric->metadata[0]->key), "prometheus.type"));
    put_text(out, " type=");
    put_slice(out, pb_slice(metric->metadata[0]->value->string_value));
    if (metric->unit.len > 0) {
        put_text(out, " unit=");
        put_slice(out, pb_slice(metric->unit));
    }
    if (metric->description.len > 0) {
        put_text(out, " help=");
        put_slice(out, pb_slice(metric->description));
    }
    put_text(out, "\n");
}

static void put_scope(struct bytes *out,
                      const Opentelemetry__Proto__Metrics__V1__ScopeMetrics *scope)
{
    put_text(out, "scope ");
    put_slice(out, pb_slice(scope->scope->name));
    put_text(out, " ");
    put_slice(out, pb_slice(scope->scope->version));
    put_text(out, scope->scope->n_attributes > 0 ? " " : "");
    put_attributes(out, scope->scope->attributes, scope->scope->n_attributes);
    if (scope->schema_url.len > 0) {
        put_text(out, " schema=");
        put_slice(out, pb_slice(scope->schema_url));
    }
    put_text(out, "\n");
}

static bool is_report(const metric_message *metric)
{
    struct slice name = pb_slice(metric->name);
    return slice_is_text(name, "up") || slice_has_prefix(name, SLICE_LITERAL("scrape_"));
}

static void put_metric(struct prom_dump *dump, const metric_message *metric)
{
    if (is_report(metric) && !dump->has_reports) {
        struct bytes unwanted;
        bytes_init(&unwanted, DUMP_MAX_BYTES);
        dump->point_count += put_points(&unwanted, metric);
        bytes_fini(&unwanted);
        return;
    }
    put_about(&dump->abouts, metric);
    size_t count = put_points(&dump->points, metric);
    assert_true(count > 0);
    dump->point_count += count;
}

void prom_dump_add(struct prom_dump *dump, struct slice request)
{
    struct arena arena;
    struct otlp_counts counts;
    ProtobufCMessage *message = NULL;
    assert_int_equal(otlp_walk(SIGNAL_METRICS, request, &counts, NULL), 0);
    assert_false(counts.is_irregular);
    assert_int_equal(arena_init(&arena, 65536, DUMP_MAX_BYTES), 0);
    int err = pb_decode(
        &opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor,
        request, &arena, NULL, &message);
    assert_int_equal(err, 0);
    uint64_t before = dump->point_count;
    const Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest *all =
        (const Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest
             *)(const void *)message;
    for (size_t i = 0; i < all->n_resource_metrics; i++) {
        const Opentelemetry__Proto__Metrics__V1__ResourceMetrics *resource =
            all->resource_metrics[i];
        put_text(&dump->heads, "resource ");
        put_attributes(&dump->heads, resource->resource->attributes,
                       resource->resource->n_attributes);
        put_text(&dump->heads, "\n");
        for (size_t j = 0; j < resource->n_scope_metrics; j++) {
            put_scope(&dump->heads, resource->scope_metrics[j]);
            for (size_t k = 0; k < resource->scope_metrics[j]->n_metrics; k++) {
                put_metric(dump, resource->scope_metrics[j]->metrics[k]);
            }
        }
    }
    assert_int_equal(dump->point_count - before, counts.item_count);
    arena_fini(&arena);
}
