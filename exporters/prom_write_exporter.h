/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_exporter — batches become requests of Prometheus remote write 1.0; types
 * `prometheusremotewrite` and `prometheus_remote_write`.
 *
 * One batch is in hand at a time, with its requests side by side: samples of a series arrive in
 * the order of their batches. Queue, retries and books are those of sender.h. Source: Prometheus
 * "Remote-Write 1.0".
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/component.h"

struct config_reader;

extern const struct exporter_ops prom_write_exporter_ops;

/*
 * prom_write_exporter_new — an exporter from its section of the configuration.
 *
 *   config   read and finished; what is wrong with it went to its report
 *   id       borrowed for life
 *   out      moves out on 0; ops->close frees it, so that nothing of it may be read afterwards.
 *            The loop needs one more turn after close to let go of the sockets.
 *
 * Returns 0, FAULT_CONFIG or -ENOMEM.
 */
WEIR_MUST_USE int prom_write_exporter_new(struct config_reader *config, const char *id,
                                          struct exporter **out);
