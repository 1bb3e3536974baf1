/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace_value — attribute values as JSON, with their types.
 *
 * Nesting is followed with a stack of its own; the walk that let the part in bounds its depth.
 */
#include "codecs/xray_trace_parts.h"
#include "core/base/bounds.h"
#include "core/otlp/otlp_field.h"

void xray_put_raw(struct json_out *out, struct slice raw)
{
    ASSERT(!out->needs_comma);
    bytes_append(out->bytes, raw.ptr, raw.len);
    out->needs_comma = true;
}

void xray_put_text_or_null(struct json_out *out, struct slice key, struct slice text)
{
    json_out_key(out, key);
    if (text.len > 0) {
        json_out_string(out, text);
    } else {
        xray_put_raw(out, SLICE_LITERAL("null"));
    }
}

/* json_out puts commas before its own values; null is not among them. */
static void put_null(struct json_out *out)
{
    if (out->needs_comma) {
        bytes_append_byte(out->bytes, ',');
    }
    out->needs_comma = false;
    xray_put_raw(out, SLICE_LITERAL("null"));
}

/* An array or a list being gone through. */
struct level {
    struct pb_reader in;
    bool is_list; /* of keys and values */
};

/* Writes a value without inside; opens one with, and says so. */
static bool put_flat(struct json_out *out, const struct otlp_value *value)
{
    switch (value->kind) {
    case OTLP_VALUE_EMPTY:
        put_null(out);
        break;
    case OTLP_VALUE_STRING:
        json_out_string(out, value->bytes);
        break;
    case OTLP_VALUE_BOOL:
        json_out_bool(out, value->boolean);
        break;
    case OTLP_VALUE_INT:
        json_out_i64(out, value->integer);
        break;
    case OTLP_VALUE_DOUBLE:
        json_out_f64(out, value->number);
        break;
    case OTLP_VALUE_BYTES:
        json_out_base64(out, value->bytes);
        break;
    case OTLP_VALUE_ARRAY:
        json_out_open(out, '[');
        return true;
    case OTLP_VALUE_KVLIST:
        json_out_open(out, '{');
        return true;
    }
    return false;
}

/* The next value inside `level`, behind its key; false at the end. */
static bool next_inside(struct json_out *out, struct level *level, struct otlp_value *value)
{
    struct otlp_attr attr;
    struct otlp_field field;
    if (!level->is_list) {
        if (!otlp_child_next(&level->in, OTLP_ARRAY_VALUES, &field)) {
            return false;
        }
        *value = otlp_value_read(field.content);
        return true;
    }
    if (!otlp_attr_next(&level->in, OTLP_KVLIST_VALUES, &attr)) {
        return false;
    }
    json_out_key(out, attr.key);
    *value = attr.value;
    return true;
}

static struct level level_of(const struct otlp_value *value)
{
    return (struct level){.in = pb_reader_of(value->bytes),
                          .is_list = value->kind == OTLP_VALUE_KVLIST};
}

void xray_put_value(struct json_out *out, const struct otlp_value *value)
{
    struct level levels[PB_DEPTH_MAX];
    size_t depth = 0;
    if (put_flat(out, value)) {
        levels[depth++] = level_of(value);
    }
    while (depth > 0) {
        struct level *top = &levels[depth - 1];
        struct otlp_value inner;
        if (!next_inside(out, top, &inner)) {
            json_out_close(out, top->is_list ? '}' : ']');
            depth--;
        } else if (put_flat(out, &inner)) {
            ASSERT(depth < PB_DEPTH_MAX);
            levels[depth++] = level_of(&inner);
        }
    }
}
