/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nop_exporter — every batch is answered in a later turn, delivered to nobody.
 */
#include "exporters/nop_exporter.h"

#include <errno.h>

#include "core/base/mem.h"
#include "core/engine/pipeline.h"
#include "io/loop.h"

#define NOP_BATCHES_MAX 1024

struct nop_exporter {
    struct exporter exporter;
    struct timer answer;
    struct batch *batches[NOP_BATCHES_MAX]; /* shared until answered */
    uint32_t batch_count;
    bool is_open;
};

static const struct exporter_ops nop_ops;

static struct nop_exporter *of(struct exporter *exporter)
{
    return CONTAINER_OF(exporter, struct nop_exporter, exporter);
}

static void answer_all(struct nop_exporter *nop)
{
    for (uint32_t i = 0; i < nop->batch_count; i++) {
        struct batch *batch = nop->batches[i];
        counter_add(&nop->exporter.stats.items_delivered, batch->item_count);
        pipeline_done(&nop->exporter, batch, DELIVERY_ACCEPTED);
    }
    nop->batch_count = 0;
    counter_set(&nop->exporter.stats.items_held, 0);
}

static void nop_on_answer(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    answer_all(CONTAINER_OF(timer, struct nop_exporter, answer));
}

static int nop_open(struct exporter *exporter, struct loop *loop)
{
    struct nop_exporter *nop = of(exporter);
    exporter->loop = loop;
    nop->answer.on_fire = nop_on_answer;
    nop->is_open = true;
    return 0;
}

static int nop_submit(struct exporter *exporter, struct batch *batch)
{
    struct nop_exporter *nop = of(exporter);
    if (nop->batch_count == NOP_BATCHES_MAX) {
        return -EAGAIN;
    }
    if (!timer_is_armed(&nop->answer) &&
        loop_timer_arm(exporter->loop, &nop->answer, loop_now_mono_ns(exporter->loop)) != 0) {
        return -EAGAIN;
    }
    nop->batches[nop->batch_count] = batch;
    nop->batch_count++;
    uint64_t held = counter_read(&exporter->stats.items_held);
    counter_set(&exporter->stats.items_held, held + batch->item_count);
    return 0;
}

static void nop_drain(struct exporter *exporter, uint64_t deadline_mono_ns)
{
    (void)exporter;
    (void)deadline_mono_ns; /* everything is answered in the next turn anyway */
}

static bool nop_is_idle(const struct exporter *exporter)
{
    const struct nop_exporter *nop = (const struct nop_exporter *)(const void *)exporter;
    return nop->batch_count == 0;
}

static void nop_close(struct exporter *exporter)
{
    struct nop_exporter *nop = of(exporter);
    if (nop->is_open) {
        loop_timer_cancel(exporter->loop, &nop->answer);
        answer_all(nop);
    }
    mem_free(nop);
}

static const struct exporter_ops nop_ops = {
    .type = "nop",
    .open = nop_open,
    .submit = nop_submit,
    .drain = nop_drain,
    .is_idle = nop_is_idle,
    .close = nop_close,
};

int nop_exporter_new(struct config_reader *config, const char *id, struct exporter **out)
{
    int err = config_reader_finish(config);
    if (err != 0) {
        return err;
    }
    struct nop_exporter *nop = mem_alloc(sizeof(*nop));
    if (nop == NULL) {
        return -ENOMEM;
    }
    nop->exporter.ops = &nop_ops;
    nop->exporter.encodings = UINT32_MAX; /* it looks at none */
    nop->exporter.id = id;
    *out = &nop->exporter;
    return 0;
}
