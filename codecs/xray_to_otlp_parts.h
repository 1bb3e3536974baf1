/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_to_otlp_parts — what the files of xray_to_otlp share.
 *
 * Everything is written backwards (core/otlp/otlp_build.h), so each function below writes in front
 * of what was written before it. Refusals stick in `why`; the writing goes on and is thrown away.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/xray_segment.h"
#include "codecs/xray_to_otlp.h"
#include "core/base/defs.h"
#include "core/base/fault.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_build.h"

/* Tags as on the wire, field number << 3 | wire type. */
enum {
    XRAY_TAG_KEY = 0x0A,     /* KeyValue 1 */
    XRAY_TAG_VALUE = 0x12,   /* KeyValue 2 */
    XRAY_TAG_STRING = 0x0A,  /* AnyValue 1 */
    XRAY_TAG_BOOL = 0x10,    /* AnyValue 2 */
    XRAY_TAG_INT = 0x18,     /* AnyValue 3 */
    XRAY_TAG_DOUBLE = 0x21,  /* AnyValue 4 */
    XRAY_TAG_ARRAY = 0x2A,   /* AnyValue 5 */
    XRAY_TAG_ELEMENT = 0x0A, /* ArrayValue 1 */
    XRAY_TAG_RESOURCE_ATTR = 0x0A,
    XRAY_TAG_SPAN_ATTR = 0x4A,
    XRAY_TAG_EVENT_ATTR = 0x1A,
};

/* How a slot becomes an attribute. */
enum xray_form {
    XRAY_FORM_TEXT,
    XRAY_FORM_BOOL,
    XRAY_FORM_INTEGER,
    XRAY_FORM_DECIMAL, /* an integer as text */
    XRAY_FORM_LENGTH,  /* a number of either kind as an integer, or text */
};

/* One row of a mapping table, whose index is the slot. */
struct xray_row {
    struct slice key; /* empty: no attribute */
    uint8_t form;     /* enum xray_form */
};

struct xray_to_otlp {
    struct xray_segment segment;
    struct otlp_build build;
    uint8_t *spans;  /* owned; what `build` writes to */
    uint8_t *texts;  /* owned; texts undone or put together, until they are copied */
    uint32_t *order; /* owned; indices of items, to be sorted */
    size_t text_len;
    uint32_t order_count;
    uint32_t annotation_first; /* in `order`: the annotations of the segment being written */
    uint32_t annotation_count;
    bool has_dotted; /* one of them has a dot in its name, as all attributes of ours have */
    enum xray_why why;
};

/* Notes the first reason. */
static inline void xray_refuse(struct xray_to_otlp *t, enum xray_why why)
{
    if (t->why == XRAY_WHY_NONE) {
        t->why = why;
    }
}

/* Room for `len` bytes in front of what is written, to be filled in place; NULL where none is. */
static inline uint8_t *xray_room(struct otlp_build *b, size_t len)
{
    if (WEIR_UNLIKELY(len > (size_t)(b->head - b->begin))) {
        b->err = FAULT_LIMIT;
        return NULL;
    }
    b->head -= len;
    return b->head;
}

/* --- texts: xray_to_otlp_text.c --------------------------------------------------------------- */

/* Room for `len` bytes of text; NULL, and refused, where there is none. */
uint8_t *xray_text_room(struct xray_to_otlp *t, size_t len);

/* Appends to the texts. */
void xray_text_put(struct xray_to_otlp *t, struct slice bytes);

/* The part of xray_text_undo for texts that are not plain. */
struct slice xray_text_undo_slowly(struct xray_to_otlp *t, struct xray_text text);

/* A string's value: of the document, or undone into the texts, until text_len goes back. */
static inline struct slice xray_text_undo(struct xray_to_otlp *t, struct xray_text text)
{
    if (WEIR_LIKELY((text.flags & (XRAY_FLAG_ESCAPES | XRAY_FLAG_ILL_FORMED)) == 0)) {
        return xray_segment_raw(&t->segment, text);
    }
    return xray_text_undo_slowly(t, text);
}

/* The JSON text of item `index`, names sorted, as Go writes it; appended to the texts. */
void xray_json_put(struct xray_to_otlp *t, uint32_t index);

/*
 * xray_order_members — appends the members of the object at item `index` to `order`, sorted by
 * name, the last of each name only. Returns how many.
 */
uint32_t xray_order_members(struct xray_to_otlp *t, uint32_t index);

/* --- attributes: xray_to_otlp_attr.c ---------------------------------------------------------- */

void xray_attr_put_text(struct xray_to_otlp *t, uint32_t tag, struct slice key, struct slice value);
void xray_attr_put_double(struct xray_to_otlp *t, uint32_t tag, struct slice key, double value);
void xray_attr_put_bool(struct xray_to_otlp *t, uint32_t tag, struct slice key, bool value);

/* Makes the elements written since `mark` an attribute that is an array. */
void xray_attr_close_array(struct xray_to_otlp *t, size_t mark, uint32_t tag, struct slice key);
void xray_attr_put_element(struct xray_to_otlp *t, struct slice text);

/* Each slot of `wanted`, a bit for each, that is there, by its row. */
void xray_attr_put_rows(struct xray_to_otlp *t, uint32_t tag, const struct xray_row *rows,
                        uint64_t wanted, const struct xray_slots *slots);

/* --- the pieces of a span and of the resource ------------------------------------------------- */

/* What the slots of a segment say as attributes of its span. */
void xray_write_span_attrs(struct xray_to_otlp *t, const struct xray_slots *slots);

/* The attributes of the resource, out of the root's slots. */
void xray_write_resource_attrs(struct xray_to_otlp *t, const struct xray_slots *slots);

/* Finds the annotations, so that attributes of the same names are left out. */
void xray_begin_annotations(struct xray_to_otlp *t, const struct xray_slots *slots);

/* Is there an annotation of that name, which replaces the attribute? */
bool xray_is_annotated(struct xray_to_otlp *t, struct slice key);

void xray_write_annotations(struct xray_to_otlp *t);
void xray_write_metadata(struct xray_to_otlp *t, const struct xray_slots *slots);

/* One event per exception of the cause. */
void xray_write_exceptions(struct xray_to_otlp *t, const struct xray_slots *slots);
