/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/base/number: against the C library on random text, round trips, the edges of each
 * tier.
 */
#include "core/base/number.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/fault.h"

static uint64_t seed = 42;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* The C library is the oracle; it rounds correctly. `text` is terminated. */
static void check_against_library(const char *text)
{
    double expected = strtod(text, NULL);
    double value = 0.125;
    int err = number_parse_f64(slice_of_text(text), &value);
    if (isinf(expected)) {
        assert_int_equal(err, FAULT_OVERFLOW);
        assert_true(value == 0.125);
        return;
    }
    if (err != 0 || bits_of(value) != bits_of(expected)) {
        print_error("text: %s, fault %d, %a instead of %a\n", text, err, value, expected);
    }
    assert_int_equal(err, 0);
    assert_true(bits_of(value) == bits_of(expected));
}

static size_t put_random_digits(char *at, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        at[i] = (char)('0' + next_random() % 10);
    }
    return (size_t)count;
}

static void make_random_text(char *text)
{
    size_t len = 0;
    uint64_t sign = next_random() % 4;
    if (sign < 2) {
        text[len++] = "+-"[sign];
    }
    len += put_random_digits(text + len, 1 + next_random() % (next_random() % 8 == 0 ? 40 : 12));
    if (next_random() % 2 == 0) {
        text[len++] = '.';
        len += put_random_digits(text + len, next_random() % (next_random() % 8 == 0 ? 40 : 12));
    }
    uint64_t shape = next_random() % 8;
    if (shape == 0) {
        len += (size_t)snprintf(text + len, 16, "e%d", (int)(next_random() % 700) - 350);
    } else if (shape < 3) {
        len += (size_t)snprintf(text + len, 16, "E%+d", (int)(next_random() % 50) - 25);
    }
    text[len] = '\0';
}

static void test_parse_agrees_with_the_library_on_random_text(void **state)
{
    (void)state;
    char text[128];
    for (int i = 0; i < 200000; i++) {
        make_random_text(text);
        check_against_library(text);
    }
}

static void test_parse_agrees_with_the_library_on_printed_doubles(void **state)
{
    (void)state;
    char text[128];
    for (int i = 0; i < 50000; i++) {
        double value = double_of(next_random());
        if (isfinite(value)) {
            (void)snprintf(text, sizeof(text), "%.17g", value);
            check_against_library(text);
        }
        value = (double)(next_random() >> 11) / 9007199254740992.0;
        (void)snprintf(text, sizeof(text), "%.*f", (int)(15 + next_random() % 5), value);
        check_against_library(text);
    }
}

static void test_parse_rounds_ties_and_limits(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        ".5",
        "5.",
        "+.5e1",
        "007",
        "9007199254740992",
        "9007199254740993",
        "900719925474099.3",
        "9007199254740992e22",
        "9007199254740993e-22",
        "9999999999999999999",
        "18446744073709551615",
        "18446744073709551616",
        "0.9999999999999999999",
        "9.007199254740993",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1e309",
        "-1e400",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "1e-400",
        "-1e-400",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "0e99999999999999999999",
        "0.00000000000000000000000000000000000000000000001e47",
        "100000000000000000000000000000000000000000000000e-47",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        check_against_library(texts[i]);
    }
}

static void test_parse_very_long_text_exactly(void **state)
{
    (void)state;
    static char text[70000];
    /* Halfway between 1 and the next double, decided by a digit far behind what is kept. */
    const char *half = "1.00000000000000011102230246251565404236316680908203125";
    size_t len = (size_t)snprintf(text, sizeof(text), "%s", half);
    check_against_library(text);
    memset(text + len, '0', 60000);
    text[len + 60000] = '\0';
    check_against_library(text);
    double value = 0;
    assert_int_equal(number_parse_f64(slice_of_text(text), &value), 0);
    assert_true(value == 1.0);
    text[len + 59999] = '1';
    assert_int_equal(number_parse_f64(slice_of_text(text), &value), 0);
    assert_true(value > 1.0);
    /* Digits and exponent that cancel out. */
    text[0] = '1';
    memset(text + 1, '0', 60000);
    (void)snprintf(text + 60001, 16, "e-60000");
    check_against_library(text);
    memset(text, '9', 310);
    text[310] = '\0';
    check_against_library(text);
    text[309] = '\0';
    check_against_library(text);
    text[308] = '\0';
    check_against_library(text);
}

