/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of prom_write_set: groups that are joined, and samples that are put aside.
 */
#include "codecs/prom_write_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define SEED 7
#define TAG 0x0A

static struct prom_write_set set;
static struct bytes out;

static int set_up(void **state)
{
    (void)state;
    bytes_init(&out, 1 << 20);
    return prom_write_set_init(&set, 1 << 20, SEED);
}

static int tear_down(void **state)
{
    (void)state;
    bytes_fini(&out);
    prom_write_set_fini(&set);
    return 0;
}

/* A series of its own group with one sample, "x", which is kept. */
static struct prom_write_series *make_series(uint32_t number)
{
    struct slice key = slice_of(&number, sizeof(number));
    struct prom_write_series *series = prom_write_set_find(&set, key, NULL);
    assert_non_null(series);
    assert_int_equal(prom_write_set_add(&set, series, 1, SLICE_LITERAL("x")), 0);
    prom_write_set_keep(&set);
    series->group->item_count = 1;
    return series;
}

static size_t count_series(const struct prom_write_group *group)
{
    size_t count = 0;
    for (const struct prom_write_series *s = group->first; s != NULL; s = s->next) {
        count++;
    }
    return count;
}

#define SERIES_COUNT 1024

/* Pairs, pairs of pairs and so on; then the same in a row. */
static void test_joined_groups_are_one_however_they_met(void **state)
{
    (void)state;
    static struct prom_write_series *all[SERIES_COUNT];
    for (uint32_t way = 0; way < 2; way++) {
        for (uint32_t i = 0; i < SERIES_COUNT; i++) {
            all[i] = make_series(i);
        }
        for (uint32_t step = 1; way == 0 && step < SERIES_COUNT; step *= 2) {
            for (uint32_t i = 0; i + step < SERIES_COUNT; i += 2 * step) {
                (void)prom_write_set_join(all[i + step - 1]->group, all[i + step]->group);
            }
        }
        for (uint32_t i = 1; way == 1 && i < SERIES_COUNT; i++) {
            (void)prom_write_set_join(all[SERIES_COUNT - i]->group,
                                      all[SERIES_COUNT - i - 1]->group);
        }
        struct prom_write_group *whole = prom_write_set_join(NULL, all[0]->group);
        for (uint32_t i = 0; i < SERIES_COUNT; i++) {
            assert_ptr_equal(prom_write_set_join(whole, all[i]->group), whole);
        }
        assert_int_equal(whole->item_count, SERIES_COUNT);
        assert_int_equal(count_series(whole), SERIES_COUNT);
        size_t group_count = 0;
        for (struct prom_write_group *group = set.first; group != NULL; group = group->next) {
            group_count += prom_write_group_bytes(group) > 0 ? 1 : 0;
        }
        assert_int_equal(group_count, 1);
        prom_write_set_clear(&set);
        assert_null(set.first);
    }
}

static void test_what_is_dropped_was_never_there(void **state)
{
    (void)state;
    struct prom_write_series *old = make_series(0);
    struct prom_write_series *fresh = prom_write_set_find(&set, SLICE_LITERAL("fresh"), old->group);
    assert_non_null(fresh);
    assert_int_equal(prom_write_set_add(&set, old, 2, SLICE_LITERAL("y")), 0);
    assert_int_equal(prom_write_set_add(&set, fresh, 2, SLICE_LITERAL("y")), 0);
    prom_write_set_drop(&set);
    prom_write_set_seal(&set);
    prom_write_group_put(&out, old->group, TAG);
    static const char expected[] = "\x0A\x05\0\0\0\0x";
    assert_int_equal(out.len, sizeof(expected) - 1);
    assert_memory_equal(out.ptr, expected, sizeof(expected) - 1);
    assert_int_equal(prom_write_group_bytes(old->group), out.len);
    assert_null(fresh->first);
}

static void test_what_is_kept_stands_in_the_order_of_its_times(void **state)
{
    (void)state;
    struct prom_write_series *series = make_series(0);
    assert_int_equal(prom_write_set_add(&set, series, 3, SLICE_LITERAL("z")), 0);
    assert_int_equal(prom_write_set_add(&set, series, 2, SLICE_LITERAL("y")), 0);
    assert_int_equal(prom_write_set_add(&set, series, 2, SLICE_LITERAL("y")), 0);
    prom_write_set_keep(&set);
    prom_write_set_seal(&set);
    prom_write_group_put(&out, series->group, TAG);
    static const char expected[] = "\x0A\x07\0\0\0\0xyz";
    assert_int_equal(out.len, sizeof(expected) - 1);
    assert_memory_equal(out.ptr, expected, sizeof(expected) - 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_joined_groups_are_one_however_they_met),
        TEST(test_what_is_dropped_was_never_there),
        TEST(test_what_is_kept_stands_in_the_order_of_its_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
