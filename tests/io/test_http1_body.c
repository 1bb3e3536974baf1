/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of what http1_server does for a telemetry receiver: admission, charges, bodies that move
 * out, ages, adopted connections. Every backend; the client is a plain socket or a channel. What
 * takes time is on the fake loop.
 */
#include "io/io_bounds.h"
#include "tests/support/loop_fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/channel.h"
#include "io/http1_server.h"
#include "io/tls.h"
#include "tests/support/fake_loop.h"
#include "tests/support/tls_identity.h"

#define TURN_NS (2 * CLOCK_NS_PER_MS)
#define BIG_BYTES (20 * 1024 * 1024)
#define HOST "Host: x\r\n"

/* A client whose socket is one end of a pair; the other one is adopted. */
struct client {
    int fd;
    size_t len;
    char reply[1 << 20];
};

/* Who owns a channel until the server adopts it. */
struct opener {
    struct channel_user user;
    struct channel *channel;
    uint64_t closed_count;
    size_t len;
    char bytes[4096];
};

static struct loop *loop;
static struct http1_server server;
static bool is_closed;
static struct client client;
static struct opener opener;
static uint64_t charged_bytes;
static uint64_t charge_max_bytes;
static uint64_t charge_count;
static uint64_t admit_count;
static uint64_t request_count;
static bool keeps_bodies;
static void *kept_body;
static size_t kept_len;
static struct http1_exchange *kept;

/* --- the owner -------------------------------------------------------------------------------- */

static void on_closed(struct http1_server *s)
{
    assert_ptr_equal(s, &server);
    is_closed = true;
}

static bool on_admit(struct http1_server *s, struct http1_exchange *exchange,
                     struct http1_refusal *refusal)
{
    (void)s;
    admit_count++;
    assert_true(http1_exchange_head(exchange)->head_bytes > 0);
    assert_int_equal(http1_exchange_body(exchange).len, 0);
    if (!slice_is_text(http1_exchange_path(exchange), "/no")) {
        return true;
    }
    *refusal = (struct http1_refusal){
        .status = 503,
        .retry_after_s = 7,
        .content_type = "text/x",
        .body = SLICE_LITERAL("not now"),
    };
    assert_int_equal(http1_exchange_add_header(exchange, "X-Why", SLICE_LITERAL("busy")), 0);
    return false;
}

static void on_refuse(struct http1_server *s, struct http1_exchange *exchange,
                      struct http1_refusal *refusal)
{
    (void)s;
    struct slice value;
    if (http1_exchange_header(exchange, "x-own-words", &value)) {
        refusal->content_type = "application/json";
        refusal->body = SLICE_LITERAL("{\"code\":3}");
    }
}

static bool on_charge(struct http1_server *s, uint64_t bytes)
{
    (void)s;
    charge_count++;
    assert_true(bytes > 0);
    if (bytes > charge_max_bytes - charged_bytes) {
        return false;
    }
    charged_bytes += bytes;
    return true;
}

static void on_release(struct http1_server *s, uint64_t bytes)
{
    (void)s;
    assert_true(bytes > 0 && bytes <= charged_bytes);
    charged_bytes -= bytes;
}

static void on_request(struct http1_server *s, struct http1_exchange *exchange)
{
    (void)s;
    request_count++;
    if (slice_is_text(http1_exchange_path(exchange), "/later")) {
        kept = exchange;
        return;
    }
    char text[256];
    struct slice body = http1_exchange_body(exchange);
    struct slice path = http1_exchange_path(exchange);
    int len = snprintf(text, sizeof(text), "%.*s %zu %c%s", (int)path.len, (const char *)path.ptr,
                       body.len, body.len > 0 ? body.ptr[body.len - 1] : '-',
                       http1_exchange_is_secure(exchange) ? " secure" : "");
    if (keeps_bodies && body.len > 0) {
        assert_null(kept_body);
        http1_exchange_take_body(exchange, &kept_body, &kept_len);
        assert_int_equal(http1_exchange_body(exchange).len, 0);
    }
    http1_respond_text(exchange, 200, "text/plain", slice_of(text, (size_t)len));
}

