/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_hist — decoded once, then plain arithmetic on arrays.
 */
#include "core/processors/metrics_transform_hist.h"

#include <string.h>

#include "core/base/fault.h"
#include "core/otlp/otlp_build.h"
#include "core/otlp/pb_decode.h"
#include "core/otlp/proto/metrics.pb-c.h"

typedef Opentelemetry__Proto__Metrics__V1__HistogramDataPoint ExplicitPoint;
typedef Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint ExponentialPoint;
typedef Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint__Buckets Buckets;

/* Fields of both kinds, and of each. */
enum {
    POINT_COUNT = 4,
    POINT_SUM = 5,
    EXPLICIT_COUNTS = 6,
    EXPLICIT_BOUNDS = 7,
    EXPLICIT_MIN = 11,
    EXPLICIT_MAX = 12,
    EXPONENTIAL_ZERO_COUNT = 7,
    EXPONENTIAL_POSITIVE = 8,
    EXPONENTIAL_NEGATIVE = 9,
    EXPONENTIAL_MIN = 12,
    EXPONENTIAL_MAX = 13,
    BUCKETS_OFFSET = 1,
    BUCKETS_COUNTS = 2,
};

#define BIT(number) (UINT32_C(1) << (number))
#define EXPLICIT_OWNED                                                                             \
    (BIT(POINT_COUNT) | BIT(POINT_SUM) | BIT(EXPLICIT_COUNTS) | BIT(EXPLICIT_BOUNDS) |             \
     BIT(EXPLICIT_MIN) | BIT(EXPLICIT_MAX))
#define EXPONENTIAL_OWNED                                                                          \
    (BIT(POINT_COUNT) | BIT(POINT_SUM) | BIT(EXPONENTIAL_ZERO_COUNT) | BIT(EXPONENTIAL_POSITIVE) | \
     BIT(EXPONENTIAL_NEGATIVE) | BIT(EXPONENTIAL_MIN) | BIT(EXPONENTIAL_MAX))

#define TAG(number, wire) ((uint32_t)(number) << 3 | (wire))
#define VARINT_MAX_BYTES 10
/* Tag and length of a field. */
#define PREFIX_MAX_BYTES (5 + VARINT_MAX_BYTES)
/* Count, sum, min, max, zero count; offsets and frames of both sides. */
#define SCALARS_MAX_BYTES (5 * (1 + 8) + 8 * PREFIX_MAX_BYTES)

/* --- reading ---------------------------------------------------------------------------------- */

static void read_explicit(struct transform_hist *out, const ProtobufCMessage *message)
{
    const ExplicitPoint *p = (const ExplicitPoint *)(const void *)message;
    *out = (struct transform_hist){
        .count = p->count,
        .sum = p->sum,
        .min = p->min,
        .max = p->max,
        .has_sum = p->has_sum != 0,
        .has_min = p->has_min != 0,
        .has_max = p->has_max != 0,
        .flags = p->flags,
        .exemplar_scale = 1,
        .bounds = p->explicit_bounds,
        .bound_count = p->n_explicit_bounds,
        .buckets = {.counts = p->bucket_counts, .count = p->n_bucket_counts},
    };
}

static struct transform_buckets side_of(const Buckets *side)
{
    if (side == NULL) {
        return (struct transform_buckets){0};
    }
    return (struct transform_buckets){.counts = side->bucket_counts,
                                      .count = side->n_bucket_counts,
                                      .offset = side->offset,
                                      .is_present = true};
}

static void read_exponential(struct transform_hist *out, const ProtobufCMessage *message)
{
    const ExponentialPoint *p = (const ExponentialPoint *)(const void *)message;
    *out = (struct transform_hist){
        .count = p->count,
        .sum = p->sum,
        .min = p->min,
        .max = p->max,
        .has_sum = p->has_sum != 0,
        .has_min = p->has_min != 0,
        .has_max = p->has_max != 0,
        .flags = p->flags,
        .exemplar_scale = 1,
        .scale = p->scale,
        .zero_count = p->zero_count,
        .zero_threshold = p->zero_threshold,
        .positive = side_of(p->positive),
        .negative = side_of(p->negative),
    };
}

