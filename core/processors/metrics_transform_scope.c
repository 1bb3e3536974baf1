/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_scope — a list of the scope's metrics, one function for each action, and the
 * list written down at the end.
 */
#include "core/processors/metrics_transform_scope.h"

#include "core/base/fault.h"
#include "core/processors/metrics_transform_combine.h"
#include "core/processors/metrics_transform_filter.h"

#define METRIC_NAME 1
/* One scope. */
struct scope {
    struct transform_run *run;
    struct otlp_field group;
    struct otlp_field field;
    struct transform_metric *metrics;
    struct transform_metric **end; /* where the next one goes */
    size_t count;
    const uint8_t *metrics_end; /* behind the last one in the part */
};

void transform_run_init(struct transform_run *run, const struct transform_config *config,
                        struct arena *arena)
{
    *run = (struct transform_run){.config = config, .arena = arena};
    run->moved_end = &run->moved;
}

/* --- the list --------------------------------------------------------------------------------- */

static bool is_any_about(const struct transform_config *config, struct slice name)
{
    const struct transform *t = config->first;
    while (t != NULL && !transform_filter_has_name(t, name)) {
        t = t->next;
    }
    return t != NULL;
}

/* Is there a metric in it that a transform is about, as the scope is now? */
static bool is_concerned(const struct transform_config *config, struct slice scope_group)
{
    struct pb_reader in = pb_reader_of(scope_group);
    struct otlp_field field;
    while (otlp_child_next(&in, OTLP_ITEMS, &field)) {
        struct otlp_field name;
        (void)otlp_field_find(field.content, METRIC_NAME, &name);
        if (is_any_about(config, name.content)) {
            return true;
        }
    }
    return false;
}

static void append(struct scope *scope, struct transform_metric *metric)
{
    metric->next = NULL;
    *scope->end = metric;
    scope->end = &metric->next;
    scope->count++;
}

static int load_scope(struct scope *scope)
{
    struct pb_reader in = pb_reader_of(scope->field.content);
    struct otlp_field field;
    while (otlp_child_next(&in, OTLP_ITEMS, &field)) {
        struct transform_metric *metric = arena_alloc(scope->run->arena, sizeof(*metric));
        if (metric == NULL) {
            return FAULT_LIMIT;
        }
        transform_metric_read(metric, &field);
        append(scope, metric);
        scope->metrics_end = in.pos;
    }
    return 0;
}

/* Is the transform about `metric`, or about some of its points? 0 or FAULT_LIMIT. */
static int select_metric(struct scope *scope, const struct transform *t,
                         struct transform_metric *metric, struct transform_match *match,
                         bool *is_selected)
{
    *is_selected = !metric->is_removed && transform_filter_has_name(t, metric->name);
    if (!*is_selected) {
        return 0;
    }
    int err = transform_metric_match(metric, t, scope->run->arena, match);
    *is_selected = match->match_count > 0 || match->left_count == 0;
    return err;
}

/* --- actions ---------------------------------------------------------------------------------- */

static int apply_operations(const struct transform_subject *subject)
{
    int err = 0;
    const struct transform_operation *op = subject->t->operations;
    for (; err == 0 && op != NULL; op = op->next) {
        err = transform_operation_apply(op, subject);
    }
    return err;
}

static int rename_metric(const struct transform_subject *subject)
{
    const struct transform *t = subject->t;
    struct transform_metric *metric = subject->metric;
    struct slice name;
    if (t->new_name.len == 0 || !subject->is_whole) {
        return 0;
    }
    int err = transform_filter_new_name(t, metric->name, subject->arena, &name);
    if (err == 0 && !slice_equal(name, metric->name)) {
        metric->name = name;
        metric->is_renamed = true;
    }
    return err;
}

/* Name and operations; a metric that lost its last point goes. 0 or FAULT_LIMIT. */
static int transform_metric_apply(struct scope *scope, const struct transform *t,
                                  struct transform_metric *metric, bool is_whole)
{
    struct transform_subject subject = {.t = t,
                                        .metric = metric,
                                        .arena = scope->run->arena,
                                        .tally = &scope->run->tally,
                                        .is_whole = is_whole};
    int err = rename_metric(&subject);
    if (err != 0 || t->operations == NULL) {
        return err;
    }
    bool had_points = transform_metric_count(metric) > 0;
    err = apply_operations(&subject);
    metric->is_removed = had_points && transform_metric_count(metric) == 0;
    return err;
}

static int apply_update(struct scope *scope, const struct transform *t)
{
    int err = 0;
    struct transform_metric *metric = scope->metrics;
    for (; err == 0 && metric != NULL; metric = metric->next) {
        struct transform_match match = {0};
        bool is_selected = false;
        err = select_metric(scope, t, metric, &match, &is_selected);
        if (err == 0 && is_selected) {
            bool is_whole = match.match_count == match.left_count;
            err = transform_metric_apply(scope, t, metric, is_whole);
        }
    }
    return err;
}

static int insert_copy(struct scope *scope, const struct transform *t,
                       struct transform_metric *metric, uint64_t point_count)
{
    struct transform_metric *copy = NULL;
    int err = transform_metric_copy(metric, t, scope->run->arena, &copy);
    if (err != 0) {
        return err;
    }
    scope->run->tally.added_count += point_count;
    err = transform_metric_apply(scope, t, copy, true);
    append(scope, copy);
    return err;
}

