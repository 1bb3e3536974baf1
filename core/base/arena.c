/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena — chunks, and a pointer that moves through the newest of them.
 *
 * A request that fills more than half of the next chunk gets a chunk to itself, and the current one
 * stays in use: so no tail larger than half a chunk is ever wasted. Free bytes are poisoned for the
 * address sanitizer, and filled with a pattern where slow asserts are on.
 */
#include "core/base/arena.h"

#include <errno.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/mem.h"

struct arena_chunk {
    struct arena_chunk *older;
    size_t room_bytes; /* behind this header */
};
_Static_assert(sizeof(struct arena_chunk) % ARENA_ALIGNMENT_BYTES == 0, "memory behind is aligned");

/* What uninitialised memory looks like in a debugger. */
#define ARENA_FILL_BYTE 0xA5

#if defined(WEIR_SLOW_ASSERTS)
static void arena_fill(uint8_t *ptr, size_t bytes)
{
    memset(ptr, ARENA_FILL_BYTE, bytes);
}
#else
static void arena_fill(uint8_t *ptr, size_t bytes)
{
    (void)ptr;
    (void)bytes;
}
#endif

static uint8_t *chunk_room(struct arena_chunk *chunk)
{
    return (uint8_t *)(chunk + 1);
}

/* A chunk with exactly `room_bytes`, poisoned; NULL when refused. */
static struct arena_chunk *chunk_new(size_t room_bytes)
{
    if (room_bytes > SIZE_MAX - sizeof(struct arena_chunk)) {
        return NULL;
    }
    /* mem_resize and not mem_alloc: an arena promises no zeros, so none are paid for. */
    struct arena_chunk *chunk = mem_resize(NULL, sizeof(*chunk) + room_bytes);
    if (chunk == NULL) {
        return NULL;
    }
    ASSERT((uintptr_t)chunk % ARENA_ALIGNMENT_BYTES == 0);
    *chunk = (struct arena_chunk){.room_bytes = room_bytes};
    WEIR_POISON(chunk_room(chunk), room_bytes);
    return chunk;
}

static void chunk_free(struct arena_chunk *chunk)
{
    WEIR_UNPOISON(chunk_room(chunk), chunk->room_bytes);
    mem_free(chunk);
}

/* Rounds up; the caller knows that it does not overflow. */
static size_t round_up(size_t bytes)
{
    return (bytes + ARENA_ALIGNMENT_BYTES - 1) & ~(size_t)(ARENA_ALIGNMENT_BYTES - 1);
}

/* The state of an arena that has handed out nothing. */
static void arena_rewind(struct arena *arena)
{
    arena->next = chunk_room(arena->first);
    arena->room_bytes = arena->first->room_bytes;
    arena->used_bytes = 0;
    arena->chunk_bytes = arena->first_chunk_bytes;
    ASSERT(arena->later == NULL);
}

int arena_init(struct arena *arena, size_t first_chunk_bytes, size_t max_bytes)
{
    ASSERT(first_chunk_bytes > 0);
    *arena = (struct arena){.max_bytes = max_bytes};
    if (first_chunk_bytes > SIZE_MAX / 2) {
        return -ENOMEM;
    }
    arena->first_chunk_bytes = round_up(first_chunk_bytes);
    arena->first = chunk_new(arena->first_chunk_bytes);
    if (arena->first == NULL) {
        arena_fini(arena);
        return -ENOMEM;
    }
    arena_rewind(arena);
    return 0;
}

static void arena_free_later(struct arena *arena)
{
    while (arena->later != NULL) {
        struct arena_chunk *older = arena->later->older;
        chunk_free(arena->later);
        arena->later = older;
    }
}

void arena_fini(struct arena *arena)
{
    arena_free_later(arena);
    if (arena->first != NULL) {
        chunk_free(arena->first);
    }
    *arena = (struct arena){0};
}

/* Adds a chunk; NULL when memory is refused. */
static struct arena_chunk *arena_add_chunk(struct arena *arena, size_t room_bytes)
{
    struct arena_chunk *chunk = chunk_new(room_bytes);
    if (chunk != NULL) {
        chunk->older = arena->later;
        arena->later = chunk;
    }
    return chunk;
}

/* Memory for a request that the current chunk cannot serve; `bytes` is rounded and within the cap.
 */
static uint8_t *arena_alloc_beyond(struct arena *arena, size_t bytes)
{
    size_t chunk_bytes = arena->chunk_bytes;
    if (chunk_bytes < ARENA_CHUNK_MAX_BYTES) {
        chunk_bytes *= 2;
    }
    if (bytes > chunk_bytes / 2) {
        struct arena_chunk *own = arena_add_chunk(arena, bytes);
        return own == NULL ? NULL : chunk_room(own);
    }
    struct arena_chunk *chunk = arena_add_chunk(arena, chunk_bytes);
    if (chunk == NULL) {
        return NULL;
    }
    arena->chunk_bytes = chunk_bytes;
    arena->next = chunk_room(chunk) + bytes;
    arena->room_bytes = chunk_bytes - bytes;
    return chunk_room(chunk);
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    ASSERT(arena->used_bytes <= arena->max_bytes);
    size_t wanted_bytes = bytes == 0 ? 1 : bytes;
    /* Two steps, because rounding up a size near SIZE_MAX would wrap. */
    size_t left_bytes = arena->max_bytes - arena->used_bytes;
    if (wanted_bytes > left_bytes || round_up(wanted_bytes) > left_bytes) {
        return NULL;
    }
    wanted_bytes = round_up(wanted_bytes);

    uint8_t *ptr = arena->next;
    if (wanted_bytes <= arena->room_bytes) {
        arena->next += wanted_bytes;
        arena->room_bytes -= wanted_bytes;
    } else {
        ptr = arena_alloc_beyond(arena, wanted_bytes);
        if (ptr == NULL) {
            return NULL;
        }
    }
    arena->used_bytes += wanted_bytes;
    WEIR_UNPOISON(ptr, bytes);
    arena_fill(ptr, bytes);
    return ptr;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t element_bytes)
{
    ASSERT(element_bytes > 0);
    if (count > SIZE_MAX / element_bytes) {
        return NULL;
    }
    return arena_alloc(arena, count * element_bytes);
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
    uint8_t *copy = arena_alloc(arena, bytes.len);
    if (copy == NULL) {
        return (struct slice){0};
    }
    if (bytes.len > 0) {
        memcpy(copy, bytes.ptr, bytes.len);
    }
    return slice_of(copy, bytes.len);
}

void arena_reset(struct arena *arena)
{
    if (arena->first == NULL) {
        return;
    }
    arena_free_later(arena);
    arena_rewind(arena);
    WEIR_POISON(arena->next, arena->room_bytes);
}

size_t arena_used_bytes(const struct arena *arena)
{
    return arena->used_bytes;
}
