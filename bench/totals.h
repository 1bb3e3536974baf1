/* SPDX-License-Identifier: Apache-2.0 */
/*
 * totals — sums by metric name: what a corpus holds, and what arrived at the sink.
 *
 * Both sides of a comparison use the same table, so that a check by value is one walk. Names are
 * copied once into a pool; an entry's index never changes. One thread per table.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/* 4 Mi names × (48-byte entry + two 4-byte slots + ≤ 64-byte name) ≈ 480 MiB in the worst case. */
#define TOTALS_NAMES_MAX_COUNT (4u << 20)

struct totals_entry {
    uint64_t hash;
    double counter_sum;       /* of the values of sums */
    uint64_t histogram_count; /* observations inside histogram points */
    uint64_t point_count;     /* data points of any kind */
    uint32_t name_offset;
    uint32_t name_bytes;
};

struct totals {
    struct totals_entry *entries; /* owned */
    uint32_t *slots;              /* owned; 1 + index of an entry, 0 while free */
    char *names;                  /* owned pool */
    uint64_t names_used_bytes;
    uint64_t names_capacity_bytes;
    uint32_t count;
    uint32_t capacity;
    uint32_t slot_count; /* power of two, at least twice `count` */
};

/* Frees what the table holds and leaves it empty; a zeroed table is valid. */
void totals_fini(struct totals *t);

/* Index of the entry for `name`, made when it is new. 0, -ENOMEM or FAULT_LIMIT. */
WEIR_MUST_USE int totals_reach(struct totals *t, struct slice name, uint32_t *index);

/* The entry for `name`, or NULL; borrowed until the next totals_reach. */
const struct totals_entry *totals_find(const struct totals *t, struct slice name);

/* The entry's name; borrowed until the next totals_reach. */
struct slice totals_name(const struct totals *t, const struct totals_entry *entry);

/* Sums over all names. */
double totals_counter_sum(const struct totals *t);
uint64_t totals_histogram_count(const struct totals *t);