int transform_hist_read(struct slice point, enum otlp_data data, struct arena *arena,
                        const struct transform_hist **out)
{
    bool is_explicit = data == OTLP_DATA_HISTOGRAM;
    ASSERT(is_explicit || data == OTLP_DATA_EXPHIST);
    const ProtobufCMessageDescriptor *descriptor =
        is_explicit
            ? &opentelemetry__proto__metrics__v1__histogram_data_point__descriptor
            : &opentelemetry__proto__metrics__v1__exponential_histogram_data_point__descriptor;
    ProtobufCMessage *message = NULL;
    struct transform_hist *hist = arena_alloc(arena, sizeof(*hist));
    if (hist == NULL || pb_decode(descriptor, point, arena, NULL, &message) != 0) {
        return FAULT_LIMIT; /* the bytes were walked, so it is the arena that is full */
    }
    if (is_explicit) {
        read_explicit(hist, message);
    } else {
        read_exponential(hist, message);
    }
    *out = hist;
    return 0;
}

/* --- scaling ---------------------------------------------------------------------------------- */

int transform_hist_scale(const struct transform_hist *hist, double factor, struct arena *arena,
                         const struct transform_hist **out)
{
    struct transform_hist *scaled = arena_alloc(arena, sizeof(*scaled));
    double *bounds = arena_alloc_array(arena, hist->bound_count, sizeof(*bounds));
    if (scaled == NULL || bounds == NULL) {
        return FAULT_LIMIT;
    }
    for (size_t i = 0; i < hist->bound_count; i++) {
        bounds[i] = hist->bounds[i] * factor;
    }
    *scaled = *hist;
    scaled->bounds = bounds;
    scaled->sum *= factor;
    scaled->min *= factor;
    scaled->max *= factor;
    scaled->exemplar_scale *= factor;
    *out = scaled;
    return 0;
}

/* --- adding up -------------------------------------------------------------------------------- */

/* What is in the key beside the bounds. */
struct key_head {
    double zero_threshold;
    uint64_t bound_count;
    uint64_t bucket_count;
    int32_t scale;
    int32_t positive_offset;
    int32_t negative_offset;
    uint32_t flags;
    uint32_t presence; /* of sum, min and max */
    uint32_t padding;
};
_Static_assert(sizeof(struct key_head) == 48, "a key is compared by its bytes, without holes");

size_t transform_hist_key_bytes(const struct transform_hist *hist)
{
    return sizeof(struct key_head) + hist->bound_count * sizeof(hist->bounds[0]);
}

uint8_t *transform_hist_key(const struct transform_hist *hist, uint8_t *out)
{
    struct key_head head = {
        .zero_threshold = hist->zero_threshold,
        .bound_count = hist->bound_count,
        .bucket_count = hist->buckets.count,
        .scale = hist->scale,
        .positive_offset = hist->positive.offset,
        .negative_offset = hist->negative.offset,
        .flags = hist->flags,
        .presence = (hist->has_sum ? 1u : 0) | (hist->has_min ? 2u : 0) | (hist->has_max ? 4u : 0),
    };
    size_t bounds_bytes = hist->bound_count * sizeof(hist->bounds[0]);
    memcpy(out, &head, sizeof(head));
    out += sizeof(head);
    if (bounds_bytes > 0) {
        memcpy(out, hist->bounds, bounds_bytes);
    }
    return out + bounds_bytes;
}

