/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sketch_pool — memory for the values of a window: size classes over reserved address space.
 *
 * Blocks are powers of two from 64 bytes to 256 KiB, cut from chunks that belong to one class while
 * they hold a block and to none afterwards. Nothing here calls the allocator after init.
 * Shard-local: a block may be read elsewhere, but it is taken and given by the pool's own thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bounds.h"
#include "core/base/defs.h"

/* 64 B, 128 B, … 256 KiB. */
#define SKETCH_POOL_CLASS_COUNT 13
/* A chunk is one of the largest blocks, or 4096 of the smallest. */
#define SKETCH_POOL_CHUNK_BYTES SKETCH_POOL_BLOCK_MAX_BYTES

struct sketch_chunk;

/* Zeroed is a valid, empty pool that refuses every take. */
struct sketch_pool {
    uint8_t *region;             /* owned address space, chunk_limit chunks */
    struct sketch_chunk *chunks; /* owned, one per chunk of the region */
    size_t used_bytes;           /* in blocks handed out, rounded up to their class */
    size_t cap_bytes;
    uint32_t chunk_limit;                         /* chunks there is address space for */
    uint32_t fresh_index;                         /* chunks from here on were never used */
    uint32_t quiet_count;                         /* empty chunks that still hold pages */
    uint32_t quiet_low_count;                     /* fewest of those since the last trim */
    uint32_t quiet_head;                          /* list of those; 1 + index, 0 is the end */
    uint32_t clean_head;                          /* list of chunks whose pages went back */
    uint32_t open_heads[SKETCH_POOL_CLASS_COUNT]; /* lists of chunks with room, per class */
};

/*
 * sketch_pool_init — address space for blocks of `cap_bytes` (> 0) in all; no page is touched yet.
 * Returns 0 or -ENOMEM, and then the pool is zeroed.
 */
WEIR_MUST_USE int sketch_pool_init(struct sketch_pool *pool, size_t cap_bytes);

/* Takes every block back, given or not. Idempotent. */
void sketch_pool_fini(struct sketch_pool *pool);

/*
 * A zeroed block of at least `bytes` (1 … SKETCH_POOL_BLOCK_MAX_BYTES), aligned to 64; moves out.
 * NULL when the cap would be exceeded.
 */
WEIR_MUST_USE void *sketch_pool_take(struct sketch_pool *pool, size_t bytes);

/*
 * Moves a block back in. `bytes` is what it was taken with, or anything of the same class. NULL is
 * fine. The block must come from this pool.
 */
void sketch_pool_give(struct sketch_pool *pool, void *ptr, size_t bytes);

/* What a block of `bytes` really holds: the size of its class. */
size_t sketch_pool_class_bytes(size_t bytes);

/* Bytes in blocks handed out, each rounded up to its class. */
size_t sketch_pool_used_bytes(const struct sketch_pool *pool);

/*
 * Hands the pages of half of the chunks that stayed empty since the last trim back to the kernel;
 * meant for a slow timer. Returns how many bytes went.
 */
size_t sketch_pool_trim(struct sketch_pool *pool);

/* Validator for tests: lists, counts and used bytes agree. */
bool sketch_pool_is_valid(const struct sketch_pool *pool);