static void test_parse_refuses_what_is_no_decimal(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",      "+",    "-",  ".",    "-.",   "e5",  ".e5",  "1e",  "1e+",      "1e-",   "--1",
        "+-1",   "1 ",   " 1", "1_0",  "0x10", "nan", "NaN",  "inf", "Infinity", "1.2.3", "1,5",
        "1e5.0", "1e5e", "1f", "1e 5", "-e1",  "1..", "\xb1", "1\t", "0b1",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        double value = 7;
        assert_int_equal(number_parse_f64(slice_of_text(texts[i]), &value), FAULT_MALFORMED);
        assert_true(value == 7);
    }
    double value = 7;
    assert_int_equal(number_parse_f64(slice_of("1\0002", 3), &value), FAULT_MALFORMED);
    assert_int_equal(number_parse_f64((struct slice){0}, &value), FAULT_MALFORMED);
}

static void test_parse_never_reads_past_the_slice(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "12345", "-", "1.", "1e", "1e+", "1e5", ".", "+.5", "123456789012345678901234567890"};
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages =
        mmap(NULL, 2 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page_bytes, page_bytes, PROT_NONE), 0);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        size_t len = strlen(texts[i]);
        uint8_t *at = pages + page_bytes - len;
        memcpy(at, texts[i], len);
        double value = 0;
        double expected = 0;
        uint64_t integer = 0;
        int64_t negative = 0;
        int err = number_parse_f64(slice_of(at, len), &value);
        assert_int_equal(err, number_parse_f64(slice_of_text(texts[i]), &expected));
        assert_true(value == expected);
        err = number_parse_u64(slice_of(at, len), &integer);
        assert_int_equal(err, number_parse_u64(slice_of_text(texts[i]), &integer));
        err = number_parse_i64(slice_of(at, len), &negative);
        assert_int_equal(err, number_parse_i64(slice_of_text(texts[i]), &negative));
    }
    assert_int_equal(munmap(pages, 2 * page_bytes), 0);
}

