/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer — deadlines of one thread, in a binary heap of borrowed, intrusive timers.
 *
 * The heap never asks for the time; it is told. A timer fires once per arming, from timer_run, and
 * may arm itself or others again from inside its callback. Shard-local: one thread per heap.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"

struct timer;

/* Called from timer_run; `timer` is no longer armed. `now_mono_ns` is the turn's time. */
typedef void(timer_fn)(struct timer *timer, uint64_t now_mono_ns);

/* Embedded in its owner; zeroed is a valid, unarmed timer. */
struct timer {
    uint64_t deadline_mono_ns;
    uint32_t position; /* 1 + index in the heap; 0 while not armed */
    timer_fn *on_fire;
};

struct timer_heap {
    struct timer **slots; /* owned array; borrows each timer until it fires or is cancelled */
    uint32_t count;
    uint32_t capacity;
    uint64_t running_mono_ns; /* time of the timer_run under way; 0 outside */
};

/* Room for `capacity` timers at once. 0 or -ENOMEM. */
WEIR_MUST_USE int timer_heap_init(struct timer_heap *heap, uint32_t capacity);

/* Forgets all timers; they stay their owners'. Idempotent. */
void timer_heap_fini(struct timer_heap *heap);

/*
 * Arms or re-arms `timer` for `deadline_mono_ns`; borrows it until it fires or is cancelled.
 * `on_fire` must be set. Grows the heap outside of hot paths; 0 or -ENOMEM.
 */
WEIR_MUST_USE int timer_arm(struct timer_heap *heap, struct timer *timer,
                            uint64_t deadline_mono_ns);

/* Cancelling an unarmed timer is fine. */
void timer_cancel(struct timer_heap *heap, struct timer *timer);

bool timer_is_armed(const struct timer *timer);

/* Deadline of the earliest timer, UINT64_MAX where there is none. */
uint64_t timer_next_mono_ns(const struct timer_heap *heap);

/*
 * Fires what is due at `now_mono_ns`, at most `budget_count` timers, earliest first; returns how
 * many. A timer armed from inside a callback for a time already past fires in the next call, not
 * this one.
 */
uint32_t timer_run(struct timer_heap *heap, uint64_t now_mono_ns, uint32_t budget_count);

/* Validator for tests: heap order and back references hold. */
bool timer_heap_is_valid(const struct timer_heap *heap);
