/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exphist_quantile — where a share of the values lies, read off the buckets.
 *
 * Walks from the most negative bucket over the zeros to the highest one. The middle of a bucket is
 * off by at most (base − 1) / 2 of the value: 4.6 % at scale 3, 2.2 % at scale 4.
 */
#include <math.h>

#include "core/model/exphist.h"

/* Middle of a bucket; infinite where the bucket reaches past what a double holds. */
static double bucket_middle(const struct exphist *hist, int32_t index)
{
    return exphist_lower_edge(hist->scale, index) / 2 +
           exphist_lower_edge(hist->scale, index + 1) / 2;
}

static double keep_between(double value, double min, double max)
{
    if (value < min) {
        return min;
    }
    return value > max ? max : value;
}

/* The bucket, seen from the lowest value on, in which `rank` values are reached. */
static double value_at_rank(const struct exphist *hist, double rank)
{
    struct exphist_view negative = exphist_trimmed(hist, EXPHIST_NEGATIVE);
    struct exphist_view positive = exphist_trimmed(hist, EXPHIST_POSITIVE);
    double seen = 0;
    for (uint32_t i = negative.slot_count; i > 0; i--) {
        seen += (double)exphist_view_count(negative, i - 1);
        if (seen >= rank) {
            return -bucket_middle(hist, negative.offset + (int32_t)i - 1);
        }
    }
    seen += (double)hist->zero_count;
    if (seen >= rank && hist->zero_count > 0) {
        return 0;
    }
    for (uint32_t i = 0; i < positive.slot_count; i++) {
        seen += (double)exphist_view_count(positive, i);
        if (seen >= rank) {
            return bucket_middle(hist, positive.offset + (int32_t)i);
        }
    }
    return hist->max;
}

double exphist_quantile(const struct exphist *hist, double q)
{
    ASSERT(q >= 0);
    ASSERT(q <= 1);
    if (hist->count == 0 || q == 0) {
        return hist->min;
    }
    if (q == 1) {
        return hist->max;
    }
    double value = value_at_rank(hist, q * (double)hist->count);
    return keep_between(value, hist->min, hist->max);
}
