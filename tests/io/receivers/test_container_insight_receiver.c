/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/container_insight_receiver and container_insight_ask: cycles on a real
 * egress thread that looks at the folders of tests/vectors/container_insight; a machine that
 * answers, one that does not, one that hangs; a look that does not come back; closing at any step;
 * refused memory; every backend.
 */
#include "tests/support/loop_fixture.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/helper.h"
#include "io/receivers/container_insight_ask.h"
#include "io/receivers/container_insight_receiver.h"
#include "tests/support/config_fixture.h"
#include "tests/support/http_stub.h"
#include "tests/support/otlp_stubs.h"
#include "tools/weir/config_yaml.h"

#define FOLDER WEIR_SOURCE_DIR "/tests/vectors/container_insight"
#define PATIENCE_NS (20 * CLOCK_NS_PER_S)
/* Nobody listens at its port of the ECS agent. */
#define IDENTITY                                                                                   \
    "{\"instanceId\":\"i-1\",\"instanceType\":\"c7g.large\",\"privateIp\":\"127.99.88.77\"}"
#define GROUP "green-and-blue"
/* A cycle tells more. */
#define POINTS_LEAST 40

static struct rig {
    struct config_fixture fixture;
    struct worker egress;
    struct receiver_home home;
    struct stub_exporter exporter;
    struct pipeline pipeline;
    struct pipeline *list[1];
    struct worker_hook hook;
    struct receiver *receiver;
    struct http_stub stub;
    bool has_stub;
    _Atomic uint32_t named_count; /* parts in which the group stands by its name */
} rig;

/* --- the machine ------------------------------------------------------------------------------ */

static const struct http_stub_answer good_answers[] = {
    {.body = "token", .body_len = 5},
    {.body = IDENTITY, .body_len = sizeof(IDENTITY) - 1},
    {.status = 404}, /* no tags are shown */
};
static const struct http_stub_answer odd_answers[] = {
    {.body = "token", .body_len = 5},
    {.body = "{\"instanceId\":\"i-1\"}", .body_len = 20},
};
/* The group fails for a whole round, with its attempts, and then has a name. */
static const struct http_stub_answer late_group[] = {
    {.body = "token", .body_len = 5},
    {.body = IDENTITY, .body_len = sizeof(IDENTITY) - 1},
    {.status = 500},
    {.status = 500},
    {.status = 500},
    {.body = GROUP, .body_len = sizeof(GROUP) - 1},
};
static const struct http_stub_answer hanging[] = {{.delay_ms = 60000}};

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

static void set_environment(void)
{
    set("HOST_PROC", FOLDER "/proc");
    set("HOST_SYS", FOLDER "/sys_v2");
    set("HOST_PROC_MOUNTINFO", "/nonexistent");
    set("AWS_EC2_METADATA_DISABLED", "true");
    set("HOST_NAME", "node");
    assert_int_equal(unsetenv("AWS_EXECUTION_ENV"), 0);
}

static void rig_machine(const struct http_stub_answer *script, size_t script_len)
{
    const struct http_stub_options options = {.script = script, .script_len = script_len};
    http_stub_start(&rig.stub, &options);
    rig.has_stub = true;
    set("AWS_EC2_METADATA_DISABLED", "false");
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", rig.stub.url);
}

/* --- the rig ---------------------------------------------------------------------------------- */

static bool rig_on_turn(struct worker_hook *hook, struct worker *worker)
{
    (void)hook;
    (void)worker;
    for (uint32_t i = 0; i < rig.exporter.taken_count; i++) {
        const struct batch *batch = rig.exporter.taken[i];
        for (uint32_t j = 0; j < batch->part_count; j++) {
            struct slice bytes = batch->parts[j].bytes;
            bool is_named = memmem(bytes.ptr, bytes.len, GROUP, sizeof(GROUP) - 1) != NULL;
            atomic_fetch_add(&rig.named_count, is_named ? 1 : 0);
        }
    }
    stub_exporter_answer_all(&rig.exporter, DELIVERY_ACCEPTED);
    (void)pipeline_retry(&rig.pipeline);
    return false;
}

static void add_hook(struct worker *worker, void *argument)
{
    worker_add_hook(worker, argument);
}

static void remove_hook(struct worker *worker, void *argument)
{
    worker_remove_hook(worker, argument);
}

static int make(const char *yaml, struct receiver **out)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&rig.fixture);
    assert_int_equal(config_yaml_parse(&rig.fixture.tree, &rig.fixture.report, slice_of_text(yaml),
                                       NULL, 0, &node),
                     0);
    config_reader_open(&reader, &rig.fixture.report, node, "receivers.r");
    return container_insight_receiver_new(&reader, "awscontainerinsightreceiver", out);
}

