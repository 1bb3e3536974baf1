/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of tcp_front: real connections on loopback, cut at every byte, on every backend.
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
#include "io/socket.h"
#include "io/tcp_front.h"
#include "io/tls.h"
#include "tests/support/tls_identity.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define REQUEST "POST /v1/traces HTTP/1.1\r\n\r\n"
#define LINES "page.views:1|c\npage.hits:2|c\n"
#define PROXY_IPV4                                                                                 \
    "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x0a\x01\x02\x03\x0a\x00\x00\x01\x30\x39\x10\xdd"
#define PROXY_LOCAL "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"
#define ALL_PROTOCOLS (SNIFF_BIT(SNIFF_HTTP1) | SNIFF_BIT(SNIFF_HTTP2) | SNIFF_BIT(SNIFF_STATSD))

/* Who gets what the front hands on; one at a time. */
struct taker {
    struct channel_user user;
    struct channel *channel;
    uint64_t closed_count;
    uint64_t taken_count;
    enum sniff_kind kind;
    bool is_secure;
    char alpn[16];
    struct loop_address peer;
    bool refuses;
    size_t len;
    char text[8192];
};

static struct tcp_front front;
static struct receiver_stats stats;
static struct sockaddr_in target;
static uint64_t front_closed_count;
static struct taker taker;
static struct tls_identity identity;

static void taker_on_receive(struct channel_user *user, struct slice bytes)
{
    struct taker *t = CONTAINER_OF(user, struct taker, user);
    assert_true(bytes.len < sizeof(t->text) - t->len);
    memcpy(t->text + t->len, bytes.ptr, bytes.len);
    t->len += bytes.len;
    t->text[t->len] = '\0';
}

static void taker_on_end(struct channel_user *user, int fault)
{
    (void)fault;
    channel_close(CONTAINER_OF(user, struct taker, user)->channel);
}

static void taker_on_sent(struct channel_user *user, int fault)
{
    (void)user;
    (void)fault;
}

static void taker_on_closed(struct channel_user *user)
{
    struct taker *t = CONTAINER_OF(user, struct taker, user);
    t->channel = NULL;
    t->closed_count++;
}

static const struct channel_user_ops taker_ops = {
    .on_receive = taker_on_receive,
    .on_end = taker_on_end,
    .on_sent = taker_on_sent,
    .on_closed = taker_on_closed,
};

static bool on_protocol(struct tcp_front *f, enum sniff_kind kind, struct channel *channel,
                        struct slice first)
{
    assert_ptr_equal(f, &front);
    assert_true(first.len > 0);
    if (taker.refuses) {
        return false;
    }
    assert_null(taker.channel);
    taker.user.ops = &taker_ops;
    taker.channel = channel;
    taker.kind = kind;
    taker.is_secure = channel_is_secure(channel);
    taker.peer = *channel_peer(channel);
    struct slice alpn = channel_alpn(channel);
    (void)snprintf(taker.alpn, sizeof(taker.alpn), "%.*s", (int)alpn.len,
                   alpn.len > 0 ? (const char *)alpn.ptr : "");
    taker.taken_count++;
    channel_hand_over(channel, &taker.user);
    taker_on_receive(&taker.user, first);
    return true;
}

static void on_closed(struct tcp_front *f)
{
    assert_ptr_equal(f, &front);
    front_closed_count++;
}

static void open_front(struct loop *loop, struct tcp_front_options options)
{
    memset(&taker, 0, sizeof(taker));
    memset(&stats, 0, sizeof(stats));
    front_closed_count = 0;
    front = (struct tcp_front){
        .loop = loop,
        .stats = &stats,
        .name = "otlp",
        .options = options,
        .on_protocol = on_protocol,
        .on_closed = on_closed,
    };
    front.options.protocols = options.protocols != 0 ? options.protocols : ALL_PROTOCOLS;
    struct loop_address address = {
        .len = sizeof(address.in4),
        .in4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
    };
    const struct socket_options socket_options = {0};
    struct socket_report report;
    int fd = socket_open_tcp(&address, &socket_options, &report);
    assert_true(fd >= 0);
    target = report.local.in4;
    assert_int_equal(tcp_front_open(&front, &fd, 1), 0);
}

