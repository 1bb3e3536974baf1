/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sketch_random — seeded random streams for the property tests of core/model (splitmix64).
 */
#pragma once

#include <math.h>
#include <stdint.h>

struct sketch_random {
    uint64_t state;
};

static inline uint64_t random_u64(struct sketch_random *r)
{
    r->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint32_t random_below(struct sketch_random *r, uint32_t limit)
{
    return (uint32_t)(random_u64(r) % limit);
}

/* Uniform in [0, 1). */
static inline double random_unit(struct sketch_random *r)
{
    return (double)(random_u64(r) >> 11) * 0x1p-53;
}

/*
 * A value of one of the shapes that streams have: 0 latencies, 1 whole numbers, 2 any sign with
 * zeros, 3 every magnitude from subnormal to huge, 4 exact powers of two, 5 one value.
 */
static inline double random_value(struct sketch_random *r, uint32_t shape)
{
    double unit = random_unit(r);
    switch (shape) {
    case 0:
        return exp2(unit * 10 - 3);
    case 1:
        return floor(unit * 1000);
    case 2:
        return random_below(r, 8) == 0 ? 0 : (unit - 0.5) * exp2((double)random_below(r, 20));
    case 3:
        return ldexp(unit - 0.5, (int)random_below(r, 2000) - 1060);
    case 4:
        return ldexp(random_below(r, 2) == 0 ? 1 : -1, (int)random_below(r, 64) - 32);
    default:
        return 42.5;
    }
}
#define RANDOM_SHAPE_COUNT 6
