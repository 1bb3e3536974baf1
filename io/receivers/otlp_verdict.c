/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_verdict — statuses, words and the bodies that carry them.
 */
#include "io/receivers/otlp_verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codecs/json_out.h"
#include "core/base/clock.h"
#include "core/otlp/otlp_build.h"

/* Peers give up after ten seconds in all: a second leaves them several attempts. */
#define POSTPONE_NS CLOCK_NS_PER_S
#define RESPONSE_MAX_BYTES (OTLP_VERDICT_TEXT_BYTES + 64)

enum {
    TAG_PARTIAL_SUCCESS = 1 << 3 | 2,
    TAG_REJECTED = 1 << 3 | 0,
    TAG_ERROR_MESSAGE = 2 << 3 | 2,
};

void otlp_verdict_accept(struct otlp_verdict *verdict)
{
    verdict->status = GRPC_OK;
    verdict->http_status = 0;
    verdict->retry_delay_ns = GRPC_NO_RETRY_DELAY;
    verdict->rejected_count = 0;
    verdict->text_len = 0;
}

/* A protobuf string must be UTF-8, and words may quote what a peer sent, or be cut. */
static void make_plain(struct otlp_verdict *verdict)
{
    bool is_plain = slice_is_utf8(otlp_verdict_text(verdict));
    for (uint32_t i = 0; i < verdict->text_len && !is_plain; i++) {
        verdict->text[i] = (uint8_t)verdict->text[i] < 0x80 ? verdict->text[i] : '?';
    }
}

void otlp_verdict_refuse(struct otlp_verdict *verdict, enum grpc_status status, const char *format,
                         ...)
{
    va_list args;
    otlp_verdict_accept(verdict);
    verdict->status = status;
    va_start(args, format);
    int len = vsnprintf(verdict->text, sizeof(verdict->text), format, args);
    va_end(args);
    size_t cap = sizeof(verdict->text) - 1;
    verdict->text_len = len < 0 ? 0 : (uint32_t)((size_t)len < cap ? (size_t)len : cap);
    make_plain(verdict);
}

void otlp_verdict_postpone(struct otlp_verdict *verdict, const char *text)
{
    otlp_verdict_refuse(verdict, GRPC_UNAVAILABLE, "%s", text);
    verdict->retry_delay_ns = POSTPONE_NS;
}

uint32_t otlp_verdict_http_status(const struct otlp_verdict *verdict)
{
    if (verdict->http_status != 0) {
        return verdict->http_status;
    }
    switch (verdict->status) {
    case GRPC_OK:
        return 200;
    case GRPC_INVALID_ARGUMENT:
        return 400;
    case GRPC_UNAUTHENTICATED:
        return 401;
    case GRPC_PERMISSION_DENIED:
        return 403;
    case GRPC_UNIMPLEMENTED:
        return 404;
    case GRPC_RESOURCE_EXHAUSTED:
        return 429;
    case GRPC_CANCELLED:
    case GRPC_DEADLINE_EXCEEDED:
    case GRPC_ABORTED:
    case GRPC_OUT_OF_RANGE:
    case GRPC_UNAVAILABLE:
    case GRPC_DATA_LOSS:
        return 503;
    case GRPC_UNKNOWN:
    case GRPC_NOT_FOUND:
    case GRPC_ALREADY_EXISTS:
    case GRPC_FAILED_PRECONDITION:
    case GRPC_INTERNAL:
        break;
    }
    return 500;
}

uint32_t otlp_verdict_retry_after_s(const struct otlp_verdict *verdict)
{
    uint32_t http_status = otlp_verdict_http_status(verdict);
    if (verdict->retry_delay_ns == GRPC_NO_RETRY_DELAY ||
        (http_status != 429 && http_status != 503)) {
        return 0;
    }
    uint64_t seconds = (verdict->retry_delay_ns + CLOCK_NS_PER_S - 1) / CLOCK_NS_PER_S;
    return seconds == 0 ? 1 : (uint32_t)seconds;
}

