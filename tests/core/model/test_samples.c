/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_samples — the limit, growth, merging and refusal of sample lists.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/model/samples.h"

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

static struct samples *samples_of(struct sketch_pool *pool, uint32_t first, uint32_t count)
{
    struct samples *samples = samples_new(pool);
    assert_non_null(samples);
    for (uint32_t i = 0; i < count; i++) {
        struct sample sample = {.value = first + i, .weight = 2, .time_unix_ns = i};
        assert_int_equal(samples_add(samples, pool, sample), 0);
        assert_true(samples_is_valid(samples));
    }
    return samples;
}

static void test_add_keeps_order_and_stops_at_the_limit(void **state)
{
    struct samples *samples = samples_of(*state, 0, SAMPLES_PER_SERIES_MAX);
    assert_int_equal(samples->count, SAMPLES_PER_SERIES_MAX);
    assert_int_equal(samples_add(samples, *state, (struct sample){.value = 1}), FAULT_LIMIT);
    assert_int_equal(samples->count, SAMPLES_PER_SERIES_MAX);
    for (uint32_t i = 0; i < samples->count; i++) {
        assert_true(samples->items[i].value == i);
        assert_int_equal(samples->items[i].time_unix_ns, i);
    }
    samples_give(samples, *state);
    samples_give(NULL, *state);
}

static void test_merge_concatenates_up_to_the_limit(void **state)
{
    struct samples *target = samples_of(*state, 0, 600);
    struct samples *source = samples_of(*state, 600, 600);
    struct samples *empty = samples_new(*state);
    uint32_t dropped_count = 99;
    assert_int_equal(samples_merge(target, *state, empty, &dropped_count), 0);
    assert_int_equal(dropped_count, 0);
    assert_int_equal(samples_merge(empty, *state, source, &dropped_count), 0);
    assert_int_equal(dropped_count, 0);
    assert_int_equal(empty->count, 600);
    assert_int_equal(samples_merge(target, *state, source, &dropped_count), 0);
    assert_int_equal(dropped_count, 1200 - SAMPLES_PER_SERIES_MAX);
    assert_int_equal(target->count, SAMPLES_PER_SERIES_MAX);
    assert_int_equal(samples_merge(target, *state, source, &dropped_count), 0);
    assert_int_equal(dropped_count, 600);
    for (uint32_t i = 0; i < target->count; i++) {
        assert_true(target->items[i].value == i);
    }
    assert_true(samples_is_valid(target));
    samples_give(target, *state);
    samples_give(source, *state);
    samples_give(empty, *state);
}

static void test_refused_memory_changes_nothing(void **state)
{
    struct sketch_pool pool;
    assert_int_equal(sketch_pool_init(&pool, 64 + 128 + 64), 0);
    struct samples *samples = samples_of(&pool, 0, 5); /* 128 bytes hold five */
    struct samples before = *samples;
    assert_int_equal(samples_add(samples, &pool, (struct sample){.value = 1}), -ENOMEM);
    assert_memory_equal(samples, &before, sizeof(before));
    struct samples *source = samples_of(*state, 0, 100);
    uint32_t dropped_count = 99;
    assert_int_equal(samples_merge(samples, &pool, source, &dropped_count), -ENOMEM);
    assert_int_equal(dropped_count, 0);
    assert_memory_equal(samples, &before, sizeof(before));
    samples_give(source, *state);
    samples_give(samples, &pool);
    assert_int_equal(sketch_pool_used_bytes(&pool), 0);
    sketch_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_add_keeps_order_and_stops_at_the_limit, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_merge_concatenates_up_to_the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_memory_changes_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
