/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/otlp_grpc_response: statuses to outcomes, partial success to counts.
 */
#include "exporters/otlp_grpc_response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ITEM_COUNT 10

static struct bytes scratch;
static struct send_result got;

static void read_result(struct grpc_client_result result)
{
    bytes_init(&scratch, 1024);
    otlp_grpc_read_result(&result, ITEM_COUNT, &scratch, &got);
}

static void read_message(const char *bytes, size_t len)
{
    read_result((struct grpc_client_result){.status = GRPC_OK, .message = slice_of(bytes, len)});
    assert_int_equal(got.outcome, SEND_ACCEPTED);
    bytes_fini(&scratch);
}

static void test_status_table(void **state)
{
    (void)state;
    static const uint32_t retried = 1U << GRPC_CANCELLED | 1U << GRPC_DEADLINE_EXCEEDED |
                                    1U << GRPC_ABORTED | 1U << GRPC_OUT_OF_RANGE |
                                    1U << GRPC_UNAVAILABLE | 1U << GRPC_DATA_LOSS;
    for (uint32_t status = 1; status < GRPC_STATUS_COUNT; status++) {
        struct grpc_client_result result = {
            .status = (enum grpc_status)status,
            .text = SLICE_LITERAL("why"),
            .retry_delay_ns = GRPC_NO_RETRY_DELAY,
        };
        read_result(result);
        bool is_retried = (retried >> status & 1) != 0;
        assert_int_equal(got.outcome, is_retried ? SEND_RETRYABLE : SEND_REJECTED);
        assert_int_equal(got.status, status);
        assert_int_equal(got.retry_after_ns, 0);
        assert_true(slice_is_text(got.reason, "why"));
        result.retry_delay_ns = 7;
        read_result(result);
        is_retried = is_retried || status == GRPC_RESOURCE_EXHAUSTED;
        assert_int_equal(got.outcome, is_retried ? SEND_RETRYABLE : SEND_REJECTED);
        assert_int_equal(got.retry_after_ns, is_retried ? 7 : 0);
    }
    /* RetryInfo without a delay: our own backoff, but a retry. */
    read_result((struct grpc_client_result){.status = GRPC_RESOURCE_EXHAUSTED});
    assert_int_equal(got.outcome, SEND_RETRYABLE);
    assert_int_equal(got.retry_after_ns, 0);
}

static void test_partial_success(void **state)
{
    (void)state;
    read_message("", 0);
    assert_int_equal(got.rejected_items, 0);
    read_message("\x0A\x00", 2);
    assert_int_equal(got.rejected_items, 0);
    read_message("\x0A\x07\x08\x03\x12\x03old", 9);
    assert_int_equal(got.rejected_items, 3);
    assert_true(slice_is_text(got.reason, "old"));
    read_message("\x0A\x02\x08\x0A", 4);
    assert_int_equal(got.rejected_items, ITEM_COUNT);
    read_message("\x0A\x02\x08\x0B", 4); /* one more than were sent */
    assert_int_equal(got.rejected_items, ITEM_COUNT);
    /* Unknown fields of every kind stand around it. */
    read_message("\x10\x01\x1A\x01z\x0A\x04\x18\x05\x08\x02", 11);
    assert_int_equal(got.rejected_items, 2);
}

static void test_a_message_that_cannot_be_read_is_no_refusal(void **state)
{
    (void)state;
    static const char *const broken[] = {"\x0A\x63", "\x0A\x02\x08\x80", "\x0B",
                                         "\xFF\xFF\xFF\xFF"};
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        read_message(broken[i], strlen(broken[i]));
        assert_int_equal(got.rejected_items, 0);
    }
    read_message("\x0A\x0B\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 13); /* −1 */
    assert_int_equal(got.rejected_items, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_table),
        cmocka_unit_test(test_partial_success),
        cmocka_unit_test(test_a_message_that_cannot_be_read_is_no_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
