/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug_spans — every field of a traces request and of a logs request, a line each.
 *
 * Follows the `detailed` output of the Collector's debug exporter.
 */
#include "core/base/defs.h"
#include "exporters/debug_signals.h"

static const char *name_at(const char *const *names, size_t count, int index)
{
    return index >= 0 && (size_t)index < count ? names[index] : "";
}

static void put_events(struct debug_text *t, const struct DEBUG_TRACE(Span) * span)
{
    if (span->n_events > 0) {
        debug_print(t, "Events:\n");
    }
    for (size_t i = 0; i < span->n_events; i++) {
        const struct DEBUG_TRACE(Span__Event) *event = span->events[i];
        debug_print(t, "SpanEvent #%zu\n", i);
        debug_put_line(t, "     -> Name: ", event->name);
        debug_put_time_line(t, "     -> Timestamp: ", event->time_unix_nano);
        debug_print(t, "     -> DroppedAttributesCount: %u\n", event->dropped_attributes_count);
        debug_put_attrs(t, "     -> Attributes:", "     ", DEBUG_ATTRS_OF(event));
    }
}

static void put_links(struct debug_text *t, const struct DEBUG_TRACE(Span) * span)
{
    if (span->n_links > 0) {
        debug_print(t, "Links:\n");
    }
    for (size_t i = 0; i < span->n_links; i++) {
        const struct DEBUG_TRACE(Span__Link) *link = span->links[i];
        debug_print(t, "SpanLink #%zu\n", i);
        debug_put_id_line(t, "     -> Trace ID: ", link->trace_id);
        debug_put_id_line(t, "     -> ID: ", link->span_id);
        debug_put_line(t, "     -> TraceState: ", link->trace_state);
        debug_print(t, "     -> DroppedAttributesCount: %u\n", link->dropped_attributes_count);
        debug_put_attrs(t, "     -> Attributes:", "     ", DEBUG_ATTRS_OF(link));
    }
}

static void put_span(struct debug_text *t, const struct DEBUG_TRACE(Span) * span)
{
    static const char *const kinds[] = {"Unspecified", "Internal", "Server",
                                        "Client",      "Producer", "Consumer"};
    static const char *const codes[] = {"Unset", "Ok", "Error"};
    int code = span->status == NULL ? 0 : (int)span->status->code;
    debug_put_id_line(t, "    Trace ID       : ", span->trace_id);
    debug_put_id_line(t, "    Parent ID      : ", span->parent_span_id);
    debug_put_id_line(t, "    ID             : ", span->span_id);
    debug_put_line(t, "    Name           : ", span->name);
    debug_print(t, "    Kind           : %s\n", name_at(kinds, COUNT_OF(kinds), (int)span->kind));
    if (span->trace_state.len > 0) {
        debug_put_line(t, "    TraceState     : ", span->trace_state);
    }
    debug_put_time_line(t, "    Start time     : ", span->start_time_unix_nano);
    debug_put_time_line(t, "    End time       : ", span->end_time_unix_nano);
    debug_print(t, "    Status code    : %s\n", name_at(codes, COUNT_OF(codes), code));
    debug_put_line(t, "    Status message : ",
                   span->status == NULL ? (ProtobufCBinaryData){0} : span->status->message);
    debug_print(t, "    DroppedAttributesCount: %u\n", span->dropped_attributes_count);
    debug_put_attrs(t, "Attributes", "", DEBUG_ATTRS_OF(span));
    put_events(t, span);
    debug_print(t, "    DroppedEventsCount: %u\n", span->dropped_events_count);
    put_links(t, span);
    debug_print(t, "    DroppedLinksCount: %u\n", span->dropped_links_count);
}

void debug_put_spans(struct debug_text *t, const struct DEBUG_TRACE_REQUEST *request)
{
    for (size_t i = 0; i < request->n_resource_spans; i++) {
        const struct DEBUG_TRACE(ResourceSpans) *from = request->resource_spans[i];
        debug_put_resource_head(t, &(struct debug_head){.name = "ResourceSpans",
                                                        .index = i,
                                                        .schema_url = from->schema_url,
                                                        .resource = from->resource});
        for (size_t j = 0; j < from->n_scope_spans; j++) {
            const struct DEBUG_TRACE(ScopeSpans) *scope = from->scope_spans[j];
            debug_put_scope_head(t, &(struct debug_head){.name = "ScopeSpans",
                                                         .index = j,
                                                         .schema_url = scope->schema_url,
                                                         .scope = scope->scope});
            for (size_t k = 0; k < scope->n_spans; k++) {
                debug_print(t, "Span #%zu\n", k);
                put_span(t, scope->spans[k]);
            }
        }
    }
}

/* Five ranges of four, after the unspecified one. */
static void put_severity(struct debug_text *t, int number)
{
    static const char *const ranges[] = {"Trace", "Debug", "Info", "Warn", "Error", "Fatal"};
    if (number < 1 || number > 24) {
        debug_print(t, "SeverityNumber: %s(%d)\n", number == 0 ? "Unspecified" : "", number);
        return;
    }
    debug_print(t, "SeverityNumber: %s", ranges[(number - 1) / 4]);
    if ((number - 1) % 4 > 0) {
        debug_print(t, "%d", (number - 1) % 4 + 1);
    }
    debug_print(t, "(%d)\n", number);
}

static void put_record(struct debug_text *t, const struct DEBUG_LOGS(LogRecord) * record)
{
    debug_put_time_line(t, "ObservedTimestamp: ", record->observed_time_unix_nano);
    debug_put_time_line(t, "Timestamp: ", record->time_unix_nano);
    debug_put_line(t, "SeverityText: ", record->severity_text);
    put_severity(t, (int)record->severity_number);
    if (record->event_name.len > 0) {
        debug_put_line(t, "EventName: ", record->event_name);
    }
    debug_print(t, "Body: ");
    debug_put_typed(t, record->body);
    debug_print(t, "\n");
    debug_put_attrs(t, "Attributes", "", DEBUG_ATTRS_OF(record));
    debug_put_id_line(t, "Trace ID: ", record->trace_id);
    debug_put_id_line(t, "Span ID: ", record->span_id);
    debug_print(t, "Flags: %u\n", record->flags);
}

void debug_put_logs(struct debug_text *t, const struct DEBUG_LOGS_REQUEST *request)
{
    for (size_t i = 0; i < request->n_resource_logs; i++) {
        const struct DEBUG_LOGS(ResourceLogs) *from = request->resource_logs[i];
        debug_put_resource_head(t, &(struct debug_head){.name = "ResourceLog",
                                                        .index = i,
                                                        .schema_url = from->schema_url,
                                                        .resource = from->resource});
        for (size_t j = 0; j < from->n_scope_logs; j++) {
            const struct DEBUG_LOGS(ScopeLogs) *scope = from->scope_logs[j];
            debug_put_scope_head(t, &(struct debug_head){.name = "ScopeLogs",
                                                         .index = j,
                                                         .schema_url = scope->schema_url,
                                                         .scope = scope->scope});
            for (size_t k = 0; k < scope->n_log_records; k++) {
                debug_print(t, "LogRecord #%zu\n", k);
                put_record(t, scope->log_records[k]);
            }
        }
    }
}
