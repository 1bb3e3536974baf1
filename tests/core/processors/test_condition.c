/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/processors/condition: the language, its precedence, its types, and what is refused
 * with which words.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/processors/condition.h"
#include "tests/core/processors/processor_rig.h"

static struct rig rig;

/* A span whose attributes have every type. */
static bool holds(const char *text)
{
    char why[CONDITION_WHY_BYTES] = "";
    struct condition *condition = NULL;
    int err =
        condition_parse(slice_of_text(text), CONDITION_SPAN, false, &rig.memory, &condition, why);
    if (err != 0) {
        print_error("%s: %s\n", text, why);
    }
    assert_int_equal(err, 0);
    struct slice list = field_message(
        5, JOIN(field_message(1, field_varint(3, 7)), field_message(1, field_text(1, "x"))));
    struct slice map = field_message(6, attr_value(1, "in", list));
    struct otlp_place place = {.signal = SIGNAL_TRACES, .item_attrs = 9};
    place.item.content =
        JOIN(field_text(5, "op"), field_varint(6, 2), attr_text(9, "t", "b"), attr_int(9, "i", 5),
             attr_double(9, "d", 5.5), attr_bool(9, "b", true), attr_value(9, "e", NOTHING),
             attr_value(9, "l", list), attr_value(9, "m", map),
             field_message(15, JOIN(field_text(2, "oops"), field_varint(3, 2))));
    struct condition_place at = {.place = &place, .arena = &rig.scratch};
    bool answer = condition_holds(condition, &at);
    assert_int_equal(at.err, 0);
    condition_fini_all(condition);
    return answer;
}

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static void test_comparisons_know_types(void **state)
{
    (void)state;
    assert_true(holds("attributes[\"i\"] == 5"));
    assert_true(holds("attributes[\"i\"] == 5.0"));
    assert_true(holds("attributes[\"d\"] > 5"));
    assert_true(holds("attributes[\"d\"] <= 5.5"));
    assert_true(holds("5 < attributes[\"d\"]"));
    assert_false(holds("attributes[\"i\"] == \"5\""));
    assert_true(holds("attributes[\"i\"] != \"5\""));
    assert_false(holds("attributes[\"i\"] < \"9\""));
    assert_false(holds("attributes[\"i\"] >= \"0\""));
    assert_true(holds("attributes[\"t\"] >= \"b\""));
    assert_true(holds("attributes[\"t\"] < \"ba\""));
    assert_true(holds("attributes[\"b\"] == true"));
    assert_true(holds("attributes[\"b\"] != false"));
    assert_true(holds("attributes[\"none\"] == nil"));
    assert_true(holds("nil == attributes[\"e\"]"));
    assert_false(holds("attributes[\"none\"] <= nil"));
    assert_true(holds("attributes[\"none\"] != 1"));
    assert_true(holds("attributes[\"i\"] > -1"));
    assert_true(holds("attributes[\"i\"] < 1e3"));
}

static void test_paths_reach_into_values(void **state)
{
    (void)state;
    assert_true(holds("attributes[\"l\"][0] == 7"));
    assert_true(holds("attributes[\"l\"][1] == \"x\""));
    assert_true(holds("attributes[\"l\"][2] == nil"));
    assert_true(holds("attributes[\"m\"][\"in\"][0] == 7"));
    assert_true(holds("attributes[\"m\"][\"out\"] == nil"));
    assert_true(holds("attributes[\"i\"][\"x\"] == nil"));
    assert_true(holds("attributes[\"m\"][0] == nil"));
    assert_true(holds("attributes[\"l\"] == attributes[\"m\"][\"in\"]"));
    assert_true(holds("status.code == STATUS_CODE_ERROR and status.message == \"oops\""));
    assert_true(holds("span.kind == SPAN_KIND_SERVER and span.name == \"op\""));
    assert_true(holds("IsRootSpan()"));
    assert_true(holds("trace_state == \"\""));
}

