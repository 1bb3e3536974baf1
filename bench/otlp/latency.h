/* SPDX-License-Identifier: Apache-2.0 */
/*
 * latency — a histogram of durations with buckets of equal relative width.
 *
 * Below 128 ns every nanosecond has a bucket; above, each power of two is cut into 64, so that a
 * quantile is at most 1/64 too high. What passes the last bucket is counted there; the maximum is
 * exact in any case.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LATENCY_SUB_BITS 6
#define LATENCY_MAX_BITS 42 /* 73 minutes */
#define LATENCY_BUCKET_COUNT (((LATENCY_MAX_BITS - LATENCY_SUB_BITS) + 1) << LATENCY_SUB_BITS)

/* Zeroed is empty. One thread. */
struct latency {
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[LATENCY_BUCKET_COUNT];
};

void latency_record(struct latency *latency, uint64_t ns);

/*
 * The upper edge of the bucket that holds the `quantile` (0 to 1) of all durations, but never more
 * than the maximum; 0 when empty.
 */
uint64_t latency_quantile_ns(const struct latency *latency, double quantile);

/* Where a duration is counted, and the largest one counted there; for tests. */
size_t latency_bucket_of(uint64_t ns);
uint64_t latency_bucket_edge_ns(size_t bucket_index);
