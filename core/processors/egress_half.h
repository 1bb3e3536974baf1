/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress_half — what a pipeline does at the egress before its routes: leading processors for what
 * was born here, the batch, and the processors behind it.
 *
 * The front of a pipeline (core/engine/pipeline.h). What shards sent has been through the leading
 * processors there. While the pipeline holds a batch that no route takes, nothing more is let in:
 * that is how pressure rises. Egress-local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/pipeline.h"
#include "core/processors/batch.h"
#include "core/processors/chain.h"

struct egress_half {
    struct pipeline_front front;
    struct pipeline *pipeline; /* borrowed */
    struct chain leading;      /* for what the shards have not seen */
    struct chain behind;       /* after the batch; empty without one */
    struct batcher batcher;
    bool has_batcher;
    uint64_t now_unix_ns; /* of the last turn */
};

/* All borrowed during the call. */
struct egress_half_options {
    struct processor *const *leading;
    uint32_t leading_count;
    const struct batch_config *batch; /* NULL: no batch processor */
    struct processor *const *behind;
    uint32_t behind_count;
};

/* Becomes the front of `pipeline`, borrowed until fini. 0 or what went wrong; fini is fine then. */
WEIR_MUST_USE int egress_half_init(struct egress_half *half, struct pipeline *pipeline,
                                   const struct egress_half_options *options);

/* Gives up what is pending, as fini does, and lives on. */
void egress_half_give_up(struct egress_half *half);

/* Gives up what is pending (its claims are answered PART_LOST, its charges returned). Idempotent.
 */
void egress_half_fini(struct egress_half *half);

/* Once per turn: hands due batches on; with `force`, everything. */
void egress_half_turn(struct egress_half *half, uint64_t now_mono_ns, uint64_t now_unix_ns,
                      bool force);

/* When there is something to hand on by time alone; UINT64_MAX for never. */
uint64_t egress_half_next_mono_ns(const struct egress_half *half);

/* Is nothing pending? */
bool egress_half_is_empty(const struct egress_half *half);
