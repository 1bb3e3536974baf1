/* SPDX-License-Identifier: Apache-2.0 */
/*
 * totals — see totals.h. Linear probing over entry indices; growing rebuilds the slots from the
 * hashes kept in the entries. Names come from our own generator, so no seed is needed.
 */
#include "bench/totals.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

#define TOTALS_FIRST_CAPACITY 1024u
#define TOTALS_FIRST_NAMES_BYTES 65536u

void totals_fini(struct totals *t)
{
    mem_free(t->entries);
    mem_free(t->slots);
    mem_free(t->names);
    *t = (struct totals){0};
}

static void totals_place(struct totals *t, uint64_t hash, uint32_t index)
{
    uint32_t at = (uint32_t)hash & (t->slot_count - 1);
    while (t->slots[at] != 0) {
        at = (at + 1) & (t->slot_count - 1);
    }
    t->slots[at] = index + 1;
}

static int totals_grow(struct totals *t)
{
    if (t->count >= TOTALS_NAMES_MAX_COUNT) {
        return FAULT_LIMIT;
    }
    const uint32_t capacity = t->capacity == 0 ? TOTALS_FIRST_CAPACITY : t->capacity * 2;
    uint32_t *slots = mem_alloc_array((size_t)capacity * 2, sizeof(*slots));
    if (slots == NULL) {
        return -ENOMEM;
    }
    struct totals_entry *entries = mem_resize(t->entries, capacity * sizeof(*entries));
    if (entries == NULL) {
        mem_free(slots);
        return -ENOMEM;
    }
    mem_free(t->slots);
    t->slots = slots;
    t->slot_count = capacity * 2;
    t->entries = entries;
    t->capacity = capacity;
    for (uint32_t i = 0; i < t->count; i++) {
        totals_place(t, entries[i].hash, i);
    }
    return 0;
}

static int totals_keep_name(struct totals *t, struct slice name, uint32_t *offset)
{
    if (name.len > t->names_capacity_bytes - t->names_used_bytes) {
        uint64_t capacity = t->names_capacity_bytes * 2;
        if (capacity < t->names_used_bytes + name.len) {
            capacity = t->names_used_bytes + name.len + TOTALS_FIRST_NAMES_BYTES;
        }
        if (capacity > UINT32_MAX) {
            return FAULT_LIMIT;
        }
        char *names = mem_resize(t->names, capacity);
        if (names == NULL) {
            return -ENOMEM;
        }
        t->names = names;
        t->names_capacity_bytes = capacity;
    }
    *offset = (uint32_t)t->names_used_bytes;
    if (name.len > 0) {
        memcpy(t->names + t->names_used_bytes, name.ptr, name.len);
    }
    t->names_used_bytes += name.len;
    return 0;
}

struct slice totals_name(const struct totals *t, const struct totals_entry *entry)
{
    ASSERT(entry->name_offset + (uint64_t)entry->name_bytes <= t->names_used_bytes);
    return slice_of(t->names + entry->name_offset, entry->name_bytes);
}

static const struct totals_entry *totals_look_up(const struct totals *t, uint64_t hash,
                                                 struct slice name)
{
    if (t->slot_count == 0) {
        return NULL;
    }
    uint32_t at = (uint32_t)hash & (t->slot_count - 1);
    while (t->slots[at] != 0) {
        const struct totals_entry *entry = &t->entries[t->slots[at] - 1];
        if (entry->hash == hash && slice_equal(totals_name(t, entry), name)) {
            return entry;
        }
        at = (at + 1) & (t->slot_count - 1);
    }
    return NULL;
}

const struct totals_entry *totals_find(const struct totals *t, struct slice name)
{
    return totals_look_up(t, XXH3_64bits(name.ptr, name.len), name);
}

int totals_reach(struct totals *t, struct slice name, uint32_t *index)
{
    const uint64_t hash = XXH3_64bits(name.ptr, name.len);
    const struct totals_entry *found = totals_look_up(t, hash, name);
    if (found != NULL) {
        *index = (uint32_t)(found - t->entries);
        return 0;
    }
    if (t->count == t->capacity) {
        int err = totals_grow(t);
        if (err != 0) {
            return err;
        }
    }
    uint32_t offset = 0;
    int err = totals_keep_name(t, name, &offset);
    if (err != 0) {
        return err;
    }
    ASSERT(t->count < t->capacity);
    t->entries[t->count] = (struct totals_entry){
        .hash = hash,
        .name_offset = offset,
        .name_bytes = (uint32_t)name.len,
    };
    totals_place(t, hash, t->count);
    *index = t->count;
    t->count++;
    return 0;
}

double totals_counter_sum(const struct totals *t)
{
    double sum = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        sum += t->entries[i].counter_sum;
    }
    return sum;
}

uint64_t totals_histogram_count(const struct totals *t)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        sum += t->entries[i].histogram_count;
    }
    return sum;
}
