/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The derived figures of an X-Ray run, from samples made by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/xray/xray_report.h"

#define SECOND_NS UINT64_C(1000000000)

static struct xray_result made(void)
{
    return (struct xray_result){
        .has_sink = true,
        .has_server = true,
        .sent_items = 2500000,
        .warmup_items = 500000,
        .arrived_first = 400000,
        .arrived_main_end = 1400000,
        .arrived_last = 2400000,
        .sending_ns = 10 * SECOND_NS,
        .bench_cpu_ns = 5 * SECOND_NS,
        .first.process.run_ns = SECOND_NS,
        .main_end.process.run_ns = 6 * SECOND_NS,
        .last.process = {.run_ns = 9 * SECOND_NS, .user_ns = 6 * SECOND_NS},
        .last.role[PROC_ROLE_SHARD].run_ns = 2 * SECOND_NS,
        .last.role[PROC_ROLE_EGRESS].run_ns = 4 * SECOND_NS,
        .balance.lost_items = 100,
    };
}

static void test_cpu_time_is_held_against_all_that_came_under_the_clocks(void **state)
{
    (void)state;
    const struct xray_result r = made();
    const struct xray_figures f = xray_report_figures(&r);
    assert_float_equal(f.sent_per_s, 200000, 1e-6);
    assert_float_equal(f.arrived_per_s, 100000, 1e-6);
    assert_float_equal(f.items_per_core_s, 250000, 1e-6);
    assert_float_equal(f.cpu_per_million_s, 4, 1e-9);
    assert_float_equal(f.user_per_million_s, 3, 1e-9);
    assert_float_equal(f.shard_per_million_s, 1, 1e-9);
    assert_float_equal(f.egress_per_million_s, 2, 1e-9);
    assert_float_equal(f.server_core_percent, 50, 1e-9);
    assert_float_equal(f.bench_core_percent, 50, 1e-9);
}

static void test_what_kernel_and_books_count_is_not_silent(void **state)
{
    (void)state;
    struct xray_result r = made();
    assert_int_equal(xray_report_figures(&r).silent_items, 100);
    r.kernel_drops = 60;
    r.booked_items = 39;
    assert_int_equal(xray_report_figures(&r).silent_items, 1);
    r.booked_items = 40;
    assert_int_equal(xray_report_figures(&r).silent_items, 0);
    r.booked_items = 41;
    assert_int_equal(xray_report_figures(&r).silent_items, 0);
}

static void test_without_a_sink_or_a_server_nothing_is_divided_by_zero(void **state)
{
    (void)state;
    const struct xray_result nothing = {0};
    const struct xray_figures f = xray_report_figures(&nothing);
    assert_float_equal(f.sent_per_s, 0, 0);
    assert_float_equal(f.items_per_core_s, 0, 0);
    assert_float_equal(f.cpu_per_million_s, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpu_time_is_held_against_all_that_came_under_the_clocks),
        cmocka_unit_test(test_what_kernel_and_books_count_is_not_silent),
        cmocka_unit_test(test_without_a_sink_or_a_server_nothing_is_divided_by_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
