/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_epoll — the loop on epoll, recvmmsg, accept4 and non-blocking sendmsg; works everywhere.
 *
 * Two epoll sets: `ready_fd` holds everything but datagram sockets, `idle_fd` holds the datagram
 * sockets and, nested, ready_fd. Idle, the loop blocks on idle_fd. After a turn with datagrams it
 * lingers on ready_fd alone, so that more datagrams gather without each waking the thread, while
 * streams and wakes still do. Everything is level-triggered.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"
#include "io/loop_epoll.h"
#include "io/loop_ops.h"
#include "io/loop_slot.h"

/* Reads of one stream per turn; each fills at most stream_buffer_bytes. */
#define STREAM_READS_PER_TURN 4

/* Tags that name no slot. */
#define TAG_WAKE UINT64_MAX
#define TAG_READY (UINT64_MAX - 1)

void epoll_unwatch(int epoll_fd, struct loop_slot *slot)
{
    if (slot->events != 0) {
        /* Fails when the owner closed the descriptor first: then it left the set by itself. */
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, slot->fd, NULL);
        slot->events = 0;
    }
}

int epoll_watch(int epoll_fd, struct loop_slot *slot, uint32_t events)
{
    if (slot->events == events) {
        return 0;
    }
    if (events == 0) {
        epoll_unwatch(epoll_fd, slot);
        return 0;
    }
    int op = slot->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    struct epoll_event event = {
        .events = events,
        .data.u64 = loop_tag_pack(slot, LOOP_OP_READY),
    };
    if (epoll_ctl(epoll_fd, op, slot->fd, &event) != 0) {
        return -errno;
    }
    slot->events = events;
    return 0;
}

/* --- listeners ------------------------------------------------------------------------------- */

static int epoll_listener_start(struct loop *loop, struct loop_listener *listener)
{
    struct loop_slot *slot = NULL;
    int err = loop_take_slot(loop, LOOP_SLOT_LISTENER, listener->fd, &slot);
    if (err != 0) {
        return err;
    }
    slot->source.listener = listener;
    err = epoll_watch(epoll_of(loop)->ready_fd, slot, EPOLLIN);
    if (err != 0) {
        loop_slot_release(&loop->slots, slot);
        return err;
    }
    listener->slot = slot;
    return 0;
}

static void epoll_listener_stop(struct loop *loop, struct loop_slot *slot)
{
    epoll_unwatch(epoll_of(loop)->ready_fd, slot); /* gone by itself if closed early */
}

static void epoll_listener_resume(struct loop *loop, struct loop_slot *slot)
{
    int err = epoll_watch(epoll_of(loop)->ready_fd, slot, EPOLLIN);
    if (err != 0) {
        loop_pause_accept(loop, slot, err);
    }
}

static int accept_ready(struct epoll_loop *e, struct loop_slot *slot)
{
    int accepted_count = 0;
    struct loop_listener *listener = slot->source.listener;
    for (int i = 0; i < LOOP_BUDGET_EVENTS && !slot->is_closing; i++) {
        struct loop_address peer = {.len = sizeof(peer) - offsetof(struct loop_address, any)};
        int fd = accept4(slot->fd, &peer.any, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accepted_count++;
            listener->on_accept(listener, fd, &peer);
            continue;
        }
        int fault = -errno;
        if (fault == -EAGAIN) {
            break;
        }
        if (fault != -EINTR && fault != -ECONNABORTED) {
            epoll_unwatch(e->ready_fd, slot); /* or it would be reported in every turn */
            loop_pause_accept(&e->base, slot, fault);
            break;
        }
    }
    return accepted_count;
}

/* --- streams --------------------------------------------------------------------------------- */

static int watch_stream(struct epoll_loop *e, struct loop_slot *slot)
{
    uint32_t events = 0;
    if (slot->input == LOOP_INPUT_ON && !slot->is_end_due) {
        events |= EPOLLIN;
    }
    if (slot->output == LOOP_OUTPUT_SENDING) {
        events |= EPOLLOUT;
    }
    return epoll_watch(e->ready_fd, slot, events);
}

static int epoll_stream_start(struct loop *loop, struct loop_stream *stream)
{
    struct loop_slot *slot = NULL;
    int err = loop_take_slot(loop, LOOP_SLOT_STREAM, stream->fd, &slot);
    if (err != 0) {
        return err;
    }
    slot->source.stream = stream;
    err = watch_stream(epoll_of(loop), slot);
    if (err != 0) {
        loop_slot_release(&loop->slots, slot);
        return err;
    }
    stream->slot = slot;
    return 0;
}

/* Pausing, resuming: the same question, what to watch for now. */
static void epoll_stream_review(struct loop *loop, struct loop_slot *slot)
{
    int err = watch_stream(epoll_of(loop), slot);
    if (err != 0) {
        loop_end_input(loop, slot, err);
    }
}

