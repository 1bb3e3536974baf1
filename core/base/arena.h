/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena — memory that dies together: a bump allocator over a chain of chunks, with a cap.
 *
 * Serves one request, one part, or one loop turn. Nothing is freed alone; the whole is reset or
 * dropped. An arena may be moved by assignment, the memory it handed out stays where it is. One
 * thread at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

#define ARENA_ALIGNMENT_BYTES 16

struct arena_chunk;

struct arena {
    uint8_t *next;             /* first free byte of the current chunk */
    size_t room_bytes;         /* free from `next` on */
    size_t used_bytes;         /* handed out, rounded up to the alignment */
    size_t max_bytes;          /* setting: cap of used_bytes */
    size_t first_chunk_bytes;  /* setting */
    size_t chunk_bytes;        /* size of the chunk opened next; doubles */
    struct arena_chunk *first; /* owned; the one that survives a reset */
    struct arena_chunk *later; /* owned; the others, newest first */
};

/*
 * An arena with one chunk of `first_chunk_bytes` (> 0) that hands out at most `max_bytes`, each
 * allocation counted rounded up to 16. 0 or -ENOMEM, and then arena_fini is still fine.
 */
WEIR_MUST_USE int arena_init(struct arena *arena, size_t first_chunk_bytes, size_t max_bytes);

/* Frees everything and leaves zeros, which is an arena that refuses. Idempotent. */
void arena_fini(struct arena *arena);

/*
 * `bytes` of uninitialised memory aligned to 16, readable until reset or fini. NULL when the cap is
 * reached or memory is refused; never NULL otherwise, not for 0 bytes either.
 */
WEIR_MUST_USE void *arena_alloc(struct arena *arena, size_t bytes);

/* As arena_alloc for `count` elements; NULL too when the product overflows. */
WEIR_MUST_USE void *arena_alloc_array(struct arena *arena, size_t count, size_t element_bytes);

/*
 * A copy of `bytes` that lives in the arena. On refusal its ptr is NULL; a copy of the empty slice
 * has a pointer.
 */
WEIR_MUST_USE struct slice arena_copy(struct arena *arena, struct slice bytes);

/* Takes back all that was handed out. Keeps the first chunk and every setting. */
void arena_reset(struct arena *arena);

/* What was handed out since init or reset, each allocation rounded up to 16. */
size_t arena_used_bytes(const struct arena *arena);
