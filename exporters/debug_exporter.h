/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug_exporter — shows people what goes through a pipeline; type `debug`.
 *
 * Each batch is one summary, and with `normal` or `detailed` a block of text behind it. The summary
 * is a line of our log, the block goes to stderr as it is; or, with `use_internal_logger: false`,
 * both go to `output_paths`. A terminal or pipe that stands still is waited for without blocking.
 * Keys are those of the Collector's debug exporter.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/component.h"

struct config_reader;

extern const struct exporter_ops debug_exporter_ops;

/*
 * debug_exporter_new — an exporter from its section of the configuration.
 *
 *   config   read and finished; what is wrong with it went to its report
 *   id       borrowed for life
 *   out      moves out on 0; ops->close frees it, so that nothing of it may be read afterwards
 *
 * Returns 0, FAULT_CONFIG or -ENOMEM.
 */
WEIR_MUST_USE int debug_exporter_new(struct config_reader *config, const char *id,
                                     struct exporter **out);