static int start_on(struct loop *opened, struct http1_server_options options)
{
    assert_non_null(opened);
    loop = opened;
    is_closed = false;
    kept = NULL;
    keeps_bodies = false;
    charged_bytes = charge_count = admit_count = request_count = 0;
    charge_max_bytes = UINT64_MAX;
    memset(&opener, 0, sizeof(opener));
    server = (struct http1_server){
        .on_request = on_request,
        .on_closed = on_closed,
        .on_admit = on_admit,
        .on_refuse = on_refuse,
        .on_charge = on_charge,
        .on_release = on_release,
        .options = options,
    };
    return http1_server_start(&server, loop, NULL, 0);
}

static int start_with(struct http1_server_options options)
{
    struct loop_options loop_options = {.backend = loop_fixture_backend};
    struct loop *opened = NULL;
    assert_int_equal(loop_open(&loop_options, &opened, NULL), 0);
    return start_on(opened, options);
}

static int setup(void **state)
{
    (void)state;
    return start_with((struct http1_server_options){.body_max_bytes = BIG_BYTES});
}

static void turn(void)
{
    assert_true(loop_turn(loop, TURN_NS) >= 0);
}

static int teardown(void **state)
{
    (void)state;
    http1_server_abort(&server);
    if (kept != NULL) {
        http1_respond_text(kept, 200, NULL, SLICE_LITERAL("late"));
    }
    for (int i = 0; i < 100 && !is_closed; i++) {
        turn();
    }
    assert_true(is_closed);
    assert_int_equal(server.connection_count, 0);
    assert_int_equal(charged_bytes, keeps_bodies ? kept_len : 0);
    mem_free(kept_body);
    kept_body = NULL;
    kept_len = 0;
    (void)close(client.fd);
    loop_close(loop);
    loop = NULL;
    return 0;
}

/* --- the client ------------------------------------------------------------------------------- */

static void opener_on_receive(struct channel_user *user, struct slice bytes)
{
    struct opener *o = CONTAINER_OF(user, struct opener, user);
    assert_true(bytes.len <= sizeof(o->bytes) - o->len);
    memcpy(o->bytes + o->len, bytes.ptr, bytes.len);
    o->len += bytes.len;
}

static void opener_on_end(struct channel_user *user, int fault)
{
    (void)fault;
    channel_close(CONTAINER_OF(user, struct opener, user)->channel);
}

static void opener_on_sent(struct channel_user *user, int fault)
{
    (void)user;
    (void)fault;
}

static void opener_on_closed(struct channel_user *user)
{
    CONTAINER_OF(user, struct opener, user)->closed_count++;
}

static const struct channel_user_ops opener_ops = {
    .on_receive = opener_on_receive,
    .on_end = opener_on_end,
    .on_sent = opener_on_sent,
    .on_closed = opener_on_closed,
};

static void open_channel(struct tls_context *tls)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    client.fd = fds[0];
    client.len = 0;
    client.reply[0] = '\0';
    opener.user.ops = &opener_ops;
    opener.len = 0;
    const struct channel_options options = {.role = CHANNEL_SERVER, .tls = tls};
    assert_int_equal(channel_open(loop, fds[1], &options, &opener.user, &opener.channel), 0);
}

static void connect_client(void)
{
    open_channel(NULL);
    assert_int_equal(http1_server_adopt(&server, opener.channel, (struct slice){0}), 0);
}

static bool gather(void)
{
    for (;;) {
        size_t room = sizeof(client.reply) - client.len - 1;
        ssize_t n = recv(client.fd, client.reply + client.len, room, MSG_DONTWAIT);
        if (n <= 0) {
            return n < 0 && errno == EAGAIN;
        }
        client.len += (size_t)n;
        client.reply[client.len] = '\0';
    }
}

