/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/base/log: both formats, escaping, cutting, levels, the limiter.
 */
#include "core/base/log.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/base/bounds.h"
#include "core/base/clock.h"

static char line[LOG_LINE_MAX_BYTES + 1];

static const char *format_one(enum log_format format, struct log_field field)
{
    size_t len = log_format_line(
        format,
        &(struct log_entry){
            .level = LOG_LEVEL_INFO, .event = "e", .fields = &field, .field_count = 1},
        line);
    assert_in_range(len, 1, LOG_LINE_MAX_BYTES);
    line[len] = '\0';
    return line;
}

static void check_field(struct log_field field, const char *text, const char *json)
{
    char expected[256] = "info event=e ";
    strncat(expected, text, 200);
    strncat(expected, "\n", 2);
    assert_string_equal(format_one(LOG_FORMAT_TEXT, field), expected);
    expected[0] = '\0';
    strncat(expected, "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"event\":\"e\",",
            100);
    strncat(expected, json, 200);
    strncat(expected, "}\n", 3);
    assert_string_equal(format_one(LOG_FORMAT_JSON, field), expected);
}

static void test_fields_of_every_kind(void **state)
{
    (void)state;
    check_field(LOG_TEXT("a", "b"), "a=b", "\"a\":\"b\"");
    check_field(LOG_TEXT("a", NULL), "a=\"\"", "\"a\":\"\"");
    check_field(LOG_SLICE("a", slice_of("bcd", 2)), "a=bc", "\"a\":\"bc\"");
    check_field(LOG_U64("n", UINT64_MAX), "n=18446744073709551615", "\"n\":18446744073709551615");
    check_field(LOG_I64("n", -5), "n=-5", "\"n\":-5");
    check_field(LOG_F64("n", 0.25), "n=0.25", "\"n\":0.25");
    check_field(LOG_F64("n", NAN), "n=NaN", "\"n\":\"NaN\"");
    check_field(LOG_BOOL("is", true), "is=true", "\"is\":true");
    check_field(LOG_FAULT("error", FAULT_LIMIT), "error=\"a limit is reached\"",
                "\"error\":\"a limit is reached\"");
}

static void test_bytes_from_outside_cannot_break_out(void **state)
{
    (void)state;
    check_field(LOG_TEXT("a", "b c"), "a=\"b c\"", "\"a\":\"b c\"");
    check_field(LOG_TEXT("a", "b=c"), "a=\"b=c\"", "\"a\":\"b=c\"");
    check_field(LOG_TEXT("a", "\"\\\n\r\t"), "a=\"\\\"\\\\\\n\\r\\t\"",
                "\"a\":\"\\\"\\\\\\n\\r\\t\"");
    check_field(LOG_TEXT("a", "\x1b[2J\x7f"), "a=\"\\x1b[2J\\x7f\"", "\"a\":\"\\u001b[2J\\u007f\"");
    check_field(LOG_TEXT("a", "\xc3\xa9\xff"), "a=\"\xc3\xa9\\xff\"", "\"a\":\"\xc3\xa9\\u00ff\"");
    check_field(LOG_TEXT("a", "\xc2\x9b"), "a=\"\\xc2\\x9b\"", "\"a\":\"\\u00c2\\u009b\"");
    check_field(LOG_SLICE("a", slice_of("\0", 1)), "a=\"\\x00\"", "\"a\":\"\\u0000\"");
    check_field(LOG_TEXT("k k\"", "v"), "\"k k\\\"\"=v", "\"k k\\\"\":\"v\"");
}

static void check_cut_line(enum log_format format, size_t text_bytes, char byte, bool is_cut)
{
    static char text[3 * LOG_LINE_MAX_BYTES];
    memset(text, byte, text_bytes);
    struct log_field fields[] = {LOG_SLICE("a", slice_of(text, text_bytes)), LOG_U64("n", 1)};
    size_t len = log_format_line(
        format,
        &(struct log_entry){
            .level = LOG_LEVEL_WARN, .event = "e", .fields = fields, .field_count = 2},
        line);
    assert_in_range(len, 1, LOG_LINE_MAX_BYTES);
    line[len] = '\0';
    assert_ptr_equal(strchr(line, '\n'), line + len - 1);
    const char *mark = format == LOG_FORMAT_JSON ? "\",\"cut\":true}\n" : " cut=true\n";
    assert_int_equal(strstr(line, mark) != NULL, is_cut);
    if (format == LOG_FORMAT_JSON) {
        assert_int_equal(line[len - 2], '}');
    }
}

static void test_long_lines_are_cut_and_say_so(void **state)
{
    (void)state;
    const enum log_format formats[] = {LOG_FORMAT_TEXT, LOG_FORMAT_JSON};
    for (size_t f = 0; f < COUNT_OF(formats); f++) {
        check_cut_line(formats[f], 3900, 'x', false);
        check_cut_line(formats[f], 3 * LOG_LINE_MAX_BYTES, 'x', true);
        check_cut_line(formats[f], 3 * LOG_LINE_MAX_BYTES, '\1', true);
        check_cut_line(formats[f], 3 * LOG_LINE_MAX_BYTES, '"', true);
        for (size_t bytes = 3950; bytes < 4100; bytes++) {
            static char text[LOG_LINE_MAX_BYTES + 64];
            memset(text, 'y', sizeof(text));
            struct log_field fields[] = {LOG_SLICE("a", slice_of(text, bytes)),
                                         LOG_TEXT("b", "some words"), LOG_U64("n", 123456)};
            size_t len = log_format_line(
                formats[f],
                &(struct log_entry){
                    .level = LOG_LEVEL_INFO, .event = "e", .fields = fields, .field_count = 3},
                line);
            assert_in_range(len, 1, LOG_LINE_MAX_BYTES);
            assert_int_equal(line[len - 1], '\n');
        }
    }
}

