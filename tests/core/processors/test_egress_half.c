/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/processors/egress_half: straight through, by time, by size, cut; who waits is told
 * once, and every charge goes back, whatever becomes of a part.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "core/base/bounds.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/engine/budget.h"
#include "core/processors/egress_half.h"
#include "tests/core/processors/processor_rig.h"
#include "tests/support/otlp_stubs.h"

#define MS CLOCK_NS_PER_MS
#define T0 (UINT64_C(1000) * CLOCK_NS_PER_S)
#define BUDGET UINT64_C(1000000)
#define CHARGE 1000 /* of every part here */

static const struct batch_config by_ten = {.send_batch_size = 10, .timeout_ns = 200 * MS};
static const struct batch_config cut_by_four = {
    .send_batch_size = 4, .send_batch_max_size = 4, .timeout_ns = 200 * MS};

struct fixture {
    struct rig rig;
    struct budget memory;
    struct stub_exporter exporter;
    struct pipeline pipeline;
    struct stub_plan leading;
    struct stub_plan behind;
    struct stub_processor stubs[2];
    struct processor *prototypes[2];
    struct egress_half half;
};

static struct fixture f;

static void prepare(bool answers_late)
{
    f = (struct fixture){.rig = {.signal = SIGNAL_TRACES}};
    rig_init(&f.rig);
    budget_init(&f.memory, BUDGET);
    stub_exporter_init(&f.exporter, STUB_TAKEN_MAX, answers_late);
    struct exporter *routes[] = {&f.exporter.exporter};
    pipeline_init(&f.pipeline, "traces", SIGNAL_TRACES, routes, 1);
    f.pipeline.memory = &f.memory;
    stub_processor_init(&f.stubs[0], &f.leading);
    stub_processor_init(&f.stubs[1], &f.behind);
    f.prototypes[0] = &f.stubs[0].processor;
    f.prototypes[1] = &f.stubs[1].processor;
}

static int open_half(const struct batch_config *batch, bool has_behind)
{
    const struct egress_half_options options = {
        .leading = &f.prototypes[0],
        .leading_count = 1,
        .batch = batch,
        .behind = &f.prototypes[1],
        .behind_count = has_behind ? 1 : 0,
    };
    return egress_half_init(&f.half, &f.pipeline, &options);
}

static void open_fixture(const struct batch_config *batch, bool answers_late)
{
    prepare(answers_late);
    assert_int_equal(open_half(batch, batch != NULL), 0);
    assert_ptr_equal(f.pipeline.front, &f.half.front);
    egress_half_turn(&f.half, T0, 5, false);
}

/* Nothing may be left: no part, no clone, no byte of the budget. */
static void close_fixture(void)
{
    egress_half_fini(&f.half);
    egress_half_fini(&f.half);
    stub_exporter_answer_all(&f.exporter, DELIVERY_ACCEPTED);
    pipeline_abandon(&f.pipeline);
    assert_null(f.pipeline.front);
    assert_int_equal(budget_leased(&f.memory), 0);
    assert_int_equal(f.leading.open_count + f.behind.open_count, 0);
    pipeline_fini(&f.pipeline);
    rig_close(&f.rig);
}

/* A request of `count` spans. */
static struct part part_of(uint32_t count)
{
    struct slice spans = {0};
    struct part part;
    for (uint32_t i = 0; i < count; i++) {
        spans = JOIN(spans, item_of(field_text(5, "span")));
    }
    struct slice request = request_of(attr_text(1, "service.name", "a"), spans);
    assert_int_equal(part_copy(&part, request, SIGNAL_TRACES, count), 0);
    assert_int_equal(budget_lease(&f.memory, CHARGE), CHARGE);
    part.charged_bytes = CHARGE;
    return part;
}

static void push_waiting(uint32_t count, uint64_t now, struct stub_waiter *waiter)
{
    struct part part = part_of(count);
    if (waiter != NULL) {
        stub_wait(&part, waiter);
    }
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_PROCESSED, now), 0);
    assert_null(part.memory);
    assert_int_equal(part.charged_bytes, 0);
}

static void push(uint32_t count, uint64_t now)
{
    push_waiting(count, now, NULL);
}

static void check_told(const struct stub_waiter *waiter, enum part_fate fate)
{
    assert_int_equal(waiter->answer_count, 1);
    assert_int_equal(waiter->fate, fate);
}

/* --- without a batch -------------------------------------------------------------------------- */

