/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exphist — counting, merging and reading exponential histograms.
 *
 * A value that meets a counter with room takes the short way. Everything else — a wider range, a
 * smaller scale, a counter that overflows its bytes, another histogram — goes through absorb, which
 * plans both sides, takes their memory, and only then changes anything.
 */
#include "core/model/exphist.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/base/fault.h"

#define SIGN_COUNT 2

/* One sign on its way to new buckets: what it holds plus what it is to take. */
struct reshape {
    struct exphist_side held;     /* before; reads stay good until the plan is carried out */
    struct exphist_side addition; /* to take; may be empty */
    uint32_t held_shift;          /* scales to go down, each */
    uint32_t addition_shift;
    struct exphist_side planned; /* after; counters NULL until they are taken */
    bool is_unchanged;
};

static bool side_is_empty(const struct exphist_side *side)
{
    return side->counter_bytes == 0;
}

static size_t side_bytes(const struct exphist_side *side)
{
    return side_is_empty(side) ? 0 : ((size_t)side->slot_mask + 1) * side->counter_bytes;
}

static struct exphist_side *side_of(struct exphist *hist, uint32_t sign)
{
    return sign == EXPHIST_POSITIVE ? &hist->positive : &hist->negative;
}

static uint64_t counter_at(const struct exphist_side *side, int32_t index)
{
    uint32_t slot = (uint32_t)index & side->slot_mask;
    switch (side->counter_bytes) {
    case 1:
        return ((const uint8_t *)side->counters)[slot];
    case 2:
        return ((const uint16_t *)side->counters)[slot];
    case 4:
        return ((const uint32_t *)side->counters)[slot];
    default:
        return ((const uint64_t *)side->counters)[slot];
    }
}

static uint64_t counter_max(uint8_t counter_bytes)
{
    return UINT64_MAX >> (64 - 8 * counter_bytes);
}

/* Adds `weight` to the counter of `index`; false, and nothing done, where its bytes are too few. */
static bool counter_try_add(struct exphist_side *side, int32_t index, uint64_t weight)
{
    uint32_t slot = (uint32_t)index & side->slot_mask;
    uint64_t before = counter_at(side, index);
    if (weight > counter_max(side->counter_bytes) - before) {
        return false;
    }
    uint64_t after = before + weight;
    switch (side->counter_bytes) {
    case 1:
        ((uint8_t *)side->counters)[slot] = (uint8_t)after;
        break;
    case 2:
        ((uint16_t *)side->counters)[slot] = (uint16_t)after;
        break;
    case 4:
        ((uint32_t *)side->counters)[slot] = (uint32_t)after;
        break;
    default:
        ((uint64_t *)side->counters)[slot] = after;
        break;
    }
    return true;
}

/* The short way: the counter exists or its slot does, and it has room. */
static bool side_try_count(struct exphist_side *side, uint32_t max_size, int32_t index,
                           uint64_t weight)
{
    if (side_is_empty(side)) {
        return false;
    }
    int32_t low = index < side->low_index ? index : side->low_index;
    int32_t high = index > side->high_index ? index : side->high_index;
    uint32_t span = (uint32_t)(high - low);
    if (span > side->slot_mask || span >= max_size || !counter_try_add(side, index, weight)) {
        return false;
    }
    side->low_index = low;
    side->high_index = high;
    return true;
}

/* What `side` holds in bucket `index` of a scale `shift` lower. */
static uint64_t coarse_count(const struct exphist_side *side, uint32_t shift, int32_t index)
{
    if (side_is_empty(side)) {
        return 0;
    }
    int64_t first = (int64_t)index * (INT64_C(1) << shift);
    int64_t last = first + (INT64_C(1) << shift) - 1;
    first = first > side->low_index ? first : side->low_index;
    last = last < side->high_index ? last : side->high_index;
    uint64_t count = 0;
    for (int64_t i = first; i <= last; i++) {
        count += counter_at(side, (int32_t)i);
    }
    return count;
}