static void rig_prepare(void)
{
    const struct worker_options options = {
        .name = "egress-0", .loop = {.backend = loop_fixture_backend}, .cpu = -1};
    memset(&rig, 0, sizeof(rig));
    set_environment();
    stub_exporter_init(&rig.exporter, STUB_TAKEN_MAX, false);
    struct exporter *routes[] = {&rig.exporter.exporter};
    pipeline_init(&rig.pipeline, "metrics", SIGNAL_METRICS, routes, 1);
    rig.list[0] = &rig.pipeline;
    assert_int_equal(worker_start(&rig.egress, &options), 0);
    rig.home = (struct receiver_home){.egress = &rig.egress};
    rig.hook.on_turn = rig_on_turn;
    worker_call(&rig.egress, &rig.hook, add_hook);
    assert_int_equal(
        make("container_orchestrator: ecs\ncollection_interval: 100ms\n", &rig.receiver), 0);
}

static void rig_start(void)
{
    struct receiver *receiver = rig.receiver;
    assert_int_equal(receiver->ops->open(receiver, &rig.home), 0);
    receiver->ops->connect(receiver, rig.list, 1);
    assert_int_equal(receiver->ops->start(receiver), 0);
}

static const struct receiver_stats *stats(void)
{
    assert_int_equal(rig.receiver->counters_count, 1);
    return rig.receiver->counters[0].stats;
}

static void await(const struct counter *counter, uint64_t least)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (counter_read(counter) < least && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    assert_true(counter_read(counter) >= least);
}

static const struct counter *refused(const char *reason)
{
    uint32_t i = 0;
    const char *name = rig.receiver->ops->line_reason(i);
    while (name != NULL && strcmp(name, reason) != 0) {
        i++;
        name = rig.receiver->ops->line_reason(i);
    }
    assert_non_null(name);
    return &stats()->line_reasons[i];
}

