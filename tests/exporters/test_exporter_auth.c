/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the key `auth` of exporters: how it is read, which authenticator each exporter takes,
 * and that what it shows reaches the upstream, also after a reload.
 */
#include "exporters/exporter_auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "exporters/otlp_grpc_exporter.h"
#include "exporters/otlp_http_exporter.h"
#include "exporters/prom_write_exporter.h"
#include "io/auth/authenticator.h"
#include "io/auth/basic_auth.h"
#include "io/auth/bearer_auth.h"
#include "io/auth/sigv4_auth.h"
#include "tests/support/authenticator_fixture.h"
#include "tests/support/exporter_rig.h"
#include "tests/support/grpc_stub.h"
#include "tests/support/http_stub.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/tls_identity.h"

#define AUTH "auth: {authenticator: some/thing}\n"
#define NO_RETRY "retry_on_failure: {enabled: false}\n"
#define ITEM_COUNT 5

static struct exporter_rig rig;

static void configure(void **state, exporter_new_fn *make, const char *yaml)
{
    assert_int_equal(rig_configure(&rig, *state, make, yaml), 0);
}

static void close_unopened(void)
{
    rig.exporter->ops->close(rig.exporter);
    config_fixture_fini(&rig.config);
}

static void open_linked(struct authenticator *authenticator)
{
    char why[EXPORTER_WHY_BYTES] = "";
    if (rig.exporter->ops->link(rig.exporter, authenticator, why) != 0) {
        fail_msg("%s", why);
    }
    assert_int_equal(rig.exporter->ops->open(rig.exporter, rig.loop), 0);
    pipeline_init(&rig.pipeline, "test", SIGNAL_METRICS, &rig.exporter, 1);
}

static void deliver(uint64_t total_items)
{
    const struct slice part = SLICE_LITERAL("\x0A\x02\x12\x00");
    rig_offer(&rig, &part, 1, ITEM_COUNT);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, total_items);
}

static void close_all(void **state)
{
    rig_close(&rig);
    loop_fixture_run(*state, 2 * CLOCK_NS_PER_MS);
}

/* --- the key ---------------------------------------------------------------------------------- */

static exporter_new_fn *const makers[] = {otlp_http_exporter_new, otlp_grpc_exporter_new};
static const char *const endpoints[] = {"endpoint: http://localhost:4318\n",
                                        "endpoint: localhost:4317\n"};

static void test_the_id_is_kept_for_the_graph(void **state)
{
    for (size_t i = 0; i < COUNT_OF(makers); i++) {
        char yaml[128];
        (void)snprintf(yaml, sizeof(yaml), "%s" AUTH, endpoints[i]);
        configure(state, makers[i], yaml);
        assert_string_equal(rig.exporter->authenticator_id, "some/thing");
        close_unopened();
        configure(state, makers[i], endpoints[i]);
        assert_null(rig.exporter->authenticator_id);
        close_unopened();
    }
}

static void test_an_incomplete_or_unknown_key_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *words;
    } rows[] = {
        {"auth: {}\n", "'authenticator' is missing"},
        {"auth: {authenticator: ''}\n", "must not be empty"},
        {"auth: {authenticater: x}\n", "did you mean 'authenticator'?"},
        {"auth: x\n", "auth"},
        {"auth: {authenticator: [x]}\n", "authenticator"},
    };
    for (size_t i = 0; i < COUNT_OF(makers); i++) {
        for (size_t j = 0; j < COUNT_OF(rows); j++) {
            char yaml[128];
            (void)snprintf(yaml, sizeof(yaml), "%s%s", endpoints[i], rows[j].yaml);
            rig_assert_refused(&rig, makers[i], yaml, rows[j].words);
        }
    }
}

/* --- otlphttp --------------------------------------------------------------------------------- */

