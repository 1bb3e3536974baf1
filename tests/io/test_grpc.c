/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of grpc: status tables, message framing from every split, header values, details.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/grpc.h"
#include "io/h2.h"

/* --- status codes ----------------------------------------------------------------------------- */

static void test_status_table_is_that_of_otlp(void **state)
{
    (void)state;
    static const bool RETRYABLE[GRPC_STATUS_COUNT] = {
        [GRPC_CANCELLED] = true,    [GRPC_DEADLINE_EXCEEDED] = true, [GRPC_ABORTED] = true,
        [GRPC_OUT_OF_RANGE] = true, [GRPC_UNAVAILABLE] = true,       [GRPC_DATA_LOSS] = true,
    };
    for (uint32_t i = 0; i < GRPC_STATUS_COUNT; i++) {
        assert_int_equal(grpc_status_is_retryable((enum grpc_status)i, false), RETRYABLE[i]);
        bool with_info = RETRYABLE[i] || i == GRPC_RESOURCE_EXHAUSTED;
        assert_int_equal(grpc_status_is_retryable((enum grpc_status)i, true), with_info);
    }
    assert_string_equal(grpc_status_name(16), "UNAUTHENTICATED");
    assert_string_equal(grpc_status_name(17), "UNKNOWN");
}

static void test_status_parses_what_is_one(void **state)
{
    (void)state;
    assert_int_equal(grpc_status_parse(SLICE_LITERAL("0")), GRPC_OK);
    assert_int_equal(grpc_status_parse(SLICE_LITERAL("16")), GRPC_UNAUTHENTICATED);
    assert_int_equal(grpc_status_parse(SLICE_LITERAL("17")), GRPC_UNKNOWN);
    assert_int_equal(grpc_status_parse(SLICE_LITERAL("")), GRPC_UNKNOWN);
    assert_int_equal(grpc_status_parse(SLICE_LITERAL("1x")), GRPC_UNKNOWN);
    assert_int_equal(grpc_status_parse(SLICE_LITERAL("0000000000000014")), GRPC_UNKNOWN);
}

