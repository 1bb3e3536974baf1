/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_text — see prom_write_text.h. Source: Prometheus prompb/remote.proto and types.proto.
 */
#include "tests/support/prom_write_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/number.h"

#define STALE_BITS UINT64_C(0x7FF0000000000002)
#define SPANS_MAX 256

static uint64_t take_varint(struct slice *in)
{
    uint64_t value = 0;
    for (uint32_t shift = 0;; shift += 7) {
        assert_true(in->len > 0);
        assert_true(shift < 64);
        uint8_t byte = in->ptr[0];
        value |= (uint64_t)(byte & 0x7F) << shift;
        *in = slice_from(*in, 1);
        if (byte < 0x80) {
            return value;
        }
    }
}

static uint64_t take_fixed64(struct slice *in)
{
    uint64_t value = 0;
    assert_true(in->len >= sizeof(value));
    memcpy(&value, in->ptr, sizeof(value));
    *in = slice_from(*in, sizeof(value));
    return value;
}

static struct slice take_bytes(struct slice *in)
{
    uint64_t len = take_varint(in);
    assert_true(len <= in->len);
    struct slice content = slice_first(*in, (size_t)len);
    *in = slice_from(*in, (size_t)len);
    return content;
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static double double_of(uint64_t bits)
{
    double value = 0;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

__attribute__((format(printf, 2, 3))) static void put(struct bytes *out, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert_in_range(len, 0, sizeof(text) - 1);
    bytes_append(out, text, (size_t)len);
}

/* The shortest text that reads back as the same number. */
static void put_number(struct bytes *out, uint64_t bits)
{
    char text[64];
    double value = double_of(bits);
    double again = 0;
    if (bits == STALE_BITS) {
        put(out, "stale");
        return;
    }
    if (isnan(value) || isinf(value)) {
        const char *sign = value < 0 ? "-" : "";
        put(out, "%s%s", sign, isnan(value) ? "nan" : "inf");
        return;
    }
    for (int precision = 1; precision <= 17; precision++) {
        (void)snprintf(text, sizeof(text), "%.*g", precision, value);
        int err = number_parse_f64(slice_of_text(text), &again); /* rounded up it may not fit */
        if (err == 0 && memcmp(&again, &value, sizeof(value)) == 0) {
            break;
        }
    }
    put(out, "%s", text);
}

static void put_label(struct bytes *out, struct slice in, struct slice *last_name, bool is_first)
{
    assert_int_equal(take_varint(&in), 1 << 3 | 2);
    struct slice name = take_bytes(&in);
    assert_int_equal(take_varint(&in), 2 << 3 | 2);
    struct slice value = take_bytes(&in);
    assert_int_equal(in.len, 0);
    assert_true(name.len > 0);
    assert_true(value.len > 0);
    assert_true(slice_is_utf8(value));
    assert_true(is_first || slice_compare(*last_name, name) < 0);
    *last_name = name;
    put(out, "%s%.*s=\"", is_first ? "" : ",", (int)name.len, (const char *)name.ptr);
    bytes_append(out, value.ptr, value.len);
    put(out, "\"");
}

/* The label fields at the front. Returns how many. */
static size_t put_labels(struct bytes *out, struct slice *in)
{
    struct slice last_name = {0};
    size_t count = 0;
    put(out, "{");
    while (in->len > 0 && in->ptr[0] == (1 << 3 | 2)) {
        (void)take_varint(in);
        put_label(out, take_bytes(in), &last_name, count == 0);
        count++;
    }
    put(out, "}");
    return count;
}

static void put_sample(struct bytes *out, struct slice in)
{
    assert_int_equal(take_varint(&in), 1 << 3 | 1);
    uint64_t bits = take_fixed64(&in);
    assert_int_equal(take_varint(&in), 2 << 3 | 0);
    int64_t time_ms = (int64_t)take_varint(&in);
    assert_int_equal(in.len, 0);
    put(out, " ");
    put_number(out, bits);
    put(out, "@%" PRId64, time_ms);
}

static void put_exemplar(struct bytes *out, struct slice in)
{
    put(out, " #");
    (void)put_labels(out, &in);
    assert_int_equal(take_varint(&in), 2 << 3 | 1);
    put_number(out, take_fixed64(&in));
    assert_int_equal(take_varint(&in), 3 << 3 | 0);
    put(out, "@%" PRId64, (int64_t)take_varint(&in));
    assert_int_equal(in.len, 0);
}

/* --- native histograms ------------------------------------------------------------------------ */

/* Spans and deltas of one sign, and the sum of its counts. */
struct side {
    char spans[SPANS_MAX * 24];
    uint64_t span_buckets;
    struct slice deltas;
};

static void take_span(struct side *side, struct slice in)
{
    assert_int_equal(take_varint(&in), 1 << 3 | 0);
    int64_t offset = unzigzag(take_varint(&in));
    assert_int_equal(take_varint(&in), 2 << 3 | 0);
    uint64_t length = take_varint(&in);
    assert_int_equal(in.len, 0);
    size_t used = strlen(side->spans);
    (void)snprintf(side->spans + used, sizeof(side->spans) - used, "(%" PRId64 ",%" PRIu64 ")",
                   offset, length);
    side->span_buckets += length;
}

/* As counts, which must not be negative. */
static uint64_t put_side(struct bytes *out, const char *key, const struct side *side)
{
    struct slice in = side->deltas;
    int64_t count = 0;
    uint64_t total = 0;
    uint64_t bucket_count = 0;
    if (side->span_buckets == 0) {
        return 0;
    }
    put(out, " %s=", key);
    bytes_append(out, side->spans, strlen(side->spans));
    while (in.len > 0) {
        count += unzigzag(take_varint(&in));
        assert_true(count >= 0);
        put(out, "%s%" PRId64, bucket_count > 0 ? "," : "", count);
        total += (uint64_t)count;
        bucket_count++;
    }
    assert_int_equal(bucket_count, side->span_buckets);
    return total;
}

struct histogram {
    uint64_t count;
    uint64_t sum_bits;
    int64_t schema;
    double zero_threshold;
    uint64_t zero_count;
    int64_t time_ms;
    struct side negative;
    struct side positive;
};

static void take_histogram_field(struct histogram *h, struct slice *in)
{
    switch (take_varint(in)) {
    case 1 << 3 | 0:
        h->count = take_varint(in);
        break;
    case 3 << 3 | 1:
        h->sum_bits = take_fixed64(in);
        break;
    case 4 << 3 | 0:
        h->schema = unzigzag(take_varint(in));
        break;
    case 5 << 3 | 1:
        h->zero_threshold = double_of(take_fixed64(in));
        break;
    case 6 << 3 | 0:
        h->zero_count = take_varint(in);
        break;
    case 8 << 3 | 2:
        take_span(&h->negative, take_bytes(in));
        break;
    case 9 << 3 | 2:
        h->negative.deltas = take_bytes(in);
        break;
    case 11 << 3 | 2:
        take_span(&h->positive, take_bytes(in));
        break;
    case 12 << 3 | 2:
        h->positive.deltas = take_bytes(in);
        break;
    case 15 << 3 | 0:
        h->time_ms = (int64_t)take_varint(in);
        break;
    default:
        fail_msg("a field that a histogram does not have");
    }
}

static void put_histogram(struct bytes *out, struct slice in)
{
    static struct histogram h;
    h = (struct histogram){0};
    while (in.len > 0) {
        take_histogram_field(&h, &in);
    }
    put(out, " h[schema=%" PRId64 " count=%" PRIu64 " sum=", h.schema, h.count);
    put_number(out, h.sum_bits);
    put(out, " zt=%g zero=%" PRIu64, h.zero_threshold, h.zero_count);
    uint64_t total = put_side(out, "pos", &h.positive);
    total += put_side(out, "neg", &h.negative) + h.zero_count;
    bool is_exact = !isnan(double_of(h.sum_bits));
    assert_true(is_exact ? total == h.count : total <= h.count);
    put(out, " @%" PRId64 "]", h.time_ms);
}

/* --- the request ------------------------------------------------------------------------------ */

static size_t put_series(struct bytes *out, struct slice in)
{
    size_t start = out->len;
    size_t sample_count = 0;
    assert_true(put_labels(out, &in) > 0);
    struct slice labels = slice_of(out->ptr + start, out->len - start);
    assert_non_null(memmem(labels.ptr, labels.len, "__name__=", 9));
    while (in.len > 0) {
        uint64_t tag = take_varint(&in);
        struct slice field = take_bytes(&in);
        if (tag == (2 << 3 | 2)) {
            put_sample(out, field);
            sample_count++;
        } else if (tag == (3 << 3 | 2)) {
            put_exemplar(out, field);
        } else {
            assert_int_equal(tag, 4 << 3 | 2);
            put_histogram(out, field);
            sample_count++;
        }
    }
    assert_true(sample_count > 0);
    put(out, "\n");
    return sample_count;
}

static void put_metadata(struct bytes *out, struct slice in)
{
    static const char *const types[] = {"unknown",        "counter", "gauge", "histogram",
                                        "gaugehistogram", "summary", "info",  "stateset"};
    struct slice texts[6] = {{0}};
    uint64_t type = 0;
    while (in.len > 0) {
        uint64_t tag = take_varint(&in);
        if (tag == (1 << 3 | 0)) {
            type = take_varint(&in);
            assert_in_range(type, 0, 7);
            continue;
        }
        assert_int_equal(tag & 7, 2);
        assert_in_range(tag >> 3, 2, 5);
        texts[tag >> 3] = take_bytes(&in);
    }
    put(out, "meta %s ", types[type]);
    bytes_append(out, texts[2].ptr, texts[2].len);
    put(out, " \"");
    bytes_append(out, texts[4].ptr, texts[4].len);
    put(out, "\" \"");
    bytes_append(out, texts[5].ptr, texts[5].len);
    put(out, "\"\n");
}

struct prom_write_counts prom_write_text(struct slice request, struct bytes *out)
{
    struct prom_write_counts counts = {0};
    assert_true(request.len > 0);
    while (request.len > 0) {
        uint64_t tag = take_varint(&request);
        struct slice field = take_bytes(&request);
        if (tag == (1 << 3 | 2)) {
            counts.sample_count += put_series(out, field);
            counts.series_count++;
        } else {
            assert_int_equal(tag, 3 << 3 | 2);
            put_metadata(out, field);
            counts.metadata_count++;
        }
    }
    assert_int_equal(out->err, 0);
    return counts;
}
