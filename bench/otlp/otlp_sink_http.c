/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_sink_http — HTTP/1.1 of the sink: whole requests with a Content-Length, one after another.
 */
#include <string.h>

#include "bench/otlp/otlp_sink_connection.h"
#include "bench/sink_head.h"
#include "core/base/fault.h"

int otlp_sink_http_answer(struct otlp_sink_connection *c, bool is_good)
{
    static const char good[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
                               "Content-Length: 0\r\n\r\n";
    static const char bad[] = "HTTP/1.1 503 Service Unavailable\r\n"
                              "Content-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
    c->is_held = false;
    const struct slice text =
        is_good ? slice_of(good, sizeof(good) - 1) : slice_of(bad, sizeof(bad) - 1);
    return otlp_out_copy(&c->out, text) ? 0 : FAULT_LIMIT;
}

static int http_continue(struct otlp_sink_connection *c, const struct sink_head *head)
{
    if (!head->expects_continue || c->is_continued) {
        return 0;
    }
    c->is_continued = true;
    return otlp_out_copy(&c->out, SLICE_LITERAL("HTTP/1.1 100 Continue\r\n\r\n")) ? 0 : FAULT_LIMIT;
}

/* The request at the front, if it is whole; *taken_bytes is its length or 0. */
static int http_serve(struct otlp_sink_connection *c, struct slice bytes, size_t *taken_bytes)
{
    struct sink_head head;
    *taken_bytes = 0;
    const enum parse parsed = sink_head_parse(bytes, &head);
    if (parsed == PARSE_MORE && bytes.len < SINK_HEAD_MAX_BYTES) {
        return 0;
    }
    if (parsed != PARSE_DONE || head.body_bytes > OTLP_SINK_REQUEST_MAX_BYTES) {
        c->sink->bad_count++;
        return FAULT_MALFORMED;
    }
    if (bytes.len - head.head_bytes < head.body_bytes) {
        return http_continue(c, &head);
    }
    const struct slice body =
        slice_first(slice_from(bytes, head.head_bytes), (size_t)head.body_bytes);
    *taken_bytes = head.head_bytes + body.len;
    c->is_continued = false;
    c->is_held = true;
    const enum otlp_sink_verdict verdict =
        otlp_sink_take(c, 0, otlp_sink_signal_of(head.path), head.content_encoding, body);
    if (verdict == OTLP_SINK_VERDICT_LATER) {
        return 0;
    }
    return otlp_sink_http_answer(c, verdict == OTLP_SINK_VERDICT_GOOD);
}

int otlp_sink_http_receive(struct otlp_sink_connection *c, struct slice bytes)
{
    int err = otlp_sink_make_room(&c->bytes, &c->capacity, c->used, bytes.len);
    if (err != 0) {
        return err;
    }
    memcpy(c->bytes + c->used, bytes.ptr, bytes.len);
    c->used += bytes.len;
    size_t taken_bytes = 1;
    size_t offset = 0;
    while (err == 0 && taken_bytes > 0 && offset < c->used && !c->is_held) {
        err = http_serve(c, slice_of(c->bytes + offset, c->used - offset), &taken_bytes);
        offset += taken_bytes;
    }
    memmove(c->bytes, c->bytes + offset, c->used - offset);
    c->used -= offset;
    return err;
}
