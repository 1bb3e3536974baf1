/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_set — exact counting up to the bound, registers past it, and merging across both.
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
#include "core/model/hll.h"
#include "core/model/set.h"
#include "tests/core/model/sketch_random.h"

#define SPLIT_MAX 8

static int setup(void **state)
{
    static struct sketch_pool pool;
    *state = &pool;
    return sketch_pool_init(&pool, (size_t)4 << 20);
}

static int teardown(void **state)
{
    struct sketch_pool *pool = *state;
    bool is_empty = sketch_pool_used_bytes(pool) == 0;
    sketch_pool_fini(pool);
    return is_empty ? 0 : 1;
}

static void add_run(struct set *set, struct sketch_pool *pool, uint64_t seed, uint32_t count)
{
    struct sketch_random r = {.state = seed};
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(set_add(set, pool, random_u64(&r)), 0);
    }
}

static void test_add_counts_each_member_once(void **state)
{
    struct set *set = set_new(*state);
    assert_int_equal(set_estimate(set), 0);
    for (uint64_t hash = 0; hash < 100; hash++) {
        assert_int_equal(set_add(set, *state, hash << 32), 0);
        assert_int_equal(set_add(set, *state, hash << 32), 0);
        assert_int_equal(set_estimate(set), hash + 1);
        assert_true(set_is_valid(set));
    }
    assert_true(set_is_exact(set));
    set_give(set, *state);
    set_give(NULL, *state);
}

static void test_zero_is_a_member_like_any_other(void **state)
{
    struct set *set = set_new(*state);
    assert_int_equal(set_add(set, *state, 0), 0);
    assert_int_equal(set_estimate(set), 1);
    assert_int_equal(set_add(set, *state, 0), 0);
    assert_int_equal(set_estimate(set), 1);
    struct set *other = set_new(*state);
    assert_int_equal(set_add(other, *state, 5), 0);
    assert_int_equal(set_merge(other, *state, set), 0);
    assert_int_equal(set_merge(other, *state, set), 0);
    assert_int_equal(set_estimate(other), 2);
    assert_true(set_is_valid(other));
    set_give(set, *state);
    set_give(other, *state);
}

static void test_small_set_is_one_block(void **state)
{
    struct set *set = set_new(*state);
    add_run(set, *state, 1, 3);
    assert_int_equal(sketch_pool_used_bytes(*state), 64);
    add_run(set, *state, 1, 4);
    assert_int_equal(sketch_pool_used_bytes(*state), 128);
    set_give(set, *state);
}

static void test_add_is_exact_at_the_bound_and_dense_past_it(void **state)
{
    struct set *set = set_new(*state);
    add_run(set, *state, 77, SET_EXACT_MAX_COUNT - 1);
    assert_int_equal(set_add(set, *state, 0), 0);
    assert_true(set_is_exact(set));
    assert_int_equal(set_estimate(set), SET_EXACT_MAX_COUNT);
    add_run(set, *state, 77, SET_EXACT_MAX_COUNT - 1);
    assert_true(set_is_exact(set));
    assert_int_equal(set_add(set, *state, 12345), 0);
    assert_false(set_is_exact(set));
    assert_true(set_is_valid(set));
    double error = fabs((double)set_estimate(set) - (SET_EXACT_MAX_COUNT + 1));
    assert_true(error <= 0.02 * SET_EXACT_MAX_COUNT);
    assert_int_equal(sketch_pool_used_bytes(*state), 64 + HLL_REGISTER_COUNT);
    set_give(set, *state);
}

static void test_estimate_stays_within_2_percent(void **state)
{
    const uint32_t counts[] = {5000, 10000, 100000, 1000000};
    for (uint32_t i = 0; i < COUNT_OF(counts); i++) {
        struct set *set = set_new(*state);
        add_run(set, *state, counts[i], counts[i]);
        double error = fabs((double)set_estimate(set) - counts[i]);
        assert_true(error <= 0.02 * counts[i]);
        set_give(set, *state);
    }
}

static void assert_same_set(const struct set *a, const struct set *b)
{
    assert_true(set_is_valid(a));
    assert_int_equal(set_is_exact(a), set_is_exact(b));
    assert_int_equal(set_estimate(a), set_estimate(b));
    if (!set_is_exact(a)) {
        assert_memory_equal(a->registers, b->registers, HLL_REGISTER_COUNT);
    }
}

