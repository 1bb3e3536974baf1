/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of core/processors/resource_detected: what is put in is found again, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/processors/resource_detected.h"

#define KEY(text) SLICE_LITERAL(text)

static void assert_text(const struct resource_detected *detected, struct slice key,
                        const char *text)
{
    const struct resource_detected_attr *attr = resource_detected_find(detected, key);
    assert_non_null(attr);
    assert_int_equal(attr->value.kind, OTLP_VALUE_STRING);
    assert_true(slice_is_text(attr->value.bytes, text));
}

static void test_put_replaces_and_keeps_the_place(void **state)
{
    (void)state;
    struct resource_detected detected = {0};
    char text[] = "one";
    assert_int_equal(resource_detected_put(&detected, KEY("a"), slice_of_text(text)), 0);
    memcpy(text, "xxx", 3); /* it was copied */
    assert_int_equal(resource_detected_put(&detected, KEY("b"), KEY("two")), 0);
    assert_text(&detected, KEY("a"), "one");
    assert_int_equal(resource_detected_put(&detected, KEY("a"), KEY("three")), 0);
    assert_text(&detected, KEY("a"), "three");
    assert_int_equal(detected.count, 2);
    assert_true(slice_is_text(detected.first->key, "a"));
    assert_true(slice_is_text(detected.last->key, "b"));
    assert_null(resource_detected_find(&detected, KEY("c")));
    resource_detected_fini(&detected);
    resource_detected_fini(&detected);
    assert_int_equal(detected.count, 0);
}

static void test_a_list_is_an_array_in_order(void **state)
{
    (void)state;
    struct resource_detected detected = {0};
    const struct slice texts[] = {KEY("x"), KEY(""), KEY("yz")};
    static const uint8_t expected[] = {0x0A, 3,    0x0A, 1,    'x', 0x0A, 2,  0x0A,
                                       0,    0x0A, 4,    0x0A, 2,   'y',  'z'};
    assert_int_equal(resource_detected_put_list(&detected, KEY("l"), texts, 3), 0);
    const struct resource_detected_attr *attr = resource_detected_find(&detected, KEY("l"));
    assert_int_equal(attr->value.kind, OTLP_VALUE_ARRAY);
    assert_true(slice_equal(attr->value.bytes, slice_of(expected, sizeof(expected))));
    assert_int_equal(resource_detected_put_list(&detected, KEY("none"), texts, 0), 0);
    assert_int_equal(resource_detected_find(&detected, KEY("none"))->value.bytes.len, 0);
    resource_detected_fini(&detected);
}

static void test_merge_lets_the_first_one_win(void **state)
{
    (void)state;
    struct resource_detected first = {0};
    struct resource_detected second = {0};
    assert_int_equal(resource_detected_put(&first, KEY("a"), KEY("1")), 0);
    assert_int_equal(resource_detected_put(&second, KEY("a"), KEY("2")), 0);
    assert_int_equal(resource_detected_put(&second, KEY("b"), KEY("3")), 0);
    assert_int_equal(resource_detected_merge(&first, second.first), 0);
    assert_int_equal(resource_detected_merge(&first, second.last), 0);
    resource_detected_fini(&second); /* it was copied */
    assert_text(&first, KEY("a"), "1");
    assert_text(&first, KEY("b"), "3");
    resource_detected_fini(&first);
}

static void test_limits_and_bad_bytes(void **state)
{
    (void)state;
    struct resource_detected detected = {0};
    static uint8_t large[RESOURCE_DETECTED_MAX_BYTES + 1];
    const struct slice bad = {(const uint8_t *)"\xff", 1};
    memset(large, 'x', sizeof(large));
    assert_int_equal(resource_detected_put(&detected, KEY("a"), bad), FAULT_MALFORMED);
    assert_int_equal(resource_detected_put(&detected, bad, KEY("a")), FAULT_MALFORMED);
    assert_int_equal(resource_detected_put_list(&detected, KEY("a"), &bad, 1), FAULT_MALFORMED);
    assert_int_equal(resource_detected_put(&detected, KEY("a"), slice_of(large, sizeof(large))),
                     FAULT_LIMIT);
    assert_int_equal(detected.count, 0);
    assert_int_equal(resource_detected_put(&detected, KEY("a"), slice_of(large, sizeof(large) / 2)),
                     0);
    assert_int_equal(resource_detected_put(&detected, KEY("b"), slice_of(large, sizeof(large) / 2)),
                     FAULT_LIMIT);
    assert_int_equal(detected.count, 1);
    resource_detected_fini(&detected);
}

static void test_refused_memory_adds_nothing(void **state)
{
    (void)state;
    struct resource_detected detected = {0};
    mem_fail_nth(1);
    assert_int_equal(resource_detected_put(&detected, KEY("a"), KEY("1")), -ENOMEM);
    mem_fail_nth(1);
    assert_int_equal(resource_detected_put_list(&detected, KEY("a"), NULL, 0), -ENOMEM);
    mem_fail_nth(0);
    assert_int_equal(detected.count, 0);
    assert_int_equal(resource_detected_put(&detected, KEY("a"), KEY("1")), 0);
    resource_detected_fini(&detected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_replaces_and_keeps_the_place),
        cmocka_unit_test(test_a_list_is_an_array_in_order),
        cmocka_unit_test(test_merge_lets_the_first_one_win),
        cmocka_unit_test(test_limits_and_bad_bytes),
        cmocka_unit_test(test_refused_memory_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