/* Runs with stderr turned into a pipe and gives what was written. */
static size_t capture(void (*run)(void), char *out, size_t cap)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    run();
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(saved), 0);
    assert_int_equal(close(ends[1]), 0);
    ssize_t len = read(ends[0], out, cap - 1);
    assert_int_equal(close(ends[0]), 0);
    assert_true(len >= 0);
    out[len] = '\0';
    return (size_t)len;
}

static void write_some(void)
{
    log_error("one", LOG_U64("n", 1));
    log_info("two", LOG_U64("n", 2), LOG_TEXT("who", "me"));
    log_debug("three", LOG_U64("n", 3));
    log_event(LOG_LEVEL_INFO, "four", NULL, 0);
}

static void test_level_decides_what_is_written(void **state)
{
    (void)state;
    char out[1024];
    log_init(&(struct log_options){.format = LOG_FORMAT_TEXT, .level = LOG_LEVEL_INFO});
    (void)capture(write_some, out, sizeof(out));
    assert_string_equal(out, "error event=one n=1\ninfo event=two n=2 who=me\ninfo event=four\n");
    log_init(&(struct log_options){.format = LOG_FORMAT_TEXT, .level = LOG_LEVEL_ERROR});
    (void)capture(write_some, out, sizeof(out));
    assert_string_equal(out, "error event=one n=1\n");
    assert_true(log_is_enabled(LOG_LEVEL_ERROR));
    assert_false(log_is_enabled(LOG_LEVEL_WARN));
}

static void init_and_write(void)
{
    log_init(&(struct log_options){.format = LOG_FORMAT_AUTO, .level = LOG_LEVEL_DEBUG});
    log_debug("three", LOG_U64("n", 3));
}

static void test_auto_is_json_where_there_is_no_terminal(void **state)
{
    (void)state;
    char out[1024];
    assert_true(capture(init_and_write, out, sizeof(out)) > 0);
    assert_int_equal(strncmp(out, "{\"time\":\"20", 11), 0);
    assert_non_null(strstr(out, "Z\",\"level\":\"debug\",\"event\":\"three\",\"n\":3}\n"));
}

static void test_names_parse(void **state)
{
    (void)state;
    enum log_level level = LOG_LEVEL_ERROR;
    enum log_format format = LOG_FORMAT_AUTO;
    assert_int_equal(log_level_parse(SLICE_LITERAL("debug"), &level), 0);
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_int_equal(log_level_parse(SLICE_LITERAL("Debug"), &level), FAULT_MALFORMED);
    assert_int_equal(log_format_parse(SLICE_LITERAL("json"), &format), 0);
    assert_int_equal(format, LOG_FORMAT_JSON);
    assert_int_equal(log_format_parse(SLICE_LITERAL(""), &format), FAULT_MALFORMED);
}

static void test_limit_lets_one_line_through_per_interval(void **state)
{
    (void)state;
    const uint64_t interval_ns = LOG_LIMIT_INTERVAL_MS * CLOCK_NS_PER_MS;
    struct log_limit limit = {0};
    uint64_t suppressed = 99;
    assert_true(log_limit_admit(&limit, 5, &suppressed));
    assert_int_equal(suppressed, 0);
    assert_false(log_limit_admit(&limit, 5, &suppressed));
    assert_false(log_limit_admit(&limit, 4 + interval_ns, &suppressed));
    assert_true(log_limit_admit(&limit, 5 + interval_ns, &suppressed));
    assert_int_equal(suppressed, 2);
    assert_true(log_limit_admit(&limit, 5 + 2 * interval_ns, &suppressed));
    assert_int_equal(suppressed, 0);
}

static void test_sample_is_cut_and_escaped(void **state)
{
    (void)state;
    char buf[LOG_SAMPLE_TEXT_BYTES];
    uint8_t bytes[65];
    memset(bytes, 0xEE, sizeof(bytes));
    assert_string_equal(log_escape_sample(SLICE_LITERAL("a:1|c\n\\"), buf), "a:1|c\\x0a\\x5c");
    assert_string_equal(log_escape_sample((struct slice){0}, buf), "");
    assert_int_equal(strlen(log_escape_sample(slice_of(bytes, 64), buf)), 256);
    assert_int_equal(strlen(log_escape_sample(slice_of(bytes, 65), buf)), 259);
    assert_string_equal(buf + 252, "\\xee...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_of_every_kind),
        cmocka_unit_test(test_bytes_from_outside_cannot_break_out),
        cmocka_unit_test(test_long_lines_are_cut_and_say_so),
        cmocka_unit_test(test_level_decides_what_is_written),
        cmocka_unit_test(test_auto_is_json_where_there_is_no_terminal),
        cmocka_unit_test(test_names_parse),
        cmocka_unit_test(test_limit_lets_one_line_through_per_interval),
        cmocka_unit_test(test_sample_is_cut_and_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
