/* SPDX-License-Identifier: Apache-2.0 */
/*
 * latency — see latency.h. A bucket's index is the exponent above the linear part, followed by the
 * bits behind the leading one.
 */
#include "bench/otlp/latency.h"

#include <math.h>

#include "core/base/defs.h"

#define LINEAR_COUNT (UINT64_C(2) << LATENCY_SUB_BITS)

size_t latency_bucket_of(uint64_t ns)
{
    if (ns < LINEAR_COUNT) {
        return (size_t)ns;
    }
    const uint32_t shift = 63u - (uint32_t)__builtin_clzll(ns) - LATENCY_SUB_BITS;
    const uint64_t index = ((uint64_t)shift << LATENCY_SUB_BITS) + (ns >> shift);
    return index < LATENCY_BUCKET_COUNT ? (size_t)index : LATENCY_BUCKET_COUNT - 1;
}

uint64_t latency_bucket_edge_ns(size_t bucket_index)
{
    ASSERT(bucket_index < LATENCY_BUCKET_COUNT);
    if (bucket_index < LINEAR_COUNT) {
        return bucket_index;
    }
    const uint64_t shift = (bucket_index >> LATENCY_SUB_BITS) - 1;
    const uint64_t leading = bucket_index - (shift << LATENCY_SUB_BITS);
    return ((leading + 1) << shift) - 1;
}

void latency_record(struct latency *latency, uint64_t ns)
{
    latency->count++;
    latency->buckets[latency_bucket_of(ns)]++;
    if (ns > latency->max_ns) {
        latency->max_ns = ns;
    }
}

uint64_t latency_quantile_ns(const struct latency *latency, double quantile)
{
    ASSERT(quantile >= 0 && quantile <= 1);
    const double rank = ceil(quantile * (double)latency->count);
    uint64_t seen_count = 0;
    for (size_t i = 0; i < LATENCY_BUCKET_COUNT; i++) {
        seen_count += latency->buckets[i];
        if (latency->buckets[i] > 0 && (double)seen_count >= rank) {
            const uint64_t edge_ns = latency_bucket_edge_ns(i);
            const bool is_last = i == LATENCY_BUCKET_COUNT - 1;
            return is_last || edge_ns > latency->max_ns ? latency->max_ns : edge_ns;
        }
    }
    return 0;
}
