/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/cloudwatchlogs_exporter and of aws_logs behind it, against a service on
 * loopback: what is sent, what is made when it is missing, and that nothing is lost, repeated or
 * booked twice.
 */
#include "exporters/cloudwatchlogs_exporter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codecs/otlp_json.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/model/documents.h"
#include "core/otlp/proto/collector_logs.pb-c.h"
#include "tests/support/exporter_rig.h"
#include "tests/support/logs_service.h"
#include "tests/support/loop_fixture.h"

#define LOGS_REQUEST                                                                               \
    (&opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor)
/* Retries that a test can wait for. */
#define QUICK_RETRY                                                                                \
    "retry_on_failure: {initial_interval: 10ms, max_interval: 20ms, max_elapsed_time: 30s}\n"
#define NAMES "log_group_name: g\nlog_stream_name: s\n"
#define DAY_MS UINT64_C(86400000)
#define CONFIG_MAX_BYTES 2048

static struct exporter_rig rig;
static struct logs_service service;
static struct bytes wire;

/* --- the rig ---------------------------------------------------------------------------------- */

static void start_service(struct logs_service settings)
{
    service = settings;
    logs_service_start(&service);
}

static void open_exporter(void **state, const char *yaml)
{
    char all[CONFIG_MAX_BYTES];
    int len = snprintf(all, sizeof(all), "endpoint: %s\nregion: eu-central-1\n" QUICK_RETRY "%s",
                       service.stub.url, yaml);
    assert_in_range(len, 1, sizeof(all) - 1);
    rig_open(&rig, *state, cloudwatchlogs_exporter_new, SIGNAL_LOGS, all);
    bytes_init(&wire, 64 * 1024 * 1024);
}

static void close_exporter(void)
{
    RIG_STAT_IS(&rig, items_held, 0);
    struct loop *loop = rig.loop;
    rig_close(&rig);
    for (int i = 0; i < 40; i++) {
        assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
    }
    bytes_fini(&wire);
    logs_service_stop(&service);
}

static uint64_t now_ms(void)
{
    return clock_unix_ns() / CLOCK_NS_PER_MS;
}

/* Appends a request with one record. */
static void add_record(struct bytes *out, const char *task, uint64_t time_ms, const char *body)
{
    char json[1024];
    int len = snprintf(json, sizeof(json),
                       "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"TaskId\","
                       "\"value\":{\"stringValue\":\"%s\"}}]},\"scopeLogs\":[{\"logRecords\":[{"
                       "\"timeUnixNano\":\"%llu000000\",\"body\":{\"stringValue\":\"%s\"}}]}]}]}",
                       task, (unsigned long long)time_ms, body);
    assert_in_range(len, 1, sizeof(json) - 1);
    assert_int_equal(otlp_json_decode(LOGS_REQUEST, slice_of_text(json), out, NULL), 0);
}

static void offer_records(const char *const *tasks, uint32_t count)
{
    bytes_clear(&wire);
    for (uint32_t i = 0; i < count; i++) {
        add_record(&wire, tasks[i], now_ms(), "x");
    }
    struct slice part = bytes_slice(&wire);
    rig_offer(&rig, &part, 1, count);
}

static void offer_one(void)
{
    static const char *const tasks[] = {"t"};
    offer_records(tasks, 1);
}

static bool body_has(size_t index, const char *text)
{
    struct slice body = logs_service_body(&service, index);
    return memmem(body.ptr, body.len, text, strlen(text)) != NULL;
}

/* How many of the puts that found their stream hold `text`. */
static size_t count_puts_with(const char *text)
{
    size_t count = 0;
    for (size_t i = 0; i < logs_service_count(&service, "PutLogEvents"); i++) {
        count += body_has(logs_service_find(&service, "PutLogEvents", i), text) ? 1 : 0;
    }
    return count;
}

/* Turns until the service has had so many requests for `operation`. */
static void turn_until_asked(const char *operation, size_t count)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (logs_service_count(&service, operation) < count && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_true(logs_service_count(&service, operation) >= count);
}

/* --- what is sent ----------------------------------------------------------------------------- */

