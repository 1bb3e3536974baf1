/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug_value — values as text, nested ones as JSON with sorted keys, by an explicit stack.
 *
 * Source: the Collector's text form of a value; RFC 8259.
 */
#include "exporters/debug_value.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codecs/json_out.h"
#include "core/base/bounds.h"
#include "core/base/clock.h"
#include "core/base/number.h"
#include "core/otlp/pb_decode.h"

/* A double below this has an exponent. */
#define EXPONENT_BELOW 1e-6

/* A pair and where it stood, so that of equal keys the last one counts. */
struct sorted_pair {
    const struct DEBUG_COMMON(KeyValue) * pair;
    size_t index;
};

/* An open list or map. */
struct value_frame {
    const struct sorted_pair *pairs; /* NULL for a list */
    struct DEBUG_COMMON(AnyValue) *const *values;
    size_t count;
    size_t index;
};

struct value_walk {
    struct json_out json;
    struct arena *arena;
    uint32_t depth;
    struct value_frame frames[PB_DEPTH_MAX];
};

void debug_print(struct debug_text *t, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    ASSERT(len >= 0);
    ASSERT((size_t)len < sizeof(line)); /* only numbers and literals come this way */
    bytes_append(t->out, line, (size_t)len);
}

void debug_put(struct debug_text *t, struct slice text)
{
    bytes_append(t->out, text.ptr, text.len);
}

void debug_put_line(struct debug_text *t, const char *label, ProtobufCBinaryData text)
{
    debug_print(t, "%s", label);
    debug_put(t, pb_slice(text));
    debug_print(t, "\n");
}

void debug_put_id_line(struct debug_text *t, const char *label, ProtobufCBinaryData id)
{
    uint8_t any_bit = 0;
    for (size_t i = 0; i < id.len; i++) {
        any_bit |= id.data[i];
    }
    debug_print(t, "%s", label);
    for (size_t i = 0; any_bit != 0 && i < id.len; i++) {
        debug_print(t, "%02x", id.data[i]);
    }
    debug_print(t, "\n");
}

void debug_put_time_line(struct debug_text *t, const char *label, uint64_t unix_ns)
{
    time_t seconds = (time_t)(unix_ns / CLOCK_NS_PER_S);
    uint32_t nanoseconds = (uint32_t)(unix_ns % CLOCK_NS_PER_S);
    struct tm when = {0};
    char date[32];
    char fraction[16] = "";
    (void)gmtime_r(&seconds, &when); /* 64 bits of nanoseconds end in the year 2554 */
    size_t len = strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &when);
    ASSERT(len > 0);
    if (nanoseconds != 0) {
        int digits = snprintf(fraction, sizeof(fraction), ".%09u", nanoseconds);
        while (fraction[digits - 1] == '0') {
            digits--;
            fraction[digits] = '\0';
        }
    }
    debug_print(t, "%s%s%s +0000 UTC\n", label, date, fraction);
}

void debug_put_fixed(struct debug_text *t, const char *label, double value)
{
    if (isnan(value)) {
        debug_print(t, "%sNaN", label);
        return;
    }
    if (isinf(value)) {
        debug_print(t, "%s%cInf", label, value < 0 ? '-' : '+');
        return;
    }
    debug_print(t, "%s%f", label, value);
}

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