static void write_stream(struct epoll_loop *e, struct loop_slot *slot)
{
    for (int i = 0; i < LOOP_BUDGET_EVENTS; i++) {
        ssize_t sent = sendmsg(slot->fd, &slot->send->message, MSG_NOSIGNAL | MSG_DONTWAIT);
        int fault = sent < 0 ? -errno : 0;
        if (fault == -EAGAIN) {
            return;
        }
        if (fault != 0 && fault != -EINTR) {
            loop_finish_send(&e->base, slot, fault);
            return;
        }
        if (fault == 0 && loop_send_advance(slot->send, (size_t)sent)) {
            loop_finish_send(&e->base, slot, 0);
            return;
        }
    }
}

static int epoll_stream_send(struct loop *loop, struct loop_slot *slot)
{
    struct epoll_loop *e = epoll_of(loop);
    write_stream(e, slot);
    return watch_stream(e, slot);
}

static void epoll_stream_shutdown(struct loop *loop, struct loop_slot *slot)
{
    (void)loop;
    (void)shutdown(slot->fd, SHUT_WR); /* a connection that is gone is told elsewhere */
}

static void epoll_stream_close(struct loop *loop, struct loop_slot *slot)
{
    epoll_unwatch(epoll_of(loop)->ready_fd, slot); /* closing the descriptor would do as well */
}

static void epoll_release(struct loop *loop, struct loop_slot *slot)
{
    (void)loop;
    if (slot->kind == LOOP_SLOT_STREAM) {
        (void)close(slot->fd); /* a stream's bytes are with the kernel; nothing is left to report */
    }
}

static int read_stream(struct epoll_loop *e, struct loop_slot *slot)
{
    struct loop_stream *stream = slot->source.stream;
    int read_count = 0;
    while (read_count < STREAM_READS_PER_TURN && slot->input == LOOP_INPUT_ON &&
           !slot->is_closing) {
        ssize_t got = recv(slot->fd, e->stream_bytes, e->stream_cap_bytes, MSG_DONTWAIT);
        if (got <= 0) {
            int fault = got == 0 ? 0 : -errno;
            if (fault != -EAGAIN && fault != -EINTR) {
                loop_end_input(&e->base, slot, fault);
            }
            break;
        }
        read_count++;
        loop_touch(&e->base);
        stream->on_receive(stream, slice_of(e->stream_bytes, (size_t)got));
        if ((size_t)got < e->stream_cap_bytes) {
            break;
        }
    }
    return read_count;
}

static int serve_stream(struct epoll_loop *e, struct loop_slot *slot, uint32_t events)
{
    int handled_count = 0;
    bool is_hung_up = (events & (EPOLLHUP | EPOLLERR)) != 0;
    if ((events & EPOLLIN) != 0 || is_hung_up) {
        handled_count += read_stream(e, slot);
    }
    if (((events & EPOLLOUT) != 0 || is_hung_up) && slot->output == LOOP_OUTPUT_SENDING &&
        !slot->is_closing) {
        write_stream(e, slot);
        handled_count++;
    }
    if (!slot->is_closing) {
        epoll_stream_review(&e->base, slot);
    }
    return handled_count;
}

/* --- foreign descriptors ---------------------------------------------------------------------- */

static uint32_t poll_events(uint32_t events)
{
    return ((events & LOOP_POLL_READ) != 0 ? (uint32_t)EPOLLIN : 0) |
           ((events & LOOP_POLL_WRITE) != 0 ? (uint32_t)EPOLLOUT : 0);
}

static int epoll_poll_watch(struct loop *loop, struct loop_poll *poll, uint32_t events)
{
    struct loop_slot *slot = poll->slot;
    if (slot == NULL) {
        int err = loop_take_slot(loop, LOOP_SLOT_POLL, poll->fd, &slot);
        if (err != 0) {
            return err;
        }
        slot->source.poll = poll;
    }
    int err = epoll_watch(epoll_of(loop)->ready_fd, slot, poll_events(events));
    if (err == 0) {
        poll->slot = slot;
    } else if (poll->slot == NULL) {
        loop_slot_release(&loop->slots, slot);
    }
    return err;
}

static void epoll_poll_stop(struct loop *loop, struct loop_slot *slot)
{
    epoll_unwatch(epoll_of(loop)->ready_fd, slot); /* gone by itself if closed early */
}

static int serve_poll(struct loop_slot *slot, uint32_t events)
{
    uint32_t ready = 0;
    if ((events & (EPOLLIN | EPOLLHUP)) != 0) {
        ready |= LOOP_POLL_READ; /* reading tells what a hang-up is about */
    }
    if ((events & EPOLLOUT) != 0) {
        ready |= LOOP_POLL_WRITE;
    }
    if ((events & EPOLLERR) != 0) {
        ready |= LOOP_POLL_ERROR;
    }
    slot->source.poll->on_ready(slot->source.poll, ready);
    return 1;
}

