/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_tree — the resolved configuration as a tree of maps, lists and scalars.
 *
 * The program's loader builds it (sources parsed, merged, expanded); components read it through
 * core/engine/config.h and the graph keeps it as long as they live, because what they read borrows
 * from it. Every node remembers where it was written, so that a complaint can show the line. The
 * tree owns one arena with all nodes, texts and sources. Frozen after loading: any thread may read.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/bounds.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

enum config_kind {
    CONFIG_NULL,   /* nothing written, ~ or null */
    CONFIG_SCALAR, /* text; its type is decided by who reads it */
    CONFIG_LIST,
    CONFIG_MAP,
};

/* Where something was written. Line 0 means nowhere in particular. */
struct config_mark {
    uint32_t source_index;
    uint32_t line;        /* from 1 */
    uint32_t column;      /* from 1, in characters */
    uint32_t width_chars; /* how much of the line it covers, at least 1 */
};

/* One value, with its key when it stands in a map. Zero is a null value from nowhere. */
struct config_node {
    enum config_kind kind;
    bool was_quoted;         /* a scalar in quotes is text, whatever it looks like */
    bool from_expansion;     /* came from ${…}; `original` is what a text field gets */
    struct config_mark mark; /* of the value */
    struct config_mark key_mark;
    struct slice key;           /* map members only */
    struct slice text;          /* scalars: without quotes and escapes */
    struct slice original;      /* whole ${…} values: the fetched text, unparsed */
    struct config_node *parent; /* NULL at the root */
    struct config_node *first;  /* children of a list or map, in order */
    struct config_node *last;
    struct config_node *next; /* next sibling */
    uint32_t child_count;
};

/* A text that was read, kept to show lines of it. */
struct config_source {
    struct slice name; /* as the user knows it: "gateway.yaml", "--set a.b=c" */
    struct slice text;
};

struct config_tree {
    struct arena arena; /* owned; nodes, texts, sources */
    struct config_node *root;
    struct config_source sources[CONFIG_SOURCES_MAX];
    uint32_t source_count;
    uint32_t node_count;
};

/* An empty tree. Returns 0 or -ENOMEM. config_tree_fini is safe after either, and twice. */
WEIR_MUST_USE int config_tree_init(struct config_tree *tree);
void config_tree_fini(struct config_tree *tree);

/*
 * config_tree_add_source — registers a text so that marks can point into it.
 *   name, text   copied
 *   index_out    filled on 0
 * Returns 0, -ENOMEM, or FAULT_LIMIT at CONFIG_SOURCES_MAX.
 */
WEIR_MUST_USE int config_tree_add_source(struct config_tree *tree, struct slice name,
                                         struct slice text, uint32_t *index_out);

/* A copy of `text` that lives as long as the tree; NULL pointer with length 0 when refused. */
WEIR_MUST_USE struct slice config_tree_copy(struct config_tree *tree, struct slice text);

/* A new, unlinked node; NULL without memory or at CONFIG_NODES_MAX nodes. */
WEIR_MUST_USE struct config_node *config_node_new(struct config_tree *tree, enum config_kind kind,
                                                  struct config_mark mark);

/* Links `child`, which stands nowhere yet, at the end of a list or map. */
void config_node_append(struct config_node *parent, struct config_node *child);

/*
 * Gives `target`, which keeps its key and place, the value of `source`: its children move, and
 * `source` is empty afterwards. The mark becomes the source's.
 */
void config_node_replace(struct config_node *target, struct config_node *source);

/* The member of that name, or NULL; also NULL where `map` is NULL or no map. */
const struct config_node *config_node_find(const struct config_node *map, struct slice key);

/*
 * config_node_copy — a deep copy without siblings; keys and texts are shared within the tree.
 * NULL without memory or at CONFIG_NODES_MAX.
 */
WEIR_MUST_USE struct config_node *config_node_copy(struct config_tree *tree,
                                                   const struct config_node *node);

/*
 * config_node_is_same — whether two values (NULL counts as null) resolve to the same settings:
 * same kinds and texts, map members in any order, marks ignored. For a reload, which keeps what
 * did not change.
 */
bool config_node_is_same(const struct config_node *a, const struct config_node *b);

/*
 * config_walk_next — the node after `current` in the order written, children first, inside `root`;
 * `current` NULL gives `root`, and NULL comes back at the end.
 */
const struct config_node *config_walk_next(const struct config_node *root,
                                           const struct config_node *current);

/* The same, passing over what stands below `current`. */
const struct config_node *config_walk_skip(const struct config_node *root,
                                           const struct config_node *current);

/*
 * Whether values under this key are secrets: password, token, secret, authorization, api_key and
 * their kin, in any case. Such values are shown nowhere.
 */
bool config_is_secret_key(struct slice key);
