/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_value — nesting is followed with a stack of its own, whose depth the walk bounded.
 */
#include "codecs/json_value.h"

#include "core/base/bounds.h"
#include "core/otlp/otlp_field.h"

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
        json_out_null(out);
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

void json_value_write(struct json_out *out, const struct otlp_value *value)
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
