/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug_text — decodes a request, counts it, and hands it to the writer of its signal.
 */
#include "exporters/debug_text.h"

#include "core/otlp/pb_decode.h"
#include "exporters/debug_signals.h"

/* Too long names for a line with anything else. */
#define TRACE_DESCRIPTOR                                                                           \
    (&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor)
#define LOGS_DESCRIPTOR                                                                            \
    (&opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor)
#define METRICS_DESCRIPTOR                                                                         \
    (&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor)

void debug_put_resource_head(struct debug_text *t, const struct debug_head *head)
{
    debug_print(t, "%s #%zu\n", head->name, head->index);
    debug_put_line(t, "Resource SchemaURL: ", head->schema_url);
    if (head->resource != NULL) {
        debug_put_attrs(t, "Resource attributes", "", DEBUG_ATTRS_OF(head->resource));
    }
}

void debug_put_scope_head(struct debug_text *t, const struct debug_head *head)
{
    const ProtobufCBinaryData none = {0};
    const struct DEBUG_COMMON(InstrumentationScope) *scope = head->scope;
    debug_print(t, "%s #%zu\n%s SchemaURL: ", head->name, head->index, head->name);
    debug_put_line(t, "", head->schema_url);
    debug_print(t, "InstrumentationScope ");
    debug_put(t, pb_slice(scope == NULL ? none : scope->name));
    debug_put_line(t, " ", scope == NULL ? none : scope->version);
    if (scope != NULL) {
        debug_put_attrs(t, "InstrumentationScope attributes", "", DEBUG_ATTRS_OF(scope));
    }
}

static size_t point_count(const struct DEBUG_METRICS(Metric) * metric)
{
    switch ((int)metric->data_case) {
    case DEBUG_DATA_CASE(GAUGE):
        return metric->gauge->n_data_points;
    case DEBUG_DATA_CASE(SUM):
        return metric->sum->n_data_points;
    case DEBUG_DATA_CASE(HISTOGRAM):
        return metric->histogram->n_data_points;
    case DEBUG_DATA_CASE(EXPONENTIAL_HISTOGRAM):
        return metric->exponential_histogram->n_data_points;
    case DEBUG_DATA_CASE(SUMMARY):
        return metric->summary->n_data_points;
    default:
        return 0;
    }
}

static struct debug_counts count_metrics(const struct DEBUG_METRICS_REQUEST *request)
{
    struct debug_counts counts = {.resource_count = request->n_resource_metrics};
    for (size_t i = 0; i < request->n_resource_metrics; i++) {
        const struct DEBUG_METRICS(ResourceMetrics) *from = request->resource_metrics[i];
        for (size_t j = 0; j < from->n_scope_metrics; j++) {
            const struct DEBUG_METRICS(ScopeMetrics) *scope = from->scope_metrics[j];
            counts.metric_count += scope->n_metrics;
            for (size_t k = 0; k < scope->n_metrics; k++) {
                counts.item_count += point_count(scope->metrics[k]);
            }
        }
    }
    return counts;
}

static struct debug_counts count_spans(const struct DEBUG_TRACE_REQUEST *request)
{
    struct debug_counts counts = {.resource_count = request->n_resource_spans};
    for (size_t i = 0; i < request->n_resource_spans; i++) {
        for (size_t j = 0; j < request->resource_spans[i]->n_scope_spans; j++) {
            counts.item_count += request->resource_spans[i]->scope_spans[j]->n_spans;
        }
    }
    return counts;
}

static struct debug_counts count_logs(const struct DEBUG_LOGS_REQUEST *request)
{
    struct debug_counts counts = {.resource_count = request->n_resource_logs};
    for (size_t i = 0; i < request->n_resource_logs; i++) {
        for (size_t j = 0; j < request->resource_logs[i]->n_scope_logs; j++) {
            counts.item_count += request->resource_logs[i]->scope_logs[j]->n_log_records;
        }
    }
    return counts;
}

static struct debug_counts put_metrics(struct debug_text *t, enum debug_verbosity verbosity,
                                       const struct DEBUG_METRICS_REQUEST *request)
{
    if (verbosity == DEBUG_NORMAL) {
        debug_put_metric_lines(t, request);
    } else if (verbosity == DEBUG_DETAILED) {
        debug_put_metrics(t, request);
    }
    return count_metrics(request);
}

static struct debug_counts put_spans(struct debug_text *t, enum debug_verbosity verbosity,
                                     const struct DEBUG_TRACE_REQUEST *request)
{
    if (verbosity == DEBUG_NORMAL) {
        debug_put_span_lines(t, request);
    } else if (verbosity == DEBUG_DETAILED) {
        debug_put_spans(t, request);
    }
    return count_spans(request);
}

static struct debug_counts put_logs(struct debug_text *t, enum debug_verbosity verbosity,
                                    const struct DEBUG_LOGS_REQUEST *request)
{
    if (verbosity == DEBUG_NORMAL) {
        debug_put_log_lines(t, request);
    } else if (verbosity == DEBUG_DETAILED) {
        debug_put_logs(t, request);
    }
    return count_logs(request);
}

static const ProtobufCMessageDescriptor *descriptor_of(enum signal signal)
{
    switch (signal) {
    case SIGNAL_TRACES:
        return TRACE_DESCRIPTOR;
    case SIGNAL_METRICS:
        return METRICS_DESCRIPTOR;
    case SIGNAL_LOGS:
        return LOGS_DESCRIPTOR;
    }
    return NULL;
}

int debug_text_encode(enum signal signal, enum debug_verbosity verbosity, struct slice wire,
                      struct arena *arena, struct debug_counts *counts, struct bytes *out)
{
    ASSERT((size_t)signal < SIGNAL_COUNT);
    ProtobufCMessage *message = NULL;
    int err = pb_decode(descriptor_of(signal), wire, arena, NULL, &message);
    if (err != 0) {
        return err;
    }
    struct debug_text t = {.out = out, .arena = arena};
    struct debug_counts seen = {0};
    switch (signal) {
    case SIGNAL_TRACES:
        seen = put_spans(&t, verbosity, (const struct DEBUG_TRACE_REQUEST *)message);
        break;
    case SIGNAL_METRICS:
        seen = put_metrics(&t, verbosity, (const struct DEBUG_METRICS_REQUEST *)message);
        break;
    case SIGNAL_LOGS:
        seen = put_logs(&t, verbosity, (const struct DEBUG_LOGS_REQUEST *)message);
        break;
    }
    if (out->err == 0) {
        *counts = seen;
    }
    return out->err;
}
