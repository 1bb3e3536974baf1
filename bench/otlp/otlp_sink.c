/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_sink — see otlp_sink.h: the listener, the turn, the trouble, and what becomes of a request.
 */
#include "bench/otlp/otlp_sink.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load_address.h"
#include "bench/otlp/otlp_count.h"
#include "bench/otlp/otlp_sink_connection.h"
#include "bench/proc_clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define SINK_WAIT_MS 20
#define SINK_HELD_WAIT_MS 1
#define SINK_EVENTS_COUNT 64
#define SINK_LISTEN_BACKLOG 128
#define SINK_LISTEN_TAG OTLP_SINK_CONNECTIONS_MAX_COUNT
#define SINK_FIRST_BYTES 65536u
#define SINK_MS_NS UINT64_C(1000000)
/* What a new HTTP/2 connection says first begins with this. */
#define SINK_PREFACE "PRI * HTTP/2"

int otlp_sink_make_room(uint8_t **bytes, size_t *capacity, size_t used, size_t more)
{
    if (more <= *capacity - used) {
        return 0;
    }
    size_t wanted = *capacity > 0 ? *capacity : SINK_FIRST_BYTES;
    while (wanted - used < more && wanted <= OTLP_SINK_REQUEST_MAX_BYTES) {
        wanted *= 2;
    }
    if (wanted > OTLP_SINK_REQUEST_MAX_BYTES) {
        return FAULT_LIMIT;
    }
    uint8_t *grown = mem_resize(*bytes, wanted);
    if (grown == NULL) {
        return -ENOMEM;
    }
    *bytes = grown;
    *capacity = wanted;
    return 0;
}

enum signal otlp_sink_signal_of(struct slice path)
{
    if (path.len > 0 && memmem(path.ptr, path.len, "etrics", 6) != NULL) {
        return SIGNAL_METRICS;
    }
    if (path.len > 0 && memmem(path.ptr, path.len, "ogs", 3) != NULL) {
        return SIGNAL_LOGS;
    }
    return SIGNAL_TRACES;
}

/* --- one request ------------------------------------------------------------------------------ */

/* The n-th arrival of a body is held against the n-th time it was sent. */
static void sink_note_delivery(struct otlp_sink *sink, uint32_t body_index, uint64_t now_ns)
{
    const uint32_t arrivals = otlp_ledger_arrivals(&sink->ledger, body_index);
    ASSERT(arrivals > 0);
    const size_t place =
        (size_t)body_index * OTLP_SENT_RING_COUNT + (arrivals - 1) % OTLP_SENT_RING_COUNT;
    const uint64_t sent_ns =
        atomic_load_explicit(&sink->options.sent_mono_ns[place], memory_order_relaxed);
    const uint32_t phase = atomic_load_explicit(&sink->phase, memory_order_relaxed);
    if (sent_ns != 0 && now_ns > sent_ns) {
        latency_record(&sink->delivery[phase], now_ns - sent_ns);
    }
}

static int sink_count(struct otlp_sink *sink, enum signal signal, struct slice encoding,
                      struct slice body)
{
    struct slice request = {0};
    struct otlp_count_bodies bodies = {0};
    int err = sink_inflate(&sink->inflated, encoding, body, &request);
    if (err == 0) {
        err = otlp_count_request(signal, request, &sink->ledger, &bodies);
    }
    const uint64_t now_ns = proc_mono_ns();
    for (uint32_t i = 0; sink->options.sent_mono_ns != NULL && i < bodies.count; i++) {
        sink_note_delivery(sink, bodies.body_indices[i], now_ns);
    }
    atomic_store_explicit(&sink->item_count, sink->ledger.item_count, memory_order_relaxed);
    return err;
}

