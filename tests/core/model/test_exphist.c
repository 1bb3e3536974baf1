/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_exphist — reference values, bucket edges, exact merging and refusal of exponential
 * histograms.
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

#include "core/base/fault.h"
#include "core/model/exphist.h"
#include "tests/core/model/sketch_random.h"

#define CAP_BYTES ((size_t)16 << 20)
#define SPLIT_MAX 8

static int setup(void **state)
{
    static struct sketch_pool pool;
    *state = &pool;
    return sketch_pool_init(&pool, CAP_BYTES);
}

static int teardown(void **state)
{
    struct sketch_pool *pool = *state;
    bool is_empty = sketch_pool_used_bytes(pool) == 0;
    sketch_pool_fini(pool);
    return is_empty ? 0 : 1;
}

static struct exphist *hist_of(struct sketch_pool *pool, uint32_t max_size, const double *values,
                               uint32_t count)
{
    struct exphist *hist = exphist_new(pool, max_size);
    assert_non_null(hist);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(exphist_add(hist, pool, values[i], 1), 0);
        assert_true(exphist_is_valid(hist));
    }
    return hist;
}

static uint64_t count_at(const struct exphist *hist, enum exphist_sign sign, int32_t index)
{
    struct exphist_view view = exphist_trimmed(hist, sign);
    return exphist_view_count(view, (uint32_t)(index - view.offset));
}

static void test_reference_powers_at_160(void **state)
{
    struct exphist *hist = hist_of(*state, 160, (const double[]){1, 2, 4, 8}, 4);
    struct exphist_view view = exphist_trimmed(hist, EXPHIST_POSITIVE);
    assert_int_equal(exphist_scale(hist), 5);
    assert_int_equal(view.offset, -1);
    assert_int_equal(view.slot_count, 97);
    for (uint32_t i = 0; i < view.slot_count; i++) {
        assert_int_equal(exphist_view_count(view, i), i % 32 == 0 ? 1 : 0);
    }
    assert_int_equal(hist->count, 4);
    assert_true(exphist_sum(hist) == 15);
    assert_true(hist->min == 1);
    assert_true(hist->max == 8);
    exphist_give(hist, *state);
}

static void test_reference_powers_at_4(void **state)
{
    struct exphist *hist = hist_of(*state, 4, (const double[]){1, 2, 4, 8}, 4);
    struct exphist_view view = exphist_trimmed(hist, EXPHIST_POSITIVE);
    assert_int_equal(exphist_scale(hist), 0);
    assert_int_equal(view.offset, -1);
    assert_int_equal(view.slot_count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(exphist_view_count(view, i), 1);
    }
    exphist_give(hist, *state);
}

static void test_reference_single_and_wide(void **state)
{
    struct exphist *hist = hist_of(*state, 160, (const double[]){100}, 1);
    assert_int_equal(exphist_scale(hist), 20);
    assert_int_equal(exphist_trimmed(hist, EXPHIST_POSITIVE).offset, 6966588);
    assert_int_equal(exphist_trimmed(hist, EXPHIST_POSITIVE).slot_count, 1);
    assert_int_equal(exphist_used_bytes(hist), 128);
    exphist_give(hist, *state);

    hist = hist_of(*state, 160, (const double[]){0.001, 1000}, 2);
    assert_int_equal(exphist_scale(hist), 3);
    assert_int_equal(exphist_trimmed(hist, EXPHIST_POSITIVE).offset, -80);
    assert_int_equal(exphist_trimmed(hist, EXPHIST_POSITIVE).slot_count, 160);
    assert_int_equal(count_at(hist, EXPHIST_POSITIVE, 79), 1);
    assert_int_equal(exphist_used_bytes(hist), 128 + 256);
    exphist_give(hist, *state);
}

static void test_only_zeros_has_scale_0_and_no_buckets(void **state)
{
    struct exphist *hist = hist_of(*state, 160, (const double[]){0, -0.0, 0}, 3);
    assert_int_equal(exphist_scale(hist), 0);
    assert_int_equal(hist->zero_count, 3);
    assert_int_equal(exphist_trimmed(hist, EXPHIST_POSITIVE).slot_count, 0);
    assert_int_equal(exphist_trimmed(hist, EXPHIST_NEGATIVE).slot_count, 0);
    assert_true(exphist_quantile(hist, 0.5) == 0);
    /* Zeros leave no trace in the scale of what comes later. */
    assert_int_equal(exphist_add(hist, *state, 100, 1), 0);
    assert_int_equal(exphist_scale(hist), 20);
    exphist_give(hist, *state);
}

