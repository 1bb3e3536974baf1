/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/ecs_metrics_receiver: cycles on a real egress thread against a scripted
 * endpoint; answers that are no documents, each with its reason; an endpoint that hangs; draining
 * and closing in the middle of a cycle; no endpoint at all; refused memory; on every backend.
 */
#include "tests/support/loop_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/receivers/ecs_metrics_points.h"
#include "io/receivers/ecs_metrics_receiver.h"
#include "tests/support/config_fixture.h"
#include "tests/support/http_stub.h"
#include "tests/support/otlp_stubs.h"
#include "tools/weir/config_yaml.h"

#define VARIABLE "ECS_CONTAINER_METADATA_URI_V4"
#define ARN "\"TaskARN\":\"arn:aws:ecs:eu-west-1:1:task/c/t\""
#define TASK "{" ARN ",\"Containers\":[{\"DockerId\":\"a\"},{\"DockerId\":\"b\"}]}"
#define STATS "{\"a\":{\"id\":\"a\"},\"b\":{\"id\":\"b\"}}"
#define CYCLE_POINTS (2 * ECS_CONTAINER_POINTS + ECS_TASK_POINTS)
#define PATIENCE_NS (20 * CLOCK_NS_PER_S)
/* A request may take as long; a late answer is one that is missing in a script. */
#define INTERVAL "collection_interval: 600ms"
#define SHORT_INTERVAL "collection_interval: 300ms"
#define LONG_INTERVAL "collection_interval: 2s"
/* As often as a momentary failure is tried within a cycle. */
#define ATTEMPTS 3

#define ANSWER(text)                                                                               \
    {                                                                                              \
        .body = (text), .body_len = sizeof(text) - 1                                               \
    }
#define STATUS(code)                                                                               \
    {                                                                                              \
        .status = (code)                                                                           \
    }

static const char *settings = INTERVAL;

static struct rig {
    struct worker egress;
    struct receiver_home home;
    struct stub_exporter exporter;
    struct pipeline pipeline;
    struct pipeline *list[1];
    struct worker_hook hook;
    struct http_stub stub;
    struct config_fixture fixture;
    struct receiver *receiver;
} rig;

/* --- the rig ---------------------------------------------------------------------------------- */

static bool rig_on_turn(struct worker_hook *hook, struct worker *worker)
{
    (void)hook;
    (void)worker;
    stub_exporter_answer_all(&rig.exporter, DELIVERY_ACCEPTED);
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

static void make_receiver(void)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    config_fixture_init(&rig.fixture);
    assert_int_equal(config_yaml_parse(&rig.fixture.tree, &rig.fixture.report,
                                       slice_of_text(settings), NULL, 0, &node),
                     0);
    config_reader_open(&reader, &rig.fixture.report, node, "receivers.awsecscontainermetrics");
    assert_int_equal(ecs_metrics_receiver_new(&reader, "awsecscontainermetrics", &rig.receiver), 0);
    config_fixture_fini(&rig.fixture);
}

/* Threads, a pipeline, and a receiver that is made but not opened. */
static void rig_prepare(void)
{
    const struct worker_options options = {
        .name = "egress-0", .loop = {.backend = loop_fixture_backend}, .cpu = -1};
    memset(&rig, 0, sizeof(rig));
    stub_exporter_init(&rig.exporter, STUB_TAKEN_MAX, false);
    struct exporter *routes[] = {&rig.exporter.exporter};
    pipeline_init(&rig.pipeline, "metrics", SIGNAL_METRICS, routes, 1);
    rig.list[0] = &rig.pipeline;
    assert_int_equal(worker_start(&rig.egress, &options), 0);
    rig.home = (struct receiver_home){.egress = &rig.egress};
    rig.hook.on_turn = rig_on_turn;
    worker_call(&rig.egress, &rig.hook, add_hook);
    make_receiver();
}

