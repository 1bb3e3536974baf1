/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_config — the settings of one `awscontainerinsightreceiver`: the Collector's
 * keys and defaults, as far as ECS has a use for them.
 *
 * Read once by the main thread. Keys that only speak of pods are read and have no effect, as in
 * the Collector on ECS.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/config.h"

struct container_insight_config {
    uint64_t interval_ns; /* > 0 */
};

/* Reads and finishes `r`. 0 or FAULT_CONFIG (reported). */
WEIR_MUST_USE int container_insight_config_read(struct config_reader *r,
                                                struct container_insight_config *out);
