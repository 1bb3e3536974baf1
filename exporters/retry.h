/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry — how long to wait before the next attempt: exponential backoff with jitter.
 *
 * The keys, defaults and arithmetic of the Collector's `retry_on_failure`: the wait is drawn from
 * interval × (1 ± factor), then the interval grows by the multiplier up to its maximum. Pure state:
 * it is told what has passed, and its randomness is seeded.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"

struct config_reader;

struct retry_config {
    bool is_enabled;
    uint64_t initial_interval_ns;
    uint64_t max_interval_ns;
    uint64_t max_elapsed_ns; /* from the first attempt on; 0 for no limit */
    double multiplier;
    double randomization_factor; /* in [0, 1] */
};

/*
 * Reads the section `retry_on_failure` of `r`, whose `initial_interval` has a default of the
 * exporter's. Complaints go to the reader's report.
 */
void retry_config_read(struct config_reader *r, uint64_t default_initial_ns,
                       struct retry_config *out);

/* Where one batch stands. */
struct retry {
    uint64_t interval_ns; /* of the next wait, before jitter */
    uint64_t started_mono_ns;
};

/* Before the first attempt. */
void retry_begin(struct retry *retry, const struct retry_config *config, uint64_t now_mono_ns);

/*
 * retry_next_wait — after a failed attempt: draws the wait and grows the interval.
 *
 *   hint_ns      the least the peer asked for, 0 for none
 *   random_state any value; moves on
 *   wait_ns      filled when true
 *
 * False where retrying is off or the next attempt would begin later than max_elapsed allows.
 */
bool retry_next_wait(struct retry *retry, const struct retry_config *config, uint64_t now_mono_ns,
                     uint64_t hint_ns, uint64_t *random_state, uint64_t *wait_ns);
