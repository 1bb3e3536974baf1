/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge — one receiver's series of all shards, made one again at egress.
 *
 * A source is a shard's seal table. Egress learns each slot's series from one announcement, so that
 * merging is an indexed add. A round takes every source's sealed window; when all have closed it,
 * the merged series are read out (merge_next) and only then is the next round's first slice taken:
 * a pipeline that holds slows the merge, the merge slows the seals, the seals lengthen the windows.
 *
 * The limit on series holds here: one that finds no place folds into the overflow series of its
 * name, window by window, until a place is free. A shard alone may know as many series as the limit
 * allows.
 *
 * Gauge bases and the last values that are repeated live here. Home: one egress thread. It reads
 * keys that belong to a shard until it has sent home the slice that announced their end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/engine/seal.h"
#include "core/model/aggregate.h"
#include "core/model/key_pool.h"
#include "core/model/series_key.h"
#include "core/model/sketch_pool.h"

struct merged;

/* What deltas of a gauge apply to where a window brought no absolute value. */
enum gauge_base {
    GAUGE_BASE_ZERO,     /* the Collector's receiver: state ends with the window */
    GAUGE_BASE_PREVIOUS, /* etsy: the value goes on */
};

/* Tells a source's thread that a slice came home; `context` is the options' and `source` its index.
 */
typedef void(merge_wake_fn)(void *context, uint32_t source);

struct merge_options {
    struct seal_table *const *sources; /* borrowed; array copied */
    uint32_t source_count;
    uint32_t series_max; /* the receiver's limit, exact; overflow series come on top */
    size_t key_max_bytes;
    size_t pool_max_bytes;
    uint64_t hash_seed; /* the shards' */
    uint64_t interval_ns;
    uint64_t counter_expiry_ns; /* 0: an idle counter is silent, else it sends 0 for so long */
    uint64_t gauge_expiry_ns;   /* likewise; an idle gauge repeats its value */
    enum gauge_base gauge_base;
    const struct aggregate_config *config; /* borrowed */
    void *wake_context;
    merge_wake_fn *wake; /* may be NULL */
};

struct merge_source {
    struct seal_table *seal;           /* borrowed */
    uint32_t *merged_of;               /* owned; reserved; the merged series by the shard's index */
    const struct series_key **refused; /* owned; reserved; by index, of those without a place */
    uint32_t refused_count;
    uint32_t slot_limit;  /* slots ever announced: [0, slot_limit) */
    uint64_t end_unix_ns; /* of the window it closed in this round */
    bool has_end;
    bool is_final;
};

/* Single-writer totals of the merge; read by its own thread. */
struct merge_stats {
    uint64_t round_count;
    uint64_t memory_limit_count; /* values that found no room at egress: lost, counted */
    uint64_t observer_limit_count;
    uint64_t overflow_count; /* values that went into an overflow series here */
    uint64_t series_count;   /* now; overflow series included */
};

struct merge {
    struct merge_source *sources; /* owned */
    uint32_t source_count;
    struct merged *records;  /* owned; reserved, record_max */
    uint32_t series_max;     /* without overflow series */
    uint32_t overflow_max;   /* of overflow series that the merge may add to */
    uint32_t overflow_count; /* overflow series now, the shards' included */
    uint32_t record_max;
    uint32_t record_limit;
    uint32_t free_head; /* 1 + first free record */
    uint32_t *index;    /* owned; open addressing, 1 + record, by canonical key */
    uint64_t index_mask;
    struct key_pool keys; /* copies of keys whose shard let them go first */
    struct sketch_pool pool;
    const struct aggregate_config *config;
    uint64_t hash_seed;
    uint64_t interval_ns;
    uint64_t round_start_unix_ns;
    uint64_t round_end_unix_ns;
    uint64_t last_end_unix_ns; /* of the round before; 0 for none */
    uint32_t round_index;
    uint32_t counter_expiry_rounds;
    uint32_t gauge_expiry_rounds;
    uint32_t read_index; /* of merge_next */
    uint32_t index_used_count;
    enum gauge_base gauge_base;
    bool is_reading; /* the round is complete and being read out */
    void *wake_context;
    merge_wake_fn *wake;
    struct merge_stats stats;
};

/* One series of a complete round. Borrowed until merge_consume or the next merge call. */
struct merge_point {
    const struct series_key *key;
    enum aggregate aggregate;
    union {
        double number; /* sum and gauge */
        const struct set *set;
        const struct exphist *exphist;
        const struct histogram *histogram;
        struct summary *summary; /* not const: quantiles sort it */
        const struct samples *samples;
    };
};

WEIR_MUST_USE int merge_init(struct merge *merge, const struct merge_options *options);

/* Sends nothing home; the sources must have been finished or be torn down next. Idempotent. */
void merge_fini(struct merge *merge);

/*
 * Takes what the sources have sent, unless a round is being read out. `budget_count` bounds the
 * slices of one call. Returns true while there may be more to take at once.
 */
bool merge_turn(struct merge *merge, uint32_t budget_count);

/* Is a round complete, and not yet read to its end? */
bool merge_is_reading(const struct merge *merge);

/*
 * The next series of the round that has something to say; false at the end of the round, which then
 * is over. The same series is shown again until merge_consume.
 */
WEIR_MUST_USE bool merge_next(struct merge *merge, struct merge_point *out);

/* The series shown last was written: its window's value is cleared. */
void merge_consume(struct merge *merge);

/* Has every source sent its last slice, and was all of it read? */
bool merge_is_done(const struct merge *merge);

/* Validator for tests. */
bool merge_is_valid(const struct merge *merge);
