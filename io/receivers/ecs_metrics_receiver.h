/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecs_metrics_receiver — type `awsecscontainermetrics`: what the containers of the own ECS task
 * use, asked of the task's metadata endpoint.
 *
 * A pull receiver: two documents a cycle, then OTLP. Each task has an endpoint of its own, so this
 * tells about the task that weir runs in and about no other. Outside a task it refuses to open.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/config.h"
#include "io/receivers/pull_receiver.h"
#include "io/receivers/receiver.h"

/* Why a cycle or a part of it was refused; labels of weir_items_invalid, behind pull's own. */
enum ecs_metrics_why {
    ECS_METRICS_WHY_UNREACHABLE = PULL_WHY_LIMIT,
    ECS_METRICS_WHY_TIMEOUT,
    ECS_METRICS_WHY_THROTTLED,    /* 429 */
    ECS_METRICS_WHY_SERVER_ERROR, /* 5xx */
    ECS_METRICS_WHY_BAD_STATUS,   /* any other but 200 */
    ECS_METRICS_WHY_TOO_LARGE,    /* a document, or the points of a resource */
    ECS_METRICS_WHY_BAD_TASK,
    ECS_METRICS_WHY_BAD_STATS,
    ECS_METRICS_WHY_OVERRUN, /* the last cycle was still under way */
    ECS_METRICS_WHY_ODD_VALUE,
    ECS_METRICS_WHY_ODD_STATS,
    ECS_METRICS_WHY_ODD_TIME,
    ECS_METRICS_WHY_NO_STATS,
    ECS_METRICS_WHY_CONTAINER_LIMIT,
    ECS_METRICS_WHY_LIMIT,
};

/* Reads its keys and finishes the reader. 0 and *out, FAULT_CONFIG (reported) or -ENOMEM. */
WEIR_MUST_USE int ecs_metrics_receiver_new(struct config_reader *config, const char *id,
                                           struct receiver **out);