static void test_negatives_are_mirrored(void **state)
{
    const double values[] = {-1, -2, -4, -8, 1, 2, 4, 8};
    struct exphist *hist = hist_of(*state, 160, values, 8);
    struct exphist_view positive = exphist_trimmed(hist, EXPHIST_POSITIVE);
    struct exphist_view negative = exphist_trimmed(hist, EXPHIST_NEGATIVE);
    assert_int_equal(positive.offset, negative.offset);
    assert_int_equal(positive.slot_count, negative.slot_count);
    for (uint32_t i = 0; i < positive.slot_count; i++) {
        assert_int_equal(exphist_view_count(positive, i), exphist_view_count(negative, i));
    }
    assert_true(exphist_sum(hist) == 0);
    assert_true(hist->min == -8);
    exphist_give(hist, *state);
}

static void test_index_at_powers_of_two_and_extremes(void **state)
{
    (void)state;
    for (int32_t scale = EXPHIST_SCALE_MIN; scale <= EXPHIST_SCALE_MAX; scale++) {
        for (int32_t e = -1022; e <= 1023; e++) {
            double power = ldexp(1, e);
            int32_t below = (e * (1 << 20) - 1) >> (20 - scale);
            assert_int_equal(exphist_index(power, scale), below);
            int32_t above = (e * (1 << 20)) >> (20 - scale);
            assert_int_equal(exphist_index(nextafter(power, INFINITY), scale), above);
        }
        int32_t smallest = exphist_index(DBL_MIN, scale);
        assert_int_equal(exphist_index(DBL_TRUE_MIN, scale), smallest);
        assert_int_equal(exphist_index(DBL_MIN / 2, scale), smallest);
        int32_t highest = (1024 * (1 << 20) - 1) >> (20 - scale);
        assert_int_equal(exphist_index(DBL_MAX, scale), highest);
    }
    assert_int_equal(exphist_index(DBL_TRUE_MIN, -10), -1);
    assert_int_equal(exphist_index(DBL_MAX, -10), 0);
}

static void test_index_agrees_with_its_edges(void **state)
{
    (void)state;
    /* Edges at scales 1 … 8 by 64-bit arithmetic; the doubles on both sides fall on both sides. */
    for (int32_t scale = 1; scale <= 8; scale++) {
        for (int32_t i = 1; i < 1 << scale; i++) {
            long double edge = exp2l(ldexpl((long double)i, -scale));
            double near = (double)edge;
            double below = near > edge ? nextafter(near, 0) : near;
            double above = near > edge ? near : nextafter(near, 3);
            assert_int_equal(exphist_index(below, scale), i - 1);
            assert_int_equal(exphist_index(above, scale), i);
        }
    }
    struct sketch_random r = {.state = 11};
    for (uint32_t n = 0; n < 100000; n++) {
        double value = fabs(random_value(&r, 3));
        if (value < DBL_MIN) {
            continue;
        }
        int32_t fine = exphist_index(value, EXPHIST_SCALE_MAX);
        for (int32_t scale = EXPHIST_SCALE_MIN; scale < EXPHIST_SCALE_MAX; scale += 3) {
            assert_int_equal(exphist_index(value, scale), fine >> (EXPHIST_SCALE_MAX - scale));
        }
        int32_t index = exphist_index(value, 6);
        assert_true(exphist_lower_edge(6, index) <= value * (1 + 1e-14));
        assert_true(exphist_lower_edge(6, index + 1) >= value * (1 - 1e-14));
    }
}

