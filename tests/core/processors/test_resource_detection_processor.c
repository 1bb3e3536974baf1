/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/processors/resource_detection_processor and of its settings: what is detected is
 * scripted here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/processors/resource_detect_plan.h"
#include "core/processors/resource_detected.h"
#include "core/processors/resource_detection_processor.h"
#include "tests/core/processors/processor_rig.h"

static struct rig rig;

/* What the next detections find. */
static struct {
    const char *const (*pairs)[2];
    size_t count;
    uint32_t call_count;
    bool is_incomplete;
    int err;
    struct resource_detect_plan plan; /* as it was given */
} script;

static int detect(const struct resource_detect_plan *plan, struct resource_detected *out,
                  bool *is_complete)
{
    script.call_count++;
    script.plan = *plan;
    *is_complete = !script.is_incomplete;
    for (size_t i = 0; i < script.count && script.err == 0; i++) {
        int err = resource_detected_put(out, slice_of_text(script.pairs[i][0]),
                                        slice_of_text(script.pairs[i][1]));
        if (err != 0) {
            return err;
        }
    }
    return script.err;
}

static int make(struct config_reader *config, const char *id, enum signal signal,
                struct processor **out)
{
    return resource_detection_processor_new(config, id, signal, detect, out);
}

#define FIND(...)                                                                                  \
    do {                                                                                           \
        static const char *const found[][2] = {__VA_ARGS__};                                       \
        script.pairs = found;                                                                      \
        script.count = COUNT_OF(found);                                                            \
    } while (0)

static int reset(void **state)
{
    (void)state;
    script.pairs = NULL;
    script.count = 0;
    script.call_count = 0;
    script.is_incomplete = false;
    script.err = 0;
    return 0;
}

static void open_prepared(const char *text, enum signal signal)
{
    rig_open(&rig, make, signal, text);
    assert_int_equal(rig.processor->ops->prepare(rig.processor), 0);
}

static struct slice a_span(void)
{
    return item_of(JOIN(field_text(5, "op"), attr_int(9, "host.name", 1)));
}

/* --- what is added ---------------------------------------------------------------------------- */

static void test_detected_attributes_are_added_and_replace(void **state)
{
    (void)state;
    FIND({"host.name", "gateway"}, {"cloud.provider", "aws"});
    open_prepared("{detectors: [system]}", SIGNAL_TRACES);
    rig_check(&rig,
              request_of(JOIN(attr_text(1, "host.name", "sent"), attr_text(1, "a", "1")), a_span()),
              request_of(JOIN(attr_text(1, "host.name", "gateway"), attr_text(1, "a", "1"),
                              attr_text(1, "cloud.provider", "aws")),
                         a_span()));
    rig_close(&rig);
}

static void test_without_override_what_was_sent_stays(void **state)
{
    (void)state;
    FIND({"host.name", "gateway"}, {"cloud.provider", "aws"});
    open_prepared("{override: false}", SIGNAL_LOGS);
    struct slice record = item_of(field_text(3, "INFO"));
    rig_check(&rig, request_of(attr_int(1, "host.name", 7), record),
              request_of(JOIN(attr_int(1, "host.name", 7), attr_text(1, "cloud.provider", "aws")),
                         record));
    rig_close(&rig);
}

static void test_a_missing_resource_comes_into_being(void **state)
{
    (void)state;
    FIND({"host.name", "gateway"});
    open_prepared("{}", SIGNAL_METRICS);
    struct slice items = metric_of("m", 5, field_message(1, field_fixed64(6, 1)));
    rig_check(&rig, request_of(NOTHING, items),
              request_of(attr_text(1, "host.name", "gateway"), items));
    rig_close(&rig);
}

