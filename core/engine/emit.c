/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit — parts out of a merged round, and their way into the pipelines.
 *
 * The part is written backwards into one reserved buffer and copied once, exactly sized, because a
 * part owns its memory. With several pipelines each gets a copy of its own.
 */
#include "core/engine/emit.h"

#include <errno.h>

#include "core/base/bounds.h"
#include "core/base/mem.h"
#include "core/engine/emit_metric.h"

int emit_init(struct emit *emit, const struct emit_options *options, struct merge *merge,
              struct receiver_stats *stats)
{
    *emit = (struct emit){.options = options, .merge = merge, .stats = stats};
    emit->buffer = mem_reserve(EMIT_PART_MAX_BYTES);
    emit->bucket_counts = mem_reserve(EMIT_BUCKETS_BYTES);
    if (emit->buffer == NULL || emit->bucket_counts == NULL) {
        emit_fini(emit);
        return -ENOMEM;
    }
    return 0;
}

void emit_fini(struct emit *emit)
{
    part_fini(&emit->pending);
    mem_unreserve(emit->buffer, EMIT_PART_MAX_BYTES);
    mem_unreserve(emit->bucket_counts, EMIT_BUCKETS_BYTES);
    *emit = (struct emit){0};
}

void emit_connect(struct emit *emit, struct pipeline *const *pipelines, uint32_t pipeline_count)
{
    ASSERT(pipeline_count > 0);
    emit->pipelines = pipelines;
    emit->pipeline_count = pipeline_count;
    /* A part that waits goes on with the new pipelines; if some of the old ones have it already, at
     * least the last of the new ones gets it. */
    if (emit->pending_index >= pipeline_count) {
        emit->pending_index = pipeline_count - 1;
    }
}

/* A copy of the pending part for the next pipeline; the last one gets the original. */
static int share_of_pending(struct emit *emit, struct part *share)
{
    if (emit->pending_index + 1 == emit->pipeline_count) {
        *share = emit->pending;
        emit->pending = (struct part){0};
        return 0;
    }
    return part_copy(share, emit->pending.bytes, SIGNAL_METRICS, emit->pending.item_count);
}

/* Hands the pending part to the pipelines that have yet to get it; false where one is full. */
static bool submit_pending(struct emit *emit, uint64_t now_mono_ns)
{
    while (emit->pending.memory != NULL) {
        struct pipeline *pipeline = emit->pipelines[emit->pending_index];
        struct part share;
        if (pipeline_is_holding(pipeline) || share_of_pending(emit, &share) != 0) {
            return false; /* full, or memory is short: tried again in a later turn */
        }
        uint64_t item_count = share.item_count;
        if (pipeline_push(pipeline, &share, PIPELINE_BORN, now_mono_ns) != 0) {
            bool is_original = emit->pending.memory == NULL;
            if (is_original) {
                emit->pending = share;
            } else {
                part_fini(&share);
            }
            return false;
        }
        counter_add(&emit->stats->points_emitted, item_count);
        emit->pending_index++;
    }
    emit->pending_index = 0;
    return true;
}

/* The next part of the round; *point_count is 0 at its end. Borrows the buffer. */
static struct slice write_part(struct emit *emit, uint32_t *point_count)
{
    struct otlp_build build;
    const struct otlp_envelope envelope = {
        .resource_attrs = emit->options->resource_attrs,
        .resource_attr_count = emit->options->resource_attr_count,
        .scope_name = emit->options->scope_name,
        .scope_version = emit->options->scope_version,
    };
    otlp_build_init(&build, emit->buffer, EMIT_PART_MAX_BYTES);
    int err = otlp_envelope_begin(&build, &envelope);
    ASSERT(err == 0);
    uint32_t metric_count = 0;
    *point_count = 0;
    struct merge_point point;
    while (metric_count < SEAL_SLICE_SERIES_MAX && merge_next(emit->merge, &point)) {
        size_t mark = otlp_build_mark(&build);
        uint32_t added_count = emit_metric(emit, &build, &point);
        if (build.err != 0) {
            otlp_build_rewind(&build, mark);
            if (*point_count > 0) {
                break;
            }
            /* Larger than a whole part: it can never leave. */
            emit->lost_count++;
            added_count = 0;
        }
        *point_count += added_count;
        metric_count++;
        merge_consume(emit->merge);
    }
    return otlp_envelope_end(&build, &envelope);
}

/* Is there more of the round? At its end the buffer goes back but for a small window's share. */
static bool has_more(struct emit *emit)
{
    if (merge_is_reading(emit->merge)) {
        return true;
    }
    mem_release_pages(emit->buffer, EMIT_PART_MAX_BYTES - EMIT_KEPT_BYTES);
    return false;
}

bool emit_turn(struct emit *emit, uint64_t now_mono_ns)
{
    if (!submit_pending(emit, now_mono_ns)) {
        return false;
    }
    if (emit->written_count == 0) {
        if (!merge_is_reading(emit->merge)) {
            return false;
        }
        emit->written = write_part(emit, &emit->written_count);
        if (emit->written_count == 0) {
            return has_more(emit);
        }
    }
    /* What was read out of the merge stays in the buffer until there is memory for it. */
    if (part_copy(&emit->pending, emit->written, SIGNAL_METRICS, emit->written_count) != 0) {
        return false;
    }
    emit->written_count = 0;
    bool is_over = !has_more(emit);
    return submit_pending(emit, now_mono_ns) && !is_over;
}

bool emit_is_idle(const struct emit *emit)
{
    return emit->pending.memory == NULL && emit->written_count == 0;
}
