/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_wire — lengths are computed before the bytes they stand in front of are written.
 *
 * Native histograms are sparse: runs of buckets ("spans", each by its distance from the last one)
 * and the difference of each count from the one before. Source: Prometheus prompb/types.proto.
 */
#include "codecs/prom_write_wire.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/number.h"

/* Fields of Label, Sample, Exemplar, Histogram, BucketSpan and MetricMetadata. */
enum wire_tag {
    TAG_LABEL = 0x0A,
    TAG_LABEL_NAME = 0x0A,
    TAG_LABEL_VALUE = 0x12,
    TAG_SAMPLE = 0x12,
    TAG_SAMPLE_VALUE = 0x09,
    TAG_SAMPLE_TIME = 0x10,
    TAG_EXEMPLAR = 0x1A,
    TAG_EXEMPLAR_VALUE = 0x11,
    TAG_EXEMPLAR_TIME = 0x18,
    TAG_HISTOGRAM = 0x22,
    TAG_HISTOGRAM_COUNT = 0x08,
    TAG_HISTOGRAM_SUM = 0x19,
    TAG_HISTOGRAM_SCHEMA = 0x20,
    TAG_HISTOGRAM_ZERO_THRESHOLD = 0x29,
    TAG_HISTOGRAM_ZERO_COUNT = 0x30,
    TAG_HISTOGRAM_NEGATIVE_SPANS = 0x42,
    TAG_HISTOGRAM_NEGATIVE_DELTAS = 0x4A,
    TAG_HISTOGRAM_POSITIVE_SPANS = 0x5A,
    TAG_HISTOGRAM_POSITIVE_DELTAS = 0x62,
    TAG_HISTOGRAM_TIME = 0x78,
    TAG_SPAN_OFFSET = 0x08,
    TAG_SPAN_LENGTH = 0x10,
    TAG_METADATA_TYPE = 0x08,
    TAG_METADATA_NAME = 0x12,
    TAG_METADATA_HELP = 0x22,
    TAG_METADATA_UNIT = 0x2A,
};

/* What native histograms have. */
#define SCHEMA_MIN (-4)
#define SCHEMA_MAX 8
/* So many empty buckets are cheaper than a new span. */
#define GAP_MAX 2
/* Where the point says nothing: the zero bucket of the Collector's translation. */
#define ZERO_THRESHOLD_DEFAULT 1e-128
#define VARINT_MAX_BYTES 10

/* The generator's names, shorter. */
#define METRICS(name) Opentelemetry__Proto__Metrics__V1__##name

/* --- scalars ---------------------------------------------------------------------------------- */

size_t prom_wire_varint_bytes(uint64_t value)
{
    size_t count = 1;
    while (value >= 0x80) {
        value >>= 7;
        count++;
    }
    return count;
}

/* Returns where it ends. */
static uint8_t *write_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static void put_varint(struct bytes *out, uint64_t value)
{
    uint8_t text[VARINT_MAX_BYTES];
    bytes_append(out, text, (size_t)(write_varint(text, value) - text));
}

static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static void put_varint_field(struct bytes *out, uint32_t tag, uint64_t value)
{
    put_varint(out, tag);
    put_varint(out, value);
}

static void put_bits_field(struct bytes *out, uint32_t tag, uint64_t bits)
{
    uint8_t text[8];
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (uint8_t)(bits >> (8 * i));
    }
    put_varint(out, tag);
    bytes_append(out, text, sizeof(text));
}

static uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

void prom_wire_head(struct bytes *out, uint32_t tag, uint64_t len)
{
    put_varint(out, tag);
    put_varint(out, len);
}

static void put_text_field(struct bytes *out, uint32_t tag, struct slice text)
{
    if (text.len > 0) {
        prom_wire_head(out, tag, text.len);
        bytes_append(out, text.ptr, text.len);
    }
}

/* Of a length-delimited field whose tag is a single byte. */
static size_t field_bytes(size_t len)
{
    return 1 + prom_wire_varint_bytes(len) + len;
}

/* --- series ----------------------------------------------------------------------------------- */

static uint8_t *write_text(uint8_t *at, struct slice text)
{
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    return at + text.len;
}

