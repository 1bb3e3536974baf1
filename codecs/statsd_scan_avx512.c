/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_scan_avx512 — the variant for x86-64 with AVX-512BW: a block is one register, and a masked
 * load reads no byte behind the end.
 */
#include <immintrin.h>

#include "codecs/statsd_scan_loop.h"

static inline struct statsd_masks avx512_block(const uint8_t *ptr, size_t len)
{
    __m512i bytes;
    uint64_t end = 0;
    if (WEIR_LIKELY(len >= STATSD_BLOCK_BYTES)) {
        bytes = _mm512_loadu_si512(ptr);
    } else {
        end = UINT64_C(1) << len;
        bytes = _mm512_maskz_loadu_epi8(end - 1, ptr);
    }
    /* 0x20 to 0x7E become 0 to 0x5E, everything else more. */
    __m512i shifted = _mm512_sub_epi8(bytes, _mm512_set1_epi8(0x20));
    return (struct statsd_masks){
        .colon = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(':')),
        .pipe = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('|')),
        .lf = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\n')),
        .odd = _mm512_cmpgt_epu8_mask(shifted, _mm512_set1_epi8(0x5E)),
        .end = end,
    };
}

size_t statsd_scan_avx512(const uint8_t *ptr, size_t len, size_t offset, struct statsd_span *spans,
                          size_t *span_count)
{
    return statsd_scan_lines(avx512_block, ptr, len, offset, spans, span_count);
}
