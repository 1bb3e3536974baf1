/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/aws_logs_events: each limit of PutLogEvents and one past it, the order of
 * sending, and the text that leaves.
 */
#include "exporters/aws_logs_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"

#define NOW_MS UINT64_C(1800000000000)
#define PIECES_MAX 64

static struct aws_logs_events events;

static int setup(void **state)
{
    (void)state;
    aws_logs_events_init(&events);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    aws_logs_events_fini(&events);
    aws_logs_events_fini(&events);
    return 0;
}

static void add_to(uint64_t order, uint64_t time_ms, struct slice message)
{
    struct aws_logs_entry entry = {
        .stream_order = order,
        .time_ms = time_ms,
        .message = message,
        .item_count = 2,
    };
    assert_int_equal(aws_logs_events_add(&events, &entry, NOW_MS), 0);
}

static void add(uint64_t time_ms, const char *message)
{
    add_to(1, time_ms, slice_of_text(message));
}

/* The next request as text; "" when there is none. */
static const char *next_text(void)
{
    static char text[4096];
    struct iovec pieces[PIECES_MAX];
    struct aws_logs_cut cut;
    size_t len = 0;
    if (aws_logs_events_cut(&events, &cut)) {
        assert_in_range(cut.piece_count, 1, PIECES_MAX);
        aws_logs_events_pieces(&events, &cut, pieces);
        for (size_t i = 0; i < cut.piece_count; i++) {
            assert_true(pieces[i].iov_len < sizeof(text) - len);
            memcpy(text + len, pieces[i].iov_base, pieces[i].iov_len);
            len += pieces[i].iov_len;
        }
        assert_int_equal(len, cut.text_bytes - 1);
    }
    text[len] = '\0';
    return text;
}

static void test_events_leave_by_time_and_equal_ones_as_they_came(void **state)
{
    (void)state;
    add(NOW_MS + 2, "c");
    add(NOW_MS, "a1");
    add(NOW_MS + 1, "b");
    add(NOW_MS, "a2");
    aws_logs_events_sort(&events);
    assert_string_equal(next_text(), "{\"timestamp\":1800000000000,\"message\":\"a1\"},"
                                     "{\"timestamp\":1800000000000,\"message\":\"a2\"},"
                                     "{\"timestamp\":1800000000001,\"message\":\"b\"},"
                                     "{\"timestamp\":1800000000002,\"message\":\"c\"}");
    assert_string_equal(next_text(), "");
}

static void test_what_came_in_order_is_one_piece_and_escaped(void **state)
{
    (void)state;
    struct aws_logs_cut cut;
    add(NOW_MS, "{\"a\":1}");
    add(NOW_MS, "x\n\xFF");
    aws_logs_events_sort(&events);
    assert_true(aws_logs_events_cut(&events, &cut));
    assert_int_equal(cut.piece_count, 1);
    assert_int_equal(cut.item_count, 4);
    events.cut_count = 0;
    assert_string_equal(next_text(),
                        "{\"timestamp\":1800000000000,\"message\":\"{\\\"a\\\":1}\"},"
                        "{\"timestamp\":1800000000000,\"message\":\"x\\n\xEF\xBF\xBD\"}");
}

static void test_streams_do_not_share_a_request(void **state)
{
    (void)state;
    add_to(7, NOW_MS, SLICE_LITERAL("b"));
    add_to(3, NOW_MS + 5, SLICE_LITERAL("a"));
    add_to(7, NOW_MS - 1, SLICE_LITERAL("c"));
    aws_logs_events_sort(&events);
    assert_string_equal(next_text(), "{\"timestamp\":1800000000005,\"message\":\"a\"}");
    assert_string_equal(next_text(), "{\"timestamp\":1799999999999,\"message\":\"c\"},"
                                     "{\"timestamp\":1800000000000,\"message\":\"b\"}");
    assert_string_equal(next_text(), "");
}

static void assert_cuts(size_t first_count, size_t second_count)
{
    struct aws_logs_cut cut;
    aws_logs_events_sort(&events);
    assert_true(aws_logs_events_cut(&events, &cut));
    assert_int_equal(cut.count, first_count);
    assert_int_equal(cut.first_index, 0);
    if (second_count > 0) {
        assert_true(aws_logs_events_cut(&events, &cut));
        assert_int_equal(cut.count, second_count);
        assert_int_equal(cut.first_index, first_count);
    }
    assert_false(aws_logs_events_cut(&events, &cut));
}

static void test_ten_thousand_events_fit_and_one_more_does_not(void **state)
{
    (void)state;
    for (int i = 0; i < AWS_LOGS_REQUEST_MAX_COUNT; i++) {
        add(NOW_MS, "x");
    }
    assert_cuts(AWS_LOGS_REQUEST_MAX_COUNT, 0);
    events.cut_count = 0;
    add(NOW_MS, "x");
    assert_cuts(AWS_LOGS_REQUEST_MAX_COUNT, 1);
}

