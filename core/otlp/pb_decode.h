/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pb_decode — protobuf bytes become the structs that protoc-c generated, in an arena, without
 * copying text.
 *
 * Stands where a processor or an exporter needs typed access to a part. Text and bytes come out as
 * ProtobufCBinaryData that borrow from the input; everything else lives in the arena. Never frees
 * and never calls protobuf-c's own unpacker, which allocates per field.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/bounds.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

struct pb_limits {
    uint32_t depth_max; /* messages or groups inside each other, 1 … PB_DEPTH_MAX */
};

/*
 * pb_decode — the message that `bytes` spell, by its generated descriptor.
 *
 *   descriptor   a generated one, of at most PB_FIELDS_MAX fields; proto2 without required fields
 *                and with `bytes` for text
 *   bytes        borrowed; the result's slices borrow from it too; empty is an empty message
 *   arena        takes every struct and array; on a failure what was taken stays until its reset
 *   limits       NULL for the widest
 *   out          set on 0 only; never freed alone. `data` of a byte field must not be written to.
 *
 * Fields may come in any order, packed or not. Unknown ones are stepped over, and not kept. Of a
 * scalar given twice the last one counts; a sub-message given twice is merged; of a oneof the last
 * member counts, whole. Enum numbers out of range are kept; invalid UTF-8 too.
 *
 * Returns 0; FAULT_TRUNCATED where a field is longer than what holds it; FAULT_MALFORMED for bytes
 * that are no protobuf and for a known field of the wrong wire type; FAULT_LIMIT for too deep
 * nesting or an arena at its cap.
 */
WEIR_MUST_USE int pb_decode(const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
                            struct arena *arena, const struct pb_limits *limits,
                            ProtobufCMessage **out);

/* The bytes of a text or bytes field, borrowed from what was decoded. */
static inline struct slice pb_slice(ProtobufCBinaryData field)
{
    return slice_of(field.data, field.len);
}
