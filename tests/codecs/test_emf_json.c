/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of emf_json: what is JSON is copied token by token, what is none leaves no trace.
 */
#include "codecs/emf_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct bytes bytes;

/* The text inside an array, after another element. */
static bool inlined(const char *text, struct slice *out)
{
    bytes_clear(&bytes);
    struct json_out json = json_out_of(&bytes);
    json_out_open(&json, '[');
    json_out_u64(&json, 1);
    bool is_json = emf_json_inline(&json, slice_of_text(text));
    json_out_u64(&json, 2);
    json_out_close(&json, ']');
    *out = bytes_slice(&bytes);
    return is_json;
}

static void test_json_is_copied_without_blanks(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *out;
    } cases[] = {
        {"null", "[1,null,2]"},
        {" true ", "[1,true,2]"},
        {"-1.50E+3", "[1,-1.50E+3,2]"},
        {"\"a\\u0041\\n\"", "[1,\"a\\u0041\\n\",2]"},
        {"[ ]", "[1,[],2]"},
        {"{ \"a\" : [ 1 , {} , false ] ,\n\"b\" : \"c\" }",
         "[1,{\"a\":[1,{},false],\"b\":\"c\"},2]"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice out;
        assert_true(inlined(cases[i].text, &out));
        assert_true(slice_is_text(out, cases[i].out));
    }
}

static void test_what_is_no_json_leaves_no_trace(void **state)
{
    (void)state;
    static const char *const texts[] = {"",           " ",     "a",   "01",       "[1",
                                        "{\"a\":1,}", "[1] 2", "NaN", "\"\xFF\"", "\"\\ud800\"",
                                        "{\"a\" 1}",  "'a'",   "tru"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct slice out;
        assert_false(inlined(texts[i], &out));
        assert_true(slice_is_text(out, "[1,2]"));
    }
}

static int setup(void **state)
{
    (void)state;
    bytes_init(&bytes, 4096);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bytes_fini(&bytes);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_is_copied_without_blanks),
        cmocka_unit_test(test_what_is_no_json_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
