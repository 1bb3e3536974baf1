/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mailbox — a bounded ring of pointers from one thread to one other.
 *
 * Crosses threads: one producer pushes, one consumer takes, nobody locks. What is pushed moves;
 * what came from another thread goes home by a mailbox of its own. Waking the consumer is the
 * loop's business, not the ring's.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"

/* Each side has a cache line of its own, with its last look at the other side's index. */
struct mailbox {
    alignas(WEIR_CACHE_LINE_BYTES) _Atomic uint32_t head;   /* consumer writes (release), producer
                                                               reads (acquire) */
    uint32_t tail_seen;                                     /* consumer only */
    alignas(WEIR_CACHE_LINE_BYTES) _Atomic uint32_t tail;   /* producer writes (release), consumer
                                                               reads (acquire) */
    uint32_t head_seen;                                     /* producer only */
    alignas(WEIR_CACHE_LINE_BYTES) uint32_t capacity_count; /* frozen after init; power of two */
    void **slots;                                           /* owned array; contents move */
};
_Static_assert(sizeof(struct mailbox) == 3 * WEIR_CACHE_LINE_BYTES,
               "one line per side, one shared");

/* Room for `capacity_count` messages, a power of two up to 2^31. 0 or -ENOMEM. */
WEIR_MUST_USE int mailbox_init(struct mailbox *box, uint32_t capacity_count);

/* The caller has taken everything out and both threads are done with it. Idempotent. */
void mailbox_fini(struct mailbox *box);

/*
 * Producer only. Moves *message (not NULL) in and sets it to NULL; false when full, and then
 * nothing moved. What the producer wrote before is visible to whoever takes it.
 */
WEIR_MUST_USE bool mailbox_try_push(struct mailbox *box, void **message);

/* Consumer only. Moves out the oldest message; NULL when there is none. */
WEIR_MUST_USE void *mailbox_take(struct mailbox *box);

/* Messages inside; exact only while neither side is at work. Any thread. */
uint32_t mailbox_count(const struct mailbox *box);
