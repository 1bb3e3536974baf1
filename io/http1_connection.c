/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_connection — bytes of one client become requests, one at a time.
 *
 * Heads are gathered here, bodies in http1_body.c. While a request waits for its answer, what comes
 * behind it is kept apart and the channel is paused. Route: channel → head → body → exchange.
 * Source: RFC 9112.
 */
#include "io/http1_connection.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"

/* First allocation of a buffer; an ordinary request head is half of it. */
#define BUFFER_MIN_BYTES 1024
/* Until a connection says how it is, its `ahead` may hold what the loop had read already. */
#define AHEAD_LIMIT_BYTES (2 * (size_t)HTTP1_AHEAD_MAX_BYTES)

int http1_buffer_append(struct http1_buffer *buffer, struct slice bytes, size_t max_bytes)
{
    if (buffer->len > max_bytes || bytes.len > max_bytes - buffer->len) {
        return FAULT_LIMIT;
    }
    size_t needed = buffer->len + bytes.len;
    if (needed > buffer->capacity_bytes) {
        size_t capacity = buffer->capacity_bytes > 0 ? buffer->capacity_bytes : BUFFER_MIN_BYTES;
        while (capacity < needed) {
            capacity *= 2; /* far from overflow: max_bytes fits 32 bits */
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

void http1_buffer_fini(struct http1_buffer *buffer)
{
    mem_free(buffer->ptr);
    *buffer = (struct http1_buffer){0};
}

/* --- states ----------------------------------------------------------------------------------- */

/* Of a server that leaves, those who were let in and have yet to say what they want get this. */
static uint64_t before_leaving_ms(const struct http1_connection *c, uint64_t time_ms)
{
    bool is_short = c->server->is_stopping && time_ms > HTTP1_STOP_WAIT_MS;
    return is_short ? HTTP1_STOP_WAIT_MS : time_ms;
}

static uint64_t state_time_ms(const struct http1_connection *c, enum http1_state state)
{
    switch (state) {
    case HTTP1_STATE_IDLE:
        return before_leaving_ms(c, c->server->options.idle_timeout_ms);
    case HTTP1_STATE_HEAD:
        return before_leaving_ms(c, c->server->options.head_timeout_ms);
    case HTTP1_STATE_BODY:
        return c->server->options.head_timeout_ms;
    case HTTP1_STATE_SENDING:
        return c->server->options.send_timeout_ms;
    case HTTP1_STATE_DRAIN:
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
    channel_close(c->channel);
}

void http1_connection_release(struct http1_connection *c)
{
    if (c->channel != NULL || c->is_exchange_open) {
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
    http1_body_fini(c);
    mem_free(c->answer);
    mem_free(c);
    http1_server_check_closed(server);
}

/* --- bytes in --------------------------------------------------------------------------------- */

/* What of `bytes` can belong to the head: up to an empty line, and never more than a head may have.
 */
static size_t head_part(const struct http1_connection *c, struct slice bytes)
{
    const uint8_t *end = memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4);
    size_t len = end != NULL ? (size_t)(end - bytes.ptr) + 4 : bytes.len;
    size_t room = HTTP1_HEAD_MAX_BYTES + 1 - c->in.len;
    return len < room ? len : room;
}

static void read_head(struct http1_connection *c, struct slice *bytes)
{
    size_t len = head_part(c, *bytes);
    if (http1_buffer_append(&c->in, slice_first(*bytes, len), HTTP1_HEAD_MAX_BYTES + 1) != 0) {
        http1_connection_close(c); /* not even memory for an answer */
        return;
    }
    enum http1_why why = HTTP1_WHY_NONE;
    switch (http1_head_parse(&c->head, http1_buffer_slice(&c->in), &why)) {
    case PARSE_MORE:
        *bytes = slice_from(*bytes, len);
        return;
    case PARSE_BAD:
        c->head.head_bytes = 0;
        http1_answer_refuse(c, http1_why_status(why), http1_why_text(why));
        return;
    case PARSE_DONE:
        break;
    }
    /* The head ends inside what was appended last: it was not whole before. */
    size_t surplus = c->in.len - c->head.head_bytes;
    ASSERT(surplus < len);
    c->in.len = c->head.head_bytes;
    *bytes = slice_from(*bytes, len - surplus);
    http1_body_begin(c, *bytes);
}

static bool is_reading(const struct http1_connection *c)
{
    return c->state == HTTP1_STATE_IDLE || c->state == HTTP1_STATE_HEAD ||
           c->state == HTTP1_STATE_BODY || c->state == HTTP1_STATE_DRAIN;
}

/* Takes bytes off `bytes` until they are used up or a request waits for its answer. */
static void consume(struct http1_connection *c, struct slice *bytes)
{
    while (bytes->len > 0 && is_reading(c)) {
        if (c->state == HTTP1_STATE_IDLE) {
            http1_connection_enter(c, HTTP1_STATE_HEAD);
        } else if (c->state == HTTP1_STATE_HEAD) {
            read_head(c, bytes);
        } else if (c->state == HTTP1_STATE_BODY) {
            http1_body_read(c, bytes);
        } else {
            http1_body_drain(c, bytes);
        }
    }
    if (is_reading(c) && c->is_input_ended) {
        http1_connection_close(c); /* the rest will never come */
    }
}

static void pause_input(struct http1_connection *c)
{
    if (!c->is_paused) {
        c->is_paused = true;
        channel_pause(c->channel);
    }
}

static void resume_input(struct http1_connection *c)
{
    if (c->is_paused) {
        c->is_paused = false;
        channel_resume(c->channel);
    }
}

/* Thrown away. Beyond the limit no more is read: closing now would reset the connection, and the
 * answer might be lost with it. */
static void linger(struct http1_connection *c, size_t bytes)
{
    c->linger_bytes += bytes;
    if (c->linger_bytes > c->server->options.linger_max_bytes) {
        pause_input(c);
    }
}

static void receive(struct http1_connection *c, struct slice bytes)
{
    consume(c, &bytes);
    if (bytes.len == 0 || c->state == HTTP1_STATE_CLOSING) {
        return;
    }
    bool is_last =
        c->state == HTTP1_STATE_LINGER || (c->state == HTTP1_STATE_SENDING && c->will_close);
    if (is_last) {
        linger(c, bytes.len);
        return;
    }
    /* Only now: who waits for an answer before it sends the next request costs no pause. */
    pause_input(c);
    if (http1_buffer_append(&c->ahead, bytes, AHEAD_LIMIT_BYTES) != 0) {
        http1_connection_close(c);
    }
}

static void consume_ahead(struct http1_connection *c)
{
    struct slice rest = slice_from(http1_buffer_slice(&c->ahead), c->ahead_taken_bytes);
    consume(c, &rest);
    if (rest.len == 0) {
        http1_buffer_fini(&c->ahead);
        c->ahead_taken_bytes = 0;
        return;
    }
    c->ahead_taken_bytes = c->ahead.len - rest.len;
}

static void begin_linger(struct http1_connection *c)
{
    if (c->is_input_ended) {
        http1_connection_close(c);
        return;
    }
    /* Closing with unread input would reset the connection and take the answer with it. */
    channel_shutdown(c->channel);
    http1_connection_enter(c, HTTP1_STATE_LINGER);
    if (c->state == HTTP1_STATE_LINGER && c->linger_bytes <= c->server->options.linger_max_bytes) {
        resume_input(c);
    }
}

void http1_connection_next(struct http1_connection *c)
{
    if (c->will_close || c->server->is_stopping) {
        begin_linger(c);
        return;
    }
    http1_buffer_fini(&c->in);
    http1_body_fini(c);
    c->head = (struct http1_head){0};
    c->chunks = (struct http1_chunks){0};
    c->exchange.extra_bytes = 0;
    c->is_known = true;
    http1_connection_enter(c, HTTP1_STATE_IDLE);
    consume_ahead(c);
    if (is_reading(c)) {
        resume_input(c);
    }
}

/* --- the channel ------------------------------------------------------------------------------ */

static struct http1_connection *connection_of(struct channel_user *user)
{
    return CONTAINER_OF(user, struct http1_connection, user);
}

static void connection_on_receive(struct channel_user *user, struct slice bytes)
{
    struct http1_connection *c = connection_of(user);
    if (c->state != HTTP1_STATE_CLOSING) {
        receive(c, bytes);
    }
}

static void connection_on_end(struct channel_user *user, int fault)
{
    struct http1_connection *c = connection_of(user);
    c->is_input_ended = true;
    bool is_busy = c->state == HTTP1_STATE_HANDLING || c->state == HTTP1_STATE_SENDING;
    if (fault != 0 || !is_busy) {
        http1_connection_close(c);
    }
}

static void connection_on_closed(struct channel_user *user)
{
    struct http1_connection *c = connection_of(user);
    c->channel = NULL;
    if (c->producer != NULL) {
        struct http1_producer *producer = c->producer;
        c->producer = NULL;
        producer->on_closed(producer);
    }
    http1_connection_release(c);
}

static const struct channel_user_ops connection_ops = {
    .on_receive = connection_on_receive,
    .on_end = connection_on_end,
    .on_sent = http1_answer_on_sent,
    .on_closed = connection_on_closed,
};

static void connection_on_timeout(struct timer *timer, uint64_t now_mono_ns)
{
    struct http1_connection *c = CONTAINER_OF(timer, struct http1_connection, timeout);
    switch (c->state) {
    case HTTP1_STATE_HEAD:
        c->server->stats.timeout_count++;
        http1_answer_refuse(c, 408, "request came too slowly");
        return;
    case HTTP1_STATE_BODY:
        http1_body_on_timeout(c, now_mono_ns);
        return;
    case HTTP1_STATE_DRAIN:
        c->will_close = true;
        http1_answer_start(c);
        return;
    case HTTP1_STATE_IDLE:
    case HTTP1_STATE_SENDING:
        c->server->stats.timeout_count++;
        break;
    case HTTP1_STATE_LINGER:
    case HTTP1_STATE_HANDLING:
    case HTTP1_STATE_CLOSING:
        break;
    }
    http1_connection_close(c);
}

/* --- beginning -------------------------------------------------------------------------------- */

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

static struct http1_connection *connection_new(struct http1_server *server,
                                               const struct loop_address *peer)
{
    struct http1_connection *c = mem_alloc(sizeof(*c));
    if (c != NULL) {
        c->user.ops = &connection_ops;
        c->server = server;
        c->is_peer_local = is_local(peer);
        c->timeout.on_fire = connection_on_timeout;
        c->produce.on_fire = http1_answer_on_produce;
    }
    return c;
}

/* It has its channel: one of the server's from now on. */
static void join(struct http1_connection *c, struct channel *channel)
{
    struct http1_server *server = c->server;
    c->channel = channel;
    c->next = server->connections;
    if (c->next != NULL) {
        c->next->previous = c;
    }
    server->connections = c;
    server->connection_count++;
    c->leave_mono_ns = http1_server_leave_mono_ns(server);
    http1_connection_enter(c, HTTP1_STATE_IDLE);
}

int http1_connection_start(struct http1_server *server, int fd, const struct loop_address *peer)
{
    struct http1_connection *c = connection_new(server, peer);
    if (c == NULL) {
        return -ENOMEM;
    }
    const struct channel_options options = {.role = CHANNEL_SERVER};
    struct channel *channel = NULL;
    int err = channel_open(server->loop, fd, &options, &c->user, &channel);
    if (err != 0) {
        mem_free(c);
        return err;
    }
    if (peer != NULL) {
        channel_set_peer(channel, peer);
    }
    join(c, channel);
    return 0;
}

int http1_connection_adopt(struct http1_server *server, struct channel *channel,
                           struct slice first_bytes)
{
    struct http1_connection *c = connection_new(server, channel_peer(channel));
    if (c == NULL) {
        return -ENOMEM;
    }
    channel_hand_over(channel, &c->user);
    join(c, channel);
    if (first_bytes.len > 0 && c->state != HTTP1_STATE_CLOSING) {
        receive(c, first_bytes);
    }
    return 0;
}
