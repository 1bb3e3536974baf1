/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pb_wire — the pieces of the protobuf wire format: varints, tags, fields to step over.
 *
 * A reader borrows its bytes and never moves past their end. Every decoder and walker of OTLP
 * stands on it. Source: protobuf encoding guide; group fields (wire types 3 and 4) are stepped over
 * whole.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

#define PB_VARINT_MAX_BYTES 10
#define PB_FIELD_NUMBER_MAX 536870911 /* 2^29 − 1 */

enum pb_wire_type {
    PB_WIRE_VARINT = 0,
    PB_WIRE_FIXED64 = 1,
    PB_WIRE_BYTES = 2,
    PB_WIRE_GROUP_START = 3,
    PB_WIRE_GROUP_END = 4,
    PB_WIRE_FIXED32 = 5,
};

/* Borrows the bytes it reads. */
struct pb_reader {
    const uint8_t *pos;
    const uint8_t *end;
};

static inline struct pb_reader pb_reader_of(struct slice bytes)
{
    /* An empty slice may have no pointer to add to. */
    return (struct pb_reader){.pos = bytes.ptr,
                              .end = bytes.len == 0 ? bytes.ptr : bytes.ptr + bytes.len};
}

/* The part of pb_read_varint that deals with two bytes and more. */
WEIR_MUST_USE int pb_read_long_varint(struct pb_reader *in, uint64_t *out);

/*
 * pb_read_varint — one varint; bits beyond the 64th are dropped, as all decoders do.
 *
 * 0; FAULT_TRUNCATED where the bytes end inside it; FAULT_MALFORMED where it has more than 10
 * bytes.
 */
WEIR_MUST_USE static inline int pb_read_varint(struct pb_reader *in, uint64_t *out)
{
    if (WEIR_LIKELY(in->pos != in->end && *in->pos < 0x80)) {
        *out = *in->pos++;
        return 0;
    }
    return pb_read_long_varint(in, out);
}

/*
 * pb_read_tag — field number (1 … PB_FIELD_NUMBER_MAX) and enum pb_wire_type of the next field.
 * 0; FAULT_TRUNCATED; FAULT_MALFORMED for a number out of range or an unknown wire type.
 */
WEIR_MUST_USE int pb_read_tag(struct pb_reader *in, uint32_t *number, uint32_t *wire_type);

/* A length and as many bytes, borrowed from the input. 0, FAULT_TRUNCATED or FAULT_MALFORMED. */
WEIR_MUST_USE int pb_read_bytes(struct pb_reader *in, struct slice *out);

/* Little-endian fixed-width values. 0 or FAULT_TRUNCATED. */
WEIR_MUST_USE int pb_read_fixed32(struct pb_reader *in, uint32_t *out);
WEIR_MUST_USE int pb_read_fixed64(struct pb_reader *in, uint64_t *out);

/*
 * pb_skip_field — steps over the value of a field whose tag was just read, a group with everything
 * in it.
 *
 *   depth_max   groups that may stand inside each other, 1 … PB_DEPTH_MAX
 *
 * 0; FAULT_TRUNCATED; FAULT_MALFORMED, among others for a group end without its start;
 * FAULT_LIMIT for groups nested deeper.
 */
WEIR_MUST_USE int pb_skip_field(struct pb_reader *in, uint32_t number, uint32_t wire_type,
                                uint32_t depth_max);
