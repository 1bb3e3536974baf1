/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_histogram — bounds, edges, merging and refusal of explicit-bucket histograms.
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/model/histogram.h"
#include "tests/core/model/sketch_random.h"

#define SPLIT_MAX 8

static const double bounds[] = {-10, 0, 0.5, 10, 100};

static int setup(void **state)
{
    static struct sketch_pool pool;
    *state = &pool;
    return sketch_pool_init(&pool, (size_t)1 << 20);
}

static int teardown(void **state)
{
    struct sketch_pool *pool = *state;
    bool is_empty = sketch_pool_used_bytes(pool) == 0;
    sketch_pool_fini(pool);
    return is_empty ? 0 : 1;
}

static void test_bounds_must_ascend_and_be_finite(void **state)
{
    (void)state;
    assert_true(histogram_bounds_are_valid(NULL, 0));
    assert_true(histogram_bounds_are_valid(bounds, COUNT_OF(bounds)));
    assert_false(histogram_bounds_are_valid((const double[]){1, 1}, 2));
    assert_false(histogram_bounds_are_valid((const double[]){2, 1}, 2));
    assert_false(histogram_bounds_are_valid((const double[]){NAN}, 1));
    assert_false(histogram_bounds_are_valid((const double[]){1, INFINITY}, 2));
    static double many[HISTOGRAM_BOUNDS_MAX_COUNT + 1];
    for (uint32_t i = 0; i < COUNT_OF(many); i++) {
        many[i] = i;
    }
    assert_true(histogram_bounds_are_valid(many, HISTOGRAM_BOUNDS_MAX_COUNT));
    assert_false(histogram_bounds_are_valid(many, HISTOGRAM_BOUNDS_MAX_COUNT + 1));
}

static void test_add_is_inclusive_on_the_upper_side(void **state)
{
    struct histogram *hist = histogram_new(*state, bounds, COUNT_OF(bounds));
    const double values[] = {-11, -10, -9.5, 0, DBL_TRUE_MIN, 0.5, 10, 10.5, 100, 100.5, DBL_MAX};
    const uint64_t expected[] = {2, 2, 2, 1, 2, 2};
    for (uint32_t i = 0; i < COUNT_OF(values); i++) {
        assert_int_equal(histogram_add(hist, values[i], 1), 0);
        assert_true(histogram_is_valid(hist));
    }
    assert_memory_equal(hist->counts, expected, sizeof(expected));
    assert_int_equal(hist->count, COUNT_OF(values));
    assert_true(hist->min == -11);
    assert_true(hist->max == DBL_MAX);
    histogram_give(hist, *state);
}

static void test_no_bounds_is_one_bucket(void **state)
{
    struct histogram *hist = histogram_new(*state, NULL, 0);
    assert_int_equal(histogram_add(hist, -3, 2), 0);
    assert_int_equal(histogram_add(hist, 7, 1), 0);
    assert_int_equal(hist->counts[0], 3);
    assert_true(histogram_sum(hist) == 1);
    struct histogram *other = histogram_new(*state, NULL, 0);
    assert_int_equal(histogram_merge(other, hist), 0);
    assert_int_equal(other->counts[0], 3);
    histogram_give(hist, *state);
    histogram_give(other, *state);
    histogram_give(NULL, *state);
}

static void test_add_refuses_what_is_not_finite_or_too_much(void **state)
{
    struct histogram *hist = histogram_new(*state, bounds, COUNT_OF(bounds));
    assert_int_equal(histogram_add(hist, NAN, 1), -EINVAL);
    assert_int_equal(histogram_add(hist, INFINITY, 1), -EINVAL);
    assert_int_equal(hist->count, 0);
    assert_int_equal(histogram_add(hist, 1, UINT64_MAX), 0);
    assert_int_equal(histogram_add(hist, 1, 1), FAULT_OVERFLOW);
    struct histogram *other = histogram_new(*state, bounds, COUNT_OF(bounds));
    assert_int_equal(histogram_add(other, 200, 1), 0);
    assert_int_equal(histogram_merge(other, hist), FAULT_OVERFLOW);
    assert_int_equal(other->count, 1);
    assert_true(histogram_is_valid(other));
    assert_true(histogram_is_valid(hist));
    histogram_give(hist, *state);
    histogram_give(other, *state);
}

static void test_new_refuses_at_the_cap(void **state)
{
    (void)state;
    struct sketch_pool pool;
    assert_int_equal(sketch_pool_init(&pool, 64), 0);
    assert_null(histogram_new(&pool, bounds, COUNT_OF(bounds)));
    assert_int_equal(sketch_pool_used_bytes(&pool), 0);
    sketch_pool_fini(&pool);
}

static void check_split(struct sketch_pool *pool, struct sketch_random *r, uint32_t split_count)
{
    struct histogram *parts[SPLIT_MAX];
    struct histogram *whole = histogram_new(pool, bounds, COUNT_OF(bounds));
    struct histogram *merged = histogram_new(pool, bounds, COUNT_OF(bounds));
    for (uint32_t i = 0; i < split_count; i++) {
        parts[i] = histogram_new(pool, bounds, COUNT_OF(bounds));
    }
    double magnitudes = 0;
    uint32_t count = random_below(r, 500);
    for (uint32_t i = 0; i < count; i++) {
        double value = random_value(r, 2);
        uint64_t weight = 1 + random_below(r, 1000);
        magnitudes += fabs(value) * (double)weight;
        assert_int_equal(histogram_add(whole, value, weight), 0);
        assert_int_equal(histogram_add(parts[random_below(r, split_count)], value, weight), 0);
    }
    for (uint32_t i = 0; i < split_count; i++) {
        assert_int_equal(histogram_merge(merged, parts[i]), 0);
        histogram_give(parts[i], pool);
    }
    assert_true(histogram_is_valid(merged));
    assert_memory_equal(merged->counts, whole->counts, (COUNT_OF(bounds) + 1) * sizeof(uint64_t));
    assert_int_equal(merged->count, whole->count);
    assert_true(merged->min == whole->min);
    assert_true(merged->max == whole->max);
    assert_true(fabs(histogram_sum(merged) - histogram_sum(whole)) <= 1e-12 * magnitudes);
    histogram_give(whole, pool);
    histogram_give(merged, pool);
}

static void test_merge_of_any_split_equals_the_whole(void **state)
{
    struct sketch_random r = {.state = 1};
    for (uint32_t round = 0; round < 100; round++) {
        check_split(*state, &r, 1 + round % SPLIT_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_must_ascend_and_be_finite),
        cmocka_unit_test_setup_teardown(test_add_is_inclusive_on_the_upper_side, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_bounds_is_one_bucket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_add_refuses_what_is_not_finite_or_too_much, setup,
                                        teardown),
        cmocka_unit_test(test_new_refuses_at_the_cap),
        cmocka_unit_test_setup_teardown(test_merge_of_any_split_equals_the_whole, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
