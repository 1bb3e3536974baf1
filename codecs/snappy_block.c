/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snappy_block — literals and copies: one block undone, one fragment made.
 *
 * Finding copies is greedy, with one candidate per hash of four bytes; where nothing matches for
 * long, steps grow, so that what cannot be compressed costs little. Source: google/snappy
 * format_description.txt.
 */
#include <endian.h>
#include <string.h>

#include "codecs/snappy.h"
#include "core/base/fault.h"

/* The densest element: three bytes for a copy of 64. */
#define COPY_MAX_BYTES 64
#define COPY_ELEMENT_BYTES 3
#define LENGTH_VARINT_MAX_BYTES 5
/* Literals from here on say their length in bytes of their own. */
#define LITERAL_INLINE_MAX 60
#define SHORT_COPY_MIN 4
#define SHORT_COPY_MAX 11
#define SHORT_OFFSET_LIMIT 2048
/* Copied at once where source and target have the room. */
#define STRIDE_BYTES 16
#define HASH_BITS 14
/* The last bytes of a fragment are literals, so that loads stay inside. */
#define MARGIN_BYTES 15
/* After 32 misses every second byte is tried, after 64 every third, and so on. */
#define MISS_SHIFT 5

_Static_assert(1 << HASH_BITS == SNAPPY_TABLE_ENTRIES, "a hash is an index");
_Static_assert(SNAPPY_FRAGMENT_BYTES - 1 <= UINT16_MAX, "a position fits the table");

enum element {
    ELEMENT_LITERAL,
    ELEMENT_COPY_1, /* offsets of 11, 16 and 32 bits */
    ELEMENT_COPY_2,
    ELEMENT_COPY_4,
};

/* --- decoding --------------------------------------------------------------------------------- */

/* The varint a block begins with; 0 bytes long where there is none. */
static size_t read_length(struct slice block, uint64_t *len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < block.len && i < LENGTH_VARINT_MAX_BYTES; i++) {
        value |= (uint64_t)(block.ptr[i] & 0x7F) << (7 * i);
        if (block.ptr[i] < 0x80) {
            *len = value;
            return i + 1;
        }
    }
    return 0;
}

int snappy_block_len(struct slice block, size_t *len)
{
    uint64_t claimed = 0;
    size_t head = read_length(block, &claimed);
    size_t body = block.len - head;
    if (head == 0 || claimed > UINT32_MAX ||
        claimed / COPY_MAX_BYTES > body / COPY_ELEMENT_BYTES + 1) {
        return FAULT_MALFORMED;
    }
    *len = (size_t)claimed;
    return 0;
}

struct decoding {
    const uint8_t *in;
    const uint8_t *in_end;
    uint8_t *first; /* of the output */
    uint8_t *out;
    uint8_t *out_end;
};

/* `count` bytes, little-endian; the caller knows they are there. */
static uint32_t read_le(const uint8_t *p, size_t count)
{
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value |= (uint32_t)p[i] << (8 * i);
    }
    return value;
}

static bool take_literal(struct decoding *d, uint8_t tag)
{
    size_t len = (size_t)(tag >> 2) + 1;
    size_t in_left = (size_t)(d->in_end - d->in);
    size_t out_left = (size_t)(d->out_end - d->out);
    if (len <= STRIDE_BYTES && in_left >= STRIDE_BYTES && out_left >= STRIDE_BYTES) {
        memcpy(d->out, d->in, STRIDE_BYTES);
        d->in += len;
        d->out += len;
        return true;
    }
    if (len > LITERAL_INLINE_MAX) {
        size_t count = len - LITERAL_INLINE_MAX;
        if (in_left < count) {
            return false;
        }
        len = (size_t)read_le(d->in, count) + 1;
        d->in += count;
        in_left -= count;
    }
    if (len > in_left || len > out_left) {
        return false;
    }
    memcpy(d->out, d->in, len);
    d->in += len;
    d->out += len;
    return true;
}

/* Repeats what stands `offset` bytes back; the two may overlap, and then it is a pattern. */
static bool copy_back(struct decoding *d, size_t offset, size_t len)
{
    size_t out_left = (size_t)(d->out_end - d->out);
    if (offset == 0 || offset > (size_t)(d->out - d->first) || len > out_left) {
        return false;
    }
    const uint8_t *from = d->out - offset;
    if (offset >= STRIDE_BYTES && out_left >= COPY_MAX_BYTES) {
        for (size_t i = 0; i < len; i += STRIDE_BYTES) {
            memcpy(d->out + i, from + i, STRIDE_BYTES);
        }
    } else {
        for (size_t i = 0; i < len; i++) {
            d->out[i] = from[i];
        }
    }
    d->out += len;
    return true;
}

static bool take_copy(struct decoding *d, uint8_t tag)
{
    static const uint8_t offset_bytes[] = {
        [ELEMENT_LITERAL] = 0, [ELEMENT_COPY_1] = 1, [ELEMENT_COPY_2] = 2, [ELEMENT_COPY_4] = 4};
    size_t count = offset_bytes[tag & 3];
    if ((size_t)(d->in_end - d->in) < count) {
        return false;
    }
    size_t offset = read_le(d->in, count);
    d->in += count;
    if ((tag & 3) == ELEMENT_COPY_1) {
        offset |= (size_t)(tag >> 5) << 8;
        return copy_back(d, offset, (size_t)(tag >> 2 & 7) + SHORT_COPY_MIN);
    }
    return copy_back(d, offset, (size_t)(tag >> 2) + 1);
}

