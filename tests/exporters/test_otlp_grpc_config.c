/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/otlp_grpc_config: what each key changes about what a server sees, and which
 * words wrong ones get.
 */
#include "exporters/otlp_grpc_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "exporters/otlp_grpc_exporter.h"
#include "tests/support/exporter_rig.h"
#include "tests/support/grpc_stub.h"
#include "tests/support/http_stub.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/tls_identity.h"
#include "tools/weir/config_yaml.h"

#define QUICK_RETRY                                                                                \
    "retry_on_failure: {initial_interval: 10ms, max_interval: 20ms, max_elapsed_time: 30s}\n"
#define NO_RETRY "retry_on_failure: {enabled: false}\n"
#define PLAIN "tls: {insecure: true}\n"
#define YAML_BYTES (TLS_IDENTITY_PEM_BYTES * 5)
#define ITEM_COUNT 5

static struct exporter_rig rig;
static struct grpc_stub stub;

static const struct grpc_stub_answer ok_script[] = {{0}};

static void start_stub(const struct grpc_stub_answer *script, size_t len)
{
    grpc_stub_start(&stub, &(struct grpc_stub_options){.script = script, .script_len = len});
}

WEIR_PRINTF(2, 3)
static void open_with(void **state, const char *format, ...)
{
    char yaml[YAML_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(yaml, sizeof(yaml), format, arguments);
    va_end(arguments);
    assert_in_range(len, 1, sizeof(yaml) - 1);
    rig_open(&rig, *state, otlp_grpc_exporter_new, SIGNAL_TRACES, yaml);
}

static void offer(void)
{
    const struct slice part = SLICE_LITERAL("\x0A\x02\x12\x00");
    rig_offer(&rig, &part, 1, ITEM_COUNT);
}

static void close_exporter(void)
{
    struct loop *loop = rig.loop;
    rig_close(&rig);
    loop_fixture_run(loop, 2 * CLOCK_NS_PER_MS);
}

static bool is_delivered(void)
{
    offer();
    rig_settle(&rig);
    bool is_there = counter_read(&rig.exporter->stats.items_delivered) == ITEM_COUNT;
    close_exporter();
    return is_there;
}

static void assert_field(size_t index, const char *name, const char *value)
{
    struct slice got = grpc_stub_field(grpc_stub_request(&stub, index), name);
    if (!slice_is_text(got, value)) {
        print_error("%s: %.*s\n", name, (int)got.len, (const char *)got.ptr);
    }
    assert_true(slice_is_text(got, value));
}

/* --- the target ------------------------------------------------------------------------------- */

static void test_endpoint_takes_the_prefixes_of_the_collector(void **state)
{
    static const char *const prefixes[] = {"", "http://", "dns:///", "passthrough:///"};
    start_stub(ok_script, 1);
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        open_with(state, "endpoint: '%s%s'\n" PLAIN NO_RETRY, prefixes[i], stub.target);
        assert_true(is_delivered());
        assert_field(i, ":authority", stub.target);
    }
    open_with(state, "endpoint: 'localhost:%u'\n" PLAIN NO_RETRY, stub.port);
    assert_true(is_delivered());
    open_with(state, "endpoint: ':%u'\n" PLAIN NO_RETRY, stub.port);
    assert_true(is_delivered());
    char authority[32];
    (void)snprintf(authority, sizeof(authority), "localhost:%u", stub.port);
    assert_field(COUNT_OF(prefixes) + 1, ":authority", authority);
    grpc_stub_stop(&stub);
}

static void test_endpoint_may_be_a_unix_socket(void **state)
{
    char path[64];
    static const char *const prefixes[] = {"unix://", "unix:"};
    (void)snprintf(path, sizeof(path), "/tmp/weir_otlp_%d.sock", (int)getpid());
    (void)unlink(path);
    grpc_stub_start(&stub, &(struct grpc_stub_options){
                               .script = ok_script, .script_len = 1, .unix_path = path});
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        open_with(state, "endpoint: '%s%s'\n" PLAIN NO_RETRY, prefixes[i], path);
        assert_true(is_delivered());
        assert_field(i, ":authority", "localhost");
    }
    grpc_stub_stop(&stub);
    (void)unlink(path);
}

