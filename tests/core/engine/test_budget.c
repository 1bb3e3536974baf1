/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of core/engine/budget: the limit, one past it, and threads that share what there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "core/engine/budget.h"

static void test_everything_up_to_the_limit_and_nothing_beyond(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 10);
    assert_int_equal(budget_leased(&budget), 0);
    assert_int_equal(budget_lease(&budget, 10), 10);
    assert_int_equal(budget_leased(&budget), 10);
    assert_int_equal(budget_lease(&budget, 1), 0);
    assert_int_equal(budget_leased(&budget), 10);
    budget_return(&budget, 1);
    assert_int_equal(budget_lease(&budget, 2), 1);
    budget_return(&budget, 10);
    assert_int_equal(budget_leased(&budget), 0);
    assert_int_equal(budget_lease(&budget, 11), 10);
}

static void test_lease_gives_what_is_left(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 10);
    assert_int_equal(budget_lease(&budget, 4), 4);
    assert_int_equal(budget_lease(&budget, 4), 4);
    assert_int_equal(budget_lease(&budget, 4), 2);
    assert_int_equal(budget_lease(&budget, 4), 0);
    assert_int_equal(budget_leased(&budget), 10);
}

static void test_limit_that_changes_while_something_is_leased(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 10);
    assert_int_equal(budget_lease(&budget, 8), 8);
    budget_set_max(&budget, 5);
    assert_int_equal(budget_max(&budget), 5);
    assert_int_equal(budget_leased(&budget), 8);
    assert_int_equal(budget_lease(&budget, 1), 0); /* more is out than may be */
    budget_return(&budget, 3);
    assert_int_equal(budget_lease(&budget, 1), 0); /* at the limit */
    budget_return(&budget, 1);
    assert_int_equal(budget_lease(&budget, 2), 1); /* one below it */
    budget_set_max(&budget, 20);
    assert_int_equal(budget_lease(&budget, 100), 15);
    budget_return(&budget, 20);
    assert_int_equal(budget_leased(&budget), 0);
}

static void test_nothing_wanted_or_nothing_there(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, 0);
    assert_int_equal(budget_lease(&budget, 1), 0);
    budget_init(&budget, 5);
    assert_int_equal(budget_lease(&budget, 0), 0);
    budget_return(&budget, 0);
    assert_int_equal(budget_leased(&budget), 0);
    budget_init(&budget, UINT64_MAX);
    assert_true(budget_lease(&budget, UINT64_MAX) == UINT64_MAX);
    assert_int_equal(budget_lease(&budget, 1), 0);
    budget_return(&budget, UINT64_MAX);
    assert_int_equal(budget_leased(&budget), 0);
}

#define THREADS 4
#define ROUNDS 20000
#define SHARED_MAX 100

/* What all threads hold together, counted beside the budget. */
struct shared {
    struct budget budget;
    _Atomic uint64_t held;
    _Atomic uint64_t breach_count;
};

static void *lease_and_return(void *argument)
{
    struct shared *shared = argument;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t amount = budget_lease(&shared->budget, 1 + i % 60);
        if (atomic_fetch_add(&shared->held, amount) + amount > SHARED_MAX) {
            atomic_fetch_add(&shared->breach_count, 1);
        }
        atomic_fetch_sub(&shared->held, amount);
        budget_return(&shared->budget, amount);
    }
    return NULL;
}

static void test_threads_never_hold_more_than_there_is(void **state)
{
    (void)state;
    static struct shared shared;
    pthread_t threads[THREADS];
    budget_init(&shared.budget, SHARED_MAX);
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, lease_and_return, &shared), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&shared.breach_count), 0);
    assert_int_equal(budget_leased(&shared.budget), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_up_to_the_limit_and_nothing_beyond),
        cmocka_unit_test(test_lease_gives_what_is_left),
        cmocka_unit_test(test_limit_that_changes_while_something_is_leased),
        cmocka_unit_test(test_nothing_wanted_or_nothing_there),
        cmocka_unit_test(test_threads_never_hold_more_than_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
