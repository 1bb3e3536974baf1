/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/engine/spread: every pipeline gets the bytes once, whoever is full is waited for,
 * and pipelines may change while a part waits.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/engine/spread.h"
#include "tests/support/otlp_stubs.h"

#define LINES 3

struct fixture {
    struct stub_exporter exporters[LINES];
    struct pipeline pipelines[LINES];
    struct pipeline *list[LINES];
    struct receiver_stats stats;
    struct spread spread;
};

static void open_fixture(struct fixture *f, uint32_t room)
{
    *f = (struct fixture){0};
    for (uint32_t i = 0; i < LINES; i++) {
        stub_exporter_init(&f->exporters[i], room, false);
        f->exporters[i].exporter.blocks_on_overflow = true;
        struct exporter *routes[] = {&f->exporters[i].exporter};
        pipeline_init(&f->pipelines[i], "line", SIGNAL_METRICS, routes, 1);
        f->list[i] = &f->pipelines[i];
    }
    spread_init(&f->spread, &f->stats);
    spread_connect(&f->spread, f->list, LINES);
}

static void close_fixture(struct fixture *f)
{
    spread_fini(&f->spread);
    for (uint32_t i = 0; i < LINES; i++) {
        stub_exporter_answer_all(&f->exporters[i], DELIVERY_ACCEPTED);
        pipeline_abandon(&f->pipelines[i]);
        pipeline_fini(&f->pipelines[i]);
    }
}

static void begin(struct fixture *f, const char *text, uint32_t item_count)
{
    struct part part;
    assert_int_equal(part_copy(&part, slice_of_text(text), SIGNAL_METRICS, item_count), 0);
    spread_begin(&f->spread, &part);
    assert_null(part.memory);
}

static void test_every_pipeline_gets_the_same_bytes(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 1);
    assert_true(spread_turn(&f.spread, 1)); /* nothing is there */
    assert_int_equal(spread_waiting_items(&f.spread), 0);
    begin(&f, "seven", 7);
    assert_false(spread_is_idle(&f.spread));
    assert_int_equal(spread_waiting_items(&f.spread), 7);
    assert_true(spread_turn(&f.spread, 1));
    assert_true(spread_is_idle(&f.spread));
    assert_int_equal(spread_waiting_items(&f.spread), 0);
    for (uint32_t i = 0; i < LINES; i++) {
        assert_int_equal(f.exporters[i].taken_count, 1);
        const struct part *part = &f.exporters[i].taken[0]->parts[0];
        assert_int_equal(part->item_count, 7);
        assert_true(slice_is_text(part->bytes, "seven"));
    }
    assert_int_equal(counter_read(&f.stats.points_emitted), 7 * LINES);
    close_fixture(&f);
}

/* The second pipeline holds a batch for which its exporter has no room. */
static void fill_second(struct fixture *f)
{
    f->exporters[1].room = 0;
    begin(f, "first", 1);
    assert_true(spread_turn(&f->spread, 1));
    assert_true(pipeline_is_holding(&f->pipelines[1]));
}

static void test_a_full_pipeline_is_waited_for(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 2);
    fill_second(&f);
    begin(&f, "second", 2);
    assert_false(spread_turn(&f.spread, 1));
    assert_false(spread_turn(&f.spread, 1)); /* the first has it once */
    assert_int_equal(spread_waiting_items(&f.spread), 2);
    assert_int_equal(f.exporters[0].items_seen, 3);
    assert_int_equal(f.exporters[2].items_seen, 1);
    f.exporters[1].room = 2;
    assert_true(pipeline_retry(&f.pipelines[1]));
    assert_true(spread_turn(&f.spread, 1));
    for (uint32_t i = 0; i < LINES; i++) {
        assert_int_equal(f.exporters[i].items_seen, 3);
    }
    assert_int_equal(counter_read(&f.stats.points_emitted), 3 * LINES);
    close_fixture(&f);
}

static void test_a_waiting_part_goes_on_with_new_pipelines(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 2);
    fill_second(&f);
    begin(&f, "second", 2);
    assert_false(spread_turn(&f.spread, 1));
    struct pipeline *only[] = {&f.pipelines[2]}; /* fewer than those that have it already */
    spread_connect(&f.spread, only, 1);
    assert_true(spread_turn(&f.spread, 1));
    assert_int_equal(f.exporters[2].items_seen, 3);
    close_fixture(&f);
}

static void test_short_memory_is_waited_out(void **state)
{
    (void)state;
    for (uint32_t nth = 1; nth < 20; nth++) {
        struct fixture f;
        open_fixture(&f, 1);
        begin(&f, "part", 4);
        mem_fail_nth(nth);
        bool is_through = spread_turn(&f.spread, 1);
        mem_fail_nth(0);
        assert_true(is_through || !spread_is_idle(&f.spread));
        assert_true(spread_turn(&f.spread, 1));
        for (uint32_t i = 0; i < LINES; i++) {
            assert_int_equal(f.exporters[i].items_seen, 4);
        }
        close_fixture(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pipeline_gets_the_same_bytes),
        cmocka_unit_test(test_a_full_pipeline_is_waited_for),
        cmocka_unit_test(test_a_waiting_part_goes_on_with_new_pipelines),
        cmocka_unit_test(test_short_memory_is_waited_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
