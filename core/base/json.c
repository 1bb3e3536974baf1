/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json — one token per call, out of borrowed text.
 *
 * What may come next is one of six expectations; what kind of bracket is open is one bit per level.
 * Strings are checked where they are met, eight bytes at a time. Source: RFC 8259.
 */
#include "core/base/json.h"

#include <endian.h>
#include <string.h>

_Static_assert(JSON_DEPTH_MAX % 64 == 0, "one bit per open bracket, in words of 64");

#define WORD_BYTES sizeof(uint64_t)
#define EVERY_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* What the text may go on with. Zero is right for a fresh reader. */
enum expectation {
    EXPECT_VALUE,
    EXPECT_KEY_OR_CLOSE,     /* behind '{' */
    EXPECT_ELEMENT_OR_CLOSE, /* behind '[' */
    EXPECT_COMMA_OR_CLOSE,   /* behind a value inside brackets */
    EXPECT_END,              /* behind the outermost value */
    EXPECT_NOTHING,          /* the text was bad */
};

struct json_reader json_of(struct slice text, enum json_utf8 utf8)
{
    return (struct json_reader){.pos = text.ptr,
                                .start = text.ptr,
                                .end = text.len == 0 ? text.ptr : text.ptr + text.len,
                                .utf8 = (uint8_t)utf8};
}

static enum json_token fail_at(struct json_reader *r, const uint8_t *at, const char *why)
{
    ASSERT(at >= r->start);
    ASSERT(at <= r->end);
    r->why = why;
    r->why_offset = (size_t)(at - r->start);
    r->expects = EXPECT_NOTHING;
    return JSON_TOKEN_BAD;
}

static enum json_token fail_here(struct json_reader *r, const char *why)
{
    return fail_at(r, r->pos, r->pos == r->end ? "the text ends too early" : why);
}

static void skip_blanks(struct json_reader *r)
{
    const uint8_t *pos = r->pos;
    while (pos != r->end && (*pos == ' ' || *pos == '\n' || *pos == '\r' || *pos == '\t')) {
        pos++;
    }
    r->pos = pos;
}

static void begin_token(struct json_reader *r)
{
    r->token_offset = (size_t)(r->pos - r->start);
}

static bool is_in_object(const struct json_reader *r)
{
    ASSERT(r->depth > 0);
    uint32_t level = r->depth - 1;
    return (r->object_bits[level / 64] >> (level % 64) & 1) != 0;
}

/* --- strings --------------------------------------------------------------------------------- */

/* Marks the text, or fails, as the policy wants. */
static bool meet_ill_formed(struct json_reader *r, struct json_text *text)
{
    text->is_ill_formed = true;
    if (r->utf8 == JSON_UTF8_REPLACE) {
        return true;
    }
    (void)fail_here(r, "text is not UTF-8"); /* the caller sees false */
    return false;
}

/* Steps over the escape at r->pos. */
static bool scan_escape(struct json_reader *r, struct json_text *text)
{
    bool is_lone = false;
    size_t len = json_text_escape_len(r->pos, (size_t)(r->end - r->pos), &is_lone);
    text->has_escapes = true;
    if (len == 0) {
        (void)fail_here(r, "this is no escape"); /* false says it */
        return false;
    }
    if (is_lone && !meet_ill_formed(r, text)) {
        return false;
    }
    r->pos += len;
    return true;
}

/* A set bit for each byte that is no plain ASCII of a string; exact up to the lowest one. */
static uint64_t special_bytes(uint64_t word)
{
    uint64_t quote = word ^ EVERY_BYTE('"');
    uint64_t backslash = word ^ EVERY_BYTE('\\');
    uint64_t found = (quote - EVERY_BYTE(1)) & ~quote;
    found |= (backslash - EVERY_BYTE(1)) & ~backslash;
    found |= (word - EVERY_BYTE(0x20)) & ~word;
    return (found | word) & EVERY_BYTE(0x80);
}

