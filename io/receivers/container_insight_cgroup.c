/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_cgroup — files by their names, for each version.
 *
 * The root of version 2 has no files that tell of memory as a whole: there it is what processes
 * hold and what files are cached, which is what version 1 counts as usage.
 */
#include "io/receivers/container_insight_cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "io/receivers/container_insight_parse.h"

/* cpuacct.stat counts in these. */
#define NS_PER_TICK UINT64_C(10000000)
#define NS_PER_US UINT64_C(1000)
/* A limit of version 1 that is not set: the largest number, rounded down to a page. */
#define UNLIMITED_BYTES (UINT64_C(1) << 62)
/* What the kernel gives who asked for nothing. */
#define SHARES_MIN 2
#define SHARES_PER_CORE 1024
/* Weights 1 to 10000 of version 2 stand for shares 2 to 262144. */
#define WEIGHT_SPAN 9999
#define SHARES_SPAN 262142

/* --- the tree --------------------------------------------------------------------------------- */

static bool join(char out[PATH_MAX], const char *folder, const char *name)
{
    int len = snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return len > 0 && len < PATH_MAX;
}

static bool exists(const char *folder, const char *name)
{
    char path[PATH_MAX];
    return join(path, folder, name) && access(path, R_OK) == 0;
}

void container_insight_cgroup_find(struct container_insight_cgroup *cgroup, const char *root)
{
    cgroup->version = CONTAINER_INSIGHT_CGROUP_NONE;
    int len = snprintf(cgroup->root, sizeof(cgroup->root), "%s", root);
    if (len <= 0 || (size_t)len >= sizeof(cgroup->root)) {
        return;
    }
    if (exists(root, "cgroup.controllers")) {
        cgroup->version = CONTAINER_INSIGHT_CGROUP_V2;
    } else if (exists(root, "memory/memory.stat")) {
        cgroup->version = CONTAINER_INSIGHT_CGROUP_V1;
    }
}

static int read_keys(struct container_insight_cgroup *cgroup, const char *folder, const char *name,
                     const struct container_insight_key *keys, size_t key_count)
{
    struct slice text;
    int err = container_insight_file_read(cgroup->buffer, folder, name, &text);
    return err != 0 ? err : container_insight_parse_keys(text, keys, key_count);
}

static int read_number(struct container_insight_cgroup *cgroup, const char *folder,
                       const char *name, uint64_t *out)
{
    return container_insight_file_number(cgroup->buffer, folder, name, out);
}

/* --- version 1 -------------------------------------------------------------------------------- */

static bool read_cpu_v1(struct container_insight_cgroup *cgroup, struct container_insight_cpu *out)
{
    static const char *const folders[] = {"cpuacct", "cpu,cpuacct"};
    uint64_t user_ticks = 0;
    uint64_t system_ticks = 0;
    const struct container_insight_key keys[] = {{"user", &user_ticks}, {"system", &system_ticks}};
    char folder[PATH_MAX];
    for (size_t i = 0; i < COUNT_OF(folders) && !out->is_known; i++) {
        out->is_known = join(folder, cgroup->root, folders[i]) &&
                        read_number(cgroup, folder, "cpuacct.usage", &out->total_ns) == 0 &&
                        read_keys(cgroup, folder, "cpuacct.stat", keys, COUNT_OF(keys)) == 0;
    }
    out->user_ns = user_ticks * NS_PER_TICK;
    out->system_ns = system_ticks * NS_PER_TICK;
    return out->is_known;
}

