/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of tools/weir/config_yaml and config_print: what YAML becomes, and what it refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_print.h"
#include "tools/weir/config_yaml.h"

#define PRINTED_MAX_BYTES 8192

static struct config_fixture fixture;

static int set_up(void **state)
{
    (void)state;
    config_fixture_init(&fixture);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_fixture_fini(&fixture);
    return 0;
}

static int parse_bytes(struct slice text, struct config_node **root)
{
    uint32_t index;
    int err = config_tree_add_source(&fixture.tree, SLICE_LITERAL("a.yaml"), text, &index);
    assert_int_equal(err, 0);
    *root = NULL;
    return config_yaml_parse(&fixture.tree, &fixture.report, text, NULL, index, root);
}

static struct config_node *parse(const char *text)
{
    struct config_node *root;
    int err = parse_bytes(slice_of_text(text), &root);
    if (err != 0) {
        print_error("%s", config_fixture_printed(&fixture));
    }
    assert_int_equal(err, 0);
    return root;
}

static void assert_refused(const char *text, const char *printed)
{
    struct config_node *root;
    tear_down(NULL);
    set_up(NULL);
    assert_int_equal(parse_bytes(slice_of_text(text), &root), FAULT_CONFIG);
    assert_string_equal(config_fixture_printed(&fixture), printed);
}

static const char *print(const struct config_node *root, enum config_format format, bool is_masked)
{
    static char text[PRINTED_MAX_BYTES];
    memset(text, 0, sizeof(text));
    FILE *out = fmemopen(text, sizeof(text) - 1, "w");
    assert_non_null(out);
    config_print(root, format, is_masked, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_nodes_keep_their_places(void **state)
{
    (void)state;
    struct config_node *root = parse("receivers:\n  statsd:\n    endpoint: \"é:1\"\n");
    const struct config_node *endpoint = root->first->first->first;
    assert_true(slice_is_text(endpoint->key, "endpoint"));
    assert_int_equal(endpoint->key_mark.line, 3);
    assert_int_equal(endpoint->key_mark.column, 5);
    assert_int_equal(endpoint->key_mark.width_chars, 8);
    assert_int_equal(endpoint->mark.column, 15);
    assert_int_equal(endpoint->mark.width_chars, 5);
    assert_true(endpoint->was_quoted);
}

static void test_null_takes_all_its_forms(void **state)
{
    (void)state;
    struct config_node *root = parse("a:\nb: ~\nc: null\nd: ''\ne: !!str\n");
    const struct config_node *node = root->first;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(node->kind, CONFIG_NULL);
        node = node->next;
    }
    assert_int_equal(node->kind, CONFIG_SCALAR);
    assert_int_equal(node->next->kind, CONFIG_SCALAR);
    assert_int_equal(parse("")->kind, CONFIG_NULL);
    assert_int_equal(parse("# nothing\n")->kind, CONFIG_NULL);
}

static void test_aliases_and_merge_keys_are_resolved(void **state)
{
    (void)state;
    struct config_node *root = parse("base: &b {x: 1, y: 2}\n"
                                     "more: &m {y: 3, z: 4}\n"
                                     "one:\n  <<: *b\n  y: 9\n"
                                     "two: {<<: [*b, *m]}\n"
                                     "three: *b\n");
    assert_string_equal(print(root, CONFIG_FORMAT_YAML, false), "base:\n  x: 1\n  y: 2\n"
                                                                "more:\n  y: 3\n  z: 4\n"
                                                                "one:\n  y: 9\n  x: 1\n"
                                                                "two:\n  x: 1\n  y: 2\n  z: 4\n"
                                                                "three:\n  x: 1\n  y: 2\n");
}

static void test_broken_yaml_is_refused_with_its_place(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: 2\na: 3\n",
                   "a.yaml:3:1: error: key 'a' is written twice, first in line 1\n"
                   "    3 | a: 3\n"
                   "      | ^\n"
                   "a.yaml: 1 error\n");
    assert_refused("a: 1\n---\nb: 2\n",
                   "a.yaml:2:1: error: a second document begins here; a configuration is one "
                   "document\n"
                   "    2 | ---\n"
                   "      | ^~~\n"
                   "a.yaml: 1 error\n");
    assert_refused("a: *x\n",
                   "a.yaml:1:4: error: an alias names an anchor that does not stand above it\n"
                   "    1 | a: *x\n"
                   "      |    ^~\n"
                   "a.yaml: 1 error\n");
    assert_refused("a: &x [*x]\n",
                   "a.yaml:1:8: error: an alias stands inside the value it stands for\n"
                   "    1 | a: &x [*x]\n"
                   "      |        ^~\n"
                   "a.yaml: 1 error\n");
    assert_refused("a: [1, 2\n",
                   "a.yaml:2:1: error: not valid YAML: did not find expected ',' or ']', while "
                   "parsing a flow sequence\n"
                   "    2 | \n"
                   "      | ^\n"
                   "a.yaml: 1 error\n");
    assert_refused("? [a]\n: 1\n", "a.yaml:1:3: error: a key must be a word, not a map or a list\n"
                                   "    1 | ? [a]\n"
                                   "      |   ^\n"
                                   "a.yaml: 1 error\n");
    assert_refused("a: \"x\\0y\"\n",
                   "a.yaml:1:4: error: a NUL byte has no place in a configuration\n"
                   "    1 | a: \"x\\0y\"\n"
                   "      |    ^~~~~~\n"
                   "a.yaml: 1 error\n");
    assert_refused("a: b\nc: \xff\xfe\n",
                   "a.yaml:2:4: error: not valid YAML: invalid leading UTF-8 octet\n"
                   "    2 | c: ??\n"
                   "      |    ^\n"
                   "a.yaml: 1 error\n");
    assert_refused("a:\n\t- b\n",
                   "a.yaml:2:1: error: not valid YAML: found character that cannot start any "
                   "token, while scanning for the next token\n"
                   "    2 |  - b\n"
                   "      | ^\n"
                   "a.yaml: 1 error\n");
    assert_refused("x: {<<: 5}\n", "a.yaml:1:9: error: '<<' takes a map or a list of maps\n"
                                   "    1 | x: {<<: 5}\n"
                                   "      |         ^\n"
                                   "a.yaml: 1 error\n");
}

