/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of json_out and of the buffer it writes to: escaping, commas, ill-formed text, the cap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "codecs/json_out.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

static struct bytes buffer;

static void assert_text(const char *expected)
{
    assert_int_equal(buffer.err, 0);
    assert_int_equal(buffer.len, strlen(expected));
    assert_memory_equal(buffer.ptr, expected, buffer.len);
    bytes_clear(&buffer);
}

static int setup(void **state)
{
    (void)state;
    bytes_init(&buffer, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bytes_fini(&buffer);
    return 0;
}

static void test_commas_stand_between_members_and_elements_only(void **state)
{
    (void)state;
    struct json_out out = json_out_of(&buffer);
    json_out_open(&out, '{');
    json_out_key(&out, SLICE_LITERAL("a"));
    json_out_open(&out, '[');
    json_out_i64(&out, INT64_MIN);
    json_out_u64(&out, UINT64_MAX);
    json_out_open(&out, '{');
    json_out_close(&out, '}');
    json_out_bool(&out, true);
    json_out_close(&out, ']');
    json_out_key(&out, SLICE_LITERAL("b"));
    json_out_i64_text(&out, -1);
    json_out_key(&out, SLICE_LITERAL("c"));
    json_out_u64_text(&out, 2);
    json_out_close(&out, '}');
    assert_text("{\"a\":[-9223372036854775808,18446744073709551615,{},true],\"b\":\"-1\",\"c\":"
                "\"2\"}");
}

static void test_strings_are_escaped(void **state)
{
    (void)state;
    struct json_out out = json_out_of(&buffer);
    json_out_string(&out, slice_of("a\"\\\b\f\n\r\t\0\x1f\x7f/", 12));
    assert_text("\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\x7f/\"");
    out = json_out_of(&buffer);
    json_out_string(&out, (struct slice){0});
    assert_text("\"\"");
    out = json_out_of(&buffer);
    json_out_string(&out, slice_of_text("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"));
    assert_text("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
}

#define BAD "\xEF\xBF\xBD"

static void test_ill_formed_text_is_replaced_part_by_part(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"a\x80z", "\"a" BAD "z\""},                     /* a lone continuation */
        {"\xC0\xAF", "\"" BAD BAD "\""},                 /* overlong */
        {"\xED\xA0\x80", "\"" BAD BAD BAD "\""},         /* a surrogate */
        {"\xF4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""}, /* beyond U+10FFFF */
        {"\xE2\x82", "\"" BAD "\""},                     /* cut short at the end */
        {"\xF0\x9F\x98!", "\"" BAD "!\""},               /* cut short inside */
        {"\xE0\x80\x80", "\"" BAD BAD BAD "\""},
        {"\xFF\"", "\"" BAD "\\\"\""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct json_out out = json_out_of(&buffer);
        json_out_string(&out, slice_of_text(cases[i].in));
        assert_text(cases[i].out);
    }
}

static void test_doubles_are_shortest_and_special_values_are_strings(void **state)
{
    (void)state;
    struct json_out out = json_out_of(&buffer);
    json_out_open(&out, '[');
    json_out_f64(&out, 0.1);
    json_out_f64(&out, 42);
    json_out_f64(&out, NAN);
    json_out_f64(&out, INFINITY);
    json_out_f64(&out, -INFINITY);
    json_out_close(&out, ']');
    assert_text("[0.1,42,\"NaN\",\"Infinity\",\"-Infinity\"]");
}

static void test_hex_and_base64(void **state)
{
    (void)state;
    static const char *const base64[] = {"\"\"", "\"Zg==\"", "\"Zm8=\"", "\"Zm9v\"",
                                         "\"Zm9vYg==\""};
    for (size_t i = 0; i < COUNT_OF(base64); i++) {
        struct json_out out = json_out_of(&buffer);
        json_out_base64(&out, slice_of("foob", i));
        assert_text(base64[i]);
    }
    struct json_out out = json_out_of(&buffer);
    json_out_hex(&out, slice_of("\x00\xAB\x9f", 3));
    assert_text("\"00ab9f\"");
}

static void test_buffer_holds_its_cap_and_not_one_more(void **state)
{
    (void)state;
    struct bytes small;
    bytes_init(&small, 10);
    bytes_append(&small, "0123456789", 10);
    assert_int_equal(small.err, 0);
    assert_int_equal(small.capacity_bytes, 10);
    bytes_append_byte(&small, 'x');
    assert_int_equal(small.err, FAULT_LIMIT);
    bytes_clear(&small);
    bytes_append(&small, "0123456789a", 11);
    assert_int_equal(small.err, FAULT_LIMIT);
    assert_int_equal(small.len, 0);
    bytes_append_byte(&small, 'x');
    assert_int_equal(small.len, 0); /* the error sticks */
    bytes_fini(&small);
    bytes_fini(&small);
}

static void test_buffer_survives_a_refused_allocation(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b, 1 << 20);
    bytes_append(&b, "kept", 4);
    mem_fail_nth(1);
    assert_int_equal(bytes_reserve(&b, 1 << 16), -ENOMEM);
    mem_fail_nth(0);
    assert_memory_equal(b.ptr, "kept", 4);
    assert_int_equal(bytes_reserve(&b, 1 << 16), 0);
    assert_memory_equal(b.ptr, "kept", 4);
    bytes_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commas_stand_between_members_and_elements_only),
        cmocka_unit_test(test_strings_are_escaped),
        cmocka_unit_test(test_ill_formed_text_is_replaced_part_by_part),
        cmocka_unit_test(test_doubles_are_shortest_and_special_values_are_strings),
        cmocka_unit_test(test_hex_and_base64),
        cmocka_unit_test(test_buffer_holds_its_cap_and_not_one_more),
        cmocka_unit_test(test_buffer_survives_a_refused_allocation),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
