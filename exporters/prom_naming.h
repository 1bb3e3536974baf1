/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_naming — the keys by which exporters towards Prometheus say how metrics are named.
 *
 * Main thread, at start and reload. Source: the Collector's prometheus and prometheus remote write
 * exporters.
 */
#pragma once

#include <stdbool.h>

struct config_reader;

/*
 * Reads `add_metric_suffixes` and `translation_strategy`, which counts where both are written.
 * Strategies that keep UTF-8 in names are refused. Complaints go to the reader's report.
 */
void prom_naming_read(struct config_reader *r, bool *has_suffixes);
