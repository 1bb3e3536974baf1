/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_parse — the kernel's text files of /proc and of cgroups, either version.
 *
 * Pure: text in, numbers out. A file of another shape than expected is refused as a whole, because
 * half of its numbers would be worth nothing. Source: proc(5), the kernel's admin-guide on cgroups.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/receivers/container_insight_sample.h"

#define CONTAINER_INSIGHT_PATH_MAX_BYTES 255

/* A place of a file system, as far as it is one whose room is told. */
struct container_insight_mount {
    char device[CONTAINER_INSIGHT_NAME_MAX_BYTES + 1];
    char path[CONTAINER_INSIGHT_PATH_MAX_BYTES + 1];
};

/* One line of a file of "name number" lines. */
struct container_insight_key {
    const char *name;
    uint64_t *value; /* written where the name stands */
};

struct container_insight_meminfo {
    uint64_t total_bytes;
    uint64_t swap_total_bytes;
    uint64_t swap_free_bytes;
};

/* All return 0, or FAULT_MALFORMED, and then the output is not to be used. */

/* A file that holds one number. -ENOENT for "max" and "-1": there is no limit. */
WEIR_MUST_USE int container_insight_parse_number(struct slice text, uint64_t *out);

/* "name number" lines: cpu.stat, memory.stat, cpuacct.stat. Names that are not asked for pass. */
WEIR_MUST_USE int container_insight_parse_keys(struct slice text,
                                               const struct container_insight_key *keys,
                                               size_t key_count);

/* cpu.max: "50000 100000". -ENOENT for "max 100000": there is no limit. */
WEIR_MUST_USE int container_insight_parse_quota(struct slice text, uint64_t *quota_us,
                                                uint64_t *period_us);

/* /proc/stat: how many lines tell of one CPU. */
WEIR_MUST_USE int container_insight_parse_stat(struct slice text, uint32_t *core_count);

/* /proc/meminfo; MemTotal must be there. */
WEIR_MUST_USE int container_insight_parse_meminfo(struct slice text,
                                                  struct container_insight_meminfo *out);

/*
 * /proc/1/net/dev: fills `interfaces`, without loopback and the host's ends of containers' links
 * (lo…, veth…, docker…). Those beyond CONTAINER_INSIGHT_INTERFACES_MAX are left out, and `missing`
 * says so.
 */
WEIR_MUST_USE int container_insight_parse_net_dev(struct slice text,
                                                  struct container_insight_sample *sample);

/*
 * io.stat (version 2): adds disks, their bytes and operations; the total is of reads and writes.
 * Disks beyond CONTAINER_INSIGHT_DISKS_MAX are left out, and `missing` says so; so it is below.
 */
WEIR_MUST_USE int container_insight_parse_io_stat(struct slice text,
                                                  struct container_insight_sample *sample);

/* blkio.…io_service_bytes or io_serviced (version 1): adds disks, and one unit of theirs. */
WEIR_MUST_USE int container_insight_parse_blkio(struct slice text, bool is_bytes,
                                                struct container_insight_sample *sample);

/* /proc/diskstats: names for the disks that are there. */
WEIR_MUST_USE int container_insight_parse_diskstats(struct slice text,
                                                    struct container_insight_sample *sample);

/*
 * /proc/self/mountinfo: the first place of each device of a file system, and of each tmpfs below
 * /dev, which is its own device; returns how many, at most `max`. Lines of other shapes pass, since
 * the kernel adds fields as it likes.
 *   is_cut   set; are there more?
 */
uint32_t container_insight_parse_mountinfo(struct slice text, struct container_insight_mount *out,
                                           uint32_t max, bool *is_cut);
