/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug_metrics — every field of a metrics request, a line each.
 *
 * Follows the `detailed` output of the Collector's debug exporter.
 */
#include <inttypes.h>
#include <math.h>

#include "core/base/defs.h"
#include "exporters/debug_signals.h"

static void put_exemplars(struct debug_text *t, struct DEBUG_METRICS(Exemplar) *const *exemplars,
                          size_t count)
{
    if (count > 0) {
        debug_print(t, "Exemplars:\n");
    }
    for (size_t i = 0; i < count; i++) {
        const struct DEBUG_METRICS(Exemplar) *e = exemplars[i];
        debug_print(t, "Exemplar #%zu\n", i);
        debug_put_id_line(t, "     -> Trace ID: ", e->trace_id);
        debug_put_id_line(t, "     -> Span ID: ", e->span_id);
        debug_put_time_line(t, "     -> Timestamp: ", e->time_unix_nano);
        if (e->value_case == DEBUG_EXEMPLAR_CASE(INT)) {
            debug_print(t, "     -> Value: %" PRId64 "\n", e->as_int);
        } else if (e->value_case == DEBUG_EXEMPLAR_CASE(DOUBLE)) {
            debug_put_fixed(t, "     -> Value: ", e->as_double);
            debug_print(t, "\n");
        }
        debug_put_attrs(t, "     -> FilteredAttributes", "     ",
                        (struct debug_attrs){.pairs = e->filtered_attributes,
                                             .count = e->n_filtered_attributes});
    }
}

/* What points of every kind begin with. */
static void put_point_head(struct debug_text *t, struct debug_attrs attrs, uint64_t start_unix_ns,
                           uint64_t time_unix_ns)
{
    debug_put_attrs(t, "Data point attributes", "", attrs);
    debug_put_time_line(t, "StartTimestamp: ", start_unix_ns);
    debug_put_time_line(t, "Timestamp: ", time_unix_ns);
}

static void put_optional(struct debug_text *t, const char *label, protobuf_c_boolean is_there,
                         double value)
{
    if (is_there != 0) {
        debug_put_fixed(t, label, value);
        debug_print(t, "\n");
    }
}

static void put_numbers(struct debug_text *t, struct DEBUG_METRICS(NumberDataPoint) *const *points,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct DEBUG_METRICS(NumberDataPoint) *p = points[i];
        debug_print(t, "NumberDataPoints #%zu\n", i);
        put_point_head(t, DEBUG_ATTRS_OF(p), p->start_time_unix_nano, p->time_unix_nano);
        if (p->value_case == DEBUG_NUMBER_CASE(INT)) {
            debug_print(t, "Value: %" PRId64 "\n", p->as_int);
        } else if (p->value_case == DEBUG_NUMBER_CASE(DOUBLE)) {
            debug_put_fixed(t, "Value: ", p->as_double);
            debug_print(t, "\n");
        }
        put_exemplars(t, p->exemplars, p->n_exemplars);
    }
}

static void put_histograms(struct debug_text *t, const struct DEBUG_METRICS(Histogram) * data)
{
    for (size_t i = 0; i < data->n_data_points; i++) {
        const struct DEBUG_METRICS(HistogramDataPoint) *p = data->data_points[i];
        debug_print(t, "HistogramDataPoints #%zu\n", i);
        put_point_head(t, DEBUG_ATTRS_OF(p), p->start_time_unix_nano, p->time_unix_nano);
        debug_print(t, "Count: %" PRIu64 "\n", p->count);
        put_optional(t, "Sum: ", p->has_sum, p->sum);
        put_optional(t, "Min: ", p->has_min, p->min);
        put_optional(t, "Max: ", p->has_max, p->max);
        for (size_t b = 0; b < p->n_explicit_bounds; b++) {
            debug_print(t, "ExplicitBounds #%zu", b);
            debug_put_fixed(t, ": ", p->explicit_bounds[b]);
            debug_print(t, "\n");
        }
        for (size_t b = 0; b < p->n_bucket_counts; b++) {
            debug_print(t, "Buckets #%zu, Count: %" PRIu64 "\n", b, p->bucket_counts[b]);
        }
        put_exemplars(t, p->exemplars, p->n_exemplars);
    }
}

static void put_bucket(struct debug_text *t, const char *open, double from, double to,
                       const char *close)
{
    debug_put_fixed(t, open, from);
    debug_put_fixed(t, ", ", to);
    debug_print(t, "%s, Count: ", close);
}

/* Both sides and the zeros between them, from the lowest bucket up. */
static void put_buckets(struct debug_text *t,
                        const struct DEBUG_METRICS(ExponentialHistogramDataPoint) * p)
{
    const double log_base = ldexp(log(2), p->scale < 64 && p->scale > -64 ? -p->scale : 0);
    const struct DEBUG_METRICS(ExponentialHistogramDataPoint__Buckets) *side = p->negative;
    for (size_t i = side == NULL ? 0 : side->n_bucket_counts; i > 0; i--) {
        double index = (double)side->offset + (double)(i - 1);
        put_bucket(t, "Bucket [", -exp((index + 1) * log_base), -exp(index * log_base), ")");
        debug_print(t, "%" PRIu64 "\n", side->bucket_counts[i - 1]);
    }
    if (p->zero_count != 0) {
        debug_print(t, "Bucket [0, 0], Count: %" PRIu64 "\n", p->zero_count);
    }
    side = p->positive;
    for (size_t i = 0; side != NULL && i < side->n_bucket_counts; i++) {
        double index = (double)side->offset + (double)i;
        put_bucket(t, "Bucket (", exp(index * log_base), exp((index + 1) * log_base), "]");
        debug_print(t, "%" PRIu64 "\n", side->bucket_counts[i]);
    }
}

