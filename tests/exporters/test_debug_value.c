/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of debug_value: values with and without their type, numbers and times.
 */
#include "exporters/debug_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/otlp/pb_decode.h"

#define VALUE (&opentelemetry__proto__common__v1__any_value__descriptor)

static struct arena arena;
static struct bytes out;
static struct debug_text text = {.out = &out, .arena = &arena};

static int set_up(void **state)
{
    (void)state;
    bytes_init(&out, 1 << 20);
    return arena_init(&arena, 4096, 1 << 22);
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    bytes_fini(&out);
    return 0;
}

/* What was put since the last call; and begins anew. */
static void assert_put(const char *expected)
{
    bytes_append_byte(&out, 0);
    assert_int_equal(out.err, 0);
    assert_string_equal((const char *)out.ptr, expected);
    bytes_clear(&out);
}

static const struct DEBUG_COMMON(AnyValue) * decode(const void *wire, size_t len)
{
    ProtobufCMessage *message = NULL;
    arena_reset(&arena);
    assert_int_equal(pb_decode(VALUE, slice_of(wire, len), &arena, NULL, &message), 0);
    return (const struct DEBUG_COMMON(AnyValue) *)message;
}

/* Wire bytes of a value, and how it is to be shown. */
static const struct {
    const char *wire;
    size_t len;
    const char *typed;
    const char *plain;
} values[] = {
    {"", 0, "Empty()", ""},
    {"\x0A\x00", 2, "Str()", ""},
    {"\x10\x01", 2, "Bool(true)", "true"},
    {"\x18\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11, "Int(-1)", "-1"},
    {"\x21\x00\x00\x00\x00\x00\x00\xE0\x3F", 9, "Double(0.5)", "0.5"},
    {"\x21\x00\x00\x00\x00\x00\x00\xF8\x7F", 9, "Double(NaN)", "NaN"},
    {"\x21\x00\x00\x00\x00\x00\x00\xF0\xFF", 9, "Double(-Infinity)", "-Infinity"},
    /* -2.4e-6 is spelled out, 1e-7 is not */
    {"\x21\x76\x83\x0D\xF4\xF5\x21\xC4\xBE", 9, "Double(-0.0000024)", "-0.0000024"},
    {"\x21\x48\xAF\xBC\x9A\xF2\xD7\x7A\x3E", 9, "Double(1e-7)", "1e-7"},
    {"\x2A\x00", 2, "Slice([])", "[]"},
    {"\x32\x00", 2, "Map({})", "{}"},
    {"\x2A\x06\x0A\x02\x10\x01\x0A\x00", 8, "Slice([true,null])", "[true,null]"},
    {"\x3A\x02\x00\xFF", 4, "Bytes(AP8=)", "AP8="},
};

static void test_every_kind_of_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        const struct DEBUG_COMMON(AnyValue) *value = decode(values[i].wire, values[i].len);
        debug_put_typed(&text, value);
        assert_put(values[i].typed);
        debug_put_plain(&text, value);
        assert_put(values[i].plain);
    }
    debug_put_typed(&text, NULL);
    assert_put("Empty()");
}

/* A map of b: 1, a: "<", b: 2. */
static const uint8_t map_wire[] = {0x32, 29, 0x0A, 7, 0x0A, 1,    'b', 0x12, 2, 0x18, 1,
                                   0x0A, 9,  0x0A, 1, 'a',  0x12, 4,   0x0A, 2, '<',  '&',
                                   0x0A, 7,  0x0A, 1, 'b',  0x12, 2,   0x18, 2};

static void test_map_is_sorted_and_the_last_of_equal_keys_counts(void **state)
{
    (void)state;
    debug_put_typed(&text, decode(map_wire, sizeof(map_wire)));
    assert_put("Map({\"a\":\"<&\",\"b\":2})");
}

static void test_deepest_value_that_decodes_is_shown(void **state)
{
    (void)state;
    /* Lists around an empty one; each costs two levels of the decoder, AnyValue and ArrayValue. */
    uint8_t wire[512];
    char expected[256];
    size_t list_count = (PB_DEPTH_MAX - 2) / 2;
    size_t at = sizeof(wire);
    size_t len = 0;
    wire[--at] = 0;
    wire[--at] = 0x2A;
    for (size_t i = 1; i < list_count; i++) {
        len = sizeof(wire) - at;
        assert_true(len + 2 < 128);
        wire[--at] = (uint8_t)len;
        wire[--at] = 0x0A;
        wire[--at] = (uint8_t)(len + 2);
        wire[--at] = 0x2A;
    }
    memset(expected, '[', list_count);
    memset(expected + list_count, ']', list_count);
    expected[2 * list_count] = '\0';
    debug_put_plain(&text, decode(wire + at, sizeof(wire) - at));
    assert_put(expected);
}

static void test_refused_memory_sticks(void **state)
{
    (void)state;
    const struct DEBUG_COMMON(AnyValue) *value = decode(map_wire, sizeof(map_wire));
    struct arena none = {0};
    struct debug_text poor = {.out = &out, .arena = &none};
    debug_put_typed(&poor, value);
    assert_int_equal(out.err, -ENOMEM);
    bytes_clear(&out);
}

static void test_times_lose_their_trailing_zeros(void **state)
{
    (void)state;
    debug_put_time_line(&text, "at ", 0);
    assert_put("at 1970-01-01 00:00:00 +0000 UTC\n");
    debug_put_time_line(&text, "", UINT64_C(1581452772000000321));
    assert_put("2020-02-11 20:26:12.000000321 +0000 UTC\n");
    debug_put_time_line(&text, "", UINT64_C(1581452772120000000));
    assert_put("2020-02-11 20:26:12.12 +0000 UTC\n");
    debug_put_time_line(&text, "", UINT64_MAX);
    assert_put("2554-07-21 23:34:33.709551615 +0000 UTC\n");
}

static void test_numbers_short_and_fixed(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *shortest;
        const char *fixed;
    } cases[] = {
        {0.00001, "0.00001", "0.000010"},
        {0.000001, "0.000001", "0.000001"},
        {-0.00000123456789, "-0.00000123456789", "-0.000001"},
        {9.99e-7, "9.99e-7", "0.000001"},
        {1e20, "100000000000000000000", "100000000000000000000.000000"},
        {1e21, "1e21", "1000000000000000000000.000000"},
        {INFINITY, "Infinity", "+Inf"},
        {-INFINITY, "-Infinity", "-Inf"},
        {NAN, "NaN", "NaN"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        debug_put_f64(&text, cases[i].value);
        assert_put(cases[i].shortest);
        debug_put_fixed(&text, "", cases[i].value);
        assert_put(cases[i].fixed);
    }
    debug_put_fixed(&text, "x=", -1.7976931348623157e308); /* 309 digits fit */
    assert_int_equal(out.len, 2 + 1 + 309 + 7);
    bytes_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_value),
        cmocka_unit_test(test_map_is_sorted_and_the_last_of_equal_keys_counts),
        cmocka_unit_test(test_deepest_value_that_decodes_is_shown),
        cmocka_unit_test(test_refused_memory_sticks),
        cmocka_unit_test(test_times_lose_their_trailing_zeros),
        cmocka_unit_test(test_numbers_short_and_fixed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
