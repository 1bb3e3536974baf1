/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpus — affinity and cgroup quota, read once at start.
 */
#include "tools/weir/cpus.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/number.h"
#include "core/base/slice.h"

#define QUOTA_TEXT_BYTES 128

/* The first line of a small file; empty where it cannot be read. */
static struct slice read_line(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return (struct slice){0};
    }
    ssize_t len = read(fd, buf, cap);
    (void)close(fd); /* read only */
    struct slice text = slice_of(buf, len > 0 ? (size_t)len : 0);
    return slice_first(text, slice_find(text, '\n'));
}

/* Whole CPUs of the quota; UINT32_MAX where there is none. */
static uint32_t quota_of(struct slice quota_text, struct slice period_text)
{
    uint64_t quota;
    uint64_t period;
    if (number_parse_u64(quota_text, &quota) != 0 || number_parse_u64(period_text, &period) != 0 ||
        period == 0) {
        return UINT32_MAX; /* "max", "-1", or nothing */
    }
    uint64_t count = quota / period;
    return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

static uint32_t quota_count(void)
{
    char quota_buf[QUOTA_TEXT_BYTES];
    char period_buf[QUOTA_TEXT_BYTES];
    struct slice both = read_line("/sys/fs/cgroup/cpu.max", quota_buf, sizeof(quota_buf));
    if (both.len > 0) {
        size_t space = slice_find(both, ' ');
        return space == both.len ? UINT32_MAX
                                 : quota_of(slice_first(both, space), slice_from(both, space + 1));
    }
    struct slice quota =
        read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota_buf, sizeof(quota_buf));
    struct slice period =
        read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period_buf, sizeof(period_buf));
    return quota_of(quota, period);
}

uint32_t cpus_mask_count(bool *is_subset)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        *is_subset = false;
        return 1;
    }
    int count = CPU_COUNT(&set);
    int64_t host_count = sysconf(_SC_NPROCESSORS_CONF);
    *is_subset = count < host_count;
    return count > 0 ? (uint32_t)count : 1;
}

uint32_t cpus_usable_count(void)
{
    bool is_subset;
    uint32_t mask_count = cpus_mask_count(&is_subset);
    uint32_t quota = quota_count();
    uint32_t count = mask_count < quota ? mask_count : quota;
    return count > 0 ? count : 1;
}

int cpus_at(uint32_t index)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return -1;
    }
    uint32_t seen_count = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET((size_t)cpu, &set)) {
            continue;
        }
        if (seen_count == index) {
            return cpu;
        }
        seen_count++;
    }
    return -1;
}
