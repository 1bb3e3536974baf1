/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/aws/metadata: all detectors against one scripted server that plays the endpoint of an
 * ECS task and the metadata service of an EC2 instance.
 */
#include "io/aws/metadata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "tests/io/aws/detect_rig.h"
#include "tests/support/http_stub.h"

#define IDENTITY                                                                                   \
    "{\"accountId\":\"210987654321\",\"architecture\":\"arm64\",\"availabilityZone\":"             \
    "\"us-east-2c\",\"imageId\":\"ami-0abc\",\"instanceId\":\"i-0def\",\"instanceType\":"          \
    "\"c7g.large\",\"privateIp\":\"10.0.0.1\",\"region\":\"us-east-2\"}"
#define CONTAINER "{\"DockerId\":\"own-1\",\"Name\":\"weir\",\"Type\":\"NORMAL\"}"
#define TASK                                                                                       \
    "{\"Cluster\":\"blue\",\"TaskARN\":\"arn:aws:ecs:eu-west-1:123456789012:task/blue/77\","       \
    "\"Family\":\"gateway\",\"Revision\":\"3\",\"LaunchType\":\"EC2\",\"AvailabilityZone\":"       \
    "\"eu-west-1a\",\"Containers\":[{\"DockerId\":\"own-1\",\"Type\":\"NORMAL\",\"KnownStatus\":"  \
    "\"RUNNING\",\"LogDriver\":\"awslogs\",\"LogOptions\":{\"awslogs-group\":\"/own\"}},"          \
    "{\"DockerId\":\"app\",\"Type\":\"NORMAL\",\"KnownStatus\":\"RUNNING\",\"LogDriver\":"         \
    "\"awslogs\",\"LogOptions\":{\"awslogs-group\":\"/app\",\"awslogs-region\":\"eu-west-1\","     \
    "\"awslogs-stream\":\"s/1\"}}]}"

/* What the server does; changed by tests while no detection runs. */
static struct {
    const char *container;
    const char *task;
    const char *identity;
    const char *tag_keys;
    uint32_t failing_count; /* of the endpoint's next answers that are 503 */
    bool has_no_machine;    /* 404 for all of the instance metadata */
    bool hangs;
} script;

static struct http_stub stub;
static struct resource_detected found;
static bool is_complete;

/* --- the server ------------------------------------------------------------------------------- */

static struct http_stub_answer answer(uint32_t status, const char *body)
{
    return (struct http_stub_answer){.status = status,
                                     .body = body,
                                     .body_len = strlen(body),
                                     .delay_ms = script.hangs ? 60000 : 0};
}

static struct http_stub_answer serve_machine(const struct http_stub_request *request)
{
    static const char *const documents[][2] = {
        {"/latest/meta-data/hostname", "ip-10-0-0-1.us-east-2.compute.internal"},
        {"/latest/meta-data/tags/instance/Name", "box"},
        {"/latest/meta-data/tags/instance/team:x", "blue and green"},
    };
    if (script.has_no_machine) {
        return answer(404, "");
    }
    if (strcmp(request->target, "/latest/api/token") == 0) {
        return answer(strcmp(request->method, "PUT") == 0 ? 200 : 405, "TOKEN");
    }
    if (!slice_is_text(http_stub_header(request, "X-aws-ec2-metadata-token"), "TOKEN")) {
        return answer(401, "");
    }
    if (strcmp(request->target, "/latest/dynamic/instance-identity/document") == 0) {
        return answer(200, script.identity);
    }
    if (strcmp(request->target, "/latest/meta-data/tags/instance") == 0) {
        return answer(script.tag_keys != NULL ? 200 : 404,
                      script.tag_keys != NULL ? script.tag_keys : "");
    }
    for (size_t i = 0; i < COUNT_OF(documents); i++) {
        if (strcmp(request->target, documents[i][0]) == 0) {
            return answer(200, documents[i][1]);
        }
    }
    return answer(404, "");
}

static struct http_stub_answer choose(void *owner, const struct http_stub_request *request)
{
    (void)owner;
    if (strncmp(request->target, "/latest/", 8) == 0) {
        return serve_machine(request);
    }
    if (script.failing_count > 0) {
        script.failing_count--;
        return answer(503, "");
    }
    if (strcmp(request->target, "/v4/id") == 0) {
        return answer(200, script.container);
    }
    return answer(strcmp(request->target, "/v4/id/task") == 0 ? 200 : 404, script.task);
}

