/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/prom_scrape_units and prom_scrape_redirect: durations, sizes, locations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/receivers/prom_scrape_redirect.h"
#include "io/receivers/prom_scrape_units.h"

#define S CLOCK_NS_PER_S

static void test_durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {
        {"0", 0},
        {"0s", 0},
        {"15s", 15 * S},
        {"1m", 60 * S},
        {"1m30s", 90 * S},
        {"250ms", S / 4},
        {"1h", 3600 * S},
        {"2d", 172800 * S},
        {"1w", 604800 * S},
        {"1y", 31536000 * S},
        {"1y1w1d1h1m1s1ms", 32230861 * S + S / 1000},
        {"290y", 290 * (31536000 * S)},
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        uint64_t ns = 1;
        assert_int_equal(prom_duration_parse(slice_of_text(good[i].text), &ns), 0);
        assert_int_equal(ns, good[i].ns);
    }
}

static void test_bad_durations_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "5", "s", "1.5s", "-1s", "1s1m", "1m1m", "1ss", "1 s", "1us", "1ns", "1M", "s5", "1s5",
    };
    uint64_t ns = 7;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(prom_duration_parse(slice_of_text(bad[i]), &ns), FAULT_MALFORMED);
    }
    assert_int_equal(prom_duration_parse(slice_of_text("290y1ms"), &ns), FAULT_OVERFLOW);
    assert_int_equal(prom_duration_parse(slice_of_text("99999999999999999999s"), &ns),
                     FAULT_OVERFLOW);
    assert_int_equal(ns, 7);
}

static void test_durations_are_written_as_they_are_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0s", "1ms", "15s", "1m", "1m30s", "1h", "1h1ms", "1d", "1w", "8d", "1y", "366d", "52w1d1h",
    };
    char text[PROM_DURATION_TEXT_BYTES];
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        uint64_t ns = 0;
        uint64_t again_ns = 1;
        assert_int_equal(prom_duration_parse(slice_of_text(texts[i]), &ns), 0);
        size_t len = prom_duration_format(ns, text);
        assert_int_equal(len, strlen(text));
        assert_int_equal(prom_duration_parse(slice_of_text(text), &again_ns), 0);
        assert_int_equal(ns, again_ns);
    }
    prom_duration_format(90 * S, text);
    assert_string_equal(text, "1m30s");
    prom_duration_format(7 * 86400 * S, text);
    assert_string_equal(text, "1w");
    prom_duration_format(8 * 86400 * S, text);
    assert_string_equal(text, "8d");
    prom_duration_format(UINT64_MAX, text);
    assert_true(strlen(text) < sizeof(text));
}

static void test_sizes_count_in_1024(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},
                {"0B", 0},
                {"17B", 17},
                {"1KB", 1024},
                {"1KiB", 1024},
                {"10MB", 10485760},
                {"2GiB", UINT64_C(2147483648)},
                {"1TB", UINT64_C(1) << 40},
                {"15EB", UINT64_C(15) << 60}};
    static const char *const bad[] = {"", "5", "MB", "1.5MB", "1mb", "1 MB", "1MBit", "-1B"};
    uint64_t bytes = 7;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(prom_size_parse(slice_of_text(good[i].text), &bytes), 0);
        assert_int_equal(bytes, good[i].bytes);
    }
    bytes = 7;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(prom_size_parse(slice_of_text(bad[i]), &bytes), FAULT_MALFORMED);
    }
    assert_int_equal(prom_size_parse(slice_of_text("16EB"), &bytes), FAULT_OVERFLOW);
    assert_int_equal(bytes, 7);
}

static void check_location(const char *url, const char *location, const char *wanted)
{
    char *moved = prom_redirect_resolve(url, slice_of_text(location));
    if (wanted == NULL) {
        assert_null(moved);
        return;
    }
    assert_non_null(moved);
    assert_string_equal(moved, wanted);
    mem_free(moved);
}

static void test_locations_are_resolved(void **state)
{
    (void)state;
    const char *url = "http://a:80/x/y?q=/1#f";
    check_location(url, "https://b/z", "https://b/z");
    check_location(url, "//b:1/z", "http://b:1/z");
    check_location(url, "/z?p=1#g", "http://a:80/z?p=1");
    check_location(url, "z", "http://a:80/x/z");
    check_location("http://a", "z", "http://a/z");
    check_location("http://a", "/z", "http://a/z");
    check_location("http://a?b", "z", "http://a/z");
    check_location(url, "?p=1#g", "http://a:80/x/y?p=1");
    check_location("http://a/x/y#f?", "?p", "http://a/x/y?p");
    check_location("http://a/x/", "?p=/", "http://a/x/?p=/");
    check_location("http://a?b", "?p", "http://a/?p");
    check_location(url, "", NULL);
    check_location(url, "ftp://b/z", NULL);
    check_location(url, "file:///etc/passwd", NULL);
    check_location(url, "http://", NULL);
}

static void test_location_may_be_any_bytes(void **state)
{
    (void)state;
    char *moved = prom_redirect_resolve("http://a/", slice_of("/\0x", 3));
    assert_null(moved);
    static char longer[20000];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[0] = '/';
    assert_null(prom_redirect_resolve("http://a/", slice_of_text(longer)));
    mem_fail_nth(1);
    assert_null(prom_redirect_resolve("http://a/", slice_of_text("/b")));
    mem_fail_nth(0);
}

static void test_secrets_stay_with_their_host(void **state)
{
    (void)state;
    assert_true(prom_redirect_is_same_host("http://a:80/x", "http://a:80/y?z"));
    assert_true(prom_redirect_is_same_host("http://a", "http://a/"));
    assert_false(prom_redirect_is_same_host("http://a/", "https://a/"));
    assert_false(prom_redirect_is_same_host("http://a/", "http://a:81/"));
    assert_false(prom_redirect_is_same_host("http://a/", "http://a.b/"));
    assert_true(prom_redirect_is(301) && prom_redirect_is(308));
    assert_false(prom_redirect_is(300) || prom_redirect_is(304) || prom_redirect_is(200));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations_are_read),
        cmocka_unit_test(test_bad_durations_are_refused),
        cmocka_unit_test(test_durations_are_written_as_they_are_read),
        cmocka_unit_test(test_sizes_count_in_1024),
        cmocka_unit_test(test_locations_are_resolved),
        cmocka_unit_test(test_location_may_be_any_bytes),
        cmocka_unit_test(test_secrets_stay_with_their_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
