/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_source — what all backends share about sources: the entry points of loop.h with their state
 * checks, and the callbacks that are made later (on_sent, on_end, on_error, on_closed).
 *
 * Nothing here calls back from inside the call that caused it: the slot is put on the list of what
 * is due, and the turn settles that list.
 */
#include <errno.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"
#include "io/loop.h"
#include "io/loop_ops.h"
#include "io/loop_slot.h"

/* --- entry points
 * --------------------------------------------------------------------------------- */

int loop_take_slot(struct loop *loop, enum loop_slot_kind kind, int fd, struct loop_slot **out)
{
    struct loop_slot *slot = loop_slot_acquire(&loop->slots, kind);
    if (slot == NULL) {
        return -EBUSY;
    }
    slot->loop = loop;
    slot->fd = fd;
    *out = slot;
    return 0;
}

void loop_defer(struct loop *loop, struct loop_slot *slot)
{
    if (slot->is_due) {
        return;
    }
    slot->is_due = true;
    slot->next = NULL;
    if (loop->due_first == NULL) {
        loop->due_first = slot;
    } else {
        loop->due_last->next = slot;
    }
    loop->due_last = slot;
}

void loop_end_input(struct loop *loop, struct loop_slot *slot, int fault)
{
    ASSERT(fault <= 0);
    if (slot->input != LOOP_INPUT_ENDED && !slot->is_end_due) {
        slot->is_end_due = true;
        slot->fault = fault;
        loop_defer(loop, slot);
    }
}

void loop_finish_send(struct loop *loop, struct loop_slot *slot, int fault)
{
    ASSERT(slot->output == LOOP_OUTPUT_SENDING);
    slot->output = LOOP_OUTPUT_SENT;
    slot->sent_fault = fault;
    loop_defer(loop, slot);
}

static void listener_on_retry(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct loop_slot *slot = CONTAINER_OF(timer, struct loop_slot, retry);
    slot->loop->ops->listener_resume(slot->loop, slot);
}

void loop_pause_accept(struct loop *loop, struct loop_slot *slot, int fault)
{
    slot->retry.on_fire = listener_on_retry;
    uint64_t deadline_mono_ns = loop->now_mono_ns + LOOP_ACCEPT_PAUSE_MS * CLOCK_NS_PER_MS;
    int err = loop_timer_arm(loop, &slot->retry, deadline_mono_ns);
    slot->source.listener->on_error(slot->source.listener, fault);
    if (err != 0 && !slot->is_closing) {
        loop->ops->listener_resume(loop, slot); /* no room for the timer: try at once */
    }
}

bool loop_is_passing_fault(int fault)
{
    switch (fault) {
    case -EBADF:
    case -ENOTSOCK:
    case -ENOTCONN:
    case -EINVAL:
    case -EFAULT:
    case -EOPNOTSUPP:
        return false;
    default:
        return true;
    }
}

static void start_closing(struct loop *loop, struct loop_slot *slot)
{
    timer_cancel(&loop->timers, &slot->retry);
    slot->is_closing = true;
    loop_defer(loop, slot);
}

int loop_dgram_start(struct loop *loop, struct loop_dgram_socket *socket)
{
    ASSERT(socket->slot == NULL && socket->on_receive != NULL && socket->on_closed != NULL);
    loop_note_socket(loop, socket->fd);
    return loop->ops->dgram_start(loop, socket);
}

void loop_dgram_stop(struct loop *loop, struct loop_dgram_socket *socket)
{
    struct loop_slot *slot = socket->slot;
    if (slot != NULL && !slot->is_closing) {
        loop->ops->dgram_stop(loop, slot);
        start_closing(loop, slot);
    }
}

int loop_listener_start(struct loop *loop, struct loop_listener *listener)
{
    ASSERT(listener->slot == NULL && listener->on_accept != NULL && listener->on_closed != NULL);
    return loop->ops->listener_start(loop, listener);
}

void loop_listener_stop(struct loop *loop, struct loop_listener *listener)
{
    struct loop_slot *slot = listener->slot;
    if (slot != NULL && !slot->is_closing) {
        loop->ops->listener_stop(loop, slot);
        start_closing(loop, slot);
    }
}

