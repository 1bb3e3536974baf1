/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awsemf_exporter — metrics become embedded metric documents in CloudWatch Logs; type `awsemf`.
 *
 * Documents are made once per batch, for making them moves the deltas of cumulative series on; what
 * is tried again is the same text. With `output_destination: stdout` they become lines instead.
 * Queue, retries and books are those of sender.h, requests those of aws_logs.h.
 * Source: the Collector's exporter of that name; CloudWatch "Embedded metric format".
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/component.h"

struct config_reader;

extern const struct exporter_ops awsemf_exporter_ops;

/*
 * awsemf_exporter_new — an exporter from its section of the configuration.
 *
 *   config   read and finished; what is wrong with it went to its report
 *   id       borrowed for life
 *   out      moves out on 0; ops->close frees it. The loop needs one more turn after close.
 *
 * Returns 0, FAULT_CONFIG or -ENOMEM.
 */
WEIR_MUST_USE int awsemf_exporter_new(struct config_reader *config, const char *id,
                                      struct exporter **out);
