/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sink over a real socket: requests in pieces, several at once, odd ones; plain and over TLS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bench/load_address.h"
#include "bench/xray/xray_sink.h"
#include "core/base/mem.h"

#define SEED 3
#define ANSWER "{\"UnprocessedTraceSegments\":[]}"

struct fixture {
    struct xray_sink *sink;
    pthread_t thread;
    SSL_CTX *tls;
    SSL *ssl;
    int fd;
};

static void *sink_main(void *sink)
{
    xray_sink_run(sink);
    return NULL;
}

static void open_fixture(struct fixture *f, struct xray_sink_options options)
{
    struct load_address address;
    char target[32];
    options.address = "127.0.0.1:0";
    options.seed = SEED;
    options.item_limit = 1000;
    *f = (struct fixture){.sink = mem_alloc(sizeof(*f->sink))};
    assert_non_null(f->sink);
    assert_int_equal(xray_sink_init(f->sink, &options), 0);
    assert_int_equal(pthread_create(&f->thread, NULL, sink_main, f->sink), 0);
    (void)snprintf(target, sizeof(target), "127.0.0.1:%d", (int)f->sink->port);
    assert_int_equal(load_address_parse(target, &address), 0);
    f->fd = load_address_connect(&address, SOCK_STREAM);
    assert_true(f->fd >= 0);
    const struct timeval patience = {.tv_sec = 10};
    assert_int_equal(setsockopt(f->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    if (!options.is_plain) {
        f->tls = SSL_CTX_new(TLS_client_method());
        f->ssl = SSL_new(f->tls);
        assert_int_equal(SSL_set_fd(f->ssl, f->fd), 1);
        assert_int_equal(SSL_connect(f->ssl), 1);
    }
}

/* Ends the sink's thread; its counts may be read from then on. */
static void stop_sink(struct fixture *f)
{
    xray_sink_stop(f->sink);
    assert_int_equal(pthread_join(f->thread, NULL), 0);
}

static void close_fixture(struct fixture *f)
{
    SSL_free(f->ssl);
    SSL_CTX_free(f->tls);
    (void)close(f->fd);
    xray_sink_fini(f->sink);
    mem_free(f->sink);
}

static void put(struct fixture *f, const char *bytes, size_t len)
{
    if (f->ssl != NULL) {
        assert_int_equal(SSL_write(f->ssl, bytes, (int)len), (int)len);
        return;
    }
    assert_int_equal(send(f->fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Reads until `mark` has come `times` times; false when the connection ends before. */
static bool await(struct fixture *f, const char *mark, int times)
{
    char answer[4096];
    size_t used = 0;
    for (;;) {
        int found = 0;
        answer[used] = '\0';
        for (const char *at = strstr(answer, mark); at != NULL; at = strstr(at + 1, mark)) {
            found++;
        }
        if (found >= times) {
            return true;
        }
        const size_t room = sizeof(answer) - 1 - used;
        const ssize_t got = f->ssl != NULL ? SSL_read(f->ssl, answer + used, (int)room)
                                           : recv(f->fd, answer + used, room, 0);
        if (got <= 0) {
            return false;
        }
        used += (size_t)got;
    }
}

/* A request with one document for each number from `first` on. */
static size_t make_request(char *to, size_t room, uint64_t first, uint32_t count)
{
    char body[8192] = "{\"TraceSegmentDocuments\":[";
    size_t used = strlen(body);
    for (uint32_t i = 0; i < count; i++) {
        struct xray_ident ident;
        xray_ident_of(SEED, first + i, &ident);
        used += (size_t)snprintf(
            body + used, sizeof(body) - used,
            "%s\"{\\\"id\\\":\\\"%.16s\\\",\\\"trace_id\\\":\\\"1-5f84c7a1-%.24s\\\"}\"",
            i == 0 ? "" : ",", ident.segment_id, ident.trace_digits);
    }
    used += (size_t)snprintf(body + used, sizeof(body) - used, "]}");
    return (size_t)snprintf(to, room,
                            "POST /TraceSegments HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n"
                            "%s",
                            used, body);
}

static void serve_in_pieces(bool is_plain)
{
    struct fixture f;
    char request[16384];
    open_fixture(&f, (struct xray_sink_options){.is_plain = is_plain, .takes_unsigned = true});
    size_t len = make_request(request, sizeof(request), 0, 3);
    for (size_t i = 0; i < len; i++) {
        put(&f, request + i, 1);
    }
    assert_true(await(&f, ANSWER, 1));
    len = make_request(request, sizeof(request), 3, 50);
    len += make_request(request + len, sizeof(request) - len, 52, 2);
    put(&f, request, len);
    assert_true(await(&f, ANSWER, 2));
    stop_sink(&f);
    const struct xray_balance balance = xray_ledger_balance(&f.sink->ledger, 54);
    assert_int_equal(balance.arrived_items, 54);
    assert_int_equal(balance.lost_items, 0);
    assert_int_equal(balance.duplicate_items, 1);
    assert_int_equal(balance.stranger_items, 0);
    assert_int_equal(f.sink->request_count, 3);
    assert_int_equal(f.sink->bad_request_count, 0);
    close_fixture(&f);
}

static void test_requests_in_pieces_and_together_are_counted(void **state)
{
    (void)state;
    serve_in_pieces(true);
}

static void test_the_same_over_tls(void **state)
{
    (void)state;
    serve_in_pieces(false);
}

static void test_an_unsigned_request_is_refused_and_not_counted(void **state)
{
    (void)state;
    struct fixture f;
    char request[16384];
    open_fixture(&f, (struct xray_sink_options){.is_plain = true});
    put(&f, request, make_request(request, sizeof(request), 0, 3));
    assert_true(await(&f, "SignatureDoesNotMatch", 1));
    stop_sink(&f);
    assert_int_equal(f.sink->unsigned_count, 1);
    assert_int_equal(f.sink->ledger.item_count, 0);
    close_fixture(&f);
}

static void test_bodies_that_are_none_and_documents_without_ids_are_told(void **state)
{
    (void)state;
    static const char none[] = "POST /TraceSegments HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    static const char idless[] = "POST /TraceSegments HTTP/1.1\r\nContent-Length: 32\r\n\r\n"
                                 "{\"TraceSegmentDocuments\":[\"{}\"]}";
    static const char other[] = "POST /TelemetryRecords HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    static const char broken[] = "GET / HTTP/1.1\r\n\r\n";
    struct fixture f;
    open_fixture(&f, (struct xray_sink_options){.is_plain = true, .takes_unsigned = true});
    put(&f, none, sizeof(none) - 1);
    assert_true(await(&f, "400 Bad Request", 1));
    put(&f, idless, sizeof(idless) - 1);
    assert_true(await(&f, ANSWER, 1));
    put(&f, other, sizeof(other) - 1);
    assert_true(await(&f, "200 OK", 1));
    put(&f, broken, sizeof(broken) - 1);
    assert_false(await(&f, "HTTP", 1));
    stop_sink(&f);
    assert_int_equal(f.sink->bad_request_count, 2);
    assert_int_equal(f.sink->bad_document_count, 1);
    assert_int_equal(f.sink->other_request_count, 1);
    close_fixture(&f);
}

static void test_more_documents_than_a_request_may_have_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    char request[16384];
    open_fixture(&f, (struct xray_sink_options){.is_plain = true, .takes_unsigned = true});
    put(&f, request, make_request(request, sizeof(request), 0, 50));
    assert_true(await(&f, ANSWER, 1));
    put(&f, request, make_request(request, sizeof(request), 50, 51));
    assert_true(await(&f, "400 Bad Request", 1));
    stop_sink(&f);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_in_pieces_and_together_are_counted),
        cmocka_unit_test(test_the_same_over_tls),
        cmocka_unit_test(test_an_unsigned_request_is_refused_and_not_counted),
        cmocka_unit_test(test_bodies_that_are_none_and_documents_without_ids_are_told),
        cmocka_unit_test(test_more_documents_than_a_request_may_have_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
