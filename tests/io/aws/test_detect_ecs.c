/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of io/aws/detect_ecs: what the document of a task becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "io/aws/detect_ecs.h"
#include "tests/io/aws/detect_rig.h"

#define OWN "0123456789abcdef0123456789abcdef-0000000001"
#define TASK "\"TaskARN\":\"arn:aws:ecs:eu-west-1:123456789012:task/blue/4ea1ab3c\""

static struct resource_detect_plan plan;
static struct detect_state found;

static int set_up(void **state)
{
    (void)state;
    plan = PLAN(DETECTOR_ECS);
    found = (struct detect_state){.plan = &plan, .detector = DETECTOR_ECS};
    return 0;
}

static int clean(void **state)
{
    (void)state;
    resource_detected_fini(&found.found);
    return 0;
}

static int read_task(const char *json)
{
    return detect_ecs_read_task(&found, slice_of_text(json), SLICE_LITERAL(OWN));
}

static const char *text(const char *key)
{
    return detect_rig_text(&found.found, key);
}

/* A container as the endpoint shows it; of its log options the stream's last part. */
struct a_container {
    const char *id;
    const char *type;
    const char *status;
    const char *driver;
    const char *log; /* NULL: it has no options */
};

static const char *task_of(const struct a_container *containers, size_t count)
{
    static char json[65536];
    size_t at = (size_t)snprintf(json, sizeof(json), "{" TASK ",\"Containers\":[");
    for (size_t i = 0; i < count; i++) {
        const struct a_container *one = &containers[i];
        char options[256] = "null";
        if (one->log != NULL) {
            (void)snprintf(options, sizeof(options),
                           "{\"awslogs-group\":\"/ecs/%s\",\"awslogs-region\":\"eu-west-1\","
                           "\"awslogs-stream\":\"ecs/%s/1\",\"awslogs-create-group\":\"true\"}",
                           one->log, one->log);
        }
        at += (size_t)snprintf(json + at, sizeof(json) - at,
                               "%s{\"DockerId\":\"%s\",\"Labels\":{\"Type\":\"x\"},"
                               "\"Type\":\"%s\",\"KnownStatus\":\"%s\",\"LogDriver\":\"%s\","
                               "\"LogOptions\":%s,\"Networks\":[{\"IPv4Addresses\":[\"::\"]}]}",
                               i > 0 ? "," : "", one->id, one->type, one->status, one->driver,
                               options);
    }
    (void)snprintf(json + at, sizeof(json) - at, "]}");
    return json;
}

static void test_a_fargate_task(void **state)
{
    (void)state;
    assert_int_equal(
        read_task("{\"Cluster\":\"arn:aws:ecs:eu-west-1:123456789012:cluster/blue\"," TASK
                  ",\"Family\":\"orders\",\"Revision\":\"26\",\"DesiredStatus\":\"RUNNING\","
                  "\"Limits\":{\"CPU\":0.25,\"Memory\":512},\"AvailabilityZone\":\"eu-west-1b\","
                  "\"LaunchType\":\"FARGATE\",\"Containers\":[]}"),
        0);
    assert_string_equal(text("cloud.provider"), "aws");
    assert_string_equal(text("cloud.platform"), "aws_ecs");
    assert_string_equal(text("cloud.account.id"), "123456789012");
    assert_string_equal(text("cloud.region"), "eu-west-1");
    assert_string_equal(text("cloud.availability_zone"), "eu-west-1b");
    assert_string_equal(text("aws.ecs.cluster.arn"),
                        "arn:aws:ecs:eu-west-1:123456789012:cluster/blue");
    assert_string_equal(text("aws.ecs.launchtype"), "fargate");
    assert_string_equal(text("aws.ecs.task.arn"),
                        "arn:aws:ecs:eu-west-1:123456789012:task/blue/4ea1ab3c");
    assert_string_equal(text("aws.ecs.task.id"), "4ea1ab3c");
    assert_string_equal(text("aws.ecs.task.family"), "orders");
    assert_string_equal(text("aws.ecs.task.revision"), "26");
    assert_int_equal(found.found.count, 11);
    assert_string_equal(found.why, "");
}

static void test_the_name_of_a_cluster_becomes_an_arn_of_its_partition(void **state)
{
    (void)state;
    assert_int_equal(read_task("{\"Cluster\":\"green\",\"LaunchType\":\"EC2\",\"TaskARN\":"
                               "\"arn:aws-cn:ecs:cn-north-1:2:task/7f\"}"),
                     0);
    assert_string_equal(text("aws.ecs.cluster.arn"), "arn:aws-cn:ecs:cn-north-1:2:cluster/green");
    assert_string_equal(text("aws.ecs.task.id"), "7f"); /* the short form, without a cluster */
    assert_string_equal(text("aws.ecs.launchtype"), "ec2");
    assert_string_equal(text("cloud.availability_zone"), "(none)");
    assert_string_equal(text("aws.ecs.task.family"), "(none)");
}

static void test_other_launch_types_are_left_out(void **state)
{
    (void)state;
    assert_int_equal(read_task("{" TASK ",\"LaunchType\":\"EXTERNAL\"}"), 0);
    assert_string_equal(text("aws.ecs.launchtype"), "(none)");
}

