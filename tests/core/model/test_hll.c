/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_hll — accuracy over six orders of magnitude, and merging.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/defs.h"
#include "core/model/hll.h"
#include "tests/core/model/sketch_random.h"

#define SEED_COUNT 30

static void test_estimate_has_the_standard_error_of_its_size(void **state)
{
    (void)state;
    static const uint32_t counts[] = {100,   500,   2048,  5000,   10000,
                                      20000, 40000, 60000, 100000, 1000000};
    double squares[COUNT_OF(counts)] = {0};
    double biases[COUNT_OF(counts)] = {0};
    for (uint64_t seed = 1; seed <= SEED_COUNT; seed++) {
        static uint8_t registers[HLL_REGISTER_COUNT];
        memset(registers, 0, sizeof(registers));
        struct sketch_random r = {.state = seed * seed * UINT64_C(0x9876543210fedcb)};
        uint32_t added = 0;
        for (uint32_t i = 0; i < COUNT_OF(counts); i++) {
            for (; added < counts[i]; added++) {
                hll_add(registers, random_u64(&r));
            }
            double error = hll_estimate(registers) / counts[i] - 1;
            squares[i] += error * error;
            biases[i] += error;
        }
    }
    /* 1.04 / sqrt(2^14) is 0.81 %; thirty streams leave some room on top. */
    for (uint32_t i = 0; i < COUNT_OF(counts); i++) {
        assert_true(sqrt(squares[i] / SEED_COUNT) <= 0.0105);
        assert_true(fabs(biases[i] / SEED_COUNT) <= 0.005);
    }
}

static void test_estimate_of_few_is_close_to_exact(void **state)
{
    (void)state;
    static uint8_t registers[HLL_REGISTER_COUNT];
    memset(registers, 0, sizeof(registers));
    assert_true(hll_estimate(registers) == 0);
    struct sketch_random r = {.state = 9};
    for (uint32_t i = 1; i <= 20; i++) {
        hll_add(registers, random_u64(&r));
        assert_int_equal((int)round(hll_estimate(registers)), i);
    }
}

static void test_add_takes_the_extreme_hashes(void **state)
{
    (void)state;
    static uint8_t registers[HLL_REGISTER_COUNT];
    memset(registers, 0, sizeof(registers));
    hll_add(registers, 0);
    assert_int_equal(registers[0], 64 - HLL_PRECISION_BITS + 1);
    hll_add(registers, UINT64_MAX);
    assert_int_equal(registers[HLL_REGISTER_COUNT - 1], 1);
    hll_add(registers, 1);
    assert_int_equal(registers[0], 64 - HLL_PRECISION_BITS + 1);
    hll_add(registers, UINT64_C(1) << (64 - HLL_PRECISION_BITS));
    assert_int_equal(registers[1], 64 - HLL_PRECISION_BITS + 1);
    assert_true(hll_estimate(registers) > 2);
    /* All registers full: still an answer, and a large one. */
    memset(registers, 64 - HLL_PRECISION_BITS + 1, sizeof(registers));
    assert_true(hll_estimate(registers) > 1e18);
}

static void test_merge_equals_the_whole(void **state)
{
    (void)state;
    static uint8_t parts[3][HLL_REGISTER_COUNT];
    static uint8_t whole[HLL_REGISTER_COUNT];
    memset(parts, 0, sizeof(parts));
    memset(whole, 0, sizeof(whole));
    struct sketch_random r = {.state = 4};
    for (uint32_t i = 0; i < 50000; i++) {
        uint64_t hash = random_u64(&r);
        hll_add(whole, hash);
        hll_add(parts[random_below(&r, 3)], hash);
    }
    hll_merge(parts[2], parts[0]);
    hll_merge(parts[2], parts[1]);
    assert_memory_equal(parts[2], whole, sizeof(whole));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_estimate_has_the_standard_error_of_its_size),
        cmocka_unit_test(test_estimate_of_few_is_close_to_exact),
        cmocka_unit_test(test_add_takes_the_extreme_hashes),
        cmocka_unit_test(test_merge_equals_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
