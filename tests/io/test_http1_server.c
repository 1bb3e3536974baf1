/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of http1_server: every backend, real sockets on loopback, a client that is a plain socket.
 */
#include "io/io_bounds.h"
#include "tests/support/loop_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/http1_server.h"

#define TURN_NS (2 * CLOCK_NS_PER_MS)
#define PIECE_COUNT 5

static struct loop *loop;
static struct http1_server server;
static uint16_t port;
static bool is_closed;
static struct http1_exchange *kept; /* answered by the test itself */
static uint32_t produced_count;
static uint32_t producer_closed_count;
static char reply[1 << 20];
static size_t reply_len;

static void on_closed(struct http1_server *s)
{
    assert_ptr_equal(s, &server);
    assert_false(is_closed);
    is_closed = true;
}

static enum http1_produced on_produce(struct http1_producer *producer, struct slice *piece)
{
    (void)producer;
    static char text[20];
    produced_count++;
    if (produced_count == 2) {
        return HTTP1_PRODUCED_MORE; /* nothing yet */
    }
    memset(text, 'a' + (int)produced_count, sizeof(text));
    *piece = slice_of(text, sizeof(text));
    return produced_count < PIECE_COUNT ? HTTP1_PRODUCED_MORE : HTTP1_PRODUCED_LAST;
}

static enum http1_produced on_produce_failing(struct http1_producer *producer, struct slice *piece)
{
    (void)producer;
    *piece = SLICE_LITERAL("half");
    return ++produced_count < 2 ? HTTP1_PRODUCED_MORE : HTTP1_PRODUCED_FAILED;
}

static enum http1_produced on_produce_endless(struct http1_producer *producer, struct slice *piece)
{
    (void)producer;
    static char text[65536];
    produced_count++;
    *piece = slice_of(text, sizeof(text));
    return HTTP1_PRODUCED_MORE;
}

static void on_producer_closed(struct http1_producer *producer)
{
    (void)producer;
    producer_closed_count++;
}

static struct http1_producer producer = {.on_closed = on_producer_closed};

/* Says what it saw: METHOD path?query [body]. */
static void answer_echo(struct http1_exchange *exchange)
{
    char text[2048];
    struct slice method = http1_exchange_method(exchange);
    struct slice path = http1_exchange_path(exchange);
    struct slice query = http1_exchange_query(exchange);
    struct slice body = http1_exchange_body(exchange);
    int len = snprintf(text, sizeof(text), "%.*s %.*s?%.*s [%.*s]", (int)method.len, method.ptr,
                       (int)path.len, path.ptr, (int)query.len,
                       query.len > 0 ? (const char *)query.ptr : "", (int)body.len,
                       body.len > 0 ? (const char *)body.ptr : "");
    assert_true(http1_exchange_is_local(exchange));
    http1_respond_text(exchange, 200, "text/plain", slice_of(text, (size_t)len));
}

static void on_request(struct http1_server *s, struct http1_exchange *exchange)
{
    struct slice path = http1_exchange_path(exchange);
    if (slice_is_text(path, "/later")) {
        assert_null(kept);
        kept = exchange;
    } else if (slice_is_text(path, "/pieces") || slice_is_text(path, "/fail") ||
               slice_is_text(path, "/endless")) {
        produced_count = 0;
        producer.on_produce = slice_is_text(path, "/pieces") ? on_produce
                              : slice_is_text(path, "/fail") ? on_produce_failing
                                                             : on_produce_endless;
        assert_int_equal(http1_respond_produced(exchange, 200, "text/x", &producer), 0);
    } else if (slice_is_text(path, "/stop")) {
        http1_server_stop(s);
        answer_echo(exchange);
    } else if (slice_is_text(path, "/header")) {
        assert_int_equal(http1_exchange_add_header(exchange, "X-A", SLICE_LITERAL("b")), 0);
        assert_int_equal(http1_exchange_add_header(exchange, "X-B", SLICE_LITERAL("c\r\nd")),
                         FAULT_MALFORMED);
        static char big[HTTP1_EXTRA_HEADERS_MAX_BYTES];
        memset(big, 'a', sizeof(big));
        assert_int_equal(http1_exchange_add_header(exchange, "X", slice_of(big, sizeof(big))),
                         FAULT_LIMIT);
        http1_respond_text(exchange, 204, NULL, SLICE_LITERAL("not shown"));
    } else {
        answer_echo(exchange);
    }
}

static int listen_on_loopback(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    port = ntohs(address.sin_port);
    return fd;
}

static void turn(void)
{
    assert_true(loop_turn(loop, TURN_NS) >= 0);
}