/* Room is made once: most of a request is labels. */
void prom_wire_label_joined(struct bytes *out, struct slice name, struct slice first,
                            struct slice second)
{
    size_t value_len = first.len + second.len;
    size_t content_len = field_bytes(name.len) + field_bytes(value_len);
    size_t len = field_bytes(content_len);
    if (out->err == 0) {
        out->err = bytes_reserve(out, len);
    }
    if (out->err != 0) {
        return;
    }
    uint8_t *at = out->ptr + out->len;
    *at++ = TAG_LABEL;
    at = write_varint(at, content_len);
    *at++ = TAG_LABEL_NAME;
    at = write_varint(at, name.len);
    at = write_text(at, name);
    *at++ = TAG_LABEL_VALUE;
    at = write_varint(at, value_len);
    at = write_text(at, first);
    at = write_text(at, second);
    out->len += len;
    ASSERT(at == out->ptr + out->len);
}

void prom_wire_label(struct bytes *out, struct slice name, struct slice value)
{
    prom_wire_label_joined(out, name, value, (struct slice){0});
}

void prom_wire_sample(struct bytes *out, uint64_t value_bits, int64_t time_ms)
{
    prom_wire_head(out, TAG_SAMPLE, 1 + 8 + 1 + prom_wire_varint_bytes((uint64_t)time_ms));
    put_bits_field(out, TAG_SAMPLE_VALUE, value_bits);
    put_varint_field(out, TAG_SAMPLE_TIME, (uint64_t)time_ms);
}

void prom_wire_exemplar(struct bytes *out, struct slice labels, double value, int64_t time_ms)
{
    size_t time_bytes = 1 + prom_wire_varint_bytes((uint64_t)time_ms);
    prom_wire_head(out, TAG_EXEMPLAR, labels.len + 1 + 8 + time_bytes);
    bytes_append(out, labels.ptr, labels.len);
    put_bits_field(out, TAG_EXEMPLAR_VALUE, bits_of(value));
    put_varint_field(out, TAG_EXEMPLAR_TIME, (uint64_t)time_ms);
}

/* --- native histograms ------------------------------------------------------------------------ */

struct span {
    int32_t offset;
    uint32_t length;
};

/* The buckets of one sign. In the arena. */
struct side {
    struct span *spans;
    int64_t *deltas;
    size_t span_count;
    size_t delta_count;
    uint64_t last_count; /* of the bucket appended last */
    uint64_t total;
};

/* Which bucket the one of `index` becomes where 2^shift of them are one. */
static int64_t merged_index(int64_t index, uint32_t shift)
{
    int64_t width = INT64_C(1) << shift;
    return index >= 0 ? index / width : -((-index + width - 1) / width);
}

static void append_bucket(struct side *side, uint64_t count)
{
    side->spans[side->span_count - 1].length++;
    side->deltas[side->delta_count++] = (int64_t)(count - side->last_count);
    side->last_count = count;
}

/* `dense` are `dense_count` merged buckets, the first of which is Prometheus' `first_index`. */
static void lay_out(struct side *side, const uint64_t *dense, size_t dense_count,
                    int32_t first_index)
{
    size_t next = 0; /* of dense, behind the last bucket that was appended */
    for (size_t i = 0; i < dense_count; i++) {
        if (dense[i] == 0) {
            continue;
        }
        size_t gap = i - next;
        if (side->span_count == 0) {
            side->spans[side->span_count++] = (struct span){.offset = first_index + (int32_t)i};
        } else if (gap > GAP_MAX) {
            side->spans[side->span_count++] = (struct span){.offset = (int32_t)gap};
        } else {
            for (size_t empty = 0; empty < gap; empty++) {
                append_bucket(side, 0);
            }
        }
        append_bucket(side, dense[i]);
        side->total += dense[i];
        next = i + 1;
    }
}

static int read_side(const struct METRICS(ExponentialHistogramDataPoint__Buckets) * buckets,
                     uint32_t shift, struct arena *arena, struct side *side)
{
    *side = (struct side){0};
    size_t count = buckets != NULL ? buckets->n_bucket_counts : 0;
    if (count == 0) {
        return 0;
    }
    int64_t first = merged_index(buckets->offset, shift);
    int64_t last = merged_index(buckets->offset + ((int64_t)count - 1), shift);
    /* Theirs is the bucket above its bound, Prometheus' the one below: one more. */
    if (first + 1 < INT32_MIN || last + 1 > INT32_MAX) {
        return FAULT_MALFORMED;
    }
    size_t dense_count = (size_t)(last - first + 1);
    uint64_t *dense = arena_alloc_array(arena, dense_count, sizeof(dense[0]));
    side->spans = arena_alloc_array(arena, dense_count, sizeof(side->spans[0]));
    side->deltas = arena_alloc_array(arena, dense_count, sizeof(side->deltas[0]));
    if (dense == NULL || side->spans == NULL || side->deltas == NULL) {
        return -ENOMEM;
    }
    memset(dense, 0, dense_count * sizeof(dense[0]));
    for (size_t i = 0; i < count; i++) {
        int64_t index = merged_index(buckets->offset + (int64_t)i, shift);
        dense[index - first] += buckets->bucket_counts[i];
    }
    lay_out(side, dense, dense_count, (int32_t)(first + 1));
    return 0;
}

