/* SPDX-License-Identifier: Apache-2.0 */
/*
 * samples — an array that doubles through the pool's classes until it is full.
 */
#include "core/model/samples.h"

#include <errno.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"

_Static_assert(SAMPLES_PER_SERIES_MAX * sizeof(struct sample) <= SKETCH_POOL_BLOCK_MAX_BYTES,
               "a full list must fit one block");

static size_t items_bytes(uint32_t count)
{
    return count * sizeof(struct sample);
}

struct samples *samples_new(struct sketch_pool *pool)
{
    return sketch_pool_take(pool, sizeof(struct samples));
}

void samples_give(struct samples *samples, struct sketch_pool *pool)
{
    if (samples == NULL) {
        return;
    }
    sketch_pool_give(pool, samples->items, items_bytes(samples->capacity_count));
    sketch_pool_give(pool, samples, sizeof(*samples));
}

/* Room for `count` in all; 0 or -ENOMEM, and then nothing changed. */
static int reserve(struct samples *samples, struct sketch_pool *pool, uint32_t count)
{
    ASSERT(count <= SAMPLES_PER_SERIES_MAX);
    if (count <= samples->capacity_count) {
        return 0;
    }
    size_t held_bytes = sketch_pool_class_bytes(items_bytes(count));
    struct sample *items = sketch_pool_take(pool, held_bytes);
    if (items == NULL) {
        return -ENOMEM;
    }
    if (samples->count > 0) {
        memcpy(items, samples->items, items_bytes(samples->count));
    }
    sketch_pool_give(pool, samples->items, items_bytes(samples->capacity_count));
    samples->items = items;
    samples->capacity_count = (uint32_t)(held_bytes / sizeof(struct sample));
    return 0;
}

int samples_add(struct samples *samples, struct sketch_pool *pool, struct sample sample)
{
    if (samples->count == SAMPLES_PER_SERIES_MAX) {
        return FAULT_LIMIT;
    }
    int err = reserve(samples, pool, samples->count + 1);
    if (err != 0) {
        return err;
    }
    samples->items[samples->count] = sample;
    samples->count++;
    return 0;
}

int samples_merge(struct samples *target, struct sketch_pool *target_pool,
                  const struct samples *source, uint32_t *dropped_count)
{
    ASSERT(target != source);
    *dropped_count = 0;
    uint32_t room_count = SAMPLES_PER_SERIES_MAX - target->count;
    uint32_t taken_count = source->count < room_count ? source->count : room_count;
    if (taken_count > 0) {
        int err = reserve(target, target_pool, target->count + taken_count);
        if (err != 0) {
            return err;
        }
        memcpy(target->items + target->count, source->items, items_bytes(taken_count));
        target->count += taken_count;
    }
    *dropped_count = source->count - taken_count;
    return 0;
}

bool samples_is_valid(const struct samples *samples)
{
    return samples->count <= samples->capacity_count && samples->count <= SAMPLES_PER_SERIES_MAX &&
           (samples->items == NULL) == (samples->capacity_count == 0);
}