static void test_and_binds_tighter_than_or(void **state)
{
    (void)state;
    assert_true(holds("true or false and false"));
    assert_false(holds("(true or false) and false"));
    assert_true(holds("false and false or true"));
    assert_false(holds("false and (false or true)"));
    assert_true(holds("not false and true"));
    assert_false(holds("not (false or true)"));
    assert_true(holds("not not true"));
    assert_true(holds("not (not true or false) and not (false)"));
    assert_true(holds("true and true and true"));
    assert_false(holds("true and true and false"));
    assert_true(holds("false or false or true"));
    assert_true(holds("((((true))))"));
    assert_false(holds("false or not true"));
}

/* Every formula of three tests against C's own operators. */
static void test_all_small_formulas_agree_with_c(void **state)
{
    (void)state;
    static const char *const words[] = {"false", "true"};
    for (uint32_t bits = 0; bits < 32; bits++) {
        bool a = (bits & 1) != 0;
        bool b = (bits & 2) != 0;
        bool c = (bits & 4) != 0;
        bool first_and = (bits & 8) != 0;
        bool second_and = (bits & 16) != 0;
        char text[64];
        (void)snprintf(text, sizeof(text), "%s %s not %s %s %s", words[a], first_and ? "and" : "or",
                       words[b], second_and ? "and" : "or", words[c]);
        bool expected = first_and && second_and ? a && !b && c
                        : first_and             ? (a && !b) || c
                        : second_and            ? a || (!b && c)
                                                : a || !b || c;
        assert_int_equal(holds(text), expected);
        (void)snprintf(text, sizeof(text), "%s %s (%s %s not(%s))", words[a],
                       first_and ? "and" : "or", words[b], second_and ? "and" : "or", words[c]);
        bool inner = second_and ? b && !c : b || !c;
        assert_int_equal(holds(text), first_and ? a && inner : a || inner);
    }
}

static void test_matching_takes_any_value(void **state)
{
    (void)state;
    assert_true(holds("IsMatch(name, \"^o.$\")"));
    assert_true(holds("IsMatch(attributes[\"i\"], \"^5$\")"));
    assert_true(holds("IsMatch(attributes[\"l\"], \"^\\\\[7,\")"));
    assert_false(holds("IsMatch(attributes[\"none\"], \".*\")"));
    assert_false(holds("IsMatch(name, \"^o.$\") == false"));
    assert_true(holds("IsMatch(name, \"^x\") == false"));
    assert_true(holds("IsMatch(name, \"^x\") != true"));
    assert_true(holds("IsMatch(\"a\\\"b\\n\\t\\r\\\\\", \"^a.b\\\\s{3}\\\\\\\\$\")"));
}

static void check_bad(const char *text, int fault, const char *words)
{
    char why[CONDITION_WHY_BYTES] = "";
    struct condition *condition = NULL;
    int err =
        condition_parse(slice_of_text(text), CONDITION_SPAN, false, &rig.memory, &condition, why);
    if (err != fault || strstr(why, words) == NULL) {
        print_error("%s: %d %s\n", text, err, why);
    }
    assert_int_equal(err, fault);
    assert_non_null(strstr(why, words));
    assert_null(condition);
}

