/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_out — JSON text, appended piece by piece.
 *
 * One flag suffices for commas: after a value or a closing bracket the next key or value needs one,
 * after an opening bracket or a key it does not. Source: RFC 8259; replacement of ill-formed UTF-8
 * after the Unicode Standard, 3.9, "U+FFFD Substitution of Maximal Subparts".
 */
#include "codecs/json_out.h"

#include <math.h>
#include <string.h>

#include "core/base/number.h"

static const char HEX_DIGITS[] = "0123456789abcdef";
static const char BASE64_DIGITS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void begin_value(struct json_out *out)
{
    if (out->needs_comma) {
        bytes_append_byte(out->bytes, ',');
    }
    out->needs_comma = true;
}

void json_out_open(struct json_out *out, char bracket)
{
    ASSERT(bracket == '{' || bracket == '[');
    begin_value(out);
    bytes_append_byte(out->bytes, (uint8_t)bracket);
    out->needs_comma = false;
}

void json_out_close(struct json_out *out, char bracket)
{
    ASSERT(bracket == '}' || bracket == ']');
    bytes_append_byte(out->bytes, (uint8_t)bracket);
    out->needs_comma = true;
}

/*
 * How many bytes from `p` on belong together: a well-formed sequence of two to four bytes
 * (*is_good), or the longest beginning of one, at least one byte.
 */
static size_t sequence_len(const uint8_t *p, size_t left, bool *is_good)
{
    uint8_t lead = p[0];
    size_t want = lead >= 0xF0 ? 4 : 3;
    want = lead < 0xE0 ? 2 : want;
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    *is_good = false;
    if (lead < 0xC2 || lead > 0xF4) {
        return 1; /* a lone continuation, an overlong form, or beyond U+10FFFF */
    }
    if (lead == 0xE0) {
        low = 0xA0;
    } else if (lead == 0xED) {
        high = 0x9F; /* surrogates */
    } else if (lead == 0xF0) {
        low = 0x90;
    } else if (lead == 0xF4) {
        high = 0x8F;
    }
    size_t len = 1;
    while (len < want && len < left && p[len] >= low && p[len] <= high) {
        len++;
        low = 0x80; /* only the second byte has a narrower range */
        high = 0xBF;
    }
    *is_good = len == want;
    return len;
}

static void escape_ascii(struct bytes *bytes, uint8_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *found = c == 0 ? NULL : strchr(from, c);
    if (found != NULL) {
        bytes_append_byte(bytes, '\\');
        bytes_append_byte(bytes, (uint8_t)to[found - from]);
        return;
    }
    uint8_t text[6] = {
        '\\', 'u', '0', '0', (uint8_t)HEX_DIGITS[c >> 4], (uint8_t)HEX_DIGITS[c & 15]};
    bytes_append(bytes, text, sizeof(text));
}

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void append_quoted(struct bytes *bytes, struct slice text)
{
    bytes_append_byte(bytes, '"');
    size_t run = 0; /* first byte not yet appended */
    size_t i = 0;
    while (i < text.len) {
        uint8_t c = text.ptr[i];
        bool is_good = true;
        size_t len =
            is_plain(c) || c < 0x80 ? 1 : sequence_len(text.ptr + i, text.len - i, &is_good);
        if (is_plain(c) || (c >= 0x80 && is_good)) {
            i += len;
            continue;
        }
        bytes_append(bytes, text.ptr + run, i - run);
        if (c < 0x80) {
            escape_ascii(bytes, c);
        } else {
            bytes_append(bytes, "\xEF\xBF\xBD", 3);
        }
        i += len;
        run = i;
    }
    if (run < text.len) {
        bytes_append(bytes, text.ptr + run, text.len - run);
    }
    bytes_append_byte(bytes, '"');
}

void json_out_key(struct json_out *out, struct slice key)
{
    begin_value(out);
    append_quoted(out->bytes, key);
    bytes_append_byte(out->bytes, ':');
    out->needs_comma = false;
}

void json_out_string(struct json_out *out, struct slice text)
{
    begin_value(out);
    append_quoted(out->bytes, text);
}

void json_out_null(struct json_out *out)
{
    static const char text[] = "null";
    begin_value(out);
    bytes_append(out->bytes, text, sizeof(text) - 1);
}

void json_out_bool(struct json_out *out, bool value)
{
    begin_value(out);
    struct slice text = value ? SLICE_LITERAL("true") : SLICE_LITERAL("false");
    bytes_append(out->bytes, text.ptr, text.len);
}

static void append_number(struct json_out *out, const char *text, size_t len, bool is_quoted)
{
    begin_value(out);
    if (is_quoted) {
        bytes_append_byte(out->bytes, '"');
    }
    bytes_append(out->bytes, text, len);
    if (is_quoted) {
        bytes_append_byte(out->bytes, '"');
    }
}

void json_out_i64(struct json_out *out, int64_t value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    append_number(out, text, number_format_i64(value, text, sizeof(text)), false);
}

void json_out_u64(struct json_out *out, uint64_t value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    append_number(out, text, number_format_u64(value, text, sizeof(text)), false);
}

void json_out_i64_text(struct json_out *out, int64_t value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    append_number(out, text, number_format_i64(value, text, sizeof(text)), true);
}

void json_out_u64_text(struct json_out *out, uint64_t value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    append_number(out, text, number_format_u64(value, text, sizeof(text)), true);
}

void json_out_f64(struct json_out *out, double value)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    append_number(out, text, number_format_f64(value, text, sizeof(text)), !isfinite(value));
}

void json_out_hex(struct json_out *out, struct slice bytes)
{
    begin_value(out);
    bytes_append_byte(out->bytes, '"');
    for (size_t i = 0; i < bytes.len; i++) {
        char pair[2] = {HEX_DIGITS[bytes.ptr[i] >> 4], HEX_DIGITS[bytes.ptr[i] & 15]};
        bytes_append(out->bytes, pair, sizeof(pair));
    }
    bytes_append_byte(out->bytes, '"');
}

void json_out_base64(struct json_out *out, struct slice bytes)
{
    begin_value(out);
    bytes_append_byte(out->bytes, '"');
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t bits = (uint32_t)bytes.ptr[i] << 16;
        bits |= left > 1 ? (uint32_t)bytes.ptr[i + 1] << 8 : 0;
        bits |= left > 2 ? (uint32_t)bytes.ptr[i + 2] : 0;
        char quad[4] = {BASE64_DIGITS[bits >> 18], BASE64_DIGITS[bits >> 12 & 63],
                        BASE64_DIGITS[bits >> 6 & 63], BASE64_DIGITS[bits & 63]};
        if (left < 3) {
            quad[3] = '=';
        }
        if (left < 2) {
            quad[2] = '=';
        }
        bytes_append(out->bytes, quad, sizeof(quad));
    }
    bytes_append_byte(out->bytes, '"');
}
