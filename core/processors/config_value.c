/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_value — the tree below a key, listed parents first and then encoded backwards, so that
 * every child is bytes when its parent needs it.
 */
#include "core/processors/config_value.h"

#include <errno.h>
#include <string.h>

#include "core/engine/config.h"
#include "core/otlp/otlp_build.h"

/* Tags of an AnyValue's members. */
#define TAG_STRING 0x0A
#define TAG_BOOL 0x10
#define TAG_INT 0x18
#define TAG_DOUBLE 0x21
#define TAG_ARRAY 0x2A
#define TAG_KVLIST 0x32
#define TAG_ARRAY_VALUE 0x0A
/* Two tags, two lengths. */
#define VALUE_HEAD_BYTES 24

/* One node of the tree and how far it reaches. */
struct entry {
    const struct config_node *node;
    uint32_t entry_count; /* itself and everything below it */
    struct otlp_value value;
};

static void read_number(struct config_report *report, const struct config_node *node,
                        struct otlp_value *out)
{
    *out = (struct otlp_value){.kind = OTLP_VALUE_INT};
    if (config_parse_i64(node->text, &out->integer)) {
        return;
    }
    *out = (struct otlp_value){.kind = OTLP_VALUE_DOUBLE};
    if (!config_parse_f64(node->text, &out->number)) {
        config_error(report, node->mark, "put it in quotes to make it text",
                     "this number is out of range");
    }
}

static struct otlp_value read_scalar(struct config_report *report, const struct config_node *node)
{
    struct otlp_value value = {.kind = OTLP_VALUE_STRING, .bytes = node->text};
    enum config_type type = node->was_quoted ? CONFIG_TYPE_TEXT : config_scalar_type(node->text);
    switch (type) {
    case CONFIG_TYPE_TEXT:
        break;
    case CONFIG_TYPE_NULL:
        value = (struct otlp_value){.kind = OTLP_VALUE_EMPTY};
        break;
    case CONFIG_TYPE_BOOL:
        value = (struct otlp_value){.kind = OTLP_VALUE_BOOL};
        (void)config_parse_bool(node->text, &value.boolean); /* the type says it is one */
        break;
    case CONFIG_TYPE_INTEGER:
    case CONFIG_TYPE_FLOAT:
        read_number(report, node, &value);
        break;
    }
    return value;
}

/* An element of an ArrayValue. Its ptr is NULL where the arena is full. */
static struct slice encode_element(struct arena *memory, const struct otlp_value *value)
{
    bool is_sized = value->kind == OTLP_VALUE_STRING || value->kind == OTLP_VALUE_ARRAY ||
                    value->kind == OTLP_VALUE_KVLIST;
    size_t cap = VALUE_HEAD_BYTES + (is_sized ? value->bytes.len : 0);
    uint8_t *buf = arena_alloc(memory, cap);
    if (buf == NULL) {
        return (struct slice){0};
    }
    struct otlp_build b;
    otlp_build_init(&b, buf, cap);
    size_t mark = otlp_build_mark(&b);
    switch (value->kind) {
    case OTLP_VALUE_STRING:
    case OTLP_VALUE_BYTES: /* YAML has none */
        otlp_build_text_field(&b, TAG_STRING, value->bytes);
        break;
    case OTLP_VALUE_BOOL:
        otlp_build_varint_field(&b, TAG_BOOL, value->boolean ? 1 : 0);
        break;
    case OTLP_VALUE_INT:
        otlp_build_varint_field(&b, TAG_INT, (uint64_t)value->integer);
        break;
    case OTLP_VALUE_DOUBLE:
        otlp_build_double_field(&b, TAG_DOUBLE, value->number);
        break;
    case OTLP_VALUE_ARRAY:
        otlp_build_text_field(&b, TAG_ARRAY, value->bytes);
        break;
    case OTLP_VALUE_KVLIST:
        otlp_build_text_field(&b, TAG_KVLIST, value->bytes);
        break;
    case OTLP_VALUE_EMPTY:
        break;
    }
    otlp_build_close(&b, mark, TAG_ARRAY_VALUE);
    ASSERT(b.err == 0);
    return otlp_build_since(&b, mark);
}