static enum otlp_sink_verdict sink_hold(struct otlp_sink_connection *c, int32_t stream_id,
                                        bool is_good)
{
    struct otlp_sink *sink = c->sink;
    if (sink->held_count == OTLP_SINK_HELD_MAX_COUNT) {
        return is_good ? OTLP_SINK_VERDICT_GOOD : OTLP_SINK_VERDICT_BAD;
    }
    const uint32_t place = (sink->held_first + sink->held_count) % OTLP_SINK_HELD_MAX_COUNT;
    sink->held[place] = (struct otlp_sink_held){
        .due_mono_ns = proc_mono_ns() + sink->options.delay_ms * SINK_MS_NS,
        .generation = c->generation,
        .connection_index = c->index,
        .stream_id = stream_id,
        .is_good = is_good,
    };
    sink->held_count++;
    return OTLP_SINK_VERDICT_LATER;
}

enum otlp_sink_verdict otlp_sink_take(struct otlp_sink_connection *c, int32_t stream_id,
                                      enum signal signal, struct slice encoding, struct slice body)
{
    struct otlp_sink *sink = c->sink;
    atomic_fetch_add_explicit(&sink->request_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&sink->body_bytes, body.len, memory_order_relaxed);
    if (sink->is_in_trouble && sink->options.trouble == OTLP_SINK_TROUBLE_HANG) {
        return OTLP_SINK_VERDICT_LATER;
    }
    bool is_good = !sink->is_in_trouble;
    sink->refused_count += sink->is_in_trouble;
    if (is_good && sink->options.corpus != NULL && sink_count(sink, signal, encoding, body) != 0) {
        sink->bad_count++;
        is_good = false;
    }
    if (sink->options.delay_ms > 0) {
        return sink_hold(c, stream_id, is_good);
    }
    return is_good ? OTLP_SINK_VERDICT_GOOD : OTLP_SINK_VERDICT_BAD;
}

/* --- connections ------------------------------------------------------------------------------ */

static void sink_hang_up(struct otlp_sink *sink, struct otlp_sink_connection *c)
{
    otlp_sink_h2_close(c);
    (void)close(c->fd); /* everything was answered, or the peer is gone */
    sink->connections[c->index] = NULL;
    mem_free(c->bytes);
    mem_free(c);
}

/* Writes what there is, and has the poller tell when more fits. 0 or negative. */
static int sink_write(struct otlp_sink_connection *c)
{
    int err = 0;
    do {
        if (c->protocol == OTLP_SINK_PROTOCOL_H2) {
            err = otlp_sink_h2_gather(c);
        }
        const bool was_full = !otlp_out_has_room(&c->out);
        err = err != 0 ? err : otlp_out_flush(&c->out, c->fd);
        if (err == 0 && !was_full) {
            break;
        }
    } while (err == 0);
    if (err != 0 && err != -EAGAIN) {
        return err;
    }
    const bool is_awaiting_room = err == -EAGAIN;
    if (is_awaiting_room != c->is_awaiting_room) {
        struct epoll_event event = {.data.u32 = c->index};
        event.events = is_awaiting_room ? EPOLLIN | EPOLLOUT : EPOLLIN;
        c->is_awaiting_room = is_awaiting_room;
        return epoll_ctl(c->sink->epoll_fd, EPOLL_CTL_MOD, c->fd, &event) == 0 ? 0 : -errno;
    }
    return 0;
}

static int sink_read(struct otlp_sink_connection *c)
{
    struct otlp_sink *sink = c->sink;
    const ssize_t got = recv(c->fd, sink->received, OTLP_SINK_RECEIVE_BYTES, MSG_DONTWAIT);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    }
    if (got == 0) {
        return FAULT_CLOSED;
    }
    const struct slice bytes = slice_of(sink->received, (size_t)got);
    int err = 0;
    if (c->protocol == OTLP_SINK_PROTOCOL_UNKNOWN) {
        const bool is_h2 = slice_has_prefix(bytes, SLICE_LITERAL(SINK_PREFACE));
        c->protocol = is_h2 ? OTLP_SINK_PROTOCOL_H2 : OTLP_SINK_PROTOCOL_HTTP1;
        err = is_h2 ? otlp_sink_h2_open(c) : 0;
    }
    if (err == 0) {
        err = c->protocol == OTLP_SINK_PROTOCOL_H2 ? otlp_sink_h2_receive(c, bytes)
                                                   : otlp_sink_http_receive(c, bytes);
    }
    return err;
}

