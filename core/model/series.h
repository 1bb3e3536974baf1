/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series — a shard's table of live series: identity, and two banks of running values.
 *
 * Open addressing over 8-byte slots (tag, index); hot records of 24 bytes; key bytes stored once.
 * The table is never swapped: a series keeps its index until it expires, points go to the open
 * bank, the sealed bank is read in slices. Attributes stay text; they are split only when a series
 * is emitted. Shard-local.
 *
 * Life of a record: live → retiring (out of the index, told to the merge) → free.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/model/aggregate.h"
#include "core/model/key_pool.h"
#include "core/model/point.h"
#include "core/model/series_key.h"

enum {
    SERIES_DIRTY_BANK_0 = 1,
    SERIES_DIRTY_BANK_1 = 2,
    SERIES_ANNOUNCED = 4,
    SERIES_RETIRING = 8,
    SERIES_LIVE = 32,
};

struct series_hot { /* shard-local; one per live series */
    union aggregate_value
        bank[2];         /* the shard writes bank[open]; the sealed one is read in slices */
    uint32_t key_offset; /* into the key pool; cold, compared only on a tag match */
    uint16_t idle_window_count;
    uint8_t aggregate; /* enum aggregate */
    uint8_t flags;
};
_Static_assert(sizeof(struct series_hot) == 24, "a hot series outgrew its share of a cache line");

struct series_table;

struct series_options {
    uint32_t series_max;                   /* hard cap of records, aliases included */
    size_t key_max_bytes;                  /* address space for keys */
    uint64_t hash_seed;                    /* one per process, random */
    const struct aggregate_config *config; /* borrowed until fini */
    struct sketch_pool *pool;              /* borrowed until fini */
    /*
     * Asked once per birth; may be NULL. false refuses the series' tags, which is counted; the tags
     * of a series that lives are not looked at again.
     */
    bool (*tags_are_valid)(struct slice tags, enum tag_style style);
    /* Asked when the quota is used up: how many more births are allowed. May be NULL. */
    uint32_t (*lease_quota)(struct series_table *table);
};

#define SERIES_OFFENDER_COUNT 32

/* A metric name with many series, by the space-saving algorithm: count is an upper bound. */
struct series_offender {
    uint32_t key_offset; /* a copy of the name, in the key pool; 0 while unused */
    uint32_t name_len;
    uint64_t name_hash;
    uint64_t series_count;
};

/* What became of the points of a burst; totals, added to by series_ingest. */
struct series_report {
    uint64_t folded_count;
    uint64_t filtered_count;       /* aggregate none */
    uint64_t bad_tags_count;       /* refused by tags_are_valid */
    uint64_t observer_limit_count; /* a series kept no more samples in this window */
    uint64_t memory_limit_count;   /* the sketch pool is at its cap */
    uint64_t overflow_count;       /* folded, but into an overflow series; part of folded_count */
    uint64_t born_count;
};

struct series_table {
    /* read for every point */
    uint64_t *slots; /* owned; low half tag, high half 1 + index, 0 while empty */
    uint64_t slot_mask;
    struct series_hot *hot; /* owned; reserved, record_max */
    uint64_t hash_seed;
    uint32_t open_bank;   /* 0 or 1 */
    uint32_t live_count;  /* records in use, in any state */
    uint32_t quota_count; /* births still allowed */
    uint32_t slot_used_count;
    /* read at births and seals */
    uint64_t *occupied;    /* owned; one bit per record */
    uint32_t record_limit; /* records ever used: [0, record_limit) */
    uint32_t record_hint;
    uint32_t record_max;
    uint32_t overflow_live_count;
    struct key_pool keys;
    const struct aggregate_config *config; /* borrowed */
    struct sketch_pool *pool;              /* borrowed */
    bool (*tags_are_valid)(struct slice tags, enum tag_style style);
    uint32_t (*lease_quota)(struct series_table *table);
    struct series_offender offenders[SERIES_OFFENDER_COUNT];
    uint16_t *block_live; /* owned; records in use per block, for giving pages back */
};

/* 0 or -ENOMEM. */
WEIR_MUST_USE int series_table_init(struct series_table *table,
                                    const struct series_options *options);

/* Gives every object of both banks back to the pool. Idempotent. */
void series_table_fini(struct series_table *table);

/*
 * Makes room in the index for the births of one burst; before series_ingest, outside of the guarded
 * route, because it may allocate. On -ENOMEM nothing changed and births must be forbidden.
 */
WEIR_MUST_USE int series_prepare(struct series_table *table);

/*
 * series_ingest — hashes, looks up, and folds a burst into the open bank.
 *
 *   points   at most POINT_BURST_MAX; borrowed until return
 *
 * After series_prepare. Never allocates: births take from reserved memory. A point whose series
 * cannot be born (quota, memory) goes to the overflow series of its name. Adds to `report`.
 */
void series_ingest(struct series_table *table, const struct point *points, size_t count,
                   uint64_t now_unix_ns, struct series_report *report);

static inline const struct series_key *series_key_at(const struct series_table *table,
                                                     uint32_t index)
{
    return key_pool_at(&table->keys, table->hot[index].key_offset);
}

/* Takes a live record out of the index; its memory stays until series_release. */
void series_retire(struct series_table *table, uint32_t index);

/* Frees a record that is retiring, its key and both banks. */
void series_release(struct series_table *table, uint32_t index);

/* Rebuilds the index smaller where few of its slots are in use; called between windows. */
void series_shrink(struct series_table *table);

/* Forgets the offenders; called at a seal, so that the list speaks of the present. */
void series_reset_offenders(struct series_table *table);

/* Validator for tests: every live record is found under its own key, counts agree. */
bool series_table_is_valid(const struct series_table *table);
