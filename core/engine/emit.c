/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit — parts out of a merged round, and their way into the pipelines.
 *
 * The part is written backwards into one reserved buffer and copied once, exactly sized, because a
 * part owns its memory.
 */
#include "core/engine/emit.h"

#include <errno.h>

#include "core/base/bounds.h"
#include "core/base/mem.h"
#include "core/engine/emit_metric.h"

int emit_init(struct emit *emit, const struct emit_options *options, struct merge *merge,
              struct receiver_stats *stats)
{
    *emit = (struct emit){.options = options, .merge = merge};
    spread_init(&emit->spread, stats);
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
    spread_fini(&emit->spread);
    mem_unreserve(emit->buffer, EMIT_PART_MAX_BYTES);
    mem_unreserve(emit->bucket_counts, EMIT_BUCKETS_BYTES);
    *emit = (struct emit){0};
}

void emit_connect(struct emit *emit, struct pipeline *const *pipelines, uint32_t pipeline_count)
{
    spread_connect(&emit->spread, pipelines, pipeline_count);
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
    if (!spread_turn(&emit->spread, now_mono_ns)) {
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
    struct part part;
    if (part_copy(&part, emit->written, SIGNAL_METRICS, emit->written_count) != 0) {
        return false;
    }
    spread_begin(&emit->spread, &part);
    emit->written_count = 0;
    bool is_over = !has_more(emit);
    return spread_turn(&emit->spread, now_mono_ns) && !is_over;
}

bool emit_is_idle(const struct emit *emit)
{
    return spread_is_idle(&emit->spread) && emit->written_count == 0;
}
