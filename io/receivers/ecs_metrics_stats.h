/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecs_metrics_stats — what Docker's statistics say of one container, and how figures are added up.
 *
 * The source's form differs with the host: under version 2 of the control groups there is no
 * highest usage of memory, no list of cores and no `cache`, and the directions of the disk are
 * spelled small. What is absent is 0. Pure. Source: Docker Engine API, "Get container stats"; ECS
 * developer guide, "Task metadata endpoint version 4".
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"

struct ecs_json;

/* Whole figures; their places in ecs_figures.counts. */
enum ecs_count {
    ECS_COUNT_MEMORY_USAGE, /* bytes */
    ECS_COUNT_MEMORY_MAX,
    ECS_COUNT_MEMORY_LIMIT,
    ECS_COUNT_MEMORY_UTILIZED, /* MiB, and the next */
    ECS_COUNT_MEMORY_RESERVED,
    ECS_COUNT_CPU_TOTAL, /* nanoseconds */
    ECS_COUNT_CPU_KERNEL,
    ECS_COUNT_CPU_USER,
    ECS_COUNT_CPU_SYSTEM,
    ECS_COUNT_CPU_CORES,
    ECS_COUNT_CPU_ONLINE,
    ECS_COUNT_RX_BYTES, /* of all interfaces */
    ECS_COUNT_RX_PACKETS,
    ECS_COUNT_RX_ERRORS,
    ECS_COUNT_RX_DROPPED,
    ECS_COUNT_TX_BYTES,
    ECS_COUNT_TX_PACKETS,
    ECS_COUNT_TX_ERRORS,
    ECS_COUNT_TX_DROPPED,
    ECS_COUNT_READ_BYTES,
    ECS_COUNT_WRITE_BYTES,
    ECS_COUNT_STORAGE_UTILIZED, /* MiB; of a task only, and the next */
    ECS_COUNT_STORAGE_RESERVED,
    ECS_COUNT_LIMIT,
};

/* The others; their places in ecs_figures.levels. */
enum ecs_level {
    ECS_LEVEL_VCPU, /* processors in use between the last two readings */
    ECS_LEVEL_CPU_UTILIZED,
    ECS_LEVEL_CPU_RESERVED, /* units, 1024 of which are a processor */
    ECS_LEVEL_RX_RATE,      /* bytes per second */
    ECS_LEVEL_TX_RATE,
    ECS_LEVEL_LIMIT,
};

/* Of a container or of a task. Zeroed: nothing is known. */
struct ecs_figures {
    uint64_t counts[ECS_COUNT_LIMIT]; /* at most INT64_MAX each */
    double levels[ECS_LEVEL_LIMIT];   /* finite */
};

enum ecs_stats {
    ECS_STATS_NONE, /* null, or without an id: the container does not run */
    ECS_STATS_GOOD,
    ECS_STATS_ODD, /* something in them is not what it should be; no figure is to be trusted */
};

/*
 * ecs_stats_read — takes the value in hand, which should be the statistics of one container.
 *
 *   out   filled only on ECS_STATS_GOOD, but for what the task's document has to say: reserved
 *         memory and processors. ECS_LEVEL_CPU_UTILIZED is in percent of one processor.
 *
 * What is odd is told by the result and left out of json->odd_count.
 */
WEIR_MUST_USE enum ecs_stats ecs_stats_read(struct ecs_json *json, struct ecs_figures *out);

/* Adds every figure but ECS_LEVEL_CPU_UTILIZED, which no sum makes sense of. Counts stop at
 * INT64_MAX: twice "no limit" is no limit. */
void ecs_figures_add(struct ecs_figures *sum, const struct ecs_figures *figures);