static int start_with(struct http1_server_options options)
{
    is_closed = false;
    kept = NULL;
    producer_closed_count = 0;
    struct loop_options loop_options = {.backend = loop_fixture_backend};
    assert_int_equal(loop_open(&loop_options, &loop, NULL), 0);
    server =
        (struct http1_server){.on_request = on_request, .on_closed = on_closed, .options = options};
    int fd = listen_on_loopback();
    return http1_server_start(&server, loop, &fd, 1);
}

static int setup(void **state)
{
    (void)state;
    return start_with((struct http1_server_options){.body_max_bytes = 1000});
}

static void await_closed(void)
{
    for (int i = 0; i < 500 && !is_closed; i++) {
        turn();
    }
    assert_true(is_closed);
}

static int teardown(void **state)
{
    (void)state;
    http1_server_abort(&server);
    await_closed();
    assert_int_equal(server.connection_count, 0);
    loop_close(loop);
    loop = NULL;
    return 0;
}

/* --- the client ------------------------------------------------------------------------------- */

static int connect_client(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    reply_len = 0;
    reply[0] = '\0';
    return fd;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Takes what is there. False once the server has closed. */
static bool gather(int fd)
{
    for (;;) {
        ssize_t n = recv(fd, reply + reply_len, sizeof(reply) - reply_len - 1, MSG_DONTWAIT);
        if (n <= 0) {
            return n < 0 && errno == EAGAIN;
        }
        reply_len += (size_t)n;
        reply[reply_len] = '\0';
    }
}

static uint32_t count_text(const char *text)
{
    uint32_t count = 0;
    for (const char *at = strstr(reply, text); at != NULL; at = strstr(at + 1, text)) {
        count++;
    }
    return count;
}

/* Turns until `text` was received `count` times. */
static void expect_times(int fd, const char *text, uint32_t count)
{
    for (int i = 0; i < 500 && count_text(text) < count; i++) {
        turn();
        (void)gather(fd);
    }
    if (count_text(text) != count) {
        fail_msg("'%s' %u times, not %u, in: %s", text, count_text(text), count, reply);
    }
}

static void expect_text(int fd, const char *text)
{
    expect_times(fd, text, 1);
}

static void expect_close(int fd)
{
    bool is_open = true;
    for (int i = 0; i < 1500 && is_open; i++) {
        turn();
        is_open = gather(fd);
    }
    assert_false(is_open);
    (void)close(fd);
}

static void await_kept(void)
{
    for (int i = 0; i < 500 && kept == NULL; i++) {
        turn();
    }
    assert_non_null(kept);
}

#define HOST "Host: x\r\n"

static void test_request_is_answered_and_the_connection_stays(void **state)
{
    (void)state;
    int fd = connect_client();
    send_text(fd, "GET /a?b HTTP/1.1\r\n" HOST "\r\n");
    expect_text(fd, "\r\n\r\nGET /a?b []");
    expect_text(fd, "HTTP/1.1 200 OK\r\nDate: ");
    expect_text(fd, "Content-Type: text/plain\r\nContent-Length: 11\r\n\r\n");
    send_text(fd, "POST /c HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nxyz");
    expect_text(fd, "\r\n\r\nPOST /c? [xyz]");
    assert_int_equal(server.connection_count, 1);
    assert_int_equal(server.stats.request_count, 2);
    (void)close(fd);
}

static void test_split_at_every_byte(void **state)
{
    (void)state;
    static const char text[] = "POST /s HTTP/1.1\r\n" HOST
                               "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                               "POST /t HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nfg";
    int fd = connect_client();
    for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
        reply_len = 0;
        assert_int_equal(send(fd, text, cut, MSG_NOSIGNAL), (ssize_t)cut);
        assert_true(loop_turn(loop, 0) >= 0);
        assert_true(loop_turn(loop, 0) >= 0);
        send_text(fd, text + cut);
        expect_text(fd, "POST /s? [abcde]");
        expect_text(fd, "POST /t? [fg]");
    }
    reply_len = 0;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        assert_int_equal(send(fd, text + i, 1, MSG_NOSIGNAL), 1);
        assert_true(loop_turn(loop, 0) >= 0);
    }
    expect_text(fd, "POST /t? [fg]");
    (void)close(fd);
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    int fd = connect_client();
    send_text(fd, "GET /1 HTTP/1.1\r\n" HOST "\r\nGET /pieces HTTP/1.1\r\n" HOST
                  "\r\nGET /2 HTTP/1.1\r\n" HOST "\r\nGET /later HTTP/1.1\r\n" HOST
                  "\r\nGET /3 HTTP/1.1\r\n" HOST "\r\n");
    expect_text(fd, "GET /2?");
    await_kept();
    send_text(fd, "GET /4 HTTP/1.1\r\n" HOST "\r\n"); /* while an answer is owed */
    turn();
    http1_respond_text(kept, 200, NULL, SLICE_LITERAL("finally"));
    expect_text(fd, "GET /4?");
    const char *order[] = {"GET /1?", "0\r\n\r\n", "GET /2?", "finally", "GET /3?", "GET /4?"};
    const char *at = reply;
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        at = strstr(at, order[i]);
        assert_non_null(at);
    }
    (void)close(fd);
}

