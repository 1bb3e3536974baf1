/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of channel: two channels at the ends of a socket pair, in the clear and under TLS, on every
 * backend.
 */
#include "tests/support/loop_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/channel.h"
#include "io/io_bounds.h"
#include "io/tls.h"
#include "tests/support/tls_identity.h"

#define TEXT_MAX_BYTES (1 << 20)

struct end {
    struct channel_user user;
    struct channel_watch watch;
    struct channel *channel;
    uint64_t sent_count;
    uint64_t end_count;
    uint64_t closed_count;
    uint64_t gone_count;
    uint64_t receive_count;
    int sent_fault;
    int end_fault;
    bool is_pausing;  /* at the next bytes */
    bool is_echoing;  /* sends back what comes */
    struct end *heir; /* gets the channel at the next bytes */
    char why[TLS_WHY_BYTES];
    size_t len;
    uint8_t text[TEXT_MAX_BYTES];
};

static struct end near;
static struct end far;
static struct end heir;
static struct tls_identity identity;
static struct tls_identity other_identity;

static struct end *end_of(struct channel_user *user)
{
    return CONTAINER_OF(user, struct end, user);
}

static void end_on_receive(struct channel_user *user, struct slice bytes)
{
    struct end *end = end_of(user);
    assert_true(bytes.len > 0 && bytes.len <= sizeof(end->text) - end->len);
    memcpy(end->text + end->len, bytes.ptr, bytes.len);
    end->len += bytes.len;
    end->receive_count++;
    if (end->is_pausing) {
        end->is_pausing = false;
        channel_pause(end->channel);
    }
    if (end->heir != NULL) {
        end->heir->channel = end->channel;
        channel_hand_over(end->channel, &end->heir->user);
        end->heir = NULL;
    }
    if (end->is_echoing) {
        const struct iovec iov = {.iov_base = end->text, .iov_len = end->len};
        assert_int_equal(channel_send(end->channel, &iov, 1), 0);
        end->is_echoing = false;
    }
}

static void end_on_end(struct channel_user *user, int fault)
{
    struct end *end = end_of(user);
    end->end_count++;
    end->end_fault = fault;
    (void)snprintf(end->why, sizeof(end->why), "%s", channel_why(end->channel));
}

static void end_on_sent(struct channel_user *user, int fault)
{
    struct end *end = end_of(user);
    end->sent_count++;
    end->sent_fault = fault;
}

static void end_on_closed(struct channel_user *user)
{
    struct end *end = end_of(user);
    end->closed_count++;
    end->channel = NULL;
    assert_int_equal(end->gone_count, 0);
}

static void end_on_gone(struct channel_watch *watch)
{
    struct end *end = CONTAINER_OF(watch, struct end, watch);
    end->gone_count++;
}

static const struct channel_user_ops end_ops = {
    .on_receive = end_on_receive,
    .on_end = end_on_end,
    .on_sent = end_on_sent,
    .on_closed = end_on_closed,
};

static void end_init(struct end *end)
{
    memset(end, 0, sizeof(*end));
    end->user.ops = &end_ops;
    end->watch.on_gone = end_on_gone;
}

static void open_end(struct loop *loop, struct end *end, int fd, struct tls_context *tls)
{
    struct channel_options options = {
        .role = end == &near ? CHANNEL_CLIENT : CHANNEL_SERVER,
        .tls = tls,
        .server_name = "127.0.0.1",
        .watch = &end->watch,
    };
    assert_int_equal(channel_open(loop, fd, &options, &end->user, &end->channel), 0);
}

static void make_pair(int *fds)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void init_ends(void)
{
    end_init(&near);
    end_init(&far);
    end_init(&heir);
}

/* `near` is the client, `far` the server. */
static void open_both(struct loop *loop, struct tls_context *client, struct tls_context *server)
{
    int fds[2];
    make_pair(fds);
    init_ends();
    open_end(loop, &near, fds[0], client);
    open_end(loop, &far, fds[1], server);
}

