/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_metrics — the metrics of an export request as typed structs, one resource at a time.
 *
 * For those who translate every point. Only the resource under way is decoded, so that the arena
 * holds one of them and not the request.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/proto/metrics.pb-c.h"

/* The generator's names, cut to a length that fits a line. */
#define OTLP_METRICS(name) Opentelemetry__Proto__Metrics__V1__##name
#define OTLP_COMMON(name) Opentelemetry__Proto__Common__V1__##name

/* `resource` borrows from the arena and from the request until the next one, or the return. */
typedef void(otlp_metrics_fn)(void *owner, const struct OTLP_METRICS(ResourceMetrics) * resource);

/*
 * otlp_metrics_each — shows every resource of a request, in order.
 *
 *   request   bytes of ExportMetricsServiceRequest or MetricsData, borrowed; any bytes
 *   arena     reset before each resource
 *
 * 0, or as pb_decode and pb_wire have it; what stood before the trouble was shown.
 */
WEIR_MUST_USE int otlp_metrics_each(struct slice request, struct arena *arena, void *owner,
                                    otlp_metrics_fn *show);

/* DataPointFlags: the series has ended. */
#define OTLP_POINT_NO_RECORDED_VALUE 1u

/* A point of any kind, without its value. Borrows from the decoded resource. */
struct otlp_point_head {
    struct OTLP_COMMON(KeyValue) *const *attributes;
    size_t attribute_count;
    uint64_t time_unix_ns;
    uint32_t flags;
};

/* The head of a point that is there; zeros for a metric without data. */
struct otlp_point_head otlp_point_head_at(const struct OTLP_METRICS(Metric) * metric, size_t index);
