/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lane — parts from one shard to the egress thread, in order, moved by value.
 *
 * One producer, one consumer, a bounded ring whose entries are the parts themselves, so that a part
 * crosses without an allocation. A full lane is backpressure: the shard's receiver refuses.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/model/part.h"

/* Each side has a cache line of its own, with its last look at the other side's index. */
struct lane {
    alignas(WEIR_CACHE_LINE_BYTES) _Atomic uint32_t head; /* consumer writes (release) */
    uint32_t tail_seen;                                   /* consumer only */
    alignas(WEIR_CACHE_LINE_BYTES) _Atomic uint32_t tail; /* producer writes (release) */
    uint32_t head_seen;                                   /* producer only */
    alignas(WEIR_CACHE_LINE_BYTES) struct part *entries;  /* owned */
    uint32_t capacity_count;                              /* frozen after init; power of two */
};

/* 0 or -ENOMEM. */
WEIR_MUST_USE int lane_init(struct lane *lane, uint32_t capacity_count);

/* Frees what is still inside; both threads are done with it. Idempotent. */
void lane_fini(struct lane *lane);

/* Producer: how many more go in now. */
uint32_t lane_room(struct lane *lane);

/* Producer: moves *part in and zeroes it. There must be room. */
void lane_push(struct lane *lane, struct part *part);

/* Consumer: the oldest part, which stays inside; NULL where there is none. */
struct part *lane_peek(struct lane *lane);

/* Consumer: the part that lane_peek gave was moved out. */
void lane_pop(struct lane *lane);

/* Any thread; exact only while neither side is at work. */
bool lane_is_empty(const struct lane *lane);