/* Adds every counter of `source`, from `shift` scales above, to `target`, whose range covers it. */
static void side_take_all(struct exphist_side *target, const struct exphist_side *source,
                          uint32_t shift)
{
    if (side_is_empty(source)) {
        return;
    }
    for (int32_t i = source->low_index; i <= source->high_index; i++) {
        uint64_t count = counter_at(source, i);
        if (count != 0) {
            bool has_room = counter_try_add(target, i >> shift, count);
            ASSERT(has_room);
        }
    }
}

/* Widens a range by that of `side` from `shift` scales above; a first range counts in single bytes.
 */
static void cover(struct exphist_side *planned, const struct exphist_side *side, uint32_t shift)
{
    if (side_is_empty(side)) {
        return;
    }
    int32_t low = side->low_index >> shift;
    int32_t high = side->high_index >> shift;
    bool is_first = side_is_empty(planned);
    planned->low_index = is_first || low < planned->low_index ? low : planned->low_index;
    planned->high_index = is_first || high > planned->high_index ? high : planned->high_index;
    planned->counter_bytes = is_first ? 1 : planned->counter_bytes;
}

/* Range of the planned side, as indexes of the shifted scales; counter_bytes 0 where it is empty.
 */
static void plan_range(struct reshape *r)
{
    r->planned = (struct exphist_side){0};
    cover(&r->planned, &r->held, r->held_shift);
    cover(&r->planned, &r->addition, r->addition_shift);
}

static bool range_fits(const struct reshape *r, uint32_t max_size)
{
    return side_is_empty(&r->planned) ||
           (uint32_t)(r->planned.high_index - r->planned.low_index) < max_size;
}

/* The largest counter the plan will hold. */
static uint64_t most_planned(const struct reshape *r)
{
    uint64_t most = 0;
    for (int32_t i = r->planned.low_index; i <= r->planned.high_index; i++) {
        uint64_t count = coarse_count(&r->held, r->held_shift, i) +
                         coarse_count(&r->addition, r->addition_shift, i);
        most = count > most ? count : most;
    }
    return most;
}

/* Slots and counter width for the range already planned. */
static void plan_counters(struct reshape *r, uint64_t total_count)
{
    r->is_unchanged =
        side_is_empty(&r->addition) && (r->held_shift == 0 || side_is_empty(&r->held));
    if (r->is_unchanged) {
        r->planned = r->held;
        return;
    }
    uint32_t span = (uint32_t)(r->planned.high_index - r->planned.low_index);
    r->planned.slot_mask = span == 0 ? 0 : UINT32_MAX >> __builtin_clz(span);
    /* No counter holds more than all values together; only past 255 of those is it worth a look. */
    uint64_t most = total_count;
    if (most > UINT8_MAX) {
        most = most_planned(r);
    }
    while (most > counter_max(r->planned.counter_bytes)) {
        r->planned.counter_bytes = (uint8_t)(r->planned.counter_bytes * 2);
    }
}

/* Counters for the planned side: the histogram's own where they suffice, else a block. */
static int take_counters(struct exphist *hist, struct sketch_pool *pool, struct reshape *r,
                         uint32_t sign)
{
    if (r->is_unchanged) {
        return 0;
    }
    size_t bytes = side_bytes(&r->planned);
    if (sign == EXPHIST_POSITIVE && bytes <= sizeof(hist->nearby)) {
        r->planned.counters = hist->nearby;
        /* Use all of them: values next to the first few need no block then. */
        r->planned.slot_mask = (uint32_t)(sizeof(hist->nearby) / r->planned.counter_bytes) - 1;
        return 0;
    }
    size_t held_bytes = sketch_pool_class_bytes(bytes);
    r->planned.slot_mask = (uint32_t)(held_bytes / r->planned.counter_bytes) - 1;
    r->planned.counters = sketch_pool_take(pool, held_bytes);
    return r->planned.counters != NULL ? 0 : -ENOMEM;
}

