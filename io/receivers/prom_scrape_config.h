/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_config — the settings of one `prometheus` receiver: the Collector's few keys, and
 * under `config` Prometheus' own.
 *
 * Read once by the main thread, frozen after start, freed with the receiver; owns what its jobs
 * borrow. Sources: the Collector's prometheus receiver; Prometheus, "Configuration".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/engine/config.h"
#include "io/receivers/prom_scrape_job.h"

struct prom_scrape_config {
    struct prom_global global;
    struct prom_job *jobs; /* at least one where reading succeeded */
    uint32_t job_count;
    bool trims_suffixes;
    struct arena texts; /* owned; of everything above */
};

/*
 * Reads and finishes `r`. 0, FAULT_CONFIG (reported) or -ENOMEM; prom_scrape_config_fini either
 * way.
 */
WEIR_MUST_USE int prom_scrape_config_read(struct config_reader *r, struct prom_scrape_config *out);

/* Idempotent. */
void prom_scrape_config_fini(struct prom_scrape_config *config);
