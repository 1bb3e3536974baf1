/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline — from a source of batches to its exporters, with backpressure.
 *
 * Routes that take a batch share it. A route that refuses loses its share (counted queue_full) if
 * another one took it; if none did, or it blocks by configuration, the pipeline holds the batch:
 * its source sees -EAGAIN and tries again later. An accepted route is never asked twice.
 * Egress-local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/engine/component.h"
#include "core/model/batch.h"

struct budget;
struct shard_half;
struct pipeline_front;

/* How far a part has come. */
enum pipeline_stage {
    PIPELINE_BORN,      /* here at the egress: every processor has yet to see it */
    PIPELINE_PROCESSED, /* the shard half has seen it */
};

struct pipeline_front_ops {
    /* Moves *part in; 0, or -EAGAIN while there is no room, and then nothing moved. */
    int (*push)(struct pipeline_front *front, struct part *part, enum pipeline_stage stage,
                uint64_t now_mono_ns);
};

/* What stands at the egress before the fan-out: processors, the batch. Embedded in its owner. */
struct pipeline_front {
    const struct pipeline_front_ops *ops;
};

struct pipeline {
    const char *id; /* "metrics", "metrics/main"; owned by the graph */
    enum signal signal;
    struct exporter *routes[BATCH_ROUTES_MAX]; /* borrowed */
    uint32_t route_count;
    uint32_t late_routes;         /* bit per route that answers late */
    uint32_t encodings;           /* PART_ENCODING_BITs of what may be pushed; PART_OTLP always */
    struct pipeline_front *front; /* borrowed; NULL: parts go straight to the routes */
    struct shard_half *shard_halves; /* borrowed; by shard; NULL where nothing comes from shards */
    struct budget *memory;           /* borrowed; charges of parts go back there; may be NULL */
    bool has_answered;               /* a claim was answered; cleared by who wakes the shards */
    struct batch *held;              /* owned; offered again by pipeline_retry */
    uint64_t open_batch_count;       /* shared with exporters, not yet answered by all */
};

/* `routes` are borrowed, at least one and at most BATCH_ROUTES_MAX. */
void pipeline_init(struct pipeline *pipeline, const char *id, enum signal signal,
                   struct exporter *const *routes, uint32_t route_count);

/*
 * A processor stands in it that reads items: nothing but PART_OTLP goes in. When it is built,
 * before receivers are connected; until then it takes whatever all of its routes take.
 */
void pipeline_require_otlp(struct pipeline *pipeline);

/*
 * Does it take parts of this encoding as they are? Where not, they are translated before the push.
 * Settled when it is built: any thread.
 */
bool pipeline_takes(const struct pipeline *pipeline, enum part_encoding encoding);

/* Gives up the batch it holds, counted `shutdown` for the routes that wanted it. Idempotent. */
void pipeline_abandon(struct pipeline *pipeline);

/* It must be idle: nothing held, every shared batch answered. */
void pipeline_fini(struct pipeline *pipeline);

/*
 * pipeline_push — one part on its way to the routes, through the front where there is one.
 *
 * Moves *part in and zeroes it; the pipeline takes its encoding. Its claims are answered and its
 * charge returned when its fate is known. -EAGAIN while the pipeline has no room, -ENOMEM; then
 * nothing moved.
 */
WEIR_MUST_USE int pipeline_push(struct pipeline *pipeline, struct part *part,
                                enum pipeline_stage stage, uint64_t now_mono_ns);

/* The part ends here: its claims are answered, its charge goes back, its memory is freed. */
void pipeline_drop_part(struct pipeline *pipeline, struct part *part, enum part_fate fate);

/*
 * Likewise, and given up before any route was asked, which the book of each of them shows: dropped
 * for shutdown, or for want of memory.
 */
void pipeline_lose_part(struct pipeline *pipeline, struct part *part, bool is_shutdown);

/* Does a part's fate depend on the answer of an upstream, or is it safe once pushed? */
bool pipeline_answers_late(const struct pipeline *pipeline);

/*
 * Moves *batch in and sets it to NULL. -EAGAIN while the pipeline holds an earlier one; then
 * nothing moved. After 0 the pipeline may be holding it (pipeline_is_holding).
 */
WEIR_MUST_USE int pipeline_submit(struct pipeline *pipeline, struct batch **batch);

/* Offers the held batch again; true when nothing is held afterwards. */
bool pipeline_retry(struct pipeline *pipeline);

bool pipeline_is_holding(const struct pipeline *pipeline);

/* No route has anything of this pipeline, and nothing is held. */
bool pipeline_is_idle(const struct pipeline *pipeline);

/*
 * The answer of `exporter` for a batch it took: exactly once per accepted submit. The batch must
 * not be touched afterwards. Counting items is the exporter's business.
 */
void pipeline_done(struct exporter *exporter, struct batch *batch, enum delivery delivery);
