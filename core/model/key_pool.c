/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_pool — size-class chunks over reserved address space, with empty chunks given back.
 *
 * Free cells of a chunk are chained through their own first two bytes; cells never used yet are
 * handed out in order, so that a fresh chunk is touched page by page.
 */
#include "core/model/key_pool.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"

struct key_chunk {
    uint32_t next; /* 1 + next chunk of the list it is on, 0 at the end */
    uint32_t prev; /* 1 + previous, 0 at the head */
    uint16_t live_count;
    uint16_t fresh_index; /* first cell never handed out */
    uint16_t free_cell;   /* 1 + head of the chain of returned cells */
    uint8_t class_index;
    uint8_t is_open; /* on its class's list */
};

#define CLASS_STEP_LIMIT 256

static uint32_t class_of(size_t bytes)
{
    if (bytes <= CLASS_STEP_LIMIT) {
        return (uint32_t)((bytes + 7) / 8 - 1);
    }
    uint32_t class_index = CLASS_STEP_LIMIT / 8 - 1;
    size_t size = CLASS_STEP_LIMIT;
    while (size < bytes) {
        size = (size + size / 4 + 7) & ~(size_t)7;
        class_index++;
    }
    return class_index;
}

static size_t class_bytes(uint32_t class_index)
{
    if (class_index < CLASS_STEP_LIMIT / 8) {
        return ((size_t)class_index + 1) * 8;
    }
    size_t size = CLASS_STEP_LIMIT;
    for (uint32_t i = CLASS_STEP_LIMIT / 8 - 1; i < class_index; i++) {
        size = (size + size / 4 + 7) & ~(size_t)7;
    }
    return size;
}

static uint32_t cells_of(uint32_t class_index)
{
    return (uint32_t)(KEY_POOL_CHUNK_BYTES / class_bytes(class_index));
}

int key_pool_init(struct key_pool *pool, size_t max_bytes)
{
    *pool = (struct key_pool){.chunk_max = (uint32_t)(max_bytes / KEY_POOL_CHUNK_BYTES)};
    ASSERT(pool->chunk_max > 0);
    pool->base = mem_reserve((size_t)pool->chunk_max * KEY_POOL_CHUNK_BYTES);
    pool->chunks = mem_reserve((size_t)pool->chunk_max * sizeof(pool->chunks[0]));
    if (pool->base == NULL || pool->chunks == NULL) {
        key_pool_fini(pool);
        return -ENOMEM;
    }
    return 0;
}

void key_pool_fini(struct key_pool *pool)
{
    mem_unreserve(pool->base, (size_t)pool->chunk_max * KEY_POOL_CHUNK_BYTES);
    mem_unreserve(pool->chunks, (size_t)pool->chunk_max * sizeof(pool->chunks[0]));
    *pool = (struct key_pool){0};
}

static void open_list_add(struct key_pool *pool, uint32_t chunk_index)
{
    struct key_chunk *chunk = &pool->chunks[chunk_index];
    uint32_t *head = &pool->open_head[chunk->class_index];
    ASSERT(chunk->is_open == 0);
    chunk->is_open = 1;
    chunk->prev = 0;
    chunk->next = *head;
    if (*head != 0) {
        pool->chunks[*head - 1].prev = chunk_index + 1;
    }
    *head = chunk_index + 1;
}

static void open_list_remove(struct key_pool *pool, uint32_t chunk_index)
{
    struct key_chunk *chunk = &pool->chunks[chunk_index];
    ASSERT(chunk->is_open == 1);
    chunk->is_open = 0;
    if (chunk->next != 0) {
        pool->chunks[chunk->next - 1].prev = chunk->prev;
    }
    if (chunk->prev != 0) {
        pool->chunks[chunk->prev - 1].next = chunk->next;
        return;
    }
    pool->open_head[chunk->class_index] = chunk->next;
}

