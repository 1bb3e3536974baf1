/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_sample — one look at a host of ECS: counters and levels, as they stood then.
 *
 * Filled on the helper's thread by container_insight_host, read by container_insight_build: two
 * samples, one after the other, become rates. Plain values; owns nothing. What was not there is
 * left out, and said in `missing`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Longest name of an interface is 15; of a disk, "/dev/" and what the kernel calls it. */
#define CONTAINER_INSIGHT_NAME_MAX_BYTES 127
#define CONTAINER_INSIGHT_INTERFACES_MAX 128
#define CONTAINER_INSIGHT_DISKS_MAX 64
#define CONTAINER_INSIGHT_FILESYSTEMS_MAX 64

/* Where numbers come from; one that gives nothing usable costs its metrics and is counted. */
enum container_insight_source {
    CONTAINER_INSIGHT_IDENTITY, /* the machine's metadata */
    CONTAINER_INSIGHT_AGENT,    /* what the ECS agent tells of itself */
    CONTAINER_INSIGHT_PROC,
    CONTAINER_INSIGHT_CGROUP,
    CONTAINER_INSIGHT_FILESYSTEM,
    CONTAINER_INSIGHT_SOURCE_COUNT,
};
#define CONTAINER_INSIGHT_SOURCE_BIT(source) (UINT32_C(1) << (source))

struct container_insight_cpu {
    bool is_known;
    uint64_t total_ns;
    uint64_t user_ns;
    uint64_t system_ns;
};

struct container_insight_memory {
    bool is_known;
    uint64_t usage_bytes;
    uint64_t max_usage_bytes; /* 0 where the kernel does not tell */
    uint64_t cache_bytes;
    uint64_t rss_bytes;
    uint64_t swap_bytes;
    uint64_t mapped_file_bytes;
    uint64_t inactive_file_bytes;
    uint64_t limit_hit_count;
    uint64_t fault_count;
    uint64_t major_fault_count;
};

enum container_insight_traffic {
    CONTAINER_INSIGHT_RX_BYTES,
    CONTAINER_INSIGHT_RX_PACKETS,
    CONTAINER_INSIGHT_RX_ERRORS,
    CONTAINER_INSIGHT_RX_DROPPED,
    CONTAINER_INSIGHT_TX_BYTES,
    CONTAINER_INSIGHT_TX_PACKETS,
    CONTAINER_INSIGHT_TX_ERRORS,
    CONTAINER_INSIGHT_TX_DROPPED,
    CONTAINER_INSIGHT_TRAFFIC_COUNT,
};

struct container_insight_interface {
    char name[CONTAINER_INSIGHT_NAME_MAX_BYTES + 1];
    uint64_t counters[CONTAINER_INSIGHT_TRAFFIC_COUNT];
};

enum container_insight_io {
    CONTAINER_INSIGHT_IO_READ,
    CONTAINER_INSIGHT_IO_WRITE,
    CONTAINER_INSIGHT_IO_SYNC,
    CONTAINER_INSIGHT_IO_ASYNC,
    CONTAINER_INSIGHT_IO_TOTAL,
    CONTAINER_INSIGHT_IO_COUNT,
};

/* Counters of one unit, bytes or operations. */
struct container_insight_io_counters {
    uint64_t counts[CONTAINER_INSIGHT_IO_COUNT];
    bool has[CONTAINER_INSIGHT_IO_COUNT];
};

struct container_insight_disk {
    char name[CONTAINER_INSIGHT_NAME_MAX_BYTES + 1]; /* "/dev/nvme0n1", else "259:0" */
    uint64_t major;
    uint64_t minor;
    struct container_insight_io_counters bytes;
    struct container_insight_io_counters operations;
};

struct container_insight_filesystem {
    char device[CONTAINER_INSIGHT_NAME_MAX_BYTES + 1];
    uint64_t capacity_bytes;
    uint64_t usage_bytes;
    uint64_t available_bytes;
    uint64_t inode_count;
    uint64_t inode_free_count;
};

/* What the tasks of the host have been promised; sums over their cgroups. */
struct container_insight_reserved {
    bool is_known;
    uint64_t cpu_shares; /* 1024 are one core */
    uint64_t memory_bytes;
};

struct container_insight_sample {
    uint64_t time_mono_ns; /* of rates; 0: nothing was looked at yet */
    uint64_t time_unix_ns;
    uint32_t missing;    /* CONTAINER_INSIGHT_SOURCE_BITs */
    uint32_t core_count; /* 0: not known */
    uint64_t memory_capacity_bytes;
    struct container_insight_cpu cpu;
    struct container_insight_memory memory;
    struct container_insight_interface interfaces[CONTAINER_INSIGHT_INTERFACES_MAX];
    uint32_t interface_count;
    struct container_insight_disk disks[CONTAINER_INSIGHT_DISKS_MAX];
    uint32_t disk_count;
    struct container_insight_filesystem filesystems[CONTAINER_INSIGHT_FILESYSTEMS_MAX];
    uint32_t filesystem_count;
    bool has_running_count;
    uint64_t running_task_count;
    struct container_insight_reserved reserved;
};
