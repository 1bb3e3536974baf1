/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampling — numbers of 56 bits.
 */
#include "core/processors/sampling.h"

#include <math.h>

#include "core/base/defs.h"

#define FNV_OFFSET UINT32_C(2166136261)
#define FNV_PRIME UINT32_C(16777619)
#define SEED_BYTES 4

#define HASH_BITS 14
#define HASH_BUCKETS (1 << HASH_BITS)
#define PERCENT 100.0F

/* 2^56, exact as a double. */
#define SCALE ((double)SAMPLING_NEVER)

uint32_t sampling_hash(uint32_t seed, struct slice bytes)
{
    uint32_t hash = FNV_OFFSET;
    for (uint32_t i = 0; i < SEED_BYTES; i++) {
        hash = (hash ^ (seed >> (8 * i) & 0xFF)) * FNV_PRIME;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        hash = (hash ^ bytes.ptr[i]) * FNV_PRIME;
    }
    return hash;
}

uint64_t sampling_hash_randomness(uint32_t seed, struct slice bytes)
{
    uint32_t hash = sampling_hash(seed, bytes);
    uint64_t bucket = hash & (HASH_BUCKETS - 1);
    uint64_t unused = hash >> (32 - (32 - HASH_BITS)); /* the 18 bits above the bucket */
    uint64_t mixed = unused ^ unused << 10;
    uint64_t randomness = (HASH_BUCKETS - 1 - bucket) << 42 | mixed << HASH_BITS | bucket;
    ASSERT(randomness <= SAMPLING_RANDOMNESS_MAX);
    return randomness;
}

uint64_t sampling_hash_threshold(float percent)
{
    /* Single precision and cut, because that is how the other tiers compute it. */
    float buckets = percent * (HASH_BUCKETS / PERCENT);
    uint64_t accepted = buckets >= HASH_BUCKETS ? HASH_BUCKETS : (uint64_t)buckets;
    return (HASH_BUCKETS - accepted) << (SAMPLING_BITS - HASH_BITS);
}

uint64_t sampling_trace_randomness(struct slice trace_id)
{
    ASSERT(trace_id.len == SAMPLING_TRACE_ID_BYTES);
    uint64_t randomness = 0;
    for (size_t i = SAMPLING_TRACE_ID_BYTES - SAMPLING_BITS / 8; i < trace_id.len; i++) {
        randomness = randomness << 8 | trace_id.ptr[i];
    }
    return randomness;
}

/* Whole hexadecimal digits that are all zeros at the head of a fraction in (0, 1). */
static uint32_t leading_digits(double fraction)
{
    int exponent = 0;
    (void)frexp(fraction, &exponent); /* fraction = m × 2^exponent, m in [0.5, 1) */
    return (uint32_t)(-exponent / 4);
}

bool sampling_threshold(double probability, uint32_t digit_count, uint64_t *out)
{
    ASSERT(digit_count >= 1 && digit_count <= SAMPLING_DIGITS);
    if (!(probability >= 1 / SCALE) || probability > 1) {
        return false;
    }
    if (probability == 1) {
        *out = SAMPLING_ALWAYS;
        return true;
    }
    /* A small threshold begins with zeros, one near its end with f's. */
    uint32_t zeros = leading_digits(1 - probability);
    uint32_t fs = leading_digits(probability);
    uint32_t kept = digit_count + (zeros > fs ? zeros : fs);
    double scaled = probability * SCALE;
    uint64_t accepted = (uint64_t)scaled;
    accepted += scaled - (double)accepted >= 0.5 ? 1 : 0;
    uint64_t threshold = SAMPLING_NEVER - accepted;
    if (kept < SAMPLING_DIGITS) {
        uint32_t shift = 4 * (SAMPLING_DIGITS - kept);
        threshold = (threshold + (UINT64_C(1) << (shift - 1))) >> shift << shift;
    }
    *out = threshold;
    return true;
}

double sampling_probability(uint64_t threshold)
{
    ASSERT(threshold <= SAMPLING_NEVER);
    return (double)(SAMPLING_NEVER - threshold) / SCALE;
}

static bool parse_hex(struct slice text, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        uint8_t folded = (uint8_t)(byte | 0x20);
        bool is_digit = byte >= '0' && byte <= '9';
        if (!is_digit && (folded < 'a' || folded > 'f')) {
            return false;
        }
        value = value << 4 | (uint64_t)(is_digit ? byte - '0' : folded - 'a' + 10);
    }
    *out = value;
    return true;
}

bool sampling_parse_threshold(struct slice text, uint64_t *out)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > SAMPLING_DIGITS || !parse_hex(text, &value)) {
        return false;
    }
    *out = value << (4 * (SAMPLING_DIGITS - text.len));
    return true;
}

bool sampling_parse_randomness(struct slice text, uint64_t *out)
{
    return text.len == SAMPLING_DIGITS && parse_hex(text, out);
}

void sampling_format_randomness(uint64_t randomness, char out[SAMPLING_DIGITS])
{
    static const char digits[] = "0123456789abcdef";
    ASSERT(randomness <= SAMPLING_RANDOMNESS_MAX);
    for (uint32_t i = 0; i < SAMPLING_DIGITS; i++) {
        out[i] = digits[randomness >> (4 * (SAMPLING_DIGITS - 1 - i)) & 0xF];
    }
}

size_t sampling_format_threshold(uint64_t threshold, char out[SAMPLING_DIGITS])
{
    size_t len = SAMPLING_DIGITS;
    sampling_format_randomness(threshold, out);
    while (len > 1 && out[len - 1] == '0') {
        len--;
    }
    return len;
}
