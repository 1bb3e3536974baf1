/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_pull_exporter — a page of metrics that Prometheus scrapes; type `prometheus`.
 *
 * Batches go into a registry at once, scrapes read it. Keys, names and defaults are those of the
 * Collector's exporter; README.md lists where we show more than it does. Lives on its egress
 * thread, server included.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/component.h"

struct config_reader;

extern const struct exporter_ops prom_pull_exporter_ops;

/*
 * prom_pull_exporter_new — an exporter from its section of the configuration.
 *
 *   config   read and finished; what is wrong with it went to its report
 *   id       borrowed until ops->close
 *   out      moves out on 0; ops->close frees it, so that nothing of it may be read afterwards.
 *            Where the server still runs then (drain was not called, or not waited for), the loop
 *            needs a few more turns to let go of the sockets.
 *
 * Returns 0, FAULT_CONFIG or -ENOMEM.
 */
WEIR_MUST_USE int prom_pull_exporter_new(struct config_reader *config, const char *id,
                                         struct exporter **out);

/* The port an open exporter listens on, the kernel's choice where 0 was configured. */
uint16_t prom_pull_exporter_port(const struct exporter *exporter);
