/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of tools/weir/cpus: the mask of this process, and a narrower one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <unistd.h>

#include "tools/weir/cpus.h"

static void test_mask_is_counted_and_listed_in_order(void **state)
{
    (void)state;
    cpu_set_t set;
    bool is_subset = false;
    CPU_ZERO(&set);
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    uint32_t count = cpus_mask_count(&is_subset);
    assert_int_equal(count, CPU_COUNT(&set));
    assert_int_equal(is_subset, count < sysconf(_SC_NPROCESSORS_CONF));
    int before = -1;
    for (uint32_t i = 0; i < count; i++) {
        int cpu = cpus_at(i);
        assert_true(cpu > before);
        assert_true(CPU_ISSET((size_t)cpu, &set));
        before = cpu;
    }
    assert_int_equal(cpus_at(count), -1);
    assert_int_equal(cpus_at(UINT32_MAX), -1);
}

static void test_usable_is_at_least_one_and_at_most_the_mask(void **state)
{
    (void)state;
    bool is_subset;
    uint32_t count = cpus_usable_count();
    assert_true(count >= 1);
    assert_true(count <= cpus_mask_count(&is_subset));
}

static void test_narrow_mask_is_seen(void **state)
{
    (void)state;
    cpu_set_t before;
    cpu_set_t narrow;
    bool is_subset = false;
    CPU_ZERO(&before);
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    int last = cpus_at(cpus_mask_count(&is_subset) - 1);
    CPU_ZERO(&narrow);
    CPU_SET((size_t)last, &narrow);
    assert_int_equal(sched_setaffinity(0, sizeof(narrow), &narrow), 0);
    uint32_t mask_count = cpus_mask_count(&is_subset);
    uint32_t usable_count = cpus_usable_count();
    int first = cpus_at(0);
    int second = cpus_at(1);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(mask_count, 1);
    assert_int_equal(is_subset, sysconf(_SC_NPROCESSORS_CONF) > 1);
    assert_int_equal(usable_count, 1);
    assert_int_equal(first, last);
    assert_int_equal(second, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mask_is_counted_and_listed_in_order),
        cmocka_unit_test(test_usable_is_at_least_one_and_at_most_the_mask),
        cmocka_unit_test(test_narrow_mask_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