static void test_alias_bombs_and_deep_nesting_end_early(void **state)
{
    (void)state;
    struct config_node *root;
    static const char bomb[] = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                               "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                               "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                               "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n";
    assert_int_equal(parse_bytes(slice_of_text(bomb), &root), FAULT_CONFIG);
    assert_true(fixture.tree.node_count <= CONFIG_NODES_MAX);
    assert_non_null(strstr(config_fixture_printed(&fixture), "too many values"));

    tear_down(NULL);
    set_up(NULL);
    char deep[CONFIG_DEPTH_MAX + 2];
    memset(deep, '[', CONFIG_DEPTH_MAX + 1);
    assert_int_equal(parse_bytes(slice_of(deep, CONFIG_DEPTH_MAX + 1), &root), FAULT_CONFIG);
    assert_non_null(strstr(config_fixture_printed(&fixture), "nested too deeply"));
}

static void test_a_megabyte_in_one_value_is_kept(void **state)
{
    (void)state;
    struct config_node *root;
    size_t len = (size_t)1 << 20;
    uint8_t *large = mem_alloc(len + 3);
    assert_non_null(large);
    memset(large, 'x', len + 3);
    memcpy(large, "a: ", 3);
    assert_int_equal(parse_bytes(slice_of(large, len + 3), &root), 0);
    assert_int_equal(root->first->text.len, len);
    mem_free(large);
}

