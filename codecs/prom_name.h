/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_name — what metrics, units and attributes of OTLP are called in Prometheus.
 *
 * The rules are those of the Collector: what may not stand in a name becomes '_', units and kinds
 * become suffixes. Source: OpenTelemetry "Prometheus and OpenMetrics compatibility"; behaviour of
 * the Collector's prometheus exporter.
 */
#pragma once

#include <stdbool.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* Borrows its texts. */
struct prom_name {
    struct slice namespace; /* may be empty; stands in front, with '_' */
    struct slice name;
    struct slice unit; /* UCUM, as in OTLP; may be empty */
    bool is_monotonic; /* a monotonic sum: ends in "_total" */
    bool is_gauge;     /* with unit "1": ends in "_ratio" */
    bool has_suffixes; /* false: neither unit nor kind is appended */
};

/* Appends the name. False, and nothing appended, where no byte of `name` may stand in one. */
bool prom_name_metric(struct bytes *out, const struct prom_name *name);

/* Appends the words of a unit, "By/s" → "bytes_per_second"; nothing for "", "1" and "{…}". */
void prom_name_unit(struct bytes *out, struct slice unit);

/*
 * Appends a label name: one '_' for each character that may not stand in one; "key_" before a
 * leading digit, "key" before a leading '_'. An empty attribute name gives "key_".
 */
void prom_name_label(struct bytes *out, struct slice name);
