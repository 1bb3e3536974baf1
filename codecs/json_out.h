/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_out — JSON text, appended to a bounded buffer piece by piece.
 *
 * Puts commas itself: before each key, and before each value that follows another in an array. Does
 * not check that the caller's calls make a document. Output is one line without blanks. Errors
 * stick in the buffer. Source: RFC 8259.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/slice.h"

/* Borrows the buffer it appends to. */
struct json_out {
    struct bytes *bytes;
    bool needs_comma;
};

static inline struct json_out json_out_of(struct bytes *bytes)
{
    return (struct json_out){.bytes = bytes, .needs_comma = false};
}

/* `bracket` is '{' or '[' for the first, '}' or ']' for the second. */
void json_out_open(struct json_out *out, char bracket);
void json_out_close(struct json_out *out, char bracket);

/* A member's name; its value comes next. Escaped like any string. */
void json_out_key(struct json_out *out, struct slice key);

/* Values. Bytes that are no UTF-8 become U+FFFD, one for each maximal ill-formed part. */
void json_out_string(struct json_out *out, struct slice text);
void json_out_null(struct json_out *out);
void json_out_bool(struct json_out *out, bool value);
void json_out_i64(struct json_out *out, int64_t value);
void json_out_u64(struct json_out *out, uint64_t value);

/* The same as decimal strings, as protobuf's JSON wants 64-bit integers. */
void json_out_i64_text(struct json_out *out, int64_t value);
void json_out_u64_text(struct json_out *out, uint64_t value);

/* Shortest digits that read back the same; "NaN", "Infinity" and "-Infinity" as strings. */
void json_out_f64(struct json_out *out, double value);

/* Bytes as a string of lower-case hexadecimal digits, or in base64 with padding (RFC 4648, 4). */
void json_out_hex(struct json_out *out, struct slice bytes);
void json_out_base64(struct json_out *out, struct slice bytes);
