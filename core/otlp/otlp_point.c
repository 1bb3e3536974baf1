/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_point — one data point, or the metric around points, last field first.
 *
 * The order of the calls is the wire order reversed. Tags stand as in metrics.proto: attributes
 * have a different number in each kind of point, and only exponential histograms use varints for
 * counts. Source: opentelemetry.proto.metrics.v1.
 */
#include "core/otlp/otlp_point.h"

#include <string.h>

enum {
    TAG_METRIC = 0x12, /* ScopeMetrics 2 */
    TAG_METRIC_NAME = 0x0A,
    TAG_METRIC_DESCRIPTION = 0x12,
    TAG_METRIC_UNIT = 0x1A,
    TAG_DATA_POINT = 0x0A, /* field 1 of every kind of data */
    TAG_TEMPORALITY = 0x10,
    TAG_MONOTONIC = 0x18,

    /* The same in all kinds of points. */
    TAG_POINT_START = 0x11,
    TAG_POINT_TIME = 0x19,
    TAG_POINT_COUNT = 0x21,
    TAG_POINT_SUM = 0x29,

    TAG_NUMBER_DOUBLE = 0x21,
    TAG_NUMBER_INTEGER = 0x31,
    TAG_NUMBER_ATTRIBUTE = 0x3A,

    TAG_HISTOGRAM_COUNTS = 0x32,
    TAG_HISTOGRAM_BOUNDS = 0x3A,
    TAG_HISTOGRAM_ATTRIBUTE = 0x4A,
    TAG_HISTOGRAM_MIN = 0x59,
    TAG_HISTOGRAM_MAX = 0x61,

    TAG_EXPHIST_ATTRIBUTE = 0x0A,
    TAG_EXPHIST_SCALE = 0x30,
    TAG_EXPHIST_ZERO_COUNT = 0x39,
    TAG_EXPHIST_POSITIVE = 0x42,
    TAG_EXPHIST_NEGATIVE = 0x4A,
    TAG_EXPHIST_MIN = 0x61,
    TAG_EXPHIST_MAX = 0x69,
    TAG_EXPHIST_ZERO_THRESHOLD = 0x71,
    TAG_BUCKETS_OFFSET = 0x08,
    TAG_BUCKETS_COUNTS = 0x12,

    TAG_SUMMARY_QUANTILE = 0x32,
    TAG_SUMMARY_ATTRIBUTE = 0x3A,
    TAG_QUANTILE_QUANTILE = 0x09,
    TAG_QUANTILE_VALUE = 0x11,
};

/* The times, then (on the wire, before them) the attributes, then the point's own head. */
static void close_point(struct otlp_build *b, size_t mark, const struct otlp_point *point,
                        uint32_t attribute_tag)
{
    otlp_build_fixed64_field(b, TAG_POINT_TIME, point->time_unix_ns);
    if (point->start_unix_ns != 0) {
        otlp_build_fixed64_field(b, TAG_POINT_START, point->start_unix_ns);
    }
    otlp_build_attributes(b, attribute_tag, point->attrs, point->attr_count);
    otlp_build_close(b, mark, TAG_DATA_POINT);
}

void otlp_build_number(struct otlp_build *b, const struct otlp_point *point,
                       struct otlp_number value)
{
    size_t mark = otlp_build_mark(b);
    if (value.is_integer) {
        otlp_build_fixed64_field(b, TAG_NUMBER_INTEGER, (uint64_t)value.i64);
    } else {
        otlp_build_double_field(b, TAG_NUMBER_DOUBLE, value.f64);
    }
    close_point(b, mark, point, TAG_NUMBER_ATTRIBUTE);
}

/* Eight-byte values, packed, as they lie in memory. */
static void build_packed(struct otlp_build *b, uint32_t tag, const void *values, size_t count)
{
    size_t mark = otlp_build_mark(b);
    otlp_build_bytes(b, values, count * sizeof(uint64_t));
    otlp_build_close(b, mark, tag);
}

void otlp_build_histogram(struct otlp_build *b, const struct otlp_point *point,
                          const struct otlp_histogram *hist)
{
    ASSERT(hist->counts != NULL || hist->bound_count == 0);
    size_t mark = otlp_build_mark(b);
    if (hist->has_minmax) {
        otlp_build_double_field(b, TAG_HISTOGRAM_MAX, hist->max);
        otlp_build_double_field(b, TAG_HISTOGRAM_MIN, hist->min);
    }
    if (hist->bound_count > 0) {
        build_packed(b, TAG_HISTOGRAM_BOUNDS, hist->bounds, hist->bound_count);
    }
    if (hist->counts != NULL) {
        build_packed(b, TAG_HISTOGRAM_COUNTS, hist->counts, hist->bound_count + 1);
    }
    if (hist->has_sum) {
        otlp_build_double_field(b, TAG_POINT_SUM, hist->sum);
    }
    otlp_build_fixed64_field(b, TAG_POINT_COUNT, hist->count);
    close_point(b, mark, point, TAG_HISTOGRAM_ATTRIBUTE);
}

