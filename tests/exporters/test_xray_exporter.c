/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/xray_exporter against a scripted server: what is sent, what its answers do to
 * each document, what each configured key changes, and that the books balance at the end of each.
 */
#include "exporters/xray_exporter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/model/documents.h"
#include "exporters/awsxray_config.h"
#include "exporters/xray_exporter_docs.h"
#include "exporters/xray_exporter_telemetry.h"
#include "tests/support/exporter_books.h"
#include "tests/support/exporter_rig.h"
#include "tests/support/http_stub.h"
#include "tests/support/loop_fixture.h"
#include "tools/weir/config_yaml.h"

/* Retries that a test can wait for. */
#define QUICK                                                                                      \
    "region: us-east-1\n"                                                                          \
    "retry_on_failure: {initial_interval: 10ms, max_interval: 20ms, max_elapsed_time: 30s}\n"

#define RUN_MAX_BYTES (4 << 20)

static struct exporter_rig rig;
static struct http_stub stub;
static uint8_t run[RUN_MAX_BYTES];

static const struct http_stub_answer ok_script[] = {{.body = "{}", .body_len = 2}};

/* --- the rig ---------------------------------------------------------------------------------- */

static void start_stub(const struct http_stub_answer *script, size_t len)
{
    struct http_stub_options options = {.script = script, .script_len = len};
    http_stub_start(&stub, &options);
}

static void open_exporter(void **state, const char *more)
{
    char yaml[4096];
    int len = snprintf(yaml, sizeof(yaml), "endpoint: %s\n" QUICK "%s", stub.url, more);
    assert_in_range(len, 1, sizeof(yaml) - 1);
    rig_open(&rig, *state, xray_exporter_new, SIGNAL_TRACES, yaml);
}

static void close_exporter(void)
{
    struct loop *loop = rig.loop;
    rig_close(&rig);
    for (int i = 0; i < 4; i++) {
        assert_true(loop_turn(loop, 0) >= 0);
    }
}

static void close_both(void)
{
    close_exporter();
    http_stub_stop(&stub);
}

/* Segments {"id":"<first + n>"}, each with so many further bytes. */
static void offer_segments(uint32_t first, uint32_t count, size_t padding)
{
    static char document[1 << 17];
    size_t used_bytes = 0;
    struct part part;
    assert_true(padding < sizeof(document) - 64);
    for (uint32_t i = 0; i < count; i++) {
        int len = snprintf(document, sizeof(document), "{\"id\":\"%016x\",\"x\":\"%*s\"}",
                           first + i, (int)padding, "");
        documents_append(run, sizeof(run), &used_bytes, slice_of(document, (size_t)len));
    }
    struct batch *batch = batch_new(SIGNAL_TRACES, 0);
    assert_non_null(batch);
    assert_int_equal(part_copy(&part, slice_of(run, used_bytes), SIGNAL_TRACES, count), 0);
    part.encoding = PART_XRAY;
    assert_int_equal(batch_push(batch, &part), 0);
    assert_int_equal(pipeline_submit(&rig.pipeline, &batch), 0);
}

/* The documents of a request; the caller lets go of them. */
static json_t *documents_of(size_t index)
{
    json_error_t error;
    const struct http_stub_request *request = http_stub_request(&stub, index);
    json_t *root = json_loadb((const char *)request->body, request->body_len, 0, &error);
    if (root == NULL) {
        fail_msg("%s", error.text);
    }
    json_t *list = json_incref(json_object_get(root, "TraceSegmentDocuments"));
    json_decref(root);
    assert_true(json_is_array(list));
    return list;
}

static size_t document_count(size_t index)
{
    json_t *list = documents_of(index);
    size_t count = json_array_size(list);
    json_decref(list);
    return count;
}

/* Is the n-th document of a request the segment with that number? */
static void assert_segment(size_t index, size_t n, uint32_t number)
{
    char wanted[64];
    json_t *list = documents_of(index);
    (void)snprintf(wanted, sizeof(wanted), "{\"id\":\"%016x\",\"x\":\"\"}", number);
    assert_string_equal(json_string_value(json_array_get(list, n)), wanted);
    json_decref(list);
}

static void assert_header(size_t index, const char *name, const char *value)
{
    struct slice got = http_stub_header(http_stub_request(&stub, index), name);
    if (!slice_is_text(got, value)) {
        fail_msg("%s: %.*s", name, (int)got.len, (const char *)got.ptr);
    }
}

/* --- what is sent ----------------------------------------------------------------------------- */

