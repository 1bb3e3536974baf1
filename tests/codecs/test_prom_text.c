/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of prom_text: whole pages against what the two formats prescribe.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "codecs/prom_text.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define TIME_NS UINT64_C(1700000000123456789)

static struct bytes out;

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

static void assert_out(const char *expected)
{
    assert_int_equal(out.err, 0);
    bytes_append_byte(&out, 0);
    assert_string_equal((const char *)out.ptr, expected);
    bytes_clear(&out);
}

static struct prom_family family_of(const char *name, const char *help, const char *unit,
                                    enum prom_kind kind)
{
    return (struct prom_family){.name = slice_of_text(name),
                                .help = slice_of_text(help),
                                .unit = slice_of_text(unit),
                                .kind = kind};
}

static void put_page(enum prom_format format)
{
    struct prom_family requests =
        family_of("requests_total", "All \"requests\"\nand\\more", "", PROM_KIND_COUNTER);
    struct prom_family bare = family_of("hits", "", "", PROM_KIND_COUNTER);
    struct prom_family took = family_of("took_seconds", "Time", "seconds", PROM_KIND_HISTOGRAM);
    struct prom_family size = family_of("size_bytes", "", "seconds", PROM_KIND_SUMMARY);
    struct prom_family odd = family_of("odd", "", "", PROM_KIND_UNKNOWN);
    struct prom_point p = {.family = &requests, .labels = SLICE_LITERAL("a=\"b\",c=\"d\"")};

    prom_text_family(&out, format, &requests);
    prom_text_value(&out, format, &p, 3);
    p = (struct prom_point){.family = &requests, .time_unix_ns = TIME_NS};
    prom_text_value(&out, format, &p, 2.5);
    prom_text_family(&out, format, &bare);
    p = (struct prom_point){.family = &bare};
    prom_text_value(&out, format, &p, 1e300);

    prom_text_family(&out, format, &took);
    p = (struct prom_point){.family = &took, .labels = SLICE_LITERAL("x=\"y\"")};
    prom_text_bucket(&out, format, &p, 0.5, 1);
    prom_text_bucket(&out, format, &p, 10, 2);
    prom_text_bucket(&out, format, &p, INFINITY, UINT64_MAX);
    prom_text_sum(&out, format, &p, -0.25);
    prom_text_count(&out, format, &p, UINT64_MAX);

    prom_text_family(&out, format, &size);
    p = (struct prom_point){.family = &size, .time_unix_ns = 5 * UINT64_C(1000000)};
    prom_text_quantile(&out, format, &p, 0.99, NAN);
    prom_text_quantile(&out, format, &p, 1, INFINITY);
    prom_text_sum(&out, format, &p, -INFINITY);
    prom_text_count(&out, format, &p, 0);

    prom_text_family(&out, format, &odd);
    p = (struct prom_point){.family = &odd};
    prom_text_value(&out, format, &p, -7);
    prom_text_end(&out, format);
}

static void test_page_in_text_format(void **state)
{
    (void)state;
    put_page(PROM_FORMAT_TEXT);
    assert_out("# HELP requests_total All \"requests\"\\nand\\\\more\n"
               "# TYPE requests_total counter\n"
               "requests_total{a=\"b\",c=\"d\"} 3\n"
               "requests_total 2.5 1700000000123\n"
               "# TYPE hits counter\n"
               "hits 1e300\n"
               "# HELP took_seconds Time\n"
               "# TYPE took_seconds histogram\n"
               "took_seconds_bucket{x=\"y\",le=\"0.5\"} 1\n"
               "took_seconds_bucket{x=\"y\",le=\"10\"} 2\n"
               "took_seconds_bucket{x=\"y\",le=\"+Inf\"} 18446744073709551615\n"
               "took_seconds_sum{x=\"y\"} -0.25\n"
               "took_seconds_count{x=\"y\"} 18446744073709551615\n"
               "# TYPE size_bytes summary\n"
               "size_bytes{quantile=\"0.99\"} NaN 5\n"
               "size_bytes{quantile=\"1\"} +Inf 5\n"
               "size_bytes_sum -Inf 5\n"
               "size_bytes_count 0 5\n"
               "# TYPE odd untyped\n"
               "odd -7\n");
}

