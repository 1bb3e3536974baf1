/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_intake — from ResourceMetrics to series, point by point.
 *
 * Labels of resource and scope are collected once and kept while the points of the scope come and
 * go. Source: OpenTelemetry "Prometheus and OpenMetrics compatibility"; behaviour of the
 * Collector's prometheus exporter.
 */
#include "exporters/prom_intake.h"

#include <errno.h>
#include <string.h>

#include "codecs/prom_name.h"
#include "core/base/fault.h"
#include "core/otlp/otlp_metrics.h"
#include "core/otlp/otlp_point.h"
#include "core/otlp/pb_decode.h"
#include "exporters/exporter_bounds.h"

#define COMMON(name) Opentelemetry__Proto__Common__V1__##name
#define ARENA_FIRST_BYTES (64 * 1024)
#define NAME_MAX_BYTES 65536

int prom_intake_init(struct prom_intake *intake, struct prom_registry *registry,
                     const struct prom_intake_options *options)
{
    intake->options = options;
    intake->registry = registry;
    bytes_init(&intake->name, NAME_MAX_BYTES);
    prom_labels_init(&intake->labels);
    prom_labels_init(&intake->target);
    return arena_init(&intake->arena, ARENA_FIRST_BYTES, PROM_DECODE_MAX_BYTES);
}

void prom_intake_fini(struct prom_intake *intake)
{
    bytes_fini(&intake->name);
    prom_labels_fini(&intake->labels);
    prom_labels_fini(&intake->target);
    arena_fini(&intake->arena);
}

/* --- one point -------------------------------------------------------------------------------- */

/* The metric under way. */
struct metric_now {
    const struct PROM_METRICS(Metric) * metric;
    struct prom_entry *entry;
    enum prom_reserved reserved;
    bool is_delta;
};

static void book(struct prom_intake *intake, uint64_t count, int err)
{
    if (err == 0) {
        intake->tally.delivered_count += count;
    } else if (err == -ENOMEM || err == FAULT_LIMIT) {
        intake->tally.memory_count += count;
    } else {
        intake->tally.rejected_count += count;
    }
}

/* The series of a point, made if need be. */
static int find_series(struct prom_intake *intake, const struct metric_now *now,
                       const struct otlp_point_head *head, struct prom_series **out)
{
    struct prom_labels_mark mark = prom_labels_mark(&intake->labels);
    prom_labels_add_attributes(&intake->labels, PROM_LABEL_POINT, head->attributes,
                               head->attribute_count, &intake->arena);
    struct slice labels = {0};
    int err = prom_labels_finish(&intake->labels, now->reserved, &labels);
    prom_labels_rewind(&intake->labels, mark);
    if (err != 0) {
        return err == FAULT_LIMIT ? FAULT_MALFORMED : err; /* too long, not too many series */
    }
    return prom_registry_series(intake->registry, now->entry, labels, intake->now_mono_ns, out);
}

static int add_value(struct prom_value *value, const struct metric_now *now, size_t index)
{
    const struct PROM_METRICS(Metric) *m = now->metric;
    switch ((int)m->data_case) { /* wire values */
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE:
        return prom_value_add_number(value, m->gauge->data_points[index], false);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM:
        return prom_value_add_number(value, m->sum->data_points[index], now->is_delta);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM:
        return prom_value_add_histogram(value, m->histogram->data_points[index], now->is_delta);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_EXPONENTIAL_HISTOGRAM:
        return prom_value_add_exphist(value, m->exponential_histogram->data_points[index],
                                      now->is_delta);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUMMARY:
        return prom_value_add_summary(value, m->summary->data_points[index]);
    default:
        return FAULT_MALFORMED;
    }
}

static void take_point(struct prom_intake *intake, const struct metric_now *now,
                       const struct otlp_point_head *head, size_t index)
{
    struct prom_series *series = NULL;
    int err = find_series(intake, now, head, &series);
    bool has_ended = (head->flags & OTLP_POINT_NO_RECORDED_VALUE) != 0;
    if (err == 0 && !has_ended) {
        err = add_value(&series->value, now, index);
    }
    if (series != NULL && (has_ended || series->value.kind == PROM_VALUE_NONE)) {
        prom_registry_remove(intake->registry, series);
    }
    book(intake, 1, err);
}

