/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_otlp_point — data points, their last field first.
 *
 * A point without a recorded value keeps its boundaries, so that whoever turns it back into series
 * ends each of them. Source: opentelemetry.proto.metrics.v1.
 */
#include "codecs/prom_otlp_point.h"

#include <string.h>
#include <strings.h>

#define NS_PER_MS UINT64_C(1000000)

enum {
    TAG_DATA_POINT = 0x0A,
    TAG_POINT_START = 0x11,
    TAG_POINT_TIME = 0x19,
    TAG_POINT_COUNT = 0x21,
    TAG_POINT_SUM = 0x29,

    TAG_NUMBER_DOUBLE = 0x21,
    TAG_NUMBER_EXEMPLAR = 0x2A,
    TAG_NUMBER_ATTRIBUTE = 0x3A,
    TAG_NUMBER_FLAGS = 0x40,

    TAG_HISTOGRAM_COUNTS = 0x32,
    TAG_HISTOGRAM_BOUNDS = 0x3A,
    TAG_HISTOGRAM_EXEMPLAR = 0x42,
    TAG_HISTOGRAM_ATTRIBUTE = 0x4A,
    TAG_HISTOGRAM_FLAGS = 0x50,

    TAG_SUMMARY_QUANTILE = 0x32,
    TAG_SUMMARY_ATTRIBUTE = 0x3A,
    TAG_SUMMARY_FLAGS = 0x40,
    TAG_QUANTILE_QUANTILE = 0x09,
    TAG_QUANTILE_VALUE = 0x11,

    TAG_EXEMPLAR_TIME = 0x11,
    TAG_EXEMPLAR_DOUBLE = 0x19,
    TAG_EXEMPLAR_SPAN = 0x22,
    TAG_EXEMPLAR_TRACE = 0x2A,
    TAG_EXEMPLAR_ATTRIBUTE = 0x3A,

    FLAG_NO_RECORDED_VALUE = 1,
};

#define TRACE_ID_BYTES 16
#define SPAN_ID_BYTES 8

static void write_attributes(struct otlp_build *b, uint32_t tag, struct prom_label_view attrs)
{
    for (uint32_t i = attrs.count; i > 0; i--) {
        otlp_build_attribute(b, tag, attrs.items[i - 1].name, attrs.items[i - 1].value);
    }
}

/* What stands in front of the values in all kinds of points, and the point's own head. */
static void close_point(struct otlp_build *b, size_t mark, const struct prom_group *group)
{
    otlp_build_fixed64_field(b, TAG_POINT_TIME, group->time_unix_ms * NS_PER_MS);
    if (group->start_unix_ns != 0) {
        otlp_build_fixed64_field(b, TAG_POINT_START, group->start_unix_ns);
    }
    otlp_build_close(b, mark, TAG_DATA_POINT);
}

static void write_flags(struct otlp_build *b, uint32_t tag, const struct prom_group *group)
{
    if (group->is_ended) {
        otlp_build_varint_field(b, tag, FLAG_NO_RECORDED_VALUE);
    }
}

/* --- exemplars -------------------------------------------------------------------------------- */

