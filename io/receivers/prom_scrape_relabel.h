/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_relabel — relabel_configs and metric_relabel_configs out of the configuration.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/config.h"
#include "io/receivers/prom_scrape_http.h"

struct prom_relabel;

/*
 * Reads the list at `key` and compiles it into *out, which is NULL for no rules, and after a
 * complaint; freed with prom_relabel_free. Complaints go to the reader's report.
 */
void prom_scrape_relabel_read(struct config_reader *r, const char *key, struct prom_texts *texts,
                              struct prom_relabel **out);