/* The first byte from `pos` on that is no plain ASCII of a string, or `end`. */
static const uint8_t *find_special(const uint8_t *pos, const uint8_t *end)
{
    while ((size_t)(end - pos) >= WORD_BYTES) {
        uint64_t word;
        memcpy(&word, pos, sizeof(word));
        uint64_t found = special_bytes(le64toh(word));
        if (found != 0) {
            return pos + (__builtin_ctzll(found) >> 3);
        }
        pos += WORD_BYTES;
    }
    while (pos != end && *pos >= 0x20 && *pos < 0x80 && *pos != '"' && *pos != '\\') {
        pos++;
    }
    return pos;
}

/* Steps over what find_special found, except the closing quote. */
static bool scan_special(struct json_reader *r, struct json_text *text)
{
    uint8_t c = *r->pos;
    if (c == '\\') {
        return scan_escape(r, text);
    }
    if (c < 0x20) {
        (void)fail_here(r, "a control character in a string has to be escaped"); /* false says it */
        return false;
    }
    bool is_good = false;
    size_t len = json_text_sequence_len(r->pos, (size_t)(r->end - r->pos), &is_good);
    if (!is_good && !meet_ill_formed(r, text)) {
        return false;
    }
    r->pos += len;
    return true;
}

/* The string whose opening quote stands at r->pos, into r->text. */
static bool take_string(struct json_reader *r)
{
    ASSERT(*r->pos == '"');
    r->pos++;
    const uint8_t *first = r->pos;
    struct json_text text = {0};
    for (;;) {
        r->pos = find_special(r->pos, r->end);
        if (r->pos == r->end) {
            (void)fail_here(r, ""); /* false says it */
            return false;
        }
        if (*r->pos == '"') {
            break;
        }
        if (!scan_special(r, &text)) {
            return false;
        }
    }
    text.raw = slice_of(first, (size_t)(r->pos - first));
    r->text = text;
    r->pos++;
    return true;
}

/* --- numbers and words ------------------------------------------------------------------------ */

static const uint8_t *skip_digits(const uint8_t *pos, const uint8_t *end)
{
    while (pos != end && *pos >= '0' && *pos <= '9') {
        pos++;
    }
    return pos;
}

/* Where the digits end that have to stand at `pos`; NULL, and failed, where none do. */
static const uint8_t *need_digits(struct json_reader *r, const uint8_t *pos)
{
    const uint8_t *behind = skip_digits(pos, r->end);
    if (behind == pos) {
        r->pos = pos;
        (void)fail_here(r, "a number needs a digit here"); /* NULL says it */
        return NULL;
    }
    return behind;
}

static enum json_token take_number(struct json_reader *r)
{
    const uint8_t *first = r->pos;
    const uint8_t *pos = *first == '-' ? first + 1 : first;
    bool is_zero = pos != r->end && *pos == '0';
    pos = is_zero ? pos + 1 : need_digits(r, pos); /* nothing may follow a leading zero */
    if (pos != NULL && pos != r->end && *pos == '.') {
        pos = need_digits(r, pos + 1);
    }
    if (pos != NULL && pos != r->end && (*pos == 'e' || *pos == 'E')) {
        pos++;
        if (pos != r->end && (*pos == '+' || *pos == '-')) {
            pos++;
        }
        pos = need_digits(r, pos);
    }
    if (pos == NULL) {
        return JSON_TOKEN_BAD;
    }
    r->number = slice_of(first, (size_t)(pos - first));
    r->pos = pos;
    return JSON_TOKEN_NUMBER;
}

static enum json_token take_word(struct json_reader *r, struct slice word, enum json_token token)
{
    struct slice rest = slice_of(r->pos, (size_t)(r->end - r->pos));
    if (!slice_has_prefix(rest, word)) {
        return fail_here(r, "a value is expected here");
    }
    r->pos += word.len;
    return token;
}

/* --- structure -------------------------------------------------------------------------------- */

static enum json_token open_bracket(struct json_reader *r, bool is_object)
{
    if (r->depth == JSON_DEPTH_MAX) {
        return fail_here(r, "nested too deeply");
    }
    uint64_t bit = UINT64_C(1) << (r->depth % 64);
    uint64_t *word = &r->object_bits[r->depth / 64];
    *word = is_object ? *word | bit : *word & ~bit;
    r->depth++;
    r->pos++;
    r->expects = is_object ? EXPECT_KEY_OR_CLOSE : EXPECT_ELEMENT_OR_CLOSE;
    return is_object ? JSON_TOKEN_OBJECT_OPEN : JSON_TOKEN_ARRAY_OPEN;
}

