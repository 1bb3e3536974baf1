/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_body — from a whole head to a whole request: admission, memory, the body itself.
 *
 * A body goes from the receive buffer into one block of its own: of its announced length, or one
 * that doubles while chunks arrive. It is charged before it is read. Source: RFC 9112 section 6.
 */
#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/http1_connection.h"

#define MS_PER_S 1000

/* --- memory ----------------------------------------------------------------------------------- */

static bool charge(struct http1_connection *c, uint64_t bytes)
{
    struct http1_server *server = c->server;
    if (server->on_charge != NULL && !server->on_charge(server, bytes)) {
        return false;
    }
    c->charged_bytes += bytes;
    return true;
}

void http1_body_fini(struct http1_connection *c)
{
    http1_buffer_fini(&c->body);
    uint64_t charged_bytes = c->charged_bytes;
    c->charged_bytes = 0;
    if (charged_bytes > 0 && c->server->on_release != NULL) {
        c->server->on_release(c->server, charged_bytes);
    }
}

/* A block of just that size: what is announced is what comes. */
static bool reserve(struct http1_connection *c, size_t bytes)
{
    c->body.ptr = mem_resize(NULL, bytes);
    c->body.capacity_bytes = c->body.ptr != NULL ? bytes : 0;
    return c->body.ptr != NULL;
}

/* A doubled block may be half empty, and its owner may keep it for a while. */
static void trim(struct http1_connection *c)
{
    if (c->body.capacity_bytes - c->body.len <= c->body.len / 4) {
        return;
    }
    uint8_t *ptr = c->body.len > 0 ? mem_resize(c->body.ptr, c->body.len) : NULL;
    if (ptr != NULL) {
        c->body.ptr = ptr;
        c->body.capacity_bytes = c->body.len;
    }
}

/* --- refusing --------------------------------------------------------------------------------- */

/*
 * Mostly nothing of the body was read yet. Where little of it is to come the connection lives on:
 * it is thrown away first, and a client that sends before it reads finds its answer.
 */
static void refuse_early(struct http1_connection *c, const struct http1_refusal *refusal)
{
    http1_answer_prepare(c, refusal);
    bool has_length = c->head.framing == HTTP1_FRAMING_LENGTH;
    uint64_t rest_bytes = has_length ? c->head.content_length : 0;
    bool is_short = c->head.framing != HTTP1_FRAMING_CHUNKED &&
                    rest_bytes <= c->server->options.linger_max_bytes;
    bool may_skip_it = c->head.expects_continue && rest_bytes > 0;
    if (!is_short || may_skip_it || c->will_close) {
        c->will_close = true;
        http1_answer_start(c);
        return;
    }
    if (rest_bytes == 0) {
        http1_answer_start(c);
        return;
    }
    c->drain_bytes = rest_bytes;
    http1_connection_enter(c, HTTP1_STATE_DRAIN);
}

void http1_body_drain(struct http1_connection *c, struct slice *bytes)
{
    size_t len = c->drain_bytes < bytes->len ? (size_t)c->drain_bytes : bytes->len;
    *bytes = slice_from(*bytes, len);
    c->drain_bytes -= len;
    if (c->drain_bytes == 0) {
        http1_answer_start(c);
    }
}

/* Refused in the server's name; the owner may put it into its own words. */
static void refuse_ourselves(struct http1_connection *c, uint32_t status, struct slice text)
{
    struct http1_server *server = c->server;
    struct http1_refusal refusal = {
        .status = status,
        .retry_after_s = status == 503 ? server->options.retry_after_s : 0,
        .content_type = "text/plain; charset=utf-8",
        .body = text,
    };
    if (server->on_refuse != NULL) {
        c->is_exchange_open = true;
        server->on_refuse(server, &c->exchange, &refusal);
        c->is_exchange_open = false;
    }
    server->stats.bad_count++;
    if (c->state != HTTP1_STATE_CLOSING) {
        refuse_early(c, &refusal);
    }
}

static const struct slice *too_large(void)
{
    static const char text[] = "request body too large\n";
    static const struct slice slice = {.ptr = (const uint8_t *)text, .len = sizeof(text) - 1};
    return &slice;
}

static const struct slice *no_memory(void)
{
    static const char text[] = "out of memory\n";
    static const struct slice slice = {.ptr = (const uint8_t *)text, .len = sizeof(text) - 1};
    return &slice;
}

/* --- the request ------------------------------------------------------------------------------ */

static void dispatch(struct http1_connection *c)
{
    trim(c);
    http1_connection_enter(c, HTTP1_STATE_HANDLING);
    c->is_exchange_open = true;
    c->server->stats.request_count++;
    c->server->on_request(c->server, &c->exchange);
}

static bool is_admitted(struct http1_connection *c)
{
    struct http1_server *server = c->server;
    if (server->on_admit == NULL) {
        return true;
    }
    struct http1_refusal refusal = {.status = 503};
    c->is_exchange_open = true;
    bool is_welcome = server->on_admit(server, &c->exchange, &refusal);
    c->is_exchange_open = false;
    if (c->state == HTTP1_STATE_CLOSING) { /* the owner closed the server meanwhile */
        return false;
    }
    if (!is_welcome) {
        server->stats.unadmitted_count++;
        refuse_early(c, &refusal);
    }
    return is_welcome;
}