static void send_bytes(const void *bytes, size_t len)
{
    size_t sent = 0;
    for (int i = 0; i < 100000 && sent < len; i++) {
        ssize_t n =
            send(client.fd, (const char *)bytes + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        if (sent < len) {
            turn();
            (void)gather();
        }
    }
    assert_int_equal(sent, len);
}

static void send_text(const char *text)
{
    send_bytes(text, strlen(text));
}

static void expect_text(const char *text)
{
    for (int i = 0; i < 1000 && strstr(client.reply, text) == NULL; i++) {
        turn();
        (void)gather();
    }
    if (strstr(client.reply, text) == NULL) {
        fail_msg("no '%s' in: %.500s", text, client.reply);
    }
}

static void forget_reply(void)
{
    client.len = 0;
    client.reply[0] = '\0';
}

static void expect_close(void)
{
    bool is_open = true;
    for (int i = 0; i < 1500 && is_open; i++) {
        turn();
        is_open = gather();
    }
    assert_false(is_open);
}

/* --- admission -------------------------------------------------------------------------------- */

static void test_a_refused_request_with_a_short_body_keeps_its_connection(void **state)
{
    (void)state;
    connect_client();
    send_text("POST /no HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n01234");
    for (int i = 0; i < 3; i++) {
        turn();
    }
    (void)gather();
    assert_int_equal(client.len, 0); /* the client is still talking */
    send_text("56789GET /yes HTTP/1.1\r\n" HOST "\r\n");
    expect_text("/yes 0 -");
    expect_text("HTTP/1.1 503 Service Unavailable\r\n");
    expect_text("Content-Type: text/x\r\nContent-Length: 7\r\n");
    expect_text("X-Why: busy\r\nRetry-After: 7\r\n\r\nnot now");
    assert_null(strstr(client.reply, "Connection: close"));
    assert_int_equal(request_count, 1);
    assert_int_equal(charge_count, 0);
    assert_int_equal(server.stats.unadmitted_count, 1);
    send_text("GET /no HTTP/1.1\r\n" HOST "\r\nGET /again HTTP/1.1\r\n" HOST "\r\n");
    expect_text("/again 0 -");
    assert_int_equal(server.stats.unadmitted_count, 2);
}

static void test_a_refused_request_with_a_long_body_sees_its_answer(void **state)
{
    (void)state;
    static char noise[32768];
    static const char *const heads[] = {
        "POST /no HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n",
        "POST /no HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n8000\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        connect_client();
        send_text(heads[i]);
        send_bytes(noise, sizeof(noise));
        expect_text("not now");
        expect_text("Connection: close\r\n");
        send_bytes(noise, sizeof(noise)); /* still talking, not reset yet */
        expect_close();
        (void)close(client.fd);
    }
    assert_int_equal(request_count, 0);
    assert_int_equal(charge_count, 0);
}

static void test_a_body_that_stops_is_answered_anyway(void **state)
{
    (void)state;
    connect_client();
    send_text("POST /no HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n01234");
    expect_text("not now"); /* after HTTP1_LINGER_MS */
    expect_text("Connection: close\r\n");
    expect_close();
}

static void test_continue_is_said_after_admission_only(void **state)
{
    (void)state;
    connect_client();
    send_text("POST /e HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    expect_text("HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(admit_count, 1);
    assert_int_equal(charged_bytes, 2);
    send_text("hi");
    expect_text("/e 2 i");
    forget_reply();
    send_text("POST /no HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    expect_text("503 Service");
    expect_text("Connection: close\r\n"); /* the body may come or not: there is no telling */
    assert_null(strstr(client.reply, "100 Continue"));
    expect_close();
    connect_client();
    charge_max_bytes = 1;
    send_text("POST /e HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    expect_text("503 Service");
    assert_null(strstr(client.reply, "100 Continue"));
}

static int setup_small(void **state)
{
    (void)state;
    return start_with((struct http1_server_options){
        .body_max_bytes = 100, .too_large_status = 400, .retry_after_s = 3});
}

static void test_too_large_is_said_in_the_owners_words(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "Content-Length: 101\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n65\r\n"
        "0123456789012345678901234567890123456789012345678901234567890123456789"
        "0123456789012345678901234567890\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        connect_client();
        send_text("POST /a HTTP/1.1\r\n" HOST "X-Own-Words: 1\r\n");
        send_text(bodies[i]);
        expect_text("HTTP/1.1 400 Bad Request\r\n");
        expect_text("Content-Type: application/json\r\nContent-Length: 10\r\n");
        expect_text("{\"code\":3}");
        (void)close(client.fd);
    }
    connect_client();
    send_text("POST /a HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551615\r\n\r\n");
    expect_text("HTTP/1.1 400 Bad Request\r\n");
    expect_text("request body too large\n");
    assert_int_equal(server.stats.bad_count, 3);
    assert_int_equal(request_count, 0);
}

/* --- charges ---------------------------------------------------------------------------------- */

static void test_memory_is_charged_before_the_body_is_read(void **state)
{
    (void)state;
    connect_client();
    send_text("POST /later HTTP/1.1\r\n" HOST "Content-Length: 70\r\n\r\n");
    for (int i = 0; i < 20 && charge_count == 0; i++) {
        turn();
    }
    assert_int_equal(charged_bytes, 70);
    send_text("0123456789012345678901234567890123456789012345678901234567890123456789");
    for (int i = 0; i < 100 && kept == NULL; i++) {
        turn();
    }
    assert_non_null(kept);
    assert_int_equal(charged_bytes, 70);
    assert_int_equal(charge_count, 1);
    http1_respond_text(kept, 200, NULL, SLICE_LITERAL("done"));
    kept = NULL;
    assert_int_equal(charged_bytes, 0);
    expect_text("done");

    send_text("POST /later HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    for (int i = 0; i < 20 && charge_count == 1; i++) {
        turn();
    }
    assert_int_equal(charged_bytes, 3);
    send_text("2\r\nde\r\n0\r\n\r\n");
    for (int i = 0; i < 100 && kept == NULL; i++) {
        turn();
    }
    assert_int_equal(charged_bytes, 5);
    assert_true(slice_is_text(http1_exchange_body(kept), "abcde"));
    http1_respond_text(kept, 200, NULL, SLICE_LITERAL("fine"));
    kept = NULL;
    expect_text("fine");
    assert_int_equal(charged_bytes, 0);
}

static void test_what_is_not_given_memory_is_refused(void **state)
{
    (void)state;
    charge_max_bytes = 10;
    connect_client();
    send_text("POST /a HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n01234567890"
              "POST /b HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789");
    expect_text("/b 10 9");
    expect_text("503 Service Unavailable");
    expect_text("Retry-After: 3\r\n");
    assert_null(strstr(client.reply, "Connection: close"));
    (void)close(client.fd);
    connect_client();
    send_text("POST /c HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
              "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n");
    expect_text("503 Service Unavailable");
    expect_text("Connection: close\r\n");
    expect_text("Retry-After: 3\r\n");
    assert_int_equal(charged_bytes, 0);
    assert_int_equal(server.stats.unadmitted_count, 2);
}

static void test_a_client_that_leaves_gives_its_memory_back(void **state)
{
    (void)state;
    connect_client();
    send_text("POST /a HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\n01234");
    for (int i = 0; i < 20 && charge_count == 0; i++) {
        turn();
    }
    assert_int_equal(charged_bytes, 50);
    (void)close(client.fd);
    for (int i = 0; i < 100 && charged_bytes > 0; i++) {
        turn();
    }
    assert_int_equal(charged_bytes, 0);
    client.fd = -1;
}

/* --- bodies ----------------------------------------------------------------------------------- */

static uint8_t pattern_at(size_t i)
{
    return (uint8_t)(i * 131 + i / 251);
}

static void expect_kept_pattern(size_t len)
{
    assert_int_equal(kept_len, len);
    const uint8_t *body = kept_body;
    for (size_t i = 0; i < len; i++) {
        if (body[i] != pattern_at(i)) {
            fail_msg("byte %zu", i);
        }
    }
    charged_bytes -= kept_len;
    mem_free(kept_body);
    kept_body = NULL;
    kept_len = 0;
}

static void test_large_bodies_move_out_in_one_block(void **state)
{
    (void)state;
    uint8_t *data = mem_alloc(BIG_BYTES);
    assert_non_null(data);
    for (size_t i = 0; i < BIG_BYTES; i++) {
        data[i] = pattern_at(i);
    }
    keeps_bodies = true;
    connect_client();
    char head[200];
    int len = snprintf(head, sizeof(head),
                       "POST /big HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", BIG_BYTES);
    send_bytes(head, (size_t)len);
    uint64_t alloc_count = mem_thread_alloc_count();
    send_bytes(data, BIG_BYTES);
    expect_text("/big 20971520 ");
    assert_true(mem_thread_alloc_count() - alloc_count < 10);
    assert_int_equal(charge_count, 1);
    expect_kept_pattern(BIG_BYTES);
    assert_int_equal(charged_bytes, 0);

    forget_reply();
    send_text("POST /chunks HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    alloc_count = mem_thread_alloc_count();
    for (size_t at = 0; at < BIG_BYTES;) {
        size_t piece = BIG_BYTES - at < 100000 ? BIG_BYTES - at : 100000;
        len = snprintf(head, sizeof(head), "%zx\r\n", piece);
        send_bytes(head, (size_t)len);
        send_bytes(data + at, piece);
        send_text("\r\n");
        at += piece;
    }
    send_text("0\r\n\r\nGET /next HTTP/1.1\r\n" HOST "\r\n");
    expect_text("/chunks 20971520 ");
    assert_true(mem_thread_alloc_count() - alloc_count < 40);
    expect_text("/next 0 -");
    expect_kept_pattern(BIG_BYTES);
    assert_int_equal(charged_bytes, 0);
    mem_free(data);
}

static void test_chunked_content_is_whole(void **state)
{
    (void)state;
    keeps_bodies = true;
    connect_client();
    send_text("POST /c HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    char chunk[64];
    for (size_t i = 0; i < 3000; i++) {
        int len = snprintf(chunk, sizeof(chunk), "1\r\n%c\r\n", pattern_at(i));
        send_bytes(chunk, (size_t)len);
    }
    send_text("0\r\n\r\n");
    expect_text("/c 3000 ");
    expect_kept_pattern(3000);
}

static void test_thousands_of_requests_in_one_run(void **state)
{
    (void)state;
    static const char one[] = "POST /p HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx";
    connect_client();
    for (int i = 0; i < 3000; i++) {
        send_bytes(one, sizeof(one) - 1);
    }
    send_text("GET /last HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 20000 && request_count < 3001; i++) {
        turn();
        (void)gather();
        client.len = client.len > sizeof(client.reply) / 2 ? 0 : client.len;
    }
    assert_int_equal(request_count, 3001);
}

/* --- time, on the fake loop: it moves only when told ------------------------------------------ */

static int fake_fd;
static size_t fake_seen_bytes; /* of what was sent there */

static int setup_impatient(void **state)
{
    (void)state;
    client.fd = -1;
    return start_on(fake_loop_open(), (struct http1_server_options){.body_max_bytes = 1000,
                                                                    .head_timeout_ms = 100,
                                                                    .body_timeout_ms = 600,
                                                                    .body_rate_min_bytes = 50});
}

static void fake_connect(void)
{
    const struct channel_options options = {.role = CHANNEL_SERVER};
    fake_fd = fake_loop_new_fd(loop);
    fake_seen_bytes = 0;
    opener.user.ops = &opener_ops;
    assert_int_equal(channel_open(loop, fake_fd, &options, &opener.user, &opener.channel), 0);
    assert_int_equal(http1_server_adopt(&server, opener.channel, (struct slice){0}), 0);
}

static void fake_say(const char *text)
{
    fake_loop_input(loop, fake_fd, slice_of_text(text));
    fake_loop_settle(loop);
}

static bool fake_was_told(const char *text)
{
    struct slice told = slice_from(fake_loop_output(loop, fake_fd), fake_seen_bytes);
    return told.len > 0 && memmem(told.ptr, told.len, text, strlen(text)) != NULL;
}

static void fake_forget(void)
{
    fake_seen_bytes = fake_loop_output(loop, fake_fd).len;
}

static void fake_expect_close(void)
{
    fake_loop_advance(loop, 2 * CLOCK_NS_PER_S);
    assert_true(fake_loop_is_closed(loop, fake_fd));
}

/* Sends `count` bytes, one each `pause_ms`. */
static void drip(uint32_t count, uint64_t pause_ms)
{
    for (uint32_t i = 0; i < count && !fake_was_told("HTTP/1.1"); i++) {
        fake_say("x");
        fake_loop_advance(loop, pause_ms * CLOCK_NS_PER_MS);
    }
}

static void test_fake_slow_bodies_are_let_go(void **state)
{
    (void)state;
    fake_connect();
    fake_say("POST /a HTTP/1.1\r\n" HOST "Content-Length: 30\r\n\r\n");
    drip(30, 8); /* longer than one window in all */
    assert_true(fake_was_told("/a 30 x"));
    fake_forget();
    fake_say("POST /a HTTP/1.1\r\n" HOST "Content-Length: 30\r\n\r\n");
    drip(30, 40); /* two a window, and five are due */
    assert_true(fake_was_told("HTTP/1.1 408 Request Timeout\r\n"));
    fake_expect_close();
    fake_connect();
    fake_say("POST /a HTTP/1.1\r\n" HOST "Content-Length: 500\r\n\r\n");
    drip(200, 8); /* fast enough, and too long for body_timeout_ms */
    assert_true(fake_was_told("HTTP/1.1 408 Request Timeout\r\n"));
    assert_int_equal(server.stats.timeout_count, 2);
}

static int setup_aging(void **state)
{
    (void)state;
    client.fd = -1;
    return start_on(fake_loop_open(), (struct http1_server_options){.age_max_ms = 50});
}

static void test_fake_old_connections_are_told_to_go(void **state)
{
    (void)state;
    fake_connect();
    fake_say("GET /young HTTP/1.1\r\n" HOST "\r\n");
    assert_true(fake_was_told("/young 0 -"));
    assert_false(fake_was_told("Connection: close"));
    fake_loop_advance(loop, 60 * CLOCK_NS_PER_MS);
    assert_int_equal(server.connection_count, 1); /* nothing is cut */
    fake_forget();
    fake_say("GET /old HTTP/1.1\r\n" HOST "\r\n");
    assert_true(fake_was_told("/old 0 -"));
    assert_true(fake_was_told("Connection: close\r\n"));
    fake_expect_close();
    assert_int_equal(server.stats.aged_count, 1);
}

static void test_connections_can_be_sent_away(void **state)
{
    (void)state;
    connect_client();
    http1_server_send_away(&server);
    send_text("GET /a HTTP/1.1\r\n" HOST "\r\n");
    expect_text("Connection: close\r\n");
    expect_text("/a 0 -");
    expect_close();
    (void)close(client.fd);
    connect_client();
    send_text("GET /b HTTP/1.1\r\n" HOST "\r\n");
    expect_text("/b 0 -");
    assert_null(strstr(client.reply, "Connection: close"));
}

/* --- adopting --------------------------------------------------------------------------------- */

static void test_adopted_with_what_it_said_already(void **state)
{
    (void)state;
    static const char text[] = "POST /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                               "GET /b HTTP/1.1\r\n" HOST "\r\n";
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        open_channel(NULL);
        struct slice first = slice_of(text, cut);
        assert_int_equal(http1_server_adopt(&server, opener.channel, first), 0);
        send_bytes(text + cut, sizeof(text) - 1 - cut);
        expect_text("/b 0 -");
        expect_text("/a 3 c");
        (void)close(client.fd);
        turn();
    }
    assert_int_equal(request_count, 2 * sizeof(text));
}

static void test_adoption_has_limits(void **state)
{
    (void)state;
    server.options.connections_max = 1;
    connect_client();
    int first_fd = client.fd;
    open_channel(NULL);
    struct slice nothing = {0};
    assert_int_equal(http1_server_adopt(&server, opener.channel, nothing), FAULT_LIMIT);
    server.options.connections_max = 2;
    mem_fail_nth(1);
    assert_int_equal(http1_server_adopt(&server, opener.channel, nothing), -ENOMEM);
    mem_fail_nth(0);
    http1_server_stop(&server);
    assert_int_equal(http1_server_adopt(&server, opener.channel, nothing), FAULT_CLOSED);
    channel_close(opener.channel); /* still ours */
    loop_fixture_until(loop, &opener.closed_count);
    (void)close(first_fd);
}

static void test_memory_that_runs_out_costs_one_connection(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 12; nth++) {
        connect_client();
        mem_fail_nth(nth);
        (void)send(client.fd, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 51,
                   MSG_NOSIGNAL);
        (void)send(client.fd,
                   "POST /b HTTP/1.1\r\n" HOST
                   "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
                   67, MSG_NOSIGNAL);
        for (int i = 0; i < 12; i++) {
            turn();
        }
        mem_fail_nth(0);
        (void)close(client.fd);
        for (int i = 0; i < 4; i++) {
            turn();
        }
    }
    connect_client();
    send_text("GET /fine HTTP/1.1\r\n" HOST "\r\n");
    expect_text("/fine 0 -");
    assert_int_equal(charged_bytes, 0);
}

/* --- under TLS -------------------------------------------------------------------------------- */

static void test_a_secure_connection_serves_alike(void **state)
{
    (void)state;
    static struct tls_identity identity;
    tls_identity_init(&identity, "server");
    char why[TLS_WHY_BYTES];
    struct tls_context *tls = NULL;
    struct tls_context *own = NULL;
    const struct tls_settings settings = {
        .is_server = true, .cert_pem = identity.certificate_pem, .key_pem = identity.key_pem};
    const struct tls_settings own_settings = {.ca_pem = identity.certificate_pem};
    assert_int_equal(tls_context_new(&settings, &tls, why), 0);
    assert_int_equal(tls_context_new(&own_settings, &own, why), 0);
    open_channel(tls);
    assert_int_equal(http1_server_adopt(&server, opener.channel, (struct slice){0}), 0);

    static struct opener peer;
    memset(&peer, 0, sizeof(peer));
    peer.user.ops = &opener_ops;
    const struct channel_options options = {
        .role = CHANNEL_CLIENT, .tls = own, .server_name = "127.0.0.1"};
    assert_int_equal(channel_open(loop, client.fd, &options, &peer.user, &peer.channel), 0);
    static char body[1000000];
    memset(body, 'b', sizeof(body));
    static char head[] = "POST /s HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n";
    const struct iovec iov[] = {{.iov_base = head, .iov_len = sizeof(head) - 1},
                                {.iov_base = body, .iov_len = sizeof(body)}};
    assert_int_equal(channel_send(peer.channel, iov, COUNT_OF(iov)), 0);
    for (int i = 0; i < 1000 && strstr(peer.bytes, "secure") == NULL; i++) {
        turn();
    }
    assert_non_null(strstr(peer.bytes, "/s 1000000 b secure"));
    channel_close(peer.channel);
    loop_fixture_until(loop, &peer.closed_count);
    client.fd = -1;
    tls_context_free(tls);
    tls_context_free(own);
    tls_identity_fini(&identity);
}

#define SERVER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define OTHER_TEST(test, setup) cmocka_unit_test_setup_teardown(test, setup, teardown)

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_a_refused_request_with_a_short_body_keeps_its_connection),
        SERVER_TEST(test_a_refused_request_with_a_long_body_sees_its_answer),
        SERVER_TEST(test_a_body_that_stops_is_answered_anyway),
        SERVER_TEST(test_continue_is_said_after_admission_only),
        OTHER_TEST(test_too_large_is_said_in_the_owners_words, setup_small),
        SERVER_TEST(test_memory_is_charged_before_the_body_is_read),
        OTHER_TEST(test_what_is_not_given_memory_is_refused, setup_small),
        SERVER_TEST(test_a_client_that_leaves_gives_its_memory_back),
        SERVER_TEST(test_large_bodies_move_out_in_one_block),
        SERVER_TEST(test_chunked_content_is_whole),
        SERVER_TEST(test_thousands_of_requests_in_one_run),
        SERVER_TEST(test_connections_can_be_sent_away),
        SERVER_TEST(test_adopted_with_what_it_said_already),
        SERVER_TEST(test_adoption_has_limits),
        SERVER_TEST(test_memory_that_runs_out_costs_one_connection),
        SERVER_TEST(test_a_secure_connection_serves_alike),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest fakes[] = {
        OTHER_TEST(test_fake_slow_bodies_are_let_go, setup_impatient),
        OTHER_TEST(test_fake_old_connections_are_told_to_go, setup_aging),
    };
    int failed_count = cmocka_run_group_tests(fakes, NULL, NULL);
    return failed_count != 0 ? failed_count : loop_fixture_main(run);
}
