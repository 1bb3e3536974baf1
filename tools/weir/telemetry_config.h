/* SPDX-License-Identifier: Apache-2.0 */
/*
 * telemetry_config — service.telemetry: how weir logs and where it shows its own metrics.
 *
 * Supports the log level and encoding, the metrics level and one Prometheus pull reader; every
 * other key of the Collector is refused as not supported yet. Owns nothing.
 */
#pragma once

#include "core/engine/config.h"
#include "tools/weir/graph_config.h"

/*
 * Reads "telemetry" of the section `service`; absent gives the defaults. `out` is filled in any
 * case, its texts borrow from the tree; complaints go to the reader's report.
 */
void telemetry_config_read(struct graph_telemetry *out, struct config_reader *service);
