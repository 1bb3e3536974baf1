/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of tls and tls_session: two sessions without sockets, their bytes cut as one likes; what
 * contexts refuse; files that change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"
#include "io/tls.h"
#include "io/tls_session.h"
#include "tests/support/tls_identity.h"

static struct tls_identity identity;
static struct tls_identity other_identity;
static char why[TLS_WHY_BYTES];

static struct tls_context *new_context(struct tls_settings settings)
{
    struct tls_context *context = NULL;
    if (tls_context_new(&settings, &context, why) != 0) {
        fail_msg("%s", why);
    }
    assert_string_equal(why, "");
    return context;
}

static struct tls_settings server_settings(void)
{
    return (struct tls_settings){
        .is_server = true,
        .cert_pem = identity.certificate_pem,
        .key_pem = identity.key_pem,
    };
}

static struct tls_context *new_client(void)
{
    return new_context((struct tls_settings){.ca_pem = identity.certificate_pem});
}

/* --- two sessions ----------------------------------------------------------------------------- */

struct side {
    struct tls_session *session;
    size_t plain_bytes;
    uint8_t last;
    int err;
};

/* All that `from` has to say goes to `to`, in pieces of `step` bytes. */
static bool carry(struct side *from, struct side *to, size_t step)
{
    void *memory = NULL;
    size_t len = 0;
    tls_session_take_output(from->session, &memory, &len);
    const uint8_t *bytes = memory;
    for (size_t at = 0; at < len && to->err == 0;) {
        size_t piece = len - at < step ? len - at : step;
        struct slice cipher = slice_of(bytes + at, piece);
        uint8_t plain[TLS_RECORD_BYTES];
        size_t plain_len = 1;
        while (plain_len > 0 && to->err == 0) {
            to->err = tls_session_receive(to->session, &cipher, plain, sizeof(plain), &plain_len);
            to->plain_bytes += plain_len;
            to->last = plain_len > 0 ? plain[plain_len - 1] : to->last;
        }
        assert_true(to->err != 0 || cipher.len == 0);
        at += piece;
    }
    mem_free(memory);
    return len > 0;
}

static void shake_hands(struct side *client, struct side *server, size_t step)
{
    bool is_busy = true;
    while (is_busy) {
        is_busy = carry(client, server, step);
        is_busy = carry(server, client, step) || is_busy;
    }
}

static void open_sides(struct tls_context *client_context, struct tls_context *server_context,
                       struct side *client, struct side *server)
{
    *client = (struct side){0};
    *server = (struct side){0};
    assert_int_equal(tls_session_new(client_context, "127.0.0.1", &client->session), 0);
    assert_int_equal(tls_session_new(server_context, NULL, &server->session), 0);
}

static void close_sides(struct side *client, struct side *server)
{
    tls_session_free(client->session);
    tls_session_free(server->session);
}

static void test_round_trips_at_every_split_size(void **state)
{
    (void)state;
    struct tls_context *server_context = new_context(server_settings());
    struct tls_context *client_context = new_client();
    static uint8_t data[TLS_RECORD_BYTES];
    memset(data, 'd', sizeof(data));
    for (size_t step = 1; step <= 5000; step += step < 40 ? 1 : 331) {
        struct side client;
        struct side server;
        open_sides(client_context, server_context, &client, &server);
        assert_false(tls_session_is_established(server.session));
        shake_hands(&client, &server, step);
        assert_true(tls_session_is_established(client.session));
        assert_true(tls_session_is_established(server.session));
        static const size_t sizes[] = {1, 2, 100, TLS_RECORD_BYTES - 1, TLS_RECORD_BYTES};
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            data[sizes[i] - 1] = (uint8_t)('0' + i);
            struct slice bytes = slice_of(data, sizes[i]);
            server.plain_bytes = client.plain_bytes = 0;
            assert_int_equal(tls_session_send(client.session, bytes), 0);
            assert_true(carry(&client, &server, step));
            assert_int_equal(server.plain_bytes, sizes[i]);
            assert_int_equal(server.last, '0' + i);
            assert_int_equal(tls_session_send(server.session, bytes), 0);
            assert_true(carry(&server, &client, step));
            assert_int_equal(client.plain_bytes, sizes[i]);
            data[sizes[i] - 1] = 'd';
        }
        tls_session_close(client.session);
        assert_true(carry(&client, &server, step));
        assert_int_equal(server.err, FAULT_CLOSED);
        assert_int_equal(tls_session_send(server.session, slice_of(data, 3)), 0); /* still may */
        assert_true(carry(&server, &client, step));
        close_sides(&client, &server);
    }
    tls_context_free(server_context);
    tls_context_free(client_context);
}