/* --- metadata --------------------------------------------------------------------------------- */

static void test_headers_are_sent_in_lower_case(void **state)
{
    start_stub(ok_script, 1);
    open_with(state,
              "endpoint: %s\n" PLAIN
              "headers: {X-Api-Key: s3cret, trace-bin: \"\\x01\\x02\\x03\\x04\", te: gone, "
              "grpc-timeout: 1S}\n",
              stub.target);
    assert_true(is_delivered());
    assert_field(0, "x-api-key", "s3cret");
    assert_field(0, "trace-bin", "AQIDBA");
    assert_field(0, "te", "trailers");
    assert_true(grpc_stub_field(grpc_stub_request(&stub, 0), "grpc-timeout").len > 2);
    grpc_stub_stop(&stub);
}

static void test_authority_and_user_agent_are_shown(void **state)
{
    start_stub(ok_script, 1);
    open_with(state, "endpoint: %s\n" PLAIN "authority: other.example:1\nuser_agent: mine/2\n",
              stub.target);
    assert_true(is_delivered());
    assert_field(0, ":authority", "other.example:1");
    assert_field(0, "user-agent", "mine/2");
    grpc_stub_stop(&stub);
}

/* --- the connection --------------------------------------------------------------------------- */

static void test_timeout_bounds_an_attempt_and_is_announced(void **state)
{
    static const struct grpc_stub_answer script[] = {{0}, {.hangs = true}, {0}};
    start_stub(script, COUNT_OF(script));
    open_with(state, "endpoint: %s\n" PLAIN "timeout: 1s\n" QUICK_RETRY, stub.target);
    offer();
    rig_settle(&rig);
    offer();
    rig_settle(&rig);
    RIG_STAT_IS(&rig, requests_sent, 3);
    RIG_STAT_IS(&rig, items_delivered, 2 * ITEM_COUNT);
    struct slice announced = grpc_stub_field(grpc_stub_request(&stub, 1), "grpc-timeout");
    uint64_t timeout_ns = 0;
    assert_int_equal(grpc_timeout_parse(announced, &timeout_ns), 0);
    assert_in_range(timeout_ns, 1, CLOCK_NS_PER_S);
    close_exporter();
    grpc_stub_stop(&stub);
}

static void test_wait_for_ready_keeps_the_attempt(void **state)
{
    uint16_t port = 0;
    int held_fd = http_stub_hold_port(&port);
    open_with(state, "endpoint: 127.0.0.1:%u\n" PLAIN "wait_for_ready: true\n" NO_RETRY, port);
    offer();
    loop_fixture_run(rig.loop, 50 * CLOCK_NS_PER_MS);
    RIG_STAT_IS(&rig, requests_in_flight, 1);
    grpc_stub_start(
        &stub, &(struct grpc_stub_options){.script = ok_script, .script_len = 1, .port = port});
    rig_settle(&rig);
    RIG_STAT_IS(&rig, requests_sent, 1);
    RIG_STAT_IS(&rig, items_delivered, ITEM_COUNT);
    close_exporter();
    grpc_stub_stop(&stub);
    (void)close(held_fd);
}

