/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exphist — the exponential histogram of OTLP: values counted in buckets (base^i, base^(i+1)] with
 * base 2^(2^-scale), negatives mirrored, zeros apart.
 *
 * The scale is the largest one at which each side spans at most max_size buckets, so it follows
 * from the values alone: any split of a stream merges into the histogram of the whole. Its memory
 * comes from one sketch pool and grows with the values: 128 bytes for a few neighbours, and
 * counters widen from one byte to eight as they fill. Source: OTel data model,
 * "ExponentialHistogram".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/model/sketch_pool.h"
#include "core/model/total.h"

#define EXPHIST_SCALE_MAX 20
#define EXPHIST_SCALE_MIN (-10)

/*
 * The buckets of one sign: counters in a ring of slot_mask + 1, index i in slot i & slot_mask.
 * Counters outside low … high are zero; those at low and high are not.
 */
struct exphist_side {
    void *counters;        /* owned block, or the histogram's own `nearby`; NULL while empty */
    int32_t low_index;     /* meaningless while empty */
    int32_t high_index;    /* meaningless while empty */
    uint32_t slot_mask;    /* slots − 1, slots a power of two */
    uint8_t counter_bytes; /* 1, 2, 4 or 8; 0 while empty */
};

struct exphist {
    uint64_t count;
    struct total sum;
    double min; /* 0 while count is 0 */
    double max;
    uint64_t zero_count;
    struct exphist_side positive;
    struct exphist_side negative; /* of the magnitudes */
    uint16_t max_size;
    int8_t scale;       /* of the buckets; see exphist_scale for what is emitted */
    uint64_t nearby[2]; /* first counters of the positive side */
};

/* An empty histogram of at most `max_size` (2 … 16384) buckets per side; NULL at the pool's cap. */
WEIR_MUST_USE struct exphist *exphist_new(struct sketch_pool *pool, uint32_t max_size);

/* Gives all its blocks back to `pool`, which must be the one it came from. NULL is fine. */
void exphist_give(struct exphist *hist, struct sketch_pool *pool);

/*
 * Counts `value` `weight` (≥ 1) times. 0; -EINVAL for a value that is not finite; FAULT_OVERFLOW
 * when the count would pass 2^64 − 1; -ENOMEM at the pool's cap. On anything but 0 nothing changed.
 */
WEIR_MUST_USE int exphist_add(struct exphist *hist, struct sketch_pool *pool, double value,
                              uint64_t weight);

/*
 * Adds all of `source`, which may come from another pool and is only read, to `target`. With equal
 * max_size the result is that of one histogram that saw both streams. 0, FAULT_OVERFLOW or -ENOMEM;
 * on anything but 0 nothing changed.
 */
WEIR_MUST_USE int exphist_merge(struct exphist *target, struct sketch_pool *target_pool,
                                const struct exphist *source);

/* The scale to emit: 0 for a histogram that saw only zeros or nothing. */
int32_t exphist_scale(const struct exphist *hist);

/* The sum of value × weight. */
double exphist_sum(const struct exphist *hist);

/* Largest number of buckets a side spans. */
uint32_t exphist_max_size(const struct exphist *hist);

enum exphist_sign {
    EXPHIST_POSITIVE,
    EXPHIST_NEGATIVE,
};

/* One side as it is written: dense, without leading or trailing zeros. Borrows until a change. */
struct exphist_view {
    int32_t offset;      /* index of slot 0; 0 while slot_count is 0 */
    uint32_t slot_count; /* at most max_size */
    const struct exphist_side *side;
};

struct exphist_view exphist_trimmed(const struct exphist *hist, enum exphist_sign sign);

/* The count of slot 0 … slot_count − 1. */
uint64_t exphist_view_count(struct exphist_view view, uint32_t slot_index);

/*
 * The magnitude at the lower edge of bucket `index` at `scale`: base^index. Infinite above and
 * subnormal or 0 below what a double holds.
 */
double exphist_lower_edge(int32_t scale, int32_t index);

/*
 * The bucket of magnitude `value` (finite, > 0) at `scale`. Subnormal values count as the smallest
 * normal one; exact powers of two belong to the bucket they close. The index at a lower scale is
 * always that at scale 20 shifted right.
 */
int32_t exphist_index(double value, int32_t scale);

/*
 * The value below which a share `q` (0 … 1) lies, estimated as the middle of its bucket and kept
 * between min and max; exact at 0 and 1. 0 for an empty histogram.
 */
double exphist_quantile(const struct exphist *hist, double q);

/* Bytes of pool memory held. */
size_t exphist_used_bytes(const struct exphist *hist);

/* Validator for tests: the counts add up, the sides are trimmed, the scale is the largest possible.
 */
bool exphist_is_valid(const struct exphist *hist);
