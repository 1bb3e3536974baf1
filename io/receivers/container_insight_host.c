/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_host — one source after another.
 */
#include "io/receivers/container_insight_host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "io/receivers/container_insight_cgroup.h"
#include "io/receivers/container_insight_parse.h"

/* Where the daemon's task has the host's /proc. */
#define ROOTFS_PROC "/rootfs/proc"

/* --- where to look ---------------------------------------------------------------------------- */

static int keep_path(char out[PATH_MAX], const char *variable, const char *path_default)
{
    const char *path = getenv(variable);
    if (path == NULL || path[0] == '\0') {
        path = path_default;
    }
    size_t len = strlen(path);
    if (len >= PATH_MAX) {
        return -ENAMETOOLONG;
    }
    memcpy(out, path, len + 1);
    return 0;
}

int container_insight_host_init(struct container_insight_host *host)
{
    *host = (struct container_insight_host){0};
    bool has_rootfs = access(ROOTFS_PROC "/stat", R_OK) == 0;
    int err = keep_path(host->proc, "HOST_PROC", has_rootfs ? ROOTFS_PROC : "/proc");
    if (err == 0) {
        err = keep_path(host->sys, "HOST_SYS", "");
    }
    if (err == 0) {
        err = keep_path(host->mountinfo, "HOST_PROC_MOUNTINFO", "/proc/self/mountinfo");
    }
    return err;
}

/* The host's cgroups before those of this container's own namespace. */
static void find_cgroup(const struct container_insight_host *host,
                        struct container_insight_cgroup *cgroup)
{
    static const char *const usual[] = {"/rootfs/sys/fs/cgroup", "/sys/fs/cgroup", "/rootfs/cgroup",
                                        "/cgroup"};
    if (host->sys[0] != '\0') {
        char root[PATH_MAX];
        int len = snprintf(root, sizeof(root), "%s/fs/cgroup", host->sys);
        if (len > 0 && (size_t)len < sizeof(root)) {
            container_insight_cgroup_find(cgroup, root);
        }
        return;
    }
    for (size_t i = 0; i < COUNT_OF(usual) && cgroup->version == CONTAINER_INSIGHT_CGROUP_NONE;
         i++) {
        container_insight_cgroup_find(cgroup, usual[i]);
    }
}

/* --- one look --------------------------------------------------------------------------------- */

static void note(struct container_insight_sample *sample, enum container_insight_source source,
                 bool is_good)
{
    if (!is_good) {
        sample->missing |= CONTAINER_INSIGHT_SOURCE_BIT(source);
    }
}

/* Reads all of /proc but the disks' names. Returns what is swapped out. */
static uint64_t read_proc(const struct container_insight_host *host,
                          struct container_insight_buffer *buffer,
                          struct container_insight_sample *sample)
{
    struct container_insight_meminfo memory = {0};
    struct slice text;
    bool is_good = container_insight_file_read(buffer, host->proc, "stat", &text) == 0 &&
                   container_insight_parse_stat(text, &sample->core_count) == 0;
    note(sample, CONTAINER_INSIGHT_PROC, is_good);
    is_good = container_insight_file_read(buffer, host->proc, "meminfo", &text) == 0 &&
              container_insight_parse_meminfo(text, &memory) == 0;
    note(sample, CONTAINER_INSIGHT_PROC, is_good);
    if (!is_good) {
        memory = (struct container_insight_meminfo){0};
    }
    sample->memory_capacity_bytes = memory.total_bytes;
    is_good = container_insight_file_read(buffer, host->proc, "1/net/dev", &text) == 0 &&
              container_insight_parse_net_dev(text, sample) == 0;
    note(sample, CONTAINER_INSIGHT_PROC, is_good);
    return memory.swap_total_bytes - memory.swap_free_bytes;
}

/* Without names disks are called by their numbers. */
static void read_disk_names(const struct container_insight_host *host,
                            struct container_insight_buffer *buffer,
                            struct container_insight_sample *sample)
{
    struct slice text;
    bool is_good = sample->disk_count == 0 ||
                   (container_insight_file_read(buffer, host->proc, "diskstats", &text) == 0 &&
                    container_insight_parse_diskstats(text, sample) == 0);
    note(sample, CONTAINER_INSIGHT_PROC, is_good);
}

static bool read_filesystem(const struct container_insight_mount *mount,
                            struct container_insight_filesystem *out)
{
    struct statvfs stat;
    if (statvfs(mount->path, &stat) != 0) {
        return false;
    }
    *out = (struct container_insight_filesystem){
        .capacity_bytes = (uint64_t)stat.f_frsize * stat.f_blocks,
        .usage_bytes = (uint64_t)stat.f_frsize * (stat.f_blocks - stat.f_bfree),
        .available_bytes = (uint64_t)stat.f_frsize * stat.f_bavail,
        .inode_count = stat.f_files,
        .inode_free_count = stat.f_ffree,
    };
    memcpy(out->device, mount->device, sizeof(out->device));
    return stat.f_bfree <= stat.f_blocks;
}

static void read_filesystems(const struct container_insight_host *host,
                             struct container_insight_buffer *buffer,
                             struct container_insight_sample *sample)
{
    struct container_insight_mount mounts[CONTAINER_INSIGHT_FILESYSTEMS_MAX];
    struct slice text;
    uint32_t count = 0;
    bool is_cut = false;
    if (container_insight_file_read(buffer, host->mountinfo, NULL, &text) == 0) {
        count = container_insight_parse_mountinfo(text, mounts, COUNT_OF(mounts), &is_cut);
    }
    note(sample, CONTAINER_INSIGHT_FILESYSTEM, count > 0 && !is_cut);
    for (uint32_t i = 0; i < count; i++) {
        bool is_good = read_filesystem(&mounts[i], &sample->filesystems[sample->filesystem_count]);
        sample->filesystem_count += is_good ? 1 : 0;
        note(sample, CONTAINER_INSIGHT_FILESYSTEM, is_good);
    }
}

static void read_cgroups(const struct container_insight_host *host,
                         const struct container_insight_tasks *tasks, uint64_t swap_bytes,
                         struct container_insight_buffer *buffer,
                         struct container_insight_sample *sample)
{
    struct container_insight_cgroup cgroup = {.buffer = buffer};
    find_cgroup(host, &cgroup);
    note(sample, CONTAINER_INSIGHT_CGROUP,
         container_insight_cgroup_read(&cgroup, swap_bytes, sample));
    if (tasks->is_known) {
        sample->has_running_count = true;
        sample->running_task_count = tasks->running_count;
        note(sample, CONTAINER_INSIGHT_CGROUP,
             container_insight_cgroup_reserved(&cgroup, tasks, &sample->reserved));
    }
}

void container_insight_host_read(const struct container_insight_host *host,
                                 const struct container_insight_tasks *tasks,
                                 struct container_insight_buffer *buffer,
                                 struct container_insight_sample *sample)
{
    memset(sample, 0, sizeof(*sample)); /* too large for a literal on the stack */
    sample->time_mono_ns = clock_mono_ns();
    sample->time_unix_ns = clock_unix_ns();
    uint64_t swap_bytes = read_proc(host, buffer, sample);
    read_cgroups(host, tasks, swap_bytes, buffer, sample);
    read_disk_names(host, buffer, sample);
    read_filesystems(host, buffer, sample);
}