static void test_a_mebibyte_fits_and_one_byte_more_does_not(void **state)
{
    (void)state;
    size_t half = AWS_LOGS_REQUEST_MAX_BYTES / 2 - AWS_LOGS_EVENT_OWN_BYTES;
    char *text = mem_alloc(half + 1);
    assert_non_null(text);
    memset(text, '"', half + 1); /* escapes do not count */
    add_to(1, NOW_MS, slice_of(text, half));
    add_to(1, NOW_MS, slice_of(text, half));
    assert_cuts(2, 0);
    aws_logs_events_clear(&events);
    add_to(1, NOW_MS, slice_of(text, half));
    add_to(1, NOW_MS, slice_of(text, half + 1));
    assert_cuts(1, 1);
    mem_free(text);
}

static void test_twenty_four_hours_fit_and_one_millisecond_more_does_not(void **state)
{
    (void)state;
    add(NOW_MS - AWS_LOGS_SPAN_MAX_MS, "a");
    add(NOW_MS, "b");
    assert_cuts(2, 0);
    aws_logs_events_clear(&events);
    add(NOW_MS - AWS_LOGS_SPAN_MAX_MS - 1, "a");
    add(NOW_MS, "b");
    assert_cuts(1, 1);
}

static void assert_refused(enum aws_logs_refusal why)
{
    for (int i = 0; i < AWS_LOGS_REFUSAL_COUNT; i++) {
        assert_int_equal(events.refused_count[i], i == (int)why ? 1 : 0);
    }
    assert_int_equal(events.refused_items, 2);
    assert_int_equal(events.last_refusal, why);
    aws_logs_events_clear(&events);
    assert_int_equal(events.refused_items, 0);
}

static void test_events_out_of_time_are_refused_one_by_one(void **state)
{
    (void)state;
    add(NOW_MS - AWS_LOGS_AGE_MAX_MS, "old");
    add(NOW_MS + AWS_LOGS_AHEAD_MAX_MS, "new");
    assert_int_equal(events.count, 2);
    assert_int_equal(events.refused_items, 0);
    add(NOW_MS - AWS_LOGS_AGE_MAX_MS - 1, "older");
    assert_int_equal(events.count, 2);
    assert_refused(AWS_LOGS_TOO_OLD);
    add(NOW_MS + AWS_LOGS_AHEAD_MAX_MS + 1, "newer");
    assert_refused(AWS_LOGS_TOO_NEW);
    add(0, "never");
    assert_refused(AWS_LOGS_TOO_OLD);
    add(UINT64_MAX, "for ever");
    assert_refused(AWS_LOGS_TOO_NEW);
    assert_string_equal(aws_logs_refusal_label(AWS_LOGS_TOO_OLD), "too_old");
}

static void test_empty_and_oversized_messages_are_refused(void **state)
{
    (void)state;
    char *text = mem_alloc(AWS_LOGS_MESSAGE_MAX_BYTES + 1);
    assert_non_null(text);
    memset(text, 'x', AWS_LOGS_MESSAGE_MAX_BYTES + 1);
    add(NOW_MS, "");
    assert_refused(AWS_LOGS_EMPTY);
    add_to(1, NOW_MS, slice_of(text, AWS_LOGS_MESSAGE_MAX_BYTES + 1));
    assert_refused(AWS_LOGS_TOO_LARGE);
    add_to(1, NOW_MS, slice_of(text, AWS_LOGS_MESSAGE_MAX_BYTES));
    assert_cuts(1, 0);
    aws_logs_events_clear(&events);
    memset(text, 0xFF, AWS_LOGS_MESSAGE_MAX_BYTES); /* each becomes three bytes */
    add_to(1, NOW_MS, slice_of(text, AWS_LOGS_MESSAGE_MAX_BYTES));
    assert_int_equal(events.text.len, 0);
    assert_refused(AWS_LOGS_TOO_LARGE);
    mem_free(text);
}

static void test_refused_memory_leaves_what_was_there(void **state)
{
    (void)state;
    struct aws_logs_entry entry = {.time_ms = NOW_MS, .message = SLICE_LITERAL("x")};
    int err = -1;
    for (uint64_t nth = 1; err != 0; nth++) {
        assert_true(nth < 10);
        aws_logs_events_fini(&events);
        aws_logs_events_init(&events);
        mem_fail_nth(nth);
        err = aws_logs_events_add(&events, &entry, NOW_MS);
        mem_fail_nth(0);
        assert_int_equal(events.count, err == 0 ? 1 : 0);
        assert_true(err == 0 || events.text.len == 0);
    }
    assert_cuts(1, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_events_leave_by_time_and_equal_ones_as_they_came),
        TEST(test_what_came_in_order_is_one_piece_and_escaped),
        TEST(test_streams_do_not_share_a_request),
        TEST(test_ten_thousand_events_fit_and_one_more_does_not),
        TEST(test_a_mebibyte_fits_and_one_byte_more_does_not),
        TEST(test_twenty_four_hours_fit_and_one_millisecond_more_does_not),
        TEST(test_events_out_of_time_are_refused_one_by_one),
        TEST(test_empty_and_oversized_messages_are_refused),
        TEST(test_refused_memory_leaves_what_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
