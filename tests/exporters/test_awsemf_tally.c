/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of exporters/awsemf_tally: each word of the encoder has a counter of its own. */
#include "exporters/awsemf_tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct exporter_stats stats;
static struct rejects rejects;

/* The counter of exporter_stats with that label, which must be the only one of its metric. */
static uint64_t labelled(const char *metric, const char *label)
{
    size_t count = 0;
    uint64_t value = UINT64_MAX;
    const struct stats_row *rows = stats_rows(&count);
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(rows[i].labels, '"');
        if (strcmp(rows[i].metric, metric) == 0 && equals != NULL &&
            strncmp(equals + 1, label, strlen(label)) == 0 && equals[1 + strlen(label)] == '"') {
            assert_int_equal(value, UINT64_MAX);
            value = stats_read(&rows[i], &stats);
        }
    }
    return value;
}

static uint64_t take(const struct emf_tally *before, const struct emf_tally *after,
                     const char **why)
{
    stats = (struct exporter_stats){0};
    rejects = (struct rejects){.count = 0};
    *why = "as before";
    return awsemf_tally_take(before, after, &stats, &rejects, why);
}

static void test_each_loss_is_a_reason_with_its_own_label(void **state)
{
    (void)state;
    for (int i = 0; i < EMF_DROP_COUNT; i++) {
        enum emf_drop drop = (enum emf_drop)i;
        bool is_loss = drop != EMF_DROP_INITIAL && drop != EMF_DROP_NO_VALUE;
        struct emf_tally before = {0};
        struct emf_tally after = {0};
        before.drops[i] = 4;
        after.drops[i] = 7;
        const char *why = NULL;
        assert_int_equal(take(&before, &after, &why), is_loss ? 3 : 0);
        assert_string_equal(why, is_loss ? emf_drop_label(drop) : "as before");
        rejects_book(&rejects, is_loss ? 3 : 0, &stats.items_rejected);
        const char *metric = is_loss ? "weir_items_rejected" : "weir_emf_adjusted";
        assert_int_equal(labelled(metric, emf_drop_label(drop)), 3);
        assert_int_equal(stats_sum(STATS_EXPORTER, "weir_items_rejected", &stats), is_loss ? 3 : 0);
        assert_int_equal(stats_sum(STATS_EXPORTER, "weir_emf_adjusted", &stats), is_loss ? 0 : 3);
    }
}

static void test_each_notice_has_its_own_label(void **state)
{
    (void)state;
    for (int i = 0; i < EMF_NOTICE_COUNT; i++) {
        struct emf_tally before = {0};
        struct emf_tally after = {0};
        before.notices[i] = 1;
        after.notices[i] = 6;
        const char *why = NULL;
        assert_int_equal(take(&before, &after, &why), 0);
        assert_int_equal(rejects.count, 0);
        assert_int_equal(labelled("weir_emf_adjusted", emf_notice_label((enum emf_notice)i)), 5);
        assert_int_equal(stats_sum(STATS_EXPORTER, "weir_emf_adjusted", &stats), 5);
    }
}

static void test_documents_are_added_and_series_are_a_level(void **state)
{
    (void)state;
    struct emf_tally before = {.document_count = 10, .delta_series_count = 8};
    struct emf_tally after = {.document_count = 12, .delta_series_count = 5};
    const char *why = NULL;
    assert_int_equal(take(&before, &after, &why), 0);
    assert_int_equal(counter_read(&stats.emf_documents), 2);
    assert_int_equal(counter_read(&stats.emf_delta_series), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_loss_is_a_reason_with_its_own_label),
        cmocka_unit_test(test_each_notice_has_its_own_label),
        cmocka_unit_test(test_documents_are_added_and_series_are_a_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
