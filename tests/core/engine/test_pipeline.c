/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/engine/pipeline: fan-out, refusals, holding, fronts; who waits is told once and
 * every charge goes back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/engine/budget.h"
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

/* --- who waits, and what was charged ---------------------------------------------------------- */

#define CHARGE 100

struct waiting {
    struct part_claim claim;
    uint32_t answer_count;
    enum part_fate fate;
};

static struct budget memory;

static void on_answer(struct part_claim *claim, enum part_fate fate)
{
    struct waiting *waiting = CONTAINER_OF(claim, struct waiting, claim);
    waiting->answer_count++;
    waiting->fate = fate;
}

static void open_charged(struct fixture *f, uint32_t room_a, uint32_t room_b, bool is_b_late)
{
    open_fixture(f, room_a, room_b);
    f->b.exporter.answers_late = is_b_late;
    struct exporter *routes[] = {&f->a.exporter, &f->b.exporter};
    pipeline_init(&f->pipeline, "metrics", SIGNAL_METRICS, routes, 2);
    budget_init(&memory, 1000);
    f->pipeline.memory = &memory;
}

static void close_charged(struct fixture *f)
{
    assert_true(pipeline_is_idle(&f->pipeline));
    assert_int_equal(budget_leased(&memory), 0);
    pipeline_fini(&f->pipeline);
}

static struct part make_part(struct waiting *waiting)
{
    struct part part;
    assert_int_equal(part_copy(&part, slice_of_text("x"), SIGNAL_METRICS, 2), 0);
    assert_int_equal(budget_lease(&memory, CHARGE), CHARGE);
    part.charged_bytes = CHARGE;
    *waiting = (struct waiting){.claim = {.answer = on_answer}};
    part.claims = &waiting->claim;
    return part;
}

static void push(struct fixture *f, struct waiting *waiting)
{
    struct part part = make_part(waiting);
    assert_int_equal(pipeline_push(&f->pipeline, &part, PIPELINE_PROCESSED, 1), 0);
    assert_null(part.memory);
    assert_null(part.claims);
    assert_int_equal(part.charged_bytes, 0);
}

static void answer_with(struct fake *fake, enum delivery delivery)
{
    fake->taken_count--;
    pipeline_done(&fake->exporter, fake->taken[fake->taken_count], delivery);
}

static void check_told(const struct waiting *waiting, enum part_fate fate)
{
    assert_int_equal(waiting->answer_count, 1);
    assert_int_equal(waiting->fate, fate);
}

static void test_early_routes_answer_when_they_take_it(void **state)
{
    (void)state;
    struct fixture f;
    struct waiting waiting;
    open_charged(&f, 1, 1, false);
    assert_false(pipeline_answers_late(&f.pipeline));
    push(&f, &waiting);
    check_told(&waiting, PART_ACCEPTED);
    assert_int_equal(budget_leased(&memory), CHARGE); /* its bytes are still there */
    answer_with(&f.a, DELIVERY_LOST);
    assert_int_equal(budget_leased(&memory), CHARGE);
    answer_with(&f.b, DELIVERY_REJECTED);
    check_told(&waiting, PART_ACCEPTED);
    close_charged(&f);
}

static void test_late_route_answers_when_it_delivered(void **state)
{
    (void)state;
    static const struct {
        enum delivery delivery;
        enum part_fate fate;
    } cases[] = {
        {DELIVERY_ACCEPTED, PART_ACCEPTED},
        {DELIVERY_REJECTED, PART_REJECTED},
        {DELIVERY_LOST, PART_LOST},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;
        struct waiting waiting;
        open_charged(&f, 1, 1, true);
        assert_true(pipeline_answers_late(&f.pipeline));
        f.pipeline.has_answered = false;
        push(&f, &waiting);
        assert_int_equal(waiting.answer_count, 0);
        assert_false(f.pipeline.has_answered);
        answer_with(&f.b, cases[i].delivery);
        check_told(&waiting, cases[i].fate); /* the early route need not have answered */
        assert_true(f.pipeline.has_answered);
        answer_with(&f.a, DELIVERY_ACCEPTED);
        check_told(&waiting, cases[i].fate);
        close_charged(&f);
    }
}

