/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_exphist — an exponential histogram kept for Prometheus: few buckets, only ever coarser.
 *
 * The scale never rises, and the buckets of a scale are those of the next finer one joined in
 * pairs; so the count below any `le` that is still shown never falls from one scrape to the next.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/prom_text.h"
#include "core/base/defs.h"
#include "core/otlp/proto/metrics.pb-c.h"
#include "exporters/exporter_bounds.h"

/* Buckets low … low + used - 1; both ends are in use. */
struct prom_exphist_side {
    int32_t low_index;
    uint32_t used; /* 0: empty */
    uint64_t counts[PROM_EXPHIST_BUCKETS_MAX];
};

/* Plain data: copied and zeroed freely. */
struct prom_exphist {
    int32_t scale;
    bool has_scale; /* false until the first point */
    bool has_sum;
    double sum;
    uint64_t zero_count;
    double zero_threshold;
    struct prom_exphist_side positive;
    struct prom_exphist_side negative;
};

/*
 * Adds a point. 0, or FAULT_MALFORMED for a scale or an index beyond what OTLP knows; then nothing
 * changed.
 */
WEIR_MUST_USE int prom_exphist_add(
    struct prom_exphist *hist,
    const struct Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint *point);

/* Forgets counts and sum, keeps the scale. */
void prom_exphist_clear(struct prom_exphist *hist);

/* Appends buckets, sum and count of a classic histogram. */
void prom_exphist_show(const struct prom_exphist *hist, struct bytes *out, enum prom_format format,
                       const struct prom_point *point);
