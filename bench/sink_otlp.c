/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_otlp — see sink_otlp.h. The schema is six messages deep, so the walk is six functions deep.
 */
#include "bench/sink_otlp.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
};

/* One field: `number` is the scalar, `bytes` the content of a length-delimited one. */
struct wire_field {
    uint64_t id;
    uint64_t number;
    struct slice bytes;
    uint32_t type;
};

struct wire {
    struct slice left;
    int err; /* sticky; FAULT_MALFORMED */
};

#define TEMPORALITY_CUMULATIVE 2

static uint64_t wire_varint(struct wire *w)
{
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        if (w->left.len == 0) {
            break;
        }
        const uint8_t byte = w->left.ptr[0];
        w->left = slice_from(w->left, 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    w->err = FAULT_MALFORMED;
    return 0;
}

static struct slice wire_take(struct wire *w, uint64_t len)
{
    if (len > w->left.len) {
        w->err = FAULT_MALFORMED;
        return (struct slice){0};
    }
    const struct slice taken = slice_first(w->left, (size_t)len);
    w->left = slice_from(w->left, (size_t)len);
    return taken;
}

static uint64_t wire_fixed(struct wire *w, size_t bytes)
{
    const struct slice taken = wire_take(w, bytes);
    uint64_t value = 0;
    for (size_t i = 0; i < taken.len; i++) {
        value |= (uint64_t)taken.ptr[i] << (8 * i);
    }
    return value;
}

/* The next field, or false at the end and after a mistake. */
static bool wire_next(struct wire *w, struct wire_field *field)
{
    if (w->err != 0 || w->left.len == 0) {
        return false;
    }
    const uint64_t tag = wire_varint(w);
    *field = (struct wire_field){.id = tag >> 3, .type = (uint32_t)(tag & 7)};
    switch (field->type) {
    case WIRE_VARINT:
        field->number = wire_varint(w);
        break;
    case WIRE_FIXED64:
        field->number = wire_fixed(w, 8);
        break;
    case WIRE_FIXED32:
        field->number = wire_fixed(w, 4);
        break;
    case WIRE_BYTES:
        field->bytes = wire_take(w, wire_varint(w));
        break;
    default:
        w->err = FAULT_MALFORMED;
        break;
    }
    return w->err == 0;
}

static bool field_is(const struct wire_field *field, uint64_t id, enum wire_type type)
{
    return field->id == id && field->type == (uint32_t)type;
}

/* NumberDataPoint: as_double or as_int. */
static int sink_number_point(struct slice bytes, double *value)
{
    struct wire w = {.left = bytes};
    struct wire_field field;
    while (wire_next(&w, &field)) {
        if (field_is(&field, 4, WIRE_FIXED64)) {
            memcpy(value, &field.number, sizeof(*value));
        } else if (field_is(&field, 6, WIRE_FIXED64)) {
            *value = (double)(int64_t)field.number;
        }
    }
    return w.err;
}

/* Sum: 1 data_points, 2 aggregation_temporality. */
static int sink_sum(struct slice bytes, struct totals_entry *entry, struct sink_counts *counts)
{
    struct wire w = {.left = bytes};
    struct wire_field field;
    double sum = 0;
    uint64_t points = 0;
    uint64_t temporality = 0;
    while (wire_next(&w, &field)) {
        if (field_is(&field, 2, WIRE_VARINT)) {
            temporality = field.number;
        }
        if (!field_is(&field, 1, WIRE_BYTES)) {
            continue;
        }
        double value = 0;
        const int err = sink_number_point(field.bytes, &value);
        if (err != 0) {
            return err;
        }
        sum += value;
        points++;
    }
    counts->sum_point_count += points;
    entry->point_count += points;
    if (temporality == TEMPORALITY_CUMULATIVE) {
        counts->cumulative_point_count += points;
    } else {
        entry->counter_sum += sum;
        counts->counter_sum += sum;
    }
    return w.err;
}

/* Histogram, ExponentialHistogram and Summary points all keep `count` in field 4, fixed64. */
static int sink_observations(struct slice bytes, struct totals_entry *entry,
                             struct sink_counts *counts, uint64_t *points)
{
    struct wire w = {.left = bytes};
    struct wire_field field;
    while (wire_next(&w, &field)) {
        if (!field_is(&field, 1, WIRE_BYTES)) {
            continue;
        }
        struct wire point = {.left = field.bytes};
        struct wire_field inner;
        while (wire_next(&point, &inner)) {
            if (field_is(&inner, 4, WIRE_FIXED64)) {
                entry->histogram_count += inner.number;
                counts->observation_count += inner.number;
            }
        }
        if (point.err != 0) {
            return point.err;
        }
        entry->point_count++;
        (*points)++;
    }
    return w.err;
}

static int sink_gauge(struct slice bytes, struct totals_entry *entry, struct sink_counts *counts)
{
    struct wire w = {.left = bytes};
    struct wire_field field;
    while (wire_next(&w, &field)) {
        if (field_is(&field, 1, WIRE_BYTES)) {
            entry->point_count++;
            counts->gauge_point_count++;
        }
    }
    return w.err;
}

/* Metric: the name may stand behind the data on the wire, so it is looked for first. */
static int sink_metric(struct slice bytes, struct totals *totals, struct sink_counts *counts)
{
    struct wire names = {.left = bytes};
    struct wire_field field;
    struct slice name = {0};
    while (wire_next(&names, &field)) {
        if (field_is(&field, 1, WIRE_BYTES)) {
            name = field.bytes;
        }
    }
    uint32_t index = 0;
    int err = names.err != 0 ? names.err : totals_reach(totals, name, &index);
    if (err != 0) {
        return err;
    }
    struct totals_entry *entry = &totals->entries[index];
    struct wire w = {.left = bytes};
    counts->metric_count++;
    while (err == 0 && wire_next(&w, &field)) {
        if (field_is(&field, 5, WIRE_BYTES)) {
            err = sink_gauge(field.bytes, entry, counts);
        } else if (field_is(&field, 7, WIRE_BYTES)) {
            err = sink_sum(field.bytes, entry, counts);
        } else if (field_is(&field, 9, WIRE_BYTES) || field_is(&field, 10, WIRE_BYTES)) {
            err = sink_observations(field.bytes, entry, counts, &counts->histogram_point_count);
        } else if (field_is(&field, 11, WIRE_BYTES)) {
            err = sink_observations(field.bytes, entry, counts, &counts->summary_point_count);
        }
    }
    return err;
}

/* ScopeMetrics: 2 metrics. */
static int sink_scope(struct slice bytes, struct totals *totals, struct sink_counts *counts)
{
    struct wire w = {.left = bytes};
    struct wire_field field;
    int err = 0;
    while (err == 0 && wire_next(&w, &field)) {
        if (field_is(&field, 2, WIRE_BYTES)) {
            err = sink_metric(field.bytes, totals, counts);
        }
    }
    return err != 0 ? err : w.err;
}

/* ResourceMetrics: 2 scope_metrics. */
static int sink_resource(struct slice bytes, struct totals *totals, struct sink_counts *counts)
{
    struct wire w = {.left = bytes};
    struct wire_field field;
    int err = 0;
    while (err == 0 && wire_next(&w, &field)) {
        if (field_is(&field, 2, WIRE_BYTES)) {
            err = sink_scope(field.bytes, totals, counts);
        }
    }
    return err != 0 ? err : w.err;
}

int sink_otlp_decode(struct slice request, struct totals *totals, struct sink_counts *counts)
{
    struct wire w = {.left = request};
    struct wire_field field;
    int err = 0;
    while (err == 0 && wire_next(&w, &field)) {
        if (field_is(&field, 1, WIRE_BYTES)) {
            err = sink_resource(field.bytes, totals, counts);
        }
    }
    return err != 0 ? err : w.err;
}
