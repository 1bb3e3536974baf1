/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of prom_name: the Collector's names, case by case.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "codecs/prom_name.h"

enum shape {
    GAUGE,
    COUNTER,
    OTHER,
};

struct name_case {
    const char *namespace;
    const char *name;
    const char *unit;
    enum shape shape;
    const char *with_suffixes;
    const char *without_suffixes;
};

static struct bytes out;

static void assert_out(const char *expected)
{
    assert_int_equal(out.err, 0);
    bytes_append_byte(&out, 0);
    assert_string_equal((const char *)out.ptr, expected);
    bytes_clear(&out);
}

static void test_metric_names(void **state)
{
    (void)state;
    static const struct name_case cases[] = {
        {"", "page.views", "", OTHER, "page_views", "page_views"},
        {"", "page.views", "", COUNTER, "page_views_total", "page_views"},
        {"", "views_total", "", COUNTER, "views_total", "views_total"},
        {"", "total.views", "", COUNTER, "views_total", "total_views"},
        {"", "total", "", COUNTER, "total", "total"},
        {"", "system.io", "By", COUNTER, "system_io_bytes_total", "system_io"},
        {"", "io_bytes", "By", GAUGE, "io_bytes", "io_bytes"},
        {"", "net.rate", "By/s", GAUGE, "net_rate_bytes_per_second", "net_rate"},
        {"", "took", "ms", OTHER, "took_milliseconds", "took"},
        {"", "cpu", "1", GAUGE, "cpu_ratio", "cpu"},
        {"", "cpu.ratio", "1", GAUGE, "cpu_ratio", "cpu_ratio"},
        {"", "jobs", "1", COUNTER, "jobs_total", "jobs"},
        {"", "jobs", "{job}", COUNTER, "jobs_total", "jobs"},
        {"", "jobs", "{job}/s", GAUGE, "jobs_per_second", "jobs"},
        {"", "load", "%", GAUGE, "load_percent", "load"},
        {"", "odd", "foo/bar baz", GAUGE, "odd_foo_per_bar_baz", "odd"},
        {"", "x", " s ", GAUGE, "x_seconds", "x"},
        {"", "x", "/", GAUGE, "x", "x"},
        {"", "a__b..c_", "", OTHER, "a_b_c", "a__b_c_"},
        {"", "_hidden", "", OTHER, "hidden", "_hidden"},
        {"", "a:b", "", OTHER, "a:b", "a:b"},
        {"", "5xx", "", OTHER, "_5xx", "_5xx"},
        {"", "..5xx", "", OTHER, "_5xx", "_5xx"},
        {"", "gr\xc3\xbc\xc3\x9f", "", OTHER, "gr", "gr"},
        {"app", "5xx", "", OTHER, "app_5xx", "app_5xx"},
        {"my-app", "x", "s", OTHER, "my_app_x_seconds", "my_app_x"},
        {"9", "x", "", OTHER, "_9_x", "_9_x"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct prom_name name = {.namespace = slice_of_text(cases[i].namespace),
                                 .name = slice_of_text(cases[i].name),
                                 .unit = slice_of_text(cases[i].unit),
                                 .is_gauge = cases[i].shape == GAUGE,
                                 .is_monotonic = cases[i].shape == COUNTER,
                                 .has_suffixes = true};
        assert_true(prom_name_metric(&out, &name));
        assert_out(cases[i].with_suffixes);
        name.has_suffixes = false;
        assert_true(prom_name_metric(&out, &name));
        assert_out(cases[i].without_suffixes);
    }
}

static void test_names_without_a_legal_byte_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"", "...", "_", "\xc3\xbc", " "};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct prom_name name = {.namespace = SLICE_LITERAL("app"),
                                       .name = slice_of_text(names[i]),
                                       .has_suffixes = true};
        assert_false(prom_name_metric(&out, &name));
        assert_out("");
    }
}

static void test_label_names(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"env", "env"},
        {"http.status-code", "http_status_code"},
        {"9lives", "key_9lives"},
        {"_x", "key_x"},
        {"__x", "key__x"},
        {".x", "key_x"},
        {"", "key_"},
        {"gr\xc3\xbc\xc3\x9f", "gr__"},
        {"a:b", "a_b"},
        {"\x80", "key_"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        prom_name_label(&out, slice_of_text(cases[i][0]));
        assert_out(cases[i][1]);
    }
}

static void test_units_have_words(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"s", "seconds"},   {"By/s", "bytes_per_second"},
        {"1", ""},          {"", ""},
        {"{req}", ""},      {"{req}/m", "per_minute"},
        {"Cel", "celsius"}, {"m/y", "meters_per_year"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        prom_name_unit(&out, slice_of_text(cases[i][0]));
        assert_out(cases[i][1]);
    }
}

static int setup(void **state)
{
    (void)state;
    bytes_init(&out, 1 << 16);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bytes_fini(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metric_names),
        cmocka_unit_test(test_names_without_a_legal_byte_are_refused),
        cmocka_unit_test(test_label_names),
        cmocka_unit_test(test_units_have_words),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