/* --- life ------------------------------------------------------------------------------------- */

static void clear_environment(void)
{
    static const char *const names[] = {
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_RESOURCE",
        "ECS_CONTAINER_METADATA_URI_V4",
        "ECS_CONTAINER_METADATA_URI",
        "AWS_EXECUTION_ENV",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_EC2_METADATA_V1_DISABLED",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)unsetenv(names[i]);
    }
}

static void use_task(const char *name)
{
    char url[128];
    (void)snprintf(url, sizeof(url), " %s/v4/id ", stub.url);
    (void)setenv(name, url, 1);
}

static int set_up(void **state)
{
    (void)state;
    const struct http_stub_options options = {.choose = choose};
    script.container = CONTAINER;
    script.task = TASK;
    script.identity = IDENTITY;
    script.tag_keys = NULL;
    script.failing_count = 0;
    script.has_no_machine = false;
    script.hangs = false;
    clear_environment();
    http_stub_start(&stub, &options);
    (void)setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", stub.url, 1);
    use_task("ECS_CONTAINER_METADATA_URI_V4");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    resource_detected_fini(&found);
    http_stub_stop(&stub);
    clear_environment();
    return 0;
}

/* How long it took, in milliseconds. */
static uint64_t detect(struct resource_detect_plan plan)
{
    uint64_t begin_mono_ns = clock_mono_ns();
    resource_detected_fini(&found);
    assert_int_equal(metadata_detect(&plan, &found, &is_complete), 0);
    return (clock_mono_ns() - begin_mono_ns) / CLOCK_NS_PER_MS;
}

static const char *text(const char *key)
{
    return detect_rig_text(&found, key);
}

/* --- what is found ---------------------------------------------------------------------------- */

static void test_a_task_is_described(void **state)
{
    (void)state;
    (void)detect(PLAN(DETECTOR_ECS));
    assert_true(is_complete);
    assert_string_equal(text("aws.ecs.task.id"), "77");
    assert_string_equal(text("aws.ecs.task.family"), "gateway");
    assert_string_equal(text("aws.ecs.cluster.arn"),
                        "arn:aws:ecs:eu-west-1:123456789012:cluster/blue");
    assert_string_equal(text("aws.log.group.names"), "/app"); /* and not our own */
    assert_int_equal(found.count, 15);
    (void)unsetenv("ECS_CONTAINER_METADATA_URI_V4");
    use_task("ECS_CONTAINER_METADATA_URI"); /* the older version */
    (void)detect(PLAN(DETECTOR_ECS));
    assert_int_equal(found.count, 15);
}

static void test_a_machine_is_described(void **state)
{
    (void)state;
    (void)detect(PLAN(DETECTOR_EC2));
    assert_true(is_complete);
    assert_string_equal(text("cloud.provider"), "aws");
    assert_string_equal(text("cloud.platform"), "aws_ec2");
    assert_string_equal(text("cloud.region"), "us-east-2");
    assert_string_equal(text("cloud.account.id"), "210987654321");
    assert_string_equal(text("cloud.availability_zone"), "us-east-2c");
    assert_string_equal(text("host.id"), "i-0def");
    assert_string_equal(text("host.image.id"), "ami-0abc");
    assert_string_equal(text("host.type"), "c7g.large");
    assert_string_equal(text("host.name"), "ip-10-0-0-1.us-east-2.compute.internal");
    assert_int_equal(found.count, 9);
}

static void test_wanted_tags_of_a_machine_are_read(void **state)
{
    (void)state;
    struct resource_detect_plan plan = PLAN(DETECTOR_EC2);
    plan.tags.texts[0] = SLICE_LITERAL("^Name$");
    plan.tags.texts[1] = SLICE_LITERAL("team");
    plan.tags.count = 2;
    script.tag_keys = "Name\nother\nteam:x\nteam/../y";
    (void)detect(plan);
    assert_true(is_complete);
    assert_string_equal(text("ec2.tag.Name"), "box");
    assert_string_equal(text("ec2.tag.team:x"), "blue and green");
    assert_int_equal(found.count, 11);
    script.tag_keys = NULL; /* the instance does not show them */
    (void)detect(plan);
    assert_false(is_complete);
    assert_int_equal(found.count, 9);
}

