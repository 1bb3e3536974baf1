/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream — connections of one listener: a list, one sweep timer for ages and silences, and the way
 * out.
 *
 * A connection is the user of a channel, its own or one that somebody else accepted; what is under
 * it, TLS or none, makes no difference here.
 */
#include "io/stream.h"

#include <errno.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/channel.h"
#include "io/io_bounds.h"
#include "io/stream_frame.h"

struct stream_connection {
    struct channel_user user;
    struct channel *channel; /* borrowed until on_closed; frees itself */
    struct stream_frame frame;
    struct stream *stream; /* borrowed; the owner of the list */
    struct stream_connection *next;
    struct stream_connection *previous;
    uint64_t heard_mono_ns;    /* last bytes, or the last resume */
    uint64_t leave_mono_ns;    /* when its age is over; UINT64_MAX for never */
    uint64_t given_up_mono_ns; /* while leaving: closed then at the latest */
    bool is_leaving;
};

/* --- life ------------------------------------------------------------------------------------ */

static void finish_if_empty(struct stream *stream)
{
    bool is_going = stream->state == STREAM_CLOSING;
    if (is_going && !stream->is_listening && stream->connection_count == 0) {
        loop_timer_cancel(stream->loop, &stream->sweep);
        stream->state = STREAM_CLOSED;
        stream->on_closed(stream);
    }
}

static void connection_close(struct stream_connection *connection)
{
    channel_close(connection->channel);
}

static void connection_on_closed(struct channel_user *user)
{
    struct stream_connection *connection = CONTAINER_OF(user, struct stream_connection, user);
    struct stream *stream = connection->stream;
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        stream->first = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    stream_frame_fini(&connection->frame);
    mem_free(connection);
    ASSERT(stream->connection_count > 0);
    stream->connection_count--;
    uint64_t open_count = counter_read(&stream->stats->connections_open);
    counter_set(&stream->stats->connections_open, open_count - 1);
    finish_if_empty(stream);
}

/* Half-closes, so that a peer that looks goes by itself; the sweep does the rest. */
static void connection_leave(struct stream_connection *connection, uint64_t now_mono_ns)
{
    if (!connection->is_leaving) {
        connection->is_leaving = true;
        connection->given_up_mono_ns = now_mono_ns + STREAM_LEAVE_MS * CLOCK_NS_PER_MS;
        channel_shutdown(connection->channel);
    }
}

/* --- receiving ------------------------------------------------------------------------------- */

static void connection_on_lines(struct stream_frame *frame, struct slice lines)
{
    struct stream *stream = CONTAINER_OF(frame, struct stream_connection, frame)->stream;
    stream->on_lines(stream, lines);
}

static void count_too_long(struct stream_connection *connection)
{
    struct receiver_stats *stats = connection->stream->stats;
    counter_add(&stats->wire_received, connection->frame.too_long_count);
    counter_add(&stats->wire_dropped_too_long, connection->frame.too_long_count);
    connection->frame.too_long_count = 0;
}

static void count_cut(struct stream_connection *connection)
{
    counter_add(&connection->stream->stats->wire_received, 1);
    counter_add(&connection->stream->stats->wire_dropped_truncated, 1);
}

static void connection_receive(struct stream_connection *connection, struct slice bytes)
{
    struct stream *stream = connection->stream;
    connection->heard_mono_ns = loop_now_mono_ns(stream->loop);
    counter_add(&stream->stats->wire_bytes, bytes.len);
    int err = stream_frame_feed(&connection->frame, bytes);
    count_too_long(connection);
    if (err == -ENOMEM) {
        count_cut(connection);
    }
    if (err != 0) {
        connection_close(connection);
    }
}

static void connection_on_receive(struct channel_user *user, struct slice bytes)
{
    connection_receive(CONTAINER_OF(user, struct stream_connection, user), bytes);
}

static void connection_end(struct stream_connection *connection, int fault)
{
    bool is_cut = fault == 0 ? stream_frame_end(&connection->frame)
                             : connection->frame.tail_bytes > 0; /* a reset proves nothing whole */
    if (is_cut) {
        count_cut(connection);
    }
    connection->frame.tail_bytes = 0;
    connection_close(connection);
}

static void connection_on_end(struct channel_user *user, int fault)
{
    connection_end(CONTAINER_OF(user, struct stream_connection, user), fault);
}

static void connection_on_sent(struct channel_user *user, int fault)
{
    (void)user; /* nothing is ever sent */
    (void)fault;
}

static const struct channel_user_ops connection_ops = {
    .on_receive = connection_on_receive,
    .on_end = connection_on_end,
    .on_sent = connection_on_sent,
    .on_closed = connection_on_closed,
};

/* --- accepting ------------------------------------------------------------------------------- */