int snappy_block_decode(struct slice block, uint8_t *out, size_t len)
{
    uint64_t claimed = 0;
    struct slice body = slice_from(block, read_length(block, &claimed));
    ASSERT(claimed == len);
    if (len == 0) {
        return body.len == 0 ? 0 : FAULT_MALFORMED;
    }
    struct decoding d = {.in = body.ptr, .in_end = body.ptr + body.len, .first = out, .out = out};
    d.out_end = out + len;
    while (d.in != d.in_end) {
        uint8_t tag = *d.in++;
        bool is_good = (tag & 3) == ELEMENT_LITERAL ? take_literal(&d, tag) : take_copy(&d, tag);
        if (!is_good) {
            return FAULT_MALFORMED;
        }
    }
    return d.out == d.out_end ? 0 : FAULT_MALFORMED;
}

/* --- encoding --------------------------------------------------------------------------------- */

static uint8_t *put_literal(uint8_t *out, const uint8_t *from, size_t len)
{
    if (len == 0) {
        return out;
    }
    size_t n = len - 1;
    if (n < LITERAL_INLINE_MAX) {
        *out++ = (uint8_t)(n << 2);
    } else if (n < 256) {
        *out++ = LITERAL_INLINE_MAX << 2;
        *out++ = (uint8_t)n;
    } else {
        *out++ = (LITERAL_INLINE_MAX + 1) << 2;
        *out++ = (uint8_t)n;
        *out++ = (uint8_t)(n >> 8);
    }
    memcpy(out, from, len);
    return out + len;
}

static uint8_t *put_long_copy(uint8_t *out, size_t offset, size_t len)
{
    *out++ = (uint8_t)((len - 1) << 2 | ELEMENT_COPY_2);
    *out++ = (uint8_t)offset;
    *out++ = (uint8_t)(offset >> 8);
    return out;
}

static uint8_t *put_copy(uint8_t *out, size_t offset, size_t len)
{
    while (len >= COPY_MAX_BYTES + SHORT_COPY_MIN) {
        out = put_long_copy(out, offset, COPY_MAX_BYTES);
        len -= COPY_MAX_BYTES;
    }
    if (len > COPY_MAX_BYTES) { /* what remains must be a copy of its own */
        out = put_long_copy(out, offset, COPY_MAX_BYTES - SHORT_COPY_MIN);
        len -= COPY_MAX_BYTES - SHORT_COPY_MIN;
    }
    if (len > SHORT_COPY_MAX || offset >= SHORT_OFFSET_LIMIT) {
        return put_long_copy(out, offset, len);
    }
    *out++ = (uint8_t)(offset >> 8 << 5 | (len - SHORT_COPY_MIN) << 2 | ELEMENT_COPY_1);
    *out++ = (uint8_t)offset;
    return out;
}

static uint32_t load_u32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof(value));
    return value;
}

static uint64_t load_u64_le(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof(value));
    return le64toh(value);
}

static uint32_t hash_of(uint32_t four_bytes)
{
    return four_bytes * UINT32_C(0x9E3779B1) >> (32 - HASH_BITS);
}

/* How many bytes from `a` and from `b` (behind it) on are alike, up to `end`. */
static size_t match_len(const uint8_t *a, const uint8_t *b, const uint8_t *end)
{
    const uint8_t *first = b;
    while ((size_t)(end - b) >= sizeof(uint64_t)) {
        uint64_t differs = load_u64_le(a) ^ load_u64_le(b);
        if (differs != 0) {
            return (size_t)(b - first) + ((size_t)__builtin_ctzll(differs) >> 3);
        }
        a += sizeof(uint64_t);
        b += sizeof(uint64_t);
    }
    while (b != end && *a == *b) {
        a++;
        b++;
    }
    return (size_t)(b - first);
}

size_t snappy_fragment_encode(struct slice in, uint16_t *table, uint8_t *out)
{
    ASSERT(in.len <= SNAPPY_FRAGMENT_BYTES);
    uint8_t *out_first = out;
    size_t literal_first = 0;
    size_t pos = 1;
    uint32_t misses = 1 << MISS_SHIFT;
    memset(table, 0, SNAPPY_TABLE_ENTRIES * sizeof(*table));
    while (pos + MARGIN_BYTES < in.len) {
        uint32_t here = load_u32(in.ptr + pos);
        uint16_t *slot = &table[hash_of(here)];
        size_t candidate = *slot;
        *slot = (uint16_t)pos;
        if (load_u32(in.ptr + candidate) != here) {
            pos += misses >> MISS_SHIFT;
            misses++;
            continue;
        }
        size_t len = match_len(in.ptr + candidate, in.ptr + pos, in.ptr + in.len);
        out = put_literal(out, in.ptr + literal_first, pos - literal_first);
        out = put_copy(out, pos - candidate, len);
        pos += len;
        literal_first = pos;
        misses = 1 << MISS_SHIFT;
        if (pos + MARGIN_BYTES < in.len) {
            table[hash_of(load_u32(in.ptr + pos - 1))] = (uint16_t)(pos - 1);
        }
    }
    out = put_literal(out, in.ptr + literal_first, in.len - literal_first);
    ASSERT((size_t)(out - out_first) <= SNAPPY_FRAGMENT_MAX_BYTES);
    return (size_t)(out - out_first);
}
