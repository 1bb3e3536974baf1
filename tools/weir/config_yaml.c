/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_yaml — libyaml's events become nodes, with a stack of open maps and lists.
 *
 * An alias is a copy of what its anchor holds, counted against the tree's limit, so that a bomb of
 * aliases ends in a complaint. A merge key is kept as a member until its map closes and is then
 * replaced by the members it brings, those written in the map itself winning. Owns the parser
 * during one call.
 */
#include "tools/weir/config_yaml.h"

#include <errno.h>
#include <yaml.h>

#include "core/base/fault.h"
#include "core/engine/config_scalar.h"

#define SHOWN(s) (int)(s).len, (const char *)(s).ptr

struct anchor {
    struct slice name;
    const struct config_node *node;
};

struct builder {
    struct config_tree *tree;
    struct config_report *report; /* NULL: silent */
    const struct config_mark *at; /* NULL: marks are those of the text */
    uint32_t source_index;
    struct config_node *root;
    struct config_node *open[CONFIG_DEPTH_MAX]; /* maps and lists not closed yet */
    uint32_t depth;
    struct slice keys[CONFIG_DEPTH_MAX]; /* of each open map, the key whose value comes next */
    struct config_mark key_marks[CONFIG_DEPTH_MAX];
    bool has_key[CONFIG_DEPTH_MAX];
    struct anchor anchors[CONFIG_ANCHORS_MAX];
    uint32_t anchor_count;
    int err;
};

/* Plain "<<" as a key; known by its address, because a quoted one is an ordinary key. */
static const uint8_t merge_bytes[] = {'<', '<'};

static bool is_merge_member(const struct config_node *node)
{
    return node->key.ptr == merge_bytes;
}

/* --- complaints ------------------------------------------------------------------------------- */

/* The first one ends the parse. */
static void refuse(struct builder *b, struct config_mark mark, const char *message)
{
    if (b->report != NULL) {
        config_error(b->report, mark, NULL, "%s", message);
    }
    b->err = FAULT_CONFIG;
}

/* A node could not be had: at the limit that is the user's doing, else memory is short. */
static void refuse_node(struct builder *b, struct config_mark mark)
{
    if (b->tree->node_count < CONFIG_NODES_MAX) {
        b->err = -ENOMEM;
        return;
    }
    refuse(b, mark, "the configuration holds too many values (aliases are counted in full)");
}

static struct config_mark mark_of(const struct builder *b, yaml_mark_t start, yaml_mark_t end)
{
    if (b->at != NULL) {
        return *b->at;
    }
    bool is_one_line = start.line == end.line && end.column > start.column;
    return (struct config_mark){
        .source_index = b->source_index,
        .line = (uint32_t)start.line + 1,
        .column = (uint32_t)start.column + 1,
        .width_chars = is_one_line ? (uint32_t)(end.column - start.column) : 1,
    };
}

/* --- placing ---------------------------------------------------------------------------------- */

/* Puts a finished or just opened value where it belongs. */
static void place_node(struct builder *b, struct config_node *node)
{
    node->key = (struct slice){0};
    if (b->depth == 0) {
        b->root = node;
        return;
    }
    uint32_t top = b->depth - 1;
    struct config_node *parent = b->open[top];
    if (parent->kind == CONFIG_MAP) {
        if (!b->has_key[top]) {
            refuse(b, node->mark, "a key must be a word, not a map or a list");
            return;
        }
        node->key = b->keys[top];
        node->key_mark = b->key_marks[top];
        b->has_key[top] = false;
    }
    config_node_append(parent, node);
}

/* A scalar where a map waits for a key. */
static void take_key(struct builder *b, struct slice key, struct config_mark mark, bool is_plain)
{
    uint32_t top = b->depth - 1;
    struct config_node *map = b->open[top];
    bool is_merge = is_plain && slice_is_text(key, "<<");
    if (key.len == 0) {
        refuse(b, mark, "a key is missing before ':'");
        return;
    }
    if (map->child_count >= CONFIG_MAP_KEYS_MAX) {
        refuse(b, mark, "too many keys in one map");
        return;
    }
    const struct config_node *earlier = config_node_find(map, key);
    if (earlier != NULL) {
        if (b->report != NULL) {
            config_error(b->report, mark, NULL, "key '%.*s' is written twice, first in line %u",
                         SHOWN(key), earlier->key_mark.line);
        }
        b->err = FAULT_CONFIG;
        return;
    }
    b->keys[top] = is_merge ? slice_of(merge_bytes, sizeof(merge_bytes)) : key;
    b->key_marks[top] = mark;
    b->has_key[top] = true;
}