static void close_end(struct loop *loop, struct end *end)
{
    if (end->channel != NULL) {
        channel_close(end->channel);
        channel_close(end->channel);
        loop_fixture_until(loop, &end->closed_count);
    }
}

static void close_both(struct loop *loop)
{
    close_end(loop, &near);
    close_end(loop, &far);
    assert_int_equal(near.closed_count, 1);
    assert_int_equal(far.closed_count + heir.closed_count, 1);
    assert_int_equal(near.gone_count, 1);
    assert_int_equal(far.gone_count, 1);
}

static int send_text(struct end *end, char *text)
{
    const struct iovec iov = {.iov_base = text, .iov_len = strlen(text)};
    return channel_send(end->channel, &iov, 1);
}

static void turn_until_len(struct loop *loop, const struct end *end, size_t len)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (end->len < len && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(end->len, len);
}

static struct tls_context *new_context(struct tls_settings settings)
{
    struct tls_context *context = NULL;
    char why[TLS_WHY_BYTES];
    int err = tls_context_new(&settings, &context, why);
    if (err != 0) {
        fail_msg("%s", why);
    }
    return context;
}

static struct tls_context *server_context(const char *client_ca_file)
{
    return new_context((struct tls_settings){
        .is_server = true,
        .cert_file = identity.certificate_file,
        .key_pem = identity.key_pem,
        .client_ca_file = client_ca_file,
        .alpn = TLS_ALPN_H2 | TLS_ALPN_HTTP1,
    });
}

static struct tls_context *client_context(const struct tls_identity *own)
{
    return new_context((struct tls_settings){
        .ca_file = identity.certificate_file,
        .cert_pem = own != NULL ? own->certificate_pem : NULL,
        .key_file = own != NULL ? own->key_file : NULL,
        .alpn = TLS_ALPN_HTTP1,
    });
}

/* --- in the clear ----------------------------------------------------------------------------- */

static void talk(struct loop *loop)
{
    static char hello[] = "hello";
    far.is_echoing = true;
    assert_int_equal(send_text(&near, hello), 0);
    assert_int_equal(near.sent_count, 0);
    assert_int_equal(send_text(&near, hello), -EBUSY);
    turn_until_len(loop, &near, 5);
    assert_memory_equal(near.text, "hello", 5);
    loop_fixture_until(loop, &far.sent_count);
    assert_int_equal(near.sent_count, 1);
    assert_int_equal(near.sent_fault, 0);

    /* An empty send ends, too. */
    near.sent_count = 0;
    assert_int_equal(channel_send(near.channel, NULL, 0), 0);
    assert_int_equal(near.sent_count, 0);
    loop_fixture_until(loop, &near.sent_count);

    channel_shutdown(near.channel);
    loop_fixture_until(loop, &far.end_count);
    assert_int_equal(far.end_fault, 0);
    assert_string_equal(far.why, "");
    far.sent_count = 0;
    assert_int_equal(send_text(&far, hello), 0); /* the other direction is open */
    turn_until_len(loop, &near, 10);
    channel_shutdown(far.channel);
    loop_fixture_until(loop, &near.end_count);
    assert_int_equal(near.end_fault, 0);
    assert_int_equal(near.end_count + far.end_count, 2);
}

static void test_bytes_go_both_ways(void **state)
{
    open_both(*state, NULL, NULL);
    assert_false(channel_is_secure(near.channel));
    assert_ptr_equal(channel_loop(near.channel), *state);
    assert_int_equal(channel_alpn(near.channel).len, 0);
    assert_int_equal(channel_peer(near.channel)->any.sa_family, AF_UNIX);
    assert_int_equal(channel_peer(far.channel)->len, 0);
    talk(*state);
    close_both(*state);
}

