/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of json: the vectors whole and cut at every byte, skipping, texts, and what a reader says
 * after its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/fault.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "tests/support/vectors.h"

#define TEXT_MAX_BYTES 4096
#define PAGE_BYTES 4096

static struct arena arena;
static uint8_t *guarded; /* a page, read-only while in use, and an unreadable one behind it */
static char said[TEXT_MAX_BYTES];
static size_t said_len;

static int setup(void **state)
{
    (void)state;
    guarded = mmap(NULL, (size_t)2 * PAGE_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guarded == MAP_FAILED || mprotect(guarded + PAGE_BYTES, PAGE_BYTES, PROT_NONE) != 0) {
        return -1;
    }
    return arena_init(&arena, 4096, 1 << 20);
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return munmap(guarded, (size_t)2 * PAGE_BYTES);
}

/* The bytes flush against the unreadable page; nothing can write to them. */
static struct slice guard(struct slice bytes)
{
    uint8_t *first = guarded + PAGE_BYTES - bytes.len;
    assert_true(bytes.len <= PAGE_BYTES);
    assert_int_equal(mprotect(guarded, PAGE_BYTES, PROT_READ | PROT_WRITE), 0);
    memcpy(first, bytes.ptr, bytes.len);
    assert_int_equal(mprotect(guarded, PAGE_BYTES, PROT_READ), 0);
    return slice_of(first, bytes.len);
}

static void say(struct slice bytes)
{
    assert_true(bytes.len <= sizeof(said) - said_len);
    memcpy(said + said_len, bytes.ptr, bytes.len);
    said_len += bytes.len;
}

static void say_text(const struct json_reader *reader, bool is_key)
{
    struct slice value = {0};
    assert_int_equal(json_text_value(reader->text, &arena, &value), 0);
    assert_true(slice_is_utf8(value));
    assert_int_equal(json_text_len(reader->text), value.len);
    assert_true(json_text_equals(reader->text, value));
    say(SLICE_LITERAL("\""));
    if (value.len > 0) {
        say(value);
    }
    say(is_key ? SLICE_LITERAL("\":") : SLICE_LITERAL("\""));
}

static void say_token(const struct json_reader *reader, enum json_token token)
{
    static const char *const words[] = {
        [JSON_TOKEN_BAD] = NULL,        [JSON_TOKEN_END] = "END",
        [JSON_TOKEN_OBJECT_OPEN] = "{", [JSON_TOKEN_OBJECT_CLOSE] = "}",
        [JSON_TOKEN_ARRAY_OPEN] = "[",  [JSON_TOKEN_ARRAY_CLOSE] = "]",
        [JSON_TOKEN_KEY] = NULL,        [JSON_TOKEN_STRING] = NULL,
        [JSON_TOKEN_NUMBER] = NULL,     [JSON_TOKEN_TRUE] = "true",
        [JSON_TOKEN_FALSE] = "false",   [JSON_TOKEN_NULL] = "null",
    };
    if (said_len > 0) {
        say(SLICE_LITERAL(" "));
    }
    if (token == JSON_TOKEN_NUMBER) {
        say(reader->number);
    } else if (token == JSON_TOKEN_KEY || token == JSON_TOKEN_STRING) {
        say_text(reader, token == JSON_TOKEN_KEY);
    } else {
        assert_non_null(words[token]);
        say(slice_of_text(words[token]));
    }
}

/* Reads to the end or the first trouble; `said` has the tokens. */
static enum json_token read_all(struct json_reader *reader)
{
    said_len = 0;
    arena_reset(&arena);
    enum json_token token = json_next(reader);
    while (token != JSON_TOKEN_BAD && token != JSON_TOKEN_END) {
        say_token(reader, token);
        token = json_next(reader);
    }
    assert_int_equal(json_next(reader), token);
    if (token == JSON_TOKEN_END) {
        say_token(reader, token);
        assert_null(reader->why);
        assert_int_equal(reader->depth, 0);
    }
    return token;
}

static void assert_said(const struct vector *v, struct slice got, struct slice expected)
{
    static uint8_t text[TEXT_MAX_BYTES];
    size_t len = vector_unescape(expected, text, sizeof(text));
    if (!slice_equal(got, slice_of(text, len))) {
        fail_msg("%.*s: %.*s", (int)v->title.len, (const char *)v->title.ptr, (int)got.len,
                 (const char *)got.ptr);
    }
}

static void check_bad(const struct vector *v, const struct json_reader *reader,
                      struct slice expected)
{
    char digits[NUMBER_TEXT_MAX_BYTES];
    assert_non_null(reader->why);
    said_len = 0;
    say(slice_of_text(reader->why));
    say(SLICE_LITERAL(" @"));
    say(slice_of(digits, number_format_u64(reader->why_offset, digits, sizeof(digits))));
    assert_said(v, slice_of(said, said_len), expected);
}

/* Cut anywhere, a text is bad or, if what is left is a document, that document. */
static void check_prefixes(struct slice text, enum json_utf8 utf8)
{
    for (size_t len = 0; len < text.len; len++) {
        struct json_reader reader = json_of(guard(slice_first(text, len)), utf8);
        enum json_token token = read_all(&reader);
        assert_true(token == JSON_TOKEN_END || reader.why_offset <= len);
    }
}