static void test_nothing_detected_leaves_the_part_alone(void **state)
{
    (void)state;
    open_prepared("{}", SIGNAL_TRACES);
    struct slice request = request_of(attr_text(1, "host.name", "sent"), a_span());
    rig_check(&rig, request, request);
    rig_close(&rig);
    FIND({"host.name", "gateway"});
    rig_open(&rig, make, SIGNAL_TRACES, "{}"); /* and so does one that was not prepared */
    request = request_of(attr_text(1, "host.name", "sent"), a_span());
    rig_check(&rig, request, request);
    rig_close(&rig);
}

static void test_clones_see_what_is_prepared_after_them(void **state)
{
    (void)state;
    FIND({"host.name", "gateway"});
    rig_open(&rig, make, SIGNAL_TRACES, "{}");
    struct processor *prototype = rig.processor;
    assert_int_equal(prototype->ops->clone(prototype, &rig.processor), 0);
    assert_int_equal(prototype->ops->prepare(prototype), 0);
    rig_check(&rig, request_of(NOTHING, a_span()),
              request_of(attr_text(1, "host.name", "gateway"), a_span()));
    rig.processor->ops->close(rig.processor);
    rig.processor = prototype;
    rig_close(&rig);
}

/* --- whose identity it is --------------------------------------------------------------------- */

static void test_a_service_is_completed_but_never_renamed(void **state)
{
    (void)state;
    FIND({"service.name", "weir"}, {"service.namespace", "shop"});
    open_prepared("{override: true}", SIGNAL_TRACES);
    rig_check(&rig, request_of(attr_text(1, "service.name", "orders"), a_span()),
              request_of(JOIN(attr_text(1, "service.name", "orders"),
                              attr_text(1, "service.namespace", "shop")),
                         a_span()));
    rig_close(&rig);
}

static void test_a_task_is_never_mixed_with_another(void **state)
{
    (void)state;
    FIND({"aws.ecs.task.arn", "arn-of-weir"}, {"aws.ecs.task.id", "id-of-weir"},
         {"container.name", "weir"}, {"aws.ecs.cluster.arn", "cluster"});
    open_prepared("{override: true}", SIGNAL_TRACES);
    rig_check(&rig,
              JOIN(request_of(attr_text(1, "aws.ecs.task.arn", "mine"), a_span()),
                   request_of(attr_text(1, "container.id", "mine"), a_span())),
              JOIN(request_of(JOIN(attr_text(1, "aws.ecs.task.arn", "mine"),
                                   attr_text(1, "container.name", "weir"),
                                   attr_text(1, "aws.ecs.cluster.arn", "cluster")),
                              a_span()),
                   request_of(JOIN(attr_text(1, "container.id", "mine"),
                                   attr_text(1, "aws.ecs.task.arn", "arn-of-weir"),
                                   attr_text(1, "aws.ecs.task.id", "id-of-weir"),
                                   attr_text(1, "aws.ecs.cluster.arn", "cluster")),
                              a_span())));
    rig_close(&rig);
}

/* --- finding out ------------------------------------------------------------------------------ */

/* Two processors of one type: the second one asks the first. */
static bool inherits(const char *elder_text, const char *fresh_text, bool is_sibling)
{
    static struct rig other;
    open_prepared(elder_text, SIGNAL_TRACES);
    rig_open(&other, make, SIGNAL_LOGS, fresh_text);
    bool is_inherited = other.processor->ops->inherit(other.processor, rig.processor, is_sibling);
    rig_close(&rig);
    if (is_inherited) {
        struct slice record = item_of(field_text(3, "INFO"));
        rig_check(&other, request_of(NOTHING, record),
                  request_of(attr_text(1, "host.name", "gateway"), record));
    }
    rig_close(&other);
    return is_inherited;
}

