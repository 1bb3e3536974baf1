/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/otlp_verdict: every status of gRPC as one of HTTP, Retry-After, and the
 * bodies to the byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "io/receivers/otlp_verdict.h"

#define RETRY_URL "type.googleapis.com/google.rpc.RetryInfo"

static struct bytes out;

static int open_out(void **state)
{
    (void)state;
    bytes_init(&out, 4096);
    return 0;
}

static int close_out(void **state)
{
    (void)state;
    bytes_fini(&out);
    return 0;
}

static void check_bytes(const void *bytes, size_t len)
{
    assert_int_equal(out.err, 0);
    assert_int_equal(out.len, len);
    assert_memory_equal(out.ptr, bytes, len);
    bytes_clear(&out);
}

static void check_text(const char *text)
{
    if (!slice_is_text(bytes_slice(&out), text)) {
        print_error("%.*s\n", (int)out.len, (const char *)out.ptr);
    }
    assert_true(slice_is_text(bytes_slice(&out), text));
    bytes_clear(&out);
}

/* --- statuses --------------------------------------------------------------------------------- */

static void test_every_status_has_its_number_in_http(void **state)
{
    (void)state;
    static const uint32_t wanted[GRPC_STATUS_COUNT] = {
        [GRPC_OK] = 200,
        [GRPC_CANCELLED] = 503,
        [GRPC_UNKNOWN] = 500,
        [GRPC_INVALID_ARGUMENT] = 400,
        [GRPC_DEADLINE_EXCEEDED] = 503,
        [GRPC_NOT_FOUND] = 500,
        [GRPC_ALREADY_EXISTS] = 500,
        [GRPC_PERMISSION_DENIED] = 403,
        [GRPC_RESOURCE_EXHAUSTED] = 429,
        [GRPC_FAILED_PRECONDITION] = 500,
        [GRPC_ABORTED] = 503,
        [GRPC_OUT_OF_RANGE] = 503,
        [GRPC_UNIMPLEMENTED] = 404,
        [GRPC_INTERNAL] = 500,
        [GRPC_UNAVAILABLE] = 503,
        [GRPC_DATA_LOSS] = 503,
        [GRPC_UNAUTHENTICATED] = 401,
    };
    for (uint32_t i = 0; i < GRPC_STATUS_COUNT; i++) {
        struct otlp_verdict verdict;
        otlp_verdict_refuse(&verdict, (enum grpc_status)i, "x");
        assert_int_equal(otlp_verdict_http_status(&verdict), wanted[i]);
        assert_int_equal(otlp_verdict_retry_after_s(&verdict), 0); /* no RetryInfo */
        verdict.http_status = 408;
        assert_int_equal(otlp_verdict_http_status(&verdict), 408);
    }
}

