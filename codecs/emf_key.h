/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_key — 128 bits that stand for a text or a set of labels.
 *
 * Two different things share a key with a probability of 2^-128 for each pair, so what has the same
 * key is the same: no table of the encoder keeps names only to compare them. The seed is one per
 * process and random, so nobody outside can look for a pair. Hash: XXH3.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <xxhash.h>

#include "core/base/slice.h"

struct emf_key {
    uint64_t low;
    uint64_t high;
};

static inline struct emf_key emf_key_of(struct slice bytes, uint64_t seed)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.ptr, bytes.len, seed);
    return (struct emf_key){.low = hash.low64, .high = hash.high64};
}

static inline bool emf_key_equal(struct emf_key a, struct emf_key b)
{
    return a.low == b.low && a.high == b.high;
}
