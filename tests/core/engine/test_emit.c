/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/engine/emit: where a round is cut into parts, who gets them, and that a pipeline
 * without room stops the reading without losing anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/otlp/pb_decode.h"
#include "tests/support/emit_fixture.h"

static struct emit_fixture fixture;

static struct emit_fixture *open_fresh(uint32_t pipeline_count)
{
    emit_fixture_init(&fixture);
    emit_fixture_open(&fixture, pipeline_count);
    return &fixture;
}

/* Counters c.0, c.1 … with the values 1, 2 … */
static void add_counters(struct emit_fixture *f, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "c.%u", i);
        emit_fixture_add(f, emit_fixture_point(KIND_COUNTER, name, i + 1));
    }
}

/* Every counter of add_counters exactly once in what this exporter took. */
static void assert_all_counters(struct emit_fixture *f, const struct emit_taker *taker,
                                uint32_t count)
{
    uint64_t item_count = 0;
    int64_t sum = 0;
    uint64_t square_sum = 0;
    for (uint32_t i = 0; i < taker->taken_count; i++) {
        const struct batch *batch = taker->taken[i];
        assert_int_equal(batch->part_count, 1);
        assert_int_equal(batch->signal, SIGNAL_METRICS);
        assert_int_equal(batch->parts[0].encoding, PART_OTLP);
        assert_int_equal(batch->parts[0].item_count, batch->item_count);
        const metrics_data *data = emit_fixture_decode(f, &batch->parts[0]);
        const Opentelemetry__Proto__Metrics__V1__ScopeMetrics *scope =
            data->resource_metrics[0]->scope_metrics[0];
        assert_int_equal(scope->n_metrics, batch->item_count);
        assert_true(scope->n_metrics <= SEAL_SLICE_SERIES_MAX);
        for (size_t at = 0; at < scope->n_metrics; at++) {
            int64_t value = scope->metrics[at]->sum->data_points[0]->as_int;
            sum += value;
            square_sum += (uint64_t)(value * value);
        }
        item_count += batch->item_count;
    }
    uint64_t n = count;
    assert_int_equal(item_count, n);
    assert_int_equal(sum, n * (n + 1) / 2);
    assert_int_equal(square_sum, n * (n + 1) * (2 * n + 1) / 6);
}

static void test_part_says_who_it_comes_from(void **state)
{
    (void)state;
    static const char *const keys[] = {"service.instance.id", "host.name"};
    static const char *const values[] = {"abc-1", "box"};
    struct attr attrs[2];
    for (size_t i = 0; i < COUNT_OF(attrs); i++) {
        attrs[i] = (struct attr){slice_of_text(keys[i]), slice_of_text(values[i]), true};
    }
    emit_fixture_init(&fixture);
    struct emit_fixture *f = &fixture;
    f->options.resource_attrs = attrs;
    f->options.resource_attr_count = COUNT_OF(attrs);
    emit_fixture_open(f, 1);
    add_counters(f, 1);
    emit_fixture_flush(f);
    assert_int_equal(f->takers[0].taken_count, 1);
    const struct batch *batch = f->takers[0].taken[0];
    assert_int_equal(batch->created_mono_ns, EMIT_FIXTURE_END_NS);
    const metrics_data *data = emit_fixture_decode(f, &batch->parts[0]);
    const Opentelemetry__Proto__Metrics__V1__ResourceMetrics *resource = data->resource_metrics[0];
    assert_int_equal(resource->resource->n_attributes, COUNT_OF(attrs));
    for (size_t i = 0; i < COUNT_OF(attrs); i++) {
        struct slice value = emit_fixture_attr(resource->resource->attributes,
                                               resource->resource->n_attributes, keys[i]);
        assert_true(slice_is_text(value, values[i]));
    }
    const Opentelemetry__Proto__Metrics__V1__ScopeMetrics *scope = resource->scope_metrics[0];
    assert_true(slice_is_text(pb_slice(scope->scope->name), "scope"));
    assert_true(slice_is_text(pb_slice(scope->scope->version), "1.2"));
    emit_fixture_close(f);
}

static void test_round_is_cut_after_as_many_series_as_a_slice_has(void **state)
{
    (void)state;
    static const uint32_t counts[] = {SEAL_SLICE_SERIES_MAX - 1, SEAL_SLICE_SERIES_MAX,
                                      SEAL_SLICE_SERIES_MAX + 1, 2 * SEAL_SLICE_SERIES_MAX + 1};
    static const uint32_t part_counts[] = {1, 1, 2, 3};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct emit_fixture *f = open_fresh(1);
        add_counters(f, counts[i]);
        emit_fixture_flush(f);
        assert_int_equal(f->takers[0].taken_count, part_counts[i]);
        assert_all_counters(f, &f->takers[0], counts[i]);
        assert_int_equal(counter_read(&f->stats.points_emitted), counts[i]);
        assert_int_equal(f->emit.lost_count, 0);
        emit_fixture_close(f);
    }
}

