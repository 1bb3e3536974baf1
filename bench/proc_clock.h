/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_clock — the clocks of the bench programs, which have no loop to ask.
 */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t proc_mono_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock and pointer */
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static inline void proc_sleep_ms(uint32_t ms)
{
    const struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&span, NULL); /* waking early is fine */
}
