/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_combine — points get labels from the names of their metrics, are put into the
 * first of these, then merged.
 */
#include "core/processors/metrics_transform_combine.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/regex.h"
#include "core/processors/metrics_transform_filter.h"
#include "core/processors/metrics_transform_merge.h"

#define METRIC_UNIT 3
#define DATA_TEMPORALITY 2
#define DATA_MONOTONIC 3

/* "$63" */
#define GROUP_KEY_BYTES 8

/* --- alike? ----------------------------------------------------------------------------------- */

/* The names of all labels of a metric, each once, sorted. */
struct label_names {
    struct slice *names;
    size_t count;
};

static int compare_names(const void *left, const void *right)
{
    return slice_compare(*(const struct slice *)left, *(const struct slice *)right);
}

static size_t count_labels(const struct transform_metric *metric)
{
    size_t count = 0;
    const struct transform_point *point = transform_point_left(metric->points);
    for (; point != NULL; point = transform_point_left(point->next)) {
        count += point->labels.count;
    }
    return count;
}

static void sort_names(struct label_names *names)
{
    size_t count = 0;
    qsort(names->names, names->count, sizeof(names->names[0]), compare_names);
    for (size_t i = 0; i < names->count; i++) {
        if (count == 0 || !slice_equal(names->names[count - 1], names->names[i])) {
            names->names[count] = names->names[i];
            count++;
        }
    }
    names->count = count;
}

static int load_labels(struct transform_metric *metric, struct arena *arena)
{
    int err = transform_metric_load(metric, arena);
    struct transform_point *point = transform_point_left(metric->points);
    for (; err == 0 && point != NULL; point = transform_point_left(point->next)) {
        err = transform_point_load(point, metric->data, arena);
    }
    return err;
}

static int collect_names(struct transform_metric *metric, struct arena *arena,
                         struct label_names *out)
{
    int err = load_labels(metric, arena);
    if (err != 0) {
        return err;
    }
    out->count = 0;
    out->names = arena_alloc_array(arena, count_labels(metric), sizeof(out->names[0]));
    if (out->names == NULL) {
        return FAULT_LIMIT;
    }
    const struct transform_point *point = transform_point_left(metric->points);
    for (; point != NULL; point = transform_point_left(point->next)) {
        for (size_t i = 0; i < point->labels.count; i++) {
            if (!point->labels.attrs[i].is_removed) {
                out->names[out->count] = point->labels.attrs[i].key;
                out->count++;
            }
        }
    }
    sort_names(out);
    return 0;
}

static bool are_names_equal(const struct label_names *a, const struct label_names *b)
{
    bool is_equal = a->count == b->count;
    for (size_t i = 0; is_equal && i < a->count; i++) {
        is_equal = slice_equal(a->names[i], b->names[i]);
    }
    return is_equal;
}

static uint64_t data_field(const struct transform_metric *metric, uint32_t number)
{
    struct otlp_field field;
    bool is_there = otlp_field_find(metric->data_field.content, number, &field);
    return is_there ? otlp_field_u64(&field) : 0;
}

static bool is_sum_like(enum otlp_data data)
{
    return data == OTLP_DATA_SUM || data == OTLP_DATA_HISTOGRAM || data == OTLP_DATA_EXPHIST;
}

static bool are_alike(const struct transform_metric *a, const struct transform_metric *b)
{
    struct otlp_field a_unit;
    struct otlp_field b_unit;
    (void)otlp_field_find(a->field.content, METRIC_UNIT, &a_unit);
    (void)otlp_field_find(b->field.content, METRIC_UNIT, &b_unit);
    if (a->data != b->data || !slice_equal(a_unit.content, b_unit.content)) {
        return false;
    }
    if (is_sum_like(a->data) &&
        data_field(a, DATA_TEMPORALITY) != data_field(b, DATA_TEMPORALITY)) {
        return false;
    }
    return a->data != OTLP_DATA_SUM ||
           data_field(a, DATA_MONOTONIC) == data_field(b, DATA_MONOTONIC);
}

