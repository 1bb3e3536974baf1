/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The harness counts what a case does, and sees an allocation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "bench/micro.h"
#include "core/base/mem.h"

struct spin {
    struct micro micro;
    uint64_t state;
    uint32_t reset_count;
    bool allocates;
};

static uint64_t spin_call(struct micro *micro)
{
    struct spin *spin = CONTAINER_OF(micro, struct spin, micro);
    for (uint64_t i = 0; i < micro->op_count; i++) {
        spin->state = spin->state * UINT64_C(6364136223846793005) + 1;
    }
    if (spin->allocates) {
        mem_free(mem_alloc(16));
    }
    return spin->state;
}

static void spin_reset(struct micro *micro)
{
    struct spin *spin = CONTAINER_OF(micro, struct spin, micro);
    spin->reset_count++;
}

static struct spin make_spin(void)
{
    return (struct spin){
        .micro = {.name = "spin",
                  .op_count = 1000,
                  .needs_zero_allocs = true,
                  .call = spin_call,
                  .reset = spin_reset},
    };
}

static void test_measure_orders_its_figures(void **state)
{
    (void)state;
    struct spin spin = make_spin();
    struct micro_result r;
    assert_int_equal(micro_measure(&spin.micro, 2, &r), 0);
    assert_true(r.least_ns > 0);
    assert_true(r.least_ns <= r.median_ns);
    assert_true(r.median_ns <= r.most_ns);
    assert_true(r.op_allocs == 0);
    assert_true(r.iteration_count >= MICRO_RUN_COUNT * spin.micro.op_count);
    assert_int_equal(spin.reset_count, MICRO_RUN_COUNT + 1);
}

static void test_an_allocation_fails_a_case_that_may_not(void **state)
{
    (void)state;
    struct spin spin = make_spin();
    spin.allocates = true;
    assert_int_equal(micro_run(&spin.micro), -EDOM);
    spin.micro.needs_zero_allocs = false;
    assert_int_equal(micro_run(&spin.micro), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measure_orders_its_figures),
        cmocka_unit_test(test_an_allocation_fails_a_case_that_may_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