static void test_counters_widen_as_they_fill(void **state)
{
    struct exphist *hist = exphist_new(*state, 160);
    uint64_t total = 0;
    const uint64_t weights[] = {255, 1, 65279, 1, UINT32_MAX - 65536, 1, UINT64_C(1) << 60};
    for (uint32_t i = 0; i < COUNT_OF(weights); i++) {
        assert_int_equal(exphist_add(hist, *state, 5, weights[i]), 0);
        assert_int_equal(exphist_add(hist, *state, -5, weights[i]), 0);
        total += weights[i];
        assert_true(exphist_is_valid(hist));
        assert_int_equal(exphist_view_count(exphist_trimmed(hist, EXPHIST_POSITIVE), 0), total);
        assert_int_equal(exphist_view_count(exphist_trimmed(hist, EXPHIST_NEGATIVE), 0), total);
    }
    exphist_give(hist, *state);
}

static void test_add_refuses_what_is_not_finite_or_too_much(void **state)
{
    struct exphist *hist = hist_of(*state, 160, (const double[]){1}, 1);
    struct exphist before = *hist;
    assert_int_equal(exphist_add(hist, *state, NAN, 1), -EINVAL);
    assert_int_equal(exphist_add(hist, *state, INFINITY, 1), -EINVAL);
    assert_int_equal(exphist_add(hist, *state, -INFINITY, 1), -EINVAL);
    assert_int_equal(exphist_add(hist, *state, 1, UINT64_MAX), FAULT_OVERFLOW);
    assert_memory_equal(hist, &before, sizeof(before));
    assert_int_equal(exphist_add(hist, *state, 1, UINT64_MAX - 1), 0);
    struct exphist *other = hist_of(*state, 160, (const double[]){1}, 1);
    assert_int_equal(exphist_merge(other, *state, hist), FAULT_OVERFLOW);
    assert_int_equal(other->count, 1);
    assert_true(exphist_is_valid(hist));
    exphist_give(hist, *state);
    exphist_give(other, *state);
    exphist_give(NULL, *state);
}

static void test_max_size_limits_hold(void **state)
{
    const double extremes[] = {DBL_TRUE_MIN, DBL_MAX, -DBL_TRUE_MIN, -DBL_MAX, 0};
    struct exphist *hist = hist_of(*state, 2, extremes, 5);
    assert_int_equal(exphist_scale(hist), -10);
    assert_int_equal(exphist_trimmed(hist, EXPHIST_NEGATIVE).slot_count, 2);
    exphist_give(hist, *state);
    hist = hist_of(*state, 16384, extremes, 5);
    assert_int_equal(exphist_scale(hist), 3); /* 2046 binades of 8 buckets */
    assert_int_equal(exphist_max_size(hist), 16384);
    exphist_give(hist, *state);
}

static void assert_same_side(const struct exphist *a, const struct exphist *b,
                             enum exphist_sign sign)
{
    struct exphist_view left = exphist_trimmed(a, sign);
    struct exphist_view right = exphist_trimmed(b, sign);
    assert_int_equal(left.offset, right.offset);
    assert_int_equal(left.slot_count, right.slot_count);
    for (uint32_t i = 0; i < left.slot_count; i++) {
        assert_int_equal(exphist_view_count(left, i), exphist_view_count(right, i));
    }
}

static void assert_same_hist(const struct exphist *a, const struct exphist *b, double magnitudes)
{
    assert_true(exphist_is_valid(a));
    assert_int_equal(a->scale, b->scale);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->zero_count, b->zero_count);
    assert_true(a->min == b->min);
    assert_true(a->max == b->max);
    assert_true(fabs(exphist_sum(a) - exphist_sum(b)) <= 1e-12 * magnitudes);
    assert_same_side(a, b, EXPHIST_POSITIVE);
    assert_same_side(a, b, EXPHIST_NEGATIVE);
}

static uint64_t random_weight(struct sketch_random *r)
{
    return random_below(r, 4) != 0 ? 1 : 1 + (random_u64(r) >> (24 + random_below(r, 40)));
}