/* An empty chunk made ready for `class_index`; 1 + its index, 0 where none is left. */
static uint32_t chunk_take(struct key_pool *pool, uint32_t class_index)
{
    uint32_t chunk_index;
    if (pool->free_head != 0) {
        chunk_index = pool->free_head - 1;
        pool->free_head = pool->chunks[chunk_index].next;
    } else if (pool->chunk_limit < pool->chunk_max) {
        chunk_index = pool->chunk_limit;
        pool->chunk_limit++;
    } else {
        return 0;
    }
    pool->chunks[chunk_index] = (struct key_chunk){
        .class_index = (uint8_t)class_index,
        /* Offset 0 means "none": the first cell of the first chunk is never handed out. */
        .fresh_index = chunk_index == 0 ? 1 : 0,
    };
    open_list_add(pool, chunk_index);
    return chunk_index + 1;
}

static uint8_t *cell_at(const struct key_pool *pool, uint32_t chunk_index, uint32_t cell_index)
{
    size_t bytes = class_bytes(pool->chunks[chunk_index].class_index);
    return pool->base + (size_t)chunk_index * KEY_POOL_CHUNK_BYTES + (size_t)cell_index * bytes;
}

uint32_t key_pool_take(struct key_pool *pool, size_t bytes)
{
    ASSERT(bytes > 0 && bytes <= KEY_POOL_CHUNK_BYTES / 2);
    uint32_t class_index = class_of(bytes);
    ASSERT(class_index < KEY_POOL_CLASS_COUNT);
    uint32_t head = pool->open_head[class_index];
    if (head == 0) {
        head = chunk_take(pool, class_index);
    }
    if (head == 0) {
        return 0;
    }
    uint32_t chunk_index = head - 1;
    struct key_chunk *chunk = &pool->chunks[chunk_index];
    uint8_t *cell;
    if (chunk->free_cell != 0) {
        cell = cell_at(pool, chunk_index, (uint32_t)chunk->free_cell - 1);
        memcpy(&chunk->free_cell, cell, sizeof(chunk->free_cell));
    } else {
        cell = cell_at(pool, chunk_index, chunk->fresh_index);
        chunk->fresh_index++;
    }
    chunk->live_count++;
    if (chunk->free_cell == 0 && chunk->fresh_index == cells_of(class_index)) {
        open_list_remove(pool, chunk_index);
    }
    pool->used_bytes += class_bytes(class_index);
    return (uint32_t)((size_t)(cell - pool->base) / 8);
}

static void chunk_give(struct key_pool *pool, uint32_t chunk_index)
{
    struct key_chunk *chunk = &pool->chunks[chunk_index];
    if (chunk->is_open != 0) {
        open_list_remove(pool, chunk_index);
    }
    mem_release_pages(pool->base + (size_t)chunk_index * KEY_POOL_CHUNK_BYTES,
                      KEY_POOL_CHUNK_BYTES);
    chunk->next = pool->free_head;
    pool->free_head = chunk_index + 1;
}

void key_pool_give(struct key_pool *pool, uint32_t offset, size_t bytes)
{
    size_t position = (size_t)offset * 8;
    uint32_t chunk_index = (uint32_t)(position / KEY_POOL_CHUNK_BYTES);
    struct key_chunk *chunk = &pool->chunks[chunk_index];
    size_t cell_bytes = class_bytes(chunk->class_index);
    uint32_t cell_index = (uint32_t)(position % KEY_POOL_CHUNK_BYTES / cell_bytes);
    ASSERT(offset != 0 && chunk_index < pool->chunk_limit);
    ASSERT(chunk->class_index == class_of(bytes) && chunk->live_count > 0);

    memcpy(pool->base + position, &chunk->free_cell, sizeof(chunk->free_cell));
    chunk->free_cell = (uint16_t)(cell_index + 1);
    chunk->live_count--;
    pool->used_bytes -= cell_bytes;
    if (chunk->live_count == 0) {
        chunk_give(pool, chunk_index);
        return;
    }
    if (chunk->is_open == 0) {
        open_list_add(pool, chunk_index);
    }
}
