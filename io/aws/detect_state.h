/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_state — what every detector has: what it found, and how it ended.
 *
 * A detector embeds it. Whoever drives detectors starts each, turns the loop until all are done or
 * the time is over, starts again what failed for a moment, and stops them all. Loop-local.
 */
#pragma once

#include <stdbool.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/processors/resource_detect_plan.h"
#include "core/processors/resource_detected.h"

#define DETECT_WHY_BYTES 192

struct detect_state;

struct detect_ops {
    /* Begins, or begins anew after a failure; may be done on return. */
    void (*start)(struct detect_state *state);
    /* The time is over, or it is done: cancels, keeps what is known by now. Idempotent. */
    void (*stop)(struct detect_state *state);
};

/* Embedded first in every detector. */
struct detect_state {
    const struct detect_ops *ops;
    const struct resource_detect_plan *plan; /* borrowed until stop */
    enum detector detector;
    struct resource_detected found; /* owned; stays when it is started again */
    char why[DETECT_WHY_BYTES];     /* what went wrong; "" where nothing did */
    int err;                        /* -ENOMEM, FAULT_LIMIT or FAULT_MALFORMED of a value; sticks */
    bool is_done;
    bool is_momentary; /* it failed, and may succeed when it is started again */
    uint64_t retry_mono_ns;
};

/* Adds an attribute, where it is wanted and not empty. */
void detect_state_put(struct detect_state *state, struct slice key, struct slice text);

/* Adds a list of texts, where it is wanted and not empty. */
void detect_state_put_list(struct detect_state *state, const char *key, const struct slice *texts,
                           size_t count);

/* Done, and nothing is wrong, unless something was noted before. */
void detect_state_finish(struct detect_state *state);

/* What went wrong, though it goes on; the first note counts. */
WEIR_PRINTF(3, 4)
void detect_state_note(struct detect_state *state, bool is_momentary, const char *format, ...);
