/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_metric — a metric, its points as a list, and copies of both.
 *
 * A copy shares the bytes of what it is a copy of and has a list of its own; that is also how it is
 * written: as an edit of those bytes.
 */
#include "core/processors/metrics_transform_metric.h"

#include <string.h>

#include "core/base/fault.h"
#include "core/otlp/otlp_build.h"
#include "core/processors/metrics_transform_filter.h"

#define METRIC_NAME 1
/* A tag and a length. */
#define PREFIX_MAX_BYTES (5 + 10)

/* --- reading ---------------------------------------------------------------------------------- */

void transform_metric_read(struct transform_metric *out, const struct otlp_field *field)
{
    struct otlp_field name;
    *out = (struct transform_metric){.field = *field};
    if (otlp_field_find(field->content, METRIC_NAME, &name)) {
        out->name = name.content;
    }
    if (otlp_metric_data(field->content, &out->data_field)) {
        out->data = (enum otlp_data)out->data_field.number;
    }
}

static size_t count_sent(const struct transform_metric *metric)
{
    struct pb_reader in = pb_reader_of(metric->data_field.content);
    struct otlp_field point;
    size_t count = 0;
    while (otlp_child_next(&in, OTLP_POINTS, &point)) {
        count++;
    }
    return count;
}

int transform_metric_load(struct transform_metric *metric, struct arena *arena)
{
    if (metric->has_points || metric->data == 0) {
        return 0;
    }
    size_t count = count_sent(metric);
    struct transform_point *points = arena_alloc_array(arena, count, sizeof(*points));
    if (points == NULL) {
        return FAULT_LIMIT;
    }
    memset(points, 0, count * sizeof(*points));
    struct pb_reader in = pb_reader_of(metric->data_field.content);
    for (size_t i = 0; i < count; i++) {
        (void)otlp_child_next(&in, OTLP_POINTS, &points[i].field);
        points[i].next = i + 1 < count ? &points[i + 1] : NULL;
    }
    metric->points = count > 0 ? points : NULL;
    metric->has_points = true;
    return 0;
}

uint64_t transform_metric_count(const struct transform_metric *metric)
{
    uint64_t count = 0;
    if (metric->data == 0) {
        return 0;
    }
    if (!metric->has_points) {
        return count_sent(metric);
    }
    const struct transform_point *point = transform_point_left(metric->points);
    while (point != NULL) {
        count++;
        point = transform_point_left(point->next);
    }
    return count;
}

/* Is the transform about that point? 0 or FAULT_LIMIT. */
static int match_point(struct transform_point *point, enum otlp_data data,
                       const struct transform *t, struct arena *arena, bool *out)
{
    *out = true;
    if (t->labels == NULL) {
        return 0;
    }
    int err = transform_point_load(point, data, arena);
    *out = err == 0 && transform_filter_has_labels(t, &point->labels);
    return err;
}

int transform_metric_match(struct transform_metric *metric, const struct transform *t,
                           struct arena *arena, struct transform_match *out)
{
    *out = (struct transform_match){0};
    if (t->labels == NULL) {
        out->left_count = transform_metric_count(metric);
        out->match_count = out->left_count;
        return 0;
    }
    int err = transform_metric_load(metric, arena);
    struct transform_point *point = transform_point_left(metric->points);
    for (; err == 0 && point != NULL; point = transform_point_left(point->next)) {
        bool is_match = false;
        err = match_point(point, metric->data, t, arena, &is_match);
        out->left_count++;
        out->match_count += is_match ? 1 : 0;
    }
    return err;
}

/* --- copies ----------------------------------------------------------------------------------- */

/* A point of its own, labels too. 0 or FAULT_LIMIT. */
static int copy_point(const struct transform_point *source, struct arena *arena,
                      struct transform_point **out)
{
    struct transform_point *copy = arena_alloc(arena, sizeof(*copy));
    *out = copy;
    if (copy == NULL) {
        return FAULT_LIMIT;
    }
    *copy = *source;
    copy->next = NULL;
    if (!source->has_labels) {
        return 0;
    }
    struct otlp_attr_list *labels = &copy->labels;
    labels->cap = labels->count + 1;
    labels->attrs = arena_alloc_array(arena, labels->cap, sizeof(labels->attrs[0]));
    if (labels->attrs == NULL) {
        return FAULT_LIMIT;
    }
    memcpy(labels->attrs, source->labels.attrs, labels->count * sizeof(labels->attrs[0]));
    return 0;
}

int transform_metric_copy(struct transform_metric *source, const struct transform *t,
                          struct arena *arena, struct transform_metric **out)
{
    struct transform_metric *copy = arena_alloc(arena, sizeof(*copy));
    if (copy == NULL) {
        return FAULT_LIMIT;
    }
    *copy = *source;
    copy->next = NULL;
    copy->points = NULL;
    copy->is_copy = true;
    *out = copy;
    if (!source->has_points) {
        return 0; /* each lists them anew where it comes to that */
    }
    struct transform_point **end = &copy->points;
    struct transform_point *point = source->points;
    for (; point != NULL; point = point->next) {
        bool is_match = false;
        int err = point->is_removed ? 0 : match_point(point, source->data, t, arena, &is_match);
        if (err == 0) {
            err = copy_point(point, arena, end);
        }
        if (err != 0) {
            return err;
        }
        (*end)->is_removed = !is_match;
        end = &(*end)->next;
    }
    return 0;
}

/* Takes the points that the transform is about out. 0 or FAULT_LIMIT. */
static int give_up(struct transform_metric *metric, const struct transform *t, struct arena *arena)
{
    int err = transform_metric_load(metric, arena);
    struct transform_point *point = transform_point_left(metric->points);
    for (; err == 0 && point != NULL; point = transform_point_left(point->next)) {
        bool is_match = false;
        err = match_point(point, metric->data, t, arena, &is_match);
        point->is_removed = is_match;
    }
    return err;
}

