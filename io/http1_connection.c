/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_connection — bytes of one client become requests, one at a time.
 *
 * While the owner has a request its bytes must not move, so what comes in the meantime is kept
 * apart and the stream is paused. Route: stream → head → body → exchange. Source: RFC 9112.
 */
#include "io/http1_connection.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"

/* First allocation of a buffer; an ordinary request head is half of it. */
#define BUFFER_MIN_BYTES 1024

int http1_buffer_append(struct http1_buffer *buffer, struct slice bytes, size_t max_bytes)
{
    if (buffer->len > max_bytes || bytes.len > max_bytes - buffer->len) {
        return FAULT_LIMIT;
    }
    size_t needed = buffer->len + bytes.len;
    if (needed > buffer->capacity_bytes) {
        size_t capacity = buffer->capacity_bytes > 0 ? buffer->capacity_bytes : BUFFER_MIN_BYTES;
        while (capacity < needed) {
            capacity *= 2; /* far from overflow: max_bytes is a few MiB */
        }
        uint8_t *ptr = mem_resize(buffer->ptr, capacity);
        if (ptr == NULL) {
            return -ENOMEM;
        }
        buffer->ptr = ptr;
        buffer->capacity_bytes = capacity;
    }
    if (bytes.len > 0) {
        memcpy(buffer->ptr + buffer->len, bytes.ptr, bytes.len);
        buffer->len = needed;
    }
    return 0;
}

void http1_buffer_take(struct http1_buffer *buffer, size_t len)
{
    ASSERT(len <= buffer->len);
    if (len > 0) {
        memmove(buffer->ptr, buffer->ptr + len, buffer->len - len);
        buffer->len -= len;
    }
}

void http1_buffer_fini(struct http1_buffer *buffer)
{
    mem_free(buffer->ptr);
    *buffer = (struct http1_buffer){0};
}

static struct slice buffer_slice(const struct http1_buffer *buffer)
{
    return slice_of(buffer->ptr, buffer->len);
}

/* --- states ----------------------------------------------------------------------------------- */

static uint64_t state_time_ms(const struct http1_connection *c, enum http1_state state)
{
    switch (state) {
    case HTTP1_STATE_IDLE:
        return c->server->options.idle_timeout_ms;
    case HTTP1_STATE_HEAD:
    case HTTP1_STATE_BODY:
        return c->server->options.head_timeout_ms;
    case HTTP1_STATE_SENDING:
        return c->server->options.send_timeout_ms;
    case HTTP1_STATE_LINGER:
        return HTTP1_LINGER_MS;
    case HTTP1_STATE_HANDLING: /* the owner's time */
    case HTTP1_STATE_CLOSING:  /* the loop's */
        break;
    }
    return 0;
}

void http1_connection_enter(struct http1_connection *c, enum http1_state state)
{
    ASSERT(c->state != HTTP1_STATE_CLOSING || state == HTTP1_STATE_CLOSING);
    struct loop *loop = c->server->loop;
    c->state = state;
    uint64_t time_ms = state_time_ms(c, state);
    if (time_ms == 0) {
        loop_timer_cancel(loop, &c->timeout);
        return;
    }
    uint64_t deadline_mono_ns = loop_now_mono_ns(loop) + time_ms * CLOCK_NS_PER_MS;
    if (loop_timer_arm(loop, &c->timeout, deadline_mono_ns) != 0) {
        http1_connection_close(c); /* a connection without a timeout may stay for ever */
    }
}

void http1_connection_close(struct http1_connection *c)
{
    if (c->state == HTTP1_STATE_CLOSING) {
        return;
    }
    http1_connection_enter(c, HTTP1_STATE_CLOSING);
    loop_timer_cancel(c->server->loop, &c->produce);
    loop_stream_close(c->server->loop, &c->stream);
}