static void assert_header(size_t index, const char *name, const char *beginning)
{
    struct slice got = http_stub_header(http_stub_request(&service.stub, index), name);
    if (!slice_has_prefix(got, slice_of_text(beginning))) {
        fail_msg("%s: %.*s", name, (int)got.len, (const char *)got.ptr);
    }
}

static void test_records_become_a_signed_put(void **state)
{
    char wanted[512];
    uint64_t time_ms = now_ms();
    start_service((struct logs_service){.has_all = true});
    open_exporter(state, NAMES);
    add_record(&wire, "t1", time_ms, "hello");
    struct slice part = bytes_slice(&wire);
    rig_offer(&rig, &part, 1, 1);
    rig_settle(&rig);
    const struct http_stub_request *got = http_stub_request(&service.stub, 0);
    (void)snprintf(wanted, sizeof(wanted),
                   "{\"logGroupName\":\"g\",\"logStreamName\":\"s\",\"logEvents\":[{"
                   "\"timestamp\":%llu,\"message\":\"{\\\"body\\\":\\\"hello\\\","
                   "\\\"resource\\\":{\\\"TaskId\\\":\\\"t1\\\"}}\"}]}",
                   (unsigned long long)time_ms);
    assert_string_equal(got->method, "POST");
    assert_string_equal(got->target, "/");
    assert_int_equal(got->body_len, strlen(wanted));
    assert_memory_equal(got->body, wanted, got->body_len);
    assert_header(0, "X-Amz-Target", "Logs_20140328.PutLogEvents");
    assert_header(0, "Content-Type", "application/x-amz-json-1.1");
    assert_header(0, "Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/");
    assert_null(strstr(got->head, "x-amzn-logs-format"));
    RIG_STAT_IS(&rig, items_delivered, 1);
    RIG_STAT_IS(&rig, requests_sent, 1);
    RIG_STAT_IS(&rig, request_bytes, got->body_len);
    close_exporter();
}

static void test_each_stream_has_its_own_put(void **state)
{
    static const char *const tasks[] = {"a", "b", "a", "c"};
    start_service((struct logs_service){.has_all = true});
    open_exporter(state, "log_group_name: g\nlog_stream_name: \"s-{TaskId}\"\nnum_workers: 4\n");
    offer_records(tasks, 4);
    rig_settle(&rig);
    assert_int_equal(logs_service_count(&service, "PutLogEvents"), 3);
    assert_int_equal(count_puts_with("\"s-a\""), 1);
    assert_int_equal(count_puts_with("\"s-b\""), 1);
    assert_int_equal(count_puts_with("\"s-c\""), 1);
    RIG_STAT_IS(&rig, items_delivered, 4);
    RIG_STAT_IS(&rig, requests_sent, 3);
    close_exporter();
}

static void test_ten_thousand_events_are_one_put_and_one_more_a_second(void **state)
{
    start_service((struct logs_service){.has_all = true});
    open_exporter(state, NAMES "raw_log: true\n");
    add_record(&wire, "t", now_ms(), "x");
    size_t one_bytes = wire.len;
    for (int i = 1; i < 10001; i++) {
        assert_int_equal(bytes_reserve(&wire, one_bytes), 0); /* or the source may move */
        bytes_append(&wire, wire.ptr, one_bytes);
    }
    struct slice part = bytes_slice(&wire);
    rig_offer(&rig, &part, 1, 10001);
    rig_settle(&rig);
    assert_int_equal(logs_service_count(&service, "PutLogEvents"), 2);
    RIG_STAT_IS(&rig, items_delivered, 10001);
    close_exporter();
}

