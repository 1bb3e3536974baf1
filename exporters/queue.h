/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue — the sending queue in memory: batches in order, bounded in requests, items or bytes.
 *
 * What counts against the bound is what waits *and* what is in flight, as in the Collector: a batch
 * that was taken is charged until it is settled. Batches are shared with the pipeline, not owned.
 * Egress-local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/model/batch.h"

enum queue_sizer {
    QUEUE_REQUESTS, /* one per batch */
    QUEUE_ITEMS,
    QUEUE_BYTES, /* of the parts, before compression */
};

struct queue {
    struct batch **slots;   /* owned ring; the batches are borrowed until taken */
    uint32_t slot_capacity; /* a power of two, or 0 */
    uint32_t first_index;   /* of the batch that waits longest */
    uint32_t waiting_count;
    enum queue_sizer sizer;
    uint64_t capacity_units; /* in units of the sizer */
    uint64_t used_units;     /* waiting and in flight */
};

/* Nothing is allocated before the first push. `capacity_units` > 0. */
void queue_init(struct queue *queue, enum queue_sizer sizer, uint64_t capacity_units);

/* Forgets what waits; it stays its owner's. Idempotent. */
void queue_fini(struct queue *queue);

/*
 * What `batch` weighs in units of the sizer; at least 1, so that empty batches are bounded too.
 */
uint64_t queue_cost(const struct queue *queue, const struct batch *batch);

/*
 * Appends `batch` and charges it. Returns 0; -EAGAIN while there is no room; FAULT_LIMIT when it is
 * larger than the whole queue and never will find room; -ENOMEM.
 */
WEIR_MUST_USE int queue_push(struct queue *queue, struct batch *batch);

/* When the batch that waits longest was made; UINT64_MAX when none waits. */
uint64_t queue_oldest_mono_ns(const struct queue *queue);

/* The batch that waits longest, still charged; NULL when none waits. */
WEIR_MUST_USE struct batch *queue_take(struct queue *queue);

/* A taken batch is decided: gives its room back. Before the batch may go. */
void queue_settle(struct queue *queue, const struct batch *batch);