/* One stream, whole and dealt out to `split_count` histograms of pools of their own. */
static void check_split(struct sketch_pool *pool, struct sketch_random *r, uint32_t split_count)
{
    static const uint32_t sizes[] = {2, 3, 4, 20, 160, 320, 16384};
    uint32_t max_size = sizes[random_below(r, COUNT_OF(sizes))];
    uint32_t shape = random_below(r, RANDOM_SHAPE_COUNT);
    struct sketch_pool part_pools[SPLIT_MAX];
    struct exphist *parts[SPLIT_MAX];
    struct exphist *whole = exphist_new(pool, max_size);
    for (uint32_t i = 0; i < split_count; i++) {
        assert_int_equal(sketch_pool_init(&part_pools[i], CAP_BYTES), 0);
        parts[i] = exphist_new(&part_pools[i], max_size);
    }
    double magnitudes = 0;
    uint32_t count = random_below(r, 600);
    for (uint32_t i = 0; i < count; i++) {
        double value = random_value(r, shape);
        uint64_t weight = random_weight(r);
        uint32_t part = random_below(r, split_count);
        magnitudes += fabs(value) * (double)weight;
        assert_int_equal(exphist_add(whole, pool, value, weight), 0);
        assert_int_equal(exphist_add(parts[part], &part_pools[part], value, weight), 0);
    }
    assert_true(exphist_is_valid(whole));
    struct exphist *forward = exphist_new(pool, max_size);
    struct exphist *backward = exphist_new(pool, max_size);
    for (uint32_t i = 0; i < split_count; i++) {
        assert_true(exphist_is_valid(parts[i]));
        assert_int_equal(exphist_merge(forward, pool, parts[i]), 0);
        assert_int_equal(exphist_merge(backward, pool, parts[split_count - 1 - i]), 0);
    }
    assert_same_hist(forward, whole, magnitudes);
    assert_same_hist(backward, whole, magnitudes);
    exphist_give(whole, pool);
    exphist_give(forward, pool);
    exphist_give(backward, pool);
    for (uint32_t i = 0; i < split_count; i++) {
        exphist_give(parts[i], &part_pools[i]);
        assert_int_equal(sketch_pool_used_bytes(&part_pools[i]), 0);
        sketch_pool_fini(&part_pools[i]);
    }
}

static void test_merge_of_any_split_equals_the_whole(void **state)
{
    struct sketch_random r = {.state = 20};
    for (uint32_t round = 0; round < 400; round++) {
        check_split(*state, &r, 1 + round % SPLIT_MAX);
    }
}

static void test_order_of_values_does_not_show(void **state)
{
    struct sketch_random r = {.state = 3};
    for (uint32_t round = 0; round < 50; round++) {
        double values[64];
        double magnitudes = 0;
        for (uint32_t i = 0; i < COUNT_OF(values); i++) {
            values[i] = random_value(&r, round % RANDOM_SHAPE_COUNT);
            magnitudes += fabs(values[i]);
        }
        struct exphist *first = hist_of(*state, 20, values, COUNT_OF(values));
        for (uint32_t i = COUNT_OF(values); i > 1; i--) {
            uint32_t other = random_below(&r, i);
            double swapped = values[i - 1];
            values[i - 1] = values[other];
            values[other] = swapped;
        }
        struct exphist *second = hist_of(*state, 20, values, COUNT_OF(values));
        assert_same_hist(first, second, magnitudes);
        exphist_give(first, *state);
        exphist_give(second, *state);
    }
}

/* Everything a histogram says of itself, for "nothing changed". */
struct snapshot {
    struct exphist head;
    uint64_t counts[2][512];
};

static void take_snapshot(const struct exphist *hist, struct snapshot *out)
{
    memset(out, 0, sizeof(*out));
    memcpy(&out->head, hist, sizeof(*hist));
    for (uint32_t sign = 0; sign < 2; sign++) {
        struct exphist_view view = exphist_trimmed(hist, (enum exphist_sign)sign);
        for (uint32_t i = 0; i < view.slot_count; i++) {
            out->counts[sign][i] = exphist_view_count(view, i);
        }
    }
}

static void test_refused_memory_changes_nothing(void **state)
{
    (void)state;
    struct sketch_random r = {.state = 5};
    static struct snapshot before;
    static struct snapshot after;
    uint32_t refused_count = 0;
    for (size_t cap_bytes = 64; cap_bytes < 6000; cap_bytes += 64) {
        struct sketch_pool pool;
        assert_int_equal(sketch_pool_init(&pool, cap_bytes), 0);
        struct exphist *hist = exphist_new(&pool, 320);
        for (uint32_t i = 0; hist != NULL && i < 200; i++) {
            take_snapshot(hist, &before);
            size_t used_bytes = sketch_pool_used_bytes(&pool);
            int err = exphist_add(hist, &pool, random_value(&r, 2), 1 + i * i);
            assert_true(exphist_is_valid(hist));
            if (err != 0) {
                assert_int_equal(err, -ENOMEM);
                take_snapshot(hist, &after);
                assert_memory_equal(&before, &after, sizeof(before));
                assert_int_equal(sketch_pool_used_bytes(&pool), used_bytes);
                refused_count++;
            }
        }
        exphist_give(hist, &pool);
        assert_int_equal(sketch_pool_used_bytes(&pool), 0);
        sketch_pool_fini(&pool);
    }
    assert_true(refused_count > 100);
}

