/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of emf_labels: order, repetition, merging, lookups and keys.
 */
#include "codecs/emf_labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "codecs/emf.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

static struct emf_labels a;
static struct emf_labels b;
static struct emf_labels merged;
static struct bytes scratch;

static int setup(void **state)
{
    (void)state;
    bytes_init(&scratch, 1 << 20);
    assert_int_equal(emf_labels_init(&a), 0);
    assert_int_equal(emf_labels_init(&b), 0);
    assert_int_equal(emf_labels_init(&merged), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    emf_labels_fini(&a);
    emf_labels_fini(&a);
    emf_labels_fini(&b);
    emf_labels_fini(&merged);
    bytes_fini(&scratch);
    return 0;
}

static void add(struct emf_labels *labels, const char *name, const char *value)
{
    emf_labels_add(labels, slice_of_text(name), slice_of_text(value));
}

static void assert_label(const struct emf_labels *labels, uint32_t index, const char *name,
                         const char *value)
{
    assert_true(index < labels->count);
    assert_true(slice_is_text(labels->items[index].name, name));
    assert_true(slice_is_text(labels->items[index].value, value));
}

static void test_labels_are_sorted_and_the_last_of_a_name_stays(void **state)
{
    (void)state;
    add(&a, "b", "1");
    add(&a, "a", "2");
    add(&a, "b", "3");
    add(&a, "", "4");
    add(&a, "ab", "5");
    add(&a, "b", "6");
    emf_labels_finish(&a);
    assert_int_equal(a.count, 4);
    assert_label(&a, 0, "", "4");
    assert_label(&a, 1, "a", "2");
    assert_label(&a, 2, "ab", "5");
    assert_label(&a, 3, "b", "6");
}

static void test_many_labels_are_sorted_too(void **state)
{
    (void)state;
    static char names[EMF_LABELS_MAX][16];
    emf_labels_clear(&a);
    for (uint32_t i = 0; i < EMF_LABELS_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%04u", i * 389 % 512); /* each name twice */
        add(&a, names[i], i < 512 ? "first" : "second");
    }
    emf_labels_finish(&a);
    assert_int_equal(a.count, 512);
    for (uint32_t i = 0; i < a.count; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "%04u", i);
        assert_label(&a, i, name, "second");
        assert_ptr_equal(emf_label_find(a.items, a.count, slice_of_text(name)), &a.items[i]);
    }
    assert_null(emf_label_find(a.items, a.count, SLICE_LITERAL("0512")));
    assert_null(emf_label_find(a.items, 0, SLICE_LITERAL("0000")));
}

static void test_one_label_too_many_is_an_error_until_the_clear(void **state)
{
    (void)state;
    emf_labels_clear(&a);
    for (uint32_t i = 0; i < EMF_LABELS_MAX; i++) {
        add(&a, "a", "b");
    }
    assert_int_equal(a.err, 0);
    add(&a, "a", "b");
    assert_int_equal(a.err, FAULT_LIMIT);
    assert_int_equal(a.count, EMF_LABELS_MAX);
    emf_labels_clear(&a);
    assert_int_equal(a.err, 0);
}

static void test_of_two_lists_the_upper_one_wins(void **state)
{
    (void)state;
    emf_labels_clear(&a);
    emf_labels_clear(&b);
    add(&a, "x", "under");
    add(&a, "b", "under");
    add(&b, "c", "over");
    add(&b, "x", "over");
    add(&b, "z", "over");
    a.resolution_s = 1;
    emf_labels_finish(&a);
    emf_labels_finish(&b);
    emf_labels_merge(&merged, &a, &b);
    assert_int_equal(merged.count, 4);
    assert_label(&merged, 0, "b", "under");
    assert_label(&merged, 1, "c", "over");
    assert_label(&merged, 2, "x", "over");
    assert_label(&merged, 3, "z", "over");
    assert_int_equal(merged.resolution_s, 1);
}

static struct emf_key key_of_pair(const char *name, const char *value)
{
    emf_labels_clear(&a);
    add(&a, name, value);
    emf_labels_finish(&a);
    return emf_labels_key(&a, 1, &scratch);
}

static void test_keys_tell_names_from_values_and_know_no_order(void **state)
{
    (void)state;
    assert_true(emf_key_equal(key_of_pair("ab", "c"), key_of_pair("ab", "c")));
    assert_false(emf_key_equal(key_of_pair("ab", "c"), key_of_pair("a", "bc")));
    assert_false(emf_key_equal(key_of_pair("a", ""), key_of_pair("", "a")));
    emf_labels_clear(&a);
    emf_labels_clear(&b);
    add(&a, "x", "1");
    add(&a, "y", "2");
    add(&b, "y", "2");
    add(&b, "x", "1");
    emf_labels_finish(&a);
    emf_labels_finish(&b);
    assert_true(emf_key_equal(emf_labels_key(&a, 1, &scratch), emf_labels_key(&b, 1, &scratch)));
}

static void test_init_without_memory_says_so(void **state)
{
    (void)state;
    struct emf_labels labels;
    mem_fail_nth(1);
    assert_true(emf_labels_init(&labels) < 0);
    emf_labels_fini(&labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels_are_sorted_and_the_last_of_a_name_stays),
        cmocka_unit_test(test_many_labels_are_sorted_too),
        cmocka_unit_test(test_one_label_too_many_is_an_error_until_the_clear),
        cmocka_unit_test(test_of_two_lists_the_upper_one_wins),
        cmocka_unit_test(test_keys_tell_names_from_values_and_know_no_order),
        cmocka_unit_test(test_init_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
