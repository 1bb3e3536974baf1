/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug_signals — the writers behind debug_text_encode, one per signal and verbosity, and the heads
 * they share. Nobody else includes this.
 */
#pragma once

#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "exporters/debug_value.h"

/* Shorter names of what protoc-c makes. */
#define DEBUG_METRICS(name) Opentelemetry__Proto__Metrics__V1__##name
#define DEBUG_TRACE(name) Opentelemetry__Proto__Trace__V1__##name
#define DEBUG_LOGS(name) Opentelemetry__Proto__Logs__V1__##name
#define DEBUG_METRICS_REQUEST                                                                      \
    Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest
#define DEBUG_TRACE_REQUEST Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest
#define DEBUG_LOGS_REQUEST Opentelemetry__Proto__Collector__Logs__V1__ExportLogsServiceRequest
#define DEBUG_DATA_CASE(name) OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_##name
#define DEBUG_NUMBER_CASE(name)                                                                    \
    OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_##name
#define DEBUG_EXEMPLAR_CASE(name) OPENTELEMETRY__PROTO__METRICS__V1__EXEMPLAR__VALUE_AS_##name

/* The n attributes of any generated message that has them. */
#define DEBUG_ATTRS_OF(message)                                                                    \
    ((struct debug_attrs){.pairs = (message)->attributes, .count = (message)->n_attributes})

/* Who sent it: one resource or one scope, as both verbosities head their sections. */
struct debug_head {
    const char *name; /* "ResourceMetrics" */
    size_t index;
    ProtobufCBinaryData schema_url;
    const struct Opentelemetry__Proto__Resource__V1__Resource *resource; /* may be NULL */
    const struct DEBUG_COMMON(InstrumentationScope) * scope;             /* may be NULL */
};

/* Detailed heads. */
void debug_put_resource_head(struct debug_text *t, const struct debug_head *head);
void debug_put_scope_head(struct debug_text *t, const struct debug_head *head);

/* Detailed. */
void debug_put_metrics(struct debug_text *t, const struct DEBUG_METRICS_REQUEST *request);
void debug_put_spans(struct debug_text *t, const struct DEBUG_TRACE_REQUEST *request);
void debug_put_logs(struct debug_text *t, const struct DEBUG_LOGS_REQUEST *request);

/* Normal. */
void debug_put_metric_lines(struct debug_text *t, const struct DEBUG_METRICS_REQUEST *request);
void debug_put_span_lines(struct debug_text *t, const struct DEBUG_TRACE_REQUEST *request);
void debug_put_log_lines(struct debug_text *t, const struct DEBUG_LOGS_REQUEST *request);