void http1_connection_release(struct http1_connection *c)
{
    if (!c->is_stream_closed || c->is_exchange_open) {
        return;
    }
    struct http1_server *server = c->server;
    if (c->next != NULL) {
        c->next->previous = c->previous;
    }
    if (c->previous != NULL) {
        c->previous->next = c->next;
    } else {
        server->connections = c->next;
    }
    ASSERT(server->connection_count > 0);
    server->connection_count--;
    http1_buffer_fini(&c->in);
    http1_buffer_fini(&c->ahead);
    http1_buffer_fini(&c->body);
    mem_free(c->answer);
    mem_free(c);
    http1_server_check_closed(server);
}

/* --- requests --------------------------------------------------------------------------------- */

static void dispatch(struct http1_connection *c)
{
    http1_connection_enter(c, HTTP1_STATE_HANDLING);
    loop_stream_pause(c->server->loop, &c->stream);
    http1_head_rebase(&c->head, c->in.ptr);
    c->exchange.extra_bytes = 0;
    c->is_exchange_open = true;
    c->server->stats.request_count++;
    c->server->on_request(c->server, &c->exchange);
}

/* Unwraps what is there of a chunked body. PARSE_BAD: refused already. */
static enum parse read_chunks(struct http1_connection *c)
{
    struct slice whole = slice_from(buffer_slice(&c->in), c->head.head_bytes);
    struct slice rest = whole;
    enum http1_why why = HTTP1_WHY_NONE;
    enum parse parse = PARSE_MORE;
    while (parse == PARSE_MORE && rest.len > 0) {
        struct slice data;
        parse = http1_chunks_decode(&c->chunks, &rest, &data, &why);
        int err = http1_buffer_append(&c->body, data, c->server->options.body_max_bytes);
        if (err != 0) {
            bool is_limit = err == FAULT_LIMIT;
            http1_answer_refuse(c, is_limit ? 413 : 503,
                                is_limit ? "request body too large" : "out of memory");
            return PARSE_BAD;
        }
    }
    if (parse == PARSE_BAD) {
        http1_answer_refuse(c, http1_why_status(why), http1_why_text(why));
        return PARSE_BAD;
    }
    /* What was unwrapped goes, so that a body of tiny chunks needs no more room than its content.
     */
    struct slice unread = slice_of(rest.ptr, rest.len);
    size_t used = whole.len - unread.len;
    if (used > 0) {
        memmove(c->in.ptr + c->head.head_bytes, unread.ptr, unread.len);
        c->in.len -= used;
    }
    c->request_bytes = c->head.head_bytes;
    return parse;
}

static enum parse read_body(struct http1_connection *c)
{
    switch (c->head.framing) {
    case HTTP1_FRAMING_NONE:
        c->request_bytes = c->head.head_bytes;
        return PARSE_DONE;
    case HTTP1_FRAMING_LENGTH:
        c->request_bytes = c->head.head_bytes + (size_t)c->head.content_length;
        return c->in.len >= c->request_bytes ? PARSE_DONE : PARSE_MORE;
    case HTTP1_FRAMING_CHUNKED:
        break;
    }
    return read_chunks(c);
}

/* The head is whole. Is its body welcome? */
static void begin_body(struct http1_connection *c)
{
    if (c->head.framing == HTTP1_FRAMING_LENGTH &&
        c->head.content_length > c->server->options.body_max_bytes) {
        http1_answer_refuse(c, 413, "request body too large");
        return;
    }
    http1_connection_enter(c, HTTP1_STATE_BODY);
    bool has_body = c->head.framing != HTTP1_FRAMING_NONE;
    if (c->head.expects_continue && has_body && c->in.len == c->head.head_bytes) {
        http1_answer_continue(c);
    }
}

static void read_head(struct http1_connection *c)
{
    enum http1_why why = HTTP1_WHY_NONE;
    switch (http1_head_parse(&c->head, buffer_slice(&c->in), &why)) {
    case PARSE_MORE:
        return;
    case PARSE_BAD:
        http1_answer_refuse(c, http1_why_status(why), http1_why_text(why));
        return;
    case PARSE_DONE:
        begin_body(c);
        return;
    }
}