static size_t span_bytes(struct span span)
{
    return 2 + prom_wire_varint_bytes(zigzag(span.offset)) + prom_wire_varint_bytes(span.length);
}

static size_t deltas_bytes(const struct side *side)
{
    size_t bytes = 0;
    for (size_t i = 0; i < side->delta_count; i++) {
        bytes += prom_wire_varint_bytes(zigzag(side->deltas[i]));
    }
    return bytes;
}

static size_t side_bytes(const struct side *side)
{
    size_t bytes = side->delta_count > 0 ? field_bytes(deltas_bytes(side)) : 0;
    for (size_t i = 0; i < side->span_count; i++) {
        bytes += field_bytes(span_bytes(side->spans[i]));
    }
    return bytes;
}

static void put_side(struct bytes *out, const struct side *side, uint32_t spans_tag,
                     uint32_t deltas_tag)
{
    for (size_t i = 0; i < side->span_count; i++) {
        prom_wire_head(out, spans_tag, span_bytes(side->spans[i]));
        put_varint_field(out, TAG_SPAN_OFFSET, zigzag(side->spans[i].offset));
        put_varint_field(out, TAG_SPAN_LENGTH, side->spans[i].length);
    }
    if (side->delta_count > 0) {
        prom_wire_head(out, deltas_tag, deltas_bytes(side));
    }
    for (size_t i = 0; i < side->delta_count; i++) {
        put_varint(out, zigzag(side->deltas[i]));
    }
}

/* Everything of a histogram but its buckets. */
struct histogram_head {
    uint64_t count;
    uint64_t sum_bits;
    int32_t schema;
    double zero_threshold;
    uint64_t zero_count;
    int64_t time_ms;
};

static void put_histogram(struct bytes *out, const struct histogram_head *head,
                          const struct side *negative, const struct side *positive)
{
    size_t len = 1 + prom_wire_varint_bytes(head->count) + 9 + 1 +
                 prom_wire_varint_bytes(zigzag(head->schema)) + 9 + 1 +
                 prom_wire_varint_bytes(head->zero_count) + side_bytes(negative) +
                 side_bytes(positive) + 1 + prom_wire_varint_bytes((uint64_t)head->time_ms);
    prom_wire_head(out, TAG_HISTOGRAM, len);
    size_t start = out->len;
    put_varint_field(out, TAG_HISTOGRAM_COUNT, head->count);
    put_bits_field(out, TAG_HISTOGRAM_SUM, head->sum_bits);
    put_varint_field(out, TAG_HISTOGRAM_SCHEMA, zigzag(head->schema));
    put_bits_field(out, TAG_HISTOGRAM_ZERO_THRESHOLD, bits_of(head->zero_threshold));
    put_varint_field(out, TAG_HISTOGRAM_ZERO_COUNT, head->zero_count);
    put_side(out, negative, TAG_HISTOGRAM_NEGATIVE_SPANS, TAG_HISTOGRAM_NEGATIVE_DELTAS);
    put_side(out, positive, TAG_HISTOGRAM_POSITIVE_SPANS, TAG_HISTOGRAM_POSITIVE_DELTAS);
    put_varint_field(out, TAG_HISTOGRAM_TIME, (uint64_t)head->time_ms);
    ASSERT(out->err != 0 || out->len - start == len);
}

void prom_wire_stale_histogram(struct bytes *out, int64_t time_ms)
{
    const struct side none = {0};
    const struct histogram_head head = {
        .sum_bits = PROM_STALE_BITS, .zero_threshold = ZERO_THRESHOLD_DEFAULT, .time_ms = time_ms};
    put_histogram(out, &head, &none, &none);
}

