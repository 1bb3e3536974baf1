/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_scan — finds lines and their separators: the tokeniser under statsd_line.
 *
 * One variant per instruction set, each a whole file, all giving the same spans. A variant never
 * reads past the bytes it was given: masked loads with AVX-512, a padded copy of the tail
 * elsewhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"

#define STATSD_SPAN_PIPE_COUNT 3

/* One line that is not empty; offsets into the bytes that were scanned. */
struct statsd_span {
    uint32_t start;
    uint32_t limit;                        /* of its LF, or the end of the bytes */
    uint32_t colon;                        /* of the first ':', or `limit` */
    uint32_t pipe[STATSD_SPAN_PIPE_COUNT]; /* of the first '|'s, or `limit` each */
    uint32_t is_odd; /* not 0: may hold a byte below 0x20 or above 0x7E, such as CR or UTF-8 */
};

/*
 * Scans lines from `offset` on until STATSD_SPAN_BURST_MAX are found or the bytes end.
 *
 *   ptr, len     borrowed; offset < len ≤ UINT32_MAX
 *   spans        room for STATSD_SPAN_BURST_MAX; the first *span_count are filled
 *
 * Returns the offset to go on from; `len` when all was scanned.
 */
typedef size_t(statsd_scan_fn)(const uint8_t *ptr, size_t len, size_t offset,
                               struct statsd_span *spans, size_t *span_count);

/* A variant; static. */
struct statsd_scan {
    const char *name;
    statsd_scan_fn *lines;
};

/* The variants this machine can run, fastest first; NULL past the last. */
const struct statsd_scan *statsd_scan_at(size_t index);

size_t statsd_scan_scalar(const uint8_t *ptr, size_t len, size_t offset, struct statsd_span *spans,
                          size_t *span_count);
/* Only where the processor has AVX2, BMI1 and BMI2. x86-64 only. */
size_t statsd_scan_avx2(const uint8_t *ptr, size_t len, size_t offset, struct statsd_span *spans,
                        size_t *span_count);
/* Only where the processor has AVX-512BW, BMI1 and BMI2. x86-64 only. */
size_t statsd_scan_avx512(const uint8_t *ptr, size_t len, size_t offset, struct statsd_span *spans,
                          size_t *span_count);
