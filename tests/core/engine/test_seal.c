/* SPDX-License-Identifier: Apache-2.0 */
/* Windows on the wall clock's edges, clock steps, and slices that cross and come home. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/engine/seal.h"
#include "core/engine/shard.h"

#define SECOND_NS UINT64_C(1000000000)
#define INTERVAL_NS (10 * SECOND_NS)
#define EDGE_NS (1000 * INTERVAL_NS)

static const struct aggregate_config config = {
    .aggregate_of = {[KIND_COUNTER] = AGGREGATE_SUM, [KIND_GAUGE] = AGGREGATE_GAUGE},
};

struct fixture {
    struct shard shard;
    struct seal_table seal;
    struct budget budget;
    struct receiver_stats stats;
    uint64_t unix_ns;
    uint64_t mono_ns;
};

static void open_fixture(struct fixture *f, uint64_t unix_ns)
{
    memset(f, 0, sizeof(*f));
    f->unix_ns = unix_ns;
    f->mono_ns = 5 * SECOND_NS;
    budget_init(&f->budget, 100000);
    assert_int_equal(shard_init(&f->shard, 0, 1024 * 1024), 0);
    const struct seal_options options = {
        .series =
            {
                .series_max = 100000,
                .key_max_bytes = 64 * 1024 * 1024,
                .config = &config,
                .pool = &f->shard.pool,
            },
        .series_budget = &f->budget,
        .lease_block_count = 1024,
        .interval_ns = INTERVAL_NS,
        .idle_window_max = 1,
    };
    assert_int_equal(seal_table_init(&f->seal, &options, f->unix_ns, f->mono_ns), 0);
}

static void close_fixture(struct fixture *f)
{
    seal_table_fini(&f->seal);
    shard_fini(&f->shard);
    assert_int_equal(budget_leased(&f->budget), 0);
}

static void pass_time(struct fixture *f, uint64_t ns)
{
    f->unix_ns += ns;
    f->mono_ns += ns;
}

static void count_one(struct fixture *f, const char *name)
{
    struct point point = {
        .name = slice_of_text(name), .value = 1, .weight = 1, .kind = KIND_COUNTER};
    shard_ingest(&f->seal, &point, 1, f->unix_ns, &f->stats);
}

/* The next slice, sent home at once; copied before. NULL where there is none. */
static const struct seal_slice *turn(struct fixture *f)
{
    static struct seal_slice copy;
    (void)seal_turn(&f->seal, f->unix_ns, f->mono_ns);
    struct seal_slice *slice = mailbox_take(&f->seal.sealed);
    if (slice == NULL) {
        return NULL;
    }
    memcpy(&copy, slice, sizeof(copy));
    void *message = slice;
    assert_true(mailbox_try_push(&f->seal.returned, &message));
    return &copy;
}

static void test_window_closes_on_the_edge_of_the_wall_clock(void **state)
{
    (void)state;
    static struct fixture f;
    open_fixture(&f, EDGE_NS + 3 * SECOND_NS);
    count_one(&f, "a");
    pass_time(&f, 7 * SECOND_NS - 1000000);
    assert_null(turn(&f));
    assert_int_equal(seal_next_mono_ns(&f.seal, f.unix_ns, f.mono_ns), f.mono_ns + 1000000);
    /* A turn that comes 40 ms late closes it on the edge all the same. */
    pass_time(&f, 41000000);
    const struct seal_slice *slice = turn(&f);
    assert_non_null(slice);
    assert_int_equal(slice->start_unix_ns, EDGE_NS + 3 * SECOND_NS);
    assert_int_equal(slice->end_unix_ns, EDGE_NS + INTERVAL_NS);
    assert_int_equal(slice->entry_count, 1);
    assert_true(slice->is_last);
    /* The next one begins where this one ended. */
    pass_time(&f, INTERVAL_NS - 40000000);
    slice = turn(&f);
    assert_non_null(slice);
    assert_int_equal(slice->start_unix_ns, EDGE_NS + INTERVAL_NS);
    assert_int_equal(slice->end_unix_ns, EDGE_NS + 2 * INTERVAL_NS);
    assert_int_equal(f.seal.clock_step_count, 0);
    close_fixture(&f);
}

