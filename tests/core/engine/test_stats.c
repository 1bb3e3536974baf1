/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of core/engine/stats: every row of stats.def reads its own counter and can be printed. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/engine/stats.h"

/* One instance of each scope. */
struct instances {
    struct receiver_stats receiver;
    struct exporter_stats exporter;
    struct processor_stats processor;
    struct worker_stats worker;
};

static void *instance_of(struct instances *all, enum stats_scope scope)
{
    switch (scope) {
    case STATS_RECEIVER:
        return &all->receiver;
    case STATS_EXPORTER:
        return &all->exporter;
    case STATS_PROCESSOR:
        return &all->processor;
    case STATS_WORKER:
        return &all->worker;
    }
    return NULL;
}

static void test_counters_add_and_levels_are_set(void **state)
{
    (void)state;
    struct counter counter = {0};
    counter_add(&counter, 3);
    counter_add(&counter, 4);
    assert_int_equal(counter_read(&counter), 7);
    counter_set(&counter, 2);
    assert_int_equal(counter_read(&counter), 2);
}

/* Where the compiler put each field, by name; the table must say the same. */
struct place {
    const char *field;
    size_t offset;
};
#define STAT(scope_, field_, metric_, kind_, labels_, help_)                                       \
    {#field_, offsetof(struct scope_##_stats, field_)},
static const struct place places[] = {
#include "core/engine/stats.def"
};
#undef STAT

static void test_every_row_reads_its_own_field(void **state)
{
    (void)state;
    static struct instances all;
    size_t count;
    const struct stats_row *rows = stats_rows(&count);
    assert_int_equal(count, COUNT_OF(places));
    memset(&all, 0, sizeof(all));
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(rows[i].field, places[i].field);
        assert_int_equal(rows[i].offset, places[i].offset);
        char *instance = instance_of(&all, rows[i].scope);
        struct counter *own = (struct counter *)(void *)(instance + places[i].offset);
        assert_int_equal(counter_read(own), 0); /* no two rows share a counter */
        counter_set(own, i + 1);
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(stats_read(&rows[i], instance_of(&all, rows[i].scope)), i + 1);
    }
    assert_int_equal(counter_read(&all.receiver.line_reasons[0]), 0);
}

static void test_some_rows_by_hand(void **state)
{
    (void)state;
    static const struct {
        enum stats_scope scope;
        enum stats_kind kind;
        const char *field;
        const char *metric;
    } known[] = {
        {STATS_RECEIVER, STATS_COUNTER, "wire_received", "weir_wire_received"},
        {STATS_RECEIVER, STATS_GAUGE, "series_live", "weir_series"},
        {STATS_EXPORTER, STATS_COUNTER, "items_offered", "weir_items_offered"},
        {STATS_EXPORTER, STATS_GAUGE, "queue_used", "otelcol_exporter_queue_size"},
        {STATS_WORKER, STATS_COUNTER, "turns", "weir_loop_turns"},
    };
    size_t count;
    const struct stats_row *rows = stats_rows(&count);
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        size_t at = 0;
        while (at < count &&
               (rows[at].scope != known[i].scope || strcmp(rows[at].field, known[i].field) != 0)) {
            at++;
        }
        assert_true(at < count);
        assert_int_equal(rows[at].kind, known[i].kind);
        assert_string_equal(rows[at].metric, known[i].metric);
    }
}

/* The text format wants the samples of one name in one block, with one type and one help. */
static void test_rows_of_one_metric_stand_together_and_agree(void **state)
{
    (void)state;
    size_t count;
    const struct stats_row *rows = stats_rows(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t before = 0; before < i; before++) {
            if (strcmp(rows[before].metric, rows[i].metric) != 0) {
                continue;
            }
            assert_string_equal(rows[i - 1].metric, rows[i].metric);
            assert_string_equal(rows[before].help, rows[i].help);
            assert_int_equal(rows[before].kind, rows[i].kind);
            assert_int_equal(rows[before].scope, rows[i].scope);
            assert_string_not_equal(rows[before].labels, rows[i].labels);
        }
    }
}

static void test_a_metric_is_summed_over_its_labels_and_one_scope(void **state)
{
    (void)state;
    struct exporter_stats exporter = {0};
    struct receiver_stats receiver = {0};
    counter_add(&exporter.items_rejected, 1);
    counter_add(&exporter.items_rejected_partial, 2);
    counter_add(&exporter.items_rejected_request_too_large, 4);
    counter_add(&exporter.items_dropped_retry, 8);
    assert_int_equal(stats_sum(STATS_EXPORTER, "weir_items_rejected", &exporter), 7);
    assert_int_equal(stats_sum(STATS_EXPORTER, "weir_items_dropped", &exporter), 8);
    assert_int_equal(stats_sum(STATS_RECEIVER, "weir_items_rejected", &receiver), 0);
    assert_int_equal(stats_sum(STATS_EXPORTER, "weir_items_reject", &exporter), 0);
}

static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool is_letter = isalpha((unsigned char)text[i]) != 0 || text[i] == '_';
        if (!is_letter && (i == 0 || isdigit((unsigned char)text[i]) == 0)) {
            return false;
        }
    }
    return len > 0;
}

/* name="value", and nothing in the value that would need an escape. */
static bool is_label(const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || !is_name(text, (size_t)(equals - text)) || equals[1] != '"') {
        return false;
    }
    const char *end = strchr(equals + 2, '"');
    return end != NULL && end[1] == 0 && strchr(text, '\\') == NULL && strchr(text, '\n') == NULL;
}

static void test_names_labels_and_help_can_be_printed(void **state)
{
    (void)state;
    size_t count;
    const struct stats_row *rows = stats_rows(&count);
    for (size_t i = 0; i < count; i++) {
        assert_true(is_name(rows[i].metric, strlen(rows[i].metric)));
        assert_true(rows[i].labels[0] == 0 || is_label(rows[i].labels));
        assert_true(strlen(rows[i].help) > 0);
        assert_null(strchr(rows[i].help, '\n'));
        assert_null(strchr(rows[i].help, '\\'));
    }
    assert_false(is_label("reason=truncated"));
    assert_false(is_label("reason=\"a\",b"));
    assert_false(is_label("1a=\"b\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters_add_and_levels_are_set),
        cmocka_unit_test(test_every_row_reads_its_own_field),
        cmocka_unit_test(test_some_rows_by_hand),
        cmocka_unit_test(test_rows_of_one_metric_stand_together_and_agree),
        cmocka_unit_test(test_a_metric_is_summed_over_its_labels_and_one_scope),
        cmocka_unit_test(test_names_labels_and_help_can_be_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
