/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecs_metrics_task — an ECS task as its metadata endpoint tells about it: two documents become who
 * its containers are and what each uses.
 *
 * First the task's own document, then that with the statistics, by the ids of the first. Pure but
 * for memory. Source: ECS developer guide, "Task metadata endpoint version 4"; what is made of it
 * is what the Collector's awsecscontainermetrics receiver makes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/receivers/ecs_metrics_stats.h"

/* A task definition has at most ten, and the agent adds one for the network. */
#define ECS_CONTAINERS_MAX 128
/* A container takes about 2 KiB of the task's document and 4 KiB of the statistics. */
#define ECS_DOCUMENT_MAX_BYTES (4 * 1024 * 1024)
#define ECS_UNITS_PER_VCPU 1024.0

/* What is said in words; those before _READ_COUNT stand in the document as they are here. */
enum ecs_task_text {
    ECS_TASK_CLUSTER, /* its name alone */
    ECS_TASK_ARN,
    ECS_TASK_FAMILY,
    ECS_TASK_REVISION,
    ECS_TASK_SERVICE,
    ECS_TASK_ZONE,
    ECS_TASK_PULL_STARTED,
    ECS_TASK_PULL_STOPPED,
    ECS_TASK_STATUS,
    ECS_TASK_LAUNCH_TYPE,
    ECS_TASK_READ_COUNT,
    ECS_TASK_ID = ECS_TASK_READ_COUNT,
    ECS_TASK_REGION,
    ECS_TASK_ACCOUNT,
    ECS_TASK_LAUNCH_TYPE_SMALL, /* "ec2", "fargate" or empty */
    ECS_TASK_TEXT_COUNT,
};

enum ecs_container_text {
    ECS_CONTAINER_NAME,
    ECS_CONTAINER_ID,
    ECS_CONTAINER_DOCKER_NAME,
    ECS_CONTAINER_IMAGE, /* without its tag */
    ECS_CONTAINER_IMAGE_ID,
    ECS_CONTAINER_CREATED,
    ECS_CONTAINER_STARTED,
    ECS_CONTAINER_FINISHED,
    ECS_CONTAINER_STATUS,
    ECS_CONTAINER_READ_COUNT,
    ECS_CONTAINER_IMAGE_TAG = ECS_CONTAINER_READ_COUNT,
    ECS_CONTAINER_TEXT_COUNT,
};

struct ecs_limits {
    double cpu; /* units of a container, processors of a task */
    uint64_t memory_mib;
    bool has_cpu;
    bool has_memory;
};

/* What is to be told of a container. */
enum ecs_container_state {
    ECS_CONTAINER_SILENT,  /* nothing: it has no statistics */
    ECS_CONTAINER_ODD,     /* nothing: its statistics are not to be trusted */
    ECS_CONTAINER_RUNNING, /* its figures */
    ECS_CONTAINER_STOPPED, /* how long it ran */
};

struct ecs_container {
    struct slice texts[ECS_CONTAINER_TEXT_COUNT]; /* borrowed from the task's arena */
    struct ecs_limits limits;
    int64_t exit_code;
    bool has_exit_code;
    enum ecs_container_state state;
    double duration_s; /* of one that stopped */
    struct ecs_figures figures;
};

/* What was left out, by reason. */
struct ecs_left_out {
    uint32_t odd_values; /* of the task's document */
    uint32_t odd_stats;  /* containers with statistics that are not to be trusted */
    uint32_t no_stats;   /* containers that are neither running nor over */
    uint32_t odd_times;  /* containers that are over, nobody can tell after how long */
    uint32_t too_many;   /* containers beyond ECS_CONTAINERS_MAX */
};

struct ecs_task {
    struct arena arena; /* owned; the document and its texts */
    struct slice texts[ECS_TASK_TEXT_COUNT];
    struct ecs_limits limits;
    uint64_t storage_mib[2]; /* utilized, reserved */
    struct ecs_container containers[ECS_CONTAINERS_MAX];
    uint32_t container_count;
    struct ecs_figures figures; /* of all running containers together */
    struct ecs_left_out left_out;
};

/* Without containers. 0 or -ENOMEM; fini is fine either way. */
WEIR_MUST_USE int ecs_task_init(struct ecs_task *task);

/* Idempotent. */
void ecs_task_fini(struct ecs_task *task);

/*
 * ecs_task_read — who is in the task. Forgets what was read before; the document is copied.
 * 0; FAULT_MALFORMED for what is no document of a task; FAULT_LIMIT where memory is short.
 */
WEIR_MUST_USE int ecs_task_read(struct ecs_task *task, struct slice json);

/*
 * ecs_task_read_stats — what they use; once after each ecs_task_read. The document is not kept.
 * 0: the task is complete; FAULT_MALFORMED, and it is not.
 */
WEIR_MUST_USE int ecs_task_read_stats(struct ecs_task *task, struct slice json);
