/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums over Prometheus text, and a URL that leads elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "bench/http_get.h"

static void test_metrics_are_summed_by_name(void **state)
{
    (void)state;
    const struct slice text = SLICE_LITERAL("# HELP weir_dropped_total 9\n"
                                            "weir_dropped_total{reason=\"a b\"} 3\n"
                                            "weir_lines_dropped_total{reason=\"}\"} 4.0\n"
                                            "weir_dropped_total 5\n"
                                            "weir_lines_total{x=\"dropped\"} 100\n"
                                            "other_dropped_total 100\n");
    assert_int_equal(http_metrics_sum(text, "weir_", "dropped"), 12);
    assert_int_equal(http_metrics_sum(SLICE_LITERAL(""), "weir_", "dropped"), 0);
    assert_int_equal(http_metrics_sum(SLICE_LITERAL("weir_dropped"), "weir_", "dropped"), 0);
}

static void test_only_loopback_is_asked(void **state)
{
    (void)state;
    struct file_bytes body;
    assert_int_equal(http_get("http://10.0.0.1:80/", &body), -EACCES);
    assert_int_equal(http_get("https://127.0.0.1:80/", &body), -EINVAL);
    http_get_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_are_summed_by_name),
        cmocka_unit_test(test_only_loopback_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
