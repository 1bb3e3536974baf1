/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_value — see emf_value.h. Bounds of buckets: OpenTelemetry data model, "Exponential Scale".
 */
#include "codecs/emf_value.h"

#include <math.h>
#include <string.h>

#include "codecs/emf.h"
#include "codecs/emf_json.h"
#include "core/base/fault.h"
#include "core/base/number.h"
#include "core/otlp/otlp_field.h"

/* Field numbers of Buckets. */
enum {
    BUCKETS_OFFSET = 1,
    BUCKETS_COUNTS = 2,
};

/* Wide enough for every double at every index; keeps ldexp out of its corners. */
#define SCALE_MAX 60
#define RANGE_MAX 0x1p360
/* Spreads the bits of doubles over the table. */
#define DIGITS_STEP UINT64_C(0x9E3779B97F4A7C15)
/* Exponents stand in the highest bits, so only the highest bits of the product know them. */
#define DIGITS_SHIFT 53
_Static_assert(UINT64_C(1) << (64 - DIGITS_SHIFT) == EMF_DIGITS_COUNT, "all of the table");

bool emf_is_finite(double value)
{
    return isfinite(value) != 0;
}

bool emf_is_in_range(double value)
{
    return fabs(value) <= RANGE_MAX;
}

/* --- buckets ---------------------------------------------------------------------------------- */

/* Goes through the counts of one side, packed or not. */
struct count_reader {
    struct pb_reader message;
    struct pb_reader packed;
    int64_t index; /* of the next count */
};

static struct count_reader count_reader_of(struct slice side)
{
    struct otlp_field offset;
    (void)otlp_field_find(side, BUCKETS_OFFSET, &offset); /* none reads as zero */
    uint32_t bits = (uint32_t)otlp_field_u64(&offset);
    return (struct count_reader){.message = pb_reader_of(side),
                                 .index = (int32_t)(bits >> 1 ^ (0 - (bits & 1)))};
}

static bool take_count(struct count_reader *in, uint64_t *out)
{
    while (in->packed.pos == in->packed.end) {
        struct otlp_field field;
        if (!otlp_field_next(&in->message, &field)) {
            return false;
        }
        if (field.number == BUCKETS_COUNTS && field.wire_type == PB_WIRE_VARINT) {
            *out = otlp_field_u64(&field);
            return true;
        }
        if (field.number == BUCKETS_COUNTS) {
            in->packed = pb_reader_of(field.content);
        }
    }
    int err = pb_read_varint(&in->packed, out);
    ASSERT(err == 0); /* the walk has seen it */
    return true;
}

/* The next count that is not zero and its index. False at the end. */
static bool next_count(struct count_reader *in, int64_t *index, uint64_t *count)
{
    while (take_count(in, count)) {
        *index = in->index;
        in->index++;
        if (*count != 0) {
            return true;
        }
    }
    return false;
}

static uint32_t used_count(struct slice side)
{
    struct count_reader in = count_reader_of(side);
    int64_t index = 0;
    uint64_t count = 0;
    uint32_t used = 0;
    while (next_count(&in, &index, &count)) {
        used++;
    }
    return used;
}

/* Bound `index` of the scale: 2^(index × 2^-scale). */
static double bound_at(int64_t index, double step)
{
    return exp2((double)index * step);
}

/*
 * Writes the buckets of a side: `count` of them from `at` on, backwards for the positive side,
 * whose highest bucket comes first. False where one is out of range.
 */
static bool read_side(struct slice side, double step, struct emf_bucket *at, uint32_t count,
                      bool is_negative)
{
    struct count_reader in = count_reader_of(side);
    int64_t index = 0;
    uint64_t events = 0;
    int64_t known_index = INT64_MIN;
    double known = 0;
    for (uint32_t i = 0; i < count && next_count(&in, &index, &events); i++) {
        double near = index == known_index ? known : bound_at(index, step);
        double far = bound_at(index + 1, step);
        known = far;
        known_index = index + 1;
        if (!emf_is_in_range(far)) {
            return false;
        }
        uint32_t place = is_negative ? i : count - 1 - i;
        at[place] = (struct emf_bucket){
            .low = is_negative ? -far : near, .high = is_negative ? -near : far, .count = events};
    }
    return true;
}

