/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_point — data points and metrics, as the merge writes them when a window is over.
 *
 * Points of one metric are written first, last one first, then the metric around them; see
 * otlp_build.h for the whole pattern. Source: opentelemetry.proto.metrics.v1.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/otlp/otlp_build.h"

enum otlp_temporality {
    OTLP_TEMPORALITY_DELTA = 1,
    OTLP_TEMPORALITY_CUMULATIVE = 2,
};

/* What a metric holds; the value is its field number. */
enum otlp_data {
    OTLP_DATA_GAUGE = 5,
    OTLP_DATA_SUM = 7,
    OTLP_DATA_HISTOGRAM = 9,
    OTLP_DATA_EXPHIST = 10,
    OTLP_DATA_SUMMARY = 11,
};

/* What all kinds of points have. Borrows its attributes. */
struct otlp_point {
    uint64_t start_unix_ns; /* 0 = unknown, left out */
    uint64_t time_unix_ns;
    const struct attr *attrs; /* a bare tag gets the empty string */
    size_t attr_count;
};

/* An integer where is_integer, else a double. */
struct otlp_number {
    union {
        double f64;
        int64_t i64;
    };
    bool is_integer;
};

struct otlp_histogram {
    uint64_t count;
    double sum;
    double min;
    double max;
    bool has_sum;    /* sum is to be left out for negative observations */
    bool has_minmax; /* false for an empty histogram */
    const double *bounds;
    size_t bound_count;
    const uint64_t *counts; /* bound_count + 1 of them, or NULL for none where bound_count is 0 */
};

/* Dense buckets; an empty side has count 0 and is left out. */
struct otlp_buckets {
    int32_t offset;
    uint32_t count;
    const uint64_t *counts;
};

struct otlp_exphist {
    uint64_t count;
    double sum;
    double min;
    double max;
    bool has_sum;
    bool has_minmax;
    int32_t scale;
    uint64_t zero_count;
    double zero_threshold; /* 0 is left out */
    struct otlp_buckets positive;
    struct otlp_buckets negative;
};

struct otlp_quantile {
    double quantile; /* 0 … 1 */
    double value;
};

struct otlp_summary {
    uint64_t count;
    double sum;
    const struct otlp_quantile *quantiles;
    size_t quantile_count;
};

/* Borrows its texts; empty ones are left out. */
struct otlp_metric {
    struct slice name;
    struct slice description;
    struct slice unit;
    enum otlp_data data;
    enum otlp_temporality temporality; /* not for gauges and summaries */
    bool is_monotonic;                 /* sums only */
};

/* One point for a gauge or a sum. */
void otlp_build_number(struct otlp_build *b, const struct otlp_point *point,
                       struct otlp_number value);

/* One point for the kind of metric the name says. */
void otlp_build_histogram(struct otlp_build *b, const struct otlp_point *point,
                          const struct otlp_histogram *hist);
void otlp_build_exphist(struct otlp_build *b, const struct otlp_point *point,
                        const struct otlp_exphist *hist);
void otlp_build_summary(struct otlp_build *b, const struct otlp_point *point,
                        const struct otlp_summary *summary);

/* Makes the points written since `mark`, all of one kind, a Metric of the open envelope. */
void otlp_build_metric(struct otlp_build *b, size_t mark, const struct otlp_metric *metric);
