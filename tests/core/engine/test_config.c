/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/engine/config: trees built by hand, read as a component would.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "tests/support/config_fixture.h"

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

/* A map whose keys stand in lines 1, 2, … of a source made of "key: value" lines. */
static struct config_node *add_member(struct config_node *map, enum config_kind kind,
                                      const char *key, const char *value)
{
    uint32_t line = map->child_count + 1;
    struct config_mark mark = {.line = line, .column = 1};
    mark.width_chars = (uint32_t)strlen(key);
    struct config_node *node = config_node_new(&fixture.tree, kind, mark);
    assert_non_null(node);
    node->key = slice_of_text(key);
    node->key_mark = mark;
    node->mark.column = mark.width_chars + 3;
    node->mark.width_chars = (uint32_t)strlen(value);
    node->text = slice_of_text(value);
    config_node_append(map, node);
    return node;
}

static struct config_node *new_map(const char *source)
{
    uint32_t index;
    int err = config_tree_add_source(&fixture.tree, SLICE_LITERAL("gateway.yaml"),
                                     slice_of_text(source), &index);
    assert_int_equal(err, 0);
    struct config_node *map =
        config_node_new(&fixture.tree, CONFIG_MAP, (struct config_mark){.line = 1, .column = 1});
    assert_non_null(map);
    return map;
}

static void test_absent_keys_read_as_defaults(void **state)
{
    (void)state;
    struct config_reader r;
    struct config_reader queue;
    bool flag;
    uint64_t number;
    struct slice text;
    struct config_endpoint endpoint;
    config_reader_open(&r, &fixture.report, NULL, "receivers.statsd");
    assert_false(config_read_bool(&r, "enabled", true, &flag));
    assert_true(flag);
    assert_false(config_read_duration_ns(&r, "interval", 60, &number));
    assert_int_equal(number, 60);
    assert_false(config_read_text(&r, "name", NULL, &text));
    assert_int_equal(text.len, 0);
    assert_false(config_read_endpoint(&r, "endpoint", "localhost:8125", &endpoint));
    assert_true(endpoint.is_default);
    assert_int_equal(endpoint.port, 8125);
    assert_true(config_open_optional(&r, "queue", true, &queue));
    assert_int_equal(config_reader_finish(&queue), 0);
    assert_false(config_open_optional(&r, "grpc", false, &queue));
    assert_int_equal(config_reader_finish(&queue), 0);
    assert_int_equal(config_reader_finish(&r), 0);
    assert_string_equal(config_fixture_printed(&fixture), "");
}

static void test_unknown_key_names_the_nearest(void **state)
{
    (void)state;
    struct config_node *map = new_map("agregation_interval: 60s\nendpoint: localhost:8125\n");
    struct config_reader r;
    uint64_t interval_ns;
    struct config_endpoint endpoint;
    add_member(map, CONFIG_SCALAR, "agregation_interval", "60s");
    add_member(map, CONFIG_SCALAR, "endpoint", "localhost:8125");
    config_reader_open(&r, &fixture.report, map, "receivers.statsd");
    config_reader_set_docs(&r, "statsd-listener");
    (void)config_read_duration_ns(&r, "aggregation_interval", 10, &interval_ns);
    assert_true(config_read_endpoint(&r, "endpoint", "localhost:1", &endpoint));
    assert_false(endpoint.is_default);
    assert_int_equal(config_reader_finish(&r), FAULT_CONFIG);
    assert_string_equal(config_fixture_printed(&fixture),
                        "gateway.yaml:1:1: error: unknown key 'agregation_interval' in "
                        "receivers.statsd\n"
                        "    1 | agregation_interval: 60s\n"
                        "      | ^~~~~~~~~~~~~~~~~~~\n"
                        "  did you mean 'aggregation_interval'?  (docs: statsd-listener)\n"
                        "gateway.yaml: 1 error\n");
}

static void test_unknown_key_far_from_all_lists_the_valid(void **state)
{
    (void)state;
    struct config_node *map = new_map("zzz: 1\n");
    struct config_reader r;
    bool flag;
    add_member(map, CONFIG_SCALAR, "zzz", "1");
    config_reader_open(&r, &fixture.report, map, "exporters.debug");
    (void)config_read_bool(&r, "one", false, &flag);
    (void)config_read_bool(&r, "two", false, &flag);
    assert_int_equal(config_reader_finish(&r), FAULT_CONFIG);
    assert_string_equal(config_fixture_printed(&fixture),
                        "gateway.yaml:1:1: error: unknown key 'zzz' in exporters.debug\n"
                        "    1 | zzz: 1\n"
                        "      | ^~~\n"
                        "  valid keys: one, two\n"
                        "gateway.yaml: 1 error\n");
}

