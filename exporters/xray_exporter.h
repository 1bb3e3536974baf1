/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_exporter — spans and segments become PutTraceSegments calls; type `awsxray`.
 *
 * Segments that came as segments leave as the same bytes; spans are translated once per batch. A
 * batch becomes as many requests as it needs and is decided when all of them are: of what the
 * service did not take, exactly the documents that can succeed are sent again, as they were. What
 * was answered is never repeated; a request that repeats an unanswered one is counted. Queue,
 * retries and books are those of sender.h.
 * Source: AWS X-Ray API Reference; the Collector's `awsxray` exporter.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/component.h"

struct config_reader;

extern const struct exporter_ops xray_exporter_ops;

/*
 * xray_exporter_new — an exporter from its section of the configuration.
 *
 *   config   read and finished; what is wrong with it went to its report
 *   id       borrowed for life
 *   out      moves out on 0; ops->close frees it, so that nothing of it may be read afterwards.
 *            The loop needs one more turn after close to let go of the sockets.
 *
 * Returns 0, FAULT_CONFIG or -ENOMEM.
 */
WEIR_MUST_USE int xray_exporter_new(struct config_reader *config, const char *id,
                                    struct exporter **out);
