/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shard_half — one pipeline's part on one shard: the leading processors, and the lane to the
 * egress.
 *
 * Whatever a receiver of that shard has for the pipeline goes through here. The chain and the
 * lane's near end are the shard's; the lane's far end is the egress thread's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/lane.h"
#include "core/processors/chain.h"

struct shard_half {
    struct lane lane;
    struct chain chain;
};

/* 0, -ENOMEM or FAULT_LIMIT; shard_half_fini is fine after either. `leading` are prototypes. */
WEIR_MUST_USE int shard_half_init(struct shard_half *half, struct processor *const *leading,
                                  uint32_t leading_count);

/* Both threads are done with it. Idempotent. */
void shard_half_fini(struct shard_half *half);