static void give_counters(struct exphist *hist, struct sketch_pool *pool,
                          const struct exphist_side *side)
{
    if (side->counters != hist->nearby) {
        sketch_pool_give(pool, side->counters, side_bytes(side));
    }
}

/* Carries the plan out; `nearby` is a copy of the histogram's own counters. */
static void fill_counters(struct exphist *hist, struct sketch_pool *pool, struct reshape *r,
                          uint32_t sign, void *nearby)
{
    if (r->is_unchanged) {
        return;
    }
    struct exphist_side old = r->held;
    if (old.counters == hist->nearby) {
        r->held.counters = nearby;
    }
    if (r->planned.counters == hist->nearby) {
        memset(hist->nearby, 0, sizeof(hist->nearby));
    }
    side_take_all(&r->planned, &r->held, r->held_shift);
    side_take_all(&r->planned, &r->addition, r->addition_shift);
    *side_of(hist, sign) = r->planned;
    give_counters(hist, pool, &old);
}

/*
 * The plan for both signs at the largest scale, at most that of either, which fits the histogram's
 * max_size. Returns that scale.
 */
static int32_t plan(const struct exphist *hist, struct reshape r[SIGN_COUNT],
                    const struct exphist_side additions[SIGN_COUNT], int32_t addition_scale,
                    uint64_t total_count)
{
    int32_t scale = hist->scale < addition_scale ? hist->scale : addition_scale;
    for (uint32_t sign = 0; sign < SIGN_COUNT; sign++) {
        r[sign] = (struct reshape){
            .held = sign == EXPHIST_POSITIVE ? hist->positive : hist->negative,
            .addition = additions[sign],
            .held_shift = (uint32_t)(hist->scale - scale),
            .addition_shift = (uint32_t)(addition_scale - scale),
        };
        plan_range(&r[sign]);
    }
    while (!range_fits(&r[0], hist->max_size) || !range_fits(&r[1], hist->max_size)) {
        scale--;
        for (uint32_t sign = 0; sign < SIGN_COUNT; sign++) {
            r[sign].held_shift++;
            r[sign].addition_shift++;
            plan_range(&r[sign]);
        }
    }
    ASSERT(scale >= EXPHIST_SCALE_MIN);
    plan_counters(&r[0], total_count);
    plan_counters(&r[1], total_count);
    return scale;
}

/*
 * Takes both additions, counted at `addition_scale`, for `total_count` values in all. 0 or -ENOMEM,
 * and then nothing changed.
 */
static int absorb(struct exphist *hist, struct sketch_pool *pool,
                  const struct exphist_side additions[SIGN_COUNT], int32_t addition_scale,
                  uint64_t total_count)
{
    struct reshape r[SIGN_COUNT];
    int32_t scale = plan(hist, r, additions, addition_scale, total_count);
    int err = take_counters(hist, pool, &r[EXPHIST_POSITIVE], EXPHIST_POSITIVE);
    if (err != 0) {
        return err;
    }
    err = take_counters(hist, pool, &r[EXPHIST_NEGATIVE], EXPHIST_NEGATIVE);
    if (err != 0) {
        if (!r[EXPHIST_POSITIVE].is_unchanged) {
            give_counters(hist, pool, &r[EXPHIST_POSITIVE].planned);
        }
        return err;
    }
    uint64_t nearby[COUNT_OF(hist->nearby)];
    memcpy(nearby, hist->nearby, sizeof(nearby));
    fill_counters(hist, pool, &r[EXPHIST_POSITIVE], EXPHIST_POSITIVE, nearby);
    fill_counters(hist, pool, &r[EXPHIST_NEGATIVE], EXPHIST_NEGATIVE, nearby);
    hist->scale = (int8_t)scale;
    return 0;
}

