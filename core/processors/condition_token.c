/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition_token — one look at the first byte, then as far as the kind goes.
 */
#include "core/processors/condition_token.h"

#include "core/base/defs.h"

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_letter(uint8_t byte)
{
    uint8_t folded = (uint8_t)(byte | 0x20);
    return (folded >= 'a' && folded <= 'z') || byte == '_';
}

static uint8_t byte_at(struct slice text, size_t at)
{
    return at < text.len ? text.ptr[at] : 0;
}

static size_t name_end(struct slice text, size_t at)
{
    while (is_letter(byte_at(text, at)) || is_digit(byte_at(text, at)) ||
           byte_at(text, at) == '.') {
        at++;
    }
    return at;
}

/* Digits with what may stand between and behind them; number.h judges the whole. */
static size_t number_end(struct slice text, size_t at)
{
    at++;
    while (is_digit(byte_at(text, at)) || is_letter(byte_at(text, at)) ||
           byte_at(text, at) == '.') {
        bool is_exponent = (byte_at(text, at) | 0x20) == 'e';
        uint8_t sign = byte_at(text, at + 1);
        at += is_exponent && (sign == '+' || sign == '-') ? 2 : 1;
    }
    return at;
}

/* Behind the closing quote; text.len + 1 where there is none. `at` is behind the opening one. */
static size_t text_end(struct slice text, size_t at)
{
    while (at < text.len && text.ptr[at] != '"') {
        at += text.ptr[at] == '\\' ? 2 : 1;
    }
    return at < text.len ? at + 1 : text.len + 1;
}

static enum condition_token_kind sign_kind(uint8_t byte)
{
    switch (byte) {
    case '(':
        return CONDITION_TOKEN_OPEN;
    case ')':
        return CONDITION_TOKEN_CLOSE;
    case '[':
        return CONDITION_TOKEN_OPEN_INDEX;
    case ']':
        return CONDITION_TOKEN_CLOSE_INDEX;
    case ',':
        return CONDITION_TOKEN_COMMA;
    case '<':
    case '>':
        return CONDITION_TOKEN_COMPARE;
    default:
        return CONDITION_TOKEN_OTHER;
    }
}

static struct condition_token make_token(enum condition_token_kind kind, struct slice condition,
                                         size_t first, size_t limit)
{
    ASSERT(first <= limit && limit <= condition.len);
    return (struct condition_token){
        .kind = kind, .text = slice_of(condition.ptr + first, limit - first), .at = first};
}

struct condition_token condition_token_next(struct slice condition, size_t *at)
{
    while (is_blank(byte_at(condition, *at))) {
        (*at)++;
    }
    size_t first = *at;
    if (first >= condition.len) {
        return (struct condition_token){.kind = CONDITION_TOKEN_END, .at = condition.len};
    }
    uint8_t byte = condition.ptr[first];
    uint8_t second = byte_at(condition, first + 1);
    if (is_letter(byte)) {
        *at = name_end(condition, first);
        return make_token(CONDITION_TOKEN_NAME, condition, first, *at);
    }
    bool is_signed = (byte == '-' || byte == '+') && (is_digit(second) || second == '.');
    if (is_digit(byte) || is_signed) {
        *at = number_end(condition, first);
        return make_token(CONDITION_TOKEN_NUMBER, condition, first, *at);
    }
    if (byte == '"') {
        size_t end = text_end(condition, first + 1);
        bool is_closed = end <= condition.len;
        *at = is_closed ? end : condition.len;
        return is_closed ? make_token(CONDITION_TOKEN_TEXT, condition, first + 1, end - 1)
                         : make_token(CONDITION_TOKEN_OTHER, condition, first, condition.len);
    }
    bool is_pair = second == '=' && (byte == '=' || byte == '!' || byte == '<' || byte == '>');
    *at = first + (is_pair ? 2 : 1);
    return make_token(is_pair ? CONDITION_TOKEN_COMPARE : sign_kind(byte), condition, first, *at);
}
