/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_exphist — dense buckets on a grid that coarsens when their range outgrows the limit.
 *
 * Shown with upper edges as `le`: zeros at the zero threshold, negatives mirrored. A value exactly
 * on the edge of a negative bucket counts one bucket too high, which a grid with inclusive upper
 * edges cannot avoid. Source: OpenTelemetry data model, "ExponentialHistogram".
 */
#include "exporters/prom_exphist.h"

#include <math.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/model/exphist.h"
#include "exporters/exporter_bounds.h"

#define POINT Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint
#define BUCKETS Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint__Buckets

/* Indices of normal doubles at scale 20 stay below 2^31; leave room for adding a slot. */
#define INDEX_LIMIT (INT32_MAX - 1)
/* Any index shifted this far is 0 or -1. */
#define SHIFT_MAX 31

/* First and last occupied bucket of one side of a point. */
struct side_range {
    bool is_empty;
    int32_t low_index;
    int32_t high_index;
    size_t low_slot;
    size_t high_slot;
};

static int32_t shift_down(int32_t index, uint32_t shift)
{
    return shift > SHIFT_MAX ? (index < 0 ? -1 : 0) : index >> shift;
}

/* FAULT_MALFORMED where an index leaves 32 bits. */
static int find_range(const struct BUCKETS *buckets, struct side_range *out)
{
    *out = (struct side_range){.is_empty = true};
    size_t count = buckets != NULL ? buckets->n_bucket_counts : 0;
    for (size_t i = 0; i < count; i++) {
        if (buckets->bucket_counts[i] == 0) {
            continue;
        }
        out->low_slot = out->is_empty ? i : out->low_slot;
        out->high_slot = i;
        out->is_empty = false;
    }
    if (out->is_empty) {
        return 0;
    }
    int64_t offset = buckets->has_offset != 0 ? buckets->offset : 0;
    if (out->high_slot > (size_t)INDEX_LIMIT || offset + (int64_t)out->high_slot > INDEX_LIMIT) {
        return FAULT_MALFORMED;
    }
    out->low_index = (int32_t)(offset + (int64_t)out->low_slot);
    out->high_index = (int32_t)(offset + (int64_t)out->high_slot);
    return 0;
}

/* Do the side shifted by `side_shift` and the range shifted by `range_shift` fit together? */
static bool fits(const struct prom_exphist_side *side, uint32_t side_shift,
                 const struct side_range *range, uint32_t range_shift)
{
    if (side->used == 0 && range->is_empty) {
        return true;
    }
    int64_t low = INT64_MAX;
    int64_t high = INT64_MIN;
    if (side->used > 0) {
        low = shift_down(side->low_index, side_shift);
        high = shift_down(side->low_index + (int32_t)side->used - 1, side_shift);
    }
    if (!range->is_empty) {
        int64_t range_low = shift_down(range->low_index, range_shift);
        int64_t range_high = shift_down(range->high_index, range_shift);
        low = range_low < low ? range_low : low;
        high = range_high > high ? range_high : high;
    }
    return high - low < PROM_EXPHIST_BUCKETS_MAX;
}

static void coarsen(struct prom_exphist_side *side, uint32_t shift)
{
    if (shift == 0 || side->used == 0) {
        return;
    }
    struct prom_exphist_side coarse = {.low_index = shift_down(side->low_index, shift)};
    for (uint32_t i = 0; i < side->used; i++) {
        int32_t index = shift_down(side->low_index + (int32_t)i, shift);
        uint32_t slot = (uint32_t)(index - coarse.low_index);
        coarse.counts[slot] += side->counts[i];
        coarse.used = slot + 1;
    }
    *side = coarse;
}

/* Makes the buckets reach from `low` to `high`. */
static void widen(struct prom_exphist_side *side, int32_t low, int32_t high)
{
    if (side->used == 0) {
        side->low_index = low;
        side->used = 1;
    }
    if (low < side->low_index) {
        uint32_t added = (uint32_t)(side->low_index - low);
        ASSERT(added + side->used <= PROM_EXPHIST_BUCKETS_MAX);
        memmove(side->counts + added, side->counts, side->used * sizeof(side->counts[0]));
        memset(side->counts, 0, added * sizeof(side->counts[0]));
        side->low_index = low;
        side->used += added;
    }
    int32_t top = side->low_index + (int32_t)side->used - 1;
    if (high > top) {
        side->used += (uint32_t)(high - top);
    }
    ASSERT(side->used <= PROM_EXPHIST_BUCKETS_MAX);
}

