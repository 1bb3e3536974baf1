/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/container_insight_agent: answers as the agent gives them, members in any
 * order and case, names that are no parts of paths, lists at their limit and one past it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "io/receivers/container_insight_agent.h"

static struct container_insight_tasks tasks;
static char big[1024 * 1024];

static int read_tasks(const char *json)
{
    return container_insight_agent_read_tasks(slice_of_text(json), &tasks);
}

static void test_the_instance(void **state)
{
    (void)state;
    struct container_insight_instance instance;
    assert_int_equal(
        container_insight_agent_read_instance(
            SLICE_LITERAL("{\"Cluster\":\"blue\",\"ContainerInstanceArn\":"
                          "\"arn:aws:ecs:eu-west-1:1:container-instance/blue/47c0\",\"V\":[1]}"),
            &instance),
        0);
    assert_string_equal(instance.cluster, "blue");
    assert_string_equal(instance.id.text, "47c0");
    assert_int_equal(
        container_insight_agent_read_instance(
            SLICE_LITERAL("{\"containerinstancearn\":"
                          "\"arn:aws:ecs:eu-west-1:1:container-instance/48\",\"cluster\":\"c\"}"),
            &instance),
        0);
    assert_string_equal(instance.id.text, "48");
}

static void test_an_instance_that_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"Cluster\":\"c\"}",
        "{\"ContainerInstanceArn\":\"arn:aws:ecs:r:1:container-instance/48\"}",
        "{\"Cluster\":\"\",\"ContainerInstanceArn\":\"arn:aws:ecs:r:1:container-instance/48\"}",
        "{\"Cluster\":\"c\",\"ContainerInstanceArn\":\"arn:aws:ecs:r:1:\"}",
        "{\"Cluster\":\"c\",\"ContainerInstanceArn\":\"arn:aws:ecs:r:1:i/..\"}",
        "{\"Cluster\":\"c\",\"ContainerInstanceArn\":\"arn:aws:ecs:r:1:i/48\"} x",
        "{\"Cluster\":\"a\\u0000b\",\"ContainerInstanceArn\":\"arn:aws:ecs:r:1:i/48\"}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct container_insight_instance instance;
        int err = container_insight_agent_read_instance(slice_of_text(bad[i]), &instance);
        assert_int_equal(err, FAULT_MALFORMED);
        assert_string_equal(instance.cluster, "");
        assert_string_equal(instance.id.text, "");
    }
}

static void test_tasks_that_run(void **state)
{
    (void)state;
    FILE *file = fopen(WEIR_SOURCE_DIR "/tests/vectors/container_insight/tasks.json", "rb");
    assert_non_null(file);
    size_t len = fread(big, 1, sizeof(big), file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(container_insight_agent_read_tasks(slice_of(big, len), &tasks), 0);
    assert_true(tasks.is_known);
    assert_false(tasks.is_cut);
    assert_int_equal(tasks.running_count, 2);
    assert_int_equal(tasks.task_count, 2);
    assert_int_equal(tasks.container_count, 3);
    assert_string_equal(tasks.tasks[0].id.text, "11111111111111111111111111111111");
    assert_int_equal(tasks.tasks[0].container_count, 1);
    assert_string_equal(tasks.containers[tasks.tasks[0].container_first].text, "cccc");
    assert_int_equal(tasks.tasks[1].container_count, 2);
    assert_string_equal(tasks.containers[tasks.tasks[1].container_first].text, "aaaa");
    assert_string_equal(tasks.containers[tasks.tasks[1].container_first + 1].text, "bbbb");
}

static void test_lists_that_are_empty(void **state)
{
    (void)state;
    assert_int_equal(read_tasks("{\"Tasks\":null}"), 0);
    assert_true(tasks.is_known);
    assert_int_equal(tasks.running_count, 0);
    assert_int_equal(read_tasks("{\"a\":{\"Tasks\":1},\"tasks\":[]}"), 0);
    assert_true(tasks.is_known);
}

static void test_names_that_are_no_part_of_a_path(void **state)
{
    (void)state;
    assert_int_equal(read_tasks("{\"Tasks\":[{\"Arn\":\"arn:aws:ecs:r:1:task/..\","
                                "\"KnownStatus\":\"RUNNING\",\"Containers\":[{\"DockerId\":\"a\"}]"
                                "},{\"Arn\":\"arn:aws:ecs:r:1:task/t\",\"KnownStatus\":"
                                "\"RUNNING\",\"Containers\":[{\"DockerId\":\"../a\"},"
                                "{\"DockerId\":\"b\\u002f\"},{\"DockerId\":5},{\"DockerId\":\"c\"}"
                                "]}]}"),
                     0);
    assert_int_equal(tasks.running_count, 2);
    assert_int_equal(tasks.task_count, 1);
    assert_int_equal(tasks.container_count, 1);
    assert_string_equal(tasks.containers[0].text, "c");
}

static void test_lists_that_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "null",
        "{}",
        "{\"Tasks\":5}",
        "{\"Tasks\":[5]}",
        "{\"Tasks\":[{}",
        "{\"Tasks\":[{\"Containers\":[5]}]}",
        "{\"Tasks\":[{\"Containers\":[{\"DockerId\":}]}]}",
        "{\"Tasks\":[]}}",
        "{\"Tasks\":[],\"Tasks\":[]}",
        "<html>",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        tasks.is_known = true;
        assert_int_equal(read_tasks(bad[i]), FAULT_MALFORMED);
        assert_false(tasks.is_known);
        assert_int_equal(tasks.task_count, 0);
        assert_int_equal(tasks.container_count, 0);
    }
}

