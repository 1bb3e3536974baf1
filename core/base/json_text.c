/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_text — escapes and UTF-8 of JSON strings, checked and undone.
 *
 * Everything goes piece by piece: a run of plain bytes, an escape, or a sequence. Source: RFC 8259,
 * 7; replacement of ill-formed UTF-8 after the Unicode Standard, 3.9, "U+FFFD Substitution of
 * Maximal Subparts".
 */
#include "core/base/json_text.h"

#include <string.h>

#include "core/base/fault.h"

#define HIGH_SURROGATE_FIRST 0xD800
#define LOW_SURROGATE_FIRST 0xDC00
#define SURROGATE_LAST 0xDFFF
/* "\u" and four digits. */
#define LONG_ESCAPE_BYTES 6

static const uint8_t REPLACEMENT[] = {0xEF, 0xBF, 0xBD};
/* Short escapes: the letter behind the backslash, and what it means. */
static const char LETTERS[] = "\"\\/bfnrt";
static const char MEANINGS[] = "\"\\/\b\f\n\r\t";

size_t json_text_sequence_len(const uint8_t *p, size_t left, bool *is_good)
{
    uint8_t lead = p[0];
    *is_good = false;
    if (lead < 0xC2 || lead > 0xF4) {
        return 1; /* a lone continuation, an overlong form, or beyond U+10FFFF */
    }
    size_t want = lead >= 0xF0 ? 4 : 3;
    want = lead < 0xE0 ? 2 : want;
    /* Overlong forms, surrogates and what is beyond U+10FFFF show in the second byte. */
    uint8_t low = lead == 0xE0 ? 0xA0 : 0x80;
    low = lead == 0xF0 ? 0x90 : low;
    uint8_t high = lead == 0xED ? 0x9F : 0xBF;
    high = lead == 0xF4 ? 0x8F : high;
    size_t len = 1;
    while (len < want && len < left && p[len] >= low && p[len] <= high) {
        len++;
        low = 0x80;
        high = 0xBF;
    }
    *is_good = len == want;
    return len;
}

/* The four hexadecimal digits at `p`, or -1. */
static int32_t hex_quad(const uint8_t *p)
{
    int32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        uint8_t c = p[i];
        int32_t digit = -1;
        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (c | 0x20) - 'a' + 10;
        }
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* The code unit of the long escape at `p`, or -1 where none stands in the `left` bytes there. */
static int32_t long_escape(const uint8_t *p, size_t left)
{
    if (left < LONG_ESCAPE_BYTES || p[0] != '\\' || p[1] != 'u') {
        return -1;
    }
    return hex_quad(p + 2);
}

/*
 * The character that the long escape at `p` stands for, one or two escapes long; a lone half of a
 * pair is 0 (*is_lone). -1 where the digits are none.
 */
static int32_t escaped_character(const uint8_t *p, size_t left, size_t *len, bool *is_lone)
{
    int32_t unit = long_escape(p, left);
    *len = LONG_ESCAPE_BYTES;
    *is_lone = false;
    if (unit < HIGH_SURROGATE_FIRST || unit > SURROGATE_LAST) {
        return unit;
    }
    int32_t second = -1;
    if (unit < LOW_SURROGATE_FIRST) {
        second = long_escape(p + LONG_ESCAPE_BYTES, left - LONG_ESCAPE_BYTES);
    }
    if (second < LOW_SURROGATE_FIRST || second > SURROGATE_LAST) {
        *is_lone = true;
        return 0;
    }
    *len = 2 * LONG_ESCAPE_BYTES;
    return 0x10000 + (unit - HIGH_SURROGATE_FIRST) * 0x400 + (second - LOW_SURROGATE_FIRST);
}

size_t json_text_escape_len(const uint8_t *p, size_t left, bool *is_lone)
{
    ASSERT(left > 0);
    ASSERT(p[0] == '\\');
    *is_lone = false;
    if (left < 2) {
        return 0;
    }
    if (p[1] != 'u') {
        return p[1] != 0 && strchr(LETTERS, p[1]) != NULL ? 2 : 0;
    }
    size_t len = 0;
    return escaped_character(p, left, &len, is_lone) < 0 ? 0 : len;
}

