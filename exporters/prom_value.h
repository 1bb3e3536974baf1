/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_value — the state of one series at a pull endpoint: what a scrape shows, kept cumulative.
 *
 * Deltas are added up; what is cumulative already replaces what was there unless it is older. A
 * value that changes its shape (other bounds, another kind) starts anew. Egress-local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/prom_text.h"
#include "core/base/bounds.h"
#include "core/base/defs.h"
#include "core/otlp/proto/metrics.pb-c.h"

/* The names protoc-c makes are long; this is them, shorter. */
#define PROM_METRICS(name) Opentelemetry__Proto__Metrics__V1__##name

enum prom_value_kind {
    PROM_VALUE_NONE,
    PROM_VALUE_NUMBER,
    PROM_VALUE_HISTOGRAM,
    PROM_VALUE_EXPHIST,
    PROM_VALUE_SUMMARY,
};

struct prom_histogram;
struct prom_exphist;
struct prom_summary;

/* Zeroed is empty. */
struct prom_value {
    enum prom_value_kind kind;
    uint64_t start_unix_ns; /* of the last point taken in */
    uint64_t time_unix_ns;
    union {
        double number;
        struct prom_histogram *histogram; /* owned, as are the next two */
        struct prom_exphist *exphist;
        struct prom_summary *summary;
    };
};

/* Frees what it holds and leaves it empty. */
void prom_value_fini(struct prom_value *value);

/*
 * Each takes in one point. 0, also for a point older than what is there, which changes nothing;
 * FAULT_MALFORMED for a point that contradicts itself; -ENOMEM. On a failure nothing changed.
 */
WEIR_MUST_USE int prom_value_add_number(struct prom_value *value,
                                        const struct PROM_METRICS(NumberDataPoint) * point,
                                        bool is_delta);
WEIR_MUST_USE int prom_value_add_histogram(struct prom_value *value,
                                           const struct PROM_METRICS(HistogramDataPoint) * point,
                                           bool is_delta);
WEIR_MUST_USE int prom_value_add_exphist(struct prom_value *value,
                                         const struct PROM_METRICS(ExponentialHistogramDataPoint) *
                                             point,
                                         bool is_delta);
/*
 * A summary does not say whether it is a delta. One whose window begins at or after the end of the
 * last is; one with the same begin is cumulative. Quantiles are those of the latest.
 */
WEIR_MUST_USE int prom_value_add_summary(struct prom_value *value,
                                         const struct PROM_METRICS(SummaryDataPoint) * point);

/* A plain 1, for target_info. */
void prom_value_set(struct prom_value *value, double number);

/* Appends all samples of the series; `point->time_unix_ns` is the caller's wish. */
void prom_value_show(const struct prom_value *value, struct bytes *out, enum prom_format format,
                     const struct prom_point *point);
