/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace_index — annotations, which X-Ray indexes, and metadata, which it does not.
 *
 * What no block consumed becomes one or the other. A resource counts only where the document is a
 * segment; its names get a prefix. Metadata is a list of namespaces: `default`, and those that came
 * from a segment as JSON text.
 */
#include <strings.h>

#include "codecs/xray_trace_parts.h"
#include "core/base/json.h"
#include "core/otlp/otlp_field.h"

/* Names in `aws.xray.annotations` beyond these are not indexed; X-Ray indexes 50 per trace. */
#define INDEXED_MAX_COUNT 256

#define RESOURCE_PREFIX SLICE_LITERAL("otel.resource.")
#define METADATA_PREFIX SLICE_LITERAL("aws.xray.metadata.")
#define DEFAULT_NAMESPACE "default"

/* --- who goes where --------------------------------------------------------------------------- */

/* Is `prefix` + `name` the text? */
static bool is_joined(struct slice text, struct slice prefix, struct slice name)
{
    return text.len == prefix.len + name.len && slice_has_prefix(text, prefix) &&
           slice_equal(slice_from(text, prefix.len), name);
}

/* By the configuration. */
static bool is_configured(const struct xray_trace *t, struct slice prefix, struct slice name)
{
    for (size_t i = 0; i < t->options.indexed_count; i++) {
        if (is_joined(t->options.indexed_attributes[i], prefix, name)) {
            return true;
        }
    }
    return false;
}

/* By the span itself. */
static bool is_listed(const struct xray_trace *t, struct slice prefix, struct slice name)
{
    const struct xray_attr *list = xray_attrs_find(&t->attrs, XRAY_KEY_AWS_ANNOTATIONS);
    if (list == NULL || list->value.kind != OTLP_VALUE_ARRAY) {
        return false;
    }
    struct pb_reader in = pb_reader_of(list->value.bytes);
    struct otlp_field field;
    for (int i = 0; i < INDEXED_MAX_COUNT && otlp_child_next(&in, OTLP_ARRAY_VALUES, &field); i++) {
        struct otlp_value item = otlp_value_read(field.content);
        if (is_joined(xray_value_text(&item), prefix, name)) {
            return true;
        }
    }
    return false;
}

static bool is_indexed(const struct xray_trace *t, struct slice prefix, struct slice name)
{
    return t->options.indexes_all || is_configured(t, prefix, name) || is_listed(t, prefix, name);
}

static bool is_scalar(const struct otlp_value *value)
{
    return value->kind == OTLP_VALUE_STRING || value->kind == OTLP_VALUE_BOOL ||
           value->kind == OTLP_VALUE_INT || value->kind == OTLP_VALUE_DOUBLE;
}

/* Has a block left it, or does the configuration want it in spite of one? */
static bool is_visible(const struct xray_trace *t, const struct xray_attr *attr)
{
    bool is_list = attr->id == XRAY_KEY_AWS_ANNOTATIONS && attr->value.kind == OTLP_VALUE_ARRAY;
    if (attr->is_removed || is_list) {
        return false;
    }
    return !attr->is_used || is_configured(t, (struct slice){0}, attr->key);
}

/* --- annotations ------------------------------------------------------------------------------ */

static bool is_annotation_byte(uint8_t c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '.';
}

/* X-Ray takes few characters; each of the others, however many bytes it has, is an underscore. */
static void append_clean(struct bytes *bytes, struct slice name)
{
    while (name.len > 0) {
        bool is_good = true;
        size_t len = 1;
        uint8_t c = name.ptr[0];
        if (c >= 0x80) {
            len = json_text_sequence_len(name.ptr, name.len, &is_good);
        }
        bytes_append_byte(bytes, is_annotation_byte(c) ? c : '_');
        name = slice_from(name, len);
    }
}

static void put_annotation(struct xray_trace *t, struct slice prefix, const struct xray_attr *attr,
                           bool *has_any)
{
    if (!*has_any) {
        json_out_key(&t->out, SLICE_LITERAL("annotations"));
        json_out_open(&t->out, '{');
        *has_any = true;
    }
    bytes_clear(&t->scratch);
    append_clean(&t->scratch, prefix);
    append_clean(&t->scratch, attr->key);
    if (t->scratch.err != 0) {
        t->document.err = t->scratch.err;
        return;
    }
    json_out_key(&t->out, bytes_slice(&t->scratch));
    json_value_write(&t->out, &attr->value);
}

void xray_trace_put_annotations(struct xray_trace *t)
{
    bool has_any = false;
    for (size_t i = 0; !t->has_type && i < t->resource.count; i++) {
        const struct xray_attr *attr = &t->resource.attrs[i];
        if (is_scalar(&attr->value) && is_indexed(t, RESOURCE_PREFIX, attr->key)) {
            put_annotation(t, RESOURCE_PREFIX, attr, &has_any);
        }
    }
    for (size_t i = 0; i < t->attrs.count; i++) {
        const struct xray_attr *attr = &t->attrs.attrs[i];
        if (is_scalar(&attr->value) && is_visible(t, attr) &&
            is_indexed(t, (struct slice){0}, attr->key)) {
            put_annotation(t, (struct slice){0}, attr, &has_any);
        }
    }
    if (has_any) {
        json_out_close(&t->out, '}');
    }
}

/* --- metadata --------------------------------------------------------------------------------- */

/* Is the text one JSON object and nothing else? */
static bool is_object(struct slice text)
{
    struct json_reader reader = json_of(text, JSON_UTF8_REFUSE);
    if (json_next(&reader) != JSON_TOKEN_OBJECT_OPEN) {
        return false;
    }
    return json_skip(&reader, JSON_TOKEN_OBJECT_OPEN) && json_next(&reader) == JSON_TOKEN_END;
}