static size_t put_character(uint32_t character, uint8_t *out)
{
    if (character < 0x80) {
        out[0] = (uint8_t)character;
        return 1;
    }
    if (character < 0x800) {
        out[0] = (uint8_t)(0xC0 | character >> 6);
        out[1] = (uint8_t)(0x80 | (character & 0x3F));
        return 2;
    }
    if (character < 0x10000) {
        out[0] = (uint8_t)(0xE0 | character >> 12);
        out[1] = (uint8_t)(0x80 | (character >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (character & 0x3F));
        return 3;
    }
    ASSERT(character <= 0x10FFFF);
    out[0] = (uint8_t)(0xF0 | character >> 18);
    out[1] = (uint8_t)(0x80 | (character >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (character >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (character & 0x3F));
    return 4;
}

static size_t put_replacement(uint8_t *out)
{
    memcpy(out, REPLACEMENT, sizeof(REPLACEMENT));
    return sizeof(REPLACEMENT);
}

/* What an escape of a checked text stands for; returns the bytes it took. */
static size_t take_escape(struct slice raw, uint8_t *piece, size_t *piece_len)
{
    ASSERT(raw.len >= 2);
    if (raw.ptr[1] != 'u') {
        const char *found = strchr(LETTERS, raw.ptr[1]);
        ASSERT(found != NULL);
        piece[0] = (uint8_t)MEANINGS[found - LETTERS];
        *piece_len = 1;
        return 2;
    }
    size_t len = 0;
    bool is_lone = false;
    int32_t character = escaped_character(raw.ptr, raw.len, &len, &is_lone);
    ASSERT(character >= 0);
    *piece_len = is_lone ? put_replacement(piece) : put_character((uint32_t)character, piece);
    return len;
}

size_t json_text_take(struct json_text *text, uint8_t *piece)
{
    struct slice raw = text->raw;
    ASSERT(raw.len > 0);
    size_t piece_len = 1;
    size_t used = 1;
    bool is_good = true;
    if (raw.ptr[0] == '\\') {
        used = take_escape(raw, piece, &piece_len);
    } else if (raw.ptr[0] < 0x80) {
        piece[0] = raw.ptr[0];
    } else {
        used = json_text_sequence_len(raw.ptr, raw.len, &is_good);
        piece_len = used;
        memcpy(piece, raw.ptr, used);
    }
    if (!is_good) {
        piece_len = put_replacement(piece);
    }
    text->raw = slice_from(raw, used);
    return piece_len;
}

/* How much of the text stands as it is; the rest begins with what has to be undone or checked. */
static size_t plain_run(struct json_text text)
{
    return text.is_ill_formed ? 0 : slice_find(text.raw, '\\');
}

size_t json_text_len(struct json_text text)
{
    size_t len = 0;
    while (text.raw.len > 0) {
        size_t run = plain_run(text);
        len += run;
        text.raw = slice_from(text.raw, run);
        if (text.raw.len > 0) {
            uint8_t piece[JSON_PIECE_MAX_BYTES];
            len += json_text_take(&text, piece);
        }
    }
    return len;
}

size_t json_text_write(struct json_text text, uint8_t *buf)
{
    size_t len = 0;
    while (text.raw.len > 0) {
        size_t run = plain_run(text);
        memcpy(buf + len, text.raw.ptr, run);
        len += run;
        text.raw = slice_from(text.raw, run);
        if (text.raw.len > 0) {
            uint8_t piece[JSON_PIECE_MAX_BYTES];
            size_t piece_len = json_text_take(&text, piece);
            memcpy(buf + len, piece, piece_len);
            len += piece_len;
        }
    }
    return len;
}

int json_text_value(struct json_text text, struct arena *arena, struct slice *out)
{
    if (json_text_is_plain(text)) {
        *out = text.raw;
        return 0;
    }
    uint8_t *buf = arena_alloc(arena, json_text_len(text));
    if (buf == NULL) {
        return FAULT_LIMIT;
    }
    *out = slice_of(buf, json_text_write(text, buf));
    return 0;
}

bool json_text_equals(struct json_text text, struct slice expected)
{
    if (json_text_is_plain(text)) {
        return slice_equal(text.raw, expected);
    }
    while (text.raw.len > 0) {
        uint8_t piece[JSON_PIECE_MAX_BYTES];
        size_t len = json_text_take(&text, piece);
        if (!slice_has_prefix(expected, slice_of(piece, len))) {
            return false;
        }
        expected = slice_from(expected, len);
    }
    return expected.len == 0;
}
