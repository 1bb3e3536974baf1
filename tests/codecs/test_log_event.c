/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of codecs/log_event: messages member by member, raw bodies, times, names and the cut. What
 * goes in is written as OTLP/JSON.
 */
#include "codecs/log_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "codecs/otlp_json.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/otlp/proto/collector_logs.pb-c.h"

#define LOGS_REQUEST                                                                               \
    (&opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor)
#define NOW_NS UINT64_C(1800000000123456789)
#define EVENTS_MAX 8
#define TEXT_MAX_BYTES 1024

struct kept {
    char group[TEXT_MAX_BYTES];
    char stream[TEXT_MAX_BYTES];
    char message[TEXT_MAX_BYTES];
    size_t message_bytes;
    uint64_t time_ms;
};

static struct kept kept[EVENTS_MAX];
static size_t kept_count;
static struct log_events events;
static struct bytes wire;

static void copy_text(char *out, struct slice text)
{
    size_t len = text.len < TEXT_MAX_BYTES - 1 ? text.len : TEXT_MAX_BYTES - 1;
    if (len > 0) {
        memcpy(out, text.ptr, len);
    }
    out[len] = '\0';
}

static int keep(void *context, const struct log_event *event)
{
    assert_ptr_equal(context, kept);
    assert_true(kept_count < EVENTS_MAX);
    struct kept *k = &kept[kept_count];
    copy_text(k->group, event->log_group);
    copy_text(k->stream, event->log_stream);
    copy_text(k->message, event->message);
    k->message_bytes = event->message.len;
    k->time_ms = event->time_ms;
    kept_count++;
    return 0;
}

static int refuse_second(void *context, const struct log_event *event)
{
    return kept_count == 1 ? FAULT_LIMIT : keep(context, event);
}

static void begin(const char *group, const char *stream, bool is_raw)
{
    struct log_event_options options = {
        .group_pattern = slice_of_text(group),
        .stream_pattern = slice_of_text(stream),
        .is_raw = is_raw,
    };
    log_events_init(&events, &options);
    bytes_init(&wire, 64 * 1024 * 1024);
    kept_count = 0;
}

static void end(void)
{
    log_events_fini(&events);
    log_events_fini(&events);
    bytes_fini(&wire);
}

static int write_with(const char *json, log_event_fn *on_event)
{
    bytes_clear(&wire);
    assert_int_equal(otlp_json_decode(LOGS_REQUEST, slice_of_text(json), &wire, NULL), 0);
    return log_events_write(&events, bytes_slice(&wire), NOW_NS, kept, on_event);
}

static void write_all(const char *json)
{
    assert_int_equal(write_with(json, keep), 0);
}

#define RECORDS(resource, scope, records)                                                          \
    "{\"resourceLogs\":[{\"resource\":{\"attributes\":[" resource "]},\"scopeLogs\":[{\"scope\":"  \
    "{" scope "},\"logRecords\":[" records "]}]}]}"
#define ATTR(key, value) "{\"key\":\"" key "\",\"value\":{" value "}}"

#define WEB ATTR("service.name", "\"stringValue\":\"web\"")
#define FULL_SCOPE                                                                                 \
    "\"name\":\"lib\",\"version\":\"1.2\",\"attributes\":[" ATTR("a", "\"boolValue\":true") "]"
#define LIST ATTR("l", "\"arrayValue\":{\"values\":[{\"intValue\":1},{},{\"arrayValue\":{}}]}")
#define NESTED ATTR("k", "\"kvlistValue\":{\"values\":[" LIST "]}")
#define FULL_RECORD                                                                                \
    "{\"timeUnixNano\":\"1700000000123999999\",\"observedTimeUnixNano\":\"5\","                    \
    "\"severityNumber\":9,\"severityText\":\"INFO\","                                              \
    "\"body\":{\"stringValue\":\"say \\\"x\\\"\"},"                                                \
    "\"attributes\":[" ATTR(                                                                       \
        "d", "\"doubleValue\":1.5") "," NESTED "],"                                                \
                                    "\"droppedAttributesCount\":2,\"flags\":1,"                    \
                                    "\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":" \
                                    "\"eee19b7ec3c1b174\"}"

static void test_a_full_record_has_all_members_in_order(void **state)
{
    (void)state;
    begin("g", "s", false);
    write_all(RECORDS(WEB "," ATTR("n", "\"intValue\":\"-3\""), FULL_SCOPE, FULL_RECORD));
    assert_int_equal(kept_count, 1);
    assert_int_equal(kept[0].time_ms, 1700000000123);
    assert_string_equal(
        kept[0].message,
        "{\"body\":\"say \\\"x\\\"\",\"severity_number\":9,\"severity_text\":\"INFO\","
        "\"dropped_attributes_count\":2,\"flags\":1,"
        "\"trace_id\":\"5b8efff798038103d269b633813fc60c\",\"span_id\":\"eee19b7ec3c1b174\","
        "\"attributes\":{\"d\":1.5,\"k\":{\"l\":[1,null,[]]}},"
        "\"scope\":{\"name\":\"lib\",\"version\":\"1.2\",\"attributes\":{\"a\":true}},"
        "\"resource\":{\"service.name\":\"web\",\"n\":-3}}");
    end();
}