static void test_status_of_http_and_resets(void **state)
{
    (void)state;
    assert_int_equal(grpc_status_of_http(400), GRPC_INTERNAL);
    assert_int_equal(grpc_status_of_http(401), GRPC_UNAUTHENTICATED);
    assert_int_equal(grpc_status_of_http(403), GRPC_PERMISSION_DENIED);
    assert_int_equal(grpc_status_of_http(404), GRPC_UNIMPLEMENTED);
    assert_int_equal(grpc_status_of_http(429), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_status_of_http(503), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_status_of_http(500), GRPC_UNKNOWN);
    assert_int_equal(grpc_status_of_reset(H2_CODE_REFUSED_STREAM), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_status_of_reset(H2_CODE_CANCEL), GRPC_CANCELLED);
    assert_int_equal(grpc_status_of_reset(H2_CODE_NO_ERROR), GRPC_INTERNAL);
    assert_int_equal(grpc_status_of_reset(H2_CODE_ENHANCE_YOUR_CALM), GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(grpc_status_of_reset(99), GRPC_UNKNOWN);
}

static void test_content_type_is_grpc_or_not(void **state)
{
    (void)state;
    assert_true(grpc_is_content_type(SLICE_LITERAL("application/grpc")));
    assert_true(grpc_is_content_type(SLICE_LITERAL("application/grpc+proto")));
    assert_true(grpc_is_content_type(SLICE_LITERAL("application/grpc;charset=utf-8")));
    assert_false(grpc_is_content_type(SLICE_LITERAL("application/grpc-web")));
    assert_false(grpc_is_content_type(SLICE_LITERAL("application/grp")));
    assert_false(grpc_is_content_type(SLICE_LITERAL("")));
}

/* --- messages --------------------------------------------------------------------------------- */

static void test_message_comes_together_from_any_pieces(void **state)
{
    (void)state;
    static const uint8_t WIRE[] = {1, 0, 0, 0, 4, 'a', 'b', 'c', 'd', 'N', 'E'};
    for (size_t step = 1; step <= sizeof(WIRE); step++) {
        struct grpc_message message = {0};
        enum grpc_step last = GRPC_STEP_MORE;
        size_t at = 0;
        size_t taken = 0;
        while (last != GRPC_STEP_DONE) {
            size_t len = sizeof(WIRE) - at < step ? sizeof(WIRE) - at : step;
            struct slice input = slice_of(WIRE + at, len);
            last = grpc_message_push(&message, &input);
            if (last == GRPC_STEP_PREFIX) {
                assert_int_equal(message.wire_bytes, 4);
                assert_int_equal(message.flag, 1);
                assert_int_equal(grpc_message_begin(&message), 0);
                last = grpc_message_push(&message, &input);
            }
            taken += len - input.len;
            at += len;
        }
        assert_int_equal(taken, 9); /* the next message was not taken */
        assert_false(grpc_message_is_cut(&message));
        void *memory = grpc_message_take(&message);
        assert_memory_equal(memory, "abcd", 4);
        mem_free(memory);
        grpc_message_fini(&message);
    }
}

static void test_empty_message_has_no_memory(void **state)
{
    (void)state;
    struct grpc_message message = {0};
    struct slice input = SLICE_LITERAL("\0\0\0\0\0");
    assert_true(grpc_message_is_empty(&message));
    assert_int_equal(grpc_message_push(&message, &input), GRPC_STEP_PREFIX);
    assert_int_equal(grpc_message_begin(&message), 0);
    assert_int_equal(grpc_message_push(&message, &input), GRPC_STEP_DONE);
    assert_null(grpc_message_take(&message));
}

static void test_message_notices_its_end_and_bad_flags(void **state)
{
    (void)state;
    struct grpc_message message = {0};
    struct slice input = SLICE_LITERAL("\0\0\0");
    assert_int_equal(grpc_message_push(&message, &input), GRPC_STEP_MORE);
    assert_true(grpc_message_is_cut(&message));
    input = SLICE_LITERAL("\0\2a");
    assert_int_equal(grpc_message_push(&message, &input), GRPC_STEP_PREFIX);
    assert_int_equal(grpc_message_begin(&message), 0);
    assert_int_equal(grpc_message_push(&message, &input), GRPC_STEP_MORE);
    assert_true(grpc_message_is_cut(&message));
    grpc_message_fini(&message);
    input = SLICE_LITERAL("\2\0\0\0\7");
    assert_int_equal(grpc_message_push(&message, &input), GRPC_STEP_BAD);
    assert_int_equal(message.flag, 2);
    assert_int_equal(message.wire_bytes, 7);
}

static void test_message_without_memory_is_refused(void **state)
{
    (void)state;
    struct grpc_message message = {0};
    struct slice input = SLICE_LITERAL("\0\0\0\0\1x");
    assert_int_equal(grpc_message_push(&message, &input), GRPC_STEP_PREFIX);
    mem_fail_nth(1);
    assert_int_equal(grpc_message_begin(&message), -ENOMEM);
    grpc_message_fini(&message);
}

/* --- header values ---------------------------------------------------------------------------- */

static void test_timeout_parses_every_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } GOOD[] = {
        {"1n", 1},
        {"99999999u", UINT64_C(99999999000)},
        {"10m", 10 * CLOCK_NS_PER_MS},
        {"0S", 0},
        {"2M", 120 * CLOCK_NS_PER_S},
        {"1H", 3600 * CLOCK_NS_PER_S},
        {"99999999H", UINT64_MAX},
    };
    for (size_t i = 0; i < COUNT_OF(GOOD); i++) {
        uint64_t ns = 1;
        assert_int_equal(grpc_timeout_parse(slice_of_text(GOOD[i].text), &ns), 0);
        assert_true(ns == GOOD[i].ns);
    }
    static const char *const BAD[] = {"",     "S",          "1",   "1s", "-1S",
                                      "1.5S", "123456789S", " 1S", "1 S"};
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        uint64_t ns = 1;
        assert_int_equal(grpc_timeout_parse(slice_of_text(BAD[i]), &ns), FAULT_MALFORMED);
    }
}

