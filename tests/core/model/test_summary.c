/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_summary — weighted quantiles, folding past the bound, and merging across both.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/model/summary.h"
#include "tests/core/model/sketch_random.h"

#define SPLIT_MAX 8

static int setup(void **state)
{
    static struct sketch_pool pool;
    *state = &pool;
    return sketch_pool_init(&pool, (size_t)16 << 20);
}

static int teardown(void **state)
{
    struct sketch_pool *pool = *state;
    bool is_empty = sketch_pool_used_bytes(pool) == 0;
    sketch_pool_fini(pool);
    return is_empty ? 0 : 1;
}

static struct summary *summary_of(struct sketch_pool *pool, const struct summary_sample *samples,
                                  uint32_t count)
{
    struct summary *summary = summary_new(pool);
    assert_non_null(summary);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(summary_add(summary, pool, samples[i].value, samples[i].weight), 0);
        assert_true(summary_is_valid(summary));
    }
    return summary;
}

static void test_quantile_is_the_weighted_empirical_one(void **state)
{
    const struct summary_sample samples[] = {{3, 1}, {1, 2}, {4, 0.5}, {2, 0.5}};
    struct summary *summary = summary_of(*state, samples, COUNT_OF(samples));
    assert_true(summary_count(summary) == 4);
    assert_true(summary_sum(summary) == 3 + 2 + 2 + 1);
    summary_sort(summary);
    assert_true(summary_quantile(summary, 0) == 1);
    assert_true(summary_quantile(summary, 0.5) == 1); /* 2 of 4 reached by the value 1 */
    assert_true(summary_quantile(summary, 0.51) == 2);
    assert_true(summary_quantile(summary, 0.625) == 2);
    assert_true(summary_quantile(summary, 0.63) == 3);
    assert_true(summary_quantile(summary, 0.875) == 3);
    assert_true(summary_quantile(summary, 0.88) == 4);
    assert_true(summary_quantile(summary, 1) == 4);
    assert_true(summary_is_valid(summary));
    summary_give(summary, *state);
}

static void test_quantile_of_empty_and_single(void **state)
{
    struct summary *summary = summary_new(*state);
    assert_true(summary_is_empty(summary));
    assert_true(summary_quantile(summary, 0.5) == 0);
    summary_sort(summary);
    assert_int_equal(summary_add(summary, *state, -7, 1 / 0.3), 0);
    assert_false(summary_is_empty(summary));
    summary_sort(summary);
    const double shares[] = {0, 0.1, 0.5, 0.999, 1};
    for (uint32_t i = 0; i < COUNT_OF(shares); i++) {
        assert_true(summary_quantile(summary, shares[i]) == -7);
    }
    summary_give(summary, *state);
    summary_give(NULL, *state);
}

static void test_add_refuses_values_and_weights_out_of_range(void **state)
{
    struct summary *summary = summary_new(*state);
    assert_int_equal(summary_add(summary, *state, NAN, 1), -EINVAL);
    assert_int_equal(summary_add(summary, *state, INFINITY, 1), -EINVAL);
    assert_int_equal(summary_add(summary, *state, 1, 0), -EINVAL);
    assert_int_equal(summary_add(summary, *state, 1, -1), -EINVAL);
    assert_int_equal(summary_add(summary, *state, 1, NAN), -EINVAL);
    assert_int_equal(summary_add(summary, *state, 1, 0x1p54), -EINVAL);
    assert_true(summary_is_empty(summary));
    summary_give(summary, *state);
}

static void test_sort_orders_any_stream(void **state)
{
    struct sketch_random r = {.state = 8};
    for (uint32_t count = 0; count < 70; count++) {
        struct summary *summary = summary_new(*state);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(
                summary_add(summary, *state, random_below(&r, 20), 1 + random_below(&r, 3)), 0);
        }
        summary_sort(summary);
        for (uint32_t i = 1; i < count; i++) {
            assert_true(summary->samples[i - 1].value <= summary->samples[i].value);
        }
        assert_int_equal(summary->sample_count, count);
        assert_true(summary_is_valid(summary));
        summary_give(summary, *state);
    }
}

static void test_add_folds_past_the_bound(void **state)
{
    struct summary *summary = summary_new(*state);
    for (uint32_t i = 1; i <= SUMMARY_SAMPLES_MAX; i++) {
        assert_int_equal(summary_add(summary, *state, i, 1.5), 0);
    }
    assert_null(summary->folded);
    assert_true(summary_is_valid(summary));
    assert_int_equal(summary_add(summary, *state, SUMMARY_SAMPLES_MAX + 1, 1.5), 0);
    assert_non_null(summary->folded);
    assert_true(summary_is_valid(summary));
    assert_true(summary_count(summary) == 1.5 * (SUMMARY_SAMPLES_MAX + 1));
    assert_int_equal(summary->folded->count, 2 * (SUMMARY_SAMPLES_MAX + 1));
    summary_sort(summary);
    assert_true(summary_quantile(summary, 0) == 1);
    assert_true(summary_quantile(summary, 1) == SUMMARY_SAMPLES_MAX + 1);
    double median = summary_quantile(summary, 0.5);
    assert_true(fabs(median - SUMMARY_SAMPLES_MAX / 2.0) <= 0.01 * median);
    summary_give(summary, *state);
}

