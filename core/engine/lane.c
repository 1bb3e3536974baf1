/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lane — a ring of parts between two threads.
 */
#include "core/engine/lane.h"

#include <errno.h>

#include "core/base/mem.h"

int lane_init(struct lane *lane, uint32_t capacity_count)
{
    ASSERT(capacity_count > 0 && (capacity_count & (capacity_count - 1)) == 0);
    *lane = (struct lane){.capacity_count = capacity_count};
    lane->entries = mem_alloc_array(capacity_count, sizeof(lane->entries[0]));
    return lane->entries == NULL ? -ENOMEM : 0;
}

void lane_fini(struct lane *lane)
{
    if (lane->entries == NULL) {
        return;
    }
    struct part *entry = lane_peek(lane);
    while (entry != NULL) {
        part_fini(entry);
        lane_pop(lane);
        entry = lane_peek(lane);
    }
    mem_free(lane->entries);
    lane->entries = NULL;
}

uint32_t lane_room(struct lane *lane)
{
    uint32_t tail = atomic_load_explicit(&lane->tail, memory_order_relaxed);
    lane->head_seen = atomic_load_explicit(&lane->head, memory_order_acquire);
    return lane->capacity_count - (tail - lane->head_seen);
}

void lane_push(struct lane *lane, struct part *part)
{
    uint32_t tail = atomic_load_explicit(&lane->tail, memory_order_relaxed);
    ASSERT(tail - lane->head_seen < lane->capacity_count); /* lane_room was asked */
    lane->entries[tail & (lane->capacity_count - 1)] = *part;
    *part = (struct part){0};
    atomic_store_explicit(&lane->tail, tail + 1, memory_order_release);
}

struct part *lane_peek(struct lane *lane)
{
    uint32_t head = atomic_load_explicit(&lane->head, memory_order_relaxed);
    if (head == lane->tail_seen) {
        lane->tail_seen = atomic_load_explicit(&lane->tail, memory_order_acquire);
        if (head == lane->tail_seen) {
            return NULL;
        }
    }
    return &lane->entries[head & (lane->capacity_count - 1)];
}

void lane_pop(struct lane *lane)
{
    uint32_t head = atomic_load_explicit(&lane->head, memory_order_relaxed);
    atomic_store_explicit(&lane->head, head + 1, memory_order_release);
}

bool lane_is_empty(const struct lane *lane)
{
    return atomic_load_explicit(&lane->head, memory_order_acquire) ==
           atomic_load_explicit(&lane->tail, memory_order_acquire);
}