static void test_parse_integers_up_to_their_limits(void **state)
{
    (void)state;
    uint64_t u = 0;
    int64_t i = 0;
    assert_int_equal(number_parse_u64(SLICE_LITERAL("18446744073709551615"), &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(number_parse_u64(SLICE_LITERAL("18446744073709551616"), &u), FAULT_OVERFLOW);
    assert_int_equal(number_parse_u64(SLICE_LITERAL("99999999999999999999"), &u), FAULT_OVERFLOW);
    assert_int_equal(number_parse_u64(SLICE_LITERAL("000000000000000000000012"), &u), 0);
    assert_true(u == 12);
    assert_int_equal(number_parse_u64(SLICE_LITERAL("+1"), &u), FAULT_MALFORMED);
    assert_int_equal(number_parse_u64(SLICE_LITERAL(""), &u), FAULT_MALFORMED);
    assert_int_equal(number_parse_u64(SLICE_LITERAL("99999999999999999999x"), &u), FAULT_MALFORMED);
    assert_int_equal(number_parse_i64(SLICE_LITERAL("-9223372036854775808"), &i), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(number_parse_i64(SLICE_LITERAL("-9223372036854775809"), &i), FAULT_OVERFLOW);
    assert_int_equal(number_parse_i64(SLICE_LITERAL("+9223372036854775807"), &i), 0);
    assert_true(i == INT64_MAX);
    assert_int_equal(number_parse_i64(SLICE_LITERAL("9223372036854775808"), &i), FAULT_OVERFLOW);
    assert_int_equal(number_parse_i64(SLICE_LITERAL("-"), &i), FAULT_MALFORMED);
    assert_int_equal(number_parse_i64((struct slice){0}, &i), FAULT_MALFORMED);
}

static void check_format(double value, const char *text)
{
    char buf[NUMBER_TEXT_MAX_BYTES];
    size_t len = number_format_f64(value, buf, sizeof(buf));
    if (!slice_is_text(slice_of(buf, len), text)) {
        print_error("%.*s instead of %s\n", (int)len, buf, text);
    }
    assert_true(slice_is_text(slice_of(buf, len), text));
    assert_int_equal(number_format_f64(value, buf, len), len);
    assert_int_equal(number_format_f64(value, buf, len - 1), 0);
}

static void test_format_writes_numbers_as_people_do(void **state)
{
    (void)state;
    check_format(0, "0");
    check_format(-0.0, "-0");
    check_format(1, "1");
    check_format(-42, "-42");
    check_format(9007199254740991.0, "9007199254740991");
    check_format(9007199254740992.0, "9007199254740992");
    check_format(0.1, "0.1");
    check_format(-12.345, "-12.345");
    check_format(0.1 + 0.2, "0.30000000000000004");
    check_format(1.0 / 3, "0.3333333333333333");
    check_format(1234567.891, "1234567.891");
    check_format(0.00001, "0.00001");
    check_format(0.000001, "1e-6");
    check_format(1.5e-7, "1.5e-7");
    check_format(1e20, "100000000000000000000");
    check_format(1e21, "1e21");
    check_format(1.7976931348623157e308, "1.7976931348623157e308");
    check_format(-2.2250738585072014e-308, "-2.2250738585072014e-308");
    check_format(NAN, "NaN");
    check_format(INFINITY, "Infinity");
    check_format(-INFINITY, "-Infinity");
}

static void test_format_round_trips_random_doubles(void **state)
{
    (void)state;
    char buf[NUMBER_TEXT_MAX_BYTES];
    for (int i = 0; i < 100000; i++) {
        double value = double_of(next_random());
        if (i % 3 == 0) {
            value = (double)(int64_t)(next_random() >> 20) / 1000;
        }
        if (!isfinite(value)) {
            continue;
        }
        double back = 0;
        size_t len = number_format_f64(value, buf, sizeof(buf));
        assert_int_equal(number_parse_f64(slice_of(buf, len), &back), 0);
        assert_true(bits_of(back) == bits_of(value));
    }
}

static void test_format_integers(void **state)
{
    (void)state;
    char buf[NUMBER_TEXT_MAX_BYTES];
    assert_int_equal(number_format_u64(0, buf, 1), 1);
    assert_int_equal(buf[0], '0');
    size_t len = number_format_u64(UINT64_MAX, buf, 20);
    assert_true(slice_is_text(slice_of(buf, len), "18446744073709551615"));
    assert_int_equal(number_format_u64(UINT64_MAX, buf, 19), 0);
    len = number_format_i64(INT64_MIN, buf, 20);
    assert_true(slice_is_text(slice_of(buf, len), "-9223372036854775808"));
    assert_int_equal(number_format_i64(INT64_MIN, buf, 19), 0);
    assert_int_equal(number_format_i64(-1, buf, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_agrees_with_the_library_on_random_text),
        cmocka_unit_test(test_parse_agrees_with_the_library_on_printed_doubles),
        cmocka_unit_test(test_parse_rounds_ties_and_limits),
        cmocka_unit_test(test_parse_very_long_text_exactly),
        cmocka_unit_test(test_parse_refuses_what_is_no_decimal),
        cmocka_unit_test(test_parse_never_reads_past_the_slice),
        cmocka_unit_test(test_parse_integers_up_to_their_limits),
        cmocka_unit_test(test_format_writes_numbers_as_people_do),
        cmocka_unit_test(test_format_round_trips_random_doubles),
        cmocka_unit_test(test_format_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
