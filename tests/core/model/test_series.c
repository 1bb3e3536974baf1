/* SPDX-License-Identifier: Apache-2.0 */
/* The table a shard folds into: identity, growth, quota and overflow, ending and reuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/bounds.h"
#include "core/base/mem.h"
#include "core/model/series.h"
#include "core/model/sketch_pool.h"

static const struct aggregate_config config = {
    .aggregate_of =
        {
            [KIND_COUNTER] = AGGREGATE_SUM,
            [KIND_GAUGE] = AGGREGATE_GAUGE,
            [KIND_TIMING] = AGGREGATE_EXPHIST,
            [KIND_HISTOGRAM] = AGGREGATE_SAMPLES,
            [KIND_DISTRIBUTION] = AGGREGATE_NONE,
            [KIND_SET] = AGGREGATE_SET,
        },
    .exphist_max_size = {[KIND_TIMING] = 160},
};

struct fixture {
    struct sketch_pool pool;
    struct series_table table;
    struct series_report report;
};

static bool refuse_bad_tags(struct slice tags, enum tag_style style)
{
    (void)style;
    return !slice_is_text(tags, "bad");
}

static void open_fixture(struct fixture *f, uint32_t series_max, uint32_t quota)
{
    memset(f, 0, sizeof(*f));
    assert_int_equal(sketch_pool_init(&f->pool, 16 * 1024 * 1024), 0);
    const struct series_options options = {
        .series_max = series_max,
        .key_max_bytes = 64 * 1024 * 1024,
        .hash_seed = 42,
        .config = &config,
        .pool = &f->pool,
        .tags_are_valid = refuse_bad_tags,
    };
    assert_int_equal(series_table_init(&f->table, &options), 0);
    f->table.quota_count = quota;
}

static void close_fixture(struct fixture *f)
{
    assert_true(series_table_is_valid(&f->table));
    series_table_fini(&f->table);
    assert_int_equal(sketch_pool_used_bytes(&f->pool), 0);
    sketch_pool_fini(&f->pool);
}

static struct point counter(const char *name, const char *tags, double value)
{
    return (struct point){
        .name = slice_of_text(name),
        .tags = slice_of_text(tags),
        .value = value,
        .weight = 1,
        .kind = KIND_COUNTER,
    };
}

static void ingest(struct fixture *f, struct point point)
{
    assert_int_equal(series_prepare(&f->table), 0);
    mem_guard_arm();
    series_ingest(&f->table, &point, 1, 1000, &f->report);
    mem_guard_disarm();
}

/* The open sum of the record whose name is `name`; NaN-free sentinel where there is none. */
static double sum_of(const struct fixture *f, const char *name, const char *tags)
{
    for (uint32_t i = 0; i < f->table.record_limit; i++) {
        if ((f->table.hot[i].flags & SERIES_LIVE) == 0) {
            continue;
        }
        const struct series_key *key = series_key_at(&f->table, i);
        if (slice_is_text(series_key_name(key), name) &&
            slice_is_text(series_key_tags(key), tags)) {
            return f->table.hot[i].bank[f->table.open_bank].sum;
        }
    }
    return -1e300;
}

static void test_points_of_one_spelling_share_a_series(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 100, 100);
    ingest(&f, counter("a", "x:1", 2));
    ingest(&f, counter("a", "x:1", 3));
    ingest(&f, counter("a", "x:2", 5));
    ingest(&f, counter("a", "", 7));
    assert_int_equal(f.table.live_count, 3);
    assert_true(sum_of(&f, "a", "x:1") == 5);
    assert_true(sum_of(&f, "a", "x:2") == 5);
    assert_true(sum_of(&f, "a", "") == 7);
    assert_int_equal(f.report.folded_count, 4);
    assert_int_equal(f.report.born_count, 3);
    close_fixture(&f);
}

static void test_kind_origin_and_time_are_identity(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 100, 100);
    struct point point = counter("a", "", 1);
    ingest(&f, point);
    point.origin = slice_of_text("container");
    ingest(&f, point);
    point.time_unix_ns = 5;
    ingest(&f, point);
    point.kind = KIND_GAUGE;
    ingest(&f, point);
    assert_int_equal(f.table.live_count, 4);
    close_fixture(&f);
}

