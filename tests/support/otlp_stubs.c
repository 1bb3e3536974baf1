/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_stubs — see otlp_stubs.h.
 */
#include "tests/support/otlp_stubs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/engine/pipeline.h"

/* --- exporter --------------------------------------------------------------------------------- */

static int stub_submit(struct exporter *exporter, struct batch *batch)
{
    struct stub_exporter *stub = CONTAINER_OF(exporter, struct stub_exporter, exporter);
    if (stub->taken_count == stub->room || stub->taken_count == STUB_TAKEN_MAX) {
        return -EAGAIN;
    }
    stub->taken[stub->taken_count] = batch;
    stub->taken_count++;
    stub->items_seen += batch->item_count;
    stub->bytes_seen += batch->bytes;
    stub->batches_seen++;
    return 0;
}

static const struct exporter_ops stub_exporter_ops = {.type = "stub", .submit = stub_submit};

void stub_exporter_init(struct stub_exporter *stub, uint32_t room, bool answers_late)
{
    *stub = (struct stub_exporter){
        .exporter = {.ops = &stub_exporter_ops, .id = "stub", .answers_late = answers_late},
        .room = room,
    };
}

void stub_exporter_answer(struct stub_exporter *stub, enum delivery delivery)
{
    assert_true(stub->taken_count > 0);
    struct batch *batch = stub->taken[0];
    stub->taken_count--;
    memmove(&stub->taken[0], &stub->taken[1], stub->taken_count * sizeof(stub->taken[0]));
    pipeline_done(&stub->exporter, batch, delivery);
}

void stub_exporter_answer_all(struct stub_exporter *stub, enum delivery delivery)
{
    while (stub->taken_count > 0) {
        stub_exporter_answer(stub, delivery);
    }
}

/* --- processor -------------------------------------------------------------------------------- */

static int stub_process(struct processor *processor, struct processor_turn *turn, struct part *part)
{
    struct stub_plan *plan = CONTAINER_OF(processor, struct stub_processor, processor)->plan;
    atomic_fetch_add(&plan->seen_count, 1);
    atomic_store(&plan->now_unix_ns, turn->now_unix_ns);
    if (plan->arena_bytes > 0 && arena_alloc(turn->arena, plan->arena_bytes) == NULL) {
        return -ENOMEM;
    }
    if (atomic_load(&plan->err) != 0) {
        return atomic_load(&plan->err);
    }
    if (atomic_load(&plan->drops_all)) {
        counter_add(&processor->stats.items_filtered, part->item_count);
        part_replace(part, NULL, (struct slice){0}, 0);
    }
    return 0;
}

static const struct processor_ops stub_processor_ops;

static int stub_clone(const struct processor *prototype, struct processor **out)
{
    struct stub_plan *plan =
        ((const struct stub_processor *)(const void *)prototype)->plan; /* it is embedded first */
    if (plan->clone_err != 0 && atomic_load(&plan->open_count) >= plan->clones_before_err) {
        return plan->clone_err;
    }
    struct stub_processor *clone = mem_alloc(sizeof(*clone));
    if (clone == NULL) {
        return -ENOMEM;
    }
    stub_processor_init(clone, plan);
    atomic_fetch_add(&plan->open_count, 1);
    *out = &clone->processor;
    return 0;
}

static void stub_close(struct processor *processor)
{
    struct stub_processor *stub = CONTAINER_OF(processor, struct stub_processor, processor);
    atomic_fetch_sub(&stub->plan->open_count, 1);
    mem_free(stub);
}

static const struct processor_ops stub_processor_ops = {
    .type = "stub",
    .process = stub_process,
    .clone = stub_clone,
    .close = stub_close,
};

void stub_processor_init(struct stub_processor *stub, struct stub_plan *plan)
{
    *stub = (struct stub_processor){
        .processor = {.ops = &stub_processor_ops, .id = "stub"},
        .plan = plan,
    };
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void waiter_on_answer(struct part_claim *claim, enum part_fate fate)
{
    struct stub_waiter *waiter = CONTAINER_OF(claim, struct stub_waiter, claim);
    waiter->answer_count++;
    waiter->fate = fate;
}

void stub_wait(struct part *part, struct stub_waiter *waiter)
{
    *waiter = (struct stub_waiter){.claim = {.answer = waiter_on_answer, .next = part->claims}};
    part->claims = &waiter->claim;
}