/* --- one metric ------------------------------------------------------------------------------- */

/* What the kind of a metric means here. */
struct metric_shape {
    enum prom_kind kind;
    size_t point_count;
    bool has_temporality; /* or needs none */
    bool is_delta;
    enum prom_reserved reserved;
};

static struct metric_shape shape_with(enum prom_kind kind, size_t point_count, int temporality)
{
    bool is_delta = temporality == (int)OTLP_TEMPORALITY_DELTA;
    bool is_cumulative = temporality == (int)OTLP_TEMPORALITY_CUMULATIVE;
    return (struct metric_shape){.kind = kind,
                                 .point_count = point_count,
                                 .has_temporality = is_delta || is_cumulative,
                                 .is_delta = is_delta,
                                 .reserved = kind == PROM_KIND_HISTOGRAM ? PROM_RESERVED_LE
                                                                         : PROM_RESERVED_NONE};
}

static struct metric_shape shape_of(const struct PROM_METRICS(Metric) * m)
{
    switch ((int)m->data_case) { /* wire values */
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE:
        return (struct metric_shape){.kind = PROM_KIND_GAUGE,
                                     .point_count = m->gauge->n_data_points,
                                     .has_temporality = true};
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM:
        return shape_with(m->sum->is_monotonic != 0 ? PROM_KIND_COUNTER : PROM_KIND_GAUGE,
                          m->sum->n_data_points, (int)m->sum->aggregation_temporality);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM:
        return shape_with(PROM_KIND_HISTOGRAM, m->histogram->n_data_points,
                          (int)m->histogram->aggregation_temporality);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_EXPONENTIAL_HISTOGRAM:
        return shape_with(PROM_KIND_HISTOGRAM, m->exponential_histogram->n_data_points,
                          (int)m->exponential_histogram->aggregation_temporality);
    case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUMMARY:
        return (struct metric_shape){.kind = PROM_KIND_SUMMARY,
                                     .point_count = m->summary->n_data_points,
                                     .has_temporality = true,
                                     .reserved = PROM_RESERVED_QUANTILE};
    default:
        return (struct metric_shape){0};
    }
}

static void report_conflict(struct prom_intake *intake, struct slice name)
{
    uint64_t suppressed_count = 0;
    if (log_limit_admit(&intake->conflict_limit, intake->now_mono_ns, &suppressed_count)) {
        char sample[LOG_SAMPLE_TEXT_BYTES];
        log_warn("prometheus_type_conflict", LOG_TEXT("metric", log_escape_sample(name, sample)),
                 LOG_TEXT("effect", "points of the second type are not shown"),
                 LOG_U64("suppressed", suppressed_count));
    }
}

/* The family of a metric, made if need be. */
static int find_family(struct prom_intake *intake, const struct PROM_METRICS(Metric) * m,
                       enum prom_kind kind, struct prom_entry **out)
{
    struct bytes *text = &intake->name;
    bytes_clear(text);
    const struct prom_name name = {
        .namespace = intake->options->namespace,
        .name = pb_slice(m->name),
        .unit = pb_slice(m->unit),
        .is_monotonic = kind == PROM_KIND_COUNTER,
        .is_gauge = m->data_case == OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE,
        .has_suffixes = intake->options->has_suffixes,
    };
    if (!prom_name_metric(text, &name)) {
        return FAULT_MALFORMED;
    }
    size_t name_len = text->len;
    prom_name_unit(text, name.unit);
    if (text->err != 0) {
        return FAULT_MALFORMED;
    }
    const struct prom_family family = {.name = slice_first(bytes_slice(text), name_len),
                                       .unit = slice_from(bytes_slice(text), name_len),
                                       .help = pb_slice(m->description),
                                       .kind = kind};
    int err = prom_registry_family(intake->registry, &family, out);
    if (err == -EEXIST) {
        report_conflict(intake, family.name);
    }
    return err;
}