static void test_weight_scales_counters(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 100, 100);
    struct point point = counter("a", "", 3);
    point.weight = 10;
    ingest(&f, point);
    assert_true(sum_of(&f, "a", "") == 30);
    close_fixture(&f);
}

static void test_table_grows_and_finds_everything(void **state)
{
    (void)state;
    struct fixture f;
    const uint32_t series_count = 50000;
    open_fixture(&f, series_count, series_count);
    char names[POINT_BURST_MAX][32];
    struct point burst[POINT_BURST_MAX];
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t first = 0; first < series_count; first += POINT_BURST_MAX) {
            uint32_t left = series_count - first;
            uint32_t count = left < POINT_BURST_MAX ? left : POINT_BURST_MAX;
            for (uint32_t i = 0; i < count; i++) {
                (void)snprintf(names[i], sizeof(names[i]), "metric.%u", first + i);
                burst[i] = counter(names[i], "", 1);
            }
            assert_int_equal(series_prepare(&f.table), 0);
            series_ingest(&f.table, burst, count, 1, &f.report);
        }
    }
    assert_int_equal(f.table.live_count, series_count);
    assert_int_equal(f.report.born_count, series_count);
    assert_int_equal(f.report.folded_count, 2 * series_count);
    assert_true(sum_of(&f, "metric.49999", "") == 2);
    close_fixture(&f);
}

static void test_one_past_the_quota_folds_into_the_overflow_of_its_name(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 100, 2);
    ingest(&f, counter("a", "x:1", 1));
    ingest(&f, counter("a", "x:2", 1));
    assert_int_equal(f.report.overflow_count, 0);
    ingest(&f, counter("a", "x:3", 4));
    ingest(&f, counter("a", "x:4", 5));
    ingest(&f, counter("a", "x:1", 1));
    assert_int_equal(f.report.overflow_count, 2);
    assert_int_equal(f.report.folded_count, 5);
    assert_true(sum_of(&f, "a", "otel.metric.overflow:true") == 9);
    assert_true(sum_of(&f, "a", "x:1") == 2);
    assert_int_equal(f.table.offenders[0].series_count, 2);
    close_fixture(&f);
}

static void test_overflow_series_are_bounded_too(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 10, 0);
    char name[32];
    const uint32_t name_count = SERIES_OVERFLOW_MAX_COUNT * 3;
    for (uint32_t i = 0; i < name_count; i++) {
        (void)snprintf(name, sizeof(name), "name.%u", i);
        ingest(&f, counter(name, "", 1));
    }
    assert_int_equal(f.report.folded_count, name_count);
    assert_true(f.table.live_count <= SERIES_OVERFLOW_MAX_COUNT);
    assert_true(sum_of(&f, "weir.series_overflow", "otel.metric.overflow:true") > 1000);
    close_fixture(&f);
}

static void test_refused_tags_bear_nothing(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 10, 10);
    ingest(&f, counter("a", "bad", 1));
    assert_int_equal(f.table.live_count, 0);
    assert_int_equal(f.report.bad_tags_count, 1);
    assert_int_equal(f.report.folded_count, 0);
    close_fixture(&f);
}

static void test_disabled_kind_is_filtered_and_samples_are_limited(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 10, 10);
    struct point point = counter("a", "", 1);
    point.kind = KIND_DISTRIBUTION;
    ingest(&f, point);
    assert_int_equal(f.report.filtered_count, 1);
    point.kind = KIND_HISTOGRAM;
    for (uint32_t i = 0; i < SAMPLES_PER_SERIES_MAX; i++) {
        ingest(&f, point);
    }
    assert_int_equal(f.report.observer_limit_count, 0);
    ingest(&f, point);
    assert_int_equal(f.report.observer_limit_count, 1);
    close_fixture(&f);
}

static void test_sketch_memory_at_its_cap_is_counted(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 10, 10);
    struct point point = counter("a", "", 1);
    point.kind = KIND_TIMING;
    struct sketch_pool full = {0};
    f.table.pool = &full;
    ingest(&f, point);
    assert_int_equal(f.report.memory_limit_count, 1);
    assert_int_equal(f.report.folded_count, 0);
    f.table.pool = &f.pool;
    ingest(&f, point);
    assert_int_equal(f.report.folded_count, 1);
    close_fixture(&f);
}