/* The announced body gets its memory, before any of it is read. */
static bool has_memory(struct http1_connection *c)
{
    uint64_t bytes = c->head.framing == HTTP1_FRAMING_LENGTH ? c->head.content_length : 0;
    if (bytes > c->server->options.body_max_bytes) {
        refuse_ourselves(c, c->server->options.too_large_status, *too_large());
        return false;
    }
    if (bytes == 0) {
        return true;
    }
    if (!charge(c, bytes)) {
        c->server->stats.unadmitted_count++;
        refuse_ourselves(c, 503, *no_memory());
        return false;
    }
    if (!reserve(c, (size_t)bytes)) {
        http1_body_fini(c);
        refuse_ourselves(c, 503, *no_memory());
        return false;
    }
    return true;
}

/* How long the body may take from now on, or until its rate is looked at again. */
static void enter_window(struct http1_connection *c)
{
    struct loop *loop = c->server->loop;
    http1_connection_enter(c, HTTP1_STATE_BODY);
    if (c->state == HTTP1_STATE_BODY && c->timeout.deadline_mono_ns > c->body_until_mono_ns &&
        loop_timer_arm(loop, &c->timeout, c->body_until_mono_ns) != 0) {
        http1_connection_close(c);
    }
}

void http1_body_begin(struct http1_connection *c, struct slice bytes)
{
    if (!is_admitted(c) || !has_memory(c)) {
        return;
    }
    bool has_body = c->head.framing == HTTP1_FRAMING_CHUNKED ||
                    (c->head.framing == HTTP1_FRAMING_LENGTH && c->head.content_length > 0);
    if (!has_body) {
        dispatch(c);
        return;
    }
    uint64_t limit_ns = (uint64_t)c->server->options.body_timeout_ms * CLOCK_NS_PER_MS;
    c->body_until_mono_ns =
        limit_ns > 0 ? loop_now_mono_ns(c->server->loop) + limit_ns : UINT64_MAX;
    c->window_bytes = 0;
    enter_window(c);
    if (c->state == HTTP1_STATE_BODY && c->head.expects_continue && bytes.len == 0) {
        http1_answer_continue(c);
    }
}

static void read_length(struct http1_connection *c, struct slice *bytes)
{
    size_t room = c->body.capacity_bytes - c->body.len;
    size_t len = room < bytes->len ? room : bytes->len;
    memcpy(c->body.ptr + c->body.len, bytes->ptr, len);
    c->body.len += len;
    c->window_bytes += len;
    *bytes = slice_from(*bytes, len);
    if (c->body.len == c->body.capacity_bytes) {
        dispatch(c);
    }
}

/* In the middle of a body there is no telling where it ends: the connection ends with the answer.
 */
static void refuse_late(struct http1_connection *c, uint32_t status, struct slice text)
{
    http1_body_fini(c);
    c->will_close = true;
    refuse_ourselves(c, status, text);
}

/* A piece of a chunked body. False: refused. */
static bool take_piece(struct http1_connection *c, struct slice piece)
{
    size_t max_bytes = c->server->options.body_max_bytes;
    if (piece.len > max_bytes - c->body.len) {
        refuse_late(c, c->server->options.too_large_status, *too_large());
        return false;
    }
    if (!charge(c, piece.len)) {
        c->server->stats.unadmitted_count++;
        refuse_late(c, 503, *no_memory());
        return false;
    }
    if (http1_buffer_append(&c->body, piece, max_bytes) != 0) {
        refuse_late(c, 503, *no_memory());
        return false;
    }
    c->window_bytes += piece.len;
    return true;
}

static void read_chunks(struct http1_connection *c, struct slice *bytes)
{
    enum http1_why why = HTTP1_WHY_NONE;
    enum parse parse = PARSE_MORE;
    while (parse == PARSE_MORE && bytes->len > 0) {
        struct slice piece;
        parse = http1_chunks_decode(&c->chunks, bytes, &piece, &why);
        if (piece.len > 0 && !take_piece(c, piece)) {
            return;
        }
    }
    if (parse == PARSE_BAD) {
        refuse_late(c, http1_why_status(why), slice_of_text(http1_why_text(why)));
        return;
    }
    if (parse == PARSE_DONE) {
        dispatch(c);
    }
}

void http1_body_read(struct http1_connection *c, struct slice *bytes)
{
    if (c->head.framing == HTTP1_FRAMING_CHUNKED) {
        read_chunks(c, bytes);
        return;
    }
    read_length(c, bytes);
}

void http1_body_on_timeout(struct http1_connection *c, uint64_t now_mono_ns)
{
    const struct http1_server_options *o = &c->server->options;
    uint64_t due_bytes = (uint64_t)o->body_rate_min_bytes * o->head_timeout_ms / MS_PER_S;
    bool is_fast_enough = c->window_bytes > 0 && c->window_bytes >= due_bytes;
    if (is_fast_enough && now_mono_ns < c->body_until_mono_ns) {
        c->window_bytes = 0;
        enter_window(c);
        return;
    }
    static const char text[] = "request came too slowly\n";
    c->server->stats.timeout_count++;
    refuse_late(c, 408, slice_of(text, sizeof(text) - 1));
}
