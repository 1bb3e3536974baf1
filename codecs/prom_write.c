/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write — from export requests to series, and from series to requests.
 *
 * One resource is decoded at a time. Labels of resource and scope are collected once and kept
 * while the points of the scope come and go. Source: behaviour of the Collector's prometheus
 * remote write exporter.
 */
#include "codecs/prom_write.h"

#include <errno.h>
#include <string.h>

#include "codecs/otlp_plain.h"
#include "codecs/prom_name.h"
#include "codecs/prom_text.h"
#include "codecs/prom_write_point.h"
#include "codecs/prom_write_wire.h"
#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/otlp/otlp_metrics.h"
#include "core/otlp/otlp_point.h"
#include "core/otlp/pb_decode.h"

#define METRICS PROM_WRITE_METRICS
#define COMMON(name) Opentelemetry__Proto__Common__V1__##name
#define TREE_FIRST_BYTES (64 * 1024)
/* Typed structs of one resource with all its metrics. */
#define TREE_MAX_BYTES (256 * 1024 * 1024)
#define NAME_MAX_BYTES 65536
/* Name, labels, and what is added to them; and one histogram at its widest. */
#define KEY_MAX_BYTES (4 * PROM_LABELS_MAX_BYTES)
#define PIECE_MAX_BYTES (64 * 1024 * 1024)
/* Help and unit of a metric. */
#define TEXT_MAX_BYTES (1024 * 1024)

int prom_write_init(struct prom_write *pw, const struct prom_write_options *options,
                    uint64_t hash_seed)
{
    *pw = (struct prom_write){.options = options};
    prom_labels_init(&pw->labels);
    prom_labels_init(&pw->exemplar);
    bytes_init(&pw->name, NAME_MAX_BYTES);
    bytes_init(&pw->key, KEY_MAX_BYTES);
    bytes_init(&pw->piece, PIECE_MAX_BYTES);
    bytes_init(&pw->text, TEXT_MAX_BYTES);
    int err = arena_init(&pw->tree, TREE_FIRST_BYTES, TREE_MAX_BYTES);
    if (err == 0) {
        err = arena_init(&pw->scratch, TREE_FIRST_BYTES, TREE_MAX_BYTES);
    }
    if (err == 0) {
        err = prom_write_set_init(&pw->series, PROM_WRITE_BATCH_MAX_BYTES, hash_seed);
    }
    if (err == 0) {
        err = prom_write_set_init(&pw->metadata, PROM_WRITE_BATCH_MAX_BYTES, hash_seed);
    }
    return err;
}

void prom_write_fini(struct prom_write *pw)
{
    prom_labels_fini(&pw->labels);
    prom_labels_fini(&pw->exemplar);
    bytes_fini(&pw->name);
    bytes_fini(&pw->key);
    bytes_fini(&pw->piece);
    bytes_fini(&pw->text);
    arena_fini(&pw->tree);
    arena_fini(&pw->scratch);
    prom_write_set_fini(&pw->series);
    prom_write_set_fini(&pw->metadata);
}

void prom_write_clear(struct prom_write *pw)
{
    prom_write_set_clear(&pw->series);
    prom_write_set_clear(&pw->metadata);
    pw->tally = (struct prom_write_tally){0};
    pw->delta_name_len = 0;
    pw->is_sealed = false;
}

/* --- the tally -------------------------------------------------------------------------------- */

static enum prom_write_refusal refusal_of(int err)
{
    switch (err) {
    case -ENOMEM:
        return PROM_WRITE_MEMORY;
    case FAULT_LIMIT:
        return PROM_WRITE_LABELS;
    case FAULT_UNSUPPORTED:
        return PROM_WRITE_SCALE;
    default:
        return PROM_WRITE_MALFORMED;
    }
}

static void refuse(struct prom_write *pw, enum prom_write_refusal why, uint64_t count)
{
    pw->tally.refused_counts[why] += count;
}

static void refuse_delta(struct prom_write *pw, struct slice name, uint64_t count)
{
    if (pw->delta_name_len == 0 && name.len > 0) {
        pw->delta_name_len = name.len < sizeof(pw->delta_name) ? name.len : sizeof(pw->delta_name);
        memcpy(pw->delta_name, name.ptr, pw->delta_name_len);
    }
    refuse(pw, PROM_WRITE_DELTA, count);
}

/* --- one metric ------------------------------------------------------------------------------- */

/* What the kind of a metric means here. */
struct metric_shape {
    enum prom_meta_type type;
    size_t point_count;
    bool is_cumulative; /* or has no temporality */
    bool is_delta;
};

static struct metric_shape shape_with(enum prom_meta_type type, size_t point_count, int temporality)
{
    return (struct metric_shape){
        .type = type,
        .point_count = point_count,
        .is_cumulative = temporality == (int)OTLP_TEMPORALITY_CUMULATIVE,
        .is_delta = temporality == (int)OTLP_TEMPORALITY_DELTA,
    };
}