static void test_turns_a_little_early_or_late_never_make_a_tiny_window(void **state)
{
    (void)state;
    static struct fixture f;
    open_fixture(&f, EDGE_NS);
    uint64_t end_before = EDGE_NS;
    uint32_t window_count = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        pass_time(&f, INTERVAL_NS / 7 + (i * 7919) % 100000);
        if (i % 3 == 0) {
            f.unix_ns -= 20000; /* the wall clock is slewed */
        }
        const struct seal_slice *slice = turn(&f);
        if (slice == NULL) {
            continue;
        }
        assert_int_equal(slice->start_unix_ns, end_before);
        assert_true(slice->end_unix_ns - slice->start_unix_ns >= INTERVAL_NS / 2);
        end_before = slice->end_unix_ns;
        window_count++;
    }
    assert_in_range(window_count, 120, 145);
    assert_int_equal(f.seal.clock_step_count, 0);
    close_fixture(&f);
}

static void test_step_back_ends_the_window_after_its_true_length(void **state)
{
    (void)state;
    static struct fixture f;
    open_fixture(&f, EDGE_NS);
    count_one(&f, "a");
    pass_time(&f, 5 * SECOND_NS);
    f.unix_ns -= 3600 * SECOND_NS;
    assert_null(turn(&f));
    pass_time(&f, 5 * SECOND_NS);
    const struct seal_slice *slice = turn(&f);
    assert_non_null(slice);
    assert_int_equal(slice->start_unix_ns, EDGE_NS);
    assert_int_equal(slice->end_unix_ns, EDGE_NS + INTERVAL_NS);
    assert_int_equal(f.seal.clock_step_count, 1);
    /* The new time is believed from then on. */
    uint64_t start = f.unix_ns;
    pass_time(&f, INTERVAL_NS);
    slice = turn(&f);
    assert_non_null(slice);
    assert_int_equal(slice->start_unix_ns, start);
    assert_int_equal(slice->end_unix_ns, start + INTERVAL_NS);
    assert_int_equal(f.seal.clock_step_count, 1);
    close_fixture(&f);
}

static void test_step_forward_neither_loses_nor_shortens_the_window(void **state)
{
    (void)state;
    static struct fixture f;
    open_fixture(&f, EDGE_NS);
    count_one(&f, "a");
    pass_time(&f, 2 * SECOND_NS);
    f.unix_ns += 3600 * SECOND_NS;
    assert_null(turn(&f)); /* two seconds are no window */
    count_one(&f, "a");
    pass_time(&f, 8 * SECOND_NS);
    const struct seal_slice *slice = turn(&f);
    assert_non_null(slice);
    assert_int_equal(slice->end_unix_ns - slice->start_unix_ns, INTERVAL_NS);
    assert_true(slice->values[0].sum == 2);
    assert_int_equal(f.seal.clock_step_count, 1);
    close_fixture(&f);
}

static void test_finish_keeps_true_times(void **state)
{
    (void)state;
    static struct fixture f;
    open_fixture(&f, EDGE_NS + 1);
    count_one(&f, "a");
    pass_time(&f, SECOND_NS);
    seal_finish(&f.seal);
    const struct seal_slice *slice = turn(&f);
    assert_non_null(slice);
    assert_int_equal(slice->start_unix_ns, EDGE_NS + 1);
    assert_int_equal(slice->end_unix_ns, EDGE_NS + 1 + SECOND_NS);
    assert_true(slice->is_final);
    assert_null(turn(&f));
    assert_true(seal_is_done(&f.seal));
    close_fixture(&f);
}

static void test_slices_are_full_and_the_open_bank_goes_on(void **state)
{
    (void)state;
    static struct fixture f;
    open_fixture(&f, EDGE_NS);
    char name[32];
    const uint32_t series_count = SEAL_SLICE_SERIES_MAX * 2 + 1;
    for (uint32_t i = 0; i < series_count; i++) {
        (void)snprintf(name, sizeof(name), "m.%u", i);
        count_one(&f, name);
    }
    pass_time(&f, INTERVAL_NS);
    uint32_t entry_count = 0;
    for (uint32_t i = 0; i < 3; i++) {
        const struct seal_slice *slice = turn(&f);
        assert_non_null(slice);
        assert_int_equal(slice->entry_count, i < 2 ? SEAL_SLICE_SERIES_MAX : 1);
        assert_int_equal(slice->key_count, slice->entry_count);
        assert_int_equal(slice->is_last, i == 2);
        entry_count += slice->entry_count;
        count_one(&f, "m.0"); /* belongs to the next window */
    }
    assert_int_equal(entry_count, series_count);
    pass_time(&f, INTERVAL_NS);
    const struct seal_slice *slice = turn(&f);
    assert_int_equal(slice->entry_count, 1);
    assert_int_equal(slice->key_count, 0);
    assert_true(slice->values[0].sum == 3);
    close_fixture(&f);
}