static void take_metric(struct prom_intake *intake, const struct PROM_METRICS(Metric) * m)
{
    struct metric_shape shape = shape_of(m);
    if (shape.point_count == 0) {
        return;
    }
    struct metric_now now = {.metric = m, .reserved = shape.reserved, .is_delta = shape.is_delta};
    int err =
        shape.has_temporality ? find_family(intake, m, shape.kind, &now.entry) : FAULT_MALFORMED;
    if (err != 0) {
        book(intake, shape.point_count, err);
        return;
    }
    for (size_t i = 0; i < shape.point_count; i++) {
        struct otlp_point_head head = otlp_point_head_at(m, i);
        take_point(intake, &now, &head, i);
    }
    prom_registry_tidy(intake->registry, now.entry);
}

/* --- scope and resource ----------------------------------------------------------------------- */

static void add_scope_labels(struct prom_intake *intake,
                             const struct PROM_METRICS(ScopeMetrics) * scope_metrics)
{
    const struct COMMON(InstrumentationScope) *scope = scope_metrics->scope;
    struct prom_labels *labels = &intake->labels;
    if (!intake->options->has_scope_labels) {
        return;
    }
    if (scope != NULL) {
        prom_labels_add(labels, PROM_LABEL_SCOPE, SLICE_LITERAL("otel_scope_name"),
                        pb_slice(scope->name));
        prom_labels_add(labels, PROM_LABEL_SCOPE, SLICE_LITERAL("otel_scope_version"),
                        pb_slice(scope->version));
    }
    prom_labels_add(labels, PROM_LABEL_SCOPE, SLICE_LITERAL("otel_scope_schema_url"),
                    pb_slice(scope_metrics->schema_url));
}

static void take_scope(struct prom_intake *intake,
                       const struct PROM_METRICS(ScopeMetrics) * scope_metrics)
{
    struct prom_labels_mark mark = prom_labels_mark(&intake->labels);
    add_scope_labels(intake, scope_metrics);
    for (size_t i = 0; i < scope_metrics->n_metrics; i++) {
        take_metric(intake, scope_metrics->metrics[i]);
    }
    prom_labels_rewind(&intake->labels, mark);
}

/* The attributes that become job and instance. */
struct target {
    struct slice name;
    struct slice space;
    struct slice instance;
};

static bool is_target_key(struct slice key)
{
    return slice_is_text(key, "service.name") || slice_is_text(key, "service.namespace") ||
           slice_is_text(key, "service.instance.id");
}

static struct target find_target(struct COMMON(KeyValue) *const *pairs, size_t count)
{
    struct target target = {0};
    for (size_t i = 0; i < count; i++) {
        const struct COMMON(AnyValue) *value = pairs[i]->value;
        struct slice key = pb_slice(pairs[i]->key);
        bool is_text =
            value != NULL &&
            value->value_case == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
        if (!is_text || !is_target_key(key)) {
            continue;
        }
        struct slice text = pb_slice(value->string_value);
        if (slice_is_text(key, "service.name")) {
            target.name = text;
        } else if (slice_is_text(key, "service.namespace")) {
            target.space = text;
        } else {
            target.instance = text;
        }
    }
    return target;
}

/* A gateway's own id is no reason to tell its series apart from those of the gateway next door. */
static void add_target(struct prom_labels *labels, const struct target *target, struct arena *arena)
{
    struct slice job = target->name;
    if (job.len == 0) {
        return;
    }
    if (target->space.len > 0) {
        size_t len = target->space.len + 1 + target->name.len;
        uint8_t *text = arena_alloc(arena, len);
        if (text == NULL) {
            labels->text.err = -ENOMEM;
            return;
        }
        memcpy(text, target->space.ptr, target->space.len);
        text[target->space.len] = '/';
        memcpy(text + target->space.len + 1, target->name.ptr, target->name.len);
        job = slice_of(text, len);
    }
    prom_labels_add(labels, PROM_LABEL_TARGET, SLICE_LITERAL("job"), job);
    prom_labels_add(labels, PROM_LABEL_TARGET, SLICE_LITERAL("instance"), target->instance);
}

