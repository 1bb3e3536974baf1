/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mailbox — a single-producer, single-consumer ring with running 32-bit indexes.
 *
 * head and tail only count up and wrap with the type; their difference is the fill, the low bits
 * are the slot. Each side looks at the other's index only when its last look no longer suffices, so
 * the cache lines travel once per burst and not once per message.
 */
#include "core/base/mailbox.h"

#include <errno.h>

#include "core/base/mem.h"

int mailbox_init(struct mailbox *box, uint32_t capacity_count)
{
    ASSERT(capacity_count > 0);
    ASSERT((capacity_count & (capacity_count - 1)) == 0);
    *box = (struct mailbox){0};
    box->slots = mem_alloc_array(capacity_count, sizeof(box->slots[0]));
    if (box->slots == NULL) {
        return -ENOMEM;
    }
    box->capacity_count = capacity_count;
    return 0;
}

void mailbox_fini(struct mailbox *box)
{
    ASSERT(mailbox_count(box) == 0); /* whatever is inside would have no owner */
    mem_free(box->slots);
    *box = (struct mailbox){0};
}

bool mailbox_try_push(struct mailbox *box, void **message)
{
    ASSERT(*message != NULL);
    /* Own index: nobody else writes it. */
    uint32_t tail = atomic_load_explicit(&box->tail, memory_order_relaxed);
    if (tail - box->head_seen == box->capacity_count) {
        /* Acquire: the consumer has read the slot before it is written again. */
        box->head_seen = atomic_load_explicit(&box->head, memory_order_acquire);
        if (tail - box->head_seen == box->capacity_count) {
            return false;
        }
    }
    box->slots[tail & (box->capacity_count - 1)] = *message;
    *message = NULL;
    /* Release: slot and message are written before the index says so. */
    atomic_store_explicit(&box->tail, tail + 1, memory_order_release);
    return true;
}

void *mailbox_take(struct mailbox *box)
{
    uint32_t head = atomic_load_explicit(&box->head, memory_order_relaxed);
    if (head == box->tail_seen) {
        box->tail_seen = atomic_load_explicit(&box->tail, memory_order_acquire);
        if (head == box->tail_seen) {
            return NULL;
        }
    }
    void *message = box->slots[head & (box->capacity_count - 1)];
    atomic_store_explicit(&box->head, head + 1, memory_order_release);
    ASSERT(message != NULL);
    return message;
}

uint32_t mailbox_count(const struct mailbox *box)
{
    /* Head first: it may move on before tail is read, which shows too many and never fewer than
     * none. */
    uint32_t head = atomic_load_explicit(&box->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&box->tail, memory_order_acquire);
    return tail - head;
}