/* As far as the bytes go; at most one request. */
static void advance(struct http1_connection *c)
{
    if (c->state == HTTP1_STATE_IDLE && c->in.len > 0) {
        http1_connection_enter(c, HTTP1_STATE_HEAD);
    }
    if (c->state == HTTP1_STATE_HEAD) {
        read_head(c);
    }
    if (c->state == HTTP1_STATE_BODY && read_body(c) == PARSE_DONE) {
        dispatch(c);
    }
    bool is_waiting = c->state == HTTP1_STATE_IDLE || c->state == HTTP1_STATE_HEAD ||
                      c->state == HTTP1_STATE_BODY;
    if (is_waiting && c->is_input_ended) {
        http1_connection_close(c); /* the rest will never come */
    }
}

void http1_connection_next(struct http1_connection *c)
{
    if (c->will_close || c->server->is_stopping) {
        if (c->is_input_ended) {
            http1_connection_close(c);
            return;
        }
        /* Closing with unread input would reset the connection and take the answer with it. */
        loop_stream_shutdown(c->server->loop, &c->stream);
        http1_connection_enter(c, HTTP1_STATE_LINGER);
        loop_stream_resume(c->server->loop, &c->stream);
        return;
    }
    http1_buffer_take(&c->in, c->request_bytes);
    if (http1_buffer_append(&c->in, buffer_slice(&c->ahead), SIZE_MAX) != 0) {
        http1_connection_close(c);
        return;
    }
    http1_buffer_fini(&c->ahead);
    http1_buffer_fini(&c->body);
    if (c->in.len == 0) {
        http1_buffer_fini(&c->in);
    }
    c->head = (struct http1_head){0};
    c->chunks = (struct http1_chunks){0};
    c->request_bytes = 0;
    http1_connection_enter(c, HTTP1_STATE_IDLE);
    loop_stream_resume(c->server->loop, &c->stream);
    advance(c);
}

/* --- the stream ------------------------------------------------------------------------------- */

static void connection_on_receive(struct loop_stream *stream, struct slice bytes)
{
    struct http1_connection *c = CONTAINER_OF(stream, struct http1_connection, stream);
    if (c->state == HTTP1_STATE_CLOSING) {
        return;
    }
    if (c->state == HTTP1_STATE_LINGER) {
        c->linger_bytes += bytes.len;
        if (c->linger_bytes > HTTP1_LINGER_MAX_BYTES) {
            http1_connection_close(c);
        }
        return;
    }
    bool is_busy = c->state == HTTP1_STATE_HANDLING || c->state == HTTP1_STATE_SENDING;
    size_t max_bytes =
        HTTP1_HEAD_MAX_BYTES + (size_t)c->server->options.body_max_bytes + HTTP1_AHEAD_MAX_BYTES;
    if (http1_buffer_append(is_busy ? &c->ahead : &c->in, bytes, max_bytes) != 0) {
        http1_connection_close(c);
        return;
    }
    if (!is_busy) {
        advance(c);
    }
}

static void connection_on_end(struct loop_stream *stream, int fault)
{
    struct http1_connection *c = CONTAINER_OF(stream, struct http1_connection, stream);
    c->is_input_ended = true;
    bool is_busy = c->state == HTTP1_STATE_HANDLING || c->state == HTTP1_STATE_SENDING;
    if (fault != 0 || !is_busy) {
        http1_connection_close(c);
    }
}

static void connection_on_closed(struct loop_stream *stream)
{
    struct http1_connection *c = CONTAINER_OF(stream, struct http1_connection, stream);
    c->is_stream_closed = true;
    if (c->producer != NULL) {
        struct http1_producer *producer = c->producer;
        c->producer = NULL;
        producer->on_closed(producer);
    }
    http1_connection_release(c);
}