void debug_put_f64(struct debug_text *t, double value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    size_t len = f64_text(value, text);
    bytes_append(t->out, text, len);
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

static void push_map(struct value_walk *walk, const struct DEBUG_COMMON(KeyValueList) * list)
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

static void walk_value(struct value_walk *walk, const struct DEBUG_COMMON(AnyValue) * value)
{
    struct json_out *json = &walk->json;
    switch ((int)(value == NULL ? 0 : value->value_case)) {
    case DEBUG_VALUE_CASE(STRING_VALUE):
        json_out_string(json, pb_slice(value->string_value));
        break;
    case DEBUG_VALUE_CASE(BOOL_VALUE):
        json_out_bool(json, value->bool_value != 0);
        break;
    case DEBUG_VALUE_CASE(INT_VALUE):
        json_out_i64(json, value->int_value);
        break;
    case DEBUG_VALUE_CASE(DOUBLE_VALUE):
        put_json_f64(json, value->double_value);
        break;
    case DEBUG_VALUE_CASE(ARRAY_VALUE):
        push_frame(walk,
                   (struct value_frame){.values = value->array_value->values,
                                        .count = value->array_value->n_values},
                   '[');
        break;
    case DEBUG_VALUE_CASE(KVLIST_VALUE):
        push_map(walk, value->kvlist_value);
        break;
    case DEBUG_VALUE_CASE(BYTES_VALUE):
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

static void put_json(struct debug_text *t, const struct DEBUG_COMMON(AnyValue) * value)
{
    struct value_walk walk;
    walk.json = json_out_of(t->out);
    walk.arena = t->arena;
    walk.depth = 0;
    walk_value(&walk, value);
    while (walk.depth > 0 && t->out->err == 0) {
        walk_step(&walk);
    }
}

static void put_base64(struct debug_text *t, struct slice bytes)
{
    /* Between the quotes that JSON puts around it; base64 itself needs none. */
    struct bytes quoted;
    bytes_init(&quoted, t->out->max_bytes);
    struct json_out json = json_out_of(&quoted);
    json_out_base64(&json, bytes);
    if (quoted.err != 0) {
        t->out->err = t->out->err != 0 ? t->out->err : quoted.err;
    } else {
        bytes_append(t->out, quoted.ptr + 1, quoted.len - 2);
    }
    bytes_fini(&quoted);
}

void debug_put_plain(struct debug_text *t, const struct DEBUG_COMMON(AnyValue) * value)
{
    switch ((int)(value == NULL ? 0 : value->value_case)) {
    case DEBUG_VALUE_CASE(STRING_VALUE):
        debug_put(t, pb_slice(value->string_value));
        break;
    case DEBUG_VALUE_CASE(BOOL_VALUE):
        debug_print(t, "%s", value->bool_value != 0 ? "true" : "false");
        break;
    case DEBUG_VALUE_CASE(INT_VALUE):
        debug_print(t, "%" PRId64, value->int_value);
        break;
    case DEBUG_VALUE_CASE(DOUBLE_VALUE):
        debug_put_f64(t, value->double_value);
        break;
    case DEBUG_VALUE_CASE(ARRAY_VALUE):
    case DEBUG_VALUE_CASE(KVLIST_VALUE):
        put_json(t, value);
        break;
    case DEBUG_VALUE_CASE(BYTES_VALUE):
        put_base64(t, pb_slice(value->bytes_value));
        break;
    default:
        break;
    }
}

void debug_put_typed(struct debug_text *t, const struct DEBUG_COMMON(AnyValue) * value)
{
    static const char *const names[] = {
        [DEBUG_VALUE_CASE(STRING_VALUE)] = "Str",  [DEBUG_VALUE_CASE(BOOL_VALUE)] = "Bool",
        [DEBUG_VALUE_CASE(INT_VALUE)] = "Int",     [DEBUG_VALUE_CASE(DOUBLE_VALUE)] = "Double",
        [DEBUG_VALUE_CASE(ARRAY_VALUE)] = "Slice", [DEBUG_VALUE_CASE(KVLIST_VALUE)] = "Map",
        [DEBUG_VALUE_CASE(BYTES_VALUE)] = "Bytes",
    };
    size_t index = value == NULL ? 0 : (size_t)value->value_case;
    const char *name = index < COUNT_OF(names) ? names[index] : NULL;
    debug_print(t, "%s(", name != NULL ? name : "Empty");
    debug_put_plain(t, value);
    debug_print(t, ")");
}

void debug_put_attrs(struct debug_text *t, const char *header, const char *indent,
                     struct debug_attrs attrs)
{
    if (attrs.count == 0) {
        return;
    }
    debug_print(t, "%s:\n", header);
    for (size_t i = 0; i < attrs.count; i++) {
        debug_print(t, "%s     -> ", indent);
        debug_put(t, pb_slice(attrs.pairs[i]->key));
        debug_print(t, ": ");
        debug_put_typed(t, attrs.pairs[i]->value);
        debug_print(t, "\n");
    }
}

void debug_put_pairs(struct debug_text *t, char separator, bool is_leading,
                     struct debug_attrs attrs)
{
    for (size_t i = 0; i < attrs.count; i++) {
        if (is_leading || i > 0) {
            bytes_append_byte(t->out, (uint8_t)separator);
        }
        debug_put(t, pb_slice(attrs.pairs[i]->key));
        debug_print(t, "=");
        debug_put_plain(t, attrs.pairs[i]->value);
    }
}
