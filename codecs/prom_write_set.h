/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_set — the series of one batch, each with its samples in the order of their times.
 *
 * A series is found by its labels, so that whatever says something about it stands in one place
 * and leaves in one request. Series that came from one data point form a group, which is never
 * taken apart: what became of a request is known of whole points. Samples of a point stay aside
 * until all of them found room, so that none of it is there where one did not. Keys and samples
 * are wire bytes; everything lives in one arena until the set is cleared.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* A field of TimeSeries: a sample, an exemplar or a histogram. */
struct prom_write_piece {
    struct prom_write_piece *next;
    struct prom_write_series *series; /* whose it is, or will be */
    int64_t time_ms;
    uint32_t len;
    uint8_t bytes[];
};

struct prom_write_group;

struct prom_write_series {
    struct prom_write_series *chain; /* in its bucket */
    struct prom_write_series *next;  /* in its group */
    struct prom_write_group *group;  /* of its birth, which may have been joined to another */
    struct prom_write_piece *first;  /* as they came; by time once sealed. NULL: not written */
    struct prom_write_piece *last;
    uint64_t hash;
    size_t piece_bytes;
    uint32_t key_len;
    bool is_unsorted;
    uint8_t key[];
};

struct prom_write_group {
    struct prom_write_group *next;   /* in the order of birth */
    struct prom_write_group *joined; /* what it became part of; NULL for none */
    struct prom_write_series *first;
    struct prom_write_series *last;
    uint64_t item_count; /* the caller's */
};

struct prom_write_set {
    struct arena arena;
    struct prom_write_series **buckets; /* owned */
    size_t bucket_count;                /* a power of two */
    size_t series_count;
    struct prom_write_group *first;
    struct prom_write_group *last;
    struct prom_write_piece *first_aside; /* neither kept nor dropped yet, as they came */
    struct prom_write_piece *last_aside;
    uint64_t hash_seed;
};

/*
 * An empty set that holds at most `max_bytes`. `hash_seed` is random, one per process.
 * 0 or -ENOMEM; prom_write_set_fini is fine after either, and twice.
 */
WEIR_MUST_USE int prom_write_set_init(struct prom_write_set *set, size_t max_bytes,
                                      uint64_t hash_seed);
void prom_write_set_fini(struct prom_write_set *set);

/* Forgets everything; keeps some memory. */
void prom_write_set_clear(struct prom_write_set *set);

/*
 * prom_write_set_find — the series of these labels, made where there is none.
 *
 *   key     label fields in their order; copied
 *   group   where a new one goes; NULL for a new group
 *
 * NULL when the set is full or memory is refused.
 */
struct prom_write_series *prom_write_set_find(struct prom_write_set *set, struct slice key,
                                              struct prom_write_group *group);

/*
 * One group of what both hold, for a point that has series of both. `a` NULL: that of `b`. The
 * same one is fine.
 */
struct prom_write_group *prom_write_set_join(struct prom_write_group *a,
                                             struct prom_write_group *b);

/* Puts a copy of `bytes` aside for a series. 0 or -ENOMEM. */
WEIR_MUST_USE int prom_write_set_add(struct prom_write_set *set, struct prom_write_series *series,
                                     int64_t time_ms, struct slice bytes);

/* What was put aside goes into its series, or is forgotten. */
void prom_write_set_keep(struct prom_write_set *set);
void prom_write_set_drop(struct prom_write_set *set);

/*
 * Puts what was added into the order of its times, of one time in that of the calls, and what
 * stands there twice once. Between the last add and the first of the calls below.
 */
void prom_write_set_seal(struct prom_write_set *set);

/* How long the group is as fields of a request: `tag`, length and content of each series that has
 * something; 0 where none has. */
size_t prom_write_group_bytes(const struct prom_write_group *group);
void prom_write_group_put(struct bytes *out, const struct prom_write_group *group, uint32_t tag);
