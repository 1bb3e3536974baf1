/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_scan_scalar — the variant for any processor: eight bytes at a time in a 64-bit register.
 */
#include <endian.h>
#include <string.h>

#include "codecs/statsd_scan_loop.h"

#define EVERY_BYTE UINT64_C(0x0101010101010101)
#define LOW_BITS UINT64_C(0x7F7F7F7F7F7F7F7F)
#define HIGH_BITS UINT64_C(0x8080808080808080)

/* Gathers the high bits of eight bytes into eight neighbouring bits, the first byte lowest. */
static inline uint64_t gather(uint64_t high_bits)
{
    return ((high_bits >> 7) * UINT64_C(0x0102040810204080)) >> 56;
}

/* High bits set where a byte equals `byte`; exact, no borrow runs from byte to byte. */
static inline uint64_t bytes_equal(uint64_t word, uint8_t byte)
{
    uint64_t different = word ^ (EVERY_BYTE * byte);
    return ~(((different & LOW_BITS) + LOW_BITS) | different) & HIGH_BITS;
}

/* High bits set where a byte is below 0x20 or above 0x7E. */
static inline uint64_t bytes_odd(uint64_t word)
{
    uint64_t low = word & LOW_BITS;
    uint64_t printable = low + EVERY_BYTE * (0x80 - 0x20);   /* high bit: at least 0x20 */
    uint64_t delete_sign = low + EVERY_BYTE * (0x80 - 0x7F); /* high bit: exactly 0x7F */
    return (word | ~printable | delete_sign) & HIGH_BITS;
}

static struct statsd_masks scalar_block(const uint8_t *ptr, size_t len)
{
    uint8_t padded[STATSD_BLOCK_BYTES] = {0};
    struct statsd_masks masks = {0};
    if (len < STATSD_BLOCK_BYTES) {
        if (len != 0) {
            memcpy(padded, ptr, len);
        }
        ptr = padded;
        masks.end = UINT64_C(1) << len;
    }
    for (size_t i = 0; i < STATSD_BLOCK_BYTES; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, ptr + i, sizeof(word));
        word = le64toh(word);
        masks.colon |= gather(bytes_equal(word, ':')) << i;
        masks.pipe |= gather(bytes_equal(word, '|')) << i;
        masks.lf |= gather(bytes_equal(word, '\n')) << i;
        masks.odd |= gather(bytes_odd(word)) << i;
    }
    return masks;
}

size_t statsd_scan_scalar(const uint8_t *ptr, size_t len, size_t offset, struct statsd_span *spans,
                          size_t *span_count)
{
    return statsd_scan_lines(scalar_block, ptr, len, offset, spans, span_count);
}
