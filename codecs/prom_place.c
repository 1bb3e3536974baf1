/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_place — labels are dealt out, the name finds its family, the value finds its group.
 */
#include "codecs/prom_place.h"

#include <math.h>
#include <string.h>

#include "core/base/fault.h"

#define NAME SLICE_LITERAL("__name__")
#define SCOPE_PREFIX SLICE_LITERAL("otel_scope_")

/* What a name that nothing is declared of is. */
static const struct prom_about unknown_about = {.type = PROM_TYPE_UNKNOWN};

void prom_placer_init(struct prom_placer *placer, struct prom_tree *tree)
{
    placer->tree = tree;
    placer->resource = NULL;
    placer->scope = NULL;
    placer->family = NULL;
}

int prom_place_meta(struct prom_placer *placer, enum prom_line line, const struct prom_meta *meta)
{
    struct prom_about *about = prom_tree_about(placer->tree, meta->name);
    if (about == NULL) {
        return FAULT_LIMIT;
    }
    placer->family = NULL; /* the name may mean something else now */
    switch (line) {
    case PROM_LINE_HELP:
        about->help = meta->text;
        break;
    case PROM_LINE_UNIT:
        about->unit = meta->text;
        break;
    case PROM_LINE_TYPE:
        about->type = meta->type;
        break;
    case PROM_LINE_SAMPLE:
    case PROM_LINE_END:
    case PROM_LINE_BAD:
        break;
    }
    return 0;
}

/* --- the family of a name --------------------------------------------------------------------- */

#define TYPE_BIT(type) (UINT32_C(1) << (type))

/* Suffixes that samples have and their families have not, and of which types. */
struct suffix {
    const char *text;
    uint32_t types;
};

static const struct suffix suffixes[] = {
    {"_bucket", TYPE_BIT(PROM_TYPE_HISTOGRAM) | TYPE_BIT(PROM_TYPE_GAUGEHISTOGRAM)},
    {"_count", TYPE_BIT(PROM_TYPE_HISTOGRAM) | TYPE_BIT(PROM_TYPE_SUMMARY)},
    {"_sum", TYPE_BIT(PROM_TYPE_HISTOGRAM) | TYPE_BIT(PROM_TYPE_SUMMARY)},
    {"_total", TYPE_BIT(PROM_TYPE_COUNTER)},
    {"_info", TYPE_BIT(PROM_TYPE_INFO)},
    {"_created",
     TYPE_BIT(PROM_TYPE_COUNTER) | TYPE_BIT(PROM_TYPE_HISTOGRAM) | TYPE_BIT(PROM_TYPE_SUMMARY)},
};

static bool has_suffix(struct slice name, struct slice suffix)
{
    return name.len > suffix.len && slice_equal(slice_from(name, name.len - suffix.len), suffix);
}

static bool is_created_name(struct slice name)
{
    return has_suffix(name, SLICE_LITERAL("_created"));
}

/* What is declared of the name without its suffix; NULL where that is nothing of its kind. */
static const struct prom_about *about_stem(struct prom_tree *tree, struct slice name,
                                           struct slice *stem)
{
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        struct slice text = slice_of_text(suffixes[i].text);
        if (has_suffix(name, text)) {
            *stem = slice_first(name, name.len - text.len);
            const struct prom_about *about = prom_tree_find_about(tree, *stem);
            bool is_of_it = about != NULL && (suffixes[i].types & TYPE_BIT(about->type)) != 0;
            return is_of_it ? about : NULL;
        }
    }
    return NULL;
}

/* Counters keep the suffix of their samples; their creation times must find them by it. */
static struct slice counter_name(struct prom_tree *tree, struct slice name, struct slice stem)
{
    struct slice total = SLICE_LITERAL("_total");
    if (!is_created_name(name)) {
        return name;
    }
    uint8_t *text = arena_alloc(tree->arena, stem.len + total.len);
    if (text == NULL) {
        return (struct slice){0};
    }
    memcpy(text, stem.ptr, stem.len);
    memcpy(text + stem.len, total.ptr, total.len);
    return slice_of(text, stem.len + total.len);
}

/* Sets placer->family; NULL without room. */
static void find_family(struct prom_placer *placer, struct slice name,
                        const struct prom_about *about)
{
    struct prom_tree *tree = placer->tree;
    struct slice family_name = name;
    struct slice stem = {0};
    placer->is_created = false;
    if (about == NULL) {
        about = prom_tree_find_about(tree, name);
    }
    if (about == NULL) {
        about = about_stem(tree, name, &stem);
        if (about != NULL) {
            bool is_counter = about->type == PROM_TYPE_COUNTER;
            family_name = is_counter ? counter_name(tree, name, stem) : stem;
            placer->is_created = is_created_name(name);
        }
    }
    about = about != NULL ? about : &unknown_about;
    placer->name = name;
    placer->family =
        family_name.len == 0 ? NULL : prom_tree_family(tree, placer->scope, family_name, about);
}

/* --- target_info and otel_scope_info ---------------------------------------------------------- */

