/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_scan — a cursor over the JSON text of a segment document, for readers who know its shape.
 *
 * The text is a copy with XRAY_SCAN_PAD_BYTES zeros behind it. A zero is no part of JSON, so each
 * scan stops there by itself and whole words can be loaded; no scan compares with an end. What it
 * finds is noted in 8 bytes. json.h reads the same language one token per call, without a copy.
 * Source: RFC 8259. Used by xray_segment only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/base/defs.h"
#include "core/base/slice.h"

#define XRAY_SCAN_PAD_BYTES 32 /* a step or a word may be loaded past the end */

enum xray_kind {
    XRAY_KIND_NULL,
    XRAY_KIND_STRING,
    XRAY_KIND_NUMBER,
    XRAY_KIND_TRUE,
    XRAY_KIND_FALSE,
    XRAY_KIND_OBJECT,
    XRAY_KIND_ARRAY,
};

/* What is special about a value. */
#define XRAY_FLAG_ESCAPES 1    /* string: with escapes */
#define XRAY_FLAG_ILL_FORMED 2 /* string: not UTF-8, or half of an escaped pair */
#define XRAY_FLAG_INTEGER 4    /* number: neither point nor exponent */
#define XRAY_FLAG_FILLED 8     /* array: not empty */

/* One value of the text. A string's quotes are left out. */
struct xray_text {
    uint32_t first; /* offset in the text */
    uint16_t len;   /* of a text of 64 KiB at most, and inside its outermost brackets */
    uint8_t kind;   /* enum xray_kind */
    uint8_t flags;  /* XRAY_FLAG_* */
};
_Static_assert(sizeof(struct xray_text) == 8, "a segment has dozens of these");

/*
 * The scans take the place where they begin and return the place behind, or NULL for what is not
 * JSON; so the place stays in a register. `start` is where the text begins.
 */

/* Steps over blanks. */
static inline const uint8_t *xray_scan_blanks(const uint8_t *pos)
{
    while (WEIR_UNLIKELY(*pos <= ' ') &&
           (*pos == ' ' || *pos == '\n' || *pos == '\r' || *pos == '\t')) {
        pos++;
    }
    return pos;
}

static inline uint64_t xray_scan_word(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

#if defined(__SSE2__)
#define XRAY_SCAN_STEP_BYTES 16

/* How many bytes at `at` are plain ASCII of a string; looks at XRAY_SCAN_STEP_BYTES. */
static inline size_t xray_scan_plain(const uint8_t *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i_u *)at);
    __m128i special = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    special = _mm_or_si128(special, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    /* As signed bytes, those beyond ASCII are below zero. */
    special = _mm_or_si128(special, _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)));
    uint32_t found = (uint32_t)_mm_movemask_epi8(special) | 1u << XRAY_SCAN_STEP_BYTES;
    return (size_t)__builtin_ctz(found);
}
#else
#define XRAY_SCAN_STEP_BYTES 1

static inline size_t xray_scan_plain(const uint8_t *at)
{
    return *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\';
}
#endif

/* The first byte from `at` on that is no plain ASCII of a string; a zero at the latest. */
static inline const uint8_t *xray_scan_find_special(const uint8_t *at)
{
    size_t run = xray_scan_plain(at);
    while (run == XRAY_SCAN_STEP_BYTES) {
        at += run;
        run = xray_scan_plain(at);
    }
    return at + run;
}

/* The part of xray_scan_string for texts with escapes or bytes beyond ASCII, from `at` on. */
const uint8_t *xray_scan_string_slowly(const uint8_t *start, const uint8_t *first,
                                       const uint8_t *at, struct xray_text *out);

/* The string whose opening quote stands at `pos`. */
static inline const uint8_t *xray_scan_string(const uint8_t *start, const uint8_t *pos,
                                              struct xray_text *out)
{
    const uint8_t *first = pos + 1;
    const uint8_t *at = xray_scan_find_special(first);
    if (WEIR_UNLIKELY(*at != '"')) {
        return xray_scan_string_slowly(start, first, at, out);
    }
    *out = (struct xray_text){.first = (uint32_t)(first - start),
                              .len = (uint16_t)(at - first),
                              .kind = XRAY_KIND_STRING};
    return at + 1;
}

/* A name at `pos`, and the colon behind it. */
static inline const uint8_t *xray_scan_key(const uint8_t *start, const uint8_t *pos,
                                           struct xray_text *out)
{
    if (WEIR_UNLIKELY(*pos != '"')) {
        return NULL;
    }
    pos = xray_scan_string(start, pos, out);
    if (WEIR_UNLIKELY(pos == NULL)) {
        return NULL;
    }
    pos = xray_scan_blanks(pos);
    return *pos == ':' ? pos + 1 : NULL;
}

/* The number that begins at `pos`. */
const uint8_t *xray_scan_number(const uint8_t *start, const uint8_t *pos, struct xray_text *out);

/* A string, a number or a word. */
const uint8_t *xray_scan_scalar(const uint8_t *start, const uint8_t *pos, struct xray_text *out);
