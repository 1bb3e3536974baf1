/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_edit — changing a request without decoding it: what goes, what comes, and lengths that fit.
 *
 * An edit collects replacements over bytes that it never writes to. Whoever changes something
 * inside a message opens that message first, so that its length is written anew when it closes:
 *
 *     otlp_edit_init(&e, arena, part->bytes);
 *     otlp_edit_open(&e, &group);              (a field of the request)
 *     otlp_edit_remove(&e, url.whole);         (a field of the group)
 *     otlp_edit_close(&e);
 *     err = otlp_edit_apply(&e, part, part->item_count);
 *
 * Nothing changed costs nothing: the part keeps its bytes. Errors stick; finish tells. Most callers
 * have otlp_visit open and close for them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/bounds.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/part.h"
#include "core/otlp/otlp_attr.h"
#include "core/otlp/otlp_field.h"

/* Request, group, scope, metric, data, point, a list in it, and room to spare. */
#define OTLP_EDIT_DEPTH_MAX 16

/* `removed_bytes` of the source, from `offset` on, give way to `with`. */
struct otlp_splice {
    size_t offset;
    size_t removed_bytes;
    struct slice with; /* borrowed until finish */
};

struct otlp_edit_frame {
    struct otlp_field field;
    uint32_t number;          /* that it will have */
    size_t splice_index;      /* the splice that is kept for its length */
    size_t outer_added_bytes; /* of the edit, when it was opened */
    size_t outer_removed_bytes;
};

/* Borrows source and arena until finish. One thread. */
struct otlp_edit {
    struct arena *arena;
    struct slice source;
    struct otlp_splice *splices; /* in the arena; not overlapping */
    size_t splice_count;
    size_t splice_cap;
    size_t added_bytes; /* inside the innermost open message */
    size_t removed_bytes;
    uint32_t depth;
    bool is_unsorted; /* a change stands in the list behind one further ahead in the source */
    int err;          /* 0 or FAULT_LIMIT; sticks */
    struct otlp_edit_frame frames[OTLP_EDIT_DEPTH_MAX];
};

/* An edit of `source` that changes nothing yet. */
void otlp_edit_init(struct otlp_edit *e, struct arena *arena, struct slice source);

/*
 * Goes into `field`, a length-delimited field of the innermost open message (of the source where
 * none is open). A field of no bytes, as otlp_field_find gives it, comes into being when something
 * is inserted into it.
 */
void otlp_edit_open(struct otlp_edit *e, const struct otlp_field *field);

/* As otlp_edit_open; the field will have another number. */
void otlp_edit_open_as(struct otlp_edit *e, const struct otlp_field *field, uint32_t number);

/* Leaves the innermost open message. */
void otlp_edit_close(struct otlp_edit *e);

/* Leaves it as it was before it was opened. */
void otlp_edit_close_undone(struct otlp_edit *e);

/* Leaves it and takes it out whole, with all that was done inside. */
void otlp_edit_close_dropped(struct otlp_edit *e);

/*
 * The changes. `old` lies inside the innermost open message, `at` in it or at its end; what one
 * change took out no other one touches. `with` is borrowed until finish. Insertions at one place
 * come out in the order they were made.
 */
void otlp_edit_remove(struct otlp_edit *e, struct slice old);
void otlp_edit_replace(struct otlp_edit *e, struct slice old, struct slice with);
void otlp_edit_insert(struct otlp_edit *e, const uint8_t *at, struct slice with);

/* Has anything changed? To be asked while nothing is open. */
bool otlp_edit_is_changed(const struct otlp_edit *e);

/*
 * The source as edited, in memory of its own, mem_free'd by the caller; *memory is NULL where
 * nothing is left. Nothing may be open. 0, -ENOMEM or FAULT_LIMIT, and then nothing is owned.
 */
WEIR_MUST_USE int otlp_edit_finish(struct otlp_edit *e, struct slice *out, void **memory);

/*
 * Gives `part`, whose bytes are the source, the edited bytes and the count, and frees the old
 * memory; leaves its bytes alone where nothing changed. 0, -ENOMEM or FAULT_LIMIT, and then the
 * part is as it was.
 */
WEIR_MUST_USE int otlp_edit_apply(struct otlp_edit *e, struct part *part, uint32_t item_count);
