/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_segment_value — values of any shape: annotations, metadata, and members nobody asked for.
 *
 * Both walks turn around "a value, then everything up to the next value", so that nesting is one
 * entry of a fixed stack. Source: RFC 8259.
 */
#include "codecs/xray_segment.h"

/* Brackets that are open. */
struct open_brackets {
    uint32_t depth;
    uint32_t items[XRAY_VALUE_DEPTH_MAX];  /* whose they are; of xray_segment_keep */
    uint8_t closing[XRAY_VALUE_DEPTH_MAX]; /* '}' or ']' */
    bool is_fresh;                         /* nothing stands behind the innermost yet */
};

static const uint8_t *refuse(struct xray_segment *segment, enum xray_why why)
{
    segment->why = why;
    return NULL;
}

/* A scalar, or an opening bracket. */
static inline const uint8_t *take_value(struct xray_segment *segment, struct open_brackets *open,
                                        const uint8_t *pos, struct xray_text *out)
{
    uint8_t c = *pos;
    if (c != '{' && c != '[') {
        open->is_fresh = false;
        pos = xray_scan_scalar(segment->text, pos, out);
        return pos != NULL ? pos : refuse(segment, XRAY_WHY_JSON);
    }
    if (open->depth == XRAY_VALUE_DEPTH_MAX) {
        return refuse(segment, XRAY_WHY_DEPTH);
    }
    *out = (struct xray_text){.kind = c == '{' ? XRAY_KIND_OBJECT : XRAY_KIND_ARRAY};
    open->closing[open->depth] = c == '{' ? '}' : ']';
    open->depth++;
    open->is_fresh = true;
    return pos + 1;
}

/* Does the innermost bracket close at `pos`? */
static inline bool closes(struct open_brackets *open, const uint8_t *pos)
{
    if (*pos != open->closing[open->depth - 1]) {
        return false;
    }
    open->depth--;
    open->is_fresh = false;
    return true;
}

/* The comma before a value, and its name. */
static inline const uint8_t *take_lead(struct xray_segment *segment,
                                       const struct open_brackets *open, const uint8_t *pos,
                                       struct xray_text *key)
{
    if (!open->is_fresh) {
        if (*pos != ',') {
            return refuse(segment, XRAY_WHY_JSON);
        }
        pos = xray_scan_blanks(pos + 1);
    }
    if (open->closing[open->depth - 1] == '}') {
        pos = xray_scan_key(segment->text, pos, key);
        if (pos == NULL) {
            return refuse(segment, XRAY_WHY_JSON);
        }
        pos = xray_scan_blanks(pos);
    }
    return pos;
}

const uint8_t *xray_segment_skip(struct xray_segment *segment, const uint8_t *pos,
                                 struct xray_text *out)
{
    if (*pos != '{' && *pos != '[') {
        pos = xray_scan_scalar(segment->text, pos, out);
        return pos != NULL ? pos : refuse(segment, XRAY_WHY_JSON);
    }
    struct open_brackets open;
    open.depth = 0;
    pos = take_value(segment, &open, pos, out);
    while (pos != NULL && open.depth > 0) {
        pos = xray_scan_blanks(pos);
        if (closes(&open, pos)) {
            pos++;
            continue;
        }
        struct xray_text inner;
        pos = take_lead(segment, &open, pos, &inner);
        pos = pos == NULL ? NULL : take_value(segment, &open, pos, &inner);
    }
    return pos;
}

/* Makes the value at `pos` the next item, whose key is there already. */
static inline const uint8_t *keep_value(struct xray_segment *segment, struct open_brackets *open,
                                        const uint8_t *pos)
{
    uint32_t index = segment->item_count;
    uint32_t depth = open->depth;
    struct xray_item *item = &segment->items[index];
    pos = take_value(segment, open, pos, &item->value);
    if (pos == NULL) {
        return NULL;
    }
    if (open->depth > depth) {
        open->items[depth] = index;
    }
    segment->item_count = index + 1;
    item->limit_index = index + 1;
    return pos;
}

const uint8_t *xray_segment_keep(struct xray_segment *segment, const uint8_t *pos,
                                 struct xray_text *out)
{
    struct open_brackets open;
    open.depth = 0;
    uint32_t index = segment->item_count;
    ASSERT(index < XRAY_ITEMS_MAX);
    pos = keep_value(segment, &open, pos);
    while (pos != NULL && open.depth > 0) {
        pos = xray_scan_blanks(pos);
        if (closes(&open, pos)) {
            segment->items[open.items[open.depth]].limit_index = segment->item_count;
            pos++;
            continue;
        }
        ASSERT(segment->item_count < XRAY_ITEMS_MAX);
        pos = take_lead(segment, &open, pos, &segment->items[segment->item_count].key);
        pos = pos == NULL ? NULL : keep_value(segment, &open, pos);
    }
    *out = (struct xray_text){.first = index, .kind = segment->items[index].value.kind};
    return pos;
}
