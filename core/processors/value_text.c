/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value_text — written twice: once to count the bytes, once into a buffer of that size.
 */
#include "core/processors/value_text.h"

#include <math.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/number.h"

/* Where the text goes; without a buffer its length is all that comes of it. */
struct text_out {
    uint8_t *buf; /* in the arena, or NULL */
    size_t len;
};

/* A list or map whose members are being written. */
struct level {
    struct pb_reader in;
    bool is_map;
    bool has_member;
};

static void put(struct text_out *out, const void *bytes, size_t len)
{
    if (out->buf != NULL && len > 0) {
        memcpy(out->buf + out->len, bytes, len);
    }
    out->len += len;
}

static void put_byte(struct text_out *out, char byte)
{
    put(out, &byte, 1);
}

static void put_escape(struct text_out *out, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    static const char names[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                 ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    put_byte(out, '\\');
    if (names[byte] != 0) {
        put_byte(out, names[byte]);
        return;
    }
    put(out, "u00", 3);
    put_byte(out, digits[byte >> 4]);
    put_byte(out, digits[byte & 0x0F]);
}

static void put_quoted(struct text_out *out, struct slice text)
{
    size_t first = 0;
    put_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            continue;
        }
        put(out, text.ptr + first, i - first);
        put_escape(out, byte);
        first = i + 1;
    }
    struct slice rest = slice_from(text, first);
    put(out, rest.ptr, rest.len);
    put_byte(out, '"');
}

static void put_base64(struct text_out *out, struct slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t count = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = 0;
        for (size_t j = 0; j < 3; j++) {
            group = group << 8 | (j < count ? bytes.ptr[i + j] : 0);
        }
        for (size_t j = 0; j < 4; j++) {
            put_byte(out, j <= count ? digits[group >> (18 - 6 * j) & 0x3F] : '=');
        }
    }
}

static void put_number(struct text_out *out, double number)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    size_t len = number_format_f64(number, text, sizeof(text));
    put(out, text, len);
}

/* Anything but a list or a map; inside JSON text is quoted, and so is what JSON cannot say. */
static void put_scalar(struct text_out *out, const struct otlp_value *value, bool is_json)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    switch (value->kind) {
    case OTLP_VALUE_EMPTY:
        put(out, "null", is_json ? 4 : 0);
        break;
    case OTLP_VALUE_STRING:
        if (is_json) {
            put_quoted(out, value->bytes);
        } else {
            put(out, value->bytes.ptr, value->bytes.len);
        }
        break;
    case OTLP_VALUE_BOOL:
        put(out, value->boolean ? "true" : "false", value->boolean ? 4 : 5);
        break;
    case OTLP_VALUE_INT:
        put(out, text, number_format_i64(value->integer, text, sizeof(text)));
        break;
    case OTLP_VALUE_DOUBLE:
        put(out, "\"", is_json && !isfinite(value->number) ? 1 : 0);
        put_number(out, value->number);
        put(out, "\"", is_json && !isfinite(value->number) ? 1 : 0);
        break;
    case OTLP_VALUE_BYTES:
        put(out, "\"", is_json ? 1 : 0);
        put_base64(out, value->bytes);
        put(out, "\"", is_json ? 1 : 0);
        break;
    case OTLP_VALUE_ARRAY:
    case OTLP_VALUE_KVLIST:
        ASSERT(false);
        break;
    }
}

static bool is_composite(const struct otlp_value *value)
{
    return value->kind == OTLP_VALUE_ARRAY || value->kind == OTLP_VALUE_KVLIST;
}

static struct level open_level(struct text_out *out, const struct otlp_value *value)
{
    bool is_map = value->kind == OTLP_VALUE_KVLIST;
    put_byte(out, is_map ? '{' : '[');
    return (struct level){.in = pb_reader_of(value->bytes), .is_map = is_map};
}

/* The next member of the level: its comma and key are written, its value is handed out. */
static bool next_member(struct text_out *out, struct level *level, struct otlp_value *value)
{
    struct otlp_field field;
    _Static_assert((int)OTLP_KVLIST_VALUES == (int)OTLP_ARRAY_VALUES, "one loop for both");
    if (!otlp_child_next(&level->in, OTLP_ARRAY_VALUES, &field)) {
        put_byte(out, level->is_map ? '}' : ']');
        return false;
    }
    put(out, ",", level->has_member ? 1 : 0);
    level->has_member = true;
    if (!level->is_map) {
        *value = otlp_value_read(field.content);
        return true;
    }
    struct otlp_attr attr = otlp_attr_read(field.content);
    put_quoted(out, attr.key);
    put_byte(out, ':');
    *value = attr.value;
    return true;
}

static void put_json(struct text_out *out, const struct otlp_value *value)
{
    /* A walked request nests no deeper, and each list stands in at least one message more. */
    struct level levels[PB_DEPTH_MAX];
    uint32_t depth = 1;
    levels[0] = open_level(out, value);
    while (depth > 0) {
        struct otlp_value member;
        if (!next_member(out, &levels[depth - 1], &member)) {
            depth--;
        } else if (is_composite(&member)) {
            ASSERT(depth < PB_DEPTH_MAX);
            levels[depth] = open_level(out, &member);
            depth++;
        } else {
            put_scalar(out, &member, true);
        }
    }
}

static void put_value(struct text_out *out, const struct otlp_value *value)
{
    if (is_composite(value)) {
        put_json(out, value);
    } else {
        put_scalar(out, value, false);
    }
}

int value_text(const struct otlp_value *value, struct arena *arena, struct slice *out)
{
    *out = (struct slice){0};
    if (value->kind == OTLP_VALUE_STRING) {
        *out = value->bytes;
        return 0;
    }
    struct text_out text = {0};
    put_value(&text, value);
    text.buf = arena_alloc(arena, text.len);
    if (text.buf == NULL) {
        return FAULT_LIMIT;
    }
    size_t measured = text.len;
    text.len = 0;
    put_value(&text, value);
    ASSERT(text.len == measured);
    *out = slice_of(text.buf, text.len);
    return 0;
}