static int apply_insert(struct scope *scope, const struct transform *t)
{
    int err = 0;
    struct transform_metric *metric = scope->metrics;
    size_t count = scope->count; /* without what is added now */
    for (size_t i = 0; err == 0 && i < count; i++) {
        struct transform_match match = {0};
        bool is_selected = false;
        err = select_metric(scope, t, metric, &match, &is_selected);
        if (err == 0 && is_selected) {
            err = insert_copy(scope, t, metric, match.match_count);
        }
        metric = metric->next;
    }
    return err;
}

/* Those that the transform is about, and how many points of them. 0 or FAULT_LIMIT. */
static int select_all(struct scope *scope, const struct transform *t, struct transform_metric **out,
                      size_t *count, uint64_t *point_count)
{
    int err = 0;
    struct transform_metric *metric = scope->metrics;
    for (; err == 0 && metric != NULL; metric = metric->next) {
        struct transform_match match = {0};
        bool is_selected = false;
        err = select_metric(scope, t, metric, &match, &is_selected);
        if (err == 0 && is_selected) {
            out[*count] = metric;
            *count += 1;
            *point_count += match.match_count;
        }
    }
    return err;
}

static int apply_combine(struct scope *scope, const struct transform *t)
{
    struct transform_run *run = scope->run;
    struct transform_metric **metrics =
        arena_alloc_array(run->arena, scope->count, sizeof(struct transform_metric *));
    struct transform_metric *combined = NULL;
    size_t count = 0;
    uint64_t point_count = 0;
    bool can_combine = false;
    int err = metrics == NULL ? FAULT_LIMIT : select_all(scope, t, metrics, &count, &point_count);
    if (err == 0 && count > 0) {
        err = transform_can_combine(metrics, count, run->arena, &can_combine);
    }
    if (err != 0 || !can_combine) {
        run->tally.uncombined_count += point_count;
        return err;
    }
    err = transform_combine(metrics, count, t, run->arena, &run->tally, &combined);
    if (err != 0) {
        return err;
    }
    append(scope, combined);
    struct transform_subject subject = {
        .t = t, .metric = combined, .arena = run->arena, .tally = &run->tally, .is_whole = true};
    err = apply_operations(&subject);
    combined->is_removed = point_count > 0 && transform_metric_count(combined) == 0;
    return err;
}

static struct transform_moved *new_moved(struct scope *scope, const struct transform *t)
{
    struct transform_run *run = scope->run;
    struct transform_moved *moved = arena_alloc(run->arena, sizeof(*moved));
    const struct transform_frame *frame =
        transform_frame_find(&run->frames, t, &scope->group, run->arena);
    if (frame == NULL || moved == NULL) {
        return NULL;
    }
    *moved = (struct transform_moved){.frame = frame, .scope_group = scope->field};
    *run->moved_end = moved;
    run->moved_end = &moved->next;
    return moved;
}

static int apply_group(struct scope *scope, const struct transform *t)
{
    struct transform_moved *moved = NULL;
    struct transform_metric **end = NULL;
    int err = 0;
    struct transform_metric *metric = scope->metrics;
    for (; err == 0 && metric != NULL; metric = metric->next) {
        struct transform_match match = {0};
        bool is_selected = false;
        err = select_metric(scope, t, metric, &match, &is_selected);
        if (err != 0 || !is_selected) {
            continue;
        }
        if (moved == NULL) {
            moved = new_moved(scope, t);
            end = moved == NULL ? NULL : &moved->metrics;
        }
        err = end == NULL ? FAULT_LIMIT : transform_metric_split(metric, t, scope->run->arena, end);
        end = err == 0 ? &(*end)->next : end;
    }
    return err;
}

static int apply_transform(struct scope *scope, const struct transform *t)
{
    switch (t->action) {
    case TRANSFORM_UPDATE:
        return apply_update(scope, t);
    case TRANSFORM_INSERT:
        return apply_insert(scope, t);
    case TRANSFORM_COMBINE:
        return apply_combine(scope, t);
    case TRANSFORM_GROUP:
        return apply_group(scope, t);
    }
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int write_scope(struct scope *scope, struct otlp_edit *edit, bool *is_emptied)
{
    *is_emptied = scope->count > 0;
    for (struct transform_metric *m = scope->metrics; m != NULL; m = m->next) {
        *is_emptied &= m->is_removed;
        if (m->is_copy) {
            continue;
        }
        if (m->is_removed) {
            otlp_edit_remove(edit, m->field.whole);
        } else {
            transform_metric_write(m, edit);
        }
    }
    return transform_metric_insert_copies(scope->metrics, scope->metrics_end, edit);
}

int transform_scope_apply(struct transform_run *run, const struct otlp_field *group,
                          const struct otlp_field *scope_group, struct otlp_edit *edit,
                          bool *is_emptied)
{
    struct scope scope = {.run = run, .group = *group, .field = *scope_group};
    *is_emptied = false;
    if (!is_concerned(run->config, scope_group->content)) {
        return 0;
    }
    scope.end = &scope.metrics;
    int err = load_scope(&scope);
    for (const struct transform *t = run->config->first; err == 0 && t != NULL; t = t->next) {
        err = apply_transform(&scope, t);
    }
    return err == 0 ? write_scope(&scope, edit, is_emptied) : err;
}