static void test_a_flipped_bit_ends_the_session(void **state)
{
    (void)state;
    struct tls_context *server_context = new_context(server_settings());
    struct tls_context *client_context = new_client();
    struct side client;
    struct side server;
    open_sides(client_context, server_context, &client, &server);
    shake_hands(&client, &server, 4096);
    assert_int_equal(tls_session_send(client.session, SLICE_LITERAL("hello")), 0);
    void *memory = NULL;
    size_t len = 0;
    tls_session_take_output(client.session, &memory, &len);
    ((uint8_t *)memory)[len - 1] ^= 1;
    struct slice cipher = slice_of(memory, len);
    uint8_t plain[TLS_RECORD_BYTES];
    assert_int_equal(tls_session_receive(server.session, &cipher, plain, sizeof(plain), &len),
                     FAULT_MALFORMED);
    assert_int_equal(len, 0);
    assert_memory_equal(tls_session_why(server.session), "tls: ", 5);
    assert_true(tls_session_output_bytes(server.session) > 0); /* an alert */
    assert_int_equal(tls_session_send(server.session, SLICE_LITERAL("x")), FAULT_LIBRARY);
    mem_free(memory);
    close_sides(&client, &server);
    tls_context_free(server_context);
    tls_context_free(client_context);
}

static void test_an_endless_handshake_is_cut(void **state)
{
    (void)state;
    struct tls_context *server_context = new_context(server_settings());
    struct tls_session *server = NULL;
    assert_int_equal(tls_session_new(server_context, NULL, &server), 0);
    /* Records of 1.2 with an alert level "warning" each: legal, and leading nowhere. */
    uint64_t total_bytes = 0;
    int err = 0;
    while (err == 0 && total_bytes < 10 * TLS_HANDSHAKE_MAX_BYTES) {
        static const uint8_t record[] = {0x15, 0x03, 0x03, 0x00, 0x02, 0x01, 0x5a};
        struct slice cipher = slice_of(record, sizeof(record));
        uint8_t plain[TLS_RECORD_BYTES];
        size_t len = 0;
        err = tls_session_receive(server, &cipher, plain, sizeof(plain), &len);
        total_bytes += sizeof(record);
    }
    assert_int_equal(err, FAULT_MALFORMED);
    assert_true(total_bytes <= TLS_HANDSHAKE_MAX_BYTES + 7);
    tls_session_free(server);
    tls_context_free(server_context);
}

static void test_memory_that_runs_out(void **state)
{
    (void)state;
    struct tls_context *server_context = new_context(server_settings());
    struct tls_context *client_context = new_client();
    struct side client;
    struct side server;
    for (uint64_t nth = 1; nth < 3; nth++) {
        struct tls_session *session = NULL;
        mem_fail_nth(nth);
        assert_int_equal(tls_session_new(client_context, "127.0.0.1", &session), -ENOMEM);
        mem_fail_nth(0);
        assert_null(session);
    }
    open_sides(client_context, server_context, &client, &server);
    mem_fail_nth(1);
    (void)carry(&client, &server, 65536);
    mem_fail_nth(0);
    assert_int_equal(server.err, FAULT_MALFORMED);
    assert_string_equal(tls_session_why(server.session), "out of memory");
    close_sides(&client, &server);
    open_sides(client_context, server_context, &client, &server);
    shake_hands(&client, &server, 65536);
    mem_fail_nth(1);
    int err = tls_session_send(client.session, SLICE_LITERAL("x"));
    mem_fail_nth(0);
    assert_true(err == -ENOMEM || err == FAULT_LIBRARY); /* the library's memory, or ours */
    close_sides(&client, &server);
    tls_context_free(server_context);
    tls_context_free(client_context);
}

static void test_sessions_outlive_their_context(void **state)
{
    (void)state;
    struct tls_context *server_context = new_context(server_settings());
    struct tls_context *client_context = new_client();
    struct side client;
    struct side server;
    open_sides(client_context, server_context, &client, &server);
    tls_context_free(server_context);
    tls_context_free(client_context);
    shake_hands(&client, &server, 100);
    assert_true(tls_session_is_established(server.session));
    close_sides(&client, &server);
}

