/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_ident — see otlp_ident.h. The mixing is the finaliser of SplitMix64, each step of which can
 * be undone; hashes are XXH3 with 128 bits.
 */
#include "bench/otlp/otlp_ident.h"

#include <xxhash.h>

#include "core/base/defs.h"

#define MIX_FIRST UINT64_C(0xbf58476d1ce4e5b9)
#define MIX_SECOND UINT64_C(0x94d049bb133111eb)
/* Their inverses modulo 2^64. */
#define UNMIX_FIRST UINT64_C(0x96de1b173f119089)
#define UNMIX_SECOND UINT64_C(0x319642b2d24d8ec3)
#define SEED_SPREAD UINT64_C(0x9e3779b97f4a7c15)

/* The top bit keeps the mixed value away from 0, which no valid id may be. */
static uint64_t ident_mask(uint64_t seed)
{
    return seed * SEED_SPREAD | UINT64_C(1) << 63;
}

uint64_t ident_id_of(uint64_t seed, uint64_t sequence)
{
    ASSERT(sequence < IDENT_SEQUENCE_MAX);
    uint64_t z = sequence ^ ident_mask(seed);
    z = (z ^ z >> 30) * MIX_FIRST;
    z = (z ^ z >> 27) * MIX_SECOND;
    return z ^ z >> 31;
}

/* What `x ^ x >> shift` was made from. */
static uint64_t ident_unshift(uint64_t z, uint32_t shift)
{
    return z ^ z >> shift ^ z >> 2 * shift;
}

uint64_t ident_sequence_of(uint64_t seed, uint64_t id)
{
    uint64_t z = ident_unshift(id, 31) * UNMIX_SECOND;
    z = ident_unshift(z, 27) * UNMIX_FIRST;
    return ident_unshift(z, 30) ^ ident_mask(seed);
}

uint64_t ident_time_of(uint64_t sequence)
{
    ASSERT(sequence < IDENT_SEQUENCE_MAX);
    return IDENT_TIME_BASE_NS + sequence * IDENT_TIME_STEP_NS;
}

uint64_t ident_sequence_of_time(uint64_t time_unix_ns)
{
    const uint64_t since_ns = time_unix_ns - IDENT_TIME_BASE_NS;
    if (time_unix_ns < IDENT_TIME_BASE_NS || since_ns % IDENT_TIME_STEP_NS != 0) {
        return UINT64_MAX;
    }
    return since_ns / IDENT_TIME_STEP_NS;
}

static void digest_sum(struct ident_digest *digest, uint64_t low, uint64_t high)
{
    digest->low += low;
    digest->high += high + (digest->low < low ? 1 : 0);
}

void ident_digest_add(struct ident_digest *digest, struct slice ident)
{
    const XXH128_hash_t hash = XXH3_128bits(ident.ptr, ident.len);
    digest_sum(digest, hash.low64, hash.high64);
}

/* The upper half of the 128-bit product. */
static uint64_t product_high(uint64_t a, uint64_t b)
{
    const uint64_t a_low = a & UINT32_MAX;
    const uint64_t b_low = b & UINT32_MAX;
    const uint64_t cross = (a >> 32) * b_low + (a_low * b_low >> 32);
    const uint64_t middle = a_low * (b >> 32) + (cross & UINT32_MAX);
    return (a >> 32) * (b >> 32) + (cross >> 32) + (middle >> 32);
}

void ident_digest_add_many(struct ident_digest *digest, struct ident_digest more, uint64_t times)
{
    digest_sum(digest, more.low * times, product_high(more.low, times) + more.high * times);
}

bool ident_digest_equal(struct ident_digest a, struct ident_digest b)
{
    return a.low == b.low && a.high == b.high;
}
