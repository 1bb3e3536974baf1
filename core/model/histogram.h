/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram — values counted between explicit bounds, each bound inclusive on its upper side.
 *
 * bounds[i − 1] < value ≤ bounds[i] falls into counts[i]; above the last bound is
 * counts[bound_count]. One block of a sketch pool; the bounds are the configuration's. Source: OTLP
 * Histogram.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/model/sketch_pool.h"
#include "core/model/total.h"

struct histogram {
    const double *bounds; /* borrowed, frozen after start; NULL where bound_count is 0 */
    uint32_t bound_count;
    uint64_t count;
    struct total sum;
    double min; /* 0 while count is 0 */
    double max;
    uint64_t counts[]; /* bound_count + 1 */
};

/* Finite, strictly ascending, and at most HISTOGRAM_BOUNDS_MAX_COUNT of them? */
bool histogram_bounds_are_valid(const double *bounds, uint32_t bound_count);

/*
 * An empty histogram that borrows `bounds` (valid by the test above) for its life; NULL at the
 * pool's cap.
 */
WEIR_MUST_USE struct histogram *histogram_new(struct sketch_pool *pool, const double *bounds,
                                              uint32_t bound_count);

/* Gives its block back to `pool`, the one it came from. NULL is fine. */
void histogram_give(struct histogram *hist, struct sketch_pool *pool);

/*
 * Counts `value` `weight` (≥ 1) times. 0; -EINVAL for a value that is not finite; FAULT_OVERFLOW
 * when the count would pass 2^64 − 1. On anything but 0 nothing changed.
 */
WEIR_MUST_USE int histogram_add(struct histogram *hist, double value, uint64_t weight);

/*
 * Adds all of `source`, which is only read and has equal bounds, to `target`. 0 or FAULT_OVERFLOW,
 * and then nothing changed.
 */
WEIR_MUST_USE int histogram_merge(struct histogram *target, const struct histogram *source);

/* The sum of value × weight. */
double histogram_sum(const struct histogram *hist);

/* Validator for tests: valid bounds, counts that add up, ordered extremes. */
bool histogram_is_valid(const struct histogram *hist);
