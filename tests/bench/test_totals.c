/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names are found again after growing; a refused allocation leaves the table as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "bench/totals.h"
#include "core/base/mem.h"

static void test_names_are_found_after_growing(void **state)
{
    (void)state;
    struct totals t = {0};
    char name[32];
    for (uint32_t i = 0; i < 5000; i++) {
        uint32_t index = 0;
        const int len = snprintf(name, sizeof(name), "name%u", (uint32_t)i);
        assert_int_equal(totals_reach(&t, slice_of(name, (size_t)len), &index), 0);
        assert_int_equal(index, i);
        t.entries[index].counter_sum = i;
    }
    for (uint32_t i = 0; i < 5000; i++) {
        const int len = snprintf(name, sizeof(name), "name%u", (uint32_t)i);
        const struct totals_entry *entry = totals_find(&t, slice_of(name, (size_t)len));
        assert_non_null(entry);
        assert_true(entry->counter_sum == i);
    }
    assert_null(totals_find(&t, SLICE_LITERAL("name5000")));
    assert_true(totals_counter_sum(&t) == 4999.0 * 5000 / 2);
    totals_fini(&t);
    totals_fini(&t);
    assert_null(totals_find(&t, SLICE_LITERAL("name1")));
}

static void test_refused_allocations_change_nothing(void **state)
{
    (void)state;
    int err = -ENOMEM;
    for (uint64_t nth = 1; err != 0; nth++) {
        struct totals t = {0};
        uint32_t index = 0;
        assert_true(nth < 10);
        mem_fail_nth(nth);
        err = totals_reach(&t, SLICE_LITERAL("a"), &index);
        mem_fail_nth(0);
        assert_int_equal(t.count, err == 0 ? 1 : 0);
        assert_int_equal(totals_reach(&t, SLICE_LITERAL("a"), &index), 0);
        assert_int_equal(t.count, 1);
        totals_fini(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_found_after_growing),
        cmocka_unit_test(test_refused_allocations_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