static void test_retry_after_is_whole_seconds_and_at_least_one(void **state)
{
    (void)state;
    static const struct {
        uint64_t delay_ns;
        uint32_t seconds;
    } cases[] = {
        {0, 1},
        {1, 1},
        {CLOCK_NS_PER_S, 1},
        {CLOCK_NS_PER_S + 1, 2},
        {UINT64_C(30) * CLOCK_NS_PER_S, 30},
        {GRPC_NO_RETRY_DELAY, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct otlp_verdict verdict;
        otlp_verdict_refuse(&verdict, GRPC_UNAVAILABLE, "x");
        verdict.retry_delay_ns = cases[i].delay_ns;
        assert_int_equal(otlp_verdict_retry_after_s(&verdict), cases[i].seconds);
        verdict.status = GRPC_RESOURCE_EXHAUSTED;
        assert_int_equal(otlp_verdict_retry_after_s(&verdict), cases[i].seconds);
        verdict.status = GRPC_INVALID_ARGUMENT; /* of no use to anybody */
        assert_int_equal(otlp_verdict_retry_after_s(&verdict), 0);
    }
}

static void test_postponing_is_unavailable_for_a_second(void **state)
{
    (void)state;
    struct otlp_verdict verdict;
    otlp_verdict_postpone(&verdict, "busy: 100%d");
    assert_int_equal(verdict.status, GRPC_UNAVAILABLE);
    assert_int_equal(otlp_verdict_http_status(&verdict), 503);
    assert_int_equal(otlp_verdict_retry_after_s(&verdict), 1);
    assert_true(slice_is_text(otlp_verdict_text(&verdict), "busy: 100%d")); /* no format */
}

/* --- words ------------------------------------------------------------------------------------ */

static void test_words_are_cut_to_fit(void **state)
{
    (void)state;
    static char text[OTLP_VERDICT_TEXT_BYTES + 10];
    struct otlp_verdict verdict;
    memset(text, 'w', sizeof(text) - 1);
    text[OTLP_VERDICT_TEXT_BYTES - 1] = '\0';
    otlp_verdict_refuse(&verdict, GRPC_INTERNAL, "%s", text);
    assert_int_equal(verdict.text_len, OTLP_VERDICT_TEXT_BYTES - 1);
    text[OTLP_VERDICT_TEXT_BYTES - 1] = 'w';
    otlp_verdict_refuse(&verdict, GRPC_INTERNAL, "%s", text);
    assert_int_equal(verdict.text_len, OTLP_VERDICT_TEXT_BYTES - 1);
    otlp_verdict_refuse(&verdict, GRPC_INTERNAL, "%s", "");
    assert_int_equal(verdict.text_len, 0);
}

static void test_words_are_always_utf8(void **state)
{
    (void)state;
    struct otlp_verdict verdict;
    otlp_verdict_refuse(&verdict, GRPC_INTERNAL, "gr\xc3\xbc\xc3\x9f dich");
    assert_true(slice_is_text(otlp_verdict_text(&verdict), "gr\xc3\xbc\xc3\x9f dich"));
    otlp_verdict_refuse(&verdict, GRPC_INTERNAL, "a\xff\xc3z");
    assert_true(slice_is_text(otlp_verdict_text(&verdict), "a??z"));
    char text[OTLP_VERDICT_TEXT_BYTES + 2];
    for (size_t i = 0; i < sizeof(text) - 1; i += 2) { /* two bytes each, the last one is cut */
        memcpy(text + i, "\xc3\xbc", 2);
    }
    text[sizeof(text) - 1] = '\0';
    otlp_verdict_refuse(&verdict, GRPC_INTERNAL, "%s", text);
    assert_true(slice_is_utf8(otlp_verdict_text(&verdict)));
}

/* --- responses -------------------------------------------------------------------------------- */

static void test_full_success_is_an_empty_message(void **state)
{
    (void)state;
    struct otlp_verdict verdict;
    otlp_verdict_accept(&verdict);
    assert_int_equal(otlp_verdict_http_status(&verdict), 200);
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        otlp_verdict_encode_response(&verdict, (enum signal)i, false, &out);
        assert_int_equal(out.len, 0);
        otlp_verdict_encode_response(&verdict, (enum signal)i, true, &out);
        check_text("{\"partialSuccess\":{}}");
    }
}

static void test_partial_success_to_the_byte(void **state)
{
    (void)state;
    static const uint8_t wanted[] = {0x0A, 0x05, 0x08, 0x03, 0x12, 0x01, 0x78};
    static const char *const names[] = {"rejectedSpans", "rejectedDataPoints",
                                        "rejectedLogRecords"};
    struct otlp_verdict verdict;
    otlp_verdict_refuse(&verdict, GRPC_OK, "x");
    verdict.rejected_count = 3;
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        char text[128];
        otlp_verdict_encode_response(&verdict, (enum signal)i, false, &out);
        check_bytes(wanted, sizeof(wanted));
        otlp_verdict_encode_response(&verdict, (enum signal)i, true, &out);
        (void)snprintf(text, sizeof(text),
                       "{\"partialSuccess\":{\"%s\":\"3\",\"errorMessage\":\"x\"}}", names[i]);
        check_text(text);
    }
}