static void test_logs_of_the_other_running_containers_are_listed(void **state)
{
    (void)state;
    static const struct a_container containers[] = {
        {OWN, "NORMAL", "RUNNING", "awslogs", "weir"},
        {"a", "NORMAL", "RUNNING", "awslogs", "one"},
        {"b", "CNI_PAUSE", "RUNNING", "awslogs", "pause"},
        {"c", "NORMAL", "STOPPED", "awslogs", "init"},
        {"d", "NORMAL", "RUNNING", "awsfirelens", "lens"},
        {"e", "NORMAL", "RUNNING", "awslogs", NULL},
        {"f", "NORMAL", "RUNNING", "awslogs", "t\\u0077o"},
    };
    assert_int_equal(read_task(task_of(containers, COUNT_OF(containers))), 0);
    assert_string_equal(text("aws.log.group.names"), "/ecs/one|/ecs/two");
    assert_string_equal(text("aws.log.group.arns"),
                        "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/one|"
                        "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/two");
    assert_string_equal(text("aws.log.stream.names"), "ecs/one/1|ecs/two/1");
    assert_string_equal(text("aws.log.stream.arns"),
                        "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/one"
                        ":log-stream:ecs/one/1|"
                        "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/two"
                        ":log-stream:ecs/two/1");
}

static void test_without_our_own_id_there_are_no_lists(void **state)
{
    (void)state;
    static const struct a_container one = {"a", "NORMAL", "RUNNING", "awslogs", "one"};
    struct slice json = slice_of_text(task_of(&one, 1));
    assert_int_equal(detect_ecs_read_task(&found, json, SLICE_LITERAL("")), 0);
    assert_string_equal(text("aws.log.group.names"), "(none)");
    assert_string_equal(text("aws.ecs.task.id"), "4ea1ab3c");
}

static void test_empty_log_options_are_none(void **state)
{
    (void)state;
    assert_int_equal(read_task("{" TASK ",\"Containers\":[{\"DockerId\":\"a\",\"Type\":\"NORMAL\","
                               "\"KnownStatus\":\"RUNNING\",\"LogDriver\":\"awslogs\","
                               "\"LogOptions\":{}}]}"),
                     0);
    assert_string_equal(text("aws.log.group.names"), "(none)");
}

static void test_containers_beyond_the_limit_are_told_of(void **state)
{
    (void)state;
    struct a_container containers[DETECT_ECS_LOGS_MAX + 1];
    for (size_t i = 0; i < COUNT_OF(containers); i++) {
        containers[i] = (struct a_container){"a", "NORMAL", "RUNNING", "awslogs", "one"};
    }
    assert_int_equal(read_task(task_of(containers, DETECT_ECS_LOGS_MAX)), 0);
    assert_string_equal(found.why, "");
    assert_int_equal(read_task(task_of(containers, DETECT_ECS_LOGS_MAX + 1)), 0);
    assert_non_null(strstr(found.why, "more than"));
}

static void test_switches_turn_attributes_off(void **state)
{
    (void)state;
    plan.wanted_bits[DETECTOR_ECS] = 1; /* cloud.provider */
    assert_int_equal(read_task("{\"Cluster\":\"green\"," TASK "}"), 0);
    assert_int_equal(found.found.count, 1);
    assert_string_equal(text("cloud.provider"), "aws");
}

static void test_what_is_no_task_is_refused(void **state)
{
    (void)state;
    static const char *const documents[] = {
        "",
        "[]",
        "null",
        "{}",
        "{\"TaskARN\":7}",
        "{" TASK,
        "{" TASK "} x",
        "{" TASK ",\"Containers\":[{]}",
        "<html>",
    };
    for (size_t i = 0; i < COUNT_OF(documents); i++) {
        assert_int_equal(read_task(documents[i]), FAULT_MALFORMED);
        assert_int_equal(found.found.count, 0);
    }
}

static void test_odd_documents_are_survived(void **state)
{
    (void)state;
    static const char *const documents[] = {
        "{" TASK ",\"Containers\":{}}",
        "{" TASK ",\"Containers\":[1,2]}",
        "{" TASK ",\"Containers\":[[],{\"Type\":\"NORMAL\"}]}",
        "{" TASK ",\"Cluster\":null,\"Family\":{},\"LaunchType\":\"a-very-long-launch-type\"}",
        "{\"TaskARN\":\"no arn\",\"Cluster\":\"c\"}",
        "{\"TaskARN\":\"arn\"}",
        "{\"TaskARN\":\"arn:::::\"}",
    };
    for (size_t i = 0; i < COUNT_OF(documents); i++) {
        assert_int_equal(read_task(documents[i]), 0);
        assert_string_equal(text("cloud.platform"), "aws_ecs");
    }
}

int main(void)
{
#define DETECT_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, clean)
    const struct CMUnitTest tests[] = {
        DETECT_TEST(test_a_fargate_task),
        DETECT_TEST(test_the_name_of_a_cluster_becomes_an_arn_of_its_partition),
        DETECT_TEST(test_other_launch_types_are_left_out),
        DETECT_TEST(test_logs_of_the_other_running_containers_are_listed),
        DETECT_TEST(test_without_our_own_id_there_are_no_lists),
        DETECT_TEST(test_empty_log_options_are_none),
        DETECT_TEST(test_containers_beyond_the_limit_are_told_of),
        DETECT_TEST(test_switches_turn_attributes_off),
        DETECT_TEST(test_what_is_no_task_is_refused),
        DETECT_TEST(test_odd_documents_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
