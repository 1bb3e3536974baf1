/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/awsemf_config: the Collector's defaults, every key where it belongs, and what
 * wrong ones are told.
 */
#include "exporters/awsemf_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/regex.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

#define HOUR_NS (3600 * UINT64_C(1000000000))

static struct config_fixture fixture;
static struct awsemf_config config;

/* Reads into `config`; the fixture stays open until close_config. */
static int read_as(const char *yaml)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "exporters.awsemf");
    int err = awsemf_config_read(&reader, &config);
    return err != 0 ? err : config_reader_finish(&reader);
}

static void close_config(void)
{
    awsemf_config_fini(&config);
    awsemf_config_fini(&config);
    config_fixture_fini(&fixture);
}

/* The configuration is refused, and the words say why. */
static void refuse(const char *yaml, const char *words)
{
    assert_int_equal(read_as(yaml), FAULT_CONFIG);
    if (strstr(config_fixture_printed(&fixture), words) == NULL) {
        fail_msg("'%s' is not said of %s:\n%s", words, yaml, fixture.text);
    }
    close_config();
}

/* It is taken with a warning. */
static void caution(const char *yaml, const char *words)
{
    assert_int_equal(read_as(yaml), 0);
    if (strstr(config_fixture_printed(&fixture), words) == NULL) {
        fail_msg("'%s' is not said of %s:\n%s", words, yaml, fixture.text);
    }
}

static void assert_text(struct slice got, const char *expected)
{
    if (!slice_is_text(got, expected)) {
        fail_msg("%.*s is not %s", (int)got.len, (const char *)got.ptr, expected);
    }
}

static void test_defaults_are_the_collectors(void **state)
{
    (void)state;
    assert_int_equal(read_as(""), 0);
    assert_text(config.emf.namespace, "");
    assert_text(config.emf.log_group_name, "");
    assert_text(config.emf.log_stream_name, "");
    assert_int_equal(config.emf.rollup, EMF_ROLLUP_ZERO_AND_SINGLE);
    assert_int_equal(config.emf.declaration_count, 0);
    assert_int_equal(config.emf.descriptor_count, 0);
    assert_int_equal(config.emf.json_label_count, 0);
    assert_false(config.emf.copies_resource);
    assert_false(config.emf.leaves_service_out);
    assert_false(config.emf.has_detailed_metrics);
    assert_false(config.emf.retains_initial);
    assert_false(config.emf.is_legacy);
    assert_false(config.is_stdout);
    assert_int_equal(config.emf.delta_idle_ns, HOUR_NS);
    assert_int_equal(config.emf.delta_series_max, EMF_DELTA_SERIES_MAX);
    assert_int_equal(config.group.retention_days, 0);
    assert_int_equal(config.group.tag_count, 0);
    close_config();
}

static void test_the_default_stream_is_one_per_process(void **state)
{
    (void)state;
    char first[64] = "";
    assert_int_equal(read_as(""), 0);
    struct slice stream = config.emf.default_stream;
    assert_int_equal(stream.len, strlen("otel-stream-") + 36);
    assert_true(slice_has_prefix(stream, SLICE_LITERAL("otel-stream-")));
    assert_int_equal(stream.ptr[12 + 14], '4'); /* random (version 4) */
    memcpy(first, stream.ptr, stream.len);
    close_config();
    assert_int_equal(read_as(""), 0);
    assert_text(config.emf.default_stream, first);
    close_config();
}

static void test_every_plain_key_arrives(void **state)
{
    (void)state;
    assert_int_equal(read_as("namespace: ECS/App\n"
                             "log_group_name: '/ecs/{ClusterName}'\n"
                             "log_stream_name: '{TaskId}'\n"
                             "dimension_rollup_option: SingleDimensionRollupOnly\n"
                             "resource_to_telemetry_conversion: {enabled: true,"
                             " exclude_service_attributes: true}\n"
                             "parse_json_encoded_attr_values: [Sources, kubernetes]\n"
                             "output_destination: stdout\n"
                             "detailed_metrics: true\n"
                             "retain_initial_value_of_delta_metric: true\n"
                             "version: \"0\"\n"
                             "log_retention: 14\n"
                             "log_group_class: STANDARD\n"
                             "tags: {team: shop, 'a b': c@d}\n"
                             "eks_fargate_container_insights_enabled: false\n"
                             "cumulative_expiration: 24h\n"
                             "cumulative_series_limit: 5000\n"),
                     0);
    assert_text(config.emf.namespace, "ECS/App");
    assert_text(config.emf.log_group_name, "/ecs/{ClusterName}");
    assert_text(config.emf.log_stream_name, "{TaskId}");
    assert_int_equal(config.emf.rollup, EMF_ROLLUP_SINGLE);
    assert_true(config.emf.copies_resource);
    assert_true(config.emf.leaves_service_out);
    assert_int_equal(config.emf.json_label_count, 2);
    assert_text(config.emf.json_labels[1], "kubernetes");
    assert_true(config.is_stdout);
    assert_true(config.emf.has_detailed_metrics);
    assert_true(config.emf.retains_initial);
    assert_true(config.emf.is_legacy);
    assert_int_equal(config.group.retention_days, 14);
    assert_int_equal(config.group.tag_count, 2);
    assert_int_equal(config.emf.delta_idle_ns, 24 * HOUR_NS);
    assert_int_equal(config.emf.delta_series_max, 5000);
    close_config();
}