static void test_keepalive_pings_a_peer_and_gives_it_up(void **state)
{
    static const struct grpc_stub_answer script[] = {{.hangs = true}, {0}};
    grpc_stub_start(&stub, &(struct grpc_stub_options){
                               .script = script, .script_len = 2, .ignores_pings = true});
    open_with(state,
              "endpoint: %s\n" PLAIN
              "timeout: 60s\nkeepalive: {time: 30ms, timeout: 30ms}\n" QUICK_RETRY,
              stub.target);
    offer();
    rig_settle(&rig);
    assert_true(grpc_stub_ping_count(&stub) >= 1);
    RIG_STAT_IS(&rig, items_delivered, ITEM_COUNT);
    close_exporter();
    open_with(state,
              "endpoint: %s\n" PLAIN "keepalive: {time: 10ms, permit_without_stream: true}\n",
              stub.target);
    uint32_t before = grpc_stub_ping_count(&stub);
    offer();
    rig_settle(&rig);
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (grpc_stub_ping_count(&stub) == before && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_true(grpc_stub_ping_count(&stub) > before);
    close_exporter();
    grpc_stub_stop(&stub);
}

/* The size of a buffer of the socket that is connected to `port`; the kernel doubles what it is
 * told. */
static int buffer_of_connection(uint16_t port, int name)
{
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);
        int size = 0;
        socklen_t size_len = sizeof(size);
        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET &&
            ntohs(peer.sin_port) == port &&
            getsockopt(fd, SOL_SOCKET, name, &size, &size_len) == 0) {
            return size;
        }
    }
    return -1;
}

static void test_buffer_sizes_are_those_of_the_socket(void **state)
{
    start_stub(ok_script, 1);
    open_with(state, "endpoint: %s\n" PLAIN "read_buffer_size: 20000\nwrite_buffer_size: 10000\n",
              stub.target);
    offer();
    rig_settle(&rig);
    assert_int_equal(buffer_of_connection(stub.port, SO_RCVBUF), 40000);
    assert_int_equal(buffer_of_connection(stub.port, SO_SNDBUF), 20000);
    close_exporter();
    open_with(state, "endpoint: %s\n" PLAIN, stub.target);
    offer();
    rig_settle(&rig);
    assert_true(buffer_of_connection(stub.port, SO_RCVBUF) > 40000);
    close_exporter();
    grpc_stub_stop(&stub);
}

static void read_config(const char *yaml, struct otlp_grpc_config *out,
                        struct config_fixture *fixture)
{
    struct config_reader reader;
    config_fixture_init(fixture);
    struct config_node *node = NULL;
    uint32_t source_index = 0;
    struct slice text = slice_of_text(yaml);
    assert_int_equal(
        config_tree_add_source(&fixture->tree, SLICE_LITERAL("test"), text, &source_index), 0);
    assert_int_equal(
        config_yaml_parse(&fixture->tree, &fixture->report, text, NULL, source_index, &node), 0);
    config_reader_open(&reader, &fixture->report, node, "exporters.otlp");
    assert_int_equal(otlp_grpc_config_read(&reader, out), 0);
    assert_int_equal(config_reader_finish(&reader), 0);
}

