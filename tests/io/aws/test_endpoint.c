/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of io/aws/endpoint: names of every partition, what is given instead, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/fault.h"
#include "io/aws/endpoint.h"

static const struct aws_endpoint_env no_env;
#define TRUE_TEXT                                                                                  \
    {                                                                                              \
        .ptr = (const uint8_t *)"true", .len = 4                                                   \
    }
static const struct aws_endpoint_env fips = {.use_fips = TRUE_TEXT};
static const struct aws_endpoint_env dual = {.use_dual_stack = TRUE_TEXT};
static const struct aws_endpoint_env both = {.use_fips = TRUE_TEXT, .use_dual_stack = TRUE_TEXT};

static void check_made(const struct aws_endpoint_env *env, const char *region, const char *service,
                       const char *expected)
{
    struct aws_endpoint endpoint;
    const char *why = "untouched";
    assert_int_equal(aws_endpoint_resolve(env, (struct slice){0}, slice_of_text(region),
                                          slice_of_text(service), &endpoint, &why),
                     0);
    assert_string_equal(endpoint.url, expected);
    assert_string_equal(endpoint.host, expected + strlen("https://"));
    assert_string_equal(endpoint.url + endpoint.path_offset, "");
    assert_string_equal(endpoint.origin, "region");
    assert_true(endpoint.is_tls);
    assert_string_equal(why, "untouched");
}

static void test_every_partition_has_its_names(void **state)
{
    (void)state;
    check_made(&no_env, "eu-west-1", "xray", "https://xray.eu-west-1.amazonaws.com");
    check_made(&dual, "eu-west-1", "xray", "https://xray.eu-west-1.api.aws");
    check_made(&no_env, "cn-north-1", "logs", "https://logs.cn-north-1.amazonaws.com.cn");
    check_made(&dual, "cn-north-1", "logs", "https://logs.cn-north-1.api.amazonwebservices.com.cn");
    check_made(&no_env, "us-gov-west-1", "logs", "https://logs.us-gov-west-1.amazonaws.com");
    check_made(&dual, "us-gov-west-1", "logs", "https://logs.us-gov-west-1.api.aws");
    check_made(&no_env, "eusc-de-east-1", "sts", "https://sts.eusc-de-east-1.amazonaws.eu");
    check_made(&dual, "eusc-de-east-1", "sts",
               "https://sts.eusc-de-east-1.api.amazonwebservices.eu");
    check_made(&no_env, "us-iso-east-1", "sts", "https://sts.us-iso-east-1.c2s.ic.gov");
    check_made(&dual, "us-iso-east-1", "sts", "https://sts.us-iso-east-1.api.aws.ic.gov");
    check_made(&no_env, "us-isob-east-1", "sts", "https://sts.us-isob-east-1.sc2s.sgov.gov");
    check_made(&dual, "us-isob-east-1", "sts", "https://sts.us-isob-east-1.api.aws.scloud");
    check_made(&no_env, "eu-isoe-west-1", "sts", "https://sts.eu-isoe-west-1.cloud.adc-e.uk");
    check_made(&dual, "eu-isoe-west-1", "sts", "https://sts.eu-isoe-west-1.api.cloud-aws.adc-e.uk");
    check_made(&no_env, "us-isof-south-1", "sts", "https://sts.us-isof-south-1.csp.hci.ic.gov");
    check_made(&dual, "us-isof-south-1", "sts", "https://sts.us-isof-south-1.api.aws.hci.ic.gov");
    check_made(&no_env, "mars-north-1", "monitoring",
               "https://monitoring.mars-north-1.amazonaws.com");
}

