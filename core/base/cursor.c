/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cursor — fields byte by byte, so that neither alignment nor the host's byte order matters.
 */
#include "core/base/cursor.h"

#include "core/base/fault.h"

void cursor_fail(struct cursor *c, int err)
{
    ASSERT(err < 0);
    if (c->err == 0) {
        c->err = err;
    }
}

struct slice cursor_take(struct cursor *c, size_t len)
{
    if (c->err != 0) {
        return (struct slice){0};
    }
    if (len > c->remaining_bytes) {
        c->err = FAULT_TRUNCATED;
        return (struct slice){0};
    }
    struct slice taken = slice_of(c->next, len);
    if (len > 0) { /* the empty slice may have no pointer to add to */
        c->next += len;
        c->remaining_bytes -= len;
    }
    return taken;
}

void cursor_skip(struct cursor *c, size_t len)
{
    (void)cursor_take(c, len);
}

/* Compilers turn both loops into one load, swapped where need be. */
static uint64_t take_be(struct cursor *c, size_t len)
{
    struct slice bytes = cursor_take(c, len);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        value = value << 8 | bytes.ptr[i];
    }
    return value;
}

static uint64_t take_le(struct cursor *c, size_t len)
{
    struct slice bytes = cursor_take(c, len);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        value |= (uint64_t)bytes.ptr[i] << (8 * i);
    }
    return value;
}

uint8_t cursor_u8(struct cursor *c)
{
    return (uint8_t)take_le(c, 1);
}

uint16_t cursor_u16_be(struct cursor *c)
{
    return (uint16_t)take_be(c, 2);
}

uint32_t cursor_u32_be(struct cursor *c)
{
    return (uint32_t)take_be(c, 4);
}

uint64_t cursor_u64_be(struct cursor *c)
{
    return take_be(c, 8);
}

uint16_t cursor_u16_le(struct cursor *c)
{
    return (uint16_t)take_le(c, 2);
}

uint32_t cursor_u32_le(struct cursor *c)
{
    return (uint32_t)take_le(c, 4);
}

uint64_t cursor_u64_le(struct cursor *c)
{
    return take_le(c, 8);
}

uint64_t cursor_varint(struct cursor *c)
{
    uint64_t value = 0;
    if (c->err != 0) {
        return 0;
    }
    for (size_t i = 0; i < c->remaining_bytes; i++) {
        uint8_t byte = c->next[i];
        /* The tenth byte carries bit 63 alone. */
        if (i == 9 && byte > 1) {
            c->err = FAULT_MALFORMED;
            return 0;
        }
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            cursor_skip(c, i + 1);
            return value;
        }
    }
    c->err = FAULT_TRUNCATED;
    return 0;
}
