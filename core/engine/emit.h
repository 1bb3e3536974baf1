/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit — a merged round becomes OTLP wire bytes, part by part.
 *
 * One Metric with its points per series, as the Collector's StatsD receiver makes them; written
 * directly, without structs in between. A part holds at most EMIT_PART_MAX_BYTES. When the pipeline
 * holds, the part waits here and the round is read no further. Egress-local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/engine/merge.h"
#include "core/engine/pipeline.h"
#include "core/engine/spread.h"
#include "core/engine/stats.h"
#include "core/otlp/otlp_build.h"

#define EMIT_PERCENTILES_MAX 32

enum counter_type {
    COUNTER_TYPE_INT,   /* whole sums leave as integers; a fraction leaves as a double, not cut */
    COUNTER_TYPE_FLOAT, /* always doubles */
};

/* Frozen after start. Texts are borrowed. */
struct emit_options {
    bool adds_metric_type; /* attribute metric_type = counter, gauge, timing … */
    bool is_monotonic;     /* counters, whatever their values: one name has one kind */
    enum counter_type counter_type;
    double percentiles[KIND_LIMIT][EMIT_PERCENTILES_MAX]; /* 0 … 100, by kind */
    uint32_t percentile_count[KIND_LIMIT];
    struct slice scope_name;
    struct slice scope_version;
    const struct attr *resource_attrs; /* of what is born here; may be empty */
    size_t resource_attr_count;
};

struct emit {
    const struct emit_options *options; /* borrowed */
    struct merge *merge;                /* borrowed */
    struct spread spread;               /* a part that pipelines have yet to get */
    uint8_t *buffer;                    /* owned; reserved, EMIT_PART_MAX_BYTES */
    uint64_t *bucket_counts;            /* owned; reserved */
    uint64_t lost_count;    /* points or series that found no memory, or are larger than a part */
    struct slice written;   /* in the buffer, waiting for memory; nothing while the count is 0 */
    uint32_t written_count; /* points of it */
};

/* 0 or -ENOMEM. */
WEIR_MUST_USE int emit_init(struct emit *emit, const struct emit_options *options,
                            struct merge *merge, struct receiver_stats *stats);
void emit_fini(struct emit *emit);

/* Where parts go from now on; may be called again between turns. The array is borrowed. */
void emit_connect(struct emit *emit, struct pipeline *const *pipelines, uint32_t pipeline_count);

/*
 * Writes at most one part of the round that is being read and submits it. Returns true while there
 * is more to do at once, false when the round is over or a pipeline holds.
 */
bool emit_turn(struct emit *emit, uint64_t now_mono_ns);

/* Nothing pending here. */
bool emit_is_idle(const struct emit *emit);
