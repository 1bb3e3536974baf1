/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_server — listeners and the life of the whole: accept, bound, stop, close.
 *
 * What happens on a connection is in http1_connection.c and http1_answer.c. The server owns its
 * listening descriptors and its connections.
 */
#include "io/http1_server.h"

#include <netinet/tcp.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "io/http1_connection.h"
#include "io/io_bounds.h"

static uint32_t or_default(uint32_t value, uint32_t value_default)
{
    return value != 0 ? value : value_default;
}

static void server_on_closed_timer(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct http1_server *server = CONTAINER_OF(timer, struct http1_server, closed_timer);
    server->on_closed(server);
}

void http1_server_check_closed(struct http1_server *server)
{
    if (!server->is_stopping || server->listening_count > 0 || server->connection_count > 0) {
        return;
    }
    /* By way of a timer: the last exchange may have been answered from the owner's own call. */
    int err = loop_timer_arm(server->loop, &server->closed_timer, loop_now_mono_ns(server->loop));
    if (err != 0) {
        server->on_closed(server);
    }
}

static void listener_on_accept(struct loop_listener *base, int fd, const struct loop_address *peer)
{
    struct http1_listener *listener = CONTAINER_OF(base, struct http1_listener, listener);
    struct http1_server *server = listener->server;
    int one = 1;
    /* Answers leave in one piece each; on a Unix socket the option does not exist. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    bool is_full = server->connection_count >= server->options.connections_max;
    if (server->is_aborted || is_full || http1_connection_start(server, fd, peer) != 0) {
        server->stats.refused_count++;
        (void)close(fd); /* nothing was written to it that could be lost */
        return;
    }
    server->stats.accepted_count++;
}

static void listener_on_error(struct loop_listener *base, int fault)
{
    (void)fault; /* the loop tries again by itself */
    CONTAINER_OF(base, struct http1_listener, listener)->server->stats.refused_count++;
}

static void listener_on_closed(struct loop_listener *base)
{
    struct http1_listener *listener = CONTAINER_OF(base, struct http1_listener, listener);
    (void)close(base->fd); /* a listening socket has no data to lose */
    base->fd = -1;
    ASSERT(listener->server->listening_count > 0);
    listener->server->listening_count--;
    http1_server_check_closed(listener->server);
}

static int start_listener(struct http1_server *server, int fd)
{
    struct http1_listener *listener = &server->listeners[server->listener_count];
    *listener = (struct http1_listener){
        .server = server,
        .listener = {.fd = fd,
                     .on_accept = listener_on_accept,
                     .on_error = listener_on_error,
                     .on_closed = listener_on_closed},
    };
    int err = loop_listener_start(server->loop, &listener->listener);
    if (err == 0) {
        server->listener_count++;
        server->listening_count++;
    }
    return err;
}

int http1_server_start(struct http1_server *server, struct loop *loop, const int *fds,
                       uint32_t fd_count)
{
    ASSERT(server->on_request != NULL && server->on_closed != NULL);
    ASSERT(fd_count <= HTTP1_LISTENERS_MAX);
    ASSERT((server->on_charge == NULL) == (server->on_release == NULL));
    struct http1_server_options *o = &server->options;
    o->connections_max = or_default(o->connections_max, HTTP1_CONNECTIONS_MAX);
    o->body_max_bytes = or_default(o->body_max_bytes, HTTP1_BODY_MAX_BYTES);
    o->head_timeout_ms = or_default(o->head_timeout_ms, HTTP1_HEAD_TIMEOUT_MS);
    o->idle_timeout_ms = or_default(o->idle_timeout_ms, HTTP1_IDLE_TIMEOUT_MS);
    o->send_timeout_ms = or_default(o->send_timeout_ms, HTTP1_SEND_TIMEOUT_MS);
    o->too_large_status = or_default(o->too_large_status, 413);
    o->body_rate_min_bytes = or_default(o->body_rate_min_bytes, HTTP1_BODY_RATE_MIN_BYTES);
    o->linger_max_bytes = or_default(o->linger_max_bytes, HTTP1_LINGER_MAX_BYTES);
    o->retry_after_s = or_default(o->retry_after_s, 1);
    server->loop = loop;
    server->jitter_state = loop_now_mono_ns(loop) | 1;
    server->closed_timer.on_fire = server_on_closed_timer;
    for (uint32_t i = 0; i < fd_count; i++) {
        int err = start_listener(server, fds[i]);
        if (err != 0 && i == 0) {
            server->loop = NULL;
            return err;
        }
        if (err != 0) { /* those that listen already would take a turn to close */
            log_warn("listener_failed", LOG_U64("index", i), LOG_FAULT("reason", err));
            (void)close(fds[i]); /* a listening socket has no data to lose */
        }
    }
    return 0;
}

int http1_server_adopt(struct http1_server *server, struct channel *channel,
                       struct slice first_bytes)
{
    ASSERT(server->loop != NULL && channel_loop(channel) == server->loop);
    if (server->is_stopping || server->connection_count >= server->options.connections_max) {
        server->stats.refused_count++;
        return server->is_stopping ? FAULT_CLOSED : FAULT_LIMIT;
    }
    int err = http1_connection_adopt(server, channel, first_bytes);
    if (err != 0) {
        server->stats.refused_count++;
        return err;
    }
    server->stats.accepted_count++;
    return 0;
}

/* Not for secrets: only so that connections that came together do not leave together. */
static uint64_t next_random(struct http1_server *server)
{
    uint64_t x = server->jitter_state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    server->jitter_state = x;
    return x;
}

uint64_t http1_server_leave_mono_ns(struct http1_server *server)
{
    uint64_t age_ns = server->options.age_max_ms * CLOCK_NS_PER_MS;
    if (server->options.is_one_answer) {
        return 0;
    }
    if (age_ns == 0) {
        return UINT64_MAX;
    }
    uint64_t jitter_ns = age_ns / 100 * HTTP1_AGE_JITTER_PERCENT;
    uint64_t offset_ns = next_random(server) % (2 * jitter_ns + 1);
    return loop_now_mono_ns(server->loop) + age_ns - jitter_ns + offset_ns;
}

void http1_server_send_away(struct http1_server *server)
{
    for (struct http1_connection *c = server->connections; c != NULL; c = c->next) {
        c->leave_mono_ns = 0;
    }
}

/*
 * Connections between requests have nothing to finish. Those that were accepted and said nothing
 * yet, or half of it, may know nothing of a leave: they have a short time to ask.
 */
static void leave_connection(struct http1_connection *c)
{
    bool is_idle = c->state == HTTP1_STATE_IDLE;
    if (c->state == HTTP1_STATE_LINGER || (is_idle && c->is_known)) {
        http1_connection_close(c);
    } else if (is_idle || c->state == HTTP1_STATE_HEAD) {
        http1_connection_enter(c, c->state);
    }
}

void http1_server_stop(struct http1_server *server)
{
    if (server->is_stopping || server->loop == NULL) {
        return;
    }
    server->is_stopping = true;
    for (uint32_t i = 0; i < server->listener_count; i++) {
        loop_listener_stop(server->loop, &server->listeners[i].listener);
    }
    for (struct http1_connection *c = server->connections; c != NULL; c = c->next) {
        leave_connection(c);
    }
    http1_server_check_closed(server);
}

void http1_server_abort(struct http1_server *server)
{
    if (server->loop == NULL) {
        return;
    }
    server->is_aborted = true;
    http1_server_stop(server);
    for (struct http1_connection *c = server->connections; c != NULL; c = c->next) {
        http1_connection_close(c);
    }
}
