/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of core/processors/memory_limiter: keys, and the limit in bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/processors/memory_limiter.h"
#include "tests/core/processors/processor_rig.h"

#define MIB (UINT64_C(1) << 20)

static void check_limit(const char *text, uint64_t total, uint64_t soft)
{
    struct rig rig;
    struct config_reader reader;
    struct memory_limiter_config config;
    rig_init(&rig);
    rig_reader(&rig, text, &reader);
    int err = memory_limiter_config_read(&reader, &config);
    assert_string_equal(config_fixture_printed(&rig.config), "");
    assert_int_equal(err, 0);
    assert_int_equal(memory_limiter_soft_bytes(&config, total), soft);
    assert_int_equal(memory_limiter_needs_total(&config), strstr(text, "limit_mib") == NULL);
    rig_close(&rig);
}

static void test_limits_in_mebibytes(void **state)
{
    (void)state;
    check_limit("{check_interval: 1s, limit_mib: 100}", 0, 80 * MIB);
    check_limit("{check_interval: 1s, limit_mib: 100, spike_limit_mib: 30}", 0, 70 * MIB);
    check_limit("{check_interval: 1s, limit_mib: 4294967295, spike_limit_mib: 1}", 0,
                4294967294 * MIB);
    /* Mebibytes go before per cent. */
    check_limit("{check_interval: 1s, limit_mib: 100, limit_percentage: 50}", 1000 * MIB, 80 * MIB);
}

static void test_limits_in_per_cent(void **state)
{
    (void)state;
    check_limit("{check_interval: 5s, limit_percentage: 50}", 1000, 400);
    check_limit("{check_interval: 5s, limit_percentage: 80, spike_limit_percentage: 25}", 1000,
                550);
    check_limit("{check_interval: 5s, limit_percentage: 100, spike_limit_percentage: 99}",
                UINT64_MAX, UINT64_MAX / 100 + 1);
}

static void test_pauses_of_a_collector_are_checked_only(void **state)
{
    (void)state;
    check_limit("{check_interval: 1s, limit_mib: 10, min_gc_interval_when_soft_limited: 20s,"
                " min_gc_interval_when_hard_limited: 20s, max_gc_interval_when_soft_limited: 0,"
                " max_gc_interval_when_hard_limited: 40s}",
                0, 8 * MIB);
}

static void check_refused(const char *text, const char *words)
{
    struct rig rig;
    struct config_reader reader;
    struct memory_limiter_config config;
    rig_init(&rig);
    rig_reader(&rig, text, &reader);
    assert_true(memory_limiter_config_read(&reader, &config) != 0);
    const char *printed = config_fixture_printed(&rig.config);
    if (strstr(printed, words) == NULL) {
        print_error("%s\n%s\n", text, printed);
    }
    assert_non_null(strstr(printed, words));
    rig_close(&rig);
}

static void test_configuration_is_judged(void **state)
{
    (void)state;
    check_refused("{limit_mib: 100}", "check_interval must be above 0");
    check_refused("{check_interval: 0s, limit_mib: 100}", "check_interval must be above 0");
    check_refused("{check_interval: 1s}", "limit_mib or limit_percentage");
    check_refused("{check_interval: 1s, limit_mib: 5, spike_limit_mib: 5}", "must be smaller");
    check_refused("{check_interval: 1s, limit_percentage: 101}", "limit_percentage");
    check_refused("{check_interval: 1s, limit_percentage: 5, spike_limit_percentage: 5}",
                  "must be smaller");
    check_refused("{check_interval: 1s, limit_mib: 9, min_gc_interval_when_hard_limited: 11s}",
                  "must not be longer");
    check_refused("{check_interval: 1s, limit_mib: 9, max_gc_interval_when_soft_limited: 29s}",
                  "must not be longer");
    check_refused("{check_interval: 1s, limit_mib: 9, max_gc_interval_when_soft_limited: 9s,"
                  " max_gc_interval_when_hard_limited: 1s}",
                  "must not be shorter");
    check_refused("{check_interval: 1s, limit_mib: 9, limit_mb: 9}", "unknown key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_in_mebibytes),
        cmocka_unit_test(test_limits_in_per_cent),
        cmocka_unit_test(test_pauses_of_a_collector_are_checked_only),
        cmocka_unit_test(test_configuration_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