static void test_events_out_of_time_cost_their_neighbours_nothing(void **state)
{
    start_service((struct logs_service){.has_all = true});
    open_exporter(state, NAMES "raw_log: true\n");
    add_record(&wire, "t", now_ms() - 14 * DAY_MS - 1000, "old");
    add_record(&wire, "t", now_ms(), "good");
    add_record(&wire, "t", now_ms() + DAY_MS / 12 + 60000, "new");
    add_record(&wire, "t", now_ms(), "");
    add_record(&wire, "t", now_ms() - 2 * DAY_MS, "late");
    struct slice part = bytes_slice(&wire);
    rig_offer(&rig, &part, 1, 5);
    rig_settle(&rig);
    assert_int_equal(logs_service_count(&service, "PutLogEvents"), 2); /* more than 24 h apart */
    assert_int_equal(count_puts_with("\"good\""), 1);
    assert_int_equal(count_puts_with("\"late\""), 1);
    assert_int_equal(count_puts_with("old"), 0);
    RIG_STAT_IS(&rig, items_delivered, 2);
    RIG_STAT_IS(&rig, items_rejected_too_old, 1);
    RIG_STAT_IS(&rig, items_rejected_too_new, 1);
    RIG_STAT_IS(&rig, items_rejected_empty, 1);
    RIG_STAT_IS(&rig, items_rejected_partial, 0);
    close_exporter();
}

static void test_a_batch_that_is_all_refused_is_rejected(void **state)
{
    start_service((struct logs_service){.has_all = true});
    open_exporter(state, NAMES "raw_log: true\n");
    add_record(&wire, "t", 1, "old");
    struct slice part = bytes_slice(&wire);
    rig_offer(&rig, &part, 1, 1);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&service.stub), 0);
    RIG_STAT_IS(&rig, items_rejected_too_old, 1);
    RIG_STAT_IS(&rig, items_rejected, 0);
    close_exporter();
}

/* --- what is missing -------------------------------------------------------------------------- */

static void assert_operations(const char *const *operations, size_t count)
{
    assert_int_equal(http_stub_request_count(&service.stub), count);
    for (size_t i = 0; i < count; i++) {
        if (!slice_is_text(logs_service_operation(&service, i), operations[i])) {
            fail_msg("%zu is no %s", i, operations[i]);
        }
    }
}

static void test_a_missing_group_is_made_as_configured(void **state)
{
    static const char *const operations[] = {
        "PutLogEvents",    "CreateLogStream", "CreateLogGroup", "PutRetentionPolicy",
        "CreateLogStream", "PutLogEvents",    "PutLogEvents",
    };
    start_service((struct logs_service){0});
    open_exporter(state,
                  NAMES "log_retention: 7\nlog_group_class: INFREQUENT_ACCESS\ntags: {team: a}\n");
    offer_one();
    rig_settle(&rig);
    offer_one(); /* the stream is known now */
    rig_settle(&rig);
    assert_operations(operations, sizeof(operations) / sizeof(operations[0]));
    struct slice group = logs_service_body(&service, 2);
    assert_true(slice_is_text(group, "{\"logGroupName\":\"g\",\"logGroupClass\":"
                                     "\"INFREQUENT_ACCESS\",\"tags\":{\"team\":\"a\"}}"));
    assert_true(slice_is_text(logs_service_body(&service, 3),
                              "{\"logGroupName\":\"g\",\"retentionInDays\":7}"));
    assert_true(slice_is_text(logs_service_body(&service, 4),
                              "{\"logGroupName\":\"g\",\"logStreamName\":\"s\"}"));
    RIG_STAT_IS(&rig, items_delivered, 2);
    RIG_STAT_IS(&rig, requests_retried, 0);
    close_exporter();
}

static void test_a_group_that_another_made_keeps_its_retention(void **state)
{
    static const char *const operations[] = {"PutLogEvents", "CreateLogStream", "CreateLogGroup",
                                             "CreateLogStream", "PutLogEvents"};
    start_service((struct logs_service){.group_exists_unseen = true});
    open_exporter(state, NAMES "log_retention: 7\n");
    offer_one();
    rig_settle(&rig);
    assert_operations(operations, sizeof(operations) / sizeof(operations[0]));
    RIG_STAT_IS(&rig, items_delivered, 1);
    close_exporter();
}

static void test_a_creation_that_collides_is_tried_again(void **state)
{
    start_service((struct logs_service){.abort_count = 2});
    open_exporter(state, NAMES);
    offer_one();
    rig_settle(&rig);
    assert_int_equal(service.create_group_calls, 3);
    RIG_STAT_IS(&rig, items_delivered, 1);
    RIG_STAT_IS(&rig, requests_retried, 2);
    close_exporter();
}