int loop_stream_start(struct loop *loop, struct loop_stream *stream)
{
    ASSERT(stream->slot == NULL && stream->on_receive != NULL);
    ASSERT(stream->on_end != NULL && stream->on_closed != NULL);
    int err = loop->ops->stream_start(loop, stream);
    loop->stream_count += err == 0 ? 1 : 0;
    return err;
}

void loop_stream_pause(struct loop *loop, struct loop_stream *stream)
{
    struct loop_slot *slot = stream->slot;
    ASSERT(slot != NULL);
    if (slot->input == LOOP_INPUT_ON && !slot->is_closing) {
        slot->input = LOOP_INPUT_PAUSED;
        loop->ops->stream_pause(loop, slot);
    }
}

void loop_stream_resume(struct loop *loop, struct loop_stream *stream)
{
    struct loop_slot *slot = stream->slot;
    ASSERT(slot != NULL);
    if (slot->input != LOOP_INPUT_PAUSED || slot->is_closing) {
        return;
    }
    slot->input = LOOP_INPUT_ON;
    if (slot->held.used_bytes > 0 || slot->is_end_due) {
        loop_defer(loop, slot); /* older bytes go first */
    } else {
        loop->ops->stream_resume(loop, slot);
    }
}

int loop_stream_send(struct loop *loop, struct loop_stream *stream, const struct iovec *iov,
                     size_t iov_count)
{
    struct loop_slot *slot = stream->slot;
    ASSERT(slot != NULL && stream->on_sent != NULL);
    if (slot->output != LOOP_OUTPUT_IDLE || slot->is_closing) {
        return -EBUSY;
    }
    struct loop_send *send = loop_slot_send(slot);
    if (send == NULL) {
        return -ENOMEM;
    }
    slot->output = LOOP_OUTPUT_SENDING;
    if (loop_send_fill(send, iov, iov_count) == 0) {
        loop_finish_send(loop, slot, 0);
        return 0;
    }
    int err = loop->ops->stream_send(loop, slot);
    slot->output = err == 0 ? slot->output : LOOP_OUTPUT_IDLE;
    return err;
}

void loop_stream_shutdown(struct loop *loop, struct loop_stream *stream)
{
    struct loop_slot *slot = stream->slot;
    ASSERT(slot != NULL);
    if (slot->is_closing) {
        return;
    }
    slot->is_shutdown_due = slot->output == LOOP_OUTPUT_SENDING;
    if (!slot->is_shutdown_due) {
        loop->ops->stream_shutdown(loop, slot);
    }
}

void loop_stream_close(struct loop *loop, struct loop_stream *stream)
{
    struct loop_slot *slot = stream->slot;
    if (slot != NULL && !slot->is_closing) {
        loop->ops->stream_close(loop, slot);
        start_closing(loop, slot);
    }
}

int loop_poll_watch(struct loop *loop, struct loop_poll *poll, uint32_t events)
{
    ASSERT((events & ~(uint32_t)(LOOP_POLL_READ | LOOP_POLL_WRITE)) == 0);
    ASSERT(poll->on_ready != NULL && poll->on_closed != NULL);
    if (poll->slot != NULL && poll->slot->is_closing) {
        return -EBUSY;
    }
    return loop->ops->poll_watch(loop, poll, events);
}

void loop_poll_stop(struct loop *loop, struct loop_poll *poll)
{
    struct loop_slot *slot = poll->slot;
    if (slot != NULL && !slot->is_closing) {
        loop->ops->poll_stop(loop, slot);
        start_closing(loop, slot);
    }
}

/* --- what became due -------------------------------------------------------------------------- */

/* Those in the backlog were told that they are connected, and may have said something already. */
static void accept_rest(struct loop_listener *listener)
{
    for (int i = 0; i < SOCKET_LISTEN_BACKLOG; i++) {
        struct loop_address peer = {.len = sizeof(peer) - offsetof(struct loop_address, any)};
        int fd = accept4(listener->fd, &peer.any, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return; /* what comes from now on is reset by the kernel */
        }
        listener->on_accept(listener, fd, &peer);
    }
}

