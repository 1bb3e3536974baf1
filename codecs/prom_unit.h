/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_unit — the words that OpenMetrics has for units, as UCUM; and names without the words that
 * say unit and type.
 *
 * The way back of prom_name. Source: OpenTelemetry "Prometheus and OpenMetrics compatibility";
 * behaviour of the Collector's prometheus receiver.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/slice.h"

/* Room for what prom_unit_ucum writes: two symbols of at most 4 bytes, or the words themselves. */
#define PROM_UNIT_MAX_BYTES 64

/*
 * "bytes_per_second" → "By/s". Words that are not known stay, and a text that does not fit `buf`
 * stays as it is. Borrows from `words`, from `buf` or from static text.
 */
struct slice prom_unit_ucum(struct slice words, char buf[PROM_UNIT_MAX_BYTES]);

/* The name without "_total", for sums, and then without its unit; a part of `name`. */
struct slice prom_unit_trim(struct slice name, bool is_sum, struct slice words);
