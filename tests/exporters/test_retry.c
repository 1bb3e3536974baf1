/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/retry: the sequence of waits, its jitter, its end.
 */
#include "exporters/retry.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/clock.h"

#define S CLOCK_NS_PER_S

static const struct retry_config defaults = {
    .is_enabled = true,
    .initial_interval_ns = 5 * S,
    .max_interval_ns = 30 * S,
    .max_elapsed_ns = 300 * S,
    .multiplier = 1.5,
    .randomization_factor = 0.5,
};

static void test_waits_grow_by_the_multiplier_up_to_the_maximum(void **state)
{
    (void)state;
    struct retry_config config = defaults;
    config.randomization_factor = 0;
    config.max_elapsed_ns = 0;
    struct retry retry;
    uint64_t random_state = 1;
    static const uint64_t expected_ms[] = {5000, 7500, 11250, 16875, 25312, 30000, 30000};
    retry_begin(&retry, &config, 7 * S);
    for (size_t i = 0; i < COUNT_OF(expected_ms); i++) {
        uint64_t wait_ns = 0;
        assert_true(retry_next_wait(&retry, &config, 7 * S, 0, &random_state, &wait_ns));
        assert_int_equal(wait_ns / CLOCK_NS_PER_MS, expected_ms[i]);
    }
}

static void test_jitter_stays_within_its_factor_and_reaches_both_ends(void **state)
{
    (void)state;
    uint64_t random_state = 42;
    uint64_t least_ns = UINT64_MAX;
    uint64_t most_ns = 0;
    for (int i = 0; i < 1000; i++) {
        struct retry retry;
        uint64_t wait_ns = 0;
        retry_begin(&retry, &defaults, 0);
        assert_true(retry_next_wait(&retry, &defaults, 0, 0, &random_state, &wait_ns));
        least_ns = wait_ns < least_ns ? wait_ns : least_ns;
        most_ns = wait_ns > most_ns ? wait_ns : most_ns;
    }
    assert_in_range(least_ns, 2500 * CLOCK_NS_PER_MS, 2600 * CLOCK_NS_PER_MS);
    assert_in_range(most_ns, 7400 * CLOCK_NS_PER_MS, 7500 * CLOCK_NS_PER_MS);
}

static void test_a_hint_is_the_least_wait(void **state)
{
    (void)state;
    struct retry retry;
    uint64_t random_state = 1;
    uint64_t wait_ns = 0;
    retry_begin(&retry, &defaults, 0);
    assert_true(retry_next_wait(&retry, &defaults, 0, 60 * S, &random_state, &wait_ns));
    assert_int_equal(wait_ns, 60 * S);
    assert_true(retry_next_wait(&retry, &defaults, 0, 1, &random_state, &wait_ns));
    assert_in_range(wait_ns, 3750 * CLOCK_NS_PER_MS, 11250 * CLOCK_NS_PER_MS);
}

static void test_no_attempt_begins_after_max_elapsed(void **state)
{
    (void)state;
    struct retry_config config = defaults;
    config.randomization_factor = 0;
    uint64_t random_state = 1;
    uint64_t wait_ns = 0;
    struct retry retry;
    retry_begin(&retry, &config, S);
    assert_true(retry_next_wait(&retry, &config, 296 * S, 0, &random_state, &wait_ns));
    retry_begin(&retry, &config, S);
    assert_false(retry_next_wait(&retry, &config, 296 * S + 1, 0, &random_state, &wait_ns));
    retry_begin(&retry, &config, S);
    assert_false(retry_next_wait(&retry, &config, 1000 * S, 0, &random_state, &wait_ns));
    retry_begin(&retry, &config, S);
    assert_false(retry_next_wait(&retry, &config, S, 301 * S, &random_state, &wait_ns));
}

static void test_without_limit_it_goes_on_for_ever_and_off_is_off(void **state)
{
    (void)state;
    struct retry_config config = defaults;
    uint64_t random_state = 1;
    uint64_t wait_ns = 0;
    struct retry retry;
    config.max_elapsed_ns = 0;
    retry_begin(&retry, &config, 0);
    assert_true(retry_next_wait(&retry, &config, UINT64_MAX / 2, 0, &random_state, &wait_ns));
    config.is_enabled = false;
    assert_false(retry_next_wait(&retry, &config, 0, 0, &random_state, &wait_ns));
}

static void test_giant_settings_do_not_overflow(void **state)
{
    (void)state;
    struct retry_config config = defaults;
    config.initial_interval_ns = UINT64_MAX;
    config.max_interval_ns = UINT64_MAX;
    config.max_elapsed_ns = 0;
    config.multiplier = 1e300;
    uint64_t random_state = 1;
    struct retry retry;
    retry_begin(&retry, &config, 0);
    for (int i = 0; i < 3; i++) {
        uint64_t wait_ns = 0;
        assert_true(retry_next_wait(&retry, &config, 0, UINT64_MAX, &random_state, &wait_ns));
        assert_true(wait_ns <= UINT64_C(1) << 62);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_grow_by_the_multiplier_up_to_the_maximum),
        cmocka_unit_test(test_jitter_stays_within_its_factor_and_reaches_both_ends),
        cmocka_unit_test(test_a_hint_is_the_least_wait),
        cmocka_unit_test(test_no_attempt_begins_after_max_elapsed),
        cmocka_unit_test(test_without_limit_it_goes_on_for_ever_and_off_is_off),
        cmocka_unit_test(test_giant_settings_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