static void test_refused_merge_changes_nothing(void **state)
{
    const double wide[] = {-1e-3, -1e3, 1e-3, 1e3};
    struct exphist *source = hist_of(*state, 160, wide, 4);
    static struct snapshot before;
    static struct snapshot after;
    uint32_t refused_count = 0;
    uint32_t done_count = 0;
    for (size_t cap_bytes = 128; cap_bytes <= 1024; cap_bytes += 64) {
        struct sketch_pool pool;
        assert_int_equal(sketch_pool_init(&pool, cap_bytes), 0);
        struct exphist *hist = hist_of(&pool, 160, (const double[]){7, 0}, 2);
        take_snapshot(hist, &before);
        size_t used_bytes = sketch_pool_used_bytes(&pool);
        if (exphist_merge(hist, &pool, source) != 0) {
            take_snapshot(hist, &after);
            assert_memory_equal(&before, &after, sizeof(before));
            assert_int_equal(sketch_pool_used_bytes(&pool), used_bytes);
            refused_count++;
        } else {
            assert_int_equal(hist->count, 6);
            done_count++;
        }
        assert_true(exphist_is_valid(hist));
        exphist_give(hist, &pool);
        sketch_pool_fini(&pool);
    }
    assert_true(refused_count > 0);
    assert_true(done_count > 0);
    exphist_give(source, *state);
}

static void test_quantile_stays_within_its_bucket(void **state)
{
    struct exphist *hist = exphist_new(*state, 160);
    assert_true(exphist_quantile(hist, 0.5) == 0);
    for (uint32_t i = 1; i <= 1000; i++) {
        assert_int_equal(exphist_add(hist, *state, i, 1), 0);
    }
    double error = (exp2(exp2(-exphist_scale(hist))) - 1) / 2 + 0.001;
    assert_true(exphist_quantile(hist, 0) == 1);
    assert_true(exphist_quantile(hist, 1) == 1000);
    for (uint32_t percent = 1; percent < 100; percent++) {
        double exact = percent * 10.0;
        assert_true(fabs(exphist_quantile(hist, percent / 100.0) - exact) <= exact * error);
    }
    exphist_give(hist, *state);
    hist = hist_of(*state, 160, (const double[]){-4, -4, 0, 0, 6, 6}, 6);
    assert_true(fabs(exphist_quantile(hist, 0.3) + 4) < 0.1);
    assert_true(exphist_quantile(hist, 0.5) == 0);
    assert_true(fabs(exphist_quantile(hist, 0.9) - 6) < 0.2);
    exphist_give(hist, *state);
    /* A bucket that ends past the largest double answers with max. */
    hist = hist_of(*state, 2, (const double[]){DBL_TRUE_MIN, DBL_MAX, DBL_MAX / 2}, 3);
    assert_true(exphist_quantile(hist, 0.9) == DBL_MAX);
    exphist_give(hist, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reference_powers_at_160, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reference_powers_at_4, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reference_single_and_wide, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_zeros_has_scale_0_and_no_buckets, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_negatives_are_mirrored, setup, teardown),
        cmocka_unit_test(test_index_at_powers_of_two_and_extremes),
        cmocka_unit_test(test_index_agrees_with_its_edges),
        cmocka_unit_test_setup_teardown(test_counters_widen_as_they_fill, setup, teardown),
        cmocka_unit_test_setup_teardown(test_add_refuses_what_is_not_finite_or_too_much, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_max_size_limits_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merge_of_any_split_equals_the_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_of_values_does_not_show, setup, teardown),
        cmocka_unit_test(test_refused_memory_changes_nothing),
        cmocka_unit_test_setup_teardown(test_refused_merge_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quantile_stays_within_its_bucket, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
