/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_merge — a key of bytes for each point, sorted, so that what belongs together
 * stands together.
 *
 * A key has the labels in order of their names, so points whose clients wrote them in another order
 * meet. Sorting instead of hashing leaves nothing for an attacker to aim at.
 */
#include "core/processors/metrics_transform_merge.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/processors/metrics_transform_number.h"

/* Of Sum, Histogram and ExponentialHistogram. */
#define DATA_TEMPORALITY 2

/* Kind and length of a value, and one of eight bytes. */
#define VALUE_FRAME_BYTES (2 * sizeof(uint64_t))

/* A point that may be merged. */
struct entry {
    struct slice key;
    size_t index; /* in the metric */
    struct transform_point *point;
    const struct transform_hist *hist; /* of histograms */
};

/* One metric being merged. */
struct merge {
    struct transform_metric *metric;
    struct arena *arena;
    enum transform_aggregation how;
    bool has_hists;
    bool is_delta;
    uint64_t merged_count;
};

static bool is_delta(const struct transform_metric *metric)
{
    struct otlp_field field;
    bool has_temporality = metric->data == OTLP_DATA_SUM || metric->data == OTLP_DATA_HISTOGRAM ||
                           metric->data == OTLP_DATA_EXPHIST;
    return has_temporality &&
           otlp_field_find(metric->data_field.content, DATA_TEMPORALITY, &field) &&
           otlp_field_u64(&field) == OTLP_TEMPORALITY_DELTA;
}

/* --- keys ------------------------------------------------------------------------------------- */

static int compare_labels(const void *left, const void *right)
{
    const struct otlp_attr *a = *(const struct otlp_attr *const *)left;
    const struct otlp_attr *b = *(const struct otlp_attr *const *)right;
    int order = slice_compare(a->key, b->key);
    return order != 0 ? order : (a > b) - (a < b); /* of two with one name the first counts */
}

/* What a value is beside its kind; `scratch` holds what is no text. */
static struct slice value_bytes(const struct otlp_value *value, uint64_t *scratch)
{
    *scratch = 0;
    switch (value->kind) {
    case OTLP_VALUE_EMPTY:
        return (struct slice){0};
    case OTLP_VALUE_BOOL:
        *scratch = value->boolean ? 1 : 0;
        break;
    case OTLP_VALUE_INT:
        memcpy(scratch, &value->integer, sizeof(*scratch));
        break;
    case OTLP_VALUE_DOUBLE:
        memcpy(scratch, &value->number, sizeof(*scratch));
        break;
    case OTLP_VALUE_STRING:
    case OTLP_VALUE_ARRAY:
    case OTLP_VALUE_KVLIST:
    case OTLP_VALUE_BYTES:
        return value->bytes;
    }
    return slice_of(scratch, sizeof(*scratch));
}

static uint8_t *put_u64(uint8_t *out, uint64_t value)
{
    memcpy(out, &value, sizeof(value));
    return out + sizeof(value);
}

static uint8_t *put_slice(uint8_t *out, struct slice bytes)
{
    out = put_u64(out, bytes.len);
    if (bytes.len > 0) {
        memcpy(out, bytes.ptr, bytes.len);
    }
    return out + bytes.len;
}

/* The labels that are left, sorted; NULL where the arena refuses. */
static const struct otlp_attr **sort_labels(const struct otlp_attr_list *list, struct arena *arena,
                                            size_t *count)
{
    const struct otlp_attr **sorted = arena_alloc_array(arena, list->count, sizeof(sorted[0]));
    *count = 0;
    if (sorted == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (!list->attrs[i].is_removed) {
            sorted[*count] = &list->attrs[i];
            (*count)++;
        }
    }
    qsort(sorted, *count, sizeof(sorted[0]), compare_labels);
    return sorted;
}

/* Times, what histograms must have in common, labels. */
static int make_key(const struct merge *m, struct entry *entry)
{
    const struct transform_point *point = entry->point;
    size_t label_count = 0;
    uint64_t scratch = 0;
    const struct otlp_attr **labels = sort_labels(&point->labels, m->arena, &label_count);
    size_t len = 2 * sizeof(uint64_t) + (m->has_hists ? transform_hist_key_bytes(entry->hist) : 0);
    if (labels == NULL) {
        return FAULT_LIMIT;
    }
    for (size_t i = 0; i < label_count; i++) {
        len += sizeof(uint64_t) + labels[i]->key.len + VALUE_FRAME_BYTES +
               value_bytes(&labels[i]->value, &scratch).len;
    }
    uint8_t *bytes = arena_alloc(m->arena, len);
    if (bytes == NULL) {
        return FAULT_LIMIT;
    }
    uint8_t *out = put_u64(bytes, transform_point_time(point));
    out = put_u64(out, m->is_delta ? transform_point_start(point) : 0);
    if (m->has_hists) {
        out = transform_hist_key(entry->hist, out);
    }
    for (size_t i = 0; i < label_count; i++) {
        out = put_slice(out, labels[i]->key);
        out = put_u64(out, labels[i]->value.kind);
        out = put_slice(out, value_bytes(&labels[i]->value, &scratch));
    }
    ASSERT((size_t)(out - bytes) == len);
    entry->key = slice_of(bytes, len);
    return 0;
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    int order = slice_compare(a->key, b->key);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

/* An entry for each point that is left, sorted. 0 or FAULT_LIMIT. */
static int make_entries(const struct merge *m, struct entry *entries, size_t count)
{
    struct transform_point *point = transform_point_left(m->metric->points);
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct entry){.index = i, .point = point};
        int err = transform_point_load(point, m->metric->data, m->arena);
        if (err == 0 && m->has_hists) {
            err = transform_point_hist(point, m->metric->data, m->arena, &entries[i].hist);
        }
        if (err == 0) {
            err = make_key(m, &entries[i]);
        }
        if (err != 0) {
            return err;
        }
        point = transform_point_left(point->next);
    }
    qsort(entries, count, sizeof(entries[0]), compare_entries);
    return 0;
}