static void close_front(struct loop *loop)
{
    if (taker.channel != NULL) {
        channel_close(taker.channel);
    }
    tcp_front_stop(&front);
    tcp_front_stop(&front);
    assert_int_equal(front_closed_count, 0);
    loop_fixture_until(loop, &front_closed_count);
    assert_int_equal(front_closed_count, 1);
    assert_int_equal(front.channel_count, 0);
    assert_int_equal(counter_read(&stats.connections_open), 0);
}

static int connect_client(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&target, sizeof(target)), 0);
    return fd;
}

static void send_bytes(int fd, const char *bytes, size_t len)
{
    if (len > 0) {
        assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
    }
}

static void turn(struct loop *loop)
{
    assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
}

static void turn_until_taken(struct loop *loop, size_t len)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (taker.len < len && clock_mono_ns() < deadline_mono_ns) {
        turn(loop);
    }
    assert_int_equal(taker.len, len);
}

/* The peer's end is seen, and the connection is gone. */
static void expect_gone(struct loop *loop, int fd)
{
    char byte;
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    ssize_t got = -1;
    while (clock_mono_ns() < deadline_mono_ns && got != 0) {
        turn(loop);
        got = recv(fd, &byte, 1, MSG_DONTWAIT);
        got = got < 0 && errno == ECONNRESET ? 0 : got;
        assert_true(got <= 0);
    }
    assert_int_equal(got, 0);
    (void)close(fd);
}

static void forget(struct loop *loop, int fd)
{
    uint64_t before = taker.closed_count;
    (void)close(fd);
    while (taker.closed_count == before) {
        turn(loop);
    }
    uint64_t taken_count = taker.taken_count;
    memset(&taker, 0, sizeof(taker));
    taker.taken_count = taken_count;
}

static void expect_at_every_cut(struct loop *loop, const char *bytes, size_t len, size_t skip,
                                enum sniff_kind kind)
{
    for (size_t cut = 0; cut < len; cut++) {
        int fd = connect_client();
        send_bytes(fd, bytes, cut);
        for (int i = 0; i < 3; i++) {
            turn(loop);
        }
        send_bytes(fd, bytes + cut, len - cut);
        turn_until_taken(loop, len - skip);
        assert_memory_equal(taker.text, bytes + skip, len - skip);
        assert_int_equal(taker.kind, kind);
        assert_false(taker.is_secure);
        forget(loop, fd);
    }
}

/* --- in the clear ----------------------------------------------------------------------------- */

static void test_each_protocol_at_every_cut(void **state)
{
    open_front(*state, (struct tcp_front_options){0});
    expect_at_every_cut(*state, PREFACE, sizeof(PREFACE) - 1, 0, SNIFF_HTTP2);
    expect_at_every_cut(*state, REQUEST, sizeof(REQUEST) - 1, 0, SNIFF_HTTP1);
    expect_at_every_cut(*state, LINES, sizeof(LINES) - 1, 0, SNIFF_STATSD);
    uint64_t count = sizeof(PREFACE) + sizeof(REQUEST) + sizeof(LINES) - 3;
    assert_int_equal(counter_read(&stats.connections_accepted), count);
    assert_int_equal(taker.taken_count, count);
    assert_int_equal(front.counts.silent_count + front.counts.unknown_count, 0);
    close_front(*state);
}