/* Can every bucket of `source` be counted where `target` stands, whatever it holds? */
static bool side_has_room(const struct exphist *target, const struct exphist_side *side,
                          const struct exphist *source, const struct exphist_side *addition)
{
    if (side_is_empty(addition)) {
        return true;
    }
    if (side_is_empty(side) || source->scale < target->scale) {
        return false;
    }
    uint32_t shift = (uint32_t)(source->scale - target->scale);
    int32_t low = addition->low_index >> shift;
    int32_t high = addition->high_index >> shift;
    low = low < side->low_index ? low : side->low_index;
    high = high > side->high_index ? high : side->high_index;
    uint32_t span = (uint32_t)(high - low);
    /* No counter can hold more than all values together. */
    return span <= side->slot_mask && span < target->max_size &&
           target->count + source->count <= counter_max(side->counter_bytes);
}

struct exphist *exphist_new(struct sketch_pool *pool, uint32_t max_size)
{
    ASSERT(max_size >= EXPHIST_BUCKETS_MIN_COUNT);
    ASSERT(max_size <= EXPHIST_BUCKETS_MAX_COUNT);
    struct exphist *hist = sketch_pool_take(pool, sizeof(*hist));
    if (hist != NULL) {
        hist->max_size = (uint16_t)max_size;
        hist->scale = EXPHIST_SCALE_MAX;
    }
    return hist;
}

void exphist_give(struct exphist *hist, struct sketch_pool *pool)
{
    if (hist == NULL) {
        return;
    }
    give_counters(hist, pool, &hist->positive);
    give_counters(hist, pool, &hist->negative);
    sketch_pool_give(pool, hist, sizeof(*hist));
}

static void widen_extremes(struct exphist *hist, double min, double max)
{
    hist->min = hist->count == 0 || min < hist->min ? min : hist->min;
    hist->max = hist->count == 0 || max > hist->max ? max : hist->max;
}

static int count_magnitude(struct exphist *hist, struct sketch_pool *pool, double value,
                           uint64_t weight)
{
    uint32_t sign = value > 0 ? EXPHIST_POSITIVE : EXPHIST_NEGATIVE;
    double magnitude = fabs(value);
    int32_t index = exphist_index(magnitude, hist->scale);
    if (side_try_count(side_of(hist, sign), hist->max_size, index, weight)) {
        return 0;
    }
    struct exphist_side additions[SIGN_COUNT] = {0};
    additions[sign] = (struct exphist_side){
        .counters = &weight,
        .low_index = index,
        .high_index = index,
        .counter_bytes = sizeof(weight),
    };
    return absorb(hist, pool, additions, hist->scale, hist->count + weight);
}

int exphist_add(struct exphist *hist, struct sketch_pool *pool, double value, uint64_t weight)
{
    ASSERT(weight >= 1);
    if (!isfinite(value)) {
        return -EINVAL;
    }
    if (weight > UINT64_MAX - hist->count) {
        return FAULT_OVERFLOW;
    }
    if (value == 0) {
        hist->zero_count += weight;
    } else {
        int err = count_magnitude(hist, pool, value, weight);
        if (err != 0) {
            return err;
        }
    }
    widen_extremes(hist, value, value);
    hist->count += weight;
    total_add(&hist->sum, value * (double)weight);
    return 0;
}

int exphist_merge(struct exphist *target, struct sketch_pool *target_pool,
                  const struct exphist *source)
{
    ASSERT(target != source);
    if (source->count > UINT64_MAX - target->count) {
        return FAULT_OVERFLOW;
    }
    if (source->count == 0) {
        return 0;
    }
    if (side_has_room(target, &target->positive, source, &source->positive) &&
        side_has_room(target, &target->negative, source, &source->negative)) {
        uint32_t shift = (uint32_t)(source->scale - target->scale);
        cover(&target->positive, &source->positive, shift);
        cover(&target->negative, &source->negative, shift);
        side_take_all(&target->positive, &source->positive, shift);
        side_take_all(&target->negative, &source->negative, shift);
    } else {
        const struct exphist_side additions[SIGN_COUNT] = {
            [EXPHIST_POSITIVE] = source->positive,
            [EXPHIST_NEGATIVE] = source->negative,
        };
        int err =
            absorb(target, target_pool, additions, source->scale, target->count + source->count);
        if (err != 0) {
            return err;
        }
    }
    widen_extremes(target, source->min, source->max);
    target->count += source->count;
    target->zero_count += source->zero_count;
    total_merge(&target->sum, source->sum);
    ASSERT_SLOW(exphist_is_valid(target));
    return 0;
}

