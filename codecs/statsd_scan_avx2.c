/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_scan_avx2 — the variant for x86-64 with AVX2: a block is two registers. The last block is
 * looked at in a padded copy.
 */
#include <immintrin.h>
#include <string.h>

#include "codecs/statsd_scan_loop.h"

/* One bit per byte of both halves. */
static inline uint64_t bits_of(__m256i low, __m256i high)
{
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(low) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

static inline uint64_t bytes_equal(__m256i low, __m256i high, char byte)
{
    __m256i pattern = _mm256_set1_epi8(byte);
    return bits_of(_mm256_cmpeq_epi8(low, pattern), _mm256_cmpeq_epi8(high, pattern));
}

/* Below 0x20 or above 0x7E. As signed numbers, all bytes above 0x7F are below 0x20 too. */
static inline __m256i odd_bytes(__m256i bytes)
{
    return _mm256_or_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), bytes),
                           _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7F)));
}

static inline struct statsd_masks avx2_block(const uint8_t *ptr, size_t len)
{
    uint8_t padded[STATSD_BLOCK_BYTES];
    uint64_t end = 0;
    if (WEIR_UNLIKELY(len < STATSD_BLOCK_BYTES)) {
        memset(padded, 0, sizeof(padded));
        if (len != 0) {
            memcpy(padded, ptr, len);
        }
        ptr = padded;
        end = UINT64_C(1) << len;
    }
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)ptr);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(ptr + 32));
    return (struct statsd_masks){
        .colon = bytes_equal(low, high, ':'),
        .pipe = bytes_equal(low, high, '|'),
        .lf = bytes_equal(low, high, '\n'),
        .odd = bits_of(odd_bytes(low), odd_bytes(high)),
        .end = end,
    };
}

size_t statsd_scan_avx2(const uint8_t *ptr, size_t len, size_t offset, struct statsd_span *spans,
                        size_t *span_count)
{
    return statsd_scan_lines(avx2_block, ptr, len, offset, spans, span_count);
}
