/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_otlp — reads just enough of an ExportMetricsServiceRequest to add it up by metric name.
 *
 * Sums count by value, histograms of both kinds and summaries by their observations, everything by
 * data points. It is a reader of its own, apart from the code of the gateway, so that a mistake
 * there cannot hide here. Follows opentelemetry/proto/metrics/v1/metrics.proto.
 */
#pragma once

#include <stdint.h>

#include "bench/totals.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

struct sink_counts {
    uint64_t metric_count;
    uint64_t sum_point_count;
    uint64_t cumulative_point_count; /* their values are totals since a start: not added up */
    uint64_t gauge_point_count;
    uint64_t histogram_point_count;
    uint64_t summary_point_count;
    uint64_t observation_count; /* inside histograms and summaries */
    double counter_sum;         /* over all names */
};

/*
 * sink_otlp_decode — adds one request (protobuf, inflated; borrowed until return) to both tables.
 * Returns 0, FAULT_MALFORMED (what was read before the mistake stays counted) or -ENOMEM.
 */
WEIR_MUST_USE int sink_otlp_decode(struct slice request, struct totals *totals,
                                   struct sink_counts *counts);
