/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes — one owned buffer that grows up to a cap: where encoders and compressors leave their
 * output.
 *
 * Errors stick: after the first append that finds no room or no memory, `err` says why and further
 * appends do nothing, so an encoder writes everything and asks once. One thread at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

struct bytes {
    uint8_t *ptr; /* owned; NULL while nothing was reserved */
    size_t len;
    size_t capacity_bytes;
    size_t max_bytes; /* setting: capacity never grows beyond it */
    int err;          /* 0, FAULT_LIMIT or -ENOMEM; sticks until bytes_clear */
};

/* An empty buffer that will hold at most `max_bytes`; nothing is allocated yet. */
void bytes_init(struct bytes *bytes, size_t max_bytes);

/* Frees and leaves zeros. Idempotent. */
void bytes_fini(struct bytes *bytes);

/* Forgets content and error; keeps memory and the cap. */
void bytes_clear(struct bytes *bytes);

/* Room for `more` bytes behind bytes->len. 0, FAULT_LIMIT or -ENOMEM; what was there is unchanged.
 */
WEIR_MUST_USE int bytes_reserve(struct bytes *bytes, size_t more);

/* The same, but takes no more memory than that; for callers who know how much is to come. */
WEIR_MUST_USE int bytes_reserve_exact(struct bytes *bytes, size_t more);

/*
 * bytes_take — moves the memory out, to be mem_free'd by the caller, as a part's memory is.
 *
 *   content   what was in it, inside the memory returned
 *
 * Unused memory beyond an eighth is given back first. Leaves an empty buffer with the same cap.
 * Returns NULL where nothing was ever reserved; content is empty then.
 */
WEIR_MUST_USE void *bytes_take(struct bytes *bytes, struct slice *content);

void bytes_append(struct bytes *bytes, const void *ptr, size_t len);
void bytes_append_byte(struct bytes *bytes, uint8_t byte);

/* What is in it; borrows until the next append. */
static inline struct slice bytes_slice(const struct bytes *bytes)
{
    return slice_of(bytes->ptr, bytes->len);
}