static void test_the_host_is_described(void **state)
{
    (void)state;
    char hostname[256] = "";
    assert_int_equal(gethostname(hostname, sizeof(hostname) - 1), 0);
    (void)detect(PLAN(DETECTOR_SYSTEM));
    assert_true(is_complete);
    assert_string_equal(text("host.name"), hostname);
    assert_string_equal(text("os.type"), "linux");
    assert_true(strcmp(text("host.arch"), "amd64") == 0 || strcmp(text("host.arch"), "arm64") == 0);
}

static void test_a_name_that_needs_a_lookup_falls_back_to_the_kernels(void **state)
{
    (void)state;
    struct resource_detect_plan plan = PLAN(DETECTOR_SYSTEM);
    plan.hostname_sources[0] = HOSTNAME_DNS;
    plan.hostname_sources[1] = HOSTNAME_OS;
    plan.hostname_source_count = 2;
    (void)detect(plan);
    assert_string_not_equal(text("host.name"), "(none)");
    plan.timeout_ns = 1; /* no time for any lookup */
    (void)detect(plan);
    char hostname[256] = "";
    assert_int_equal(gethostname(hostname, sizeof(hostname) - 1), 0);
    assert_string_equal(text("host.name"), hostname);
}

static void test_the_environment_is_read(void **state)
{
    (void)state;
    (void)setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=prod,cloud.region=mine", 1);
    (void)detect(PLAN(DETECTOR_ENV));
    assert_int_equal(found.count, 2);
    assert_string_equal(text("deployment.environment"), "prod");
    (void)setenv("OTEL_RESOURCE_ATTRIBUTES", " ", 1);
    (void)setenv("OTEL_RESOURCE", "old=yes", 1);
    (void)detect(PLAN(DETECTOR_ENV));
    assert_string_equal(text("old"), "yes");
}

static void test_the_first_detector_of_the_plan_wins(void **state)
{
    (void)state;
    (void)setenv("OTEL_RESOURCE_ATTRIBUTES", "cloud.region=mine", 1);
    (void)detect(PLAN(DETECTOR_ENV, DETECTOR_ECS, DETECTOR_EC2));
    assert_true(is_complete);
    assert_string_equal(text("cloud.region"), "mine");
    assert_string_equal(text("cloud.platform"), "aws_ecs");
    assert_string_equal(text("cloud.account.id"), "123456789012");
    assert_string_equal(text("host.id"), "i-0def");
    (void)detect(PLAN(DETECTOR_EC2, DETECTOR_ECS, DETECTOR_ENV));
    assert_string_equal(text("cloud.region"), "us-east-2");
    assert_string_equal(text("cloud.platform"), "aws_ec2");
    assert_string_equal(text("aws.ecs.task.id"), "77");
}

/* --- what is not there ------------------------------------------------------------------------ */