static void test_each_rollup_has_its_word(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        enum emf_rollup rollup;
    } cases[] = {
        {"dimension_rollup_option: ZeroAndSingleDimensionRollup", EMF_ROLLUP_ZERO_AND_SINGLE},
        {"dimension_rollup_option: SingleDimensionRollupOnly", EMF_ROLLUP_SINGLE},
        {"dimension_rollup_option: NoDimensionRollup", EMF_ROLLUP_NONE},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(read_as(cases[i].yaml), 0);
        assert_int_equal(config.emf.rollup, cases[i].rollup);
        close_config();
    }
}

static void test_wrong_words_are_refused(void **state)
{
    (void)state;
    refuse("dimension_rollup_option: NoRollup", "must be one of");
    refuse("output_destination: file", "must be one of");
    refuse("version: \"2\"", "must be one of");
    refuse("log_retention: 2", "log_retention must be 0 or");
    refuse("log_group_class: CHEAP", "must be one of");
    refuse("tags: {'a!': b}", "a tag is 1 to 128 characters");
    refuse("cumulative_expiration: 59m", "must be at least 1h");
    refuse("cumulative_series_limit: 0", "must be positive");
    refuse("cumulative_series_limit: 1000001", "cumulative_series_limit");
    refuse("eks_fargate_container_insights_enabled: true", "known but not supported");
    refuse("name_space: x", "unknown key 'name_space'");
    refuse("resource_to_telemetry_conversion: {enable: true}", "unknown key 'enable'");
    refuse("detailed_metrics: maybe", "detailed_metrics");
}

static void test_log_retention_takes_what_cloudwatch_takes(void **state)
{
    (void)state;
    static const char *const yaml[] = {"log_retention: 0", "log_retention: 1",
                                       "log_retention: 1096", "log_retention: 3653"};
    for (size_t i = 0; i < COUNT_OF(yaml); i++) {
        assert_int_equal(read_as(yaml[i]), 0);
        close_config();
    }
    refuse("log_retention: 3654", "log_retention");
    refuse("log_retention: -1", "log_retention");
}

static void test_odd_settings_get_a_warning(void **state)
{
    (void)state;
    caution("namespace: AWS/Mine", "begin with AWS/");
    close_config();
    caution("log_group_class: INFREQUENT_ACCESS", "class STANDARD");
    close_config();
}

static void test_descriptors_without_a_name_or_a_known_unit_are_left_out(void **state)
{
    (void)state;
    caution("metric_descriptors:\n"
            "  - {metric_name: a, unit: Count}\n"
            "  - {metric_name: '', unit: Count}\n"
            "  - {metric_name: b, unit: Furlongs}\n"
            "  - {metric_name: c, unit: Bytes/Second, overwrite: true}\n",
            "has no metric_name");
    assert_non_null(strstr(fixture.text, "no unit of that name"));
    assert_int_equal(config.emf.descriptor_count, 2);
    assert_text(config.emf.descriptors[0].metric_name, "a");
    assert_text(config.emf.descriptors[0].unit, "Count");
    assert_false(config.emf.descriptors[0].overwrites);
    assert_text(config.emf.descriptors[1].metric_name, "c");
    assert_true(config.emf.descriptors[1].overwrites);
    close_config();
    refuse("metric_descriptors: [{name: a}]", "unknown key 'name'");
}

