/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/aws_limiter: who goes, who waits, and what throttling does to the limit.
 */
#include "exporters/aws_limiter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TURNS_MAX 32

static struct aws_limiter limiter;
static struct aws_turn turns[TURNS_MAX];
static size_t called[TURNS_MAX];
static size_t called_count;

static void on_turn(struct aws_turn *turn)
{
    called[called_count] = (size_t)(turn - turns);
    called_count++;
}

/* Ends at once, as a request that cannot be started. */
static void on_turn_that_fails(struct aws_turn *turn)
{
    on_turn(turn);
    aws_limiter_cancel(&limiter);
}

static void begin(uint32_t limit_max)
{
    aws_limiter_init(&limiter, limit_max);
    for (size_t i = 0; i < TURNS_MAX; i++) {
        turns[i] = (struct aws_turn){.on_turn = on_turn};
    }
    called_count = 0;
}

static void test_as_many_as_the_limit_go_and_one_more_waits(void **state)
{
    (void)state;
    begin(3);
    assert_true(aws_limiter_enter(&limiter, &turns[0]));
    assert_true(aws_limiter_enter(&limiter, &turns[1]));
    assert_true(aws_limiter_enter(&limiter, &turns[2]));
    assert_false(aws_limiter_enter(&limiter, &turns[3]));
    assert_int_equal(limiter.in_flight, 3);
    aws_limiter_leave(&limiter, false);
    assert_int_equal(called_count, 1);
    assert_int_equal(called[0], 3);
    assert_int_equal(limiter.in_flight, 3);
}

static void test_the_line_is_served_in_order_and_may_be_left(void **state)
{
    (void)state;
    begin(1);
    assert_true(aws_limiter_enter(&limiter, &turns[0]));
    for (size_t i = 1; i < 5; i++) {
        assert_false(aws_limiter_enter(&limiter, &turns[i]));
    }
    aws_limiter_forget(&limiter, &turns[1]); /* first */
    aws_limiter_forget(&limiter, &turns[3]); /* middle */
    aws_limiter_forget(&limiter, &turns[3]); /* not there any more */
    for (int i = 0; i < 3; i++) {
        aws_limiter_leave(&limiter, false);
    }
    assert_int_equal(called_count, 2);
    assert_int_equal(called[0], 2);
    assert_int_equal(called[1], 4);
    assert_int_equal(limiter.in_flight, 0);
    assert_null(limiter.first);
    assert_null(limiter.last);
}

static void test_requests_throttled_together_halve_the_limit_once(void **state)
{
    (void)state;
    begin(8);
    for (size_t i = 0; i < 8; i++) {
        assert_true(aws_limiter_enter(&limiter, &turns[i]));
    }
    for (int i = 0; i < 8; i++) {
        aws_limiter_leave(&limiter, true);
    }
    assert_int_equal(aws_limiter_allowed(&limiter), 4);
    assert_int_equal(limiter.throttle_count, 8);
    assert_true(aws_limiter_enter(&limiter, &turns[0]));
    aws_limiter_leave(&limiter, true);
    assert_int_equal(aws_limiter_allowed(&limiter), 2);
}

static void test_the_limit_never_falls_below_one_and_grows_by_one_a_round(void **state)
{
    (void)state;
    begin(4);
    for (int i = 0; i < 10; i++) {
        assert_true(aws_limiter_enter(&limiter, &turns[0]));
        aws_limiter_leave(&limiter, true);
    }
    assert_int_equal(aws_limiter_allowed(&limiter), 1);
    assert_true(aws_limiter_enter(&limiter, &turns[0]));
    aws_limiter_leave(&limiter, false);
    assert_int_equal(aws_limiter_allowed(&limiter), 2);
    for (int i = 0; i < 2; i++) {
        assert_true(aws_limiter_enter(&limiter, &turns[0]));
        aws_limiter_leave(&limiter, false);
    }
    assert_int_equal(aws_limiter_allowed(&limiter), 2); /* 2 + 1/2 + 1/2.5 is not 3 yet */
    for (int i = 0; i < 100; i++) {
        assert_true(aws_limiter_enter(&limiter, &turns[0]));
        aws_limiter_leave(&limiter, false);
    }
    assert_int_equal(aws_limiter_allowed(&limiter), 4); /* and no further */
}

static void test_an_unanswered_request_teaches_nothing(void **state)
{
    (void)state;
    begin(4);
    assert_true(aws_limiter_enter(&limiter, &turns[0]));
    aws_limiter_leave(&limiter, true);
    assert_int_equal(aws_limiter_allowed(&limiter), 2);
    for (int i = 0; i < 50; i++) {
        assert_true(aws_limiter_enter(&limiter, &turns[0]));
        aws_limiter_cancel(&limiter);
    }
    assert_int_equal(aws_limiter_allowed(&limiter), 2);
}

static void test_turns_that_end_at_once_do_not_stack(void **state)
{
    (void)state;
    begin(1);
    assert_true(aws_limiter_enter(&limiter, &turns[0]));
    for (size_t i = 1; i < TURNS_MAX; i++) {
        turns[i].on_turn = on_turn_that_fails;
        assert_false(aws_limiter_enter(&limiter, &turns[i]));
    }
    aws_limiter_leave(&limiter, false);
    assert_int_equal(called_count, TURNS_MAX - 1);
    for (size_t i = 0; i < called_count; i++) {
        assert_int_equal(called[i], i + 1);
    }
    assert_int_equal(limiter.in_flight, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_many_as_the_limit_go_and_one_more_waits),
        cmocka_unit_test(test_the_line_is_served_in_order_and_may_be_left),
        cmocka_unit_test(test_requests_throttled_together_halve_the_limit_once),
        cmocka_unit_test(test_the_limit_never_falls_below_one_and_grows_by_one_a_round),
        cmocka_unit_test(test_an_unanswered_request_teaches_nothing),
        cmocka_unit_test(test_turns_that_end_at_once_do_not_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
