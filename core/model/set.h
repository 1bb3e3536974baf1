/* SPDX-License-Identifier: Apache-2.0 */
/*
 * set — how many distinct members a series saw, by their 64-bit hashes.
 *
 * Exact up to SET_EXACT_MAX_COUNT members in an open-addressing table, then HyperLogLog registers.
 * Which of the two, and every bit of it, follows from the members alone and not from how they were
 * split over shards. Memory from one sketch pool: 64 bytes for three members, 32 KiB at most.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/model/sketch_pool.h"

#define SET_NEARBY_SLOT_COUNT 4

struct set {
    uint64_t *slots;       /* owned block, or `nearby`; an empty slot is 0; NULL once dense */
    uint8_t *registers;    /* owned, HLL_REGISTER_COUNT; NULL while exact */
    uint32_t slot_count;   /* a power of two */
    uint32_t filled_count; /* slots in use */
    bool has_zero;         /* the hash 0, which no slot can hold */
    uint64_t nearby[SET_NEARBY_SLOT_COUNT];
};

/* An empty set; NULL at the pool's cap. */
WEIR_MUST_USE struct set *set_new(struct sketch_pool *pool);

/* Gives all its blocks back to `pool`, the one it came from. NULL is fine. */
void set_give(struct set *set, struct sketch_pool *pool);

/*
 * Adds one member by its hash (any value, uniform bits, the same function and seed in all sets that
 * will merge). 0 or -ENOMEM, and then nothing changed.
 */
WEIR_MUST_USE int set_add(struct set *set, struct sketch_pool *pool, uint64_t hash);

/* Adds all of `source`, which is only read. 0 or -ENOMEM, and then nothing changed in `target`. */
WEIR_MUST_USE int set_merge(struct set *target, struct sketch_pool *target_pool,
                            const struct set *source);

/* Is the answer a count and not an estimate? */
bool set_is_exact(const struct set *set);

/* Distinct members: exact, or estimated and rounded. */
uint64_t set_estimate(const struct set *set);

/* Validator for tests. */
bool set_is_valid(const struct set *set);