static void assert_http_header(struct http_stub *stub, size_t index, const char *value)
{
    struct slice got = http_stub_header(http_stub_request(stub, index), "Authorization");
    if (!slice_is_text(got, value)) {
        fail_msg("authorization: %.*s", (int)got.len, (const char *)got.ptr);
    }
}

static void test_otlphttp_shows_what_it_was_linked_to(void **state)
{
    static const struct http_stub_answer ok_script[] = {{0}};
    struct http_stub stub;
    char yaml[256];
    http_stub_start(&stub, &(struct http_stub_options){.script = ok_script, .script_len = 1});
    (void)snprintf(yaml, sizeof(yaml), "endpoint: %s\nheaders: {authorization: mine}\n" AUTH,
                   stub.url);
    struct authenticator *first = authenticator_fixture_new(bearer_auth_configure, "token: one\n");
    struct authenticator *second = authenticator_fixture_new(bearer_auth_configure, "token: two\n");
    configure(state, otlp_http_exporter_new, yaml);
    open_linked(first);
    deliver(ITEM_COUNT);
    assert_http_header(&stub, 0, "Bearer one");
    /* As at a reload that keeps the exporter. */
    char why[EXPORTER_WHY_BYTES];
    assert_int_equal(rig.exporter->ops->link(rig.exporter, second, why), 0);
    authenticator_free(first);
    deliver(2 * ITEM_COUNT);
    assert_http_header(&stub, 1, "Bearer two");
    close_all(state);
    authenticator_free(second);
    http_stub_stop(&stub);
}

/* One gauge `g` with one point. */
#define GAUGE_WIRE                                                                                 \
    "\x0A\x14\x12\x12\x12\x10\x0A\x01g\x2A\x0B\x0A\x09\x21\x00\x00\x00\x00\x00\x00\xF0\x3F"
/* More than a signed request has room for. */
#define LARGE_BYTES 40000

/* What no try can sign is refused at once, however long retries would go on. */
static void test_what_cannot_be_signed_is_refused_at_once(void **state)
{
    static exporter_new_fn *const signers[] = {otlp_http_exporter_new, prom_write_exporter_new};
    static char yaml[LARGE_BYTES + 256];
    static char large[LARGE_BYTES + 1];
    memset(large, 'x', LARGE_BYTES);
    (void)snprintf(yaml, sizeof(yaml),
                   "endpoint: http://127.0.0.1:%u\nheaders: {x-large: %s}\n" AUTH,
                   http_stub_free_port(), large);
    (void)setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "SECRET", 1);
    struct authenticator *authenticator =
        authenticator_fixture_new(sigv4_auth_configure, "{region: eu-west-1, service: aps}\n");
    for (size_t i = 0; i < COUNT_OF(signers); i++) {
        const struct slice part = SLICE_LITERAL(GAUGE_WIRE);
        configure(state, signers[i], yaml);
        open_linked(authenticator);
        rig_offer(&rig, &part, 1, 1);
        rig_settle(&rig);
        RIG_STAT_IS(&rig, items_rejected, 1);
        RIG_STAT_IS(&rig, requests_retried, 0);
        close_all(state);
    }
    authenticator_free(authenticator);
    (void)unsetenv("AWS_ACCESS_KEY_ID");
    (void)unsetenv("AWS_SECRET_ACCESS_KEY");
}

static void assert_unlinkable(authenticator_configure_fn *fn, const char *settings,
                              const char *words)
{
    char why[EXPORTER_WHY_BYTES] = "";
    struct authenticator *authenticator = authenticator_fixture_new(fn, settings);
    assert_int_equal(rig.exporter->ops->link(rig.exporter, authenticator, why), FAULT_CONFIG);
    if (strstr(why, words) == NULL) {
        fail_msg("no '%s' in: %s", words, why);
    }
    close_unopened();
    authenticator_free(authenticator);
}