static void assert_same_summary(const struct summary *a, const struct summary *b, double magnitudes)
{
    assert_true(summary_is_valid(a));
    assert_int_equal(a->sample_count, b->sample_count);
    assert_int_equal(a->folded == NULL, b->folded == NULL);
    assert_true(a->min == b->min);
    assert_true(a->max == b->max);
    assert_true(fabs(summary_sum(a) - summary_sum(b)) <= 1e-12 * magnitudes);
    assert_true(fabs(summary_count(a) - summary_count(b)) <= 1e-12 * summary_count(b));
    for (uint32_t percent = 0; percent <= 100; percent += 5) {
        assert_true(summary_quantile(a, percent / 100.0) == summary_quantile(b, percent / 100.0));
    }
    if (a->folded != NULL) {
        assert_int_equal(a->folded->count, b->folded->count);
        assert_int_equal(a->folded->scale, b->folded->scale);
    }
}

static void check_split(struct sketch_pool *pool, struct sketch_random *r, uint32_t count,
                        uint32_t split_count)
{
    uint32_t shape = random_below(r, RANDOM_SHAPE_COUNT);
    struct summary *parts[SPLIT_MAX];
    struct summary *whole = summary_new(pool);
    struct summary *forward = summary_new(pool);
    struct summary *backward = summary_new(pool);
    for (uint32_t i = 0; i < split_count; i++) {
        parts[i] = summary_new(pool);
    }
    double magnitudes = 0;
    for (uint32_t i = 0; i < count; i++) {
        double value = random_value(r, shape);
        double weight = random_below(r, 3) == 0 ? 1 + random_unit(r) * 10 : 1;
        /* Mostly the first part, so that some parts fold and others do not. */
        uint32_t part = random_below(r, 2) == 0 ? 0 : random_below(r, split_count);
        magnitudes += fabs(value) * weight;
        assert_int_equal(summary_add(whole, pool, value, weight), 0);
        assert_int_equal(summary_add(parts[part], pool, value, weight), 0);
    }
    for (uint32_t i = 0; i < split_count; i++) {
        assert_int_equal(summary_merge(forward, pool, parts[i]), 0);
        assert_int_equal(summary_merge(backward, pool, parts[split_count - 1 - i]), 0);
    }
    summary_sort(whole);
    summary_sort(forward);
    summary_sort(backward);
    assert_same_summary(forward, whole, magnitudes);
    assert_same_summary(backward, whole, magnitudes);
    for (uint32_t i = 0; i < split_count; i++) {
        summary_give(parts[i], pool);
    }
    summary_give(whole, pool);
    summary_give(forward, pool);
    summary_give(backward, pool);
}

static void test_merge_of_any_split_equals_the_whole(void **state)
{
    struct sketch_random r = {.state = 14};
    const uint32_t counts[] = {1, 30, 1000, SUMMARY_SAMPLES_MAX, SUMMARY_SAMPLES_MAX + 1, 9000};
    for (uint32_t round = 0; round < 96; round++) {
        check_split(*state, &r, counts[round % COUNT_OF(counts)], 1 + round % SPLIT_MAX);
    }
}

static void test_refused_memory_changes_nothing(void **state)
{
    (void)state;
    /* Room for the full list, and then more and more of the histogram it folds into. */
    uint32_t folded_count = 0;
    uint32_t refused_count = 0;
    size_t list_bytes = SUMMARY_SAMPLES_MAX * sizeof(struct summary_sample);
    for (size_t spare_bytes = 64; spare_bytes <= 8192; spare_bytes += 192) {
        struct sketch_pool pool;
        assert_int_equal(sketch_pool_init(&pool, 128 + list_bytes * 3 / 2 + spare_bytes), 0);
        struct summary *summary = summary_new(&pool);
        for (uint32_t i = 0; i < SUMMARY_SAMPLES_MAX; i++) {
            assert_int_equal(summary_add(summary, &pool, i % 2 == 0 ? i + 1 : 1 / (i + 1.0), 1), 0);
        }
        /* What is not spare is taken away, as another series would. */
        size_t used_bytes = sketch_pool_used_bytes(&pool);
        while (128 + list_bytes * 3 / 2 - used_bytes >= 64) {
            assert_non_null(sketch_pool_take(&pool, 64));
            used_bytes += 64;
        }
        struct summary before = *summary;
        int err = summary_add(summary, &pool, -1, 1);
        assert_true(summary_is_valid(summary));
        if (err != 0) {
            assert_int_equal(err, -ENOMEM);
            assert_memory_equal(summary, &before, sizeof(before));
            assert_int_equal(sketch_pool_used_bytes(&pool), used_bytes);
            refused_count++;
        } else {
            folded_count++;
        }
        sketch_pool_fini(&pool);
    }
    assert_true(folded_count > 5);
    assert_true(refused_count > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_quantile_is_the_weighted_empirical_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_quantile_of_empty_and_single, setup, teardown),
        cmocka_unit_test_setup_teardown(test_add_refuses_values_and_weights_out_of_range, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_sort_orders_any_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_add_folds_past_the_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merge_of_any_split_equals_the_whole, setup, teardown),
        cmocka_unit_test(test_refused_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