static void test_without_batch_every_part_leaves_alone(void **state)
{
    (void)state;
    open_fixture(NULL, false);
    struct stub_waiter waiter;
    push_waiting(3, T0, &waiter);
    push(2, T0);
    assert_int_equal(f.exporter.taken_count, 2);
    assert_int_equal(f.exporter.items_seen, 5);
    check_told(&waiter, PART_ACCEPTED); /* the exporter keeps what it took */
    assert_int_equal(f.leading.seen_count, 0);
    assert_true(egress_half_is_empty(&f.half));
    assert_int_equal(egress_half_next_mono_ns(&f.half), UINT64_MAX);
    assert_int_equal(budget_leased(&f.memory), 2 * CHARGE);
    stub_exporter_answer(&f.exporter, DELIVERY_LOST);
    assert_int_equal(budget_leased(&f.memory), CHARGE);
    close_fixture();
}

static void test_what_is_born_here_goes_through_the_leading_ones(void **state)
{
    (void)state;
    open_fixture(NULL, false);
    struct part part = part_of(3);
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_BORN, T0), 0);
    assert_int_equal(f.leading.seen_count, 1);
    assert_int_equal(f.leading.now_unix_ns, 5);
    assert_int_equal(f.exporter.items_seen, 3);
    f.leading.drops_all = true;
    struct stub_waiter waiter;
    part = part_of(4);
    stub_wait(&part, &waiter);
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_BORN, T0), 0);
    check_told(&waiter, PART_ACCEPTED);
    assert_int_equal(f.exporter.batches_seen, 1);
    f.leading.drops_all = false;
    f.leading.err = -ENOMEM;
    part = part_of(4);
    stub_wait(&part, &waiter);
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_BORN, T0), 0);
    check_told(&waiter, PART_LOST);
    assert_int_equal(counter_read(&f.half.leading.processors[0]->stats.items_failed), 4);
    assert_int_equal(budget_leased(&f.memory), CHARGE);
    close_fixture();
}

static void test_holding_pipeline_lets_nothing_in(void **state)
{
    (void)state;
    open_fixture(NULL, false);
    f.exporter.room = 0;
    push(1, T0);
    assert_true(pipeline_is_holding(&f.pipeline));
    struct part part = part_of(2);
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_PROCESSED, T0), -EAGAIN);
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_BORN, T0), -EAGAIN);
    assert_non_null(part.memory);
    assert_int_equal(f.leading.seen_count, 0); /* it would be processed again later */
    f.exporter.room = 2;
    assert_true(pipeline_retry(&f.pipeline));
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_PROCESSED, T0), 0);
    close_fixture();
}

static void test_refused_memory_moves_nothing_or_is_a_loss_that_counts(void **state)
{
    (void)state;
    open_fixture(NULL, false);
    struct stub_waiter waiter;
    struct part part = part_of(2);
    stub_wait(&part, &waiter);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        mem_fail_nth(nth);
        assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_PROCESSED, T0), -ENOMEM);
        mem_fail_nth(0);
        assert_non_null(part.memory);
        assert_int_equal(part.charged_bytes, CHARGE);
        assert_int_equal(waiter.answer_count, 0);
    }
    /* Processed once already: it cannot be offered again. */
    mem_fail_nth(1);
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_BORN, T0), 0);
    mem_fail_nth(0);
    check_told(&waiter, PART_LOST);
    assert_int_equal(counter_read(&f.exporter.exporter.stats.items_offered), 2);
    assert_int_equal(counter_read(&f.exporter.exporter.stats.items_dropped_memory), 2);
    close_fixture();
}

/* --- with a batch ----------------------------------------------------------------------------- */

static void test_batch_leaves_when_it_is_full(void **state)
{
    (void)state;
    open_fixture(&by_ten, false);
    push(4, T0);
    push(5, T0 + 1);
    egress_half_turn(&f.half, T0 + 2, 9, false);
    assert_int_equal(f.exporter.batches_seen, 0);
    assert_false(egress_half_is_empty(&f.half));
    assert_int_equal(egress_half_next_mono_ns(&f.half), T0 + 200 * MS);
    push(1, T0 + 3);
    assert_true(egress_half_next_mono_ns(&f.half) <= T0 + 3);
    egress_half_turn(&f.half, T0 + 3, 9, false);
    assert_int_equal(f.exporter.batches_seen, 1);
    assert_int_equal(f.exporter.items_seen, 10);
    assert_int_equal(f.behind.now_unix_ns, 9);
    assert_int_equal(f.leading.seen_count, 0);
    assert_true(egress_half_is_empty(&f.half));
    assert_int_equal(egress_half_next_mono_ns(&f.half), UINT64_MAX);
    assert_int_equal(budget_leased(&f.memory), 3 * CHARGE);
    stub_exporter_answer(&f.exporter, DELIVERY_ACCEPTED);
    assert_int_equal(budget_leased(&f.memory), 0);
    close_fixture();
}