/* The children of entries[index], which have their values, one after the other. 0 or -ENOMEM. */
static int join_children(struct arena *memory, struct entry *entries, uint32_t index)
{
    struct entry *parent = &entries[index];
    bool is_map = parent->node->kind == CONFIG_MAP;
    struct slice *pieces = arena_alloc_array(memory, parent->node->child_count, sizeof(pieces[0]));
    if (pieces == NULL) {
        return -ENOMEM;
    }
    size_t total = 0;
    uint32_t child = index + 1;
    for (uint32_t i = 0; i < parent->node->child_count; i++) {
        const struct entry *entry = &entries[child];
        pieces[i] =
            is_map ? otlp_attr_encode(memory, OTLP_KVLIST_VALUES, entry->node->key, &entry->value)
                   : encode_element(memory, &entry->value);
        if (pieces[i].ptr == NULL) {
            return -ENOMEM;
        }
        total += pieces[i].len;
        child += entry->entry_count;
    }
    uint8_t *joined = arena_alloc(memory, total);
    if (joined == NULL) {
        return -ENOMEM;
    }
    size_t len = 0;
    for (uint32_t i = 0; i < parent->node->child_count; i++) {
        memcpy(joined + len, pieces[i].ptr, pieces[i].len);
        len += pieces[i].len;
    }
    parent->value = (struct otlp_value){.kind = is_map ? OTLP_VALUE_KVLIST : OTLP_VALUE_ARRAY,
                                        .bytes = slice_of(joined, total)};
    return 0;
}

/* `root` and all below it, parents before children; *count says how many. NULL without memory. */
static struct entry *list_entries(struct arena *memory, const struct config_node *root,
                                  uint32_t *count)
{
    const struct config_node *node = config_walk_next(root, NULL);
    *count = 0;
    while (node != NULL) {
        (*count)++;
        node = config_walk_next(root, node);
    }
    struct entry *entries = arena_alloc_array(memory, *count, sizeof(entries[0]));
    node = entries == NULL ? NULL : config_walk_next(root, NULL);
    for (uint32_t i = 0; node != NULL; i++) {
        entries[i] = (struct entry){.node = node, .entry_count = 1};
        node = config_walk_next(root, node);
    }
    return entries;
}

/* How many entries each one spans: its children's, which stand behind it. */
static uint32_t span_children(const struct entry *entries, uint32_t index)
{
    uint32_t span = 1;
    for (uint32_t i = 0; i < entries[index].node->child_count; i++) {
        span += entries[index + span].entry_count;
    }
    return span;
}

int config_value_read(struct config_reader *r, const char *key, struct arena *memory,
                      struct otlp_value *out, bool *is_present)
{
    const struct config_node *root = config_reader_ask(r, key);
    *is_present = root != NULL;
    *out = (struct otlp_value){.kind = OTLP_VALUE_EMPTY};
    if (root == NULL) {
        return 0;
    }
    uint32_t count = 0;
    struct entry *entries = list_entries(memory, root, &count);
    if (entries == NULL) {
        return -ENOMEM;
    }
    int err = 0;
    for (uint32_t i = count; i > 0 && err == 0; i--) {
        struct entry *entry = &entries[i - 1];
        if (entry->node->kind == CONFIG_LIST || entry->node->kind == CONFIG_MAP) {
            entry->entry_count = span_children(entries, i - 1);
            err = join_children(memory, entries, i - 1);
        } else if (entry->node->kind == CONFIG_SCALAR) {
            entry->value = read_scalar(r->report, entry->node);
        }
    }
    *out = err == 0 ? entries[0].value : *out;
    return err;
}
