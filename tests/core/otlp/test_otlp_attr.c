/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of otlp_attr and of the steps of otlp_field below it: values of every kind are read as they
 * are written, and a list changes what it was told to change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_attr.h"
#include "core/otlp/otlp_build.h"
#include "core/otlp/otlp_edit.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    return arena_init(&arena, 65536, 1 << 22);
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static struct otlp_value text_value(const char *text)
{
    return (struct otlp_value){.kind = OTLP_VALUE_STRING, .bytes = slice_of_text(text)};
}

static struct otlp_value int_value(int64_t integer)
{
    return (struct otlp_value){.kind = OTLP_VALUE_INT, .integer = integer};
}

static void test_every_kind_is_read_as_it_was_written(void **state)
{
    (void)state;
    static const struct otlp_value values[] = {
        {.kind = OTLP_VALUE_EMPTY},
        {.kind = OTLP_VALUE_STRING, .bytes = {.ptr = (const uint8_t *)"text", .len = 4}},
        {.kind = OTLP_VALUE_STRING},
        {.kind = OTLP_VALUE_BOOL, .boolean = true},
        {.kind = OTLP_VALUE_BOOL, .boolean = false},
        {.kind = OTLP_VALUE_INT, .integer = 0},
        {.kind = OTLP_VALUE_INT, .integer = -1},
        {.kind = OTLP_VALUE_INT, .integer = INT64_MAX},
        {.kind = OTLP_VALUE_DOUBLE, .number = 0.5},
        {.kind = OTLP_VALUE_DOUBLE, .number = -0.0},
        {.kind = OTLP_VALUE_ARRAY, .bytes = {.ptr = (const uint8_t *)"\x0A\x02\x18\x05", .len = 4}},
        {.kind = OTLP_VALUE_KVLIST,
         .bytes = {.ptr = (const uint8_t *)"\x0A\x02\x0A\x00", .len = 4}},
        {.kind = OTLP_VALUE_BYTES, .bytes = {.ptr = (const uint8_t *)"\0\xFF", .len = 2}},
    };
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct slice bytes = otlp_attr_encode(&arena, 16, SLICE_LITERAL("key"), &values[i]);
        struct pb_reader in = pb_reader_of(bytes);
        struct otlp_attr attr;
        assert_true(otlp_attr_next(&in, 16, &attr));
        assert_true(slice_is_text(attr.key, "key"));
        assert_true(otlp_value_equal(&attr.value, &values[i]));
        assert_true(slice_equal(attr.whole, bytes));
        assert_false(otlp_attr_next(&in, 16, &attr));
        for (size_t k = 0; k < i; k++) {
            assert_false(otlp_value_equal(&values[i], &values[k]));
        }
    }
}

static void test_of_a_value_given_twice_the_last_member_counts(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x12, 0x02, 0x18, 0x05, 0x0A, 0x01, 'a',  0x12, 0x05, 0x0A,
                                    0x01, 't',  0x10, 0x01, 0x12, 0x00, 0x0A, 0x01, 'k'};
    struct otlp_attr attr = otlp_attr_read(slice_of(bytes, sizeof(bytes)));
    assert_true(slice_is_text(attr.key, "k"));
    assert_int_equal(attr.value.kind, OTLP_VALUE_BOOL);
    assert_true(attr.value.boolean);
}

/* A message whose field 5 is a=1, field 9 attributes a, b, a. */
static struct slice three_attrs(uint8_t *buf, size_t cap)
{
    struct otlp_build b;
    otlp_build_init(&b, buf, cap);
    otlp_build_attribute(&b, 0x4A, SLICE_LITERAL("a"), SLICE_LITERAL("3"));
    otlp_build_attribute(&b, 0x4A, SLICE_LITERAL("b"), SLICE_LITERAL("2"));
    otlp_build_text_field(&b, 0x2A, SLICE_LITERAL("name"));
    otlp_build_attribute(&b, 0x4A, SLICE_LITERAL("a"), SLICE_LITERAL("1"));
    assert_int_equal(b.err, 0);
    return otlp_build_since(&b, 0);
}

static void test_find_meets_the_first_one(void **state)
{
    (void)state;
    uint8_t buf[128];
    struct slice message = three_attrs(buf, sizeof(buf));
    struct otlp_attr attr;
    assert_true(otlp_attr_find(message, 9, SLICE_LITERAL("a"), &attr));
    assert_true(slice_is_text(attr.value.bytes, "1"));
    assert_false(otlp_attr_find(message, 9, SLICE_LITERAL("c"), &attr));
    assert_false(otlp_attr_find(message, 8, SLICE_LITERAL("a"), &attr));
}

/* "key=value," of each attribute, in order. */
static void assert_attrs(struct slice message, const char *expected)
{
    char text[256];
    size_t len = 0;
    struct pb_reader in = pb_reader_of(message);
    struct otlp_attr attr;
    while (otlp_attr_next(&in, 9, &attr)) {
        assert_int_equal(attr.value.kind, OTLP_VALUE_STRING);
        memcpy(text + len, attr.key.ptr, attr.key.len);
        len += attr.key.len;
        text[len++] = '=';
        memcpy(text + len, attr.value.bytes.ptr, attr.value.bytes.len);
        len += attr.value.bytes.len;
        text[len++] = ',';
    }
    text[len] = '\0';
    assert_string_equal(text, expected);
}

