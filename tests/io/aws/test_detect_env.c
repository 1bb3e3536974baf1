/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of io/aws/detect_env: pairs, their encoding, and texts that are refused as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "io/aws/detect_env.h"
#include "tests/io/aws/detect_rig.h"

static struct detect_env env;

static const struct resource_detected *detect(const char *text)
{
    static struct resource_detect_plan plan;
    plan = PLAN(DETECTOR_ENV);
    resource_detected_fini(&env.state.found);
    detect_env_init(&env, &plan, slice_of_text(text));
    env.state.ops->start(&env.state);
    assert_true(env.state.is_done);
    env.state.ops->stop(&env.state);
    return &env.state.found;
}

static int clean(void **state)
{
    (void)state;
    resource_detected_fini(&env.state.found);
    return 0;
}

static void check_pair(const char *text, const char *key, const char *value)
{
    const struct resource_detected *found = detect(text);
    assert_string_equal(env.state.why, "");
    assert_int_equal(found->count, 1);
    assert_string_equal(detect_rig_text(found, key), value);
}

static void test_pairs_are_read(void **state)
{
    (void)state;
    const struct resource_detected *found = detect(" a=1 , b.c = x y,d=,e=1=2,a=3 ,");
    assert_string_equal(env.state.why, "");
    assert_string_equal(detect_rig_text(found, "a"), "3"); /* the last one */
    assert_string_equal(detect_rig_text(found, "b.c"), "x y");
    assert_string_equal(detect_rig_text(found, "e"), "1=2");
    assert_string_equal(detect_rig_text(found, "d"), "(none)"); /* empty */
    assert_int_equal(found->count, 3);
}

static void test_values_are_decoded(void **state)
{
    (void)state;
    check_pair("k=a%2Cb%3dc", "k", "a,b=c");
    check_pair("k=a+b%20c", "k", "a b c");
    check_pair("k=%C3%BC", "k", "\xc3\xbc");
    check_pair("%61=1", "%61", "1"); /* keys are not */
    check_pair("a,b=c", "a,b", "c"); /* what stands before '=' is the key, as in the Collector */
}

static void test_nothing_is_no_failure(void **state)
{
    (void)state;
    assert_int_equal(detect("")->count, 0);
    assert_string_equal(env.state.why, "");
    assert_int_equal(detect(" \t ")->count, 0);
    assert_string_equal(env.state.why, "");
}

static void test_bad_texts_give_nothing_at_all(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a", "a=1,b", "=1", "a=%2", "a=%g0", "a=%", "a=%ff", "a=\xc3\xbc", "\xc3=1", "good=1,bad",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(detect(texts[i])->count, 0);
        assert_string_not_equal(env.state.why, "");
        assert_false(env.state.is_momentary);
    }
}

static void test_texts_have_a_limit(void **state)
{
    (void)state;
    char text[2 * DETECT_ENV_TEXT_MAX_BYTES + 4];
    char key[DETECT_ENV_TEXT_MAX_BYTES + 1];
    memset(text, 'x', sizeof(text));
    text[DETECT_ENV_TEXT_MAX_BYTES] = '=';
    text[2 * DETECT_ENV_TEXT_MAX_BYTES + 1] = '\0';
    memset(key, 'x', sizeof(key));
    key[DETECT_ENV_TEXT_MAX_BYTES] = '\0';
    check_pair(text, key, key);
    text[2 * DETECT_ENV_TEXT_MAX_BYTES + 1] = 'x'; /* one more byte of value */
    text[2 * DETECT_ENV_TEXT_MAX_BYTES + 2] = '\0';
    assert_int_equal(detect(text)->count, 0);
    text[DETECT_ENV_TEXT_MAX_BYTES] = 'x'; /* or of key */
    text[DETECT_ENV_TEXT_MAX_BYTES + 1] = '=';
    assert_int_equal(detect(text)->count, 0);
    assert_string_not_equal(env.state.why, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_pairs_are_read, clean),
        cmocka_unit_test_teardown(test_values_are_decoded, clean),
        cmocka_unit_test_teardown(test_nothing_is_no_failure, clean),
        cmocka_unit_test_teardown(test_bad_texts_give_nothing_at_all, clean),
        cmocka_unit_test_teardown(test_texts_have_a_limit, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
