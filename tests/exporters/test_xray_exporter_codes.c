/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of exporters/xray_exporter_codes: known codes by name, the others in two heaps. */
#include "exporters/xray_exporter_codes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct exporter_stats stats;

static void count(const char *code)
{
    struct xray_unprocessed entry = {.code_len = strlen(code)};
    (void)snprintf(entry.code, sizeof(entry.code), "%s", code);
    entry.can_succeed = xray_put_can_succeed(slice_of_text(code));
    xray_codes_count(&stats, &entry);
}

/* What stands between the quotes of code="…"; false for the two heaps. */
static bool read_code(const char *labels, char *code, size_t cap)
{
    const char *begin = strchr(labels, '"');
    assert_non_null(begin);
    (void)snprintf(code, cap, "%.*s", (int)strcspn(begin + 1, "\""), begin + 1);
    return strcmp(code, "retryable") != 0 && strcmp(code, "other") != 0;
}

static void test_every_code_with_a_row_is_counted_there(void **state)
{
    (void)state;
    size_t row_count = 0;
    size_t named_count = 0;
    const struct stats_row *rows = stats_rows(&row_count);
    for (size_t i = 0; i < row_count; i++) {
        char code[64] = "";
        if (strcmp(rows[i].metric, "weir_xray_unprocessed") != 0 ||
            !read_code(rows[i].labels, code, sizeof(code))) {
            continue;
        }
        stats = (struct exporter_stats){0};
        count(code);
        assert_int_equal(stats_read(&rows[i], &stats), 1);
        assert_int_equal(stats_sum(STATS_EXPORTER, "weir_xray_unprocessed", &stats), 1);
        named_count++;
    }
    assert_int_equal(named_count, 10);
}

static void test_the_others_are_told_apart_by_what_may_come_of_them(void **state)
{
    (void)state;
    stats = (struct exporter_stats){0};
    count("ThrottledException");
    count("InternalFailure");
    count("SomethingNew");
    count("");
    count("InvalidIdeas");
    assert_int_equal(counter_read(&stats.unprocessed_retryable), 2);
    assert_int_equal(counter_read(&stats.unprocessed_other), 3);
    assert_int_equal(stats_sum(STATS_EXPORTER, "weir_xray_unprocessed", &stats), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_with_a_row_is_counted_there),
        cmocka_unit_test(test_the_others_are_told_apart_by_what_may_come_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
