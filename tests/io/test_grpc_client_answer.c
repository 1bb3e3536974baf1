/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/grpc_client_answer: fields and bytes in any portions, and which word counts in the
 * end.
 */
#include "io/grpc_client_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/mem.h"
#include "io/h2_client.h"
#include "io/io_bounds.h"

static struct grpc_answer answer;
static struct slice text;

static void begin(void)
{
    answer = (struct grpc_answer){.max_bytes = 100};
}

static void take(const char *name, const char *value)
{
    grpc_answer_take_field(&answer, slice_of_text(name), slice_of_text(value));
}

static enum grpc_status judge(enum h2_ending ending, uint32_t code)
{
    const struct h2_end end = {.ending = ending, .code = code, .why_text = "gone"};
    return grpc_answer_judge(&answer, &end, &text);
}

static void take_good_head(void)
{
    begin();
    take(":status", "200");
    take("content-type", "application/grpc+proto");
    take("x-else", "ignored");
}

static void test_message_arrives_in_any_portions(void **state)
{
    (void)state;
    static const char wire[] = "\x01\x00\x00\x00\x03"
                               "abc"
                               "more";
    for (size_t cut = 0; cut < sizeof(wire); cut++) {
        take_good_head();
        take("grpc-encoding", "gzip");
        assert_true(grpc_answer_take_body(&answer, slice_of(wire, cut)));
        assert_true(grpc_answer_take_body(&answer, slice_of(wire + cut, sizeof(wire) - 1 - cut)));
        take("grpc-status", "0");
        assert_true(answer.is_message_done);
        assert_int_equal(answer.message.wire_bytes, 3);
        assert_memory_equal(answer.message.memory, "abc", 3);
        assert_int_equal(answer.message.flag, 1);
        assert_memory_equal(answer.encoding, "gzip", answer.encoding_len);
        assert_int_equal(judge(H2_ENDED, 0), GRPC_OK);
        grpc_answer_fini(&answer);
        assert_int_equal(answer.max_bytes, 100);
    }
}

static void test_message_beyond_the_limit_is_refused_by_its_prefix(void **state)
{
    (void)state;
    take_good_head();
    assert_true(grpc_answer_take_body(&answer, slice_of("\0\0\0\0\x64", 5)));
    assert_false(answer.is_too_large);
    grpc_answer_fini(&answer);
    take_good_head();
    assert_false(grpc_answer_take_body(&answer, slice_of("\0\0\0\0\x65", 5)));
    assert_true(answer.is_too_large);
    assert_int_equal(judge(H2_RESET, H2_CODE_CANCEL), GRPC_RESOURCE_EXHAUSTED);
    grpc_answer_fini(&answer);
}

static void test_no_memory_is_worth_a_retry(void **state)
{
    (void)state;
    take_good_head();
    mem_fail_nth(1);
    assert_false(grpc_answer_take_body(&answer, slice_of("\0\0\0\0\x01x", 6)));
    mem_fail_nth(0);
    assert_int_equal(judge(H2_RESET, H2_CODE_CANCEL), GRPC_UNAVAILABLE);
    grpc_answer_fini(&answer);
    take_good_head();
    mem_fail_nth(1);
    take("grpc-message", "never mind");
    mem_fail_nth(0);
    take("grpc-status", "3");
    assert_int_equal(judge(H2_ENDED, 0), GRPC_INVALID_ARGUMENT);
    assert_int_equal(text.len, 0);
    grpc_answer_fini(&answer);
}

static void test_status_outweighs_everything_but_a_lost_stream(void **state)
{
    (void)state;
    take_good_head();
    take("grpc-status", "14");
    take("grpc-message", "first");
    take("grpc-message", "busy%20now");
    assert_int_equal(judge(H2_ENDED, 0), GRPC_UNAVAILABLE);
    assert_true(slice_is_text(text, "busy now"));
    assert_int_equal(judge(H2_RESET, H2_CODE_INTERNAL_ERROR), GRPC_INTERNAL);
    assert_int_equal(judge(H2_LOST, 0), GRPC_UNAVAILABLE);
    assert_true(slice_is_text(text, "gone"));
    assert_int_equal(judge(H2_UNSENT, 0), GRPC_UNAVAILABLE);
    assert_int_equal(judge(H2_CANCELLED, 0), GRPC_CANCELLED);
    grpc_answer_fini(&answer);
    /* A body that is broken changes nothing about the status. */
    take_good_head();
    assert_true(grpc_answer_take_body(&answer, slice_of("\x07\0\0\0\0", 5)));
    take("grpc-status", "0");
    assert_int_equal(judge(H2_ENDED, 0), GRPC_OK);
    assert_false(answer.is_message_done);
    grpc_answer_fini(&answer);
}

static void test_answer_without_status_goes_by_http(void **state)
{
    (void)state;
    take_good_head();
    assert_int_equal(judge(H2_ENDED, 0), GRPC_UNKNOWN);
    begin();
    take(":status", "200");
    take("content-type", "text/html");
    assert_true(grpc_answer_take_body(&answer, slice_of("<html>", 6)));
    assert_int_equal(judge(H2_ENDED, 0), GRPC_UNKNOWN);
    assert_true(slice_is_text(text, "the answer is not gRPC"));
    begin();
    take(":status", "503");
    assert_int_equal(judge(H2_ENDED, 0), GRPC_UNAVAILABLE);
    begin();
    take(":status", "5x3");
    assert_int_equal(answer.http_status, 0);
    grpc_answer_fini(&answer);
}

static void test_details_that_are_broken_are_no_details(void **state)
{
    (void)state;
    static const char *const values[] = {"", "*", "////", "CAg"};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        take_good_head();
        take("grpc-status-details-bin", values[i]);
        assert_false(answer.has_retry_info);
        grpc_answer_fini(&answer);
    }
}

static void test_texts_beyond_their_limits_are_cut(void **state)
{
    (void)state;
    char longer[GRPC_CLIENT_TEXT_MAX_BYTES + 2];
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    take_good_head();
    take("grpc-message", longer);
    assert_int_equal(answer.text_len, GRPC_CLIENT_TEXT_MAX_BYTES);
    take("grpc-encoding", "sixteen-letters!");
    assert_int_equal(answer.encoding_len, GRPC_CLIENT_ENCODING_MAX_BYTES);
    take("grpc-encoding", "seventeen-letters");
    assert_int_equal(answer.encoding_len, 0);
    grpc_answer_fini(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_arrives_in_any_portions),
        cmocka_unit_test(test_message_beyond_the_limit_is_refused_by_its_prefix),
        cmocka_unit_test(test_no_memory_is_worth_a_retry),
        cmocka_unit_test(test_status_outweighs_everything_but_a_lost_stream),
        cmocka_unit_test(test_answer_without_status_goes_by_http),
        cmocka_unit_test(test_details_that_are_broken_are_no_details),
        cmocka_unit_test(test_texts_beyond_their_limits_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
