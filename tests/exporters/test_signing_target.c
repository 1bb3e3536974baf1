/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of signing_target: which service and region a URL is signed for, and how it is cut.
 */
#include "exporters/signing_target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/fault.h"

static struct signing_target target;
static const char *why;

static int read_with(const char *url, const char *service, const char *region)
{
    const struct sigv4_auth_settings settings = {.region = region, .service = service};
    why = "";
    return signing_target_read(url, &settings, &target, &why);
}

static void test_known_hosts_tell_service_and_region(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *service;
        const char *region;
    } rows[] = {
        {"https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1/api/v1/remote_write",
         "aps", "us-west-2"},
        {"https://aps-workspaces-fips.us-east-1.amazonaws.com/x", "aps", "us-east-1"},
        {"https://aps-workspaces.cn-north-1.amazonaws.com.cn/x", "aps", "cn-north-1"},
        {"https://search-mine-abc.eu-central-1.es.amazonaws.com/x", "es", "eu-central-1"},
        {"https://logs.eu-west-1.amazonaws.com/v1/logs", "logs", "eu-west-1"},
        {"https://XRAY.eu-west-1.amazonaws.com/v1/traces", "xray", "eu-west-1"},
        {"https://monitoring.us-gov-west-1.amazonaws.com:8443", "monitoring", "us-gov-west-1"},
        {"https://logs.example.com/", "logs", ""},
        {"https://logs.us-east-1/", "logs", ""},
        {"http://logs:4318/", "logs", ""},
        {"https://logs.gateway-eu.example.com/", "logs", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(read_with(rows[i].url, "", ""), 0);
        assert_string_equal(target.service, rows[i].service);
        assert_string_equal(target.region, rows[i].region);
    }
}

static void test_settings_win(void **state)
{
    (void)state;
    const char *url = "https://logs.eu-west-1.amazonaws.com/";
    assert_int_equal(read_with(url, "other", ""), 0);
    assert_string_equal(target.service, "other");
    assert_string_equal(target.region, "eu-west-1");
    assert_int_equal(read_with(url, "", "us-east-2"), 0);
    assert_string_equal(target.service, "logs");
    assert_string_equal(target.region, "us-east-2");
    /* A region is inferred for known hosts only. */
    assert_int_equal(read_with("https://mine.eu-west-1.example.com/", "vpc-lattice-svcs", ""), 0);
    assert_string_equal(target.service, "vpc-lattice-svcs");
    assert_string_equal(target.region, "");
}

static void test_unknown_host_without_a_service_is_refused(void **state)
{
    (void)state;
    assert_int_equal(read_with("https://collector.example.com/", "", "eu-west-1"), FAULT_CONFIG);
    assert_non_null(strstr(why, "set it in sigv4auth"));
}

static void test_url_is_cut_into_origin_and_path(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *origin;
        const char *path;
    } rows[] = {
        {"http://h:9/a/b?c=d", "http://h:9", "/a/b?c=d"},
        {"https://h", "https://h", "/"},
        {"https://h/", "https://h", "/"},
        {"https://h?x=1", "https://h", "/?x=1"},
        {"https://h/a#part", "https://h", "/a"},
        {"https://h#part", "https://h", "/"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(read_with(rows[i].url, "s", "r"), 0);
        assert_string_equal(target.origin, rows[i].origin);
        assert_string_equal(target.path, rows[i].path);
    }
    assert_int_equal(read_with("https://me:pw@h/", "s", "r"), FAULT_CONFIG);
    assert_non_null(strstr(why, "user"));
    assert_int_equal(read_with("nowhere", "s", "r"), FAULT_CONFIG);
}

static void test_longest_path_fits_and_one_more_does_not(void **state)
{
    (void)state;
    char url[AWS_PATH_MAX_BYTES + 64] = "https://h/";
    size_t used = strlen(url);
    memset(url + used, 'a', AWS_PATH_MAX_BYTES - 1);
    assert_int_equal(read_with(url, "s", "r"), 0);
    assert_int_equal(strlen(target.path), AWS_PATH_MAX_BYTES);
    url[used + AWS_PATH_MAX_BYTES - 1] = 'a';
    assert_int_equal(read_with(url, "s", "r"), FAULT_CONFIG);
    assert_non_null(strstr(why, "too long"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_hosts_tell_service_and_region),
        cmocka_unit_test(test_settings_win),
        cmocka_unit_test(test_unknown_host_without_a_service_is_refused),
        cmocka_unit_test(test_url_is_cut_into_origin_and_path),
        cmocka_unit_test(test_longest_path_fits_and_one_more_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
