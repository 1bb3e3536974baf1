/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spread — one part on its way into several pipelines, each of which gets a copy of its own.
 *
 * For what is born at the egress: a sealed window, a scraped page. A pipeline that has no room is
 * waited for, and the part stays here meanwhile. Egress-local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/engine/pipeline.h"
#include "core/engine/stats.h"
#include "core/model/part.h"

struct spread {
    struct pipeline *const *pipelines; /* borrowed; every one gets the part */
    uint32_t pipeline_count;
    uint32_t next;                /* the first pipeline that has yet to get it */
    struct part pending;          /* owned; without memory: nothing */
    struct receiver_stats *stats; /* borrowed; points_emitted is written here */
};

/* Nothing pending, and no pipelines yet. */
void spread_init(struct spread *spread, struct receiver_stats *stats);

/* Frees what is pending. Idempotent. */
void spread_fini(struct spread *spread);

/*
 * Where parts go from now on, at least one pipeline; may be called again between turns. The array
 * is borrowed. A part that waits goes on with the new pipelines; if some of the old ones have it
 * already, at least the last of the new ones gets it.
 */
void spread_connect(struct spread *spread, struct pipeline *const *pipelines,
                    uint32_t pipeline_count);

/* Moves *part in and zeroes it. Nothing may be pending; the part is not empty. */
void spread_begin(struct spread *spread, struct part *part);

/*
 * Hands the pending part to the pipelines that have yet to get it. True when nothing is pending
 * afterwards; false while a pipeline has no room or memory is short, and then it is tried again.
 */
bool spread_turn(struct spread *spread, uint64_t now_mono_ns);

bool spread_is_idle(const struct spread *spread);

/* Items of the part that waits; 0 where none does. */
uint64_t spread_waiting_items(const struct spread *spread);
