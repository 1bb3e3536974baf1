/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace_cause — did it fail, whose fault was it, and which exceptions tell of it.
 *
 * The three flags come from the HTTP status before the span's own. Exceptions come from events, or
 * from the status message where the events have none.
 */
#include "codecs/xray_trace_parts.h"
#include "core/base/number.h"
#include "core/otlp/otlp_field.h"

#define NS_PER_US UINT64_C(1000)
#define US_PER_S UINT64_C(1000000)
#define US_DIGITS 6

enum {
    EVENT_TIME = 1,
    EVENT_NAME = 2,
};

/* --- flags ------------------------------------------------------------------------------------ */

static int64_t status_code(const struct xray_trace *t)
{
    const struct xray_attr *attr = xray_attrs_find(&t->attrs, XRAY_KEY_HTTP_STATUS_CODE);
    if (attr == NULL) {
        attr = xray_attrs_find(&t->attrs, XRAY_KEY_HTTP_RESPONSE_STATUS_CODE);
    }
    return attr != NULL && attr->value.kind == OTLP_VALUE_INT ? attr->value.integer : 0;
}

static void put_flag(struct json_out *out, struct slice key, bool value)
{
    json_out_key(out, key);
    json_out_bool(out, value);
}

void xray_trace_put_flags(struct xray_trace *t)
{
    int64_t code = status_code(t);
    bool is_error = code >= 400 && code <= 499;
    bool is_server_fault = code >= 500 && code <= 599;
    bool is_fault = is_server_fault || (!is_error && t->span.has_failed);
    put_flag(&t->out, SLICE_LITERAL("error"), is_error);
    put_flag(&t->out, SLICE_LITERAL("throttle"), code == 429);
    put_flag(&t->out, SLICE_LITERAL("fault"), is_fault);
}

/* --- exceptions ------------------------------------------------------------------------------- */

/* Opens an exception; its members follow. */
static void open_exception(struct xray_trace *t, struct slice type, struct slice message)
{
    struct xray_id_text id = xray_trace_make_id(t);
    json_out_open(&t->out, '{');
    xray_put_text(&t->out, SLICE_LITERAL("id"), xray_id_slice(&id));
    json_out_key(&t->out, SLICE_LITERAL("type"));
    json_out_string(&t->out, type);
    json_out_key(&t->out, SLICE_LITERAL("message"));
    json_out_string(&t->out, message);
}

static void put_exception_event(struct xray_trace *t)
{
    const struct xray_attrs *attrs = &t->event_attrs;
    open_exception(t, xray_attrs_text(attrs, XRAY_KEY_EXCEPTION_TYPE),
                   xray_attrs_text(attrs, XRAY_KEY_EXCEPTION_MESSAGE));
    put_flag(&t->out, SLICE_LITERAL("remote"), xray_is_outgoing(t->span.kind));
    xray_stack_put(t, xray_attrs_text(&t->resource, XRAY_KEY_TELEMETRY_SDK_LANGUAGE),
                   xray_attrs_text(attrs, XRAY_KEY_EXCEPTION_STACKTRACE));
    json_out_close(&t->out, '}');
}

static void append_number(struct bytes *bytes, int64_t value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    bytes_append(bytes, text, number_format_i64(value, text, sizeof(text)));
}

/* Seconds with six decimals. */
static void append_time(struct bytes *bytes, uint64_t unix_ns)
{
    uint64_t unix_us = unix_ns / NS_PER_US;
    uint64_t fraction = unix_us % US_PER_S;
    char decimals[1 + US_DIGITS] = ".";
    for (size_t i = US_DIGITS; i > 0; i--) {
        decimals[i] = (char)('0' + fraction % 10);
        fraction /= 10;
    }
    append_number(bytes, (int64_t)(unix_us / US_PER_S));
    bytes_append(bytes, decimals, sizeof(decimals));
}