/* The source may be started anew, or freed, from inside its on_closed. */
static void finish_closing(struct loop *loop, struct loop_slot *slot)
{
    enum loop_slot_kind kind = slot->kind;
    struct loop_slot before = *slot;
    loop->ops->release(loop, slot);
    loop_slot_release(&loop->slots, slot);
    loop->stream_count -= kind == LOOP_SLOT_STREAM ? 1 : 0;
    switch (kind) {
    case LOOP_SLOT_DGRAM:
        before.source.dgram->slot = NULL;
        before.source.dgram->on_closed(before.source.dgram);
        break;
    case LOOP_SLOT_LISTENER:
        before.source.listener->slot = NULL;
        accept_rest(before.source.listener);
        before.source.listener->on_closed(before.source.listener);
        break;
    case LOOP_SLOT_STREAM:
        before.source.stream->slot = NULL;
        before.source.stream->on_closed(before.source.stream);
        break;
    case LOOP_SLOT_POLL:
        before.source.poll->slot = NULL;
        before.source.poll->on_closed(before.source.poll);
        break;
    case LOOP_SLOT_FREE:
        ASSERT(kind != LOOP_SLOT_FREE);
        break;
    }
}

static void settle_output(struct loop *loop, struct loop_slot *slot)
{
    if (slot->output != LOOP_OUTPUT_SENT) {
        return;
    }
    slot->output = LOOP_OUTPUT_IDLE;
    if (slot->is_shutdown_due) {
        slot->is_shutdown_due = false;
        loop->ops->stream_shutdown(loop, slot);
    }
    slot->source.stream->on_sent(slot->source.stream, slot->sent_fault);
}

/* Bytes that came while the stream was paused go before anything newer, and before its end. */
static void settle_held(struct loop *loop, struct loop_slot *slot)
{
    struct loop_held held = slot->held;
    slot->held = (struct loop_held){0};
    slot->source.stream->on_receive(slot->source.stream, slice_of(held.bytes, held.used_bytes));
    mem_free(held.bytes);
    if (slot->input == LOOP_INPUT_ON && !slot->is_end_due && !slot->is_closing) {
        loop->ops->stream_resume(loop, slot);
    }
}

static void settle_stream(struct loop *loop, struct loop_slot *slot)
{
    settle_output(loop, slot);
    if (!slot->is_closing && slot->input == LOOP_INPUT_ON && slot->held.used_bytes > 0) {
        settle_held(loop, slot);
    }
    if (!slot->is_closing && slot->input == LOOP_INPUT_ON && slot->is_end_due) {
        slot->is_end_due = false;
        slot->input = LOOP_INPUT_ENDED;
        slot->source.stream->on_end(slot->source.stream, slot->fault);
    }
}

static void settle_dgram(struct loop_slot *slot)
{
    if (slot->is_end_due) {
        slot->is_end_due = false;
        slot->input = LOOP_INPUT_ENDED;
        slot->source.dgram->on_error(slot->source.dgram, slot->fault);
    }
}

static void settle(struct loop *loop, struct loop_slot *slot)
{
    if (slot->is_closing) {
        if (loop->ops->is_quiet(loop, slot)) {
            finish_closing(loop, slot);
        }
        return; /* else the last completion defers it again */
    }
    switch (slot->kind) {
    case LOOP_SLOT_DGRAM:
        settle_dgram(slot);
        break;
    case LOOP_SLOT_STREAM:
        settle_stream(loop, slot);
        break;
    case LOOP_SLOT_LISTENER:
    case LOOP_SLOT_POLL:
    case LOOP_SLOT_FREE:
        break;
    }
}

/* Takes the list as it is now: what its callbacks make due belongs to the next turn. */
int loop_settle_due(struct loop *loop)
{
    int settled_count = 0;
    struct loop_slot *slot = loop->due_first;
    loop->due_first = NULL;
    loop->due_last = NULL;
    while (slot != NULL) {
        struct loop_slot *next = slot->next;
        slot->is_due = false;
        slot->next = NULL;
        settle(loop, slot);
        settled_count++;
        slot = next;
    }
    return settled_count;
}
