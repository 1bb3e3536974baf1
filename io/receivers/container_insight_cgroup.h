/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_cgroup — the control groups of a host: what all of it uses, and what its tasks
 * have reserved. Version 1 (a folder per controller) or 2 (one tree).
 *
 * Blocks; for the helper's thread. Sources: the kernel's admin-guide; where the ECS agent puts the
 * tasks: /ecs/TASK or /ecs/CLUSTER/TASK, and ecstasks.slice/ecstasks-TASK.slice.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "io/receivers/container_insight_agent.h"
#include "io/receivers/container_insight_file.h"
#include "io/receivers/container_insight_sample.h"

enum container_insight_cgroup_version {
    CONTAINER_INSIGHT_CGROUP_NONE,
    CONTAINER_INSIGHT_CGROUP_V1,
    CONTAINER_INSIGHT_CGROUP_V2,
};

struct container_insight_cgroup {
    enum container_insight_cgroup_version version;
    char root[PATH_MAX];
    struct container_insight_buffer *buffer; /* borrowed until the last read */
};

/* Looks at `root`, which is copied; what is not there is no version. */
void container_insight_cgroup_find(struct container_insight_cgroup *cgroup, const char *root);

/*
 * CPU, memory and disks of the whole tree, into the sample. `swap_bytes` is what the host has
 * swapped out, which version 2 does not tell. False where anything is missing.
 */
bool container_insight_cgroup_read(struct container_insight_cgroup *cgroup, uint64_t swap_bytes,
                                   struct container_insight_sample *sample);

/*
 * Adds up what the tasks reserve. False where a task has no cgroup; the others count. Not known
 * where there is no tree at all, or none of the tasks in it.
 */
bool container_insight_cgroup_reserved(struct container_insight_cgroup *cgroup,
                                       const struct container_insight_tasks *tasks,
                                       struct container_insight_reserved *out);
