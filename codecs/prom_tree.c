/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_tree — one key inside the other: a scope's begins with its resource's, and so on, so that
 * one table serves them all.
 */
#include "codecs/prom_tree.h"

#include <string.h>

/* What a key is for stands in front of it, so that a scope is never taken for a family. */
#define KEY_RESOURCE SLICE_LITERAL("r")
#define KEY_SCOPE SLICE_LITERAL("s")
#define KEY_FAMILY SLICE_LITERAL("f")
#define KEY_GROUP SLICE_LITERAL("g")

void prom_tree_init(struct prom_tree *tree, uint64_t seed, struct arena *arena)
{
    *tree = (struct prom_tree){.arena = arena, .seed = seed};
}

void prom_tree_fini(struct prom_tree *tree)
{
    prom_map_fini(&tree->abouts);
    prom_map_fini(&tree->places);
}

void prom_tree_clear(struct prom_tree *tree)
{
    prom_map_clear(&tree->abouts);
    prom_map_clear(&tree->places);
    tree->resources = NULL;
    tree->first_group = NULL;
    tree->last_group = NULL;
}

/* Zeroed memory of the page under `key`; NULL without room. */
static void *add_place(struct prom_tree *tree, struct prom_map *map, struct prom_key key,
                       size_t bytes)
{
    void *place = arena_alloc(tree->arena, bytes);
    if (place == NULL) {
        return NULL;
    }
    memset(place, 0, bytes);
    return prom_map_put(map, key, place) == 0 ? place : NULL;
}

static struct prom_key_maker *begin_key(struct prom_tree *tree, struct slice kind,
                                        struct prom_key parent)
{
    prom_key_begin(&tree->maker, tree->seed, parent);
    prom_key_add(&tree->maker, kind);
    return &tree->maker;
}

static void add_labels(struct prom_key_maker *maker, struct prom_label_view labels)
{
    for (uint32_t i = 0; i < labels.count; i++) {
        prom_key_add(maker, labels.items[i].name);
        prom_key_add(maker, labels.items[i].value);
    }
}

/* --- what comments say ------------------------------------------------------------------------ */

static struct prom_key key_of_name(struct prom_tree *tree, struct slice name)
{
    prom_key_begin(&tree->maker, tree->seed, (struct prom_key){0});
    prom_key_add(&tree->maker, name);
    return prom_key_end(&tree->maker);
}

const struct prom_about *prom_tree_find_about(struct prom_tree *tree, struct slice name)
{
    return prom_map_find(&tree->abouts, key_of_name(tree, name));
}

struct prom_about *prom_tree_about(struct prom_tree *tree, struct slice name)
{
    struct prom_key key = key_of_name(tree, name);
    struct prom_about *about = prom_map_find(&tree->abouts, key);
    return about != NULL ? about : add_place(tree, &tree->abouts, key, sizeof(*about));
}

/* --- places ----------------------------------------------------------------------------------- */

struct prom_resource *prom_tree_resource(struct prom_tree *tree, struct slice job,
                                         struct slice instance)
{
    struct prom_key_maker *maker = begin_key(tree, KEY_RESOURCE, (struct prom_key){0});
    prom_key_add(maker, job);
    prom_key_add(maker, instance);
    struct prom_key key = prom_key_end(maker);
    struct prom_resource *resource = prom_map_find(&tree->places, key);
    if (resource != NULL) {
        return resource;
    }
    resource = add_place(tree, &tree->places, key, sizeof(*resource));
    if (resource == NULL) {
        return NULL;
    }
    resource->key = key;
    resource->job = job;
    resource->instance = instance;
    resource->next = tree->resources;
    tree->resources = resource;
    return resource;
}