int32_t exphist_scale(const struct exphist *hist)
{
    return side_is_empty(&hist->positive) && side_is_empty(&hist->negative) ? 0 : hist->scale;
}

double exphist_sum(const struct exphist *hist)
{
    return total_value(hist->sum);
}

uint32_t exphist_max_size(const struct exphist *hist)
{
    return hist->max_size;
}

struct exphist_view exphist_trimmed(const struct exphist *hist, enum exphist_sign sign)
{
    const struct exphist_side *side = sign == EXPHIST_POSITIVE ? &hist->positive : &hist->negative;
    if (side_is_empty(side)) {
        return (struct exphist_view){.side = side};
    }
    return (struct exphist_view){
        .offset = side->low_index,
        .slot_count = (uint32_t)(side->high_index - side->low_index) + 1,
        .side = side,
    };
}

uint64_t exphist_view_count(struct exphist_view view, uint32_t slot_index)
{
    ASSERT(slot_index < view.slot_count);
    return counter_at(view.side, view.offset + (int32_t)slot_index);
}

size_t exphist_used_bytes(const struct exphist *hist)
{
    size_t bytes = sketch_pool_class_bytes(sizeof(*hist));
    if (!side_is_empty(&hist->positive) && hist->positive.counters != hist->nearby) {
        bytes += sketch_pool_class_bytes(side_bytes(&hist->positive));
    }
    if (!side_is_empty(&hist->negative)) {
        bytes += sketch_pool_class_bytes(side_bytes(&hist->negative));
    }
    return bytes;
}

/* Sums the counters into *count; false for a side that is not trimmed or too wide. */
static bool side_is_valid(const struct exphist_side *side, uint32_t max_size, uint64_t *count)
{
    if (side_is_empty(side)) {
        return side->counters == NULL;
    }
    uint32_t span = (uint32_t)(side->high_index - side->low_index);
    if (side->counters == NULL || side->low_index > side->high_index || span >= max_size ||
        span > side->slot_mask || counter_at(side, side->low_index) == 0 ||
        counter_at(side, side->high_index) == 0) {
        return false;
    }
    for (uint64_t i = 0; i <= side->slot_mask; i++) {
        int32_t index = (int32_t)(side->low_index + (int64_t)i);
        if (i > span && counter_at(side, index) != 0) {
            return false;
        }
        *count += counter_at(side, index);
    }
    return true;
}

/* Could the range have been too wide one scale up? */
static bool side_needs_scale(const struct exphist_side *side, uint32_t max_size)
{
    return !side_is_empty(side) &&
           2 * (int64_t)(side->high_index - side->low_index) + 1 >= max_size;
}

bool exphist_is_valid(const struct exphist *hist)
{
    uint64_t count = hist->zero_count;
    if (!side_is_valid(&hist->positive, hist->max_size, &count) ||
        !side_is_valid(&hist->negative, hist->max_size, &count)) {
        return false;
    }
    bool is_largest = hist->scale == EXPHIST_SCALE_MAX ||
                      side_needs_scale(&hist->positive, hist->max_size) ||
                      side_needs_scale(&hist->negative, hist->max_size);
    return is_largest && count == hist->count && hist->scale <= EXPHIST_SCALE_MAX &&
           hist->scale >= EXPHIST_SCALE_MIN && hist->min <= hist->max;
}
