/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/processors/filter_processor and match: each property of include and exclude, each
 * level at which something can be dropped, and what goes along with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/processors/filter_processor.h"
#include "tests/core/processors/processor_rig.h"

static struct rig rig;

static struct slice span(const char *name, struct slice more)
{
    return item_of(JOIN(field_text(5, name), more));
}

/* Three spans in two resources go in; `kept` says by number which come out. */
static void check_spans(const char *config, const char *kept)
{
    rig_open(&rig, filter_processor_new, SIGNAL_TRACES, config);
    struct slice web = JOIN(attr_text(1, "service.name", "web"), attr_int(1, "zone", 1));
    struct slice spans[] = {
        span("GET /", JOIN(field_varint(6, 2), attr_text(9, "route", "/health"))),
        span("SELECT", JOIN(field_varint(6, 3), attr_int(9, "rows", 5))),
        span("POST /", field_varint(6, 2)),
    };
    struct slice scope = field_message(1, JOIN(field_text(1, "sql"), field_text(2, "1.2")));
    struct slice in = JOIN(request_of(web, JOIN(spans[0], spans[2])),
                           field_message(1, field_message(2, JOIN(scope, spans[1]))));
    struct slice web_kept = JOIN(strchr(kept, '0') != NULL ? spans[0] : NOTHING,
                                 strchr(kept, '2') != NULL ? spans[2] : NOTHING);
    struct slice out =
        JOIN(web_kept.len > 0 ? request_of(web, web_kept) : NOTHING,
             strchr(kept, '1') != NULL ? field_message(1, field_message(2, JOIN(scope, spans[1])))
                                       : NOTHING);
    rig_check(&rig, in, out);
    assert_int_equal(rig.part.item_count, strlen(kept));
    assert_int_equal(counter_read(&rig.processor->stats.items_filtered), 3 - strlen(kept));
    rig_close(&rig);
}

#define SPANS(rule, text) "{spans: {" rule ": {match_type: " text "}}}"

static void test_span_properties_select(void **state)
{
    (void)state;
    check_spans(SPANS("include", "strict, span_names: [SELECT]"), "1");
    check_spans(SPANS("exclude", "strict, span_names: [SELECT, \"GET /\"]"), "2");
    check_spans(SPANS("include", "regexp, span_names: [\"^[GP]\"]"), "02");
    check_spans(SPANS("include", "strict, span_kinds: [SPAN_KIND_CLIENT]"), "1");
    check_spans(SPANS("exclude", "regexp, span_kinds: [SERVER]"), "1");
    check_spans(SPANS("exclude", "strict, services: [web]"), "1");
    check_spans(SPANS("include", "regexp, services: [\"^<nil\"]"), "1");
    check_spans(SPANS("include", "strict, resources: [{key: zone, value: 1}]"), "02");
    check_spans(SPANS("include", "strict, resources: [{key: zone, value: \"1\"}]"), "");
    check_spans(SPANS("include", "regexp, resources: [{key: zone, value: \"^1$\"}]"), "02");
    check_spans(SPANS("exclude", "strict, libraries: [{name: sql}]"), "02");
    check_spans(SPANS("exclude", "strict, libraries: [{name: sql, version: \"1.3\"}]"), "012");
    check_spans(SPANS("exclude", "regexp, libraries: [{name: sql, version: \"1\\\\.\"}]"), "02");
    check_spans(SPANS("include", "strict, attributes: [{key: route}]"), "0");
    check_spans(SPANS("include", "strict, attributes: [{key: route, value: /health}]"), "0");
    check_spans(SPANS("include", "strict, attributes: [{key: route}, {key: rows}]"), "");
    check_spans(SPANS("include", "regexp, attributes: [{key: rows, value: \"[0-9]\"}]"), "1");
    check_spans(SPANS("include", "regexp, span_names: [/], regexp: {cacheenabled: true,"
                                 " cachemaxnumentries: 10}"),
                "02");
}

static void test_all_properties_must_hold(void **state)
{
    (void)state;
    check_spans(SPANS("include", "strict, services: [web], span_names: [\"GET /\"]"), "0");
    check_spans(SPANS("exclude", "strict, services: [web], span_names: [\"GET /\"]"), "12");
    check_spans("{spans: {include: {match_type: strict, services: [web]},"
                " exclude: {match_type: regexp, span_names: [GET]}}}",
                "2");
    check_spans("{spans: {include: {match_type: strict, services: [web]}},"
                " logs: {exclude: {match_type: strict, bodies: [x]}}}",
                "02");
    check_spans("{}", "012");
}