static void test_hostile_bytes_never_get_through(void **state)
{
    (void)state;
    /* Every prefix and every single-byte change of a text that uses all there is. */
    static const char text[] = "a: &x {b: [1, \"\\u00e9\", 'q''q'], <<: {c: !!str 5}}\n"
                               "d: *x\n? e\n: |-\n  f\n  g\nh: >\n  i\n";
    static const uint8_t bytes[] = {0, 0xFF, '*', '&', '{', ']', ':', '\n', '"', '<'};
    struct config_node *root;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        uint8_t copy[sizeof(text)];
        for (size_t k = 0; k < COUNT_OF(bytes); k++) {
            memcpy(copy, text, sizeof(text));
            copy[i] = bytes[k];
            struct config_tree *tree = &fixture.tree;
            int err =
                config_yaml_parse(tree, NULL, slice_of(copy, sizeof(text) - 1), NULL, 0, &root);
            assert_true(err == 0 || err == FAULT_CONFIG);
        }
        int err = config_yaml_parse(&fixture.tree, NULL, slice_of(text, i), NULL, 0, &root);
        assert_true(err == 0 || err == FAULT_CONFIG);
        tear_down(NULL);
        set_up(NULL);
    }
}

static void test_printed_configuration_reads_back(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a: 1\n",
        "a: '1'\nb: [x, {y: z, w: [1, [2, 3]]}, [], {}]\nc:\n",
        "[a, [b, [c]], {d: e}]",
        "a: \"tab\\there \\u0001 \\\"q\\\" \\\\\"\nb: 'yes: no'\nc: -5\nd: '-5'\ne: '- x'\n",
        "just text",
        "a: 'true'\nb: ~\nc: 'null'\nd: 1.5\n\"e f\": {}\n",
        "a: é\n",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct config_node *root = parse(texts[i]);
        struct config_node *again = parse(print(root, CONFIG_FORMAT_YAML, false));
        /* Quotes may change where they carry no meaning, so the second printing is compared. */
        const char *second = print(again, CONFIG_FORMAT_JSON, false);
        char kept[PRINTED_MAX_BYTES];
        (void)snprintf(kept, sizeof(kept), "%s", second);
        assert_string_equal(kept, print(root, CONFIG_FORMAT_JSON, false));
        struct config_node *json = parse(kept);
        assert_string_equal(kept, print(json, CONFIG_FORMAT_JSON, false));
    }
}

static void test_secrets_are_masked(void **state)
{
    (void)state;
    struct config_node *root = parse("e:\n  headers: {x-team: s1, Authorization: s2}\n"
                                     "  api_key: s3\n  password: [s4]\n  token:\n"
                                     "  endpoint: https://me:s5@host/x\n  port: 0x10\n");
    assert_string_equal(print(root, CONFIG_FORMAT_YAML, true),
                        "e:\n"
                        "  headers:\n"
                        "    x-team: \"[REDACTED]\"\n"
                        "    Authorization: \"[REDACTED]\"\n"
                        "  api_key: \"[REDACTED]\"\n"
                        "  password: \"[REDACTED]\"\n"
                        "  token: null\n"
                        "  endpoint: \"https://[REDACTED]@host/x\"\n"
                        "  port: 0x10\n");
    assert_string_equal(print(root->first->last, CONFIG_FORMAT_JSON, true), "16\n");
    assert_string_equal(print(parse("a: [1, {b: true}]\nc: {}\n"), CONFIG_FORMAT_JSON, true),
                        "{\n  \"a\": [\n    1,\n    {\n      \"b\": true\n    }\n  ],\n"
                        "  \"c\": {}\n}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nodes_keep_their_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_null_takes_all_its_forms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_aliases_and_merge_keys_are_resolved, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_broken_yaml_is_refused_with_its_place, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_alias_bombs_and_deep_nesting_end_early, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_megabyte_in_one_value_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_bytes_never_get_through, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_printed_configuration_reads_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secrets_are_masked, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
