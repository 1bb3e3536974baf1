/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_grpc_exporter — batches become OTLP/gRPC calls; types `otlp` and `otlp_grpc`.
 *
 * A body without compression is sent straight from the memory of the parts; a compressed one is
 * made once per batch and kept until the batch is decided. Queue, retries and books are those of
 * sender.h, names and connections those of io/grpc_client.h. Source: OTLP specification,
 * "OTLP/gRPC".
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/component.h"

struct config_reader;

extern const struct exporter_ops otlp_grpc_exporter_ops;

/*
 * otlp_grpc_exporter_new — an exporter from its section of the configuration.
 *
 *   config   read and finished; what is wrong with it went to its report
 *   id       borrowed for life
 *   out      moves out on 0; ops->close frees it, so that nothing of it may be read afterwards.
 *            The loop needs some more turns after close to let go of the sockets.
 *
 * Returns 0, FAULT_CONFIG or -ENOMEM.
 */
WEIR_MUST_USE int otlp_grpc_exporter_new(struct config_reader *config, const char *id,
                                         struct exporter **out);