static void test_fips_names(void **state)
{
    (void)state;
    check_made(&fips, "us-east-1", "xray", "https://xray-fips.us-east-1.amazonaws.com");
    check_made(&fips, "us-east-1", "logs", "https://logs-fips.us-east-1.amazonaws.com");
    check_made(&both, "us-east-1", "logs", "https://logs-fips.us-east-1.api.aws");
    check_made(&fips, "us-gov-west-1", "xray", "https://xray-fips.us-gov-west-1.amazonaws.com");
    check_made(&fips, "us-gov-west-1", "logs", "https://logs.us-gov-west-1.amazonaws.com");
    check_made(&fips, "us-gov-west-1", "monitoring",
               "https://monitoring.us-gov-west-1.amazonaws.com");
    check_made(&fips, "us-gov-west-1", "sts", "https://sts.us-gov-west-1.amazonaws.com");
    check_made(&both, "us-gov-west-1", "logs", "https://logs-fips.us-gov-west-1.api.aws");
}

static void test_services_have_their_labels(void **state)
{
    (void)state;
    check_made(&no_env, "eu-west-1", "aps", "https://aps-workspaces.eu-west-1.amazonaws.com");
    check_made(&fips, "eu-west-1", "aps", "https://aps-workspaces-fips.eu-west-1.amazonaws.com");
    check_made(&no_env, "eu-west-1", "es", "https://es.eu-west-1.amazonaws.com");
}

static void test_switches_are_the_word_true(void **state)
{
    (void)state;
    struct aws_endpoint_env env = {.use_fips = SLICE_LITERAL("1")};
    check_made(&env, "us-east-1", "xray", "https://xray.us-east-1.amazonaws.com");
    env.use_fips = SLICE_LITERAL("true ");
    check_made(&env, "us-east-1", "xray", "https://xray.us-east-1.amazonaws.com");
    env.use_fips = SLICE_LITERAL("True");
    check_made(&env, "us-east-1", "xray", "https://xray-fips.us-east-1.amazonaws.com");
}

static void check_refused_name(const char *region, const char *service)
{
    struct aws_endpoint endpoint = {.url = "untouched"};
    const char *why = NULL;
    assert_int_equal(aws_endpoint_resolve(&no_env, (struct slice){0}, slice_of_text(region),
                                          slice_of_text(service), &endpoint, &why),
                     FAULT_MALFORMED);
    assert_non_null(why);
    assert_string_equal(endpoint.url, "untouched");
}

static void test_what_cannot_be_a_name_is_refused(void **state)
{
    (void)state;
    char longest[66];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    check_refused_name("", "xray");
    check_refused_name("eu-west-1.evil.example/", "xray");
    check_refused_name("EU-WEST-1", "xray");
    check_refused_name(longest, "xray");
    check_refused_name("eu-west-1", "");
    check_refused_name("eu-west-1", "x.y");
    check_refused_name("eu-west-1", longest + 32);
    /* One less fits, and so does the longest region. */
    struct aws_endpoint endpoint;
    const char *why = NULL;
    assert_int_equal(aws_endpoint_resolve(&both, (struct slice){0}, slice_of_text(longest + 2),
                                          slice_of_text(longest + 33), &endpoint, &why),
                     0);
}

struct given {
    const char *text;
    const char *url;
    const char *host;
    const char *path;
    bool is_tls;
};

static void check_given(const struct given *given)
{
    struct aws_endpoint endpoint;
    const char *why = NULL;
    assert_int_equal(aws_endpoint_resolve(&no_env, slice_of_text(given->text), (struct slice){0},
                                          SLICE_LITERAL("xray"), &endpoint, &why),
                     0);
    assert_string_equal(endpoint.url, given->url);
    assert_string_equal(endpoint.host, given->host);
    assert_string_equal(endpoint.url + endpoint.path_offset, given->path);
    assert_int_equal(endpoint.is_tls, given->is_tls);
    assert_string_equal(endpoint.origin, "setting");
}

