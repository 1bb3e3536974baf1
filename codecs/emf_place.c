/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_place — see emf_place.h.
 */
#include "codecs/emf_place.h"

#include <string.h>

#include "core/otlp/otlp_attr.h"
#include "core/otlp/otlp_field.h"

#define UNDEFINED SLICE_LITERAL("undefined")

static const struct placeholder {
    const char *name;
    const char *attribute;
} placeholders[] = {
    {"ClusterName", "aws.ecs.cluster.name"},
    {"TaskId", "aws.ecs.task.id"},
    {"NodeName", "k8s.node.name"},
    {"PodName", "pod"},
    {"ServiceName", "service.name"},
    {"ContainerInstanceId", "aws.ecs.container.instance.id"},
    {"TaskDefinitionFamily", "aws.ecs.task.family"},
};

static struct slice text_attr(struct slice resource, struct slice key)
{
    struct otlp_attr attr;
    bool is_found = otlp_attr_find(resource, OTLP_RESOURCE_ATTRS, key, &attr);
    return is_found && attr.value.kind == OTLP_VALUE_STRING ? attr.value.bytes : (struct slice){0};
}

struct slice emf_place_namespace(const struct emf_options *options, struct slice resource,
                                 struct arena *arena)
{
    if (options->namespace.len > 0) {
        return options->namespace;
    }
    struct slice name = text_attr(resource, SLICE_LITERAL("service.name"));
    struct slice space = text_attr(resource, SLICE_LITERAL("service.namespace"));
    if (name.len == 0 && space.len == 0) {
        return SLICE_LITERAL("default");
    }
    if (name.len == 0 || space.len == 0) {
        return name.len == 0 ? space : name;
    }
    uint8_t *text = arena_alloc(arena, space.len + 1 + name.len);
    if (text == NULL) {
        return (struct slice){0};
    }
    memcpy(text, space.ptr, space.len);
    text[space.len] = '/';
    memcpy(text + space.len + 1, name.ptr, name.len);
    return slice_of(text, space.len + 1 + name.len);
}

static struct slice label_value(const struct emf_labels *labels, const char *name)
{
    if (labels == NULL) {
        return (struct slice){0};
    }
    const struct emf_label *label =
        emf_label_find(labels->items, labels->count, slice_of_text(name));
    return label != NULL ? label->value : (struct slice){0};
}

/* What one list of labels knows of a placeholder; empty where that is nothing. */
static struct slice look_up(const struct emf_labels *labels, const struct placeholder *p)
{
    struct slice value = label_value(labels, p->name);
    return value.len > 0 ? value : label_value(labels, p->attribute);
}

/* The placeholder whose braces `text` begins with, or NULL. */
static const struct placeholder *placeholder_at(struct slice text)
{
    for (size_t i = 0; i < COUNT_OF(placeholders); i++) {
        size_t len = strlen(placeholders[i].name);
        if (text.len >= len + 2 && text.ptr[len + 1] == '}' &&
            memcmp(text.ptr + 1, placeholders[i].name, len) == 0) {
            return &placeholders[i];
        }
    }
    return NULL;
}

/* Appends `pattern` with its placeholders filled in. False where one of them was not. */
static bool expand(struct slice pattern, const struct emf_labels *resource,
                   const struct emf_labels *point, struct bytes *out)
{
    bool is_whole = true;
    while (pattern.len > 0) {
        size_t brace = slice_find(pattern, '{');
        bytes_append(out, pattern.ptr, brace);
        pattern = slice_from(pattern, brace);
        if (pattern.len == 0) {
            break;
        }
        const struct placeholder *p = placeholder_at(pattern);
        if (p == NULL) {
            bytes_append_byte(out, '{');
            pattern = slice_from(pattern, 1);
            continue;
        }
        struct slice value = look_up(resource, p);
        value = value.len > 0 ? value : look_up(point, p);
        is_whole = is_whole && value.len > 0;
        value = value.len > 0 ? value : UNDEFINED;
        bytes_append(out, value.ptr, value.len);
        pattern = slice_from(pattern, strlen(p->name) + 2);
    }
    return is_whole;
}

static bool is_group_byte(uint8_t c)
{
    bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    return is_letter || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '/' || c == '.' ||
           c == '#';
}

static bool is_stream_byte(uint8_t c)
{
    return c >= 0x20 && c != 0x7F && c != ':' && c != '*';
}

/* Cuts and replaces what the service would refuse, behind `first`. True where it had to. */
static bool make_valid(struct bytes *text, size_t first, bool is_group)
{
    bool was_changed = false;
    if (text->len - first > EMF_LOG_NAME_MAX_BYTES) {
        text->len = first + EMF_LOG_NAME_MAX_BYTES;
        while ((text->ptr[text->len] & 0xC0) == 0x80) {
            text->len--; /* not inside a character */
        }
        was_changed = true;
    }
    for (size_t i = first; i < text->len; i++) {
        if (!(is_group ? is_group_byte(text->ptr[i]) : is_stream_byte(text->ptr[i]))) {
            text->ptr[i] = '_';
            was_changed = true;
        }
    }
    return was_changed;
}

static bool is_prometheus(const struct emf_labels *resource)
{
    return slice_is_text(label_value(resource, "receiver"), "prometheus");
}

struct emf_place *emf_place_new(const struct emf_place_names *names, struct slice space,
                                const struct emf_labels *resource, const struct emf_labels *point,
                                struct bytes *scratch, struct arena *arena)
{
    const struct emf_options *options = names->options;
    bytes_clear(scratch);
    bytes_append(scratch, space.ptr, space.len);
    bytes_append_byte(scratch, '\0');
    size_t group_begin = scratch->len;
    bool is_whole = true;
    if (options->log_group_name.len > 0) {
        is_whole = expand(options->log_group_name, resource, point, scratch);
    } else {
        bytes_append(scratch, "/metrics/", 9);
        bytes_append(scratch, space.ptr, space.len);
    }
    if (scratch->err != 0) {
        return NULL;
    }
    bool was_changed = make_valid(scratch, group_begin, true);
    bytes_append_byte(scratch, '\0');
    size_t stream_begin = scratch->len;
    struct slice stream =
        options->log_stream_name.len > 0 ? options->log_stream_name : options->default_stream;
    is_whole = expand(stream, resource, point, scratch) && is_whole;
    struct emf_place *place = arena_alloc(arena, sizeof(*place));
    if (scratch->err != 0 || place == NULL) {
        return NULL;
    }
    was_changed = make_valid(scratch, stream_begin, false) || was_changed;
    struct slice all = arena_copy(arena, bytes_slice(scratch));
    if (all.ptr == NULL) {
        return NULL;
    }
    bool has_prometheus = is_prometheus(resource);
    /* Where one name ends and the next begins is part of the key. */
    uint64_t seed = names->hash_seed ^ (uint64_t)group_begin << 32 ^ (uint64_t)stream_begin << 1 ^
                    (has_prometheus ? 1 : 0);
    *place = (struct emf_place){
        .key = emf_key_of(all, seed),
        .space = slice_first(all, space.len),
        .log_group = slice_of(all.ptr + group_begin, stream_begin - 1 - group_begin),
        .log_stream = slice_from(all, stream_begin),
        .is_open = !is_whole,
        .was_changed = was_changed,
        .is_prometheus = has_prometheus,
    };
    return place;
}
