/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of emf_group: what finds its group, order of groups and of metrics, repetition.
 */
#include "codecs/emf_group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "codecs/emf_place.h"
#include "core/base/mem.h"

#define METRICS 3000

static struct arena arena;
static struct emf_groups groups;
static struct emf_labels labels;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(arena_init(&arena, 65536, 1 << 24), 0);
    assert_int_equal(emf_labels_init(&labels), 0);
    return emf_groups_init(&groups, 1);
}

static int teardown(void **state)
{
    (void)state;
    emf_groups_fini(&groups);
    emf_groups_fini(&groups);
    emf_labels_fini(&labels);
    arena_fini(&arena);
    return 0;
}

static void test_each_part_of_the_key_tells_groups_apart(void **state)
{
    (void)state;
    static const struct emf_place place_a = {.key = {1, 2}};
    static const struct emf_place place_b = {.key = {1, 3}};
    const struct emf_group_key keys[] = {
        {{1, 2}, &place_a, 5, OTLP_DATA_SUM, 0}, {{2, 2}, &place_a, 5, OTLP_DATA_SUM, 0},
        {{1, 1}, &place_a, 5, OTLP_DATA_SUM, 0}, {{1, 2}, &place_b, 5, OTLP_DATA_SUM, 0},
        {{1, 2}, &place_a, 6, OTLP_DATA_SUM, 0}, {{1, 2}, &place_a, 5, OTLP_DATA_GAUGE, 0},
        {{1, 2}, &place_a, 5, OTLP_DATA_SUM, 1},
    };
    struct emf_group *found[COUNT_OF(keys)];
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        found[i] = emf_groups_find(&groups, &keys[i], &labels, &arena);
        assert_non_null(found[i]);
        assert_int_equal(groups.group_count, i + 1);
    }
    const struct emf_group *group = groups.first;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        assert_ptr_equal(emf_groups_find(&groups, &keys[i], &labels, &arena), found[i]);
        assert_ptr_equal(group, found[i]);
        group = group->next;
    }
    assert_null(group);
    emf_groups_clear(&groups);
    arena_reset(&arena);
    assert_null(groups.first);
}

static void test_many_groups_are_found_again_and_without_memory_none_is_lost(void **state)
{
    (void)state;
    static const struct emf_place place = {.key = {1, 2}};
    static struct emf_group *found[2000];
    uint32_t refused = 0;
    for (uint32_t i = 0; i < COUNT_OF(found); i++) {
        const struct emf_group_key key = {.place = &place, .time_ms = i, .data = OTLP_DATA_SUM};
        mem_fail_nth(1); /* of the growing table, or of the arena */
        found[i] = emf_groups_find(&groups, &key, &labels, &arena);
        mem_fail_nth(0);
        refused += found[i] == NULL ? 1 : 0;
        if (found[i] == NULL) {
            found[i] = emf_groups_find(&groups, &key, &labels, &arena);
        }
        assert_non_null(found[i]);
    }
    assert_true(refused > 0);
    for (uint32_t i = 0; i < COUNT_OF(found); i++) {
        const struct emf_group_key key = {.place = &place, .time_ms = i, .data = OTLP_DATA_SUM};
        assert_ptr_equal(emf_groups_find(&groups, &key, &labels, &arena), found[i]);
    }
    assert_int_equal(groups.group_count, COUNT_OF(found));
    emf_groups_clear(&groups);
    arena_reset(&arena);
}

static void test_metrics_are_sorted_and_the_first_of_a_name_stays(void **state)
{
    (void)state;
    static char names[METRICS][16];
    struct emf_group group = {0};
    for (uint32_t i = 0; i < METRICS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%05u", i * 1009 % METRICS / 2);
        const struct emf_metric metric = {
            .name = slice_of_text(names[i]), .point_count = 1, .resolution_s = i};
        assert_non_null(emf_group_add(&group, &metric, &arena));
    }
    assert_int_equal(emf_group_finish(&group), METRICS / 2);
    assert_int_equal(group.metric_count, METRICS / 2);
    uint32_t count = 0;
    for (const struct emf_metric *m = group.first; m != NULL; m = m->next) {
        char name[16];
        (void)snprintf(name, sizeof(name), "%05u", count);
        assert_true(slice_is_text(m->name, name));
        for (uint32_t i = 0; i < m->resolution_s; i++) {
            assert_false(slice_is_text(m->name, names[i])); /* none stood before it */
        }
        assert_ptr_equal(group.last, m->next == NULL ? m : group.last);
        count++;
    }
    assert_int_equal(count, METRICS / 2);
    assert_int_equal(emf_group_finish(&group), 0);
    arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_part_of_the_key_tells_groups_apart),
        cmocka_unit_test(test_many_groups_are_found_again_and_without_memory_none_is_lost),
        cmocka_unit_test(test_metrics_are_sorted_and_the_first_of_a_name_stays),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
