/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of http_headers_config: what may stand in a head, how it is written, and how much fits.
 */
#include "exporters/http_headers_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "io/io_bounds.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

static struct config_fixture fixture;
static struct arena texts;
static struct http_headers headers;

static const char *const reserved[] = {"User-Agent", NULL};

/* What the reader says about a section with these headers. */
static int read_headers(const char *yaml, size_t room)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    uint32_t source_index = 0;
    struct slice text = slice_of_text(yaml);
    config_fixture_init(&fixture);
    assert_int_equal(arena_init(&texts, 4096, 1 << 20), 0);
    assert_int_equal(
        config_tree_add_source(&fixture.tree, SLICE_LITERAL("test.yaml"), text, &source_index), 0);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, text, NULL, source_index, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "exporters.test");
    assert_int_equal(http_headers_read(&reader, &texts, room, reserved, &headers), 0);
    return config_reader_finish(&reader);
}

static void forget(void)
{
    config_fixture_fini(&fixture);
    arena_fini(&texts);
}

static void test_headers_become_lines(void **state)
{
    (void)state;
    assert_int_equal(read_headers("headers: {X-Key: a b, x-empty: ''}\n", 1), 0);
    assert_int_equal(headers.count, 2);
    assert_string_equal(headers.lines[0], "X-Key: a b");
    assert_string_equal(headers.lines[1], "x-empty;");
    assert_int_equal(http_headers_add(&headers, &texts, SLICE_LITERAL("Own"), SLICE_LITERAL("v")),
                     0);
    assert_string_equal(headers.lines[2], "Own: v");
    forget();
}

static void test_reserved_ones_are_left_out_with_a_warning(void **state)
{
    (void)state;
    assert_int_equal(read_headers("headers: {USER-agent: mine, User-Agents: fine}\n", 1), 0);
    assert_int_equal(headers.count, 1);
    assert_string_equal(headers.lines[0], "User-Agents: fine");
    assert_non_null(strstr(config_fixture_printed(&fixture), "cannot be changed"));
    forget();
}

static void test_what_would_break_the_head_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "headers: {'a b': c}\n",
        "headers: {'a:': c}\n",
        "headers: {a: \"b\\r\\nc: d\"}\n",
        "headers: {a: \"\\x7f\"}\n",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(read_headers(bad[i], 1), FAULT_CONFIG);
        assert_int_equal(headers.count, 0);
        forget();
    }
    assert_int_equal(read_headers("headers: {a: \"b\\tc\"}\n", 1), 0);
    forget();
}

static void test_so_many_fit_and_one_more_does_not(void **state)
{
    (void)state;
    char yaml[8192];
    for (size_t more = 0; more < 2; more++) {
        size_t len = (size_t)snprintf(yaml, sizeof(yaml), "headers:\n");
        for (size_t i = 0; i < HTTP_HEADERS_MAX - 3 + more; i++) {
            len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "  h%zu: v\n", i);
        }
        assert_int_equal(read_headers(yaml, 3), more == 0 ? 0 : FAULT_CONFIG);
        assert_int_equal(headers.count, HTTP_HEADERS_MAX - 3);
        forget();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_become_lines),
        cmocka_unit_test(test_reserved_ones_are_left_out_with_a_warning),
        cmocka_unit_test(test_what_would_break_the_head_is_refused),
        cmocka_unit_test(test_so_many_fit_and_one_more_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