static void test_segments_leave_as_they_came(void **state)
{
    start_stub(ok_script, 1);
    open_exporter(state, "");
    offer_segments(1, 2, 0);
    rig_settle(&rig);
    const struct http_stub_request *request = http_stub_request(&stub, 0);
    assert_string_equal(request->method, "POST");
    assert_string_equal(request->target, "/TraceSegments");
    assert_header(0, "Content-Type", "application/json");
    struct slice time = http_stub_header(request, "X-Amzn-Xray-Timestamp");
    assert_int_equal(slice_find(time, '.') + 10, time.len);
    struct slice signature = http_stub_header(request, "Authorization");
    assert_true(slice_has_prefix(signature, SLICE_LITERAL("AWS4-HMAC-SHA256 Credential=AKID")));
    assert_int_equal(document_count(0), 2);
    assert_segment(0, 0, 1);
    assert_segment(0, 1, 2);
    RIG_STAT_IS(&rig, items_delivered, 2);
    RIG_STAT_IS(&rig, requests_sent, 1);
    RIG_STAT_IS(&rig, request_bytes, request->body_len);
    close_both();
}

/* A request with one span, trace id 6553f100…, span id 1112…, times, and attribute a=b. */
#define SPAN_WIRE                                                                                  \
    "\x0A\x42\x12\x40\x12\x3E"                                                                     \
    "\x0A\x10\x65\x53\xF1\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C"                     \
    "\x12\x08\x11\x12\x13\x14\x15\x16\x17\x18"                                                     \
    "\x2A\x02op\x30\x02"                                                                           \
    "\x39\x00\xCA\x9A\x3B\x00\x00\x00\x00\x41\x00\x94\x35\x77\x00\x00\x00\x00"                     \
    "\x4A\x08\x0A\x01"                                                                             \
    "a\x12\x03\x0A\x01"                                                                            \
    "b"

static void test_spans_become_segments(void **state)
{
    json_error_t error;
    struct slice part = SLICE_LITERAL(SPAN_WIRE);
    start_stub(ok_script, 1);
    open_exporter(state, "indexed_attributes: [a]\naws_log_groups: [g]\n");
    rig_offer(&rig, &part, 1, 1);
    rig_settle(&rig);
    json_t *list = documents_of(0);
    json_t *document = json_loads(json_string_value(json_array_get(list, 0)), 0, &error);
    json_t *expected = json_loads(
        "{\"id\":\"1112131415161718\",\"trace_id\":\"1-6553f100-0102030405060708090a0b0c\","
        "\"name\":\"op\",\"start_time\":1,\"end_time\":2,\"error\":false,\"throttle\":false,"
        "\"fault\":false,\"aws\":{\"cloudwatch_logs\":[{\"log_group\":\"g\"}],"
        "\"xray\":{\"auto_instrumentation\":false}},\"annotations\":{\"a\":\"b\"}}",
        0, &error);
    assert_non_null(expected);
    assert_true(json_equal(document, expected));
    json_decref(expected);
    json_decref(document);
    json_decref(list);
    RIG_STAT_IS(&rig, items_delivered, 1);
    close_both();
}

static void test_every_attribute_may_be_indexed(void **state)
{
    struct slice part = SLICE_LITERAL(SPAN_WIRE);
    start_stub(ok_script, 1);
    open_exporter(state, "index_all_attributes: true\n");
    rig_offer(&rig, &part, 1, 1);
    rig_settle(&rig);
    json_t *list = documents_of(0);
    assert_non_null(
        strstr(json_string_value(json_array_get(list, 0)), "\"annotations\":{\"a\":\"b\"}"));
    json_decref(list);
    close_both();
}

static void test_the_time_of_a_trace_id_is_checked_when_asked(void **state)
{
    struct slice part = SLICE_LITERAL(SPAN_WIRE);
    start_stub(ok_script, 1);
    open_exporter(state, "skip_timestamp_validation: false\n");
    rig_offer(&rig, &part, 1, 1);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 0);
    RIG_STAT_IS(&rig, items_rejected_trace_time, 1);
    RIG_STAT_IS(&rig, requests_sent, 0);
    close_both();
}

static void test_fifty_documents_are_a_request_and_one_more_are_two(void **state)
{
    start_stub(ok_script, 1);
    open_exporter(state, "");
    offer_segments(1, 50, 0);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 1);
    assert_int_equal(document_count(0), 50);
    RIG_STAT_IS(&rig, requests_sent, 1);
    offer_segments(100, 51, 0);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 3);
    assert_int_equal(document_count(1) + document_count(2), 51);
    RIG_STAT_IS(&rig, requests_sent, 3);
    RIG_STAT_IS(&rig, items_delivered, 101);
    close_both();
}

static void test_a_body_has_at_most_its_bytes(void **state)
{
    start_stub(ok_script, 1);
    open_exporter(state, "num_workers: 1\n");
    offer_segments(1, 40, 60000);
    rig_settle(&rig);
    size_t count = http_stub_request_count(&stub);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        assert_true(http_stub_request(&stub, i)->body_len < XRAY_PUT_BODY_MAX_BYTES + 64);
    }
    RIG_STAT_IS(&rig, items_delivered, 40);
    close_both();
}

