/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_answer — what a connection sends: heads, bodies in one piece, bodies produced in pieces.
 *
 * One send at a time. A piece is asked for in the turn after the last one was sent, so that a large
 * page never holds a turn. Sources: RFC 9110 (Date, HEAD, statuses without a body), RFC 9112.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "io/http1_connection.h"

/* A producer that has nothing yet is asked again after this. */
#define PRODUCE_PAUSE_MS 1

struct status_phrase {
    uint32_t status;
    const char *text;
};

static const struct status_phrase phrases[] = {
    {.status = 200, .text = "OK"},
    {.status = 202, .text = "Accepted"},
    {.status = 204, .text = "No Content"},
    {.status = 301, .text = "Moved Permanently"},
    {.status = 302, .text = "Found"},
    {.status = 304, .text = "Not Modified"},
    {.status = 400, .text = "Bad Request"},
    {.status = 401, .text = "Unauthorized"},
    {.status = 403, .text = "Forbidden"},
    {.status = 404, .text = "Not Found"},
    {.status = 405, .text = "Method Not Allowed"},
    {.status = 406, .text = "Not Acceptable"},
    {.status = 408, .text = "Request Timeout"},
    {.status = 409, .text = "Conflict"},
    {.status = 413, .text = "Content Too Large"},
    {.status = 414, .text = "URI Too Long"},
    {.status = 415, .text = "Unsupported Media Type"},
    {.status = 417, .text = "Expectation Failed"},
    {.status = 422, .text = "Unprocessable Content"},
    {.status = 429, .text = "Too Many Requests"},
    {.status = 431, .text = "Request Header Fields Too Large"},
    {.status = 500, .text = "Internal Server Error"},
    {.status = 501, .text = "Not Implemented"},
    {.status = 503, .text = "Service Unavailable"},
    {.status = 505, .text = "HTTP Version Not Supported"},
};

static const char *phrase_of(uint32_t status)
{
    for (size_t i = 0; i < COUNT_OF(phrases); i++) {
        if (phrases[i].status == status) {
            return phrases[i].text;
        }
    }
    return "Status";
}

/* --- the head --------------------------------------------------------------------------------- */

WEIR_PRINTF(2, 3)
static void put(struct http1_connection *c, const char *format, ...)
{
    size_t room = sizeof(c->answer_head) - c->answer_head_len;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(c->answer_head + c->answer_head_len, room, format, args);
    va_end(args);
    ASSERT(len >= 0 && (size_t)len < room); /* our own lines, and extras that were counted */
    c->answer_head_len += (uint32_t)len;
}

/* As RFC 9110 wants it, in English whatever the locale. */
static void put_date(struct http1_connection *c)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now_s = (time_t)(loop_now_unix_ns(c->server->loop) / CLOCK_NS_PER_S);
    struct tm tm;
    if (gmtime_r(&now_s, &tm) != NULL) {
        put(c, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday], tm.tm_mday,
            months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    }
}

static bool has_no_body(uint32_t status)
{
    return status < 200 || status == 204 || status == 304;
}

static bool is_aged(struct http1_connection *c)
{
    bool is_over = loop_now_mono_ns(c->server->loop) >= c->leave_mono_ns;
    c->server->stats.aged_count += is_over && !c->will_close ? 1 : 0;
    return is_over;
}