/* Long tags fill a part before it has its number of series. */
static void test_round_is_cut_where_the_bytes_of_a_part_end(void **state)
{
    (void)state;
    static char tags[8000];
    enum { SERIES = 700 };
    memset(tags, 'x', sizeof(tags));
    struct emit_fixture *f = open_fresh(1);
    for (uint32_t i = 0; i < SERIES; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "c.%u", i);
        struct point point = emit_fixture_point(KIND_COUNTER, name, i + 1);
        point.tags = slice_of(tags, sizeof(tags));
        emit_fixture_add(f, point);
    }
    emit_fixture_flush(f);
    assert_int_equal(f->takers[0].taken_count, 2);
    assert_true(f->takers[0].taken[0]->bytes <= EMIT_PART_MAX_BYTES);
    assert_true(f->takers[0].taken[0]->bytes > EMIT_PART_MAX_BYTES - 2 * sizeof(tags));
    assert_all_counters(f, &f->takers[0], SERIES);
    assert_int_equal(f->emit.lost_count, 0);
    emit_fixture_close(f);
}

static void test_nothing_to_say_makes_no_part(void **state)
{
    (void)state;
    struct emit_fixture *f = open_fresh(1);
    assert_true(emit_is_idle(&f->emit));
    assert_false(emit_turn(&f->emit, 1)); /* no round yet */
    emit_fixture_flush(f);                /* a round without a series */
    assert_int_equal(f->takers[0].taken_count, 0);
    assert_int_equal(counter_read(&f->stats.points_emitted), 0);
    emit_fixture_close(f);
}

static void test_holding_pipeline_stops_the_reading_and_nothing_is_lost(void **state)
{
    (void)state;
    enum { SERIES = 3 * SEAL_SLICE_SERIES_MAX + 5 };
    struct emit_fixture *f = open_fresh(1);
    f->takers[0].room = 1;
    add_counters(f, SERIES);
    emit_fixture_seal(f);
    (void)emit_fixture_turn(f);
    /* One part taken, one held by the pipeline, one waiting here; the last was not read. */
    assert_int_equal(f->takers[0].taken_count, 1);
    assert_true(pipeline_is_holding(&f->pipelines[0]));
    assert_false(emit_is_idle(&f->emit));
    assert_true(merge_is_reading(&f->merge));
    assert_int_equal(counter_read(&f->stats.points_emitted), 2 * SEAL_SLICE_SERIES_MAX);
    for (uint32_t i = 0; i < 10; i++) {
        assert_false(emit_turn(&f->emit, 1));
        assert_false(pipeline_retry(&f->pipelines[0]));
    }
    assert_int_equal(counter_read(&f->stats.points_emitted), 2 * SEAL_SLICE_SERIES_MAX);
    for (uint32_t room = 2; room <= 4; room++) {
        f->takers[0].room = room;
        assert_true(pipeline_retry(&f->pipelines[0]));
        (void)emit_fixture_turn(f);
        assert_int_equal(f->takers[0].taken_count, room);
    }
    assert_false(merge_is_reading(&f->merge));
    assert_true(emit_is_idle(&f->emit));
    assert_all_counters(f, &f->takers[0], SERIES);
    assert_int_equal(counter_read(&f->stats.points_emitted), SERIES);
    emit_fixture_close(f);
}

static void test_every_pipeline_gets_a_copy_of_its_own(void **state)
{
    (void)state;
    enum { SERIES = SEAL_SLICE_SERIES_MAX + 1 };
    struct emit_fixture *f = open_fresh(2);
    add_counters(f, SERIES);
    emit_fixture_flush(f);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(f->takers[i].taken_count, 2);
        assert_all_counters(f, &f->takers[i], SERIES);
    }
    const struct part *one = &f->takers[0].taken[0]->parts[0];
    const struct part *other = &f->takers[1].taken[0]->parts[0];
    assert_ptr_not_equal(one->memory, other->memory);
    assert_true(slice_equal(one->bytes, other->bytes));
    assert_int_equal(f->takers[0].taken[0]->created_mono_ns,
                     f->takers[1].taken[0]->created_mono_ns);
    assert_int_equal(counter_read(&f->stats.points_emitted), 2 * SERIES);
    emit_fixture_close(f);
}