static void test_equal_settings_share_one_detection(void **state)
{
    (void)state;
    FIND({"host.name", "gateway"});
    assert_true(inherits("{detectors: [env, ecs]}",
                         "{detectors: [env, ecs], timeout: 1s, override: false}", true));
    assert_true(inherits("{detectors: [env, ecs]}", "{detectors: [env, ecs]}", false));
    assert_false(inherits("{detectors: [env, ecs]}", "{detectors: [ecs, env]}", true));
    assert_false(inherits("{detectors: [ec2]}", "{detectors: [ec2], ec2: {tags: [a]}}", true));
    assert_false(inherits("{detectors: [ec2], ec2: {tags: [a]}}",
                          "{detectors: [ec2], ec2: {tags: [b]}}", true));
    assert_false(inherits("{}", "{attributes: [a]}", true));
    assert_false(inherits("{detectors: [system]}",
                          "{detectors: [system], system: {hostname_sources: [os]}}", true));
    assert_false(inherits("{detectors: [system]}",
                          "{detectors: [system],"
                          " system: {resource_attributes: {os.type: {enabled: false}}}}",
                          true));
}

static void test_a_reload_tries_again_what_failed(void **state)
{
    (void)state;
    FIND({"host.name", "gateway"});
    script.is_incomplete = true;
    assert_true(inherits("{}", "{}", true));
    assert_false(inherits("{}", "{}", false));
}

static void test_refused_memory_is_told(void **state)
{
    (void)state;
    script.err = -ENOMEM;
    rig_open(&rig, make, SIGNAL_TRACES, "{}");
    assert_int_equal(rig.processor->ops->prepare(rig.processor), -ENOMEM);
    rig_close(&rig);
}

/* --- settings --------------------------------------------------------------------------------- */

static void test_defaults_are_the_collectors(void **state)
{
    (void)state;
    open_prepared("{}", SIGNAL_TRACES);
    assert_int_equal(script.call_count, 1);
    assert_int_equal(script.plan.detector_count, 1);
    assert_int_equal(script.plan.detectors[0], DETECTOR_ENV);
    assert_true(script.plan.overrides);
    assert_int_equal(script.plan.timeout_ns, 5 * CLOCK_NS_PER_S);
    assert_int_equal(script.plan.hostname_source_count, 2);
    assert_int_equal(script.plan.hostname_sources[0], HOSTNAME_DNS);
    assert_int_equal(script.plan.hostname_sources[1], HOSTNAME_OS);
    rig_close(&rig);
}

static bool wants(enum detector detector, const char *key)
{
    return resource_detect_plan_wants(&script.plan, detector, slice_of_text(key));
}

static void test_each_detector_has_switches_of_its_own(void **state)
{
    (void)state;
    open_prepared("{detectors: [system, ecs, ec2, system],"
                  " system: {hostname_sources: [os], resource_attributes: {"
                  "host.name: {enabled: false}, host.arch: {enabled: true},"
                  " os.name: {enabled: false}}},"
                  " ecs: {resource_attributes: {cloud.region: {enabled: false}}},"
                  " ec2: {tags: [^a$, b], tags_from_imds: true}}",
                  SIGNAL_TRACES);
    assert_int_equal(script.plan.detector_count, 3);
    assert_int_equal(script.plan.detectors[2], DETECTOR_EC2);
    assert_int_equal(script.plan.hostname_source_count, 1);
    assert_int_equal(script.plan.tags.count, 2);
    assert_false(wants(DETECTOR_SYSTEM, "host.name"));
    assert_true(wants(DETECTOR_SYSTEM, "host.arch"));
    assert_true(wants(DETECTOR_SYSTEM, "os.type"));
    assert_false(wants(DETECTOR_SYSTEM, "host.id"));
    assert_false(wants(DETECTOR_SYSTEM, "os.name"));
    assert_false(wants(DETECTOR_ECS, "cloud.region"));
    assert_true(wants(DETECTOR_EC2, "cloud.region"));
    assert_true(wants(DETECTOR_EC2, "host.name"));
    assert_true(wants(DETECTOR_EC2, "ec2.tag.anything"));
    assert_true(wants(DETECTOR_ENV, "anything"));
    rig_close(&rig);
}

