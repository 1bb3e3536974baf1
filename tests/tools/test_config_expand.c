/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of tools/weir/config_expand, config_merge and config_source: from arguments to one tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/fault.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_print.h"
#include "tools/weir/config_source.h"

#define PRINTED_MAX_BYTES 8192
#define URIS_MAX_COUNT 4

static struct config_fixture fixture;

static int set_up(void **state)
{
    (void)state;
    config_fixture_init(&fixture);
    (void)unsetenv("AOT_CONFIG_CONTENT");
    (void)unsetenv("WEIR_CONFIG_CONTENT");
    (void)unsetenv("UNSET");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_fixture_fini(&fixture);
    return 0;
}

static void set_variable(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

static const char *printed_tree(void)
{
    static char text[PRINTED_MAX_BYTES];
    memset(text, 0, sizeof(text));
    FILE *out = fmemopen(text, sizeof(text) - 1, "w");
    assert_non_null(out);
    config_print(fixture.tree.root, CONFIG_FORMAT_YAML, false, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* Loads a text as the configuration, from scratch. */
static int load(const char *text)
{
    struct slice origin;
    struct config_inputs inputs = {.preset_name = "a.yaml", .preset_text = text};
    tear_down(NULL);
    config_fixture_init(&fixture);
    return config_load(&fixture.tree, &fixture.report, &inputs, &origin);
}

static void assert_loads(const char *text, const char *tree)
{
    assert_int_equal(load(text), 0);
    assert_string_equal(printed_tree(), tree);
}

static void assert_refused(const char *text, const char *printed)
{
    assert_int_equal(load(text), FAULT_CONFIG);
    assert_string_equal(config_fixture_printed(&fixture), printed);
}

static void test_whole_values_take_their_type(void **state)
{
    (void)state;
    set_variable("NUMBER", "4317");
    set_variable("LIST", "[a, {b: c}]");
    set_variable("TEXT", "x y");
    set_variable("EMPTY", "");
    assert_loads("a: ${env:NUMBER}\nb: ${NUMBER}\nc: ${env:LIST}\nd: ${env:TEXT}\n",
                 "a: 4317\nb: 4317\nc:\n  - a\n  - b: c\nd: \"x y\"\n");
    assert_loads("a: ${env:EMPTY:-x}\nb: ${env:UNSET:-5s}\nc: \"${env:NUMBER}\"\nd: ${UNSET:-}\n",
                 "a: null\nb: 5s\nc: 4317\nd: null\n");
    assert_loads("a: '${yaml:x::y: 1}'\n", "a:\n  x:\n    y: 1\n");
}

static void test_text_fields_get_the_text_itself(void **state)
{
    (void)state;
    struct config_reader r;
    struct slice text;
    uint64_t number;
    set_variable("OCTAL", "0123");
    set_variable("MAP", "a: b");
    set_variable("QUOTED", "\"q\"");
    assert_int_equal(load("a: ${env:OCTAL}\nb: ${env:MAP}\nc: ${env:QUOTED}\nd: 1${env:OCTAL}\n"),
                     0);
    config_reader_open(&r, &fixture.report, fixture.tree.root, "");
    assert_true(config_read_text(&r, "a", NULL, &text));
    assert_true(slice_is_text(text, "0123"));
    assert_true(config_read_text(&r, "b", NULL, &text));
    assert_true(slice_is_text(text, "a: b"));
    assert_true(config_read_text(&r, "c", NULL, &text));
    assert_true(slice_is_text(text, "\"q\""));
    assert_true(config_read_u64(&r, "d", 0, &number));
    assert_int_equal(number, 10123);
    assert_int_equal(config_reader_finish(&r), 0);
}

static void test_dollars_and_nesting(void **state)
{
    (void)state;
    set_variable("WHICH", "HOST");
    set_variable("HOST", "h1");
    set_variable("CHAIN", "<${env:HOST}>");
    assert_loads("a: ${env:${env:WHICH}}:80\n", "a: h1:80\n");
    assert_loads(
        "a: $${HOST}\nb: $$x\nc: $HOST\nd: $$$${HOST}\ne: $$${HOST}\nf: a}b\n",
        "a: \"${HOST}\"\nb: \"$x\"\nc: \"$HOST\"\nd: \"$${HOST}\"\ne: \"$h1\"\nf: \"a}b\"\n");
    assert_loads("a: x${CHAIN}y\nb: ${CHAIN}\n", "a: \"x<h1>y\"\nb: \"<h1>\"\n");
    assert_loads("a: ${UNSET:-${env:HOST}}\nb: ${env:UNSET:-a:b}\n", "a: h1\nb: a:b\n");
    assert_loads("${HOST}: 1\n", "\"${HOST}\": 1\n");
}

static void test_unset_variables_are_warned_about(void **state)
{
    (void)state;
    assert_int_equal(load("a: ${env:UNSET}\nb: x${UNSET}\nc: '${env:'\n"), 0);
    assert_string_equal(printed_tree(), "a: null\nb: x\nc: \"${env:\"\n");
    assert_string_equal(
        config_fixture_printed(&fixture),
        "a.yaml:1:4: warning: environment variable 'UNSET' is not set and reads as empty\n"
        "    1 | a: ${env:UNSET}\n"
        "      |    ^~~~~~~~~~~~\n"
        "a.yaml:2:4: warning: environment variable 'UNSET' is not set and reads as empty\n"
        "    2 | b: x${UNSET}\n"
        "      |    ^~~~~~~~~\n"
        "a.yaml:3:4: warning: '${' without '}' is taken as it is written\n"
        "    3 | c: '${env:'\n"
        "      |    ^~~~~~~~\n"
        "a.yaml: 3 warnings\n");
    assert_false(config_report_is_ok(&fixture.report, true));
    assert_true(config_report_is_ok(&fixture.report, false));
}

static void test_bad_expressions_are_refused(void **state)
{
    (void)state;
    assert_refused("a: ${env:1X}\n",
                   "a.yaml:1:4: error: this is no name of an environment variable: '1X'\n"
                   "    1 | a: ${env:1X}\n"
                   "      |    ^~~~~~~~~\n"
                   "a.yaml: 1 error\n");
    assert_refused("a: ${s3:x}\n",
                   "a.yaml:1:4: error: valid forms are ${NAME}, ${env:NAME:-default}, "
                   "${file:PATH} and ${yaml:TEXT}, not 's3:x'\n"
                   "    1 | a: ${s3:x}\n"
                   "      |    ^~~~~~~\n"
                   "a.yaml: 1 error\n");
    assert_refused("a: ${https://x/y}\n",
                   "a.yaml:1:4: error: 'https://x/y': cannot be used: configuration over http is "
                   "not supported yet\n"
                   "    1 | a: ${https://x/y}\n"
                   "      |    ^~~~~~~~~~~~~~\n"
                   "a.yaml: 1 error\n");
    assert_int_equal(load("a: ${file:/nowhere/at/all}\nb: ${}\n"), FAULT_CONFIG);
    assert_int_equal(fixture.report.error_count, 2);
}

static void test_endless_expansions_end(void **state)
{
    (void)state;
    set_variable("SELF", "${env:SELF}");
    set_variable("TWICE", "x${env:TWICE}${env:TWICE}");
    set_variable("INSIDE", "[\"${env:INSIDE}\", \"${env:INSIDE}\"]");
    assert_int_equal(load("a: ${env:SELF}\n"), FAULT_CONFIG);
    assert_non_null(strstr(config_fixture_printed(&fixture), "too deeply"));
    assert_int_equal(load("a: ${env:TWICE}\n"), FAULT_CONFIG);
    assert_int_equal(load("a: ${env:INSIDE}\n"), FAULT_CONFIG);
    assert_true(fixture.tree.node_count <= CONFIG_NODES_MAX);
}

static void test_files_are_read_without_their_last_newline(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-test-expand-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: secret\n", 10), 10);
    assert_int_equal(close(fd), 0);
    char text[128];
    (void)snprintf(text, sizeof(text), "x: <${file:%s}>\n", path);
    assert_loads(text, "x: \"<a: secret>\"\n");

    const char *uris[URIS_MAX_COUNT] = {path, "yaml:a: b", "file:/nowhere"};
    struct config_inputs inputs = {.uris = uris, .uri_count = 1};
    struct slice origin;
    tear_down(NULL);
    config_fixture_init(&fixture);
    assert_int_equal(config_load(&fixture.tree, &fixture.report, &inputs, &origin), 0);
    assert_true(slice_is_text(origin, path));
    assert_string_equal(printed_tree(), "a: secret\n");
    inputs.uri_count = 3;
    tear_down(NULL);
    config_fixture_init(&fixture);
    assert_int_equal(config_load(&fixture.tree, &fixture.report, &inputs, &origin), FAULT_CONFIG);
    assert_string_equal(printed_tree(), "a: b\n");
    assert_int_equal(fixture.report.error_count, 1);
    assert_int_equal(unlink(path), 0);
}

static void test_sources_merge_and_set_comes_last(void **state)
{
    (void)state;
    static const char *const uris[] = {
        "yaml:{a: {x: 1, y: [1, 2], z: {p: 1}}, b: {c: 1}, d: {e: 1}}",
        "env:SECOND",
        "yaml:a::z::q: 3",
    };
    static const char *const sets[] = {"a.x=7", "processors.batch/2.timeout=2s", "b={}"};
    struct config_inputs inputs = {.uris = uris, .uri_count = 3, .sets = sets, .set_count = 3};
    struct slice origin;
    set_variable("SECOND", "a: {y: [3], z: {r: 2}}\nd:\nf: ${env:UNSET:-9}\n");
    assert_int_equal(config_load(&fixture.tree, &fixture.report, &inputs, &origin), 0);
    assert_string_equal(printed_tree(),
                        "a:\n  x: 7\n  y:\n    - 3\n  z:\n    p: 1\n    r: 2\n    q: "
                        "3\nb:\n  c: 1\nd: null\nf: 9\nprocessors:\n  batch/2:\n"
                        "    timeout: 2s\n");
}

static void test_bad_arguments_are_all_reported(void **state)
{
    (void)state;
    static const char *const uris[] = {"https://x/y", "env:UNSET", "yaml:[1]", "s3:x"};
    static const char *const sets[] = {"a", "a..b=1", "x=[1"};
    struct config_inputs inputs = {.uris = uris, .uri_count = 4, .sets = sets, .set_count = 3};
    struct slice origin;
    assert_int_equal(config_load(&fixture.tree, &fixture.report, &inputs, &origin), FAULT_CONFIG);
    assert_string_equal(
        config_fixture_printed(&fixture),
        "configuration: error: --config https://x/y cannot be used: configuration over http is "
        "not supported yet\n"
        "configuration: error: --config env:UNSET names an environment variable that is not set\n"
        "configuration: error: --config s3:x has an unknown scheme; valid ones are file, env and "
        "yaml\n"
        "--config yaml::1:1: error: a configuration must be a map\n"
        "    1 | [1]\n"
        "      | ^\n"
        "--set:1:1: error: --set takes key.key.key=value\n"
        "    1 | a\n"
        "      | ^\n"
        "--set:1:1: error: --set takes key.key.key=value\n"
        "    1 | a..b=1\n"
        "      | ^~~~\n"
        "--set:1:3: error: not valid YAML: did not find expected ',' or ']', while parsing a flow "
        "sequence\n"
        "    1 | x=[1\n"
        "      |   ^~\n"
        "configuration: 7 errors\n");
}

static void test_environment_content_follows_its_order(void **state)
{
    (void)state;
    static const char *const uris[] = {"yaml:a: 1"};
    struct config_inputs inputs = {.uris = uris, .uri_count = 1};
    struct slice origin;
    set_variable("AOT_CONFIG_CONTENT", "a: 2");
    assert_int_equal(config_load(&fixture.tree, &fixture.report, &inputs, &origin), 0);
    assert_string_equal(printed_tree(), "a: 2\n");
    assert_true(slice_is_text(origin, "AOT_CONFIG_CONTENT, which replaces --config"));
    (void)unsetenv("AOT_CONFIG_CONTENT");
    set_variable("WEIR_CONFIG_CONTENT", "a: 3");
    inputs.uri_count = 0;
    tear_down(NULL);
    config_fixture_init(&fixture);
    assert_int_equal(config_load(&fixture.tree, &fixture.report, &inputs, &origin), 0);
    assert_string_equal(printed_tree(), "a: 3\n");
    (void)unsetenv("WEIR_CONFIG_CONTENT");
    tear_down(NULL);
    config_fixture_init(&fixture);
    assert_int_equal(config_load(&fixture.tree, &fixture.report, &inputs, &origin), FAULT_CONFIG);
    assert_string_equal(config_fixture_printed(&fixture),
                        "configuration: error: there is no configuration\n"
                        "  give one with --config FILE\n"
                        "configuration: 1 error\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_values_take_their_type, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_text_fields_get_the_text_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dollars_and_nesting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unset_variables_are_warned_about, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_expressions_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_endless_expansions_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_are_read_without_their_last_newline, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_sources_merge_and_set_comes_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_arguments_are_all_reported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_environment_content_follows_its_order, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
