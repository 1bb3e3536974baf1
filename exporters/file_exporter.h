/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_exporter — batches become records of a file; type `file`.
 *
 * One record per batch: an OTLP/JSON request on a line of its own, or, in protobuf or compressed,
 * a four-byte big-endian length and as many bytes. A batch is encoded when it is offered and
 * answered in the next turn; its items count as delivered once the kernel has their bytes. A file
 * that refuses is tried again, and what piles up pushes back. Keys are those of the Collector's
 * file exporter.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/component.h"

struct config_reader;

extern const struct exporter_ops file_exporter_ops;

/*
 * file_exporter_new — an exporter from its section of the configuration.
 *
 *   config   read and finished; what is wrong with it went to its report
 *   id       borrowed for life
 *   out      moves out on 0; ops->close frees it, so that nothing of it may be read afterwards
 *
 * The file is opened by ops->open. Returns 0, FAULT_CONFIG or -ENOMEM.
 */
WEIR_MUST_USE int file_exporter_new(struct config_reader *config, const char *id,
                                    struct exporter **out);