static bool waits_for_key(const struct builder *b)
{
    return b->depth > 0 && b->open[b->depth - 1]->kind == CONFIG_MAP && !b->has_key[b->depth - 1];
}

static void add_anchor(struct builder *b, const yaml_char_t *name, const struct config_node *node)
{
    if (name == NULL) {
        return;
    }
    if (b->anchor_count == CONFIG_ANCHORS_MAX) {
        refuse(b, node->mark, "too many anchors");
        return;
    }
    struct slice copy = config_tree_copy(b->tree, slice_of_text((const char *)name));
    if (copy.ptr == NULL) {
        b->err = -ENOMEM;
        return;
    }
    b->anchors[b->anchor_count] = (struct anchor){.name = copy, .node = node};
    b->anchor_count++;
}

/* --- merge keys ------------------------------------------------------------------------------- */

/* Adds the members of `from` that `map` does not have yet. */
static void merge_members(struct builder *b, struct config_node *map,
                          const struct config_node *from)
{
    if (from->kind != CONFIG_MAP) {
        refuse(b, from->mark, "'<<' takes a map or a list of maps");
        return;
    }
    for (const struct config_node *member = from->first; member != NULL; member = member->next) {
        if (config_node_find(map, member->key) != NULL) {
            continue;
        }
        if (map->child_count >= CONFIG_MAP_KEYS_MAX) {
            refuse(b, from->mark, "too many keys in one map");
            return;
        }
        struct config_node *copy = config_node_copy(b->tree, member);
        if (copy == NULL) {
            refuse_node(b, member->mark);
            return;
        }
        config_node_append(map, copy);
    }
}

