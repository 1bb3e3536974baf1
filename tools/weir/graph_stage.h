/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_stage — what stands between a pipeline's receivers and its exporters: its processors, cut
 * into the shard half and the egress half.
 *
 *     leading processors (on each shard) ─▶ lane ─▶ batch ─▶ processors behind ─▶ routes
 *
 * Made from the configuration by the main thread, opened when the number of shards is known. The
 * cut is made before the first processor that remembers other data.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/config_report.h"
#include "core/engine/pipeline.h"
#include "core/processors/batch.h"
#include "core/processors/egress_half.h"
#include "core/processors/memory_limiter.h"
#include "core/processors/shard_half.h"
#include "tools/weir/graph_config.h"

/* One per pipeline. */
struct graph_stage {
    struct processor *prototypes[CHAIN_PROCESSORS_MAX]; /* owned; leading ones first */
    char *ids[CHAIN_PROCESSORS_MAX];                    /* owned; of the prototypes */
    uint32_t leading_count;
    uint32_t prototype_count;
    struct batch_config batch;
    bool has_batch;
    struct memory_limiter_config limiter;
    bool has_limiter;
    struct pipeline *pipeline; /* borrowed from open on */
    struct egress_half half;
    bool has_half;
    struct shard_half *shard_halves; /* owned; by shard */
    uint32_t shard_count;
};

/* Reads the settings of a processor that nothing refers to, or for the first time: only to check.
 */
WEIR_MUST_USE int graph_stage_check(struct config_report *report,
                                    const struct graph_component *component, enum signal signal);

/* Makes the processors of one pipeline. 0, FAULT_CONFIG (reported) or -ENOMEM. */
WEIR_MUST_USE int graph_stage_build(struct graph_stage *stage, struct config_report *report,
                                    const struct graph_config *config,
                                    const struct graph_pipeline *source);

/* Becomes the front of `pipeline`; `memory` takes back its charges. Before anything flows. */
WEIR_MUST_USE int graph_stage_open(struct graph_stage *stage, struct pipeline *pipeline,
                                   uint32_t shard_count, struct budget *memory);

/* Egress thread: once per turn. True where there is more to take at once. */
bool graph_stage_turn(struct graph_stage *stage, uint64_t now_mono_ns, uint64_t now_unix_ns,
                      bool is_flushing);

/* Egress thread: has everything from the shards reached the routes? */
bool graph_stage_is_empty(const struct graph_stage *stage);

/* Egress thread: gives up what lanes and batch hold; whoever waits for it is told. */
void graph_stage_give_up(struct graph_stage *stage);

/* Egress thread: likewise, and closes both halves. Idempotent. */
void graph_stage_close(struct graph_stage *stage);

/* Frees the prototypes. Idempotent. */
void graph_stage_fini(struct graph_stage *stage);