int transform_metric_split(struct transform_metric *source, const struct transform *t,
                           struct arena *arena, struct transform_metric **out)
{
    struct transform_match match = {0};
    ASSERT(!source->is_removed);
    int err = transform_metric_match(source, t, arena, &match);
    if (err != 0) {
        return err;
    }
    if (match.match_count < match.left_count) {
        err = transform_metric_copy(source, t, arena, out);
        return err == 0 ? give_up(source, t, arena) : err;
    }
    struct transform_metric *whole = arena_alloc(arena, sizeof(*whole));
    if (whole == NULL) {
        return FAULT_LIMIT;
    }
    *whole = *source; /* with its points, which nobody else needs any more */
    whole->next = NULL;
    whole->is_copy = true;
    source->points = NULL;
    source->is_removed = true;
    *out = whole;
    return 0;
}

struct transform_point **transform_metric_append(struct transform_metric *target,
                                                 struct transform_point **end,
                                                 struct transform_metric *source)
{
    ASSERT(source->is_copy);
    ASSERT(target->data == source->data);
    ASSERT(source->data == 0 || (target->has_points && source->has_points));
    ASSERT(*end == NULL);
    *end = source->points;
    while (*end != NULL) {
        (*end)->is_foreign = true;
        end = &(*end)->next;
    }
    source->points = NULL;
    return end;
}

/* --- writing ---------------------------------------------------------------------------------- */

static struct slice encode_name(struct arena *arena, struct slice name)
{
    size_t room = name.len + PREFIX_MAX_BYTES;
    uint8_t *memory = arena_alloc(arena, room);
    if (memory == NULL) {
        return (struct slice){0};
    }
    struct otlp_build b;
    otlp_build_init(&b, memory, room);
    otlp_build_text_field(&b, METRIC_NAME << 3 | PB_WIRE_BYTES, name);
    ASSERT(b.err == 0);
    return otlp_build_since(&b, 0);
}

static void write_name(const struct transform_metric *metric, struct otlp_edit *edit)
{
    struct otlp_field old;
    struct slice bytes = encode_name(edit->arena, metric->name);
    (void)otlp_field_find(metric->field.content, METRIC_NAME, &old);
    if (bytes.ptr == NULL) {
        edit->err = FAULT_LIMIT;
        return;
    }
    otlp_edit_replace(edit, old.whole, bytes);
}

/* A point of another metric, at the end of the open data. */
static void write_foreign(struct transform_point *point, enum otlp_data data,
                          struct slice data_content, struct otlp_edit *edit)
{
    struct otlp_edit inner;
    struct otlp_splice room[TRANSFORM_SPLICES];
    struct slice bytes = {0};
    transform_edit_init(&inner, edit->arena, point->field.whole, room);
    transform_point_write(point, data, &inner);
    if (inner.err == 0 && !otlp_edit_is_changed(&inner)) {
        bytes = point->field.whole;
    } else if (transform_edit_finish(&inner, &bytes) != 0) {
        edit->err = FAULT_LIMIT;
        return;
    }
    otlp_edit_insert(edit, data_content.ptr + data_content.len, bytes);
}

static void write_point(struct transform_point *point, const struct transform_metric *metric,
                        struct otlp_edit *edit)
{
    if (point->is_foreign) {
        if (!point->is_removed) {
            write_foreign(point, metric->data, metric->data_field.content, edit);
        }
        return;
    }
    if (point->is_removed) {
        otlp_edit_remove(edit, point->field.whole);
        return;
    }
    transform_point_write(point, metric->data, edit);
}

/* The changes, whether it is a copy or not. */
static void write_changes(struct transform_metric *metric, struct otlp_edit *edit)
{
    otlp_edit_open(edit, &metric->field);
    if (metric->is_renamed) {
        write_name(metric, edit);
    }
    if (metric->has_points) {
        otlp_edit_open(edit, &metric->data_field);
        for (struct transform_point *p = metric->points; p != NULL && edit->err == 0; p = p->next) {
            write_point(p, metric, edit);
        }
        otlp_edit_close(edit);
    }
    otlp_edit_close(edit);
}

void transform_metric_write(struct transform_metric *metric, struct otlp_edit *edit)
{
    ASSERT(!metric->is_copy);
    ASSERT(!metric->is_removed);
    write_changes(metric, edit);
}

/* A copy as a field of its scope, in the arena or borrowed from the part. 0 or FAULT_LIMIT. */
static int encode_copy(struct transform_metric *metric, struct arena *arena, struct slice *out)
{
    ASSERT(metric->is_copy);
    struct otlp_edit edit;
    struct otlp_splice room[TRANSFORM_SPLICES];
    transform_edit_init(&edit, arena, metric->field.whole, room);
    write_changes(metric, &edit);
    if (edit.err != 0) {
        return edit.err;
    }
    if (!otlp_edit_is_changed(&edit)) {
        *out = metric->field.whole;
        return 0;
    }
    return transform_edit_finish(&edit, out);
}

int transform_metric_insert_copies(struct transform_metric *metrics, const uint8_t *at,
                                   struct otlp_edit *edit)
{
    int err = 0;
    for (struct transform_metric *m = metrics; err == 0 && m != NULL; m = m->next) {
        struct slice bytes = {0};
        if (!m->is_copy || m->is_removed) {
            continue;
        }
        err = encode_copy(m, edit->arena, &bytes);
        if (err == 0) {
            otlp_edit_insert(edit, at, bytes);
        }
    }
    return err;
}
