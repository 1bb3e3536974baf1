/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_operation — one operation on one metric: labels added, renamed, given other
 * values; points deleted, scaled, turned into the other type, merged.
 *
 * What an operation does to single points it does to those that the transform is about; labels are
 * looked at as earlier operations left them. What it does to the metric as a whole it does only
 * where the transform is about all of it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/processors/metrics_transform_metric.h"

/* What became of the items of a part, for the books: in + added = out + filtered + merged. */
struct transform_tally {
    uint64_t added_count;      /* points of copies */
    uint64_t filtered_count;   /* deleted by the value of a label */
    uint64_t merged_count;     /* became part of another point */
    uint64_t uncombined_count; /* of metrics that differ too much to be combined; they stay */
};

/* One metric under a transform. */
struct transform_subject {
    const struct transform *t;
    struct transform_metric *metric;
    struct arena *arena;
    struct transform_tally *tally;
    bool is_whole; /* the transform is about all of its points, or it is a copy */
};

/* 0 or FAULT_LIMIT. */
WEIR_MUST_USE int transform_operation_apply(const struct transform_operation *op,
                                            const struct transform_subject *subject);
