/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_merge — points of one metric with equal labels and times become one.
 *
 * Numbers are reduced as the transform says, histograms are added up; exemplars stay, and the
 * earliest start. Deltas fall together only with equal starts, histograms only with equal bounds or
 * with equal scale and offsets. Summaries cannot be merged and stay as they are.
 */
#pragma once

#include <stdint.h>

#include "core/processors/metrics_transform_metric.h"

/* `*merged_count` grows by the points that became part of others. 0 or FAULT_LIMIT. */
WEIR_MUST_USE int transform_merge_points(struct transform_metric *metric,
                                         enum transform_aggregation how, struct arena *arena,
                                         uint64_t *merged_count);
