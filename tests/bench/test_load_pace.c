/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pacing is exact at every rate, and a stall is forgiven instead of made up for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/load_pace.h"

#define SECOND_NS UINT64_C(1000000000)

static void test_due_lines_are_exact(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, 3, 1000);
    assert_int_equal(pace_due_lines(&pace, 0), 0);
    assert_int_equal(pace_due_lines(&pace, 1000), 0);
    assert_int_equal(pace_due_lines(&pace, 1000 + SECOND_NS / 3), 0);
    assert_int_equal(pace_due_lines(&pace, 1000 + SECOND_NS / 3 + 1), 1);
    assert_int_equal(pace_due_lines(&pace, 1000 + 10 * SECOND_NS), 30);
}

static void test_due_lines_do_not_overflow_at_the_highest_rate(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, PACE_RATE_MAX_LINES, 0);
    assert_int_equal(pace_due_lines(&pace, 3600 * SECOND_NS - 1), 3600 * SECOND_NS - 1);
}

static void test_no_rate_owes_without_end(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, 0, 5);
    assert_true(pace_owed_lines(&pace, 1000, 6) > UINT64_C(1000000000000));
    assert_int_equal(pace.forgiven_ns, 0);
}

static void test_owed_lines_shrink_by_what_was_sent(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, 1000000, 0);
    assert_int_equal(pace_owed_lines(&pace, 0, 1000000), 1000);
    assert_int_equal(pace_owed_lines(&pace, 999, 1000000), 1);
    assert_int_equal(pace_owed_lines(&pace, 1000, 1000000), 0);
    assert_int_equal(pace_owed_lines(&pace, 2000, 1000000), 0);
    assert_int_equal(pace.forgiven_ns, 0);
}

static void test_a_stall_is_forgiven_once(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, 1000000, 0);
    /* A second of silence: 20 ms of it are made up for. */
    assert_int_equal(pace_owed_lines(&pace, 0, SECOND_NS), 20001);
    assert_int_equal(pace.forgiven_ns, SECOND_NS - 20001 * UINT64_C(1000));
    assert_int_equal(pace_owed_lines(&pace, 20001, SECOND_NS), 0);
    assert_int_equal(pace_owed_lines(&pace, 20001, SECOND_NS + 1000000), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_due_lines_are_exact),
        cmocka_unit_test(test_due_lines_do_not_overflow_at_the_highest_rate),
        cmocka_unit_test(test_no_rate_owes_without_end),
        cmocka_unit_test(test_owed_lines_shrink_by_what_was_sent),
        cmocka_unit_test(test_a_stall_is_forgiven_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