static void test_many_puts_make_a_group_and_its_streams_once(void **state)
{
    static const char *const tasks[] = {"a", "b", "c"};
    start_service((struct logs_service){0});
    open_exporter(state, "log_group_name: g\nlog_stream_name: \"{TaskId}\"\nnum_workers: 8\n");
    for (int i = 0; i < 4; i++) {
        offer_records(tasks, 3);
    }
    rig_settle(&rig);
    assert_int_equal(service.create_group_calls, 1);
    assert_int_equal(service.create_stream_calls, 4); /* the first found no group */
    assert_int_equal(service.put_count, 12);
    RIG_STAT_IS(&rig, items_delivered, 12);
    RIG_STAT_IS(&rig, items_rejected, 0);
    close_exporter();
}

static void test_a_forbidden_creation_refuses_what_needs_it(void **state)
{
    start_service((struct logs_service){.denies_creation = true});
    open_exporter(state, NAMES);
    offer_one();
    rig_settle(&rig);
    assert_int_equal(service.create_stream_calls, 1);
    RIG_STAT_IS(&rig, items_rejected, 1);
    RIG_STAT_IS(&rig, requests_retried, 0);
    close_exporter();
}

/* --- failures --------------------------------------------------------------------------------- */

static void test_what_was_taken_is_not_sent_again(void **state)
{
    static const char *const tasks[] = {"a", "b", "c"};
    static const struct http_stub_answer *const script[] = {
        &logs_taken, &logs_throttled, &logs_unavailable, &logs_taken, &logs_throttled};
    start_service(
        (struct logs_service){.has_all = true, .put_script = script, .put_script_len = 5});
    open_exporter(state, "log_group_name: g\nlog_stream_name: \"s-{TaskId}\"\nnum_workers: 1\n");
    offer_records(tasks, 3);
    rig_settle(&rig);
    assert_int_equal(service.put_count, 6); /* 3, the 2 that failed, the 1 that failed again */
    assert_int_equal(count_puts_with("\"s-a\""), 1);
    assert_int_equal(count_puts_with("\"s-b\""), 2);
    assert_int_equal(count_puts_with("\"s-c\""), 3);
    RIG_STAT_IS(&rig, items_delivered, 3);
    RIG_STAT_IS(&rig, requests_sent, 6);
    RIG_STAT_IS(&rig, requests_retried, 3); /* `b` once, `c` twice */
    close_exporter();
}

static void test_an_unanswered_put_is_sent_again(void **state)
{
    static const struct http_stub_answer *const script[] = {&logs_hung_up, &logs_taken};
    start_service(
        (struct logs_service){.has_all = true, .put_script = script, .put_script_len = 2});
    open_exporter(state, NAMES);
    offer_one();
    rig_settle(&rig);
    assert_int_equal(service.put_count, 2);
    struct slice first = logs_service_body(&service, 0);
    assert_true(slice_equal(first, logs_service_body(&service, 1)));
    RIG_STAT_IS(&rig, requests_repeated_unknown, 1);
    RIG_STAT_IS(&rig, items_delivered, 1);
    close_exporter();
}

static void test_a_refused_put_costs_its_neighbours_nothing(void **state)
{
    static const char *const tasks[] = {"a", "b"};
    static const struct http_stub_answer *const script[] = {&logs_invalid, &logs_taken};
    start_service(
        (struct logs_service){.has_all = true, .put_script = script, .put_script_len = 2});
    open_exporter(state, "log_group_name: g\nlog_stream_name: \"{TaskId}\"\n");
    offer_records(tasks, 2);
    rig_settle(&rig);
    assert_int_equal(service.put_count, 2);
    RIG_STAT_IS(&rig, items_delivered, 1);
    RIG_STAT_IS(&rig, items_rejected_partial, 1);
    close_exporter();
}

