/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rejects — of what was refused of one batch: how much for which reason.
 *
 * An exporter that knows more than "refused" keeps one per batch in hand, as it learns, and shows
 * it to the sender. The sender decides how many items of the batch count as refused and books
 * them by these reasons; what no reason is known of counts under the reason it gives. So the book
 * of items out balances whatever stands here. A reason is its counter, a row of stats.def.
 */
#pragma once

#include <stdint.h>

#include "core/engine/stats.h"

/* Reasons of one batch; further ones count as unknown. */
#define REJECTS_MAX 16

/* Zeroed is empty. */
struct rejects {
    struct {
        struct counter *counter; /* borrowed; of the exporter's stats */
        uint64_t item_count;
    } entries[REJECTS_MAX];
    uint32_t count;
};

/* Adds to what stands there for that reason; 0 items are no reason. */
void rejects_add(struct rejects *rejects, struct counter *counter, uint64_t item_count);

/* All of `from` on top of `rejects`. */
void rejects_add_all(struct rejects *rejects, const struct rejects *from);

/*
 * rejects_book — counts exactly `item_count` items: by reason, in the order they were added, and
 * what is left of them on `rest`. `rejects` may be NULL for no reasons at all.
 */
void rejects_book(const struct rejects *rejects, uint64_t item_count, struct counter *rest);
