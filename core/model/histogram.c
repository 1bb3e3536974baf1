/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram — counting between explicit bounds. One block: the struct and its counts.
 */
#include "core/model/histogram.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"

static size_t histogram_bytes(uint32_t bound_count)
{
    return sizeof(struct histogram) + ((size_t)bound_count + 1) * sizeof(uint64_t);
}

_Static_assert(sizeof(struct histogram) + (HISTOGRAM_BOUNDS_MAX_COUNT + 1) * sizeof(uint64_t) <=
                   SKETCH_POOL_BLOCK_MAX_BYTES,
               "the largest histogram must fit one block");

bool histogram_bounds_are_valid(const double *bounds, uint32_t bound_count)
{
    if (bound_count > HISTOGRAM_BOUNDS_MAX_COUNT) {
        return false;
    }
    for (uint32_t i = 0; i < bound_count; i++) {
        if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1])) {
            return false;
        }
    }
    return true;
}

struct histogram *histogram_new(struct sketch_pool *pool, const double *bounds,
                                uint32_t bound_count)
{
    ASSERT(bounds != NULL || bound_count == 0);
    ASSERT(bound_count <= HISTOGRAM_BOUNDS_MAX_COUNT);
    ASSERT_SLOW(histogram_bounds_are_valid(bounds, bound_count));
    struct histogram *hist = sketch_pool_take(pool, histogram_bytes(bound_count));
    if (hist != NULL) {
        hist->bounds = bounds;
        hist->bound_count = bound_count;
    }
    return hist;
}

void histogram_give(struct histogram *hist, struct sketch_pool *pool)
{
    if (hist != NULL) {
        sketch_pool_give(pool, hist, histogram_bytes(hist->bound_count));
    }
}

/* The first bound that `value` does not exceed, bound_count where it exceeds all. */
static uint32_t bucket_of(const double *bounds, uint32_t bound_count, double value)
{
    uint32_t first = 0;
    uint32_t limit = bound_count;
    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2;
        if (bounds[middle] < value) {
            first = middle + 1;
        } else {
            limit = middle;
        }
    }
    return first;
}

static void widen_extremes(struct histogram *hist, double min, double max)
{
    hist->min = hist->count == 0 || min < hist->min ? min : hist->min;
    hist->max = hist->count == 0 || max > hist->max ? max : hist->max;
}

int histogram_add(struct histogram *hist, double value, uint64_t weight)
{
    ASSERT(weight >= 1);
    if (!isfinite(value)) {
        return -EINVAL;
    }
    if (weight > UINT64_MAX - hist->count) {
        return FAULT_OVERFLOW;
    }
    hist->counts[bucket_of(hist->bounds, hist->bound_count, value)] += weight;
    widen_extremes(hist, value, value);
    hist->count += weight;
    total_add(&hist->sum, value * (double)weight);
    return 0;
}

static bool bounds_are_equal(const struct histogram *a, const struct histogram *b)
{
    if (a->bound_count != b->bound_count) {
        return false;
    }
    return a->bounds == b->bounds || a->bound_count == 0 ||
           memcmp(a->bounds, b->bounds, a->bound_count * sizeof(a->bounds[0])) == 0;
}

int histogram_merge(struct histogram *target, const struct histogram *source)
{
    ASSERT(target != source);
    ASSERT(bounds_are_equal(target, source));
    if (source->count > UINT64_MAX - target->count) {
        return FAULT_OVERFLOW;
    }
    if (source->count == 0) {
        return 0;
    }
    for (uint32_t i = 0; i <= target->bound_count; i++) {
        target->counts[i] += source->counts[i];
    }
    widen_extremes(target, source->min, source->max);
    target->count += source->count;
    total_merge(&target->sum, source->sum);
    return 0;
}

double histogram_sum(const struct histogram *hist)
{
    return total_value(hist->sum);
}

bool histogram_is_valid(const struct histogram *hist)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i <= hist->bound_count; i++) {
        count += hist->counts[i];
    }
    return histogram_bounds_are_valid(hist->bounds, hist->bound_count) && count == hist->count &&
           hist->min <= hist->max;
}
