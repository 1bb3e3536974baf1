/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_registry — every series a pull endpoint shows, by family and labels.
 *
 * Families are sorted by name, their series in order of birth. Readers go through all of it in
 * steps, by cursors that stay valid while series come and go between two steps. Series nobody
 * updated for a while expire, oldest first. Egress-local; owns all its memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/prom_text.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "exporters/prom_value.h"

struct prom_entry;

struct prom_series {
    struct prom_series *next; /* in its family */
    struct prom_series *previous;
    struct prom_series *chain; /* in its bucket */
    struct prom_series *newer; /* by last update */
    struct prom_series *older;
    struct prom_entry *entry;
    uint64_t hash;
    uint64_t seen_mono_ns;
    struct prom_value value;
    uint32_t labels_len;
    char labels[]; /* escaped, as they are shown */
};

/* A family with its series. */
struct prom_entry {
    struct prom_family family; /* its texts stand behind the struct */
    struct prom_series *first;
    struct prom_series *last;
    uint32_t series_count;
    uint32_t cursor_count; /* cursors that stand in it */
    char texts[];
};

/* Where a reader stands. Borrowed from open to close. */
struct prom_cursor {
    struct prom_cursor *next;
    struct prom_entry *entry;   /* NULL before the first and after the last family */
    struct prom_series *series; /* shown next; NULL at the end of the family */
    bool is_done;
};

struct prom_registry {
    struct prom_entry **entries; /* owned; sorted by name */
    size_t entry_count;
    size_t entry_capacity;
    struct prom_series **buckets; /* owned */
    size_t bucket_count;          /* a power of two, or 0 */
    size_t series_count;
    size_t series_max;
    struct prom_series *oldest;
    struct prom_series *newest;
    struct prom_cursor *cursors;
    uint64_t hash_seed;
};

/* An empty registry for at most `series_max` series; `hash_seed` is random, from outside. */
void prom_registry_init(struct prom_registry *r, size_t series_max, uint64_t hash_seed);

/* Frees all series. No cursor may be open. Idempotent. */
void prom_registry_fini(struct prom_registry *r);

/*
 * Finds the family of that name, or makes it from a copy of `family`. 0; -EEXIST where there is
 * one of another kind, and *out is that one; -ENOMEM. Help and unit of the first stay. A family
 * without series is dropped by prom_registry_tidy, or when its last series goes.
 */
WEIR_MUST_USE int prom_registry_family(struct prom_registry *r, const struct prom_family *family,
                                       struct prom_entry **out);
void prom_registry_tidy(struct prom_registry *r, struct prom_entry *entry);

/*
 * Finds the series with these labels, or makes it with an empty value. 0, FAULT_LIMIT at
 * series_max, -ENOMEM. It counts as updated at `now_mono_ns`, which never falls.
 */
WEIR_MUST_USE int prom_registry_series(struct prom_registry *r, struct prom_entry *entry,
                                       struct slice labels, uint64_t now_mono_ns,
                                       struct prom_series **out);

/* Frees a series; cursors step over it. Its family stays until prom_registry_tidy. */
void prom_registry_remove(struct prom_registry *r, struct prom_series *series);

/* Removes series not updated since `limit_mono_ns`, at most `count_max`; returns how many. */
size_t prom_registry_expire(struct prom_registry *r, uint64_t limit_mono_ns, size_t count_max);

void prom_cursor_open(struct prom_registry *r, struct prom_cursor *cursor);
/* Idempotent. */
void prom_cursor_close(struct prom_registry *r, struct prom_cursor *cursor);

/*
 * The next series, NULL at the end. *is_first_of_family tells when its family changed. Borrowed
 * until the registry changes.
 */
const struct prom_series *prom_cursor_next(struct prom_registry *r, struct prom_cursor *cursor,
                                           bool *is_first_of_family);

/* Validator for tests: order, links and counts agree. */
bool prom_registry_is_valid(const struct prom_registry *r);
