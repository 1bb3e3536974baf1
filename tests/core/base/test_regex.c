/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/base/regex: what RE2 knows passes, what it does not is refused by name, work is
 * bounded.
 */
#include "core/base/regex.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

static bool matches(const char *pattern, const char *text)
{
    struct regex *regex = NULL;
    char why[128] = "";
    int err = regex_new(slice_of_text(pattern), &regex, why, sizeof(why));
    if (err != 0) {
        print_error("%s: %s\n", pattern, why);
    }
    assert_int_equal(err, 0);
    bool answer = regex_matches(regex, slice_of_text(text));
    regex_free(regex);
    return answer;
}

static void test_matches_anywhere(void **state)
{
    (void)state;
    assert_true(matches("b+c", "aabbcc"));
    assert_false(matches("^b", "ab"));
    assert_true(matches("", ""));
    assert_true(matches("", "x"));
    assert_false(matches("a$", "a\n")); /* RE2's `$` is the very end */
    assert_true(matches("(?i)GET|post", "POST"));
    assert_true(matches("^(?P<name>[a-z_]+)\\.(?<rest>.*)$", "cpu_load.one"));
    assert_true(matches("(?s-i:a.b)", "a\nb"));
    assert_true(matches("a{2,3}?b", "aab"));
    assert_true(matches("x{,2}", "x{,2}")); /* no quantifier: means itself */
    assert_true(matches("[]a]+[^]b]", "]]c"));
    assert_true(matches("[[:alpha:]]\\d\\x41\\pL", "a5A\xc3\xa9"));
    assert_true(matches("\\Qa++(?=\\E", "a++(?="));
    assert_true(matches("^.$", "\xc3\xa9"));
    assert_false(matches("\\d", "\xd9\xa3")); /* classes are ASCII */
    assert_false(matches("x", "\xff\xfe"));
    assert_true(matches("[(?=*+]", "+"));
}

static void check_refused(const char *pattern, int expected, const char *words)
{
    struct regex *regex = NULL;
    char why[128] = "";
    int err = regex_new(slice_of_text(pattern), &regex, why, sizeof(why));
    if (err != expected || strstr(why, words) == NULL) {
        print_error("%s: %d, %s\n", pattern, err, why);
    }
    assert_int_equal(err, expected);
    assert_null(regex);
    assert_non_null(strstr(why, words));
}

static void test_refuses_what_is_not_re2(void **state)
{
    (void)state;
    check_refused("(a)\\1", FAULT_UNSUPPORTED, "backreference");
    check_refused("(?P<n>a)(?P=n)", FAULT_UNSUPPORTED, "backreference");
    check_refused("(?P<n>a)\\k<n>", FAULT_UNSUPPORTED, "backreference");
    check_refused("a\\g{1}", FAULT_UNSUPPORTED, "backreference");
    check_refused("a(?=b)", FAULT_UNSUPPORTED, "lookaround");
    check_refused("a(?!b)", FAULT_UNSUPPORTED, "lookaround");
    check_refused("(?<=a)b", FAULT_UNSUPPORTED, "lookaround");
    check_refused("(?<!a)b", FAULT_UNSUPPORTED, "lookaround");
    check_refused("(?>a)", FAULT_UNSUPPORTED, "atomic");
    check_refused("a++", FAULT_UNSUPPORTED, "possessive");
    check_refused("a?+", FAULT_UNSUPPORTED, "possessive");
    check_refused("a{2}+", FAULT_UNSUPPORTED, "possessive");
    check_refused("a*{2}", FAULT_UNSUPPORTED, "quantifier");
    check_refused("a{1001}", FAULT_UNSUPPORTED, "1000");
    check_refused("a{1,99999999999999999999}", FAULT_UNSUPPORTED, "1000");
    check_refused("(*UTF)a", FAULT_UNSUPPORTED, "verbs");
    check_refused("(?R)", FAULT_UNSUPPORTED, "group");
    check_refused("(?(1)a|b)", FAULT_UNSUPPORTED, "group");
    check_refused("(?#note)", FAULT_UNSUPPORTED, "group");
    check_refused("(?x) a", FAULT_UNSUPPORTED, "group");
    check_refused("\\Ka", FAULT_UNSUPPORTED, "escape");
    check_refused("a\\C", FAULT_UNSUPPORTED, "escape");
    check_refused("[\\1]", FAULT_UNSUPPORTED, "backreference");
}

