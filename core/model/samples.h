/* SPDX-License-Identifier: Apache-2.0 */
/*
 * samples — the observations of one series and window as they came, for the `gauge` observer, which
 * emits one point for each.
 *
 * At most SAMPLES_PER_SERIES_MAX of them; what comes later is refused and the caller counts it. The
 * list grows through the blocks of one sketch pool.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/model/sketch_pool.h"

struct sample {
    double value;
    double weight;
    uint64_t time_unix_ns;
};

struct samples {
    struct sample *items; /* owned, in the order they came; NULL while empty */
    uint32_t count;
    uint32_t capacity_count;
};

/* An empty list; NULL at the pool's cap. */
WEIR_MUST_USE struct samples *samples_new(struct sketch_pool *pool);

/* Gives all its blocks back to `pool`, the one it came from. NULL is fine. */
void samples_give(struct samples *samples, struct sketch_pool *pool);

/* Appends one. 0, FAULT_LIMIT when the list is full, or -ENOMEM; then nothing changed. */
WEIR_MUST_USE int samples_add(struct samples *samples, struct sketch_pool *pool,
                              struct sample sample);

/*
 * Appends `source`, which is only read, as far as the limit allows; *dropped_count says how many
 * did not fit. 0, or -ENOMEM and then nothing changed and *dropped_count is 0.
 */
WEIR_MUST_USE int samples_merge(struct samples *target, struct sketch_pool *target_pool,
                                const struct samples *source, uint32_t *dropped_count);

/* Validator for tests. */
bool samples_is_valid(const struct samples *samples);