static void test_nothing_flips_while_slices_are_away(void **state)
{
    (void)state;
    static struct fixture f;
    open_fixture(&f, EDGE_NS);
    struct seal_slice *away[SEAL_SLICE_COUNT];
    for (uint32_t i = 0; i < SEAL_SLICE_COUNT; i++) {
        count_one(&f, "a");
        pass_time(&f, INTERVAL_NS);
        (void)seal_turn(&f.seal, f.unix_ns, f.mono_ns);
        away[i] = mailbox_take(&f.seal.sealed);
        assert_non_null(away[i]);
    }
    count_one(&f, "a");
    pass_time(&f, INTERVAL_NS);
    (void)seal_turn(&f.seal, f.unix_ns, f.mono_ns);
    assert_null(mailbox_take(&f.seal.sealed));
    count_one(&f, "a");
    for (uint32_t i = 0; i < SEAL_SLICE_COUNT; i++) {
        void *message = away[i];
        assert_true(mailbox_try_push(&f.seal.returned, &message));
    }
    const struct seal_slice *slice = turn(&f);
    assert_non_null(slice);
    assert_true(slice->values[0].sum == 1);
    close_fixture(&f);
}

static void test_idle_series_ends_and_its_memory_comes_back(void **state)
{
    (void)state;
    static struct fixture f;
    open_fixture(&f, EDGE_NS);
    count_one(&f, "a");
    uint32_t gone_count = 0;
    for (uint32_t i = 0; i < 5; i++) {
        pass_time(&f, INTERVAL_NS);
        const struct seal_slice *slice = turn(&f);
        assert_non_null(slice);
        for (uint32_t j = 0; j < slice->entry_count; j++) {
            gone_count += (slice->entries[j] & (uint32_t)SEAL_ENTRY_GONE) != 0 ? 1 : 0;
        }
    }
    assert_int_equal(gone_count, 1);
    assert_int_equal(f.seal.table.live_count, 0);
    assert_int_equal(f.seal.table.keys.used_bytes > 64, 0);
    close_fixture(&f);
}

static void test_init_survives_each_refusal(void **state)
{
    (void)state;
    struct shard shard;
    struct budget budget;
    budget_init(&budget, 10);
    assert_int_equal(shard_init(&shard, 0, 1024 * 1024), 0);
    const struct seal_options options = {
        .series = {.series_max = 10,
                   .key_max_bytes = 1024 * 1024,
                   .config = &config,
                   .pool = &shard.pool},
        .series_budget = &budget,
        .lease_block_count = 1,
        .interval_ns = INTERVAL_NS,
        .idle_window_max = 1,
    };
    uint32_t refused_count = 0;
    for (uint64_t nth = 1; nth <= 20; nth++) {
        struct seal_table seal;
        mem_fail_nth(nth);
        int err = seal_table_init(&seal, &options, 1, 1);
        mem_fail_nth(0);
        refused_count += err != 0 ? 1 : 0;
        seal_table_fini(&seal);
    }
    assert_in_range(refused_count, 8, 10);
    shard_fini(&shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_closes_on_the_edge_of_the_wall_clock),
        cmocka_unit_test(test_turns_a_little_early_or_late_never_make_a_tiny_window),
        cmocka_unit_test(test_step_back_ends_the_window_after_its_true_length),
        cmocka_unit_test(test_step_forward_neither_loses_nor_shortens_the_window),
        cmocka_unit_test(test_finish_keeps_true_times),
        cmocka_unit_test(test_slices_are_full_and_the_open_bank_goes_on),
        cmocka_unit_test(test_nothing_flips_while_slices_are_away),
        cmocka_unit_test(test_idle_series_ends_and_its_memory_comes_back),
        cmocka_unit_test(test_init_survives_each_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