static void test_the_list_of_attributes_bounds_all_detectors(void **state)
{
    (void)state;
    open_prepared("{attributes: [host.name, host.id, mine]}", SIGNAL_TRACES);
    assert_true(wants(DETECTOR_SYSTEM, "host.name"));
    assert_false(wants(DETECTOR_SYSTEM, "host.id")); /* off by its switch */
    assert_false(wants(DETECTOR_SYSTEM, "os.type"));
    assert_true(wants(DETECTOR_ENV, "mine"));
    assert_false(wants(DETECTOR_ENV, "other"));
    rig_close(&rig);
}

static void test_configuration_is_judged(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{detectors: [lambda]}", "detector 'lambda' is known but not supported yet"},
        {"{detectors: [ecz]}", "did you mean ecs"},
        {"{detectors: [env], gcp: {}}", "key 'gcp'"},
        {"{detectors: [env], proxy_url: x}", "not supported yet"},
        {"{timeout: 0s}", "above 0"},
        {"{refresh_interval: 1m}", "not supported yet"},
        {"{fail_on_missing_metadata: true}", "not supported yet"},
        {"{system: {hostname_sources: [bios]}}", "no 'bios' for hostname_sources"},
        {"{system: {resource_attributes: {os.name: {enabled: true}}}}", "'os.name' is known"},
        {"{system: {resource_attributes: {os.nam: {enabled: true}}}}", "unknown key"},
        {"{ecs: {tags: [a]}}", "unknown key"},
        {"{ec2: {tags: [\"(\"]}}", "not a regular expression"},
        {"{ec2: {tags: [a], tags_from_imds: false}}", "EC2 API"},
        {"{ec2: {max_attempts: 3}}", "not supported yet"},
        {"{detector: [env]}", "detectors"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        rig_check_refused(make, SIGNAL_TRACES, cases[i][0], cases[i][1]);
    }
    open_prepared("{refresh_interval: 0s, fail_on_missing_metadata: false,"
                  " ec2: {tags_from_imds: false}}",
                  SIGNAL_TRACES);
    rig_close(&rig);
}

static void test_every_refused_allocation_is_survived(void **state)
{
    (void)state;
    int err = -1;
    FIND({"host.name", "gateway"});
    for (uint64_t nth = 1; err != 0; nth++) {
        struct config_reader reader;
        rig_init(&rig);
        rig_reader(&rig, "{detectors: [env]}", &reader);
        mem_fail_nth(nth);
        err = make(&reader, "test", SIGNAL_TRACES, &rig.processor);
        assert_true(err == 0 || rig.processor == NULL);
        err = err != 0 ? err : rig.processor->ops->prepare(rig.processor);
        mem_fail_nth(0);
        rig_close(&rig);
        assert_true(nth < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_detected_attributes_are_added_and_replace, reset),
        cmocka_unit_test_setup(test_without_override_what_was_sent_stays, reset),
        cmocka_unit_test_setup(test_a_missing_resource_comes_into_being, reset),
        cmocka_unit_test_setup(test_nothing_detected_leaves_the_part_alone, reset),
        cmocka_unit_test_setup(test_clones_see_what_is_prepared_after_them, reset),
        cmocka_unit_test_setup(test_a_service_is_completed_but_never_renamed, reset),
        cmocka_unit_test_setup(test_a_task_is_never_mixed_with_another, reset),
        cmocka_unit_test_setup(test_equal_settings_share_one_detection, reset),
        cmocka_unit_test_setup(test_a_reload_tries_again_what_failed, reset),
        cmocka_unit_test_setup(test_refused_memory_is_told, reset),
        cmocka_unit_test_setup(test_defaults_are_the_collectors, reset),
        cmocka_unit_test_setup(test_each_detector_has_switches_of_its_own, reset),
        cmocka_unit_test_setup(test_the_list_of_attributes_bounds_all_detectors, reset),
        cmocka_unit_test_setup(test_configuration_is_judged, reset),
        cmocka_unit_test_setup(test_every_refused_allocation_is_survived, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
