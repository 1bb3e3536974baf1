/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a request, whole, cut at every byte, and broken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "bench/sink_head.h"

static const char request[] = "POST /v1/metrics HTTP/1.1\r\nHost: x\r\ncontent-length: 12\r\n"
                              "Content-Type: application/x-protobuf\r\nContent-Encoding: gzip\r\n"
                              "Expect: 100-continue\r\nConnection: close\r\n\r\n";

static void test_head_is_read(void **state)
{
    (void)state;
    struct sink_head head;
    assert_int_equal(sink_head_parse(slice_of_text(request), &head), PARSE_DONE);
    assert_true(slice_is_text(head.path, "/v1/metrics"));
    assert_true(slice_is_text(head.content_type, "application/x-protobuf"));
    assert_true(slice_is_text(head.content_encoding, "gzip"));
    assert_int_equal(head.body_bytes, 12);
    assert_int_equal(head.head_bytes, strlen(request));
    assert_true(head.wants_close);
    assert_true(head.expects_continue);
}

static void test_head_wants_more_at_every_cut(void **state)
{
    (void)state;
    struct sink_head head;
    for (size_t len = 0; len < strlen(request); len++) {
        assert_int_equal(sink_head_parse(slice_of(request, len), &head), PARSE_MORE);
    }
}

static enum parse parse_text(const char *text)
{
    struct sink_head head;
    return sink_head_parse(slice_of_text(text), &head);
}

static void test_head_refuses_what_it_does_not_speak(void **state)
{
    (void)state;
    assert_int_equal(parse_text("GET / HTTP/1.1\r\n\r\n"), PARSE_BAD);
    assert_int_equal(parse_text("POST /\r\n\r\n"), PARSE_BAD);
    assert_int_equal(parse_text("POST / HTTP/1.1\r\nnocolon\r\n\r\n"), PARSE_BAD);
    assert_int_equal(parse_text("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"), PARSE_BAD);
    assert_int_equal(parse_text("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n"), PARSE_BAD);
    assert_int_equal(parse_text("POST / HTTP/1.1\r\nContent-Length: 9999999999999\r\n\r\n"),
                     PARSE_BAD);
    assert_int_equal(parse_text("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
                     PARSE_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_is_read),
        cmocka_unit_test(test_head_wants_more_at_every_cut),
        cmocka_unit_test(test_head_refuses_what_it_does_not_speak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