static void test_empty_members_are_left_out(void **state)
{
    (void)state;
    begin("g", "s", false);
    write_all(RECORDS("", "\"version\":\"1\"",
                      "{\"traceId\":\"00000000000000000000000000000000\"},"
                      "{\"body\":{\"bytesValue\":\"AQI=\"}},{\"body\":{}}"));
    assert_int_equal(kept_count, 3);
    assert_string_equal(kept[0].message, "{}");
    assert_string_equal(kept[1].message, "{\"body\":\"AQI=\"}");
    assert_string_equal(kept[2].message, "{}");
    write_all(RECORDS(ATTR("a", "\"intValue\":1"), "", "{}"));
    assert_string_equal(kept[3].message, "{\"resource\":{\"a\":1}}");
    end();
}

static void test_the_time_is_the_records_the_observed_one_or_now(void **state)
{
    (void)state;
    begin("g", "s", false);
    write_all(RECORDS("", "",
                      "{\"timeUnixNano\":\"1000000\",\"observedTimeUnixNano\":\"2000000\"},"
                      "{\"observedTimeUnixNano\":\"2999999\"},{}"));
    assert_int_equal(kept[0].time_ms, 1);
    assert_int_equal(kept[1].time_ms, 2);
    assert_int_equal(kept[2].time_ms, NOW_NS / 1000000);
    end();
}

static void test_raw_bodies_are_text_as_it_is_or_json(void **state)
{
    (void)state;
    begin("g", "s", true);
    write_all(RECORDS(ATTR("a", "\"intValue\":1"), "\"name\":\"lib\"",
                      "{\"body\":{\"stringValue\":\"say \\\"x\\\"\"},\"severityText\":\"INFO\"},"
                      "{\"body\":{\"intValue\":\"7\"}},"
                      "{\"body\":{\"arrayValue\":{\"values\":[{\"boolValue\":false}]}}},{}"));
    assert_string_equal(kept[0].message, "say \"x\"");
    assert_string_equal(kept[1].message, "7");
    assert_string_equal(kept[2].message, "[false]");
    assert_string_equal(kept[3].message, "");
    end();
}

static void test_names_come_from_the_resource_then_the_record(void **state)
{
    (void)state;
    begin("/x/{ServiceName}", "{TaskId}", false);
    write_all(RECORDS(ATTR("service.name", "\"stringValue\":\"web\""), "",
                      "{\"attributes\":[" ATTR("TaskId", "\"stringValue\":\"t1\"") "]},{}"));
    assert_string_equal(kept[0].group, "/x/web");
    assert_string_equal(kept[0].stream, "t1");
    assert_string_equal(kept[1].group, "/x/web");
    assert_string_equal(kept[1].stream, "undefined");
    end();
}

static void test_a_metric_document_in_a_raw_body_says_where_it_goes(void **state)
{
    (void)state;
    begin("g", "s", true);
    write_all(RECORDS("", "",
                      "{\"body\":{\"stringValue\":\"{\\\"_aws\\\":{\\\"LogGroupName\\\":\\\"eg\\\","
                      "\\\"LogStreamName\\\":\\\"es\\\"}}\"}},"
                      "{\"body\":{\"stringValue\":\"{\\\"LogGroupName\\\":\\\"eg\\\"}\"}},"
                      "{\"body\":{\"stringValue\":\"{\\\"LogStreamName\\\":\\\"es\\\"}\"}},"
                      "{\"body\":{\"stringValue\":\"{\\\"LogGroupName\\\":\"}}"));
    assert_string_equal(kept[0].group, "eg");
    assert_string_equal(kept[0].stream, "es");
    assert_string_equal(kept[1].group, "eg");
    assert_string_equal(kept[1].stream, "s");
    assert_string_equal(kept[2].group, "g"); /* a stream without its group does not count */
    assert_string_equal(kept[2].stream, "s");
    assert_string_equal(kept[3].group, "g");
    end();
}

static void test_documents_are_routed_and_passed_on_as_they_came(void **state)
{
    (void)state;
    static const char document[] =
        "{ \"_aws\": {\"Timestamp\":1700000000000,\"LogGroupName\":\"eg\"}, \"m\": 1 }";
    begin("g{TaskId}", "s", false);
    assert_int_equal(log_events_route(&events, SLICE_LITERAL("{\"m\":1}"), NOW_NS, kept, keep), 0);
    assert_int_equal(log_events_route(&events, slice_of_text(document), NOW_NS, kept, keep), 0);
    assert_int_equal(log_events_route(&events, SLICE_LITERAL("[1]"), NOW_NS, kept, keep),
                     FAULT_MALFORMED);
    assert_int_equal(kept_count, 2);
    assert_string_equal(kept[0].group, "gundefined");
    assert_int_equal(kept[0].time_ms, NOW_NS / 1000000);
    assert_string_equal(kept[1].group, "eg");
    assert_string_equal(kept[1].stream, "s");
    assert_string_equal(kept[1].message, document);
    assert_int_equal(kept[1].time_ms, 1700000000000);
    end();
}