static void build_head(struct http1_connection *c)
{
    uint32_t status = c->answer_status;
    const char *content_type = c->answer_type;
    c->answer_head_len = 0;
    c->will_close = c->will_close || !c->head.is_keep_alive || c->server->is_stopping;
    c->will_close = is_aged(c) || c->will_close;
    bool is_old = c->head.minor_version == 0;
    bool is_counted = c->producer == NULL;
    if (!is_counted && is_old) {
        c->will_close = true; /* the end of the connection is the end of the body */
    }
    put(c, "HTTP/1.1 %" PRIu32 " %s\r\n", status, phrase_of(status));
    put_date(c);
    if (content_type != NULL) {
        ASSERT(strlen(content_type) < 256);
        put(c, "Content-Type: %s\r\n", content_type);
    }
    if (is_counted && !has_no_body(status)) {
        put(c, "Content-Length: %zu\r\n", c->answer_len);
    }
    if (!is_counted && !is_old) {
        put(c, "Transfer-Encoding: chunked\r\n");
    }
    if (c->will_close) {
        put(c, "Connection: close\r\n");
    } else if (is_old) {
        put(c, "Connection: keep-alive\r\n");
    }
    put(c, "%.*s\r\n", (int)c->exchange.extra_bytes, c->exchange.extra);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void send_iov(struct http1_connection *c, const struct iovec *iov, size_t iov_count)
{
    int err = channel_send(c->channel, iov, iov_count);
    if (err != 0) {
        http1_connection_close(c);
        return;
    }
    c->is_send_busy = true;
}

static bool is_head_request(const struct http1_connection *c)
{
    return slice_is_text(http1_head_method(&c->head), "HEAD");
}

static void send_answer(struct http1_connection *c)
{
    c->is_answer_due = false;
    http1_connection_enter(c, HTTP1_STATE_SENDING);
    if (c->state == HTTP1_STATE_CLOSING) {
        return;
    }
    const struct iovec iov[] = {
        {.iov_base = c->answer_head, .iov_len = c->answer_head_len},
        {.iov_base = c->answer, .iov_len = c->answer_len},
    };
    send_iov(c, iov, c->answer_len > 0 ? 2 : 1);
}

/* Sends it now, or when the 100 is out. */
static void start_answer(struct http1_connection *c)
{
    build_head(c);
    bool is_bare = is_head_request(c) || has_no_body(c->answer_status);
    c->answer_len = is_bare ? 0 : c->answer_len;
    if (c->is_send_busy) {
        c->is_answer_due = true;
        http1_connection_enter(c, HTTP1_STATE_SENDING);
        return;
    }
    send_answer(c);
}

void http1_answer_start(struct http1_connection *c)
{
    start_answer(c);
}

void http1_answer_continue(struct http1_connection *c)
{
    static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct iovec iov = {.iov_base = text, .iov_len = sizeof(text) - 1};
    send_iov(c, &iov, 1);
}

void http1_answer_prepare(struct http1_connection *c, const struct http1_refusal *refusal)
{
    ASSERT(c->answer == NULL && c->producer == NULL);
    c->answer_status = refusal->status;
    c->answer_type = refusal->content_type;
    size_t len = refusal->body.len;
    c->answer = len > 0 ? mem_alloc(len) : NULL;
    c->answer_len = c->answer != NULL ? len : 0; /* the status says the most of it */
    if (c->answer != NULL) {
        memcpy(c->answer, refusal->body.ptr, len);
    }
    if (refusal->retry_after_s > 0) {
        char text[16];
        int text_len = snprintf(text, sizeof(text), "%" PRIu32, refusal->retry_after_s);
        struct slice value = slice_of(text, (size_t)text_len);
        int err = http1_exchange_add_header(&c->exchange, "Retry-After", value);
        (void)err; /* left out where the owner's headers took all the room */
    }
}

void http1_answer_refuse(struct http1_connection *c, uint32_t status, const char *text)
{
    char line[128];
    int len = snprintf(line, sizeof(line), "%s\n", text);
    ASSERT(len > 0 && (size_t)len < sizeof(line)); /* our own phrases */
    const struct http1_refusal refusal = {
        .status = status,
        .content_type = "text/plain; charset=utf-8",
        .body = slice_of(line, (size_t)len),
    };
    c->server->stats.bad_count++;
    c->will_close = true;
    http1_answer_prepare(c, &refusal);
    start_answer(c);
}

/* --- pieces ----------------------------------------------------------------------------------- */

static void ask_producer(struct http1_connection *c, uint64_t after_ms)
{
    struct loop *loop = c->server->loop;
    uint64_t deadline_mono_ns = loop_now_mono_ns(loop) + after_ms * CLOCK_NS_PER_MS;
    if (loop_timer_arm(loop, &c->produce, deadline_mono_ns) != 0) {
        http1_connection_close(c);
    }
}

static void send_piece(struct http1_connection *c, struct slice piece)
{
    static char line_end[] = "\r\n";
    static char end[] = "0\r\n\r\n";
    bool is_chunked = c->head.minor_version > 0;
    struct iovec iov[4];
    size_t count = 0;
    if (is_chunked && piece.len > 0) {
        int len = snprintf(c->chunk_head, sizeof(c->chunk_head), "%zx\r\n", piece.len);
        iov[count++] = (struct iovec){.iov_base = c->chunk_head, .iov_len = (size_t)len};
    }
    if (piece.len > 0) {
        union {
            const uint8_t *from;
            void *to;
        } bytes = {.from = piece.ptr}; /* an iovec knows no const; sending only reads */
        iov[count++] = (struct iovec){.iov_base = bytes.to, .iov_len = piece.len};
    }
    if (is_chunked && piece.len > 0) {
        iov[count++] = (struct iovec){.iov_base = line_end, .iov_len = 2};
    }
    if (is_chunked && c->is_last_piece) {
        iov[count++] = (struct iovec){.iov_base = end, .iov_len = sizeof(end) - 1};
    }
    http1_connection_enter(c, HTTP1_STATE_SENDING);
    if (c->state != HTTP1_STATE_CLOSING) {
        send_iov(c, iov, count);
    }
}

void http1_answer_on_produce(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct http1_connection *c = CONTAINER_OF(timer, struct http1_connection, produce);
    ASSERT(c->producer != NULL);
    struct slice piece = {0};
    switch (c->producer->on_produce(c->producer, &piece)) {
    case HTTP1_PRODUCED_FAILED:
        http1_connection_close(c);
        return;
    case HTTP1_PRODUCED_LAST:
        c->is_last_piece = true;
        break;
    case HTTP1_PRODUCED_MORE:
        if (piece.len == 0) {
            ask_producer(c, PRODUCE_PAUSE_MS);
            return;
        }
        break;
    }
    send_piece(c, piece);
}

static void finish_answer(struct http1_connection *c)
{
    mem_free(c->answer);
    c->answer = NULL;
    c->answer_len = 0;
    if (c->producer != NULL) {
        struct http1_producer *producer = c->producer;
        c->producer = NULL;
        producer->on_closed(producer);
    }
    if (c->state == HTTP1_STATE_SENDING) { /* on_closed may have aborted the server */
        http1_connection_next(c);
    }
}

void http1_answer_on_sent(struct channel_user *user, int fault)
{
    struct http1_connection *c = CONTAINER_OF(user, struct http1_connection, user);
    c->is_send_busy = false;
    if (fault != 0) {
        http1_connection_close(c);
        return;
    }
    if (c->is_answer_due) {
        send_answer(c);
        return;
    }
    if (c->state != HTTP1_STATE_SENDING) {
        return; /* the 100, or closing already */
    }
    if (c->producer != NULL && !c->is_last_piece) {
        ask_producer(c, 0);
        return;
    }
    finish_answer(c);
}

/* --- the owner's side ------------------------------------------------------------------------- */

static struct http1_connection *take_exchange(struct http1_exchange *exchange)
{
    struct http1_connection *c = CONTAINER_OF(exchange, struct http1_connection, exchange);
    ASSERT(c->is_exchange_open);
    c->is_exchange_open = false;
    http1_body_fini(c);
    return c;
}

/* May the text stand in a header line? */
static bool is_line_safe(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((text.ptr[i] < ' ' && text.ptr[i] != '\t') || text.ptr[i] == 0x7F) {
            return false;
        }
    }
    return true;
}