static void check_case(const struct vector *v)
{
    static uint8_t text[TEXT_MAX_BYTES];
    enum json_utf8 utf8 = JSON_UTF8_REPLACE;
    struct json_reader reader = {0};
    enum json_token token = JSON_TOKEN_END;
    for (size_t i = 0; i < v->line_count; i++) {
        struct slice key = v->lines[i].key;
        struct slice value = v->lines[i].text;
        if (slice_is_text(key, "utf8")) {
            utf8 = JSON_UTF8_REFUSE;
        } else if (slice_is_text(key, "in")) {
            struct slice in = slice_of(text, vector_unescape(value, text, sizeof(text)));
            check_prefixes(in, utf8);
            reader = json_of(guard(in), utf8);
            token = read_all(&reader);
        } else if (slice_is_text(key, "tokens")) {
            assert_said(v, slice_of(said, said_len), value);
        } else {
            assert_int_equal(token, JSON_TOKEN_BAD);
            check_bad(v, &reader, value);
        }
    }
}

static void check_file(const char *path)
{
    struct vectors vectors;
    struct vector v;
    assert_int_equal(vectors_open(&vectors, path), 0);
    while (vectors_next(&vectors, &v)) {
        check_case(&v);
    }
    vectors_close(&vectors);
}

static void test_vectors_read_as_they_say(void **state)
{
    (void)state;
    assert_int_equal(vectors_each_file(WEIR_SOURCE_DIR "/tests/vectors/json", check_file), 1);
}

static void test_skip_ends_behind_the_value(void **state)
{
    (void)state;
    struct json_reader r =
        json_of(SLICE_LITERAL("{\"a\":{\"x\":[1,{\"y\":[]}]},\"b\":[[]],\"c\":1,\"d\":\"s\"} rest"),
                JSON_UTF8_REFUSE);
    assert_int_equal(json_next(&r), JSON_TOKEN_OBJECT_OPEN);
    for (uint8_t name = 'a'; name <= 'd'; name++) {
        assert_int_equal(json_next(&r), JSON_TOKEN_KEY);
        assert_int_equal(r.text.raw.ptr[0], name);
        assert_true(json_skip(&r, json_next(&r)));
        assert_int_equal(r.depth, 1);
    }
    assert_int_equal(json_next(&r), JSON_TOKEN_OBJECT_CLOSE);
    /* What follows shows only when it is asked for. */
    assert_null(r.why);
    assert_int_equal(json_next(&r), JSON_TOKEN_BAD);
}

static void test_skip_reports_bad_text(void **state)
{
    (void)state;
    struct json_reader r = json_of(SLICE_LITERAL("[[1,]]"), JSON_UTF8_REFUSE);
    assert_int_equal(json_next(&r), JSON_TOKEN_ARRAY_OPEN);
    assert_false(json_skip(&r, json_next(&r)));
    assert_int_equal(r.why_offset, 4);
    assert_false(json_skip(&r, json_next(&r)));
}

static void test_tokens_say_where_they_begin(void **state)
{
    (void)state;
    struct json_reader r = json_of(SLICE_LITERAL("{ \"a\" : [ 17 ]}"), JSON_UTF8_REFUSE);
    static const size_t expected[] = {0, 2, 8, 10, 13, 14};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_int_not_equal(json_next(&r), JSON_TOKEN_BAD);
        assert_int_equal(r.token_offset, expected[i]);
    }
}

static void test_a_zeroed_reader_has_no_document(void **state)
{
    (void)state;
    struct json_reader r = {0};
    assert_int_equal(json_next(&r), JSON_TOKEN_BAD);
    assert_int_equal(r.why_offset, 0);
}

static void test_plain_texts_are_not_copied(void **state)
{
    (void)state;
    struct slice text = SLICE_LITERAL("[\"plain\",\"\\u0070lain\"]");
    struct json_reader r = json_of(text, JSON_UTF8_REFUSE);
    struct slice value = {0};
    assert_int_equal(json_next(&r), JSON_TOKEN_ARRAY_OPEN);
    assert_int_equal(json_next(&r), JSON_TOKEN_STRING);
    assert_int_equal(json_text_value(r.text, &arena, &value), 0);
    assert_ptr_equal(value.ptr, text.ptr + 2);
    assert_int_equal(json_next(&r), JSON_TOKEN_STRING);
    assert_true(r.text.has_escapes);
    assert_true(json_text_equals(r.text, SLICE_LITERAL("plain")));
    assert_false(json_text_equals(r.text, SLICE_LITERAL("plai")));
    assert_false(json_text_equals(r.text, SLICE_LITERAL("plain ")));
    assert_false(json_text_equals(r.text, SLICE_LITERAL("Plain")));
    struct arena none = {0};
    assert_int_equal(json_text_value(r.text, &none, &value), FAULT_LIMIT);
    assert_int_equal(json_text_value(r.text, &arena, &value), 0);
    assert_true(slice_is_text(value, "plain"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_read_as_they_say),
        cmocka_unit_test(test_skip_ends_behind_the_value),
        cmocka_unit_test(test_skip_reports_bad_text),
        cmocka_unit_test(test_tokens_say_where_they_begin),
        cmocka_unit_test(test_a_zeroed_reader_has_no_document),
        cmocka_unit_test(test_plain_texts_are_not_copied),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
