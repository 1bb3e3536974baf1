/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exphist_index — from a magnitude to its bucket and back.
 *
 * The index is always computed at scale 20 and shifted down. One function of the value alone, so
 * two shards at different scales can never disagree about a value near an edge, and shifting what
 * they counted gives what one of them would have counted. Source: OTel data model,
 * "ExponentialHistogram".
 */
#include <math.h>
#include <string.h>

#include "core/model/exphist.h"

#define MANTISSA_BITS 52
#define MANTISSA_MASK ((UINT64_C(1) << MANTISSA_BITS) - 1)
#define EXPONENT_MASK 0x7ff
#define EXPONENT_BIAS 1023
#define EXPONENT_NORMAL_MIN (-1022)
#define SUBBUCKET_COUNT (1 << EXPHIST_SCALE_MAX)
/*
 * log2 of a number in (1, 2) is off by less than 2^-51, its product with 2^20 by less than 2^-31. A
 * position farther than this from an edge is certain, whichever variant of log2 libm has picked.
 */
#define EDGE_DISTANCE_MIN 0x1p-28

/* The sub-bucket of `mantissa` in (1, 2) by 64-bit arithmetic; one value in a hundred million. */
static WEIR_COLD int32_t subbucket_near_edge(double mantissa)
{
    long double position = log2l((long double)mantissa) * (long double)SUBBUCKET_COUNT;
    int32_t index = (int32_t)ceill(position) - 1;
    return index < 0 ? 0 : index;
}

/* Sub-bucket i holds 2^(i / 2^20) < mantissa ≤ 2^((i + 1) / 2^20). */
static int32_t subbucket(uint64_t mantissa_bits)
{
    uint64_t bits = mantissa_bits | ((uint64_t)EXPONENT_BIAS << MANTISSA_BITS);
    double mantissa;
    memcpy(&mantissa, &bits, sizeof(mantissa));
    double position = log2(mantissa) * SUBBUCKET_COUNT;
    int32_t below = (int32_t)position; /* positive, so this rounds down */
    double distance = position - below;
    if (distance < EDGE_DISTANCE_MIN || distance > 1 - EDGE_DISTANCE_MIN) {
        return subbucket_near_edge(mantissa);
    }
    return below;
}

int32_t exphist_index(double value, int32_t scale)
{
    ASSERT(scale <= EXPHIST_SCALE_MAX);
    ASSERT(scale >= EXPHIST_SCALE_MIN);
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint64_t mantissa_bits = bits & MANTISSA_MASK;
    int32_t exponent = (int32_t)((bits >> MANTISSA_BITS) & EXPONENT_MASK) - EXPONENT_BIAS;
    if (exponent < EXPONENT_NORMAL_MIN) {
        exponent = EXPONENT_NORMAL_MIN;
        mantissa_bits = 0;
    }
    /* A power of two closes the bucket below; above it, the exponent is all a scale ≤ 0 needs. */
    if (mantissa_bits == 0) {
        return (exponent * SUBBUCKET_COUNT - 1) >> (EXPHIST_SCALE_MAX - scale);
    }
    if (scale <= 0) {
        return exponent >> -scale;
    }
    return (exponent * SUBBUCKET_COUNT + subbucket(mantissa_bits)) >> (EXPHIST_SCALE_MAX - scale);
}

double exphist_lower_edge(int32_t scale, int32_t index)
{
    ASSERT(scale <= EXPHIST_SCALE_MAX);
    ASSERT(scale >= EXPHIST_SCALE_MIN);
    if (scale <= 0) {
        return ldexp(1.0, (int)((int64_t)index * (INT64_C(1) << -scale)));
    }
    /* Whole and fractional powers apart, so that the fraction keeps all its bits. */
    int32_t whole = index >> scale;
    int32_t fraction = index - whole * (1 << scale);
    return ldexp(exp2(ldexp((double)fraction, -scale)), whole);
}
