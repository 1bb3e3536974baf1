/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_sink — see xray_sink.h: the listener, the turn, and what becomes of a request.
 */
#include "bench/xray/xray_sink.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load_address.h"
#include "bench/xray/xray_body.h"
#include "bench/xray/xray_connection.h"
#include "bench/xray/xray_tls.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define SINK_WAIT_MS 20
#define SINK_EVENTS_COUNT 64
#define SINK_LISTEN_BACKLOG 128
#define SINK_LISTEN_TAG XRAY_SINK_CONNECTIONS_MAX_COUNT
#define SEGMENTS_PATH "/TraceSegments"
#define SEGMENTS_ANSWER "{\"UnprocessedTraceSegments\":[]}"
#define TELEMETRY_ANSWER "{}"
#define REQUEST_ANSWER "{\"__type\":\"InvalidRequestException\",\"Message\":\"not readable\"}"
#define SIGNATURE_ANSWER                                                                           \
    "{\"__type\":\"SignatureDoesNotMatch\",\"message\":\"signed otherwise, or not at all\"}"

/* --- one request ------------------------------------------------------------------------------ */

static void sink_document(struct xray_sink *sink, struct slice document)
{
    struct xray_ident ident;
    if (xray_document_ident(document, &ident)) {
        xray_ledger_take(&sink->ledger, &ident);
    } else {
        sink->bad_document_count++;
    }
}

static int sink_documents(struct xray_sink *sink, struct slice bytes)
{
    struct xray_body body;
    struct slice document;
    uint32_t count = 0;
    int got = xray_body_open(&body, bytes);
    if (got != 0) {
        return got;
    }
    for (got = xray_body_next(&body, &document); got > 0; got = xray_body_next(&body, &document)) {
        sink_document(sink, document);
        count++;
    }
    return count > XRAY_BODY_DOCUMENTS_MAX_COUNT ? FAULT_LIMIT : got;
}

struct xray_answer xray_sink_take(struct xray_sink *sink, struct slice path, struct slice head,
                                  struct slice body)
{
    atomic_fetch_add_explicit(&sink->request_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&sink->body_bytes, body.len, memory_order_relaxed);
    if (sink->verifies && !xray_verify_request(&sink->verify, head, body)) {
        sink->unsigned_count++;
        return (struct xray_answer){"403 Forbidden", SIGNATURE_ANSWER};
    }
    if (!slice_is_text(path, SEGMENTS_PATH)) {
        sink->other_request_count++;
        return (struct xray_answer){"200 OK", TELEMETRY_ANSWER};
    }
    const int err = sink_documents(sink, body);
    sink->bad_request_count += err != 0;
    atomic_store_explicit(&sink->arrived_count, xray_ledger_arrivals(&sink->ledger),
                          memory_order_relaxed);
    if (err != 0) {
        return (struct xray_answer){"400 Bad Request", REQUEST_ANSWER};
    }
    return (struct xray_answer){"200 OK", SEGMENTS_ANSWER};
}

/* --- connections ------------------------------------------------------------------------------ */

static void sink_drop(struct xray_sink *sink, uint32_t index)
{
    xray_connection_free(sink->connections[index]); /* closing takes it out of the epoll set */
    sink->connections[index] = NULL;
}

static void sink_watch(const struct xray_sink *sink, int operation, uint32_t index)
{
    const struct xray_connection *c = sink->connections[index];
    struct epoll_event event = {
        .events = xray_connection_has_output(c) ? EPOLLIN | EPOLLOUT : EPOLLIN,
        .data.u32 = index,
    };
    (void)epoll_ctl(sink->epoll_fd, operation, c->fd, &event); /* ours, and open */
}

static void sink_serve(struct xray_sink *sink, uint32_t index)
{
    struct xray_connection *c = sink->connections[index];
    if (c == NULL) {
        return; /* dropped earlier in this turn */
    }
    const bool had_output = xray_connection_has_output(c);
    const int err = xray_connection_serve(c);
    if (err != 0) {
        sink->broken_count += err != -ECONNRESET;
        sink_drop(sink, index);
    } else if (xray_connection_has_output(c) != had_output) {
        sink_watch(sink, EPOLL_CTL_MOD, index);
    }
}

