/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_http_exporter — batches become OTLP/HTTP requests; types `otlphttp` and `otlp_http`.
 *
 * A protobuf body without compression is sent straight from the memory of the parts; a compressed
 * or JSON body is made once per batch and kept until the batch is decided. Queue, retries and books
 * are those of sender.h. Source: OTLP specification, "OTLP/HTTP".
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/component.h"

struct config_reader;

extern const struct exporter_ops otlp_http_exporter_ops;

/*
 * otlp_http_exporter_new — an exporter from its section of the configuration.
 *
 *   config   read and finished; what is wrong with it went to its report
 *   id       borrowed for life
 *   out      moves out on 0; ops->close frees it, so that nothing of it may be read afterwards.
 *            The loop needs one more turn after close to let go of the sockets.
 *
 * Returns 0, FAULT_CONFIG or -ENOMEM.
 */
WEIR_MUST_USE int otlp_http_exporter_new(struct config_reader *config, const char *id,
                                         struct exporter **out);