static void test_timeout_formats_never_shorter_than_asked(void **state)
{
    (void)state;
    static const uint64_t TIMES[] = {
        0,         1, 99999999, 100000000, 100000001, 5 * CLOCK_NS_PER_S, UINT64_C(123456789012345),
        UINT64_MAX};
    for (size_t i = 0; i < COUNT_OF(TIMES); i++) {
        uint8_t text[GRPC_TIMEOUT_MAX_BYTES];
        size_t len = grpc_timeout_format(TIMES[i], text);
        assert_true(len >= 2 && len <= sizeof(text));
        uint64_t ns = 0;
        assert_int_equal(grpc_timeout_parse(slice_of(text, len), &ns), 0);
        assert_true(ns >= TIMES[i]);
        assert_true(ns - TIMES[i] <= TIMES[i] / 10000);
    }
}

static void check_text(struct slice plain, const char *encoded)
{
    uint8_t out[256];
    size_t len = grpc_text_encode(plain, out, sizeof(out));
    assert_int_equal(len, strlen(encoded));
    assert_memory_equal(out, encoded, len);
    uint8_t back[256];
    size_t back_len = grpc_text_decode(slice_of(out, len), back);
    assert_true(slice_equal(slice_of(back, back_len), plain));
}

static void test_text_round_trips_through_percent_encoding(void **state)
{
    (void)state;
    check_text(SLICE_LITERAL("plain ~text"), "plain ~text");
    check_text(SLICE_LITERAL("100%\n\x7f"), "100%25%0A%7F");
    check_text(SLICE_LITERAL("gr\xc3\xbc\xc3\x9f"), "gr%C3%BC%C3%9F");
    check_text(SLICE_LITERAL("\xff\x00"), "%FF%00");
}

static void test_text_is_cut_between_characters(void **state)
{
    (void)state;
    uint8_t out[16];
    assert_int_equal(grpc_text_encode(SLICE_LITERAL("a\xc3\xbc"), out, 7), 7);
    assert_int_equal(grpc_text_encode(SLICE_LITERAL("a\xc3\xbc"), out, 6), 1);
    assert_int_equal(grpc_text_encode(SLICE_LITERAL("a%"), out, 3), 1);
}

static void test_malformed_escapes_stay(void **state)
{
    (void)state;
    uint8_t out[16];
    size_t len = grpc_text_decode(SLICE_LITERAL("%4g%41%e4%4"), out);
    assert_int_equal(len, 7);
    assert_memory_equal(out, "%4gA\xe4%4", 7);
}

static void test_bin_round_trips_padded_or_not(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
    for (size_t i = 0; i < COUNT_OF(TEXTS); i++) {
        uint8_t out[16];
        assert_int_equal(GRPC_BIN_BYTES(i), strlen(TEXTS[i]));
        size_t len = grpc_bin_encode(slice_of("foobar", i), out, sizeof(out));
        assert_true(slice_is_text(slice_of(out, len), TEXTS[i]));
        uint8_t padded[16];
        memcpy(padded, out, len);
        size_t padded_len = len;
        while (padded_len % 4 != 0) {
            padded[padded_len++] = '=';
        }
        const struct slice forms[] = {slice_of(out, len), slice_of(padded, padded_len)};
        for (size_t f = 0; f < COUNT_OF(forms); f++) {
            uint8_t back[16];
            size_t back_len = 0;
            assert_int_equal(grpc_bin_decode(forms[f], back, &back_len), 0);
            assert_true(slice_equal(slice_of(back, back_len), slice_of("foobar", i)));
        }
    }
    size_t len = 0;
    uint8_t out[16];
    assert_int_equal(grpc_bin_decode(SLICE_LITERAL("Z"), out, &len), FAULT_MALFORMED);
    assert_int_equal(grpc_bin_decode(SLICE_LITERAL("Zg="), out, &len), FAULT_MALFORMED);
    assert_int_equal(grpc_bin_decode(SLICE_LITERAL("Z-=="), out, &len), FAULT_MALFORMED);
    assert_int_equal(grpc_bin_decode(SLICE_LITERAL("===="), out, &len), FAULT_MALFORMED);
    assert_int_equal(grpc_bin_decode(SLICE_LITERAL("Zm9v"), NULL, &len), 0);
    assert_int_equal(len, 3);
}

/* --- details ---------------------------------------------------------------------------------- */

