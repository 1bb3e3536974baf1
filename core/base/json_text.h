/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_text — what stands between the quotes of a JSON string, and how to get at its value.
 *
 * The reader (json.h) checks a text while it steps over it and hands it out as it stands; only who
 * wants the value pays for undoing it. Source: RFC 8259, 7.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

#define JSON_PIECE_MAX_BYTES 4

/* What stands between two quotes. Plain if neither flag is set: then `raw` is the value. */
struct json_text {
    struct slice raw; /* borrows from the document */
    bool has_escapes;
    bool is_ill_formed; /* UTF-8, or a lone half of an escaped pair */
};

static inline bool json_text_is_plain(struct json_text text)
{
    return !text.has_escapes && !text.is_ill_formed;
}

/* The exact length of the value. */
size_t json_text_len(struct json_text text);

/*
 * json_text_write — the value itself, escapes undone, always well-formed UTF-8 (it may hold NUL).
 * `buf` has room for json_text_len, which is returned.
 */
size_t json_text_write(struct json_text text, uint8_t *buf);

/*
 * json_text_take — takes the next piece off a text that is not empty: a byte, a character or what
 * an escape stands for, at most JSON_PIECE_MAX_BYTES of value. Returns its length.
 */
size_t json_text_take(struct json_text *text, uint8_t *piece);

/*
 * json_text_value — the value as a slice: of the document if the text is plain, else of `arena`.
 * 0, or FAULT_LIMIT when the arena refuses; out only on 0.
 */
WEIR_MUST_USE int json_text_value(struct json_text text, struct arena *arena, struct slice *out);

/* Does the text, escapes undone, spell `expected`? */
bool json_text_equals(struct json_text text, struct slice expected);

/*
 * For whoever scans text: how many bytes from `p` on (at least one, the first ≥ 0x80) belong
 * together: a well-formed sequence of two to four (*is_good), or the longest beginning of one.
 */
size_t json_text_sequence_len(const uint8_t *p, size_t left, bool *is_good);

/*
 * The length of the escape at `p`, where a backslash stands: 2, 6 or, for a surrogate pair, 12;
 * 0 for what is no escape. A lone half of a pair is an escape of 6, and *is_lone.
 */
size_t json_text_escape_len(const uint8_t *p, size_t left, bool *is_lone);