int emf_buckets_read(const struct emf_point *point, struct arena *arena, struct emf_buckets *out)
{
    int32_t scale = point->scale > SCALE_MAX ? SCALE_MAX : point->scale;
    double step = ldexp(1, scale < -SCALE_MAX ? SCALE_MAX : -scale);
    uint32_t positive_count = used_count(point->positive);
    uint32_t negative_count = used_count(point->negative);
    uint32_t zero_count = point->zero_count != 0 ? 1 : 0;
    size_t count = (size_t)positive_count + negative_count + zero_count;
    struct emf_bucket *items = arena_alloc_array(arena, count, sizeof(items[0]));
    if (items == NULL || count > UINT32_MAX) {
        return FAULT_LIMIT;
    }
    if (zero_count != 0) {
        items[positive_count] = (struct emf_bucket){.count = point->zero_count};
    }
    struct emf_bucket *negative = items + positive_count + zero_count;
    if (!read_side(point->positive, step, items, positive_count, false) ||
        !read_side(point->negative, step, negative, negative_count, true)) {
        return FAULT_OVERFLOW;
    }
    *out = (struct emf_buckets){.items = items, .count = (uint32_t)count};
    return 0;
}

uint32_t emf_buckets_piece_count(const struct emf_buckets *buckets)
{
    return buckets->count == 0 ? 1 : (buckets->count - 1) / EMF_VALUES_MAX + 1;
}

struct emf_value emf_buckets_piece(const struct emf_buckets *buckets, const struct emf_point *point,
                                   uint32_t index)
{
    uint32_t first = index * EMF_VALUES_MAX;
    ASSERT(first == 0 || first < buckets->count);
    uint32_t left = buckets->count - first;
    struct emf_value value = {
        .kind = EMF_VALUE_BUCKETS,
        .bucket_count = left < EMF_VALUES_MAX ? left : EMF_VALUES_MAX,
        .stats = {.min = point->min, .max = point->max, .sum = point->sum, .count = point->count},
        .buckets = buckets->items + first,
    };
    if (value.bucket_count == 0) {
        return value;
    }
    bool is_last = left <= EMF_VALUES_MAX;
    if (index > 0 || !point->has_max) {
        value.stats.max = value.buckets[0].high;
    }
    if (!is_last || !point->has_min) {
        value.stats.min = value.buckets[value.bucket_count - 1].low;
    }
    value.stats.sum = index == 0 ? point->sum : 0;
    value.stats.count = 0;
    for (uint32_t i = 0; i < value.bucket_count; i++) {
        value.stats.count += value.buckets[i].count;
    }
    return value;
}

/* --- text ------------------------------------------------------------------------------------- */

static void write_member(struct json_out *out, struct slice name, double value)
{
    json_out_key(out, name);
    json_out_f64(out, value);
}

static void write_counts(const struct emf_value *value, struct json_out *out)
{
    json_out_key(out, SLICE_LITERAL("Counts"));
    json_out_open(out, '[');
    for (uint32_t i = 0; i < value->bucket_count; i++) {
        json_out_u64(out, value->buckets[i].count);
    }
    json_out_close(out, ']');
}

/* The number as text, from the table or into it. */
static struct slice digits_of(double value, struct emf_digits *digits)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    struct emf_digits *d = &digits[bits * DIGITS_STEP >> DIGITS_SHIFT];
    if (d->len == 0 || d->bits != bits) {
        d->len = (uint8_t)number_format_f64(value, d->text, sizeof(d->text));
        d->bits = bits;
        ASSERT(d->len > 0);
    }
    return slice_of(d->text, d->len);
}

static void write_values(const struct emf_value *value, struct emf_digits *digits,
                         struct json_out *out)
{
    json_out_key(out, SLICE_LITERAL("Values"));
    json_out_open(out, '[');
    for (uint32_t i = 0; i < value->bucket_count; i++) {
        double middle = (value->buckets[i].low + value->buckets[i].high) / 2;
        emf_json_raw(out, digits_of(middle, digits));
    }
    json_out_close(out, ']');
}

static void write_object(const struct emf_value *value, struct emf_digits *digits,
                         struct json_out *out)
{
    bool has_buckets = value->kind == EMF_VALUE_BUCKETS;
    json_out_open(out, '{');
    json_out_key(out, SLICE_LITERAL("Count"));
    json_out_u64(out, value->stats.count);
    if (has_buckets) {
        write_counts(value, out);
    }
    write_member(out, SLICE_LITERAL("Max"), value->stats.max);
    write_member(out, SLICE_LITERAL("Min"), value->stats.min);
    write_member(out, SLICE_LITERAL("Sum"), value->stats.sum);
    if (has_buckets) {
        write_values(value, digits, out);
    }
    json_out_close(out, '}');
}

void emf_value_write(const struct emf_value *value, struct emf_digits *digits, struct json_out *out)
{
    switch (value->kind) {
    case EMF_VALUE_NUMBER:
        if (value->number.is_integer) {
            json_out_i64(out, value->number.i64);
        } else {
            json_out_f64(out, value->number.f64);
        }
        break;
    case EMF_VALUE_STATS:
    case EMF_VALUE_BUCKETS:
        write_object(value, digits, out);
        break;
    }
}
