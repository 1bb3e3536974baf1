/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/container_insight_config: defaults, keys without effect, what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "io/receivers/container_insight_config.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

static struct config_fixture fixture;
static struct container_insight_config config;

static int read_text(const char *yaml)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "receivers.awscontainerinsightreceiver");
    return container_insight_config_read(&reader, &config);
}

static void good(const char *yaml, uint64_t interval_ns)
{
    int err = read_text(yaml);
    assert_string_equal(config_fixture_printed(&fixture), "");
    assert_int_equal(err, 0);
    assert_int_equal(config.interval_ns, interval_ns);
    config_fixture_fini(&fixture);
}

static void bad(const char *yaml, const char *words)
{
    assert_int_equal(read_text(yaml), FAULT_CONFIG);
    const char *printed = config_fixture_printed(&fixture);
    if (strstr(printed, words) == NULL) {
        print_error("for '%s': %s", yaml, printed);
    }
    assert_non_null(strstr(printed, words));
    assert_int_equal(fixture.report.error_count, 1);
    config_fixture_fini(&fixture);
}

static void test_intervals(void **state)
{
    (void)state;
    good("container_orchestrator: ecs\n", 60 * CLOCK_NS_PER_S);
    good("container_orchestrator: ecs\ncollection_interval: 10s\n", 10 * CLOCK_NS_PER_S);
    good("container_orchestrator: ecs\ncollection_interval: 100ms\n", 100 * CLOCK_NS_PER_MS);
    bad("container_orchestrator: ecs\ncollection_interval: 99ms\n", "at least 100ms");
    bad("container_orchestrator: ecs\ncollection_interval: 0s\n", "at least 100ms");
    bad("container_orchestrator: ecs\ncollection_interval: often\n", "collection_interval");
}

static void test_only_ecs(void **state)
{
    (void)state;
    bad("", "only 'ecs' is supported");
    bad("container_orchestrator:\n", "only 'ecs' is supported");
    bad("container_orchestrator: eks\n", "only 'ecs' is supported");
    bad("container_orchestrator: esc\n", "did you mean");
    bad("container_orchestrator: 5\n", "container_orchestrator");
}

static void test_keys_of_pods_have_no_effect(void **state)
{
    (void)state;
    good("container_orchestrator: ecs\n"
         "add_service_as_attribute: false\n"
         "prefer_full_pod_name: true\n"
         "add_full_pod_name_metric_label: true\n"
         "add_container_name_metric_label: true\n"
         "cluster_name: blue\n"
         "leader_lock_name: lock\n"
         "leader_lock_using_config_map_only: true\n",
         60 * CLOCK_NS_PER_S);
    bad("container_orchestrator: ecs\nprefer_full_pod_name: 5\n", "prefer_full_pod_name");
    bad("container_orchestrator: ecs\ncluster_name: [a]\n", "cluster_name");
}

static void test_keys_that_are_not_supported(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "collection_role: ALL",    "enable_control_plane_metrics: true",
        "kube_config_path: /x",    "accelerated_compute_metrics: true",
        "host_ip: 10.0.0.1",       "host_name: x",
        "run_on_systemd: true",    "local_mode: true",
        "middleware: agenthealth",
    };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        char yaml[128];
        (void)snprintf(yaml, sizeof(yaml), "container_orchestrator: ecs\n%s\n", keys[i]);
        bad(yaml, "not supported yet");
    }
    bad("container_orchestrator: ecs\ncollection_intervall: 1s\n", "collection_interval");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_only_ecs),
        cmocka_unit_test(test_keys_of_pods_have_no_effect),
        cmocka_unit_test(test_keys_that_are_not_supported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