static void test_a_segment_over_the_limit_is_refused_alone(void **state)
{
    start_stub(ok_script, 1);
    open_exporter(state, "");
    /* {"id":"0000000000000001","x":""} is 32 bytes. */
    offer_segments(1, 1, XRAY_DOCUMENT_MAX_BYTES - 32);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, 1);
    offer_segments(2, 1, XRAY_DOCUMENT_MAX_BYTES - 31);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_rejected_document_too_large, 1);
    assert_int_equal(http_stub_request_count(&stub), 1);
    close_both();
}

static void test_a_broken_run_is_refused(void **state)
{
    struct part part;
    start_stub(ok_script, 1);
    open_exporter(state, "");
    struct batch *batch = batch_new(SIGNAL_TRACES, 0);
    assert_int_equal(part_copy(&part, SLICE_LITERAL("\x05\x00\x00\x00{}"), SIGNAL_TRACES, 1), 0);
    part.encoding = PART_XRAY;
    assert_int_equal(batch_push(batch, &part), 0);
    assert_int_equal(pipeline_submit(&rig.pipeline, &batch), 0);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_rejected, 1);
    assert_int_equal(http_stub_request_count(&stub), 0);
    close_both();
}

/* --- answers ---------------------------------------------------------------------------------- */

#define ANSWER(text)                                                                               \
    {                                                                                              \
        .headers = "Content-Type: application/json\r\n", .body = (text),                           \
        .body_len = sizeof(text) - 1                                                               \
    }

static void test_only_what_can_succeed_is_sent_again(void **state)
{
    static const struct http_stub_answer script[] = {
        ANSWER("{\"UnprocessedTraceSegments\":["
               "{\"Id\":\"0000000000000002\",\"ErrorCode\":\"InvalidSegment\",\"Message\":\"no\"},"
               "{\"Id\":\"0000000000000003\",\"ErrorCode\":\"ThrottledException\"},"
               "{\"Id\":\"0000000000000005\",\"ErrorCode\":\"InternalFailure\"}]}"),
        ANSWER("{\"UnprocessedTraceSegments\":["
               "{\"Id\":\"0000000000000005\",\"ErrorCode\":\"InvalidTraceId\"}]}"),
    };
    start_stub(script, COUNT_OF(script));
    open_exporter(state, "");
    offer_segments(1, 5, 0);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 2);
    assert_int_equal(document_count(1), 2);
    assert_segment(1, 0, 3);
    assert_segment(1, 1, 5);
    RIG_STAT_IS(&rig, items_delivered, 3);
    RIG_STAT_IS(&rig, items_rejected_unprocessed, 2);
    RIG_STAT_IS(&rig, items_rejected_partial, 0);
    RIG_STAT_IS(&rig, unprocessed_invalid_segment, 1);
    RIG_STAT_IS(&rig, unprocessed_invalid_trace_id, 1);
    RIG_STAT_IS(&rig, unprocessed_retryable, 2);
    RIG_STAT_IS(&rig, requests_repeated_unknown, 0);
    close_both();
}

static void test_entries_without_a_name_are_counted_and_not_repeated(void **state)
{
    static const struct http_stub_answer script[] = {
        ANSWER("{\"UnprocessedTraceSegments\":["
               "{\"Id\":null,\"ErrorCode\":\"ThrottledException\"},"
               "{\"Id\":\"unknown\",\"ErrorCode\":\"InvalidSegment\"}]}"),
    };
    start_stub(script, COUNT_OF(script));
    open_exporter(state, "");
    offer_segments(1, 5, 0);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 1);
    RIG_STAT_IS(&rig, items_delivered, 3);
    RIG_STAT_IS(&rig, items_rejected_unprocessed, 2);
    close_both();
}

static void test_nameless_entries_for_all_are_repeated(void **state)
{
    static const struct http_stub_answer script[] = {
        ANSWER("{\"UnprocessedTraceSegments\":["
               "{\"Id\":null,\"ErrorCode\":\"ThrottledException\"},"
               "{\"ErrorCode\":\"ThrottledException\"}]}"),
        ANSWER("{\"UnprocessedTraceSegments\":[]}"),
    };
    start_stub(script, COUNT_OF(script));
    open_exporter(state, "");
    offer_segments(1, 2, 0);
    rig_settle(&rig);
    assert_int_equal(document_count(1), 2);
    RIG_STAT_IS(&rig, items_delivered, 2);
    close_both();
}