static void test_refuses_broken_patterns(void **state)
{
    (void)state;
    check_refused("(a", FAULT_MALFORMED, "at byte 2");
    check_refused("[a", FAULT_MALFORMED, "at byte");
    check_refused("a\\", FAULT_MALFORMED, "at byte");
    check_refused("*a", FAULT_MALFORMED, "at byte");
    check_refused("(?", FAULT_UNSUPPORTED, "group");
    check_refused("(?P<n", FAULT_MALFORMED, "at byte");
    check_refused("\xff", FAULT_MALFORMED, "at byte");
}

static void test_limits_of_the_pattern(void **state)
{
    (void)state;
    static char text[REGEX_PATTERN_MAX_BYTES + 2];
    memset(text, 'a', sizeof(text) - 1);
    check_refused(text, FAULT_LIMIT, "too long");
    text[REGEX_PATTERN_MAX_BYTES] = '\0';
    assert_false(matches(text, "a"));
    memset(text, '(', 2000);
    memset(text + 2000, ')', 2000);
    text[4000] = '\0';
    check_refused(text, FAULT_MALFORMED, "at byte");
    assert_true(matches("a{1000}|b", "b"));
}

static void test_explosive_match_is_given_up_and_counted(void **state)
{
    (void)state;
    uint64_t before = regex_limit_count();
    assert_false(matches("^(a|aa)*$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"));
    assert_int_equal(regex_limit_count(), before + 1);
}

static void test_refused_memory_fails_cleanly(void **state)
{
    (void)state;
    struct regex *regex = NULL;
    char why[64];
    uint64_t nth = 1;
    int err = -ENOMEM;
    while (err != 0) {
        mem_fail_nth(nth);
        err = regex_new(SLICE_LITERAL("(a|b)+c"), &regex, why, sizeof(why));
        mem_fail_nth(0);
        assert_true(err == 0 || (err == -ENOMEM && regex == NULL));
        nth++;
        assert_true(nth < 100);
    }
    assert_true(nth > 3);
    uint64_t before = regex_limit_count();
    mem_fail_nth(1);
    assert_false(regex_matches(regex, SLICE_LITERAL("ac")));
    mem_fail_nth(0);
    assert_int_equal(regex_limit_count(), before + 1);
    assert_true(regex_matches(regex, SLICE_LITERAL("ac")));
    regex_free(regex);
    regex_free(NULL);
}

static void test_captures_name_and_catch(void **state)
{
    (void)state;
    struct regex *regex = NULL;
    char why[128];
    struct slice groups[3];
    int err = regex_new(slice_of_text("^/(?P<tenant>[a-z]+)(?:/(?P<page>[0-9]+))?/(x*)$"), &regex,
                        why, sizeof(why));
    assert_int_equal(err, 0);
    assert_int_equal(regex_group_count(regex), 3);
    assert_true(slice_is_text(regex_group_name(regex, 1), "tenant"));
    assert_true(slice_is_text(regex_group_name(regex, 2), "page"));
    assert_int_equal(regex_group_name(regex, 3).len, 0);
    assert_true(regex_captures(regex, slice_of_text("/acme/12/xx"), groups, 3));
    assert_true(slice_is_text(groups[0], "acme"));
    assert_true(slice_is_text(groups[1], "12"));
    assert_true(slice_is_text(groups[2], "xx"));
    assert_true(regex_captures(regex, slice_of_text("/acme/"), groups, 3));
    assert_int_equal(groups[1].len, 0);                                        /* took no part */
    assert_int_equal(groups[2].len, 0);                                        /* caught nothing */
    assert_true(regex_captures(regex, slice_of_text("/acme/12/"), groups, 1)); /* fewer asked for */
    assert_true(slice_is_text(groups[0], "acme"));
    assert_false(regex_captures(regex, slice_of_text("acme"), groups, 3));
    uint64_t before = regex_limit_count();
    mem_fail_nth(1);
    assert_false(regex_captures(regex, slice_of_text("/acme/"), groups, 3));
    mem_fail_nth(0);
    assert_int_equal(regex_limit_count(), before + 1);
    regex_free(regex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches_anywhere),
        cmocka_unit_test(test_refuses_what_is_not_re2),
        cmocka_unit_test(test_refuses_broken_patterns),
        cmocka_unit_test(test_limits_of_the_pattern),
        cmocka_unit_test(test_explosive_match_is_given_up_and_counted),
        cmocka_unit_test(test_refused_memory_fails_cleanly),
        cmocka_unit_test(test_captures_name_and_catch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
