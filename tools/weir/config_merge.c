/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_merge — merges trees by relinking nodes; nothing is copied.
 */
#include "tools/weir/config_merge.h"

#include <errno.h>

/* Cuts the first child off. */
static struct config_node *take_first(struct config_node *parent)
{
    struct config_node *child = parent->first;
    if (child == NULL) {
        return NULL;
    }
    parent->first = child->next;
    if (parent->first == NULL) {
        parent->last = NULL;
    }
    parent->child_count--;
    child->next = NULL;
    child->parent = NULL;
    return child;
}

/* The member of the same name; writable, because the tree is still being built. */
static struct config_node *find_member(struct config_node *map, struct slice key)
{
    struct config_node *child = map->first;
    while (child != NULL && !slice_equal(child->key, key)) {
        child = child->next;
    }
    return child;
}

void config_merge(struct config_node **into, struct config_node *from)
{
    if (*into == NULL) {
        *into = from;
        return;
    }
    struct config_node *top = from;
    struct config_node *target = *into;
    if (target->kind != CONFIG_MAP || from->kind != CONFIG_MAP) {
        config_node_replace(target, from);
        return;
    }
    /* Members leave `from` one by one; a map that meets a map is gone through before its siblings.
     */
    while (from != NULL) {
        struct config_node *member = from->first;
        if (member == NULL) {
            if (from == top) {
                return;
            }
            from = from->parent;
            target = target->parent;
            (void)take_first(from); /* emptied just now */
            continue;
        }
        struct config_node *old = find_member(target, member->key);
        if (old != NULL && old->kind == CONFIG_MAP && member->kind == CONFIG_MAP) {
            from = member;
            target = old;
            continue;
        }
        member = take_first(from);
        if (old == NULL) {
            config_node_append(target, member);
        } else {
            old->key_mark = member->key_mark;
            config_node_replace(old, member);
        }
    }
}

/* Offset of "::" in a key, or its length. */
static size_t find_separator(struct slice key)
{
    for (size_t i = 0; i + 1 < key.len; i++) {
        if (key.ptr[i] == ':' && key.ptr[i + 1] == ':') {
            return i;
        }
    }
    return key.len;
}

/* Wraps `node` into maps until its key is one level only. Returns the outermost, or NULL. */
static struct config_node *wrap_member(struct config_tree *tree, struct config_node *node)
{
    size_t at = find_separator(node->key);
    if (at == node->key.len) {
        return node;
    }
    struct config_node *outer = config_node_new(tree, CONFIG_MAP, node->mark);
    struct config_node *inner = outer;
    if (outer == NULL) {
        return NULL;
    }
    outer->key = slice_first(node->key, at);
    outer->key_mark = node->key_mark;
    node->key = slice_from(node->key, at + 2);
    for (at = find_separator(node->key); at < node->key.len; at = find_separator(node->key)) {
        struct config_node *map = config_node_new(tree, CONFIG_MAP, node->mark);
        if (map == NULL) {
            return NULL;
        }
        map->key = slice_first(node->key, at);
        map->key_mark = node->key_mark;
        config_node_append(inner, map);
        inner = map;
        node->key = slice_from(node->key, at + 2);
    }
    config_node_append(inner, node);
    return outer;
}

int config_split_keys(struct config_tree *tree, struct config_node *root)
{
    if (root->kind != CONFIG_MAP) {
        return 0;
    }
    /* Each member becomes a tree of its own, merged back in order: a::b and a::c meet in a. */
    struct config_node *rest = config_node_new(tree, CONFIG_MAP, root->mark);
    if (rest == NULL) {
        return -ENOMEM;
    }
    uint32_t count = root->child_count;
    for (uint32_t i = 0; i < count; i++) {
        struct config_node *single = config_node_new(tree, CONFIG_MAP, root->mark);
        struct config_node *member = take_first(root);
        member = wrap_member(tree, member);
        if (single == NULL || member == NULL) {
            return -ENOMEM;
        }
        config_node_append(single, member);
        config_merge(&rest, single);
    }
    config_node_replace(root, rest);
    return 0;
}
