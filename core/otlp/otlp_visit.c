/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_visit — the nest of loops that every processor would write otherwise.
 *
 * Each level opens what it shows, asks, goes inside, and closes or drops. Counting what goes with a
 * dropped resource or scope steps over its items once more.
 */
#include "core/otlp/otlp_visit.h"

/* One visit. */
struct visit {
    struct otlp_visitor *visitor;
    struct otlp_edit *edit;
    struct otlp_place place;
    struct otlp_tally tally;
};

/* Items that are left in a message and how many went. */
struct remains {
    uint64_t kept_count;
    uint64_t dropped_count;
};

static enum otlp_verdict ask(struct visit *v, otlp_visit_fn *fn)
{
    return fn == NULL ? OTLP_KEEP : fn(v->visitor, &v->place, v->edit);
}

/* Asks with `field` open. */
static enum otlp_verdict ask_inside(struct visit *v, otlp_visit_fn *fn,
                                    const struct otlp_field *field)
{
    if (fn == NULL) {
        return OTLP_KEEP;
    }
    otlp_edit_open(v->edit, field);
    enum otlp_verdict verdict = fn(v->visitor, &v->place, v->edit);
    otlp_edit_close(v->edit);
    return verdict;
}

static uint64_t count_children(struct slice message, uint32_t number)
{
    struct pb_reader in = pb_reader_of(message);
    struct otlp_field field;
    uint64_t count = 0;
    while (otlp_child_next(&in, number, &field)) {
        count++;
    }
    return count;
}

static uint64_t count_points(struct slice metric)
{
    struct otlp_field data;
    return otlp_metric_data(metric, &data) ? count_children(data.content, OTLP_POINTS) : 0;
}

/* Adds what goes with a scope to the tally. */
static void tally_scope(struct visit *v, struct slice scope_group)
{
    if (v->place.signal != SIGNAL_METRICS) {
        v->tally.dropped_count += count_children(scope_group, OTLP_ITEMS);
        return;
    }
    struct pb_reader in = pb_reader_of(scope_group);
    struct otlp_field metric;
    while (otlp_child_next(&in, OTLP_ITEMS, &metric)) {
        v->tally.dropped_metric_count++;
        v->tally.dropped_count += count_points(metric.content);
    }
}

static void tally_group(struct visit *v, struct slice group)
{
    struct pb_reader in = pb_reader_of(group);
    struct otlp_field scope_group;
    while (otlp_child_next(&in, OTLP_SCOPES, &scope_group)) {
        tally_scope(v, scope_group.content);
    }
}

/* Shows one span, log record or data point. */
static void visit_item(struct visit *v, struct remains *remains)
{
    otlp_edit_open(v->edit, &v->place.item);
    if (ask(v, v->visitor->on_item) == OTLP_DROP) {
        otlp_edit_close_dropped(v->edit);
        v->tally.dropped_count++;
        remains->dropped_count++;
        return;
    }
    otlp_edit_close(v->edit);
    remains->kept_count++;
}

/* Shows the items that are fields `number` of `message`, the innermost open one. */
static struct remains visit_items(struct visit *v, struct slice message, uint32_t number)
{
    struct remains remains = {0};
    struct pb_reader in = pb_reader_of(message);
    while (otlp_child_next(&in, number, &v->place.item)) {
        visit_item(v, &remains);
    }
    v->place.item = (struct otlp_field){0};
    return remains;
}

/* Shows the points of the open metric. False: it had some and has none any more. */
static bool visit_points(struct visit *v, const struct otlp_field *data)
{
    otlp_edit_open(v->edit, data);
    struct remains remains = visit_items(v, data->content, OTLP_POINTS);
    otlp_edit_close(v->edit);
    return remains.kept_count > 0 || remains.dropped_count == 0;
}

/* Shows the metric in v->place. False: it went. */
static bool visit_metric(struct visit *v)
{
    struct otlp_place *place = &v->place;
    struct otlp_field data;
    bool has_data = otlp_metric_data(place->metric.content, &data);
    place->data = has_data ? (enum otlp_data)data.number : 0;
    place->item_attrs = otlp_item_attrs(SIGNAL_METRICS, place->data);
    otlp_edit_open(v->edit, &place->metric);
    enum otlp_verdict verdict = ask(v, v->visitor->on_metric);
    bool stays = verdict != OTLP_DROP;
    if (!stays) {
        v->tally.dropped_count += count_points(place->metric.content);
    } else if (has_data && verdict == OTLP_KEEP && v->visitor->on_item != NULL) {
        stays = visit_points(v, &data);
    }
    if (stays) {
        otlp_edit_close(v->edit);
        return true;
    }
    otlp_edit_close_dropped(v->edit);
    v->tally.dropped_metric_count++;
    return false;
}