/* --- runs of one key -------------------------------------------------------------------------- */

/* Is there something in it, so that it may speak for the others? */
static bool has_content(const struct merge *m, const struct entry *entry)
{
    if (m->has_hists) {
        return entry->hist->count > 0;
    }
    return transform_point_number(entry->point).kind != TRANSFORM_NO_NUMBER;
}

/* Brings the first one with something in it to the front; empty ones stay behind it in order. */
static void choose_lead(const struct merge *m, struct entry *run, size_t count)
{
    size_t at = 0;
    while (at < count && !has_content(m, &run[at])) {
        at++;
    }
    if (at == 0 || at == count) {
        return;
    }
    struct entry lead = run[at];
    memmove(run + 1, run, at * sizeof(run[0]));
    run[0] = lead;
}

static int merge_numbers(const struct merge *m, const struct entry *run, size_t count)
{
    struct transform_number *values = arena_alloc_array(m->arena, count, sizeof(values[0]));
    size_t value_count = 0;
    if (values == NULL) {
        return FAULT_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        values[value_count] = transform_point_number(run[i].point);
        value_count += values[value_count].kind == TRANSFORM_NO_NUMBER ? 0 : 1;
    }
    if (value_count > 0 && m->how != TRANSFORM_FIRST) {
        transform_point_set_number(run[0].point,
                                   transform_number_reduce(values, value_count, m->how));
    }
    return 0;
}

static int merge_hists(const struct merge *m, const struct entry *run, size_t count)
{
    const struct transform_hist **hists = arena_alloc_array(m->arena, count, sizeof(hists[0]));
    const struct transform_hist *sum = NULL;
    if (hists == NULL) {
        return FAULT_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        hists[i] = run[i].hist;
    }
    int err = transform_hist_add(hists, count, m->arena, &sum);
    if (err == 0) {
        transform_point_set_hist(run[0].point, sum);
    }
    return err;
}

/* The first of the run takes in the others. */
static int merge_others(struct merge *m, const struct entry *run, size_t count)
{
    struct transform_point *lead = run[0].point;
    uint64_t start_unix_ns = transform_point_start(lead);
    uint64_t first_unix_ns = start_unix_ns;
    for (size_t i = 1; i < count; i++) {
        uint64_t other_unix_ns = transform_point_start(run[i].point);
        first_unix_ns = other_unix_ns < first_unix_ns ? other_unix_ns : first_unix_ns;
        int err = transform_point_absorb(lead, run[i].point, m->arena);
        if (err != 0) {
            return err;
        }
    }
    if (first_unix_ns != start_unix_ns) {
        transform_point_set_start(lead, first_unix_ns);
    }
    m->merged_count += count - 1;
    return 0;
}

static int merge_run(struct merge *m, struct entry *run, size_t count)
{
    bool is_counted = !m->has_hists && m->how == TRANSFORM_COUNT;
    if (count == 1 && !is_counted) {
        return 0;
    }
    choose_lead(m, run, count);
    int err = m->has_hists ? merge_hists(m, run, count) : merge_numbers(m, run, count);
    return err == 0 && count > 1 ? merge_others(m, run, count) : err;
}

int transform_merge_points(struct transform_metric *metric, enum transform_aggregation how,
                           struct arena *arena, uint64_t *merged_count)
{
    struct merge m = {
        .metric = metric,
        .arena = arena,
        .how = how,
        .has_hists = metric->data == OTLP_DATA_HISTOGRAM || metric->data == OTLP_DATA_EXPHIST,
        .is_delta = is_delta(metric),
    };
    if (metric->data == OTLP_DATA_SUMMARY) {
        return 0;
    }
    int err = transform_metric_load(metric, arena);
    size_t count = err == 0 ? transform_metric_count(metric) : 0;
    struct entry *entries = arena_alloc_array(arena, count, sizeof(entries[0]));
    if (entries == NULL) {
        return FAULT_LIMIT;
    }
    if (err == 0) {
        err = make_entries(&m, entries, count);
    }
    size_t end = 0;
    for (size_t begin = 0; err == 0 && begin < count; begin = end) {
        end = begin + 1;
        while (end < count && slice_equal(entries[begin].key, entries[end].key)) {
            end++;
        }
        err = merge_run(&m, entries + begin, end - begin);
    }
    *merged_count += m.merged_count;
    return err;
}