/*
 * The members of an object that is_object accepted, behind those of the object that is open. Of a
 * service's document only what is said about its resource.
 */
static void put_members(struct xray_trace *t, struct slice object)
{
    struct json_reader reader = json_of(object, JSON_UTF8_REFUSE);
    enum json_token token = json_next(&reader);
    ASSERT(token == JSON_TOKEN_OBJECT_OPEN);
    token = json_next(&reader);
    while (token == JSON_TOKEN_KEY) {
        struct slice key = reader.text.raw;
        size_t key_begin = reader.token_offset;
        token = json_next(&reader);
        bool is_whole = json_skip(&reader, token);
        ASSERT(is_whole);
        size_t end = (size_t)(reader.pos - reader.start);
        if (t->role != XRAY_ROLE_SERVICE || slice_has_prefix(key, RESOURCE_PREFIX)) {
            if (t->out.needs_comma) {
                bytes_append_byte(&t->document, ',');
            }
            bytes_append(&t->document, object.ptr + key_begin, end - key_begin);
            t->out.needs_comma = true;
        }
        token = json_next(&reader);
    }
}

/* What kind of metadata an attribute is. */
enum metadata {
    METADATA_NONE,
    METADATA_ENTRY,     /* of the default namespace */
    METADATA_MEMBERS,   /* an object that is merged into it */
    METADATA_NAMESPACE, /* an object of its own */
};

static enum metadata judge_span(const struct xray_trace *t, const struct xray_attr *attr)
{
    if (!is_visible(t, attr) || is_indexed(t, (struct slice){0}, attr->key)) {
        return METADATA_NONE;
    }
    if (!slice_has_prefix(attr->key, METADATA_PREFIX) || attr->value.kind != OTLP_VALUE_STRING ||
        !is_object(attr->value.bytes)) {
        return METADATA_ENTRY;
    }
    struct slice name = slice_from(attr->key, METADATA_PREFIX.len);
    bool is_default = name.len == sizeof(DEFAULT_NAMESPACE) - 1 &&
                      strncasecmp((const char *)name.ptr, DEFAULT_NAMESPACE, name.len) == 0;
    return is_default ? METADATA_MEMBERS : METADATA_NAMESPACE;
}

static bool is_resource_metadata(const struct xray_trace *t, const struct xray_attr *attr)
{
    if (attr->value.kind == OTLP_VALUE_EMPTY) {
        return false;
    }
    return !is_scalar(&attr->value) || !is_indexed(t, RESOURCE_PREFIX, attr->key);
}

/* The object that is open gets its first member: opens what is around it. */
static void open_default(struct xray_trace *t, bool *has_any)
{
    if (!*has_any) {
        json_out_key(&t->out, SLICE_LITERAL(DEFAULT_NAMESPACE));
        json_out_open(&t->out, '{');
        *has_any = true;
    }
}

static void put_resource(struct xray_trace *t, bool *has_any)
{
    for (size_t i = 0; !t->has_type && i < t->resource.count; i++) {
        const struct xray_attr *attr = &t->resource.attrs[i];
        if (!is_resource_metadata(t, attr)) {
            continue;
        }
        open_default(t, has_any);
        bytes_clear(&t->scratch);
        bytes_append(&t->scratch, RESOURCE_PREFIX.ptr, RESOURCE_PREFIX.len);
        bytes_append(&t->scratch, attr->key.ptr, attr->key.len);
        if (t->scratch.err != 0) {
            t->document.err = t->scratch.err;
            return;
        }
        json_out_key(&t->out, bytes_slice(&t->scratch));
        json_value_write(&t->out, &attr->value);
    }
}

static void put_entry(struct xray_trace *t, const struct xray_attr *attr)
{
    if (t->role != XRAY_ROLE_SERVICE || slice_has_prefix(attr->key, RESOURCE_PREFIX)) {
        json_out_key(&t->out, attr->key);
        json_value_write(&t->out, &attr->value);
    }
}

static void put_default(struct xray_trace *t)
{
    bool has_any = false;
    put_resource(t, &has_any);
    for (size_t i = 0; i < t->attrs.count; i++) {
        const struct xray_attr *attr = &t->attrs.attrs[i];
        enum metadata kind = judge_span(t, attr);
        if (kind == METADATA_ENTRY) {
            open_default(t, &has_any);
            put_entry(t, attr);
        } else if (kind == METADATA_MEMBERS) {
            open_default(t, &has_any);
            put_members(t, attr->value.bytes);
        }
    }
    if (has_any) {
        json_out_close(&t->out, '}');
    }
}

static void put_namespaces(struct xray_trace *t)
{
    for (size_t i = 0; i < t->attrs.count; i++) {
        const struct xray_attr *attr = &t->attrs.attrs[i];
        if (judge_span(t, attr) == METADATA_NAMESPACE) {
            json_out_key(&t->out, slice_from(attr->key, METADATA_PREFIX.len));
            json_out_open(&t->out, '{');
            put_members(t, attr->value.bytes);
            json_out_close(&t->out, '}');
        }
    }
}

void xray_trace_put_metadata(struct xray_trace *t)
{
    size_t before = t->document.len;
    bool needed_comma = t->out.needs_comma;
    json_out_key(&t->out, SLICE_LITERAL("metadata"));
    json_out_open(&t->out, '{');
    size_t inside = t->document.len;
    put_default(t);
    put_namespaces(t);
    json_out_close(&t->out, '}');
    bool is_empty = t->document.len == inside + 1;
    if (is_empty && t->document.err == 0) {
        t->document.len = before;
        t->out.needs_comma = needed_comma;
    }
}
