/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_http_response — partial success and error messages, in protobuf or JSON.
 *
 * The answers of the three signals have one shape on the wire and differ in one name in JSON, so
 * one schema reads them all.
 */
#include "exporters/otlp_http_response.h"

#include <jansson.h>

#include "core/base/clock.h"
#include "core/base/number.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "core/otlp/proto/rpc_status.pb-c.h"

/* The generator's names, cut to a length that fits a line. */
#define TRACES_RESPONSE                                                                            \
    (&opentelemetry__proto__collector__trace__v1__export_trace_service_response__descriptor)
#define METRICS_RESPONSE                                                                           \
    (&opentelemetry__proto__collector__metrics__v1__export_metrics_service_response__descriptor)
#define LOGS_RESPONSE                                                                              \
    (&opentelemetry__proto__collector__logs__v1__export_logs_service_response__descriptor)

/* What an answer may say, in either encoding. */
struct answer {
    int64_t rejected_items;
    struct slice message;
};

static bool is_json_type(struct slice content_type)
{
    return slice_has_prefix(content_type, SLICE_LITERAL("application/json"));
}

static bool is_protobuf_type(struct slice content_type)
{
    return slice_has_prefix(content_type, SLICE_LITERAL("application/x-protobuf"));
}

/* --- protobuf --------------------------------------------------------------------------------- */

static void read_metrics(const ProtobufCMessage *message, struct answer *out)
{
    const Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceResponse *response =
        (const void *)message;
    if (response->partial_success != NULL) {
        out->rejected_items = response->partial_success->rejected_data_points;
        out->message = pb_slice(response->partial_success->error_message);
    }
}

static void read_traces(const ProtobufCMessage *message, struct answer *out)
{
    const Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse *response =
        (const void *)message;
    if (response->partial_success != NULL) {
        out->rejected_items = response->partial_success->rejected_spans;
        out->message = pb_slice(response->partial_success->error_message);
    }
}

static void read_logs(const ProtobufCMessage *message, struct answer *out)
{
    const Opentelemetry__Proto__Collector__Logs__V1__ExportLogsServiceResponse *response =
        (const void *)message;
    if (response->partial_success != NULL) {
        out->rejected_items = response->partial_success->rejected_log_records;
        out->message = pb_slice(response->partial_success->error_message);
    }
}

static void read_success_protobuf(struct slice body, enum signal signal, struct arena *arena,
                                  struct answer *out)
{
    static const struct {
        const ProtobufCMessageDescriptor *descriptor;
        void (*read)(const ProtobufCMessage *message, struct answer *out);
    } rows[SIGNAL_COUNT] = {
        [SIGNAL_TRACES] = {TRACES_RESPONSE, read_traces},
        [SIGNAL_METRICS] = {METRICS_RESPONSE, read_metrics},
        [SIGNAL_LOGS] = {LOGS_RESPONSE, read_logs},
    };
    ProtobufCMessage *message = NULL;
    if (pb_decode(rows[signal].descriptor, body, arena, NULL, &message) == 0) {
        rows[signal].read(message, out);
    }
}

static void read_error_protobuf(struct slice body, struct arena *arena, struct answer *out)
{
    ProtobufCMessage *message = NULL;
    if (pb_decode(&google__rpc__status__descriptor, body, arena, NULL, &message) == 0) {
        const Google__Rpc__Status *status = (const void *)message;
        out->message = pb_slice(status->message);
    }
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* A number, or a number in quotes, which is how protobuf's JSON spells 64 bits. */
static int64_t read_json_number(const json_t *value)
{
    int64_t number = 0;
    if (json_is_integer(value)) {
        return json_integer_value(value);
    }
    struct slice text = slice_of(json_string_value(value), json_string_length(value));
    return number_parse_i64(text, &number) == 0 ? number : 0;
}

static struct slice copy_json_text(const json_t *value, struct arena *arena)
{
    return arena_copy(arena, slice_of(json_string_value(value), json_string_length(value)));
}

static void read_json(struct slice body, enum signal signal, bool is_success, struct arena *arena,
                      struct answer *out)
{
    static const char *const names[SIGNAL_COUNT] = {
        [SIGNAL_TRACES] = "rejectedSpans",
        [SIGNAL_METRICS] = "rejectedDataPoints",
        [SIGNAL_LOGS] = "rejectedLogRecords",
    };
    json_error_t error;
    json_t *root = json_loadb((const char *)body.ptr, body.len, 0, &error);
    if (root == NULL) {
        return;
    }
    if (is_success) {
        const json_t *partial = json_object_get(root, "partialSuccess");
        out->rejected_items = read_json_number(json_object_get(partial, names[signal]));
        out->message = copy_json_text(json_object_get(partial, "errorMessage"), arena);
    } else {
        out->message = copy_json_text(json_object_get(root, "message"), arena);
    }
    json_decref(root);
}

/* --- public ----------------------------------------------------------------------------------- */

enum send_outcome otlp_http_judge_status(uint32_t status)
{
    if (status >= 200 && status <= 299) {
        return SEND_ACCEPTED;
    }
    bool is_retryable = status == 429 || status == 502 || status == 503 || status == 504;
    return is_retryable ? SEND_RETRYABLE : SEND_REJECTED;
}

static uint64_t clamp_items(int64_t rejected_items, uint64_t item_count)
{
    if (rejected_items <= 0) {
        return 0;
    }
    return (uint64_t)rejected_items < item_count ? (uint64_t)rejected_items : item_count;
}

void otlp_http_read_response(const struct http_result *result, enum signal signal,
                             uint64_t item_count, struct arena *arena, struct send_result *out)
{
    struct answer answer = {0};
    *out = (struct send_result){
        .outcome = otlp_http_judge_status(result->status),
        .status = result->status,
    };
    bool is_success = out->outcome == SEND_ACCEPTED;
    if (result->body.len == 0 || result->is_body_cut) {
        answer.message = slice_of(NULL, 0);
    } else if (is_json_type(result->content_type)) {
        read_json(result->body, signal, is_success, arena, &answer);
    } else if (is_protobuf_type(result->content_type) && is_success) {
        read_success_protobuf(result->body, signal, arena, &answer);
    } else if (is_protobuf_type(result->content_type)) {
        read_error_protobuf(result->body, arena, &answer);
    } else if (!is_success) {
        answer.message = result->body; /* proxies and load balancers answer in plain text */
    }
    out->reason = answer.message;
    if (is_success) {
        out->rejected_items = clamp_items(answer.rejected_items, item_count);
    }
    if (result->status == 429 || result->status == 503) {
        out->retry_after_ns = result->retry_after_ms * CLOCK_NS_PER_MS;
    }
}
