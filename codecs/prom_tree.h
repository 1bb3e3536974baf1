/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_tree — what a page becomes, before it is written: resources, their scopes, their families,
 * and in these the groups, each of which is one data point.
 *
 * Everything lives in the arena of the page and is found by its key. Lists begin with the newest,
 * because OTLP is written from the end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/label_list.h"
#include "codecs/prom_key.h"
#include "codecs/prom_map.h"
#include "codecs/prom_read.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

struct prom_origin;

/* What the comments of a page say of one name. */
struct prom_about {
    struct slice help;
    struct slice unit;
    enum prom_type type;
};

/* A list of labels that is done with. */
struct prom_label_view {
    const struct label *items;
    uint32_t count;
};

struct prom_resource {
    struct prom_resource *next;
    struct prom_scope *scopes;
    struct prom_key key;
    struct slice job;
    struct slice instance;
    struct prom_label_view info; /* of target_info; without job, instance and name */
};

struct prom_scope_id {
    struct slice name;
    struct slice version;
    struct slice schema_url;
    struct prom_label_view attrs; /* without "otel_scope_" */
};

struct prom_scope {
    struct prom_scope *next; /* in its resource */
    struct prom_resource *resource;
    struct prom_family_node *families;
    struct prom_key key;
    struct prom_scope_id id;
    struct prom_label_view info; /* of otel_scope_info */
};

/* What a family becomes. */
enum prom_shape {
    PROM_SHAPE_GAUGE,
    PROM_SHAPE_SUM,
    PROM_SHAPE_HISTOGRAM,
    PROM_SHAPE_SUMMARY,
};

struct prom_family_node {
    struct prom_family_node *next; /* in its scope */
    struct prom_scope *scope;
    struct prom_group *groups;
    struct prom_key key;
    struct slice name;
    const struct prom_about *about; /* its help and unit */
    enum prom_type type;            /* as it was with the first sample */
    enum prom_shape shape;
    struct prom_origin *origin; /* the target's memory of it; NULL: not looked up yet */
};

/* A bucket or a quantile as it stands on the page. */
struct prom_bound {
    struct prom_bound *next;
    double boundary;
    double value;
};

struct prom_group_exemplar {
    struct prom_group_exemplar *next;
    struct prom_label_view labels;
    double value;
    uint64_t time_unix_ms; /* 0: none */
};

struct prom_group {
    struct prom_group *next;  /* in its family */
    struct prom_group *later; /* of the page */
    struct prom_family_node *family;
    struct prom_key key;
    struct prom_label_view attrs;
    uint64_t time_unix_ms;
    uint64_t start_unix_ns; /* 0: unknown */
    double value;           /* of a number; the sum of the others */
    double count;
    double created_s;          /* 0: not given */
    struct prom_bound *bounds; /* newest first, until it is settled */
    struct prom_group_exemplar *exemplars;
    const double *boundaries; /* ascending, without +Inf; when it is settled */
    const double *values;
    uint32_t bound_count;
    uint32_t sample_count;
    bool has_value;
    bool has_count;
    bool has_time;    /* of its own */
    bool is_ended;    /* a point without a recorded value */
    bool is_left_out; /* counted, and not written */
};

struct prom_tree {
    struct arena *arena; /* borrowed */
    uint64_t seed;
    struct prom_resource *resources;
    struct prom_group *first_group; /* oldest first */
    struct prom_group *last_group;
    struct prom_map abouts;
    struct prom_map places; /* resources, scopes, families and groups; kinds differ in their keys */
    struct prom_key_maker maker;
};

void prom_tree_init(struct prom_tree *tree, uint64_t seed, struct arena *arena);
void prom_tree_fini(struct prom_tree *tree);

/* Forgets everything; the arena is the owner's to reset. */
void prom_tree_clear(struct prom_tree *tree);

/*
 * Each finds what is called so or makes it. Texts and labels are borrowed until the tree is
 * cleared. NULL where the arena or the tables have no room.
 */
struct prom_about *prom_tree_about(struct prom_tree *tree, struct slice name);
struct prom_resource *prom_tree_resource(struct prom_tree *tree, struct slice job,
                                         struct slice instance);
struct prom_scope *prom_tree_scope(struct prom_tree *tree, struct prom_resource *resource,
                                   const struct prom_scope_id *id);
struct prom_family_node *prom_tree_family(struct prom_tree *tree, struct prom_scope *scope,
                                          struct slice name, const struct prom_about *about);

/* Labels are copied when the group is new; *is_new says whether. */
struct prom_group *prom_tree_group(struct prom_tree *tree, struct prom_family_node *family,
                                   struct prom_label_view attrs, bool *is_new);

/* The about of a name, or NULL; does not make one. */
const struct prom_about *prom_tree_find_about(struct prom_tree *tree, struct slice name);

/* A copy of the list in the arena; the texts stay where they are. items is NULL without room. */
struct prom_label_view prom_tree_copy_labels(struct prom_tree *tree, const struct label *items,
                                             uint32_t count);