int transform_can_combine(struct transform_metric *const *metrics, size_t count,
                          struct arena *arena, bool *out)
{
    struct label_names first = {0};
    *out = count == 0 || metrics[0]->data != OTLP_DATA_SUMMARY;
    for (size_t i = 0; i < count && *out; i++) {
        struct label_names names;
        int err = collect_names(metrics[i], arena, &names);
        if (err != 0) {
            return err;
        }
        first = i == 0 ? names : first;
        *out = are_alike(metrics[0], metrics[i]) && are_names_equal(&first, &names);
    }
    return 0;
}

/* --- labels from names ------------------------------------------------------------------------ */

static uint8_t to_case(uint8_t c, enum transform_case wanted)
{
    if (wanted == TRANSFORM_CASE_LOWER && c >= 'A' && c <= 'Z') {
        return (uint8_t)(c + ('a' - 'A'));
    }
    if (wanted == TRANSFORM_CASE_UPPER && c >= 'a' && c <= 'z') {
        return (uint8_t)(c - ('a' - 'A'));
    }
    return c;
}

/* The text in the case that was asked for. Its ptr is NULL where the arena refuses. */
static struct slice change_case(struct slice text, enum transform_case wanted, struct arena *arena)
{
    if (wanted == TRANSFORM_CASE_KEPT) {
        return text;
    }
    uint8_t *copy = arena_alloc(arena, text.len);
    if (copy == NULL) {
        return (struct slice){0};
    }
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = to_case(text.ptr[i], wanted);
    }
    return slice_of(copy, text.len);
}

/* The label for what group `index` caught: its name, else "$1". */
static struct slice group_key(const struct transform *t, uint32_t index, struct arena *arena)
{
    struct slice name = regex_group_name(t->pattern, index + 1); /* group 1 is the whole match */
    if (name.len > 0) {
        return name;
    }
    char text[GROUP_KEY_BYTES];
    int len = snprintf(text, sizeof(text), "$%u", (unsigned int)index);
    return arena_copy(arena, slice_of(text, (size_t)len));
}

static int put_label(struct transform_metric *metric, struct slice key, struct slice text)
{
    struct otlp_value value = {.kind = OTLP_VALUE_STRING, .bytes = text};
    int err = 0;
    struct transform_point *point = transform_point_left(metric->points);
    for (; err == 0 && point != NULL; point = transform_point_left(point->next)) {
        err = otlp_attr_list_put(&point->labels, key, value);
    }
    return err;
}

/* Labels all points with what the groups caught in the name of their metric. */
static int label_points(struct transform_metric *metric, const struct transform *t,
                        struct arena *arena)
{
    struct slice groups[TRANSFORM_GROUPS_MAX];
    uint32_t count = transform_filter_groups(t, metric->name, groups);
    for (uint32_t i = 1; i < count; i++) {
        if (groups[i].len == 0) {
            continue;
        }
        struct slice key = group_key(t, i, arena);
        struct slice text = change_case(groups[i], t->submatch_case, arena);
        if (key.ptr == NULL || text.ptr == NULL) {
            return FAULT_LIMIT;
        }
        int err = put_label(metric, key, text);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/* --- one of many ------------------------------------------------------------------------------ */

/* A metric's part with labelled points. 0 or FAULT_LIMIT. */
static int split_labelled(struct transform_metric *metric, const struct transform *t,
                          struct arena *arena, struct transform_metric **out)
{
    int err = transform_metric_split(metric, t, arena, out);
    if (err == 0) {
        err = load_labels(*out, arena);
    }
    return err == 0 ? label_points(*out, t, arena) : err;
}

int transform_combine(struct transform_metric *const *metrics, size_t count,
                      const struct transform *t, struct arena *arena, struct transform_tally *tally,
                      struct transform_metric **out)
{
    ASSERT(count > 0);
    struct transform_metric *target = NULL;
    int err = split_labelled(metrics[0], t, arena, &target);
    if (err != 0) {
        return err;
    }
    struct transform_point **end = &target->points;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    for (size_t i = 1; i < count; i++) {
        struct transform_metric *other = NULL;
        err = split_labelled(metrics[i], t, arena, &other);
        if (err != 0) {
            return err;
        }
        end = transform_metric_append(target, end, other);
    }
    target->name = t->new_name;
    target->is_renamed = true;
    *out = target;
    return transform_merge_points(target, t->aggregation, arena, &tally->merged_count);
}
