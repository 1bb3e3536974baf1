/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_loop — the third backend: events come from a list the test fills, bytes go into buffers the
 * test reads, and the clock is two numbers.
 */
#include "tests/support/fake_loop.h"

#include <errno.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/mem.h"
#include "io/loop_ops.h"
#include "io/loop_slot.h"

/* A timer that arms itself for the past would otherwise keep a test from ending. */
#define TURNS_MAX 10000000

enum fake_kind {
    FAKE_DATAGRAM,
    FAKE_DATAGRAM_FAULT,
    FAKE_CONNECT,
    FAKE_ACCEPT_FAULT,
    FAKE_INPUT,
    FAKE_END,
    FAKE_READY,
};

struct fake_event {
    struct fake_event *next;
    enum fake_kind kind;
    union {
        struct loop_dgram_socket *dgram;
        struct loop_listener *listener;
        struct loop_poll *poll;
    } source; /* borrowed until delivered */
    int fd;
    int fault;
    uint32_t events;
    uint32_t segment_bytes;
    bool is_truncated;
    size_t len;
    uint8_t bytes[]; /* owned */
};

/* Our side of one stream, kept after it closed so that tests can look. */
struct fake_wire {
    struct fake_wire *next;
    int fd;
    uint8_t *output; /* owned */
    size_t output_bytes;
    size_t output_cap_bytes;
    int send_fault;
    bool is_held;
    bool is_shut;
    bool is_closed;
    struct loop_slot *slot; /* borrowed; NULL while no stream is started on it */
};

struct fake_loop {
    struct loop base;
    uint64_t mono_ns;
    uint64_t unix_ns;
    int next_fd;
    struct fake_event *event_first; /* owned */
    struct fake_event *event_last;
    struct fake_wire *wires; /* owned */
};

static struct fake_loop *fake_of(struct loop *loop)
{
    return CONTAINER_OF(loop, struct fake_loop, base);
}

static struct fake_wire *wire_find(const struct loop *loop, int fd)
{
    const struct fake_loop *fake =
        (const struct fake_loop *)(const void *)((const char *)loop -
                                                 offsetof(struct fake_loop, base));
    for (struct fake_wire *wire = fake->wires; wire != NULL; wire = wire->next) {
        if (wire->fd == fd) {
            return wire;
        }
    }
    return NULL;
}

static struct fake_wire *wire_at(struct loop *loop, int fd)
{
    struct fake_wire *wire = wire_find(loop, fd);
    if (wire == NULL) {
        wire = mem_alloc(sizeof(*wire));
        ASSERT(wire != NULL);
        wire->fd = fd;
        wire->next = fake_of(loop)->wires;
        fake_of(loop)->wires = wire;
    }
    return wire;
}

/* --- the ops table ---------------------------------------------------------------------------- */

static int fake_dgram_start(struct loop *loop, struct loop_dgram_socket *socket)
{
    int err = loop_take_slot(loop, LOOP_SLOT_DGRAM, socket->fd, &socket->slot);
    if (err == 0) {
        socket->slot->source.dgram = socket;
    }
    return err;
}

static int fake_listener_start(struct loop *loop, struct loop_listener *listener)
{
    int err = loop_take_slot(loop, LOOP_SLOT_LISTENER, listener->fd, &listener->slot);
    if (err == 0) {
        listener->slot->source.listener = listener;
    }
    return err;
}

static int fake_stream_start(struct loop *loop, struct loop_stream *stream)
{
    int err = loop_take_slot(loop, LOOP_SLOT_STREAM, stream->fd, &stream->slot);
    if (err == 0) {
        stream->slot->source.stream = stream;
        wire_at(loop, stream->fd)->slot = stream->slot;
    }
    return err;
}

static int fake_poll_watch(struct loop *loop, struct loop_poll *poll, uint32_t events)
{
    int err = 0;
    if (poll->slot == NULL) {
        err = loop_take_slot(loop, LOOP_SLOT_POLL, poll->fd, &poll->slot);
    }
    if (err == 0) {
        poll->slot->source.poll = poll;
        poll->slot->events_wanted = events;
    }
    return err;
}