static void rig_finish(void)
{
    rig.receiver->ops->close(rig.receiver);
    worker_call(&rig.egress, &rig.hook, remove_hook);
    worker_stop(&rig.egress);
    stub_exporter_answer_all(&rig.exporter, DELIVERY_ACCEPTED);
    pipeline_abandon(&rig.pipeline);
    stub_exporter_answer_all(&rig.exporter, DELIVERY_ACCEPTED);
    pipeline_fini(&rig.pipeline);
}

static void rig_start(const struct http_stub_answer *script, size_t script_len)
{
    const struct http_stub_options options = {.script = script, .script_len = script_len};
    char uri[HTTP_STUB_URL_BYTES + 16];
    rig_prepare();
    http_stub_start(&rig.stub, &options);
    (void)snprintf(uri, sizeof(uri), " %s/v4/own/\n", rig.stub.url);
    assert_int_equal(setenv(VARIABLE, uri, 1), 0);
    assert_int_equal(rig.receiver->ops->open(rig.receiver, &rig.home), 0);
    assert_int_equal(unsetenv(VARIABLE), 0);
    rig.receiver->ops->connect(rig.receiver, rig.list, 1);
    assert_int_equal(rig.receiver->ops->start(rig.receiver), 0);
}
#define RIG_START(script) rig_start((script), COUNT_OF(script))

static const struct receiver_stats *stats(void)
{
    return rig.receiver->counters[0].stats;
}

static uint64_t reason_count(uint32_t why)
{
    return counter_read(&stats()->line_reasons[why]);
}

static void await(const struct counter *counter, uint64_t least)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (counter_read(counter) < least && clock_mono_ns() < deadline_mono_ns) {
        (void)usleep(1000);
    }
    assert_true(counter_read(counter) >= least);
}

/* Every item that was decoded went on or has a reason. */
static void assert_books(void)
{
    uint64_t invalid = 0;
    for (uint32_t i = 0; i < STATS_LINE_REASON_MAX; i++) {
        invalid += reason_count(i);
    }
    assert_int_equal(counter_read(&stats()->items_decoded),
                     counter_read(&stats()->items_forwarded) + invalid);
    assert_int_equal(counter_read(&stats()->items_forwarded),
                     counter_read(&stats()->points_emitted));
    assert_int_equal(counter_read(&stats()->wire_received), 0);
}

static void rig_stop(void)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    rig.receiver->ops->drain(rig.receiver, false);
    while (!rig.receiver->ops->is_drained(rig.receiver) && clock_mono_ns() < deadline_mono_ns) {
        worker_wake(&rig.egress);
        (void)usleep(500);
    }
    assert_true(rig.receiver->ops->is_drained(rig.receiver));
    assert_books();
    uint64_t emitted = counter_read(&stats()->points_emitted);
    rig_finish();
    assert_int_equal(rig.exporter.items_seen, emitted);
    http_stub_stop(&rig.stub);
}

/* --- cycles ----------------------------------------------------------------------------------- */

static void test_each_cycle_asks_for_both_documents(void **state)
{
    (void)state;
    static const struct http_stub_answer SCRIPT[] = {ANSWER(TASK), ANSWER(STATS), ANSWER(TASK),
                                                     ANSWER(STATS), STATUS(404)};
    RIG_START(SCRIPT);
    await(&stats()->points_emitted, 2 * CYCLE_POINTS);
    await(&stats()->line_reasons[ECS_METRICS_WHY_BAD_STATUS], 1);
    for (size_t i = 0; i < 4; i++) {
        const struct http_stub_request *request = http_stub_request(&rig.stub, i);
        assert_string_equal(request->method, "GET");
        assert_string_equal(request->target, i % 2 == 0 ? "/v4/own/task" : "/v4/own/task/stats");
        assert_int_equal(request->connection_index, 0);
    }
    assert_int_equal(counter_read(&stats()->points_emitted), 2 * CYCLE_POINTS);
    assert_int_equal(counter_read(&stats()->wire_bytes),
                     2 * (sizeof(TASK) - 1 + sizeof(STATS) - 1));
    rig_stop();
}