static void test_rejected_events_are_counted_by_their_places(void **state)
{
    static const char body[] = "{\"rejectedLogEventsInfo\":{\"tooOldLogEventEndIndex\":1,"
                               "\"expiredLogEventEndIndex\":2,\"tooNewLogEventStartIndex\":4}}";
    static const struct http_stub_answer partly = {.body = body, .body_len = sizeof(body) - 1};
    static const struct http_stub_answer *const script[] = {&partly};
    static const char *const tasks[] = {"t", "t", "t", "t", "t"};
    start_service(
        (struct logs_service){.has_all = true, .put_script = script, .put_script_len = 1});
    open_exporter(state, NAMES);
    offer_records(tasks, 5);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, 2);
    RIG_STAT_IS(&rig, items_rejected_too_old, 1);
    RIG_STAT_IS(&rig, items_rejected_expired, 1);
    RIG_STAT_IS(&rig, items_rejected_too_new, 1);
    RIG_STAT_IS(&rig, items_rejected_partial, 0);
    close_exporter();
}

static void test_throttling_slows_down_and_loses_nothing(void **state)
{
    static const struct http_stub_answer *script[12];
    static const char *const tasks[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    for (size_t i = 0; i < 12; i++) {
        script[i] = &logs_throttled;
    }
    start_service(
        (struct logs_service){.has_all = true, .put_script = script, .put_script_len = 12});
    open_exporter(state, "log_group_name: g\nlog_stream_name: \"s-{TaskId}\"\nnum_workers: 8\n");
    offer_records(tasks, 8);
    rig_settle(&rig);
    assert_int_equal(service.put_count, 20);
    RIG_STAT_IS(&rig, items_delivered, 8);
    close_exporter();
}

static void test_what_was_taken_stays_delivered_when_the_rest_is_given_up(void **state)
{
    static const char *const tasks[] = {"a", "b", "c"};
    static const struct http_stub_answer *const script[] = {&logs_taken, &logs_invalid,
                                                            &logs_unavailable};
    char yaml[CONFIG_MAX_BYTES];
    start_service(
        (struct logs_service){.has_all = true, .put_script = script, .put_script_len = 3});
    (void)snprintf(yaml, sizeof(yaml),
                   "endpoint: %s\nregion: eu-central-1\nlog_group_name: g\n"
                   "log_stream_name: \"{TaskId}\"\nnum_workers: 1\n"
                   "retry_on_failure: {enabled: false}\n",
                   service.stub.url);
    rig_open(&rig, *state, cloudwatchlogs_exporter_new, SIGNAL_LOGS, yaml);
    bytes_init(&wire, 64 * 1024 * 1024);
    offer_records(tasks, 3);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, 1);
    RIG_STAT_IS(&rig, items_rejected_partial, 1);
    RIG_STAT_IS(&rig, items_dropped_retry, 1);
    close_exporter();
}

static void test_a_hanging_creation_is_given_up_too(void **state)
{
    static const char *const tasks[] = {"a", "a", "b"};
    start_service((struct logs_service){.hangs_creation = true});
    open_exporter(state, "log_group_name: g\nlog_stream_name: \"{TaskId}\"\nnum_workers: 8\n");
    offer_records(tasks, 3);
    offer_records(tasks, 3);
    turn_until_asked("CreateLogStream", 1);
    loop_fixture_run(rig.loop, 100 * CLOCK_NS_PER_MS);
    assert_int_equal(service.create_stream_calls, 1); /* the other stream waits in line */
    rig.exporter->ops->drain(rig.exporter, loop_now_mono_ns(rig.loop));
    RIG_STAT_IS(&rig, items_dropped_shutdown, 6);
    close_exporter();
}

static void test_a_hanging_service_is_given_up_when_the_drain_ends(void **state)
{
    static const char *const tasks[] = {"a", "b", "c"};
    static const struct http_stub_answer *const script[] = {&logs_taken, &logs_slow, &logs_slow,
                                                            &logs_slow,  &logs_slow, &logs_slow};
    start_service(
        (struct logs_service){.has_all = true, .put_script = script, .put_script_len = 6});
    open_exporter(state, "log_group_name: g\nlog_stream_name: \"{TaskId}\"\nnum_workers: 2\n"
                         "sending_queue: {num_consumers: 2}\n");
    for (int i = 0; i < 3; i++) {
        offer_records(tasks, 3);
    }
    turn_until_asked("PutLogEvents", 3); /* two at a time: the first one was answered */
    rig.exporter->ops->drain(rig.exporter, clock_mono_ns() + 200 * CLOCK_NS_PER_MS);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, 1); /* the first put was answered */
    RIG_STAT_IS(&rig, items_dropped_shutdown, 8);
    close_exporter();
}