static void test_details_are_those_of_google_rpc(void **state)
{
    (void)state;
    /* code 14, message "busy", RetryInfo of 1.5 s */
    static const uint8_t WIRE[] = "\x08\x0e\x12\x04"
                                  "busy\x1a\x36"
                                  "\x0a\x28type.googleapis.com/google.rpc.RetryInfo"
                                  "\x12\x0a\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01";
    const struct grpc_details details = {
        .status = GRPC_UNAVAILABLE,
        .text = SLICE_LITERAL("busy"),
        .retry_delay_ns = 1500 * CLOCK_NS_PER_MS,
    };
    uint8_t out[256];
    size_t len = grpc_details_encode(&details, out, sizeof(out));
    assert_int_equal(len, sizeof(WIRE) - 1);
    assert_memory_equal(out, WIRE, len);
    assert_int_equal(grpc_details_encode(&details, out, len - 1), 0);
    struct grpc_details back;
    assert_int_equal(grpc_details_decode(slice_of(WIRE, len), &back), 0);
    assert_int_equal(back.status, GRPC_UNAVAILABLE);
    assert_true(slice_is_text(back.text, "busy"));
    assert_true(back.retry_delay_ns == 1500 * CLOCK_NS_PER_MS);
    /* Cut anywhere inside of a field it is refused. */
    for (size_t cut = 0; cut < len; cut++) {
        bool is_edge = cut == 0 || cut == 2 || cut == 8;
        assert_int_equal(grpc_details_decode(slice_of(WIRE, cut), &back) == 0, is_edge);
    }
}

static void test_details_round_trip_at_the_edges(void **state)
{
    (void)state;
    static const uint64_t DELAYS[] = {0, 1, CLOCK_NS_PER_S, UINT64_C(3600) * CLOCK_NS_PER_S,
                                      GRPC_NO_RETRY_DELAY};
    static uint8_t text[1024];
    memset(text, 't', sizeof(text));
    for (size_t i = 0; i < COUNT_OF(DELAYS); i++) {
        const struct grpc_details details = {
            .status = 8, .text = slice_of(text, sizeof(text)), .retry_delay_ns = DELAYS[i]};
        uint8_t out[sizeof(text) + GRPC_DETAILS_EXTRA_BYTES];
        size_t len = grpc_details_encode(&details, out, sizeof(out));
        assert_true(len > 0);
        struct grpc_details back;
        assert_int_equal(grpc_details_decode(slice_of(out, len), &back), 0);
        assert_true(back.retry_delay_ns == DELAYS[i]);
        assert_true(slice_equal(back.text, details.text));
    }
}

static void test_strange_details_are_stepped_over(void **state)
{
    (void)state;
    struct grpc_details back;
    /* An Any of another type, an unknown field, and a negative delay. */
    const struct slice other = SLICE_LITERAL("\x08\x03\x1a\x06\x0a\x01x\x12\x01y\x52\x01z");
    assert_int_equal(grpc_details_decode(other, &back), 0);
    assert_int_equal(back.status, 3);
    assert_true(back.retry_delay_ns == GRPC_NO_RETRY_DELAY);
    const struct slice negative =
        SLICE_LITERAL("\x1a\x39\x0a\x28type.googleapis.com/google.rpc.RetryInfo"
                      "\x12\x0d\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    assert_int_equal(grpc_details_decode(negative, &back), 0);
    assert_true(back.retry_delay_ns == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_table_is_that_of_otlp),
        cmocka_unit_test(test_status_parses_what_is_one),
        cmocka_unit_test(test_status_of_http_and_resets),
        cmocka_unit_test(test_content_type_is_grpc_or_not),
        cmocka_unit_test(test_message_comes_together_from_any_pieces),
        cmocka_unit_test(test_empty_message_has_no_memory),
        cmocka_unit_test(test_message_notices_its_end_and_bad_flags),
        cmocka_unit_test(test_message_without_memory_is_refused),
        cmocka_unit_test(test_timeout_parses_every_unit),
        cmocka_unit_test(test_timeout_formats_never_shorter_than_asked),
        cmocka_unit_test(test_text_round_trips_through_percent_encoding),
        cmocka_unit_test(test_text_is_cut_between_characters),
        cmocka_unit_test(test_malformed_escapes_stay),
        cmocka_unit_test(test_bin_round_trips_padded_or_not),
        cmocka_unit_test(test_details_are_those_of_google_rpc),
        cmocka_unit_test(test_details_round_trip_at_the_edges),
        cmocka_unit_test(test_strange_details_are_stepped_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