static void hand_over(struct loop *loop)
{
    static char first[] = "first";
    static char second[] = "second";
    far.heir = &heir;
    assert_int_equal(send_text(&near, first), 0);
    turn_until_len(loop, &far, 5);
    loop_fixture_until(loop, &near.sent_count);
    assert_int_equal(send_text(&near, second), 0);
    turn_until_len(loop, &heir, 6);
    assert_memory_equal(heir.text, "second", 6);
    assert_int_equal(far.len, 5);
    close_end(loop, &near);
    loop_fixture_until(loop, &heir.end_count);
    far.channel = NULL;
    close_end(loop, &heir);
    assert_int_equal(far.end_count + far.closed_count, 0);
    assert_int_equal(far.gone_count, 1); /* the watch stays with the channel */
    assert_int_equal(heir.gone_count, 0);
}

static void test_a_channel_changes_hands(void **state)
{
    open_both(*state, NULL, NULL);
    hand_over(*state);
}

static void pause_and_resume(struct loop *loop)
{
    static char first[] = "first";
    static char second[] = "second";
    far.is_pausing = true;
    assert_int_equal(send_text(&near, first), 0);
    turn_until_len(loop, &far, 5);
    loop_fixture_until(loop, &near.sent_count);
    assert_int_equal(send_text(&near, second), 0);
    loop_fixture_run(loop, 20 * CLOCK_NS_PER_MS);
    assert_int_equal(far.len, 5);
    channel_resume(far.channel);
    turn_until_len(loop, &far, 11);
}

static void test_a_paused_channel_is_silent(void **state)
{
    open_both(*state, NULL, NULL);
    pause_and_resume(*state);
    close_both(*state);
}

static void test_a_refused_open_keeps_the_socket(void **state)
{
    struct tls_context *client = client_context(NULL);
    int fds[2];
    make_pair(fds);
    init_ends();
    for (uint64_t nth = 1; nth < 20; nth++) {
        struct channel_options options = {
            .role = CHANNEL_CLIENT, .tls = client, .server_name = "127.0.0.1"};
        mem_fail_nth(nth);
        int err = channel_open(*state, fds[0], &options, &near.user, &near.channel);
        mem_fail_nth(0);
        if (err == 0) {
            assert_true(nth > 1);
            close_end(*state, &near);
            fds[0] = -1;
            break;
        }
        assert_true(err == -ENOMEM || err == -EBUSY);
        assert_true(fcntl(fds[0], F_GETFD) >= 0);
    }
    assert_int_equal(fds[0], -1);
    (void)close(fds[1]);
    tls_context_free(client);
}

/* --- under TLS -------------------------------------------------------------------------------- */

static void test_tls_round_trip_and_goodbye(void **state)
{
    struct tls_context *server = server_context(NULL);
    struct tls_context *client = client_context(NULL);
    open_both(*state, client, server);
    talk(*state); /* sent before the handshake is done */
    assert_true(channel_is_secure(far.channel));
    assert_true(slice_is_text(channel_alpn(far.channel), "http/1.1"));
    assert_true(slice_is_text(channel_alpn(near.channel), "http/1.1"));
    close_both(*state);
    tls_context_free(client);
    tls_context_free(server);
}

static void test_tls_hands_over_and_pauses(void **state)
{
    struct tls_context *server = server_context(NULL);
    struct tls_context *client = client_context(NULL);
    open_both(*state, client, server);
    hand_over(*state);
    open_both(*state, client, server);
    pause_and_resume(*state);
    close_both(*state);
    open_both(*state, client, server);
    channel_pause(far.channel); /* the handshake goes on */
    assert_int_equal(send_text(&near, (char[]){"x"}), 0);
    loop_fixture_until(*state, &near.sent_count);
    assert_int_equal(near.sent_fault, 0);
    channel_resume(far.channel);
    turn_until_len(*state, &far, 1);
    close_both(*state);
    tls_context_free(client);
    tls_context_free(server);
}

static uint8_t pattern_at(size_t i)
{
    return (uint8_t)(i * 131 + i / 251);
}