/* What each answer costs, and that the next cycle works again. */
static void check_trouble(const struct http_stub_answer *trouble, size_t count, uint32_t why)
{
    struct http_stub_answer script[16];
    assert_true(count + 2 < COUNT_OF(script));
    memcpy(script, trouble, count * sizeof(script[0]));
    script[count] = (struct http_stub_answer)ANSWER(TASK);
    script[count + 1] = (struct http_stub_answer)ANSWER(STATS);
    script[count + 2] = (struct http_stub_answer)STATUS(404);
    rig_start(script, count + 3);
    await(&stats()->line_reasons[why], 1);
    await(&stats()->points_emitted, CYCLE_POINTS);
    await(&stats()->line_reasons[ECS_METRICS_WHY_BAD_STATUS], 1);
    assert_int_equal(counter_read(&stats()->points_emitted), CYCLE_POINTS);
    assert_true(why == ECS_METRICS_WHY_BAD_STATUS || reason_count(why) == 1);
    rig_stop();
}

static void test_answers_that_are_no_documents(void **state)
{
    (void)state;
    static const struct http_stub_answer BAD_TASK[] = {ANSWER("{\"TaskARN\":")};
    static const struct http_stub_answer NO_TASK[] = {ANSWER("{}")};
    static const struct http_stub_answer BAD_STATS[] = {ANSWER(TASK), ANSWER("[]")};
    static const struct http_stub_answer EMPTY[] = {ANSWER(TASK), STATUS(200)};
    static const struct http_stub_answer MISSING[] = {ANSWER(TASK), STATUS(404)};
    check_trouble(BAD_TASK, COUNT_OF(BAD_TASK), ECS_METRICS_WHY_BAD_TASK);
    check_trouble(NO_TASK, COUNT_OF(NO_TASK), ECS_METRICS_WHY_BAD_TASK);
    check_trouble(BAD_STATS, COUNT_OF(BAD_STATS), ECS_METRICS_WHY_BAD_STATS);
    check_trouble(EMPTY, COUNT_OF(EMPTY), ECS_METRICS_WHY_BAD_STATS);
    check_trouble(MISSING, COUNT_OF(MISSING), ECS_METRICS_WHY_BAD_STATUS);
}

static void test_failures_are_tried_again_and_then_counted(void **state)
{
    (void)state;
    static const struct http_stub_answer THROTTLED[ATTEMPTS] = {STATUS(429), STATUS(429),
                                                                STATUS(429)};
    static const struct http_stub_answer BROKEN[ATTEMPTS] = {STATUS(500), STATUS(502), STATUS(503)};
    static const struct http_stub_answer STATS_BROKEN[1 + ATTEMPTS] = {ANSWER(TASK), STATUS(500),
                                                                       STATUS(500), STATUS(500)};
    check_trouble(THROTTLED, COUNT_OF(THROTTLED), ECS_METRICS_WHY_THROTTLED);
    check_trouble(BROKEN, COUNT_OF(BROKEN), ECS_METRICS_WHY_SERVER_ERROR);
    check_trouble(STATS_BROKEN, COUNT_OF(STATS_BROKEN), ECS_METRICS_WHY_SERVER_ERROR);
}

static void test_a_moment_of_trouble_costs_nothing(void **state)
{
    (void)state;
    static const struct http_stub_answer SCRIPT[] = {STATUS(429), STATUS(503),   ANSWER(TASK),
                                                     STATUS(500), ANSWER(STATS), STATUS(404)};
    settings = SHORT_INTERVAL; /* the pauses between attempts add up to 400 ms */
    RIG_START(SCRIPT);
    settings = INTERVAL;
    await(&stats()->points_emitted, CYCLE_POINTS);
    assert_int_equal(reason_count(ECS_METRICS_WHY_THROTTLED), 0);
    assert_int_equal(reason_count(ECS_METRICS_WHY_SERVER_ERROR), 0);
    assert_true(reason_count(ECS_METRICS_WHY_OVERRUN) > 0); /* it took longer than an interval */
    rig_stop();
}

