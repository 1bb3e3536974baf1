/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_plain — text for labels and for people; nested values as JSON with sorted keys.
 *
 * Nesting is followed with a stack of its own, whose depth the decoder bounded. Source: the
 * Collector's text form of a value; RFC 8259.
 */
#include "codecs/otlp_plain.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codecs/json_out.h"
#include "core/base/bounds.h"
#include "core/base/number.h"
#include "core/otlp/pb_decode.h"

#define COMMON(name) Opentelemetry__Proto__Common__V1__##name
#define VALUE_CASE(name) OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_##name

/* A double below this has an exponent. */
#define EXPONENT_BELOW 1e-6

/* A pair and where it stood, so that of equal keys the last one counts. */
struct sorted_pair {
    const struct COMMON(KeyValue) * pair;
    size_t index;
};

/* An open list or map. */
struct value_frame {
    const struct sorted_pair *pairs; /* NULL for a list */
    struct COMMON(AnyValue) *const *values;
    size_t count;
    size_t index;
};

struct value_walk {
    struct json_out json;
    struct arena *arena;
    uint32_t depth;
    struct value_frame frames[PB_DEPTH_MAX];
};

/* The text of a double; returns its length. `buf` holds NUMBER_TEXT_MAX_BYTES. */
static size_t f64_text(double value, char *buf)
{
    size_t len = number_format_f64(value, buf, NUMBER_TEXT_MAX_BYTES);
    double magnitude = fabs(value);
    bool is_respelled = magnitude >= EXPONENT_BELOW && magnitude < 10 * EXPONENT_BELOW;
    if (!is_respelled) {
        return len;
    }
    /* The one decade that number_format_f64 spells "1.5e-6": its digits behind five zeros. */
    char digits[NUMBER_TEXT_MAX_BYTES];
    size_t digit_count = 0;
    for (size_t i = 0; i < len && buf[i] != 'e'; i++) {
        if (buf[i] >= '0' && buf[i] <= '9') {
            digits[digit_count++] = buf[i];
        }
    }
    size_t at = value < 0 ? 1 : 0; /* the sign stays where it is */
    memcpy(buf + at, "0.00000", 7);
    memcpy(buf + at + 7, digits, digit_count);
    return at + 7 + digit_count;
}

void otlp_plain_f64(struct bytes *out, double value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    size_t len = f64_text(value, text);
    bytes_append(out, text, len);
}

static int pair_compare(const void *left, const void *right)
{
    const struct sorted_pair *a = left;
    const struct sorted_pair *b = right;
    int order = slice_compare(pb_slice(a->pair->key), pb_slice(b->pair->key));
    if (order != 0) {
        return order;
    }
    return a->index < b->index ? -1 : 1;
}

static void push_frame(struct value_walk *walk, struct value_frame frame, char bracket)
{
    ASSERT(walk->depth < PB_DEPTH_MAX); /* pb_decode counted more levels than these */
    walk->frames[walk->depth++] = frame;
    json_out_open(&walk->json, bracket);
}

static void push_map(struct value_walk *walk, const struct COMMON(KeyValueList) * list)
{
    struct sorted_pair *pairs = arena_alloc_array(walk->arena, list->n_values, sizeof(*pairs));
    if (pairs == NULL) {
        walk->json.bytes->err = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < list->n_values; i++) {
        pairs[i] = (struct sorted_pair){.pair = list->values[i], .index = i};
    }
    qsort(pairs, list->n_values, sizeof(*pairs), pair_compare);
    push_frame(walk, (struct value_frame){.pairs = pairs, .count = list->n_values}, '{');
}

/* A number or null, which json_out would spell differently. */
static void put_raw(struct json_out *json, const char *text, size_t len)
{
    if (json->needs_comma) {
        bytes_append_byte(json->bytes, ',');
    }
    bytes_append(json->bytes, text, len);
    json->needs_comma = true;
}

static void put_json_f64(struct json_out *json, double value)
{
    if (!isfinite(value)) {
        json_out_f64(json, value);
        return;
    }
    char text[NUMBER_TEXT_MAX_BYTES];
    size_t len = f64_text(value, text);
    put_raw(json, text, len);
}

