/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_pull_config — the keys of the `prometheus` exporter.
 *
 * Keys and defaults are those of the Collector's; the endpoint has a default of ours. Owns copies
 * of its texts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/engine/config_scalar.h"
#include "exporters/prom_intake.h"

struct config_reader;

struct prom_pull_config {
    struct config_endpoint endpoint;
    uint64_t expiration_ns;
    bool has_timestamps;
    bool has_openmetrics; /* shown where the Accept header asks for it */
    struct prom_intake_options intake;
    struct arena texts; /* owned */
};

/* Reads but does not finish the section. 0, FAULT_CONFIG or -ENOMEM; fini is fine in each case. */
WEIR_MUST_USE int prom_pull_config_read(struct config_reader *r, struct prom_pull_config *out);
void prom_pull_config_fini(struct prom_pull_config *config);