struct prom_scope *prom_tree_scope(struct prom_tree *tree, struct prom_resource *resource,
                                   const struct prom_scope_id *id)
{
    struct prom_key_maker *maker = begin_key(tree, KEY_SCOPE, resource->key);
    prom_key_add(maker, id->name);
    prom_key_add(maker, id->version);
    prom_key_add(maker, id->schema_url);
    add_labels(maker, id->attrs);
    struct prom_key key = prom_key_end(maker);
    struct prom_scope *scope = prom_map_find(&tree->places, key);
    if (scope != NULL) {
        return scope;
    }
    struct prom_label_view attrs = prom_tree_copy_labels(tree, id->attrs.items, id->attrs.count);
    if (attrs.items == NULL) {
        return NULL;
    }
    scope = add_place(tree, &tree->places, key, sizeof(*scope));
    if (scope == NULL) {
        return NULL;
    }
    scope->key = key;
    scope->id = *id;
    scope->id.attrs = attrs;
    scope->resource = resource;
    scope->next = resource->scopes;
    resource->scopes = scope;
    return scope;
}

/* Types without a shape of their own are gauges, as the Collector has it. */
static enum prom_shape shape_of(enum prom_type type)
{
    switch (type) {
    case PROM_TYPE_COUNTER:
    case PROM_TYPE_INFO:
    case PROM_TYPE_STATESET:
        return PROM_SHAPE_SUM;
    case PROM_TYPE_HISTOGRAM:
        return PROM_SHAPE_HISTOGRAM;
    case PROM_TYPE_SUMMARY:
        return PROM_SHAPE_SUMMARY;
    case PROM_TYPE_GAUGE:
    case PROM_TYPE_UNKNOWN:
    case PROM_TYPE_GAUGEHISTOGRAM:
    case PROM_TYPE_COUNT:
        break;
    }
    return PROM_SHAPE_GAUGE;
}

struct prom_family_node *prom_tree_family(struct prom_tree *tree, struct prom_scope *scope,
                                          struct slice name, const struct prom_about *about)
{
    uint8_t type = (uint8_t)about->type;
    struct prom_key_maker *maker = begin_key(tree, KEY_FAMILY, scope->key);
    prom_key_add(maker, slice_of(&type, 1));
    prom_key_add(maker, name);
    struct prom_key key = prom_key_end(maker);
    struct prom_family_node *family = prom_map_find(&tree->places, key);
    if (family != NULL) {
        return family;
    }
    family = add_place(tree, &tree->places, key, sizeof(*family));
    if (family == NULL) {
        return NULL;
    }
    family->key = key;
    family->name = name;
    family->about = about;
    family->type = about->type;
    family->shape = shape_of(about->type);
    family->scope = scope;
    family->next = scope->families;
    scope->families = family;
    return family;
}

struct prom_group *prom_tree_group(struct prom_tree *tree, struct prom_family_node *family,
                                   struct prom_label_view attrs, bool *is_new)
{
    struct prom_key_maker *maker = begin_key(tree, KEY_GROUP, family->key);
    add_labels(maker, attrs);
    struct prom_key key = prom_key_end(maker);
    struct prom_group *group = prom_map_find(&tree->places, key);
    *is_new = group == NULL;
    if (group != NULL) {
        return group;
    }
    struct prom_label_view copy = prom_tree_copy_labels(tree, attrs.items, attrs.count);
    if (copy.items == NULL) {
        return NULL;
    }
    group = add_place(tree, &tree->places, key, sizeof(*group));
    if (group == NULL) {
        return NULL;
    }
    group->key = key;
    group->attrs = copy;
    group->family = family;
    group->next = family->groups;
    family->groups = group;
    if (tree->last_group != NULL) {
        tree->last_group->later = group;
    } else {
        tree->first_group = group;
    }
    tree->last_group = group;
    return group;
}

struct prom_label_view prom_tree_copy_labels(struct prom_tree *tree, const struct label *items,
                                             uint32_t count)
{
    struct label *copy = arena_alloc_array(tree->arena, count, sizeof(*copy));
    if (copy == NULL) {
        return (struct prom_label_view){0};
    }
    if (count > 0) {
        memcpy(copy, items, count * sizeof(*copy));
    }
    return (struct prom_label_view){.items = copy, .count = count};
}