static void collect(struct fake_wire *wire, const struct msghdr *message)
{
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        size_t len = message->msg_iov[i].iov_len;
        size_t cap_bytes = wire->output_bytes + len;
        if (cap_bytes > wire->output_cap_bytes) {
            wire->output_cap_bytes = cap_bytes * 2;
            wire->output = mem_resize(wire->output, wire->output_cap_bytes);
            ASSERT(wire->output != NULL);
        }
        memcpy(wire->output + wire->output_bytes, message->msg_iov[i].iov_base, len);
        wire->output_bytes += len;
    }
}

static int fake_stream_send(struct loop *loop, struct loop_slot *slot)
{
    struct fake_wire *wire = wire_at(loop, slot->fd);
    if (wire->send_fault != 0) {
        loop_finish_send(loop, slot, wire->send_fault);
        return 0;
    }
    collect(wire, &slot->send->message);
    if (!wire->is_held) {
        loop_finish_send(loop, slot, 0);
    }
    return 0;
}

static void fake_stream_shutdown(struct loop *loop, struct loop_slot *slot)
{
    wire_at(loop, slot->fd)->is_shut = true;
}

static void fake_release(struct loop *loop, struct loop_slot *slot)
{
    if (slot->kind == LOOP_SLOT_STREAM) {
        struct fake_wire *wire = wire_at(loop, slot->fd);
        wire->is_closed = true;
        wire->slot = NULL;
    }
}

/* Stopping, pausing, resuming, closing: the list is looked at when it is delivered, not before. */
static void fake_nothing(struct loop *loop, struct loop_slot *slot)
{
    (void)loop;
    (void)slot;
}

static bool fake_is_quiet(const struct loop *loop, const struct loop_slot *slot)
{
    (void)loop;
    return slot->is_closing;
}

static void fake_read_clock(struct loop *loop)
{
    loop_set_clock(loop, fake_of(loop)->mono_ns, fake_of(loop)->unix_ns);
}

static void fake_leave_alone(struct loop *loop)
{
    (void)loop;
}

/* --- delivery -------------------------------------------------------------------------------- */

static void deliver_datagram(struct loop *loop, const struct fake_event *event)
{
    struct loop_dgram_socket *socket = event->source.dgram;
    if (socket->slot == NULL) {
        return;
    }
    if (event->kind == FAKE_DATAGRAM_FAULT) {
        loop_end_input(loop, socket->slot, event->fault);
        return;
    }
    uint32_t len = (uint32_t)event->len;
    struct loop_address peer = {.len = sizeof(peer.in4), .in4.sin_family = AF_INET};
    struct loop_dgram dgram = {
        .bytes = slice_of(event->bytes, event->len),
        .segment_bytes = event->segment_bytes != 0 ? event->segment_bytes : len,
        .is_truncated = event->is_truncated,
        .peer = socket->wants_peer ? &peer : NULL,
    };
    loop_touch(loop);
    socket->on_receive(socket, &dgram, 1);
}

static void deliver_connection(struct loop *loop, const struct fake_event *event)
{
    struct loop_listener *listener = event->source.listener;
    if (listener->slot == NULL || listener->slot->is_closing) {
        return;
    }
    if (event->kind == FAKE_ACCEPT_FAULT) {
        loop_pause_accept(loop, listener->slot, event->fault);
        return;
    }
    struct loop_address peer = {.len = sizeof(peer.in4), .in4.sin_family = AF_INET};
    listener->on_accept(listener, event->fd, &peer);
}

static void deliver_stream(struct loop *loop, const struct fake_event *event)
{
    struct loop_slot *slot = wire_at(loop, event->fd)->slot;
    if (slot == NULL || slot->is_closing || slot->is_end_due || slot->input == LOOP_INPUT_ENDED) {
        return;
    }
    if (event->kind == FAKE_END) {
        loop_end_input(loop, slot, event->fault);
    } else if (slot->input == LOOP_INPUT_ON && slot->held.used_bytes == 0) {
        slot->source.stream->on_receive(slot->source.stream, slice_of(event->bytes, event->len));
    } else if (loop_slot_hold(slot, slice_of(event->bytes, event->len)) != 0) {
        loop_end_input(loop, slot, -ENOMEM);
    }
}

static void deliver_ready(const struct fake_event *event)
{
    struct loop_poll *poll = event->source.poll;
    if (poll->slot == NULL || poll->slot->is_closing || poll->slot->events_wanted == 0) {
        return;
    }
    uint32_t events = event->events & (poll->slot->events_wanted | LOOP_POLL_ERROR);
    if (events != 0) {
        poll->on_ready(poll, events);
    }
}