static void sink_turn_connection(struct otlp_sink *sink, struct otlp_sink_connection *c,
                                 uint32_t events)
{
    int err = 0;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        err = sink_read(c);
    }
    if (err == 0) {
        err = sink_write(c);
    }
    if (err != 0) {
        sink_hang_up(sink, c);
    }
}

static void sink_accept(struct otlp_sink *sink)
{
    const int fd = accept4(sink->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return; /* the peer went away again; the poller tells when there is another */
    }
    uint32_t index = 0;
    while (index < OTLP_SINK_CONNECTIONS_MAX_COUNT && sink->connections[index] != NULL) {
        index++;
    }
    struct otlp_sink_connection *c =
        index < OTLP_SINK_CONNECTIONS_MAX_COUNT ? mem_alloc(sizeof(*c)) : NULL;
    const int one = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    if (c == NULL || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        epoll_ctl(sink->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        (void)close(fd); /* full */
        mem_free(c);
        return;
    }
    sink->generation++;
    *c = (struct otlp_sink_connection){
        .sink = sink, .generation = sink->generation, .index = index, .fd = fd};
    sink->connections[index] = c;
}

static int sink_listen(struct otlp_sink *sink, const char *text, uint16_t port)
{
    struct load_address address;
    const int err = load_address_parse(text, &address);
    if (err != 0) {
        return err;
    }
    if (port != 0) {
        address.in4.sin_port = htons(port); /* at the same place in both families */
    }
    const int one = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = SINK_LISTEN_TAG};
    sink->listen_fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sink->listen_fd < 0 ||
        setsockopt(sink->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(sink->listen_fd, &address.any, address.len) != 0 ||
        listen(sink->listen_fd, SINK_LISTEN_BACKLOG) != 0 ||
        getsockname(sink->listen_fd, &address.any, &address.len) != 0 ||
        epoll_ctl(sink->epoll_fd, EPOLL_CTL_ADD, sink->listen_fd, &event) != 0) {
        return -errno;
    }
    sink->port = load_address_port(&address);
    return 0;
}

/* --- trouble, held answers, the turn ---------------------------------------------------------- */

static void sink_cut_connections(struct otlp_sink *sink)
{
    for (uint32_t i = 0; i < OTLP_SINK_CONNECTIONS_MAX_COUNT; i++) {
        if (sink->connections[i] != NULL) {
            sink_hang_up(sink, sink->connections[i]);
        }
    }
}

static void sink_close_all(struct otlp_sink *sink)
{
    sink_cut_connections(sink);
    if (sink->listen_fd >= 0) {
        (void)close(sink->listen_fd); /* a listener has nothing to lose */
        sink->listen_fd = -1;
    }
}

static void sink_enter_trouble(struct otlp_sink *sink)
{
    const uint64_t start_ns =
        atomic_load_explicit(&sink->clock_start_mono_ns, memory_order_relaxed);
    const struct otlp_sink_options *o = &sink->options;
    if (o->trouble_for_ms == 0 || start_ns == 0) {
        return;
    }
    const uint64_t first_ns = start_ns + o->trouble_at_ms * SINK_MS_NS;
    const uint64_t now_ns = proc_mono_ns();
    const bool is_due = now_ns >= first_ns && now_ns - first_ns < o->trouble_for_ms * SINK_MS_NS;
    if (is_due && !sink->is_in_trouble && o->trouble == OTLP_SINK_TROUBLE_CLOSE) {
        sink_close_all(sink);
    }
    if (!is_due && sink->is_in_trouble && o->trouble == OTLP_SINK_TROUBLE_HANG) {
        sink_cut_connections(sink); /* whoever waits for an answer learns that there is none */
    }
    /* A port that cannot be had back is tried again in the next turn. */
    if (!is_due && sink->listen_fd < 0 && sink_listen(sink, o->address, sink->port) != 0) {
        return;
    }
    sink->is_in_trouble = is_due;
}