static struct metric_shape shape_of(const struct METRICS(Metric) * m)
{
    switch ((int)m->data_case) { /* wire values */
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE:
        return shape_with(PROM_META_GAUGE, m->gauge->n_data_points, OTLP_TEMPORALITY_CUMULATIVE);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM:
        return shape_with(m->sum->is_monotonic != 0 ? PROM_META_COUNTER : PROM_META_GAUGE,
                          m->sum->n_data_points, (int)m->sum->aggregation_temporality);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM:
        return shape_with(PROM_META_HISTOGRAM, m->histogram->n_data_points,
                          (int)m->histogram->aggregation_temporality);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_EXPONENTIAL_HISTOGRAM:
        return shape_with(PROM_META_HISTOGRAM, m->exponential_histogram->n_data_points,
                          (int)m->exponential_histogram->aggregation_temporality);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUMMARY:
        return shape_with(PROM_META_SUMMARY, m->summary->n_data_points,
                          OTLP_TEMPORALITY_CUMULATIVE);
    default:
        return (struct metric_shape){0};
    }
}

/* Fills pw->name; false where there is no such name. */
static bool name_metric(struct prom_write *pw, const struct METRICS(Metric) * m,
                        enum prom_meta_type type)
{
    bytes_clear(&pw->name);
    const struct prom_name name = {
        .namespace = pw->options->namespace,
        .name = pb_slice(m->name),
        .unit = pb_slice(m->unit),
        .is_monotonic = type == PROM_META_COUNTER,
        .is_gauge = m->data_case == OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE,
        .has_suffixes = pw->options->has_suffixes,
    };
    return prom_name_metric(&pw->name, &name) && pw->name.err == 0;
}

/* Adds what pw->piece says, once. 0 or -ENOMEM. */
static int add_metadata(struct prom_write *pw)
{
    struct prom_write_series *entry =
        prom_write_set_find(&pw->metadata, bytes_slice(&pw->piece), NULL);
    if (entry == NULL) {
        return -ENOMEM;
    }
    if (entry->first != NULL) {
        return 0;
    }
    int err = prom_write_set_add(&pw->metadata, entry, 0, (struct slice){0});
    if (err == 0) {
        entry->group->item_count = 1;
        prom_write_set_keep(&pw->metadata);
    }
    return err;
}

/* Metadata is a courtesy: what has no room is left out. */
static void describe_metric(struct prom_write *pw, const struct METRICS(Metric) * m,
                            enum prom_meta_type type)
{
    bytes_clear(&pw->text);
    bytes_clear(&pw->piece);
    prom_text_mend(&pw->text, pb_slice(m->description));
    size_t help_len = pw->text.len;
    prom_text_mend(&pw->text, pb_slice(m->unit));
    const struct prom_wire_metadata metadata = {
        .type = type,
        .name = bytes_slice(&pw->name),
        .help = slice_first(bytes_slice(&pw->text), help_len),
        .unit = slice_from(bytes_slice(&pw->text), help_len),
    };
    prom_wire_metadata(&pw->piece, &metadata);
    if (pw->text.err != 0 || pw->piece.err != 0 || add_metadata(pw) != 0) {
        pw->tally.left_out_metadata++;
    }
}

static void take_points(struct prom_write *pw, const struct METRICS(Metric) * m, size_t point_count)
{
    for (size_t i = 0; i < point_count; i++) {
        int err = prom_write_point(pw, m, i);
        if (err == 0) {
            pw->tally.written_count++;
        } else {
            refuse(pw, refusal_of(err), 1);
        }
    }
}

static void note_times(struct prom_write *pw, const struct METRICS(Metric) * m, size_t point_count)
{
    for (size_t i = 0; i < point_count; i++) {
        uint64_t time_unix_ns = prom_write_point_time_ns(m, i);
        pw->latest_unix_ns = time_unix_ns > pw->latest_unix_ns ? time_unix_ns : pw->latest_unix_ns;
    }
}

static void take_metric(struct prom_write *pw, const struct METRICS(Metric) * m)
{
    struct metric_shape shape = shape_of(m);
    if (shape.point_count == 0) {
        return;
    }
    note_times(pw, m, shape.point_count);
    if (shape.is_delta) {
        refuse_delta(pw, pb_slice(m->name), shape.point_count);
        return;
    }
    if (!shape.is_cumulative) {
        refuse(pw, PROM_WRITE_MALFORMED, shape.point_count);
        return;
    }
    if (!name_metric(pw, m, shape.type)) {
        refuse(pw, pw->name.err == -ENOMEM ? PROM_WRITE_MEMORY : PROM_WRITE_NAME,
               shape.point_count);
        return;
    }
    take_points(pw, m, shape.point_count);
    if (pw->options->has_metadata) {
        describe_metric(pw, m, shape.type);
    }
}