/* target_info carries what describes the resource beyond job and instance. */
static void show_target(struct prom_intake *intake, const struct target *target,
                        struct COMMON(KeyValue) *const *pairs, size_t count)
{
    struct prom_labels *labels = &intake->target;
    prom_labels_rewind(labels, (struct prom_labels_mark){0});
    /* Job and instance count here whatever an attribute of that name says. */
    add_target(labels, target, &intake->arena);
    for (uint32_t i = 0; i < labels->count; i++) {
        labels->labels[i].source = PROM_LABEL_POINT;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_target_key(pb_slice(pairs[i]->key))) {
            prom_labels_add_attributes(labels, PROM_LABEL_RESOURCE, &pairs[i], 1, &intake->arena);
        }
    }
    struct slice text;
    struct prom_entry *entry = NULL;
    struct prom_series *series = NULL;
    bytes_clear(&intake->name);
    const struct prom_name name = {.namespace = intake->options->namespace,
                                   .name = SLICE_LITERAL("target_info")};
    if (!prom_name_metric(&intake->name, &name) || intake->name.err != 0 ||
        prom_labels_finish(labels, PROM_RESERVED_NONE, &text) != 0) {
        return;
    }
    const struct prom_family family = {.name = bytes_slice(&intake->name),
                                       .help = SLICE_LITERAL("Target metadata"),
                                       .kind = PROM_KIND_GAUGE};
    if (prom_registry_family(intake->registry, &family, &entry) != 0) {
        return; /* no item of anyone's, so nothing to book */
    }
    if (prom_registry_series(intake->registry, entry, text, intake->now_mono_ns, &series) == 0) {
        prom_value_set(&series->value, 1);
    }
    prom_registry_tidy(intake->registry, entry);
}

static void take_resource(void *owner, const struct PROM_METRICS(ResourceMetrics) * rm)
{
    struct prom_intake *intake = owner;
    struct COMMON(KeyValue) *const *pairs = rm->resource != NULL ? rm->resource->attributes : NULL;
    size_t count = rm->resource != NULL ? rm->resource->n_attributes : 0;
    const struct prom_intake_options *options = intake->options;
    struct prom_labels *labels = &intake->labels;
    prom_labels_rewind(labels, (struct prom_labels_mark){0});
    for (uint32_t i = 0; i < options->const_label_count; i++) {
        prom_labels_add(labels, PROM_LABEL_CONST, options->const_labels[i].name,
                        options->const_labels[i].value);
    }
    if (options->has_resource_labels) {
        prom_labels_add_attributes(labels, PROM_LABEL_RESOURCE, pairs, count, &intake->arena);
    }
    struct target target = find_target(pairs, count);
    add_target(labels, &target, &intake->arena);
    for (size_t i = 0; i < rm->n_scope_metrics; i++) {
        take_scope(intake, rm->scope_metrics[i]);
    }
    if (target.name.len > 0 && rm->n_scope_metrics > 0) {
        show_target(intake, &target, pairs, count);
    }
}

/* --- parts ------------------------------------------------------------------------------------ */

struct prom_tally prom_intake_part(struct prom_intake *intake, const struct part *part,
                                   uint64_t now_mono_ns)
{
    intake->now_mono_ns = now_mono_ns;
    intake->tally = (struct prom_tally){0};
    bool is_ours = part->encoding == PART_OTLP && part->signal == SIGNAL_METRICS;
    int err = is_ours ? otlp_metrics_each(part->bytes, &intake->arena, intake, take_resource)
                      : FAULT_UNSUPPORTED;
    struct prom_tally *t = &intake->tally;
    uint64_t seen_count = t->delivered_count + t->rejected_count + t->memory_count;
    if (seen_count < part->item_count) {
        /* The rest stood behind the trouble, or was not there: it is not shown, so it is refused.
         */
        book(intake, part->item_count - seen_count, err != 0 ? err : FAULT_MALFORMED);
    }
    return *t;
}