static void put_exphists(struct debug_text *t,
                         const struct DEBUG_METRICS(ExponentialHistogram) * data)
{
    for (size_t i = 0; i < data->n_data_points; i++) {
        const struct DEBUG_METRICS(ExponentialHistogramDataPoint) *p = data->data_points[i];
        debug_print(t, "ExponentialHistogramDataPoints #%zu\n", i);
        put_point_head(t, DEBUG_ATTRS_OF(p), p->start_time_unix_nano, p->time_unix_nano);
        debug_print(t, "Count: %" PRIu64 "\n", p->count);
        put_optional(t, "Sum: ", p->has_sum, p->sum);
        put_optional(t, "Min: ", p->has_min, p->min);
        put_optional(t, "Max: ", p->has_max, p->max);
        put_buckets(t, p);
        put_exemplars(t, p->exemplars, p->n_exemplars);
    }
}

static void put_summaries(struct debug_text *t, const struct DEBUG_METRICS(Summary) * data)
{
    for (size_t i = 0; i < data->n_data_points; i++) {
        const struct DEBUG_METRICS(SummaryDataPoint) *p = data->data_points[i];
        debug_print(t, "SummaryDataPoints #%zu\n", i);
        put_point_head(t, DEBUG_ATTRS_OF(p), p->start_time_unix_nano, p->time_unix_nano);
        debug_print(t, "Count: %" PRIu64 "\n", p->count);
        put_optional(t, "Sum: ", 1, p->sum);
        for (size_t q = 0; q < p->n_quantile_values; q++) {
            debug_print(t, "QuantileValue #%zu: ", q);
            debug_put_fixed(t, "Quantile ", p->quantile_values[q]->quantile);
            debug_put_fixed(t, ", Value ", p->quantile_values[q]->value);
            debug_print(t, "\n");
        }
    }
}

static void put_temporality(struct debug_text *t, int temporality)
{
    static const char *const names[] = {"Unspecified", "Delta", "Cumulative"};
    bool is_known = temporality >= 0 && (size_t)temporality < COUNT_OF(names);
    debug_print(t, "     -> AggregationTemporality: %s\n", is_known ? names[temporality] : "");
}

/* The line that names the kind, its properties, and its points. */
static void put_data(struct debug_text *t, const struct DEBUG_METRICS(Metric) * metric,
                     const char *kind)
{
    debug_print(t, "     -> DataType: %s\n", kind);
    debug_put_attrs(t, "     -> Metadata", "     ",
                    (struct debug_attrs){.pairs = metric->metadata, .count = metric->n_metadata});
    switch ((int)metric->data_case) {
    case DEBUG_DATA_CASE(GAUGE):
        put_numbers(t, metric->gauge->data_points, metric->gauge->n_data_points);
        break;
    case DEBUG_DATA_CASE(SUM):
        debug_print(t, "     -> IsMonotonic: %s\n",
                    metric->sum->is_monotonic != 0 ? "true" : "false");
        put_temporality(t, (int)metric->sum->aggregation_temporality);
        put_numbers(t, metric->sum->data_points, metric->sum->n_data_points);
        break;
    case DEBUG_DATA_CASE(HISTOGRAM):
        put_temporality(t, (int)metric->histogram->aggregation_temporality);
        put_histograms(t, metric->histogram);
        break;
    case DEBUG_DATA_CASE(EXPONENTIAL_HISTOGRAM):
        put_temporality(t, (int)metric->exponential_histogram->aggregation_temporality);
        put_exphists(t, metric->exponential_histogram);
        break;
    case DEBUG_DATA_CASE(SUMMARY):
        put_summaries(t, metric->summary);
        break;
    default:
        break;
    }
}

static const char *kind_name(int data_case)
{
    switch (data_case) {
    case DEBUG_DATA_CASE(GAUGE):
        return "Gauge";
    case DEBUG_DATA_CASE(SUM):
        return "Sum";
    case DEBUG_DATA_CASE(HISTOGRAM):
        return "Histogram";
    case DEBUG_DATA_CASE(EXPONENTIAL_HISTOGRAM):
        return "ExponentialHistogram";
    case DEBUG_DATA_CASE(SUMMARY):
        return "Summary";
    default:
        return "Empty";
    }
}

static void put_scope(struct debug_text *t, const struct DEBUG_METRICS(ScopeMetrics) * scope)
{
    for (size_t i = 0; i < scope->n_metrics; i++) {
        const struct DEBUG_METRICS(Metric) *metric = scope->metrics[i];
        debug_print(t, "Metric #%zu\nDescriptor:\n", i);
        debug_put_line(t, "     -> Name: ", metric->name);
        debug_put_line(t, "     -> Description: ", metric->description);
        debug_put_line(t, "     -> Unit: ", metric->unit);
        put_data(t, metric, kind_name((int)metric->data_case));
    }
}

void debug_put_metrics(struct debug_text *t, const struct DEBUG_METRICS_REQUEST *request)
{
    for (size_t i = 0; i < request->n_resource_metrics; i++) {
        const struct DEBUG_METRICS(ResourceMetrics) *from = request->resource_metrics[i];
        debug_put_resource_head(t, &(struct debug_head){.name = "ResourceMetrics",
                                                        .index = i,
                                                        .schema_url = from->schema_url,
                                                        .resource = from->resource});
        for (size_t j = 0; j < from->n_scope_metrics; j++) {
            const struct DEBUG_METRICS(ScopeMetrics) *scope = from->scope_metrics[j];
            debug_put_scope_head(t, &(struct debug_head){.name = "ScopeMetrics",
                                                         .index = j,
                                                         .schema_url = scope->schema_url,
                                                         .scope = scope->scope});
            put_scope(t, scope);
        }
    }
}