static bool read_memory_v1(struct container_insight_cgroup *cgroup,
                           struct container_insight_memory *out)
{
    char folder[PATH_MAX];
    uint64_t is_tree = 0;
    if (!join(folder, cgroup->root, "memory")) {
        return false;
    }
    bool has_tree = read_number(cgroup, folder, "memory.use_hierarchy", &is_tree) == 0;
    bool is_total = has_tree && is_tree == 1;
    const struct container_insight_key keys[] = {
        {is_total ? "total_cache" : "cache", &out->cache_bytes},
        {is_total ? "total_rss" : "rss", &out->rss_bytes},
        {is_total ? "total_swap" : "swap", &out->swap_bytes},
        {is_total ? "total_mapped_file" : "mapped_file", &out->mapped_file_bytes},
        {"total_inactive_file", &out->inactive_file_bytes},
        {"pgfault", &out->fault_count},
        {"pgmajfault", &out->major_fault_count},
    };
    out->is_known =
        read_number(cgroup, folder, "memory.usage_in_bytes", &out->usage_bytes) == 0 &&
        read_number(cgroup, folder, "memory.max_usage_in_bytes", &out->max_usage_bytes) == 0 &&
        read_number(cgroup, folder, "memory.failcnt", &out->limit_hit_count) == 0 &&
        read_keys(cgroup, folder, "memory.stat", keys, COUNT_OF(keys)) == 0;
    return out->is_known;
}

/* The first of the kernel's schedulers that tells of a device; reading nothing is fine. */
static bool read_io_v1(struct container_insight_cgroup *cgroup, bool is_bytes,
                       struct container_insight_sample *sample)
{
    static const struct {
        const char *prefix;
        const char *suffix;
    } names[] = {
        {"blkio.bfq.", "_recursive"},
        {"blkio.", "_recursive"},
        {"blkio.throttle.", "_recursive"},
        {"blkio.throttle.", ""},
    };
    const char *kind = is_bytes ? "io_service_bytes" : "io_serviced";
    char folder[PATH_MAX];
    bool is_read = false;
    for (size_t i = 0; i < COUNT_OF(names) && join(folder, cgroup->root, "blkio"); i++) {
        char name[64];
        struct slice text;
        (void)snprintf(name, sizeof(name), "%s%s%s", names[i].prefix, kind, names[i].suffix);
        if (container_insight_file_read(cgroup->buffer, folder, name, &text) != 0) {
            continue;
        }
        is_read = container_insight_parse_blkio(text, is_bytes, sample) == 0;
        bool has_device = slice_find(text, ':') < text.len;
        if (has_device || !is_read) {
            break;
        }
    }
    return is_read;
}

/* --- version 2 -------------------------------------------------------------------------------- */

static bool read_cpu_v2(struct container_insight_cgroup *cgroup, struct container_insight_cpu *out)
{
    uint64_t total_us = 0;
    const struct container_insight_key keys[] = {
        {"usage_usec", &total_us},
        {"user_usec", &out->user_ns},
        {"system_usec", &out->system_ns},
    };
    out->is_known = read_keys(cgroup, cgroup->root, "cpu.stat", keys, COUNT_OF(keys)) == 0;
    out->total_ns = total_us * NS_PER_US;
    out->user_ns *= NS_PER_US;
    out->system_ns *= NS_PER_US;
    return out->is_known;
}

static bool read_memory_v2(struct container_insight_cgroup *cgroup, uint64_t swap_bytes,
                           struct container_insight_memory *out)
{
    const struct container_insight_key keys[] = {
        {"anon", &out->rss_bytes},
        {"file", &out->cache_bytes},
        {"file_mapped", &out->mapped_file_bytes},
        {"inactive_file", &out->inactive_file_bytes},
        {"pgfault", &out->fault_count},
        {"pgmajfault", &out->major_fault_count},
    };
    out->is_known = read_keys(cgroup, cgroup->root, "memory.stat", keys, COUNT_OF(keys)) == 0;
    out->swap_bytes = swap_bytes;
    if (read_number(cgroup, cgroup->root, "memory.current", &out->usage_bytes) != 0) {
        out->usage_bytes = out->rss_bytes + out->cache_bytes; /* the root has no such file */
    }
    if (read_number(cgroup, cgroup->root, "memory.peak", &out->max_usage_bytes) != 0) {
        out->max_usage_bytes = 0;
    }
    return out->is_known;
}