static void test_page_in_openmetrics(void **state)
{
    (void)state;
    put_page(PROM_FORMAT_OPENMETRICS);
    assert_out("# HELP requests All \\\"requests\\\"\\nand\\\\more\n"
               "# TYPE requests counter\n"
               "requests_total{a=\"b\",c=\"d\"} 3.0\n"
               "requests_total 2.5 1700000000.123\n"
               "# TYPE hits counter\n"
               "hits_total 1e300\n"
               "# HELP took_seconds Time\n"
               "# TYPE took_seconds histogram\n"
               "# UNIT took_seconds seconds\n"
               "took_seconds_bucket{x=\"y\",le=\"0.5\"} 1\n"
               "took_seconds_bucket{x=\"y\",le=\"10.0\"} 2\n"
               "took_seconds_bucket{x=\"y\",le=\"+Inf\"} 18446744073709551615\n"
               "took_seconds_sum{x=\"y\"} -0.25\n"
               "took_seconds_count{x=\"y\"} 18446744073709551615\n"
               "# TYPE size_bytes summary\n"
               "size_bytes{quantile=\"0.99\"} NaN 0.005\n"
               "size_bytes{quantile=\"1.0\"} +Inf 0.005\n"
               "size_bytes_sum -Inf 0.005\n"
               "size_bytes_count 0 0.005\n"
               "# TYPE odd unknown\n"
               "odd -7.0\n"
               "# EOF\n");
}

static void test_label_values_are_escaped(void **state)
{
    (void)state;
    prom_text_escape(&out, SLICE_LITERAL("a\\b\"c\nd\te"));
    assert_out("a\\\\b\\\"c\\nd\te");
    prom_text_escape(&out, SLICE_LITERAL("gr\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x98\x80"));
    assert_out("gr\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x98\x80");
    prom_text_escape(&out, SLICE_LITERAL("\xff\xc3\xbc\"\xc3"));
    assert_out("\xef\xbf\xbd\xc3\xbc\\\"\xef\xbf\xbd");
    prom_text_escape(&out, (struct slice){0});
    assert_out("");
}

static void test_unit_needs_its_suffix(void **state)
{
    (void)state;
    struct prom_family f = family_of("seconds", "", "seconds", PROM_KIND_GAUGE);
    prom_text_family(&out, PROM_FORMAT_OPENMETRICS, &f);
    f = family_of("xseconds", "", "seconds", PROM_KIND_GAUGE);
    prom_text_family(&out, PROM_FORMAT_OPENMETRICS, &f);
    f = family_of("x_seconds_total", "", "seconds", PROM_KIND_COUNTER);
    prom_text_family(&out, PROM_FORMAT_OPENMETRICS, &f);
    f = family_of("_total", "", "", PROM_KIND_COUNTER);
    prom_text_family(&out, PROM_FORMAT_OPENMETRICS, &f);
    assert_out("# TYPE seconds gauge\n# TYPE xseconds gauge\n"
               "# TYPE x_seconds counter\n# UNIT x_seconds seconds\n# TYPE _total counter\n");
}

static void test_accept_header_chooses_the_format(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        enum prom_format format;
    } cases[] = {
        {"", PROM_FORMAT_TEXT},
        {"*/*", PROM_FORMAT_TEXT},
        {"text/plain", PROM_FORMAT_TEXT},
        {"application/openmetrics-text", PROM_FORMAT_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0;q=0.6,"
         "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.4,*/"
         "*;q=0.1",
         PROM_FORMAT_OPENMETRICS},
        {"application/openmetrics-text; version=1.0.0; q=0.2, text/plain ; q=0.5",
         PROM_FORMAT_TEXT},
        {"application/openmetrics-text;version=9.0.0", PROM_FORMAT_TEXT},
        {"application/openmetrics-text;q=0", PROM_FORMAT_TEXT},
        {"application/vnd.google.protobuf;q=0.7,text/plain;q=0.3", PROM_FORMAT_TEXT},
        {",;=q,,", PROM_FORMAT_TEXT},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(prom_text_negotiate(slice_of_text(cases[i].accept)), cases[i].format);
    }
    assert_string_equal(prom_text_content_type(PROM_FORMAT_TEXT),
                        "text/plain; version=0.0.4; charset=utf-8");
    assert_string_equal(prom_text_content_type(PROM_FORMAT_OPENMETRICS),
                        "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

static void test_errors_of_the_buffer_stick(void **state)
{
    (void)state;
    struct bytes small;
    bytes_init(&small, 20);
    struct prom_family f = family_of("a_name_that_is_too_long", "", "", PROM_KIND_GAUGE);
    prom_text_family(&small, PROM_FORMAT_TEXT, &f);
    assert_int_equal(small.err, FAULT_LIMIT);
    bytes_fini(&small);
    bytes_init(&small, 1000);
    mem_fail_nth(1);
    prom_text_family(&small, PROM_FORMAT_TEXT, &f);
    mem_fail_nth(0);
    assert_int_not_equal(small.err, 0);
    bytes_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_in_text_format),
        cmocka_unit_test(test_page_in_openmetrics),
        cmocka_unit_test(test_label_values_are_escaped),
        cmocka_unit_test(test_unit_needs_its_suffix),
        cmocka_unit_test(test_accept_header_chooses_the_format),
        cmocka_unit_test(test_errors_of_the_buffer_stick),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