/* Any spread will do: a step of splitmix64. */
static uint64_t age_of(struct stream *stream)
{
    stream->jitter_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = stream->jitter_state;
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed ^= mixed >> 27;
    uint64_t age_ns = stream->options.age_max_ms * CLOCK_NS_PER_MS;
    uint64_t reach_ns = age_ns / 100 * STREAM_AGE_JITTER_PERCENT;
    return age_ns - reach_ns + mixed % (2 * reach_ns + 1);
}

static struct stream_connection *connection_new(struct stream *stream)
{
    struct stream_connection *connection = mem_alloc(sizeof(*connection));
    if (connection == NULL) {
        return NULL;
    }
    uint64_t now_mono_ns = loop_now_mono_ns(stream->loop);
    *connection = (struct stream_connection){
        .user = {.ops = &connection_ops},
        .frame = {.framing = stream->options.framing,
                  .line_max_bytes = stream->options.line_max_bytes,
                  .on_lines = connection_on_lines},
        .stream = stream,
        .heard_mono_ns = now_mono_ns,
        .leave_mono_ns = UINT64_MAX,
    };
    if (stream->options.age_max_ms > 0) {
        connection->leave_mono_ns = now_mono_ns + age_of(stream);
    }
    return connection;
}

static bool is_full(const struct stream *stream)
{
    uint32_t max = stream->options.connections_max;
    return stream->connection_count >= (max != 0 ? max : STREAM_CONNECTIONS_MAX);
}

/* Its channel is there: it counts, and waits with the others. */
static void connection_add(struct stream *stream, struct stream_connection *connection)
{
    connection->next = stream->first;
    if (stream->first != NULL) {
        stream->first->previous = connection;
    }
    stream->first = connection;
    stream->connection_count++;
    counter_add(&stream->stats->connections_accepted, 1);
    counter_add(&stream->stats->connections_open, 1);
    if (stream->is_paused) {
        channel_pause(connection->channel);
    }
}

static struct stream_connection *connection_open(struct stream *stream, int fd)
{
    const struct channel_options options = {.role = CHANNEL_SERVER};
    struct stream_connection *connection = connection_new(stream);
    if (connection == NULL) {
        return NULL;
    }
    if (channel_open(stream->loop, fd, &options, &connection->user, &connection->channel) != 0) {
        mem_free(connection);
        return NULL;
    }
    return connection;
}

static void stream_on_accept(struct loop_listener *listener, int fd,
                             const struct loop_address *peer)
{
    (void)peer;
    struct stream *stream = CONTAINER_OF(listener, struct stream, listener);
    struct stream_connection *connection = NULL;
    if (!is_full(stream) && stream->state != STREAM_CLOSING) {
        connection = connection_open(stream, fd);
    }
    if (connection == NULL) {
        (void)close(fd); /* the peer sees its end; the counter says why */
        counter_add(&stream->stats->connections_refused, 1);
        return;
    }
    connection_add(stream, connection);
    if (stream->state == STREAM_DRAINING) {
        connection_leave(connection, loop_now_mono_ns(stream->loop));
    }
}

int stream_adopt(struct stream *stream, struct channel *channel, struct slice first_bytes)
{
    ASSERT(channel_loop(channel) == stream->loop);
    if (stream->state != STREAM_OPEN) {
        return FAULT_CLOSED;
    }
    struct stream_connection *connection = is_full(stream) ? NULL : connection_new(stream);
    if (connection == NULL) {
        counter_add(&stream->stats->connections_refused, 1);
        return is_full(stream) ? FAULT_LIMIT : -ENOMEM;
    }
    connection->channel = channel;
    channel_hand_over(channel, &connection->user);
    channel_unwatch(channel);
    connection_add(stream, connection);
    if (first_bytes.len > 0) {
        connection_receive(connection, first_bytes);
    }
    return 0;
}

static void stream_on_error(struct loop_listener *listener, int fault)
{
    struct stream *stream = CONTAINER_OF(listener, struct stream, listener);
    stream->on_fault(stream, fault);
}

static void stream_on_listener_closed(struct loop_listener *listener)
{
    struct stream *stream = CONTAINER_OF(listener, struct stream, listener);
    (void)close(listener->fd); /* a listening socket has no data to lose */
    listener->fd = -1;
    stream->is_listening = false;
    finish_if_empty(stream);
}

/* --- ages and silences ------------------------------------------------------------------------ */

