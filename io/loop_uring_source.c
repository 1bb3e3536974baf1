/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_uring_source — what io_uring does for each kind of source: which operation is armed, what
 * its completions mean, how it is cancelled.
 *
 * Receiving and accepting are multishot; polls are one-shot and armed anew after each report, which
 * makes them level-triggered. slot->armed has one bit per operation the kernel still holds; a
 * closing slot is released when it is zero.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/io_bounds.h"
#include "io/loop_slot.h"
#include "io/loop_uring.h"

static uint32_t op_bit(enum loop_op op)
{
    return UINT32_C(1) << op;
}

static bool is_armed(const struct loop_slot *slot, enum loop_op op)
{
    return (slot->armed & op_bit(op)) != 0;
}

static void tag_submission(struct io_uring_sqe *sqe, struct loop_slot *slot, enum loop_op op)
{
    io_uring_sqe_set_data64(sqe, loop_tag_pack(slot, op));
    if (op != LOOP_OP_CANCEL) {
        ASSERT(!is_armed(slot, op));
        slot->armed |= op_bit(op);
    }
}

/* What the operation has done so far still completes, and so does the operation itself. */
static void cancel(struct uring_loop *u, struct loop_slot *slot, enum loop_op op)
{
    if (!is_armed(slot, op)) {
        return;
    }
    struct io_uring_sqe *sqe = uring_next_submission(u);
    io_uring_prep_cancel64(sqe, loop_tag_pack(slot, op), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    tag_submission(sqe, slot, LOOP_OP_CANCEL);
}

bool uring_is_quiet(const struct loop *loop, const struct loop_slot *slot)
{
    (void)loop;
    return slot->armed == 0;
}

void uring_release(struct loop *loop, struct loop_slot *slot)
{
    (void)loop;
    if (slot->kind == LOOP_SLOT_STREAM) {
        (void)close(slot->fd); /* a stream's bytes are with the kernel; nothing is left to report */
    }
}

/* --- datagrams ------------------------------------------------------------------------------- */

static void arm_dgram(struct uring_loop *u, struct loop_slot *slot)
{
    struct io_uring_sqe *sqe = uring_next_submission(u);
    struct msghdr *shape = slot->source.dgram->wants_peer ? &u->named : &u->plain;
    io_uring_prep_recvmsg_multishot(sqe, slot->fd, shape, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = u->dgrams.group;
    tag_submission(sqe, slot, LOOP_OP_RECEIVE);
}

int uring_dgram_start(struct loop *loop, struct loop_dgram_socket *socket)
{
    struct loop_slot *slot = NULL;
    int err = loop_take_slot(loop, LOOP_SLOT_DGRAM, socket->fd, &slot);
    if (err != 0) {
        return err;
    }
    slot->source.dgram = socket;
    socket->slot = slot;
    arm_dgram(uring_of(loop), slot);
    return 0;
}

void uring_dgram_stop(struct loop *loop, struct loop_slot *slot)
{
    cancel(uring_of(loop), slot, LOOP_OP_RECEIVE);
}

void uring_flush_burst(struct uring_loop *u)
{
    if (u->burst_count == 0) {
        return;
    }
    size_t count = u->burst_count;
    struct loop_dgram_socket *socket = u->burst_slot->source.dgram;
    loop_note_receives(&u->base, count, u->burst_bytes, false);
    u->burst_count = 0;
    u->burst_bytes = 0;
    socket->on_receive(socket, u->burst, count);
    uring_pool_give_back(&u->dgrams, u->burst_buffers, count);
}

static uint32_t segment_bytes_of(struct io_uring_recvmsg_out *out, struct msghdr *shape,
                                 uint32_t len)
{
    struct cmsghdr *message = io_uring_recvmsg_cmsg_firsthdr(out, shape);
    if (message == NULL || message->cmsg_level != SOL_UDP || message->cmsg_type != UDP_GRO) {
        return len;
    }
    int segment_bytes;
    memcpy(&segment_bytes, CMSG_DATA(message), sizeof(segment_bytes));
    return segment_bytes > 0 && (uint32_t)segment_bytes < len ? (uint32_t)segment_bytes : len;
}

static void copy_peer(struct loop_address *peer, struct io_uring_recvmsg_out *out)
{
    size_t cap_bytes = sizeof(*peer) - offsetof(struct loop_address, any);
    size_t len = out->namelen < cap_bytes ? out->namelen : cap_bytes;
    peer->len = (socklen_t)len;
    memcpy(&peer->any, io_uring_recvmsg_name(out), len);
}

static void append_dgram(struct uring_loop *u, struct loop_slot *slot,
                         const struct uring_completion *completion)
{
    if (u->burst_count == LOOP_DGRAM_BURST_MAX || u->burst_slot != slot) {
        uring_flush_burst(u);
    }
    uint16_t buffer_index = (uint16_t)(completion->flags >> IORING_CQE_BUFFER_SHIFT);
    struct msghdr *shape = slot->source.dgram->wants_peer ? &u->named : &u->plain;
    struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(
        uring_pool_at(&u->dgrams, buffer_index), completion->result, shape);
    if (out == NULL) {
        uring_pool_give_back(&u->dgrams, &buffer_index, 1);
        return;
    }
    uint32_t len = io_uring_recvmsg_payload_length(out, completion->result, shape);
    size_t i = u->burst_count;
    u->burst[i] = (struct loop_dgram){
        .bytes = slice_of(io_uring_recvmsg_payload(out, shape), len),
        .segment_bytes = segment_bytes_of(out, shape, len),
        .is_truncated = (out->flags & MSG_TRUNC) != 0,
    };
    if (slot->source.dgram->wants_peer) {
        copy_peer(&u->peers[i], out);
        u->burst[i].peer = &u->peers[i];
    }
    u->burst_buffers[i] = buffer_index;
    u->burst_slot = slot;
    u->burst_count = i + 1;
    u->burst_bytes += len;
}

static void complete_dgram(struct uring_loop *u, struct loop_slot *slot,
                           const struct uring_completion *completion)
{
    int fault = completion->result < 0 ? completion->result : 0;
    bool is_passing = fault == 0 || loop_is_passing_fault(fault);
    if (!is_armed(slot, LOOP_OP_RECEIVE) && is_passing && !slot->is_closing) {
        arm_dgram(u, slot);
    }
    if ((completion->flags & IORING_CQE_F_BUFFER) != 0) {
        append_dgram(u, slot, completion);
    }
    if (fault == -ENOBUFS) {
        counter_add(&u->base.counters.buffers_exhausted_count, 1);
    } else if (!is_passing && !slot->is_closing) {
        loop_end_input(&u->base, slot, fault);
    }
}

/* --- listeners ------------------------------------------------------------------------------- */

static void arm_accept(struct uring_loop *u, struct loop_slot *slot)
{
    struct io_uring_sqe *sqe = uring_next_submission(u);
    io_uring_prep_multishot_accept(sqe, slot->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    tag_submission(sqe, slot, LOOP_OP_ACCEPT);
}

int uring_listener_start(struct loop *loop, struct loop_listener *listener)
{
    struct loop_slot *slot = NULL;
    int err = loop_take_slot(loop, LOOP_SLOT_LISTENER, listener->fd, &slot);
    if (err != 0) {
        return err;
    }
    slot->source.listener = listener;
    listener->slot = slot;
    arm_accept(uring_of(loop), slot);
    return 0;
}

void uring_listener_stop(struct loop *loop, struct loop_slot *slot)
{
    cancel(uring_of(loop), slot, LOOP_OP_ACCEPT);
}

void uring_listener_resume(struct loop *loop, struct loop_slot *slot)
{
    if (!is_armed(slot, LOOP_OP_ACCEPT)) {
        arm_accept(uring_of(loop), slot);
    }
}

static void complete_accept(struct uring_loop *u, struct loop_slot *slot,
                            const struct uring_completion *completion)
{
    int fault = completion->result < 0 ? completion->result : 0;
    bool is_retried = fault == 0 || fault == -EINTR || fault == -ECONNABORTED || fault == -EAGAIN;
    if (!slot->is_closing && is_retried) {
        uring_listener_resume(&u->base, slot);
    } else if (!slot->is_closing) {
        loop_pause_accept(&u->base, slot, fault);
    }
    if (fault == 0) { /* also of one that was stopped meanwhile: its owner decides */
        struct loop_address peer = {.len = sizeof(peer) - offsetof(struct loop_address, any)};
        if (getpeername(completion->result, &peer.any, &peer.len) != 0) {
            peer.len = 0; /* reset already; the owner will be told by its end */
        }
        slot->source.listener->on_accept(slot->source.listener, completion->result, &peer);
    }
}

/* --- streams --------------------------------------------------------------------------------- */

static void arm_read(struct uring_loop *u, struct loop_slot *slot)
{
    struct io_uring_sqe *sqe = uring_next_submission(u);
    io_uring_prep_recv_multishot(sqe, slot->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = u->streams.group;
    tag_submission(sqe, slot, LOOP_OP_READ);
}

static void arm_send(struct uring_loop *u, struct loop_slot *slot)
{
    struct io_uring_sqe *sqe = uring_next_submission(u);
    io_uring_prep_sendmsg(sqe, slot->fd, &slot->send->message, MSG_NOSIGNAL | MSG_WAITALL);
    tag_submission(sqe, slot, LOOP_OP_SEND);
}

int uring_stream_start(struct loop *loop, struct loop_stream *stream)
{
    struct loop_slot *slot = NULL;
    int err = loop_take_slot(loop, LOOP_SLOT_STREAM, stream->fd, &slot);
    if (err != 0) {
        return err;
    }
    slot->source.stream = stream;
    stream->slot = slot;
    arm_read(uring_of(loop), slot);
    return 0;
}

void uring_stream_pause(struct loop *loop, struct loop_slot *slot)
{
    cancel(uring_of(loop), slot, LOOP_OP_READ);
}

/* While a cancelled read is still on its way out, its completion arms the next. */
void uring_stream_resume(struct loop *loop, struct loop_slot *slot)
{
    if (!is_armed(slot, LOOP_OP_READ)) {
        arm_read(uring_of(loop), slot);
    }
}

int uring_stream_send(struct loop *loop, struct loop_slot *slot)
{
    arm_send(uring_of(loop), slot);
    return 0;
}

void uring_stream_shutdown(struct loop *loop, struct loop_slot *slot)
{
    (void)loop;
    (void)shutdown(slot->fd, SHUT_WR); /* a connection that is gone is told elsewhere */
}

void uring_stream_close(struct loop *loop, struct loop_slot *slot)
{
    cancel(uring_of(loop), slot, LOOP_OP_READ);
    cancel(uring_of(loop), slot, LOOP_OP_SEND);
}

static void show_stream(struct uring_loop *u, struct loop_slot *slot, struct slice bytes)
{
    if (slot->is_closing) {
        return;
    }
    loop_touch(&u->base);
    if (slot->input == LOOP_INPUT_ON && slot->held.used_bytes == 0) {
        slot->source.stream->on_receive(slot->source.stream, bytes);
    } else if (slot->input != LOOP_INPUT_ENDED && loop_slot_hold(slot, bytes) != 0) {
        loop_end_input(&u->base, slot, -ENOMEM);
    }
}

static void complete_read(struct uring_loop *u, struct loop_slot *slot,
                          const struct uring_completion *completion)
{
    int32_t result = completion->result;
    bool is_retried = result > 0 || result == -ENOBUFS || result == -ECANCELED ||
                      result == -EINTR || result == -EAGAIN;
    if (!is_armed(slot, LOOP_OP_READ) && is_retried && slot->input == LOOP_INPUT_ON &&
        !slot->is_end_due && !slot->is_closing) {
        arm_read(u, slot);
    }
    if ((completion->flags & IORING_CQE_F_BUFFER) != 0) {
        uint16_t buffer_index = (uint16_t)(completion->flags >> IORING_CQE_BUFFER_SHIFT);
        if (result > 0) {
            const uint8_t *bytes = uring_pool_at(&u->streams, buffer_index);
            show_stream(u, slot, slice_of(bytes, (size_t)result));
        }
        uring_pool_give_back(&u->streams, &buffer_index, 1);
    }
    if (result == -ENOBUFS) {
        counter_add(&u->base.counters.buffers_exhausted_count, 1);
    }
    if (!is_retried && !slot->is_closing) {
        loop_end_input(&u->base, slot, result);
    }
}

static void complete_send(struct uring_loop *u, struct loop_slot *slot, int32_t result)
{
    if (slot->is_closing) {
        return;
    }
    if (result < 0 && result != -EINTR && result != -EAGAIN) {
        loop_finish_send(&u->base, slot, result);
    } else if (loop_send_advance(slot->send, result > 0 ? (size_t)result : 0)) {
        loop_finish_send(&u->base, slot, 0);
    } else {
        arm_send(u, slot);
    }
}

/* --- foreign descriptors ---------------------------------------------------------------------- */

static uint32_t poll_mask(uint32_t events)
{
    return ((events & LOOP_POLL_READ) != 0 ? (uint32_t)POLLIN : 0) |
           ((events & LOOP_POLL_WRITE) != 0 ? (uint32_t)POLLOUT : 0);
}

static void arm_poll(struct uring_loop *u, struct loop_slot *slot)
{
    if (is_armed(slot, LOOP_OP_POLL) || slot->events_wanted == 0 || slot->is_closing) {
        return;
    }
    struct io_uring_sqe *sqe = uring_next_submission(u);
    io_uring_prep_poll_add(sqe, slot->fd, poll_mask(slot->events_wanted));
    tag_submission(sqe, slot, LOOP_OP_POLL);
    slot->events = slot->events_wanted;
}

int uring_poll_watch(struct loop *loop, struct loop_poll *poll, uint32_t events)
{
    struct uring_loop *u = uring_of(loop);
    if (poll->slot == NULL) {
        struct loop_slot *slot = NULL;
        int err = loop_take_slot(loop, LOOP_SLOT_POLL, poll->fd, &slot);
        if (err != 0) {
            return err;
        }
        slot->source.poll = poll;
        poll->slot = slot;
    }
    poll->slot->events_wanted = events;
    if (is_armed(poll->slot, LOOP_OP_POLL) && poll->slot->events != events) {
        cancel(u, poll->slot, LOOP_OP_POLL); /* its completion arms the new one */
        poll->slot->events = 0;
    }
    arm_poll(u, poll->slot);
    return 0;
}

/*
 * Submits at once: the owner may close the descriptor as soon as this returns, and a poll still in
 * the submission queue would then watch whatever takes over the number.
 */
void uring_poll_stop(struct loop *loop, struct loop_slot *slot)
{
    struct uring_loop *u = uring_of(loop);
    if (is_armed(slot, LOOP_OP_POLL)) {
        cancel(u, slot, LOOP_OP_POLL);
        (void)io_uring_submit(&u->ring); /* what is left over goes with the turn's submission */
    }
}

static void complete_poll(struct uring_loop *u, struct loop_slot *slot, int32_t result)
{
    if (slot->is_closing) {
        return;
    }
    uint32_t ready = 0;
    if (result > 0) {
        uint32_t events = (uint32_t)result;
        ready |= (events & (POLLIN | POLLHUP)) != 0 ? (uint32_t)LOOP_POLL_READ : 0;
        ready |= (events & POLLOUT) != 0 ? (uint32_t)LOOP_POLL_WRITE : 0;
        ready |= (events & POLLERR) != 0 ? (uint32_t)LOOP_POLL_ERROR : 0;
    } else if (result != -ECANCELED && result != 0) {
        ready = LOOP_POLL_ERROR;
    }
    if ((ready & (slot->events_wanted | LOOP_POLL_ERROR)) != 0 && slot->events_wanted != 0) {
        slot->source.poll->on_ready(slot->source.poll, ready);
    }
    arm_poll(u, slot); /* after the report: it would be ready again at once */
}

/* --- completions ------------------------------------------------------------------------------ */

/* The slot is gone, so is the reason for what the completion brings. */
static void drop_late(struct uring_loop *u, enum loop_op op,
                      const struct uring_completion *completion)
{
    counter_add(&u->base.counters.late_count, 1);
    if ((completion->flags & IORING_CQE_F_BUFFER) != 0) {
        uint16_t buffer_index = (uint16_t)(completion->flags >> IORING_CQE_BUFFER_SHIFT);
        struct uring_pool *pool = op == LOOP_OP_READ ? &u->streams : &u->dgrams;
        uring_pool_give_back(pool, &buffer_index, 1);
    }
    if (op == LOOP_OP_ACCEPT && completion->result >= 0) {
        (void)close(completion->result); /* nobody listens any more */
    }
}

int uring_complete(struct uring_loop *u, const struct uring_completion *completion)
{
    enum loop_op op;
    struct loop_slot *slot = loop_tag_unpack(&u->base.slots, completion->tag, &op);
    if (op == LOOP_OP_CANCEL) {
        return 0; /* there was nothing left to cancel */
    }
    if (slot == NULL) {
        drop_late(u, op, completion);
        return 0;
    }
    if ((completion->flags & IORING_CQE_F_MORE) == 0) {
        slot->armed &= ~op_bit(op);
    }
    switch (op) {
    case LOOP_OP_RECEIVE:
        complete_dgram(u, slot, completion);
        break;
    case LOOP_OP_READ:
        complete_read(u, slot, completion);
        break;
    case LOOP_OP_ACCEPT:
        complete_accept(u, slot, completion);
        break;
    case LOOP_OP_SEND:
        complete_send(u, slot, completion->result);
        break;
    case LOOP_OP_POLL:
        complete_poll(u, slot, completion->result);
        break;
    case LOOP_OP_READY:
    case LOOP_OP_CANCEL:
    case LOOP_OP_WAKE:
        break;
    }
    if (slot->is_closing && slot->armed == 0) {
        loop_defer(&u->base, slot);
    }
    return 1;
}