static void test_throttling_and_failures_are_sent_again(void **state)
{
    static const struct http_stub_answer script[] = {
        {.status = 429, .headers = "x-amzn-errortype: ThrottledException\r\n"},
        {.status = 400,
         .headers = "x-amzn-errortype: ThrottlingException\r\n",
         .body = "{}",
         .body_len = 2},
        {.status = 500},
        {.status = 503},
        {0},
    };
    start_stub(script, COUNT_OF(script));
    open_exporter(state, "");
    offer_segments(1, 3, 0);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 5);
    assert_int_equal(document_count(4), 3);
    RIG_STAT_IS(&rig, items_delivered, 3);
    RIG_STAT_IS(&rig, requests_sent, 5);
    RIG_STAT_IS(&rig, requests_retried, 4);
    RIG_STAT_IS(&rig, requests_repeated_unknown, 0);
    close_both();
}

static void test_one_failing_request_does_not_repeat_the_others(void **state)
{
    static const struct http_stub_answer script[] = {{0}, {.status = 500}, {0}};
    start_stub(script, COUNT_OF(script));
    open_exporter(state, "num_workers: 1\n");
    offer_segments(1, 120, 0);
    rig_settle(&rig);
    /* 50 taken, 50 failed, 20 waited: 50 and 20. */
    assert_int_equal(http_stub_request_count(&stub), 4);
    assert_segment(0, 0, 1);
    assert_segment(1, 0, 51);
    assert_segment(2, 0, 51);
    assert_segment(3, 0, 101);
    assert_int_equal(document_count(3), 20);
    RIG_STAT_IS(&rig, items_delivered, 120);
    RIG_STAT_IS(&rig, requests_sent, 4);
    RIG_STAT_IS(&rig, requests_retried, 1); /* the 20 had not been sent */
    close_both();
}

static void test_a_refused_request_is_refused_for_good(void **state)
{
    static const struct http_stub_answer script[] = {
        {.status = 403,
         .headers = "x-amzn-errortype: AccessDeniedException\r\n",
         .body = "{\"message\":\"no\"}",
         .body_len = 16},
    };
    start_stub(script, 1);
    open_exporter(state, "");
    offer_segments(1, 60, 0);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_rejected, 60);
    RIG_STAT_IS(&rig, items_delivered, 0);
    RIG_STAT_IS(&rig, requests_sent, 2);
    assert_int_equal(http_stub_request_count(&stub), 2);
    close_both();
}

static void test_a_400_refuses_only_its_own_documents(void **state)
{
    static const struct http_stub_answer script[] = {
        {.status = 400, .headers = "x-amzn-errortype: InvalidRequestException\r\n"}, {0}};
    start_stub(script, 2);
    open_exporter(state, "num_workers: 1\n");
    offer_segments(1, 60, 0);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_rejected_partial, 50);
    RIG_STAT_IS(&rig, items_delivered, 10);
    close_both();
}

static void test_an_unanswered_request_is_repeated_and_counted(void **state)
{
    static const struct http_stub_answer script[] = {{.delay_ms = 60000}, {.hangs_up = true}, {0}};
    start_stub(script, COUNT_OF(script));
    open_exporter(state, "timeout: 1s\n");
    offer_segments(1, 2, 0);
    rig_settle(&rig);
    assert_int_equal(document_count(2), 2);
    assert_segment(2, 0, 1);
    RIG_STAT_IS(&rig, items_delivered, 2);
    RIG_STAT_IS(&rig, requests_repeated_unknown, 2);
    close_both();
}

static void test_a_kept_connection_that_ends_unanswered_is_counted(void **state)
{
    static const struct http_stub_answer script[] = {{0}, {.hangs_up = true}, {0}};
    start_stub(script, COUNT_OF(script));
    open_exporter(state, "");
    offer_segments(1, 1, 0);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, requests_repeated_unknown, 0);
    offer_segments(2, 1, 0);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 3);
    assert_segment(1, 0, 2);
    assert_segment(2, 0, 2);
    RIG_STAT_IS(&rig, items_delivered, 2);
    RIG_STAT_IS(&rig, requests_repeated_unknown, 1);
    RIG_STAT_IS(&rig, requests_sent, 3);
    RIG_STAT_IS(&rig, requests_retried, 1);
    close_both();
}

/* --- too large for the service ---------------------------------------------------------------- */

static void test_a_request_that_is_too_large_goes_again_in_halves(void **state)
{
    static const struct http_stub_answer script[] = {{.status = 413}, {0}};
    start_stub(script, COUNT_OF(script));
    open_exporter(state, "num_workers: 1\n");
    offer_segments(1, 5, 0);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 3);
    assert_int_equal(document_count(1), 3);
    assert_int_equal(document_count(2), 2);
    assert_segment(1, 0, 1);
    assert_segment(2, 1, 5);
    RIG_STAT_IS(&rig, items_delivered, 5);
    RIG_STAT_IS(&rig, requests_sent, 3);
    RIG_STAT_IS(&rig, requests_retried, 2);
    RIG_STAT_IS(&rig, requests_repeated_unknown, 0); /* it was answered */
    close_both();
}