int http1_exchange_add_header(struct http1_exchange *exchange, const char *name, struct slice value)
{
    size_t room = sizeof(exchange->extra) - exchange->extra_bytes;
    if (!is_line_safe(value) || !is_line_safe(slice_of_text(name))) {
        return FAULT_MALFORMED;
    }
    if (value.len >= room) {
        return FAULT_LIMIT;
    }
    int len = snprintf(exchange->extra + exchange->extra_bytes, room, "%s: %.*s\r\n", name,
                       (int)value.len, value.len > 0 ? (const char *)value.ptr : "");
    if (len < 0 || (size_t)len >= room) {
        return FAULT_LIMIT;
    }
    exchange->extra_bytes += (uint32_t)len;
    return 0;
}

void http1_respond(struct http1_exchange *exchange, uint32_t status, const char *content_type,
                   void **memory, size_t len)
{
    struct http1_connection *c = take_exchange(exchange);
    ASSERT(c->answer == NULL);
    ASSERT(*memory != NULL || len == 0);
    c->answer = *memory;
    *memory = NULL;
    if (c->state != HTTP1_STATE_HANDLING) { /* the client is gone */
        http1_connection_release(c);
        return;
    }
    c->answer_len = len;
    c->answer_status = status;
    c->answer_type = content_type;
    start_answer(c);
}

void http1_respond_text(struct http1_exchange *exchange, uint32_t status, const char *content_type,
                        struct slice text)
{
    void *memory = mem_alloc(text.len + 1);
    if (memory == NULL) {
        http1_respond(exchange, 500, NULL, &memory, 0);
        return;
    }
    if (text.len > 0) {
        memcpy(memory, text.ptr, text.len);
    }
    http1_respond(exchange, status, content_type, &memory, text.len);
}

int http1_respond_produced(struct http1_exchange *exchange, uint32_t status,
                           const char *content_type, struct http1_producer *producer)
{
    ASSERT(producer->on_produce != NULL && producer->on_closed != NULL);
    struct http1_connection *c = take_exchange(exchange);
    if (c->state != HTTP1_STATE_HANDLING) {
        http1_connection_release(c);
        return FAULT_CLOSED;
    }
    c->producer = producer;
    c->is_last_piece = is_head_request(c);
    c->answer_status = status;
    c->answer_type = content_type;
    start_answer(c);
    return 0;
}
