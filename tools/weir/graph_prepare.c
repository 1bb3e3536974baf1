/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_prepare — every processor once, in the order of pipelines; those before it in its graph are
 * its siblings, and those of the running graph are asked after them.
 */
#include "tools/weir/graph_prepare.h"

#include "core/engine/processor.h"
#include "tools/weir/graph.h"

/* Which prototype of a graph: its pipeline, and its place there. */
struct place {
    uint32_t pipeline_index;
    uint32_t prototype_index;
};

/* Tries the prototypes of `graph` that stand before `limit`. */
static bool inherit_from(struct processor *fresh, const struct graph *graph, struct place limit,
                         bool is_sibling)
{
    for (uint32_t i = 0; i < graph->pipeline_count && i <= limit.pipeline_index; i++) {
        const struct graph_stage *stage = &graph->stages[i];
        uint32_t count = i == limit.pipeline_index ? limit.prototype_index : stage->prototype_count;
        for (uint32_t j = 0; j < count; j++) {
            const struct processor *elder = stage->prototypes[j];
            if (elder->ops == fresh->ops && fresh->ops->inherit(fresh, elder, is_sibling)) {
                return true;
            }
        }
    }
    return false;
}

static int prepare_one(struct graph *graph, const struct graph *old, struct place at)
{
    const struct place end = {.pipeline_index = UINT32_MAX};
    struct processor *fresh = graph->stages[at.pipeline_index].prototypes[at.prototype_index];
    if (fresh->ops->prepare == NULL || inherit_from(fresh, graph, at, true) ||
        (old != NULL && inherit_from(fresh, old, end, false))) {
        return 0;
    }
    return fresh->ops->prepare(fresh);
}

int graph_prepare(struct graph *graph, const struct graph *old)
{
    int err = 0;
    struct place at = {0};
    for (; at.pipeline_index < graph->pipeline_count && err == 0; at.pipeline_index++) {
        const struct graph_stage *stage = &graph->stages[at.pipeline_index];
        for (at.prototype_index = 0; at.prototype_index < stage->prototype_count && err == 0;
             at.prototype_index++) {
            err = prepare_one(graph, old, at);
        }
    }
    return err;
}