static void test_partial_success_at_its_largest(void **state)
{
    (void)state;
    char text[OTLP_VERDICT_TEXT_BYTES];
    struct otlp_verdict verdict;
    memset(text, '\x01', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    otlp_verdict_refuse(&verdict, GRPC_OK, "%s", text);
    verdict.rejected_count = UINT64_MAX;
    otlp_verdict_encode_response(&verdict, SIGNAL_TRACES, false, &out);
    assert_int_equal(out.err, 0);
    /* tag, length of two bytes; tag, ten bytes; tag, length of two bytes, text */
    assert_int_equal(out.len, 3 + 11 + 3 + OTLP_VERDICT_TEXT_BYTES - 1);
    bytes_clear(&out);
    otlp_verdict_encode_response(&verdict, SIGNAL_TRACES, true, &out);
    assert_int_equal(out.err, 0);
}

/* --- statuses as bodies ----------------------------------------------------------------------- */

static void test_status_to_the_byte(void **state)
{
    (void)state;
    struct otlp_verdict verdict;
    otlp_verdict_refuse(&verdict, GRPC_INVALID_ARGUMENT, "bad %d", 7);
    otlp_verdict_encode_status(&verdict, false, &out);
    check_bytes("\x08\x03\x12\x05"
                "bad 7",
                9);
    otlp_verdict_encode_status(&verdict, true, &out);
    check_text("{\"code\":3,\"message\":\"bad 7\"}");
    otlp_verdict_refuse(&verdict, GRPC_INTERNAL, "say \"no\"\n");
    otlp_verdict_encode_status(&verdict, true, &out);
    check_text("{\"code\":13,\"message\":\"say \\\"no\\\"\\n\"}");
}

static void test_status_with_retry_info_to_the_byte(void **state)
{
    (void)state;
    struct otlp_verdict verdict;
    otlp_verdict_postpone(&verdict, "busy");
    otlp_verdict_encode_status(&verdict, false, &out);
    check_bytes("\x08\x0e\x12\x04"
                "busy"
                "\x1a\x30\x0a\x28" RETRY_URL "\x12\x04\x0a\x02\x08\x01",
                8 + 50);
    otlp_verdict_encode_status(&verdict, true, &out);
    check_text("{\"code\":14,\"message\":\"busy\",\"details\":[{\"@type\":\"" RETRY_URL
               "\",\"retryDelay\":\"1.000s\"}]}");
    verdict.retry_delay_ns = UINT64_C(2500000000);
    otlp_verdict_encode_status(&verdict, false, &out);
    assert_int_equal(out.len, 64);
    bytes_clear(&out);
    otlp_verdict_encode_status(&verdict, true, &out);
    assert_non_null(memmem(out.ptr, out.len, "\"2.500s\"", 8));
}

static void test_status_at_its_largest(void **state)
{
    (void)state;
    char text[OTLP_VERDICT_TEXT_BYTES];
    struct otlp_verdict verdict;
    memset(text, 'w', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    otlp_verdict_postpone(&verdict, text);
    verdict.retry_delay_ns = UINT64_MAX - 1;
    otlp_verdict_encode_status(&verdict, false, &out);
    assert_true(out.len > OTLP_VERDICT_TEXT_BYTES); /* it was not left out for want of room */
    bytes_clear(&out);
    otlp_verdict_encode_status(&verdict, true, &out);
    assert_int_equal(out.err, 0);
}

#define OUT_TEST(function) cmocka_unit_test_setup_teardown(function, open_out, close_out)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OUT_TEST(test_every_status_has_its_number_in_http),
        OUT_TEST(test_retry_after_is_whole_seconds_and_at_least_one),
        OUT_TEST(test_postponing_is_unavailable_for_a_second),
        OUT_TEST(test_words_are_cut_to_fit),
        OUT_TEST(test_words_are_always_utf8),
        OUT_TEST(test_full_success_is_an_empty_message),
        OUT_TEST(test_partial_success_to_the_byte),
        OUT_TEST(test_partial_success_at_its_largest),
        OUT_TEST(test_status_to_the_byte),
        OUT_TEST(test_status_with_retry_info_to_the_byte),
        OUT_TEST(test_status_at_its_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
