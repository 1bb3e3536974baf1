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

struct pipeline {
    const char *id; /* "metrics", "metrics/main"; owned by the graph */
    enum signal signal;
    struct exporter *routes[BATCH_ROUTES_MAX]; /* borrowed */
    uint32_t route_count;
    struct batch *held;        /* owned; offered again by pipeline_retry */
    uint64_t open_batch_count; /* shared with exporters, not yet answered by all */
};

/* `routes` are borrowed, at least one and at most BATCH_ROUTES_MAX. */
void pipeline_init(struct pipeline *pipeline, const char *id, enum signal signal,
                   struct exporter *const *routes, uint32_t route_count);

/* Gives up the batch it holds, counted `shutdown` for the routes that wanted it. Idempotent. */
void pipeline_abandon(struct pipeline *pipeline);

/* It must be idle: nothing held, every shared batch answered. */
void pipeline_fini(struct pipeline *pipeline);

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