static void rig_close(void)
{
    rig.receiver->ops->close(rig.receiver);
    worker_call(&rig.egress, &rig.hook, remove_hook);
    worker_stop(&rig.egress);
    stub_exporter_answer_all(&rig.exporter, DELIVERY_ACCEPTED);
    pipeline_abandon(&rig.pipeline);
    stub_exporter_answer_all(&rig.exporter, DELIVERY_ACCEPTED);
    pipeline_fini(&rig.pipeline);
    config_fixture_fini(&rig.fixture);
    if (rig.has_stub) {
        http_stub_stop(&rig.stub);
    }
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_cycles_without_a_machine(void **state)
{
    (void)state;
    rig_prepare();
    rig_start();
    await(&stats()->missing_filesystem, 5);
    assert_true(counter_read(&stats()->missing_identity) >= 5);
    /* The first cycle tells nothing; the last may be on its way. */
    assert_true(counter_read(&stats()->points_emitted) >= 3 * POINTS_LEAST);
    assert_int_equal(counter_read(&stats()->missing_proc), 0);
    assert_int_equal(counter_read(&stats()->missing_cgroup), 0);
    assert_int_equal(counter_read(&stats()->missing_agent), 0);
    rig.receiver->ops->drain(rig.receiver, false);
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (!rig.receiver->ops->is_drained(rig.receiver) && clock_mono_ns() < deadline_mono_ns) {
        worker_wake(&rig.egress);
        (void)usleep(500);
    }
    assert_true(rig.receiver->ops->is_drained(rig.receiver));
    /* A machine under load may be late for a cycle. */
    uint64_t overrun_count = counter_read(refused("overrun"));
    assert_int_equal(counter_read(&stats()->items_decoded),
                     counter_read(&stats()->items_forwarded) + overrun_count);
    assert_int_equal(counter_read(&stats()->refused_points), overrun_count);
    rig_close();
}

static void test_a_machine_is_asked_until_it_answers(void **state)
{
    (void)state;
    rig_prepare();
    rig_machine(good_answers, COUNT_OF(good_answers));
    rig_start();
    await(&stats()->missing_agent, 2);
    assert_int_equal(counter_read(&stats()->missing_identity), 0);
    /* Once a token, once the document, once the group's name. */
    assert_int_equal(http_stub_request_count(&rig.stub), 3);
    assert_string_equal(http_stub_request(&rig.stub, 2)->target,
                        "/latest/meta-data/tags/instance/aws:autoscaling:groupName");
    await(&stats()->points_emitted, POINTS_LEAST);
    rig_close();
}

static void test_a_group_that_did_not_answer_is_asked_again(void **state)
{
    (void)state;
    rig_prepare();
    rig_machine(late_group, COUNT_OF(late_group));
    rig_start();
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (atomic_load(&rig.named_count) == 0 && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    assert_true(atomic_load(&rig.named_count) > 0);
    await(&stats()->missing_agent, counter_read(&stats()->missing_agent) + 2);
    /* The document and the name were asked for until they came, and never again. */
    assert_int_equal(http_stub_request_count(&rig.stub), COUNT_OF(late_group));
    for (size_t i = 2; i < COUNT_OF(late_group); i++) {
        assert_string_equal(http_stub_request(&rig.stub, i)->target,
                            "/latest/meta-data/tags/instance/aws:autoscaling:groupName");
    }
    rig_close();
}

static void test_a_document_that_is_none(void **state)
{
    (void)state;
    rig_prepare();
    rig_machine(odd_answers, COUNT_OF(odd_answers));
    rig_start();
    await(&stats()->missing_identity, 2);
    await(&stats()->points_emitted, POINTS_LEAST);
    rig_close();
}

static void test_a_machine_that_hangs_costs_nothing_else(void **state)
{
    (void)state;
    rig_prepare();
    rig_machine(hanging, COUNT_OF(hanging));
    rig_start();
    await(&stats()->points_emitted, 2 * POINTS_LEAST);
    assert_int_equal(counter_read(&stats()->missing_identity), 0); /* it is still being asked */
    rig_close();
}

/* --- a look that does not come back ----------------------------------------------------------- */

/* Keeps the helper busy, as a file system does that hangs. */
static struct busy {
    struct helper_job job;
    struct helper_port *port;
    _Atomic bool may_end;
} busy;

static void busy_work(struct helper_job *job)
{
    (void)job;
    while (!atomic_load(&busy.may_end)) {
        (void)usleep(1000);
    }
}

static void busy_end(struct helper_job *job)
{
    (void)job;
}

static const struct helper_job_ops busy_ops = {
    .work = busy_work,
    .on_done = busy_end,
    .discard = busy_end,
};

static void keep_busy(struct worker *worker, void *argument)
{
    (void)argument;
    assert_int_equal(helper_port_open(worker->loop, &busy.port), 0);
    busy.job.ops = &busy_ops;
    helper_submit(busy.port, &busy.job);
}

static void leave_helper(struct worker *worker, void *argument)
{
    (void)worker;
    (void)argument;
    helper_port_close(busy.port);
}

static void test_cycles_that_are_left_out_are_counted(void **state)
{
    (void)state;
    atomic_store(&busy.may_end, false);
    rig_prepare();
    worker_call(&rig.egress, NULL, keep_busy);
    rig_start();
    await(refused("overrun"), 3);
    assert_int_equal(counter_read(&stats()->points_emitted), 0);
    assert_int_equal(counter_read(&stats()->items_forwarded), 0);
    atomic_store(&busy.may_end, true);
    await(&stats()->points_emitted, POINTS_LEAST); /* the rates span what was left out */
    worker_call(&rig.egress, NULL, leave_helper);
    rig_close();
}

static void test_closing_at_every_step(void **state)
{
    (void)state;
    rig_prepare();
    rig_close(); /* never opened */

    rig_prepare();
    assert_int_equal(rig.receiver->ops->open(rig.receiver, &rig.home), 0);
    rig_close();

    for (uint32_t i = 0; i < 20; i++) { /* somewhere between asking and looking */
        rig_prepare();
        rig_machine(good_answers, COUNT_OF(good_answers));
        rig_start();
        (void)usleep(i * 200);
        rig_close();
    }
}

static void test_settings_that_are_refused(void **state)
{
    (void)state;
    struct receiver *receiver = NULL;
    set_environment();
    assert_int_equal(make("container_orchestrator: eks\n", &receiver), FAULT_CONFIG);
    assert_null(receiver);
    config_fixture_fini(&rig.fixture);
}

static void test_refused_memory_at_birth(void **state)
{
    (void)state;
    struct config_reader reader;
    struct receiver *receiver = NULL;
    struct config_node *node = NULL;
    config_fixture_init(&rig.fixture);
    assert_int_equal(config_yaml_parse(&rig.fixture.tree, &rig.fixture.report,
                                       SLICE_LITERAL("container_orchestrator: ecs\n"), NULL, 0,
                                       &node),
                     0);
    config_reader_open(&reader, &rig.fixture.report, node, "receivers.r");
    mem_fail_nth(1);
    assert_int_equal(container_insight_receiver_new(&reader, "r", &receiver), -ENOMEM);
    mem_fail_nth(0);
    assert_null(receiver);
    config_fixture_fini(&rig.fixture);
}

static uint64_t fail_nth;

static void arm_failure(struct worker *worker, void *argument)
{
    (void)worker;
    (void)argument;
    mem_fail_nth(fail_nth);
}

static void test_refused_memory_at_open(void **state)
{
    (void)state;
    uint32_t failed_count = 0;
    int err = -1;
    for (fail_nth = 1; fail_nth < 100 && err != 0; fail_nth++) {
        rig_prepare();
        worker_call(&rig.egress, NULL, arm_failure);
        err = rig.receiver->ops->open(rig.receiver, &rig.home);
        failed_count += err != 0 ? 1 : 0;
        uint64_t armed = fail_nth;
        fail_nth = 0;
        worker_call(&rig.egress, NULL, arm_failure);
        fail_nth = armed;
        rig_close();
    }
    assert_int_equal(err, 0);
    assert_true(failed_count >= 4);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cycles_without_a_machine),
        cmocka_unit_test(test_a_machine_is_asked_until_it_answers),
        cmocka_unit_test(test_a_group_that_did_not_answer_is_asked_again),
        cmocka_unit_test(test_a_document_that_is_none),
        cmocka_unit_test(test_a_machine_that_hangs_costs_nothing_else),
        cmocka_unit_test(test_cycles_that_are_left_out_are_counted),
        cmocka_unit_test(test_closing_at_every_step),
        cmocka_unit_test(test_settings_that_are_refused),
        cmocka_unit_test(test_refused_memory_at_birth),
        cmocka_unit_test(test_refused_memory_at_open),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