static bool read_io_v2(struct container_insight_cgroup *cgroup,
                       struct container_insight_sample *sample)
{
    struct slice text;
    return container_insight_file_read(cgroup->buffer, cgroup->root, "io.stat", &text) == 0 &&
           container_insight_parse_io_stat(text, sample) == 0;
}

/* --- both ------------------------------------------------------------------------------------- */

static bool forget_disks(struct container_insight_sample *sample, bool is_good)
{
    sample->disk_count = is_good ? sample->disk_count : 0;
    return is_good;
}

bool container_insight_cgroup_read(struct container_insight_cgroup *cgroup, uint64_t swap_bytes,
                                   struct container_insight_sample *sample)
{
    bool has_cpu = false;
    bool has_memory = false;
    bool has_io = false;
    switch (cgroup->version) {
    case CONTAINER_INSIGHT_CGROUP_NONE:
        return false;
    case CONTAINER_INSIGHT_CGROUP_V1:
        has_cpu = read_cpu_v1(cgroup, &sample->cpu);
        has_memory = read_memory_v1(cgroup, &sample->memory);
        has_io = read_io_v1(cgroup, true, sample) && read_io_v1(cgroup, false, sample);
        break;
    case CONTAINER_INSIGHT_CGROUP_V2:
        has_cpu = read_cpu_v2(cgroup, &sample->cpu);
        has_memory = read_memory_v2(cgroup, swap_bytes, &sample->memory);
        has_io = read_io_v2(cgroup, sample);
        break;
    }
    return forget_disks(sample, has_io) && has_cpu && has_memory;
}

/* --- what tasks reserve ----------------------------------------------------------------------- */

/* The folder of a task below a controller, or below the one tree. False where there is none. */
static bool find_task(const struct container_insight_cgroup *cgroup, const char *controller,
                      const struct container_insight_tasks *tasks,
                      const struct container_insight_task *task, char out[PATH_MAX])
{
    int len = 0;
    if (cgroup->version == CONTAINER_INSIGHT_CGROUP_V2) {
        len = snprintf(out, PATH_MAX, "%s/ecstasks.slice/ecstasks-%s.slice", cgroup->root,
                       task->id.text);
        return len > 0 && len < PATH_MAX && access(out, R_OK) == 0;
    }
    len = snprintf(out, PATH_MAX, "%s/%s/ecs/%s", cgroup->root, controller, task->id.text);
    if (len > 0 && len < PATH_MAX && access(out, R_OK) == 0) {
        return true;
    }
    len = snprintf(out, PATH_MAX, "%s/%s/ecs/%s/%s", cgroup->root, controller, tasks->cluster.text,
                   task->id.text);
    return tasks->cluster.text[0] != '\0' && len > 0 && len < PATH_MAX && access(out, R_OK) == 0;
}

static uint64_t shares_of_quota(uint64_t quota_us, uint64_t period_us)
{
    bool is_sane = period_us > 0 && quota_us <= UINT64_MAX / SHARES_PER_CORE - period_us;
    return is_sane ? (quota_us * SHARES_PER_CORE + period_us - 1) / period_us : 0;
}

/* A hard limit if there is one, else the share. */
static uint64_t read_shares_v1(struct container_insight_cgroup *cgroup, const char *folder)
{
    uint64_t quota_us = 0;
    uint64_t period_us = 0;
    uint64_t shares = 0;
    if (read_number(cgroup, folder, "cpu.cfs_quota_us", &quota_us) == 0 &&
        read_number(cgroup, folder, "cpu.cfs_period_us", &period_us) == 0 && period_us > 0) {
        return shares_of_quota(quota_us, period_us);
    }
    return read_number(cgroup, folder, "cpu.shares", &shares) == 0 ? shares : 0;
}

