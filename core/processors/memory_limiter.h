/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_limiter — from which number of held bytes on receivers refuse data.
 *
 * Not a struct processor: it looks at no data. Its soft limit becomes the byte budget of the
 * process (core/engine/budget.h), out of which receivers charge what they are about to read, so the
 * answer is never older than the last charge. Source: the Collector's memory_limiter: data is
 * refused from the soft limit on, which is the limit less the spike.
 *
 * The Collector looks at its heap once per check_interval and runs the garbage collector by hand at
 * the two limits, no more often than the *_gc_interval_* keys allow. There is no such collector
 * here and nothing to look at from time to time: those keys are read and checked, and that is all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"

struct config_reader;

struct memory_limiter_config {
    uint32_t limit_mib; /* 0: per cent of the memory */
    uint32_t spike_limit_mib;
    uint32_t limit_percent;
    uint32_t spike_limit_percent;
};

/*
 * Reads the section of one memory_limiter and finishes the reader. 0 or FAULT_CONFIG, reported.
 * `out` is filled in either case.
 */
WEIR_MUST_USE int memory_limiter_config_read(struct config_reader *config,
                                             struct memory_limiter_config *out);

/* Does the configuration need to know how much memory there is? */
bool memory_limiter_needs_total(const struct memory_limiter_config *config);

/*
 * memory_limiter_soft_bytes — from how many held bytes on new data is refused.
 *
 *   total_bytes   memory of the machine or control group (core/base/memory_limit.h), looked at
 *                 only where the limits are given in per cent
 */
uint64_t memory_limiter_soft_bytes(const struct memory_limiter_config *config,
                                   uint64_t total_bytes);