/* As Prometheus checks it; what was observed as NaN is in the count and in no bucket. */
static bool adds_up(const struct METRICS(ExponentialHistogramDataPoint) * point,
                    uint64_t bucket_total)
{
    bool has_nan = point->has_sum != 0 && isnan(point->sum);
    return has_nan ? bucket_total <= point->count : bucket_total == point->count;
}

int prom_wire_histogram(struct bytes *out,
                        const struct METRICS(ExponentialHistogramDataPoint) * point,
                        int64_t time_ms, struct arena *arena)
{
    if (point->scale < SCHEMA_MIN) {
        return FAULT_UNSUPPORTED;
    }
    int32_t schema = point->scale < SCHEMA_MAX ? point->scale : SCHEMA_MAX;
    /* An offset has 32 bits: a wider shift leaves -1 and 0 all the same. */
    uint32_t shift = (uint32_t)(point->scale - schema);
    shift = shift < 40 ? shift : 40;
    struct side negative = {0};
    struct side positive = {0};
    int err = read_side(point->negative, shift, arena, &negative);
    err = err != 0 ? err : read_side(point->positive, shift, arena, &positive);
    if (err != 0) {
        return err;
    }
    if (!adds_up(point, negative.total + positive.total + point->zero_count)) {
        return FAULT_MALFORMED;
    }
    const struct histogram_head head = {
        .count = point->count,
        .sum_bits = point->has_sum != 0 ? bits_of(point->sum) : 0,
        .schema = schema,
        .zero_threshold =
            point->zero_threshold > 0 ? point->zero_threshold : ZERO_THRESHOLD_DEFAULT,
        .zero_count = point->zero_count,
        .time_ms = time_ms,
    };
    put_histogram(out, &head, &negative, &positive);
    return 0;
}

/* --- the rest --------------------------------------------------------------------------------- */

void prom_wire_metadata(struct bytes *out, const struct prom_wire_metadata *metadata)
{
    put_varint_field(out, TAG_METADATA_TYPE, (uint64_t)metadata->type);
    put_text_field(out, TAG_METADATA_NAME, metadata->name);
    put_text_field(out, TAG_METADATA_HELP, metadata->help);
    put_text_field(out, TAG_METADATA_UNIT, metadata->unit);
}

/* A finite number taken apart: 0.DIGITS × 10^point. */
struct decimal {
    char digits[NUMBER_TEXT_MAX_BYTES];
    size_t count;
    int32_t point;
};

static struct decimal take_apart(const char *text, size_t len)
{
    struct decimal d = {0};
    bool is_fraction = false;
    size_t i = 0;
    for (; i < len && text[i] != 'e'; i++) {
        is_fraction = is_fraction || text[i] == '.';
        if (text[i] >= '0' && text[i] <= '9') {
            d.digits[d.count++] = text[i];
            d.point += is_fraction ? 0 : 1;
        }
    }
    int64_t exponent = 0;
    if (i < len) {
        int err = number_parse_i64(slice_of(text + i + 1, len - i - 1), &exponent);
        ASSERT(err == 0);
    }
    d.point += (int32_t)exponent;
    return d;
}

static void put_zeros(struct bytes *out, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        bytes_append_byte(out, '0');
    }
}

void prom_wire_decimal(struct bytes *out, double value)
{
    if (isnan(value)) {
        bytes_append(out, "NaN", 3);
        return;
    }
    if (isinf(value)) {
        bytes_append(out, value > 0 ? "+Inf" : "-Inf", 4);
        return;
    }
    char text[NUMBER_TEXT_MAX_BYTES];
    size_t len = number_format_f64(value, text, sizeof(text));
    if (memchr(text, 'e', len) == NULL) {
        bytes_append(out, text, len);
        return;
    }
    struct decimal d = take_apart(text, len);
    if (text[0] == '-') {
        bytes_append_byte(out, '-');
    }
    if (d.point <= 0) {
        bytes_append(out, "0.", 2);
        put_zeros(out, -(int64_t)d.point);
        bytes_append(out, d.digits, d.count);
        return;
    }
    size_t whole = (size_t)d.point < d.count ? (size_t)d.point : d.count;
    bytes_append(out, d.digits, whole);
    put_zeros(out, (int64_t)d.point - (int64_t)whole);
    if (whole < d.count) {
        bytes_append_byte(out, '.');
        bytes_append(out, d.digits + whole, d.count - whole);
    }
}
