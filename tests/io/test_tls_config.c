/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of tls_config: the defaults of either side, where each key arrives, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/tls_config.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

typedef int(read_fn)(struct config_reader *parent, struct arena *texts, struct tls_config *out);

static struct config_fixture fixture;
static struct arena texts;
static struct tls_config config;
static const char *printed;

/* Errors of the whole section; the texts stay readable until the next reading. */
static uint32_t read_yaml(read_fn *read, const char *yaml)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    arena_fini(&texts);
    assert_int_equal(arena_init(&texts, 1024, 65536), 0);
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "receivers.otlp");
    assert_int_equal(read(&reader, &texts, &config), 0);
    int err = config_reader_finish(&reader);
    uint32_t error_count = fixture.report.error_count;
    assert_int_equal(err, error_count > 0 ? FAULT_CONFIG : 0);
    printed = config_fixture_printed(&fixture);
    config_fixture_fini(&fixture);
    return error_count;
}

static void expect_fine(read_fn *read, const char *yaml)
{
    if (read_yaml(read, yaml) != 0) {
        fail_msg("%s", printed);
    }
}

static void expect_refusal(read_fn *read, const char *yaml, const char *text)
{
    assert_true(read_yaml(read, yaml) > 0);
    if (strstr(printed, text) == NULL) {
        fail_msg("no '%s' in: %s", text, printed);
    }
}

static void test_without_the_section(void **state)
{
    (void)state;
    expect_fine(tls_config_read_server, "{}");
    assert_false(config.is_enabled);
    assert_true(config.settings.is_server);
    expect_fine(tls_config_read_server, "tls:\n");
    assert_false(config.is_enabled);
    expect_fine(tls_config_read_client, "{}");
    assert_true(config.is_enabled);
    assert_false(config.settings.is_server);
    assert_null(config.settings.ca_file);
    assert_int_equal(config.settings.min_version, TLS_VERSION_DEFAULT);
    assert_int_equal(config.settings.reload_interval_ns, 0);
}

static void test_every_key_of_a_server(void **state)
{
    (void)state;
    expect_fine(tls_config_read_server, "tls:\n"
                                        "  cert_file: /c.pem\n"
                                        "  key_file: /k.pem\n"
                                        "  ca_file: /a.pem\n"
                                        "  client_ca_file: /clients.pem\n"
                                        "  client_ca_file_reload: true\n"
                                        "  include_system_ca_certs_pool: true\n"
                                        "  min_version: \"1.2\"\n"
                                        "  max_version: \"1.3\"\n"
                                        "  reload_interval: 90s\n"
                                        "  curve_preferences: [X25519, P256]\n"
                                        "  cipher_suites:\n"
                                        "    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"
                                        "    - TLS_AES_128_GCM_SHA256\n"
                                        "    - TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256\n");
    const struct tls_settings *s = &config.settings;
    assert_true(config.is_enabled && s->is_server);
    assert_string_equal(s->cert_file, "/c.pem");
    assert_string_equal(s->key_file, "/k.pem");
    assert_string_equal(s->ca_file, "/a.pem");
    assert_string_equal(s->client_ca_file, "/clients.pem");
    assert_true(s->reloads_client_ca && s->includes_system_cas);
    assert_int_equal(s->min_version, TLS_VERSION_1_2);
    assert_int_equal(s->max_version, TLS_VERSION_1_3);
    assert_int_equal(s->reload_interval_ns, 90 * CLOCK_NS_PER_S);
    assert_string_equal(s->curve_preferences, "X25519:P-256");
    assert_string_equal(s->cipher_suites,
                        "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305");
    expect_fine(tls_config_read_server, "tls: {cert_pem: C, key_pem: K}");
    assert_string_equal(config.settings.cert_pem, "C");
    assert_string_equal(config.settings.key_pem, "K");
}

static void test_every_key_of_a_client(void **state)
{
    (void)state;
    expect_fine(tls_config_read_client, "tls:\n"
                                        "  ca_pem: A\n"
                                        "  cert_file: /c.pem\n"
                                        "  key_pem: K\n"
                                        "  insecure_skip_verify: true\n"
                                        "  server_name_override: elsewhere\n"
                                        "  include_insecure_cipher_suites: true\n"
                                        "  cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]\n");
    assert_true(config.is_enabled);
    assert_string_equal(config.settings.ca_pem, "A");
    assert_string_equal(config.settings.cert_file, "/c.pem");
    assert_string_equal(config.settings.key_pem, "K");
    assert_true(config.settings.skips_verification);
    assert_string_equal(config.settings.server_name_override, "elsewhere");
    assert_string_equal(config.settings.cipher_suites, "AES128-GCM-SHA256");
    expect_fine(tls_config_read_client, "tls: {insecure: true}");
    assert_false(config.is_enabled);
    expect_fine(tls_config_read_client, "tls: {insecure: true, ca_file: /a.pem}");
    assert_true(config.is_enabled); /* as in the Collector */
}

static void test_what_is_refused(void **state)
{
    (void)state;
    read_fn *server = tls_config_read_server;
    read_fn *client = tls_config_read_client;
    expect_refusal(server, "tls: {}", "a server needs cert_file and key_file");
    expect_refusal(server, "tls: {cert_file: /c}", "provide both certificate and key, or neither");
    expect_refusal(client, "tls: {key_file: /k}", "provide both certificate and key, or neither");
    expect_refusal(client, "tls: {ca_file: /a, ca_pem: A}", "provide either a file or ca_pem");
    expect_refusal(client, "tls: {min_version: \"1.4\"}", "min_version");
    expect_refusal(client, "tls: {min_version: \"1.3\", max_version: \"1.2\"}",
                   "min_version is above max_version");
    expect_refusal(client, "tls: {max_version: \"1.1\"}", "min_version is above max_version");
    expect_refusal(client, "tls: {cipher_suites: [TLS_NONSENSE]}",
                   "invalid TLS cipher suite: 'TLS_NONSENSE'");
    expect_refusal(client, "tls: {cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]}",
                   "needs include_insecure_cipher_suites");
    expect_refusal(client, "tls: {curve_preferences: [P257]}", "invalid curve type: 'P257'");
    expect_refusal(client, "tls: {curve_preferences: [X25519MLKEM768]}", "not supported yet");
    expect_refusal(client, "tls: {tpm: {enabled: true}}", "not supported yet");
    expect_refusal(client, "tls: {client_ca_file: /a}", "client_ca_file");
    expect_refusal(server, "tls: {insecure: true, cert_file: /c, key_file: /k}", "insecure");
    expect_refusal(client, "tls: {reload_interval: -1s}", "reload_interval");
}

static void test_many_suites(void **state)
{
    (void)state;
    char yaml[16384] = "tls:\n  cipher_suites:\n";
    size_t len = strlen(yaml);
    for (int i = 0; i < 100; i++) {
        len += (size_t)snprintf(yaml + len, sizeof(yaml) - len,
                                "    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n");
    }
    expect_refusal(tls_config_read_client, yaml, "too many cipher suites");
}

static int drop_texts(void **state)
{
    (void)state;
    arena_fini(&texts);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_the_section),   cmocka_unit_test(test_every_key_of_a_server),
        cmocka_unit_test(test_every_key_of_a_client), cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_many_suites),
    };
    return cmocka_run_group_tests(tests, NULL, drop_texts);
}
