/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/aws/profile_file: sections of both files, comments, nested blocks, who wins.
 */
#include "io/aws/profile_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"

static struct profile read_config(const char *text, const char *name)
{
    struct profile profile = {.is_found = false};
    profile_file_read(slice_of_text(text), PROFILE_FILE_CONFIG, slice_of_text(name), &profile);
    return profile;
}

static void assert_value(const struct profile *profile, enum profile_key key, const char *expected)
{
    if (!slice_is_text(profile->values[key], expected)) {
        fail_msg("%.*s is not %s", (int)profile->values[key].len,
                 (const char *)profile->values[key].ptr, expected);
    }
}

static void test_config_sections_need_the_word_but_for_default(void **state)
{
    (void)state;
    const char *text = "[default]\nregion=a\n[profile build]\nregion = b\n[build]\nregion=c\n"
                       "[profile  \"two words\"]\r\nregion = d\r\n[profilebuild]\nregion=e\n";
    struct profile profile = read_config(text, "default");
    assert_value(&profile, PROFILE_REGION, "a");
    profile = read_config(text, "build");
    assert_value(&profile, PROFILE_REGION, "b");
    profile = read_config(text, "two words");
    assert_value(&profile, PROFILE_REGION, "d");
    profile = read_config(text, "absent");
    assert_false(profile.is_found);
    profile = (struct profile){.is_found = false};
    profile_file_read(slice_of_text(text), PROFILE_FILE_CREDENTIALS, SLICE_LITERAL("build"),
                      &profile);
    assert_value(&profile, PROFILE_REGION, "c");
}

static void test_comments_and_case_of_keys(void **state)
{
    (void)state;
    struct profile profile = read_config("# region = x\n[default] ; main\n;region = y\n"
                                         "Region = eu-west-1 # home\nrole_arn=a#b;c\n"
                                         "external_id = ; nothing\n",
                                         "default");
    assert_value(&profile, PROFILE_REGION, "eu-west-1");
    assert_value(&profile, PROFILE_ROLE_ARN, "a#b;c");
    assert_false(profile_has(&profile, PROFILE_MFA_SERIAL));
}

static void test_nested_blocks_are_stepped_over(void **state)
{
    (void)state;
    struct profile profile = read_config("[default]\ns3 =\n  region = nested\n\tx = 1\n"
                                         "role_arn = r\n    region = deep\n",
                                         "default");
    assert_false(profile_has(&profile, PROFILE_REGION));
    assert_value(&profile, PROFILE_ROLE_ARN, "r");
    /* A section that is indented as a whole is an ordinary one. */
    profile = read_config("[default]\n  role_arn = r\n  region = b\n", "default");
    assert_value(&profile, PROFILE_REGION, "b");
}

static void test_credentials_win_and_bring_their_own_token(void **state)
{
    (void)state;
    struct profile profile = read_config("[default]\nregion=a\naws_access_key_id=K1\n"
                                         "aws_secret_access_key=S1\naws_session_token=T1\n",
                                         "default");
    profile_file_read(SLICE_LITERAL("[default]\naws_access_key_id = K2\n"
                                    "aws_secret_access_key = S2==\n"),
                      PROFILE_FILE_CREDENTIALS, SLICE_LITERAL("default"), &profile);
    assert_value(&profile, PROFILE_REGION, "a");
    assert_value(&profile, PROFILE_ACCESS_KEY_ID, "K2");
    assert_value(&profile, PROFILE_SECRET_ACCESS_KEY, "S2==");
    assert_false(profile_has(&profile, PROFILE_SESSION_TOKEN));
}

static void test_broken_lines_are_skipped(void **state)
{
    (void)state;
    struct profile profile = read_config("region=before\n[default\nregion=a\n[]\n=x\n[default]\n"
                                         "no equals\n]\nregion=b",
                                         "default");
    assert_value(&profile, PROFILE_REGION, "b");
    profile = read_config("", "default");
    assert_false(profile.is_found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_sections_need_the_word_but_for_default),
        cmocka_unit_test(test_comments_and_case_of_keys),
        cmocka_unit_test(test_nested_blocks_are_stepped_over),
        cmocka_unit_test(test_credentials_win_and_bring_their_own_token),
        cmocka_unit_test(test_broken_lines_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
