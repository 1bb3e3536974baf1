/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_report — what Prometheus says about a scrape itself: `up` and its like, as gauges.
 *
 * Source: Prometheus, "Jobs and instances"; the helps are the Collector's.
 */
#pragma once

#include <stdint.h>

#include "codecs/prom_scrape.h"
#include "codecs/prom_tree.h"
#include "core/base/slice.h"

#define PROM_REPORTS_MAX 8

/* Texts are static. */
struct prom_report {
    struct slice name;
    struct prom_about about;
    double value;
};

/* Borrows. */
struct prom_report_numbers {
    const struct prom_scrape_result *result;
    const struct prom_rules *rules;
    uint64_t duration_ns;
    uint64_t body_bytes;
};

/* Fills `out` and returns how many; the extra ones only where the rules want them. */
uint32_t prom_report_make(const struct prom_report_numbers *numbers,
                          struct prom_report out[PROM_REPORTS_MAX]);
