/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_segment — a segment document, read once into flat tables.
 *
 * Segments and subsegments become nodes in the order they stand in the document, each a row of
 * slots (xray_schema.h); what stands in annotations and metadata becomes items, in the same order.
 * Nothing is undone or converted yet: a slot says where its text stands. Nesting costs a frame of a
 * fixed stack. Types are checked as the Collector's model does, and null is as good as absent.
 * Used by xray_to_otlp only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/xray_scan.h"
#include "codecs/xray_schema.h"
#include "codecs/xray_to_otlp.h"
#include "core/base/defs.h"
#include "core/base/json_text.h"
#include "core/base/slice.h"

/* An item, or an element of a list, has at least one byte of its own and one that separates it. */
#define XRAY_ITEMS_MAX (XRAY_DOCUMENT_MAX_BYTES / 2 + 1)

/* One row; bits of absent members are 0 and their texts are not to be read. */
struct xray_slots {
    uint64_t present;
    struct xray_text at[XRAY_SLOT_COUNT];
};

/* A segment or subsegment. */
struct xray_node {
    struct xray_slots slots;
    uint32_t parent_index; /* that of the root is its own */
    uint32_t depth;        /* 1 is the root */
};

/* A value of annotations or metadata. Those inside it follow it, up to `limit_index`. */
struct xray_item {
    struct xray_text key; /* of a member of an object */
    struct xray_text value;
    uint32_t limit_index;
};

/* A value's text, where it is an item: which one. */
static inline uint32_t xray_item_index(struct xray_text text)
{
    return text.first;
}

/* Members of one object whose names are guessed. */
#define XRAY_GUESSES_MAX 32

/* One thread; reused from document to document. */
struct xray_segment {
    uint8_t *text;           /* owned; a padded copy of the document */
    struct xray_node *nodes; /* owned; XRAY_SEGMENTS_MAX */
    struct xray_item *items; /* owned; XRAY_ITEMS_MAX */
    uint32_t node_count;
    uint32_t item_count; /* those behind are free for whoever reads the tables */
    enum xray_why why;   /* of the last refusal */
    struct xray_index index;
    /*
     * Which member stood last at which place of which object, [1] below the root: an SDK writes the
     * same members in the same order again and again.
     */
    const struct xray_member *guesses[2][XRAY_OBJECT_COUNT][XRAY_GUESSES_MAX];
};

/* Allocates the tables. 0 or -ENOMEM, and then xray_segment_fini is still fine. */
WEIR_MUST_USE int xray_segment_init(struct xray_segment *segment);

/* Frees and leaves zeros. Idempotent. */
void xray_segment_fini(struct xray_segment *segment);

/*
 * xray_segment_read — copies the document and fills the tables, the root being node 0.
 *
 * False where the document is refused; segment->why says why. Which members are there is for the
 * caller to check.
 */
WEIR_MUST_USE bool xray_segment_read(struct xray_segment *segment, struct slice document);

static inline bool xray_slots_have(const struct xray_slots *slots, uint32_t slot)
{
    return (slots->present >> slot & 1) != 0;
}

/* A string as core/base/json_text knows it; borrows from the copy. */
static inline struct json_text xray_segment_string(const struct xray_segment *segment,
                                                   struct xray_text text)
{
    return (struct json_text){.raw = slice_of(segment->text + text.first, text.len),
                              .has_escapes = (text.flags & XRAY_FLAG_ESCAPES) != 0,
                              .is_ill_formed = (text.flags & XRAY_FLAG_ILL_FORMED) != 0};
}

/* The bytes of a value as they stand in the document. */
static inline struct slice xray_segment_raw(const struct xray_segment *segment,
                                            struct xray_text text)
{
    return slice_of(segment->text + text.first, text.len);
}

/* Walks the objects of an array noted in a slot: the place before the next element. */
struct xray_list {
    const uint8_t *pos; /* borrows from the copy; a copy of the list comes back to it */
};

struct xray_list xray_segment_list(const struct xray_segment *segment, struct xray_text array);

/* The next element, which is an `object`, into `out`; all absent for null. False at the end. */
bool xray_segment_next(struct xray_segment *segment, struct xray_list *list,
                       enum xray_object object, struct xray_slots *out);

/*
 * For xray_segment.c: the value at `pos`, whatever it is. Returns the place behind it, or NULL
 * where it is refused, and segment->why says why.
 *
 *   out       a scalar's text; else only the kind is right
 *
 * xray_segment_skip steps over it; xray_segment_keep also appends it to the items, and out->first
 * is its index.
 */
const uint8_t *xray_segment_skip(struct xray_segment *segment, const uint8_t *pos,
                                 struct xray_text *out);
const uint8_t *xray_segment_keep(struct xray_segment *segment, const uint8_t *pos,
                                 struct xray_text *out);