static void test_a_declaration_arrives_whole(void **state)
{
    (void)state;
    assert_int_equal(read_as("metric_declarations:\n"
                             "  - dimensions: [[b, a, b], [], [c]]\n"
                             "    metric_name_selectors: ['^http', 'x$']\n"
                             "    label_matchers:\n"
                             "      - {label_names: [z, a], separator: '-', regex: '^1-2$'}\n"
                             "      - {label_names: [a], regex: .}\n"
                             "  - metric_name_selectors: ['.*']\n"),
                     0);
    assert_int_equal(config.emf.declaration_count, 2);
    const struct emf_declaration *d = &config.emf.declarations[0];
    assert_int_equal(d->set_count, 3);
    assert_int_equal(d->sets[0].name_count, 2); /* sorted, each once */
    assert_text(d->sets[0].names[0], "a");
    assert_text(d->sets[0].names[1], "b");
    assert_int_equal(d->sets[1].name_count, 0);
    assert_int_equal(d->selector_count, 2);
    assert_true(regex_matches(d->selectors[0], SLICE_LITERAL("http.x.y")));
    assert_false(regex_matches(d->selectors[0], SLICE_LITERAL("x.http")));
    assert_int_equal(d->matcher_count, 2);
    assert_text(d->matchers[0].names[0], "z"); /* in the order given */
    assert_text(d->matchers[0].separator, "-");
    assert_text(d->matchers[1].separator, ";");
    assert_true(regex_matches(d->matchers[0].regex, SLICE_LITERAL("1-2")));
    assert_int_equal(config.emf.declarations[1].set_count, 0);
    close_config();
}

static void test_declarations_that_select_nothing_are_left_out(void **state)
{
    (void)state;
    caution("metric_declarations:\n"
            "  - dimensions: [[a]]\n"
            "  - {metric_name_selectors: [a], label_matchers: [{regex: a}]}\n"
            "  - {metric_name_selectors: [b], label_matchers: [{label_names: [a]}]}\n"
            "  - {metric_name_selectors: [c]}\n",
            "metric_declarations[0] has no metric_name_selectors and is left out");
    assert_non_null(strstr(fixture.text, "metric_declarations[1] has a label matcher without"));
    assert_non_null(strstr(fixture.text, "metric_declarations[2] has a label matcher without"));
    assert_int_equal(config.emf.declaration_count, 1);
    close_config();
}

static void test_a_set_has_ten_dimensions_at_most(void **state)
{
    (void)state;
    caution("metric_declarations:\n"
            "  - dimensions: [[a,b,c,d,e,f,g,h,i,j], [a,b,c,d,e,f,g,h,i,j,k], [z]]\n"
            "    metric_name_selectors: [m]\n",
            "more than 10 dimensions is left out");
    assert_int_equal(config.emf.declarations[0].set_count, 2);
    assert_int_equal(config.emf.declarations[0].sets[0].name_count, 10);
    assert_text(config.emf.declarations[0].sets[1].names[0], "z");
    close_config();
}

static void test_bad_declarations_are_refused(void **state)
{
    (void)state;
    refuse("metric_declarations: [{metric_name_selectors: ['(']}]", "metric_name_selectors");
    refuse("metric_declarations: [{metric_name_selectors: [a], label_matchers:"
           " [{label_names: [b], regex: '['}]}]",
           "regex");
    refuse("metric_declarations: [{metric_name_selectors: [a], dimensions: [a]}]",
           "a list of lists");
    refuse("metric_declarations: [{metric_name_selectors: [a], dimensions: a}]", "a list of lists");
    refuse("metric_declarations: [{metric_name_selectors: [a], dimensions: [[[a]]]}]",
           "a list of texts");
    refuse("metric_declarations: [{selectors: [a]}]", "unknown key 'selectors'");
}

static void test_reading_survives_each_failed_allocation(void **state)
{
    (void)state;
    static const char yaml[] = "namespace: a\n"
                               "parse_json_encoded_attr_values: [a]\n"
                               "metric_descriptors: [{metric_name: a, unit: Count}]\n"
                               "metric_declarations: [{dimensions: [[a]], metric_name_selectors:"
                               " [a, b], label_matchers: [{label_names: [a], regex: a}]}]\n";
    struct config_node *node = NULL;
    bool is_done = false;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    for (uint64_t nth = 1; nth < 200 && !is_done; nth++) {
        struct config_reader reader;
        config_reader_open(&reader, &fixture.report, node, "exporters.awsemf");
        mem_fail_nth(nth);
        int err = awsemf_config_read(&reader, &config);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
        is_done = err == 0;
        awsemf_config_fini(&config);
    }
    assert_true(is_done);
    config_fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_collectors),
        cmocka_unit_test(test_the_default_stream_is_one_per_process),
        cmocka_unit_test(test_every_plain_key_arrives),
        cmocka_unit_test(test_each_rollup_has_its_word),
        cmocka_unit_test(test_wrong_words_are_refused),
        cmocka_unit_test(test_log_retention_takes_what_cloudwatch_takes),
        cmocka_unit_test(test_odd_settings_get_a_warning),
        cmocka_unit_test(test_descriptors_without_a_name_or_a_known_unit_are_left_out),
        cmocka_unit_test(test_a_declaration_arrives_whole),
        cmocka_unit_test(test_declarations_that_select_nothing_are_left_out),
        cmocka_unit_test(test_a_set_has_ten_dimensions_at_most),
        cmocka_unit_test(test_bad_declarations_are_refused),
        cmocka_unit_test(test_reading_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
