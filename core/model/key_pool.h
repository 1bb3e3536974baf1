/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_pool — the bytes that name series, stored once each, by size class.
 *
 * Reserved address space is cut into chunks; a chunk serves one size class (steps of 8 bytes up to
 * 256, then a quarter more each). A chunk whose last key goes hands its pages back, so memory
 * follows the number of live series both ways and churn cannot fragment without bound. Shard-local;
 * other threads may read a key from the moment it was announced to them until they acknowledged its
 * end.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"

#define KEY_POOL_CHUNK_BYTES 32768
#define KEY_POOL_CLASS_COUNT 56

struct key_chunk;

struct key_pool {
    uint8_t *base;            /* owned; reserved, chunk_max × KEY_POOL_CHUNK_BYTES */
    struct key_chunk *chunks; /* owned; one per chunk, reserved */
    uint32_t chunk_max;
    uint32_t chunk_limit;                     /* chunks ever used: [0, chunk_limit) */
    uint32_t free_head;                       /* 1 + first empty chunk, 0 for none */
    uint32_t open_head[KEY_POOL_CLASS_COUNT]; /* 1 + first chunk of the class with room */
    uint64_t used_bytes;                      /* sum of the class sizes of live keys */
};

/* Room for at most `max_bytes` of chunks. 0 or -ENOMEM. */
WEIR_MUST_USE int key_pool_init(struct key_pool *pool, size_t max_bytes);
void key_pool_fini(struct key_pool *pool);

/*
 * `bytes` (1 … KEY_POOL_CHUNK_BYTES / 2) of uninitialised memory, 8-byte aligned. The offset is in
 * units of 8 bytes from the start of the pool and never 0; 0 means that the pool is full.
 */
WEIR_MUST_USE uint32_t key_pool_take(struct key_pool *pool, size_t bytes);

/* Gives back what key_pool_take returned for the same `bytes`. */
void key_pool_give(struct key_pool *pool, uint32_t offset, size_t bytes);

static inline void *key_pool_at(const struct key_pool *pool, uint32_t offset)
{
    return pool->base + (size_t)offset * 8;
}