static void sweep_connection(struct stream_connection *connection, uint64_t now_mono_ns)
{
    struct stream *stream = connection->stream;
    uint64_t silent_ns =
        now_mono_ns > connection->heard_mono_ns ? now_mono_ns - connection->heard_mono_ns : 0;
    if (connection->is_leaving) {
        bool is_silent = silent_ns >= STREAM_SWEEP_MS * CLOCK_NS_PER_MS && !stream->is_paused;
        if (is_silent) {
            connection_end(connection, 0);
        } else if (now_mono_ns >= connection->given_up_mono_ns) {
            connection_end(connection, -ETIMEDOUT); /* its tail may be half a line */
        }
        return;
    }
    uint64_t idle_timeout_ns = stream->options.idle_timeout_ms * CLOCK_NS_PER_MS;
    bool is_idle = idle_timeout_ns > 0 && !stream->is_paused && silent_ns >= idle_timeout_ns;
    if (now_mono_ns >= connection->leave_mono_ns) {
        counter_add(&stream->stats->connections_aged, 1);
        connection_leave(connection, now_mono_ns);
    } else if (is_idle) {
        connection_end(connection, 0);
    }
}

static void stream_on_sweep(struct timer *timer, uint64_t now_mono_ns)
{
    struct stream *stream = CONTAINER_OF(timer, struct stream, sweep);
    if (stream->state == STREAM_CLOSING && stream->connection_count == 0) {
        finish_if_empty(stream);
        return;
    }
    for (struct stream_connection *each = stream->first; each != NULL; each = each->next) {
        sweep_connection(each, now_mono_ns); /* closing takes it off the list in a later turn */
    }
    uint64_t next_mono_ns = now_mono_ns + STREAM_SWEEP_MS * CLOCK_NS_PER_MS;
    /* The slot this timer just left in the heap is free, so arming cannot fail. */
    int err = loop_timer_arm(stream->loop, timer, next_mono_ns);
    ASSERT(err == 0);
}

/* --- the listener ----------------------------------------------------------------------------- */

int stream_open(struct stream *stream, int fd)
{
    ASSERT(stream->state == STREAM_CLOSED && stream->loop != NULL && stream->stats != NULL);
    ASSERT(stream->on_lines != NULL && stream->on_fault != NULL && stream->on_closed != NULL);
    ASSERT(stream->options.line_max_bytes > 0);
    stream->listener = (struct loop_listener){
        .fd = fd,
        .on_accept = stream_on_accept,
        .on_error = stream_on_error,
        .on_closed = stream_on_listener_closed,
    };
    stream->sweep = (struct timer){.on_fire = stream_on_sweep};
    stream->jitter_state = loop_now_mono_ns(stream->loop);
    uint64_t due_mono_ns = stream->jitter_state + STREAM_SWEEP_MS * CLOCK_NS_PER_MS;
    int err = loop_timer_arm(stream->loop, &stream->sweep, due_mono_ns);
    if (err != 0) {
        return err;
    }
    stream->is_listening = fd >= 0;
    err = stream->is_listening ? loop_listener_start(stream->loop, &stream->listener) : 0;
    if (err != 0) {
        loop_timer_cancel(stream->loop, &stream->sweep);
        stream->is_listening = false;
        return err;
    }
    stream->state = STREAM_OPEN;
    return 0;
}

void stream_pause(struct stream *stream)
{
    if (stream->is_paused) {
        return;
    }
    stream->is_paused = true;
    for (struct stream_connection *each = stream->first; each != NULL; each = each->next) {
        channel_pause(each->channel);
    }
}

void stream_resume(struct stream *stream)
{
    if (!stream->is_paused) {
        return;
    }
    stream->is_paused = false;
    for (struct stream_connection *each = stream->first; each != NULL; each = each->next) {
        each->heard_mono_ns = loop_now_mono_ns(stream->loop); /* its silence was our doing */
        channel_resume(each->channel);
    }
}

void stream_send_away(struct stream *stream)
{
    for (struct stream_connection *each = stream->first; each != NULL; each = each->next) {
        connection_leave(each, loop_now_mono_ns(stream->loop));
    }
}

static void stop_listening(struct stream *stream)
{
    if (stream->is_listening) {
        loop_listener_stop(stream->loop, &stream->listener);
    }
}

void stream_drain(struct stream *stream)
{
    if (stream->state != STREAM_OPEN) {
        return;
    }
    stream->state = STREAM_DRAINING;
    stop_listening(stream);
    stream_send_away(stream);
}

void stream_close(struct stream *stream)
{
    if (stream->state == STREAM_CLOSED || stream->state == STREAM_CLOSING) {
        return;
    }
    bool is_waited_for = stream->is_listening || stream->connection_count > 0;
    stream->state = STREAM_CLOSING;
    stop_listening(stream);
    for (struct stream_connection *each = stream->first; each != NULL; each = each->next) {
        connection_close(each);
    }
    if (!is_waited_for) {
        /* Nobody is left to bring the news in a later turn, so the sweep does, at once. */
        int err = loop_timer_arm(stream->loop, &stream->sweep, 0);
        ASSERT(err == 0);
    }
}
