/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloudwatchlogs_exporter — log records become events of CloudWatch Logs; type `awscloudwatchlogs`.
 *
 * Takes OTLP logs, and metric documents as received, which are stored where they say and as they
 * came. Events are made once per batch; queue, retries and books are those of sender.h, requests
 * those of aws_logs.h. Source: the Collector's exporter of that name.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/component.h"

struct config_reader;

extern const struct exporter_ops cloudwatchlogs_exporter_ops;

/*
 * cloudwatchlogs_exporter_new — an exporter from its section of the configuration.
 *
 *   config   read and finished; what is wrong with it went to its report
 *   id       borrowed for life
 *   out      moves out on 0; ops->close frees it. The loop needs one more turn after close.
 *
 * Returns 0, FAULT_CONFIG or -ENOMEM.
 */
WEIR_MUST_USE int cloudwatchlogs_exporter_new(struct config_reader *config, const char *id,
                                              struct exporter **out);