static void assert_flushed(struct otlp_attr_list *list, struct slice message, const char *expected)
{
    struct otlp_edit e;
    struct slice out = {0};
    struct otlp_field name;
    void *memory = NULL;
    otlp_edit_init(&e, &arena, message);
    otlp_attr_list_flush(list, &e);
    assert_int_equal(otlp_edit_finish(&e, &out, &memory), 0);
    assert_attrs(out, expected);
    assert_true(otlp_field_find(out, 5, &name));
    mem_free(memory);
}

static void test_list_changes_what_it_is_told(void **state)
{
    (void)state;
    uint8_t buf[128];
    struct slice message = three_attrs(buf, sizeof(buf));
    struct otlp_attr_list list;
    otlp_attr_list_init(&list, &arena);

    assert_int_equal(otlp_attr_list_load(&list, message, 9), 0);
    assert_flushed(&list, message, "a=1,b=2,a=3,");

    assert_int_equal(otlp_attr_list_load(&list, message, 9), 0);
    assert_int_equal(otlp_attr_list_put(&list, SLICE_LITERAL("b"), text_value("long text")), 0);
    assert_int_equal(otlp_attr_list_put(&list, SLICE_LITERAL("c"), text_value("new")), 0);
    assert_int_equal(otlp_attr_list_put(&list, SLICE_LITERAL("c"), text_value("newer")), 0);
    assert_flushed(&list, message, "a=1,b=long text,a=3,c=newer,");

    assert_int_equal(otlp_attr_list_load(&list, message, 9), 0);
    otlp_attr_list_remove(&list, otlp_attr_list_find(&list, SLICE_LITERAL("a")));
    assert_int_equal(otlp_attr_list_put(&list, SLICE_LITERAL("d"), text_value("x")), 0);
    otlp_attr_list_remove(&list, otlp_attr_list_find(&list, SLICE_LITERAL("d")));
    assert_null(otlp_attr_list_find(&list, SLICE_LITERAL("d")));
    otlp_attr_list_set(&list, otlp_attr_list_find(&list, SLICE_LITERAL("a")), text_value(""));
    assert_flushed(&list, message, "b=2,a=,");
}

static void test_an_equal_value_is_no_change(void **state)
{
    (void)state;
    uint8_t buf[128];
    struct slice message = three_attrs(buf, sizeof(buf));
    struct otlp_attr_list list;
    struct otlp_edit e;
    otlp_attr_list_init(&list, &arena);
    assert_int_equal(otlp_attr_list_load(&list, message, 9), 0);
    assert_int_equal(otlp_attr_list_put(&list, SLICE_LITERAL("b"), text_value("2")), 0);
    otlp_edit_init(&e, &arena, message);
    otlp_attr_list_flush(&list, &e);
    assert_false(otlp_edit_is_changed(&e));
}

static void test_lists_grow_and_are_limited_by_the_arena(void **state)
{
    (void)state;
    static const char keys[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    struct otlp_attr_list list;
    struct arena small;
    assert_int_equal(arena_init(&small, 16, 64 * sizeof(struct otlp_attr)), 0);
    otlp_attr_list_init(&list, &small);
    assert_int_equal(otlp_attr_list_load(&list, (struct slice){0}, 9), 0);
    for (uint32_t i = 0; i < 32; i++) {
        assert_int_equal(otlp_attr_list_put(&list, slice_of(keys + i, 1), int_value(i)), 0);
    }
    assert_int_equal(otlp_attr_list_put(&list, slice_of(keys + 32, 1), int_value(32)), FAULT_LIMIT);
    for (uint32_t i = 0; i < 32; i++) {
        struct otlp_attr *attr = otlp_attr_list_find(&list, slice_of(keys + i, 1));
        assert_non_null(attr);
        assert_int_equal(attr->value.integer, i);
    }
    static const uint8_t large[8192];
    struct otlp_value value = {.kind = OTLP_VALUE_BYTES, .bytes = {.ptr = large, .len = 8192}};
    assert_null(otlp_attr_encode(&small, 9, slice_of(keys, 36), &value).ptr);
    arena_fini(&small);
}

static void test_numbers_of_fields_are_read(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x08, 0x96, 0x01, 0x15, 1, 0,    0,    0x80, 0x19, 2,   0,
                                    0,    0,    0,    0,    0, 0x80, 0x08, 0x07, 0x22, 0x00};
    struct otlp_field field;
    struct slice message = slice_of(bytes, sizeof(bytes));
    assert_true(otlp_field_find(message, 1, &field));
    assert_int_equal(otlp_field_u64(&field), 7); /* the last one */
    assert_true(otlp_field_find(message, 2, &field));
    assert_int_equal(otlp_field_u64(&field), 0x80000001);
    assert_true(otlp_field_find(message, 3, &field));
    assert_true(otlp_field_u64(&field) == UINT64_C(0x8000000000000002));
    assert_true(otlp_field_find(message, 4, &field));
    assert_int_equal(otlp_field_u64(&field), 0);
    assert_false(otlp_field_find(message, 5, &field));
    assert_int_equal(field.whole.len, 0);
    assert_ptr_equal(field.whole.ptr, bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_is_read_as_it_was_written),
        cmocka_unit_test(test_of_a_value_given_twice_the_last_member_counts),
        cmocka_unit_test(test_find_meets_the_first_one),
        cmocka_unit_test(test_list_changes_what_it_is_told),
        cmocka_unit_test(test_an_equal_value_is_no_change),
        cmocka_unit_test(test_lists_grow_and_are_limited_by_the_arena),
        cmocka_unit_test(test_numbers_of_fields_are_read),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
