/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of http1 and http1_chunks: each case is read whole and cut at every byte, with the buffer
 * moved between the calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/mem.h"
#include "io/http1.h"
#include "io/http1_chunks.h"
#include "io/io_bounds.h"

static struct http1_head head;

/* Feeds `text` up to each length in `step`s, always from a fresh copy. */
static enum parse parse_in_steps(struct slice text, size_t step, enum http1_why *why)
{
    head = (struct http1_head){0};
    static uint8_t *copy;
    for (size_t len = step < text.len ? step : text.len;; len += step) {
        len = len < text.len ? len : text.len;
        uint8_t *fresh = mem_alloc(len + 1);
        memcpy(fresh, text.ptr, len);
        mem_free(copy);
        copy = fresh;
        enum parse parse = http1_head_parse(&head, slice_of(copy, len), why);
        if (parse != PARSE_MORE || len == text.len) {
            return parse;
        }
    }
}

static void assert_bad(struct slice text, enum http1_why expected)
{
    for (size_t step = 1; step <= text.len; step += step < 64 ? 1 : text.len) {
        enum http1_why why = HTTP1_WHY_NONE;
        assert_int_equal(parse_in_steps(text, step, &why), PARSE_BAD);
        assert_int_equal(why, expected);
    }
}

static void assert_good(const char *text)
{
    struct slice all = slice_of_text(text);
    for (size_t step = all.len; step > 0; step--) {
        enum http1_why why = HTTP1_WHY_NONE;
        assert_int_equal(parse_in_steps(all, step, &why), PARSE_DONE);
    }
}

static void assert_slice(struct slice got, const char *expected)
{
    assert_int_equal(got.len, strlen(expected));
    assert_memory_equal(got.ptr, expected, got.len);
}

static void test_request_is_taken_apart(void **state)
{
    (void)state;
    assert_good("POST /v1/metrics?a=b&c HTTP/1.1\r\nHost: h:1\r\nContent-Length: 12\r\n"
                "Accept:\t text/plain ; q=1 \r\nX-Empty:\r\n\r\nbody follows");
    assert_slice(http1_head_method(&head), "POST");
    assert_slice(http1_head_target(&head), "/v1/metrics?a=b&c");
    assert_slice(http1_head_path(&head), "/v1/metrics");
    assert_slice(http1_head_query(&head), "a=b&c");
    assert_int_equal(head.header_count, 4);
    assert_slice(http1_head_name_at(&head, 2), "Accept");
    assert_slice(http1_head_value_at(&head, 2), "text/plain ; q=1");
    struct slice value;
    assert_true(http1_head_find(&head, "x-empty", &value));
    assert_int_equal(value.len, 0);
    assert_false(http1_head_find(&head, "X-Emptyy", &value));
    assert_int_equal(head.framing, HTTP1_FRAMING_LENGTH);
    assert_int_equal(head.content_length, 12);
    assert_int_equal(head.minor_version, 1);
    assert_true(head.is_keep_alive);
    assert_false(head.expects_continue);
}