static void test_otlphttp_refuses_what_it_cannot_use(void **state)
{
    configure(state, otlp_http_exporter_new, "endpoint: http://localhost:4318\n" AUTH);
    assert_unlinkable(basic_auth_configure, "htpasswd: {inline: 'a:b'}\n", "who comes in");
    configure(state, otlp_http_exporter_new, "endpoint: http://localhost:4318\n" AUTH);
    assert_unlinkable(sigv4_auth_configure, "region: eu-west-1\n", "set it in sigv4auth");
    configure(state, otlp_http_exporter_new,
              "logs_endpoint: https://logs.eu-west-1.amazonaws.com/v1/logs\n"
              "headers: {host: other}\n" AUTH);
    assert_unlinkable(sigv4_auth_configure, "region: eu-west-1\n", "'host' cannot be set");
}

/* --- otlp ------------------------------------------------------------------------------------- */

static void assert_grpc_field(struct grpc_stub *stub, size_t index, const char *name,
                              const char *value)
{
    struct slice got = grpc_stub_field(grpc_stub_request(stub, index), name);
    if (!slice_is_text(got, value)) {
        fail_msg("%s: %.*s", name, (int)got.len, (const char *)got.ptr);
    }
}

static void test_otlp_shows_what_it_was_linked_to(void **state)
{
    static const struct grpc_stub_answer ok_script[] = {{0}};
    struct tls_identity server;
    struct grpc_stub stub;
    char yaml[512];
    tls_identity_init(&server, "server");
    SSL_CTX *context = tls_identity_server(&server, NULL);
    grpc_stub_start(
        &stub, &(struct grpc_stub_options){.script = ok_script, .script_len = 1, .tls = context});
    (void)snprintf(yaml, sizeof(yaml),
                   "endpoint: %s\ntls: {ca_file: %s}\n" NO_RETRY
                   "headers: {Authorization: mine, other: kept}\n" AUTH,
                   stub.target, server.certificate_file);
    struct authenticator *first = authenticator_fixture_new(bearer_auth_configure, "token: one\n");
    struct authenticator *second = authenticator_fixture_new(
        basic_auth_configure, "client_auth: {username: u, password: p}\n");
    configure(state, otlp_grpc_exporter_new, yaml);
    open_linked(first);
    deliver(ITEM_COUNT);
    assert_grpc_field(&stub, 0, "authorization", "Bearer one");
    assert_grpc_field(&stub, 0, "other", "kept");
    assert_null(strstr(grpc_stub_request(&stub, 0)->head, "mine"));
    char why[EXPORTER_WHY_BYTES];
    assert_int_equal(rig.exporter->ops->link(rig.exporter, second, why), 0);
    authenticator_free(first);
    deliver(2 * ITEM_COUNT);
    assert_grpc_field(&stub, 1, "authorization", "Basic dTpw");
    close_all(state);
    authenticator_free(second);
    grpc_stub_stop(&stub);
    SSL_CTX_free(context);
    tls_identity_fini(&server);
}