static bool is_identity(struct slice name)
{
    return slice_is_text(name, "__name__") || slice_is_text(name, "job") ||
           slice_is_text(name, "instance");
}

/* Adds to what the resource already has; what goes beyond the bounds is left out. */
static int place_target_info(struct prom_placer *placer, const struct prom_placement *placement)
{
    struct label_list merged = {0};
    struct prom_label_view old = placer->resource->info;
    size_t used_bytes = 0;
    for (uint32_t i = 0; i < old.count; i++) {
        used_bytes += old.items[i].name.len + old.items[i].value.len;
        merged.items[i] = old.items[i];
    }
    merged.count = old.count;
    for (uint32_t i = 0; i < placement->labels->count; i++) {
        struct label label = placement->labels->items[i];
        size_t bytes = label.name.len + label.value.len;
        bool has_room = bytes <= PROM_TARGET_INFO_MAX_BYTES - used_bytes;
        if (!is_identity(label.name) && has_room &&
            label_list_set(&merged, label.name, label.value) == 0) {
            used_bytes += bytes;
        }
    }
    placer->resource->info = prom_tree_copy_labels(placer->tree, merged.items, merged.count);
    return placer->resource->info.items != NULL ? 0 : FAULT_LIMIT;
}

/* True where the label is part of who the scope is. */
static bool take_scope_label(struct prom_scope_id *id, struct label label)
{
    if (slice_is_text(label.name, "otel_scope_name")) {
        id->name = label.value;
        return true;
    }
    if (slice_is_text(label.name, "otel_scope_version")) {
        id->version = label.value;
        return true;
    }
    if (slice_is_text(label.name, "otel_scope_schema_url")) {
        id->schema_url = label.value;
        return true;
    }
    return false;
}

static int place_scope_info(struct prom_placer *placer, const struct prom_placement *placement)
{
    struct prom_scope_id id = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < placement->labels->count; i++) {
        struct label label = placement->labels->items[i];
        if (!is_identity(label.name) && !take_scope_label(&id, label)) {
            placer->attrs[count] = label;
            count++;
        }
    }
    struct prom_scope *scope = prom_tree_scope(placer->tree, placer->resource, &id);
    if (scope == NULL) {
        return FAULT_LIMIT;
    }
    scope->info = prom_tree_copy_labels(placer->tree, placer->attrs, count);
    return scope->info.items != NULL ? 0 : FAULT_LIMIT;
}

/* --- dealing out labels ----------------------------------------------------------------------- */

static bool find_resource(struct prom_placer *placer, const struct prom_placement *placement)
{
    struct slice job = label_list_value(placement->labels, SLICE_LITERAL("job"));
    struct slice instance = label_list_value(placement->labels, SLICE_LITERAL("instance"));
    job = job.len > 0 ? job : placement->job;
    instance = instance.len > 0 ? instance : placement->instance;
    const struct prom_resource *last = placer->resource;
    if (last != NULL && slice_equal(last->job, job) && slice_equal(last->instance, instance)) {
        return true;
    }
    placer->resource = prom_tree_resource(placer->tree, job, instance);
    placer->scope = NULL;
    placer->family = NULL;
    return placer->resource != NULL;
}

/* The labels that are left for the point, and the scope that the others name. */
static uint32_t deal_labels(struct prom_placer *placer, const struct label_list *labels,
                            struct prom_scope_id *id)
{
    uint32_t count = 0;
    uint32_t scope_count = 0;
    for (uint32_t i = 0; i < labels->count; i++) {
        struct label label = labels->items[i];
        bool is_scope = slice_has_prefix(label.name, SCOPE_PREFIX);
        bool is_inner = slice_is_text(label.name, "__scheme__") ||
                        slice_is_text(label.name, "__metrics_path__");
        if (is_scope && !take_scope_label(id, label)) {
            label.name = slice_from(label.name, SCOPE_PREFIX.len);
            placer->scope_attrs[scope_count] = label;
            scope_count++;
        } else if (!is_scope && !is_inner && !is_identity(label.name)) {
            placer->attrs[count] = label;
            count++;
        }
    }
    id->attrs = (struct prom_label_view){.items = placer->scope_attrs, .count = scope_count};
    return count;
}

static bool is_same_scope(const struct prom_scope *scope, const struct prom_scope_id *id)
{
    return scope != NULL && scope->id.attrs.count == 0 && id->attrs.count == 0 &&
           slice_equal(scope->id.name, id->name) && slice_equal(scope->id.version, id->version) &&
           slice_equal(scope->id.schema_url, id->schema_url);
}

static bool find_scope(struct prom_placer *placer, const struct prom_scope_id *id)
{
    if (is_same_scope(placer->scope, id)) {
        return true;
    }
    placer->scope = prom_tree_scope(placer->tree, placer->resource, id);
    placer->family = NULL;
    return placer->scope != NULL;
}