static void test_refusals_say_why_and_where(void **state)
{
    (void)state;
    check_bad("", FAULT_MALFORMED, "expected a path or a value at byte 0");
    check_bad("name ==", FAULT_MALFORMED, "expected a path or a value at byte 7");
    check_bad("name == \"a", FAULT_MALFORMED, "at byte 8");
    check_bad("(name == \"a\"", FAULT_MALFORMED, "not closed");
    check_bad("name == \"a\")", FAULT_MALFORMED, "nothing is open");
    check_bad("name == \"a\" name", FAULT_MALFORMED, "expected and, or or the end");
    check_bad("name = 1", FAULT_UNSUPPORTED, "expected a comparison");
    check_bad("name", FAULT_UNSUPPORTED, "expected a comparison");
    check_bad("end_time_unix_nano - 1 > 2", FAULT_UNSUPPORTED, "not known or not supported");
    check_bad("nmae == 1", FAULT_UNSUPPORTED, "'nmae'");
    check_bad("spanevent.name == 1", FAULT_UNSUPPORTED, "'spanevent.name'");
    check_bad("attributes == 1", FAULT_UNSUPPORTED, "need a key");
    check_bad("attributes[0] == 1", FAULT_UNSUPPORTED, "need a key");
    check_bad("attributes[x] == 1", FAULT_MALFORMED, "a key in quotes");
    check_bad("attributes[\"x\" == 1", FAULT_MALFORMED, "expected ]");
    check_bad("name[\"x\"] == 1", FAULT_MALFORMED, "no members");
    check_bad("Len(name) > 1", FAULT_UNSUPPORTED, "function");
    check_bad("name == Concat(name)", FAULT_UNSUPPORTED, "function");
    check_bad("HasAttrKeyOnDatapoint(\"a\")", FAULT_UNSUPPORTED, "function");
    check_bad("IsMatch(name)", FAULT_MALFORMED, "expected a comma");
    check_bad("IsMatch(name, name)", FAULT_UNSUPPORTED, "text in quotes");
    check_bad("IsMatch(name, \"(\")", FAULT_MALFORMED, "not a regular expression");
    check_bad("IsMatch(name, \"a\") == 1", FAULT_UNSUPPORTED, "true or false");
    check_bad("name == 1x", FAULT_MALFORMED, "not a number");
    check_bad("name == \"\\q\"", FAULT_MALFORMED, "escape");
    check_bad("IsMatch(name, \"a\") and Foo()", FAULT_UNSUPPORTED, "function");
}

static void test_limits_hold(void **state)
{
    (void)state;
    static char text[CONDITION_TEXT_MAX_BYTES + 2];
    memset(text, '(', CONDITION_DEPTH_MAX);
    memcpy(text + CONDITION_DEPTH_MAX, "true", 5);
    memset(text + CONDITION_DEPTH_MAX + 4, ')', CONDITION_DEPTH_MAX);
    text[2 * CONDITION_DEPTH_MAX + 4] = '\0';
    assert_true(holds(text));
    memset(text, '(', CONDITION_DEPTH_MAX + 1);
    text[CONDITION_DEPTH_MAX + 1] = '\0';
    check_bad(text, FAULT_LIMIT, "too many");
    memset(text, ' ', CONDITION_TEXT_MAX_BYTES + 1);
    text[CONDITION_TEXT_MAX_BYTES + 1] = '\0';
    memcpy(text, "true", 4);
    check_bad(text, FAULT_LIMIT, "at most");
    text[CONDITION_TEXT_MAX_BYTES] = '\0';
    assert_true(holds(text));
}

static void test_refused_memory_is_told(void **state)
{
    (void)state;
    int err = -1;
    const char *text = "IsMatch(attributes[\"a\"][0], \"b\") and name == \"c\"";
    for (uint64_t nth = 1; err != 0; nth++) {
        struct arena memory;
        struct condition *condition = NULL;
        char why[CONDITION_WHY_BYTES];
        assert_int_equal(arena_init(&memory, 32, 1 << 20), 0);
        mem_fail_nth(nth);
        err = condition_parse(slice_of_text(text), CONDITION_SPAN, false, &memory, &condition, why);
        mem_fail_nth(0);
        assert_true(err == 0 || (err == -ENOMEM && condition == NULL));
        condition_fini_all(condition);
        arena_fini(&memory);
        assert_true(nth < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_comparisons_know_types, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paths_reach_into_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_and_binds_tighter_than_or, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_small_formulas_agree_with_c, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_matching_takes_any_value, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals_say_why_and_where, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused_memory_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
