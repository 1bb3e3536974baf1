/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress_half — parts in, processed and batched, batches out to the pipeline's routes.
 */
#include "core/processors/egress_half.h"

#include <errno.h>

#include "core/base/bounds.h"
#include "core/base/clock.h"

static struct egress_half *half_of(struct pipeline_front *front)
{
    return CONTAINER_OF(front, struct egress_half, front);
}

/*
 * Who waits for a part that is cut is told with its last piece; what became of earlier ones is in
 * the books only.
 */
static void half_on_copied(struct batcher *batcher, struct part *source, struct part *target,
                           bool is_last)
{
    (void)batcher;
    if (is_last) {
        part_inherit(target, source);
    }
}

/* A part as a batch of its own. 0, or -ENOMEM, and then nothing moved. */
static int submit_alone(struct egress_half *half, struct part *part, uint64_t now_mono_ns)
{
    struct batch *batch = batch_new(part->signal, now_mono_ns);
    if (batch == NULL || batch_push(batch, part) != 0) {
        batch_free(batch);
        return -ENOMEM;
    }
    int err = pipeline_submit(half->pipeline, &batch);
    ASSERT(err == 0); /* it was not holding */
    return err;
}

static int push_to_batcher(struct egress_half *half, struct part *part, uint64_t now_mono_ns)
{
    bool is_awaited = part->claims != NULL;
    int err = batcher_push(&half->batcher, part, now_mono_ns);
    if (err == 0 && is_awaited) {
        batcher_close_by(&half->batcher, now_mono_ns + BATCH_CLOSE_BY_MS * CLOCK_NS_PER_MS);
    }
    return err;
}

static int half_on_push(struct pipeline_front *front, struct part *part, enum pipeline_stage stage,
                        uint64_t now_mono_ns)
{
    struct egress_half *half = half_of(front);
    bool is_lost = false;
    if (pipeline_is_holding(half->pipeline)) {
        return -EAGAIN;
    }
    if (stage == PIPELINE_BORN &&
        !chain_process(&half->leading, part, half->now_unix_ns, &is_lost)) {
        pipeline_drop_part(half->pipeline, part, is_lost ? PART_LOST : PART_ACCEPTED);
        return 0;
    }
    int err = half->has_batcher ? push_to_batcher(half, part, now_mono_ns)
                                : submit_alone(half, part, now_mono_ns);
    if (err != 0 && stage == PIPELINE_BORN && half->leading.count > 0) {
        pipeline_lose_part(half->pipeline, part,
                           false); /* offered again it would be processed twice */
        return 0;
    }
    return err;
}

static const struct pipeline_front_ops half_ops = {.push = half_on_push};

int egress_half_init(struct egress_half *half, struct pipeline *pipeline,
                     const struct egress_half_options *options)
{
    *half = (struct egress_half){.front = {.ops = &half_ops}, .pipeline = pipeline};
    int err = chain_init(&half->leading, options->leading, options->leading_count);
    if (err == 0) {
        err = chain_init(&half->behind, options->behind, options->behind_count);
    }
    if (err == 0 && options->batch != NULL) {
        half->has_batcher = true;
        err = batcher_init(&half->batcher, options->batch, pipeline->signal, half_on_copied);
    }
    if (err != 0) {
        egress_half_fini(half);
        return err;
    }
    pipeline->front = &half->front;
    return 0;
}

static void drop_batch(struct egress_half *half, struct batch *batch)
{
    for (uint32_t i = 0; i < batch->part_count; i++) {
        pipeline_lose_part(half->pipeline, &batch->parts[i], true);
    }
    batch_free(batch);
}

void egress_half_give_up(struct egress_half *half)
{
    struct batch *batch = half->has_batcher ? batcher_take(&half->batcher, 0, true) : NULL;
    while (batch != NULL) {
        drop_batch(half, batch);
        batch = batcher_take(&half->batcher, 0, true);
    }
}

void egress_half_fini(struct egress_half *half)
{
    egress_half_give_up(half);
    if (half->has_batcher) {
        batcher_fini(&half->batcher);
    }
    chain_fini(&half->leading);
    chain_fini(&half->behind);
    if (half->pipeline != NULL && half->pipeline->front == &half->front) {
        half->pipeline->front = NULL;
    }
    *half = (struct egress_half){0};
}

/* What the processors behind the batch leave of it; NULL where that is nothing. */
static struct batch *process_batch(struct egress_half *half, struct batch *batch,
                                   uint64_t now_unix_ns)
{
    if (half->behind.count == 0) {
        return batch;
    }
    struct batch *left = batch_new(batch->signal, batch->created_mono_ns);
    for (uint32_t i = 0; i < batch->part_count; i++) {
        struct part *part = &batch->parts[i];
        bool is_lost = false;
        if (!chain_process(&half->behind, part, now_unix_ns, &is_lost)) {
            pipeline_drop_part(half->pipeline, part, is_lost ? PART_LOST : PART_ACCEPTED);
        } else if (left == NULL || batch_push(left, part) != 0) {
            pipeline_lose_part(half->pipeline, part, false);
        }
    }
    batch_free(batch);
    if (left != NULL && left->part_count == 0) {
        batch_free(left);
        left = NULL;
    }
    return left;
}

void egress_half_turn(struct egress_half *half, uint64_t now_mono_ns, uint64_t now_unix_ns,
                      bool force)
{
    half->now_unix_ns = now_unix_ns;
    while (half->has_batcher && !pipeline_is_holding(half->pipeline)) {
        struct batch *batch = batcher_take(&half->batcher, now_mono_ns, force);
        if (batch == NULL) {
            return;
        }
        batch = process_batch(half, batch, now_unix_ns);
        if (batch != NULL) {
            int err = pipeline_submit(half->pipeline, &batch);
            ASSERT(err == 0); /* it was not holding */
        }
    }
}

uint64_t egress_half_next_mono_ns(const struct egress_half *half)
{
    if (!half->has_batcher || pipeline_is_holding(half->pipeline)) {
        return UINT64_MAX; /* a held batch is offered again by the pipeline's owner */
    }
    return batcher_next_deadline(&half->batcher);
}

bool egress_half_is_empty(const struct egress_half *half)
{
    return !half->has_batcher || batcher_next_deadline(&half->batcher) == UINT64_MAX;
}