static int nibble_of(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (uint8_t)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* An id of exactly `bytes` bytes that is not zero. */
static bool read_id(struct slice text, uint8_t *out, size_t bytes)
{
    uint8_t all = 0;
    if (text.len != 2 * bytes) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        int high = nibble_of(text.ptr[2 * i]);
        int low = nibble_of(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
        all |= out[i];
    }
    return all != 0;
}

static bool is_called(struct slice name, const char *word)
{
    return name.len == strlen(word) && strncasecmp((const char *)name.ptr, word, name.len) == 0;
}

/* Writes the label as the id it is; false where it is an attribute like others. */
static bool write_id(struct otlp_build *b, struct label label)
{
    uint8_t id[TRACE_ID_BYTES];
    if (is_called(label.name, "trace_id") && read_id(label.value, id, TRACE_ID_BYTES)) {
        otlp_build_text_field(b, TAG_EXEMPLAR_TRACE, slice_of(id, TRACE_ID_BYTES));
        return true;
    }
    if (is_called(label.name, "span_id") && read_id(label.value, id, SPAN_ID_BYTES)) {
        otlp_build_text_field(b, TAG_EXEMPLAR_SPAN, slice_of(id, SPAN_ID_BYTES));
        return true;
    }
    return false;
}

static void write_exemplar(struct otlp_build *b, uint32_t tag,
                           const struct prom_group_exemplar *exemplar)
{
    size_t mark = otlp_build_mark(b);
    for (uint32_t i = exemplar->labels.count; i > 0; i--) {
        struct label label = exemplar->labels.items[i - 1];
        if (label.value.len > 0 && !write_id(b, label)) {
            otlp_build_attribute(b, TAG_EXEMPLAR_ATTRIBUTE, label.name, label.value);
        }
    }
    otlp_build_double_field(b, TAG_EXEMPLAR_DOUBLE, exemplar->value);
    if (exemplar->time_unix_ms != 0) {
        otlp_build_fixed64_field(b, TAG_EXEMPLAR_TIME, exemplar->time_unix_ms * NS_PER_MS);
    }
    otlp_build_close(b, mark, tag);
}

/* The list begins with the newest, so they come out as they stand on the page. */
static void write_exemplars(struct otlp_build *b, uint32_t tag, const struct prom_group *group)
{
    const struct prom_group_exemplar *exemplar = group->exemplars;
    while (exemplar != NULL) {
        write_exemplar(b, tag, exemplar);
        exemplar = exemplar->next;
    }
}

/* --- points ----------------------------------------------------------------------------------- */

static void write_number(struct otlp_build *b, const struct prom_group *group)
{
    size_t mark = otlp_build_mark(b);
    write_flags(b, TAG_NUMBER_FLAGS, group);
    write_attributes(b, TAG_NUMBER_ATTRIBUTE, group->attrs);
    write_exemplars(b, TAG_NUMBER_EXEMPLAR, group);
    if (!group->is_ended) {
        otlp_build_double_field(b, TAG_NUMBER_DOUBLE, group->value);
    }
    close_point(b, mark, group);
}

/* Counts between boundaries, from the counts below them. */
static void write_buckets(struct otlp_build *b, const struct prom_group *group)
{
    size_t mark = otlp_build_mark(b);
    uint64_t above = group->is_ended ? 0 : (uint64_t)group->count;
    for (uint32_t i = group->bound_count; i > 0; i--) {
        uint64_t below = group->is_ended ? 0 : (uint64_t)group->values[i - 1];
        uint64_t count = above - below;
        otlp_build_bytes(b, &count, sizeof(count));
        above = below;
    }
    otlp_build_bytes(b, &above, sizeof(above));
    otlp_build_close(b, mark, TAG_HISTOGRAM_COUNTS);
}

static void write_histogram(struct otlp_build *b, const struct prom_group *group)
{
    size_t mark = otlp_build_mark(b);
    write_flags(b, TAG_HISTOGRAM_FLAGS, group);
    write_attributes(b, TAG_HISTOGRAM_ATTRIBUTE, group->attrs);
    write_exemplars(b, TAG_HISTOGRAM_EXEMPLAR, group);
    if (group->bound_count > 0) {
        size_t inner_mark = otlp_build_mark(b);
        otlp_build_bytes(b, group->boundaries, group->bound_count * sizeof(double));
        otlp_build_close(b, inner_mark, TAG_HISTOGRAM_BOUNDS);
    }
    write_buckets(b, group);
    if (group->has_value && !group->is_ended) {
        otlp_build_double_field(b, TAG_POINT_SUM, group->value);
    }
    otlp_build_fixed64_field(b, TAG_POINT_COUNT, group->is_ended ? 0 : (uint64_t)group->count);
    close_point(b, mark, group);
}

static void write_summary(struct otlp_build *b, const struct prom_group *group)
{
    size_t mark = otlp_build_mark(b);
    write_flags(b, TAG_SUMMARY_FLAGS, group);
    write_attributes(b, TAG_SUMMARY_ATTRIBUTE, group->attrs);
    for (uint32_t i = group->bound_count; i > 0; i--) {
        size_t inner_mark = otlp_build_mark(b);
        if (!group->is_ended) {
            otlp_build_double_field(b, TAG_QUANTILE_VALUE, group->values[i - 1]);
        }
        otlp_build_double_field(b, TAG_QUANTILE_QUANTILE, group->boundaries[i - 1]);
        otlp_build_close(b, inner_mark, TAG_SUMMARY_QUANTILE);
    }
    otlp_build_double_field(b, TAG_POINT_SUM, group->is_ended ? 0 : group->value);
    otlp_build_fixed64_field(b, TAG_POINT_COUNT, group->is_ended ? 0 : (uint64_t)group->count);
    close_point(b, mark, group);
}

void prom_otlp_write_point(struct otlp_build *b, const struct prom_group *group)
{
    ASSERT(!group->is_left_out);
    switch (group->family->shape) {
    case PROM_SHAPE_GAUGE:
    case PROM_SHAPE_SUM:
        write_number(b, group);
        break;
    case PROM_SHAPE_HISTOGRAM:
        write_histogram(b, group);
        break;
    case PROM_SHAPE_SUMMARY:
        write_summary(b, group);
        break;
    }
}
