/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_point — see emf_point.h. Numbers of fields: opentelemetry.proto.metrics.v1.
 */
#include "codecs/emf_point.h"

#include <string.h>

#include "core/otlp/otlp_attr.h"
#include "core/otlp/otlp_field.h"

/* DataPointFlags: the series has ended. */
#define FLAG_NO_RECORDED_VALUE 1u

/* The same in every kind of point. */
enum {
    POINT_TIME = 3,
    NUMBER_DOUBLE = 4,
    NUMBER_INTEGER = 6,
    NUMBER_FLAGS = 8, /* of summaries too */
    STATS_COUNT = 4,
    STATS_SUM = 5,
    HISTOGRAM_FLAGS = 10, /* of both kinds */
    HISTOGRAM_MIN = 11,
    HISTOGRAM_MAX = 12,
    EXPHIST_SCALE = 6,
    EXPHIST_ZERO_COUNT = 7,
    EXPHIST_POSITIVE = 8,
    EXPHIST_NEGATIVE = 9,
    EXPHIST_MIN = 12,
    EXPHIST_MAX = 13,
    SUMMARY_QUANTILES = 6,
    QUANTILE_QUANTILE = 1,
    QUANTILE_VALUE = 2,
};

static double f64_of(const struct otlp_field *field)
{
    uint64_t bits = otlp_field_u64(field);
    double value = 0;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void take_flags(struct emf_point *out, const struct otlp_field *field)
{
    out->has_no_value = (otlp_field_u64(field) & FLAG_NO_RECORDED_VALUE) != 0;
}

static void take_min(struct emf_point *out, const struct otlp_field *field)
{
    out->min = f64_of(field);
    out->has_min = true;
}

static void take_max(struct emf_point *out, const struct otlp_field *field)
{
    out->max = f64_of(field);
    out->has_max = true;
}

static void take_number(struct emf_point *out, const struct otlp_field *field)
{
    switch (field->number) {
    case NUMBER_DOUBLE:
        out->number = (struct otlp_number){.f64 = f64_of(field)};
        out->has_number = true;
        break;
    case NUMBER_INTEGER:
        out->number =
            (struct otlp_number){.i64 = (int64_t)otlp_field_u64(field), .is_integer = true};
        out->has_number = true;
        break;
    case NUMBER_FLAGS:
        take_flags(out, field);
        break;
    default:
        break;
    }
}

/* What histograms and summaries share. */
static void take_stats(struct emf_point *out, const struct otlp_field *field)
{
    if (field->number == STATS_COUNT) {
        out->count = otlp_field_u64(field);
    } else if (field->number == STATS_SUM) {
        out->sum = f64_of(field);
    }
}

static void take_histogram(struct emf_point *out, const struct otlp_field *field)
{
    switch (field->number) {
    case HISTOGRAM_FLAGS:
        take_flags(out, field);
        break;
    case HISTOGRAM_MIN:
        take_min(out, field);
        break;
    case HISTOGRAM_MAX:
        take_max(out, field);
        break;
    default:
        take_stats(out, field);
        break;
    }
}

static int32_t zigzag_of(const struct otlp_field *field)
{
    uint32_t bits = (uint32_t)otlp_field_u64(field);
    return (int32_t)(bits >> 1 ^ (0 - (bits & 1)));
}

static void take_exphist(struct emf_point *out, const struct otlp_field *field)
{
    switch (field->number) {
    case EXPHIST_SCALE:
        out->scale = zigzag_of(field);
        break;
    case EXPHIST_ZERO_COUNT:
        out->zero_count = otlp_field_u64(field);
        break;
    case EXPHIST_POSITIVE:
        out->positive = field->content;
        break;
    case EXPHIST_NEGATIVE:
        out->negative = field->content;
        break;
    case HISTOGRAM_FLAGS:
        take_flags(out, field);
        break;
    case EXPHIST_MIN:
        take_min(out, field);
        break;
    case EXPHIST_MAX:
        take_max(out, field);
        break;
    default:
        take_stats(out, field);
        break;
    }
}

static void take_field(enum otlp_data data, struct emf_point *out, const struct otlp_field *field)
{
    switch (data) {
    case OTLP_DATA_GAUGE:
    case OTLP_DATA_SUM:
        take_number(out, field);
        break;
    case OTLP_DATA_HISTOGRAM:
        take_histogram(out, field);
        break;
    case OTLP_DATA_EXPHIST:
        take_exphist(out, field);
        break;
    case OTLP_DATA_SUMMARY:
        if (field->number == NUMBER_FLAGS) {
            take_flags(out, field);
        } else {
            take_stats(out, field);
        }
        break;
    }
}

void emf_point_read(enum otlp_data data, struct slice content, struct emf_point *out,
                    struct emf_labels *labels, struct arena *arena)
{
    const uint32_t attrs_number = otlp_item_attrs(SIGNAL_METRICS, data);
    struct pb_reader in = pb_reader_of(content);
    struct otlp_field field;
    *out = (struct emf_point){0};
    while (otlp_field_next(&in, &field)) {
        if (field.number == attrs_number) {
            struct otlp_attr attr = otlp_attr_read(field.content);
            emf_labels_add_attr(labels, &attr, arena);
        } else if (field.number == POINT_TIME) {
            out->time_unix_ns = otlp_field_u64(&field);
        } else {
            take_field(data, out, &field);
        }
    }
}

bool emf_point_next_quantile(struct pb_reader *in, struct otlp_quantile *out)
{
    struct otlp_field field;
    if (!otlp_child_next(in, SUMMARY_QUANTILES, &field)) {
        return false;
    }
    struct pb_reader inner = pb_reader_of(field.content);
    *out = (struct otlp_quantile){0};
    while (otlp_field_next(&inner, &field)) {
        if (field.number == QUANTILE_QUANTILE) {
            out->quantile = f64_of(&field);
        } else if (field.number == QUANTILE_VALUE) {
            out->value = f64_of(&field);
        }
    }
    return true;
}