static void test_head_ends_where_the_body_begins(void **state)
{
    (void)state;
    const char *text = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\n";
    assert_good(text);
    assert_int_equal(head.head_bytes, strlen("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(head.framing, HTTP1_FRAMING_NONE);
}

static void test_every_prefix_wants_more(void **state)
{
    (void)state;
    struct slice all = slice_of_text("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for (size_t len = 0; len < all.len; len++) {
        head = (struct http1_head){0};
        enum http1_why why;
        assert_int_equal(http1_head_parse(&head, slice_first(all, len), &why), PARSE_MORE);
    }
    assert_good("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_slice(http1_head_method(&head), "GET");
}

static void test_targets(void **state)
{
    (void)state;
    assert_good("GET http://host.example:80/a/b?q HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_slice(http1_head_path(&head), "/a/b");
    assert_slice(http1_head_query(&head), "q");
    assert_good("GET https://host?q HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_slice(http1_head_path(&head), "/");
    assert_good("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_slice(http1_head_path(&head), "*");
    assert_bad(SLICE_LITERAL("GET * HTTP/1.1\r\nHost: x\r\n\r\n"), HTTP1_WHY_TARGET);
    assert_bad(SLICE_LITERAL("CONNECT host:80 HTTP/1.1\r\n"), HTTP1_WHY_TARGET);
    assert_bad(SLICE_LITERAL("GET http:// HTTP/1.1\r\n"), HTTP1_WHY_TARGET);
    assert_bad(SLICE_LITERAL("GET /\x7f HTTP/1.1\r\n"), HTTP1_WHY_TARGET);
    assert_bad(SLICE_LITERAL("GET /\xc3\xa4 HTTP/1.1\r\n"), HTTP1_WHY_TARGET);
    assert_bad(SLICE_LITERAL("GET /\0 HTTP/1.1\r\n"), HTTP1_WHY_TARGET);
}

static void test_request_lines_that_are_none(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "GET /\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET /  HTTP/1.1\r\n",
        " GET / HTTP/1.1\r\n",
        "G(T / HTTP/1.1\r\n",
        "GET / http/1.1\r\n",
        "GET / HTTP/1.1x\r\n",
        "GET / HTTP/11\r\n",
        "GET / HTTP/1.\r\n",
        "GET / HTTP/a.1\r\n",
        "\x16\x03\x01",
        "\r\n\r\n",
        "GET / HTTP/1.10\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        enum http1_why expected =
            strstr(lines[i], "GET  /") != NULL ? HTTP1_WHY_TARGET : HTTP1_WHY_REQUEST_LINE;
        assert_bad(slice_of_text(lines[i]), expected);
    }
    assert_bad(SLICE_LITERAL("GET / HTTP/2.0\r\n"), HTTP1_WHY_VERSION);
    assert_bad(SLICE_LITERAL("GET / HTTP/1.2\r\n"), HTTP1_WHY_VERSION);
    assert_bad(SLICE_LITERAL("GET / HTTP/0.9\r\n"), HTTP1_WHY_VERSION);
    assert_bad(SLICE_LITERAL("GET / HTTP/1.1\n"), HTTP1_WHY_LINE_END);
    assert_bad(SLICE_LITERAL("GET /\r HTTP/1.1\r\n"), HTTP1_WHY_LINE_END);
}

#define GET "GET / HTTP/1.1\r\n"
#define HOST "Host: x\r\n"

static void test_bad_fields_have_their_reasons(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum http1_why why;
    } cases[] = {
        {GET "Host : x\r\n", HTTP1_WHY_HEADER},
        {GET ": x\r\n", HTTP1_WHY_HEADER},
        {GET "Host\r\n", HTTP1_WHY_HEADER},
        {GET HOST "A: b\x01\r\n", HTTP1_WHY_HEADER},
        {GET HOST "A\x80: b\r\n", HTTP1_WHY_HEADER},
        {GET HOST " folded\r\n", HTTP1_WHY_FOLDED},
        {GET HOST "\tfolded\r\n", HTTP1_WHY_FOLDED},
        {GET HOST "A: b\n", HTTP1_WHY_LINE_END},
        {GET HOST "A: b\rc\r\n", HTTP1_WHY_LINE_END},
        {GET HOST "\n", HTTP1_WHY_LINE_END},
        {GET "\r\n", HTTP1_WHY_HOST},
        {GET HOST HOST, HTTP1_WHY_HOST},
        {GET HOST "Content-Length: \r\n", HTTP1_WHY_LENGTH},
        {GET HOST "Content-Length: +1\r\n", HTTP1_WHY_LENGTH},
        {GET HOST "Content-Length: -1\r\n", HTTP1_WHY_LENGTH},
        {GET HOST "Content-Length: 1, 1\r\n", HTTP1_WHY_LENGTH},
        {GET HOST "Content-Length: 0x1\r\n", HTTP1_WHY_LENGTH},
        {GET HOST "Content-Length: 18446744073709551616\r\n", HTTP1_WHY_LENGTH},
        {GET HOST "Content-Length: 1\r\ncontent-length: 1\r\n", HTTP1_WHY_LENGTH},
        {GET HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP1_WHY_FRAMING},
        {GET HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", HTTP1_WHY_FRAMING},
        {GET HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
         HTTP1_WHY_FRAMING},
        {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", HTTP1_WHY_FRAMING},
        {GET HOST "Transfer-Encoding: gzip, chunked\r\n", HTTP1_WHY_CODING},
        {GET HOST "Transfer-Encoding: identity\r\n", HTTP1_WHY_CODING},
        {GET HOST "Expect: a-miracle\r\n", HTTP1_WHY_EXPECT},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_bad(slice_of_text(cases[i].text), cases[i].why);
    }
}

static void test_reasons_have_their_statuses(void **state)
{
    (void)state;
    assert_int_equal(http1_why_status(HTTP1_WHY_REQUEST_LINE), 400);
    assert_int_equal(http1_why_status(HTTP1_WHY_TARGET_LONG), 414);
    assert_int_equal(http1_why_status(HTTP1_WHY_HEADERS_MANY), 431);
    assert_int_equal(http1_why_status(HTTP1_WHY_CODING), 501);
    assert_int_equal(http1_why_status(HTTP1_WHY_VERSION), 505);
    assert_string_equal(http1_why_text(HTTP1_WHY_HOST), "one Host header field is needed");
}

static void test_connections_stay_or_go(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_keep_alive;
    } cases[] = {
        {GET HOST "\r\n", true},
        {GET HOST "Connection: close\r\n\r\n", false},
        {GET HOST "Connection: foo , CLOSE\r\n\r\n", false},
        {GET HOST "Connection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_good(cases[i].text);
        assert_int_equal(head.is_keep_alive, cases[i].is_keep_alive);
    }
}

static void test_continue_is_for_clients_that_know_it(void **state)
{
    (void)state;
    assert_good(GET HOST "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n");
    assert_true(head.expects_continue);
    assert_good("GET / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_false(head.expects_continue);
    assert_good(GET HOST "Transfer-Encoding: Chunked\r\n\r\n");
    assert_int_equal(head.framing, HTTP1_FRAMING_CHUNKED);
    assert_good(GET HOST "Content-Length: 0\r\n\r\n");
    assert_int_equal(head.framing, HTTP1_FRAMING_NONE);
}

/* GET /aaa… with a target of `len` bytes, or a header that fills up the head to `len` bytes. */
static struct slice long_text(char *buf, const char *before, size_t len, const char *after)
{
    size_t before_len = strlen(before);
    size_t after_len = strlen(after);
    memcpy(buf, before, before_len);
    memset(buf + before_len, 'a', len - before_len - after_len);
    memcpy(buf + len - after_len, after, after_len);
    return slice_of(buf, len);
}

static void test_limits_of_the_head(void **state)
{
    (void)state;
    static char buf[HTTP1_HEAD_MAX_BYTES + 1];
    enum http1_why why = HTTP1_WHY_NONE;
    const char *end = " HTTP/1.1\r\nHost: x\r\n\r\n";
    struct slice fits = long_text(buf, "GET /", HTTP1_HEAD_MAX_BYTES, end);
    assert_int_equal(parse_in_steps(fits, fits.len, &why), PARSE_DONE);
    assert_int_equal(head.head_bytes, HTTP1_HEAD_MAX_BYTES);

    struct slice passes = long_text(buf, "GET /", HTTP1_HEAD_MAX_BYTES + 1, end);
    assert_int_equal(parse_in_steps(passes, passes.len, &why), PARSE_BAD);
    assert_int_equal(why, HTTP1_WHY_HEAD_LONG);
    assert_int_equal(parse_in_steps(passes, 1000, &why), PARSE_BAD);
    assert_int_equal(why, HTTP1_WHY_HEAD_LONG);

    struct slice target = long_text(buf, "GET /", HTTP1_HEAD_MAX_BYTES, "aaa");
    assert_int_equal(parse_in_steps(target, 1000, &why), PARSE_BAD);
    assert_int_equal(why, HTTP1_WHY_TARGET_LONG);
    head = (struct http1_head){0};
    assert_int_equal(http1_head_parse(&head, slice_first(target, target.len - 1), &why),
                     PARSE_MORE);
}

static void test_limits_of_the_fields(void **state)
{
    (void)state;
    static char buf[HTTP1_HEAD_MAX_BYTES];
    for (uint32_t extra = 0; extra < 2; extra++) {
        size_t len = strlen(GET HOST);
        memcpy(buf, GET HOST, len);
        for (uint32_t i = 1; i < HTTP1_HEADERS_MAX + extra; i++) {
            memcpy(buf + len, "a: b\r\n", 6);
            len += 6;
        }
        memcpy(buf + len, "\r\n", 2);
        enum http1_why why = HTTP1_WHY_NONE;
        enum parse parse = parse_in_steps(slice_of(buf, len + 2), len + 2, &why);
        assert_int_equal(parse, extra == 0 ? PARSE_DONE : PARSE_BAD);
        assert_int_equal(why, extra == 0 ? HTTP1_WHY_NONE : HTTP1_WHY_HEADERS_MANY);
    }
}

static void test_elements_of_a_list(void **state)
{
    (void)state;
    struct slice rest = SLICE_LITERAL(" , a,b c ,, d\t");
    struct slice element;
    static const char *const expected[] = {"a", "b c", "d"};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(http1_next_element(&rest, &element));
        assert_slice(element, expected[i]);
    }
    assert_false(http1_next_element(&rest, &element));
}

/* Decodes `text` in steps into `out`; what is left behind the body goes to *left. */
static enum parse decode_in_steps(struct slice text, size_t step, char *out, size_t *out_len,
                                  size_t *left, enum http1_why *why)
{
    struct http1_chunks chunks = {0};
    *out_len = 0;
    enum parse parse = PARSE_MORE;
    size_t offset = 0;
    while (parse == PARSE_MORE && offset < text.len) {
        size_t len = step < text.len - offset ? step : text.len - offset;
        struct slice in = slice_first(slice_from(text, offset), len);
        while (parse == PARSE_MORE && in.len > 0) {
            struct slice data;
            parse = http1_chunks_decode(&chunks, &in, &data, why);
            memcpy(out + *out_len, data.ptr != NULL ? data.ptr : (const uint8_t *)"", data.len);
            *out_len += data.len;
        }
        offset += len - in.len;
    }
    *left = text.len - offset;
    return parse;
}

static void test_chunks_are_unwrapped(void **state)
{
    (void)state;
    struct slice text =
        SLICE_LITERAL("4\r\nWiki\r\n0000a;name=\"v\"\r\npedia\r\n in\r\n5 \r\n chun\r\n0\r\n"
                      "Trailer: yes\r\nB: c\r\n\r\nGET");
    for (size_t step = 1; step <= text.len; step++) {
        char out[64];
        size_t out_len;
        size_t left;
        enum http1_why why;
        assert_int_equal(decode_in_steps(text, step, out, &out_len, &left, &why), PARSE_DONE);
        assert_int_equal(out_len, 19);
        assert_memory_equal(out, "Wikipedia\r\n in chun", 19);
        assert_int_equal(left, 3);
    }
}

static void test_bad_chunks_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "1\na",
        "1\r\naa\r\n",
        "1\r\na\n",
        "1\r\na\rx",
        "0\r\n\r\x01",
        "0\r\nA\x01\r\n",
        "10000000000000000\r\n",
        "1;\x01",
        "1\rx",
        "00000000000000001\r\n",
        "1,2\r\n",
        "0\r\n\n",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (size_t step = 1; step <= strlen(texts[i]); step++) {
            char out[64];
            size_t out_len;
            size_t left;
            enum http1_why why = HTTP1_WHY_NONE;
            struct slice text = slice_of_text(texts[i]);
            assert_int_equal(decode_in_steps(text, step, out, &out_len, &left, &why), PARSE_BAD);
            assert_int_equal(why, HTTP1_WHY_CHUNK);
        }
    }
}

static void test_limits_of_chunks(void **state)
{
    (void)state;
    static char buf[HTTP1_TRAILER_MAX_BYTES + 64];
    char out[8];
    size_t out_len;
    size_t left;
    enum http1_why why = HTTP1_WHY_NONE;
    struct slice fits = long_text(buf, "0;", 2 + HTTP1_CHUNK_LINE_MAX_BYTES + 4, "\r\n\r\n");
    assert_int_equal(decode_in_steps(fits, fits.len, out, &out_len, &left, &why), PARSE_DONE);
    struct slice over = long_text(buf, "0;", 2 + HTTP1_CHUNK_LINE_MAX_BYTES + 5, "\r\n\r\n");
    assert_int_equal(decode_in_steps(over, over.len, out, &out_len, &left, &why), PARSE_BAD);
    assert_int_equal(why, HTTP1_WHY_CHUNK);

    fits = long_text(buf, "0\r\n", 3 + HTTP1_TRAILER_MAX_BYTES + 4, "\r\n\r\n");
    assert_int_equal(decode_in_steps(fits, fits.len, out, &out_len, &left, &why), PARSE_DONE);
    over = long_text(buf, "0\r\n", 3 + HTTP1_TRAILER_MAX_BYTES + 5, "\r\n\r\n");
    assert_int_equal(decode_in_steps(over, over.len, out, &out_len, &left, &why), PARSE_BAD);
    assert_int_equal(why, HTTP1_WHY_TRAILER_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_is_taken_apart),
        cmocka_unit_test(test_head_ends_where_the_body_begins),
        cmocka_unit_test(test_every_prefix_wants_more),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_request_lines_that_are_none),
        cmocka_unit_test(test_bad_fields_have_their_reasons),
        cmocka_unit_test(test_reasons_have_their_statuses),
        cmocka_unit_test(test_connections_stay_or_go),
        cmocka_unit_test(test_continue_is_for_clients_that_know_it),
        cmocka_unit_test(test_limits_of_the_head),
        cmocka_unit_test(test_limits_of_the_fields),
        cmocka_unit_test(test_elements_of_a_list),
        cmocka_unit_test(test_chunks_are_unwrapped),
        cmocka_unit_test(test_bad_chunks_are_refused),
        cmocka_unit_test(test_limits_of_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
