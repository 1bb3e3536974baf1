/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of label_list: order, replacing, removing, and the limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "codecs/label_list.h"
#include "core/base/fault.h"

static struct label_list list;
static char names[LABEL_LIST_MAX_COUNT + 1][16];

static int reset(void **state)
{
    (void)state;
    list.count = 0;
    return 0;
}

static void set(const char *name, const char *value)
{
    assert_int_equal(label_list_set(&list, slice_of_text(name), slice_of_text(value)), 0);
    assert_true(label_list_is_valid(&list));
}

static void assert_value(const char *name, const char *value)
{
    struct slice got = label_list_value(&list, slice_of_text(name));
    assert_true(slice_is_text(got, value));
}

static void test_list_is_sorted_whatever_the_order(void **state)
{
    (void)state;
    set("b", "2");
    set("a", "1");
    set("c", "3");
    set("B", "4");
    assert_int_equal(list.count, 4);
    assert_int_equal(label_list_find(&list, SLICE_LITERAL("B")), 0);
    assert_int_equal(label_list_find(&list, SLICE_LITERAL("c")), 3);
    assert_int_equal(label_list_find(&list, SLICE_LITERAL("x")), list.count);
    assert_value("a", "1");
    assert_value("x", "");
}

static void test_set_replaces_and_removes(void **state)
{
    (void)state;
    set("a", "1");
    set("b", "2");
    set("a", "3");
    assert_int_equal(list.count, 2);
    assert_value("a", "3");
    set("a", "");
    set("none", "");
    assert_int_equal(list.count, 1);
    assert_value("b", "2");
    label_list_remove(&list, SLICE_LITERAL("none"));
    label_list_remove(&list, SLICE_LITERAL("b"));
    assert_int_equal(list.count, 0);
}

static void test_add_keeps_empty_values_and_refuses_a_name_twice(void **state)
{
    (void)state;
    assert_int_equal(label_list_add(&list, SLICE_LITERAL("b"), SLICE_LITERAL("")), 0);
    assert_int_equal(label_list_add(&list, SLICE_LITERAL("a"), SLICE_LITERAL("1")), 0);
    assert_int_equal(label_list_add(&list, SLICE_LITERAL("b"), SLICE_LITERAL("2")),
                     FAULT_MALFORMED);
    assert_int_equal(list.count, 2);
    label_list_remove_empty(&list);
    assert_int_equal(list.count, 1);
    assert_value("a", "1");
}

static void test_list_takes_labels_up_to_the_limit(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= LABEL_LIST_MAX_COUNT; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "l%u", (i * 37) % 1000);
        int err = label_list_set(&list, slice_of_text(names[i]), SLICE_LITERAL("v"));
        assert_int_equal(err, i < LABEL_LIST_MAX_COUNT ? 0 : FAULT_LIMIT);
    }
    assert_int_equal(list.count, LABEL_LIST_MAX_COUNT);
    assert_true(label_list_is_valid(&list));
    /* What is there can still be replaced. */
    set(names[7], "w");
}

static void test_validity_sees_disorder(void **state)
{
    (void)state;
    set("a", "1");
    set("b", "1");
    struct label first = list.items[0];
    list.items[0] = list.items[1];
    list.items[1] = first;
    assert_false(label_list_is_valid(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_list_is_sorted_whatever_the_order, reset),
        cmocka_unit_test_setup(test_set_replaces_and_removes, reset),
        cmocka_unit_test_setup(test_add_keeps_empty_values_and_refuses_a_name_twice, reset),
        cmocka_unit_test_setup(test_list_takes_labels_up_to_the_limit, reset),
        cmocka_unit_test_setup(test_validity_sees_disorder, reset),
    };
    return cmocka_run_group_tests_name("label_list", tests, NULL, NULL);
}
