/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sketch_pool — chunks of 256 KiB, each cut into blocks of one class.
 *
 * A chunk counts its blocks, so an empty one can change class or give its pages back; a heap of
 * plain free lists could do neither. Chunks are in exactly one place: open (has room) or full, both
 * with a block in use; quiet (empty, pages kept); clean (empty, pages gone); or fresh (never used).
 */
#include "core/model/sketch_pool.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"

/* The first word of a free block. */
struct free_block {
    struct free_block *next;
};

struct sketch_chunk {
    struct free_block *free_blocks; /* given back, may be dirty */
    uint32_t next;                  /* neighbours in the chunk's list; 1 + index, 0 is none */
    uint32_t prev;
    uint32_t used_count;
    uint32_t cut_count; /* blocks ever handed out since the chunk got its class */
    uint8_t class_index;
    bool is_zero; /* what was not cut yet still reads as zero */
};

_Static_assert(SKETCH_POOL_BLOCK_MIN_BYTES << (SKETCH_POOL_CLASS_COUNT - 1) ==
                   SKETCH_POOL_BLOCK_MAX_BYTES,
               "the classes must end at the largest block");

static uint32_t class_of(size_t bytes)
{
    ASSERT(bytes > 0);
    ASSERT(bytes <= SKETCH_POOL_BLOCK_MAX_BYTES);
    if (bytes <= SKETCH_POOL_BLOCK_MIN_BYTES) {
        return 0;
    }
    /* 65 … 128 is class 1: the position of the top bit of (bytes − 1), less that of 63. */
    return (uint32_t)(63 - __builtin_clzll(bytes - 1)) - 5;
}

static size_t block_bytes(uint32_t class_index)
{
    return (size_t)SKETCH_POOL_BLOCK_MIN_BYTES << class_index;
}

static uint32_t block_count(uint32_t class_index)
{
    return (uint32_t)(SKETCH_POOL_CHUNK_BYTES / block_bytes(class_index));
}

static uint8_t *chunk_base(const struct sketch_pool *pool, uint32_t index)
{
    return pool->region + (size_t)index * SKETCH_POOL_CHUNK_BYTES;
}

static void list_push(struct sketch_pool *pool, uint32_t *head, uint32_t index)
{
    struct sketch_chunk *chunk = &pool->chunks[index];
    chunk->next = *head;
    chunk->prev = 0;
    if (*head != 0) {
        pool->chunks[*head - 1].prev = index + 1;
    }
    *head = index + 1;
}

static void list_remove(struct sketch_pool *pool, uint32_t *head, uint32_t index)
{
    struct sketch_chunk *chunk = &pool->chunks[index];
    if (chunk->prev != 0) {
        pool->chunks[chunk->prev - 1].next = chunk->next;
    } else {
        ASSERT(*head == index + 1);
        *head = chunk->next;
    }
    if (chunk->next != 0) {
        pool->chunks[chunk->next - 1].prev = chunk->prev;
    }
    chunk->next = 0;
    chunk->prev = 0;
}

int sketch_pool_init(struct sketch_pool *pool, size_t cap_bytes)
{
    ASSERT(cap_bytes > 0);
    *pool = (struct sketch_pool){0};
    /*
     * Twice the cap, because chunks half full of one class are of no use to another; and one open
     * chunk per class. Address space is free, pages are not touched before they are used.
     */
    size_t chunk_limit = cap_bytes / SKETCH_POOL_CHUNK_BYTES * 2 + SKETCH_POOL_CLASS_COUNT + 1;
    if (chunk_limit > UINT32_MAX / 2) {
        return -ENOMEM;
    }
    pool->chunk_limit = (uint32_t)chunk_limit;
    pool->cap_bytes = cap_bytes;
    pool->chunks = mem_reserve(chunk_limit * sizeof(pool->chunks[0]));
    pool->region = mem_reserve(chunk_limit * SKETCH_POOL_CHUNK_BYTES);
    if (pool->chunks == NULL || pool->region == NULL) {
        sketch_pool_fini(pool);
        return -ENOMEM;
    }
    return 0;
}

void sketch_pool_fini(struct sketch_pool *pool)
{
    size_t region_bytes = (size_t)pool->chunk_limit * SKETCH_POOL_CHUNK_BYTES;
    if (pool->region != NULL) {
        WEIR_UNPOISON(pool->region, region_bytes);
    }
    mem_unreserve(pool->region, region_bytes);
    mem_unreserve(pool->chunks, (size_t)pool->chunk_limit * sizeof(pool->chunks[0]));
    *pool = (struct sketch_pool){0};
}

/* An empty chunk for `class_index`, now open; false when the address space is used up. */
static bool open_chunk(struct sketch_pool *pool, uint32_t class_index)
{
    uint32_t index;
    bool is_zero = true;
    if (pool->quiet_head != 0) {
        index = pool->quiet_head - 1;
        list_remove(pool, &pool->quiet_head, index);
        pool->quiet_count--;
        if (pool->quiet_count < pool->quiet_low_count) {
            pool->quiet_low_count = pool->quiet_count;
        }
        is_zero = false;
    } else if (pool->clean_head != 0) {
        index = pool->clean_head - 1;
        list_remove(pool, &pool->clean_head, index);
    } else if (pool->fresh_index < pool->chunk_limit) {
        index = pool->fresh_index;
        pool->fresh_index++;
    } else {
        return false;
    }
    pool->chunks[index] = (struct sketch_chunk){
        .class_index = (uint8_t)class_index,
        .is_zero = is_zero,
    };
    list_push(pool, &pool->open_heads[class_index], index);
    return true;
}

