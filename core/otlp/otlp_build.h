/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_build — OTLP wire bytes, written backwards from the end of a buffer.
 *
 * Whoever writes a message from its last field to its first knows each length when the length is
 * due, so lengths are minimal and no size pass is needed. The sealed window leaves through here:
 *
 *     otlp_build_init(&b, buf, sizeof(buf));
 *     err = otlp_envelope_begin(&b, &envelope);
 *     for each series:
 *         size_t mark = otlp_build_mark(&b);
 *         otlp_build_number(&b, &point, value);        (otlp_point.h)
 *         otlp_build_metric(&b, mark, &metric);
 *         if (b.err != 0) { otlp_build_rewind(&b, mark); break; }
 *     part = otlp_envelope_end(&b, &envelope);
 *
 * Errors stick: after the first write that finds no room, b.err is FAULT_LIMIT until a rewind, and
 * what stands behind the mark is worthless. Tags are given as on the wire, number << 3 | wire type.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/attrs.h"

/* Borrows its buffer. One thread. */
struct otlp_build {
    uint8_t *begin;        /* nothing is written below */
    uint8_t *head;         /* first byte written so far */
    uint8_t *end;          /* one past the last byte */
    size_t envelope_mark;  /* where the open envelope began */
    size_t reserved_bytes; /* kept below `begin` for the end of the open envelope */
    int err;               /* 0 or FAULT_LIMIT; sticks until a rewind */
};

/* Starts empty over `bytes` of `buf`, borrowed until the last use of `b`. */
void otlp_build_init(struct otlp_build *b, void *buf, size_t bytes);

/* How many bytes are written: a place to come back to, or where a message about to be closed ends.
 */
static inline size_t otlp_build_mark(const struct otlp_build *b)
{
    return (size_t)(b->end - b->head);
}

/* Takes back what was written since `mark`, and the error with it. */
void otlp_build_rewind(struct otlp_build *b, size_t mark);

/* What was written since `mark`; borrows from the buffer until it is written over. */
struct slice otlp_build_since(const struct otlp_build *b, size_t mark);

/* Bare values, each before (below) what is already there. */
void otlp_build_bytes(struct otlp_build *b, const void *ptr, size_t len);
void otlp_build_varint(struct otlp_build *b, uint64_t value);

/* Whole fields. Nothing is left out for being zero; the caller decides that. */
void otlp_build_varint_field(struct otlp_build *b, uint32_t tag, uint64_t value);
void otlp_build_sint_field(struct otlp_build *b, uint32_t tag, int64_t value); /* zigzag */
void otlp_build_fixed64_field(struct otlp_build *b, uint32_t tag, uint64_t value);
void otlp_build_double_field(struct otlp_build *b, uint32_t tag, double value);
void otlp_build_text_field(struct otlp_build *b, uint32_t tag, struct slice text);

/* Makes what was written since `mark` the content of a length-delimited field. */
void otlp_build_close(struct otlp_build *b, size_t mark, uint32_t tag);

/* A KeyValue with a string value, as field `tag` of whatever holds the attributes. */
void otlp_build_attribute(struct otlp_build *b, uint32_t tag, struct slice key, struct slice value);

/* `count` attributes, so that a reader meets them in the order of the array. */
void otlp_build_attributes(struct otlp_build *b, uint32_t tag, const struct attr *attrs,
                           size_t count);

/* Who the metrics come from. Borrows; must be the same for begin and end. */
struct otlp_envelope {
    const struct attr *resource_attrs;
    size_t resource_attr_count;
    struct slice scope_name;    /* may be empty */
    struct slice scope_version; /* may be empty */
};

/*
 * Opens one ResourceMetrics with one ScopeMetrics and keeps room for its frame, so that the end
 * cannot fail. 0; FAULT_LIMIT where not even the frame fits, and then nothing is open. Envelopes
 * may follow one another in one buffer; they do not nest.
 */
WEIR_MUST_USE int otlp_envelope_begin(struct otlp_build *b, const struct otlp_envelope *envelope);

/*
 * Closes it. b->err must be 0 (rewind first). The slice is one `resource_metrics` field: alone or
 * concatenated with others, a MetricsData or an ExportMetricsServiceRequest. Borrows from the
 * buffer.
 */
struct slice otlp_envelope_end(struct otlp_build *b, const struct otlp_envelope *envelope);
