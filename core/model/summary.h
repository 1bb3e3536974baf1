/* SPDX-License-Identifier: Apache-2.0 */
/*
 * summary — count, sum and quantiles of one series and window, for the `summary` observer.
 *
 * Keeps the values themselves up to SUMMARY_SAMPLES_MAX, so that quantiles are exact; then all of
 * them fold into an exponential histogram and quantiles become estimates. Which of the two follows
 * from the number of values alone, however they were split over shards. Weights stay fractions in
 * the count; in the histogram each is rounded to a whole number of at least 1.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/model/exphist.h"
#include "core/model/sketch_pool.h"
#include "core/model/total.h"

struct summary_sample {
    double value;
    double weight;
};

struct summary {
    struct summary_sample *samples; /* owned; NULL while empty and once folded */
    struct exphist *folded;         /* owned; NULL until SUMMARY_SAMPLES_MAX is passed */
    struct total count;             /* of weights */
    struct total sum;               /* of value × weight */
    double min;                     /* 0 while there is no value */
    double max;
    uint32_t sample_count;
    uint32_t capacity_count;
    bool is_sorted; /* by value, as summary_quantile needs it */
};

/* An empty summary; NULL at the pool's cap. */
WEIR_MUST_USE struct summary *summary_new(struct sketch_pool *pool);

/* Gives all its blocks back to `pool`, the one it came from. NULL is fine. */
void summary_give(struct summary *summary, struct sketch_pool *pool);

/*
 * Takes one value with its weight (1 / sample rate; finite, > 0, at most 2^53). 0; -EINVAL for a
 * value that is not finite or a weight outside its range; -ENOMEM or FAULT_OVERFLOW; then nothing
 * changed.
 */
WEIR_MUST_USE int summary_add(struct summary *summary, struct sketch_pool *pool, double value,
                              double weight);

/* Adds all of `source`, which is only read. 0, -ENOMEM or FAULT_OVERFLOW; then nothing changed. */
WEIR_MUST_USE int summary_merge(struct summary *target, struct sketch_pool *target_pool,
                                const struct summary *source);

/* Has it seen nothing? */
bool summary_is_empty(const struct summary *summary);

/* The sum of weights, not rounded. */
double summary_count(const struct summary *summary);

/* The sum of value × weight. */
double summary_sum(const struct summary *summary);

/* Puts the values in order; once, before the first summary_quantile after a change. */
void summary_sort(struct summary *summary);

/*
 * The lowest value whose cumulative weight reaches `q` (0 … 1) of the total; min at 0 and max at 1.
 * An estimate once folded; 0 for an empty summary. The summary must be sorted. One walk over the
 * values per call.
 */
double summary_quantile(const struct summary *summary, double q);

/* Validator for tests. */
bool summary_is_valid(const struct summary *summary);
