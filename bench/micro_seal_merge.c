/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_seal_merge — nanoseconds per series to end a window: seal, merge, and write it as OTLP.
 *
 * All in one thread, so the figure is CPU time, not latency. Each shard holds every series, the
 * dearest case, and every series has a point in every window; marking them costs one sweep over the
 * hot records, which is part of the figure. `merge` reads the round without writing it, `emit`
 * writes it and hands it to an exporter that takes everything.
 */
#include <errno.h>
#include <stdio.h>

#include "bench/micro.h"
#include "bench/micro_rig.h"
#include "core/engine/emit.h"
#include "core/engine/pipeline.h"

#define MERGE_SLICES_PER_TURN 8

struct keeper { /* an exporter that takes one batch at a time and answers when asked */
    struct exporter exporter;
    struct batch *batch; /* shared with the pipeline until answered */
};

struct seal_case {
    struct micro micro;
    struct rig rig;
    struct keeper keeper;
    struct pipeline pipeline;
    struct pipeline *pipelines[1];
    struct emit_options emit_options;
    struct emit emit;
    bool emits;
};

static int keeper_submit(struct exporter *exporter, struct batch *batch)
{
    struct keeper *keeper = CONTAINER_OF(exporter, struct keeper, exporter);
    if (keeper->batch != NULL) {
        return -EAGAIN;
    }
    keeper->batch = batch;
    return 0;
}

static const struct exporter_ops keeper_ops = {.type = "keeper", .submit = keeper_submit};

static void keeper_answer(struct keeper *keeper)
{
    struct batch *batch = keeper->batch;
    keeper->batch = NULL;
    if (batch != NULL) {
        pipeline_done(&keeper->exporter, batch, DELIVERY_ACCEPTED);
    }
}

/* Gives every live series of `table` a point in the open window. */
static void mark_all(struct series_table *table)
{
    uint8_t dirty_flag = (uint8_t)(SERIES_DIRTY_BANK_0 << table->open_bank);
    for (uint32_t i = 0; i < table->record_limit; i++) {
        table->hot[i].bank[table->open_bank].sum += 1;
        table->hot[i].flags |= dirty_flag;
    }
}

static uint64_t read_round(struct seal_case *c)
{
    struct merge_point point;
    uint64_t series_count = 0;
    while (merge_next(&c->rig.merge, &point)) {
        series_count += point.number > 0 ? 1 : 0;
        merge_consume(&c->rig.merge);
    }
    return series_count;
}

static uint64_t emit_round(struct seal_case *c)
{
    uint64_t emitted_before = counter_read(&c->rig.stats.points_emitted);
    while (merge_is_reading(&c->rig.merge) || !emit_is_idle(&c->emit)) {
        (void)emit_turn(&c->emit, c->rig.now_ns);
        keeper_answer(&c->keeper);
        (void)pipeline_retry(&c->pipeline);
    }
    keeper_answer(&c->keeper);
    return counter_read(&c->rig.stats.points_emitted) - emitted_before;
}

static uint64_t seal_call(struct micro *micro)
{
    struct seal_case *c = CONTAINER_OF(micro, struct seal_case, micro);
    struct rig *rig = &c->rig;
    for (uint32_t i = 0; i < rig->shard_count; i++) {
        mark_all(&rig->seals[i].table);
    }
    rig->now_ns += RIG_INTERVAL_NS;
    while (!merge_is_reading(&rig->merge)) {
        for (uint32_t i = 0; i < rig->shard_count; i++) {
            (void)seal_turn(&rig->seals[i], rig->now_ns, rig->now_ns);
        }
        (void)merge_turn(&rig->merge, MERGE_SLICES_PER_TURN);
    }
    uint64_t series_count = c->emits ? emit_round(c) : read_round(c);
    ASSERT(series_count == micro->op_count);
    return series_count;
}

static int seal_open(struct seal_case *c, uint32_t series_count, uint32_t shard_count)
{
    c->keeper.exporter = (struct exporter){.ops = &keeper_ops, .id = "keeper"};
    struct exporter *routes[] = {&c->keeper.exporter};
    pipeline_init(&c->pipeline, "metrics", SIGNAL_METRICS, routes, 1);
    c->pipelines[0] = &c->pipeline;
    c->emit_options.scope_name = slice_of_text("weir");
    const struct rig_input input = {.series_count = series_count, .is_tagged = true};
    int err = rig_open(&c->rig, shard_count, series_count);
    if (err == 0) {
        err = rig_bear(&c->rig, &input);
    }
    if (err == 0) {
        err = emit_init(&c->emit, &c->emit_options, &c->rig.merge, &c->rig.stats);
    }
    if (err == 0) {
        emit_connect(&c->emit, c->pipelines, 1);
    }
    return err;
}

static int seal_measure(uint32_t series_count, const char *size, uint32_t shard_count)
{
    static struct seal_case c;
    char name[64];
    c = (struct seal_case){0};
    int err = seal_open(&c, series_count, shard_count);
    c.micro = (struct micro){.name = name, .op_count = series_count, .call = seal_call};
    for (uint32_t emits = 0; emits < 2 && err == 0; emits++) {
        c.emits = emits != 0;
        (void)snprintf(name, sizeof(name), "seal_merge/%s/%u_shards/%s", size, shard_count,
                       c.emits ? "emit" : "merge"); /* fits */
        c.micro.needs_zero_allocs = !c.emits;
        (void)seal_call(&c.micro); /* announcements are not measured */
        err = micro_run(&c.micro);
    }
    emit_fini(&c.emit);
    pipeline_fini(&c.pipeline);
    rig_close(&c.rig);
    return err;
}

int main(void)
{
    static const uint32_t shard_counts[] = {1, 4};
    int err = 0;
    for (size_t i = 0; i < COUNT_OF(shard_counts) && err == 0; i++) {
        err = seal_measure(100000, "100k", shard_counts[i]);
        if (err == 0) {
            err = seal_measure(1000000, "1m", shard_counts[i]);
        }
    }
    return err == 0 ? 0 : 1;
}