/* The AWS SDKs report an attempt that failed: `503@1700000000.000000@SlowDown`. */
static void put_http_failure_event(struct xray_trace *t, uint64_t unix_ns)
{
    const struct xray_attr *code =
        xray_attrs_find(&t->event_attrs, XRAY_KEY_HTTP_RESPONSE_STATUS_CODE);
    const struct xray_attr *error =
        xray_attrs_find(&t->event_attrs, XRAY_KEY_AWS_HTTP_ERROR_MESSAGE);
    if (code == NULL || error == NULL) {
        return;
    }
    struct slice words = xray_value_text(&error->value);
    struct slice code_text = xray_value_text(&code->value);
    struct bytes *message = &t->scratch;
    bytes_clear(message);
    if (code->value.kind == OTLP_VALUE_INT) {
        append_number(message, code->value.integer);
    } else {
        bytes_append(message, code_text.ptr, code_text.len);
    }
    bytes_append_byte(message, '@');
    append_time(message, unix_ns);
    bytes_append_byte(message, '@');
    bytes_append(message, words.ptr, words.len);
    open_exception(t, SLICE_LITERAL("aws.http.error.event"),
                   message->err == 0 ? bytes_slice(message) : words);
    put_flag(&t->out, SLICE_LITERAL("remote"), true);
    json_out_close(&t->out, '}');
}

/* --- events ----------------------------------------------------------------------------------- */

enum event_kind {
    EVENT_OTHER,
    EVENT_EXCEPTION,
    EVENT_HTTP_FAILURE,
};

static enum event_kind judge_event(struct slice event, bool is_aws_api, uint64_t *unix_ns)
{
    struct otlp_field name;
    struct otlp_field time;
    *unix_ns = otlp_field_find(event, EVENT_TIME, &time) ? otlp_field_u64(&time) : 0;
    (void)otlp_field_find(event, EVENT_NAME, &name); /* none is an empty name */
    if (slice_is_text(name.content, "exception")) {
        return EVENT_EXCEPTION;
    }
    bool is_failure = is_aws_api && slice_is_text(name.content, "HTTP request failure");
    return is_failure ? EVENT_HTTP_FAILURE : EVENT_OTHER;
}

static void put_event(struct xray_trace *t, struct slice event, enum event_kind kind,
                      uint64_t unix_ns)
{
    int err = xray_attrs_load(&t->event_attrs, &t->keys, event, OTLP_EVENT_ATTRS);
    if (err != 0) {
        t->document.err = err;
        return;
    }
    if (kind == EVENT_EXCEPTION) {
        put_exception_event(t);
    } else {
        put_http_failure_event(t, unix_ns);
    }
}

/* False where no event tells of a failure. An empty list of exceptions is left out. */
static bool put_events(struct xray_trace *t)
{
    bool is_aws_api = slice_is_text(xray_attrs_text(&t->attrs, XRAY_KEY_RPC_SYSTEM), "aws-api");
    struct pb_reader in = pb_reader_of(t->span.content);
    struct otlp_field event;
    bool has_any = false;
    size_t before_list = 0;
    size_t in_list = 0;
    while (otlp_child_next(&in, XRAY_SPAN_EVENTS, &event)) {
        uint64_t unix_ns = 0;
        enum event_kind kind = judge_event(event.content, is_aws_api, &unix_ns);
        if (kind == EVENT_OTHER) {
            continue;
        }
        if (!has_any) {
            json_out_key(&t->out, SLICE_LITERAL("cause"));
            json_out_open(&t->out, '{');
            before_list = t->document.len;
            json_out_key(&t->out, SLICE_LITERAL("exceptions"));
            json_out_open(&t->out, '[');
            in_list = t->document.len;
            has_any = true;
        }
        put_event(t, event.content, kind, unix_ns);
    }
    if (has_any && t->document.len > in_list) {
        json_out_close(&t->out, ']');
    } else if (has_any) {
        t->document.len = before_list; /* the events had nothing to tell */
    }
    if (has_any) {
        json_out_close(&t->out, '}');
    }
    return has_any;
}

void xray_trace_put_cause(struct xray_trace *t)
{
    if (put_events(t) || !t->span.has_failed) {
        return;
    }
    struct slice text = xray_attrs_take(&t->attrs, XRAY_KEY_HTTP_STATUS_TEXT);
    struct slice message = t->span.status_message.len > 0 ? t->span.status_message : text;
    if (message.len == 0) {
        return;
    }
    json_out_key(&t->out, SLICE_LITERAL("cause"));
    json_out_open(&t->out, '{');
    json_out_key(&t->out, SLICE_LITERAL("exceptions"));
    json_out_open(&t->out, '[');
    open_exception(t, (struct slice){0}, message);
    json_out_close(&t->out, '}');
    json_out_close(&t->out, ']');
    json_out_close(&t->out, '}');
}
