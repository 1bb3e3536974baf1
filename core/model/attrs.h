/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attrs — the tags of a line as key and value, and one text for all orders of the same tags.
 *
 * Reads the tag text as the client sent it; nothing is copied or unescaped, slices borrow from the
 * text. Used when a series is born or emitted, never per line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/point.h"

struct attr {
    struct slice key; /* may be empty in the DogStatsD style (":value") */
    struct slice value;
    bool has_value; /* false for a bare tag; its value is empty */
};

/* Where an iteration stands. Borrows the tag text. */
struct attrs_iter {
    struct slice rest;
    enum tag_style style;
    bool is_done;
    uint32_t dropped_count; /* tags left out so far because their style does not allow them */
};

/* An iteration over `tags` in `style`; borrows `tags`. */
struct attrs_iter attrs_iterate(struct slice tags, enum tag_style style);

/*
 * attrs_next — the next tag into *out; false at the end, and then *out is untouched.
 *
 *   DogStatsD  separated by ',', empty tags skipped, '#' before a tag skipped (some PHP clients put
 *              one before each); the first ':' ends the key
 *   equals     separated by ',', empty tags skipped; the first '=' ends the key; a tag without '='
 *              or with an empty side is dropped and counted in iter->dropped_count
 */
bool attrs_next(struct attrs_iter *iter, struct attr *out);

/*
 * attrs_canonical — the tags that attrs_next yields, sorted bytewise as text, duplicates removed,
 * joined by ',' in their own style; equal bytes for every order of the same tags.
 *
 *   out       receives at most `cap` bytes; tags.len always suffices; must not overlap `tags`
 *   out_len   set on success only
 *
 * 0; FAULT_LIMIT for more than STATSD_TAGS_MAX_COUNT tags; FAULT_OVERFLOW where `cap` is too small.
 */
WEIR_MUST_USE int attrs_canonical(struct slice tags, enum tag_style style, uint8_t *out, size_t cap,
                                  size_t *out_len);
