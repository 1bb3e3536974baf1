/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/processors/shard_half: made, refused memory, gone with what is inside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/processors/shard_half.h"
#include "tests/support/otlp_stubs.h"

static void test_has_a_chain_of_its_own_and_an_empty_lane(void **state)
{
    (void)state;
    struct shard_half half;
    struct stub_plan plan = {.clone_err = 0};
    struct stub_processor stub;
    struct stub_waiter waiter;
    struct part part;
    stub_processor_init(&stub, &plan);
    struct processor *prototypes[] = {&stub.processor, &stub.processor};
    assert_int_equal(shard_half_init(&half, prototypes, 2), 0);
    assert_int_equal(half.chain.count, 2);
    assert_true(half.chain.processors[0] != &stub.processor);
    assert_int_equal(lane_room(&half.lane), LANE_PARTS_MAX);
    assert_int_equal(part_copy(&part, SLICE_LITERAL("x"), SIGNAL_LOGS, 1), 0);
    stub_wait(&part, &waiter);
    lane_push(&half.lane, &part);
    shard_half_fini(&half);
    shard_half_fini(&half);
    assert_int_equal(waiter.answer_count, 1);
    assert_int_equal(waiter.fate, PART_LOST);
    assert_int_equal(plan.open_count, 0);
}

static void test_refused_memory(void **state)
{
    (void)state;
    struct shard_half half;
    struct stub_plan plan = {.clone_err = 0};
    struct stub_processor stub;
    stub_processor_init(&stub, &plan);
    struct processor *prototypes[CHAIN_PROCESSORS_MAX + 1];
    for (uint32_t i = 0; i <= CHAIN_PROCESSORS_MAX; i++) {
        prototypes[i] = &stub.processor;
    }
    assert_int_equal(shard_half_init(&half, prototypes, CHAIN_PROCESSORS_MAX + 1), FAULT_LIMIT);
    shard_half_fini(&half);
    for (uint64_t nth = 1; nth < 100; nth++) {
        mem_fail_nth(nth);
        int err = shard_half_init(&half, prototypes, 2);
        mem_fail_nth(0);
        shard_half_fini(&half);
        assert_int_equal(plan.open_count, 0);
        if (err == 0) {
            assert_true(nth > 3); /* the lane, the scratch, two clones */
            return;
        }
        assert_int_equal(err, -ENOMEM);
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_has_a_chain_of_its_own_and_an_empty_lane),
        cmocka_unit_test(test_refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
