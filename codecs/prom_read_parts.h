/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_read_parts — what the halves of prom_read share: the line in hand and the words in it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/prom_read.h"
#include "core/base/arena.h"
#include "core/base/slice.h"

/* What is left of a line. The first trouble is remembered, as in a cursor. */
struct prom_rest {
    struct slice text; /* not read yet */
    struct arena *arena;
    enum prom_format format;
    enum prom_read_why why;
};

/* The byte at the front; 0 at the end of the line. */
static inline uint8_t prom_rest_peek(const struct prom_rest *rest)
{
    return rest->text.len > 0 ? rest->text.ptr[0] : 0;
}

static inline bool prom_rest_fail(struct prom_rest *rest, enum prom_read_why why)
{
    rest->why = rest->why == PROM_READ_FINE ? why : rest->why;
    return false;
}

void prom_rest_skip_blanks(struct prom_rest *rest);

/* Takes everything up to the next blank or the end. */
struct slice prom_rest_take_word(struct prom_rest *rest);

/* A word of letters, digits, '_' and, for metrics, ':'; empty where none begins here. */
struct slice prom_rest_take_name(struct prom_rest *rest, bool with_colon);

/*
 * A text in quotes, escapes undone, well-formed UTF-8. False with `why` remembered for what is
 * none.
 */
bool prom_rest_take_quoted(struct prom_rest *rest, struct slice *out, enum prom_read_why why);

/* `\\`, `\n` and, with_quote, `\"` undone; what else follows a backslash stays as it is. False: no
 * memory. */
bool prom_unescape(struct prom_rest *rest, struct slice text, bool with_quote, struct slice *out);

/* Name, labels, value, time and exemplar: a whole line. */
bool prom_rest_take_sample(struct prom_rest *rest, struct prom_sample *sample);