static struct remains visit_metrics(struct visit *v)
{
    struct remains remains = {0};
    struct pb_reader in = pb_reader_of(v->place.scope_group.content);
    while (otlp_child_next(&in, OTLP_ITEMS, &v->place.metric)) {
        if (visit_metric(v)) {
            remains.kept_count++;
        } else {
            remains.dropped_count++;
        }
    }
    v->place.metric = (struct otlp_field){0};
    v->place.data = 0;
    return remains;
}

static bool is_scope_entered(const struct visit *v)
{
    const struct otlp_visitor *visitor = v->visitor;
    bool has_metric_fn = v->place.signal == SIGNAL_METRICS && visitor->on_metric != NULL;
    return visitor->on_item != NULL || has_metric_fn;
}

/* Shows the scope in v->place. False: it went. */
static bool visit_scope(struct visit *v)
{
    struct otlp_place *place = &v->place;
    (void)otlp_field_find(place->scope_group.content, OTLP_SCOPE, &place->scope);
    otlp_edit_open(v->edit, &place->scope_group);
    enum otlp_verdict verdict = ask_inside(v, v->visitor->on_scope, &place->scope);
    struct remains remains = {.kept_count = 1};
    if (verdict == OTLP_DROP) {
        tally_scope(v, place->scope_group.content);
        remains = (struct remains){.dropped_count = 1};
    } else if (verdict == OTLP_KEEP && is_scope_entered(v)) {
        remains = place->signal == SIGNAL_METRICS
                      ? visit_metrics(v)
                      : visit_items(v, place->scope_group.content, OTLP_ITEMS);
    }
    if (remains.kept_count > 0 || remains.dropped_count == 0) {
        otlp_edit_close(v->edit);
        return true;
    }
    otlp_edit_close_dropped(v->edit);
    return false;
}

static struct remains visit_scopes(struct visit *v)
{
    struct remains remains = {0};
    struct pb_reader in = pb_reader_of(v->place.group.content);
    while (otlp_child_next(&in, OTLP_SCOPES, &v->place.scope_group)) {
        if (visit_scope(v)) {
            remains.kept_count++;
        } else {
            remains.dropped_count++;
        }
    }
    v->place.scope_group = (struct otlp_field){0};
    v->place.scope = (struct otlp_field){0};
    return remains;
}

/* Shows the resource in v->place. */
static void visit_group(struct visit *v)
{
    struct otlp_place *place = &v->place;
    (void)otlp_field_find(place->group.content, OTLP_RESOURCE, &place->resource);
    otlp_edit_open(v->edit, &place->group);
    enum otlp_verdict verdict = ask_inside(v, v->visitor->on_resource, &place->resource);
    struct remains remains = {.kept_count = 1};
    if (verdict == OTLP_DROP) {
        tally_group(v, place->group.content);
        remains = (struct remains){.dropped_count = 1};
    } else if (verdict == OTLP_KEEP && (v->visitor->on_scope != NULL || is_scope_entered(v))) {
        remains = visit_scopes(v);
    }
    if (remains.kept_count > 0 || remains.dropped_count == 0) {
        otlp_edit_close(v->edit);
        return;
    }
    otlp_edit_close_dropped(v->edit);
}

int otlp_visit(struct otlp_visitor *visitor, enum signal signal, struct otlp_edit *edit,
               struct otlp_tally *out)
{
    ASSERT(edit->depth == 0);
    struct visit v = {.visitor = visitor, .edit = edit, .place = {.signal = signal}};
    v.place.item_attrs = otlp_item_attrs(signal, 0);
    struct pb_reader in = pb_reader_of(edit->source);
    while (edit->err == 0 && otlp_child_next(&in, OTLP_RESOURCES, &v.place.group)) {
        visit_group(&v);
    }
    *out = v.tally;
    return edit->err;
}