/* --- the turn -------------------------------------------------------------------------------- */

static int wait_events(struct epoll_loop *e, int epoll_fd, struct epoll_event *events,
                       int events_max, uint64_t wait_ns)
{
    int count;
    if (wait_ns != 0 && wait_ns != UINT64_MAX && e->has_pwait2) {
        struct timespec wait = {
            .tv_sec = (time_t)(wait_ns / CLOCK_NS_PER_S),
            .tv_nsec = (int64_t)(wait_ns % CLOCK_NS_PER_S),
        };
        count = epoll_pwait2(epoll_fd, events, events_max, &wait, NULL);
    } else {
        uint64_t wait_ms = wait_ns / CLOCK_NS_PER_MS + (wait_ns % CLOCK_NS_PER_MS != 0 ? 1 : 0);
        int timeout_ms = wait_ms < INT32_MAX ? (int)wait_ms : INT32_MAX;
        count = epoll_wait(epoll_fd, events, events_max, wait_ns == UINT64_MAX ? -1 : timeout_ms);
    }
    if (count < 0) {
        return errno == EINTR ? 0 : -errno;
    }
    return count;
}

static int dispatch_event(struct epoll_loop *e, const struct epoll_event *event)
{
    if (event->data.u64 == TAG_WAKE) {
        loop_drain_wake(&e->base);
        return 1;
    }
    enum loop_op op;
    struct loop_slot *slot = loop_tag_unpack(&e->base.slots, event->data.u64, &op);
    if (slot == NULL || slot->is_closing) {
        counter_add(&e->base.counters.late_count, 1);
        return 0;
    }
    switch (slot->kind) {
    case LOOP_SLOT_DGRAM:
        return epoll_receive_burst(e, slot);
    case LOOP_SLOT_LISTENER:
        return accept_ready(e, slot);
    case LOOP_SLOT_STREAM:
        return serve_stream(e, slot, event->events);
    case LOOP_SLOT_POLL:
        return serve_poll(slot, event->events);
    case LOOP_SLOT_FREE:
        break;
    }
    return 0;
}

static int dispatch(struct epoll_loop *e, const struct epoll_event *events, int count)
{
    int handled_count = 0;
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 != TAG_READY) {
            handled_count += dispatch_event(e, &events[i]);
        }
    }
    return handled_count;
}

static bool has_ready_tag(const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == TAG_READY) {
            return true;
        }
    }
    return false;
}

/* Fills both event arrays; `*idle_count` stays 0 where there are no datagram sockets. */
static int wait_both(struct epoll_loop *e, uint64_t wait_ns, uint64_t linger_ns, int *idle_count)
{
    *idle_count = 0;
    if (e->dgram_count == 0) {
        return wait_events(e, e->ready_fd, e->ready_events, READY_EVENTS_MAX, wait_ns);
    }
    int ready_count = 0;
    bool is_lingering = linger_ns > 0 && wait_ns > 0 && e->has_pwait2;
    if (is_lingering) {
        ready_count = wait_events(e, e->ready_fd, e->ready_events, READY_EVENTS_MAX, linger_ns);
        wait_ns = 0;
    }
    int count = wait_events(e, e->idle_fd, e->idle_events, IDLE_EVENTS_MAX, wait_ns);
    if (count < 0 || ready_count < 0) {
        return count < 0 ? count : ready_count;
    }
    *idle_count = count;
    if (!is_lingering && has_ready_tag(e->idle_events, count)) {
        ready_count = wait_events(e, e->ready_fd, e->ready_events, READY_EVENTS_MAX, 0);
    }
    return ready_count;
}

static int epoll_gather(struct loop *loop, uint64_t wait_ns)
{
    struct epoll_loop *e = epoll_of(loop);
    uint64_t linger_ns = loop_linger_ns(loop, wait_ns);
    int idle_count = 0;
    int ready_count = wait_both(e, loop_wait_begin(loop, wait_ns), linger_ns, &idle_count);
    loop_wait_end(loop);
    if (ready_count < 0) {
        return ready_count;
    }
    return dispatch(e, e->ready_events, ready_count) + dispatch(e, e->idle_events, idle_count);
}

static bool epoll_is_quiet(const struct loop *loop, const struct loop_slot *slot)
{
    (void)loop;
    ASSERT(slot->is_closing);
    return true;
}

static void epoll_interrupt(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t written = write(loop->wake_fd, &one, sizeof(one));
    (void)written; /* EAGAIN: the counter is full, so the loop is being woken already */
}

