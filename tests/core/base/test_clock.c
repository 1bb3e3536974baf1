/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/base/clock: window edges, and stamps against the C library.
 */
#include "core/base/clock.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

static void test_clocks_run(void **state)
{
    (void)state;
    uint64_t mono = clock_mono_ns();
    assert_true(clock_mono_ns() >= mono);
    uint64_t wall_s = (uint64_t)time(NULL);
    uint64_t unix_s = clock_unix_ns() / CLOCK_NS_PER_S;
    assert_in_range(unix_s, wall_s, (uint64_t)time(NULL) + 1); /* time() lags a little */
}

static void test_align_up_finds_the_edge(void **state)
{
    (void)state;
    assert_int_equal(clock_align_up(0, 10), 0);
    assert_int_equal(clock_align_up(1, 10), 10);
    assert_int_equal(clock_align_up(10, 10), 10);
    assert_int_equal(clock_align_up(11, 10), 20);
    assert_int_equal(clock_align_up(7, 1), 7);
    assert_true(clock_align_up(UINT64_MAX, 10) == UINT64_MAX);
    assert_true(clock_align_up(UINT64_MAX - 5, 10) == UINT64_MAX - 5);
    assert_true(clock_align_up(UINT64_MAX - 4, 10) == UINT64_MAX);
}

static void check_stamp(uint64_t unix_ns)
{
    char expected[64];
    char stamp[CLOCK_RFC3339_BYTES];
    time_t seconds = (time_t)(unix_ns / CLOCK_NS_PER_S);
    struct tm parts;
    assert_non_null(gmtime_r(&seconds, &parts));
    size_t len = strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(expected + len, sizeof(expected) - len, ".%03uZ",
                   (unsigned int)(unix_ns / CLOCK_NS_PER_MS % 1000));
    assert_int_equal(clock_format_rfc3339(unix_ns, stamp, sizeof(stamp)), sizeof(stamp) - 1);
    assert_string_equal(stamp, expected);
}

static void test_format_agrees_with_the_library(void **state)
{
    (void)state;
    check_stamp(0);
    check_stamp(999999999);
    check_stamp(UINT64_MAX);
    check_stamp(UINT64_C(1709208000) * CLOCK_NS_PER_S);     /* 29 February 2024 */
    check_stamp(UINT64_C(4107542399999) * CLOCK_NS_PER_MS); /* the last of February 2100 */
    uint64_t unix_ns = 12345;
    for (int i = 0; i < 20000; i++) {
        unix_ns = unix_ns * UINT64_C(6364136223846793005) + 1;
        check_stamp(unix_ns);
    }
}

static void test_format_refuses_a_small_buffer(void **state)
{
    (void)state;
    char stamp[CLOCK_RFC3339_BYTES] = "untouched";
    assert_int_equal(clock_format_rfc3339(0, stamp, sizeof(stamp) - 1), 0);
    assert_string_equal(stamp, "untouched");
    assert_int_equal(clock_format_rfc3339(0, stamp, sizeof(stamp)), 24);
    assert_string_equal(stamp, "1970-01-01T00:00:00.000Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clocks_run),
        cmocka_unit_test(test_align_up_finds_the_edge),
        cmocka_unit_test(test_format_agrees_with_the_library),
        cmocka_unit_test(test_format_refuses_a_small_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