static void test_pieces_become_chunks(void **state)
{
    (void)state;
    int fd = connect_client();
    send_text(fd, "GET /pieces HTTP/1.1\r\n" HOST "\r\n");
    expect_text(fd, "\r\n0\r\n\r\n");
    expect_text(fd, "Transfer-Encoding: chunked\r\n");
    expect_text(fd, "\r\n\r\n14\r\nbbbbbbbbbbbbbbbbbbbb\r\n14\r\ndddddddddddddddddddd\r\n14\r\n");
    assert_int_equal(produced_count, PIECE_COUNT);
    assert_int_equal(producer_closed_count, 1);
    (void)close(fd);
}

static void test_old_clients_read_to_the_end(void **state)
{
    (void)state;
    int fd = connect_client();
    send_text(fd, "GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect_close(fd);
    assert_non_null(strstr(reply, "Connection: close\r\n"));
    assert_non_null(strstr(reply, "\r\n\r\nbbbbbbbbbbbbbbbbbbbbdddddddddddddddddddd"));
    assert_null(strstr(reply, "chunked"));

    fd = connect_client();
    send_text(fd, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect_text(fd, "Connection: keep-alive\r\n");
    send_text(fd, "GET /a HTTP/1.0\r\n\r\n");
    expect_close(fd);
    assert_int_equal(count_text("GET /a?"), 2);
}

static void test_head_shows_no_body(void **state)
{
    (void)state;
    int fd = connect_client();
    send_text(fd, "HEAD /a HTTP/1.1\r\n" HOST "\r\nHEAD /pieces HTTP/1.1\r\n" HOST
                  "\r\nGET /header HTTP/1.1\r\n" HOST "\r\nGET /z HTTP/1.1\r\n" HOST "\r\n");
    expect_text(fd, "GET /z?");
    assert_int_equal(count_text("HEAD /a"), 0);
    assert_int_equal(count_text("Content-Length: 11\r\n\r\nHTTP/1.1 200 OK"), 1);
    assert_int_equal(count_text("Transfer-Encoding: chunked\r\n\r\nHTTP/1.1 204 No Content"), 1);
    assert_int_equal(count_text("X-A: b\r\n\r\nHTTP/1.1 200 OK"), 1);
    assert_int_equal(produced_count, 0);
    assert_int_equal(producer_closed_count, 1);
    (void)close(fd);
}

static void test_continue_is_said_once(void **state)
{
    (void)state;
    int fd = connect_client();
    send_text(fd, "POST /e HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    expect_text(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    send_text(fd, "hi");
    expect_text(fd, "POST /e? [hi]");
    assert_int_equal(count_text("100 Continue"), 1);
    (void)close(fd);
}

static void expect_refusal(const char *request, const char *status)
{
    int fd = connect_client();
    send_text(fd, request);
    expect_close(fd);
    if (strncmp(reply, status, strlen(status)) != 0) {
        fail_msg("not '%s' but %s", status, reply);
    }
    assert_non_null(strstr(reply, "Connection: close\r\n"));
}

static void test_refusals_are_said_and_close(void **state)
{
    (void)state;
    expect_refusal("GET / HTTP/1.1\r\n\r\nand more", "HTTP/1.1 400 Bad Request\r\n");
    expect_refusal("GET / HTTP/3.0\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n");
    expect_refusal("GET / HTTP/1.1\r\nTransfer-Encoding: br\r\n", "HTTP/1.1 501 Not Impl");
    expect_refusal("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nz\r\n",
                   "HTTP/1.1 400 Bad");
    expect_refusal("POST / HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n", "HTTP/1.1 413 ");
    expect_refusal("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3e9\r\n",
                   "HTTP/1.1 408 "); /* the limit is met by content, not by promises */
    assert_int_equal(server.stats.bad_count, 6);
    assert_int_equal(server.stats.request_count, 0);
}

static int setup_impatient(void **state)
{
    (void)state;
    return start_with((struct http1_server_options){.body_max_bytes = 1000,
                                                    .head_timeout_ms = 400,
                                                    .idle_timeout_ms = 400,
                                                    .send_timeout_ms = 400});
}

static int setup_for_two(void **state)
{
    (void)state;
    return start_with((struct http1_server_options){.connections_max = 2});
}

static void test_body_at_the_limit_and_one_past(void **state)
{
    (void)state;
    char request[2048];
    for (size_t extra = 0; extra < 2; extra++) {
        int fd = connect_client();
        int len = snprintf(request, sizeof(request),
                           "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
                           1000 + extra);
        memset(request + len, 'b', 1000 + extra);
        memcpy(request + (size_t)len + 1000 + extra, "\r\n0\r\n\r\n", 8);
        send_text(fd, request);
        expect_text(fd, extra == 0 ? "HTTP/1.1 200 OK" : "HTTP/1.1 413 Content Too Large");
        (void)close(fd);
    }
}

static void test_slow_clients_are_let_go(void **state)
{
    (void)state;
    int fd = connect_client();
    send_text(fd, "GET / HT");
    expect_close(fd);
    assert_non_null(strstr(reply, "HTTP/1.1 408 Request Timeout\r\n"));
    fd = connect_client();
    expect_close(fd); /* silence is no error */
    assert_int_equal(reply_len, 0);
    fd = connect_client();
    send_text(fd, "GET /endless HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 2000 && producer_closed_count == 0; i++) {
        turn(); /* nobody reads: the kernel's buffers fill */
    }
    assert_int_equal(producer_closed_count, 1);
    assert_int_equal(server.stats.timeout_count, 3);
    (void)close(fd);
}

static void test_connections_are_bounded(void **state)
{
    (void)state;
    int first = connect_client();
    int second = connect_client();
    int third = connect_client();
    expect_close(third);
    assert_int_equal(server.stats.accepted_count, 2);
    assert_int_equal(server.stats.refused_count, 1);
    send_text(second, "GET /ok HTTP/1.1\r\n" HOST "\r\n");
    expect_text(second, "GET /ok?");
    (void)close(first);
    (void)close(second);
}

static void test_failed_production_cuts_the_connection(void **state)
{
    (void)state;
    int fd = connect_client();
    send_text(fd, "GET /fail HTTP/1.1\r\n" HOST "\r\n");
    expect_close(fd);
    assert_non_null(strstr(reply, "half"));
    assert_null(strstr(reply, "\r\n0\r\n\r\n"));
    assert_int_equal(producer_closed_count, 1);
}

static void test_half_closed_client_still_gets_its_answer(void **state)
{
    (void)state;
    int fd = connect_client();
    send_text(fd, "GET /pieces HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    expect_close(fd);
    assert_non_null(strstr(reply, "\r\n0\r\n\r\n"));
}

static void test_answer_for_a_client_that_left(void **state)
{
    (void)state;
    int fd = connect_client();
    send_text(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    await_kept();
    http1_server_abort(&server);
    for (int i = 0; i < 5; i++) {
        turn();
    }
    assert_false(is_closed); /* the exchange is still out */
    producer.on_produce = on_produce;
    assert_int_equal(http1_respond_produced(kept, 200, NULL, &producer), FAULT_CLOSED);
    assert_int_equal(producer_closed_count, 0);
    assert_false(is_closed); /* not from inside the owner's call */
    await_closed();
    (void)close(fd);
}

static void test_stop_finishes_what_is_under_way(void **state)
{
    (void)state;
    int idle = connect_client();
    int busy = connect_client();
    send_text(busy, "GET /pieces HTTP/1.1\r\n" HOST "\r\n");
    int stopper = connect_client();
    for (int i = 0; i < 500 && server.stats.request_count == 0; i++) {
        turn();
    }
    assert_int_equal(server.stats.request_count, 1);
    send_text(stopper, "GET /stop HTTP/1.1\r\n" HOST "\r\nGET /never HTTP/1.1\r\n" HOST "\r\n");
    expect_text(stopper, "GET /stop?");
    assert_non_null(strstr(reply, "Connection: close\r\n"));
    expect_close(stopper);
    assert_null(strstr(reply, "never"));
    reply_len = 0;
    expect_close(busy);
    assert_non_null(strstr(reply, "\r\n0\r\n\r\n"));
    expect_close(idle);
    await_closed();
    int late = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_not_equal(connect(late, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(late);
}

static void await_accepted(uint64_t count)
{
    for (int i = 0; i < 500 && server.stats.accepted_count < count; i++) {
        turn();
    }
    assert_int_equal(server.stats.accepted_count, count);
}

/* They were told that they are connected, and know nothing of a leave. */
static void test_stop_serves_those_who_just_connected(void **state)
{
    (void)state;
    int known = connect_client();
    send_text(known, "GET /known HTTP/1.1\r\n" HOST "\r\n");
    expect_text(known, "GET /known?");
    int silent = connect_client();
    int half = connect_client();
    send_text(half, "GET /half HTT");
    await_accepted(3);
    turn();
    int waiting = connect_client(); /* in the backlog */
    /* All that they have to say is on its way, and nothing of it was read. */
    send_text(half, "P/1.1\r\n" HOST "\r\n");
    send_text(waiting, "GET /waiting HTTP/1.1\r\n" HOST "\r\n");
    send_text(silent, "GET /silent HTTP/1.1\r\n" HOST "\r\nGET /more HTTP/1.1\r\n" HOST "\r\n");
    http1_server_stop(&server);
    expect_close(known);
    assert_int_equal(reply_len, 0);
    expect_text(half, "GET /half?");
    expect_text(half, "Connection: close\r\n");
    expect_close(half);
    reply_len = 0;
    expect_text(waiting, "GET /waiting?");
    expect_close(waiting);
    reply_len = 0;
    expect_text(silent, "GET /silent?");
    expect_close(silent); /* one answer, and no more */
    assert_null(strstr(reply, "more"));
    await_closed();
    assert_int_equal(server.stats.refused_count, 0);
}

static void test_stop_waits_for_a_first_request_only_so_long(void **state)
{
    (void)state;
    int silent = connect_client();
    int half = connect_client();
    send_text(half, "GET /half HTT");
    await_accepted(2);
    http1_server_stop(&server);
    expect_close(silent);
    assert_int_equal(reply_len, 0);
    expect_close(half);
    assert_non_null(strstr(reply, "HTTP/1.1 408 "));
    await_closed();
}

static void test_abort_waits_for_nobody(void **state)
{
    (void)state;
    int silent = connect_client();
    await_accepted(1);
    int waiting = connect_client();
    http1_server_abort(&server);
    await_closed();
    expect_close(silent);
    expect_close(waiting);
    assert_int_equal(server.stats.refused_count, 1);
    assert_int_equal(server.stats.timeout_count, 0); /* not even a moment */
}

static void test_memory_that_runs_out_costs_one_connection(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 12; nth++) {
        int fd = connect_client();
        send_text(fd, "GET /pieces HTTP/1.1\r\n" HOST "\r\n");
        mem_fail_nth(nth);
        for (int i = 0; i < 12; i++) {
            turn();
        }
        mem_fail_nth(0);
        (void)close(fd);
        for (int i = 0; i < 4; i++) {
            turn();
        }
    }
    int fd = connect_client();
    send_text(fd, "GET /fine HTTP/1.1\r\n" HOST "\r\n");
    expect_text(fd, "GET /fine?");
    (void)close(fd);
}

#define SERVER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define IMPATIENT_TEST(test) cmocka_unit_test_setup_teardown(test, setup_impatient, teardown)
#define TEST_FOR_TWO(test) cmocka_unit_test_setup_teardown(test, setup_for_two, teardown)

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_request_is_answered_and_the_connection_stays),
        SERVER_TEST(test_split_at_every_byte),
        SERVER_TEST(test_pipelined_requests_are_answered_in_order),
        SERVER_TEST(test_pieces_become_chunks),
        SERVER_TEST(test_old_clients_read_to_the_end),
        SERVER_TEST(test_head_shows_no_body),
        SERVER_TEST(test_continue_is_said_once),
        IMPATIENT_TEST(test_refusals_are_said_and_close),
        SERVER_TEST(test_body_at_the_limit_and_one_past),
        IMPATIENT_TEST(test_slow_clients_are_let_go),
        TEST_FOR_TWO(test_connections_are_bounded),
        SERVER_TEST(test_failed_production_cuts_the_connection),
        SERVER_TEST(test_half_closed_client_still_gets_its_answer),
        SERVER_TEST(test_answer_for_a_client_that_left),
        SERVER_TEST(test_stop_finishes_what_is_under_way),
        SERVER_TEST(test_stop_serves_those_who_just_connected),
        IMPATIENT_TEST(test_stop_waits_for_a_first_request_only_so_long),
        SERVER_TEST(test_abort_waits_for_nobody),
        SERVER_TEST(test_memory_that_runs_out_costs_one_connection),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
