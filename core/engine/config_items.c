/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_items — going through lists, and through maps whose keys the user chose.
 *
 * The second half of core/engine/config.h. An iterator borrows from the tree and the reader's path;
 * items of the wrong type are reported and passed over, so that a loop sees good ones only.
 */
#include "core/engine/config.h"

#include <stdio.h>

/* Marks the key as asked for and begins the iterator without items. */
static struct config_items open_items(struct config_reader *r, const char *key,
                                      const struct config_node **node)
{
    struct config_items items = {.report = r->report, .docs = r->docs};
    (void)config_reader_ask(r, key);
    *node = config_node_find(r->node, slice_of_text(key));
    int limit = CONFIG_PATH_MAX_BYTES / 2 - 2; /* of either half; what is longer is cut */
    (void)snprintf(items.path, sizeof(items.path), "%.*s.%.*s", limit, r->path, limit, key);
    items.is_present = *node != NULL && (*node)->kind != CONFIG_NULL;
    return items;
}

struct config_items config_open_list(struct config_reader *r, const char *key)
{
    const struct config_node *node;
    struct config_items items = open_items(r, key, &node);
    struct slice text;
    if (!items.is_present) {
        return items;
    }
    if (node->kind == CONFIG_LIST) {
        items.next = node->first;
    } else if (node->kind == CONFIG_SCALAR && config_node_text(node, &text)) {
        items.scalar = node;
        items.rest = text;
    } else {
        config_complain_type(r->report, node, r->path, key, "a list");
    }
    return items;
}

struct config_items config_open_map(struct config_reader *r, const char *key)
{
    const struct config_node *node;
    struct config_items items = open_items(r, key, &node);
    if (!items.is_present) {
        return items;
    }
    if (node->kind == CONFIG_MAP) {
        items.next = node->first;
    } else {
        config_complain_type(r->report, node, r->path, key, "a map");
    }
    return items;
}

/* The next item, or NULL; numbers it. */
static const struct config_node *take_item(struct config_items *items)
{
    const struct config_node *node = items->next;
    if (node != NULL) {
        items->next = node->next;
        items->mark = node->mark;
        items->index = items->seen_count;
        items->seen_count++;
    }
    return node;
}

/* "receivers.statsd.mapping[2]" or "headers.x-team". */
static void format_item_path(const struct config_items *items, const struct config_node *node,
                             char *path)
{
    int limit = CONFIG_PATH_MAX_BYTES / 2 - 2; /* of either half; what is longer is cut */
    if (node->key.ptr != NULL) {
        int key_len = node->key.len < (size_t)limit ? (int)node->key.len : limit;
        (void)snprintf(path, CONFIG_PATH_MAX_BYTES, "%.*s.%.*s", limit, items->path, key_len,
                       (const char *)node->key.ptr);
    } else {
        (void)snprintf(path, CONFIG_PATH_MAX_BYTES, "%.*s[%u]", limit, items->path, items->index);
    }
}

static void complain_item(struct config_items *items, const struct config_node *node,
                          const char *wanted)
{
    char path[CONFIG_PATH_MAX_BYTES];
    format_item_path(items, node, path);
    if (node->key.ptr != NULL && config_is_secret_key(node->key)) {
        config_error(items->report, node->mark, NULL, "%s must be %s", path, wanted);
        return;
    }
    config_complain_type(items->report, node, path, "", wanted);
}

/* The text before the next ',' of a scalar that stands for a list, blanks dropped. */
static bool take_split_text(struct config_items *items, struct slice *out)
{
    if (items->rest.len == 0) {
        return false;
    }
    size_t comma = slice_find(items->rest, ',');
    struct slice part = slice_first(items->rest, comma);
    items->rest = slice_from(items->rest, comma < items->rest.len ? comma + 1 : comma);
    while (part.len > 0 && part.ptr[0] == ' ') {
        part = slice_from(part, 1);
    }
    while (part.len > 0 && part.ptr[part.len - 1] == ' ') {
        part.len--;
    }
    items->mark = items->scalar->mark;
    items->index = items->seen_count;
    items->seen_count++;
    *out = part;
    return true;
}

bool config_next_text(struct config_items *items, struct slice *out)
{
    if (items->scalar != NULL) {
        return take_split_text(items, out);
    }
    const struct config_node *node = take_item(items);
    while (node != NULL) {
        if (config_node_text(node, out)) {
            return true;
        }
        complain_item(items, node, "text");
        node = take_item(items);
    }
    return false;
}

bool config_next_f64(struct config_items *items, double *out)
{
    if (items->scalar != NULL) {
        config_complain_type(items->report, items->scalar, items->path, "", "a list of numbers");
        items->scalar = NULL;
        return false;
    }
    const struct config_node *node = take_item(items);
    while (node != NULL) {
        if (node->kind == CONFIG_SCALAR && !node->was_quoted && config_parse_f64(node->text, out)) {
            return true;
        }
        complain_item(items, node, "a number");
        node = take_item(items);
    }
    return false;
}

/* Opens the next item that is a map; `key` is filled with its name. */
static bool next_map(struct config_items *items, struct slice *key, struct config_reader *out)
{
    if (items->scalar != NULL) {
        config_complain_type(items->report, items->scalar, items->path, "", "a list of maps");
        items->scalar = NULL;
        return false;
    }
    const struct config_node *node = take_item(items);
    if (node == NULL) {
        return false;
    }
    /* What is no map is reported by the reader and reads as empty. */
    char path[CONFIG_PATH_MAX_BYTES];
    format_item_path(items, node, path);
    config_reader_open(out, items->report, node, path);
    out->docs = items->docs;
    *key = node->key;
    return true;
}

bool config_next_section(struct config_items *items, struct config_reader *out)
{
    struct slice unused_key;
    return next_map(items, &unused_key, out);
}

bool config_next_named(struct config_items *items, struct slice *key, struct config_reader *out)
{
    return next_map(items, key, out);
}

bool config_next_pair(struct config_items *items, struct slice *key, struct slice *value)
{
    const struct config_node *node = take_item(items);
    while (node != NULL) {
        *key = node->key;
        if (node->kind == CONFIG_NULL) {
            *value = (struct slice){0};
            return true;
        }
        if (config_node_text(node, value)) {
            return true;
        }
        complain_item(items, node, "text (in quotes)");
        node = take_item(items);
    }
    return false;
}
