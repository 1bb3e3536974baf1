/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug_lines — about one line per data point, span or log record: the `normal` verbosity.
 *
 * Follows the Collector's debug exporter, except that buckets of exponential histograms carry their
 * upper bounds.
 */
#include <inttypes.h>
#include <math.h>

#include "core/base/defs.h"
#include "core/otlp/pb_decode.h"
#include "exporters/debug_signals.h"

/* ResourceMetrics #0 [schema] key=value … */
static void put_resource_line(struct debug_text *t, const struct debug_head *head)
{
    debug_print(t, "%s #%zu", head->name, head->index);
    if (head->schema_url.len > 0) {
        debug_print(t, " [");
        debug_put(t, pb_slice(head->schema_url));
        debug_print(t, "]");
    }
    if (head->resource != NULL) {
        debug_put_pairs(t, ' ', true, DEBUG_ATTRS_OF(head->resource));
    }
    debug_print(t, "\n");
}

/* ScopeMetrics #0 name@version [schema] key=value … */
static void put_scope_line(struct debug_text *t, const struct debug_head *head)
{
    const struct DEBUG_COMMON(InstrumentationScope) *scope = head->scope;
    debug_print(t, "%s #%zu", head->name, head->index);
    if (scope != NULL && scope->name.len > 0) {
        debug_print(t, " ");
        debug_put(t, pb_slice(scope->name));
    }
    if (scope != NULL && scope->version.len > 0) {
        debug_print(t, "@");
        debug_put(t, pb_slice(scope->version));
    }
    if (head->schema_url.len > 0) {
        debug_print(t, " [");
        debug_put(t, pb_slice(head->schema_url));
        debug_print(t, "]");
    }
    if (scope != NULL) {
        debug_put_pairs(t, ' ', true, DEBUG_ATTRS_OF(scope));
    }
    debug_print(t, "\n");
}

/* metric{key=value,…} */
static void put_series(struct debug_text *t, const struct DEBUG_METRICS(Metric) * metric,
                       struct debug_attrs attrs)
{
    debug_put(t, pb_slice(metric->name));
    debug_print(t, "{");
    debug_put_pairs(t, ',', false, attrs);
    debug_print(t, "}");
}

static void put_number_lines(struct debug_text *t, const struct DEBUG_METRICS(Metric) * metric,
                             struct DEBUG_METRICS(NumberDataPoint) *const *points, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct DEBUG_METRICS(NumberDataPoint) *p = points[i];
        put_series(t, metric, DEBUG_ATTRS_OF(p));
        if (p->value_case == DEBUG_NUMBER_CASE(INT)) {
            debug_print(t, " %" PRId64, p->as_int);
        } else if (p->value_case == DEBUG_NUMBER_CASE(DOUBLE)) {
            debug_print(t, " ");
            debug_put_f64(t, p->as_double);
        }
        debug_print(t, "\n");
    }
}

static void put_labelled(struct debug_text *t, const char *label, double value)
{
    debug_print(t, "%s", label);
    debug_put_f64(t, value);
}

static void put_histogram_lines(struct debug_text *t, const struct DEBUG_METRICS(Metric) * metric)
{
    for (size_t i = 0; i < metric->histogram->n_data_points; i++) {
        const struct DEBUG_METRICS(HistogramDataPoint) *p = metric->histogram->data_points[i];
        put_series(t, metric, DEBUG_ATTRS_OF(p));
        debug_print(t, " count=%" PRIu64, p->count);
        if (p->has_sum != 0) {
            put_labelled(t, " sum=", p->sum);
        }
        if (p->has_min != 0) {
            put_labelled(t, " min=", p->min);
        }
        if (p->has_max != 0) {
            put_labelled(t, " max=", p->max);
        }
        for (size_t b = 0; b < p->n_bucket_counts; b++) {
            if (b < p->n_explicit_bounds) {
                put_labelled(t, " le", p->explicit_bounds[b]);
            }
            debug_print(t, "%c%" PRIu64, b < p->n_explicit_bounds ? '=' : ' ', p->bucket_counts[b]);
        }
        debug_print(t, "\n");
    }
}

static void put_exphist_buckets(struct debug_text *t,
                                const struct DEBUG_METRICS(ExponentialHistogramDataPoint) * p)
{
    const struct DEBUG_METRICS(ExponentialHistogramDataPoint__Buckets) *side = p->negative;
    const double log2_base = ldexp(1, p->scale < 64 && p->scale > -64 ? -p->scale : 0);
    for (size_t i = side == NULL ? 0 : side->n_bucket_counts; i > 0; i--) {
        put_labelled(t, " le", -exp2(((double)side->offset + (double)(i - 1)) * log2_base));
        debug_print(t, "=%" PRIu64, side->bucket_counts[i - 1]);
    }
    if (p->zero_count > 0) {
        put_labelled(t, " le", p->zero_threshold);
        debug_print(t, "=%" PRIu64, p->zero_count);
    }
    side = p->positive;
    for (size_t i = 0; side != NULL && i < side->n_bucket_counts; i++) {
        put_labelled(t, " le", exp2(((double)side->offset + (double)(i + 1)) * log2_base));
        debug_print(t, "=%" PRIu64, side->bucket_counts[i]);
    }
}

