/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_use — see proc_use.h.
 */
#include "bench/proc_use.h"

double proc_use_ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

double proc_use_since_s(uint64_t first_ns, uint64_t last_ns)
{
    return last_ns > first_ns ? (double)(last_ns - first_ns) / 1e9 : 0;
}

/* From schedstat, which is exact; from ticks where the kernel keeps none, or a thread that ended
 * took its share with it. */
static double use_cpu_s(const struct proc_cpu *first, const struct proc_cpu *last)
{
    if (last->run_ns > first->run_ns) {
        return proc_use_since_s(first->run_ns, last->run_ns);
    }
    return proc_use_since_s(first->user_ns + first->system_ns, last->user_ns + last->system_ns);
}

struct proc_use proc_use_between(const struct proc_sample *first, const struct proc_sample *last)
{
    struct proc_use use = {
        .cpu_s = use_cpu_s(&first->process, &last->process),
        .user_s = proc_use_since_s(first->process.user_ns, last->process.user_ns),
        .system_s = proc_use_since_s(first->process.system_ns, last->process.system_ns),
    };
    for (int role = 0; role < PROC_ROLE_COUNT; role++) {
        use.role_s[role] = use_cpu_s(&first->role[role], &last->role[role]);
    }
    return use;
}
