/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition_token — the words, numbers, texts and signs of a condition. Nothing is allocated.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/slice.h"

enum condition_token_kind {
    CONDITION_TOKEN_END,
    CONDITION_TOKEN_NAME,   /* a path, a keyword, a function: letters, digits, '_' and '.' */
    CONDITION_TOKEN_TEXT,   /* in quotes, which `text` leaves out; escapes are still in it */
    CONDITION_TOKEN_NUMBER, /* a sign, digits, '.', an exponent */
    CONDITION_TOKEN_COMPARE,
    CONDITION_TOKEN_OPEN,
    CONDITION_TOKEN_CLOSE,
    CONDITION_TOKEN_OPEN_INDEX,
    CONDITION_TOKEN_CLOSE_INDEX,
    CONDITION_TOKEN_COMMA,
    CONDITION_TOKEN_OTHER, /* one byte that begins nothing of the above, or a text without end */
};

struct condition_token {
    enum condition_token_kind kind;
    struct slice text; /* borrowed from the condition */
    size_t at;         /* offset in the condition, from 0 */
};

/* The token at `*at` or behind the blanks there; `*at` moves behind it. */
struct condition_token condition_token_next(struct slice condition, size_t *at);
