/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/stream_frame.h: every input whole, split in two at every byte, and one byte at a time
 * gives the same lines; the limit and one past it; both framings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/stream_frame.h"

#define LINE_MAX 8
#define TEXT_MAX 512

/* What was shown, with a '!' after each piece that did not end with LF. */
struct sink {
    struct stream_frame frame;
    char text[TEXT_MAX];
    size_t len;
};

static void sink_on_lines(struct stream_frame *frame, struct slice lines)
{
    struct sink *sink = CONTAINER_OF(frame, struct sink, frame);
    assert_true(lines.len > 0);
    assert_true(sink->len + lines.len + 2 < TEXT_MAX);
    memcpy(sink->text + sink->len, lines.ptr, lines.len);
    sink->len += lines.len;
    if (lines.ptr[lines.len - 1] != '\n') {
        sink->text[sink->len] = '!';
        sink->len++;
    }
}

static struct sink sink_of(enum stream_framing framing)
{
    return (struct sink){
        .frame = {.framing = framing, .line_max_bytes = LINE_MAX, .on_lines = sink_on_lines},
    };
}

/* Feeds `input` in pieces of `first_bytes`, then `piece_bytes`; stops at a fault. */
static int feed(struct sink *sink, struct slice input, size_t first_bytes, size_t piece_bytes)
{
    size_t offset = 0;
    size_t len = first_bytes;
    while (offset < input.len) {
        len = len < input.len - offset ? len : input.len - offset;
        if (len > 0) {
            int err = stream_frame_feed(&sink->frame, slice_of(input.ptr + offset, len));
            if (err != 0) {
                return err;
            }
        }
        offset += len;
        len = piece_bytes;
    }
    return 0;
}

static void expect_once(enum stream_framing framing, struct slice input, size_t first_bytes,
                        size_t piece_bytes, const char *expected, uint64_t too_long_count)
{
    struct sink sink = sink_of(framing);
    assert_int_equal(feed(&sink, input, first_bytes, piece_bytes), 0);
    assert_false(stream_frame_end(&sink.frame));
    sink.text[sink.len] = '\0';
    assert_string_equal(sink.text, expected);
    assert_int_equal(sink.frame.too_long_count, too_long_count);
    stream_frame_fini(&sink.frame);
}

static void expect(enum stream_framing framing, struct slice input, const char *expected,
                   uint64_t too_long_count)
{
    for (size_t split = 0; split <= input.len; split++) {
        expect_once(framing, input, split, input.len, expected, too_long_count);
    }
    expect_once(framing, input, 1, 1, expected, too_long_count);
    expect_once(framing, input, 2, 3, expected, too_long_count);
}

static void expect_lines(const char *input, const char *expected, uint64_t too_long_count)
{
    expect(STREAM_FRAMING_NEWLINE, slice_of_text(input), expected, too_long_count);
}

static void test_lines_come_out_whole_however_they_are_split(void **state)
{
    (void)state;
    expect_lines("a:1|c\nb:2|c\n", "a:1|c\nb:2|c\n", 0);
    expect_lines("\n\n", "\n\n", 0);
    expect_lines("a\r\nb\r\n", "a\r\nb\r\n", 0);
    expect_lines("", "", 0);
}

static void test_lines_tail_counts_as_a_line_at_the_end(void **state)
{
    (void)state;
    expect_lines("a\nb", "a\nb!", 0);
    expect_lines("a", "a!", 0);
    expect_lines("12345678", "12345678!", 0);
}

static void test_lines_at_the_limit_pass_and_one_past_is_skipped(void **state)
{
    (void)state;
    expect_lines("12345678\n", "12345678\n", 0);
    expect_lines("123456789\n", "", 1);
    expect_lines("123456789", "", 1);
    expect_lines("a\n123456789\nb\n", "a\nb\n", 1);
    expect_lines("a\n1234567890123456789012345678901\n12345678\n123456789\n\nb",
                 "a\n12345678\n\nb!", 2);
}

static void test_lines_of_one_read_are_shown_without_a_copy(void **state)
{
    (void)state;
    struct sink sink = sink_of(STREAM_FRAMING_NEWLINE);
    uint64_t before = mem_thread_alloc_count();
    assert_int_equal(stream_frame_feed(&sink.frame, SLICE_LITERAL("a\nb\nc\n")), 0);
    assert_int_equal(mem_thread_alloc_count(), before);
    assert_null(sink.frame.tail);
    stream_frame_fini(&sink.frame);
}

static void test_lines_tail_that_cannot_be_kept_is_a_fault(void **state)
{
    (void)state;
    struct sink sink = sink_of(STREAM_FRAMING_NEWLINE);
    mem_fail_nth(1);
    assert_int_equal(stream_frame_feed(&sink.frame, SLICE_LITERAL("a\nb")), -ENOMEM);
    mem_fail_nth(0);
    stream_frame_fini(&sink.frame);
    stream_frame_fini(&sink.frame);
}

static void test_frames_come_out_whole_however_they_are_split(void **state)
{
    (void)state;
    static const char INPUT[] = "\x03\0\0\0a:1\x00\0\0\0\x08\0\0\0"
                                "b\nc\n1234\x02\0\0\0d\n";
    expect(STREAM_FRAMING_LENGTH, slice_of(INPUT, sizeof(INPUT) - 1), "a:1!b\nc\n1234!d\n", 0);
}

static void test_frames_past_the_limit_end_the_stream(void **state)
{
    (void)state;
    static const char *const INPUTS[] = {"\x01\0\0\0a\x09\0\0\0xxxxxxxxx",
                                         "\x01\0\0\0a\xff\xff\xff\xffxxxxx"};
    for (size_t i = 0; i < COUNT_OF(INPUTS); i++) {
        for (size_t piece_bytes = 1; piece_bytes < 14; piece_bytes++) {
            struct sink sink = sink_of(STREAM_FRAMING_LENGTH);
            struct slice input = slice_of(INPUTS[i], 14);
            assert_int_equal(feed(&sink, input, piece_bytes, piece_bytes), FAULT_LIMIT);
            assert_int_equal(sink.frame.too_long_count, 1);
            assert_memory_equal(sink.text, "a!", 2);
            assert_int_equal(sink.len, 2);
            stream_frame_fini(&sink.frame);
        }
    }
}

static void test_frames_cut_off_at_the_end_are_told(void **state)
{
    (void)state;
    struct sink sink = sink_of(STREAM_FRAMING_LENGTH);
    assert_int_equal(stream_frame_feed(&sink.frame, slice_of("\x03\0\0\0ab", 6)), 0);
    assert_true(stream_frame_end(&sink.frame));
    assert_int_equal(sink.len, 0);
    stream_frame_fini(&sink.frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_come_out_whole_however_they_are_split),
        cmocka_unit_test(test_lines_tail_counts_as_a_line_at_the_end),
        cmocka_unit_test(test_lines_at_the_limit_pass_and_one_past_is_skipped),
        cmocka_unit_test(test_lines_of_one_read_are_shown_without_a_copy),
        cmocka_unit_test(test_lines_tail_that_cannot_be_kept_is_a_fault),
        cmocka_unit_test(test_frames_come_out_whole_however_they_are_split),
        cmocka_unit_test(test_frames_past_the_limit_end_the_stream),
        cmocka_unit_test(test_frames_cut_off_at_the_end_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
