/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_origin — texts with their lengths in front, and read back with the cursor.
 */
#include "codecs/prom_origin.h"

#include <string.h>

#include "core/base/mem.h"

static void put_u32(struct bytes *out, uint32_t value)
{
    const uint8_t wire[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                             (uint8_t)(value >> 24)};
    bytes_append(out, wire, sizeof(wire));
}

static void put_text(struct bytes *out, struct slice text)
{
    put_u32(out, (uint32_t)text.len);
    bytes_append(out, text.ptr, text.len);
}

static struct slice take_text(struct cursor *in)
{
    return cursor_take(in, cursor_u32_le(in));
}

void prom_origin_pack_labels(struct bytes *out, struct prom_label_view labels)
{
    put_u32(out, labels.count);
    for (uint32_t i = 0; i < labels.count; i++) {
        put_text(out, labels.items[i].name);
        put_text(out, labels.items[i].value);
    }
}

struct prom_label_view prom_origin_unpack_labels(struct cursor *in, struct prom_tree *tree)
{
    uint32_t count = cursor_u32_le(in);
    struct label *items = arena_alloc_array(tree->arena, count, sizeof(*items));
    if (items == NULL) {
        return (struct prom_label_view){0};
    }
    for (uint32_t i = 0; i < count; i++) {
        items[i].name = take_text(in);
        items[i].value = take_text(in);
    }
    ASSERT(in->err == 0);
    return (struct prom_label_view){.items = items, .count = count};
}

struct prom_origin *prom_origin_new(struct prom_key key, struct slice text)
{
    struct prom_origin *origin = mem_alloc(sizeof(*origin) + text.len);
    if (origin == NULL) {
        return NULL;
    }
    origin->key = key;
    origin->len = (uint32_t)text.len;
    memcpy(origin->text, text.ptr, text.len);
    return origin;
}

void prom_origin_write(struct bytes *out, const struct prom_family_node *family)
{
    const struct prom_scope *scope = family->scope;
    const struct prom_resource *resource = scope->resource;
    put_text(out, resource->job);
    put_text(out, resource->instance);
    prom_origin_pack_labels(out, resource->info);
    put_text(out, scope->id.name);
    put_text(out, scope->id.version);
    put_text(out, scope->id.schema_url);
    prom_origin_pack_labels(out, scope->id.attrs);
    prom_origin_pack_labels(out, scope->info);
    put_text(out, family->name);
    put_u32(out, (uint32_t)family->type);
    put_text(out, family->about->help);
    put_text(out, family->about->unit);
}

static struct prom_scope *place_scope(struct cursor *in, struct prom_tree *tree)
{
    struct slice job = take_text(in);
    struct slice instance = take_text(in);
    struct prom_label_view info = prom_origin_unpack_labels(in, tree);
    struct prom_resource *resource = prom_tree_resource(tree, job, instance);
    if (resource == NULL || info.items == NULL) {
        return NULL;
    }
    if (resource->info.count == 0) {
        resource->info = info;
    }
    struct prom_scope_id id = {.name = take_text(in)};
    id.version = take_text(in);
    id.schema_url = take_text(in);
    id.attrs = prom_origin_unpack_labels(in, tree);
    info = prom_origin_unpack_labels(in, tree);
    if (id.attrs.items == NULL || info.items == NULL) {
        return NULL;
    }
    struct prom_scope *scope = prom_tree_scope(tree, resource, &id);
    if (scope != NULL && scope->info.count == 0) {
        scope->info = info;
    }
    return scope;
}

struct prom_family_node *prom_origin_place(const struct prom_origin *origin, struct prom_tree *tree)
{
    struct cursor in = cursor_of(slice_of(origin->text, origin->len));
    struct prom_scope *scope = place_scope(&in, tree);
    struct prom_about *about = arena_alloc(tree->arena, sizeof(*about));
    if (scope == NULL || about == NULL) {
        return NULL;
    }
    struct slice name = take_text(&in);
    about->type = (enum prom_type)cursor_u32_le(&in);
    about->help = take_text(&in);
    about->unit = take_text(&in);
    ASSERT(in.err == 0);
    return prom_tree_family(tree, scope, name, about);
}
