/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/base/cursor: values, order, stickiness, ends.
 */
#include "core/base/cursor.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/fault.h"

static const uint8_t counting[] = {1, 2, 3, 4, 5, 6, 7, 8};

static void test_integers_read_in_both_orders(void **state)
{
    (void)state;
    struct slice bytes = slice_of(counting, sizeof(counting));
    struct cursor c = cursor_of(bytes);
    assert_int_equal(cursor_u8(&c), 1);
    assert_int_equal(cursor_u16_be(&c), 0x0203);
    assert_int_equal(cursor_u32_be(&c), 0x04050607);
    assert_int_equal(cursor_remaining(&c), 1);
    c = cursor_of(bytes);
    assert_int_equal(cursor_u16_le(&c), 0x0201);
    assert_int_equal(cursor_u32_le(&c), 0x06050403);
    assert_int_equal(cursor_remaining(&c), 2);
    c = cursor_of(bytes);
    assert_true(cursor_u64_be(&c) == UINT64_C(0x0102030405060708));
    assert_int_equal(c.err, 0);
    c = cursor_of(bytes);
    assert_true(cursor_u64_le(&c) == UINT64_C(0x0807060504030201));
    assert_int_equal(cursor_remaining(&c), 0);
}

static void test_failed_cursor_yields_zeros_and_never_moves(void **state)
{
    (void)state;
    struct cursor c = cursor_of(slice_of(counting, sizeof(counting)));
    cursor_skip(&c, 5);
    const uint8_t *at = c.next;
    assert_int_equal(cursor_u32_be(&c), 0);
    assert_int_equal(c.err, FAULT_TRUNCATED);
    assert_int_equal(cursor_u8(&c), 0);
    assert_int_equal(cursor_varint(&c), 0);
    assert_int_equal(cursor_take(&c, 0).len, 0);
    assert_null(cursor_take(&c, 1).ptr);
    cursor_skip(&c, 1);
    assert_ptr_equal(c.next, at);
    assert_int_equal(cursor_remaining(&c), 3);
    cursor_fail(&c, FAULT_MALFORMED);
    assert_int_equal(c.err, FAULT_TRUNCATED);
}

static void test_take_reaches_the_end_and_not_beyond(void **state)
{
    (void)state;
    struct cursor c = cursor_of(slice_of(counting, sizeof(counting)));
    assert_int_equal(cursor_take(&c, 8).len, 8);
    assert_int_equal(cursor_take(&c, 0).len, 0);
    assert_int_equal(c.err, 0);
    assert_int_equal(cursor_take(&c, SIZE_MAX).len, 0);
    assert_int_equal(c.err, FAULT_TRUNCATED);
    struct cursor empty = cursor_of((struct slice){0});
    assert_int_equal(cursor_take(&empty, 0).len, 0);
    assert_int_equal(empty.err, 0);
    assert_int_equal(cursor_varint(&empty), 0);
    assert_int_equal(empty.err, FAULT_TRUNCATED);
}

static void check_varint(const void *bytes, size_t len, uint64_t value, int err)
{
    struct cursor c = cursor_of(slice_of(bytes, len));
    assert_true(cursor_varint(&c) == value);
    assert_int_equal(c.err, err);
    assert_int_equal(cursor_remaining(&c), err == 0 ? 0 : len);
}

static void test_varint_limits(void **state)
{
    (void)state;
    check_varint("\x00", 1, 0, 0);
    check_varint("\x7f", 1, 127, 0);
    check_varint("\x80\x01", 2, 128, 0);
    check_varint("\xac\x02", 2, 300, 0);
    check_varint("\x80\x00", 2, 0, 0); /* longer than needed, as protobuf allows */
    check_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, UINT64_MAX, 0);
    check_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, 0, FAULT_MALFORMED);
    check_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11, 0, FAULT_MALFORMED);
    check_varint("\x80", 1, 0, FAULT_TRUNCATED);
    check_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9, 0, FAULT_TRUNCATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_read_in_both_orders),
        cmocka_unit_test(test_failed_cursor_yields_zeros_and_never_moves),
        cmocka_unit_test(test_take_reaches_the_end_and_not_beyond),
        cmocka_unit_test(test_varint_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
