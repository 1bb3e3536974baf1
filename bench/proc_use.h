/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_use — what a process used between two samples, in seconds; nothing is divided by zero.
 */
#pragma once

#include <stdint.h>

#include "bench/proc_stat.h"

struct proc_use {
    double cpu_s; /* exact where the kernel keeps schedstat */
    double user_s;
    double system_s;
    double role_s[PROC_ROLE_COUNT];
};

struct proc_use proc_use_between(const struct proc_sample *first, const struct proc_sample *last);

/* 0 for a clock that did not move. */
double proc_use_since_s(uint64_t first_ns, uint64_t last_ns);

/* 0 where `whole` is 0. */
double proc_use_ratio(double part, double whole);
