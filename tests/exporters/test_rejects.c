/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of exporters/rejects: every refused item is booked once, whatever the reasons say. */
#include "exporters/rejects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct exporter_stats stats;

static int setup(void **state)
{
    (void)state;
    stats = (struct exporter_stats){0};
    return 0;
}

static uint64_t booked(const struct counter *counter)
{
    return counter_read(counter);
}

static void test_items_are_booked_by_reason_and_the_rest_apart(void **state)
{
    (void)state;
    struct rejects rejects = {.count = 0};
    rejects_add(&rejects, &stats.items_rejected_too_old, 2);
    rejects_add(&rejects, &stats.items_rejected_memory, 1);
    rejects_add(&rejects, &stats.items_rejected_too_old, 3);
    rejects_add(&rejects, &stats.items_rejected_expired, 0);
    assert_int_equal(rejects.count, 2);
    rejects_book(&rejects, 10, &stats.items_rejected_partial);
    assert_int_equal(booked(&stats.items_rejected_too_old), 5);
    assert_int_equal(booked(&stats.items_rejected_memory), 1);
    assert_int_equal(booked(&stats.items_rejected_partial), 4);
}

static void test_no_more_is_booked_than_was_refused(void **state)
{
    (void)state;
    struct rejects rejects = {.count = 0};
    rejects_add(&rejects, &stats.items_rejected_too_old, 4);
    rejects_add(&rejects, &stats.items_rejected_memory, 4);
    rejects_book(&rejects, 5, &stats.items_rejected);
    assert_int_equal(booked(&stats.items_rejected_too_old), 4);
    assert_int_equal(booked(&stats.items_rejected_memory), 1);
    assert_int_equal(booked(&stats.items_rejected), 0);
    rejects_book(&rejects, 0, &stats.items_rejected);
    assert_int_equal(booked(&stats.items_rejected_too_old), 4);
}

static void test_without_reasons_all_of_it_is_the_rest(void **state)
{
    (void)state;
    struct rejects rejects = {.count = 0};
    rejects_book(NULL, 3, &stats.items_rejected);
    rejects_book(&rejects, 4, &stats.items_rejected);
    assert_int_equal(booked(&stats.items_rejected), 7);
}

static void test_reasons_beyond_the_list_count_as_unknown(void **state)
{
    (void)state;
    static struct counter counters[REJECTS_MAX + 1];
    struct rejects rejects = {.count = 0};
    for (size_t i = 0; i < REJECTS_MAX + 1; i++) {
        rejects_add(&rejects, &counters[i], 1);
    }
    assert_int_equal(rejects.count, REJECTS_MAX);
    rejects_add(&rejects, &counters[REJECTS_MAX - 1], 1); /* known ones still grow */
    rejects_book(&rejects, REJECTS_MAX + 2, &stats.items_rejected);
    assert_int_equal(booked(&counters[REJECTS_MAX - 1]), 2);
    assert_int_equal(booked(&counters[REJECTS_MAX]), 0);
    assert_int_equal(booked(&stats.items_rejected), 1);
}

static void test_lists_are_added_up(void **state)
{
    (void)state;
    struct rejects all = {.count = 0};
    struct rejects more = {.count = 0};
    rejects_add(&all, &stats.items_rejected_too_old, 1);
    rejects_add(&more, &stats.items_rejected_too_old, 2);
    rejects_add(&more, &stats.items_rejected_too_new, 5);
    rejects_add_all(&all, &more);
    rejects_book(&all, 8, &stats.items_rejected);
    assert_int_equal(booked(&stats.items_rejected_too_old), 3);
    assert_int_equal(booked(&stats.items_rejected_too_new), 5);
    assert_int_equal(booked(&stats.items_rejected), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_items_are_booked_by_reason_and_the_rest_apart, setup),
        cmocka_unit_test_setup(test_no_more_is_booked_than_was_refused, setup),
        cmocka_unit_test_setup(test_without_reasons_all_of_it_is_the_rest, setup),
        cmocka_unit_test_setup(test_reasons_beyond_the_list_count_as_unknown, setup),
        cmocka_unit_test_setup(test_lists_are_added_up, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