static void test_tls_large_sends_in_many_pieces(void **state)
{
    static uint8_t data[900000];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = pattern_at(i);
    }
    struct tls_context *server = server_context(NULL);
    struct tls_context *client = client_context(NULL);
    open_both(*state, client, server);
    static const size_t cuts[] = {0,      9,           9, 16393, 16394, 50000, 50000 + 16384,
                                  300000, sizeof(data)};
    struct iovec iov[COUNT_OF(cuts) - 1];
    for (size_t i = 0; i + 1 < COUNT_OF(cuts); i++) {
        iov[i] = (struct iovec){.iov_base = data + cuts[i], .iov_len = cuts[i + 1] - cuts[i]};
    }
    assert_int_equal(channel_send(near.channel, iov, COUNT_OF(iov)), 0);
    memset(iov, 0, sizeof(iov)); /* the array was copied */
    turn_until_len(*state, &far, sizeof(data));
    assert_memory_equal(far.text, data, sizeof(data));
    loop_fixture_until(*state, &near.sent_count);
    assert_int_equal(near.sent_count, 1);
    channel_shutdown(near.channel);
    loop_fixture_until(*state, &far.end_count);
    close_both(*state);
    tls_context_free(client);
    tls_context_free(server);
}

static void test_tls_starts_on_a_channel_in_the_clear(void **state)
{
    struct tls_context *server = server_context(NULL);
    struct tls_context *client = client_context(NULL);
    open_both(*state, client, NULL);
    while (far.len == 0) {
        assert_true(loop_turn(*state, CLOCK_NS_PER_MS) >= 0);
    }
    uint8_t hello[4096];
    size_t len = far.len;
    assert_true(len < sizeof(hello));
    memcpy(hello, far.text, len);
    far.len = 0;
    struct channel_options options = {.role = CHANNEL_SERVER, .tls = server};
    assert_int_equal(channel_start_tls(far.channel, &options, slice_of(hello, len)), 0);
    talk(*state);
    close_both(*state);
    tls_context_free(client);
    tls_context_free(server);
}

static void expect_failure(struct loop *loop, const char *far_why, const char *near_why)
{
    loop_fixture_until(loop, &far.end_count);
    assert_int_equal(far.end_fault, FAULT_MALFORMED);
    assert_string_equal(far.why, far_why);
    assert_int_equal(far.receive_count, 0);
    if (near_why != NULL) {
        loop_fixture_until(loop, &near.end_count);
        assert_string_equal(near.why, near_why);
        assert_int_equal(near.end_fault, FAULT_MALFORMED);
    }
    assert_int_equal(send_text(&far, (char[]){"x"}), FAULT_CLOSED);
    close_both(loop);
}