/* A reload frees the old authenticator while a call waits for the upstream. */
static void test_otlp_calls_that_wait_outlive_their_authenticator(void **state)
{
    static const struct grpc_stub_answer ok_script[] = {{0}};
    struct tls_identity server;
    struct grpc_stub stub;
    char yaml[512];
    uint16_t port = 0;
    int held_fd = http_stub_hold_port(&port);
    tls_identity_init(&server, "server");
    SSL_CTX *context = tls_identity_server(&server, NULL);
    (void)snprintf(yaml, sizeof(yaml),
                   "endpoint: 127.0.0.1:%u\nwait_for_ready: true\ntls: {ca_file: %s}\n"
                   "headers: {X-Secret: mine}\n" NO_RETRY AUTH,
                   port, server.certificate_file);
    static const char secret[] = "{token: one, header: X-Secret}\n";
    struct authenticator *first = authenticator_fixture_new(bearer_auth_configure, secret);
    struct authenticator *second = authenticator_fixture_new(bearer_auth_configure, secret);
    configure(state, otlp_grpc_exporter_new, yaml);
    open_linked(first);
    const struct slice part = SLICE_LITERAL("\x0A\x02\x12\x00");
    rig_offer(&rig, &part, 1, ITEM_COUNT);
    loop_fixture_run(*state, 20 * CLOCK_NS_PER_MS);
    RIG_STAT_IS(&rig, requests_in_flight, 1);
    char why[EXPORTER_WHY_BYTES];
    assert_int_equal(rig.exporter->ops->link(rig.exporter, second, why), 0);
    authenticator_free(first);
    grpc_stub_start(&stub, &(struct grpc_stub_options){
                               .script = ok_script, .script_len = 1, .tls = context, .port = port});
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, ITEM_COUNT);
    assert_grpc_field(&stub, 0, "x-secret", "Bearer one");
    assert_null(strstr(grpc_stub_request(&stub, 0)->head, "mine"));
    close_all(state);
    authenticator_free(second);
    grpc_stub_stop(&stub);
    (void)close(held_fd);
    SSL_CTX_free(context);
    tls_identity_fini(&server);
}

static void test_otlp_refuses_what_it_cannot_use(void **state)
{
    configure(state, otlp_grpc_exporter_new, "endpoint: localhost:4317\n" AUTH);
    assert_unlinkable(sigv4_auth_configure, "{region: eu-west-1, service: aps}\n", "use otlphttp");
    configure(state, otlp_grpc_exporter_new, "endpoint: localhost:4317\n" AUTH);
    assert_unlinkable(basic_auth_configure, "htpasswd: {inline: 'a:b'}\n", "who comes in");
    configure(state, otlp_grpc_exporter_new,
              "endpoint: localhost:4317\ntls: {insecure: true}\n" AUTH);
    assert_unlinkable(bearer_auth_configure, "token: t\n", "needs tls");
}

static void test_refused_memory_is_survived_at_every_step(void **state)
{
    struct authenticator *authenticator =
        authenticator_fixture_new(bearer_auth_configure, "token: t\n");
    for (size_t i = 0; i < COUNT_OF(makers); i++) {
        char yaml[128];
        char why[EXPORTER_WHY_BYTES];
        int err = -ENOMEM;
        (void)snprintf(yaml, sizeof(yaml), "%s" AUTH, endpoints[i]);
        for (uint64_t nth = 1; err != 0; nth++) {
            assert_true(nth < 200);
            configure(state, makers[i], yaml);
            assert_int_equal(rig.exporter->ops->link(rig.exporter, authenticator, why), 0);
            mem_fail_nth(nth);
            err = rig.exporter->ops->open(rig.exporter, rig.loop);
            mem_fail_nth(0);
            close_unopened();
        }
    }
    authenticator_free(authenticator);
    loop_fixture_run(*state, 2 * CLOCK_NS_PER_MS);
}

static int run_on(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_the_id_is_kept_for_the_graph),
        LOOP_TEST(test_an_incomplete_or_unknown_key_is_refused),
        LOOP_TEST(test_otlphttp_shows_what_it_was_linked_to),
        LOOP_TEST(test_what_cannot_be_signed_is_refused_at_once),
        LOOP_TEST(test_otlphttp_refuses_what_it_cannot_use),
        LOOP_TEST(test_otlp_shows_what_it_was_linked_to),
        LOOP_TEST(test_otlp_calls_that_wait_outlive_their_authenticator),
        LOOP_TEST(test_otlp_refuses_what_it_cannot_use),
        LOOP_TEST(test_refused_memory_is_survived_at_every_step),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    const struct log_options quiet = {.level = LOG_LEVEL_ERROR, .format = LOG_FORMAT_TEXT};
    log_init(&quiet);
    (void)signal(SIGPIPE, SIG_IGN);
    return loop_fixture_main(run_on);
}