static void test_span_conditions_drop(void **state)
{
    (void)state;
    check_spans("{traces: {span: [\"attributes[\\\"route\\\"] == \\\"/health\\\"\"]}}", "12");
    check_spans("{traces: {span: ['name == \"SELECT\"', 'IsMatch(name, \"^POST\")']}}", "0");
    check_spans("{error_mode: ignore, traces: {span: ['kind == SPAN_KIND_SERVER']}}", "1");
    check_spans("{traces: {resource: ['attributes[\"service.name\"] == \"web\"']}}", "1");
    check_spans("{traces: {span: ['resource.attributes[\"zone\"] == nil']}}", "02");
    check_spans("{traces: {span: ['instrumentation_scope.version == \"1.2\"']}}", "02");
    check_spans("{trace_conditions: ['span.kind == 3', 'resource.attributes[\"zone\"] == 1']}", "");
    check_spans("{trace_conditions: ['scope.name == \"sql\"']}", "02");
    check_spans("{trace_conditions: [{context: span, conditions: ['name == \"GET /\"'],"
                " error_mode: silent}, {conditions: ['span.name == \"SELECT\"']}]}",
                "2");
}

static void test_event_conditions_drop_events_only(void **state)
{
    (void)state;
    rig_open(&rig, filter_processor_new, SIGNAL_TRACES,
             "{traces: {spanevent: ['name == \"noise\" and span.name == \"op\"',"
             " 'attributes[\"level\"] < 3']}}");
    struct slice noise = field_message(11, field_text(2, "noise"));
    struct slice fine = field_message(11, JOIN(field_text(2, "fine"), attr_int(3, "level", 3)));
    struct slice low = field_message(11, JOIN(field_text(2, "low"), attr_int(3, "level", 2)));
    rig_check(
        &rig,
        request_of(NOTHING, JOIN(span("op", JOIN(noise, fine, noise, low)), span("other", noise))),
        request_of(NOTHING, JOIN(span("op", fine), span("other", noise))));
    assert_int_equal(rig.part.item_count, 2);
    assert_int_equal(counter_read(&rig.processor->stats.items_filtered), 0);
    rig_close(&rig);
}

/* Two metrics of two and one points; `kept` has one letter for each point. */
static void check_metrics(const char *config, const char *kept)
{
    rig_open(&rig, filter_processor_new, SIGNAL_METRICS, config);
    struct slice resource = attr_text(1, "host", "h1");
    struct slice points[] = {
        field_message(1, JOIN(attr_text(7, "path", "/a"), field_fixed64(6, 3))),
        field_message(1, JOIN(attr_text(7, "path", "/b"), field_double(4, 1.5))),
        field_message(1, JOIN(attr_text(9, "path", "/c"), field_fixed64(4, 2))),
    };
    struct slice in = JOIN(metric_of("cpu.load", 7, JOIN(points[0], points[1], field_varint(3, 1))),
                           metric_of("http.size", 9, points[2]));
    struct slice sum = JOIN(strchr(kept, 'a') != NULL ? points[0] : NOTHING,
                            strchr(kept, 'b') != NULL ? points[1] : NOTHING);
    struct slice out =
        JOIN(sum.len > 0 ? metric_of("cpu.load", 7, JOIN(sum, field_varint(3, 1))) : NOTHING,
             strchr(kept, 'c') != NULL ? metric_of("http.size", 9, points[2]) : NOTHING);
    rig_check(&rig, request_of(resource, in), out.len > 0 ? request_of(resource, out) : NOTHING);
    assert_int_equal(rig.part.item_count, strlen(kept));
    assert_int_equal(counter_read(&rig.processor->stats.items_filtered), 3 - strlen(kept));
    rig_close(&rig);
}

#define METRICS(rule, text) "{metrics: {" rule ": {match_type: " text "}}}"

static void test_metric_properties_select(void **state)
{
    (void)state;
    check_metrics(METRICS("include", "strict, metric_names: [cpu.load]"), "ab");
    check_metrics(METRICS("exclude", "regexp, metric_names: [\"^cpu\"]"), "c");
    check_metrics(METRICS("include", "strict, resource_attributes: [{key: host, value: h1}]"),
                  "abc");
    check_metrics(METRICS("include", "strict, resource_attributes: [{key: host, value: h2}]"), "");
    check_metrics(METRICS("include", "strict, metric_names: [cpu.load],"
                                     " resource_attributes: [{key: host, value: h1}]"),
                  "ab");
    /* Either is enough to be excluded. */
    check_metrics(METRICS("exclude", "strict, metric_names: [cpu.load],"
                                     " resource_attributes: [{key: host, value: h2}]"),
                  "c");
    check_metrics(METRICS("exclude", "strict, metric_names: [other],"
                                     " resource_attributes: [{key: host, value: h1}]"),
                  "");
}

