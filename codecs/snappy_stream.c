/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snappy_stream — whole bodies: gathered pieces into a block or a framed stream, and framed streams
 * back.
 *
 * Both ways of writing cut the input into the same fragments; a fragment that lies whole in one
 * piece is read where it is. Sources: google/snappy format_description.txt, framing_format.txt; RFC
 * 3720 for CRC-32C.
 */
#include <errno.h>
#include <isa-l/crc.h>
#include <string.h>

#include "codecs/snappy.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define CHUNK_COMPRESSED 0x00
#define CHUNK_PLAIN 0x01
#define CHUNK_SKIPPABLE_FIRST 0x80
#define CHUNK_HEAD_BYTES 4
#define CHECKSUM_BYTES 4
#define CHECKSUM_MASK UINT32_C(0xA282EAD8)
#define VARINT_MAX_BYTES 5

/* Chunk 0xFF, six bytes long: what each stream begins with, and may hold again. */
static const uint8_t STREAM_START[] = {0xFF, 6, 0, 0, 's', 'N', 'a', 'P', 'p', 'Y'};

bool snappy_is_framed(struct slice in)
{
    return slice_has_prefix(in, slice_of(STREAM_START, sizeof(STREAM_START)));
}

static uint32_t masked_checksum(struct slice bytes)
{
    /* ISA-L's parameter lacks a const; it only reads. */
    uint32_t crc = ~crc32_iscsi((unsigned char *)(uintptr_t)bytes.ptr, (int)bytes.len, UINT32_MAX);
    return (crc >> 15 | crc << 17) + CHECKSUM_MASK;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* One call's scratch. */
struct encoding {
    uint16_t table[SNAPPY_TABLE_ENTRIES];
    uint8_t gathered[SNAPPY_FRAGMENT_BYTES]; /* a fragment of several pieces */
    uint8_t head[CHUNK_HEAD_BYTES + CHECKSUM_BYTES + VARINT_MAX_BYTES];
    uint8_t packed[SNAPPY_FRAGMENT_MAX_BYTES];
};

/* Pieces not yet compressed. */
struct pieces {
    const struct iovec *iov;
    size_t count;
    size_t used_bytes; /* of the first */
};

/* The next fragment, in place or gathered; empty at the end. */
static struct slice next_fragment(struct pieces *pieces, uint8_t *gathered)
{
    size_t len = 0;
    while (pieces->count > 0 && len < SNAPPY_FRAGMENT_BYTES) {
        size_t left = pieces->iov->iov_len - pieces->used_bytes;
        const uint8_t *from =
            left == 0 ? NULL : (const uint8_t *)pieces->iov->iov_base + pieces->used_bytes;
        if (len == 0 && left >= SNAPPY_FRAGMENT_BYTES) {
            pieces->used_bytes += SNAPPY_FRAGMENT_BYTES;
            return slice_of(from, SNAPPY_FRAGMENT_BYTES);
        }
        size_t room = SNAPPY_FRAGMENT_BYTES - len;
        size_t taken = left < room ? left : room;
        if (taken > 0) {
            memcpy(gathered + len, from, taken);
        }
        len += taken;
        pieces->used_bytes += taken;
        if (taken == left) {
            pieces->iov++;
            pieces->count--;
            pieces->used_bytes = 0;
        }
    }
    return slice_of(gathered, len);
}

static size_t put_varint(uint8_t *out, uint32_t value)
{
    size_t len = 0;
    while (value >= 0x80) {
        out[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (uint8_t)value;
    return len;
}

static void put_le(uint8_t *out, uint32_t value, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static int append(struct bytes *out, const void *ptr, size_t len)
{
    int err = bytes_reserve(out, len);
    if (err == 0) {
        bytes_append(out, ptr, len);
    }
    return err;
}

static int append_block(struct encoding *e, struct pieces *pieces, struct bytes *out)
{
    uint64_t total = 0;
    for (size_t i = 0; i < pieces->count; i++) {
        total += pieces->iov[i].iov_len;
    }
    if (total > UINT32_MAX) {
        return FAULT_LIMIT;
    }
    int err = append(out, e->head, put_varint(e->head, (uint32_t)total));
    struct slice fragment = next_fragment(pieces, e->gathered);
    while (err == 0 && fragment.len > 0) {
        err = append(out, e->packed, snappy_fragment_encode(fragment, e->table, e->packed));
        fragment = next_fragment(pieces, e->gathered);
    }
    return err;
}

/* A chunk; plain where compressing would save less than an eighth. */
static int append_chunk(struct encoding *e, struct slice fragment, struct bytes *out)
{
    size_t head_len = CHUNK_HEAD_BYTES + CHECKSUM_BYTES;
    size_t len_bytes = put_varint(e->head + head_len, (uint32_t)fragment.len);
    struct slice body = slice_of(e->packed, snappy_fragment_encode(fragment, e->table, e->packed));
    bool is_plain = body.len + len_bytes >= fragment.len - fragment.len / 8;
    if (is_plain) {
        body = fragment;
        len_bytes = 0;
    }
    e->head[0] = is_plain ? CHUNK_PLAIN : CHUNK_COMPRESSED;
    put_le(e->head + 1, (uint32_t)(CHECKSUM_BYTES + len_bytes + body.len), 3);
    put_le(e->head + CHUNK_HEAD_BYTES, masked_checksum(fragment), CHECKSUM_BYTES);
    int err = append(out, e->head, head_len + len_bytes);
    return err != 0 ? err : append(out, body.ptr, body.len);
}

static int append_stream(struct encoding *e, struct pieces *pieces, struct bytes *out)
{
    int err = append(out, STREAM_START, sizeof(STREAM_START));
    struct slice fragment = next_fragment(pieces, e->gathered);
    while (err == 0 && fragment.len > 0) {
        err = append_chunk(e, fragment, out);
        fragment = next_fragment(pieces, e->gathered);
    }
    return err;
}

int snappy_block_encode_iov(const struct iovec *iov, size_t iov_count, struct bytes *out)
{
    struct encoding *e = mem_alloc(sizeof(*e));
    if (e == NULL) {
        return -ENOMEM;
    }
    struct pieces pieces = {.iov = iov, .count = iov_count};
    int err = append_block(e, &pieces, out);
    mem_free(e);
    return err;
}

int snappy_framed_encode_iov(const struct iovec *iov, size_t iov_count, struct bytes *out)
{
    struct encoding *e = mem_alloc(sizeof(*e));
    if (e == NULL) {
        return -ENOMEM;
    }
    struct pieces pieces = {.iov = iov, .count = iov_count};
    int err = append_stream(e, &pieces, out);
    mem_free(e);
    return err;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct chunk {
    uint8_t type;
    uint32_t checksum;
    struct slice body; /* behind the checksum, where there is one */
    size_t len;        /* what it holds, undone */
};

static uint32_t read_le(const uint8_t *p, size_t count)
{
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value |= (uint32_t)p[i] << (8 * i);
    }
    return value;
}

/* What `chunk` holds, by its type. */
static int measure_chunk(struct chunk *chunk)
{
    if (chunk->type > CHUNK_PLAIN) {
        bool is_start = chunk->type == STREAM_START[0];
        struct slice name =
            slice_of(STREAM_START + CHUNK_HEAD_BYTES, sizeof(STREAM_START) - CHUNK_HEAD_BYTES);
        bool is_fine =
            is_start ? slice_equal(chunk->body, name) : chunk->type >= CHUNK_SKIPPABLE_FIRST;
        return is_fine ? 0 : FAULT_MALFORMED;
    }
    if (chunk->body.len < CHECKSUM_BYTES) {
        return FAULT_MALFORMED;
    }
    chunk->checksum = read_le(chunk->body.ptr, CHECKSUM_BYTES);
    chunk->body = slice_from(chunk->body, CHECKSUM_BYTES);
    chunk->len = chunk->body.len;
    int err = chunk->type == CHUNK_PLAIN ? 0 : snappy_block_len(chunk->body, &chunk->len);
    return chunk->len > SNAPPY_FRAGMENT_BYTES ? FAULT_MALFORMED : err;
}

/* Takes the next chunk off `in`, which is not empty. */
static int take_chunk(struct slice *in, struct chunk *out)
{
    if (in->len < CHUNK_HEAD_BYTES) {
        return FAULT_MALFORMED;
    }
    size_t body_len = read_le(in->ptr + 1, 3);
    struct slice rest = slice_from(*in, CHUNK_HEAD_BYTES);
    if (body_len > rest.len) {
        return FAULT_MALFORMED;
    }
    *out = (struct chunk){.type = in->ptr[0], .body = slice_first(rest, body_len)};
    *in = slice_from(rest, body_len);
    return measure_chunk(out);
}

/* Undoes one chunk; there is room. */
static int decode_chunk(const struct chunk *chunk, struct bytes *out)
{
    if (chunk->type > CHUNK_PLAIN || (chunk->type == CHUNK_PLAIN && chunk->len == 0)) {
        return 0;
    }
    uint8_t empty = 0;
    uint8_t *target = chunk->len == 0 ? &empty : out->ptr + out->len;
    int err = 0;
    if (chunk->type == CHUNK_PLAIN) {
        memcpy(target, chunk->body.ptr, chunk->len);
    } else {
        err = snappy_block_decode(chunk->body, target, chunk->len);
    }
    if (err == 0 && masked_checksum(slice_of(target, chunk->len)) != chunk->checksum) {
        err = FAULT_MALFORMED;
    }
    out->len += chunk->len;
    return err;
}

int snappy_framed_decode(struct slice in, struct bytes *out)
{
    if (!snappy_is_framed(in)) {
        return FAULT_MALFORMED;
    }
    struct chunk chunk;
    size_t total = 0;
    struct slice rest = in;
    while (rest.len > 0) {
        int err = take_chunk(&rest, &chunk);
        if (err != 0) {
            return err;
        }
        total += chunk.len;
    }
    int err = bytes_reserve_exact(out, total);
    while (err == 0 && in.len > 0) {
        err = take_chunk(&in, &chunk);
        if (err == 0) {
            err = decode_chunk(&chunk, out);
        }
    }
    return err;
}
