/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slice — a borrowed view of bytes, passed by value.
 *
 * A slice owns nothing and carries no terminator. How long its bytes stay readable is said by
 * whoever hands it out. A slice of length 0 may have a NULL pointer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/defs.h"

struct slice {
    const uint8_t *ptr;
    size_t len;
};

/* A slice of a string literal, usable as an initialiser. */
#define SLICE_LITERAL(text)                                                                        \
    ((struct slice){.ptr = (const uint8_t *)("" text), .len = sizeof(text) - 1})

/* A slice of a NUL-terminated string; borrows `text`. NULL gives the empty slice. */
struct slice slice_of_text(const char *text);

static inline struct slice slice_of(const void *ptr, size_t len)
{
    return (struct slice){.ptr = ptr, .len = len};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_is_text(struct slice a, const char *text)
{
    return slice_equal(a, slice_of(text, strlen(text)));
}

/* The slice from `offset` on; `offset` may equal the length. */
static inline struct slice slice_from(struct slice s, size_t offset)
{
    ASSERT(offset <= s.len);
    /* NULL + 0 is undefined, and the empty slice may have no bytes. */
    return offset == 0 ? s : slice_of(s.ptr + offset, s.len - offset);
}

/* The first `len` bytes. */
static inline struct slice slice_first(struct slice s, size_t len)
{
    ASSERT(len <= s.len);
    return slice_of(s.ptr, len);
}

/* Offset of the first `byte`, or s.len where there is none. */
size_t slice_find(struct slice s, uint8_t byte);

/* Does `s` begin with the bytes of `prefix`? */
bool slice_has_prefix(struct slice s, struct slice prefix);

/* Bytewise order: negative, 0 or positive, a shorter prefix first. */
int slice_compare(struct slice a, struct slice b);

/*
 * slice_is_utf8 — whether the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong
 * forms, nothing above U+10FFFF).
 */
bool slice_is_utf8(struct slice s);
