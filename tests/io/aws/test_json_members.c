/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of io/aws/json_members: which members are found, and how their values are copied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "core/base/fault.h"
#include "io/aws/json_members.h"

static void check_value(const char *json, const char *expected)
{
    char value[64];
    struct json_member member = {.name = SLICE_LITERAL("a"), .is_found = true};
    assert_int_equal(json_members_read(slice_of_text(json), &member, 1), 0);
    assert_int_equal(json_member_copy(&member, value, sizeof(value)), 0);
    assert_string_equal(value, expected);
}

static void test_members_of_the_outermost_object_are_found(void **state)
{
    (void)state;
    check_value("{\"a\":\"1\"}", "1");
    check_value(" { \"b\" : [ {\"a\":\"no\"} ] , \"a\" : \"1\" } ", "1");
    check_value("{\"a\":\"\"}", "");
    check_value("{\"\\u0061\":\"\\u0031\\/\"}", "1/");
    check_value("{\"a\":\"first\",\"a\":\"last\"}", "last");
}

static void check_absent(const char *json, int expected)
{
    char value[64] = "untouched";
    struct json_member member = {.name = SLICE_LITERAL("a"), .is_found = true};
    assert_int_equal(json_members_read(slice_of_text(json), &member, 1), expected);
    assert_false(member.is_found);
    assert_int_equal(json_member_copy(&member, value, sizeof(value)), -ENOENT);
    assert_string_equal(value, "");
}

static void test_what_is_not_there_is_not_found(void **state)
{
    (void)state;
    check_absent("{}", 0);
    check_absent("{\"A\":\"1\"}", 0);
    check_absent("{\"a\":1}", 0);
    check_absent("{\"a\":null}", 0);
    check_absent("{\"a\":{\"a\":\"1\"}}", 0);
    check_absent("{\"a\":\"1\",\"a\":2}", 0);
    check_absent("", FAULT_MALFORMED);
    check_absent("\"a\"", FAULT_MALFORMED);
    check_absent("[\"a\"]", FAULT_MALFORMED);
    check_absent("{\"a\":\"1\"", FAULT_MALFORMED);
    check_absent("{\"a\":\"1\"} x", FAULT_MALFORMED);
    check_absent("{\"a\":\"1\",}", FAULT_MALFORMED);
}

static void test_several_members_are_read_at_once(void **state)
{
    (void)state;
    struct json_member members[] = {{.name = SLICE_LITERAL("AccessKeyId")},
                                    {.name = SLICE_LITERAL("SecretAccessKey")},
                                    {.name = SLICE_LITERAL("Token")}};
    char value[16];
    assert_int_equal(
        json_members_read(SLICE_LITERAL("{\"SecretAccessKey\":\"s\",\"Code\":\"Success\","
                                        "\"AccessKeyId\":\"k\"}"),
                          members, COUNT_OF(members)),
        0);
    assert_int_equal(json_member_copy(&members[0], value, sizeof(value)), 0);
    assert_string_equal(value, "k");
    assert_int_equal(json_member_copy(&members[1], value, sizeof(value)), 0);
    assert_string_equal(value, "s");
    assert_false(members[2].is_found);
}

static void test_copies_end_at_their_room(void **state)
{
    (void)state;
    char value[4];
    struct json_member member = {.name = SLICE_LITERAL("a")};
    assert_int_equal(json_members_read(SLICE_LITERAL("{\"a\":\"123\"}"), &member, 1), 0);
    assert_int_equal(json_member_copy(&member, value, sizeof(value)), 0);
    assert_string_equal(value, "123");
    assert_int_equal(json_member_copy(&member, value, sizeof(value) - 1), FAULT_LIMIT);
    assert_string_equal(value, "");
    assert_int_equal(json_members_read(SLICE_LITERAL("{\"a\":\"1\\u00003\"}"), &member, 1), 0);
    assert_int_equal(json_member_copy(&member, value, sizeof(value)), FAULT_MALFORMED);
    assert_string_equal(value, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_of_the_outermost_object_are_found),
        cmocka_unit_test(test_what_is_not_there_is_not_found),
        cmocka_unit_test(test_several_members_are_read_at_once),
        cmocka_unit_test(test_copies_end_at_their_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
