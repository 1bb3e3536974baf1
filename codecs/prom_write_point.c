/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_point — from the decoded point to the pieces of its series.
 *
 * The labels of a point are put into wire form once; each series of it adds its name, and its
 * bucket or quantile, at the places that were marked there.
 */
#include "codecs/prom_write_point.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "codecs/prom_write_wire.h"
#include "core/base/fault.h"
#include "core/otlp/otlp_metrics.h"
#include "core/otlp/pb_decode.h"

#define METRICS PROM_WRITE_METRICS
#define COMMON(name) Opentelemetry__Proto__Common__V1__##name
#define NS_PER_MS 1000000
/* OpenMetrics bounds what an exemplar may say. */
#define EXEMPLAR_MAX_CHARACTERS 128
/* Hexadecimal of the longest id. */
#define ID_MAX_BYTES 16

/* The point under way. */
struct point_now {
    struct prom_write_group *group; /* NULL before its first series */
    int64_t time_ms;
    bool has_ended;
};

/* What one of its series has beside the labels of the point. */
struct series_name {
    struct slice suffix;
    struct slice reserved; /* "le" or "quantile"; empty for neither */
    struct slice value;    /* of that label */
};

static int64_t ms_of(uint64_t unix_ns)
{
    return (int64_t)(unix_ns / NS_PER_MS);
}

/* --- pieces of a series ----------------------------------------------------------------------- */

/* The series of that name, made if need be; NULL where memory is refused. */
static struct prom_write_series *find_series(struct prom_write *pw, struct point_now *now,
                                             const struct series_name *name)
{
    const struct prom_labels_wire *wire = &pw->wire;
    const uint8_t *labels = wire->bytes.ptr;
    struct bytes *key = &pw->key;
    bytes_clear(key);
    bytes_append(key, labels, wire->name_at);
    prom_wire_label_joined(key, SLICE_LITERAL("__name__"), bytes_slice(&pw->name), name->suffix);
    struct slice rest = slice_from(wire->bytes, wire->name_at);
    size_t until_reserved = wire->reserved_at - wire->name_at;
    bytes_append(key, rest.ptr, until_reserved);
    if (name->reserved.len > 0) {
        prom_wire_label(key, name->reserved, name->value);
    }
    rest = slice_from(rest, until_reserved);
    bytes_append(key, rest.ptr, rest.len);
    bool has_value = name->reserved.len == 0 || pw->text.err == 0; /* see decimal_of */
    if (key->err != 0 || !has_value) {
        return NULL;
    }
    struct prom_write_series *series =
        prom_write_set_find(&pw->series, bytes_slice(key), now->group);
    if (series != NULL) {
        now->group = prom_write_set_join(now->group, series->group);
    }
    return series;
}

/* What pw->piece holds goes into the series. */
static int put_piece(struct prom_write *pw, struct point_now *now, const struct series_name *name,
                     int64_t time_ms)
{
    if (pw->piece.err != 0) {
        return -ENOMEM;
    }
    struct prom_write_series *series = find_series(pw, now, name);
    if (series == NULL) {
        return -ENOMEM;
    }
    return prom_write_set_add(&pw->series, series, time_ms, bytes_slice(&pw->piece));
}

static int put_sample(struct prom_write *pw, struct point_now *now, const struct series_name *name,
                      double value)
{
    uint64_t bits = PROM_STALE_BITS;
    if (!now->has_ended) {
        memcpy(&bits, &value, sizeof(bits));
    }
    bytes_clear(&pw->piece);
    prom_wire_sample(&pw->piece, bits, now->time_ms);
    return put_piece(pw, now, name, now->time_ms);
}

/* The text of a bound or a quantile; borrowed until the next one. Its error stays in pw->text. */
static struct slice decimal_of(struct prom_write *pw, double value)
{
    bytes_clear(&pw->text);
    prom_wire_decimal(&pw->text, value);
    return bytes_slice(&pw->text);
}

/* --- exemplars -------------------------------------------------------------------------------- */

static void add_id(struct prom_labels *labels, struct slice name, struct slice id)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t text[2 * ID_MAX_BYTES];
    uint8_t any_bit = 0;
    if (id.len > ID_MAX_BYTES) {
        return;
    }
    for (size_t i = 0; i < id.len; i++) {
        text[2 * i] = (uint8_t)digits[id.ptr[i] >> 4];
        text[2 * i + 1] = (uint8_t)digits[id.ptr[i] & 0x0F];
        any_bit |= id.ptr[i];
    }
    if (any_bit != 0) {
        prom_labels_add(labels, PROM_LABEL_OWN, name, slice_of(text, 2 * id.len));
    }
}

