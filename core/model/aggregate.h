/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aggregate — what a window keeps of a series, and how one point changes it.
 *
 * A client's kind (counter, timing …) is mapped to an aggregate (sum, exponential histogram …) by
 * the receiver's configuration, once, when the series is born. A value is 8 bytes: the number
 * itself for sums, else an object of the shard's sketch pool.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/point.h"

struct exphist;
struct histogram;
struct regex;
struct samples;
struct set;
struct sketch_pool;
struct summary;

enum aggregate {
    AGGREGATE_NONE, /* observer_type: disabled; points are counted as filtered */
    AGGREGATE_SUM,
    AGGREGATE_GAUGE,
    AGGREGATE_SET,
    AGGREGATE_EXPHIST,
    AGGREGATE_HISTOGRAM,
    AGGREGATE_SUMMARY,
    AGGREGATE_SAMPLES,
};

/*
 * A gauge of one shard and window: the latest absolute value and the deltas that came after it.
 */
struct gauge {
    double absolute;
    double delta;
    uint64_t absolute_unix_ns; /* 0 where no absolute value came in this window */
    uint64_t delta_unix_ns;    /* of the last delta; 0 where none came after the absolute value */
};

/* 8 bytes of a window's bank. The objects belong to the shard's sketch pool. */
union aggregate_value {
    double sum;
    struct gauge *gauge;
    struct set *set;
    struct exphist *exphist;
    struct histogram *histogram;
    struct summary *summary;
    struct samples *samples;
    void *object;
};
_Static_assert(sizeof(union aggregate_value) == 8, "a bank value outgrew its word");

#define AGGREGATE_BOUNDS_MAX 32

/* Explicit buckets for the timers whose name matches. */
struct aggregate_bounds {
    struct regex *pattern; /* owned by the configuration */
    double *bounds;        /* owned by the configuration; strictly increasing */
    uint32_t bounds_count;
    uint8_t kind_mask; /* bit per enum kind it applies to */
};

/* Frozen after start. */
struct aggregate_config {
    uint8_t aggregate_of[KIND_LIMIT];      /* enum aggregate by enum kind */
    uint32_t exphist_max_size[KIND_LIMIT]; /* buckets per side, by enum kind */
    struct aggregate_bounds bounds[AGGREGATE_BOUNDS_MAX];
    uint32_t bounds_count;
};

/*
 * The bounds for a series of this kind and name: 1 + index into config->bounds, or 0 for none.
 */
uint32_t aggregate_find_bounds(const struct aggregate_config *config, enum kind kind,
                               struct slice name);

/* Where a point goes: the aggregate of a series with these bounds. */
enum aggregate aggregate_of(const struct aggregate_config *config, enum kind kind,
                            uint32_t bounds_index);

/* What one point needs besides the series; filled once per burst. */
struct aggregate_context {
    const struct aggregate_config *config; /* borrowed */
    struct sketch_pool *pool;              /* borrowed */
    uint64_t now_unix_ns;
    uint64_t hash_seed; /* of set members; the same on every shard */
};

/*
 * aggregate_add — folds one point into `value`, making the object on first use.
 *
 * Returns 0; -ENOMEM where the sketch pool is at its cap; FAULT_LIMIT where the object keeps no
 * more samples. Nothing changed in both cases, but for the object that may have been made.
 */
WEIR_MUST_USE int aggregate_add(enum aggregate aggregate, union aggregate_value *value,
                                const struct point *point, uint32_t bounds_index,
                                const struct aggregate_context *context);

/* Gives the object back to `pool` and zeroes the value. */
void aggregate_give(enum aggregate aggregate, union aggregate_value *value,
                    struct sketch_pool *pool);