static void deliver(struct loop *loop, const struct fake_event *event)
{
    switch (event->kind) {
    case FAKE_DATAGRAM:
    case FAKE_DATAGRAM_FAULT:
        deliver_datagram(loop, event);
        break;
    case FAKE_CONNECT:
    case FAKE_ACCEPT_FAULT:
        deliver_connection(loop, event);
        break;
    case FAKE_INPUT:
    case FAKE_END:
        deliver_stream(loop, event);
        break;
    case FAKE_READY:
        deliver_ready(event);
        break;
    }
}

/* Takes the list as it is: what callbacks inject is for the next turn. */
static int fake_gather(struct loop *loop, uint64_t wait_ns)
{
    struct fake_loop *fake = fake_of(loop);
    struct fake_event *event = fake->event_first;
    (void)loop_wait_begin(loop, wait_ns);
    loop_wait_end(loop);
    fake->event_first = NULL;
    fake->event_last = NULL;
    int handled_count = 0;
    while (event != NULL) {
        struct fake_event *next = event->next;
        deliver(loop, event);
        mem_free(event);
        event = next;
        handled_count++;
    }
    return handled_count;
}

static void fake_close(struct loop *loop)
{
    struct fake_loop *fake = fake_of(loop);
    while (fake->event_first != NULL) {
        struct fake_event *event = fake->event_first;
        fake->event_first = event->next;
        mem_free(event);
    }
    while (fake->wires != NULL) {
        struct fake_wire *wire = fake->wires;
        fake->wires = wire->next;
        mem_free(wire->output);
        mem_free(wire);
    }
    loop_base_fini(loop);
    mem_free(fake);
}

static const struct loop_ops fake_ops = {
    .backend = LOOP_BACKEND_AUTO,
    .dgram_start = fake_dgram_start,
    .dgram_stop = fake_nothing,
    .listener_start = fake_listener_start,
    .listener_stop = fake_nothing,
    .stream_start = fake_stream_start,
    .stream_pause = fake_nothing,
    .stream_resume = fake_nothing,
    .stream_send = fake_stream_send,
    .stream_shutdown = fake_stream_shutdown,
    .stream_close = fake_nothing,
    .poll_watch = fake_poll_watch,
    .poll_stop = fake_nothing,
    .gather = fake_gather,
    .is_quiet = fake_is_quiet,
    .listener_resume = fake_nothing,
    .release = fake_release,
    .read_clock = fake_read_clock,
    .interrupt = fake_leave_alone,
    .trim = fake_leave_alone,
    .close = fake_close,
};

struct loop *fake_loop_open(void)
{
    struct fake_loop *fake = mem_alloc_aligned(WEIR_CACHE_LINE_BYTES, sizeof(*fake));
    if (fake == NULL) {
        return NULL;
    }
    fake->mono_ns = FAKE_MONO_FIRST_NS;
    fake->unix_ns = FAKE_UNIX_FIRST_NS;
    fake->next_fd = FAKE_FD_FIRST;
    if (loop_base_init(&fake->base, &fake_ops, false) != 0) {
        fake_close(&fake->base);
        return NULL;
    }
    return &fake->base;
}

int fake_loop_new_fd(struct loop *loop)
{
    int fd = fake_of(loop)->next_fd;
    fake_of(loop)->next_fd = fd + 1;
    return fd;
}

/* --- time ------------------------------------------------------------------------------------ */

void fake_loop_settle(struct loop *loop)
{
    int handled_count = 1;
    for (int i = 0; handled_count > 0; i++) {
        ASSERT(i < TURNS_MAX);
        handled_count = loop_turn(loop, 0);
        ASSERT(handled_count >= 0);
    }
}

static void move_clock(struct loop *loop, uint64_t mono_ns)
{
    struct fake_loop *fake = fake_of(loop);
    if (mono_ns > fake->mono_ns) {
        fake->unix_ns += mono_ns - fake->mono_ns;
        fake->mono_ns = mono_ns;
    }
    fake_read_clock(loop);
}

