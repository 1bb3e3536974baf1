/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug_value — the small pieces of debug text: values, attributes, times, numbers.
 *
 * Everything appends to the buffer of one `struct debug_text`, whose errors stick, so callers write
 * a whole message and look once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/proto/common.pb-c.h"

/* The names protoc-c makes are long; this is them, shorter. */
#define DEBUG_COMMON(name) Opentelemetry__Proto__Common__V1__##name
#define DEBUG_VALUE_CASE(name) OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_##name

struct debug_text {
    struct bytes *out;   /* borrowed */
    struct arena *arena; /* borrowed; the decoded tree, and scratch for sorting keys */
};

/* Attributes as protoc-c keeps them. Borrows. */
struct debug_attrs {
    struct DEBUG_COMMON(KeyValue) *const *pairs;
    size_t count;
};

/* Formatted text; slices that may hold any bytes go through debug_put instead of %s. */
WEIR_PRINTF(2, 3)
void debug_print(struct debug_text *t, const char *format, ...);

void debug_put(struct debug_text *t, struct slice text);

/* `label`, the text and a line break. */
void debug_put_line(struct debug_text *t, const char *label, ProtobufCBinaryData text);

/* `label` and an identifier in hexadecimal, nothing where it is empty or all zero. */
void debug_put_id_line(struct debug_text *t, const char *label, ProtobufCBinaryData id);

/* `label` and an instant: 2020-02-11 20:26:12.000000321 +0000 UTC. */
void debug_put_time_line(struct debug_text *t, const char *label, uint64_t unix_ns);

/* `label` and a number with six places; NaN, +Inf, -Inf. */
void debug_put_fixed(struct debug_text *t, const char *label, double value);

/* Shortest digits; an exponent below 1e-6 and from 1e21 on; NaN, Infinity, -Infinity. */
void debug_put_f64(struct debug_text *t, double value);

/* A value without its type: text as it is, lists and maps as JSON; NULL or empty is nothing. */
void debug_put_plain(struct debug_text *t, const struct DEBUG_COMMON(AnyValue) * value);

/* A value with its type: Str(v), Int(v), Map({…}); Empty() for NULL. */
void debug_put_typed(struct debug_text *t, const struct DEBUG_COMMON(AnyValue) * value);

/* `header` with a colon, then `indent`     -> key: Str(v) each; nothing where there are none. */
void debug_put_attrs(struct debug_text *t, const char *header, const char *indent,
                     struct debug_attrs attrs);

/* key=value pairs with `separator` before each, or only between them. */
void debug_put_pairs(struct debug_text *t, char separator, bool is_leading,
                     struct debug_attrs attrs);
