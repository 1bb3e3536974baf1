/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of tools/weir/pulse: increments that are told once, totals that fall, the age of what is
 * held.
 */
#include "tools/weir/pulse.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "tools/weir/life.h"

static struct books books_with(uint64_t received, uint64_t kernel_dropped, uint64_t dropped)
{
    struct books books = {.items_accepted = received * 2,
                          .items_invalid = 1,
                          .items_rejected = 3,
                          .items_dropped = dropped};
    counter_set(&books.in.wire_received, received);
    counter_set(&books.in.kernel_dropped, kernel_dropped);
    counter_set(&books.out.items_delivered, received);
    return books;
}

static void test_take_tells_every_increment_once(void **state)
{
    (void)state;
    struct pulse pulse = {0};
    struct books books = books_with(10, 4, 5);
    struct pulse_totals new = pulse_take(&pulse, &books);
    assert_int_equal(new.wire_received, 10);
    assert_int_equal(new.kernel_dropped_at_least, 4);
    assert_int_equal(new.items_accepted, 20);
    assert_int_equal(new.items_invalid, 1);
    assert_int_equal(new.items_delivered, 10);
    assert_int_equal(new.items_rejected, 3);
    assert_int_equal(new.items_dropped, 5);
    books = books_with(12, 4, 6);
    new = pulse_take(&pulse, &books);
    assert_int_equal(new.wire_received, 2);
    assert_int_equal(new.kernel_dropped_at_least, 0);
    assert_int_equal(new.items_accepted, 4);
    assert_int_equal(new.items_invalid, 0);
    assert_int_equal(new.items_dropped, 1);
}

static void test_take_of_a_total_that_fell_tells_nothing_twice(void **state)
{
    (void)state;
    struct pulse pulse = {0};
    struct books books = books_with(100, 7, 0);
    (void)pulse_take(&pulse, &books);
    books = books_with(40, 2, 0);
    struct pulse_totals new = pulse_take(&pulse, &books);
    assert_int_equal(new.wire_received, 0);
    assert_int_equal(new.kernel_dropped_at_least, 0);
    books = books_with(141, 8, 0);
    new = pulse_take(&pulse, &books);
    assert_int_equal(new.wire_received, 41);
    assert_int_equal(new.kernel_dropped_at_least, 1);
}

static void test_oldest_is_that_of_any_exporter(void **state)
{
    (void)state;
    struct exporter exporters[3] = {{0}};
    struct graph_exporter entries[3] = {
        {.exporter = &exporters[0]}, {.exporter = &exporters[1]}, {.exporter = &exporters[2]}};
    struct graph_exporter *list[4] = {&entries[0], NULL, &entries[1], &entries[2]};
    struct graph graph = {.exporters = list, .exporter_count = 4};
    static struct life life;
    uint64_t now_mono_ns = 100 * CLOCK_NS_PER_S;
    life = (struct life){.graph = &graph};
    assert_int_equal(pulse_oldest_ms(&life, now_mono_ns), 0);
    counter_set(&exporters[1].oldest_mono_ns, 98 * CLOCK_NS_PER_S);
    counter_set(&exporters[2].oldest_mono_ns, 99 * CLOCK_NS_PER_S);
    assert_int_equal(pulse_oldest_ms(&life, now_mono_ns), 2000);
    /* Made after the clock was read: no age, and never one below zero. */
    counter_set(&exporters[1].oldest_mono_ns, 101 * CLOCK_NS_PER_S);
    counter_set(&exporters[2].oldest_mono_ns, 0);
    assert_int_equal(pulse_oldest_ms(&life, now_mono_ns), 0);
    graph.exporter_count = 0;
    assert_int_equal(pulse_oldest_ms(&life, now_mono_ns), 0);
}

/* A reload changed the exporter while its upstream was down: what it holds is with the old graph.
 */
static void test_graphs_that_still_drain_count_as_well(void **state)
{
    (void)state;
    struct exporter exporters[3] = {{0}};
    struct graph_exporter entries[3] = {
        {.exporter = &exporters[0]}, {.exporter = &exporters[1]}, {.exporter = &exporters[2]}};
    struct graph_exporter *current[1] = {&entries[0]};
    struct graph_exporter *older[2] = {NULL, &entries[1]}; /* one was adopted */
    struct graph_exporter *oldest[1] = {&entries[2]};
    struct graph graphs[3] = {{.exporters = current, .exporter_count = 1},
                              {.exporters = older, .exporter_count = 2},
                              {.exporters = oldest, .exporter_count = 1}};
    static struct life life;
    uint64_t now_mono_ns = 100 * CLOCK_NS_PER_S;
    for (size_t i = 0; i < COUNT_OF(exporters); i++) {
        counter_set(&exporters[i].oldest_mono_ns, (99 - i * 10) * CLOCK_NS_PER_S);
        counter_set(&exporters[i].stats.items_held, 1 + i * 10);
        counter_set(&exporters[i].stats.items_delivered, 100 * (i + 1));
    }
    life = (struct life){.graph = &graphs[0], .old_graphs = {&graphs[1], &graphs[2]}};
    counter_set(&life.past.out.items_delivered, 1000);
    static const uint64_t ages_ms[] = {1000, 11000, 21000};
    static const uint64_t held[] = {1, 12, 33};
    static const uint64_t delivered[] = {1100, 1300, 1600};
    for (uint32_t i = 0; i < COUNT_OF(held); i++) {
        struct books books;
        life.old_graph_count = i;
        pulse_read(&life, &books);
        assert_int_equal(counter_read(&books.out.items_held), held[i]);
        assert_int_equal(counter_read(&books.out.items_delivered), delivered[i]);
        assert_int_equal(pulse_oldest_ms(&life, now_mono_ns), ages_ms[i]);
    }
    /* Looking does not close anybody's books. */
    assert_int_equal(counter_read(&life.past.out.items_delivered), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_tells_every_increment_once),
        cmocka_unit_test(test_take_of_a_total_that_fell_tells_nothing_twice),
        cmocka_unit_test(test_oldest_is_that_of_any_exporter),
        cmocka_unit_test(test_graphs_that_still_drain_count_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
