/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue — a ring of pointers that doubles when it is full, and one sum of charges.
 */
#include "exporters/queue.h"

#include <errno.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

#define SLOTS_AT_FIRST 16

void queue_init(struct queue *queue, enum queue_sizer sizer, uint64_t capacity_units)
{
    ASSERT(capacity_units > 0);
    *queue = (struct queue){.sizer = sizer, .capacity_units = capacity_units};
}

void queue_fini(struct queue *queue)
{
    mem_free(queue->slots);
    *queue = (struct queue){0};
}

uint64_t queue_cost(const struct queue *queue, const struct batch *batch)
{
    uint64_t cost = 1;
    switch (queue->sizer) {
    case QUEUE_REQUESTS:
        break;
    case QUEUE_ITEMS:
        cost = batch->item_count;
        break;
    case QUEUE_BYTES:
        cost = batch->bytes;
        break;
    }
    return cost > 0 ? cost : 1;
}

static int grow(struct queue *queue)
{
    if (queue->slot_capacity > UINT32_MAX / 2) {
        return -ENOMEM;
    }
    uint32_t capacity = queue->slot_capacity == 0 ? SLOTS_AT_FIRST : queue->slot_capacity * 2;
    struct batch **slots = mem_alloc_array(capacity, sizeof(struct batch *));
    if (slots == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < queue->waiting_count; i++) {
        slots[i] = queue->slots[(queue->first_index + i) & (queue->slot_capacity - 1)];
    }
    mem_free(queue->slots);
    queue->slots = slots;
    queue->slot_capacity = capacity;
    queue->first_index = 0;
    return 0;
}

int queue_push(struct queue *queue, struct batch *batch)
{
    ASSERT(queue->used_units <= queue->capacity_units);
    uint64_t cost = queue_cost(queue, batch);
    if (cost > queue->capacity_units) {
        return FAULT_LIMIT;
    }
    if (cost > queue->capacity_units - queue->used_units) {
        return -EAGAIN;
    }
    if (queue->waiting_count == queue->slot_capacity) {
        int err = grow(queue);
        if (err != 0) {
            return err;
        }
    }
    uint32_t index = (queue->first_index + queue->waiting_count) & (queue->slot_capacity - 1);
    queue->slots[index] = batch;
    queue->waiting_count++;
    queue->used_units += cost;
    return 0;
}

uint64_t queue_oldest_mono_ns(const struct queue *queue)
{
    return queue->waiting_count > 0 ? queue->slots[queue->first_index]->created_mono_ns
                                    : UINT64_MAX;
}

struct batch *queue_take(struct queue *queue)
{
    if (queue->waiting_count == 0) {
        return NULL;
    }
    struct batch *batch = queue->slots[queue->first_index];
    queue->first_index = (queue->first_index + 1) & (queue->slot_capacity - 1);
    queue->waiting_count--;
    return batch;
}

void queue_settle(struct queue *queue, const struct batch *batch)
{
    uint64_t cost = queue_cost(queue, batch);
    ASSERT(cost <= queue->used_units);
    queue->used_units -= cost;
}