static void test_given_urls_are_put_into_shape(void **state)
{
    (void)state;
    static const struct given given[] = {
        {"https://xray.example", "https://xray.example", "xray.example", "", true},
        {"HTTPS://XRAY.Example/", "https://xray.example", "xray.example", "", true},
        {"xray.example", "https://xray.example", "xray.example", "", true},
        {"xray.example:8443", "https://xray.example:8443", "xray.example:8443", "", true},
        {"https://xray.example:443", "https://xray.example", "xray.example", "", true},
        {"http://127.0.0.1:80/", "http://127.0.0.1", "127.0.0.1", "", false},
        {"http://127.0.0.1:443", "http://127.0.0.1:443", "127.0.0.1:443", "", false},
        {"http://localhost:4566", "http://localhost:4566", "localhost:4566", "", false},
        {"http://[::1]:65535", "http://[::1]:65535", "[::1]:65535", "", false},
        {"http://[FD00::1]", "http://[fd00::1]", "[fd00::1]", "", false},
        {"https://a.example/base/Path//", "https://a.example/base/Path", "a.example", "/base/Path",
         true},
        {"http://my_host:0080", "http://my_host", "my_host", "", false},
    };
    for (size_t i = 0; i < COUNT_OF(given); i++) {
        check_given(&given[i]);
    }
}

static void check_refused_url(struct slice text)
{
    struct aws_endpoint endpoint;
    const char *why = NULL;
    assert_int_equal(aws_endpoint_resolve(&no_env, text, SLICE_LITERAL("eu-west-1"),
                                          SLICE_LITERAL("xray"), &endpoint, &why),
                     FAULT_MALFORMED);
    assert_non_null(why);
}

static void test_malformed_urls_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "ftp://a.example",
        "://a.example",
        "https://",
        "https:///path",
        "https://user@a",
        "https://user:pw@a.example",
        "https://a.example?b=1",
        "https://a.example#b",
        "https://a.example/b?c",
        "https://a.example/b%20",
        "https://a b",
        "https://a.example:0",
        "https://a.example:65536",
        "https://a.example:",
        "https://a.example:x",
        "https://a.example:443443",
        "https://::1",
        "https://[::1",
        "https://[]",
        "https://[::1]x",
        "https://a.example\r\nX: y",
        "https://a.example/\r\nX",
        "https://\xC3\xA9",
        "https://https://a",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        check_refused_url(slice_of_text(texts[i]));
    }
    check_refused_url(slice_of("a\0b", 3));
}

static void test_long_urls_end_at_their_limit(void **state)
{
    (void)state;
    char text[AWS_ENDPOINT_URL_MAX_BYTES + 2];
    struct aws_endpoint endpoint;
    const char *why = NULL;
    memset(text, 'a', sizeof(text));
    memcpy(text, "https://h/", 10);
    assert_int_equal(aws_endpoint_resolve(&no_env, slice_of(text, AWS_ENDPOINT_URL_MAX_BYTES),
                                          (struct slice){0}, SLICE_LITERAL("xray"), &endpoint,
                                          &why),
                     0);
    assert_int_equal(strlen(endpoint.url), AWS_ENDPOINT_URL_MAX_BYTES);
    check_refused_url(slice_of(text, AWS_ENDPOINT_URL_MAX_BYTES + 1));
    text[9] = 'h'; /* no path, a host of 300 bytes */
    check_refused_url(slice_of(text, 300));
}

static void check_order(const struct aws_endpoint_env *env, const char *setting,
                        const char *expected_url, const char *expected_origin)
{
    struct aws_endpoint endpoint;
    const char *why = NULL;
    assert_int_equal(aws_endpoint_resolve(env, slice_of_text(setting), SLICE_LITERAL("eu-west-1"),
                                          SLICE_LITERAL("logs"), &endpoint, &why),
                     0);
    assert_string_equal(endpoint.url, expected_url);
    assert_string_equal(endpoint.origin, expected_origin);
}