static void test_defaults_are_those_of_the_collector(void **state)
{
    (void)state;
    struct otlp_grpc_config config;
    struct config_fixture fixture;
    read_config("endpoint: gw.example:4317\n", &config, &fixture);
    assert_true(config.tls.is_enabled);
    assert_string_equal(config.client.host, "gw.example");
    assert_string_equal(config.client.server_name, "gw.example");
    assert_int_equal(config.client.port, 4317);
    assert_int_equal(config.client.balancer, GRPC_ROUND_ROBIN);
    assert_false(config.client.waits_for_ready);
    assert_int_equal(config.client.keepalive_time_ns, 0);
    assert_int_equal(config.compression, COMPRESS_GZIP);
    assert_true(config.sender.timeout_ns == 5 * CLOCK_NS_PER_S);
    assert_int_equal(config.sender.consumer_count, 10);
    otlp_grpc_config_fini(&config);
    config_fixture_fini(&fixture);
    read_config("endpoint: '[::1]:4317'\nkeepalive: {}\nbalancer_name: pick_first\n", &config,
                &fixture);
    assert_string_equal(config.client.host, "::1");
    assert_string_equal(config.client.authority, "[::1]:4317");
    assert_true(config.client.keepalive_time_ns == 10 * CLOCK_NS_PER_S);
    assert_true(config.client.keepalive_timeout_ns == 10 * CLOCK_NS_PER_S);
    assert_int_equal(config.client.balancer, GRPC_PICK_FIRST);
    otlp_grpc_config_fini(&config);
    config_fixture_fini(&fixture);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static struct tls_identity server;
static struct tls_identity client;
static SSL_CTX *context;

static void start_secure_stub(bool wants_client, const char *greeting)
{
    tls_identity_init(&server, "server");
    tls_identity_init(&client, "client");
    context = tls_identity_server(&server, wants_client ? &client : NULL);
    (void)SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    grpc_stub_start(
        &stub, &(struct grpc_stub_options){
                   .script = ok_script, .script_len = 1, .tls = context, .greeting = greeting});
}

static void stop_secure_stub(void)
{
    grpc_stub_stop(&stub);
    SSL_CTX_free(context);
    tls_identity_fini(&server);
    tls_identity_fini(&client);
}

static bool delivers_with(void **state, const char *tls)
{
    open_with(state, "endpoint: %s\n" NO_RETRY "tls: %s\n", stub.target, tls);
    return is_delivered();
}

/* The PEM text as a double-quoted YAML scalar. */
static void quote_pem(const char *pem, char *out)
{
    size_t len = 0;
    for (size_t i = 0; pem[i] != '\0'; i++) {
        if (pem[i] == '\n') {
            out[len++] = '\\';
        }
        out[len++] = pem[i] == '\n' ? 'n' : pem[i];
    }
    out[len] = '\0';
}

static void test_tls_keys_decide_whether_peers_trust_each_other(void **state)
{
    char tls[YAML_BYTES];
    char ca[TLS_IDENTITY_PEM_BYTES];
    char cert[TLS_IDENTITY_PEM_BYTES];
    char key[TLS_IDENTITY_PEM_BYTES];
    start_secure_stub(true, NULL);
    (void)snprintf(tls, sizeof(tls), "{ca_file: %s, cert_file: %s, key_file: %s}",
                   server.certificate_file, client.certificate_file, client.key_file);
    assert_true(delivers_with(state, tls));
    assert_field(0, ":scheme", "https");
    /* A CA makes it TLS, whatever `insecure` says. */
    (void)snprintf(tls, sizeof(tls), "{insecure: true, ca_file: %s, cert_file: %s, key_file: %s}",
                   server.certificate_file, client.certificate_file, client.key_file);
    assert_true(delivers_with(state, tls));
    (void)snprintf(tls, sizeof(tls), "{ca_file: %s}", server.certificate_file);
    assert_false(delivers_with(state, tls));
    (void)snprintf(tls, sizeof(tls), "{cert_file: %s, key_file: %s}", client.certificate_file,
                   client.key_file);
    assert_false(delivers_with(state, tls));
    (void)snprintf(tls, sizeof(tls), "{insecure_skip_verify: true, cert_file: %s, key_file: %s}",
                   client.certificate_file, client.key_file);
    assert_true(delivers_with(state, tls));
    (void)snprintf(tls, sizeof(tls),
                   "{insecure_skip_verify: true, cert_file: %s, key_file: %s, min_version: '1.3'}",
                   client.certificate_file, client.key_file);
    assert_false(delivers_with(state, tls));
    quote_pem(server.certificate_pem, ca);
    quote_pem(client.certificate_pem, cert);
    quote_pem(client.key_pem, key);
    (void)snprintf(tls, sizeof(tls),
                   "{ca_pem: \"%s\", include_system_ca_certs_pool: true, cert_pem: \"%s\", "
                   "key_pem: \"%s\", max_version: '1.2'}",
                   ca, cert, key);
    assert_true(delivers_with(state, tls));
    assert_false(delivers_with(state, "{insecure: true}"));
    stop_secure_stub();
}

static void test_https_means_tls_even_with_insecure(void **state)
{
    start_secure_stub(false, NULL);
    open_with(state,
              "endpoint: https://%s\n" NO_RETRY
              "tls: {insecure: true, insecure_skip_verify: true}\n",
              stub.target);
    assert_true(is_delivered());
    stop_secure_stub();
}

static void test_server_name_override_is_verified_and_shown(void **state)
{
    char tls[YAML_BYTES];
    start_secure_stub(false, NULL);
    (void)snprintf(tls, sizeof(tls), "{ca_file: %s, server_name_override: other.example}",
                   server.certificate_file);
    assert_false(delivers_with(state, tls));
    assert_true(
        delivers_with(state, "{insecure_skip_verify: true, server_name_override: other.example}"));
    assert_field(0, ":authority", "other.example");
    /* The authority's host is verified where nothing overrides it. */
    open_with(state, "endpoint: %s\nauthority: other.example:1\n" NO_RETRY "tls: {ca_file: %s}\n",
              stub.target, server.certificate_file);
    assert_false(is_delivered());
    stop_secure_stub();
}

static void test_peer_without_alpn_is_refused(void **state)
{
    start_secure_stub(false, "hello, who are you?\r\n");
    assert_false(delivers_with(state, "{insecure_skip_verify: true}"));
    stop_secure_stub();
}

static void test_a_body_given_up_under_tls_is_not_read_any_more(void **state)
{
    static const struct grpc_stub_answer script[] = {{.hangs = true}};
    size_t len = 4 << 20;
    uint8_t *large = mem_alloc(len);
    assert_non_null(large);
    const struct slice part = slice_of(large, len);
    start_secure_stub(false, NULL);
    stub.options.script = script;
    for (uint64_t wait_ms = 0; wait_ms < 16; wait_ms += 3) {
        open_with(state, "endpoint: %s\ncompression: none\ntls: {insecure_skip_verify: true}\n",
                  stub.target);
        rig_offer(&rig, &part, 1, ITEM_COUNT);
        rig_offer(&rig, &part, 1, ITEM_COUNT);
        loop_fixture_run(rig.loop, wait_ms * CLOCK_NS_PER_MS);
        rig.exporter->ops->drain(rig.exporter, 0); /* frees the batches */
        loop_fixture_run(rig.loop, 3 * CLOCK_NS_PER_MS);
        RIG_STAT_IS(&rig, items_dropped_shutdown, 2 * ITEM_COUNT);
        close_exporter();
    }
    stop_secure_stub();
    mem_free(large);
}

static void copy_file(const char *from, const char *to)
{
    char bytes[TLS_IDENTITY_PEM_BYTES];
    char temporary[96];
    FILE *in = fopen(from, "r");
    assert_non_null(in);
    size_t len = fread(bytes, 1, sizeof(bytes), in);
    (void)fclose(in);
    (void)snprintf(temporary, sizeof(temporary), "%s.new", to);
    FILE *out = fopen(temporary, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(rename(temporary, to), 0);
}

static void test_reload_interval_reads_the_files_again(void **state)
{
    char path[64];
    start_secure_stub(false, NULL);
    (void)snprintf(path, sizeof(path), "/tmp/weir_ca_%d.pem", (int)getpid());
    copy_file(client.certificate_file, path); /* somebody who does not vouch for the server */
    open_with(state,
              "endpoint: %s\n" QUICK_RETRY "tls: {ca_file: %s, reload_interval: 20ms}\n"
              "wait_for_ready: false\n",
              stub.target, path);
    offer();
    loop_fixture_run(rig.loop, 60 * CLOCK_NS_PER_MS);
    RIG_STAT_IS(&rig, items_held, ITEM_COUNT);
    copy_file(server.certificate_file, path);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, ITEM_COUNT);
    close_exporter();
    (void)unlink(path);
    stop_secure_stub();
}

static void test_an_unreadable_certificate_fails_the_opening(void **state)
{
    assert_int_equal(rig_configure(&rig, *state, otlp_grpc_exporter_new,
                                   "endpoint: 127.0.0.1:1\ntls: {ca_file: /nowhere/ca.pem}\n"),
                     0);
    assert_int_equal(rig.exporter->ops->open(rig.exporter, rig.loop), -ENOENT);
    rig.exporter->ops->close(rig.exporter);
    config_fixture_fini(&rig.config);
}

/* --- words ------------------------------------------------------------------------------------ */

#define GOOD "endpoint: localhost:4317\n"

static void test_bad_configuration_is_refused_with_words(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *words;
    } rows[] = {
        {"compression: gzip\n", "'endpoint' is missing"},
        {"endpoint: localhost\n", "must be host:port"},
        {"endpoint: localhost:otlp\n", "must be host:port"},
        {"endpoint: localhost:0\n", "must be host:port"},
        {"endpoint: http://localhost:4317/v1/traces\n", "must be host:port"},
        {"endpoint: dns://8.8.8.8/localhost:4317\n", "known but not supported yet"},
        {"endpoint: 'unix://'\n", "1 to 107 bytes"},
        {GOOD "endpont: x\n", "did you mean 'endpoint'?"},
        {GOOD "compression: lz4\n", "compression"},
        {GOOD "balancer_name: random\n", "balancer_name"},
        {GOOD "headers: {'a b': x}\n", "letters, digits"},
        {GOOD "headers: {a: \"x\\r\\n\"}\n", "printable"},
        {GOOD "user_agent: \"a\\nb\"\n", "printable"},
        {GOOD "keepalive: {timeout: 0s}\n", "must be positive"},
        {GOOD "keepalive: {tim: 1s}\n", "did you mean 'time'?"},
        {GOOD "insecure: true\n", "unknown key 'insecure'"},
        {GOOD "sending_queue: {num_consumers: 0}\n", "must be positive"},
        {GOOD "auth: {}\n", "'authenticator' is missing"},
        {GOOD "middlewares: [{id: x}]\n", "known but not supported yet"},
        {GOOD "sending_queue: {storage: file_storage}\n", "known but not supported yet"},
        {GOOD "sending_queue: {batch: {min_size: 1}}\n", "known but not supported yet"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rig_assert_refused(&rig, otlp_grpc_exporter_new, rows[i].yaml, rows[i].words);
    }
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_endpoint_takes_the_prefixes_of_the_collector),
        LOOP_TEST(test_endpoint_may_be_a_unix_socket),
        LOOP_TEST(test_headers_are_sent_in_lower_case),
        LOOP_TEST(test_authority_and_user_agent_are_shown),
        LOOP_TEST(test_timeout_bounds_an_attempt_and_is_announced),
        LOOP_TEST(test_wait_for_ready_keeps_the_attempt),
        LOOP_TEST(test_keepalive_pings_a_peer_and_gives_it_up),
        LOOP_TEST(test_buffer_sizes_are_those_of_the_socket),
        cmocka_unit_test(test_defaults_are_those_of_the_collector),
        LOOP_TEST(test_tls_keys_decide_whether_peers_trust_each_other),
        LOOP_TEST(test_https_means_tls_even_with_insecure),
        LOOP_TEST(test_server_name_override_is_verified_and_shown),
        LOOP_TEST(test_peer_without_alpn_is_refused),
        LOOP_TEST(test_a_body_given_up_under_tls_is_not_read_any_more),
        LOOP_TEST(test_reload_interval_reads_the_files_again),
        LOOP_TEST(test_an_unreadable_certificate_fails_the_opening),
        cmocka_unit_test(test_bad_configuration_is_refused_with_words),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