/* Its labels are those of the trace, and the attributes where all of them are short enough. */
static int find_exemplar_labels(struct prom_write *pw, const struct METRICS(Exemplar) * exemplar,
                                struct prom_labels_wire *out)
{
    struct prom_labels *labels = &pw->exemplar;
    prom_labels_rewind(labels, (struct prom_labels_mark){0});
    add_id(labels, SLICE_LITERAL("trace_id"), pb_slice(exemplar->trace_id));
    add_id(labels, SLICE_LITERAL("span_id"), pb_slice(exemplar->span_id));
    struct prom_labels_mark ids = prom_labels_mark(labels);
    prom_labels_add_attributes(labels, PROM_LABEL_POINT, exemplar->filtered_attributes,
                               exemplar->n_filtered_attributes, &pw->scratch);
    if (labels->text.err != 0 || prom_labels_characters(labels) > EXEMPLAR_MAX_CHARACTERS) {
        prom_labels_rewind(labels, ids);
    }
    return prom_labels_finish_wire(labels, PROM_RESERVED_NONE, out);
}

static double exemplar_value(const struct METRICS(Exemplar) * exemplar)
{
    bool is_integer =
        exemplar->value_case == OPENTELEMETRY__PROTO__METRICS__V1__EXEMPLAR__VALUE_AS_INT;
    return is_integer ? (double)exemplar->as_int : exemplar->as_double;
}

/* An exemplar that cannot be shown is no reason to refuse its point. */
static int put_exemplar(struct prom_write *pw, struct point_now *now,
                        const struct series_name *name, const struct METRICS(Exemplar) * exemplar)
{
    struct prom_labels_wire labels;
    bool has_value =
        exemplar->value_case != OPENTELEMETRY__PROTO__METRICS__V1__EXEMPLAR__VALUE__NOT_SET;
    if (now->has_ended || !has_value || find_exemplar_labels(pw, exemplar, &labels) != 0) {
        return 0;
    }
    int64_t time_ms =
        exemplar->time_unix_nano != 0 ? ms_of(exemplar->time_unix_nano) : now->time_ms;
    bytes_clear(&pw->piece);
    prom_wire_exemplar(&pw->piece, labels.bytes, exemplar_value(exemplar), time_ms);
    return put_piece(pw, now, name, time_ms);
}

/* --- kinds ------------------------------------------------------------------------------------ */

static int put_number(struct prom_write *pw, struct point_now *now,
                      const struct METRICS(NumberDataPoint) * point, bool has_exemplars)
{
    const struct series_name name = {0};
    double value = 0;
    if (point->value_case == OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT) {
        value = (double)point->as_int;
    } else if (point->value_case ==
               OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_DOUBLE) {
        value = point->as_double;
    } else if (!now->has_ended) {
        return FAULT_MALFORMED;
    }
    int err = put_sample(pw, now, &name, value);
    for (size_t i = 0; has_exemplars && err == 0 && i < point->n_exemplars; i++) {
        err = put_exemplar(pw, now, &name, point->exemplars[i]);
    }
    return err;
}

static int put_suffixed(struct prom_write *pw, struct point_now *now, struct slice suffix,
                        double value)
{
    const struct series_name name = {.suffix = suffix};
    return put_sample(pw, now, &name, value);
}

static struct series_name bucket_name(struct prom_write *pw, double bound)
{
    return (struct series_name){.suffix = SLICE_LITERAL("_bucket"),
                                .reserved = SLICE_LITERAL("le"),
                                .value = decimal_of(pw, bound)};
}

/* Bounds that have a count; an infinite one is the last bucket, which always is there. */
static size_t count_bounds(const struct METRICS(HistogramDataPoint) * point)
{
    size_t count = point->n_explicit_bounds < point->n_bucket_counts ? point->n_explicit_bounds
                                                                     : point->n_bucket_counts;
    while (count > 0 && point->explicit_bounds[count - 1] == (double)INFINITY) {
        count--;
    }
    return count;
}

static int put_buckets(struct prom_write *pw, struct point_now *now,
                       const struct METRICS(HistogramDataPoint) * point)
{
    size_t bound_count = count_bounds(point);
    uint64_t below_count = 0;
    int err = 0;
    for (size_t i = 0; err == 0 && i < bound_count; i++) {
        const struct series_name name = bucket_name(pw, point->explicit_bounds[i]);
        below_count += point->bucket_counts[i];
        err = put_sample(pw, now, &name, (double)below_count);
    }
    if (err != 0) {
        return err;
    }
    const struct series_name last = bucket_name(pw, (double)INFINITY);
    return put_sample(pw, now, &last, (double)point->count);
}

/* The bound of the bucket that `value` is in. */
static double bound_above(const struct METRICS(HistogramDataPoint) * point, double value)
{
    size_t first = 0;
    size_t limit = count_bounds(point);
    size_t bound_count = limit;
    while (first < limit) {
        size_t middle = first + (limit - first) / 2;
        bool is_below = point->explicit_bounds[middle] < value;
        first = is_below ? middle + 1 : first;
        limit = is_below ? limit : middle;
    }
    return first < bound_count ? point->explicit_bounds[first] : (double)INFINITY;
}

