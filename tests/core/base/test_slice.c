/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/base/slice: finding, comparing, UTF-8.
 */
#include "core/base/slice.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

static void test_find_and_compare(void **state)
{
    (void)state;
    struct slice s = SLICE_LITERAL("a.b.c");
    assert_int_equal(slice_find(s, '.'), 1);
    assert_int_equal(slice_find(s, 'x'), 5);
    assert_int_equal(slice_find((struct slice){0}, 'x'), 0);
    assert_true(slice_has_prefix(s, SLICE_LITERAL("a.")));
    assert_true(slice_has_prefix(s, (struct slice){0}));
    assert_false(slice_has_prefix(s, SLICE_LITERAL("a.b.c.")));
    assert_true(slice_compare(SLICE_LITERAL("a"), SLICE_LITERAL("ab")) < 0);
    assert_true(slice_compare(SLICE_LITERAL("b"), SLICE_LITERAL("ab")) > 0);
    assert_true(slice_compare(SLICE_LITERAL("\xff"), SLICE_LITERAL("a")) > 0);
    assert_int_equal(slice_compare((struct slice){0}, SLICE_LITERAL("")), 0);
    assert_true(slice_equal(slice_from(s, 4), SLICE_LITERAL("c")));
    assert_int_equal(slice_from(s, 5).len, 0);
    assert_true(slice_is_text(slice_first(s, 3), "a.b"));
    assert_false(slice_is_text(s, "a.b"));
    assert_int_equal(slice_of_text(NULL).len, 0);
}

static void test_utf8_accepts_the_well_formed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "plain words, more than eight",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "1234567\xc3\xa9 over a word's edge",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_true(slice_is_utf8(slice_of_text(texts[i])));
    }
    assert_true(slice_is_utf8(slice_of("\0", 1)));
}

static void test_utf8_refuses_the_malformed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x7f",
        "\xc2\xc0",
        "\xe0\x9f\xbf",
        "\xe1\x80",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "12345678\xff",
        "1234567\xc3",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_false(slice_is_utf8(slice_of_text(texts[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_and_compare),
        cmocka_unit_test(test_utf8_accepts_the_well_formed),
        cmocka_unit_test(test_utf8_refuses_the_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