static void put_exphist_lines(struct debug_text *t, const struct DEBUG_METRICS(Metric) * metric)
{
    const struct DEBUG_METRICS(ExponentialHistogram) *data = metric->exponential_histogram;
    for (size_t i = 0; i < data->n_data_points; i++) {
        const struct DEBUG_METRICS(ExponentialHistogramDataPoint) *p = data->data_points[i];
        put_series(t, metric, DEBUG_ATTRS_OF(p));
        debug_print(t, " count=%" PRIu64, p->count);
        if (p->has_sum != 0) {
            put_labelled(t, " sum=", p->sum);
        }
        if (p->has_min != 0) {
            put_labelled(t, " min=", p->min);
        }
        if (p->has_max != 0) {
            put_labelled(t, " max=", p->max);
        }
        put_exphist_buckets(t, p);
        debug_print(t, "\n");
    }
}

static void put_summary_lines(struct debug_text *t, const struct DEBUG_METRICS(Metric) * metric)
{
    for (size_t i = 0; i < metric->summary->n_data_points; i++) {
        const struct DEBUG_METRICS(SummaryDataPoint) *p = metric->summary->data_points[i];
        put_series(t, metric, DEBUG_ATTRS_OF(p));
        debug_print(t, " count=%" PRIu64, p->count);
        debug_put_fixed(t, " sum=", p->sum);
        for (size_t q = 0; q < p->n_quantile_values; q++) {
            put_labelled(t, " q", p->quantile_values[q]->quantile);
            put_labelled(t, "=", p->quantile_values[q]->value);
        }
        debug_print(t, "\n");
    }
}

static void put_metric_line(struct debug_text *t, const struct DEBUG_METRICS(Metric) * metric)
{
    switch ((int)metric->data_case) {
    case DEBUG_DATA_CASE(GAUGE):
        put_number_lines(t, metric, metric->gauge->data_points, metric->gauge->n_data_points);
        break;
    case DEBUG_DATA_CASE(SUM):
        put_number_lines(t, metric, metric->sum->data_points, metric->sum->n_data_points);
        break;
    case DEBUG_DATA_CASE(HISTOGRAM):
        put_histogram_lines(t, metric);
        break;
    case DEBUG_DATA_CASE(EXPONENTIAL_HISTOGRAM):
        put_exphist_lines(t, metric);
        break;
    case DEBUG_DATA_CASE(SUMMARY):
        put_summary_lines(t, metric);
        break;
    default:
        break;
    }
}

void debug_put_metric_lines(struct debug_text *t, const struct DEBUG_METRICS_REQUEST *request)
{
    for (size_t i = 0; i < request->n_resource_metrics; i++) {
        const struct DEBUG_METRICS(ResourceMetrics) *from = request->resource_metrics[i];
        put_resource_line(t, &(struct debug_head){.name = "ResourceMetrics",
                                                  .index = i,
                                                  .schema_url = from->schema_url,
                                                  .resource = from->resource});
        for (size_t j = 0; j < from->n_scope_metrics; j++) {
            const struct DEBUG_METRICS(ScopeMetrics) *scope = from->scope_metrics[j];
            put_scope_line(t, &(struct debug_head){.name = "ScopeMetrics",
                                                   .index = j,
                                                   .schema_url = scope->schema_url,
                                                   .scope = scope->scope});
            for (size_t k = 0; k < scope->n_metrics; k++) {
                put_metric_line(t, scope->metrics[k]);
            }
        }
    }
}

static void put_id(struct debug_text *t, ProtobufCBinaryData id)
{
    debug_print(t, " ");
    for (size_t i = 0; i < id.len; i++) {
        debug_print(t, "%02x", id.data[i]);
    }
}

void debug_put_span_lines(struct debug_text *t, const struct DEBUG_TRACE_REQUEST *request)
{
    for (size_t i = 0; i < request->n_resource_spans; i++) {
        const struct DEBUG_TRACE(ResourceSpans) *from = request->resource_spans[i];
        put_resource_line(t, &(struct debug_head){.name = "ResourceTraces",
                                                  .index = i,
                                                  .schema_url = from->schema_url,
                                                  .resource = from->resource});
        for (size_t j = 0; j < from->n_scope_spans; j++) {
            const struct DEBUG_TRACE(ScopeSpans) *scope = from->scope_spans[j];
            put_scope_line(t, &(struct debug_head){.name = "ScopeTraces",
                                                   .index = j,
                                                   .schema_url = scope->schema_url,
                                                   .scope = scope->scope});
            for (size_t k = 0; k < scope->n_spans; k++) {
                const struct DEBUG_TRACE(Span) *span = scope->spans[k];
                debug_put(t, pb_slice(span->name));
                put_id(t, span->trace_id);
                put_id(t, span->span_id);
                debug_put_pairs(t, ' ', true, DEBUG_ATTRS_OF(span));
                debug_print(t, "\n");
            }
        }
    }
}

void debug_put_log_lines(struct debug_text *t, const struct DEBUG_LOGS_REQUEST *request)
{
    for (size_t i = 0; i < request->n_resource_logs; i++) {
        const struct DEBUG_LOGS(ResourceLogs) *from = request->resource_logs[i];
        put_resource_line(t, &(struct debug_head){.name = "ResourceLog",
                                                  .index = i,
                                                  .schema_url = from->schema_url,
                                                  .resource = from->resource});
        for (size_t j = 0; j < from->n_scope_logs; j++) {
            const struct DEBUG_LOGS(ScopeLogs) *scope = from->scope_logs[j];
            put_scope_line(t, &(struct debug_head){.name = "ScopeLog",
                                                   .index = j,
                                                   .schema_url = scope->schema_url,
                                                   .scope = scope->scope});
            for (size_t k = 0; k < scope->n_log_records; k++) {
                const struct DEBUG_LOGS(LogRecord) *record = scope->log_records[k];
                debug_put_plain(t, record->body);
                debug_put_pairs(t, ' ', true, DEBUG_ATTRS_OF(record));
                debug_print(t, "\n");
            }
        }
    }
}