static void expect_after_value(struct json_reader *r)
{
    r->expects = r->depth > 0 ? EXPECT_COMMA_OR_CLOSE : EXPECT_END;
}

static enum json_token close_bracket(struct json_reader *r)
{
    enum json_token token = is_in_object(r) ? JSON_TOKEN_OBJECT_CLOSE : JSON_TOKEN_ARRAY_CLOSE;
    begin_token(r);
    r->pos++;
    r->depth--;
    expect_after_value(r);
    return token;
}

static enum json_token take_scalar(struct json_reader *r)
{
    switch (*r->pos) {
    case '"':
        return take_string(r) ? JSON_TOKEN_STRING : JSON_TOKEN_BAD;
    case 't':
        return take_word(r, SLICE_LITERAL("true"), JSON_TOKEN_TRUE);
    case 'f':
        return take_word(r, SLICE_LITERAL("false"), JSON_TOKEN_FALSE);
    case 'n':
        return take_word(r, SLICE_LITERAL("null"), JSON_TOKEN_NULL);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return take_number(r);
    default:
        return fail_here(r, "a value is expected here");
    }
}

static enum json_token take_value(struct json_reader *r)
{
    begin_token(r);
    if (r->pos == r->end) {
        return fail_here(r, "");
    }
    if (*r->pos == '{' || *r->pos == '[') {
        return open_bracket(r, *r->pos == '{');
    }
    enum json_token token = take_scalar(r);
    if (token != JSON_TOKEN_BAD) {
        expect_after_value(r);
    }
    return token;
}

/* A name and the colon behind it. */
static enum json_token take_key(struct json_reader *r)
{
    begin_token(r);
    if (r->pos == r->end || *r->pos != '"') {
        return fail_here(r, "a name in quotes is expected here");
    }
    if (!take_string(r)) {
        return JSON_TOKEN_BAD;
    }
    skip_blanks(r);
    if (r->pos == r->end || *r->pos != ':') {
        return fail_here(r, "a colon is expected here");
    }
    r->pos++;
    r->expects = EXPECT_VALUE;
    return JSON_TOKEN_KEY;
}

/* Behind a value inside brackets. */
static enum json_token take_next(struct json_reader *r)
{
    bool is_object = is_in_object(r);
    if (r->pos != r->end && *r->pos == (is_object ? '}' : ']')) {
        return close_bracket(r);
    }
    if (r->pos == r->end || *r->pos != ',') {
        return fail_here(r, "a comma or the closing bracket is expected here");
    }
    r->pos++;
    skip_blanks(r);
    return is_object ? take_key(r) : take_value(r);
}

enum json_token json_next(struct json_reader *reader)
{
    skip_blanks(reader);
    bool is_at_end = reader->pos == reader->end;
    switch ((enum expectation)reader->expects) {
    case EXPECT_VALUE:
        return take_value(reader);
    case EXPECT_KEY_OR_CLOSE:
        return !is_at_end && *reader->pos == '}' ? close_bracket(reader) : take_key(reader);
    case EXPECT_ELEMENT_OR_CLOSE:
        return !is_at_end && *reader->pos == ']' ? close_bracket(reader) : take_value(reader);
    case EXPECT_COMMA_OR_CLOSE:
        return take_next(reader);
    case EXPECT_END:
        return is_at_end ? JSON_TOKEN_END : fail_here(reader, "something follows the document");
    case EXPECT_NOTHING:
        break;
    }
    return JSON_TOKEN_BAD;
}

bool json_skip(struct json_reader *reader, enum json_token token)
{
    if (token != JSON_TOKEN_OBJECT_OPEN && token != JSON_TOKEN_ARRAY_OPEN) {
        return token != JSON_TOKEN_BAD;
    }
    ASSERT(reader->depth > 0);
    uint32_t outer_depth = reader->depth - 1;
    while (reader->depth > outer_depth) {
        if (json_next(reader) == JSON_TOKEN_BAD) {
            return false;
        }
    }
    return true;
}
