/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transform_rig — short words for the tests of metricstransform, on top of processor_rig: points of
 * gauges, whole metrics, and a check of what transforms make of them.
 */
#pragma once

#include <stdint.h>

#include "tests/core/processors/processor_rig.h"

enum { GAUGE = 5, SUM = 7, HISTOGRAM = 9, EXPHIST = 10, SUMMARY = 11, NUMBER_LABELS = 7 };

/* A label of a point of a gauge or sum. */
struct slice label(const char *key, const char *text);

/* A point of a gauge or sum at time 100. */
struct slice int_point(struct slice labels, int64_t value);
struct slice double_point(struct slice labels, double value);

struct slice gauge(const char *name, struct slice points);
/* A gauge with one point without labels. */
struct slice one(const char *name);

typedef struct slice(metrics_fn)(void);

/*
 * The list `transforms`, without its brackets, turns the metrics `before`, of `count` points, into
 * `after`. Opens and closes the rig.
 */
void check_transforms(struct rig *rig, const char *transforms, metrics_fn *before,
                      metrics_fn *after, uint32_t count);

/* in + added = out + dropped, after one part of `in_count` items. */
void check_transform_books(const struct rig *rig, uint32_t in_count);
