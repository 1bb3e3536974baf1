/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_logs_config — how a log group is to be when the exporter has to create it.
 *
 * The keys `log_retention`, `tags` and `log_group_class`, which the exporters towards CloudWatch
 * Logs share. Owns nothing: all texts lie in the caller's arena. Main thread, at start and reload;
 * frozen afterwards. Source: CloudWatch Logs API, CreateLogGroup and PutRetentionPolicy.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

struct config_reader;

#define AWS_LOGS_TAGS_MAX 50
#define AWS_LOGS_TAG_KEY_MAX_CHARS 128
#define AWS_LOGS_TAG_VALUE_MAX_CHARS 256

struct aws_logs_tag {
    struct slice key;
    struct slice value;
};

struct aws_logs_group_config {
    uint32_t retention_days; /* 0: events never expire */
    const char *group_class; /* static, "STANDARD"; NULL where the service decides */
    struct aws_logs_tag *tags;
    size_t tag_count;
};

/*
 * Reads the three keys; does not finish the reader. Complaints go to its report.
 *   texts   takes copies of all texts; must outlive `out`
 * Returns 0 or -ENOMEM.
 */
WEIR_MUST_USE int aws_logs_group_config_read(struct config_reader *r, struct arena *texts,
                                             struct aws_logs_group_config *out);
