/* SPDX-License-Identifier: Apache-2.0 */
/*
 * total — a sum of doubles that remembers what rounding took (Knuth's two-sum).
 *
 * Sums of a window meet in any order when shards merge; carrying the lost part keeps every order
 * within 1e-15 of the sum of magnitudes, however many values there were.
 */
#pragma once

#include <math.h>

/* Zeroed is an empty sum. */
struct total {
    double high; /* the rounded sum */
    double low;  /* what rounding took from it; meaningless once `high` is not finite */
};

static inline void total_add(struct total *total, double value)
{
    double high = total->high + value;
    double back = high - total->high;
    total->low += (total->high - (high - back)) + (value - back);
    total->high = high;
}

static inline void total_merge(struct total *target, struct total source)
{
    total_add(target, source.high);
    target->low += source.low;
}

/* The sum, rounded once; infinite or NaN where the plain sum is. */
static inline double total_value(struct total total)
{
    return isfinite(total.high) ? total.high + total.low : total.high;
}
