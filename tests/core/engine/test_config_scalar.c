/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/engine/config_scalar.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/engine/config_scalar.h"

static struct slice text(const char *s)
{
    return slice_of_text(s);
}

static void test_type_follows_yaml(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum config_type type;
    } rows[] = {
        {"", CONFIG_TYPE_NULL},
        {"~", CONFIG_TYPE_NULL},
        {"null", CONFIG_TYPE_NULL},
        {"nULL", CONFIG_TYPE_TEXT},
        {"true", CONFIG_TYPE_BOOL},
        {"FALSE", CONFIG_TYPE_BOOL},
        {"yes", CONFIG_TYPE_TEXT},
        {"on", CONFIG_TYPE_TEXT},
        {"12", CONFIG_TYPE_INTEGER},
        {"-12", CONFIG_TYPE_INTEGER},
        {"0x1F", CONFIG_TYPE_INTEGER},
        {"0o17", CONFIG_TYPE_INTEGER},
        {"1_000", CONFIG_TYPE_INTEGER},
        {"1_", CONFIG_TYPE_TEXT},
        {"1.5", CONFIG_TYPE_FLOAT},
        {"1e3", CONFIG_TYPE_FLOAT},
        {".inf", CONFIG_TYPE_FLOAT},
        {"-.INF", CONFIG_TYPE_FLOAT},
        {"08", CONFIG_TYPE_FLOAT},
        {"10s", CONFIG_TYPE_TEXT},
        {"-", CONFIG_TYPE_TEXT},
        {"18446744073709551615", CONFIG_TYPE_INTEGER},
        {"18446744073709551616", CONFIG_TYPE_FLOAT},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(config_scalar_type(text(rows[i].text)), rows[i].type);
    }
}

static void test_integers_hold_to_their_limits(void **state)
{
    (void)state;
    int64_t i = 0;
    uint64_t u = 0;
    assert_true(config_parse_i64(text("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_false(config_parse_i64(text("-9223372036854775809"), &i));
    assert_true(config_parse_i64(text("9223372036854775807"), &i));
    assert_false(config_parse_i64(text("9223372036854775808"), &i));
    assert_true(config_parse_u64(text("0xffffffffffffffff"), &u));
    assert_true(u == UINT64_MAX);
    assert_false(config_parse_u64(text("0x10000000000000000"), &u));
    assert_false(config_parse_u64(text("-1"), &u));
    assert_true(config_parse_u64(text("0755"), &u));
    assert_int_equal(u, 0755);
    assert_true(config_parse_u64(text("0b101"), &u));
    assert_int_equal(u, 5);
    assert_false(config_parse_u64(text("0x"), &u));
    assert_false(config_parse_u64(text("1__0"), &u));
    assert_false(config_parse_u64(text("_1"), &u));
    assert_false(config_parse_u64(text(""), &u));
}

static void test_durations_are_those_of_go(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"0", 0},
        {"5", 5},
        {"1ns", 1},
        {"2us", 2000},
        {"2µs", 2000},
        {"2μs", 2000},
        {"3ms", 3000000},
        {"10s", INT64_C(10000000000)},
        {"1m30s", INT64_C(90000000000)},
        {"1.5h", INT64_C(5400000000000)},
        {".5s", 500000000},
        {"1.s", 1000000000},
        {"-1m", INT64_C(-60000000000)},
        {"0.1s", 100000000},
        {"9223372036854775807ns", INT64_MAX},
    };
    static const char *const bad[] = {
        "",         "s",
        ".s",       "1x",
        "1s1",      "1 s",
        "-",        "--1s",
        "1.5",      "9223372036854775808ns",
        "2562048h", "1e3s",
        "10S",      "99999999999999999999s",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        int64_t ns = -1;
        assert_true(config_parse_duration_ns(text(good[i].text), &ns));
        assert_true(ns == good[i].ns);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t ns = -1;
        assert_false(config_parse_duration_ns(text(bad[i]), &ns));
    }
}

static void test_sizes_take_units(void **state)
{
    (void)state;
    uint64_t bytes = 0;
    assert_true(config_parse_bytes(text("65536"), &bytes));
    assert_int_equal(bytes, 65536);
    assert_true(config_parse_bytes(text("64KiB"), &bytes));
    assert_int_equal(bytes, 65536);
    assert_true(config_parse_bytes(text("64 MB"), &bytes));
    assert_int_equal(bytes, 64000000);
    assert_false(config_parse_bytes(text("1.5GiB"), &bytes));
    assert_false(config_parse_bytes(text("MiB"), &bytes));
    assert_false(config_parse_bytes(text("1MiBs"), &bytes));
    assert_false(config_parse_bytes(text("17179869184GiB"), &bytes));
}

static void test_endpoints_split_at_the_last_colon(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",       "localhost",   "localhost:", "localhost:65536", "localhost:x", "::1:80", "[::1]",
        "a b:80", "http://a:80", "h:-1",       "h:000080",        "[::1:80",
    };
    struct config_endpoint e;
    assert_true(config_parse_endpoint(text("localhost:8125"), &e));
    assert_true(slice_is_text(e.host, "localhost"));
    assert_int_equal(e.port, 8125);
    assert_true(config_parse_endpoint(text("[::1]:65535"), &e));
    assert_true(slice_is_text(e.host, "::1"));
    assert_int_equal(e.port, 65535);
    assert_true(config_parse_endpoint(text(":0"), &e));
    assert_int_equal(e.host.len, 0);
    assert_int_equal(e.port, 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(config_parse_endpoint(text(bad[i]), &e));
    }
}

static void test_port_misprints_are_near_the_usual_port(void **state)
{
    (void)state;
    assert_true(config_is_port_misprint(4137, 4317));
    assert_true(config_is_port_misprint(4371, 4317));
    assert_true(config_is_port_misprint(2020, 2000));
    assert_true(config_is_port_misprint(20000, 2000));
    assert_true(config_is_port_misprint(200, 2000));
    assert_true(config_is_port_misprint(8215, 8125));
    assert_false(config_is_port_misprint(4317, 4317));
    assert_false(config_is_port_misprint(4318, 4317));
    assert_false(config_is_port_misprint(8126, 8125));
    assert_false(config_is_port_misprint(0, 8125));
    assert_false(config_is_port_misprint(14317, 4317));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_type_follows_yaml),
        cmocka_unit_test(test_integers_hold_to_their_limits),
        cmocka_unit_test(test_durations_are_those_of_go),
        cmocka_unit_test(test_sizes_take_units),
        cmocka_unit_test(test_endpoints_split_at_the_last_colon),
        cmocka_unit_test(test_port_misprints_are_near_the_usual_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