static void test_batch_leaves_when_its_time_is_up_or_by_force(void **state)
{
    (void)state;
    open_fixture(&by_ten, false);
    push(4, T0);
    egress_half_turn(&f.half, T0 + 200 * MS - 1, 1, false);
    assert_int_equal(f.exporter.batches_seen, 0);
    egress_half_turn(&f.half, T0 + 200 * MS, 1, false);
    assert_int_equal(f.exporter.batches_seen, 1);
    push(2, T0 + 300 * MS);
    egress_half_turn(&f.half, T0 + 300 * MS, 1, true);
    assert_int_equal(f.exporter.batches_seen, 2);
    assert_true(egress_half_is_empty(&f.half));
    close_fixture();
}

static void test_awaited_part_leaves_soon(void **state)
{
    (void)state;
    open_fixture(&by_ten, true);
    struct stub_waiter waiter;
    push(1, T0);
    push_waiting(1, T0 + MS, &waiter);
    uint64_t due = T0 + MS + BATCH_CLOSE_BY_MS * MS;
    assert_int_equal(egress_half_next_mono_ns(&f.half), due);
    egress_half_turn(&f.half, due - 1, 1, false);
    assert_int_equal(f.exporter.batches_seen, 0);
    egress_half_turn(&f.half, due, 1, false);
    assert_int_equal(f.exporter.batches_seen, 1);
    assert_int_equal(waiter.answer_count, 0); /* the upstream has not answered */
    stub_exporter_answer(&f.exporter, DELIVERY_REJECTED);
    check_told(&waiter, PART_REJECTED);
    push(1, T0 + 20 * MS); /* the next batch has its whole time again */
    assert_int_equal(egress_half_next_mono_ns(&f.half), T0 + 220 * MS);
    close_fixture();
}

static void test_parts_copied_together_keep_their_waiters(void **state)
{
    (void)state;
    open_fixture(&by_ten, true);
    struct stub_waiter waiters[5];
    for (uint32_t i = 0; i < 5; i++) {
        push_waiting(2, T0, &waiters[i]);
    }
    egress_half_turn(&f.half, T0, 1, false);
    assert_int_equal(f.exporter.batches_seen, 1);
    assert_int_equal(f.exporter.taken[0]->part_count, 1);
    assert_int_equal(f.exporter.taken[0]->charged_bytes, 5 * CHARGE);
    stub_exporter_answer(&f.exporter, DELIVERY_LOST);
    for (uint32_t i = 0; i < 5; i++) {
        check_told(&waiters[i], PART_LOST);
    }
    close_fixture();
}

static void test_cut_part_answers_once_with_its_last_piece(void **state)
{
    (void)state;
    open_fixture(&cut_by_four, true);
    struct stub_waiter waiter;
    push_waiting(10, T0, &waiter);
    egress_half_turn(&f.half, T0, 1, true);
    assert_int_equal(f.exporter.batches_seen, 3);
    assert_int_equal(f.exporter.items_seen, 10);
    assert_int_equal(f.exporter.taken[0]->item_count, 4);
    assert_int_equal(f.exporter.taken[2]->item_count, 2);
    stub_exporter_answer(&f.exporter, DELIVERY_ACCEPTED);
    stub_exporter_answer(&f.exporter, DELIVERY_ACCEPTED);
    assert_int_equal(waiter.answer_count, 0);
    assert_int_equal(budget_leased(&f.memory), CHARGE);
    stub_exporter_answer(&f.exporter, DELIVERY_ACCEPTED);
    check_told(&waiter, PART_ACCEPTED);
    assert_int_equal(budget_leased(&f.memory), 0);
    close_fixture();
}

