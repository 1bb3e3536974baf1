/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_host — looks at the host: its /proc, its cgroups, the room on its disks.
 *
 * Blocks; for the helper's thread. The daemon's task has the host's folders mounted below /rootfs;
 * where they are not, its own are looked at. HOST_PROC, HOST_SYS and HOST_PROC_MOUNTINFO name
 * others. What cannot be read costs its metrics and is said in the sample.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "core/base/defs.h"
#include "io/receivers/container_insight_agent.h"
#include "io/receivers/container_insight_file.h"
#include "io/receivers/container_insight_sample.h"

/* Where to look; made once, from the environment. */
struct container_insight_host {
    char proc[PATH_MAX];
    char sys[PATH_MAX]; /* "" where nothing names it: the usual places are tried */
    char mountinfo[PATH_MAX];
};

/* 0, or -ENAMETOOLONG for a variable that is no path. */
WEIR_MUST_USE int container_insight_host_init(struct container_insight_host *host);

/*
 * Looks once. `tasks` may be not known; then nothing is reserved.
 *   sample   overwritten
 *   buffer   for files; free again on return
 */
void container_insight_host_read(const struct container_insight_host *host,
                                 const struct container_insight_tasks *tasks,
                                 struct container_insight_buffer *buffer,
                                 struct container_insight_sample *sample);
