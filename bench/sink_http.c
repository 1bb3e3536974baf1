/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_http — see sink_http.h. A poll loop over at most 64 connections; each holds one request at a
 * time, whole, in a buffer of its own. Answers are short enough for one send.
 */
#include "bench/sink_http.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/load_address.h"
#include "bench/proc_clock.h"
#include "bench/sink_head.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define SINK_POLL_MS 100
#define SINK_FIRST_BYTES 65536u
#define SINK_LISTEN_BACKLOG 64

int sink_init(struct sink *sink, const struct sink_options *options)
{
    *sink = (struct sink){.options = *options, .listen_fd = -1};
    for (size_t i = 0; i < SINK_CONNECTIONS_MAX_COUNT; i++) {
        sink->connections[i].fd = -1;
    }
    struct load_address address;
    int err = load_address_parse(options->address, &address);
    if (err != 0) {
        return err;
    }
    sink->listen_fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    if (sink->listen_fd < 0 ||
        setsockopt(sink->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(sink->listen_fd, &address.any, address.len) != 0 ||
        listen(sink->listen_fd, SINK_LISTEN_BACKLOG) != 0 ||
        getsockname(sink->listen_fd, &address.any, &address.len) != 0) {
        return -errno;
    }
    sink->port = load_address_port(&address);
    sink->last_mono_ns = proc_mono_ns();
    return 0;
}

static void sink_hang_up(struct sink_connection *c)
{
    (void)close(c->fd); /* everything was answered, or the peer is gone */
    mem_free(c->bytes);
    *c = (struct sink_connection){.fd = -1};
}

void sink_fini(struct sink *sink)
{
    for (size_t i = 0; i < SINK_CONNECTIONS_MAX_COUNT; i++) {
        if (sink->connections[i].fd >= 0) {
            sink_hang_up(&sink->connections[i]);
        }
    }
    if (sink->listen_fd >= 0) {
        (void)close(sink->listen_fd); /* a listener has nothing to lose */
        sink->listen_fd = -1;
    }
    totals_fini(&sink->totals);
    sink_inflate_fini(&sink->inflated);
}

void sink_stop(struct sink *sink)
{
    atomic_store_explicit(&sink->is_stopping, true, memory_order_relaxed);
}

/* False when the peer is gone or takes nothing. */
static bool sink_send(struct sink_connection *c, const char *text, size_t len)
{
    return send(c->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool sink_answer(struct sink *sink, struct sink_connection *c, int status)
{
    char head[256];
    char retry[64] = "";
    if (status == 503) {
        (void)snprintf(retry, sizeof(retry), "Retry-After: %" PRIu64 "\r\n",
                       sink->options.retry_after_s);
    }
    const int len = snprintf(head, sizeof(head),
                             "HTTP/1.1 %d Status\r\nContent-Type: application/x-protobuf\r\n"
                             "%sContent-Length: 0\r\n\r\n",
                             status, retry);
    ASSERT(len > 0);
    return sink_send(c, head, (size_t)len);
}

static void sink_publish(struct sink *sink)
{
    atomic_store_explicit(&sink->counter_sum, sink->counts.counter_sum, memory_order_relaxed);
    atomic_store_explicit(&sink->histogram_count, sink->counts.observation_count,
                          memory_order_relaxed);
}

/* Decides about one whole request; returns the status. */
static int sink_take(struct sink *sink, const struct sink_head *head, struct slice body)
{
    atomic_fetch_add_explicit(&sink->request_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&sink->body_bytes, body.len, memory_order_relaxed);
    sink->last_mono_ns = proc_mono_ns();
    if (sink->refused_count < sink->options.refuse_count) {
        sink->refused_count++;
        return 503;
    }
    if (!slice_is_text(head->path, "/v1/metrics")) {
        return 404;
    }
    if (!slice_is_text(head->content_type, "application/x-protobuf")) {
        sink->bad_count++;
        return 415;
    }
    struct slice request = {0};
    int err = sink_inflate(&sink->inflated, head->content_encoding, body, &request);
    if (err == 0) {
        err = sink_otlp_decode(request, &sink->totals, &sink->counts);
    }
    sink_publish(sink);
    if (err != 0) {
        sink->bad_count++;
        return err == FAULT_UNSUPPORTED ? 415 : 400;
    }
    return 200;
}

/* Handles the request at the front of the buffer if it is whole. False ends the connection. */
static bool sink_serve(struct sink *sink, struct sink_connection *c, uint64_t now_mono_ns)
{
    struct sink_head head;
    const enum parse parsed = sink_head_parse(slice_of(c->bytes, c->used), &head);
    if (parsed == PARSE_MORE) {
        return c->used < SINK_HEAD_MAX_BYTES;
    }
    if (parsed == PARSE_BAD || head.body_bytes > SINK_REQUEST_MAX_BYTES - head.head_bytes) {
        sink->bad_count++;
        (void)sink_answer(sink, c, 400); /* the connection ends either way */
        return false;
    }
    const size_t whole_bytes = head.head_bytes + (size_t)head.body_bytes;
    if (c->used < whole_bytes) {
        if (head.expects_continue && !c->is_continued) {
            static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
            c->is_continued = true;
            return sink_send(c, go_on, sizeof(go_on) - 1);
        }
        return true;
    }
    if (sink->options.delay_ms > 0 && c->answer_mono_ns == 0) {
        c->answer_mono_ns = now_mono_ns + sink->options.delay_ms * 1000000;
    }
    if (c->answer_mono_ns > now_mono_ns) {
        return true;
    }
    const struct slice body = slice_of(c->bytes + head.head_bytes, (size_t)head.body_bytes);
    const int status = sink_take(sink, &head, body);
    const bool is_kept = sink_answer(sink, c, status) && !head.wants_close;
    memmove(c->bytes, c->bytes + whole_bytes, c->used - whole_bytes);
    c->used -= whole_bytes;
    c->answer_mono_ns = 0;
    c->is_continued = false;
    return is_kept;
}

static bool sink_receive(struct sink_connection *c)
{
    if (c->capacity - c->used < SINK_FIRST_BYTES) {
        const size_t capacity = c->capacity * 2 + SINK_FIRST_BYTES;
        uint8_t *grown = capacity > 2u * SINK_REQUEST_MAX_BYTES + SINK_FIRST_BYTES
                             ? NULL
                             : mem_resize(c->bytes, capacity);
        if (grown == NULL) {
            return false;
        }
        c->bytes = grown;
        c->capacity = capacity;
    }
    const ssize_t got = recv(c->fd, c->bytes + c->used, c->capacity - c->used, MSG_DONTWAIT);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    c->used += (size_t)got;
    return got > 0;
}

static void sink_accept(struct sink *sink)
{
    const int fd = accept4(sink->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return; /* the peer went away again; poll tells when there is another */
    }
    for (size_t i = 0; i < SINK_CONNECTIONS_MAX_COUNT; i++) {
        if (sink->connections[i].fd < 0) {
            sink->connections[i] = (struct sink_connection){.fd = fd};
            return;
        }
    }
    (void)close(fd); /* full */
}

static void sink_turn_connection(struct sink *sink, struct sink_connection *c, bool is_ready)
{
    bool is_kept = !is_ready || sink_receive(c);
    size_t used_before = 0;
    /* Several requests may have arrived at once; each pass takes one or nothing. */
    while (is_kept && c->used > 0 && c->used != used_before) {
        used_before = c->used;
        is_kept = sink_serve(sink, c, proc_mono_ns());
    }
    if (!is_kept) {
        sink_hang_up(c);
    }
}

static bool sink_is_over(const struct sink *sink)
{
    if (atomic_load_explicit(&sink->is_stopping, memory_order_relaxed)) {
        return true;
    }
    const uint64_t silent_ns = proc_mono_ns() - sink->last_mono_ns;
    return sink->options.until_idle_s > 0 &&
           silent_ns > sink->options.until_idle_s * UINT64_C(1000000000);
}

void sink_run(struct sink *sink)
{
    struct pollfd polls[SINK_CONNECTIONS_MAX_COUNT + 1];
    const int wait_ms =
        sink->options.delay_ms > 0 && sink->options.delay_ms < SINK_POLL_MS ? 1 : SINK_POLL_MS;
    while (!sink_is_over(sink)) {
        for (size_t i = 0; i < SINK_CONNECTIONS_MAX_COUNT; i++) {
            polls[i] = (struct pollfd){.fd = sink->connections[i].fd, .events = POLLIN};
        }
        polls[SINK_CONNECTIONS_MAX_COUNT] =
            (struct pollfd){.fd = sink->listen_fd, .events = POLLIN};
        (void)poll(polls, COUNT_OF(polls), wait_ms); /* an interrupted wait finds nothing ready */
        for (size_t i = 0; i < SINK_CONNECTIONS_MAX_COUNT; i++) {
            if (sink->connections[i].fd >= 0) {
                sink_turn_connection(sink, &sink->connections[i], polls[i].revents != 0);
            }
        }
        if (polls[SINK_CONNECTIONS_MAX_COUNT].revents != 0) {
            sink_accept(sink);
        }
    }
}

/* Bytes before the first that JSON would have to escape; the names of a corpus have none. */
static int sink_plain_len(struct slice name)
{
    size_t len = 0;
    while (len < name.len && name.ptr[len] >= ' ' && name.ptr[len] != '"' &&
           name.ptr[len] != '\\') {
        len++;
    }
    return (int)len;
}

void sink_print(const struct sink *sink, bool with_names)
{
    printf("{\"sink\":true,\"requests\":%" PRIu64 ",\"body_bytes\":%" PRIu64 ",\"refused\":%" PRIu64
           ",\"bad\":%" PRIu64 ",\"metrics\":%" PRIu64 ",\"sum_points\":%" PRIu64
           ",\"cumulative_points\":%" PRIu64,
           sink->request_count, sink->body_bytes, sink->refused_count, sink->bad_count,
           sink->counts.metric_count, sink->counts.sum_point_count,
           sink->counts.cumulative_point_count);
    printf(",\"gauge_points\":%" PRIu64 ",\"histogram_points\":%" PRIu64
           ",\"summary_points\":%" PRIu64 ",\"counter_sum\":%.17g,\"observations\":%" PRIu64
           ",\"names\":%" PRIu32,
           sink->counts.gauge_point_count, sink->counts.histogram_point_count,
           sink->counts.summary_point_count, totals_counter_sum(&sink->totals),
           totals_histogram_count(&sink->totals), sink->totals.count);
    for (uint32_t i = 0; with_names && i < sink->totals.count; i++) {
        const struct totals_entry *entry = &sink->totals.entries[i];
        const struct slice name = totals_name(&sink->totals, entry);
        printf("%s\"%.*s\":[%.17g,%" PRIu64 ",%" PRIu64 "]", i == 0 ? ",\"by_name\":{" : ",",
               sink_plain_len(name), (const char *)name.ptr, entry->counter_sum,
               entry->histogram_count, entry->point_count);
    }
    printf("%s}\n", with_names && sink->totals.count > 0 ? "}" : "");
    (void)fflush(stdout); /* a lost line shows as a missing figure */
}
