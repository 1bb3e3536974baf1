/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/aws/aws_time against known instants, and of what is refused.
 */
#include "io/aws/aws_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/fault.h"

static void test_rfc3339_gives_seconds_in_utc(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t unix_s;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2000-02-29T23:59:59Z", 951868799},
        {"2026-01-01T00:00:00Z", 1767225600},
        {"2026-01-01T00:00:00.123456Z", 1767225600},
        {"2026-01-01T02:00:00+02:00", 1767225600},
        {"2025-12-31T18:30:00-05:30", 1767225600},
        {"2100-03-01T00:00:00Z", 4107542400},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t unix_s = 1;
        assert_int_equal(aws_time_parse_rfc3339(slice_of_text(rows[i].text), &unix_s), 0);
        assert_int_equal(unix_s, rows[i].unix_s);
    }
}

static void test_rfc3339_refuses_what_is_no_time(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01 00:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "2026-01-01T00:00:00+1:00",
        "2026-0a-01T00:00:00Z",
        "2026-01-01T00:00:00Zz",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t unix_s = 0;
        assert_int_equal(aws_time_parse_rfc3339(slice_of_text(rows[i]), &unix_s), FAULT_MALFORMED);
    }
}

static void test_http_date_gives_seconds(void **state)
{
    (void)state;
    uint64_t unix_s = 0;
    assert_int_equal(aws_time_parse_http(SLICE_LITERAL("Sun, 06 Nov 1994 08:49:37 GMT"), &unix_s),
                     0);
    assert_int_equal(unix_s, 784111777);
    static const char *const rows[] = {
        "",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nox 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(aws_time_parse_http(slice_of_text(rows[i]), &unix_s), FAULT_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc3339_gives_seconds_in_utc),
        cmocka_unit_test(test_rfc3339_refuses_what_is_no_time),
        cmocka_unit_test(test_http_date_gives_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