static void test_worst_of_the_answers_before_counts(void **state)
{
    (void)state;
    struct fixture f;
    struct waiting waiting;
    open_charged(&f, 1, 1, true);
    push(&f, &waiting);
    answer_with(&f.a, DELIVERY_LOST);
    assert_int_equal(waiting.answer_count, 0);
    answer_with(&f.b, DELIVERY_ACCEPTED);
    check_told(&waiting, PART_LOST);
    close_charged(&f);
}

static void test_held_batch_answers_only_when_nobody_wants_it_any_more(void **state)
{
    (void)state;
    struct fixture f;
    struct waiting waiting;
    open_charged(&f, 0, 1, true);
    f.a.exporter.blocks_on_overflow = true;
    push(&f, &waiting);
    assert_true(pipeline_is_holding(&f.pipeline));
    answer_with(&f.b, DELIVERY_ACCEPTED);
    assert_int_equal(waiting.answer_count, 0);
    struct waiting second;
    struct part part = make_part(&second);
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_PROCESSED, 1), -EAGAIN);
    assert_ptr_equal(part.claims, &second.claim);
    pipeline_drop_part(&f.pipeline, &part, PART_REJECTED);
    check_told(&second, PART_REJECTED);
    f.a.room = 1;
    assert_true(pipeline_retry(&f.pipeline));
    check_told(&waiting, PART_ACCEPTED);
    answer_with(&f.a, DELIVERY_ACCEPTED);
    close_charged(&f);
}

static void test_abandoned_batch_is_lost(void **state)
{
    (void)state;
    struct fixture f;
    struct waiting waiting;
    open_charged(&f, 0, 0, true);
    push(&f, &waiting);
    assert_int_equal(waiting.answer_count, 0);
    pipeline_abandon(&f.pipeline);
    check_told(&waiting, PART_LOST);
    pipeline_abandon(&f.pipeline);
    close_charged(&f);
}

static void test_abandoned_batch_waits_for_the_route_that_has_it(void **state)
{
    (void)state;
    struct fixture f;
    struct waiting waiting;
    open_charged(&f, 0, 1, true);
    f.a.exporter.blocks_on_overflow = true;
    push(&f, &waiting);
    pipeline_abandon(&f.pipeline);
    assert_int_equal(waiting.answer_count, 0);
    assert_int_equal(budget_leased(&memory), CHARGE);
    answer_with(&f.b, DELIVERY_ACCEPTED);
    check_told(&waiting, PART_LOST); /* the other route never got it */
    close_charged(&f);
}

static void test_part_without_memory_stays_where_it_is(void **state)
{
    (void)state;
    struct fixture f;
    struct waiting waiting;
    open_charged(&f, 1, 1, false);
    struct part part = make_part(&waiting);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        mem_fail_nth(nth);
        assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_BORN, 1), -ENOMEM);
        mem_fail_nth(0);
        assert_non_null(part.memory);
        assert_int_equal(part.charged_bytes, CHARGE);
        assert_int_equal(waiting.answer_count, 0);
    }
    pipeline_drop_part(&f.pipeline, &part, PART_LOST);
    check_told(&waiting, PART_LOST);
    close_charged(&f);
}

static void test_without_a_budget_charges_are_of_no_account(void **state)
{
    (void)state;
    struct fixture f;
    struct waiting waiting;
    open_charged(&f, 1, 1, false);
    struct part part = make_part(&waiting);
    f.pipeline.memory = NULL;
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_BORN, 1), 0);
    answer_with(&f.a, DELIVERY_ACCEPTED);
    answer_with(&f.b, DELIVERY_ACCEPTED);
    assert_int_equal(budget_leased(&memory), CHARGE);
    budget_return(&memory, CHARGE);
    close_charged(&f);
}

struct gate {
    struct pipeline_front front;
    enum pipeline_stage stage;
    uint64_t now_mono_ns;
    uint32_t push_count;
};

static int gate_on_push(struct pipeline_front *front, struct part *part, enum pipeline_stage stage,
                        uint64_t now_mono_ns)
{
    struct gate *gate = CONTAINER_OF(front, struct gate, front);
    (void)part;
    gate->stage = stage;
    gate->now_mono_ns = now_mono_ns;
    gate->push_count++;
    return -EAGAIN;
}

