/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/aws_session and aws_logs_config: defaults, what each key changes, and what is
 * refused.
 */
#include "exporters/aws_session.h"

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
#include "exporters/aws_logs_config.h"
#include "io/aws/signed_request.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

static struct config_fixture fixture;
static struct arena texts;
static struct aws_session_config session;
static struct aws_logs_group_config group;
static struct sender_config sender;

static int setup(void **state)
{
    (void)state;
    return arena_init(&texts, 4096, 1 << 20);
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&texts);
    return 0;
}

/* Reads all keys of a section. The fixture lives until the caller ends it. */
static int read_section(const char *yaml)
{
    struct config_reader r;
    struct config_node *node = NULL;
    struct slice text = slice_of_text(yaml);
    uint32_t source_index = 0;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_tree_add_source(&fixture.tree, SLICE_LITERAL("test.yaml"), text, &source_index), 0);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, text, NULL, source_index, &node), 0);
    config_reader_open(&r, &fixture.report, node, "exporters.test");
    int err = aws_session_config_read(&r, &texts, &session);
    aws_session_sender_read(&r, &session, &sender);
    int group_err = aws_logs_group_config_read(&r, &texts, &group);
    int finish_err = config_reader_finish(&r);
    err = err != 0 ? err : group_err;
    return err != 0 ? err : finish_err;
}

static void assert_reads(const char *yaml)
{
    int err = read_section(yaml);
    if (err != 0) {
        print_error("%s", config_fixture_printed(&fixture));
    }
    assert_int_equal(err, 0);
}

static void test_an_empty_section_has_the_defaults(void **state)
{
    (void)state;
    struct aws_client_options options;
    assert_reads("");
    aws_session_client_options(&session, "logs", &options);
    assert_string_equal(options.service, "logs");
    assert_string_equal(options.region, "");
    assert_string_equal(options.endpoint, "");
    assert_string_equal(options.role_arn, "");
    assert_string_equal(options.external_id, "");
    assert_string_equal(options.proxy_address, "");
    assert_string_equal(session.resource_arn, "");
    assert_false(options.insecure_skip_verify);
    assert_false(options.is_local_mode);
    assert_int_equal(options.timeout_ms, 30000);
    assert_int_equal(sender.consumer_count, 8);
    assert_int_equal(sender.timeout_ns, 30 * CLOCK_NS_PER_S);
    assert_true(sender.is_queue_enabled);
    assert_int_equal(group.retention_days, 0);
    assert_null(group.group_class);
    assert_int_equal(group.tag_count, 0);
    config_fixture_fini(&fixture);
}

static void test_every_key_arrives_and_outlives_the_tree(void **state)
{
    (void)state;
    struct aws_client_options options;
    assert_reads("region: eu-central-1\nendpoint: https://logs.example.com\n"
                 "role_arn: arn:aws:iam::1:role/r\nexternal_id: x1\nresource_arn: arn:aws:ecs:x\n"
                 "proxy_address: http://proxy:3128\nno_verify_ssl: true\nlocal_mode: true\n"
                 "num_workers: 3\nrequest_timeout_seconds: 7\n"
                 "log_retention: 1096\nlog_group_class: INFREQUENT_ACCESS\n"
                 "tags: {team: 'a b', cost-center: \"4711\"}\n");
    config_fixture_fini(&fixture);
    aws_session_client_options(&session, "xray", &options);
    assert_string_equal(options.region, "eu-central-1");
    assert_string_equal(options.endpoint, "https://logs.example.com");
    assert_string_equal(options.role_arn, "arn:aws:iam::1:role/r");
    assert_string_equal(options.external_id, "x1");
    assert_string_equal(options.proxy_address, "http://proxy:3128");
    assert_string_equal(session.resource_arn, "arn:aws:ecs:x");
    assert_true(options.insecure_skip_verify);
    assert_true(options.is_local_mode);
    assert_int_equal(options.timeout_ms, 7000);
    assert_int_equal(sender.consumer_count, 3);
    assert_int_equal(sender.timeout_ns, 7 * CLOCK_NS_PER_S);
    assert_int_equal(group.retention_days, 1096);
    assert_string_equal(group.group_class, "INFREQUENT_ACCESS");
    assert_int_equal(group.tag_count, 2);
    assert_true(slice_is_text(group.tags[0].key, "team"));
    assert_true(slice_is_text(group.tags[0].value, "a b"));
    assert_true(slice_is_text(group.tags[1].value, "4711"));
}

static void test_the_queue_and_the_timeout_win_over_the_session(void **state)
{
    (void)state;
    assert_reads("num_workers: 3\nsending_queue: {num_consumers: 5, queue_size: 9}\ntimeout: 2s\n");
    assert_int_equal(sender.consumer_count, 5);
    assert_int_equal(sender.queue_size_units, 9);
    assert_int_equal(sender.timeout_ns, 2 * CLOCK_NS_PER_S);
    config_fixture_fini(&fixture);
    assert_reads("num_workers: 3\nsending_queue: {queue_size: 9}\n");
    assert_int_equal(sender.consumer_count, 3);
    config_fixture_fini(&fixture);
    assert_reads("num_workers: 3\nsending_queue: {enabled: false}\n");
    assert_int_equal(sender.consumer_count, 3);
    assert_false(sender.is_queue_enabled);
    config_fixture_fini(&fixture);
}