void fake_loop_advance(struct loop *loop, uint64_t duration_ns)
{
    uint64_t target_mono_ns = fake_of(loop)->mono_ns + duration_ns;
    fake_loop_settle(loop);
    for (int i = 0; timer_next_mono_ns(&loop->timers) <= target_mono_ns; i++) {
        ASSERT(i < TURNS_MAX);
        move_clock(loop, timer_next_mono_ns(&loop->timers));
        fake_loop_settle(loop);
    }
    move_clock(loop, target_mono_ns);
    fake_loop_settle(loop);
}

void fake_loop_set_unix(struct loop *loop, uint64_t now_unix_ns)
{
    fake_of(loop)->unix_ns = now_unix_ns;
    fake_read_clock(loop);
}

/* --- the script ------------------------------------------------------------------------------ */

static struct fake_event *append_event(struct loop *loop, enum fake_kind kind, struct slice bytes)
{
    struct fake_loop *fake = fake_of(loop);
    struct fake_event *event = mem_alloc(sizeof(*event) + bytes.len);
    ASSERT(event != NULL);
    event->kind = kind;
    event->len = bytes.len;
    if (bytes.len > 0) {
        memcpy(event->bytes, bytes.ptr, bytes.len);
    }
    if (fake->event_first == NULL) {
        fake->event_first = event;
    } else {
        fake->event_last->next = event;
    }
    fake->event_last = event;
    return event;
}

void fake_loop_datagram(struct loop *loop, struct loop_dgram_socket *socket, struct slice bytes,
                        uint32_t segment_bytes, bool is_truncated)
{
    struct fake_event *event = append_event(loop, FAKE_DATAGRAM, bytes);
    event->source.dgram = socket;
    event->segment_bytes = segment_bytes;
    event->is_truncated = is_truncated;
}

void fake_loop_datagram_fault(struct loop *loop, struct loop_dgram_socket *socket, int fault)
{
    struct fake_event *event = append_event(loop, FAKE_DATAGRAM_FAULT, slice_of(NULL, 0));
    event->source.dgram = socket;
    event->fault = fault;
}

int fake_loop_connect(struct loop *loop, struct loop_listener *listener)
{
    struct fake_event *event = append_event(loop, FAKE_CONNECT, slice_of(NULL, 0));
    event->source.listener = listener;
    event->fd = fake_loop_new_fd(loop);
    return event->fd;
}

void fake_loop_accept_fault(struct loop *loop, struct loop_listener *listener, int fault)
{
    struct fake_event *event = append_event(loop, FAKE_ACCEPT_FAULT, slice_of(NULL, 0));
    event->source.listener = listener;
    event->fault = fault;
}

void fake_loop_input(struct loop *loop, int fd, struct slice bytes)
{
    ASSERT(bytes.len > 0);
    append_event(loop, FAKE_INPUT, bytes)->fd = fd;
}

void fake_loop_end(struct loop *loop, int fd, int fault)
{
    struct fake_event *event = append_event(loop, FAKE_END, slice_of(NULL, 0));
    event->fd = fd;
    event->fault = fault;
}

void fake_loop_ready(struct loop *loop, struct loop_poll *poll, uint32_t events)
{
    struct fake_event *event = append_event(loop, FAKE_READY, slice_of(NULL, 0));
    event->source.poll = poll;
    event->events = events;
}

struct slice fake_loop_output(const struct loop *loop, int fd)
{
    const struct fake_wire *wire = wire_find(loop, fd);
    return wire == NULL ? slice_of(NULL, 0) : slice_of(wire->output, wire->output_bytes);
}

void fake_loop_hold_sends(struct loop *loop, int fd, bool is_held)
{
    struct fake_wire *wire = wire_at(loop, fd);
    wire->is_held = is_held;
    if (!is_held && wire->slot != NULL && wire->slot->output == LOOP_OUTPUT_SENDING) {
        loop_finish_send(loop, wire->slot, 0);
    }
}

void fake_loop_fail_sends(struct loop *loop, int fd, int fault)
{
    wire_at(loop, fd)->send_fault = fault;
}

bool fake_loop_is_shut(const struct loop *loop, int fd)
{
    const struct fake_wire *wire = wire_find(loop, fd);
    return wire != NULL && wire->is_shut;
}

bool fake_loop_is_closed(const struct loop *loop, int fd)
{
    const struct fake_wire *wire = wire_find(loop, fd);
    return wire != NULL && wire->is_closed;
}