static void test_a_document_that_is_too_large_alone_is_refused_alone(void **state)
{
    /* 3 → 2 and 1; the 2 → 1 and 1, of which the first is refused. */
    static const struct http_stub_answer script[] = {
        {.status = 413}, {.status = 413}, {.status = 413}, {0}};
    start_stub(script, COUNT_OF(script));
    open_exporter(state, "num_workers: 1\n");
    offer_segments(1, 3, 0);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 5);
    assert_int_equal(document_count(2), 1);
    assert_segment(2, 0, 1);
    assert_segment(3, 0, 2);
    assert_segment(4, 0, 3);
    RIG_STAT_IS(&rig, items_delivered, 2);
    RIG_STAT_IS(&rig, items_rejected_request_too_large, 1);
    RIG_STAT_IS(&rig, items_rejected_partial, 0);
    close_both();
}

static void test_an_endpoint_that_takes_nothing_refuses_every_document_once(void **state)
{
    static const struct http_stub_answer script[] = {{.status = 413}};
    start_stub(script, 1);
    open_exporter(state, "");
    offer_segments(1, 20, 0);
    rig_settle(&rig);
    /* About as many as a tree with 20 leaves has nodes; neighbouring halves may go together. */
    assert_in_range(http_stub_request_count(&stub), 21, 50);
    RIG_STAT_IS(&rig, items_rejected_request_too_large, 20);
    RIG_STAT_IS(&rig, items_rejected, 0);
    close_both();
}

static void test_a_failure_between_halves_sends_only_what_is_left(void **state)
{
    static const struct http_stub_answer script[] = {{.status = 413}, {0}, {.status = 500}, {0}};
    start_stub(script, COUNT_OF(script));
    open_exporter(state, "num_workers: 1\n");
    offer_segments(1, 4, 0);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 4);
    assert_segment(1, 0, 1);
    assert_segment(2, 0, 3);
    assert_int_equal(document_count(3), 2);
    assert_segment(3, 0, 3);
    RIG_STAT_IS(&rig, items_delivered, 4);
    close_both();
}

/* --- giving up -------------------------------------------------------------------------------- */

static void test_what_is_given_up_leaves_out_what_was_delivered(void **state)
{
    static const struct http_stub_answer script[] = {{0}, {.status = 500}};
    start_stub(script, 2);
    open_exporter(state, "num_workers: 1\n");
    offer_segments(1, 60, 0);
    while (http_stub_request_count(&stub) < 3) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    rig.exporter->ops->drain(rig.exporter, clock_mono_ns());
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, 50);
    RIG_STAT_IS(&rig, items_dropped_shutdown, 10);
    close_both();
}

static void test_a_drain_sends_what_waits(void **state)
{
    start_stub(ok_script, 1);
    open_exporter(state, "num_workers: 2\n");
    for (uint32_t i = 0; i < 8; i++) {
        offer_segments(1 + 100 * i, 60, 0);
    }
    rig.exporter->ops->drain(rig.exporter, clock_mono_ns() + 20 * CLOCK_NS_PER_S);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, 480);
    assert_int_equal(http_stub_request_count(&stub), 16);
    close_both();
}

static void test_a_hanging_endpoint_does_not_outlast_the_drain(void **state)
{
    static const struct http_stub_answer script[] = {{.delay_ms = 60000}};
    start_stub(script, 1);
    open_exporter(state, "num_workers: 2\n");
    for (uint32_t i = 0; i < 5; i++) {
        offer_segments(1 + 100 * i, 60, 0);
    }
    loop_fixture_run(rig.loop, 50 * CLOCK_NS_PER_MS);
    rig.exporter->ops->drain(rig.exporter, clock_mono_ns() + 100 * CLOCK_NS_PER_MS);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_dropped_shutdown, 300);
    close_both();
}

static void test_close_gives_up_what_is_under_way(void **state)
{
    static const struct http_stub_answer script[] = {{.delay_ms = 60000}};
    start_stub(script, 1);
    open_exporter(state, "");
    offer_segments(1, 60, 0);
    loop_fixture_run(rig.loop, 50 * CLOCK_NS_PER_MS);
    RIG_STAT_IS(&rig, items_held, 60);
    close_both();
}

