/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_scan_loop — the loop that all variants of statsd_scan share, private to them.
 *
 * It stands in a header because it has to be compiled once per instruction set: called through a
 * pointer, a block of 64 bytes costs more than looking at it. First all blocks of a chunk become
 * bit maps and a list of line ends, without a branch that depends on the bytes; then each line
 * finds its separators in the maps, independent of the line before. (Loading a block at each line's
 * start is simpler and takes 9 ns a line here instead of 6: every load waits for the line end
 * before it.)
 */
#pragma once

#include "codecs/statsd_scan.h"
#include "core/base/bounds.h"

#define STATSD_BLOCK_BYTES 64
#define STATSD_CHUNK_BLOCKS 32
#define STATSD_CHUNK_BYTES (STATSD_BLOCK_BYTES * STATSD_CHUNK_BLOCKS)

/* One bit per byte of a block; behind the end of the bytes only `odd` has any. */
struct statsd_masks {
    uint64_t colon;
    uint64_t pipe;
    uint64_t lf;
    uint64_t odd; /* below 0x20, LF included, or above 0x7E */
    uint64_t end; /* the bit behind the last byte, which ends a line; 0 where the block is full */
};

/* Looks at min(len, 64) bytes. */
typedef struct statsd_masks(statsd_block_fn)(const uint8_t *ptr, size_t len);

/* A chunk as bits; offsets count from its first byte. One word more, so that a window fits. */
struct statsd_chunk {
    uint64_t colon[STATSD_CHUNK_BLOCKS + 1];
    uint64_t pipe[STATSD_CHUNK_BLOCKS + 1];
    uint64_t odd[STATSD_CHUNK_BLOCKS + 1];
    uint32_t ends[STATSD_CHUNK_BYTES + 4]; /* of lines; four are written at a time */
    size_t end_count;
    bool has_odd; /* other than LF */
};

/* The 64 bits of `map` from bit `from` on. */
static inline uint64_t statsd_window(const uint64_t *map, size_t from)
{
    size_t word = from / 64;
    size_t shift = from % 64;
    return map[word] >> shift | map[word + 1] << 1 << (63 - shift);
}

/* The first set bit of `map` in [from, limit), or `limit`. */
static inline size_t statsd_next_bit(const uint64_t *map, size_t from, size_t limit)
{
    while (from < limit) {
        uint64_t window = statsd_window(map, from);
        if (window != 0) {
            size_t found = from + (size_t)__builtin_ctzll(window);
            return found < limit ? found : limit;
        }
        from += 64;
    }
    return limit;
}

/* Offset of the lowest bit of `bits`, anything if there is none. */
static inline uint32_t statsd_lowest(uint64_t bits, size_t at)
{
    return (uint32_t)at + (uint32_t)__builtin_ctzll(bits | UINT64_C(1) << 63);
}

/* Writes the offsets of the bits of `lf`, a block that begins at `at`; returns how many. */
static inline size_t statsd_ends_write(uint32_t *ends, uint64_t lf, size_t at)
{
    size_t count = (size_t)__builtin_popcountll(lf);
    /* Four, used or not: a branch on the count would be mispredicted every other block. */
    ends[0] = statsd_lowest(lf, at);
    lf &= lf - 1;
    ends[1] = statsd_lowest(lf, at);
    lf &= lf - 1;
    ends[2] = statsd_lowest(lf, at);
    lf &= lf - 1;
    ends[3] = statsd_lowest(lf, at);
    for (size_t i = 4; WEIR_UNLIKELY(i < count); i++) {
        lf &= lf - 1;
        ends[i] = statsd_lowest(lf, at);
    }
    return count;
}

/* Fills *chunk from the start of `ptr`, as far as both reach. */
static inline __attribute__((always_inline)) void statsd_chunk_fill(statsd_block_fn *block,
                                                                    const uint8_t *ptr, size_t len,
                                                                    struct statsd_chunk *chunk)
{
    size_t end_count = 0;
    uint64_t odd = 0;
    size_t i = 0;
    for (; i < STATSD_CHUNK_BLOCKS && i * STATSD_BLOCK_BYTES <= len; i++) {
        size_t at = i * STATSD_BLOCK_BYTES;
        struct statsd_masks masks = block(ptr + at, len - at);
        chunk->colon[i] = masks.colon;
        chunk->pipe[i] = masks.pipe;
        chunk->odd[i] = masks.odd;
        odd |= masks.odd & ~masks.lf & (masks.end - 1); /* all bits where there is no end */
        end_count += statsd_ends_write(chunk->ends + end_count, masks.lf | masks.end, at);
    }
    chunk->colon[i] = 0;
    chunk->pipe[i] = 0;
    chunk->odd[i] = 0;
    chunk->end_count = end_count;
    chunk->has_odd = odd != 0;
}