static uint32_t sink_free_place(const struct xray_sink *sink)
{
    uint32_t index = 0;
    while (index < XRAY_SINK_CONNECTIONS_MAX_COUNT && sink->connections[index] != NULL) {
        index++;
    }
    return index;
}

static void sink_accept(struct xray_sink *sink)
{
    const int one = 1;
    const int fd = accept4(sink->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return; /* given up by the other side before its turn came */
    }
    /* A comfort: answers are small and would wait for acknowledgements. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    const uint32_t index = sink_free_place(sink);
    if (index == XRAY_SINK_CONNECTIONS_MAX_COUNT) {
        (void)close(fd); /* one too many */
        return;
    }
    sink->connections[index] = xray_connection_new(sink, fd);
    if (sink->connections[index] != NULL) {
        sink_watch(sink, EPOLL_CTL_ADD, index);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static int sink_listen(struct xray_sink *sink, const char *text)
{
    struct load_address address;
    const int err = load_address_parse(text, &address);
    if (err != 0) {
        return err;
    }
    const int one = 1;
    sink->listen_fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sink->listen_fd < 0 ||
        setsockopt(sink->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(sink->listen_fd, &address.any, address.len) != 0 ||
        listen(sink->listen_fd, SINK_LISTEN_BACKLOG) != 0 ||
        getsockname(sink->listen_fd, &address.any, &address.len) != 0) {
        return -errno;
    }
    sink->port = load_address_port(&address);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = SINK_LISTEN_TAG};
    sink->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (sink->epoll_fd < 0 ||
        epoll_ctl(sink->epoll_fd, EPOLL_CTL_ADD, sink->listen_fd, &event) != 0) {
        return -errno;
    }
    return 0;
}

int xray_sink_init(struct xray_sink *sink, const struct xray_sink_options *options)
{
    *sink = (struct xray_sink){
        .epoll_fd = -1,
        .listen_fd = -1,
        .verifies = !options->takes_unsigned,
    };
    int err = xray_ledger_init(&sink->ledger, options->seed, options->item_limit);
    if (err == 0 && !options->is_plain) {
        sink->tls = xray_tls_new();
        err = sink->tls == NULL ? -EPROTO : 0;
    }
    return err != 0 ? err : sink_listen(sink, options->address);
}

void xray_sink_fini(struct xray_sink *sink)
{
    for (uint32_t i = 0; i < XRAY_SINK_CONNECTIONS_MAX_COUNT; i++) {
        sink_drop(sink, i);
    }
    SSL_CTX_free(sink->tls);
    sink->tls = NULL;
    xray_ledger_fini(&sink->ledger);
    if (sink->listen_fd >= 0) {
        (void)close(sink->listen_fd); /* nothing was written to either */
        sink->listen_fd = -1;
    }
    if (sink->epoll_fd >= 0) {
        (void)close(sink->epoll_fd);
        sink->epoll_fd = -1;
    }
}

void xray_sink_run(struct xray_sink *sink)
{
    /* OpenSSL writes without MSG_NOSIGNAL; a server that is gone must not end the bench. */
    sigset_t pipe_signal;
    (void)sigemptyset(&pipe_signal); /* none of these can fail with these arguments */
    (void)sigaddset(&pipe_signal, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    while (!atomic_load_explicit(&sink->is_stopping, memory_order_relaxed)) {
        struct epoll_event events[SINK_EVENTS_COUNT];
        const int count = epoll_wait(sink->epoll_fd, events, SINK_EVENTS_COUNT, SINK_WAIT_MS);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u32 == SINK_LISTEN_TAG) {
                sink_accept(sink);
            } else {
                sink_serve(sink, events[i].data.u32);
            }
        }
    }
}

void xray_sink_stop(struct xray_sink *sink)
{
    atomic_store_explicit(&sink->is_stopping, true, memory_order_relaxed);
}
