/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge_record — one merged series and how a shard's value folds into it; shared by merge.c,
 * merge_table.c and merge_record.c only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/engine/merge.h"

enum {
    MERGED_LIVE = 1,
    MERGED_DIRTY = 2,     /* has a value of this round */
    MERGED_OWNS_KEY = 4,  /* the key is a copy in merge->keys */
    MERGED_HAS_VALUE = 8, /* gauges: `base` is known */
};

/* Across windows: what deltas apply to and what is repeated. */
struct merged_gauge {
    double base; /* the value emitted last */
    double absolute;
    uint64_t absolute_unix_ns; /* 0 while the round brought none */
    struct samples *deltas;    /* of this round, one per shard and window; value and time */
};

struct merged { /* egress-local; one per series of all shards */
    union {
        union aggregate_value value;
        struct merged_gauge *gauge;
        uint32_t next_free; /* while not live: 1 + index */
    };
    const struct series_key *key; /* borrowed from a shard, or a copy */
    uint32_t seen_round;
    uint16_t reference_count; /* slots of all shards that point here */
    uint8_t aggregate;
    uint8_t flags;
};
_Static_assert(sizeof(struct merged) == 24, "merged series count in the memory budget");

/*
 * Folds a sealed value into the record; the value is only read. 0, -ENOMEM, or FAULT_LIMIT (samples
 * beyond the bound, counted in merge->stats by the callee).
 */
WEIR_MUST_USE int merged_fold(struct merge *merge, struct merged *record,
                              union aggregate_value value);

/* Gives the objects of the window back; the base of a gauge stays. */
void merged_clear(struct merge *merge, struct merged *record);

/* As merged_clear, and what outlives windows too. */
void merged_drop(struct merge *merge, struct merged *record);

/* The gauge's value of this round, which becomes its base. */
double merged_settle_gauge(struct merge *merge, struct merged *record);