/* The line from `first` to `limit` of the chunk; `base` is where the chunk begins. */
static inline void statsd_span_fill(const struct statsd_chunk *chunk, size_t first, size_t limit,
                                    size_t base, struct statsd_span *span)
{
    span->start = (uint32_t)(base + first);
    span->limit = (uint32_t)(base + limit);
    if (WEIR_UNLIKELY(limit - first >= 64)) {
        span->colon = (uint32_t)(base + statsd_next_bit(chunk->colon, first, limit));
        size_t pipe = first;
        for (size_t i = 0; i < STATSD_SPAN_PIPE_COUNT; i++) {
            pipe = statsd_next_bit(chunk->pipe, pipe, limit);
            span->pipe[i] = (uint32_t)(base + pipe);
            pipe++;
        }
        span->is_odd = chunk->has_odd && statsd_next_bit(chunk->odd, first, limit) < limit;
        return;
    }
    /* The end of the line stands in for what the line does not have. */
    uint64_t end = UINT64_C(1) << (limit - first);
    uint64_t colon = (statsd_window(chunk->colon, first) & (end - 1)) | end;
    uint64_t pipe = (statsd_window(chunk->pipe, first) & (end - 1)) | end;
    uint32_t start = span->start;
    span->colon = start + (uint32_t)__builtin_ctzll(colon);
    span->pipe[0] = start + (uint32_t)__builtin_ctzll(pipe);
    pipe = (pipe & (pipe - 1)) | end;
    span->pipe[1] = start + (uint32_t)__builtin_ctzll(pipe);
    pipe = (pipe & (pipe - 1)) | end;
    span->pipe[2] = start + (uint32_t)__builtin_ctzll(pipe);
    span->is_odd = 0;
    if (WEIR_UNLIKELY(chunk->has_odd)) {
        span->is_odd = (statsd_window(chunk->odd, first) & (end - 1)) != 0;
    }
}
_Static_assert(STATSD_SPAN_PIPE_COUNT == 3, "the pipes are written out above");

/* Offset of the first `byte` in [from, limit), or `limit`. */
static inline uint32_t statsd_byte_find(const uint8_t *ptr, size_t from, size_t limit, uint8_t byte)
{
    while (from < limit && ptr[from] != byte) {
        from++;
    }
    return (uint32_t)(from < limit ? from : limit);
}

/* A line longer than a chunk. It is looked at again byte by byte, so it may be taken as odd. */
static inline size_t statsd_scan_long(const uint8_t *ptr, size_t len, size_t offset,
                                      struct statsd_span *span)
{
    size_t limit = statsd_byte_find(ptr, offset, len, '\n');
    span->start = (uint32_t)offset;
    span->limit = (uint32_t)limit;
    span->colon = statsd_byte_find(ptr, offset, limit, ':');
    size_t pipe = offset;
    for (size_t i = 0; i < STATSD_SPAN_PIPE_COUNT; i++) {
        span->pipe[i] = statsd_byte_find(ptr, pipe, limit, '|');
        pipe = (size_t)span->pipe[i] + 1;
    }
    span->is_odd = 1;
    return limit < len ? limit + 1 : len;
}

/* statsd_scan_fn with the block function in front; inlined so that `block` is known. */
static inline __attribute__((always_inline)) size_t
statsd_scan_lines(statsd_block_fn *block, const uint8_t *ptr, size_t len, size_t offset,
                  struct statsd_span *spans, size_t *span_count)
{
    ASSERT(len <= UINT32_MAX);
    ASSERT(offset < len);
    struct statsd_chunk chunk;
    statsd_chunk_fill(block, ptr + offset, len - offset, &chunk);
    if (WEIR_UNLIKELY(chunk.end_count == 0)) {
        *span_count = 1;
        return statsd_scan_long(ptr, len, offset, spans);
    }
    size_t count = 0;
    size_t first = 0;
    for (size_t i = 0; i < chunk.end_count && count < STATSD_SPAN_BURST_MAX; i++) {
        size_t limit = chunk.ends[i];
        statsd_span_fill(&chunk, first, limit, offset, &spans[count]);
        count += limit != first; /* an empty line is written over by the next one */
        first = limit + 1;
    }
    *span_count = count;
    return first < len - offset ? offset + first : len;
}
