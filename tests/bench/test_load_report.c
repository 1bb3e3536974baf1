/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The derived figures, from samples made by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/load_report.h"

#define SECOND_NS UINT64_C(1000000000)

static void test_figures_divide_by_what_arrived(void **state)
{
    (void)state;
    struct load_result r = {
        .sent_lines = 3000000,
        .lost_lines = 1000000,
        .sending_ns = 2 * SECOND_NS,
        .has_sink = true,
    };
    r.first.process.run_ns = SECOND_NS;
    r.last.process.run_ns = SECOND_NS + SECOND_NS / 5;
    r.last.role[PROC_ROLE_SHARD].run_ns = SECOND_NS / 10;
    r.last.role[PROC_ROLE_EGRESS].run_ns = SECOND_NS / 50;
    const struct load_figures f = load_report_figures(&r);
    assert_true(f.arrived_lines == 2000000);
    assert_true(f.arrived_lines_per_s == 1000000);
    assert_float_equal(f.cpu_per_million_s, 0.1, 1e-9);
    assert_float_equal(f.shard_per_million_s, 0.05, 1e-9);
    assert_float_equal(f.egress_saturating_shards, 5, 1e-9);
}

static void test_ticks_stand_in_where_schedstat_went_away(void **state)
{
    (void)state;
    struct load_result r = {.sent_lines = 1000000, .sending_ns = SECOND_NS};
    r.first.process.run_ns = 5;
    r.last.process = (struct proc_cpu){.user_ns = SECOND_NS, .system_ns = SECOND_NS, .run_ns = 0};
    assert_float_equal(load_report_figures(&r).cpu_per_million_s, 2, 1e-9);
}

static void test_nothing_at_all_gives_zeros(void **state)
{
    (void)state;
    const struct load_result r = {0};
    const struct load_figures f = load_report_figures(&r);
    assert_true(f.cpu_per_million_s == 0);
    assert_true(f.egress_saturating_shards == 0);
    assert_true(f.idle_core_percent == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures_divide_by_what_arrived),
        cmocka_unit_test(test_ticks_stand_in_where_schedstat_went_away),
        cmocka_unit_test(test_nothing_at_all_gives_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
