/* SPDX-License-Identifier: Apache-2.0 */
/*
 * awsxray_config — the keys of the `awsxray` exporter, with the Collector's names and defaults.
 *
 * Those that it shares with the other AWS exporters are aws_session.h's. One key is ours:
 * `skip_timestamp_validation`, which the Collector has as a feature gate. Owns every text it hands
 * out. Main thread, at start and reload; frozen afterwards.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "codecs/xray_put.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "exporters/aws_session.h"
#include "exporters/sender.h"

struct config_reader;

struct xray_telemetry_config {
    bool is_enabled;
    struct xray_telemetry_source source;
};

struct awsxray_config {
    struct arena texts; /* owned; all texts below */
    struct aws_session_config session;
    struct sender_config sender;
    const struct slice *indexed_attributes;
    size_t indexed_count;
    const struct slice *log_groups;
    size_t log_group_count;
    bool indexes_all;
    bool checks_trace_time;
    struct xray_telemetry_config telemetry;
};

/*
 * Reads all keys; does not finish the reader. Complaints go to its report. Returns 0 or -ENOMEM;
 * awsxray_config_fini is safe after either.
 */
WEIR_MUST_USE int awsxray_config_read(struct config_reader *r, struct awsxray_config *out);

/* Idempotent. */
void awsxray_config_fini(struct awsxray_config *config);
