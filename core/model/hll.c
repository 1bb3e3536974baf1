/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hll — registers in, estimate out.
 *
 * Ertl's estimator treats empty and saturated registers with two series of its own (tau and sigma),
 * so it needs neither a table of measured biases nor a switch to linear counting: one formula from
 * a single member to billions.
 */
#include "core/model/hll.h"

#include <math.h>

#include "core/base/defs.h"

/* Bits of a hash that a register's run of zeros is read from. */
#define RUN_BITS (64 - HLL_PRECISION_BITS)

void hll_add(uint8_t registers[HLL_REGISTER_COUNT], uint64_t hash)
{
    uint64_t index = hash >> RUN_BITS;
    /* A bit below the run stops it, so a hash of zeros has the rank RUN_BITS + 1. */
    uint64_t run = (hash << HLL_PRECISION_BITS) | (UINT64_C(1) << (HLL_PRECISION_BITS - 1));
    uint8_t rank = (uint8_t)(__builtin_clzll(run) + 1);
    registers[index] = rank > registers[index] ? rank : registers[index];
}

void hll_merge(uint8_t target[HLL_REGISTER_COUNT], const uint8_t source[HLL_REGISTER_COUNT])
{
    for (uint32_t i = 0; i < HLL_REGISTER_COUNT; i++) {
        target[i] = source[i] > target[i] ? source[i] : target[i];
    }
}

/* x + x^2 + 2 x^4 + 4 x^8 + …, the weight of registers that are still empty; infinite at 1. */
static double sigma(double x)
{
    if (x >= 1) {
        return INFINITY;
    }
    double power = x;
    double factor = 1;
    double sum = x;
    double before;
    do {
        power *= power;
        before = sum;
        sum += power * factor;
        factor += factor;
    } while (sum > before);
    return sum;
}

/* The counterpart for registers that cannot grow any more. */
static double tau(double x)
{
    if (x <= 0 || x >= 1) {
        return 0;
    }
    double root = x;
    double factor = 1;
    double sum = 1 - x;
    double before;
    do {
        root = sqrt(root);
        before = sum;
        factor /= 2;
        sum -= (1 - root) * (1 - root) * factor;
    } while (sum < before);
    return sum / 3;
}

double hll_estimate(const uint8_t registers[HLL_REGISTER_COUNT])
{
    uint32_t rank_counts[RUN_BITS + 2] = {0};
    for (uint32_t i = 0; i < HLL_REGISTER_COUNT; i++) {
        ASSERT(registers[i] <= RUN_BITS + 1);
        rank_counts[registers[i]]++;
    }
    const double m = HLL_REGISTER_COUNT;
    double z = m * tau(1 - rank_counts[RUN_BITS + 1] / m);
    for (uint32_t rank = RUN_BITS; rank >= 1; rank--) {
        z = (z + rank_counts[rank]) / 2;
    }
    z += m * sigma(rank_counts[0] / m);
    return m * m / (2 * M_LN2 * z);
}