static void test_second_pipeline_that_holds_does_not_repeat_the_first(void **state)
{
    (void)state;
    enum { SERIES = 2 * SEAL_SLICE_SERIES_MAX + 1 };
    struct emit_fixture *f = open_fresh(2);
    f->takers[1].room = 0;
    add_counters(f, SERIES);
    emit_fixture_seal(f);
    (void)emit_fixture_turn(f);
    assert_int_equal(f->takers[0].taken_count, 2); /* the second part waits for the other */
    assert_int_equal(f->takers[1].taken_count, 0);
    assert_false(emit_turn(&f->emit, 1));
    assert_int_equal(f->takers[0].taken_count, 2);
    f->takers[1].room = EMIT_FIXTURE_BATCHES_MAX;
    assert_true(pipeline_retry(&f->pipelines[1]));
    (void)emit_fixture_turn(f);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(f->takers[i].taken_count, 3);
        assert_all_counters(f, &f->takers[i], SERIES);
    }
    emit_fixture_close(f);
}

/* A reload while a part waits: the part goes on with the pipelines that are there now. */
static void test_waiting_part_goes_to_the_new_pipelines(void **state)
{
    (void)state;
    enum { SERIES = 2 * SEAL_SLICE_SERIES_MAX };
    struct emit_fixture *f = open_fresh(2);
    f->takers[1].room = 0;
    add_counters(f, SERIES);
    emit_fixture_seal(f);
    (void)emit_fixture_turn(f);
    assert_int_equal(f->takers[0].taken_count, 2);
    /* The second pipeline holds the first part; the second part waits for it. */
    struct pipeline *only[] = {&f->pipelines[0]};
    emit_connect(&f->emit, only, 1);
    assert_false(emit_turn(&f->emit, 1));
    assert_true(emit_is_idle(&f->emit));
    assert_int_equal(f->takers[0].taken_count, 3); /* at least once where it would have gone */
    f->takers[1].room = 1;
    assert_true(pipeline_retry(&f->pipelines[1]));
    emit_fixture_close(f);
}

static void test_init_gives_back_what_it_took_where_memory_is_refused(void **state)
{
    (void)state;
    struct emit emit;
    struct emit_options options = {0};
    struct merge merge = {0};
    struct receiver_stats stats = {0};
    for (uint64_t nth = 1; nth <= 2; nth++) {
        mem_fail_nth(nth);
        assert_int_equal(emit_init(&emit, &options, &merge, &stats), -ENOMEM);
        mem_fail_nth(0);
        assert_null(emit.buffer);
        assert_null(emit.bucket_counts);
    }
    assert_int_equal(emit_init(&emit, &options, &merge, &stats), 0);
    emit_fini(&emit);
    emit_fini(&emit);
}

/* The part that was read, or the batch around it, finds no memory: it waits; nothing is lost. */
static void test_refused_memory_is_waited_for(void **state)
{
    (void)state;
    enum { SERIES = 10 };
    for (uint64_t nth = 1; nth <= 3; nth++) {
        struct emit_fixture *f = open_fresh(1);
        add_counters(f, SERIES);
        emit_fixture_seal(f);
        mem_fail_nth(nth);
        (void)emit_turn(&f->emit, 1);
        mem_fail_nth(0);
        (void)emit_fixture_turn(f);
        assert_int_equal(f->emit.lost_count, 0);
        assert_int_equal(counter_read(&f->stats.points_emitted), SERIES);
        assert_false(merge_is_reading(&f->merge));
        assert_true(emit_is_idle(&f->emit));
        emit_fixture_close(f);
    }
}

/* The copy for the first of two pipelines needs memory; it is tried again. */
static void test_refused_copy_is_tried_again(void **state)
{
    (void)state;
    enum { SERIES = 10 };
    for (uint64_t nth = 2; nth <= 4; nth++) {
        struct emit_fixture *f = open_fresh(2);
        add_counters(f, SERIES);
        emit_fixture_seal(f);
        mem_fail_nth(nth);
        assert_false(emit_turn(&f->emit, 1));
        mem_fail_nth(0);
        assert_false(emit_is_idle(&f->emit));
        assert_int_equal(counter_read(&f->stats.points_emitted), 0);
        (void)emit_fixture_turn(f);
        for (uint32_t i = 0; i < 2; i++) {
            assert_int_equal(f->takers[i].taken_count, 1);
            assert_all_counters(f, &f->takers[i], SERIES);
        }
        emit_fixture_close(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part_says_who_it_comes_from),
        cmocka_unit_test(test_round_is_cut_after_as_many_series_as_a_slice_has),
        cmocka_unit_test(test_round_is_cut_where_the_bytes_of_a_part_end),
        cmocka_unit_test(test_nothing_to_say_makes_no_part),
        cmocka_unit_test(test_holding_pipeline_stops_the_reading_and_nothing_is_lost),
        cmocka_unit_test(test_every_pipeline_gets_a_copy_of_its_own),
        cmocka_unit_test(test_second_pipeline_that_holds_does_not_repeat_the_first),
        cmocka_unit_test(test_waiting_part_goes_to_the_new_pipelines),
        cmocka_unit_test(test_init_gives_back_what_it_took_where_memory_is_refused),
        cmocka_unit_test(test_refused_memory_is_waited_for),
        cmocka_unit_test(test_refused_copy_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
