/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_stage — processors from their settings, halves from processors.
 */
#include "tools/weir/graph_stage.h"

#include <errno.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "tools/weir/components.h"
#include "tools/weir/graph_build.h"

/* Parts taken from one lane in one turn. */
#define PARTS_PER_TURN 64

/* --- building --------------------------------------------------------------------------------- */

/* One processor's settings, to where they belong. `stage` may be NULL: only to check. */
static int read_processor(struct graph_stage *stage, struct config_report *report,
                          const struct graph_component *component, enum signal signal)
{
    struct config_reader reader;
    struct batch_config batch;
    struct memory_limiter_config limiter;
    int err = graph_open_reader(&reader, report, component);
    if (err != 0) {
        return err;
    }
    if (slice_is_text(component->id.type, "batch")) {
        err = batch_config_read(&reader, &batch);
        if (stage != NULL && !stage->has_batch) {
            stage->batch = batch;
            stage->has_batch = true;
        }
        return err;
    }
    if (slice_is_text(component->id.type, "memory_limiter")) {
        err = memory_limiter_config_read(&reader, &limiter);
        if (stage != NULL) {
            stage->limiter = limiter;
            stage->has_limiter = true;
        }
        return err;
    }
    const struct processor_type *type = components_find_processor(component->id.type);
    struct processor *processor = NULL;
    char *id = mem_copy_text(component->id.text.ptr, component->id.text.len);
    err = id == NULL ? -ENOMEM : type->make(&reader, id, signal, &processor);
    if (err == 0 && stage != NULL) {
        uint32_t index = stage->prototype_count;
        stage->prototypes[index] = processor;
        stage->ids[index] = id;
        stage->prototype_count++;
        stage->leading_count += stage->has_batch ? 0 : 1;
        return 0;
    }
    if (err == 0) {
        processor->ops->close(processor);
    }
    mem_free(id);
    return err;
}

int graph_stage_check(struct config_report *report, const struct graph_component *component,
                      enum signal signal)
{
    return read_processor(NULL, report, component, signal);
}

int graph_stage_build(struct graph_stage *stage, struct config_report *report,
                      const struct graph_config *config, const struct graph_pipeline *source)
{
    if (source->processors.count > CHAIN_PROCESSORS_MAX) {
        config_error(report, source->mark, NULL, "more than %d processors", CHAIN_PROCESSORS_MAX);
        return FAULT_CONFIG;
    }
    for (uint32_t i = 0; i < source->processors.count; i++) {
        uint32_t at = source->processors.refs[i].component_index;
        int err =
            read_processor(stage, report, &config->components[at], (enum signal)source->signal);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int open_shard_halves(struct graph_stage *stage, uint32_t shard_count)
{
    stage->shard_halves =
        mem_alloc_aligned(WEIR_CACHE_LINE_BYTES, shard_count * sizeof(stage->shard_halves[0]));
    if (stage->shard_halves == NULL) {
        return -ENOMEM;
    }
    int err = 0;
    for (uint32_t i = 0; i < shard_count && err == 0; i++) {
        err = shard_half_init(&stage->shard_halves[i], stage->prototypes, stage->leading_count);
        stage->shard_count++;
    }
    return err;
}

int graph_stage_open(struct graph_stage *stage, struct pipeline *pipeline, uint32_t shard_count,
                     struct budget *memory)
{
    const struct egress_half_options options = {
        .leading = stage->prototypes,
        .leading_count = stage->leading_count,
        .batch = stage->has_batch ? &stage->batch : NULL,
        .behind = stage->prototypes + stage->leading_count,
        .behind_count = stage->prototype_count - stage->leading_count,
    };
    stage->pipeline = pipeline;
    pipeline->memory = memory;
    if (stage->prototype_count > 0) {
        pipeline_require_otlp(pipeline); /* they read items; a batch does not */
    }
    int err = open_shard_halves(stage, shard_count);
    if (err == 0) {
        err = egress_half_init(&stage->half, pipeline, &options);
        stage->has_half = err == 0;
    }
    pipeline->shard_halves = stage->shard_halves;
    return err;
}

/* --- the turn --------------------------------------------------------------------------------- */

/* Takes from one lane what the pipeline has room for. True where more is waiting. */
static bool take_lane(struct graph_stage *stage, struct lane *lane, uint64_t now_mono_ns)
{
    for (uint32_t i = 0; i < PARTS_PER_TURN; i++) {
        struct part *part = lane_peek(lane);
        if (part == NULL ||
            pipeline_push(stage->pipeline, part, PIPELINE_PROCESSED, now_mono_ns) != 0) {
            return false;
        }
        lane_pop(lane);
    }
    return true;
}

bool graph_stage_turn(struct graph_stage *stage, uint64_t now_mono_ns, uint64_t now_unix_ns,
                      bool is_flushing)
{
    bool has_more = false;
    (void)pipeline_retry(stage->pipeline);
    for (uint32_t i = 0; i < stage->shard_count; i++) {
        has_more = take_lane(stage, &stage->shard_halves[i].lane, now_mono_ns) || has_more;
        egress_half_turn(&stage->half, now_mono_ns, now_unix_ns, false);
    }
    egress_half_turn(&stage->half, now_mono_ns, now_unix_ns, is_flushing && !has_more);
    return has_more;
}

bool graph_stage_is_empty(const struct graph_stage *stage)
{
    for (uint32_t i = 0; i < stage->shard_count; i++) {
        if (!lane_is_empty(&stage->shard_halves[i].lane)) {
            return false;
        }
    }
    return !stage->has_half || egress_half_is_empty(&stage->half);
}

/* --- ending ----------------------------------------------------------------------------------- */

void graph_stage_give_up(struct graph_stage *stage)
{
    for (uint32_t i = 0; i < stage->shard_count; i++) {
        struct lane *lane = &stage->shard_halves[i].lane;
        struct part *part = lane->entries == NULL ? NULL : lane_peek(lane);
        while (part != NULL) {
            pipeline_lose_part(stage->pipeline, part, true);
            lane_pop(lane);
            part = lane_peek(lane);
        }
    }
    if (stage->has_half) {
        egress_half_give_up(&stage->half);
    }
}

void graph_stage_close(struct graph_stage *stage)
{
    graph_stage_give_up(stage);
    for (uint32_t i = 0; i < stage->shard_count; i++) {
        shard_half_fini(&stage->shard_halves[i]);
    }
    if (stage->has_half) {
        egress_half_fini(&stage->half);
    }
    mem_free(stage->shard_halves);
    stage->shard_halves = NULL;
    stage->shard_count = 0;
    stage->has_half = false;
}

void graph_stage_fini(struct graph_stage *stage)
{
    ASSERT(stage->shard_halves == NULL);
    for (uint32_t i = 0; i < stage->prototype_count; i++) {
        stage->prototypes[i]->ops->close(stage->prototypes[i]);
        mem_free(stage->ids[i]);
    }
    *stage = (struct graph_stage){0};
}
