/* SPDX-License-Identifier: Apache-2.0 */
/* Fan-out, refusals, holding, and a batch that goes when its last route answered. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/engine/pipeline.h"

#define TAKEN_MAX 8

/* Takes as many batches as it has room for. */
struct fake {
    struct exporter exporter;
    struct batch *taken[TAKEN_MAX];
    uint32_t taken_count;
    uint32_t room;
};

static int fake_submit(struct exporter *exporter, struct batch *batch)
{
    struct fake *fake = CONTAINER_OF(exporter, struct fake, exporter);
    if (fake->taken_count == fake->room) {
        return -EAGAIN;
    }
    fake->taken[fake->taken_count] = batch;
    fake->taken_count++;
    return 0;
}

static void fake_answer(struct fake *fake)
{
    fake->taken_count--;
    pipeline_done(&fake->exporter, fake->taken[fake->taken_count], DELIVERY_ACCEPTED);
}

static const struct exporter_ops fake_ops = {.type = "fake", .submit = fake_submit};

struct fixture {
    struct fake a;
    struct fake b;
    struct pipeline pipeline;
};

static void open_fixture(struct fixture *f, uint32_t room_a, uint32_t room_b)
{
    *f = (struct fixture){
        .a = {.exporter = {.ops = &fake_ops, .id = "a"}, .room = room_a},
        .b = {.exporter = {.ops = &fake_ops, .id = "b"}, .room = room_b},
    };
    struct exporter *routes[] = {&f->a.exporter, &f->b.exporter};
    pipeline_init(&f->pipeline, "metrics", SIGNAL_METRICS, routes, 2);
}

static struct batch *make_batch(uint32_t item_count)
{
    struct batch *batch = batch_new(SIGNAL_METRICS, 1);
    struct part part;
    assert_non_null(batch);
    assert_int_equal(part_copy(&part, slice_of_text("x"), SIGNAL_METRICS, item_count), 0);
    assert_int_equal(batch_push(batch, &part), 0);
    return batch;
}

static void test_both_routes_share_one_batch(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 1, 1);
    struct batch *batch = make_batch(3);
    assert_int_equal(pipeline_submit(&f.pipeline, &batch), 0);
    assert_null(batch);
    assert_ptr_equal(f.a.taken[0], f.b.taken[0]);
    assert_int_equal(counter_read(&f.a.exporter.stats.items_offered), 3);
    fake_answer(&f.a);
    assert_false(pipeline_is_idle(&f.pipeline));
    fake_answer(&f.b);
    assert_true(pipeline_is_idle(&f.pipeline));
    pipeline_fini(&f.pipeline);
}

static void test_refusing_route_loses_its_share_while_another_accepts(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 1, 0);
    struct batch *batch = make_batch(5);
    assert_int_equal(pipeline_submit(&f.pipeline, &batch), 0);
    assert_false(pipeline_is_holding(&f.pipeline));
    assert_int_equal(counter_read(&f.b.exporter.stats.items_dropped_queue_full), 5);
    assert_int_equal(counter_read(&f.b.exporter.stats.items_offered), 5);
    fake_answer(&f.a);
    assert_true(pipeline_is_idle(&f.pipeline));
    pipeline_fini(&f.pipeline);
}

static void test_nobody_accepts_so_the_pipeline_holds(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 0, 0);
    struct batch *batch = make_batch(2);
    assert_int_equal(pipeline_submit(&f.pipeline, &batch), 0);
    assert_true(pipeline_is_holding(&f.pipeline));
    struct batch *second = make_batch(1);
    assert_int_equal(pipeline_submit(&f.pipeline, &second), -EAGAIN);
    assert_non_null(second);
    assert_false(pipeline_retry(&f.pipeline));
    assert_int_equal(counter_read(&f.a.exporter.stats.items_offered), 0);
    f.a.room = 1;
    f.b.room = 1;
    assert_true(pipeline_retry(&f.pipeline));
    assert_int_equal(counter_read(&f.a.exporter.stats.items_offered), 2);
    fake_answer(&f.a);
    fake_answer(&f.b);
    batch_free(second);
    pipeline_fini(&f.pipeline);
}

static void test_blocking_route_holds_and_the_accepting_one_is_not_asked_again(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, TAKEN_MAX, 0);
    f.b.exporter.blocks_on_overflow = true;
    struct batch *batch = make_batch(2);
    assert_int_equal(pipeline_submit(&f.pipeline, &batch), 0);
    assert_true(pipeline_is_holding(&f.pipeline));
    assert_int_equal(f.a.taken_count, 1);
    fake_answer(&f.a); /* must not free what the pipeline holds */
    assert_false(pipeline_retry(&f.pipeline));
    assert_int_equal(f.a.taken_count, 0);
    f.b.room = 1;
    assert_true(pipeline_retry(&f.pipeline));
    assert_int_equal(counter_read(&f.b.exporter.stats.items_dropped_queue_full), 0);
    fake_answer(&f.b);
    assert_true(pipeline_is_idle(&f.pipeline));
    pipeline_fini(&f.pipeline);
}

static void test_end_counts_what_is_still_held(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 0, 0);
    struct batch *batch = make_batch(4);
    assert_int_equal(pipeline_submit(&f.pipeline, &batch), 0);
    pipeline_abandon(&f.pipeline);
    pipeline_abandon(&f.pipeline);
    pipeline_fini(&f.pipeline);
    assert_int_equal(counter_read(&f.a.exporter.stats.items_dropped_shutdown), 4);
    assert_int_equal(counter_read(&f.b.exporter.stats.items_offered), 4);
}

static void test_most_routes_that_fit(void **state)
{
    (void)state;
    static struct fake fakes[BATCH_ROUTES_MAX];
    struct exporter *routes[BATCH_ROUTES_MAX];
    struct pipeline pipeline;
    for (uint32_t i = 0; i < BATCH_ROUTES_MAX; i++) {
        fakes[i] = (struct fake){.exporter = {.ops = &fake_ops}, .room = 1};
        routes[i] = &fakes[i].exporter;
    }
    pipeline_init(&pipeline, "metrics", SIGNAL_METRICS, routes, BATCH_ROUTES_MAX);
    struct batch *batch = make_batch(1);
    assert_int_equal(pipeline_submit(&pipeline, &batch), 0);
    for (uint32_t i = 0; i < BATCH_ROUTES_MAX; i++) {
        assert_false(pipeline_is_idle(&pipeline));
        fake_answer(&fakes[i]);
    }
    assert_true(pipeline_is_idle(&pipeline));
    pipeline_fini(&pipeline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_routes_share_one_batch),
        cmocka_unit_test(test_refusing_route_loses_its_share_while_another_accepts),
        cmocka_unit_test(test_nobody_accepts_so_the_pipeline_holds),
        cmocka_unit_test(test_blocking_route_holds_and_the_accepting_one_is_not_asked_again),
        cmocka_unit_test(test_end_counts_what_is_still_held),
        cmocka_unit_test(test_most_routes_that_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
