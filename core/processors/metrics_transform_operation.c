/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_operation — one function for what each kind does to a point, one loop over
 * points.
 */
#include "core/processors/metrics_transform_operation.h"

#include "core/base/fault.h"
#include "core/processors/metrics_transform_filter.h"
#include "core/processors/metrics_transform_merge.h"
#include "core/processors/metrics_transform_number.h"

/* What an operation does to one point. 0 or FAULT_LIMIT. */
typedef int(point_fn)(const struct transform_operation *op, const struct transform_subject *subject,
                      struct transform_point *point);

static struct otlp_value text_value(struct slice text)
{
    return (struct otlp_value){.kind = OTLP_VALUE_STRING, .bytes = text};
}

static bool is_text_in(const struct otlp_value *value, const struct transform_text *texts)
{
    if (value->kind != OTLP_VALUE_STRING) {
        return false;
    }
    while (texts != NULL && !slice_equal(texts->text, value->bytes)) {
        texts = texts->next;
    }
    return texts != NULL;
}

/* --- labels ----------------------------------------------------------------------------------- */

static int add_label(const struct transform_operation *op, const struct transform_subject *subject,
                     struct transform_point *point)
{
    (void)subject; /* the same for all */
    if (otlp_attr_list_find(&point->labels, op->new_label) != NULL) {
        return 0;
    }
    return otlp_attr_list_put(&point->labels, op->new_label, text_value(op->new_value));
}

/* Gives `label` another name; others that had it make way, in one pass, for there may be many. */
static void rename_label(struct otlp_attr_list *labels, struct otlp_attr *label, struct slice name)
{
    for (size_t i = 0; i < labels->count; i++) {
        struct otlp_attr *other = &labels->attrs[i];
        if (!other->is_removed && slice_equal(other->key, name)) {
            otlp_attr_list_remove(labels, other);
        }
    }
    label->key = name;
    label->is_changed = true;
    labels->is_changed = true;
}

static int update_label(const struct transform_operation *op,
                        const struct transform_subject *subject, struct transform_point *point)
{
    (void)subject; /* the same for all */
    struct otlp_attr *label = otlp_attr_list_find(&point->labels, op->label);
    if (label == NULL) {
        return 0;
    }
    if (op->new_label.len > 0 && !slice_equal(op->new_label, op->label)) {
        rename_label(&point->labels, label, op->new_label);
    }
    const struct transform_pair *one = op->values;
    while (one != NULL && label->value.kind == OTLP_VALUE_STRING &&
           !slice_equal(one->key, label->value.bytes)) {
        one = one->next;
    }
    if (one != NULL && label->value.kind == OTLP_VALUE_STRING) {
        otlp_attr_list_set(&point->labels, label, text_value(one->value));
    }
    return 0;
}

static int delete_value(const struct transform_operation *op,
                        const struct transform_subject *subject, struct transform_point *point)
{
    const struct otlp_attr *label = otlp_attr_list_find(&point->labels, op->label);
    bool is_meant = label != NULL && label->value.kind == OTLP_VALUE_STRING &&
                    slice_equal(label->value.bytes, op->label_value);
    if (is_meant) {
        point->is_removed = true;
        subject->tally->filtered_count++;
    }
    return 0;
}

static bool is_in_set(const struct transform_text *set, struct slice key)
{
    while (set != NULL && !slice_equal(set->text, key)) {
        set = set->next;
    }
    return set != NULL;
}

static int keep_labels(const struct transform_operation *op,
                       const struct transform_subject *subject, struct transform_point *point)
{
    (void)subject; /* the same for all */
    struct otlp_attr_list *labels = &point->labels;
    for (size_t i = 0; i < labels->count; i++) {
        struct otlp_attr *label = &labels->attrs[i];
        if (!label->is_removed && !is_in_set(op->texts, label->key)) {
            otlp_attr_list_remove(labels, label);
        }
    }
    return 0;
}

static int join_values(const struct transform_operation *op,
                       const struct transform_subject *subject, struct transform_point *point)
{
    (void)subject; /* the same for all */
    struct otlp_attr *label = otlp_attr_list_find(&point->labels, op->label);
    if (label != NULL && is_text_in(&label->value, op->texts)) {
        otlp_attr_list_set(&point->labels, label, text_value(op->new_value));
    }
    return 0;
}

/* --- values ----------------------------------------------------------------------------------- */