static void test_metric_conditions_drop(void **state)
{
    (void)state;
    check_metrics("{metrics: {metric: ['name == \"cpu.load\"']}}", "c");
    check_metrics("{metrics: {metric: ['type == METRIC_DATA_TYPE_HISTOGRAM']}}", "ab");
    check_metrics("{metrics: {metric: ['is_monotonic == true']}}", "c");
    check_metrics("{metrics: {metric: ['HasAttrKeyOnDatapoint(\"path\")']}}", "");
    check_metrics("{metrics: {metric: ['HasAttrOnDatapoint(\"path\", \"/b\")']}}", "c");
    check_metrics("{metrics: {datapoint: ['attributes[\"path\"] == \"/a\"']}}", "bc");
    check_metrics("{metrics: {datapoint: ['metric.name == \"cpu.load\" and value_int > 2']}}",
                  "bc");
    check_metrics("{metrics: {datapoint: ['value_double <= 1.5']}}", "ac");
    check_metrics("{metrics: {datapoint: ['IsMatch(attributes[\"path\"], \"/[ac]\")']}}", "b");
    check_metrics("{metrics: {resource: ['attributes[\"host\"] == \"h1\"']}}", "");
    check_metrics("{metric_conditions: ['datapoint.attributes[\"path\"] == \"/c\"',"
                  " 'metric.unit != \"\"']}",
                  "ab");
}

/* Records 0 … 3; `kept` names those that come out. */
static void check_records(const char *config, const char *kept)
{
    rig_open(&rig, filter_processor_new, SIGNAL_LOGS, config);
    struct slice map = field_message(6, attr_text(1, "msg", "deep"));
    struct slice records[] = {
        item_of(JOIN(field_varint(2, 9), field_text(3, "INFO"),
                     field_message(5, field_text(1, "hello")), attr_text(6, "user", "u1"))),
        item_of(JOIN(field_varint(2, 17), field_text(3, "ERROR"),
                     field_message(5, field_text(1, "bad thing")))),
        item_of(JOIN(field_message(5, map), attr_text(6, "user", "u2"))),
        item_of(JOIN(field_varint(2, 5), field_text(3, "DEBUG"))),
    };
    struct slice out = {0};
    for (size_t i = 0; i < COUNT_OF(records); i++) {
        out = strchr(kept, (int)('0' + i)) != NULL ? JOIN(out, records[i]) : out;
    }
    struct slice resource = attr_text(1, "env", "prod");
    rig_check(&rig, request_of(resource, JOIN(records[0], records[1], records[2], records[3])),
              out.len > 0 ? request_of(resource, out) : NOTHING);
    assert_int_equal(rig.part.item_count, strlen(kept));
    rig_close(&rig);
}

#define LOGS(rule, text) "{logs: {" rule ": {match_type: " text "}}}"

static void test_record_properties_select(void **state)
{
    (void)state;
    check_records(LOGS("include", "strict, bodies: [hello]"), "0");
    check_records(LOGS("exclude", "regexp, bodies: [\"bad\", '\"msg\":\"deep\"']"), "03");
    check_records(LOGS("include", "strict, severity_texts: [INFO, DEBUG]"), "03");
    check_records(LOGS("include", "strict, severity_number: {min: warn}"), "1");
    check_records(LOGS("include", "strict, severity_number: {min: \"9\"}"), "01");
    check_records(LOGS("include", "strict, severity_number: {min: DEBUG2}"), "01");
    check_records(LOGS("include", "strict, severity_number: {min: ERROR, match_undefined: true}"),
                  "12");
    check_records(LOGS("include", "regexp, record_attributes: [{key: user, value: \"u[0-9]\"}]"),
                  "02");
    check_records(LOGS("exclude", "strict, resource_attributes: [{key: env, value: prod}]"), "");
}

