/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of prom_labels: which label counts, in which order they stand, and what is kept in mind.
 */
#include "codecs/prom_labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

static struct prom_labels labels;

static int set_up(void **state)
{
    (void)state;
    prom_labels_init(&labels);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    prom_labels_fini(&labels);
    return 0;
}

static void add(enum prom_label_source source, const char *name, const char *value)
{
    prom_labels_add(&labels, source, slice_of_text(name), slice_of_text(value));
}

static void assert_text(enum prom_reserved reserved, const char *expected)
{
    struct slice text;
    assert_int_equal(prom_labels_finish(&labels, reserved, &text), 0);
    if (!slice_is_text(text, expected)) {
        fail_msg("%.*s", (int)text.len, (const char *)text.ptr);
    }
}

static void test_no_labels_are_no_text(void **state)
{
    (void)state;
    struct prom_labels_wire wire;
    assert_text(PROM_RESERVED_NONE, "");
    assert_int_equal(prom_labels_finish_wire(&labels, PROM_RESERVED_LE, &wire), 0);
    assert_int_equal(wire.bytes.len, 0);
    assert_int_equal(wire.name_at, 0);
    assert_int_equal(wire.reserved_at, 0);
}

static void test_the_nearest_source_counts(void **state)
{
    (void)state;
    add(PROM_LABEL_CONST, "a", "const");
    add(PROM_LABEL_RESOURCE, "a", "resource");
    add(PROM_LABEL_POINT, "a", "point");
    add(PROM_LABEL_CONST, "b", "const");
    add(PROM_LABEL_OWN, "b", "own");
    add(PROM_LABEL_POINT, "b", "point");
    assert_text(PROM_RESERVED_NONE, "a=\"point\",b=\"own\"");
}

static void test_values_of_one_source_are_joined(void **state)
{
    (void)state;
    add(PROM_LABEL_POINT, "a.b", "1");
    add(PROM_LABEL_POINT, "a b", "");
    add(PROM_LABEL_POINT, "a/b", "\"2\"");
    add(PROM_LABEL_POINT, "a_b", "3");
    add(PROM_LABEL_RESOURCE, "a_b", "4");
    assert_text(PROM_RESERVED_NONE, "a_b=\"1;\\\"2\\\";3\"");
}

static void test_reserved_names_are_exported_where_they_belong(void **state)
{
    (void)state;
    add(PROM_LABEL_POINT, "le", "x");
    add(PROM_LABEL_POINT, "f", "y");
    add(PROM_LABEL_POINT, "quantile", "z");
    assert_text(PROM_RESERVED_LE, "exported_le=\"x\",f=\"y\",quantile=\"z\"");
    assert_text(PROM_RESERVED_QUANTILE, "exported_quantile=\"z\",f=\"y\",le=\"x\"");
    assert_text(PROM_RESERVED_NONE, "f=\"y\",le=\"x\",quantile=\"z\"");
}

static void test_wire_form_says_where_two_more_belong(void **state)
{
    (void)state;
    static const char expected[] = "\x0A\x06\x0A\x01"
                                   "Z\x12\x01"
                                   "1\x0A\x06\x0A\x01"
                                   "a\x12\x01"
                                   "2\x0A\x06\x0A\x01"
                                   "m\x12\x01"
                                   "3";
    struct prom_labels_wire wire;
    add(PROM_LABEL_POINT, "m", "3");
    add(PROM_LABEL_POINT, "Z", "1");
    add(PROM_LABEL_POINT, "b", "");
    add(PROM_LABEL_POINT, "a", "2");
    assert_int_equal(prom_labels_finish_wire(&labels, PROM_RESERVED_LE, &wire), 0);
    assert_int_equal(wire.bytes.len, sizeof(expected) - 1);
    assert_memory_equal(wire.bytes.ptr, expected, sizeof(expected) - 1);
    assert_int_equal(wire.name_at, 8);
    assert_int_equal(wire.reserved_at, 16);
    assert_int_equal(prom_labels_finish_wire(&labels, PROM_RESERVED_QUANTILE, &wire), 0);
    assert_int_equal(wire.reserved_at, 24);
}

static void test_a_rewind_takes_back_labels_and_errors(void **state)
{
    (void)state;
    struct slice text;
    char name[16];
    add(PROM_LABEL_RESOURCE, "a", "1");
    struct prom_labels_mark mark = prom_labels_mark(&labels);
    for (int i = 0; i < PROM_LABELS_MAX_COUNT; i++) {
        (void)snprintf(name, sizeof(name), "l%d", i);
        add(PROM_LABEL_POINT, name, "x");
    }
    assert_int_equal(prom_labels_finish(&labels, PROM_RESERVED_NONE, &text), FAULT_LIMIT);
    prom_labels_rewind(&labels, mark);
    assert_text(PROM_RESERVED_NONE, "a=\"1\"");
}

static void test_what_went_wrong_before_the_mark_stays(void **state)
{
    (void)state;
    struct slice text;
    mem_fail_nth(1);
    add(PROM_LABEL_RESOURCE, "a", "1");
    mem_fail_nth(0);
    struct prom_labels_mark mark = prom_labels_mark(&labels);
    add(PROM_LABEL_POINT, "b", "2");
    prom_labels_rewind(&labels, mark);
    assert_int_equal(prom_labels_finish(&labels, PROM_RESERVED_NONE, &text), -ENOMEM);
    prom_labels_rewind(&labels, (struct prom_labels_mark){0});
    add(PROM_LABEL_POINT, "b", "2");
    assert_text(PROM_RESERVED_NONE, "b=\"2\"");
}

static void test_too_much_text_is_a_limit(void **state)
{
    (void)state;
    static uint8_t value[PROM_LABELS_MAX_BYTES];
    struct slice text;
    memset(value, 'v', sizeof(value));
    /* `a="…"` is four bytes more than name and value. */
    prom_labels_add(&labels, PROM_LABEL_POINT, SLICE_LITERAL("a"),
                    slice_of(value, sizeof(value) - 4));
    assert_int_equal(prom_labels_finish(&labels, PROM_RESERVED_NONE, &text), 0);
    assert_int_equal(text.len, sizeof(value));
    prom_labels_rewind(&labels, (struct prom_labels_mark){0});
    prom_labels_add(&labels, PROM_LABEL_POINT, SLICE_LITERAL("a"),
                    slice_of(value, sizeof(value) - 3));
    assert_int_equal(prom_labels_finish(&labels, PROM_RESERVED_NONE, &text), FAULT_LIMIT);
}

static void test_characters_are_counted_not_bytes(void **state)
{
    (void)state;
    add(PROM_LABEL_POINT, "a", "\xC3\xA4\xE2\x82\xAC");
    assert_int_equal(prom_labels_characters(&labels), 3);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_labels_are_no_text),
        TEST(test_the_nearest_source_counts),
        TEST(test_values_of_one_source_are_joined),
        TEST(test_reserved_names_are_exported_where_they_belong),
        TEST(test_wire_form_says_where_two_more_belong),
        TEST(test_a_rewind_takes_back_labels_and_errors),
        TEST(test_what_went_wrong_before_the_mark_stays),
        TEST(test_too_much_text_is_a_limit),
        TEST(test_characters_are_counted_not_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
