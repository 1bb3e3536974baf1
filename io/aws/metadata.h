/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata — what is to be known about this machine at start, by all detectors of a plan at once.
 *
 * Runs on a loop of its own, on the thread of whoever calls and waits: the detectors side by side,
 * each as long as the plan's timeout allows. What fails for a moment is tried again once a second.
 */
#pragma once

#include <stdbool.h>

#include "core/base/defs.h"

struct resource_detect_plan;
struct resource_detected;

/*
 * metadata_detect — a resource_detect_fn (core/processors/resource_detection_processor.h).
 *
 * Blocks. Reads the environment: OTEL_RESOURCE_ATTRIBUTES, ECS_CONTAINER_METADATA_URI_V4, the AWS
 * variables of the instance metadata. A detector that fails is logged, and the others count.
 */
WEIR_MUST_USE int metadata_detect(const struct resource_detect_plan *plan,
                                  struct resource_detected *out, bool *is_complete);