static void test_strangers_are_turned_away(void **state)
{
    open_front(*state, (struct tcp_front_options){.protocols = SNIFF_BIT(SNIFF_HTTP1)});
    int fd = connect_client();
    send_bytes(fd, "\x16\x03\x01\x02\x00\x01", 6);
    expect_gone(*state, fd);
    fd = connect_client();
    send_bytes(fd, LINES, sizeof(LINES) - 1);
    expect_gone(*state, fd);
    assert_int_equal(front.counts.unknown_count, 2);
    taker.refuses = true;
    fd = connect_client();
    send_bytes(fd, REQUEST, sizeof(REQUEST) - 1);
    expect_gone(*state, fd);
    assert_int_equal(front.counts.turned_away_count, 1);
    close_front(*state);
}

static void test_silence_is_a_probe(void **state)
{
    open_front(*state, (struct tcp_front_options){.silence_ms = 500});
    int fd = connect_client();
    expect_gone(*state, fd); /* after silence_ms */
    assert_int_equal(front.counts.silent_count, 1);
    fd = connect_client();
    turn(*state);
    (void)close(fd);
    while (front.counts.silent_count < 2) {
        turn(*state);
    }
    fd = connect_client();
    send_bytes(fd, "GET", 3); /* the beginning of a slow line, or of a request */
    turn_until_taken(*state, 3);
    assert_int_equal(taker.kind, SNIFF_STATSD);
    send_bytes(fd, "S:1|c\n", 6);
    turn_until_taken(*state, 9);
    assert_int_equal(front.counts.unknown_count, 0);
    forget(*state, fd);
    close_front(*state);
}

static void test_connections_are_bounded_and_counted(void **state)
{
    open_front(*state, (struct tcp_front_options){.connections_max = 2});
    int first = connect_client();
    send_bytes(first, LINES, sizeof(LINES) - 1);
    turn_until_taken(*state, sizeof(LINES) - 1);
    int second = connect_client();
    int third = connect_client();
    expect_gone(*state, third);
    assert_int_equal(counter_read(&stats.connections_open), 2); /* the taken one counts */
    assert_int_equal(counter_read(&stats.connections_accepted), 2);
    assert_int_equal(counter_read(&stats.connections_refused), 1);
    forget(*state, first);
    assert_int_equal(counter_read(&stats.connections_open), 1);
    int fourth = connect_client();
    send_bytes(fourth, REQUEST, sizeof(REQUEST) - 1);
    turn_until_taken(*state, sizeof(REQUEST) - 1);
    tcp_front_stop(&front); /* `second` goes, `fourth` is its taker's */
    expect_gone(*state, second);
    assert_int_equal(front_closed_count, 0);
    assert_non_null(taker.channel);
    close_front(*state);
    (void)close(fourth);
}

static void test_no_more_visitors_while_the_old_ones_speak(void **state)
{
    open_front(*state, (struct tcp_front_options){0});
    int fd = connect_client();
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (counter_read(&stats.connections_open) == 0 && clock_mono_ns() < deadline_mono_ns) {
        turn(*state);
    }
    int waiting = connect_client(); /* in the backlog */
    tcp_front_stop_accepting(&front);
    for (int i = 0; i < 3; i++) {
        turn(*state);
    }
    assert_int_equal(counter_read(&stats.connections_open), 2);
    assert_false(tcp_front_is_quiet(&front));
    int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_not_equal(connect(late, (const struct sockaddr *)&target, sizeof(target)), 0);
    (void)close(late);
    send_bytes(fd, REQUEST, sizeof(REQUEST) - 1);
    turn_until_taken(*state, sizeof(REQUEST) - 1);
    forget(*state, fd);
    assert_false(tcp_front_is_quiet(&front));
    send_bytes(waiting, REQUEST, sizeof(REQUEST) - 1);
    turn_until_taken(*state, sizeof(REQUEST) - 1);
    assert_true(tcp_front_is_quiet(&front));
    forget(*state, waiting);
    assert_int_equal(counter_read(&stats.connections_refused), 0);
    close_front(*state);
}