/* Makes and opens an exporter while the n-th allocation fails. */
static int make_while_failing(void **state, const char *yaml, uint64_t nth)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    struct config_fixture config;
    struct exporter *exporter = NULL;
    struct slice text = slice_of_text(yaml);
    uint32_t source_index = 0;
    config_fixture_init(&config);
    assert_int_equal(
        config_tree_add_source(&config.tree, SLICE_LITERAL("test.yaml"), text, &source_index), 0);
    assert_int_equal(
        config_yaml_parse(&config.tree, &config.report, text, NULL, source_index, &node), 0);
    config_reader_open(&reader, &config.report, node, "exporters.test");
    mem_fail_nth(nth);
    int err = xray_exporter_new(&reader, "test", &exporter);
    err = err != 0 ? err : exporter->ops->open(exporter, *state);
    mem_fail_nth(0);
    if (exporter != NULL) {
        exporter->ops->close(exporter);
    }
    config_fixture_fini(&config);
    return err;
}

static void test_every_allocation_of_its_making_may_fail(void **state)
{
    static const char yaml[] =
        "endpoint: http://127.0.0.1:1\n" QUICK "indexed_attributes: [a]\naws_log_groups: [b]\n"
        "telemetry: {enabled: true, include_metadata: true}\n";
    int err = -ENOMEM;
    uint64_t nth = 1;
    for (; err != 0; nth++) {
        err = make_while_failing(state, yaml, nth);
        assert_true(err == 0 || err == -ENOMEM);
        assert_true(nth < 200);
    }
    assert_true(nth > 5);
    for (int i = 0; i < 4; i++) {
        assert_true(loop_turn(*state, 0) >= 0);
    }
}

static void test_an_attempt_without_memory_is_made_again(void **state)
{
    start_stub(ok_script, 1);
    open_exporter(state, "");
    for (uint32_t nth = 1; nth < 20; nth++) {
        offer_segments(nth, 1, 0);
        mem_fail_nth(nth);
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
        mem_fail_nth(0);
        rig_settle(&rig);
    }
    RIG_STAT_IS(&rig, items_delivered, 19);
    close_both();
}

/* --- configuration ---------------------------------------------------------------------------- */

static void test_what_is_refused(void **state)
{
    (void)state;
    rig_assert_refused(&rig, xray_exporter_new, "indexd_attributes: [a]\n", "indexed_attributes");
    rig_assert_refused(&rig, xray_exporter_new, "num_workers: 0\n", "num_workers");
    rig_assert_refused(&rig, xray_exporter_new, "telemetry: {enable: true}\n", "enabled");
    rig_assert_refused(&rig, xray_exporter_new, "telemetry: {contributors: [a]}\n", "contributors");
    rig_assert_refused(&rig, xray_exporter_new, "index_all_attributes: 3\n",
                       "index_all_attributes");
    rig_assert_refused(&rig, xray_exporter_new, "middleware: m\n", "middleware");
}

static void test_an_empty_section_is_valid(void **state)
{
    (void)state;
    assert_int_equal(rig_configure(&rig, NULL, xray_exporter_new, ""), 0);
    assert_true((rig.exporter->encodings & PART_ENCODING_BIT(PART_XRAY)) != 0);
    assert_true((rig.exporter->encodings & PART_ENCODING_BIT(PART_OTLP)) != 0);
    rig.exporter->ops->close(rig.exporter);
    config_fixture_fini(&rig.config);
}

/* --- telemetry -------------------------------------------------------------------------------- */

