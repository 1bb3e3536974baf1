/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel — a loop_stream whose owner can change, with or without TLS on it.
 *
 * In the clear everything is forwarded as it is; under TLS channel_tls.c stands in between. Route:
 * stream → (session) → user. Owns its stream and its session.
 */
#include "io/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/mem.h"
#include "io/channel_tls.h"
#include "io/io_bounds.h"
#include "io/tls_session.h"

void channel_tell_end(struct channel *c, int fault)
{
    if (!c->is_end_told && !c->is_closing) {
        c->is_end_told = true;
        c->user->ops->on_end(c->user, fault);
    }
}

/* --- the stream ------------------------------------------------------------------------------- */

static void channel_on_receive(struct loop_stream *stream, struct slice bytes)
{
    struct channel *c = CONTAINER_OF(stream, struct channel, stream);
    if (c->is_closing) {
        return;
    }
    if (c->tls == NULL) {
        c->user->ops->on_receive(c->user, bytes);
        return;
    }
    channel_tls_receive(c, bytes);
}

static void channel_on_end(struct loop_stream *stream, int fault)
{
    struct channel *c = CONTAINER_OF(stream, struct channel, stream);
    if (c->tls == NULL) {
        channel_tell_end(c, fault);
        return;
    }
    channel_tls_end(c, fault);
}

static void channel_on_sent(struct loop_stream *stream, int fault)
{
    struct channel *c = CONTAINER_OF(stream, struct channel, stream);
    if (c->tls == NULL) {
        c->user->ops->on_sent(c->user, fault);
        return;
    }
    channel_tls_sent(c, fault);
}

static void channel_on_closed(struct loop_stream *stream)
{
    struct channel *c = CONTAINER_OF(stream, struct channel, stream);
    struct channel_watch *watch = c->watch;
    c->user->ops->on_closed(c->user);
    channel_tls_fini(c);
    mem_free(c);
    if (watch != NULL) {
        watch->on_gone(watch);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static void read_peer(struct channel *c, int fd)
{
    c->peer.len = sizeof(c->peer) - offsetof(struct loop_address, any);
    if (getpeername(fd, &c->peer.any, &c->peer.len) != 0) {
        c->peer = (struct loop_address){0}; /* gone already: the stream will say so */
    }
}

int channel_open(struct loop *loop, int fd, const struct channel_options *options,
                 struct channel_user *user, struct channel **out)
{
    ASSERT(user->ops->on_receive != NULL && user->ops->on_end != NULL);
    ASSERT(user->ops->on_sent != NULL && user->ops->on_closed != NULL);
    struct channel *c = mem_alloc(sizeof(*c));
    if (c == NULL) {
        return -ENOMEM;
    }
    c->loop = loop;
    c->user = user;
    c->watch = options->watch;
    c->stream = (struct loop_stream){
        .fd = fd,
        .on_receive = channel_on_receive,
        .on_end = channel_on_end,
        .on_sent = channel_on_sent,
        .on_closed = channel_on_closed,
    };
    if (options->role == CHANNEL_CLIENT) {
        read_peer(c, fd);
    }
    int err = options->tls != NULL ? channel_tls_prepare(c, options) : 0;
    if (err == 0) {
        err = loop_stream_start(loop, &c->stream);
    }
    if (err != 0) {
        channel_tls_fini(c);
        mem_free(c);
        return err;
    }
    if (c->tls != NULL) {
        channel_tls_begin(c, (struct slice){0});
    }
    *out = c;
    return 0;
}

int channel_start_tls(struct channel *channel, const struct channel_options *options,
                      struct slice first)
{
    ASSERT(options->tls != NULL && channel->tls == NULL);
    if (channel->is_closing) {
        return -EBUSY;
    }
    int err = channel_tls_prepare(channel, options);
    if (err == 0) {
        channel_tls_begin(channel, first);
    }
    return err;
}

void channel_hand_over(struct channel *channel, struct channel_user *user)
{
    ASSERT(user->ops->on_receive != NULL && user->ops->on_end != NULL);
    ASSERT(user->ops->on_sent != NULL && user->ops->on_closed != NULL);
    channel->user = user;
}

void channel_unwatch(struct channel *channel)
{
    struct channel_watch *watch = channel->watch;
    channel->watch = NULL;
    if (watch != NULL) {
        watch->on_gone(watch);
    }
}

void channel_close(struct channel *channel)
{
    if (!channel->is_closing) {
        channel->is_closing = true;
        loop_timer_cancel(channel->loop, &channel->timer);
        loop_stream_close(channel->loop, &channel->stream);
    }
}

/* --- what the user does ----------------------------------------------------------------------- */

/* A handshake needs its bytes, whoever paused. */
static bool is_held_open(const struct channel *c)
{
    return c->tls_state == CHANNEL_TLS_HANDSHAKE || c->tls_state == CHANNEL_TLS_FAILING;
}

void channel_pause(struct channel *channel)
{
    channel->is_paused = true;
    if (!channel->is_closing && !is_held_open(channel)) {
        loop_stream_pause(channel->loop, &channel->stream);
    }
}

void channel_resume(struct channel *channel)
{
    channel->is_paused = false;
    if (!channel->is_closing) {
        loop_stream_resume(channel->loop, &channel->stream);
    }
}

int channel_send(struct channel *channel, const struct iovec *iov, size_t iov_count)
{
    ASSERT(iov_count <= LOOP_STREAM_IOV_MAX);
    if (channel->is_closing) {
        return -EBUSY;
    }
    const struct iovec nothing = {0};
    if (channel->tls == NULL) {
        return loop_stream_send(channel->loop, &channel->stream, iov_count > 0 ? iov : &nothing,
                                iov_count > 0 ? iov_count : 1);
    }
    return channel_tls_send(channel, iov, iov_count);
}

void channel_shutdown(struct channel *channel)
{
    if (channel->is_closing) {
        return;
    }
    if (channel->tls == NULL) {
        loop_stream_shutdown(channel->loop, &channel->stream);
        return;
    }
    channel_tls_shutdown(channel);
}

/* --- what it is ------------------------------------------------------------------------------- */

const struct loop_address *channel_peer(const struct channel *channel)
{
    return &channel->peer;
}

void channel_set_peer(struct channel *channel, const struct loop_address *peer)
{
    channel->peer = *peer;
}

struct slice channel_alpn(const struct channel *channel)
{
    return channel->tls != NULL ? tls_session_alpn(channel->tls) : (struct slice){0};
}

bool channel_is_secure(const struct channel *channel)
{
    return channel->tls != NULL;
}

const char *channel_why(const struct channel *channel)
{
    if (channel->why != NULL) {
        return channel->why;
    }
    return channel->tls != NULL ? tls_session_why(channel->tls) : "";
}

struct loop *channel_loop(const struct channel *channel)
{
    return channel->loop;
}