static void test_an_endpoint_that_hangs(void **state)
{
    (void)state;
    static const struct http_stub_answer SCRIPT[] = {{.delay_ms = 60000}, {.delay_ms = 60000},
                                                     {.delay_ms = 60000}, ANSWER(TASK),
                                                     ANSWER(STATS),       STATUS(404)};
    RIG_START(SCRIPT);
    await(&stats()->line_reasons[ECS_METRICS_WHY_TIMEOUT], 1);
    await(&stats()->points_emitted, CYCLE_POINTS);
    rig_stop();
}

static void test_an_endpoint_that_hangs_up(void **state)
{
    (void)state;
    static const struct http_stub_answer SCRIPT[] = {{.hangs_up = true}};
    RIG_START(SCRIPT);
    await(&stats()->line_reasons[ECS_METRICS_WHY_UNREACHABLE], 1);
    rig_stop();
}

static void test_documents_at_the_limit_and_one_past_it(void **state)
{
    (void)state;
    static const size_t LIMIT = 4 * 1024 * 1024;
    static char body[4 * 1024 * 1024 + 1];
    memset(body, ' ', sizeof(body));
    memcpy(body, TASK, sizeof(TASK) - 1);
    const struct http_stub_answer script[] = {{.body = body, .body_len = LIMIT},
                                              ANSWER(STATS),
                                              {.body = body, .body_len = LIMIT + 1},
                                              STATUS(404)};
    settings = LONG_INTERVAL; /* for megabytes */
    RIG_START(script);
    settings = INTERVAL;
    await(&stats()->points_emitted, CYCLE_POINTS);
    await(&stats()->line_reasons[ECS_METRICS_WHY_TOO_LARGE], 1);
    assert_int_equal(reason_count(ECS_METRICS_WHY_BAD_TASK), 0);
    rig_stop();
}

static void test_what_is_left_out_has_its_reason(void **state)
{
    (void)state;
    static const char FULL[] =
        "{" ARN ",\"Cluster\":1,\"Containers\":[{\"DockerId\":\"a\"},{\"DockerId\":\"b\"},"
        "{\"DockerId\":\"c\",\"StartedAt\":\"x\",\"FinishedAt\":\"y\"},{\"DockerId\":\"d\","
        "\"StartedAt\":\"2026-01-01T00:00:00Z\",\"FinishedAt\":\"2026-01-01T00:00:01Z\"}]}";
    const struct http_stub_answer script[] = {
        {.body = FULL, .body_len = sizeof(FULL) - 1},
        ANSWER("{\"a\":{\"id\":\"a\",\"networks\":7}}"),
        STATUS(404),
    };
    RIG_START(script);
    await(&stats()->points_emitted, 1 + ECS_TASK_POINTS);
    assert_int_equal(reason_count(ECS_METRICS_WHY_ODD_VALUE), 1);
    assert_int_equal(reason_count(ECS_METRICS_WHY_ODD_STATS), 1);
    assert_int_equal(reason_count(ECS_METRICS_WHY_ODD_TIME), 1);
    assert_int_equal(reason_count(ECS_METRICS_WHY_NO_STATS), 1);
    rig_stop();
}

/* --- life ------------------------------------------------------------------------------------- */

static void test_closing_in_the_middle_of_a_cycle(void **state)
{
    (void)state;
    static const struct http_stub_answer SCRIPT[] = {{.delay_ms = 50}, STATUS(500)};
    RIG_START(SCRIPT);
    while (http_stub_request_count(&rig.stub) == 0) {
        (void)usleep(500);
    }
    rig_stop();
    RIG_START(SCRIPT); /* without a drain, between two attempts */
    while (http_stub_request_count(&rig.stub) < 2) {
        (void)usleep(500);
    }
    rig_finish();
    http_stub_stop(&rig.stub);
}

static void test_outside_a_task_it_does_not_open(void **state)
{
    (void)state;
    static char long_uri[700] = "http://127.0.0.1/";
    memset(long_uri + 17, 'x', sizeof(long_uri) - 18);
    const char *const uris[] = {NULL, "", " ", "169.254.170.2/v4/x", "ftp://h/v4", long_uri};
    for (size_t i = 0; i < COUNT_OF(uris); i++) {
        rig_prepare();
        assert_int_equal(uris[i] == NULL ? unsetenv(VARIABLE) : setenv(VARIABLE, uris[i], 1), 0);
        assert_int_equal(rig.receiver->ops->open(rig.receiver, &rig.home), FAULT_CONFIG);
        rig_finish();
    }
    assert_int_equal(unsetenv(VARIABLE), 0);
}