static void response_as_json(const struct otlp_verdict *verdict, enum signal signal,
                             struct bytes *out)
{
    static const char *const rejected_names[SIGNAL_COUNT] = {
        [SIGNAL_TRACES] = "rejectedSpans",
        [SIGNAL_METRICS] = "rejectedDataPoints",
        [SIGNAL_LOGS] = "rejectedLogRecords",
    };
    struct json_out json = json_out_of(out);
    json_out_open(&json, '{');
    json_out_key(&json, SLICE_LITERAL("partialSuccess"));
    json_out_open(&json, '{');
    if (verdict->rejected_count > 0) {
        json_out_key(&json, slice_of_text(rejected_names[signal]));
        json_out_u64_text(&json, verdict->rejected_count);
        json_out_key(&json, SLICE_LITERAL("errorMessage"));
        json_out_string(&json, otlp_verdict_text(verdict));
    }
    json_out_close(&json, '}');
    json_out_close(&json, '}');
}

void otlp_verdict_encode_response(const struct otlp_verdict *verdict, enum signal signal,
                                  bool is_json, struct bytes *out)
{
    ASSERT(verdict->status == GRPC_OK);
    if (is_json) {
        response_as_json(verdict, signal, out);
        return;
    }
    if (verdict->rejected_count == 0) {
        return; /* full success: the field stays unset */
    }
    uint8_t buf[RESPONSE_MAX_BYTES];
    struct otlp_build build;
    otlp_build_init(&build, buf, sizeof(buf));
    otlp_build_text_field(&build, TAG_ERROR_MESSAGE, otlp_verdict_text(verdict));
    otlp_build_varint_field(&build, TAG_REJECTED, verdict->rejected_count);
    otlp_build_close(&build, 0, TAG_PARTIAL_SUCCESS);
    ASSERT(build.err == 0); /* the text is bounded */
    struct slice encoded = otlp_build_since(&build, 0);
    bytes_append(out, encoded.ptr, encoded.len);
}

/* Duration in JSON: seconds with an 's'. */
static void retry_info_as_json(const struct otlp_verdict *verdict, struct json_out *json)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%.3fs", (double)verdict->retry_delay_ns / 1e9);
    json_out_key(json, SLICE_LITERAL("details"));
    json_out_open(json, '[');
    json_out_open(json, '{');
    json_out_key(json, SLICE_LITERAL("@type"));
    json_out_string(json, SLICE_LITERAL("type.googleapis.com/google.rpc.RetryInfo"));
    json_out_key(json, SLICE_LITERAL("retryDelay"));
    json_out_string(json, slice_of(text, (size_t)len));
    json_out_close(json, '}');
    json_out_close(json, ']');
}

void otlp_verdict_encode_status(const struct otlp_verdict *verdict, bool is_json, struct bytes *out)
{
    if (is_json) {
        struct json_out json = json_out_of(out);
        json_out_open(&json, '{');
        json_out_key(&json, SLICE_LITERAL("code"));
        json_out_u64(&json, verdict->status);
        json_out_key(&json, SLICE_LITERAL("message"));
        json_out_string(&json, otlp_verdict_text(verdict));
        if (verdict->retry_delay_ns != GRPC_NO_RETRY_DELAY) {
            retry_info_as_json(verdict, &json);
        }
        json_out_close(&json, '}');
        return;
    }
    const struct grpc_details details = {
        .status = verdict->status,
        .text = otlp_verdict_text(verdict),
        .retry_delay_ns = verdict->retry_delay_ns,
    };
    uint8_t buf[OTLP_VERDICT_TEXT_BYTES + GRPC_DETAILS_EXTRA_BYTES];
    size_t len = grpc_details_encode(&details, buf, sizeof(buf));
    bytes_append(out, buf, len);
}