static uint64_t read_shares_v2(struct container_insight_cgroup *cgroup, const char *folder)
{
    uint64_t quota_us = 0;
    uint64_t period_us = 0;
    uint64_t weight = 0;
    struct slice text;
    if (container_insight_file_read(cgroup->buffer, folder, "cpu.max", &text) == 0 &&
        container_insight_parse_quota(text, &quota_us, &period_us) == 0) {
        return shares_of_quota(quota_us, period_us);
    }
    bool is_weight = read_number(cgroup, folder, "cpu.weight", &weight) == 0 && weight >= 1 &&
                     weight <= WEIGHT_SPAN + 1;
    return is_weight ? SHARES_MIN + (weight - 1) * SHARES_SPAN / WEIGHT_SPAN : 0;
}

/* 0 where the limit is not set. */
static uint64_t read_limit(struct container_insight_cgroup *cgroup, const char *folder,
                           const char *name)
{
    uint64_t bytes = 0;
    bool is_set = read_number(cgroup, folder, name, &bytes) == 0 && bytes < UNLIMITED_BYTES;
    return is_set ? bytes : 0;
}

/* The task's own limit, else what its containers reserve, else their limits. */
static uint64_t read_task_bytes(struct container_insight_cgroup *cgroup,
                                const struct container_insight_tasks *tasks,
                                const struct container_insight_task *task, const char *folder)
{
    bool is_v2 = cgroup->version == CONTAINER_INSIGHT_CGROUP_V2;
    const char *soft = is_v2 ? "memory.low" : "memory.soft_limit_in_bytes";
    const char *hard = is_v2 ? "memory.max" : "memory.limit_in_bytes";
    uint64_t sum = read_limit(cgroup, folder, hard);
    if (sum > 0) {
        return sum;
    }
    for (uint32_t i = 0; i < task->container_count; i++) {
        const char *id = tasks->containers[task->container_first + i].text;
        char path[PATH_MAX];
        int len = is_v2 ? snprintf(path, sizeof(path), "%s/docker-%s.scope", folder, id)
                        : snprintf(path, sizeof(path), "%s/%s", folder, id);
        if (len <= 0 || (size_t)len >= sizeof(path)) {
            continue;
        }
        uint64_t bytes = read_limit(cgroup, path, soft);
        sum += bytes > 0 ? bytes : read_limit(cgroup, path, hard);
    }
    return sum;
}

bool container_insight_cgroup_reserved(struct container_insight_cgroup *cgroup,
                                       const struct container_insight_tasks *tasks,
                                       struct container_insight_reserved *out)
{
    bool is_v2 = cgroup->version == CONTAINER_INSIGHT_CGROUP_V2;
    bool is_whole = !tasks->is_cut;
    bool is_any_found = tasks->task_count == 0;
    *out = (struct container_insight_reserved){.is_known = cgroup->version !=
                                                           CONTAINER_INSIGHT_CGROUP_NONE};
    for (uint32_t i = 0; i < tasks->task_count && out->is_known; i++) {
        const struct container_insight_task *task = &tasks->tasks[i];
        char folder[PATH_MAX];
        bool has_cpu = find_task(cgroup, "cpu", tasks, task, folder);
        if (has_cpu) {
            uint64_t shares =
                is_v2 ? read_shares_v2(cgroup, folder) : read_shares_v1(cgroup, folder);
            out->cpu_shares += shares > SHARES_MIN ? shares : 0;
        }
        bool has_memory = find_task(cgroup, "memory", tasks, task, folder);
        if (has_memory) {
            out->memory_bytes += read_task_bytes(cgroup, tasks, task, folder);
        }
        is_whole = is_whole && has_cpu && has_memory;
        is_any_found = is_any_found || has_cpu || has_memory;
    }
    out->is_known = out->is_known && is_any_found;
    return is_whole && out->is_known;
}
