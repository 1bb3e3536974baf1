/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain — a run of processors that one thread leads parts through.
 *
 * A pipeline has one chain per shard, its shard half, and one or two at the egress. The instances
 * are the thread's own; the prototypes they were cloned from belong to the graph.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/engine/processor.h"

#define CHAIN_PROCESSORS_MAX 32

struct chain {
    struct processor *processors[CHAIN_PROCESSORS_MAX]; /* owned */
    uint32_t count;
    struct arena scratch; /* owned */
};

/* Clones `count` prototypes. 0, -ENOMEM or FAULT_LIMIT; chain_fini is fine after either. */
WEIR_MUST_USE int chain_init(struct chain *chain, struct processor *const *prototypes,
                             uint32_t count);

/* Idempotent. */
void chain_fini(struct chain *chain);

/*
 * Leads a part through. False where nothing is left of it (every item was taken out on purpose), or
 * where memory is short, counted items_failed; the part is the caller's to drop, `*is_lost` says
 * which.
 */
WEIR_MUST_USE bool chain_process(struct chain *chain, struct part *part, uint64_t now_unix_ns,
                                 bool *is_lost);
