/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_intake — from ResourceMetrics to groups, point by point.
 *
 * What a resource, a scope and a metric say is worked out once for all of their points. A point
 * becomes labels, a place and one or more values; each point is booked exactly once.
 */
#include "codecs/emf_intake.h"

#include "codecs/emf_entry.h"
#include "codecs/emf_point.h"
#include "codecs/emf_state.h"
#include "codecs/emf_unit.h"
#include "core/base/fault.h"
#include "core/otlp/otlp_field.h"

#define NS_PER_MS 1000000

/* Field numbers of Metric, Sum, the histograms and the scope. */
enum {
    METRIC_NAME = 1,
    METRIC_UNIT = 3,
    DATA_TEMPORALITY = 2,
    SCOPE_NAME = 1,
};

static void drop(struct emf *emf, enum emf_drop reason)
{
    emf->tally.drops[reason]++;
}

/* --- points ----------------------------------------------------------------------------------- */

/* The resource's place, or where it has open placeholders, one with the point's labels. */
static const struct emf_place *place_for(struct emf *emf, const struct emf_labels *labels)
{
    if (emf->place == NULL || !emf->place->is_open) {
        return emf->place;
    }
    const struct emf_place_names names = {.options = &emf->options, .hash_seed = emf->hash_seed};
    const struct emf_place *place =
        emf_place_new(&names, emf->space, &emf->resource, labels, &emf->scratch, &emf->arena);
    if (place != NULL && emf->open_place != NULL &&
        emf_key_equal(place->key, emf->open_place->key)) {
        return emf->open_place;
    }
    emf->open_place = place;
    if (place != NULL) {
        emf->tally.notices[EMF_NOTICE_LOG_NAME] += place->was_changed ? 1 : 0;
    }
    return place;
}

/* Labels, place and time; false and booked where the point cannot be sent. */
static bool prepare(struct emf *emf, struct emf_point_now *p, const struct emf_point *point)
{
    if (point->has_no_value) {
        drop(emf, EMF_DROP_NO_VALUE);
        return false;
    }
    if (!p->metric->is_named) {
        drop(emf, EMF_DROP_NAME);
        return false;
    }
    emf_labels_finish(&emf->point);
    emf_labels_merge(&emf->merged, &emf->point, &emf->scope);
    p->labels = &emf->merged;
    if (p->labels->err != 0) {
        drop(emf, p->labels->err == FAULT_LIMIT ? EMF_DROP_LABELS : EMF_DROP_MEMORY);
        return false;
    }
    p->place = place_for(emf, p->labels);
    p->labels_key = emf_labels_key(p->labels, emf->hash_seed, &emf->scratch);
    if (p->place == NULL || emf->scratch.err != 0) {
        drop(emf, EMF_DROP_MEMORY);
        return false;
    }
    uint64_t time_ns = point->time_unix_ns != 0 ? point->time_unix_ns : emf->now.unix_ns;
    p->time_ms = time_ns / NS_PER_MS;
    p->resolution_s =
        p->labels->resolution_s != 0 ? p->labels->resolution_s : EMF_RESOLUTION_DEFAULT_S;
    return true;
}

static void take_point(struct emf *emf, const struct emf_metric_now *metric, struct slice content)
{
    struct emf_point_now p = {.metric = metric};
    struct emf_point point;
    emf->tally.point_count++;
    emf_labels_clear(&emf->point);
    emf_point_read(metric->data, content, &point, &emf->point, &emf->arena);
    if (!prepare(emf, &p, &point)) {
        return;
    }
    emf_entry_take(emf, &p, &point, content);
}

/* --- metrics, scopes, resources --------------------------------------------------------------- */

static bool is_metric_name(const struct emf *emf, struct slice name, enum otlp_data data)
{
    bool has_suffix = data == OTLP_DATA_SUMMARY && emf->options.has_detailed_metrics;
    bool is_prometheus = emf->place != NULL && emf->place->is_prometheus;
    size_t chars = 0;
    for (size_t i = 0; i < name.len; i++) {
        chars += (name.ptr[i] & 0xC0) != 0x80 ? 1 : 0;
    }
    chars += has_suffix ? EMF_SUFFIX_MAX_CHARS : 0;
    return name.len > 0 && chars <= EMF_METRIC_NAME_MAX_CHARS &&
           emf_name_is_usable(&emf->options, is_prometheus, name);
}

static bool is_cumulative(const struct otlp_field *data)
{
    struct otlp_field field;
    return data->number == OTLP_DATA_SUM &&
           otlp_field_find(data->content, DATA_TEMPORALITY, &field) &&
           otlp_field_u64(&field) == OTLP_TEMPORALITY_CUMULATIVE;
}

