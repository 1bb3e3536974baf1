/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slab — objects of one size, with a cap, inside address space reserved at init.
 *
 * Objects never move and have a number: index and pointer convert in O(1), so 32-bit references
 * will do. The lowest free object is taken first, so that live ones stay dense and slab_trim finds
 * whole pages to hand back. Single thread; shard-local.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"

/* 64-way tree of occupancy bits: six levels cover 2^32 objects. */
#define SLAB_LEVEL_MAX_COUNT 6

struct slab {
    uint8_t *objects;                       /* owned; reserved, backed by pages once touched */
    uint64_t *levels[SLAB_LEVEL_MAX_COUNT]; /* borrow from `objects`; [0] has one bit per object */
    uint32_t level_count;
    uint32_t used_count;
    uint32_t object_max_count;
    uint32_t touched_limit; /* objects taken so far lie below this index */
    size_t object_bytes;    /* rounded up to 16 */
    size_t reserved_bytes;
};

/*
 * Room for `object_max_count` (> 0) objects of `object_bytes` (> 0), rounded up to 16. Touches next
 * to no memory. 0, -ENOMEM, or FAULT_OVERFLOW when the product does not fit.
 */
WEIR_MUST_USE int slab_init(struct slab *slab, size_t object_bytes, uint32_t object_max_count);

/* Gives the address space back, live objects included. Idempotent. */
void slab_fini(struct slab *slab);

/* Moves out a zeroed object aligned to 16; NULL at the cap. Asks the kernel for pages at most. */
WEIR_MUST_USE void *slab_take(struct slab *slab);

/* Moves `object`, which slab_take returned, back in; NULL is fine. Twice is a panic. */
void slab_give(struct slab *slab, void *object);

/* Hands pages without a live object back to the kernel; a walk over the bits, so not per turn. */
void slab_trim(struct slab *slab);

uint32_t slab_used_count(const struct slab *slab);

/* Number of a live object, below object_max_count. */
uint32_t slab_index_of(const struct slab *slab, const void *object);

/* The object with that number; borrowed until it is given back. */
static inline void *slab_at(const struct slab *slab, uint32_t index)
{
    return slab->objects + (size_t)index * slab->object_bytes;
}

/* Is the object with that number live? `index` may be any number. */
bool slab_is_live(const struct slab *slab, uint32_t index);

/* Validator for tests: all levels agree with each other and with the count. */
bool slab_is_valid(const struct slab *slab);
