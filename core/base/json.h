/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json — a pull reader: JSON text becomes one token after another, nothing is built.
 *
 * Everything it hands out borrows from the text. Strict RFC 8259: no comments, no trailing commas,
 * no leading zeros, no byte order mark. Its whole state is the struct: one bit per open bracket, so
 * nesting costs no memory and no recursion. Memory is asked for only by json_text_value.
 *
 * Use: json_of, then json_next until JSON_TOKEN_END, JSON_TOKEN_BAD, or the caller has what it came
 * for; bytes behind the last token read are never looked at.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bounds.h"
#include "core/base/defs.h"
#include "core/base/json_text.h"
#include "core/base/slice.h"

enum json_token {
    JSON_TOKEN_BAD, /* the text breaks the format; `why` and `why_offset` say how */
    JSON_TOKEN_END, /* the document is over and only blanks followed it */
    JSON_TOKEN_OBJECT_OPEN,
    JSON_TOKEN_OBJECT_CLOSE,
    JSON_TOKEN_ARRAY_OPEN,
    JSON_TOKEN_ARRAY_CLOSE,
    JSON_TOKEN_KEY,    /* `text` is the name; the member's value comes next */
    JSON_TOKEN_STRING, /* `text` is the value */
    JSON_TOKEN_NUMBER, /* `number` is as written; number_parse_* (core/base/number.h) read it */
    JSON_TOKEN_TRUE,
    JSON_TOKEN_FALSE,
    JSON_TOKEN_NULL,
};

/* What becomes of strings that are no UTF-8 or escape half of a surrogate pair. */
enum json_utf8 {
    JSON_UTF8_REFUSE,  /* JSON_TOKEN_BAD */
    JSON_UTF8_REPLACE, /* U+FFFD for each maximal ill-formed part, once the text is asked for */
};

/* Zeros are a reader of the empty text, which is no document. */
struct json_reader {
    const uint8_t *pos; /* borrowed */
    const uint8_t *end;
    const uint8_t *start;
    struct json_text text; /* of the last JSON_TOKEN_KEY or JSON_TOKEN_STRING */
    struct slice number;   /* of the last JSON_TOKEN_NUMBER; borrows from the document */
    const char *why;       /* static; NULL until JSON_TOKEN_BAD */
    size_t why_offset;     /* of the byte that broke the format */
    size_t token_offset;   /* of the first byte of the last token; not of END */
    uint32_t depth;        /* open brackets, at most JSON_DEPTH_MAX */
    uint8_t expects;       /* private to json.c */
    uint8_t utf8;          /* enum json_utf8 */
    uint64_t object_bits[JSON_DEPTH_MAX / 64]; /* one bit per open bracket: 1 is an object */
};

/* A reader of `text`, which is borrowed as long as the reader and what it hands out are in use. */
struct json_reader json_of(struct slice text, enum json_utf8 utf8);

/*
 * json_next — the next token.
 *
 * Once JSON_TOKEN_BAD or JSON_TOKEN_END came, it comes again. Nesting beyond JSON_DEPTH_MAX is bad.
 * Members of one name may follow one another; which one counts is for the caller to say.
 */
WEIR_MUST_USE enum json_token json_next(struct json_reader *reader);

/*
 * json_skip — steps over the rest of the value whose first token was `token`: to the matching
 * bracket where it opened one, else nothing. Skipped text is checked as any other. False when it is
 * bad.
 */
WEIR_MUST_USE bool json_skip(struct json_reader *reader, enum json_token token);