/* Members repeat, so shards overlap; the range decides whether the union stays within the bound. */
static void check_split(struct sketch_pool *pool, struct sketch_random *r, uint32_t split_count)
{
    static const uint32_t ranges[] = {3, 50, 1500, 2048, 2060, 3000, 60000};
    uint32_t range = ranges[random_below(r, COUNT_OF(ranges))];
    uint32_t count = random_below(r, 9000);
    struct set *parts[SPLIT_MAX];
    struct set *whole = set_new(pool);
    struct set *forward = set_new(pool);
    struct set *backward = set_new(pool);
    for (uint32_t i = 0; i < split_count; i++) {
        parts[i] = set_new(pool);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct sketch_random member = {.state = random_below(r, range)};
        uint64_t hash = member.state == 0 ? 0 : random_u64(&member);
        assert_int_equal(set_add(whole, pool, hash), 0);
        assert_int_equal(set_add(parts[random_below(r, split_count)], pool, hash), 0);
    }
    for (uint32_t i = 0; i < split_count; i++) {
        assert_true(set_is_valid(parts[i]));
        assert_int_equal(set_merge(forward, pool, parts[i]), 0);
        assert_int_equal(set_merge(backward, pool, parts[split_count - 1 - i]), 0);
    }
    assert_same_set(forward, whole);
    assert_same_set(backward, whole);
    for (uint32_t i = 0; i < split_count; i++) {
        set_give(parts[i], pool);
    }
    set_give(whole, pool);
    set_give(forward, pool);
    set_give(backward, pool);
}

static void test_merge_of_any_split_equals_the_whole(void **state)
{
    struct sketch_random r = {.state = 6};
    for (uint32_t round = 0; round < 80; round++) {
        check_split(*state, &r, 1 + round % SPLIT_MAX);
    }
}

static void test_refused_memory_changes_nothing(void **state)
{
    (void)state;
    uint32_t refused_count = 0;
    for (size_t cap_bytes = 64; cap_bytes <= (size_t)64 * 1024; cap_bytes *= 2) {
        struct sketch_pool pool;
        assert_int_equal(sketch_pool_init(&pool, cap_bytes), 0);
        struct sketch_random r = {.state = cap_bytes};
        struct set *set = set_new(&pool);
        for (uint32_t i = 0; i < SET_EXACT_MAX_COUNT + 10; i++) {
            uint64_t before = set_estimate(set);
            int err = set_add(set, &pool, random_u64(&r));
            if (err != 0) {
                assert_int_equal(err, -ENOMEM);
                assert_int_equal(set_estimate(set), before);
                refused_count++;
            }
        }
        assert_true(set_is_valid(set));
        set_give(set, &pool);
        assert_int_equal(sketch_pool_used_bytes(&pool), 0);
        sketch_pool_fini(&pool);
    }
    assert_true(refused_count > 0);
}

static void test_refused_merge_changes_nothing(void **state)
{
    const uint32_t counts[] = {10, 1000, SET_EXACT_MAX_COUNT, 5000};
    for (uint32_t i = 0; i < COUNT_OF(counts); i++) {
        struct set *source = set_new(*state);
        add_run(source, *state, 31, counts[i]);
        struct sketch_pool pool;
        assert_int_equal(sketch_pool_init(&pool, 128), 0);
        struct set *target = set_new(&pool);
        add_run(target, &pool, 32, 3);
        struct set before = *target;
        assert_int_equal(set_merge(target, &pool, source), -ENOMEM);
        assert_memory_equal(target, &before, sizeof(before));
        assert_int_equal(sketch_pool_used_bytes(&pool), 64);
        set_give(target, &pool);
        set_give(source, *state);
        sketch_pool_fini(&pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_add_counts_each_member_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_zero_is_a_member_like_any_other, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_set_is_one_block, setup, teardown),
        cmocka_unit_test_setup_teardown(test_add_is_exact_at_the_bound_and_dense_past_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_estimate_stays_within_2_percent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merge_of_any_split_equals_the_whole, setup, teardown),
        cmocka_unit_test(test_refused_memory_changes_nothing),
        cmocka_unit_test_setup_teardown(test_refused_merge_changes_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