static bool has_numbers(const struct transform_metric *metric)
{
    return metric->data == OTLP_DATA_GAUGE || metric->data == OTLP_DATA_SUM;
}

static int toggle_type(const struct transform_operation *op,
                       const struct transform_subject *subject, struct transform_point *point)
{
    (void)op; /* there is nothing to choose */
    (void)subject;
    struct transform_number value = transform_point_number(point);
    if (value.kind != TRANSFORM_NO_NUMBER) {
        transform_point_set_number(point, transform_number_toggle(value));
    }
    return 0;
}

static int scale_value(const struct transform_operation *op,
                       const struct transform_subject *subject, struct transform_point *point)
{
    const struct transform_hist *hist = NULL;
    if (has_numbers(subject->metric)) {
        struct transform_number value = transform_point_number(point);
        if (value.kind != TRANSFORM_NO_NUMBER) {
            transform_point_set_number(point, transform_number_scale(value, op->scale));
        }
        return 0;
    }
    int err = transform_point_hist(point, subject->metric->data, subject->arena, &hist);
    if (err == 0) {
        err = transform_hist_scale(hist, op->scale, subject->arena, &hist);
    }
    if (err == 0) {
        transform_point_set_hist(point, hist);
    }
    return err;
}

/* --- metrics ---------------------------------------------------------------------------------- */

/* Calls `fn` for the points that are left, with labels loaded. */
static int for_all(const struct transform_operation *op, const struct transform_subject *subject,
                   point_fn *fn)
{
    struct transform_metric *metric = subject->metric;
    int err = transform_metric_load(metric, subject->arena);
    struct transform_point *point = transform_point_left(metric->points);
    while (err == 0 && point != NULL) {
        struct transform_point *next = point->next;
        err = transform_point_load(point, metric->data, subject->arena);
        if (err == 0) {
            err = fn(op, subject, point);
        }
        point = transform_point_left(next);
    }
    return err;
}

/* As for_all, for the points whose labels match. */
static int for_matching(const struct transform_operation *op,
                        const struct transform_subject *subject, point_fn *fn)
{
    struct transform_metric *metric = subject->metric;
    const struct transform *t = subject->t;
    int err = transform_metric_load(metric, subject->arena);
    struct transform_point *point = transform_point_left(metric->points);
    for (; err == 0 && point != NULL; point = transform_point_left(point->next)) {
        bool needs_labels = fn == update_label || t->labels != NULL;
        err = needs_labels ? transform_point_load(point, metric->data, subject->arena) : 0;
        if (err == 0 && (t->labels == NULL || transform_filter_has_labels(t, &point->labels))) {
            err = fn(op, subject, point);
        }
    }
    return err;
}

static int aggregate(const struct transform_operation *op, const struct transform_subject *subject,
                     point_fn *fn)
{
    struct transform_metric *metric = subject->metric;
    if (metric->data == OTLP_DATA_SUMMARY) {
        return 0; /* without labels its points could not be told apart any more */
    }
    int err = for_all(op, subject, fn);
    return err != 0 ? err
                    : transform_merge_points(metric, op->aggregation, subject->arena,
                                             &subject->tally->merged_count);
}

int transform_operation_apply(const struct transform_operation *op,
                              const struct transform_subject *subject)
{
    const struct transform_metric *metric = subject->metric;
    bool is_whole = subject->is_whole;
    switch (op->kind) {
    case TRANSFORM_ADD_LABEL:
        return is_whole ? for_all(op, subject, add_label) : 0;
    case TRANSFORM_UPDATE_LABEL:
        return for_matching(op, subject, update_label);
    case TRANSFORM_DELETE_LABEL_VALUE:
        return is_whole ? for_all(op, subject, delete_value) : 0;
    case TRANSFORM_TOGGLE_TYPE:
        return has_numbers(metric) ? for_matching(op, subject, toggle_type) : 0;
    case TRANSFORM_SCALE_VALUE:
        if (has_numbers(metric) || metric->data == OTLP_DATA_HISTOGRAM) {
            return for_matching(op, subject, scale_value);
        }
        return 0;
    case TRANSFORM_AGGREGATE_LABELS:
        return is_whole ? aggregate(op, subject, keep_labels) : 0;
    case TRANSFORM_AGGREGATE_VALUES:
        return is_whole ? aggregate(op, subject, join_values) : 0;
    }
    return 0;
}
