/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline — fan-out of a batch over its routes, one bit per route.
 */
#include "core/engine/pipeline.h"

#include <errno.h>

#include "core/engine/budget.h"

void pipeline_init(struct pipeline *pipeline, const char *id, enum signal signal,
                   struct exporter *const *routes, uint32_t route_count)
{
    ASSERT(route_count > 0 && route_count <= BATCH_ROUTES_MAX);
    *pipeline = (struct pipeline){
        .id = id, .signal = signal, .route_count = route_count, .encodings = UINT32_MAX};
    for (uint32_t i = 0; i < route_count; i++) {
        pipeline->routes[i] = routes[i];
        pipeline->late_routes |= routes[i]->answers_late ? UINT32_C(1) << i : 0;
        pipeline->encodings &= routes[i]->encodings;
    }
    pipeline->encodings |= PART_ENCODING_BIT(PART_OTLP);
}

void pipeline_require_otlp(struct pipeline *pipeline)
{
    pipeline->encodings = PART_ENCODING_BIT(PART_OTLP);
}

bool pipeline_takes(const struct pipeline *pipeline, enum part_encoding encoding)
{
    return (pipeline->encodings & PART_ENCODING_BIT(encoding)) != 0;
}

/* One offered item more, and the same one lost. */
static void lose_share(struct exporter *exporter, const struct batch *batch, struct counter *reason)
{
    counter_add(&exporter->stats.items_offered, batch->item_count);
    counter_add(reason, batch->item_count);
}

static void return_charge(struct pipeline *pipeline, uint64_t charged_bytes)
{
    if (charged_bytes > 0 && pipeline->memory != NULL) {
        budget_return(pipeline->memory, charged_bytes);
    }
}

static void answer(struct pipeline *pipeline, struct part *part, enum part_fate fate)
{
    pipeline->has_answered = pipeline->has_answered || part->claims != NULL;
    part_answer(part, fate);
}

/*
 * Who waits is told when every route took the batch and those that answer late have answered. The
 * batch itself goes when no route wants it, none has it, and the pipeline does not hold it.
 */
static void release_if_settled(struct pipeline *pipeline, struct batch *batch)
{
    if (batch->routes_wanted != 0) {
        return;
    }
    if ((batch->routes_open & pipeline->late_routes) == 0) {
        for (uint32_t i = 0; i < batch->part_count; i++) {
            answer(pipeline, &batch->parts[i], (enum part_fate)batch->fate);
        }
    }
    if (batch->routes_open == 0) {
        pipeline->open_batch_count--;
        return_charge(pipeline, batch->charged_bytes);
        batch_free(batch);
    }
}

void pipeline_abandon(struct pipeline *pipeline)
{
    struct batch *held = pipeline->held;
    if (held == NULL) {
        return;
    }
    pipeline->held = NULL;
    for (uint32_t i = 0; i < pipeline->route_count; i++) {
        if ((held->routes_wanted >> i & 1) != 0) {
            struct exporter *route = pipeline->routes[i];
            lose_share(route, held, &route->stats.items_dropped_shutdown);
        }
    }
    held->routes_wanted = 0;
    held->fate = PART_LOST;
    release_if_settled(pipeline, held);
}

void pipeline_fini(struct pipeline *pipeline)
{
    ASSERT(pipeline->held == NULL && pipeline->open_batch_count == 0);
    *pipeline = (struct pipeline){0};
}

/* Asks every route that has not taken it yet. Afterwards routes_wanted says who refused. */
static void offer(struct pipeline *pipeline, struct batch *batch)
{
    for (uint32_t i = 0; i < pipeline->route_count; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if ((batch->routes_wanted & bit) == 0) {
            continue;
        }
        struct exporter *route = pipeline->routes[i];
        if (route->ops->submit(route, batch) == 0) {
            counter_add(&route->stats.items_offered, batch->item_count);
            batch->routes_wanted &= ~bit;
            batch->routes_open |= bit;
        }
    }
}

/* Those that refused and do not block lose their share once somebody took the batch. */
static void settle_refusals(struct pipeline *pipeline, struct batch *batch, bool was_taken)
{
    for (uint32_t i = 0; was_taken && i < pipeline->route_count; i++) {
        uint32_t bit = UINT32_C(1) << i;
        struct exporter *route = pipeline->routes[i];
        if ((batch->routes_wanted & bit) != 0 && !route->blocks_on_overflow) {
            lose_share(route, batch, &route->stats.items_dropped_queue_full);
            batch->routes_wanted &= ~bit;
        }
    }
}