static void add_side(struct prom_exphist_side *side, const struct BUCKETS *buckets,
                     const struct side_range *range, uint32_t shift)
{
    if (range->is_empty) {
        return;
    }
    widen(side, shift_down(range->low_index, shift), shift_down(range->high_index, shift));
    for (size_t i = range->low_slot; i <= range->high_slot; i++) {
        int32_t index = range->low_index + (int32_t)(i - range->low_slot);
        uint32_t slot = (uint32_t)(shift_down(index, shift) - side->low_index);
        side->counts[slot] += buckets->bucket_counts[i];
    }
}

int prom_exphist_add(struct prom_exphist *hist, const struct POINT *point)
{
    struct side_range positive;
    struct side_range negative;
    int32_t point_scale = point->has_scale != 0 ? point->scale : 0;
    int err = find_range(point->positive, &positive);
    int negative_err = find_range(point->negative, &negative);
    bool is_scale_known = point_scale <= EXPHIST_SCALE_MAX && point_scale >= EXPHIST_SCALE_MIN;
    if (err != 0 || negative_err != 0 || !is_scale_known) {
        return FAULT_MALFORMED;
    }
    int32_t old_scale = hist->has_scale ? hist->scale : PROM_EXPHIST_SCALE_MAX;
    int32_t scale = point_scale < old_scale ? point_scale : old_scale;
    while (!fits(&hist->positive, (uint32_t)(old_scale - scale), &positive,
                 (uint32_t)(point_scale - scale)) ||
           !fits(&hist->negative, (uint32_t)(old_scale - scale), &negative,
                 (uint32_t)(point_scale - scale))) {
        if (scale == EXPHIST_SCALE_MIN) {
            return FAULT_MALFORMED; /* no double has such indices */
        }
        scale--;
    }
    coarsen(&hist->positive, (uint32_t)(old_scale - scale));
    coarsen(&hist->negative, (uint32_t)(old_scale - scale));
    hist->scale = scale;
    hist->has_scale = true;
    add_side(&hist->positive, point->positive, &positive, (uint32_t)(point_scale - scale));
    add_side(&hist->negative, point->negative, &negative, (uint32_t)(point_scale - scale));
    hist->zero_count += point->has_zero_count != 0 ? point->zero_count : 0;
    hist->zero_threshold = fmax(hist->zero_threshold, point->zero_threshold);
    hist->has_sum = hist->has_sum || point->has_sum != 0;
    hist->sum += point->has_sum != 0 ? point->sum : 0;
    return 0;
}

void prom_exphist_clear(struct prom_exphist *hist)
{
    *hist = (struct prom_exphist){.scale = hist->scale, .has_scale = hist->has_scale};
}

/* Where the cumulative lines stand. */
struct shown {
    struct bytes *out;
    enum prom_format format;
    const struct prom_point *point;
    double le;
    uint64_t count;
};

/* Edges rise; one that does not (a zero threshold inside the buckets, overflow) is left out. */
static void show_edge(struct shown *s, double le)
{
    if (le > s->le && isfinite(le)) {
        s->le = le;
        prom_text_bucket(s->out, s->format, s->point, le, s->count);
    }
}

void prom_exphist_show(const struct prom_exphist *hist, struct bytes *out, enum prom_format format,
                       const struct prom_point *point)
{
    struct shown s = {.out = out, .format = format, .point = point, .le = -INFINITY};
    for (uint32_t i = hist->negative.used; i > 0; i--) {
        int32_t index = hist->negative.low_index + (int32_t)i - 1;
        s.count += hist->negative.counts[i - 1];
        show_edge(&s, -exphist_lower_edge(hist->scale, index));
    }
    s.count += hist->zero_count;
    if (hist->zero_count > 0 || hist->negative.used > 0) {
        show_edge(&s, hist->zero_threshold);
    }
    if (hist->positive.used > 0) { /* so that quantiles do not reach down to zero */
        show_edge(&s, exphist_lower_edge(hist->scale, hist->positive.low_index));
    }
    for (uint32_t i = 0; i < hist->positive.used; i++) {
        s.count += hist->positive.counts[i];
        int32_t index = hist->positive.low_index + (int32_t)i;
        show_edge(&s, exphist_lower_edge(hist->scale, index + 1));
    }
    prom_text_bucket(out, format, point, INFINITY, s.count);
    if (hist->has_sum) {
        prom_text_sum(out, format, point, hist->sum);
    }
    prom_text_count(out, format, point, s.count);
}