static void test_front_sees_every_part_first(void **state)
{
    (void)state;
    static const struct pipeline_front_ops ops = {.push = gate_on_push};
    struct gate gate = {.front = {.ops = &ops}};
    struct fixture f;
    struct waiting waiting;
    open_charged(&f, 1, 1, false);
    f.pipeline.front = &gate.front;
    struct part part = make_part(&waiting);
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_PROCESSED, 9), -EAGAIN);
    assert_int_equal(gate.stage, PIPELINE_PROCESSED);
    assert_int_equal(gate.now_mono_ns, 9);
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_BORN, 10), -EAGAIN);
    assert_int_equal(gate.stage, PIPELINE_BORN);
    assert_int_equal(gate.push_count, 2);
    assert_int_equal(f.a.taken_count, 0);
    assert_non_null(part.memory);
    pipeline_drop_part(&f.pipeline, &part, PART_ACCEPTED);
    check_told(&waiting, PART_ACCEPTED);
    close_charged(&f);
}

/* --- encodings -------------------------------------------------------------------------------- */

#define XRAY_BIT PART_ENCODING_BIT(PART_XRAY)
#define EMF_BIT PART_ENCODING_BIT(PART_EMF)
#define OTLP_BIT PART_ENCODING_BIT(PART_OTLP)

static void test_pipeline_takes_what_all_of_its_routes_take(void **state)
{
    (void)state;
    static const struct {
        uint32_t a;
        uint32_t b;
        bool takes_xray;
        bool takes_emf;
    } CASES[] = {
        {0, 0, false, false},
        {OTLP_BIT | XRAY_BIT, 0, false, false},
        {OTLP_BIT | XRAY_BIT, OTLP_BIT, false, false},
        {OTLP_BIT | XRAY_BIT, OTLP_BIT | XRAY_BIT, true, false},
        {OTLP_BIT | XRAY_BIT, OTLP_BIT | XRAY_BIT | EMF_BIT, true, false},
        {UINT32_MAX, UINT32_MAX, true, true},
        {XRAY_BIT, EMF_BIT, false, false},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct fixture f;
        open_fixture(&f, 1, 1);
        f.a.exporter.encodings = CASES[i].a;
        f.b.exporter.encodings = CASES[i].b;
        struct exporter *routes[] = {&f.a.exporter, &f.b.exporter};
        pipeline_init(&f.pipeline, "traces", SIGNAL_TRACES, routes, 2);
        assert_true(pipeline_takes(&f.pipeline, PART_OTLP));
        assert_int_equal(pipeline_takes(&f.pipeline, PART_XRAY), CASES[i].takes_xray);
        assert_int_equal(pipeline_takes(&f.pipeline, PART_EMF), CASES[i].takes_emf);
        pipeline_require_otlp(&f.pipeline);
        assert_true(pipeline_takes(&f.pipeline, PART_OTLP));
        assert_false(pipeline_takes(&f.pipeline, PART_XRAY));
        assert_false(pipeline_takes(&f.pipeline, PART_EMF));
        pipeline_fini(&f.pipeline);
    }
}

static void test_documents_are_counted_as_items(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 1, 1);
    f.a.exporter.encodings = OTLP_BIT | XRAY_BIT;
    struct exporter *routes[] = {&f.a.exporter};
    pipeline_init(&f.pipeline, "traces", SIGNAL_TRACES, routes, 1);
    struct part part;
    assert_int_equal(part_copy(&part, slice_of_text("xxxx"), SIGNAL_TRACES, 50), 0);
    part.encoding = PART_XRAY;
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_PROCESSED, 1), 0);
    assert_int_equal(counter_read(&f.a.exporter.stats.items_offered), 50);
    assert_int_equal(f.a.taken[0]->parts[0].encoding, PART_XRAY);
    fake_answer(&f.a);
    pipeline_fini(&f.pipeline);
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
        cmocka_unit_test(test_early_routes_answer_when_they_take_it),
        cmocka_unit_test(test_late_route_answers_when_it_delivered),
        cmocka_unit_test(test_worst_of_the_answers_before_counts),
        cmocka_unit_test(test_held_batch_answers_only_when_nobody_wants_it_any_more),
        cmocka_unit_test(test_abandoned_batch_is_lost),
        cmocka_unit_test(test_abandoned_batch_waits_for_the_route_that_has_it),
        cmocka_unit_test(test_part_without_memory_stays_where_it_is),
        cmocka_unit_test(test_without_a_budget_charges_are_of_no_account),
        cmocka_unit_test(test_front_sees_every_part_first),
        cmocka_unit_test(test_pipeline_takes_what_all_of_its_routes_take),
        cmocka_unit_test(test_documents_are_counted_as_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