static void sink_release_held(struct otlp_sink *sink)
{
    const uint64_t now_ns = proc_mono_ns();
    while (sink->held_count > 0 && sink->held[sink->held_first].due_mono_ns <= now_ns) {
        const struct otlp_sink_held held = sink->held[sink->held_first];
        sink->held_first = (sink->held_first + 1) % OTLP_SINK_HELD_MAX_COUNT;
        sink->held_count--;
        struct otlp_sink_connection *c = sink->connections[held.connection_index];
        if (c == NULL || c->generation != held.generation) {
            continue;
        }
        int err = c->protocol == OTLP_SINK_PROTOCOL_H2
                      ? otlp_sink_h2_answer(c, held.stream_id, held.is_good)
                      : otlp_sink_http_answer(c, held.is_good);
        err = err != 0 ? err : sink_write(c);
        if (err != 0) {
            sink_hang_up(sink, c);
        }
    }
}

static bool sink_is_over(const struct otlp_sink *sink)
{
    const atomic_bool *cancel = sink->options.cancel;
    return atomic_load_explicit(&sink->is_stopping, memory_order_relaxed) ||
           (cancel != NULL && atomic_load_explicit(cancel, memory_order_relaxed));
}

void otlp_sink_run(struct otlp_sink *sink)
{
    struct epoll_event events[SINK_EVENTS_COUNT];
    if (sink->options.yields_cpu) {
        /* Whoever has another policy runs the moment it wakes up, whatever its time slice. */
        const struct sched_param none = {0};
        (void)sched_setscheduler(0, SCHED_IDLE, &none);
    }
    while (!sink_is_over(sink)) {
        const int wait_ms = sink->held_count > 0 ? SINK_HELD_WAIT_MS : SINK_WAIT_MS;
        /* An interrupted wait finds nothing ready. */
        const int ready_count = epoll_wait(sink->epoll_fd, events, SINK_EVENTS_COUNT, wait_ms);
        for (int i = 0; i < ready_count; i++) {
            const uint32_t tag = events[i].data.u32;
            if (tag == SINK_LISTEN_TAG) {
                sink_accept(sink);
            } else if (sink->connections[tag] != NULL) {
                sink_turn_connection(sink, sink->connections[tag], events[i].events);
            }
        }
        sink_release_held(sink);
        sink_enter_trouble(sink);
    }
}

void otlp_sink_stop(struct otlp_sink *sink)
{
    atomic_store_explicit(&sink->is_stopping, true, memory_order_relaxed);
}

void otlp_sink_start_clock(struct otlp_sink *sink)
{
    atomic_store_explicit(&sink->clock_start_mono_ns, proc_mono_ns(), memory_order_relaxed);
}

int otlp_sink_init(struct otlp_sink *sink, const struct otlp_sink_options *options)
{
    *sink = (struct otlp_sink){.options = *options, .listen_fd = -1, .epoll_fd = -1};
    sink->held = mem_alloc_array(OTLP_SINK_HELD_MAX_COUNT, sizeof(*sink->held));
    sink->delivery = mem_alloc_array(OTLP_SINK_PHASES_MAX_COUNT, sizeof(*sink->delivery));
    sink->received = mem_alloc(OTLP_SINK_RECEIVE_BYTES);
    if (sink->held == NULL || sink->delivery == NULL || sink->received == NULL) {
        return -ENOMEM;
    }
    if (options->corpus != NULL) {
        const int err = otlp_ledger_init(&sink->ledger, options->corpus);
        if (err != 0) {
            return err;
        }
    }
    sink->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (sink->epoll_fd < 0) {
        return -errno;
    }
    return sink_listen(sink, options->address, 0);
}

void otlp_sink_fini(struct otlp_sink *sink)
{
    sink_close_all(sink);
    if (sink->epoll_fd >= 0) {
        (void)close(sink->epoll_fd); /* holds nothing */
        sink->epoll_fd = -1;
    }
    while (sink->streams != NULL) {
        struct otlp_sink_stream *stream = sink->streams;
        sink->streams = stream->next;
        mem_free(stream->bytes);
        mem_free(stream);
    }
    otlp_ledger_fini(&sink->ledger);
    sink_inflate_fini(&sink->inflated);
    mem_free(sink->held);
    mem_free(sink->delivery);
    mem_free(sink->received);
    sink->held = NULL;
    sink->delivery = NULL;
    sink->received = NULL;
}
