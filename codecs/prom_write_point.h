/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_point — one data point becomes samples of one or more series.
 *
 * A number is one series; a histogram has one per bucket, a sum and a count; a summary one per
 * quantile, a sum and a count; an exponential histogram is one native histogram. Part of
 * prom_write, which set up the labels around the point.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "codecs/prom_write.h"
#include "core/base/defs.h"
#include "core/otlp/proto/metrics.pb-c.h"

/* The generator's names, shorter. */
#define PROM_WRITE_METRICS(name) Opentelemetry__Proto__Metrics__V1__##name

/* When the point of that index was taken; Unix time. */
uint64_t prom_write_point_time_ns(const struct PROM_WRITE_METRICS(Metric) * metric, size_t index);

/*
 * prom_write_point — adds the point of that index; pw->name is the metric's.
 *
 * 0; FAULT_LIMIT for its labels; FAULT_UNSUPPORTED for its scale; FAULT_MALFORMED; -ENOMEM.
 * Where it is refused, none of its samples is sent.
 */
WEIR_MUST_USE int prom_write_point(struct prom_write *pw,
                                   const struct PROM_WRITE_METRICS(Metric) * metric, size_t index);

/*
 * One sample of pw->name and the labels at hand, which belongs to no data point. 0; FAULT_LIMIT for
 * its labels or -ENOMEM, and it is left out.
 */
WEIR_MUST_USE int prom_write_info(struct prom_write *pw, double value, uint64_t time_unix_ns);
