/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_tree — nodes, texts and sources of one configuration, all in one arena.
 *
 * Nodes know their parent, so that every walk is a loop however deep a hostile text nests.
 */
#include "core/engine/config_tree.h"

#include <errno.h>

#include "core/base/fault.h"

int config_tree_init(struct config_tree *tree)
{
    *tree = (struct config_tree){0};
    return arena_init(&tree->arena, CONFIG_ARENA_CHUNK_BYTES, CONFIG_TREE_MAX_BYTES);
}

void config_tree_fini(struct config_tree *tree)
{
    arena_fini(&tree->arena);
    *tree = (struct config_tree){0};
}

struct slice config_tree_copy(struct config_tree *tree, struct slice text)
{
    uint8_t *copy = arena_alloc(&tree->arena, text.len + 1);
    if (copy == NULL) {
        return (struct slice){0};
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = 0; /* so that paths and names can go to libc */
    return slice_of(copy, text.len);
}

int config_tree_add_source(struct config_tree *tree, struct slice name, struct slice text,
                           uint32_t *index_out)
{
    ASSERT(index_out != NULL);
    if (tree->source_count == CONFIG_SOURCES_MAX) {
        return FAULT_LIMIT;
    }
    struct config_source source = {
        .name = config_tree_copy(tree, name),
        .text = config_tree_copy(tree, text),
    };
    if (source.name.ptr == NULL || source.text.ptr == NULL) {
        return -ENOMEM;
    }
    *index_out = tree->source_count;
    tree->sources[tree->source_count] = source;
    tree->source_count++;
    return 0;
}

struct config_node *config_node_new(struct config_tree *tree, enum config_kind kind,
                                    struct config_mark mark)
{
    if (tree->node_count >= CONFIG_NODES_MAX) {
        return NULL;
    }
    struct config_node *node = arena_alloc(&tree->arena, sizeof(*node));
    if (node == NULL) {
        return NULL;
    }
    *node = (struct config_node){.kind = kind, .mark = mark};
    tree->node_count++;
    return node;
}

void config_node_append(struct config_node *parent, struct config_node *child)
{
    ASSERT(parent->kind == CONFIG_LIST || parent->kind == CONFIG_MAP);
    ASSERT(child->parent == NULL);
    ASSERT(child->next == NULL);
    child->parent = parent;
    if (parent->last == NULL) {
        parent->first = child;
    } else {
        parent->last->next = child;
    }
    parent->last = child;
    parent->child_count++;
}

void config_node_replace(struct config_node *target, struct config_node *source)
{
    ASSERT(target != source);
    struct config_node place = *target;
    *target = *source;
    target->key = place.key;
    target->key_mark = place.key_mark;
    target->parent = place.parent;
    target->next = place.next;
    for (struct config_node *child = target->first; child != NULL; child = child->next) {
        child->parent = target;
    }
    *source = (struct config_node){.kind = CONFIG_NULL};
}

const struct config_node *config_node_find(const struct config_node *map, struct slice key)
{
    if (map == NULL || map->kind != CONFIG_MAP) {
        return NULL;
    }
    const struct config_node *child = map->first;
    while (child != NULL && !slice_equal(child->key, key)) {
        child = child->next;
    }
    return child;
}

const struct config_node *config_walk_skip(const struct config_node *root,
                                           const struct config_node *current)
{
    while (current != root) {
        if (current->next != NULL) {
            return current->next;
        }
        current = current->parent;
        ASSERT(current != NULL);
    }
    return NULL;
}

const struct config_node *config_walk_next(const struct config_node *root,
                                           const struct config_node *current)
{
    if (current == NULL) {
        return root;
    }
    if (current->first != NULL) {
        return current->first;
    }
    return config_walk_skip(root, current);
}

/* The value of `node` alone: no children, no place. */
static struct config_node *copy_one(struct config_tree *tree, const struct config_node *node)
{
    struct config_node *copy = config_node_new(tree, node->kind, node->mark);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *node;
    copy->parent = NULL;
    copy->first = NULL;
    copy->last = NULL;
    copy->next = NULL;
    copy->child_count = 0;
    return copy;
}

struct config_node *config_node_copy(struct config_tree *tree, const struct config_node *node)
{
    struct config_node *root = copy_one(tree, node);
    struct config_node *copy = root;
    struct config_node *parent = NULL; /* of the copy of `from` */
    const struct config_node *from = node;
    while (copy != NULL) {
        if (from->first != NULL) {
            parent = copy;
            from = from->first;
        } else {
            while (from != node && from->next == NULL) {
                from = from->parent;
                parent = parent->parent;
            }
            if (from == node) {
                return root;
            }
            from = from->next;
        }
        copy = copy_one(tree, from);
        if (copy != NULL) {
            config_node_append(parent, copy);
        }
    }
    return NULL;
}

/* Two nodes alone; children are compared by the walk. */
static bool is_same_value(const struct config_node *a, const struct config_node *b)
{
    if (a->kind != b->kind || a->child_count != b->child_count) {
        return false;
    }
    return a->kind != CONFIG_SCALAR ||
           (slice_equal(a->text, b->text) && a->was_quoted == b->was_quoted &&
            slice_equal(a->original, b->original));
}

/* The child of `parent` that stands for `child` of the other tree; `sibling` is the last one met.
 */
static const struct config_node *counterpart(const struct config_node *parent,
                                             const struct config_node *child,
                                             const struct config_node *sibling)
{
    if (parent->kind == CONFIG_MAP) {
        return config_node_find(parent, child->key);
    }
    return sibling == NULL ? parent->first : sibling->next;
}

bool config_node_is_same(const struct config_node *a, const struct config_node *b)
{
    static const struct config_node nothing = {.kind = CONFIG_NULL};
    const struct config_node *root = a == NULL ? &nothing : a;
    const struct config_node *left = root;
    const struct config_node *right = b == NULL ? &nothing : b;

    while (is_same_value(left, right)) {
        if (left->first != NULL) {
            right = counterpart(right, left->first, NULL);
            left = left->first;
        } else {
            while (left != root && left->next == NULL) {
                left = left->parent;
                right = right->parent;
            }
            if (left == root) {
                return true;
            }
            right = counterpart(right->parent, left->next, right);
            left = left->next;
        }
        if (right == NULL) {
            return false;
        }
    }
    return false;
}

/* Does `text` contain `word`, given in lower case, in any case? */
static bool contains_word(struct slice text, const char *word)
{
    size_t word_len = strlen(word);
    for (size_t at = 0; at + word_len <= text.len; at++) {
        size_t same = 0;
        while (same < word_len) {
            uint8_t c = text.ptr[at + same];
            uint8_t lower = c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
            if (lower != (uint8_t)word[same]) {
                break;
            }
            same++;
        }
        if (same == word_len) {
            return true;
        }
    }
    return false;
}

bool config_is_secret_key(struct slice key)
{
    static const char *const words[] = {
        "passw",   "passphrase", "pwd",         "token",       "secret", "authorization", "api_key",
        "api-key", "apikey",     "private_key", "private-key", "cookie", "credential",    "key_pem",
    };
    /* Keys that speak of secrets without holding one. */
    static const char *const harmless[] = {"_file", "filename", "_arn", "_path"};
    for (size_t i = 0; i < COUNT_OF(harmless); i++) {
        if (contains_word(key, harmless[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (contains_word(key, words[i])) {
            return true;
        }
    }
    return false;
}
