/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rejects — a short list, searched from its beginning: a batch has one or two reasons at most.
 */
#include "exporters/rejects.h"

#include <stddef.h>

void rejects_add(struct rejects *rejects, struct counter *counter, uint64_t item_count)
{
    uint32_t i = 0;
    ASSERT(counter != NULL);
    while (i < rejects->count && rejects->entries[i].counter != counter) {
        i++;
    }
    if (item_count == 0 || i == REJECTS_MAX) {
        return;
    }
    if (i == rejects->count) {
        rejects->entries[i].counter = counter;
        rejects->entries[i].item_count = 0;
        rejects->count++;
    }
    rejects->entries[i].item_count += item_count;
}

void rejects_add_all(struct rejects *rejects, const struct rejects *from)
{
    for (uint32_t i = 0; i < from->count; i++) {
        rejects_add(rejects, from->entries[i].counter, from->entries[i].item_count);
    }
}

void rejects_book(const struct rejects *rejects, uint64_t item_count, struct counter *rest)
{
    uint64_t left = item_count;
    for (uint32_t i = 0; rejects != NULL && i < rejects->count; i++) {
        uint64_t known = rejects->entries[i].item_count;
        known = known < left ? known : left;
        counter_add(rejects->entries[i].counter, known);
        left -= known;
    }
    counter_add(rest, left);
}
