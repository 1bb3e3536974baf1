/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/xray_config: the defaults, where each key arrives, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/receivers/xray_config.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

static struct config_fixture fixture;
static struct xray_config config;

/* Reads a text; what was reported stays in the fixture until it is closed. */
static int read_text(const char *yaml, uint64_t fail_nth)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "receivers.awsxray");
    mem_fail_nth(fail_nth);
    int err = xray_config_read(&reader, &config);
    mem_fail_nth(0);
    return err;
}

static void close_text(void)
{
    xray_config_fini(&config);
    xray_config_fini(&config);
    config_fixture_fini(&fixture);
}

static void good(const char *yaml)
{
    int err = read_text(yaml, 0);
    assert_string_equal(config_fixture_printed(&fixture), "");
    assert_int_equal(err, 0);
}

static void bad(const char *yaml, const char *words)
{
    assert_int_equal(read_text(yaml, 0), FAULT_CONFIG);
    const char *printed = config_fixture_printed(&fixture);
    if (strstr(printed, words) == NULL) {
        print_error("for '%s': %s", yaml, printed);
    }
    assert_non_null(strstr(printed, words));
    assert_int_equal(fixture.report.error_count, 1);
    close_text();
}

static void test_defaults_are_the_collectors(void **state)
{
    (void)state;
    good("");
    assert_string_equal(config.endpoint.text, "localhost:2000");
    assert_string_equal(config.endpoint.host, "localhost");
    assert_int_equal(config.endpoint.port, 2000);
    assert_true(config.endpoint.is_default);
    assert_int_equal(config.socket_buffer_bytes, 8 * 1024 * 1024);
    const struct xray_proxy_config *proxy = &config.proxy;
    assert_string_equal(proxy->endpoint.text, "localhost:2000");
    assert_string_equal(proxy->endpoint.host, "localhost");
    assert_int_equal(proxy->endpoint.port, 2000);
    assert_true(proxy->endpoint.is_default);
    assert_string_equal(proxy->proxy_address, "");
    assert_string_equal(proxy->region, "");
    assert_string_equal(proxy->role_arn, "");
    assert_string_equal(proxy->aws_endpoint, "");
    assert_string_equal(proxy->service_name, "xray");
    assert_false(proxy->is_insecure);
    assert_false(proxy->is_local_mode);
    assert_false(proxy->allows_all_paths);
    assert_int_equal(proxy->rules_cache_ns, 10 * CLOCK_NS_PER_S);
    close_text();
}

static void test_every_key_arrives(void **state)
{
    (void)state;
    good("endpoint: '[::1]:2001'\n"
         "transport: udp\n"
         "socket_buffer_size: 1MiB\n"
         "proxy_server:\n"
         "  endpoint: 0.0.0.0:2002\n"
         "  proxy_address: http://out:3128\n"
         "  tls: {insecure: true}\n"
         "  region: eu-west-1\n"
         "  role_arn: arn:aws:iam::1:role/r\n"
         "  aws_endpoint: https://127.0.0.1:9\n"
         "  local_mode: true\n"
         "  service_name: xray\n"
         "  allow_all_paths: true\n"
         "  rules_cache: 0s\n");
    assert_string_equal(config.endpoint.text, "[::1]:2001");
    assert_string_equal(config.endpoint.host, "::1");
    assert_int_equal(config.endpoint.port, 2001);
    assert_false(config.endpoint.is_default);
    assert_int_equal(config.socket_buffer_bytes, 1024 * 1024);
    const struct xray_proxy_config *proxy = &config.proxy;
    assert_string_equal(proxy->endpoint.host, "0.0.0.0");
    assert_int_equal(proxy->endpoint.port, 2002);
    assert_false(proxy->endpoint.is_default);
    assert_string_equal(proxy->proxy_address, "http://out:3128");
    assert_true(proxy->is_insecure);
    assert_string_equal(proxy->region, "eu-west-1");
    assert_string_equal(proxy->role_arn, "arn:aws:iam::1:role/r");
    assert_string_equal(proxy->aws_endpoint, "https://127.0.0.1:9");
    assert_true(proxy->is_local_mode);
    assert_true(proxy->allows_all_paths);
    assert_int_equal(proxy->rules_cache_ns, 0);
    close_text();
}

static void test_host_of_every_address_is_empty(void **state)
{
    (void)state;
    good("endpoint: ':2000'\n");
    assert_string_equal(config.endpoint.host, "");
    assert_false(config.endpoint.is_default);
    close_text();
}

static void test_what_is_wrong_is_refused(void **state)
{
    (void)state;
    bad("transport: tcp\n", "tcp");
    bad("endpoint: localhost\n", "endpoint");
    bad("endpiont: localhost:2000\n", "endpoint");
    bad("proxy_server: {endpoint: nowhere}\n", "proxy_server");
    bad("proxy_server: {region: 'eu_west/1'}\n", "letters, digits and hyphens");
    bad("proxy_server: {region: 'evil.example.org'}\n", "letters, digits and hyphens");
    bad("proxy_server: {service_name: s3}\n", "xray");
    bad("proxy_server: {regoin: eu-west-1}\n", "region");
    bad("proxy_server: {tls: {insecure: maybe}}\n", "insecure");
    bad("proxy_server: {tls: {ca_file: /x}}\n", "ca_file");
    bad("socket_buffer_size: 3GiB\n", "socket_buffer_size");
}

static void test_name_override_is_accepted_with_a_warning(void **state)
{
    (void)state;
    assert_int_equal(read_text("proxy_server: {tls: {server_name_override: x}}\n", 0), 0);
    assert_int_equal(fixture.report.error_count, 0);
    assert_int_equal(fixture.report.warning_count, 1);
    close_text();
}

static void test_refused_memory_is_told(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 10; nth++) {
        char long_region[3000] = "proxy_server: {region: ";
        size_t len = strlen(long_region);
        memset(long_region + len, 'a', 2500); /* needs a chunk of its own */
        memcpy(long_region + len + 2500, "}\n", 3);
        int err = read_text(long_region, nth);
        close_text();
        if (err == 0) {
            assert_true(nth > 2);
            return;
        }
        assert_int_equal(err, -ENOMEM);
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_collectors),
        cmocka_unit_test(test_every_key_arrives),
        cmocka_unit_test(test_host_of_every_address_is_empty),
        cmocka_unit_test(test_what_is_wrong_is_refused),
        cmocka_unit_test(test_name_override_is_accepted_with_a_warning),
        cmocka_unit_test(test_refused_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
