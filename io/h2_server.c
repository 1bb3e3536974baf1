/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_server — the server's life: its options, who is adopted, how all of them are sent away.
 *
 * Owns the connections. Those with something to say are listed and flushed together by one timer
 * that is due at once, so that the answers of a turn leave in one send each.
 */
#include "io/h2_server.h"

#include <errno.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "io/h2_server_connection.h"
#include "io/io_bounds.h"

static uint32_t or_default_u32(uint32_t value, uint32_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static uint64_t or_default_ms(uint64_t value_ns, uint64_t otherwise_ms)
{
    return value_ns != 0 ? value_ns : otherwise_ms * CLOCK_NS_PER_MS;
}

static struct h2_server_options options_filled(const struct h2_server_options *given)
{
    struct h2_server_options o = *given;
    o.connections_max = or_default_u32(o.connections_max, H2_CONNECTIONS_MAX);
    o.stream_window_bytes = or_default_u32(o.stream_window_bytes, H2_STREAM_WINDOW_BYTES);
    o.connection_window_bytes =
        or_default_u32(o.connection_window_bytes, H2_CONNECTION_WINDOW_BYTES);
    o.max_frame_bytes = or_default_u32(o.max_frame_bytes, H2_FRAME_BYTES);
    o.max_header_list_bytes = or_default_u32(o.max_header_list_bytes, H2_HEADER_LIST_MAX_BYTES);
    o.memory_max_bytes = o.memory_max_bytes != 0 ? o.memory_max_bytes : H2_MEMORY_MAX_BYTES;
    o.keepalive_time_ns = or_default_ms(o.keepalive_time_ns, H2_KEEPALIVE_TIME_MS);
    o.keepalive_timeout_ns = or_default_ms(o.keepalive_timeout_ns, H2_KEEPALIVE_TIMEOUT_MS);
    o.response_timeout_ns = or_default_ms(o.response_timeout_ns, H2_RESPONSE_TIMEOUT_MS);
    o.preface_timeout_ns = or_default_ms(o.preface_timeout_ns, H2_PREFACE_TIMEOUT_MS);
    return o;
}

static void server_on_flush(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct h2_server *server = CONTAINER_OF(timer, struct h2_server, flush);
    while (server->unflushed != NULL) {
        struct h2_connection *c = server->unflushed;
        server->unflushed = c->next_unflushed;
        c->next_unflushed = NULL;
        c->is_unflushed = false;
        h2_connection_flush(c);
    }
}

static void server_on_closed(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct h2_server *server = CONTAINER_OF(timer, struct h2_server, closed);
    server->ops->on_closed(server); /* its memory may be gone now */
}

int h2_server_init(struct h2_server *server, struct loop *loop,
                   const struct h2_server_options *options, const struct h2_server_ops *ops)
{
    *server = (struct h2_server){
        .ops = ops,
        .options = options_filled(options),
        .loop = loop,
        .flush = {.on_fire = server_on_flush},
        .closed = {.on_fire = server_on_closed},
        .jitter_state = loop_now_mono_ns(loop) | 1,
    };
    int err = h2_option_new(&server->option);
    if (err != 0) {
        goto fail;
    }
    /* Our own budget of resets speaks first, and with a better code. */
    nghttp2_option_set_stream_reset_rate_limit(server->option, UINT64_C(2) * H2_RESETS_BURST,
                                               UINT64_C(2) * H2_RESETS_PER_S);
    nghttp2_option_set_server_fallback_rfc7540_priorities(server->option, 0);
    err = h2_session_callbacks_new(&server->callbacks);
    if (err != 0) {
        goto fail;
    }
    return 0;

fail:
    h2_server_fini(server);
    return err;
}

void h2_server_fini(struct h2_server *server)
{
    ASSERT(server->connection_count == 0);
    if (server->loop != NULL) {
        loop_timer_cancel(server->loop, &server->flush);
        loop_timer_cancel(server->loop, &server->closed);
    }
    nghttp2_option_del(server->option);
    nghttp2_session_callbacks_del(server->callbacks);
    *server = (struct h2_server){0};
}

int h2_server_adopt(struct h2_server *server, struct channel *channel, struct slice first)
{
    int err = 0;
    if (server->is_draining) {
        err = FAULT_CLOSED;
    } else if (server->connection_count >= server->options.connections_max) {
        err = -EBUSY;
    } else {
        err = h2_connection_start(server, channel, first);
    }
    if (err != 0) {
        server->stats.refused_count++;
    }
    return err;
}

void h2_server_send_away(struct h2_server *server)
{
    for (struct h2_connection *c = server->connections; c != NULL; c = c->next) {
        h2_connection_leave(c, "going away");
    }
}

void h2_server_drain(struct h2_server *server)
{
    server->is_draining = true;
    h2_server_send_away(server);
    h2_server_check_closed(server);
}

void h2_server_abort(struct h2_server *server)
{
    server->is_draining = true;
    /* Closing unlinks nothing before a later turn, so the list stays whole. */
    for (struct h2_connection *c = server->connections; c != NULL; c = c->next) {
        h2_connection_close(c);
    }
    h2_server_check_closed(server);
}

void h2_server_check_closed(struct h2_server *server)
{
    if (!server->is_draining || server->connection_count > 0 || server->is_closed_told) {
        return;
    }
    server->is_closed_told = true;
    /* From a later turn, or from here where the loop has no room for a timer. */
    if (loop_timer_arm(server->loop, &server->closed, loop_now_mono_ns(server->loop)) != 0) {
        server->ops->on_closed(server);
    }
}

void h2_server_flush_later(struct h2_connection *c)
{
    struct h2_server *server = c->server;
    /* At the end of a receive it is flushed anyway; while sending, when that is done. */
    bool is_waiting = c->is_sending && c->state < H2_STATE_ENDING;
    if (c->is_unflushed || c->is_receiving || is_waiting) {
        return;
    }
    if (!timer_is_armed(&server->flush) &&
        loop_timer_arm(server->loop, &server->flush, loop_now_mono_ns(server->loop)) != 0) {
        h2_connection_flush(c);
        return;
    }
    c->is_unflushed = true;
    c->next_unflushed = server->unflushed;
    server->unflushed = c;
}
