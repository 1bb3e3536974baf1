/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of tools/weir/graph_stage: which encodings a pipeline takes once its processors stand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/engine/budget.h"
#include "tests/support/otlp_stubs.h"
#include "tools/weir/graph_stage.h"

#define SHARDS 2

static struct graph_stage stage;
static struct pipeline pipeline;
static struct stub_exporter exporter;
static struct stub_plan plan;
static struct budget memory;

/* A stage with so many processors beside the batch, opened. */
static void open_stage(uint32_t processor_count, bool has_batch)
{
    struct exporter *routes[] = {&exporter.exporter};
    struct stub_processor prototype;
    budget_init(&memory, 1 << 20);
    stub_processor_init(&prototype, &plan);
    stub_exporter_init(&exporter, 1, false);
    exporter.exporter.encodings = PART_ENCODING_BIT(PART_OTLP) | PART_ENCODING_BIT(PART_XRAY);
    pipeline_init(&pipeline, "traces", SIGNAL_TRACES, routes, 1);
    stage = (struct graph_stage){
        .has_batch = has_batch,
        .batch = {.send_batch_size = 10, .timeout_ns = CLOCK_NS_PER_S},
        .has_limiter = true,
    };
    for (uint32_t i = 0; i < processor_count; i++) {
        assert_int_equal(prototype.processor.ops->clone(&prototype.processor, &stage.prototypes[i]),
                         0);
        stage.ids[i] = mem_copy_text("stub", 4);
        stage.prototype_count++;
        stage.leading_count += has_batch ? 0 : 1;
    }
    assert_int_equal(graph_stage_open(&stage, &pipeline, SHARDS, &memory), 0);
}

static void close_stage(void)
{
    graph_stage_close(&stage);
    graph_stage_fini(&stage);
    pipeline_fini(&pipeline);
    assert_int_equal(atomic_load(&plan.open_count), 0);
}

static void test_batch_and_limiter_let_documents_through(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        open_stage(0, i == 1);
        assert_true(pipeline_takes(&pipeline, PART_XRAY));
        assert_true(pipeline_takes(&pipeline, PART_OTLP));
        close_stage();
    }
}

static void test_processor_that_reads_items_wants_otlp(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2; i++) { /* before the batch that is not there, and behind one */
        open_stage(1, i == 1);
        assert_false(pipeline_takes(&pipeline, PART_XRAY));
        assert_true(pipeline_takes(&pipeline, PART_OTLP));
        close_stage();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_and_limiter_let_documents_through),
        cmocka_unit_test(test_processor_that_reads_items_wants_otlp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