static void test_cuts_among_other_parts_return_every_charge_once(void **state)
{
    (void)state;
    open_fixture(&cut_by_four, true);
    struct stub_waiter waiters[6];
    static const uint32_t counts[] = {3, 9, 1, 4, 5, 2};
    uint32_t total = 0;
    for (uint32_t i = 0; i < COUNT_OF(counts); i++) {
        push_waiting(counts[i], T0, &waiters[i]);
        egress_half_turn(&f.half, T0, 1, false);
        total += counts[i];
    }
    egress_half_turn(&f.half, T0, 1, true);
    assert_int_equal(f.exporter.items_seen, total);
    uint64_t charged_bytes = 0;
    for (uint32_t i = 0; i < f.exporter.taken_count; i++) {
        assert_true(f.exporter.taken[i]->item_count <= 4);
        charged_bytes += f.exporter.taken[i]->charged_bytes;
    }
    assert_int_equal(charged_bytes, COUNT_OF(counts) * CHARGE);
    stub_exporter_answer_all(&f.exporter, DELIVERY_ACCEPTED);
    for (uint32_t i = 0; i < COUNT_OF(counts); i++) {
        check_told(&waiters[i], PART_ACCEPTED);
    }
    assert_int_equal(budget_leased(&f.memory), 0);
    close_fixture();
}

/* Large parts stay what they are; some of them leave whole while others wait in the open batch. */
static void test_parts_left_behind_keep_their_charge(void **state)
{
    (void)state;
    static uint8_t block[BATCH_COPY_BYTES];
    prepare(true);
    assert_int_equal(open_half(&cut_by_four, false), 0); /* batches leave as they are */
    struct slice filler = field_message(3, slice_of(block, sizeof(block)));
    for (uint32_t i = 0; i < 6; i++) {
        struct part part;
        struct slice request =
            request_of(attr_text(1, "a", "b"), JOIN(item_of(filler), item_of(filler)));
        assert_int_equal(part_copy(&part, request, SIGNAL_TRACES, 2), 0);
        assert_int_equal(budget_lease(&f.memory, CHARGE), CHARGE);
        part.charged_bytes = CHARGE;
        assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_PROCESSED, T0), 0);
    }
    egress_half_turn(&f.half, T0, 1, true);
    assert_int_equal(f.exporter.batches_seen, 3);
    for (uint32_t i = 3; i > 0; i--) {
        assert_int_equal(f.exporter.taken[0]->charged_bytes, 2 * CHARGE);
        stub_exporter_answer(&f.exporter, DELIVERY_ACCEPTED);
        assert_int_equal(budget_leased(&f.memory), (i - 1) * 2 * CHARGE);
    }
    close_fixture();
}

static void test_pressure_stops_the_batch_and_goes_on_later(void **state)
{
    (void)state;
    open_fixture(&cut_by_four, false);
    f.exporter.room = 1;
    push(12, T0);
    egress_half_turn(&f.half, T0, 1, true);
    assert_int_equal(f.exporter.taken_count, 1);
    assert_true(pipeline_is_holding(&f.pipeline));
    assert_int_equal(egress_half_next_mono_ns(&f.half), UINT64_MAX);
    assert_false(egress_half_is_empty(&f.half));
    struct part part = part_of(1);
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_PROCESSED, T0), -EAGAIN);
    f.exporter.room = STUB_TAKEN_MAX;
    assert_true(pipeline_retry(&f.pipeline));
    egress_half_turn(&f.half, T0, 1, true);
    assert_int_equal(f.exporter.items_seen, 12);
    assert_int_equal(pipeline_push(&f.pipeline, &part, PIPELINE_PROCESSED, T0), 0);
    close_fixture();
}

/* --- behind the batch ------------------------------------------------------------------------- */

static void test_processors_behind_that_drop_everything(void **state)
{
    (void)state;
    open_fixture(&by_ten, true);
    struct stub_waiter waiters[2];
    f.behind.drops_all = true;
    push_waiting(5, T0, &waiters[0]);
    push_waiting(5, T0, &waiters[1]);
    egress_half_turn(&f.half, T0, 1, false);
    assert_int_equal(f.exporter.batches_seen, 0);
    check_told(&waiters[0], PART_ACCEPTED);
    check_told(&waiters[1], PART_ACCEPTED);
    assert_int_equal(budget_leased(&f.memory), 0);
    assert_true(pipeline_is_idle(&f.pipeline));
    close_fixture();
}

