/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/engine/lease: blocks out of a budget, refusal at its end, everything back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "core/base/bounds.h"
#include "core/engine/lease.h"

#define BLOCK ((uint64_t)LEASE_BLOCK_BYTES)
#define THREADS 2
#define ROUNDS 20000

static void test_small_charges_take_one_block(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 4 * BLOCK);
    struct lease lease = {.budget = &budget};
    assert_true(lease_take(&lease, 1));
    assert_true(lease_take(&lease, BLOCK - 1));
    assert_int_equal(budget_leased(&budget), BLOCK);
    assert_true(lease_take(&lease, 1));
    assert_int_equal(budget_leased(&budget), 2 * BLOCK);
    assert_int_equal(lease.spare_bytes, BLOCK - 1);
    lease_give(&lease, BLOCK + 1);
    lease_fini(&lease);
    lease_fini(&lease);
    assert_int_equal(budget_leased(&budget), 0);
}

static void test_nothing_costs_nothing(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 0);
    struct lease lease = {.budget = &budget};
    assert_true(lease_take(&lease, 0));
    assert_false(lease_take(&lease, 1));
    lease_give(&lease, 0);
    lease_fini(&lease);
}

static void test_limit_is_granted_and_one_past_it_refused(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 3 * BLOCK + 7);
    struct lease lease = {.budget = &budget};
    assert_false(lease_take(&lease, 3 * BLOCK + 8));
    assert_int_equal(budget_leased(&budget), 0); /* the little there was went back */
    assert_true(lease_take(&lease, 3 * BLOCK + 7));
    assert_int_equal(budget_leased(&budget), 3 * BLOCK + 7);
    assert_false(lease_take(&lease, 1));
    lease_give(&lease, 1);
    assert_true(lease_take(&lease, 1));
    lease_give(&lease, 3 * BLOCK + 7);
    lease_fini(&lease);
    assert_int_equal(budget_leased(&budget), 0);
}

static void test_refusal_keeps_what_was_charged_before(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, BLOCK);
    struct lease lease = {.budget = &budget};
    assert_true(lease_take(&lease, 100));
    assert_false(lease_take(&lease, BLOCK));
    assert_int_equal(lease.spare_bytes, 0);
    assert_int_equal(budget_leased(&budget), 100);
    lease_give(&lease, 100);
    lease_fini(&lease);
    assert_int_equal(budget_leased(&budget), 0);
}

static void test_more_than_two_spare_blocks_go_back(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 10 * BLOCK);
    struct lease lease = {.budget = &budget};
    assert_true(lease_take(&lease, 5 * BLOCK));
    lease_give(&lease, 2 * BLOCK);
    assert_int_equal(lease.spare_bytes, 2 * BLOCK);
    assert_int_equal(budget_leased(&budget), 5 * BLOCK);
    lease_give(&lease, 1);
    assert_int_equal(lease.spare_bytes, BLOCK);
    assert_int_equal(budget_leased(&budget), 4 * BLOCK - 1);
    lease_give(&lease, 3 * BLOCK - 1);
    lease_fini(&lease);
    assert_int_equal(budget_leased(&budget), 0);
}

static void test_two_leases_share_one_budget(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 2 * BLOCK);
    struct lease a = {.budget = &budget};
    struct lease b = {.budget = &budget};
    assert_true(lease_take(&a, 1));
    assert_true(lease_take(&b, BLOCK));
    assert_false(lease_take(&b, 1)); /* the rest is the other one's spare */
    assert_true(lease_take(&a, BLOCK - 1));
    lease_fini(&a); /* what it charged travels: somebody else gives it back */
    assert_int_equal(budget_leased(&budget), 2 * BLOCK);
    budget_return(&budget, BLOCK);
    assert_true(lease_take(&b, 1));
    lease_give(&b, BLOCK + 1);
    lease_fini(&b);
    assert_int_equal(budget_leased(&budget), 0);
}

struct taker {
    struct budget *budget;
    uint64_t granted_count;
};

static void *take_and_give(void *argument)
{
    struct taker *taker = argument;
    struct lease lease = {.budget = taker->budget};
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t bytes = i * 7919 % (BLOCK + BLOCK / 2);
        if (lease_take(&lease, bytes)) {
            taker->granted_count++;
            lease_give(&lease, bytes);
        }
    }
    lease_fini(&lease);
    return NULL;
}

static void test_threads_leave_the_budget_whole(void **state)
{
    (void)state;
    struct budget budget;
    pthread_t threads[THREADS];
    struct taker takers[THREADS] = {{.budget = &budget}, {.budget = &budget}};
    budget_init(&budget, 2 * BLOCK);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &takers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(takers[i].granted_count > 0);
    }
    assert_int_equal(budget_leased(&budget), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_charges_take_one_block),
        cmocka_unit_test(test_nothing_costs_nothing),
        cmocka_unit_test(test_limit_is_granted_and_one_past_it_refused),
        cmocka_unit_test(test_refusal_keeps_what_was_charged_before),
        cmocka_unit_test(test_more_than_two_spare_blocks_go_back),
        cmocka_unit_test(test_two_leases_share_one_budget),
        cmocka_unit_test(test_threads_leave_the_budget_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
