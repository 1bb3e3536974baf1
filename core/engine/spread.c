/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spread — copies for all pipelines but the last, which gets the original.
 */
#include "core/engine/spread.h"

void spread_init(struct spread *spread, struct receiver_stats *stats)
{
    *spread = (struct spread){.stats = stats};
}

void spread_fini(struct spread *spread)
{
    part_fini(&spread->pending);
}

void spread_connect(struct spread *spread, struct pipeline *const *pipelines,
                    uint32_t pipeline_count)
{
    ASSERT(pipeline_count > 0);
    spread->pipelines = pipelines;
    spread->pipeline_count = pipeline_count;
    if (spread->next >= pipeline_count) {
        spread->next = pipeline_count - 1;
    }
}

void spread_begin(struct spread *spread, struct part *part)
{
    ASSERT(spread_is_idle(spread) && part->memory != NULL);
    spread->pending = *part;
    *part = (struct part){0};
}

/* What the next pipeline gets. 0 or -ENOMEM. */
static int take_share(struct spread *spread, struct part *share)
{
    if (spread->next + 1 == spread->pipeline_count) {
        *share = spread->pending;
        spread->pending = (struct part){0};
        return 0;
    }
    return part_copy(share, spread->pending.bytes, spread->pending.signal,
                     spread->pending.item_count);
}

static void take_back(struct spread *spread, struct part *share)
{
    if (spread->pending.memory == NULL) {
        spread->pending = *share; /* it was the original */
    } else {
        part_fini(share);
    }
}

bool spread_turn(struct spread *spread, uint64_t now_mono_ns)
{
    while (spread->pending.memory != NULL) {
        struct pipeline *pipeline = spread->pipelines[spread->next];
        struct part share;
        if (pipeline_is_holding(pipeline) || take_share(spread, &share) != 0) {
            return false;
        }
        uint64_t item_count = share.item_count;
        if (pipeline_push(pipeline, &share, PIPELINE_BORN, now_mono_ns) != 0) {
            take_back(spread, &share);
            return false;
        }
        counter_add(&spread->stats->points_emitted, item_count);
        spread->next++;
    }
    spread->next = 0;
    return true;
}

bool spread_is_idle(const struct spread *spread)
{
    return spread->pending.memory == NULL;
}

uint64_t spread_waiting_items(const struct spread *spread)
{
    return spread_is_idle(spread) ? 0 : spread->pending.item_count;
}