static void walk_value(struct value_walk *walk, const struct COMMON(AnyValue) * value)
{
    struct json_out *json = &walk->json;
    switch ((int)(value == NULL ? 0 : value->value_case)) {
    case VALUE_CASE(STRING_VALUE):
        json_out_string(json, pb_slice(value->string_value));
        break;
    case VALUE_CASE(BOOL_VALUE):
        json_out_bool(json, value->bool_value != 0);
        break;
    case VALUE_CASE(INT_VALUE):
        json_out_i64(json, value->int_value);
        break;
    case VALUE_CASE(DOUBLE_VALUE):
        put_json_f64(json, value->double_value);
        break;
    case VALUE_CASE(ARRAY_VALUE):
        push_frame(walk,
                   (struct value_frame){.values = value->array_value->values,
                                        .count = value->array_value->n_values},
                   '[');
        break;
    case VALUE_CASE(KVLIST_VALUE):
        push_map(walk, value->kvlist_value);
        break;
    case VALUE_CASE(BYTES_VALUE):
        json_out_base64(json, pb_slice(value->bytes_value));
        break;
    default: /* empty, or an index into a dictionary that is not here */
        put_raw(json, "null", 4);
        break;
    }
}

/* One member, one element, or the end of a list or map. */
static void walk_step(struct value_walk *walk)
{
    struct value_frame *f = &walk->frames[walk->depth - 1];
    if (f->index == f->count) {
        json_out_close(&walk->json, f->pairs != NULL ? '}' : ']');
        walk->depth--;
        return;
    }
    size_t index = f->index++;
    if (f->pairs == NULL) {
        walk_value(walk, f->values[index]);
        return;
    }
    struct slice key = pb_slice(f->pairs[index].pair->key);
    if (index + 1 < f->count && slice_equal(key, pb_slice(f->pairs[index + 1].pair->key))) {
        return;
    }
    json_out_key(&walk->json, key);
    walk_value(walk, f->pairs[index].pair->value);
}

static void put_json(struct bytes *out, const struct COMMON(AnyValue) * value,
                     struct arena *scratch)
{
    struct value_walk walk;
    walk.json = json_out_of(out);
    walk.arena = scratch;
    walk.depth = 0;
    walk_value(&walk, value);
    while (walk.depth > 0 && out->err == 0) {
        walk_step(&walk);
    }
}

static void put_base64(struct bytes *out, struct slice bytes)
{
    /* Between the quotes that JSON puts around it; base64 itself needs none. */
    struct bytes quoted;
    bytes_init(&quoted, out->max_bytes);
    struct json_out json = json_out_of(&quoted);
    json_out_base64(&json, bytes);
    if (quoted.err != 0) {
        out->err = out->err != 0 ? out->err : quoted.err;
    } else {
        bytes_append(out, quoted.ptr + 1, quoted.len - 2);
    }
    bytes_fini(&quoted);
}

static void put(struct bytes *out, struct slice text)
{
    bytes_append(out, text.ptr, text.len);
}

static void put_i64(struct bytes *out, int64_t value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    bytes_append(out, text, number_format_i64(value, text, sizeof(text)));
}

void otlp_plain_value(struct bytes *out, const struct COMMON(AnyValue) * value,
                      struct arena *scratch)
{
    switch ((int)(value == NULL ? 0 : value->value_case)) { /* wire values */
    case VALUE_CASE(STRING_VALUE):
        put(out, pb_slice(value->string_value));
        break;
    case VALUE_CASE(BOOL_VALUE):
        put(out, slice_of_text(value->bool_value != 0 ? "true" : "false"));
        break;
    case VALUE_CASE(INT_VALUE):
        put_i64(out, value->int_value);
        break;
    case VALUE_CASE(DOUBLE_VALUE):
        otlp_plain_f64(out, value->double_value);
        break;
    case VALUE_CASE(ARRAY_VALUE):
    case VALUE_CASE(KVLIST_VALUE):
        put_json(out, value, scratch);
        break;
    case VALUE_CASE(BYTES_VALUE):
        put_base64(out, pb_slice(value->bytes_value));
        break;
    default:
        break;
    }
}