static void connection_on_timeout(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct http1_connection *c = CONTAINER_OF(timer, struct http1_connection, timeout);
    c->server->stats.timeout_count++;
    if (c->state == HTTP1_STATE_HEAD || c->state == HTTP1_STATE_BODY) {
        http1_answer_refuse(c, 408, "request came too slowly");
        return;
    }
    http1_connection_close(c);
}

static bool is_local(const struct loop_address *peer)
{
    if (peer == NULL || peer->len < sizeof(sa_family_t)) {
        return false;
    }
    if (peer->any.sa_family == AF_UNIX) {
        return true;
    }
    if (peer->any.sa_family == AF_INET) {
        return ntohl(peer->in4.sin_addr.s_addr) >> 24 == 127;
    }
    const struct in6_addr *v6 = &peer->in6.sin6_addr;
    bool is_mapped_local = IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127;
    return peer->any.sa_family == AF_INET6 && (IN6_IS_ADDR_LOOPBACK(v6) || is_mapped_local);
}

int http1_connection_start(struct http1_server *server, int fd, const struct loop_address *peer)
{
    struct http1_connection *c = mem_alloc(sizeof(*c));
    if (c == NULL) {
        return -ENOMEM;
    }
    c->server = server;
    c->is_peer_local = is_local(peer);
    c->timeout.on_fire = connection_on_timeout;
    c->produce.on_fire = http1_answer_on_produce;
    c->stream.fd = fd;
    c->stream.on_receive = connection_on_receive;
    c->stream.on_end = connection_on_end;
    c->stream.on_sent = http1_answer_on_sent;
    c->stream.on_closed = connection_on_closed;
    int err = loop_stream_start(server->loop, &c->stream);
    if (err != 0) {
        mem_free(c);
        return err;
    }
    c->next = server->connections;
    if (c->next != NULL) {
        c->next->previous = c;
    }
    server->connections = c;
    server->connection_count++;
    http1_connection_enter(c, HTTP1_STATE_IDLE);
    return 0;
}

/* --- what the owner may ask ------------------------------------------------------------------- */

static const struct http1_connection *connection_of(const struct http1_exchange *exchange)
{
    const char *at = (const char *)exchange - offsetof(struct http1_connection, exchange);
    const struct http1_connection *c = (const void *)at;
    ASSERT(c->is_exchange_open);
    return c;
}

struct slice http1_exchange_method(const struct http1_exchange *exchange)
{
    return http1_head_method(&connection_of(exchange)->head);
}

struct slice http1_exchange_path(const struct http1_exchange *exchange)
{
    return http1_head_path(&connection_of(exchange)->head);
}

struct slice http1_exchange_query(const struct http1_exchange *exchange)
{
    return http1_head_query(&connection_of(exchange)->head);
}

struct slice http1_exchange_body(const struct http1_exchange *exchange)
{
    const struct http1_connection *c = connection_of(exchange);
    if (c->head.framing == HTTP1_FRAMING_CHUNKED) {
        return buffer_slice(&c->body);
    }
    return slice_of(c->in.ptr + c->head.head_bytes, c->request_bytes - c->head.head_bytes);
}

bool http1_exchange_header(const struct http1_exchange *exchange, const char *name,
                           struct slice *value)
{
    return http1_head_find(&connection_of(exchange)->head, name, value);
}

const struct http1_head *http1_exchange_head(const struct http1_exchange *exchange)
{
    return &connection_of(exchange)->head;
}

bool http1_exchange_is_local(const struct http1_exchange *exchange)
{
    return connection_of(exchange)->is_peer_local;
}

bool http1_exchange_is_get(const struct http1_exchange *exchange)
{
    struct slice method = http1_exchange_method(exchange);
    return slice_is_text(method, "GET") || slice_is_text(method, "HEAD");
}