/* Takes `le` or `quantile` out of the point's labels; its value, empty where it is missing. */
static struct slice take_boundary(struct prom_placer *placer, uint32_t *count)
{
    enum prom_shape shape = placer->family->shape;
    struct slice boundary = {0};
    if (shape != PROM_SHAPE_HISTOGRAM && shape != PROM_SHAPE_SUMMARY) {
        return boundary;
    }
    const char *name = shape == PROM_SHAPE_HISTOGRAM ? "le" : "quantile";
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++) {
        if (slice_is_text(placer->attrs[i].name, name)) {
            boundary = placer->attrs[i].value;
        } else {
            placer->attrs[kept] = placer->attrs[i];
            kept++;
        }
    }
    *count = kept;
    return boundary;
}

/* --- values ----------------------------------------------------------------------------------- */

static int add_bound(struct prom_tree *tree, struct prom_group *group, struct slice text,
                     double value, enum prom_drop *drop)
{
    double boundary = 0;
    if (!prom_read_number(text, &boundary) || isnan(boundary)) {
        *drop = PROM_DROP_NO_BOUNDARY;
        return 0;
    }
    struct prom_bound *bound = arena_alloc(tree->arena, sizeof(*bound));
    if (bound == NULL) {
        return FAULT_LIMIT;
    }
    *bound = (struct prom_bound){.next = group->bounds, .boundary = boundary, .value = value};
    group->bounds = bound;
    group->bound_count++;
    return 0;
}

/* A sample of a histogram or summary, told apart by what its name has beyond the family's. */
static int add_part(struct prom_placer *placer, struct prom_group *group, struct slice boundary,
                    double value, enum prom_drop *drop)
{
    struct slice suffix = slice_from(placer->name, placer->family->name.len);
    if (slice_is_text(suffix, "_sum")) {
        group->value = value;
        group->has_value = true;
        return 0;
    }
    if (slice_is_text(suffix, "_count")) {
        group->count = value;
        group->has_count = true;
        return 0;
    }
    return add_bound(placer->tree, group, boundary, value, drop);
}

static int add_exemplar(struct prom_placer *placer, struct prom_group *group,
                        const struct prom_exemplar *exemplar)
{
    struct prom_tree *tree = placer->tree;
    struct prom_group_exemplar *copy = arena_alloc(tree->arena, sizeof(*copy));
    if (copy == NULL) {
        return FAULT_LIMIT;
    }
    *copy = (struct prom_group_exemplar){
        .next = group->exemplars,
        .labels = prom_tree_copy_labels(tree, exemplar->labels.items, exemplar->labels.count),
        .value = exemplar->value,
        .time_unix_ms = exemplar->has_time ? exemplar->time_unix_ms : 0,
    };
    group->exemplars = copy;
    return copy->labels.items != NULL ? 0 : FAULT_LIMIT;
}

static int add_value(struct prom_placer *placer, struct prom_group *group, struct slice boundary,
                     const struct prom_placement *placement, enum prom_drop *drop)
{
    enum prom_shape shape = placer->family->shape;
    int err = 0;
    if (placer->is_created) {
        group->created_s = placement->value;
        return 0;
    }
    if (shape == PROM_SHAPE_HISTOGRAM || shape == PROM_SHAPE_SUMMARY) {
        err = add_part(placer, group, boundary, placement->value, drop);
    } else {
        group->value = placement->value;
        group->has_value = true;
    }
    if (err == 0 && placement->exemplar != NULL && shape != PROM_SHAPE_SUMMARY) {
        err = add_exemplar(placer, group, placement->exemplar);
    }
    return err;
}

static int place_point(struct prom_placer *placer, const struct prom_placement *placement,
                       struct slice name, enum prom_drop *drop)
{
    struct prom_scope_id id = {0};
    uint32_t count = deal_labels(placer, placement->labels, &id);
    if (!find_scope(placer, &id)) {
        return FAULT_LIMIT;
    }
    if (placer->family == NULL || !slice_equal(placer->name, name)) {
        find_family(placer, name, placement->about);
    }
    if (placer->family == NULL) {
        return FAULT_LIMIT;
    }
    struct slice boundary = take_boundary(placer, &count);
    const struct prom_label_view attrs = {.items = placer->attrs, .count = count};
    bool is_new = false;
    struct prom_group *group = prom_tree_group(placer->tree, placer->family, attrs, &is_new);
    if (group == NULL) {
        return FAULT_LIMIT;
    }
    if (is_new) {
        group->time_unix_ms = placement->time_unix_ms;
        group->has_time = placement->has_time;
    } else if (group->time_unix_ms != placement->time_unix_ms) {
        *drop = PROM_DROP_TIME;
        return 0;
    }
    group->sample_count++;
    return add_value(placer, group, boundary, placement, drop);
}

int prom_place_sample(struct prom_placer *placer, const struct prom_placement *placement,
                      enum prom_drop *drop)
{
    struct slice name = label_list_value(placement->labels, NAME);
    ASSERT(name.len > 0);
    *drop = PROM_DROP_COUNT;
    if (!find_resource(placer, placement)) {
        return FAULT_LIMIT;
    }
    if (slice_is_text(name, "target_info")) {
        return place_target_info(placer, placement);
    }
    if (slice_is_text(name, "otel_scope_info")) {
        return place_scope_info(placer, placement);
    }
    return place_point(placer, placement, name, drop);
}
