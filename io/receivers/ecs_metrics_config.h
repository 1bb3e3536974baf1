/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecs_metrics_config — the settings of one `awsecscontainermetrics` receiver: the Collector's key
 * and its default.
 *
 * Read once by the main thread, frozen after start.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/config.h"

/* An endpoint answers 40 requests a second, and is asked twice in a cycle. */
#define ECS_METRICS_INTERVAL_MIN_MS 100

struct ecs_metrics_config {
    uint64_t interval_ns;
};

/* Reads and finishes `r`. 0, or FAULT_CONFIG (reported). Owns nothing. */
WEIR_MUST_USE int ecs_metrics_config_read(struct config_reader *r, struct ecs_metrics_config *out);