static void test_mutual_tls_lets_in_who_is_vouched_for(void **state)
{
    struct tls_context *server = server_context(identity.certificate_file);
    struct tls_context *known = client_context(&identity);
    struct tls_context *unknown = client_context(&other_identity);
    struct tls_context *nobody = client_context(NULL);
    open_both(*state, known, server);
    talk(*state);
    close_both(*state);
    open_both(*state, nobody, server);
    expect_failure(*state, "tls: client didn't provide a certificate",
                   "remote error: tls: certificate required");
    open_both(*state, unknown, server);
    expect_failure(
        *state, "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "remote error: tls: unknown CA");
    tls_context_free(known);
    tls_context_free(unknown);
    tls_context_free(nobody);
    tls_context_free(server);
}

static void test_client_verifies_who_the_server_is(void **state)
{
    struct tls_context *server = server_context(NULL);
    struct tls_context *stranger =
        new_context((struct tls_settings){.ca_pem = other_identity.certificate_pem});
    open_both(*state, stranger, server);
    loop_fixture_until(*state, &near.end_count);
    assert_string_equal(
        near.why,
        "tls: failed to verify certificate: x509: certificate signed by unknown authority");
    expect_failure(*state, "remote error: tls: unknown CA", NULL);

    struct tls_context *misled = new_context((struct tls_settings){
        .ca_pem = identity.certificate_pem, .server_name_override = "elsewhere.example"});
    open_both(*state, misled, server);
    loop_fixture_until(*state, &near.end_count);
    assert_string_equal(near.why, "tls: failed to verify certificate: x509: certificate is not "
                                  "valid for elsewhere.example");
    loop_fixture_until(*state, &far.end_count);
    close_both(*state);

    struct tls_context *careless = new_context((struct tls_settings){.skips_verification = true});
    open_both(*state, careless, server);
    talk(*state);
    close_both(*state);
    tls_context_free(stranger);
    tls_context_free(misled);
    tls_context_free(careless);
    tls_context_free(server);
}

static void test_versions_that_do_not_meet(void **state)
{
    struct tls_settings settings = {
        .is_server = true,
        .cert_pem = identity.certificate_pem,
        .key_pem = identity.key_pem,
        .min_version = TLS_VERSION_1_3,
    };
    struct tls_context *server = new_context(settings);
    struct tls_context *old = new_context(
        (struct tls_settings){.ca_pem = identity.certificate_pem, .max_version = TLS_VERSION_1_2});
    open_both(*state, old, server);
    expect_failure(*state, "tls: the peer offers only versions that are not supported",
                   "remote error: tls: protocol version");
    tls_context_free(old);
    tls_context_free(server);
}

static void test_garbage_instead_of_a_handshake(void **state)
{
    static const char *const openings[] = {"GET / HTTP/1.1\r\n\r\n",
                                           "page.views:1|c\npage.views:2|c\n",
                                           "\x16\x03\x01\xff\xff\x01garbage"};
    struct tls_context *server = server_context(NULL);
    for (size_t i = 0; i < COUNT_OF(openings); i++) {
        open_both(*state, NULL, server);
        assert_int_equal(send_text(&near, (char *)(uintptr_t)openings[i]), 0);
        loop_fixture_until(*state, &far.end_count);
        assert_int_equal(far.end_fault, FAULT_MALFORMED);
        assert_memory_equal(far.why, "tls: ", 5);
        close_both(*state);
    }
    /* Somebody who leaves in the middle. */
    open_both(*state, NULL, server);
    assert_int_equal(send_text(&near, (char[]){"\x16\x03\x01"}), 0);
    loop_fixture_until(*state, &near.sent_count);
    channel_close(near.channel);
    loop_fixture_until(*state, &far.end_count);
    assert_int_equal(far.end_fault, FAULT_CLOSED);
    assert_string_equal(far.why, "the peer left during the handshake");
    close_both(*state);
    tls_context_free(server);
}

static int make_identities(void **state)
{
    (void)state;
    tls_identity_init(&identity, "server");
    tls_identity_init(&other_identity, "stranger");
    return 0;
}

static int drop_identities(void **state)
{
    (void)state;
    tls_identity_fini(&identity);
    tls_identity_fini(&other_identity);
    return 0;
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_bytes_go_both_ways),
        LOOP_TEST(test_a_channel_changes_hands),
        LOOP_TEST(test_a_paused_channel_is_silent),
        LOOP_TEST(test_a_refused_open_keeps_the_socket),
        LOOP_TEST(test_tls_round_trip_and_goodbye),
        LOOP_TEST(test_tls_hands_over_and_pauses),
        LOOP_TEST(test_tls_large_sends_in_many_pieces),
        LOOP_TEST(test_tls_starts_on_a_channel_in_the_clear),
        LOOP_TEST(test_mutual_tls_lets_in_who_is_vouched_for),
        LOOP_TEST(test_client_verifies_who_the_server_is),
        LOOP_TEST(test_versions_that_do_not_meet),
        LOOP_TEST(test_garbage_instead_of_a_handshake),
    };
    return cmocka_run_group_tests_name(name, tests, make_identities, drop_identities);
}

int main(void)
{
    return loop_fixture_main(run);
}
