/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shard_half — a chain and a lane.
 */
#include "core/processors/shard_half.h"

#include "core/base/bounds.h"

int shard_half_init(struct shard_half *half, struct processor *const *leading,
                    uint32_t leading_count)
{
    *half = (struct shard_half){0};
    int err = lane_init(&half->lane, LANE_PARTS_MAX);
    return err == 0 ? chain_init(&half->chain, leading, leading_count) : err;
}

void shard_half_fini(struct shard_half *half)
{
    lane_fini(&half->lane);
    chain_fini(&half->chain);
}