static void test_telemetry_tells_of_a_minute(void **state)
{
    static const struct http_stub_answer script[] = {{.status = 500}, {0}};
    struct xray_telemetry telemetry;
    struct exporter_stats stats = {0};
    struct aws_client *client = NULL;
    struct xray_telemetry_config config = {
        .is_enabled = true,
        .source = {.hostname = SLICE_LITERAL("h"), .resource_arn = SLICE_LITERAL("a")},
    };
    start_stub(script, 2);
    struct aws_client_options options = {
        .service = "xray", .region = "us-east-1", .endpoint = stub.url};
    assert_int_equal(aws_client_open(*state, &options, &client), 0);
    assert_int_equal(xray_telemetry_open(&telemetry, *state, client, &config, &stats), 0);
    telemetry.interval_ns = 20 * CLOCK_NS_PER_MS;
    assert_int_equal(loop_timer_arm(*state, &telemetry.timer, clock_mono_ns()), 0);
    loop_fixture_run(*state, 60 * CLOCK_NS_PER_MS);
    assert_int_equal(http_stub_request_count(&stub), 0); /* nothing was received yet */
    struct aws_answer refused = {.status = 429, .outcome = AWS_THROTTLED, .was_answered = true};
    struct aws_answer timed_out = {.fault_text = "Timeout was reached"};
    xray_telemetry_count_received(&telemetry, 7);
    xray_telemetry_count_sent(&telemetry, 5, 1);
    xray_telemetry_count_failure(&telemetry, &refused);
    xray_telemetry_count_failure(&telemetry, &timed_out);
    counter_add(&stats.items_dropped_retry, 2);
    while (http_stub_request_count(&stub) < 2) {
        assert_true(loop_turn(*state, CLOCK_NS_PER_MS) >= 0);
    }
    const struct http_stub_request *request = http_stub_request(&stub, 1);
    assert_string_equal(request->target, "/TelemetryRecords");
    json_error_t error;
    json_t *root = json_loadb((const char *)request->body, request->body_len, 0, &error);
    assert_string_equal(json_string_value(json_object_get(root, "Hostname")), "h");
    json_t *records = json_object_get(root, "TelemetryRecords");
    assert_true(json_array_size(records) >= 2); /* the one that failed goes again */
    json_t *first = json_array_get(records, 0);
    json_t *errors = json_object_get(first, "BackendConnectionErrors");
    assert_int_equal(json_integer_value(json_object_get(first, "SegmentsReceivedCount")), 7);
    assert_int_equal(json_integer_value(json_object_get(first, "SegmentsSentCount")), 5);
    assert_int_equal(json_integer_value(json_object_get(first, "SegmentsRejectedCount")), 1);
    assert_int_equal(json_integer_value(json_object_get(first, "SegmentsSpilloverCount")), 2);
    assert_int_equal(json_integer_value(json_object_get(errors, "HTTPCode4XXCount")), 1);
    assert_int_equal(json_integer_value(json_object_get(errors, "TimeoutCount")), 1);
    json_decref(root);
    xray_telemetry_close(&telemetry);
    aws_client_close(client);
    for (int i = 0; i < 4; i++) {
        assert_true(loop_turn(*state, 0) >= 0);
    }
    http_stub_stop(&stub);
}

/* The last request, which must be a farewell; its first record. */
static void assert_farewell(json_int_t received, json_int_t sent, json_int_t rejected)
{
    json_error_t error;
    const struct http_stub_request *request =
        http_stub_request(&stub, http_stub_request_count(&stub) - 1);
    assert_string_equal(request->target, "/TelemetryRecords");
    json_t *root = json_loadb((const char *)request->body, request->body_len, 0, &error);
    json_t *first = json_array_get(json_object_get(root, "TelemetryRecords"), 0);
    assert_int_equal(json_integer_value(json_object_get(first, "SegmentsReceivedCount")), received);
    assert_int_equal(json_integer_value(json_object_get(first, "SegmentsSentCount")), sent);
    assert_int_equal(json_integer_value(json_object_get(first, "SegmentsRejectedCount")), rejected);
    json_decref(root);
}

static void test_the_last_record_leaves_after_the_last_batch(void **state)
{
    static const char body[] = "{\"UnprocessedTraceSegments\":[{\"Id\":\"0000000000000001\","
                               "\"ErrorCode\":\"InvalidId\"}]}";
    static const struct http_stub_answer script[] = {
        {.delay_ms = 50, .body = body, .body_len = sizeof(body) - 1}, {0}};
    start_stub(script, 2);
    open_exporter(state, "telemetry: {enabled: true, hostname: h}\n");
    offer_segments(1, 3, 0);
    assert_true(loop_turn(rig.loop, 0) >= 0);
    rig.exporter->ops->drain(rig.exporter, clock_mono_ns() + 5 * CLOCK_NS_PER_S);
    assert_false(rig.exporter->ops->is_idle(rig.exporter));
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 2);
    assert_farewell(3, 3, 1);
    close_both();
}

static void test_a_drain_without_items_says_nothing(void **state)
{
    start_stub(ok_script, 1);
    open_exporter(state, "telemetry: {enabled: true}\n");
    rig.exporter->ops->drain(rig.exporter, clock_mono_ns() + 5 * CLOCK_NS_PER_S);
    assert_true(rig.exporter->ops->is_idle(rig.exporter));
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 0);
    close_both();
}

static void test_a_farewell_does_not_outlast_the_drain(void **state)
{
    static const struct http_stub_answer script[] = {{0}, {.delay_ms = 60000}};
    start_stub(script, 2);
    open_exporter(state, "telemetry: {enabled: true}\n");
    offer_segments(1, 1, 0);
    rig_settle(&rig);
    uint64_t begin_mono_ns = clock_mono_ns();
    rig.exporter->ops->drain(rig.exporter, begin_mono_ns + 300 * CLOCK_NS_PER_MS);
    rig_settle(&rig);
    assert_true(clock_mono_ns() - begin_mono_ns < 10 * CLOCK_NS_PER_S); /* a call has 30 */
    RIG_STAT_IS(&rig, items_delivered, 1);
    close_both();
}