static void test_suites_curves_and_old_versions(void **state)
{
    (void)state;
    struct tls_settings settings = server_settings();
    settings.cipher_suites = "ECDHE-ECDSA-AES128-GCM-SHA256";
    settings.curve_preferences = "P-384:X25519";
    settings.max_version = TLS_VERSION_1_2;
    struct tls_context *server_context = new_context(settings);
    struct tls_context *client_context = new_client();
    struct side client;
    struct side server;
    open_sides(client_context, server_context, &client, &server);
    shake_hands(&client, &server, 4096);
    assert_true(tls_session_is_established(server.session));
    close_sides(&client, &server);
    struct tls_context *apart = new_context((struct tls_settings){
        .ca_pem = identity.certificate_pem,
        .max_version = TLS_VERSION_1_2,
        .cipher_suites = "ECDHE-ECDSA-AES256-GCM-SHA384",
    });
    open_sides(apart, server_context, &client, &server);
    shake_hands(&client, &server, 4096);
    assert_int_equal(server.err, FAULT_MALFORMED);
    assert_string_equal(tls_session_why(server.session),
                        "tls: no cipher suite supported by both client and server");
    close_sides(&client, &server);
    tls_context_free(apart);
    tls_context_free(server_context);
    settings = server_settings();
    settings.min_version = TLS_VERSION_1_0;
    settings.max_version = TLS_VERSION_1_0;
    server_context = new_context(settings);
    struct tls_context *old = new_context(
        (struct tls_settings){.ca_pem = identity.certificate_pem, .min_version = TLS_VERSION_1_0});
    open_sides(old, server_context, &client, &server);
    shake_hands(&client, &server, 4096);
    assert_true(tls_session_is_established(server.session));
    close_sides(&client, &server);
    tls_context_free(old);
    tls_context_free(server_context);
    tls_context_free(client_context);
}

static void test_protocols_that_do_not_meet(void **state)
{
    (void)state;
    static const uint32_t offers[] = {TLS_ALPN_H2, TLS_ALPN_H2 | TLS_ALPN_HTTP1, TLS_ALPN_NONE};
    static const char *const agreed[] = {NULL, "http/1.1", ""};
    struct tls_settings settings = server_settings();
    settings.alpn = TLS_ALPN_HTTP1;
    struct tls_context *server_context = new_context(settings);
    for (size_t i = 0; i < COUNT_OF(offers); i++) {
        struct tls_context *client_context = new_context(
            (struct tls_settings){.ca_pem = identity.certificate_pem, .alpn = offers[i]});
        struct side client;
        struct side server;
        open_sides(client_context, server_context, &client, &server);
        shake_hands(&client, &server, 4096);
        assert_int_equal(tls_session_is_established(server.session), agreed[i] != NULL);
        if (agreed[i] != NULL) {
            assert_true(slice_is_text(tls_session_alpn(server.session), agreed[i]));
        } else {
            assert_string_equal(tls_session_why(server.session),
                                "tls: client requested unsupported application protocols");
            assert_string_equal(tls_session_why(client.session),
                                "remote error: tls: no application protocol");
        }
        close_sides(&client, &server);
        tls_context_free(client_context);
    }
    tls_context_free(server_context);
}

/* --- what is refused -------------------------------------------------------------------------- */

static void expect_refusal(struct tls_settings settings, int fault, const char *text)
{
    struct tls_context *context = NULL;
    assert_int_equal(tls_context_new(&settings, &context, why), fault);
    assert_null(context);
    assert_string_equal(why, text);
}

static void test_settings_that_make_no_context(void **state)
{
    (void)state;
    struct tls_settings s = {.is_server = true};
    expect_refusal(s, FAULT_CONFIG, "a server needs a certificate and a key");
    s.cert_pem = identity.certificate_pem;
    expect_refusal(s, FAULT_CONFIG, "provide both certificate and key, or neither");
    s.key_pem = other_identity.key_pem;
    expect_refusal(s, FAULT_MALFORMED, "private key does not match the certificate");
    s.key_pem = "no key";
    expect_refusal(s, FAULT_MALFORMED, "failed to parse key_pem: no usable private key");
    s.cert_pem = "";
    expect_refusal(s, FAULT_MALFORMED, "failed to parse cert_pem: no usable certificate");
    s = server_settings();
    s.client_ca_file = "/nonexistent/ca.pem";
    expect_refusal(s, -ENOENT,
                   "failed to load client_ca_file /nonexistent/ca.pem: No such file or directory");
    s.client_ca_file = identity.key_file;
    assert_int_equal(tls_context_new(&s, &(struct tls_context *){NULL}, why), FAULT_MALFORMED);
    s.client_ca_file = "/tmp"; /* a directory */
    assert_int_equal(tls_context_new(&s, &(struct tls_context *){NULL}, why), -EISDIR);
    s = server_settings();
    s.min_version = TLS_VERSION_1_3;
    s.max_version = TLS_VERSION_1_2;
    expect_refusal(s, FAULT_CONFIG, "min_version is above max_version");
    s = server_settings();
    s.cipher_suites = "NO-SUCH-SUITE";
    expect_refusal(s, FAULT_CONFIG, "the cipher suites cannot be used: NO-SUCH-SUITE");
    s = server_settings();
    s.curve_preferences = "P-257";
    expect_refusal(s, FAULT_CONFIG, "the curves cannot be used: P-257");
    s = (struct tls_settings){.ca_pem = "nothing"};
    expect_refusal(s, FAULT_MALFORMED, "failed to parse ca_pem: no certificates");
}