static void test_record_conditions_drop(void **state)
{
    (void)state;
    check_records("{logs: {log_record: ['severity_number < SEVERITY_NUMBER_WARN']}}", "1");
    check_records("{logs: {log_record: ['severity_number >= SEVERITY_NUMBER_INFO']}}", "23");
    check_records("{logs: {log_record: ['body == \"hello\"']}}", "123");
    check_records("{logs: {log_record: ['IsMatch(body, \"bad|deep\")']}}", "03");
    check_records("{logs: {log_record: ['body[\"msg\"] == \"deep\"']}}", "013");
    check_records("{logs: {log_record: ['attributes[\"user\"] != nil']}}", "13");
    check_records("{logs: {log_record: ['not (severity_text == \"INFO\" or body == nil)']}}", "03");
    check_records("{log_conditions: ['log.severity_text == \"DEBUG\"']}", "012");
}

static void test_configuration_is_judged(void **state)
{
    (void)state;
    processor_new_fn *fn = filter_processor_new;
    rig_check_refused(fn, SIGNAL_LOGS, "{logs: {include: {match_type: strit, bodies: [a]}}}",
                      "did you mean 'strict'");
    rig_check_refused(fn, SIGNAL_LOGS, "{logs: {include: {bodies: [a]}}}", "match_type");
    rig_check_refused(fn, SIGNAL_LOGS, "{logs: {include: {match_type: regexp, bodies: [\"(\"]}}}",
                      "not a regular expression");
    rig_check_refused(fn, SIGNAL_METRICS,
                      "{metrics: {include: {match_type: expr, expressions: [a]}}}",
                      "known but not supported yet");
    rig_check_refused(fn, SIGNAL_LOGS,
                      "{logs: {include: {match_type: strict, severity_number: {min: loud}}}}",
                      "expected a severity");
    rig_check_refused(fn, SIGNAL_TRACES, "{spans: {include: {match_type: strict}}}",
                      "names nothing");
    rig_check_refused(fn, SIGNAL_TRACES,
                      "{spans: {include: {match_type: strict, log_bodies: [a]}}}",
                      "means nothing for traces");
    rig_check_refused(fn, SIGNAL_TRACES,
                      "{spans: {include: {match_type: regexp, attributes: [{key: a, value: 1}]}}}",
                      "must be text");
    rig_check_refused(fn, SIGNAL_TRACES,
                      "{spans: {include: {match_type: strict, attributes: [{value: 1}]}}}", "key");
    rig_check_refused(fn, SIGNAL_LOGS, "{error_mode: loud}", "error_mode");
    rig_check_refused(fn, SIGNAL_LOGS, "{profile_conditions: [a]}", "not supported yet");
    rig_check_refused(fn, SIGNAL_TRACES, "{traces: {span: ['nam == 1']}}", "path is not known");
    rig_check_refused(fn, SIGNAL_TRACES, "{trace_conditions: ['name == 1']}", "as in span.name");
    rig_check_refused(fn, SIGNAL_TRACES,
                      "{trace_conditions: [{context: log, conditions: ['name == 1']}]}",
                      "no context 'log'");
    rig_check_refused(fn, SIGNAL_LOGS,
                      "{logs: {log_record: ['body == 1'],"
                      " include: {match_type: strict, bodies: [a]}}}",
                      "exclude each other");
}

static void test_every_refused_allocation_is_survived(void **state)
{
    (void)state;
    const char *text =
        "{spans: {include: {match_type: regexp, services: [a], attributes: [{key: k, value: b}],"
        " libraries: [{name: a, version: b}]}},"
        " log_conditions: ['IsMatch(log.body, \"a\") and log.attributes[\"a\"] == 1']}";
    int err = -1;
    for (uint64_t nth = 1; err != 0; nth++) {
        struct config_reader reader;
        rig_init(&rig);
        rig_reader(&rig, text, &reader);
        mem_fail_nth(nth);
        err = filter_processor_new(&reader, "test", SIGNAL_LOGS, &rig.processor);
        mem_fail_nth(0);
        assert_true(err == 0 || rig.processor == NULL);
        rig_close(&rig);
        assert_true(nth < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_span_properties_select),
        cmocka_unit_test(test_all_properties_must_hold),
        cmocka_unit_test(test_span_conditions_drop),
        cmocka_unit_test(test_event_conditions_drop_events_only),
        cmocka_unit_test(test_metric_properties_select),
        cmocka_unit_test(test_metric_conditions_drop),
        cmocka_unit_test(test_record_properties_select),
        cmocka_unit_test(test_record_conditions_drop),
        cmocka_unit_test(test_configuration_is_judged),
        cmocka_unit_test(test_every_refused_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
