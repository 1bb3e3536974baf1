/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_flat — a request as one line per item, so that requests can be compared that spell or group
 * the same items differently.
 *
 * Each item is written with what stands around it: its ResourceX, ScopeX and Metric without their
 * children, all decoded by pb_decode and packed again by protobuf-c. Unknown fields do not show.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/slice.h"
#include "core/model/part.h"

#define OTLP_FLAT_BYTES_MAX (1 << 25)

struct otlp_flat {
    uint8_t *bytes; /* OTLP_FLAT_BYTES_MAX of them, the caller's */
    size_t len;
    uint64_t item_count;
};

/* Adds the items of a valid request. `arena` is scratch. */
void otlp_flat_add(struct otlp_flat *flat, enum signal signal, struct slice request,
                   struct arena *arena);

static inline struct slice otlp_flat_bytes(const struct otlp_flat *flat)
{
    return slice_of(flat->bytes, flat->len);
}