/* Replaces the "<<" member of a map just closed by what it brings. */
static void resolve_merge(struct builder *b, struct config_node *map)
{
    struct config_node *merged = NULL;
    struct config_node *member = map->first;
    map->first = NULL;
    map->last = NULL;
    map->child_count = 0;
    while (member != NULL) {
        struct config_node *next = member->next;
        member->next = NULL;
        member->parent = NULL;
        if (is_merge_member(member)) {
            merged = member;
        } else {
            config_node_append(map, member);
        }
        member = next;
    }
    if (merged == NULL) {
        return;
    }
    if (merged->kind != CONFIG_LIST) {
        merge_members(b, map, merged);
        return;
    }
    const struct config_node *item = merged->first;
    for (; item != NULL && b->err == 0; item = item->next) {
        merge_members(b, map, item);
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_scalar(struct builder *b, const yaml_event_t *event)
{
    struct slice text = slice_of(event->data.scalar.value, event->data.scalar.length);
    struct config_mark mark = mark_of(b, event->start_mark, event->end_mark);
    const char *tag = (const char *)event->data.scalar.tag;
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                    (tag == NULL || (strcmp(tag, YAML_STR_TAG) != 0 && strcmp(tag, "!") != 0));
    if (slice_find(text, 0) != text.len) {
        refuse(b, mark, "a NUL byte has no place in a configuration");
        return;
    }
    text = config_tree_copy(b->tree, text);
    if (text.ptr == NULL) {
        b->err = -ENOMEM;
        return;
    }
    if (waits_for_key(b)) {
        take_key(b, text, mark, is_plain);
        return;
    }
    bool is_null = is_plain && config_scalar_type(text) == CONFIG_TYPE_NULL;
    struct config_node *node =
        config_node_new(b->tree, is_null ? CONFIG_NULL : CONFIG_SCALAR, mark);
    if (node == NULL) {
        refuse_node(b, mark);
        return;
    }
    node->text = is_null ? (struct slice){0} : text;
    node->was_quoted = !is_plain;
    place_node(b, node);
    add_anchor(b, event->data.scalar.anchor, node);
}

static void on_open(struct builder *b, const yaml_event_t *event, enum config_kind kind)
{
    struct config_mark mark = mark_of(b, event->start_mark, event->end_mark);
    if (b->depth == CONFIG_DEPTH_MAX) {
        refuse(b, mark, "maps and lists are nested too deeply");
        return;
    }
    struct config_node *node = config_node_new(b->tree, kind, mark);
    if (node == NULL) {
        refuse_node(b, mark);
        return;
    }
    place_node(b, node);
    if (b->err != 0) {
        return;
    }
    b->open[b->depth] = node;
    b->has_key[b->depth] = false;
    b->depth++;
    add_anchor(b,
               kind == CONFIG_MAP ? event->data.mapping_start.anchor
                                  : event->data.sequence_start.anchor,
               node);
}

static void on_close(struct builder *b)
{
    ASSERT(b->depth > 0);
    b->depth--;
    struct config_node *node = b->open[b->depth];
    if (node->kind == CONFIG_MAP) {
        resolve_merge(b, node);
    }
}

static void on_alias(struct builder *b, const yaml_event_t *event)
{
    struct slice name = slice_of_text((const char *)event->data.alias.anchor);
    struct config_mark mark = mark_of(b, event->start_mark, event->end_mark);
    /* The latest anchor of a name counts. */
    const struct config_node *node = NULL;
    for (uint32_t i = b->anchor_count; i > 0 && node == NULL; i--) {
        if (slice_equal(b->anchors[i - 1].name, name)) {
            node = b->anchors[i - 1].node;
        }
    }
    if (node == NULL) {
        refuse(b, mark, "an alias names an anchor that does not stand above it");
        return;
    }
    for (uint32_t i = 0; i < b->depth; i++) {
        if (b->open[i] == node) {
            refuse(b, mark, "an alias stands inside the value it stands for");
            return;
        }
    }
    if (waits_for_key(b)) {
        if (node->kind == CONFIG_SCALAR) {
            take_key(b, node->text, mark, false);
        } else {
            refuse(b, mark, "a key must be a word, not a map or a list");
        }
        return;
    }
    struct config_node *copy = config_node_copy(b->tree, node);
    if (copy == NULL) {
        refuse_node(b, mark);
        return;
    }
    place_node(b, copy);
}

/* Handles one event; true at the end of the stream. */
static bool on_event(struct builder *b, const yaml_event_t *event, uint32_t *document_count)
{
    switch (event->type) {
    case YAML_STREAM_END_EVENT:
        return true;
    case YAML_DOCUMENT_START_EVENT:
        (*document_count)++;
        if (*document_count > 1) {
            refuse(b, mark_of(b, event->start_mark, event->end_mark),
                   "a second document begins here; a configuration is one document");
        }
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(b, event);
        break;
    case YAML_MAPPING_START_EVENT:
        on_open(b, event, CONFIG_MAP);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_open(b, event, CONFIG_LIST);
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        on_close(b);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(b, event);
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return b->err != 0;
}

/* --- the parse -------------------------------------------------------------------------------- */

/* Line and column of a byte; libyaml says nothing but the offset where the encoding is broken. */
static struct config_mark mark_of_offset(const struct builder *b, struct slice text, size_t offset)
{
    struct config_mark mark = {.source_index = b->source_index, .line = 1, .column = 1};
    mark.width_chars = 1;
    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            mark.line++;
            mark.column = 1;
        } else if ((text.ptr[i] & 0xC0) != 0x80) {
            mark.column++;
        }
    }
    return b->at == NULL ? mark : *b->at;
}

static void refuse_syntax(struct builder *b, struct slice text, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR) {
        b->err = -ENOMEM;
        return;
    }
    b->err = FAULT_CONFIG;
    if (b->report == NULL) {
        return;
    }
    bool is_encoding = parser->error == YAML_READER_ERROR;
    struct config_mark mark = is_encoding ? mark_of_offset(b, text, parser->problem_offset)
                                          : mark_of(b, parser->problem_mark, parser->problem_mark);
    const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";
    if (parser->context != NULL) {
        config_error(b->report, mark, NULL, "not valid YAML: %s, %s", problem, parser->context);
    } else {
        config_error(b->report, mark, NULL, "not valid YAML: %s", problem);
    }
}

static void run_parser(struct builder *b, struct slice text, yaml_parser_t *parser)
{
    uint32_t document_count = 0;
    bool is_done = false;
    while (!is_done) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            refuse_syntax(b, text, parser);
            return;
        }
        is_done = on_event(b, &event, &document_count);
        yaml_event_delete(&event);
    }
}

int config_yaml_parse(struct config_tree *tree, struct config_report *report, struct slice text,
                      const struct config_mark *at, uint32_t source_index, struct config_node **out)
{
    struct builder b = {.tree = tree, .report = report, .at = at, .source_index = source_index};
    if (text.len > CONFIG_TEXT_MAX_BYTES) {
        refuse(&b, mark_of_offset(&b, text, 0), "the text is larger than 4 MiB");
        return b.err;
    }
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0) {
        return -ENOMEM;
    }
    static const uint8_t nothing[1];
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.len > 0 ? text.ptr : nothing, text.len);
    run_parser(&b, text, &parser);
    yaml_parser_delete(&parser);
    if (b.err == 0 && b.root == NULL) {
        b.root = config_node_new(tree, CONFIG_NULL, mark_of_offset(&b, text, 0));
        b.err = b.root == NULL ? -ENOMEM : 0;
    }
    if (b.err == 0) {
        *out = b.root;
    }
    return b.err;
}