static void test_memory_that_runs_out_costs_one_connection(void **state)
{
    open_front(*state, (struct tcp_front_options){.expects_proxy = true});
    for (uint64_t nth = 1; nth < 8; nth++) {
        int fd = connect_client();
        mem_fail_nth(nth);
        (void)send(fd, PROXY_IPV4, 20, MSG_NOSIGNAL); /* may be gone already */
        for (int i = 0; i < 5; i++) {
            turn(*state);
        }
        (void)send(fd, &PROXY_IPV4[20], sizeof(PROXY_IPV4) - 21, MSG_NOSIGNAL);
        for (int i = 0; i < 5; i++) {
            turn(*state);
        }
        mem_fail_nth(0);
        (void)close(fd);
        for (int i = 0; i < 5 || front.channel_count > 0; i++) {
            turn(*state);
            assert_true(i < 1000);
        }
    }
    close_front(*state);
}

/* --- PROXY ------------------------------------------------------------------------------------ */

static void test_proxy_header_names_the_peer(void **state)
{
    static const char bytes[] = PROXY_IPV4 REQUEST;
    open_front(*state, (struct tcp_front_options){.expects_proxy = true});
    expect_at_every_cut(*state, bytes, sizeof(bytes) - 1, sizeof(PROXY_IPV4) - 1, SNIFF_HTTP1);
    int fd = connect_client();
    send_bytes(fd, bytes, sizeof(bytes) - 1);
    turn_until_taken(*state, sizeof(REQUEST) - 1);
    assert_int_equal(taker.peer.in4.sin_family, AF_INET);
    assert_int_equal(ntohl(taker.peer.in4.sin_addr.s_addr), 0x0a010203);
    assert_int_equal(ntohs(taker.peer.in4.sin_port), 12345);
    forget(*state, fd);
    static const char local[] = PROXY_LOCAL REQUEST;
    fd = connect_client();
    send_bytes(fd, local, sizeof(local) - 1);
    turn_until_taken(*state, sizeof(REQUEST) - 1);
    assert_int_equal(ntohl(taker.peer.in4.sin_addr.s_addr), INADDR_LOOPBACK);
    forget(*state, fd);
    close_front(*state);
}

static void test_proxy_header_may_come_where_it_is_allowed(void **state)
{
    static const char bytes[] = PROXY_IPV4 REQUEST;
    static const char twice[] = PROXY_IPV4 PROXY_IPV4 REQUEST;
    open_front(*state, (struct tcp_front_options){.allows_proxy = true});
    expect_at_every_cut(*state, bytes, sizeof(bytes) - 1, sizeof(PROXY_IPV4) - 1, SNIFF_HTTP1);
    expect_at_every_cut(*state, REQUEST, sizeof(REQUEST) - 1, 0, SNIFF_HTTP1);
    int fd = connect_client();
    send_bytes(fd, bytes, sizeof(bytes) - 1);
    turn_until_taken(*state, sizeof(REQUEST) - 1);
    assert_int_equal(ntohl(taker.peer.in4.sin_addr.s_addr), 0x0a010203);
    forget(*state, fd);
    close_front(*state);
    open_front(*state, (struct tcp_front_options){.protocols = SNIFF_BIT(SNIFF_HTTP1),
                                                  .allows_proxy = true});
    fd = connect_client();
    send_bytes(fd, twice, sizeof(twice) - 1);
    expect_gone(*state, fd);
    assert_int_equal(front.counts.unknown_count, 1);
    close_front(*state);
}