static void build_buckets(struct otlp_build *b, uint32_t tag, const struct otlp_buckets *buckets)
{
    if (buckets->count == 0) {
        return;
    }
    size_t mark = otlp_build_mark(b);
    for (uint32_t i = buckets->count; i > 0; i--) {
        otlp_build_varint(b, buckets->counts[i - 1]);
    }
    otlp_build_close(b, mark, TAG_BUCKETS_COUNTS);
    if (buckets->offset != 0) {
        otlp_build_sint_field(b, TAG_BUCKETS_OFFSET, buckets->offset);
    }
    otlp_build_close(b, mark, tag);
}

void otlp_build_exphist(struct otlp_build *b, const struct otlp_point *point,
                        const struct otlp_exphist *hist)
{
    size_t mark = otlp_build_mark(b);
    if (hist->zero_threshold > 0) {
        otlp_build_double_field(b, TAG_EXPHIST_ZERO_THRESHOLD, hist->zero_threshold);
    }
    if (hist->has_minmax) {
        otlp_build_double_field(b, TAG_EXPHIST_MAX, hist->max);
        otlp_build_double_field(b, TAG_EXPHIST_MIN, hist->min);
    }
    build_buckets(b, TAG_EXPHIST_NEGATIVE, &hist->negative);
    build_buckets(b, TAG_EXPHIST_POSITIVE, &hist->positive);
    if (hist->zero_count != 0) {
        otlp_build_fixed64_field(b, TAG_EXPHIST_ZERO_COUNT, hist->zero_count);
    }
    if (hist->scale != 0) {
        otlp_build_sint_field(b, TAG_EXPHIST_SCALE, hist->scale);
    }
    if (hist->has_sum) {
        otlp_build_double_field(b, TAG_POINT_SUM, hist->sum);
    }
    otlp_build_fixed64_field(b, TAG_POINT_COUNT, hist->count);
    close_point(b, mark, point, TAG_EXPHIST_ATTRIBUTE);
}

void otlp_build_summary(struct otlp_build *b, const struct otlp_point *point,
                        const struct otlp_summary *summary)
{
    size_t mark = otlp_build_mark(b);
    for (size_t i = summary->quantile_count; i > 0; i--) {
        size_t inner_mark = otlp_build_mark(b);
        otlp_build_double_field(b, TAG_QUANTILE_VALUE, summary->quantiles[i - 1].value);
        otlp_build_double_field(b, TAG_QUANTILE_QUANTILE, summary->quantiles[i - 1].quantile);
        otlp_build_close(b, inner_mark, TAG_SUMMARY_QUANTILE);
    }
    otlp_build_double_field(b, TAG_POINT_SUM, summary->sum);
    otlp_build_fixed64_field(b, TAG_POINT_COUNT, summary->count);
    close_point(b, mark, point, TAG_SUMMARY_ATTRIBUTE);
}

/* What a Sum or a histogram says about its points; read before them. */
static void build_kind(struct otlp_build *b, const struct otlp_metric *metric)
{
    switch (metric->data) {
    case OTLP_DATA_SUM:
        if (metric->is_monotonic) {
            otlp_build_varint_field(b, TAG_MONOTONIC, 1);
        }
        otlp_build_varint_field(b, TAG_TEMPORALITY, (uint64_t)metric->temporality);
        break;
    case OTLP_DATA_HISTOGRAM:
    case OTLP_DATA_EXPHIST:
        otlp_build_varint_field(b, TAG_TEMPORALITY, (uint64_t)metric->temporality);
        break;
    case OTLP_DATA_GAUGE:
    case OTLP_DATA_SUMMARY:
        break;
    }
}

void otlp_build_metric(struct otlp_build *b, size_t mark, const struct otlp_metric *metric)
{
    ASSERT(metric->name.len > 0);
    build_kind(b, metric);
    otlp_build_close(b, mark, (uint32_t)metric->data << 3 | 2);
    if (metric->unit.len > 0) {
        otlp_build_text_field(b, TAG_METRIC_UNIT, metric->unit);
    }
    if (metric->description.len > 0) {
        otlp_build_text_field(b, TAG_METRIC_DESCRIPTION, metric->description);
    }
    otlp_build_text_field(b, TAG_METRIC_NAME, metric->name);
    otlp_build_close(b, mark, TAG_METRIC);
}
