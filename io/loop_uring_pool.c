/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_uring_pool — provided buffers: memory the kernel picks from when bytes arrive.
 *
 * One ring per pool, shared by all sources of a kind. Address space is reserved; pages appear when
 * they are first written, and go back when the loop has been quiet.
 */
#include <errno.h>

#include "core/base/mem.h"
#include "io/loop_uring.h"

/* An odd number of cache lines, so that the first lines of the buffers spread over the cache. */
static size_t stride_of(uint32_t buffer_bytes)
{
    size_t line_count = ((size_t)buffer_bytes + WEIR_CACHE_LINE_BYTES - 1) / WEIR_CACHE_LINE_BYTES;
    return (line_count | 1) * WEIR_CACHE_LINE_BYTES;
}

static uint32_t power_of_two(uint32_t at_least)
{
    uint32_t value = 1;
    while (value < at_least) {
        value *= 2;
    }
    return value;
}

int uring_pool_init(struct uring_pool *pool, struct io_uring *ring, uint16_t group,
                    uint32_t buffer_count, uint32_t buffer_bytes)
{
    ASSERT(buffer_count > 0 && buffer_count <= 32768); /* the kernel's limit of a buffer ring */
    *pool = (struct uring_pool){
        .stride_bytes = stride_of(buffer_bytes),
        .buffer_bytes = buffer_bytes,
        .buffer_count = buffer_count,
        .entry_count = power_of_two(buffer_count),
        .group = group,
    };
    pool->bytes = mem_reserve(buffer_count * pool->stride_bytes);
    pool->ring = mem_reserve(pool->entry_count * sizeof(struct io_uring_buf));
    if (pool->bytes == NULL || pool->ring == NULL) {
        return -ENOMEM;
    }
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)pool->ring,
        .ring_entries = pool->entry_count,
        .bgid = group,
    };
    int err = io_uring_register_buf_ring(ring, &registration, 0);
    if (err != 0) {
        return err;
    }
    pool->is_registered = true;
    io_uring_buf_ring_init(pool->ring);
    for (uint32_t i = 0; i < buffer_count; i++) {
        uint16_t buffer_index = (uint16_t)i;
        uring_pool_give_back(pool, &buffer_index, 1);
    }
    return 0;
}

void uring_pool_fini(struct uring_pool *pool, struct io_uring *ring)
{
    if (pool->is_registered) {
        (void)io_uring_unregister_buf_ring(ring, pool->group); /* the ring goes right after */
    }
    mem_unreserve(pool->ring, pool->entry_count * sizeof(struct io_uring_buf));
    mem_unreserve(pool->bytes, pool->buffer_count * pool->stride_bytes);
    *pool = (struct uring_pool){0};
}

uint8_t *uring_pool_at(const struct uring_pool *pool, uint16_t buffer_index)
{
    ASSERT(buffer_index < pool->buffer_count);
    return pool->bytes + buffer_index * pool->stride_bytes;
}

void uring_pool_give_back(struct uring_pool *pool, const uint16_t *buffer_indices, size_t count)
{
    int mask = io_uring_buf_ring_mask(pool->entry_count);
    for (size_t i = 0; i < count; i++) {
        io_uring_buf_ring_add(pool->ring, uring_pool_at(pool, buffer_indices[i]),
                              pool->buffer_bytes, buffer_indices[i], mask, (int)i);
    }
    io_uring_buf_ring_advance(pool->ring, (int)count);
}

void uring_pool_trim(struct uring_pool *pool)
{
    mem_release_pages(pool->bytes, pool->buffer_count * pool->stride_bytes);
}
