/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of io/aws/region: the order of the texts, and what is taken out of ARN and document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "io/aws/region.h"

static void check_valid(const char *text, bool is_expected)
{
    assert_int_equal(aws_region_is_valid(slice_of_text(text)), is_expected);
}

static void test_regions_are_checked(void **state)
{
    (void)state;
    char longest[AWS_REGION_MAX_BYTES + 2];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    check_valid("eu-west-1", true);
    check_valid("a", true);
    check_valid("", false);
    check_valid("EU-WEST-1", false);
    check_valid("eu_west_1", false);
    check_valid("eu-west-1.evil.example/", false);
    check_valid("eu-west-1 ", false);
    check_valid("eu-west-1\n", false);
    check_valid(longest, false);
    check_valid(longest + 1, true);
}

static void test_the_first_text_wins(void **state)
{
    (void)state;
    struct aws_region_texts texts = {
        .setting = SLICE_LITERAL("r-1"),
        .env_region = SLICE_LITERAL("r-2"),
        .env_default_region = SLICE_LITERAL("r-3"),
        .profile = SLICE_LITERAL("r-4"),
    };
    struct aws_region region;
    assert_int_equal(aws_region_choose(&texts, &region), 0);
    assert_string_equal(region.text, "r-1");
    assert_int_equal(region.source, AWS_REGION_SETTING);
    texts.setting = (struct slice){0};
    assert_int_equal(aws_region_choose(&texts, &region), 0);
    assert_string_equal(region.text, "r-2");
    assert_string_equal(aws_region_source_name(region.source), "AWS_REGION");
    texts.env_region = (struct slice){0};
    assert_int_equal(aws_region_choose(&texts, &region), 0);
    assert_string_equal(region.text, "r-3");
    assert_string_equal(aws_region_source_name(region.source), "AWS_DEFAULT_REGION");
    texts.env_default_region = (struct slice){0};
    assert_int_equal(aws_region_choose(&texts, &region), 0);
    assert_string_equal(region.text, "r-4");
    assert_int_equal(region.source, AWS_REGION_PROFILE);
    texts.profile = (struct slice){0};
    assert_int_equal(aws_region_choose(&texts, &region), -ENOENT);
    assert_string_equal(region.text, "");
    assert_int_equal(region.source, AWS_REGION_UNKNOWN);
}

static void test_a_malformed_text_is_not_skipped(void **state)
{
    (void)state;
    struct aws_region region;
    const struct aws_region_texts texts = {.env_region = SLICE_LITERAL("eu west"),
                                           .profile = SLICE_LITERAL("eu-west-1")};
    assert_int_equal(aws_region_choose(&texts, &region), FAULT_MALFORMED);
    assert_string_equal(region.text, "");
    assert_int_equal(region.source, AWS_REGION_ENV);
}

static void check_arn(const char *arn, const char *expected)
{
    struct aws_region region;
    int err = aws_region_from_arn(slice_of_text(arn), &region);
    assert_int_equal(err, expected[0] == '\0' ? FAULT_MALFORMED : 0);
    assert_string_equal(region.text, expected);
    assert_int_equal(region.source, err == 0 ? AWS_REGION_TASK : AWS_REGION_UNKNOWN);
}

static void test_arns_name_their_region(void **state)
{
    (void)state;
    check_arn("arn:aws:ecs:eu-west-1:123456789012:task/default/0123", "eu-west-1");
    check_arn("arn:aws-cn:ecs:cn-north-1:123456789012:task/0123", "cn-north-1");
    check_arn("arn:aws-us-gov:ecs:us-gov-west-1::", "us-gov-west-1");
    check_arn("arn:aws:iam::123456789012:role/x", "");
    check_arn("arn:aws:ecs:eu-west-1", "");
    check_arn("arn:aws:ecs", "");
    check_arn("arn:", "");
    check_arn("", "");
    check_arn("task:aws:ecs:eu-west-1:1:x", "");
    check_arn("arn:aws:ecs:eu/west:1:x", "");
}

static void test_task_metadata_names_its_region(void **state)
{
    (void)state;
    struct aws_region region;
    assert_int_equal(
        aws_region_from_task(
            SLICE_LITERAL("{\"Cluster\":\"c\",\"Limits\":{\"TaskARN\":\"x\"},"
                          "\"TaskARN\":\"arn:aws:ecs:us-east-2:1:task\\/c\\/0\",\"x\":[1,{}]}"),
            &region),
        0);
    assert_string_equal(region.text, "us-east-2");
    assert_int_equal(region.source, AWS_REGION_TASK);
    assert_int_equal(aws_region_from_task(SLICE_LITERAL("{\"TaskARN\":7}"), &region),
                     FAULT_MALFORMED);
    assert_int_equal(aws_region_from_task(SLICE_LITERAL("{}"), &region), FAULT_MALFORMED);
    assert_int_equal(aws_region_from_task(SLICE_LITERAL("not json"), &region), FAULT_MALFORMED);
    assert_int_equal(aws_region_from_task((struct slice){0}, &region), FAULT_MALFORMED);
    assert_string_equal(region.text, "");
}

static void test_identity_documents_name_their_region(void **state)
{
    (void)state;
    struct aws_region region;
    assert_int_equal(
        aws_region_from_instance(SLICE_LITERAL("{\n  \"accountId\" : \"1\",\n  \"region\" : "
                                               "\"ap-southeast-2\",\n  \"kernelId\" : null\n}"),
                                 &region),
        0);
    assert_string_equal(region.text, "ap-southeast-2");
    assert_int_equal(region.source, AWS_REGION_INSTANCE);
    assert_int_equal(
        aws_region_from_instance(SLICE_LITERAL("{\"region\":\"eu-west-1/../x\"}"), &region),
        FAULT_MALFORMED);
    assert_string_equal(region.text, "");
    assert_int_equal(aws_region_from_instance(SLICE_LITERAL("{\"region\":\"\"}"), &region),
                     FAULT_MALFORMED);
    assert_int_equal(aws_region_from_instance(SLICE_LITERAL("{\"region\":\"eu-1\""), &region),
                     FAULT_MALFORMED);
}

static void test_every_source_has_a_name(void **state)
{
    (void)state;
    for (int i = AWS_REGION_SETTING; i <= AWS_REGION_INSTANCE; i++) {
        assert_string_not_equal(aws_region_source_name((enum aws_region_source)i), "unknown");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regions_are_checked),
        cmocka_unit_test(test_the_first_text_wins),
        cmocka_unit_test(test_a_malformed_text_is_not_skipped),
        cmocka_unit_test(test_arns_name_their_region),
        cmocka_unit_test(test_task_metadata_names_its_region),
        cmocka_unit_test(test_identity_documents_name_their_region),
        cmocka_unit_test(test_every_source_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