static void test_contexts_cope_without_memory(void **state)
{
    (void)state;
    struct tls_settings settings = server_settings();
    settings.client_ca_file = identity.certificate_file;
    struct tls_context *context = NULL;
    uint64_t nth = 1;
    int err = -ENOMEM;
    while (err != 0) {
        mem_fail_nth(nth++);
        err = tls_context_new(&settings, &context, why);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
        assert_true(nth < 20);
    }
    assert_true(nth > 4);
    tls_context_free(context);
    tls_context_free(NULL);
}

/* --- files that change ------------------------------------------------------------------------ */

static void write_file(const char *path, const char *text)
{
    char aside[TLS_IDENTITY_PATH_BYTES + 8];
    (void)snprintf(aside, sizeof(aside), "%s.new", path);
    FILE *file = fopen(aside, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(aside, path), 0);
}

static bool trusts(struct tls_context *server_context, const struct tls_identity *whom)
{
    struct tls_context *client_context =
        new_context((struct tls_settings){.ca_pem = whom->certificate_pem});
    struct side client;
    struct side server;
    open_sides(client_context, server_context, &client, &server);
    shake_hands(&client, &server, 4096);
    bool is_trusted = tls_session_is_established(client.session);
    close_sides(&client, &server);
    tls_context_free(client_context);
    return is_trusted;
}

static void test_changed_files_are_used_by_new_sessions(void **state)
{
    (void)state;
    struct tls_identity files;
    tls_identity_init(&files, "first");
    struct tls_settings settings = {
        .is_server = true,
        .cert_file = files.certificate_file,
        .key_file = files.key_file,
        .reload_interval_ns = 10 * CLOCK_NS_PER_S,
    };
    struct tls_context *context = new_context(settings);
    uint64_t now_mono_ns = 100 * CLOCK_NS_PER_S;
    assert_int_equal(tls_context_reload(context, now_mono_ns, why), 0);
    assert_true(trusts(context, &files));
    struct side client;
    struct side server;
    struct tls_context *client_context =
        new_context((struct tls_settings){.ca_pem = files.certificate_pem});
    open_sides(client_context, context, &client, &server); /* begins before the change */

    write_file(files.certificate_file, other_identity.certificate_pem);
    assert_int_equal(tls_context_reload(context, now_mono_ns + 9 * CLOCK_NS_PER_S, why), 0);
    assert_int_equal(tls_context_reload(context, now_mono_ns + 10 * CLOCK_NS_PER_S, why),
                     FAULT_MALFORMED); /* half of the pair */
    assert_string_equal(why, "private key does not match the certificate");
    assert_true(trusts(context, &files));
    write_file(files.key_file, other_identity.key_pem);
    assert_int_equal(tls_context_reload(context, now_mono_ns + 20 * CLOCK_NS_PER_S, why), 1);
    assert_true(trusts(context, &other_identity));
    assert_false(trusts(context, &files));
    shake_hands(&client, &server, 4096);
    assert_true(tls_session_is_established(client.session));
    close_sides(&client, &server);
    tls_context_free(client_context);
    assert_int_equal(tls_context_reload(context, now_mono_ns + 30 * CLOCK_NS_PER_S, why), 0);
    tls_context_free(context);

    settings.reload_interval_ns = 0;
    context = new_context(settings);
    write_file(files.certificate_file, files.certificate_pem);
    write_file(files.key_file, files.key_pem);
    assert_int_equal(tls_context_reload(context, now_mono_ns * 2, why), 0); /* never */
    tls_context_free(context);
    tls_identity_fini(&files);
}