static void test_reasons_have_labels(void **state)
{
    (void)state;
    rig_prepare();
    for (uint32_t i = 0; i < ECS_METRICS_WHY_LIMIT; i++) {
        assert_non_null(rig.receiver->ops->line_reason(i));
        for (uint32_t k = 0; k < i; k++) {
            assert_string_not_equal(rig.receiver->ops->line_reason(i),
                                    rig.receiver->ops->line_reason(k));
        }
    }
    assert_null(rig.receiver->ops->line_reason(ECS_METRICS_WHY_LIMIT));
    rig_finish();
}

struct open_call {
    uint64_t fail_nth;
};

static void fail_on_egress(struct worker *worker, void *argument)
{
    (void)worker;
    mem_fail_nth(((const struct open_call *)argument)->fail_nth);
}

/* The allocations of the egress thread, one after another. */
static void test_opening_with_refused_memory(void **state)
{
    (void)state;
    uint64_t failed_count = 0;
    int err = -ENOMEM;
    assert_int_equal(setenv(VARIABLE, "http://127.0.0.1:1/v4", 1), 0);
    for (uint64_t nth = 1; err != 0 && nth < 50; nth++) {
        struct open_call call = {.fail_nth = nth};
        rig_prepare();
        worker_call(&rig.egress, &call, fail_on_egress);
        err = rig.receiver->ops->open(rig.receiver, &rig.home);
        call.fail_nth = 0;
        worker_call(&rig.egress, &call, fail_on_egress);
        assert_true(err == 0 || err == -ENOMEM || err == FAULT_LIBRARY);
        failed_count += err != 0;
        rig_finish();
    }
    assert_int_equal(err, 0);
    assert_true(failed_count >= 2);
    assert_int_equal(unsetenv(VARIABLE), 0);
}

/* Those of the main thread: the receiver, and what waits for room. */
static void test_making_with_refused_memory(void **state)
{
    (void)state;
    struct config_reader reader;
    struct receiver *receiver = NULL;
    config_fixture_init(&rig.fixture);
    config_reader_open(&reader, &rig.fixture.report, NULL, "receivers.awsecscontainermetrics");
    mem_fail_nth(1);
    assert_int_equal(ecs_metrics_receiver_new(&reader, "a", &receiver), -ENOMEM);
    mem_fail_nth(0);
    assert_null(receiver);
    config_fixture_fini(&rig.fixture);
    assert_int_equal(setenv(VARIABLE, "http://127.0.0.1:1/v4", 1), 0);
    rig_prepare();
    mem_fail_nth(1);
    assert_int_equal(rig.receiver->ops->open(rig.receiver, &rig.home), -ENOMEM);
    mem_fail_nth(0);
    rig_finish();
    assert_int_equal(unsetenv(VARIABLE), 0);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_cycle_asks_for_both_documents),
        cmocka_unit_test(test_answers_that_are_no_documents),
        cmocka_unit_test(test_failures_are_tried_again_and_then_counted),
        cmocka_unit_test(test_a_moment_of_trouble_costs_nothing),
        cmocka_unit_test(test_an_endpoint_that_hangs),
        cmocka_unit_test(test_an_endpoint_that_hangs_up),
        cmocka_unit_test(test_documents_at_the_limit_and_one_past_it),
        cmocka_unit_test(test_what_is_left_out_has_its_reason),
        cmocka_unit_test(test_closing_in_the_middle_of_a_cycle),
        cmocka_unit_test(test_outside_a_task_it_does_not_open),
        cmocka_unit_test(test_reasons_have_labels),
        cmocka_unit_test(test_making_with_refused_memory),
        cmocka_unit_test(test_opening_with_refused_memory),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
