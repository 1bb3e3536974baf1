/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of tools/weir/graph_config and telemetry_config: who exists, who feeds whom, and what of it
 * is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "tests/support/config_fixture.h"
#include "tools/weir/config_source.h"
#include "tools/weir/graph_config.h"

static const char *const receivers[] = {"statsd", "otlp", NULL};
static const char *const processors[] = {"batch", NULL};
static const char *const exporters[] = {"debug", "otlphttp", NULL};
static const char *const planned_exporters[] = {"awsemf", NULL};
static const char *const extensions[] = {"health_check", NULL};
static const struct graph_types types = {
    .known =
        {
            [GRAPH_RECEIVER] = receivers,
            [GRAPH_PROCESSOR] = processors,
            [GRAPH_EXPORTER] = exporters,
            [GRAPH_EXTENSION] = extensions,
        },
    .planned = {[GRAPH_EXPORTER] = planned_exporters},
};

static struct config_fixture fixture;
static struct graph_config graph;

static int set_up(void **state)
{
    (void)state;
    config_fixture_init(&fixture);
    graph = (struct graph_config){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    graph_config_fini(&graph);
    config_fixture_fini(&fixture);
    return 0;
}

static int read_graph(const char *text)
{
    struct slice origin;
    struct config_inputs inputs = {.preset_name = "a.yaml", .preset_text = text};
    tear_down(NULL);
    set_up(NULL);
    int err = config_load(&fixture.tree, &fixture.report, &inputs, &origin);
    assert_int_equal(err, 0);
    return graph_config_read(&graph, &fixture.tree, &types, &fixture.report);
}

static void assert_refused(const char *text, const char *printed)
{
    assert_int_equal(read_graph(text), FAULT_CONFIG);
    assert_string_equal(config_fixture_printed(&fixture), printed);
}

static const char good[] = "receivers:\n"
                           "  statsd:\n"
                           "  statsd/edge: {endpoint: 'localhost:1'}\n"
                           "processors:\n"
                           "  batch:\n"
                           "exporters:\n"
                           "  debug:\n"
                           "  otlphttp/gw: {}\n"
                           "extensions:\n"
                           "  health_check:\n"
                           "service:\n"
                           "  extensions: [health_check]\n"
                           "  telemetry:\n"
                           "    logs: {level: warn, encoding: json}\n"
                           "    metrics:\n"
                           "      readers:\n"
                           "        - pull: {exporter: {prometheus: {host: 0.0.0.0, port: 9999}}}\n"
                           "  pipelines:\n"
                           "    metrics/statsd:\n"
                           "      receivers: statsd, statsd/edge\n"
                           "      processors: [batch]\n"
                           "      exporters: [debug, otlphttp/gw]\n"
                           "    traces:\n"
                           "      receivers: [statsd]\n"
                           "      exporters: [debug]\n";

static void test_good_configuration_is_read_whole(void **state)
{
    (void)state;
    assert_int_equal(read_graph(good), 0);
    assert_string_equal(config_fixture_printed(&fixture), "");
    assert_int_equal(graph.component_count, 6);
    assert_int_equal(graph.pipeline_count, 2);
    const struct graph_pipeline *metrics = &graph.pipelines[0];
    assert_int_equal(metrics->signal, GRAPH_METRICS);
    assert_true(slice_is_text(metrics->id.name, "statsd"));
    assert_int_equal(metrics->receivers.count, 2);
    assert_int_equal(metrics->processors.count, 1);
    assert_int_equal(metrics->exporters.count, 2);
    const struct graph_component *edge =
        &graph.components[metrics->receivers.refs[1].component_index];
    assert_true(slice_is_text(edge->id.text, "statsd/edge"));
    assert_true(slice_is_text(edge->id.type, "statsd"));
    assert_true(slice_is_text(edge->id.name, "edge"));
    assert_true(edge->is_referenced);
    assert_int_equal(graph.extensions.count, 1);
    assert_true(graph.telemetry.has_log_level);
    assert_int_equal(graph.telemetry.log_level, GRAPH_LOG_WARN);
    assert_true(graph.telemetry.is_log_json);
    assert_true(graph.telemetry.is_metrics_on);
    assert_true(slice_is_text(graph.telemetry.metrics_host, "0.0.0.0"));
    assert_false(graph.telemetry.is_metrics_host_default);
    assert_int_equal(graph.telemetry.metrics_port, 9999);
}

static void test_defaults_of_telemetry(void **state)
{
    (void)state;
    assert_int_equal(read_graph("receivers: {statsd: }\nexporters: {debug: }\n"
                                "service: {pipelines: {logs: {receivers: [statsd], "
                                "exporters: [debug]}}}\n"),
                     0);
    assert_false(graph.telemetry.has_log_level);
    assert_int_equal(graph.telemetry.log_level, GRAPH_LOG_INFO);
    assert_true(slice_is_text(graph.telemetry.metrics_host, "localhost"));
    assert_int_equal(graph.telemetry.metrics_port, 8888);
    assert_true(graph.telemetry.is_metrics_host_default);
    assert_true(graph.telemetry.is_metrics_on);
}

static const char many_mistakes[] =

    "recievers: {}\n"
    "receivers:\n"
    "  statd:\n"
    "  9x:\n"
    "  otlp: 5\n"
    "exporters:\n"
    "  logging:\n"
    "  awsemf:\n"
    "  debug:\n"
    "processors:\n"
    "  batch:\n"
    "service:\n"
    "  extensions: [health_check]\n"
    "  pipelines:\n"
    "    metric:\n"
    "    traces:\n"
    "      receivers: [otpl]\n"
    "      processors: [batch, batch]\n"
    "    logs:\n"
    "      exporters: [debug, debug]\n";

static const char many_complaints[] =
    "a.yaml:1:1: error: unknown key 'recievers' at the top level\n"
    "    1 | recievers: {}\n"
    "      | ^~~~~~~~~\n"
    "  did you mean 'receivers'?\n"
    "a.yaml:3:3: error: unknown receiver type 'statd' for id 'statd'\n"
    "    3 |   statd:\n"
    "      |   ^~~~~\n"
    "  did you mean 'statsd'?\n"
    "a.yaml:4:3: error: '9x' is no receiver id\n"
    "    4 |   9x:\n"
    "      |   ^~\n"
    "  an id is a type, or type/name\n"
    "a.yaml:5:9: error: receivers.otlp must be a map, not the number '5'\n"
    "    5 |   otlp: 5\n"
    "      |         ^\n"
    "a.yaml:7:3: error: the logging exporter has been deprecated, use the debug exporter "
    "instead\n"
    "    7 |   logging:\n"
    "      |   ^~~~~~~\n"
    "  use 'debug' instead\n"
    "a.yaml:8:3: error: exporter 'awsemf' is known but not supported yet\n"
    "    8 |   awsemf:\n"
    "      |   ^~~~~~\n"
    "a.yaml:13:16: error: service references extension 'health_check' which is not "
    "configured\n"
    "   13 |   extensions: [health_check]\n"
    "      |                ^~~~~~~~~~~~\n"
    "a.yaml:15:5: error: unknown signal 'metric' of pipeline 'metric'\n"
    "   15 |     metric:\n"
    "      |     ^~~~~~\n"
    "  did you mean 'metrics'?\n"
    "a.yaml:16:5: error: service.pipelines.traces must have at least one exporter\n"
    "   16 |     traces:\n"
    "      |     ^~~~~~\n"
    "a.yaml:17:19: error: service.pipelines.traces references receiver 'otpl' which is not "
    "configured\n"
    "   17 |       receivers: [otpl]\n"
    "      |                   ^~~~\n"
    "  did you mean 'otlp'?\n"
    "a.yaml:18:27: error: service.pipelines.traces references processor 'batch' multiple "
    "times\n"
    "   18 |       processors: [batch, batch]\n"
    "      |                           ^~~~~\n"
    "a.yaml:19:5: error: service.pipelines.logs must have at least one receiver\n"
    "   19 |     logs:\n"
    "      |     ^~~~\n"
    "a.yaml:20:26: warning: service.pipelines.logs references exporter 'debug' multiple times\n"
    "   20 |       exporters: [debug, debug]\n"
    "      |                          ^~~~~\n"
    "a.yaml: 12 errors, 1 warning\n";

static void test_every_mistake_is_reported_at_once(void **state)
{
    (void)state;
    assert_refused(many_mistakes, many_complaints);
}

static void test_no_pipelines_is_an_error(void **state)
{
    (void)state;
    assert_refused("receivers: {statsd: }\n",
                   "a.yaml: error: service must have at least one pipeline\n"
                   "a.yaml: 1 error\n");
    assert_refused("service: {pipelines: {}}\n",
                   "a.yaml:1:1: error: service must have at least one pipeline\n"
                   "    1 | service: {pipelines: {}}\n"
                   "      | ^~~~~~~\n"
                   "a.yaml: 1 error\n");
}

static void test_unsupported_telemetry_says_so(void **state)
{
    (void)state;
    assert_refused(
        "receivers: {statsd: }\n"
        "exporters: {debug: }\n"
        "service:\n"
        "  telemetry:\n"
        "    logs: {level: wran, sampling: {}}\n"
        "    metrics:\n"
        "      address: ':8888'\n"
        "      readers: []\n"
        "  pipelines: {logs: {receivers: [statsd], exporters: [debug]}}\n",
        "a.yaml:5:19: error: service.telemetry.logs.level must be one of debug, info, "
        "warn, error, DEBUG, INFO, WARN, ERROR, dpanic, panic, fatal, not 'wran'\n"
        "    5 |     logs: {level: wran, sampling: {}}\n"
        "      |                   ^~~~\n"
        "  did you mean 'warn'?\n"
        "a.yaml:5:25: error: key 'sampling' in service.telemetry.logs is known but not "
        "supported yet\n"
        "    5 |     logs: {level: wran, sampling: {}}\n"
        "      |                         ^~~~~~~~\n"
        "a.yaml:7:16: error: service.telemetry.metrics.address is no longer known; write "
        "readers: [{pull: {exporter: {prometheus: {host, port}}}}]\n"
        "    7 |       address: ':8888'\n"
        "      |                ^~~~~~~\n"
        "a.yaml:8:16: error: service.telemetry.metrics.readers must name a reader unless "
        "the level is none\n"
        "    8 |       readers: []\n"
        "      |                ^\n"
        "a.yaml: 4 errors\n");
}

static void test_ids_follow_the_rules(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "/a", "a/", "1a", "a-b", "a/b c", "a/b\tc", "_a", "a/$x"};
    struct graph_id id;
    char type[66];
    memset(type, 'a', sizeof(type));
    assert_true(graph_id_parse(slice_of(type, 63), &id));
    assert_false(graph_id_parse(slice_of(type, 64), &id));
    assert_true(graph_id_parse(SLICE_LITERAL(" a_1/b-c.d/é "), &id));
    assert_true(slice_is_text(id.type, "a_1"));
    assert_true(slice_is_text(id.name, "b-c.d/é"));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(graph_id_parse(slice_of_text(bad[i]), &id));
    }
}

static void test_refused_allocations_leave_nothing_behind(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 8; nth++) {
        assert_int_equal(read_graph(good), 0);
        graph_config_fini(&graph);
        mem_fail_nth(nth);
        int err = graph_config_read(&graph, &fixture.tree, &types, &fixture.report);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good_configuration_is_read_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_defaults_of_telemetry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_mistake_is_reported_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_pipelines_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unsupported_telemetry_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ids_follow_the_rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused_allocations_leave_nothing_behind, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
