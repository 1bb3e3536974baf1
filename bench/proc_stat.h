/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_stat — what a process and the box have used so far, read from /proc and /sys.
 *
 * Threads are told apart by their names: `shard-N` and `egress-N` are summed, the rest is `other`.
 * Figures are totals since the start; a measurement is the difference of two.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

enum proc_role {
    PROC_ROLE_SHARD,
    PROC_ROLE_EGRESS,
    PROC_ROLE_OTHER,
};
#define PROC_ROLE_COUNT 3

/* In nanoseconds; user and system are as coarse as the kernel's tick, `run_ns` is exact. */
struct proc_cpu {
    uint64_t user_ns;
    uint64_t system_ns;
    uint64_t run_ns; /* from schedstat; 0 where the kernel keeps none */
};

struct proc_sample {
    uint64_t taken_mono_ns;
    struct proc_cpu process; /* threads that have ended are in here only */
    struct proc_cpu role[PROC_ROLE_COUNT];
    uint32_t thread_count[PROC_ROLE_COUNT];
    uint64_t box_busy_ns; /* all CPUs, everything but idle and waiting */
    uint64_t resident_bytes;
    uint64_t resident_peak_bytes; /* VmHWM */
    uint64_t anonymous_bytes;     /* RssAnon */
    uint64_t cgroup_peak_bytes;   /* memory.peak of the process's cgroup; 0 where there is none */
};

/* 0 or -errno (the process is gone). */
WEIR_MUST_USE int proc_sample_take(pid_t pid, struct proc_sample *out);

/* Sum of the kernel's drops over all sockets bound to `port` (v4 and v6), and how many those are.
 */
uint64_t proc_udp_drops(uint16_t port, uint32_t *socket_count);

/*
 * The parsers, for tests. Each borrows `text` until return.
 *   proc_parse_stat     /proc/PID/stat or task/TID/stat: name (borrowed from text) and CPU ticks
 *   proc_parse_status   value of a `Key:   123 kB` line in bytes, 0 where there is none
 *   proc_parse_udp      adds one table of sockets
 */
WEIR_MUST_USE int proc_parse_stat(struct slice text, struct slice *name, uint64_t *user_ticks,
                                  uint64_t *system_ticks);
uint64_t proc_parse_status(struct slice text, const char *key);
uint64_t proc_parse_udp(struct slice text, uint16_t port, uint32_t *socket_count);