static void test_proxy_header_is_required_where_expected(void **state)
{
    open_front(*state, (struct tcp_front_options){.expects_proxy = true});
    int fd = connect_client();
    send_bytes(fd, REQUEST, sizeof(REQUEST) - 1);
    expect_gone(*state, fd);
    fd = connect_client();
    send_bytes(fd, "\r\n\r\n\0\r\nQUIT\n\x31", 13);
    expect_gone(*state, fd);
    assert_int_equal(front.counts.unknown_count, 2);
    fd = connect_client(); /* a health check of the balancer's own */
    send_bytes(fd, PROXY_LOCAL, sizeof(PROXY_LOCAL) - 1);
    for (int i = 0; i < 3; i++) {
        turn(*state);
    }
    (void)close(fd);
    while (front.counts.silent_count == 0) {
        turn(*state);
    }
    close_front(*state);
    open_front(*state, (struct tcp_front_options){.protocols = SNIFF_BIT(SNIFF_HTTP1)});
    fd = connect_client(); /* and where it is not expected it is not believed */
    send_bytes(fd, PROXY_IPV4, sizeof(PROXY_IPV4) - 1);
    expect_gone(*state, fd);
    assert_int_equal(front.counts.unknown_count, 1);
    close_front(*state);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static struct taker client;

static int connect_tls(struct loop *loop, struct tls_context *context, int fd)
{
    memset(&client, 0, sizeof(client));
    client.user.ops = &taker_ops;
    const struct channel_options options = {
        .role = CHANNEL_CLIENT, .tls = context, .server_name = "127.0.0.1"};
    return channel_open(loop, fd, &options, &client.user, &client.channel);
}

static struct tls_context *new_context(bool is_server, uint32_t alpn)
{
    struct tls_settings settings = {
        .is_server = is_server,
        .ca_pem = is_server ? NULL : identity.certificate_pem,
        .cert_pem = is_server ? identity.certificate_pem : NULL,
        .key_pem = is_server ? identity.key_pem : NULL,
        .alpn = alpn,
    };
    struct tls_context *context = NULL;
    char why[TLS_WHY_BYTES];
    assert_int_equal(tls_context_new(&settings, &context, why), 0);
    return context;
}

static void speak_tls(struct loop *loop, struct tls_context *context, char *text, size_t prefix_len)
{
    int fd = connect_client();
    send_bytes(fd, PROXY_IPV4, prefix_len);
    assert_int_equal(connect_tls(loop, context, fd), 0);
    const struct iovec iov = {.iov_base = text, .iov_len = strlen(text)};
    assert_int_equal(channel_send(client.channel, &iov, 1), 0);
    turn_until_taken(loop, strlen(text));
    assert_string_equal(taker.text, text);
    assert_true(taker.is_secure);
    uint64_t taken_count = taker.taken_count;
    channel_close(client.channel);
    loop_fixture_until(loop, &client.closed_count);
    loop_fixture_until(loop, &taker.closed_count);
    enum sniff_kind kind = taker.kind;
    struct loop_address peer = taker.peer;
    char alpn[sizeof(taker.alpn)];
    memcpy(alpn, taker.alpn, sizeof(alpn));
    memset(&taker, 0, sizeof(taker));
    taker.taken_count = taken_count;
    taker.kind = kind;
    taker.peer = peer;
    memcpy(taker.alpn, alpn, sizeof(alpn));
}

static void test_tls_is_taken_off_before_the_look(void **state)
{
    struct tls_context *server = new_context(true, TLS_ALPN_H2 | TLS_ALPN_HTTP1);
    struct tls_context *plain = new_context(false, TLS_ALPN_NONE);
    struct tls_context *both = new_context(false, TLS_ALPN_H2 | TLS_ALPN_HTTP1);
    struct tls_context *old = new_context(false, TLS_ALPN_HTTP1);
    open_front(*state, (struct tcp_front_options){.tls = server});
    static char request[] = REQUEST;
    static char preface[] = PREFACE;
    static char lines[] = LINES;
    speak_tls(*state, plain, request, 0);
    assert_int_equal(taker.kind, SNIFF_HTTP1);
    speak_tls(*state, plain, preface, 0);
    assert_int_equal(taker.kind, SNIFF_HTTP2);
    speak_tls(*state, plain, lines, 0);
    assert_int_equal(taker.kind, SNIFF_STATSD);
    speak_tls(*state, both, preface, 0);
    assert_int_equal(taker.kind, SNIFF_HTTP2);
    assert_string_equal(taker.alpn, "h2");
    speak_tls(*state, old, request, 0);
    assert_int_equal(taker.kind, SNIFF_HTTP1);
    assert_string_equal(taker.alpn, "http/1.1");
    assert_int_equal(taker.taken_count, 5);
    close_front(*state);

    open_front(*state, (struct tcp_front_options){.tls = server, .expects_proxy = true});
    speak_tls(*state, plain, request, sizeof(PROXY_IPV4) - 1);
    assert_int_equal(ntohl(taker.peer.in4.sin_addr.s_addr), 0x0a010203);
    close_front(*state);
    tls_context_free(server);
    tls_context_free(plain);
    tls_context_free(both);
    tls_context_free(old);
}

static void test_cleartext_beside_tls_only_where_allowed(void **state)
{
    struct tls_context *server = new_context(true, TLS_ALPN_NONE);
    struct tls_context *plain = new_context(false, TLS_ALPN_NONE);
    static char request[] = REQUEST;
    open_front(*state, (struct tcp_front_options){.tls = server});
    int fd = connect_client();
    send_bytes(fd, REQUEST, sizeof(REQUEST) - 1);
    expect_gone(*state, fd);
    assert_int_equal(front.counts.unknown_count, 1);
    assert_int_equal(taker.taken_count, 0);
    close_front(*state);
    open_front(*state, (struct tcp_front_options){.tls = server, .allows_cleartext = true});
    expect_at_every_cut(*state, LINES, sizeof(LINES) - 1, 0, SNIFF_STATSD);
    speak_tls(*state, plain, request, 0);
    assert_int_equal(taker.kind, SNIFF_HTTP1);
    close_front(*state);
    tls_context_free(server);
    tls_context_free(plain);
}

static void test_failed_handshakes_are_counted(void **state)
{
    struct tls_context *server = new_context(true, TLS_ALPN_NONE);
    open_front(*state, (struct tcp_front_options){.tls = server});
    int fd = connect_client();
    send_bytes(fd, "\x16\x03\x01\x00\x05\x01garbage and more", 22);
    while (front.counts.tls_failed_count == 0) {
        turn(*state);
    }
    (void)close(fd);
    fd = connect_client();
    send_bytes(fd, "\x16\x03\x01\x02\x00\x01\x00", 7);
    for (int i = 0; i < 3; i++) {
        turn(*state);
    }
    (void)close(fd);
    while (front.counts.tls_failed_count == 1) {
        turn(*state);
    }
    assert_int_equal(front.counts.unknown_count, 0);
    close_front(*state);
    tls_context_free(server);
}

static int make_identity(void **state)
{
    (void)state;
    tls_identity_init(&identity, "server");
    return 0;
}

static int drop_identity(void **state)
{
    (void)state;
    tls_identity_fini(&identity);
    return 0;
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_each_protocol_at_every_cut),
        LOOP_TEST(test_strangers_are_turned_away),
        LOOP_TEST(test_silence_is_a_probe),
        LOOP_TEST(test_connections_are_bounded_and_counted),
        LOOP_TEST(test_no_more_visitors_while_the_old_ones_speak),
        LOOP_TEST(test_memory_that_runs_out_costs_one_connection),
        LOOP_TEST(test_proxy_header_names_the_peer),
        LOOP_TEST(test_proxy_header_may_come_where_it_is_allowed),
        LOOP_TEST(test_proxy_header_is_required_where_expected),
        LOOP_TEST(test_tls_is_taken_off_before_the_look),
        LOOP_TEST(test_cleartext_beside_tls_only_where_allowed),
        LOOP_TEST(test_failed_handshakes_are_counted),
    };
    return cmocka_run_group_tests_name(name, tests, make_identity, drop_identity);
}

int main(void)
{
    return loop_fixture_main(run);
}