static void test_max_retries_bounds_the_attempts_where_it_is_written(void **state)
{
    (void)state;
    assert_reads("region: eu-central-1\n");
    assert_int_equal(sender.attempts_max, 0);
    config_fixture_fini(&fixture);
    assert_reads("max_retries: 2\n");
    assert_int_equal(sender.attempts_max, 3);
    config_fixture_fini(&fixture);
    assert_reads("max_retries: 0\n");
    assert_int_equal(sender.attempts_max, 1);
    config_fixture_fini(&fixture);
    assert_reads("max_retries: 1000000\n");
    assert_int_equal(sender.attempts_max, 1000001);
    config_fixture_fini(&fixture);
}

static void test_keys_without_effect_say_so(void **state)
{
    (void)state;
    assert_reads("external_id: x\n");
    assert_non_null(strstr(config_fixture_printed(&fixture), "without role_arn"));
    config_fixture_fini(&fixture);
}

static void test_bad_values_are_refused_with_words(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *words;
    } rows[] = {
        {"region: \"eu/central\"\n", "region must be a name"},
        {"region: EU-CENTRAL-1\n", "region must be a name"},
        {"region: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "region must be a name"},
        {"endpoint: localhost\n", "endpoint must be a URL"},
        {"role_arn: admin\n", "role_arn must begin with arn:"},
        {"num_workers: 0\n", "num_workers must be positive"},
        {"num_workers: many\n", "num_workers must be"},
        {"request_timeout_seconds: 0\n", "between 1 and"},
        {"request_timeout_seconds: 86401\n", "between 1 and"},
        {"max_retries: -1\n", "max_retries must be"},
        {"max_retries: 1000001\n", "max_retries must"},
        {"log_retention: 2\n", "log_retention must be"},
        {"log_retention: 4294967297\n", "log_retention must be"},
        {"log_group_class: standard\n", "STANDARD"},
        {"tags: {\"a*b\": x}\n", "a tag is 1 to 128"},
        {"tags: {a: \"\"}\n", "a tag is 1 to 128"},
        {"retention: 3\n", "retention"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(read_section(rows[i].yaml), FAULT_CONFIG);
        const char *printed = config_fixture_printed(&fixture);
        if (strstr(printed, rows[i].words) == NULL) {
            print_error("%s", printed);
            fail_msg("not said: %s", rows[i].words);
        }
        config_fixture_fini(&fixture);
        arena_reset(&texts);
    }
}

static void test_fifty_tags_fit_and_one_more_does_not(void **state)
{
    (void)state;
    char yaml[2048] = "tags:\n";
    size_t len = strlen(yaml);
    for (int i = 0; i < AWS_LOGS_TAGS_MAX; i++) {
        char line[] = "  aa: b\n";
        line[2] = (char)('a' + i / 26);
        line[3] = (char)('a' + i % 26);
        memcpy(yaml + len, line, sizeof(line));
        len += sizeof(line) - 1;
    }
    assert_reads(yaml);
    assert_int_equal(group.tag_count, AWS_LOGS_TAGS_MAX);
    config_fixture_fini(&fixture);
    memcpy(yaml + len, "  zz: b\n", sizeof("  zz: b\n"));
    assert_int_equal(read_section(yaml), FAULT_CONFIG);
    assert_non_null(strstr(config_fixture_printed(&fixture), "at most 50 tags"));
    config_fixture_fini(&fixture);
}

static void test_a_tag_and_its_value_have_limits_in_characters(void **state)
{
    (void)state;
    char yaml[1024] = "tags: {\"";
    size_t len = strlen(yaml);
    for (int i = 0; i < AWS_LOGS_TAG_KEY_MAX_CHARS; i++) {
        memcpy(yaml + len, "\xC3\xA4", 2);
        len += 2;
    }
    memcpy(yaml + len, "\": b}\n", sizeof("\": b}\n"));
    assert_reads(yaml);
    config_fixture_fini(&fixture);
    memcpy(yaml + len, "c\": b}\n", sizeof("c\": b}\n"));
    assert_int_equal(read_section(yaml), FAULT_CONFIG);
    config_fixture_fini(&fixture);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_empty_section_has_the_defaults),
        TEST(test_every_key_arrives_and_outlives_the_tree),
        TEST(test_the_queue_and_the_timeout_win_over_the_session),
        TEST(test_max_retries_bounds_the_attempts_where_it_is_written),
        TEST(test_keys_without_effect_say_so),
        TEST(test_bad_values_are_refused_with_words),
        TEST(test_fifty_tags_fit_and_one_more_does_not),
        TEST(test_a_tag_and_its_value_have_limits_in_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