static void take_metric(struct emf *emf, struct slice content)
{
    struct emf_metric_now metric = {.name = {0}};
    struct otlp_field data = {.number = 0};
    struct otlp_field field;
    struct pb_reader in = pb_reader_of(content);
    while (otlp_field_next(&in, &field)) {
        if (field.number == METRIC_NAME) {
            metric.name = field.content;
        } else if (field.number == METRIC_UNIT) {
            metric.unit = field.content;
        } else if (otlp_is_data(field.number)) {
            data = field;
        }
    }
    if (data.number == 0) {
        return;
    }
    bool is_unknown = false;
    metric.unit = emf_unit_of(&emf->options, metric.name, metric.unit, &is_unknown);
    emf->tally.notices[EMF_NOTICE_UNIT] += is_unknown ? 1 : 0;
    metric.key = emf_key_of(metric.name, emf->hash_seed);
    metric.data = (enum otlp_data)data.number;
    metric.is_cumulative = is_cumulative(&data);
    metric.is_named = is_metric_name(emf, metric.name, metric.data);
    struct pb_reader points = pb_reader_of(data.content);
    while (otlp_child_next(&points, OTLP_POINTS, &field)) {
        take_point(emf, &metric, field.content);
    }
}

static bool is_service_key(struct slice key)
{
    return slice_is_text(key, "service.name") || slice_is_text(key, "service.namespace") ||
           slice_is_text(key, "service.instance.id");
}

/* What points get from their resource and their scope. */
static void label_scope(struct emf *emf, struct slice scope_name)
{
    emf_labels_clear(&emf->scope);
    const struct emf_labels *resource = &emf->resource;
    if (emf->options.copies_resource) {
        emf->scope.err = resource->err;
        emf->scope.resolution_s = resource->resolution_s;
        for (uint32_t i = 0; i < resource->count; i++) {
            const struct emf_label *label = &resource->items[i];
            if (!emf->options.leaves_service_out || !is_service_key(label->name)) {
                emf_labels_add(&emf->scope, label->name, label->value);
            }
        }
    }
    if (scope_name.len > 0) {
        emf_labels_add(&emf->scope, EMF_LABEL_SCOPE, scope_name);
    }
    emf_labels_finish(&emf->scope);
}

static void take_scope(struct emf *emf, struct slice content)
{
    struct otlp_field field;
    struct slice scope_name = {0};
    if (otlp_field_find(content, OTLP_SCOPE, &field)) {
        struct otlp_field name;
        (void)otlp_field_find(field.content, SCOPE_NAME, &name); /* none is empty */
        scope_name = name.content;
    }
    label_scope(emf, scope_name);
    struct pb_reader in = pb_reader_of(content);
    while (otlp_child_next(&in, OTLP_ITEMS, &field)) {
        take_metric(emf, field.content);
    }
}

static void take_resource(struct emf *emf, struct slice content)
{
    struct otlp_field resource;
    (void)otlp_field_find(content, OTLP_RESOURCE, &resource); /* none is empty */
    struct pb_reader in = pb_reader_of(resource.content);
    struct otlp_attr attr;
    emf_labels_clear(&emf->resource);
    while (otlp_attr_next(&in, OTLP_RESOURCE_ATTRS, &attr)) {
        emf_labels_add_attr(&emf->resource, &attr, &emf->arena);
    }
    emf_labels_finish(&emf->resource);
    const struct emf_place_names names = {.options = &emf->options, .hash_seed = emf->hash_seed};
    emf->space = emf_place_namespace(&emf->options, resource.content, &emf->arena);
    emf->open_place = NULL;
    emf->place = NULL;
    if (emf->space.ptr != NULL) {
        emf->place =
            emf_place_new(&names, emf->space, &emf->resource, NULL, &emf->scratch, &emf->arena);
    }
    if (emf->place != NULL && !emf->place->is_open) {
        emf->tally.notices[EMF_NOTICE_LOG_NAME] += emf->place->was_changed ? 1 : 0;
    }
    struct otlp_field field;
    struct pb_reader scopes = pb_reader_of(content);
    while (otlp_child_next(&scopes, OTLP_SCOPES, &field)) {
        take_scope(emf, field.content);
    }
}

void emf_intake_request(struct emf *emf, struct slice request)
{
    struct pb_reader in = pb_reader_of(request);
    struct otlp_field field;
    while (otlp_child_next(&in, OTLP_RESOURCES, &field)) {
        take_resource(emf, field.content);
    }
}