/* A zeroed block of a chunk that has room. */
static void *chunk_take(struct sketch_chunk *chunk, uint8_t *base)
{
    size_t bytes = block_bytes(chunk->class_index);
    struct free_block *block = chunk->free_blocks;
    bool is_zero = false;
    if (block != NULL) {
        WEIR_UNPOISON(block, bytes);
        chunk->free_blocks = block->next;
    } else {
        ASSERT(chunk->cut_count < block_count(chunk->class_index));
        block = (struct free_block *)(void *)(base + chunk->cut_count * bytes);
        WEIR_UNPOISON(block, bytes);
        chunk->cut_count++;
        is_zero = chunk->is_zero;
    }
    if (!is_zero) {
        memset(block, 0, bytes);
    }
    chunk->used_count++;
    return block;
}

void *sketch_pool_take(struct sketch_pool *pool, size_t bytes)
{
    uint32_t class_index = class_of(bytes);
    size_t held_bytes = block_bytes(class_index);
    ASSERT(pool->used_bytes <= pool->cap_bytes);
    if (held_bytes > pool->cap_bytes - pool->used_bytes) {
        return NULL;
    }
    uint32_t *head = &pool->open_heads[class_index];
    if (*head == 0 && !open_chunk(pool, class_index)) {
        return NULL;
    }
    uint32_t index = *head - 1;
    struct sketch_chunk *chunk = &pool->chunks[index];
    void *block = chunk_take(chunk, chunk_base(pool, index));
    if (chunk->used_count == block_count(class_index)) {
        list_remove(pool, head, index);
    }
    pool->used_bytes += held_bytes;
    return block;
}

void sketch_pool_give(struct sketch_pool *pool, void *ptr, size_t bytes)
{
    if (ptr == NULL) {
        return;
    }
    uint32_t class_index = class_of(bytes);
    size_t held_bytes = block_bytes(class_index);
    ASSERT((uint8_t *)ptr >= pool->region);
    size_t offset = (size_t)((uint8_t *)ptr - pool->region);
    uint32_t index = (uint32_t)(offset / SKETCH_POOL_CHUNK_BYTES);
    ASSERT(index < pool->fresh_index);
    struct sketch_chunk *chunk = &pool->chunks[index];
    ASSERT(chunk->class_index == class_index);
    ASSERT(chunk->used_count > 0);
    ASSERT(offset % held_bytes == 0);

    struct free_block *block = ptr;
    block->next = chunk->free_blocks;
    chunk->free_blocks = block;
    WEIR_POISON(ptr, held_bytes);
    uint32_t *head = &pool->open_heads[class_index];
    if (chunk->used_count == block_count(class_index)) {
        list_push(pool, head, index);
    }
    chunk->used_count--;
    pool->used_bytes -= held_bytes;
    if (chunk->used_count == 0) {
        list_remove(pool, head, index);
        list_push(pool, &pool->quiet_head, index);
        pool->quiet_count++;
    }
}

size_t sketch_pool_class_bytes(size_t bytes)
{
    return block_bytes(class_of(bytes));
}

size_t sketch_pool_used_bytes(const struct sketch_pool *pool)
{
    return pool->used_bytes;
}

size_t sketch_pool_trim(struct sketch_pool *pool)
{
    uint32_t release_count = pool->quiet_low_count - pool->quiet_low_count / 2;
    ASSERT(release_count <= pool->quiet_count);
    for (uint32_t i = 0; i < release_count; i++) {
        uint32_t index = pool->quiet_head - 1;
        uint8_t *base = chunk_base(pool, index);
        list_remove(pool, &pool->quiet_head, index);
        WEIR_UNPOISON(base, SKETCH_POOL_CHUNK_BYTES);
        mem_release_pages(base, SKETCH_POOL_CHUNK_BYTES);
        list_push(pool, &pool->clean_head, index);
    }
    pool->quiet_count -= release_count;
    pool->quiet_low_count = pool->quiet_count;
    return (size_t)release_count * SKETCH_POOL_CHUNK_BYTES;
}

/* Length of a list whose chunks all have between `used_low` and `used_high` blocks in use. */
static bool list_is_valid(const struct sketch_pool *pool, uint32_t head, uint32_t used_low,
                          uint32_t used_high, uint32_t *count)
{
    uint32_t prev = 0;
    *count = 0;
    for (uint32_t at = head; at != 0; at = pool->chunks[at - 1].next) {
        const struct sketch_chunk *chunk = &pool->chunks[at - 1];
        if (at > pool->fresh_index || chunk->prev != prev || chunk->used_count < used_low ||
            chunk->used_count > used_high || *count > pool->fresh_index) {
            return false;
        }
        prev = at;
        (*count)++;
    }
    return true;
}

bool sketch_pool_is_valid(const struct sketch_pool *pool)
{
    uint32_t listed = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < SKETCH_POOL_CLASS_COUNT; i++) {
        uint32_t most = block_count(i) - 1;
        if (!list_is_valid(pool, pool->open_heads[i], 1, most, &count)) {
            return false;
        }
        listed += count;
    }
    if (!list_is_valid(pool, pool->quiet_head, 0, 0, &count) || count != pool->quiet_count ||
        pool->quiet_low_count > count) {
        return false;
    }
    listed += count;
    if (!list_is_valid(pool, pool->clean_head, 0, 0, &count)) {
        return false;
    }
    listed += count;
    size_t used_bytes = 0;
    for (uint32_t i = 0; i < pool->fresh_index; i++) {
        const struct sketch_chunk *chunk = &pool->chunks[i];
        used_bytes += chunk->used_count * block_bytes(chunk->class_index);
        listed += chunk->used_count == block_count(chunk->class_index) ? 1 : 0;
    }
    return listed == pool->fresh_index && used_bytes == pool->used_bytes &&
           used_bytes <= pool->cap_bytes;
}