static bool deliver(struct pipeline *pipeline, struct batch *batch)
{
    uint32_t all = pipeline->route_count == BATCH_ROUTES_MAX
                       ? UINT32_MAX
                       : (UINT32_C(1) << pipeline->route_count) - 1;
    offer(pipeline, batch);
    settle_refusals(pipeline, batch, batch->routes_wanted != all);
    if (batch->routes_wanted != 0) {
        return false;
    }
    release_if_settled(pipeline, batch);
    return true;
}

void pipeline_drop_part(struct pipeline *pipeline, struct part *part, enum part_fate fate)
{
    answer(pipeline, part, fate);
    return_charge(pipeline, part->charged_bytes);
    part_fini(part);
}

void pipeline_lose_part(struct pipeline *pipeline, struct part *part, bool is_shutdown)
{
    for (uint32_t i = 0; i < pipeline->route_count; i++) {
        struct exporter_stats *stats = &pipeline->routes[i]->stats;
        counter_add(&stats->items_offered, part->item_count);
        counter_add(is_shutdown ? &stats->items_dropped_shutdown : &stats->items_dropped_memory,
                    part->item_count);
    }
    pipeline_drop_part(pipeline, part, PART_LOST);
}

bool pipeline_answers_late(const struct pipeline *pipeline)
{
    return pipeline->late_routes != 0;
}

int pipeline_push(struct pipeline *pipeline, struct part *part, enum pipeline_stage stage,
                  uint64_t now_mono_ns)
{
    ASSERT(pipeline_takes(pipeline, part->encoding));
    if (pipeline->front != NULL) {
        return pipeline->front->ops->push(pipeline->front, part, stage, now_mono_ns);
    }
    if (pipeline->held != NULL) {
        return -EAGAIN;
    }
    struct batch *batch = batch_new(part->signal, now_mono_ns);
    if (batch == NULL || batch_push(batch, part) != 0) {
        batch_free(batch);
        return -ENOMEM;
    }
    return pipeline_submit(pipeline, &batch);
}

int pipeline_submit(struct pipeline *pipeline, struct batch **batch)
{
    ASSERT((*batch)->signal == pipeline->signal);
    if (pipeline->held != NULL) {
        return -EAGAIN;
    }
    struct batch *moved = *batch;
    *batch = NULL;
    moved->pipeline = pipeline;
    moved->routes_wanted = pipeline->route_count == BATCH_ROUTES_MAX
                               ? UINT32_MAX
                               : (UINT32_C(1) << pipeline->route_count) - 1;
    moved->routes_open = 0;
    pipeline->open_batch_count++;
    if (!deliver(pipeline, moved)) {
        pipeline->held = moved;
    }
    return 0;
}

bool pipeline_retry(struct pipeline *pipeline)
{
    if (pipeline->held == NULL) {
        return true;
    }
    struct batch *held = pipeline->held;
    pipeline->held = NULL;
    if (!deliver(pipeline, held)) {
        pipeline->held = held;
        return false;
    }
    return true;
}

bool pipeline_is_holding(const struct pipeline *pipeline)
{
    return pipeline->held != NULL;
}

bool pipeline_is_idle(const struct pipeline *pipeline)
{
    return pipeline->open_batch_count == 0;
}

void pipeline_done(struct exporter *exporter, struct batch *batch, enum delivery delivery)
{
    static const enum part_fate fates[] = {
        [DELIVERY_ACCEPTED] = PART_ACCEPTED,
        [DELIVERY_REJECTED] = PART_REJECTED,
        [DELIVERY_LOST] = PART_LOST,
    };
    struct pipeline *pipeline = batch->pipeline;
    uint32_t bit = 0;
    for (uint32_t i = 0; i < pipeline->route_count; i++) {
        if (pipeline->routes[i] == exporter) {
            bit = UINT32_C(1) << i;
        }
    }
    ASSERT((batch->routes_open & bit) != 0);
    batch->routes_open &= ~bit;
    batch->fate = fates[delivery] > batch->fate ? (uint8_t)fates[delivery] : batch->fate;
    release_if_settled(pipeline, batch);
}