/* --- scope and resource ----------------------------------------------------------------------- */

/* `a`, which is not empty, and `b` in a row, in the tree's arena; empty where that is full. */
static struct slice join(struct prom_write *pw, struct slice a, struct slice b)
{
    uint8_t *text = arena_alloc(&pw->tree, a.len + b.len);
    if (text == NULL) {
        pw->labels.text.err = -ENOMEM;
        return (struct slice){0};
    }
    memcpy(text, a.ptr, a.len);
    if (b.len > 0) {
        memcpy(text + a.len, b.ptr, b.len);
    }
    return slice_of(text, a.len + b.len);
}

static void add_scope_labels(struct prom_write *pw,
                             const struct COMMON(InstrumentationScope) * scope)
{
    struct prom_labels *labels = &pw->labels;
    if (!pw->options->has_scope_labels || scope == NULL) {
        return;
    }
    if (scope->name.len > 0) {
        prom_labels_add(labels, PROM_LABEL_SCOPE, SLICE_LITERAL("otel_scope_name"),
                        pb_slice(scope->name));
    }
    if (scope->version.len > 0) {
        prom_labels_add(labels, PROM_LABEL_SCOPE, SLICE_LITERAL("otel_scope_version"),
                        pb_slice(scope->version));
    }
    for (size_t i = 0; i < scope->n_attributes; i++) {
        struct slice name =
            join(pw, SLICE_LITERAL("otel_scope_"), pb_slice(scope->attributes[i]->key));
        prom_labels_add_value(labels, PROM_LABEL_SCOPE, name, scope->attributes[i]->value,
                              &pw->tree);
    }
}

static void take_scope(struct prom_write *pw, const struct METRICS(ScopeMetrics) * scope_metrics)
{
    struct prom_labels_mark mark = prom_labels_mark(&pw->labels);
    add_scope_labels(pw, scope_metrics->scope);
    for (size_t i = 0; i < scope_metrics->n_metrics; i++) {
        take_metric(pw, scope_metrics->metrics[i]);
    }
    prom_labels_rewind(&pw->labels, mark);
}

/* A resource, and the attributes of it that become job and instance; NULL for what it has not. */
struct target {
    struct COMMON(KeyValue) *const *pairs;
    size_t count;
    const struct COMMON(KeyValue) * name;
    const struct COMMON(KeyValue) * space;
    const struct COMMON(KeyValue) * instance;
};

static bool is_service_key(struct slice key)
{
    return slice_is_text(key, "service.name") || slice_is_text(key, "service.namespace") ||
           slice_is_text(key, "service.instance.id");
}

static struct target target_of(const struct METRICS(ResourceMetrics) * rm)
{
    struct target target = {0};
    if (rm->resource != NULL) {
        target.pairs = rm->resource->attributes;
        target.count = rm->resource->n_attributes;
    }
    for (size_t i = 0; i < target.count; i++) {
        const struct COMMON(KeyValue) *pair = target.pairs[i];
        if (slice_is_text(pb_slice(pair->key), "service.name")) {
            target.name = pair;
        } else if (slice_is_text(pb_slice(pair->key), "service.namespace")) {
            target.space = pair;
        } else if (slice_is_text(pb_slice(pair->key), "service.instance.id")) {
            target.instance = pair;
        }
    }
    return target;
}

/* "namespace/name", whatever kinds of values the two are. */
static void add_job(struct prom_write *pw, const struct target *target)
{
    struct prom_labels *labels = &pw->labels;
    if (target->space == NULL) {
        prom_labels_add_value(labels, PROM_LABEL_OWN, SLICE_LITERAL("job"), target->name->value,
                              &pw->tree);
        return;
    }
    bytes_clear(&pw->text);
    otlp_plain_value(&pw->text, target->space->value, &pw->tree);
    bytes_append_byte(&pw->text, '/');
    otlp_plain_value(&pw->text, target->name->value, &pw->tree);
    prom_labels_add(labels, PROM_LABEL_OWN, SLICE_LITERAL("job"), bytes_slice(&pw->text));
}

/* Labels that all series of the resource have. */
static void add_target_labels(struct prom_write *pw, const struct target *target)
{
    const struct prom_write_options *options = pw->options;
    for (size_t i = 0; i < options->external_label_count; i++) {
        prom_labels_add(&pw->labels, PROM_LABEL_CONST, options->external_labels[i].name,
                        options->external_labels[i].value);
    }
    if (target->name != NULL) {
        add_job(pw, target);
    }
    if (target->instance != NULL) {
        prom_labels_add_value(&pw->labels, PROM_LABEL_OWN, SLICE_LITERAL("instance"),
                              target->instance->value, &pw->tree);
    }
}

