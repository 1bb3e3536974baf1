/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cursor — reads binary fields from borrowed bytes, and remembers the first trouble.
 *
 * Read all fields, ask once: a failed cursor yields zeros and empty slices and never moves again.
 * What it hands out borrows from the bytes it was made from.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

struct cursor {
    const uint8_t *next; /* borrowed */
    size_t remaining_bytes;
    int err; /* 0, FAULT_TRUNCATED, FAULT_MALFORMED, or what cursor_fail was given */
};

static inline struct cursor cursor_of(struct slice bytes)
{
    return (struct cursor){.next = bytes.ptr, .remaining_bytes = bytes.len};
}

/* Bytes not read yet; a failed cursor keeps the number it failed with. */
static inline size_t cursor_remaining(const struct cursor *c)
{
    return c->remaining_bytes;
}

/* Fixed-width integers. FAULT_TRUNCATED when fewer bytes are left. */
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16_be(struct cursor *c);
uint32_t cursor_u32_be(struct cursor *c);
uint64_t cursor_u64_be(struct cursor *c);
uint16_t cursor_u16_le(struct cursor *c);
uint32_t cursor_u32_le(struct cursor *c);
uint64_t cursor_u64_le(struct cursor *c);

/*
 * Base-128 integer, least significant group first, as protobuf writes it. FAULT_TRUNCATED when the
 * bytes end inside; FAULT_MALFORMED when it does not fit 64 bits.
 */
uint64_t cursor_varint(struct cursor *c);

/* The next `len` bytes; the empty slice and FAULT_TRUNCATED when fewer are left. */
struct slice cursor_take(struct cursor *c, size_t len);

/* As cursor_take without looking at the bytes. */
void cursor_skip(struct cursor *c, size_t len);

/* Fails the cursor with `err` (negative), unless it has failed already: for a caller's own rules.
 */
void cursor_fail(struct cursor *c, int err);
