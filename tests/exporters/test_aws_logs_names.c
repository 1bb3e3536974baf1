/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/aws_logs_names: records found again, bounds, and what a sweep forgets.
 */
#include "exporters/aws_logs_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

static struct aws_logs_names names;

static int setup(void **state)
{
    (void)state;
    return aws_logs_names_init(&names, 42);
}

static int teardown(void **state)
{
    (void)state;
    aws_logs_names_fini(&names);
    aws_logs_names_fini(&names);
    return 0;
}

static struct aws_logs_stream *find(const char *group, const char *stream)
{
    struct aws_logs_stream *found = NULL;
    assert_int_equal(
        aws_logs_names_find(&names, slice_of_text(group), slice_of_text(stream), &found), 0);
    return found;
}

static void test_a_stream_is_found_again_and_shares_its_group(void **state)
{
    (void)state;
    struct aws_logs_stream *a = find("g", "a");
    struct aws_logs_stream *b = find("g", "b");
    struct aws_logs_stream *other = find("h", "a");
    assert_ptr_equal(find("g", "a"), a);
    assert_ptr_equal(find("g", "b"), b);
    assert_ptr_equal(a->group, b->group);
    assert_ptr_not_equal(a->group, other->group);
    assert_true(a->order != b->order && b->order != other->order && a->order != other->order);
    assert_int_equal(names.stream_count, 3);
    assert_int_equal(a->group->stream_count, 2);
}

static void test_the_head_is_the_beginning_of_a_request(void **state)
{
    (void)state;
    struct aws_logs_stream *s = find("g\"1", "s\\2");
    assert_true(slice_is_text(
        s->head, "{\"logGroupName\":\"g\\\"1\",\"logStreamName\":\"s\\\\2\",\"logEvents\":["));
}

static void test_names_have_between_1_and_512_bytes(void **state)
{
    (void)state;
    char longest[AWS_LOGS_NAME_MAX_BYTES + 1];
    struct aws_logs_stream *found = NULL;
    struct slice good = SLICE_LITERAL("g");
    memset(longest, '\x01', sizeof(longest)); /* escaped to six bytes each */
    struct slice fits = slice_of(longest, AWS_LOGS_NAME_MAX_BYTES);
    struct slice beyond = slice_of(longest, AWS_LOGS_NAME_MAX_BYTES + 1);
    assert_int_equal(aws_logs_names_find(&names, fits, fits, &found), 0);
    assert_int_equal(aws_logs_names_find(&names, beyond, good, &found), FAULT_MALFORMED);
    assert_int_equal(aws_logs_names_find(&names, good, beyond, &found), FAULT_MALFORMED);
    assert_int_equal(aws_logs_names_find(&names, (struct slice){0}, good, &found), FAULT_MALFORMED);
    assert_int_equal(aws_logs_names_find(&names, good, (struct slice){0}, &found), FAULT_MALFORMED);
}

static void test_a_full_table_forgets_what_nobody_uses(void **state)
{
    (void)state;
    struct aws_logs_stream *found = NULL;
    names.stream_max = 3;
    find("g", "a")->use_count = 1;
    find("g", "b")->created_count = 1;
    struct aws_logs_stream *wanted = find("h", "c");
    wanted->group->wanted = wanted;
    assert_int_equal(find("i", "d")->use_count, 0); /* b went */
    assert_int_equal(names.stream_count, 3);
    assert_int_equal(find("g", "a")->use_count, 1);
    assert_ptr_equal(find("h", "c"), wanted);
    find("i", "d")->use_count = 1;
    assert_int_equal(aws_logs_names_find(&names, SLICE_LITERAL("g"), SLICE_LITERAL("b"), &found),
                     FAULT_LIMIT);
    wanted->group->wanted = NULL;
    assert_int_equal(find("g", "b")->created_count, 0);
    find("g", "a")->use_count = 0;
    find("i", "d")->use_count = 0;
}

static void test_refused_memory_adds_nothing(void **state)
{
    (void)state;
    struct aws_logs_stream *found = NULL;
    int err = -ENOMEM;
    for (uint64_t nth = 1; err != 0; nth++) {
        assert_true(nth < 20);
        mem_fail_nth(nth);
        err = aws_logs_names_find(&names, SLICE_LITERAL("g"), SLICE_LITERAL("s"), &found);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
        assert_int_equal(names.stream_count, err == 0 ? 1 : 0);
    }
    struct aws_logs_names second;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        mem_fail_nth(nth);
        assert_int_equal(aws_logs_names_init(&second, 1), -ENOMEM);
        mem_fail_nth(0);
        aws_logs_names_fini(&second);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_stream_is_found_again_and_shares_its_group),
        TEST(test_the_head_is_the_beginning_of_a_request),
        TEST(test_names_have_between_1_and_512_bytes),
        TEST(test_a_full_table_forgets_what_nobody_uses),
        TEST(test_refused_memory_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