static void test_close_gives_up_what_is_in_flight_and_being_made(void **state)
{
    static const struct http_stub_answer *const script[] = {&logs_slow};
    start_service(
        (struct logs_service){.has_all = true, .put_script = script, .put_script_len = 1});
    open_exporter(state, NAMES);
    offer_one();
    offer_one();
    loop_fixture_run(rig.loop, 50 * CLOCK_NS_PER_MS);
    struct exporter_stats *stats = &rig.exporter->stats;
    assert_int_equal(counter_read(&stats->items_held), 2);
    rig.exporter->ops->drain(rig.exporter, loop_now_mono_ns(rig.loop));
    assert_int_equal(counter_read(&stats->items_dropped_shutdown), 2);
    close_exporter();
}

/* --- metric documents ------------------------------------------------------------------------- */

static void test_metric_documents_leave_where_they_say_and_as_they_came(void **state)
{
    const struct slice documents[] = {
        SLICE_LITERAL("{\"_aws\":{\"LogGroupName\":\"eg\",\"LogStreamName\":\"es\"}, \"m\":1}"),
        SLICE_LITERAL("{\"m\":2}"),
        SLICE_LITERAL("no JSON"),
    };
    size_t size_bytes = 0;
    for (size_t i = 0; i < 3; i++) {
        size_bytes += documents_size_bytes(documents[i].len);
    }
    start_service((struct logs_service){.has_all = true});
    open_exporter(state, NAMES);
    assert_true((rig.exporter->encodings & PART_ENCODING_BIT(PART_EMF)) != 0);
    assert_true((rig.exporter->encodings & PART_ENCODING_BIT(PART_OTLP)) != 0);
    struct part part = {.encoding = PART_EMF, .signal = SIGNAL_LOGS, .item_count = 3};
    size_t used_bytes = 0;
    part.memory = mem_alloc(size_bytes);
    assert_non_null(part.memory);
    for (size_t i = 0; i < 3; i++) {
        documents_append(part.memory, size_bytes, &used_bytes, documents[i]);
    }
    part.bytes = slice_of(part.memory, used_bytes);
    struct batch *batch = batch_new(SIGNAL_LOGS, 0);
    assert_non_null(batch);
    assert_int_equal(batch_push(batch, &part), 0);
    assert_int_equal(pipeline_submit(&rig.pipeline, &batch), 0);
    rig_settle(&rig);
    assert_int_equal(service.put_count, 2);
    assert_int_equal(count_puts_with("{\"logGroupName\":\"eg\",\"logStreamName\":\"es\""), 1);
    assert_int_equal(count_puts_with("\"message\":\"{\\\"_aws\\\":{\\\"LogGroupName\\\":\\\"eg\\\","
                                     "\\\"LogStreamName\\\":\\\"es\\\"}, \\\"m\\\":1}\""),
                     1);
    assert_int_equal(count_puts_with("{\"logGroupName\":\"g\",\"logStreamName\":\"s\""), 1);
    RIG_STAT_IS(&rig, items_delivered, 2);
    RIG_STAT_IS(&rig, items_rejected_malformed, 1);
    close_exporter();
}

/* --- configuration and memory ----------------------------------------------------------------- */

static void test_bad_configuration_is_refused_with_words(void **state)
{
    (void)state;
    exporter_new_fn *make = cloudwatchlogs_exporter_new;
    rig_assert_refused(&rig, make, "log_stream_name: s\n", "log_group_name");
    rig_assert_refused(&rig, make, "log_group_name: g\n", "log_stream_name");
    rig_assert_refused(&rig, make, "log_group_name: \"{Task}\"\nlog_stream_name: s\n",
                       "unknown placeholder {Task}");
    rig_assert_refused(&rig, make, NAMES "log_stream: x\n", "log_stream");
    rig_assert_refused(&rig, make, NAMES "log_retention: 4\n", "log_retention must be");
}

