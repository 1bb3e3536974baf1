/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_limit — how much memory this process may use: the smallest limit of its control groups
 * (version 2, else 1), or the machine's memory.
 *
 * Reads small files below /proc and /sys; at start only. Source: Linux admin-guide/cgroup-v2,
 * cgroup-v1/memory, filesystems/proc.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"

/* What the limit comes from, for the log. */
enum memory_limit_source {
    MEMORY_LIMIT_CGROUP_V2,
    MEMORY_LIMIT_CGROUP_V1,
    MEMORY_LIMIT_MACHINE,
};

/*
 * memory_limit_read — the limit in bytes.
 *
 *   root   put before every path: "" for the real one, a folder in tests; at most 256 bytes
 *
 * 0, or FAULT_UNSUPPORTED where no file says anything; then *out_bytes is 0.
 */
WEIR_MUST_USE int memory_limit_read(const char *root, uint64_t *out_bytes,
                                    enum memory_limit_source *out_source);