static void test_ended_series_frees_its_place_and_quota(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 10, 2);
    ingest(&f, counter("a", "", 1));
    ingest(&f, counter("b", "", 2));
    series_retire(&f.table, 0);
    assert_true(series_table_is_valid(&f.table));
    /* The name may come back before the old record is free. */
    f.table.quota_count = 1;
    ingest(&f, counter("a", "", 10));
    assert_int_equal(f.table.live_count, 3);
    series_release(&f.table, 0);
    assert_int_equal(f.table.quota_count, 1);
    assert_int_equal(f.table.live_count, 2);
    assert_true(sum_of(&f, "a", "") == 10);
    ingest(&f, counter("c", "", 3));
    assert_true(slice_is_text(series_key_name(series_key_at(&f.table, 0)), "c"));
    close_fixture(&f);
}

static void test_mass_ending_leaves_a_small_valid_table(void **state)
{
    (void)state;
    struct fixture f;
    const uint32_t series_count = 20000;
    open_fixture(&f, series_count, series_count);
    char name[32];
    for (uint32_t i = 0; i < series_count; i++) {
        (void)snprintf(name, sizeof(name), "metric.%u", i);
        ingest(&f, counter(name, "k:v", 1));
    }
    for (uint32_t i = 0; i < series_count; i++) {
        if (i % 1000 != 7) {
            series_retire(&f.table, i);
            series_release(&f.table, i);
        }
    }
    series_shrink(&f.table);
    assert_int_equal(f.table.live_count, series_count / 1000);
    assert_true(f.table.slot_mask + 1 <= 1024);
    assert_true(series_table_is_valid(&f.table));
    ingest(&f, counter("metric.7", "k:v", 1));
    assert_true(sum_of(&f, "metric.7", "k:v") == 2);
    close_fixture(&f);
}

static void test_keys_are_equal_in_any_tag_order(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, 10, 10);
    ingest(&f, counter("a", "x:1,y:2", 1));
    ingest(&f, counter("a", "y:2,x:1", 1));
    ingest(&f, counter("a", "y:2,x:1,y:2", 1));
    ingest(&f, counter("a", "y:2,x:3", 1));
    const struct series_key *first = series_key_at(&f.table, 0);
    assert_true(series_key_equal(first, series_key_at(&f.table, 1)));
    assert_true(series_key_equal(first, series_key_at(&f.table, 2)));
    assert_false(series_key_equal(first, series_key_at(&f.table, 3)));
    assert_true(series_key_hash(first, 9) == series_key_hash(series_key_at(&f.table, 1), 9));
    assert_true(series_key_hash(first, 9) == series_key_hash(series_key_at(&f.table, 2), 9));
    close_fixture(&f);
}

static void test_init_survives_each_refusal(void **state)
{
    (void)state;
    struct sketch_pool pool;
    assert_int_equal(sketch_pool_init(&pool, 1024 * 1024), 0);
    const struct series_options options = {
        .series_max = 10, .key_max_bytes = 1024 * 1024, .config = &config, .pool = &pool};
    for (uint64_t nth = 1; nth <= 6; nth++) {
        struct series_table table;
        mem_fail_nth(nth);
        assert_int_not_equal(series_table_init(&table, &options), 0);
    }
    mem_fail_nth(0);
    sketch_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points_of_one_spelling_share_a_series),
        cmocka_unit_test(test_kind_origin_and_time_are_identity),
        cmocka_unit_test(test_weight_scales_counters),
        cmocka_unit_test(test_table_grows_and_finds_everything),
        cmocka_unit_test(test_one_past_the_quota_folds_into_the_overflow_of_its_name),
        cmocka_unit_test(test_overflow_series_are_bounded_too),
        cmocka_unit_test(test_refused_tags_bear_nothing),
        cmocka_unit_test(test_disabled_kind_is_filtered_and_samples_are_limited),
        cmocka_unit_test(test_sketch_memory_at_its_cap_is_counted),
        cmocka_unit_test(test_ended_series_frees_its_place_and_quota),
        cmocka_unit_test(test_mass_ending_leaves_a_small_valid_table),
        cmocka_unit_test(test_keys_are_equal_in_any_tag_order),
        cmocka_unit_test(test_init_survives_each_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