static void test_types_are_strict_and_all_reported(void **state)
{
    (void)state;
    struct config_node *map = new_map("a: yes\nb: \"1\"\nc: 5\nd: -1\ne: 10\nf: 70000\n");
    struct config_reader r;
    bool flag;
    uint64_t number;
    uint32_t small;
    struct slice text;
    add_member(map, CONFIG_SCALAR, "a", "yes");
    add_member(map, CONFIG_SCALAR, "b", "1")->was_quoted = true;
    add_member(map, CONFIG_SCALAR, "c", "5");
    add_member(map, CONFIG_SCALAR, "d", "-1");
    add_member(map, CONFIG_SCALAR, "e", "10");
    add_member(map, CONFIG_SCALAR, "f", "70000");
    config_reader_open(&r, &fixture.report, map, "x");
    assert_false(config_read_bool(&r, "a", false, &flag));
    assert_false(config_read_u64(&r, "b", 7, &number));
    assert_int_equal(number, 7);
    assert_false(config_read_text(&r, "c", "t", &text));
    assert_true(slice_is_text(text, "t"));
    assert_false(config_read_duration_ns(&r, "d", 3, &number));
    assert_int_equal(number, 3);
    assert_true(config_read_duration_ns(&r, "e", 3, &number));
    assert_false(config_read_u32(&r, "f", 1, 65535, &small));
    assert_int_equal(small, 1);
    assert_int_equal(config_reader_finish(&r), FAULT_CONFIG);
    assert_string_equal(
        config_fixture_printed(&fixture),
        "gateway.yaml:1:4: error: x.a must be true or false, not the text 'yes'\n"
        "    1 | a: yes\n"
        "      |    ^~~\n"
        "gateway.yaml:2:4: error: x.b must be a whole number, 0 or more, not the text '1' in "
        "quotes\n"
        "    2 | b: \"1\"\n"
        "      |    ^\n"
        "gateway.yaml:3:4: error: x.c must be text (in quotes), not the number '5'\n"
        "    3 | c: 5\n"
        "      |    ^\n"
        "gateway.yaml:4:4: error: x.d must not be negative\n"
        "    4 | d: -1\n"
        "      |    ^~\n"
        "gateway.yaml:5:4: warning: x.e has no unit and means nanoseconds\n"
        "    5 | e: 10\n"
        "      |    ^~\n"
        "gateway.yaml:6:4: error: x.f must be at most 65535\n"
        "    6 | f: 70000\n"
        "      |    ^~~~~\n"
        "gateway.yaml: 5 errors, 1 warning\n");
    assert_false(config_report_is_ok(&fixture.report, false));
}

static void test_expanded_text_is_kept_letter_by_letter(void **state)
{
    (void)state;
    struct config_node *map = new_map("a: ${env:A}\n");
    struct config_reader r;
    struct slice text;
    uint64_t number;
    struct config_node *node = add_member(map, CONFIG_SCALAR, "a", "0123");
    node->from_expansion = true;
    node->original = SLICE_LITERAL("0123");
    config_reader_open(&r, &fixture.report, map, "x");
    assert_true(config_read_text(&r, "a", NULL, &text));
    assert_true(slice_is_text(text, "0123"));
    assert_true(config_read_u64(&r, "a", 0, &number));
    assert_int_equal(number, 0123);
    assert_int_equal(config_reader_finish(&r), 0);
}

static void test_unsupported_and_missing_keys_say_so(void **state)
{
    (void)state;
    static const char *const words[] = {"udp", "tcp", "unixgram"};
    struct config_node *map = new_map("storage: x\ntransport: upd\nendpoint: localhost:4137\n");
    struct config_reader r;
    uint32_t index;
    struct config_endpoint endpoint;
    add_member(map, CONFIG_SCALAR, "storage", "x");
    add_member(map, CONFIG_SCALAR, "transport", "upd");
    add_member(map, CONFIG_SCALAR, "endpoint", "localhost:4137");
    config_reader_open(&r, &fixture.report, map, "x");
    config_known_unsupported(&r, "storage");
    config_known_unsupported(&r, "absent");
    assert_false(config_read_enum(&r, "transport", CONFIG_WORDS(words), 1, &index));
    assert_int_equal(index, 1);
    assert_true(config_read_endpoint(&r, "endpoint", NULL, &endpoint));
    config_check_port(&r, "endpoint", endpoint.port, 4317);
    assert_false(config_require(&r, "path"));
    assert_int_equal(config_reader_finish(&r), FAULT_CONFIG);
    assert_string_equal(
        config_fixture_printed(&fixture),
        "gateway.yaml:1:1: error: key 'storage' in x is known but not supported yet\n"
        "    1 | storage: x\n"
        "      | ^~~~~~~\n"
        "gateway.yaml:1:1: error: key 'path' is missing in x\n"
        "    1 | storage: x\n"
        "      | ^\n"
        "gateway.yaml:2:12: error: x.transport must be one of udp, tcp, unixgram, not 'upd'\n"
        "    2 | transport: upd\n"
        "      |            ^~~\n"
        "  did you mean 'udp'?\n"
        "gateway.yaml:3:11: warning: port 4137 in x.endpoint is unusual here\n"
        "    3 | endpoint: localhost:4137\n"
        "      |           ^~~~~~~~~~~~~~\n"
        "  did you mean 4317?\n"
        "gateway.yaml: 3 errors, 1 warning\n");
}