static void write_body_of(size_t len, bool is_raw)
{
    static const char head[] = "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":"
                               "{\"stringValue\":\"";
    static const char tail[] = "\"}}]}]}]}";
    char *json = mem_alloc(sizeof(head) + len + sizeof(tail));
    assert_non_null(json);
    memcpy(json, head, sizeof(head) - 1);
    memset(json + sizeof(head) - 1, 'x', len);
    /* The last characters have two bytes each, so that a cut may fall inside one. */
    for (size_t i = len & 1; i + 1 < len; i += 2) {
        memcpy(json + sizeof(head) - 1 + i, "\xC3\xA4", 2);
    }
    memcpy(json + sizeof(head) - 1 + len, tail, sizeof(tail));
    begin("g", "s", is_raw);
    write_all(json);
    mem_free(json);
}

static void test_a_message_at_the_limit_stays_and_one_past_it_is_cut(void **state)
{
    (void)state;
    size_t around = strlen("{\"body\":\"\"}");
    write_body_of(LOG_EVENT_MESSAGE_MAX_BYTES, true);
    assert_int_equal(kept[0].message_bytes, LOG_EVENT_MESSAGE_MAX_BYTES);
    assert_int_equal(events.cut_count, 0);
    end();
    for (size_t more = 1; more <= 4; more++) {
        write_body_of(LOG_EVENT_MESSAGE_MAX_BYTES + more, true);
        assert_in_range(kept[0].message_bytes, LOG_EVENT_MESSAGE_MAX_BYTES - 1,
                        LOG_EVENT_MESSAGE_MAX_BYTES);
        assert_true(slice_is_utf8(bytes_slice(&events.message)));
        assert_memory_equal(events.message.ptr + events.message.len - 14, "[Truncated...]", 14);
        assert_int_equal(events.cut_count, 1);
        end();
    }
    write_body_of(LOG_EVENT_MESSAGE_MAX_BYTES - around, false);
    assert_int_equal(kept[0].message_bytes, LOG_EVENT_MESSAGE_MAX_BYTES);
    assert_int_equal(events.cut_count, 0);
    end();
    write_body_of(LOG_EVENT_MESSAGE_MAX_BYTES - around + 1, false);
    assert_in_range(kept[0].message_bytes, LOG_EVENT_MESSAGE_MAX_BYTES - 1,
                    LOG_EVENT_MESSAGE_MAX_BYTES);
    assert_memory_equal(events.message.ptr + events.message.len - 14, "[Truncated...]", 14);
    assert_int_equal(events.cut_count, 1);
    end();
}

static void test_what_the_callback_says_ends_the_walk(void **state)
{
    (void)state;
    begin("g", "s", false);
    assert_int_equal(write_with(RECORDS("", "", "{},{},{}"), refuse_second), FAULT_LIMIT);
    assert_int_equal(kept_count, 1);
    end();
}

static void test_refused_memory_is_said(void **state)
{
    (void)state;
    static const char json[] = RECORDS(ATTR("a", "\"intValue\":1"), "\"name\":\"lib\"", "{}");
    int err = -ENOMEM;
    for (uint64_t nth = 1; err != 0; nth++) {
        assert_true(nth < 50);
        begin("g", "s", false);
        assert_int_equal(otlp_json_decode(LOGS_REQUEST, slice_of_text(json), &wire, NULL), 0);
        mem_fail_nth(nth);
        err = log_events_write(&events, bytes_slice(&wire), NOW_NS, kept, keep);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
        assert_int_equal(kept_count, err == 0 ? 1 : 0);
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_record_has_all_members_in_order),
        cmocka_unit_test(test_empty_members_are_left_out),
        cmocka_unit_test(test_the_time_is_the_records_the_observed_one_or_now),
        cmocka_unit_test(test_raw_bodies_are_text_as_it_is_or_json),
        cmocka_unit_test(test_names_come_from_the_resource_then_the_record),
        cmocka_unit_test(test_a_metric_document_in_a_raw_body_says_where_it_goes),
        cmocka_unit_test(test_documents_are_routed_and_passed_on_as_they_came),
        cmocka_unit_test(test_a_message_at_the_limit_stays_and_one_past_it_is_cut),
        cmocka_unit_test(test_what_the_callback_says_ends_the_walk),
        cmocka_unit_test(test_refused_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