static void test_elsewhere_nothing_is_found_and_nothing_is_wrong(void **state)
{
    (void)state;
    (void)unsetenv("ECS_CONTAINER_METADATA_URI_V4");
    (void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    uint64_t took_ms = detect(PLAN(DETECTOR_ENV, DETECTOR_ECS, DETECTOR_EC2));
    assert_true(is_complete);
    assert_int_equal(found.count, 0);
    assert_true(took_ms < 10000); /* half of what is allowed */
    assert_int_equal(http_stub_request_count(&stub), 0);
    (void)unsetenv("AWS_EC2_METADATA_DISABLED");
    script.has_no_machine = true;
    (void)detect(PLAN(DETECTOR_EC2));
    assert_true(is_complete);
    assert_int_equal(found.count, 0);
}

static void test_fargate_has_no_machine_to_ask(void **state)
{
    (void)state;
    (void)setenv("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE", 1);
    (void)detect(PLAN(DETECTOR_EC2));
    assert_true(is_complete);
    assert_int_equal(found.count, 0);
    assert_int_equal(http_stub_request_count(&stub), 0);
}

/* --- what goes wrong -------------------------------------------------------------------------- */

static void test_the_time_is_bounded(void **state)
{
    (void)state;
    struct resource_detect_plan plan = PLAN(DETECTOR_ENV, DETECTOR_ECS, DETECTOR_EC2);
    plan.timeout_ns = 200 * CLOCK_NS_PER_MS;
    script.hangs = true;
    (void)setenv("OTEL_RESOURCE_ATTRIBUTES", "a=1", 1);
    uint64_t took_ms = detect(plan);
    assert_false(is_complete);
    assert_in_range(took_ms, 190, 20000);
    assert_int_equal(found.count, 1); /* the others count */
}

static void test_an_endpoint_that_fails_for_a_moment_is_asked_again(void **state)
{
    (void)state;
    script.failing_count = 6; /* all attempts of both documents */
    uint64_t took_ms = detect(PLAN(DETECTOR_ECS));
    assert_true(is_complete);
    assert_int_equal(found.count, 15);
    assert_true(took_ms >= 1000);
}

static void test_bad_documents_are_not_asked_for_again(void **state)
{
    (void)state;
    script.task = "{\"TaskARN\":";
    script.identity = "no JSON";
    uint64_t took_ms = detect(PLAN(DETECTOR_ECS, DETECTOR_EC2, DETECTOR_SYSTEM));
    assert_false(is_complete);
    assert_true(took_ms < 1000);
    assert_string_equal(text("cloud.provider"), "(none)");
    assert_string_equal(text("os.type"), "linux");
    script.task = TASK;
    script.container = "[]"; /* then its logs cannot be told from the others' */
    (void)detect(PLAN(DETECTOR_ECS));
    assert_false(is_complete);
    assert_int_equal(found.count, 11);
}

static void test_nobody_at_the_endpoint(void **state)
{
    (void)state;
    char url[64];
    struct resource_detect_plan plan = PLAN(DETECTOR_ECS);
    plan.timeout_ns = 500 * CLOCK_NS_PER_MS;
    uint16_t port;
    int held_fd = http_stub_hold_port(&port);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/v4/id", port);
    (void)setenv("ECS_CONTAINER_METADATA_URI_V4", url, 1);
    (void)detect(plan);
    (void)close(held_fd);
    assert_false(is_complete);
    assert_int_equal(found.count, 0);
}

static void test_every_refused_allocation_is_survived(void **state)
{
    (void)state;
    struct resource_detect_plan plan = PLAN(DETECTOR_ENV, DETECTOR_SYSTEM);
    (void)setenv("OTEL_RESOURCE_ATTRIBUTES", "a=1", 1);
    (void)unsetenv("ECS_CONTAINER_METADATA_URI_V4");
    bool was_refused = true;
    for (uint64_t nth = 1; was_refused; nth++) {
        mem_fail_nth(nth);
        int err = metadata_detect(&plan, &found, &is_complete);
        mem_fail_nth(0);
        was_refused = err != 0 || !is_complete;
        assert_true(err == 0 || (err == -ENOMEM && found.count == 0));
        resource_detected_fini(&found);
        assert_true(nth < 1000);
    }
}

int main(void)
{
    log_init(&(struct log_options){.format = LOG_FORMAT_TEXT, .level = LOG_LEVEL_ERROR});
#define METADATA_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        METADATA_TEST(test_a_task_is_described),
        METADATA_TEST(test_a_machine_is_described),
        METADATA_TEST(test_wanted_tags_of_a_machine_are_read),
        METADATA_TEST(test_the_host_is_described),
        METADATA_TEST(test_a_name_that_needs_a_lookup_falls_back_to_the_kernels),
        METADATA_TEST(test_the_environment_is_read),
        METADATA_TEST(test_the_first_detector_of_the_plan_wins),
        METADATA_TEST(test_elsewhere_nothing_is_found_and_nothing_is_wrong),
        METADATA_TEST(test_fargate_has_no_machine_to_ask),
        METADATA_TEST(test_the_time_is_bounded),
        METADATA_TEST(test_an_endpoint_that_fails_for_a_moment_is_asked_again),
        METADATA_TEST(test_bad_documents_are_not_asked_for_again),
        METADATA_TEST(test_nobody_at_the_endpoint),
        METADATA_TEST(test_every_refused_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