static void test_lists_split_scalars_and_skip_what_is_no_text(void **state)
{
    (void)state;
    struct config_node *map = new_map("a: x, y,z\nb: [p, 5, q]\n");
    struct config_reader r;
    struct slice text;
    add_member(map, CONFIG_SCALAR, "a", "x, y,z");
    struct config_node *list = add_member(map, CONFIG_LIST, "b", "[p, 5, q]");
    static const char *const values[] = {"p", "5", "q"};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct config_node *item = config_node_new(
            &fixture.tree, CONFIG_SCALAR,
            (struct config_mark){.line = 2, .column = (uint32_t)(5 + i * 3), .width_chars = 1});
        item->text = slice_of_text(values[i]);
        config_node_append(list, item);
    }
    config_reader_open(&r, &fixture.report, map, "x");
    struct config_items items = config_open_list(&r, "a");
    static const char *const parts[] = {"x", "y", "z"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        assert_true(config_next_text(&items, &text));
        assert_true(slice_is_text(text, parts[i]));
    }
    assert_false(config_next_text(&items, &text));
    items = config_open_list(&r, "b");
    assert_true(config_next_text(&items, &text));
    assert_true(slice_is_text(text, "p"));
    assert_true(config_next_text(&items, &text));
    assert_true(slice_is_text(text, "q"));
    assert_int_equal(items.index, 2);
    assert_false(config_next_text(&items, &text));
    assert_int_equal(config_reader_finish(&r), FAULT_CONFIG);
    assert_string_equal(config_fixture_printed(&fixture),
                        "gateway.yaml:2:8: error: x.b[1] must be text, not the number '5'\n"
                        "    2 | b: [p, 5, q]\n"
                        "      |        ^\n"
                        "gateway.yaml: 1 error\n");
}

static void test_secrets_are_not_shown(void **state)
{
    (void)state;
    struct config_node *map = new_map("api_key: hunter2\n");
    struct config_reader r;
    bool flag;
    add_member(map, CONFIG_SCALAR, "api_key", "hunter2");
    config_reader_open(&r, &fixture.report, map, "x");
    (void)config_read_bool(&r, "api_key", false, &flag);
    const char *printed = config_fixture_printed(&fixture);
    assert_null(strstr(printed, "hunter2"));
    assert_non_null(strstr(printed, "api_key: [REDACTED]"));
    assert_false(config_is_secret_key(SLICE_LITERAL("endpoint")));
    assert_true(config_is_secret_key(SLICE_LITERAL("X-API-Key")));
}

static void test_same_settings_in_any_order_are_same(void **state)
{
    (void)state;
    struct config_node *a = new_map("");
    struct config_node *b = new_map("");
    add_member(a, CONFIG_SCALAR, "x", "1");
    add_member(add_member(a, CONFIG_MAP, "m", ""), CONFIG_SCALAR, "k", "v");
    add_member(add_member(b, CONFIG_MAP, "m", ""), CONFIG_SCALAR, "k", "v");
    struct config_node *x = add_member(b, CONFIG_SCALAR, "x", "1");
    assert_true(config_node_is_same(a, b));
    struct config_node *copy = config_node_copy(&fixture.tree, a);
    assert_non_null(copy);
    assert_true(config_node_is_same(a, copy));
    x->text = SLICE_LITERAL("2");
    assert_false(config_node_is_same(a, b));
    assert_false(config_node_is_same(a, NULL));
    assert_true(config_node_is_same(NULL, NULL));
}

static void test_report_stays_bounded_and_counts_all(void **state)
{
    (void)state;
    (void)new_map("x\n");
    for (uint32_t i = 0; i < CONFIG_ISSUES_MAX + 5; i++) {
        config_error(&fixture.report, (struct config_mark){.line = 1, .column = i + 1}, NULL,
                     "bad \x01 \xff");
    }
    config_error(&fixture.report, (struct config_mark){.line = 1, .column = 1}, NULL,
                 "bad \x01 \xff"); /* known already */
    assert_int_equal(fixture.report.error_count, CONFIG_ISSUES_MAX + 5);
    const char *printed = config_fixture_printed(&fixture);
    assert_non_null(strstr(printed, "bad ? ?\n"));
    assert_non_null(strstr(printed, "… and 5 more\ngateway.yaml: 105 errors\n"));
}

static void test_tree_survives_every_refused_allocation(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 8; nth++) {
        struct config_tree tree;
        uint32_t index;
        mem_fail_nth(nth);
        int err = config_tree_init(&tree);
        if (err == 0) {
            static const uint8_t large[100000];
            err = config_tree_add_source(&tree, SLICE_LITERAL("a"), slice_of(large, sizeof(large)),
                                         &index);
        }
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
        config_tree_fini(&tree);
        config_tree_fini(&tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_absent_keys_read_as_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_key_names_the_nearest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_key_far_from_all_lists_the_valid, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_types_are_strict_and_all_reported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expanded_text_is_kept_letter_by_letter, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_unsupported_and_missing_keys_say_so, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_lists_split_scalars_and_skip_what_is_no_text, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_secrets_are_not_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_same_settings_in_any_order_are_same, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_report_stays_bounded_and_counts_all, set_up,
                                        tear_down),
        cmocka_unit_test(test_tree_survives_every_refused_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
