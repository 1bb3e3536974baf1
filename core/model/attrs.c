/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attrs — tag text, cut at its commas.
 *
 * Canonical order is found by inserting each tag into a sorted array on the stack: clients mostly
 * send tags in order, and 128 of them are at most 900 comparisons.
 */
#include "core/model/attrs.h"

#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"

struct attrs_iter attrs_iterate(struct slice tags, enum tag_style style)
{
    return (struct attrs_iter){.rest = tags, .style = style};
}

/* The text up to the next comma; false at the end. */
static bool next_piece(struct attrs_iter *iter, struct slice *out)
{
    if (iter->is_done) {
        return false;
    }
    size_t comma = slice_find(iter->rest, ',');
    *out = slice_first(iter->rest, comma);
    iter->is_done = comma == iter->rest.len;
    iter->rest = iter->is_done ? slice_of(NULL, 0) : slice_from(iter->rest, comma + 1);
    return true;
}

/* The next tag as it stands, without leading '#'; false at the end. Splits it into *attr. */
static bool next_tag(struct attrs_iter *iter, struct slice *tag, struct attr *attr)
{
    bool is_equals = iter->style == TAG_STYLE_EQUALS;
    struct slice piece;
    while (next_piece(iter, &piece)) {
        while (!is_equals && piece.len > 0 && piece.ptr[0] == '#') {
            piece = slice_from(piece, 1);
        }
        if (piece.len == 0) {
            continue;
        }
        size_t split = slice_find(piece, is_equals ? '=' : ':');
        bool has_value = split < piece.len;
        struct slice value = has_value ? slice_from(piece, split + 1) : slice_of(NULL, 0);
        if (is_equals && (split == 0 || value.len == 0)) {
            iter->dropped_count++;
            continue;
        }
        *tag = piece;
        *attr = (struct attr){
            .key = slice_first(piece, split),
            .value = value,
            .has_value = has_value,
        };
        return true;
    }
    return false;
}

bool attrs_next(struct attrs_iter *iter, struct attr *out)
{
    struct slice tag;
    return next_tag(iter, &tag, out);
}

/* Where `tag` belongs among `count` sorted tags; *is_present says that it is there already. */
static uint32_t find_place(const struct slice *tags, uint32_t count, struct slice tag,
                           bool *is_present)
{
    *is_present = false;
    uint32_t first = 0;
    uint32_t limit = count;
    if (count > 0 && slice_compare(tags[count - 1], tag) < 0) {
        return count; /* the usual case: sent in order */
    }
    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2;
        int order = slice_compare(tags[middle], tag);
        if (order == 0) {
            *is_present = true;
            return middle;
        }
        if (order < 0) {
            first = middle + 1;
        } else {
            limit = middle;
        }
    }
    return first;
}

static int join(const struct slice *tags, uint32_t count, uint8_t *out, size_t cap, size_t *out_len)
{
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t comma_bytes = i > 0 ? 1 : 0;
        if (cap - len < comma_bytes || tags[i].len > cap - len - comma_bytes) {
            return FAULT_OVERFLOW;
        }
        if (i > 0) {
            out[len] = ',';
        }
        memcpy(out + len + comma_bytes, tags[i].ptr, tags[i].len);
        len += comma_bytes + tags[i].len;
    }
    *out_len = len;
    return 0;
}

int attrs_canonical(struct slice tags, enum tag_style style, uint8_t *out, size_t cap,
                    size_t *out_len)
{
    struct slice sorted[STATSD_TAGS_MAX_COUNT];
    uint32_t count = 0;
    struct attrs_iter iter = attrs_iterate(tags, style);
    struct slice tag;
    struct attr attr;
    while (next_tag(&iter, &tag, &attr)) {
        bool is_present = false;
        uint32_t place = find_place(sorted, count, tag, &is_present);
        if (is_present) {
            continue;
        }
        if (count == STATSD_TAGS_MAX_COUNT) {
            return FAULT_LIMIT;
        }
        memmove(&sorted[place + 1], &sorted[place], (count - place) * sizeof(sorted[0]));
        sorted[place] = tag;
        count++;
    }
    return join(sorted, count, out, cap, out_len);
}