static void test_client_authorities_are_reloaded_where_wanted(void **state)
{
    (void)state;
    struct tls_identity files;
    tls_identity_init(&files, "clients");
    struct tls_settings settings = server_settings();
    settings.client_ca_file = files.certificate_file;
    struct tls_context *fixed = new_context(settings);
    settings.reloads_client_ca = true;
    struct tls_context *context = new_context(settings);
    write_file(files.certificate_file, other_identity.certificate_pem);
    assert_int_equal(tls_context_reload(fixed, CLOCK_NS_PER_S, why), 0);
    assert_int_equal(tls_context_reload(context, CLOCK_NS_PER_S, why), 1);
    struct tls_context *client_context = new_context((struct tls_settings){
        .ca_pem = identity.certificate_pem,
        .cert_pem = other_identity.certificate_pem,
        .key_pem = other_identity.key_pem,
    });
    struct side client;
    struct side server;
    open_sides(client_context, context, &client, &server);
    shake_hands(&client, &server, 4096);
    assert_true(tls_session_is_established(server.session));
    close_sides(&client, &server);
    open_sides(client_context, fixed, &client, &server);
    shake_hands(&client, &server, 4096);
    assert_false(tls_session_is_established(server.session));
    close_sides(&client, &server);
    (void)unlink(files.certificate_file);
    assert_int_equal(tls_context_reload(context, 2 * CLOCK_NS_PER_S, why), -ENOENT);
    tls_context_free(client_context);
    tls_context_free(context);
    tls_context_free(fixed);
    tls_identity_fini(&files);
}

static _Atomic bool is_over;

static void *make_sessions(void *context)
{
    while (!atomic_load(&is_over)) {
        SSL *ssl = tls_context_session(context);
        assert_non_null(ssl);
        SSL_free(ssl);
    }
    return NULL;
}

static void test_sessions_are_made_while_files_change(void **state)
{
    (void)state;
    struct tls_identity files;
    tls_identity_init(&files, "first");
    struct tls_settings settings = {
        .is_server = true,
        .cert_file = files.certificate_file,
        .key_file = files.key_file,
        .reload_interval_ns = 1,
    };
    struct tls_context *context = new_context(settings);
    atomic_store(&is_over, false);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, make_sessions, context), 0);
    uint32_t reload_count = 0;
    for (uint64_t i = 1; i <= 50; i++) {
        write_file(files.certificate_file, files.certificate_pem);
        reload_count += tls_context_reload(context, i * 1000, why) == 1 ? 1 : 0;
    }
    atomic_store(&is_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(reload_count > 40); /* a reused inode in the same tick may hide one */
    assert_int_equal(tls_context_reload(context, CLOCK_NS_PER_S, why), 0);
    tls_context_free(context);
    tls_identity_fini(&files);
}

static void test_secrets_are_compared_whole(void **state)
{
    (void)state;
    assert_true(tls_secret_equal(SLICE_LITERAL("abc"), SLICE_LITERAL("abc")));
    assert_false(tls_secret_equal(SLICE_LITERAL("abc"), SLICE_LITERAL("abd")));
    assert_false(tls_secret_equal(SLICE_LITERAL("abc"), SLICE_LITERAL("ab")));
    assert_true(tls_secret_equal((struct slice){0}, (struct slice){0}));
}

int main(void)
{
    /* Before anything of the library is used; allocations that fail on demand are ours then. */
    bool uses_mem = tls_use_mem();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips_at_every_split_size),
        cmocka_unit_test(test_a_flipped_bit_ends_the_session),
        cmocka_unit_test(test_an_endless_handshake_is_cut),
        cmocka_unit_test(test_memory_that_runs_out),
        cmocka_unit_test(test_sessions_outlive_their_context),
        cmocka_unit_test(test_suites_curves_and_old_versions),
        cmocka_unit_test(test_protocols_that_do_not_meet),
        cmocka_unit_test(test_settings_that_make_no_context),
        cmocka_unit_test(test_contexts_cope_without_memory),
        cmocka_unit_test(test_changed_files_are_used_by_new_sessions),
        cmocka_unit_test(test_client_authorities_are_reloaded_where_wanted),
        cmocka_unit_test(test_sessions_are_made_while_files_change),
        cmocka_unit_test(test_secrets_are_compared_whole),
    };
    tls_identity_init(&identity, "server");
    tls_identity_init(&other_identity, "stranger");
    int failed_count = cmocka_run_group_tests(tests, NULL, NULL);
    tls_identity_fini(&identity);
    tls_identity_fini(&other_identity);
    return uses_mem ? failed_count : 1;
}
