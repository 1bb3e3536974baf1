/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_units — durations and sizes the way Prometheus writes them, which is not Go's way nor
 * the Collector's: days, weeks and years, no fractions, and KB means 1 024 bytes.
 *
 * Pure functions over borrowed bytes. Source: Prometheus, "Configuration", <duration> and <size>.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/* Room for prom_duration_format: 20 digits per unit at the very most, and the terminator. */
#define PROM_DURATION_TEXT_BYTES 64

/*
 * prom_duration_parse — "1h30m", "15s", "250ms", "2d", "0": each unit at most once, the larger one
 * first; a year has 365 days. Anything below 290 years fits.
 *
 * Returns 0, FAULT_MALFORMED or FAULT_OVERFLOW; out only on 0.
 */
WEIR_MUST_USE int prom_duration_parse(struct slice text, uint64_t *out_ns);

/*
 * The shortest spelling with whole milliseconds, as it stands in __scrape_interval__: "1m",
 * "1m30s", "0s". NUL-terminated in `buf` of PROM_DURATION_TEXT_BYTES; returns the length.
 */
size_t prom_duration_format(uint64_t duration_ns, char *buf);

/*
 * prom_size_parse — "10MB", "512KiB", "0": a whole number and a unit, which only zero may lack.
 * Units count in steps of 1 024 with and without the i.
 *
 * Returns 0, FAULT_MALFORMED or FAULT_OVERFLOW; out only on 0.
 */
WEIR_MUST_USE int prom_size_parse(struct slice text, uint64_t *out_bytes);