static uint64_t add_counts(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Adds the buckets of one more; `target` has room for them. */
static void add_buckets(uint64_t *target, const struct transform_buckets *buckets)
{
    for (size_t i = 0; i < buckets->count; i++) {
        target[i] = add_counts(target[i], buckets->counts[i]);
    }
}

/* Where one of three lists of buckets stands in a histogram. */
static const size_t bucket_places[] = {
    offsetof(struct transform_hist, buckets),
    offsetof(struct transform_hist, positive),
    offsetof(struct transform_hist, negative),
};

static const struct transform_buckets *buckets_at(const struct transform_hist *hist, size_t place)
{
    return (const struct transform_buckets *)(const void *)((const char *)hist + place);
}

/* The buckets of all at one place, as long as the longest. */
static int add_place(const struct transform_hist *const *hists, size_t count, size_t place,
                     struct arena *arena, struct transform_buckets *out)
{
    *out = *buckets_at(hists[0], place);
    for (size_t i = 1; i < count; i++) {
        const struct transform_buckets *one = buckets_at(hists[i], place);
        out->count = one->count > out->count ? one->count : out->count;
        out->is_present |= one->is_present;
    }
    uint64_t *counts = arena_alloc_array(arena, out->count, sizeof(*counts));
    if (counts == NULL) {
        return FAULT_LIMIT;
    }
    memset(counts, 0, out->count * sizeof(*counts));
    for (size_t i = 0; i < count; i++) {
        add_buckets(counts, buckets_at(hists[i], place));
    }
    out->counts = counts;
    return 0;
}

static void add_scalars(struct transform_hist *sum, const struct transform_hist *one)
{
    bool was_empty = sum->count == 0;
    if (one->count == 0) {
        return;
    }
    sum->count = add_counts(sum->count, one->count);
    sum->zero_count = add_counts(sum->zero_count, one->zero_count);
    sum->sum += one->sum;
    if (was_empty || one->min < sum->min) {
        sum->min = one->min;
    }
    if (was_empty || one->max > sum->max) {
        sum->max = one->max;
    }
}

int transform_hist_add(const struct transform_hist *const *hists, size_t count, struct arena *arena,
                       const struct transform_hist **out)
{
    ASSERT(count > 0);
    struct transform_hist *sum = arena_alloc(arena, sizeof(*sum));
    if (sum == NULL) {
        return FAULT_LIMIT;
    }
    *sum = *hists[0];
    for (size_t i = 0; i < COUNT_OF(bucket_places); i++) {
        struct transform_buckets added;
        int err = add_place(hists, count, bucket_places[i], arena, &added);
        if (err != 0) {
            return err;
        }
        memcpy((char *)sum + bucket_places[i], &added, sizeof(added));
    }
    for (size_t i = 1; i < count; i++) {
        add_scalars(sum, hists[i]);
    }
    *out = sum;
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

bool transform_hist_owns(enum otlp_data data, uint32_t number)
{
    uint32_t owned = data == OTLP_DATA_HISTOGRAM ? EXPLICIT_OWNED : EXPONENTIAL_OWNED;
    return number < 32 && (owned & BIT(number)) != 0;
}

/* One side, as field `number`. */
static void build_side(struct otlp_build *b, uint32_t number, const struct transform_buckets *side)
{
    if (!side->is_present) {
        return;
    }
    size_t mark = otlp_build_mark(b);
    for (size_t i = side->count; i > 0; i--) {
        otlp_build_varint(b, side->counts[i - 1]);
    }
    otlp_build_close(b, mark, TAG(BUCKETS_COUNTS, PB_WIRE_BYTES));
    otlp_build_sint_field(b, TAG(BUCKETS_OFFSET, PB_WIRE_VARINT), side->offset);
    otlp_build_close(b, mark, TAG(number, PB_WIRE_BYTES));
}

/* As they lie: the wire is little-endian, and otlp_build holds the machine to that. */
static void build_packed(struct otlp_build *b, uint32_t number, const void *values, size_t count)
{
    size_t mark = otlp_build_mark(b);
    if (count > 0) {
        otlp_build_bytes(b, values, count * sizeof(uint64_t));
        otlp_build_close(b, mark, TAG(number, PB_WIRE_BYTES));
    }
}

static void build_optional(struct otlp_build *b, uint32_t number, bool is_there, double value)
{
    if (is_there) {
        otlp_build_double_field(b, TAG(number, PB_WIRE_FIXED64), value);
    }
}

struct slice transform_hist_encode(const struct transform_hist *hist, enum otlp_data data,
                                   struct arena *arena)
{
    bool is_explicit = data == OTLP_DATA_HISTOGRAM;
    /* No overflow: the arrays are in memory, and an element of them takes less there. */
    size_t room = SCALARS_MAX_BYTES + (hist->bound_count + hist->buckets.count) * sizeof(uint64_t) +
                  (hist->positive.count + hist->negative.count) * VARINT_MAX_BYTES;
    uint8_t *memory = arena_alloc(arena, room);
    if (memory == NULL) {
        return (struct slice){0};
    }
    struct otlp_build b;
    otlp_build_init(&b, memory, room);
    build_optional(&b, is_explicit ? EXPLICIT_MAX : EXPONENTIAL_MAX, hist->has_max, hist->max);
    build_optional(&b, is_explicit ? EXPLICIT_MIN : EXPONENTIAL_MIN, hist->has_min, hist->min);
    if (is_explicit) {
        build_packed(&b, EXPLICIT_BOUNDS, hist->bounds, hist->bound_count);
        build_packed(&b, EXPLICIT_COUNTS, hist->buckets.counts, hist->buckets.count);
    } else {
        build_side(&b, EXPONENTIAL_NEGATIVE, &hist->negative);
        build_side(&b, EXPONENTIAL_POSITIVE, &hist->positive);
        otlp_build_fixed64_field(&b, TAG(EXPONENTIAL_ZERO_COUNT, PB_WIRE_FIXED64),
                                 hist->zero_count);
    }
    build_optional(&b, POINT_SUM, hist->has_sum, hist->sum);
    otlp_build_fixed64_field(&b, TAG(POINT_COUNT, PB_WIRE_FIXED64), hist->count);
    ASSERT(b.err == 0);
    return otlp_build_since(&b, 0);
}
