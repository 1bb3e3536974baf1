/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exporter_books — sums by metric name, so that a new reason of loss is counted without an edit.
 */
#include "tests/support/exporter_books.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

static uint64_t sum_of(const struct exporter_stats *stats, const char *metric)
{
    size_t count = 0;
    uint64_t sum = 0;
    const struct stats_row *rows = stats_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].scope == STATS_EXPORTER && strcmp(rows[i].metric, metric) == 0) {
            sum += stats_read(&rows[i], stats);
        }
    }
    return sum;
}

void assert_books_balance(const struct exporter_stats *stats)
{
    assert_int_equal(sum_of(stats, "weir_items_offered"),
                     sum_of(stats, "weir_items_delivered") + sum_of(stats, "weir_items_rejected") +
                         sum_of(stats, "weir_items_dropped") + sum_of(stats, "weir_items_held"));
}