static void test_one_consumer_keeps_the_order_by_default(void **state)
{
    static const struct http_stub_answer *const script[] = {&logs_unavailable, &logs_unavailable};
    start_service(
        (struct logs_service){.has_all = true, .put_script = script, .put_script_len = 2});
    open_exporter(state, NAMES);
    for (int i = 0; i < 3; i++) {
        const char *const tasks[] = {i == 0 ? "first" : "later"};
        offer_records(tasks, 1);
    }
    rig_settle(&rig);
    assert_true(body_has(0, "first") && body_has(1, "first") && body_has(2, "first"));
    assert_true(body_has(3, "later") && body_has(4, "later"));
    RIG_STAT_IS(&rig, items_delivered, 3);
    close_exporter();
}

static void test_refused_memory_is_survived_while_opening(void **state)
{
    int err = -ENOMEM;
    bytes_init(&wire, 1024);
    for (uint64_t nth = 1; err != 0; nth++) {
        assert_true(nth < 300);
        assert_int_equal(
            rig_configure(&rig, *state, cloudwatchlogs_exporter_new,
                          "endpoint: http://127.0.0.1:1\nregion: eu-central-1\n" NAMES),
            0);
        mem_fail_nth(nth);
        err = rig.exporter->ops->open(rig.exporter, *state);
        mem_fail_nth(0);
        rig.exporter->ops->close(rig.exporter);
        config_fixture_fini(&rig.config);
        loop_fixture_run(*state, CLOCK_NS_PER_MS);
    }
    bytes_fini(&wire);
}

static void test_refused_memory_while_sending_costs_an_attempt(void **state)
{
    static const char *const tasks[] = {"a", "b"};
    start_service((struct logs_service){0});
    open_exporter(state, "log_group_name: g\nlog_stream_name: \"{TaskId}\"\ntimeout: 300ms\n");
    for (uint64_t nth = 1; nth <= 12; nth++) {
        offer_records(tasks, 2);
        mem_fail_nth(nth);
        rig_settle(&rig);
        mem_fail_nth(0);
    }
    RIG_STAT_IS(&rig, items_delivered, 24);
    close_exporter();
}

static int run_group(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_records_become_a_signed_put),
        LOOP_TEST(test_each_stream_has_its_own_put),
        LOOP_TEST(test_ten_thousand_events_are_one_put_and_one_more_a_second),
        LOOP_TEST(test_events_out_of_time_cost_their_neighbours_nothing),
        LOOP_TEST(test_a_batch_that_is_all_refused_is_rejected),
        LOOP_TEST(test_a_missing_group_is_made_as_configured),
        LOOP_TEST(test_a_group_that_another_made_keeps_its_retention),
        LOOP_TEST(test_a_creation_that_collides_is_tried_again),
        LOOP_TEST(test_many_puts_make_a_group_and_its_streams_once),
        LOOP_TEST(test_a_forbidden_creation_refuses_what_needs_it),
        LOOP_TEST(test_what_was_taken_is_not_sent_again),
        LOOP_TEST(test_an_unanswered_put_is_sent_again),
        LOOP_TEST(test_a_refused_put_costs_its_neighbours_nothing),
        LOOP_TEST(test_rejected_events_are_counted_by_their_places),
        LOOP_TEST(test_throttling_slows_down_and_loses_nothing),
        LOOP_TEST(test_what_was_taken_stays_delivered_when_the_rest_is_given_up),
        LOOP_TEST(test_a_hanging_creation_is_given_up_too),
        LOOP_TEST(test_a_hanging_service_is_given_up_when_the_drain_ends),
        LOOP_TEST(test_close_gives_up_what_is_in_flight_and_being_made),
        LOOP_TEST(test_metric_documents_leave_where_they_say_and_as_they_came),
        LOOP_TEST(test_bad_configuration_is_refused_with_words),
        LOOP_TEST(test_one_consumer_keeps_the_order_by_default),
        LOOP_TEST(test_refused_memory_is_survived_while_opening),
        LOOP_TEST(test_refused_memory_while_sending_costs_an_attempt),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as the program does */
    (void)setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 1);
    (void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    return loop_fixture_main(run_group);
}
