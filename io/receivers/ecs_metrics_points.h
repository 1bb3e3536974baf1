/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecs_metrics_points — what is known of an ECS task, as OTLP metrics.
 *
 * One ResourceMetrics for each container that runs or has ended, then one for the task, with the
 * names, units and attributes of the Collector's awsecscontainermetrics receiver. Written
 * backwards, so from the task to the first container, into as many runs as the buffer makes
 * necessary. Pure.
 *
 *     ecs_points_begin(&points, &task, now_unix_ns);
 *     while (ecs_points_next(&points, buf, sizeof(buf), &bytes)) {
 *         … bytes, points.point_count …
 *     }
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

struct ecs_task;

/* What a container that runs and a task have. */
#define ECS_CONTAINER_POINTS 26
#define ECS_TASK_POINTS 28

struct ecs_points {
    const struct ecs_task *task; /* borrowed; complete */
    uint64_t time_unix_ns;       /* of every point */
    uint32_t left;               /* containers to be written yet, and the task */
    uint32_t point_count;        /* of the run handed out last */
    uint64_t too_large_count;    /* points of resources that no run has room for */
};

void ecs_points_begin(struct ecs_points *points, const struct ecs_task *task,
                      uint64_t time_unix_ns);

/*
 * ecs_points_next — the next run: whole ResourceMetrics fields, at least one. False when all is
 * written. `out` borrows from `buf`.
 */
WEIR_MUST_USE bool ecs_points_next(struct ecs_points *points, void *buf, size_t cap,
                                   struct slice *out);