static void test_max_retries_ends_the_attempts(void **state)
{
    static const struct http_stub_answer script[] = {{.status = 503}};
    start_stub(script, 1);
    open_exporter(state, "max_retries: 2\n");
    offer_segments(1, 2, 0);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 3);
    RIG_STAT_IS(&rig, items_dropped_retry, 2);
    close_both();
}

/* --- documents of a span ---------------------------------------------------------------------- */

static void test_a_span_with_two_documents_counts_once(void **state)
{
    (void)state;
    struct xray_doc docs[4] = {
        {.item_index = 0, .state = XRAY_DOC_DELIVERED},
        {.item_index = 0, .state = XRAY_DOC_REJECTED, .why = XRAY_DOC_UNPROCESSED},
        {.item_index = 2, .state = XRAY_DOC_DELIVERED},
        {.item_index = 2, .state = XRAY_DOC_DELIVERED},
    };
    struct xray_docs all = {.docs = docs, .count = 4, .bad_id_items = 1};
    struct xray_docs_sum sum;
    xray_docs_sum_up(&all, &sum);
    assert_int_equal(sum.delivered_items, 1);
    assert_int_equal(sum.rejected_items, 2);
    assert_int_equal(sum.rejected_by[XRAY_DOC_UNPROCESSED], 1);
    assert_int_equal(sum.rejected_by[XRAY_DOC_WITH_REQUEST], 0);
    assert_false(sum.has_retry);
    docs[2].state = XRAY_DOC_RETRY;
    xray_docs_sum_up(&all, &sum);
    assert_int_equal(sum.delivered_items, 0);
    assert_true(sum.has_retry);
}

static int run_group(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_segments_leave_as_they_came),
        LOOP_TEST(test_spans_become_segments),
        LOOP_TEST(test_every_attribute_may_be_indexed),
        LOOP_TEST(test_the_time_of_a_trace_id_is_checked_when_asked),
        LOOP_TEST(test_fifty_documents_are_a_request_and_one_more_are_two),
        LOOP_TEST(test_a_body_has_at_most_its_bytes),
        LOOP_TEST(test_a_segment_over_the_limit_is_refused_alone),
        LOOP_TEST(test_a_broken_run_is_refused),
        LOOP_TEST(test_only_what_can_succeed_is_sent_again),
        LOOP_TEST(test_entries_without_a_name_are_counted_and_not_repeated),
        LOOP_TEST(test_nameless_entries_for_all_are_repeated),
        LOOP_TEST(test_throttling_and_failures_are_sent_again),
        LOOP_TEST(test_one_failing_request_does_not_repeat_the_others),
        LOOP_TEST(test_a_refused_request_is_refused_for_good),
        LOOP_TEST(test_a_400_refuses_only_its_own_documents),
        LOOP_TEST(test_an_unanswered_request_is_repeated_and_counted),
        LOOP_TEST(test_a_kept_connection_that_ends_unanswered_is_counted),
        LOOP_TEST(test_a_request_that_is_too_large_goes_again_in_halves),
        LOOP_TEST(test_a_document_that_is_too_large_alone_is_refused_alone),
        LOOP_TEST(test_an_endpoint_that_takes_nothing_refuses_every_document_once),
        LOOP_TEST(test_a_failure_between_halves_sends_only_what_is_left),
        LOOP_TEST(test_what_is_given_up_leaves_out_what_was_delivered),
        LOOP_TEST(test_a_drain_sends_what_waits),
        LOOP_TEST(test_a_hanging_endpoint_does_not_outlast_the_drain),
        LOOP_TEST(test_close_gives_up_what_is_under_way),
        LOOP_TEST(test_every_allocation_of_its_making_may_fail),
        LOOP_TEST(test_an_attempt_without_memory_is_made_again),
        LOOP_TEST(test_what_is_refused),
        LOOP_TEST(test_an_empty_section_is_valid),
        LOOP_TEST(test_telemetry_tells_of_a_minute),
        LOOP_TEST(test_the_last_record_leaves_after_the_last_batch),
        LOOP_TEST(test_a_drain_without_items_says_nothing),
        LOOP_TEST(test_a_farewell_does_not_outlast_the_drain),
        LOOP_TEST(test_max_retries_ends_the_attempts),
        LOOP_TEST(test_a_span_with_two_documents_counts_once),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as the program does */
    bool is_set = setenv("AWS_ACCESS_KEY_ID", "AKID", 1) == 0 &&
                  setenv("AWS_SECRET_ACCESS_KEY", "secret", 1) == 0 &&
                  setenv("AWS_EC2_METADATA_DISABLED", "true", 1) == 0 &&
                  unsetenv("AWS_SESSION_TOKEN") == 0;
    return is_set ? loop_fixture_main(run_group) : 1;
}