static void test_the_nearest_setting_wins(void **state)
{
    (void)state;
    struct aws_endpoint_env env = {.url = SLICE_LITERAL("http://all:1"),
                                   .service_url = SLICE_LITERAL("http://logs:2"),
                                   .use_fips = SLICE_LITERAL("true")};
    check_order(&env, "http://own:3", "http://own:3", "setting");
    check_order(&env, "", "http://logs:2", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS");
    env.service_url = (struct slice){0};
    check_order(&env, "", "http://all:1", "AWS_ENDPOINT_URL");
    env.ignore_configured = SLICE_LITERAL("true");
    env.service_url = SLICE_LITERAL("http://logs:2");
    check_order(&env, "", "https://logs-fips.eu-west-1.amazonaws.com", "region");
    check_order(&env, "http://own:3", "http://own:3", "setting");
}

static void test_the_environment_is_read_for_one_service(void **state)
{
    (void)state;
    struct aws_endpoint_env env;
    assert_int_equal(setenv("AWS_ENDPOINT_URL", "http://all:1", 1), 0);
    assert_int_equal(setenv("AWS_ENDPOINT_URL_XRAY", "http://xray:1", 1), 0);
    assert_int_equal(setenv("AWS_USE_FIPS_ENDPOINT", "true", 1), 0);
    assert_int_equal(unsetenv("AWS_USE_DUALSTACK_ENDPOINT"), 0);
    assert_int_equal(unsetenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), 0);
    assert_int_equal(unsetenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"), 0);
    aws_endpoint_env_read(SLICE_LITERAL("xray"), &env);
    assert_true(slice_is_text(env.url, "http://all:1"));
    assert_true(slice_is_text(env.service_url, "http://xray:1"));
    assert_true(slice_is_text(env.use_fips, "true"));
    assert_int_equal(env.use_dual_stack.len, 0);
    assert_int_equal(env.ignore_configured.len, 0);
    aws_endpoint_env_read(SLICE_LITERAL("logs"), &env);
    assert_int_equal(env.service_url.len, 0);
    aws_endpoint_env_read(SLICE_LITERAL("unheard-of"), &env);
    assert_int_equal(env.service_url.len, 0);
}

static void test_partitions_and_variables_have_names(void **state)
{
    (void)state;
    assert_string_equal(aws_partition_of_region(SLICE_LITERAL("eu-west-1")), "aws");
    assert_string_equal(aws_partition_of_region(SLICE_LITERAL("cn-northwest-1")), "aws-cn");
    assert_string_equal(aws_partition_of_region(SLICE_LITERAL("us-gov-east-1")), "aws-us-gov");
    assert_string_equal(aws_partition_of_region(SLICE_LITERAL("us-iso-west-1")), "aws-iso");
    assert_string_equal(aws_partition_of_region(SLICE_LITERAL("us-isob-west-1")), "aws-iso-b");
    assert_string_equal(aws_partition_of_region((struct slice){0}), "aws");
    assert_string_equal(aws_endpoint_variable(SLICE_LITERAL("monitoring")),
                        "AWS_ENDPOINT_URL_CLOUDWATCH");
    assert_string_equal(aws_endpoint_variable(SLICE_LITERAL("sts")), "AWS_ENDPOINT_URL_STS");
    assert_null(aws_endpoint_variable(SLICE_LITERAL("es")));
    assert_null(aws_endpoint_variable((struct slice){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_partition_has_its_names),
        cmocka_unit_test(test_fips_names),
        cmocka_unit_test(test_services_have_their_labels),
        cmocka_unit_test(test_switches_are_the_word_true),
        cmocka_unit_test(test_what_cannot_be_a_name_is_refused),
        cmocka_unit_test(test_given_urls_are_put_into_shape),
        cmocka_unit_test(test_malformed_urls_are_refused),
        cmocka_unit_test(test_long_urls_end_at_their_limit),
        cmocka_unit_test(test_the_nearest_setting_wins),
        cmocka_unit_test(test_the_environment_is_read_for_one_service),
        cmocka_unit_test(test_partitions_and_variables_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