static int put_histogram(struct prom_write *pw, struct point_now *now,
                         const struct METRICS(HistogramDataPoint) * point)
{
    int err = put_suffixed(pw, now, SLICE_LITERAL("_count"), (double)point->count);
    if (err == 0 && point->has_sum != 0) {
        err = put_suffixed(pw, now, SLICE_LITERAL("_sum"), point->sum);
    }
    err = err != 0 ? err : put_buckets(pw, now, point);
    for (size_t i = 0; err == 0 && i < point->n_exemplars; i++) {
        double bound = bound_above(point, exemplar_value(point->exemplars[i]));
        const struct series_name name = bucket_name(pw, bound);
        err = put_exemplar(pw, now, &name, point->exemplars[i]);
    }
    return err;
}

static int put_native(struct prom_write *pw, struct point_now *now,
                      const struct METRICS(ExponentialHistogramDataPoint) * point)
{
    const struct series_name name = {0};
    int err = 0;
    bytes_clear(&pw->piece);
    if (now->has_ended) {
        prom_wire_stale_histogram(&pw->piece, now->time_ms);
    } else {
        err = prom_wire_histogram(&pw->piece, point, now->time_ms, &pw->scratch);
    }
    err = err != 0 ? err : put_piece(pw, now, &name, now->time_ms);
    for (size_t i = 0; err == 0 && i < point->n_exemplars; i++) {
        err = put_exemplar(pw, now, &name, point->exemplars[i]);
    }
    return err;
}

static int put_summary(struct prom_write *pw, struct point_now *now,
                       const struct METRICS(SummaryDataPoint) * point)
{
    int err = put_suffixed(pw, now, SLICE_LITERAL("_count"), (double)point->count);
    err = err != 0 ? err : put_suffixed(pw, now, SLICE_LITERAL("_sum"), point->sum);
    for (size_t i = 0; err == 0 && i < point->n_quantile_values; i++) {
        const struct series_name name = {
            .reserved = SLICE_LITERAL("quantile"),
            .value = decimal_of(pw, point->quantile_values[i]->quantile),
        };
        err = put_sample(pw, now, &name, point->quantile_values[i]->value);
    }
    return err;
}

static int put_point(struct prom_write *pw, struct point_now *now, const struct METRICS(Metric) * m,
                     size_t index)
{
    switch ((int)m->data_case) { /* wire values */
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE:
        return put_number(pw, now, m->gauge->data_points[index], false);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM:
        return put_number(pw, now, m->sum->data_points[index], true);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM:
        return put_histogram(pw, now, m->histogram->data_points[index]);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_EXPONENTIAL_HISTOGRAM:
        return put_native(pw, now, m->exponential_histogram->data_points[index]);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUMMARY:
        return put_summary(pw, now, m->summary->data_points[index]);
    default:
        return FAULT_MALFORMED;
    }
}

static enum prom_reserved reserved_by(const struct METRICS(Metric) * m)
{
    switch ((int)m->data_case) { /* wire values */
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM:
        return PROM_RESERVED_LE;
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUMMARY:
        return PROM_RESERVED_QUANTILE;
    default:
        return PROM_RESERVED_NONE;
    }
}

/* --- public ----------------------------------------------------------------------------------- */

uint64_t prom_write_point_time_ns(const struct METRICS(Metric) * metric, size_t index)
{
    return otlp_point_head_at(metric, index).time_unix_ns;
}

int prom_write_point(struct prom_write *pw, const struct METRICS(Metric) * metric, size_t index)
{
    struct otlp_point_head head = otlp_point_head_at(metric, index);
    struct point_now now = {.time_ms = ms_of(head.time_unix_ns),
                            .has_ended = (head.flags & OTLP_POINT_NO_RECORDED_VALUE) != 0};
    struct prom_labels_mark mark = prom_labels_mark(&pw->labels);
    arena_reset(&pw->scratch);
    prom_labels_add_attributes(&pw->labels, PROM_LABEL_POINT, head.attributes, head.attribute_count,
                               &pw->scratch);
    int err = prom_labels_finish_wire(&pw->labels, reserved_by(metric), &pw->wire);
    prom_labels_rewind(&pw->labels, mark);
    err = err != 0 ? err : put_point(pw, &now, metric, index);
    if (err != 0) {
        prom_write_set_drop(&pw->series);
        return err;
    }
    ASSERT(now.group != NULL);
    now.group->item_count++;
    prom_write_set_keep(&pw->series);
    return 0;
}

int prom_write_info(struct prom_write *pw, double value, uint64_t time_unix_ns)
{
    const struct series_name name = {0};
    struct point_now now = {.time_ms = ms_of(time_unix_ns)};
    int err = prom_labels_finish_wire(&pw->labels, PROM_RESERVED_NONE, &pw->wire);
    err = err != 0 ? err : put_sample(pw, &now, &name, value);
    if (err == 0) {
        prom_write_set_keep(&pw->series);
    }
    return err;
}
