/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/otlp_http_response: the status table, partial success of every signal in both
 * encodings, error messages, and answers that cannot be read.
 */
#include "exporters/otlp_http_response.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/clock.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    return arena_init(&arena, 1024, 65536);
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static struct send_result read_as(enum signal signal, uint32_t status, const char *type,
                                  struct slice body)
{
    const struct http_result result = {
        .status = status,
        .content_type = slice_of_text(type),
        .body = body,
        .retry_after_ms = 2000,
    };
    struct send_result out;
    arena_reset(&arena);
    otlp_http_read_response(&result, signal, 10, &arena, &out);
    return out;
}

static void test_statuses_follow_the_specification(void **state)
{
    (void)state;
    for (uint32_t status = 0; status < 1000; status++) {
        enum send_outcome expected = SEND_REJECTED;
        if (status >= 200 && status < 300) {
            expected = SEND_ACCEPTED;
        }
        if (status == 429 || status == 502 || status == 503 || status == 504) {
            expected = SEND_RETRYABLE;
        }
        assert_int_equal(otlp_http_judge_status(status), expected);
    }
}

static void test_retry_after_counts_for_429_and_503_only(void **state)
{
    (void)state;
    static const uint32_t statuses[] = {429, 503, 502, 504};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct send_result out = read_as(SIGNAL_LOGS, statuses[i], "", slice_of(NULL, 0));
        assert_int_equal(out.retry_after_ns, i < 2 ? 2 * CLOCK_NS_PER_S : 0);
    }
}

static void test_partial_success_is_read_for_every_signal(void **state)
{
    (void)state;
    const struct {
        enum signal signal;
        struct slice json;
    } rows[] = {
        {SIGNAL_TRACES, SLICE_LITERAL("{\"partialSuccess\":{\"rejectedSpans\":\"3\","
                                      "\"errorMessage\":\"old\"}}")},
        {SIGNAL_METRICS, SLICE_LITERAL("{\"partialSuccess\":{\"rejectedDataPoints\":3,"
                                       "\"errorMessage\":\"old\"}}")},
        {SIGNAL_LOGS, SLICE_LITERAL("{\"partialSuccess\":{\"rejectedLogRecords\":\"3\","
                                    "\"errorMessage\":\"old\"}}")},
    };
    struct slice wire = SLICE_LITERAL("\x0A\x07\x08\x03\x12\x03old");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct send_result out =
            read_as(rows[i].signal, 200, "application/json; charset=utf-8", rows[i].json);
        assert_int_equal(out.outcome, SEND_ACCEPTED);
        assert_int_equal(out.rejected_items, 3);
        assert_true(slice_is_text(out.reason, "old"));
        out = read_as(rows[i].signal, 200, "application/x-protobuf", wire);
        assert_int_equal(out.rejected_items, 3);
        assert_true(slice_is_text(out.reason, "old"));
    }
}

static void test_rejected_items_stay_within_the_batch(void **state)
{
    (void)state;
    const struct {
        struct slice json;
        uint64_t expected;
    } rows[] = {
        {SLICE_LITERAL("{\"partialSuccess\":{\"rejectedSpans\":10}}"), 10},
        {SLICE_LITERAL("{\"partialSuccess\":{\"rejectedSpans\":11}}"), 10},
        {SLICE_LITERAL("{\"partialSuccess\":{\"rejectedSpans\":-1}}"), 0},
        {SLICE_LITERAL("{\"partialSuccess\":{\"rejectedSpans\":\"x\"}}"), 0},
        {SLICE_LITERAL("{\"partialSuccess\":{\"rejectedSpans\":[]}}"), 0},
        {SLICE_LITERAL("{\"partialSuccess\":7}"), 0},
        {SLICE_LITERAL("{\"partialSuccess\":"), 0},
        {SLICE_LITERAL("[]"), 0},
        {SLICE_LITERAL("\xFF"), 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct send_result out = read_as(SIGNAL_TRACES, 200, "application/json", rows[i].json);
        assert_int_equal(out.outcome, SEND_ACCEPTED);
        assert_int_equal(out.rejected_items, rows[i].expected);
    }
}

static void test_error_messages_are_found(void **state)
{
    (void)state;
    struct slice wire = SLICE_LITERAL("\x08\x03\x12\x03"
                                      "bad");
    struct send_result out = read_as(SIGNAL_LOGS, 400, "application/x-protobuf", wire);
    assert_int_equal(out.outcome, SEND_REJECTED);
    assert_true(slice_is_text(out.reason, "bad"));
    out = read_as(SIGNAL_LOGS, 400, "application/json",
                  SLICE_LITERAL("{\"code\":3,\"message\":\"worse\"}"));
    assert_true(slice_is_text(out.reason, "worse"));
    out = read_as(SIGNAL_LOGS, 502, "text/html", SLICE_LITERAL("<h1>Bad Gateway</h1>"));
    assert_true(slice_is_text(out.reason, "<h1>Bad Gateway</h1>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses_follow_the_specification),
        cmocka_unit_test_setup_teardown(test_retry_after_counts_for_429_and_503_only, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_partial_success_is_read_for_every_signal, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rejected_items_stay_within_the_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_error_messages_are_found, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
