/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_build — two looks at a host become metrics, as CloudWatch Container Insights
 * knows them for an ECS instance.
 *
 * Pure. One resource per kind of metrics and device (Type Instance, InstanceNet, InstanceDiskIO,
 * InstanceFS), who it is in the resource's attributes, gauges with the units of CloudWatch.
 * Counters become rates; one that fell, or that was not there before, has none. Source: the
 * Collector's awscontainerinsightreceiver.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/receivers/container_insight_agent.h"
#include "io/receivers/container_insight_sample.h"

/* Room for whatever two full samples can say. */
#define CONTAINER_INSIGHT_OUTPUT_BYTES (1024 * 1024)

#define CONTAINER_INSIGHT_LABEL_MAX_BYTES 255

/* Who the host is; "" for what is not known. */
struct container_insight_labels {
    struct container_insight_instance instance;
    char instance_id[CONTAINER_INSIGHT_LABEL_MAX_BYTES + 1];
    char instance_type[CONTAINER_INSIGHT_LABEL_MAX_BYTES + 1];
    char auto_scaling_group[CONTAINER_INSIGHT_LABEL_MAX_BYTES + 1];
    char node_name[CONTAINER_INSIGHT_LABEL_MAX_BYTES + 1];
};

struct container_insight_metrics {
    struct slice bytes; /* whole ResourceMetrics fields; borrows from the buffer */
    uint32_t point_count;
    uint32_t left_out_count; /* points that did not fit */
};

/*
 * container_insight_build — the metrics of `now`, with rates since `before`.
 *
 *   buf   CONTAINER_INSIGHT_OUTPUT_BYTES suffice
 *   out   filled in any case
 *
 * 0; FAULT_LIMIT where `cap` did not suffice, and `out` has what did fit.
 */
WEIR_MUST_USE int container_insight_build(const struct container_insight_labels *labels,
                                          const struct container_insight_sample *before,
                                          const struct container_insight_sample *now, uint8_t *buf,
                                          size_t cap, struct container_insight_metrics *out);
