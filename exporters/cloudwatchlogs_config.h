/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloudwatchlogs_config — the keys of the `awscloudwatchlogs` exporter, with the Collector's names
 * and defaults.
 *
 * Owns every text it hands out. Main thread, at start and reload; frozen afterwards.
 */
#pragma once

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "exporters/aws_logs_config.h"
#include "exporters/aws_session.h"
#include "exporters/sender.h"

struct config_reader;

struct cloudwatchlogs_config {
    struct arena texts;          /* owned; all texts below */
    struct slice log_group_name; /* patterns, valid ones */
    struct slice log_stream_name;
    bool is_raw;
    struct aws_logs_group_config group;
    struct aws_session_config session;
    struct sender_config sender;
};

/*
 * Reads all keys; does not finish the reader. Complaints go to its report. Returns 0 or -ENOMEM;
 * cloudwatchlogs_config_fini is safe after either.
 */
WEIR_MUST_USE int cloudwatchlogs_config_read(struct config_reader *r,
                                             struct cloudwatchlogs_config *out);

/* Idempotent. */
void cloudwatchlogs_config_fini(struct cloudwatchlogs_config *config);
