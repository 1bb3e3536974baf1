/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_transform_moved — metrics that leave their resource for one of their own, with labels of
 * the configuration.
 *
 * Each scope that gives up metrics becomes a ResourceMetrics with one ScopeMetrics at the end of
 * the part, as in the Collector; schema URLs and whatever else stood around them go along.
 */
#pragma once

#include "core/processors/metrics_transform_metric.h"

/* What a ResourceMetrics is without its scopes, its Resource with the labels of a transform. */
struct transform_frame {
    struct transform_frame *next;
    const struct transform *t;
    struct slice fields;
};

/* The frames of the ResourceMetrics in hand, so that each is made once for all of its scopes. */
struct transform_frames {
    struct transform_frame *first;
    const uint8_t *group; /* where that ResourceMetrics begins */
};

/* Metrics of one scope on their way. */
struct transform_moved {
    struct transform_moved *next;
    const struct transform_frame *frame;
    struct otlp_field scope_group; /* ScopeMetrics they leave */
    struct transform_metric *metrics;
};

/* The frame of `group` for `t`; forgets those of another one. NULL where the arena refuses. */
WEIR_MUST_USE const struct transform_frame *transform_frame_find(struct transform_frames *frames,
                                                                 const struct transform *t,
                                                                 const struct otlp_field *group,
                                                                 struct arena *arena);

/* The resource of its own, as a field of the request, in the arena. 0 or FAULT_LIMIT. */
WEIR_MUST_USE int transform_moved_encode(const struct transform_moved *moved, struct arena *arena,
                                         struct slice *out);