static void test_processors_behind_that_fail_lose_the_part(void **state)
{
    (void)state;
    open_fixture(&by_ten, true);
    struct stub_waiter waiter;
    f.behind.err = -ENOMEM;
    push_waiting(10, T0, &waiter);
    egress_half_turn(&f.half, T0, 1, false);
    assert_int_equal(f.exporter.batches_seen, 0);
    check_told(&waiter, PART_LOST);
    assert_int_equal(counter_read(&f.half.behind.processors[0]->stats.items_failed), 10);
    assert_int_equal(budget_leased(&f.memory), 0);
    close_fixture();
}

/* Whichever allocation fails: nothing is lost but what is counted so, and told so. */
static void test_no_memory_behind_the_batch_is_counted(void **state)
{
    (void)state;
    uint32_t lost_count = 0;
    for (uint64_t nth = 1; nth < 20; nth++) {
        struct stub_waiter waiter;
        open_fixture(&by_ten, true);
        push_waiting(10, T0, &waiter);
        mem_fail_nth(nth);
        egress_half_turn(&f.half, T0, 1, false);
        mem_fail_nth(0);
        egress_half_turn(&f.half, T0 + CLOCK_NS_PER_S, 1, true);
        stub_exporter_answer_all(&f.exporter, DELIVERY_ACCEPTED);
        bool is_lost = f.exporter.batches_seen == 0;
        const struct exporter_stats *stats = &f.exporter.exporter.stats;
        check_told(&waiter, is_lost ? PART_LOST : PART_ACCEPTED);
        assert_int_equal(counter_read(&stats->items_offered), 10);
        assert_int_equal(counter_read(&stats->items_dropped_memory), is_lost ? 10 : 0);
        lost_count += is_lost ? 1 : 0;
        close_fixture();
    }
    assert_int_equal(lost_count, 2); /* the batch that is left, and its list */
}

/* --- life ------------------------------------------------------------------------------------- */

static void test_end_gives_up_what_is_pending(void **state)
{
    (void)state;
    open_fixture(&cut_by_four, true);
    struct stub_waiter waiters[2];
    f.exporter.room = 1;
    push_waiting(3, T0, &waiters[0]);
    push_waiting(11, T0, &waiters[1]);
    egress_half_turn(&f.half, T0, 1, true); /* one batch taken, one held, a cut under way */
    pipeline_abandon(&f.pipeline);
    egress_half_fini(&f.half);
    stub_exporter_answer_all(&f.exporter, DELIVERY_ACCEPTED);
    check_told(&waiters[0], PART_LOST); /* both were copied together, and the end is missing */
    check_told(&waiters[1], PART_LOST);
    const struct exporter_stats *stats = &f.exporter.exporter.stats;
    assert_int_equal(counter_read(&stats->items_offered), 14);
    assert_int_equal(counter_read(&stats->items_dropped_shutdown), 10);
    close_fixture();
}

static void test_refused_memory_at_the_beginning(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 100; nth++) {
        prepare(false);
        mem_fail_nth(nth);
        int err = open_half(&cut_by_four, true);
        mem_fail_nth(0);
        if (err != 0) {
            assert_int_equal(err, -ENOMEM);
            assert_null(f.pipeline.front);
        }
        close_fixture();
        if (err == 0) {
            assert_true(nth > 4);
            return;
        }
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_batch_every_part_leaves_alone),
        cmocka_unit_test(test_what_is_born_here_goes_through_the_leading_ones),
        cmocka_unit_test(test_holding_pipeline_lets_nothing_in),
        cmocka_unit_test(test_refused_memory_moves_nothing_or_is_a_loss_that_counts),
        cmocka_unit_test(test_batch_leaves_when_it_is_full),
        cmocka_unit_test(test_batch_leaves_when_its_time_is_up_or_by_force),
        cmocka_unit_test(test_awaited_part_leaves_soon),
        cmocka_unit_test(test_parts_copied_together_keep_their_waiters),
        cmocka_unit_test(test_cut_part_answers_once_with_its_last_piece),
        cmocka_unit_test(test_cuts_among_other_parts_return_every_charge_once),
        cmocka_unit_test(test_parts_left_behind_keep_their_charge),
        cmocka_unit_test(test_pressure_stops_the_batch_and_goes_on_later),
        cmocka_unit_test(test_processors_behind_that_drop_everything),
        cmocka_unit_test(test_processors_behind_that_fail_lose_the_part),
        cmocka_unit_test(test_no_memory_behind_the_batch_is_counted),
        cmocka_unit_test(test_end_gives_up_what_is_pending),
        cmocka_unit_test(test_refused_memory_at_the_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
