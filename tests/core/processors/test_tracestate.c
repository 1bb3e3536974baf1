/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of core/processors/tracestate: what is read, in which order it is written, what breaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/processors/tracestate.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    return arena_init(&arena, 4096, 1 << 20);
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static void check_again(const char *text, const char *expected)
{
    struct tracestate parsed;
    assert_true(tracestate_parse(slice_of_text(text), &parsed));
    struct slice again = tracestate_format(&parsed, &arena);
    if (!slice_is_text(again, expected)) {
        print_error("%s: %.*s\n", text, (int)again.len, (const char *)again.ptr);
    }
    assert_true(slice_is_text(again, expected));
}

static void test_what_is_read_is_written_again(void **state)
{
    (void)state;
    check_again("", "");
    check_again("vendor=1", "vendor=1");
    check_again("vendor=1 , tenant9@sys=a b:c;d\t,,", "vendor=1,tenant9@sys=a b:c;d");
    check_again("a=1,ot=th:8;rv:0000000000000F;x:y.Z_-,b=2",
                "ot=rv:0000000000000F;th:8;x:y.Z_-,a=1,b=2");
    check_again("ot=x:", "ot=x:");
    check_again("ot=th:8,ot=rv:00000000000001", "ot=rv:00000000000001");
}

static void test_fields_can_be_set(void **state)
{
    (void)state;
    struct tracestate parsed;
    assert_true(tracestate_parse(slice_of_text("a=1"), &parsed));
    parsed.threshold = slice_of_text("c");
    assert_true(slice_is_text(tracestate_format(&parsed, &arena), "ot=th:c,a=1"));
    parsed.randomness = slice_of_text("00000000000001");
    assert_true(slice_is_text(tracestate_format(&parsed, &arena), "ot=rv:00000000000001;th:c,a=1"));
}

static void test_what_breaks_the_syntax_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "a",
        "=1",
        "A=1",
        "1=1",
        "a=",
        "a=1=2",
        "a\x7F=1",
        "a=\x01",
        "@b=1",
        "a@=1",
        "a@9=1",
        "ot=",
        "ot=th",
        "ot=th:8;",
        "ot=;x:",
        "ot=:x",
        "ot=X:1",
        "ot=x:a b",
        "ot=th:",
        "ot=th:100000000000000",
        "ot=rv:1",
        "ot=th:-1",
        "ot=rv:0000000000000g",
    };
    struct tracestate parsed;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (tracestate_parse(slice_of_text(bad[i]), &parsed)) {
            print_error("'%s' was accepted\n", bad[i]);
            fail();
        }
    }
}

static void test_limits_hold_to_the_byte(void **state)
{
    (void)state;
    struct tracestate parsed;
    char text[TRACESTATE_MAX_BYTES + 2];
    size_t len = 0;
    for (uint32_t i = 0; i < TRACESTATE_MEMBERS_MAX; i++) {
        memcpy(text + len, "a=1,", 4);
        len += 4;
    }
    assert_true(tracestate_parse(slice_of(text, len), &parsed));
    assert_int_equal(parsed.other_count, TRACESTATE_MEMBERS_MAX);
    memcpy(text + len, "a=1,", 4);
    assert_false(tracestate_parse(slice_of(text, len + 4), &parsed));
    memset(text, ' ', sizeof(text));
    assert_true(tracestate_parse(slice_of(text, TRACESTATE_MAX_BYTES), &parsed));
    assert_false(tracestate_parse(slice_of(text, TRACESTATE_MAX_BYTES + 1), &parsed));
    memset(text, 'x', sizeof(text));
    memcpy(text, "ot=x:", 5);
    assert_true(tracestate_parse(slice_of(text, 3 + TRACESTATE_OT_MAX_BYTES), &parsed));
    assert_false(tracestate_parse(slice_of(text, 4 + TRACESTATE_OT_MAX_BYTES), &parsed));
    /* As many fields as fit. */
    memcpy(text, "ot=", 3);
    for (size_t i = 3; i + 3 <= 3 + TRACESTATE_OT_MAX_BYTES; i += 3) {
        memcpy(text + i, "x:;", 3);
    }
    assert_true(tracestate_parse(slice_of(text, 2 + 255), &parsed));
    assert_int_equal(parsed.extra_count, 85);
    check_again("k=1", "k=1");
}

static void test_a_full_arena_refuses(void **state)
{
    (void)state;
    struct tracestate parsed;
    struct arena none = {0};
    assert_true(tracestate_parse(slice_of_text("a=1"), &parsed));
    assert_null(tracestate_format(&parsed, &none).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_read_is_written_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fields_can_be_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_breaks_the_syntax_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits_hold_to_the_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_arena_refuses, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