/* `count` running tasks of `containers` containers each. */
static void read_many(uint32_t count, uint32_t containers)
{
    size_t len = (size_t)snprintf(big, sizeof(big), "{\"Tasks\":[");
    for (uint32_t i = 0; i < count; i++) {
        len += (size_t)snprintf(big + len, sizeof(big) - len,
                                "%s{\"Arn\":\"arn:aws:ecs:r:1:task/t%u\","
                                "\"KnownStatus\":\"RUNNING\",\"Containers\":[",
                                i == 0 ? "" : ",", i);
        for (uint32_t k = 0; k < containers; k++) {
            len += (size_t)snprintf(big + len, sizeof(big) - len, "%s{\"DockerId\":\"d%u-%u\"}",
                                    k == 0 ? "" : ",", i, k);
        }
        len += (size_t)snprintf(big + len, sizeof(big) - len, "]}");
    }
    len += (size_t)snprintf(big + len, sizeof(big) - len, "]}");
    assert_int_equal(container_insight_agent_read_tasks(slice_of(big, len), &tasks), 0);
    assert_int_equal(tasks.running_count, count);
}

static void test_limits_and_one_past_them(void **state)
{
    (void)state;
    read_many(CONTAINER_INSIGHT_TASKS_MAX, 1);
    assert_false(tasks.is_cut);
    assert_int_equal(tasks.task_count, CONTAINER_INSIGHT_TASKS_MAX);
    read_many(CONTAINER_INSIGHT_TASKS_MAX + 1, 1);
    assert_true(tasks.is_cut);
    assert_int_equal(tasks.task_count, CONTAINER_INSIGHT_TASKS_MAX);
    assert_int_equal(tasks.container_count, CONTAINER_INSIGHT_TASKS_MAX);
    read_many(1, CONTAINER_INSIGHT_CONTAINERS_MAX);
    assert_false(tasks.is_cut);
    read_many(1, CONTAINER_INSIGHT_CONTAINERS_MAX + 1);
    assert_true(tasks.is_cut);
    assert_int_equal(tasks.tasks[0].container_count, CONTAINER_INSIGHT_CONTAINERS_MAX);
}

static void test_ids_at_their_limit(void **state)
{
    (void)state;
    struct container_insight_id id;
    memset(big, 'a', CONTAINER_INSIGHT_ID_MAX_BYTES + 1);
    assert_true(container_insight_id_keep(&id, slice_of(big, CONTAINER_INSIGHT_ID_MAX_BYTES)));
    assert_int_equal(strlen(id.text), CONTAINER_INSIGHT_ID_MAX_BYTES);
    assert_false(container_insight_id_keep(&id, slice_of(big, CONTAINER_INSIGHT_ID_MAX_BYTES + 1)));
    assert_string_equal(id.text, "");
    assert_false(container_insight_id_keep(&id, (struct slice){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_instance),
        cmocka_unit_test(test_an_instance_that_is_none),
        cmocka_unit_test(test_tasks_that_run),
        cmocka_unit_test(test_lists_that_are_empty),
        cmocka_unit_test(test_names_that_are_no_part_of_a_path),
        cmocka_unit_test(test_lists_that_are_none),
        cmocka_unit_test(test_limits_and_one_past_them),
        cmocka_unit_test(test_ids_at_their_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