static void add_resource_labels(struct prom_write *pw, const struct target *target,
                                bool with_service_attrs)
{
    for (size_t i = 0; i < target->count; i++) {
        const struct COMMON(KeyValue) *pair = target->pairs[i];
        if (with_service_attrs || !is_service_key(pb_slice(pair->key))) {
            prom_labels_add_value(&pw->labels, PROM_LABEL_RESOURCE, pb_slice(pair->key),
                                  pair->value, &pw->tree);
        }
    }
}

/* What else is known of the resource, as labels of a series of its own. */
static void put_target_info(struct prom_write *pw, const struct target *target)
{
    size_t service_count = 0;
    for (size_t i = 0; i < target->count; i++) {
        service_count += is_service_key(pb_slice(target->pairs[i]->key)) ? 1 : 0;
    }
    bool has_identity = target->name != NULL || target->instance != NULL;
    if (!has_identity || service_count == target->count || pw->latest_unix_ns == 0) {
        return;
    }
    const struct prom_name name = {.namespace = pw->options->namespace,
                                   .name = SLICE_LITERAL("target_info")};
    bytes_clear(&pw->name);
    add_resource_labels(pw, target, false);
    bool has_name = prom_name_metric(&pw->name, &name) && pw->name.err == 0;
    if (!has_name || prom_write_info(pw, 1, pw->latest_unix_ns) != 0) {
        pw->tally.left_out_infos++;
    }
}

static void take_resource(void *owner, const struct METRICS(ResourceMetrics) * rm)
{
    struct prom_write *pw = owner;
    const struct prom_write_options *options = pw->options;
    struct target target = target_of(rm);
    pw->latest_unix_ns = 0;
    prom_labels_rewind(&pw->labels, (struct prom_labels_mark){0});
    add_target_labels(pw, &target);
    struct prom_labels_mark mark = prom_labels_mark(&pw->labels);
    if (options->has_resource_labels) {
        add_resource_labels(pw, &target, !options->leaves_out_service_attrs);
    }
    for (size_t i = 0; i < rm->n_scope_metrics; i++) {
        take_scope(pw, rm->scope_metrics[i]);
    }
    prom_labels_rewind(&pw->labels, mark);
    if (options->has_target_info) {
        put_target_info(pw, &target);
    }
}

/* --- in --------------------------------------------------------------------------------------- */

static uint64_t seen_count(const struct prom_write_tally *tally)
{
    uint64_t count = tally->written_count;
    for (size_t i = 0; i < PROM_WRITE_REFUSAL_COUNT; i++) {
        count += tally->refused_counts[i];
    }
    return count;
}

void prom_write_add(struct prom_write *pw, struct slice request, uint64_t item_count)
{
    ASSERT(!pw->is_sealed);
    uint64_t before = seen_count(&pw->tally);
    int err = otlp_metrics_each(request, &pw->tree, pw, take_resource);
    uint64_t seen = seen_count(&pw->tally) - before;
    if (seen < item_count) {
        /* The rest stood behind the trouble, or was not there. A tree that is too large is no
         * matter of labels. */
        bool is_memory = err == -ENOMEM || err == FAULT_LIMIT;
        refuse(pw, is_memory ? PROM_WRITE_MEMORY : PROM_WRITE_MALFORMED, item_count - seen);
    }
}

/* --- out -------------------------------------------------------------------------------------- */

/* Groups from *next on, as many as fit and one at least. Returns how many items are in them. */
static uint64_t fill(struct bytes *out, size_t max_bytes, uint32_t tag,
                     const struct prom_write_group **next)
{
    uint64_t item_count = 0;
    while (*next != NULL) {
        size_t group_bytes = prom_write_group_bytes(*next);
        if (out->len > 0 && (out->len >= max_bytes || group_bytes > max_bytes - out->len)) {
            break;
        }
        prom_write_group_put(out, *next, tag);
        item_count += (*next)->item_count;
        *next = (*next)->next;
    }
    return item_count;
}

bool prom_write_next(struct prom_write *pw, struct bytes *out, uint64_t *item_count)
{
    if (!pw->is_sealed) {
        prom_write_set_seal(&pw->series);
        pw->next_series = pw->series.first;
        pw->next_metadata = pw->metadata.first;
        pw->is_sealed = true;
    }
    size_t max_bytes = pw->options->request_max_bytes;
    bytes_clear(out);
    pw->described_count = 0;
    *item_count = fill(out, max_bytes, PROM_TAG_REQUEST_SERIES, &pw->next_series);
    if (out->len == 0 && out->err == 0) {
        pw->described_count = fill(out, max_bytes, PROM_TAG_REQUEST_METADATA, &pw->next_metadata);
    }
    return out->len > 0 || out->err != 0;
}
