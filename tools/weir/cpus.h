/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpus — how many CPUs this process may really use, and which.
 *
 * The smaller of the affinity mask and the cgroup's quota. Source: cgroup v2 `cpu.max`, v1
 * `cpu.cfs_quota_us`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* max(1, floor(min(affinity, quota))). */
uint32_t cpus_usable_count(void);

/* CPUs of the affinity mask, and whether they are fewer than the host has. */
uint32_t cpus_mask_count(bool *is_subset);

/* The CPU number of the `index`-th CPU of the mask, or -1. */
int cpus_at(uint32_t index);
