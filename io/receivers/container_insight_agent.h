/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_agent — what the ECS agent answers to questions about itself, as plain values.
 *
 * Pure: JSON in, names out. Names become parts of paths below a cgroup and of labels, so those with
 * other characters than ids have are refused. Source: ECS developer guide, "Container agent
 * introspection"; keys are read in any case, as the Collector does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

#define CONTAINER_INSIGHT_ID_MAX_BYTES 127
#define CONTAINER_INSIGHT_CLUSTER_MAX_BYTES 255
#define CONTAINER_INSIGHT_TASKS_MAX 256
#define CONTAINER_INSIGHT_CONTAINERS_MAX 1024

/* A part of a path: letters, digits, '-' and '_'. */
struct container_insight_id {
    char text[CONTAINER_INSIGHT_ID_MAX_BYTES + 1];
};

struct container_insight_task {
    struct container_insight_id id;
    uint32_t container_first; /* index into container_insight_tasks.containers */
    uint32_t container_count;
};

/* The tasks that run. */
struct container_insight_tasks {
    bool is_known;
    struct container_insight_id cluster; /* as part of a path; "" where it is none */
    bool is_cut; /* there are more than have room here; running_count counts all */
    uint64_t running_count;
    struct container_insight_task tasks[CONTAINER_INSIGHT_TASKS_MAX];
    uint32_t task_count;
    struct container_insight_id containers[CONTAINER_INSIGHT_CONTAINERS_MAX];
    uint32_t container_count;
};

/* Who the host is in its cluster. */
struct container_insight_instance {
    char cluster[CONTAINER_INSIGHT_CLUSTER_MAX_BYTES + 1];
    struct container_insight_id id; /* of the container instance */
};

/* Takes the text where it is an id; else `out` is "" and the answer false. */
bool container_insight_id_keep(struct container_insight_id *out, struct slice text);

/*
 * The answer of /v1/metadata: Cluster, and the last part of ContainerInstanceArn. 0, or
 * FAULT_MALFORMED where either is missing or no such name; then `out` is all zeros.
 */
WEIR_MUST_USE int container_insight_agent_read_instance(struct slice json,
                                                        struct container_insight_instance *out);

/* The answer of /v1/tasks; the cluster is left empty. 0, or FAULT_MALFORMED, and then no task is
 * known. */
WEIR_MUST_USE int container_insight_agent_read_tasks(struct slice json,
                                                     struct container_insight_tasks *out);