static void epoll_trim(struct loop *loop)
{
    struct epoll_loop *e = epoll_of(loop);
    mem_release_pages(e->dgram_bytes, (size_t)e->burst_max * DGRAM_STRIDE_BYTES);
    mem_release_pages(e->stream_bytes, e->stream_cap_bytes);
}

static void epoll_close(struct loop *loop)
{
    struct epoll_loop *e = epoll_of(loop);
    loop_base_fini(loop);
    if (e->ready_fd >= 0) {
        (void)close(e->ready_fd); /* no data in an epoll set */
    }
    if (e->idle_fd >= 0) {
        (void)close(e->idle_fd);
    }
    mem_unreserve(e->dgram_bytes, (size_t)e->burst_max * DGRAM_STRIDE_BYTES);
    mem_unreserve(e->stream_bytes, e->stream_cap_bytes);
    mem_free(e);
}

static const struct loop_ops epoll_ops = {
    .backend = LOOP_BACKEND_EPOLL,
    .dgram_start = epoll_dgram_start,
    .dgram_stop = epoll_dgram_stop,
    .listener_start = epoll_listener_start,
    .listener_stop = epoll_listener_stop,
    .stream_start = epoll_stream_start,
    .stream_pause = epoll_stream_review,
    .stream_resume = epoll_stream_review,
    .stream_send = epoll_stream_send,
    .stream_shutdown = epoll_stream_shutdown,
    .stream_close = epoll_stream_close,
    .poll_watch = epoll_poll_watch,
    .poll_stop = epoll_poll_stop,
    .gather = epoll_gather,
    .is_quiet = epoll_is_quiet,
    .listener_resume = epoll_listener_resume,
    .release = epoll_release,
    .read_clock = loop_read_host_clock,
    .interrupt = epoll_interrupt,
    .trim = epoll_trim,
    .close = epoll_close,
};

/* --- building -------------------------------------------------------------------------------- */

static int reserve_buffers(struct epoll_loop *e, const struct loop_options *options)
{
    uint32_t wanted = options->dgram_buffer_count;
    if (wanted == 0 || wanted > LOOP_DGRAM_BURST_MAX) {
        wanted = LOOP_DGRAM_BURST_MAX; /* more would not be used in one turn */
    }
    uint32_t stream_bytes = options->stream_buffer_bytes;
    e->burst_max = wanted;
    e->stream_cap_bytes = stream_bytes != 0 ? stream_bytes : LOOP_STREAM_BUFFER_BYTES;
    e->dgram_bytes = mem_reserve((size_t)wanted * DGRAM_STRIDE_BYTES);
    e->stream_bytes = mem_reserve(e->stream_cap_bytes);
    if (e->dgram_bytes == NULL || e->stream_bytes == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < wanted; i++) {
        e->iov[i] = (struct iovec){
            .iov_base = e->dgram_bytes + (size_t)i * DGRAM_STRIDE_BYTES,
            .iov_len = LOOP_DGRAM_BUFFER_BYTES,
        };
        e->headers[i].msg_hdr = (struct msghdr){
            .msg_iov = &e->iov[i],
            .msg_iovlen = 1,
            .msg_control = &e->control[i],
        };
    }
    epoll_reset_headers(e, wanted, false);
    return 0;
}

static int open_sets(struct epoll_loop *e)
{
    e->ready_fd = epoll_create1(EPOLL_CLOEXEC);
    e->idle_fd = epoll_create1(EPOLL_CLOEXEC);
    if (e->ready_fd < 0 || e->idle_fd < 0) {
        return -errno;
    }
    struct epoll_event wake = {.events = EPOLLIN, .data.u64 = TAG_WAKE};
    struct epoll_event ready = {.events = EPOLLIN, .data.u64 = TAG_READY};
    if (epoll_ctl(e->ready_fd, EPOLL_CTL_ADD, e->base.wake_fd, &wake) != 0 ||
        epoll_ctl(e->idle_fd, EPOLL_CTL_ADD, e->ready_fd, &ready) != 0) {
        return -errno;
    }
    struct epoll_event event;
    struct timespec zero = {0};
    e->has_pwait2 = epoll_pwait2(e->ready_fd, &event, 1, &zero, NULL) >= 0;
    return 0;
}

int loop_epoll_open(const struct loop_options *options, struct loop **out)
{
    struct epoll_loop *e = mem_alloc_aligned(WEIR_CACHE_LINE_BYTES, sizeof(*e));
    if (e == NULL) {
        return -ENOMEM;
    }
    e->ready_fd = -1;
    e->idle_fd = -1;
    int err = loop_base_init(&e->base, &epoll_ops, true);
    if (err == 0) {
        err = reserve_buffers(e, options);
    }
    if (err == 0) {
        err = open_sets(e);
    }
    if (err != 0) {
        epoll_close(&e->base);
        return err;
    }
    *out = &e->base;
    return 0;
}
