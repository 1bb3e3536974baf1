/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of answers, whole and in pieces, and what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/otlp/http_answer.h"

static const char good[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\n"
                           "CONTENT-length:  12\r\nConnection: Close\r\n\r\n";

static void test_a_head_is_read(void **state)
{
    (void)state;
    struct http_answer answer;
    assert_int_equal(http_answer_parse(slice_of(good, sizeof(good) - 1), &answer), PARSE_DONE);
    assert_int_equal(answer.status, 503);
    assert_int_equal(answer.body_bytes, 12);
    assert_int_equal(answer.head_bytes, sizeof(good) - 1);
    assert_true(answer.wants_close);
}

static void test_less_than_a_head_asks_for_more(void **state)
{
    (void)state;
    struct http_answer answer;
    for (size_t len = 0; len < sizeof(good) - 1; len++) {
        assert_int_equal(http_answer_parse(slice_of(good, len), &answer), PARSE_MORE);
    }
}

static void check_bad(const char *text)
{
    struct http_answer answer;
    assert_int_equal(http_answer_parse(slice_of_text(text), &answer), PARSE_BAD);
}

static void test_what_is_no_answer_is_bad(void **state)
{
    (void)state;
    check_bad("HTTP/1.0 200 OK\r\n\r\n");
    check_bad("HTTP/1.1 2x0 OK\r\n\r\n");
    check_bad("HTTP/1.1 20\r\n\r\n");
    check_bad("HTTP/1.1 200 OK\r\nno colon\r\n\r\n");
    check_bad("HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n");
    check_bad("HTTP/1.1 200 OK\r\nContent-Length: 1 2\r\n\r\n");
    check_bad("HTTP/1.1 200 OK\r\nContent-Length: 1234567890\r\n\r\n");
    check_bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_head_is_read),
        cmocka_unit_test(test_less_than_a_head_asks_for_more),
        cmocka_unit_test(test_what_is_no_answer_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
