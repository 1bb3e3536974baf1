/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of otlp_json: wire bytes against the text that the OTLP specification prescribes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "codecs/otlp_json.h"
#include "core/base/fault.h"
#include "core/otlp/otlp_point.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "core/otlp/proto/collector_trace.pb-c.h"
#include "core/otlp/proto/logs.pb-c.h"
#include "core/otlp/proto/rpc_status.pb-c.h"

#define TRACES                                                                                     \
    (&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor)
#define TRACES_REPLY                                                                               \
    (&opentelemetry__proto__collector__trace__v1__export_trace_service_response__descriptor)
#define METRICS                                                                                    \
    (&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor)
#define VALUE (&opentelemetry__proto__common__v1__any_value__descriptor)
#define LOG_RECORD (&opentelemetry__proto__logs__v1__log_record__descriptor)

static struct arena arena;
static struct bytes out;

static int setup(void **state)
{
    (void)state;
    bytes_init(&out, 1 << 20);
    return arena_init(&arena, 4096, 1 << 22);
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    bytes_fini(&out);
    return 0;
}

static void assert_json(const ProtobufCMessageDescriptor *d, struct slice wire,
                        const char *expected)
{
    bytes_clear(&out);
    arena_reset(&arena);
    assert_int_equal(otlp_json_encode(d, wire, &arena, &out), 0);
    bytes_append_byte(&out, 0);
    assert_string_equal((const char *)out.ptr, expected);
    json_t *parsed = json_loads((const char *)out.ptr, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(parsed);
    json_decref(parsed);
}

static void test_span_request_follows_the_mapping(void **state)
{
    (void)state;
    static const uint8_t wire[] = {
        0x0A, 0x57, 0x0A, 0x15, 0x0A, 0x13, 0x0A, 0x0C, 's',  'e',  'r',  'v',  'i',  'c',  'e',
        '.',  'n',  'a',  'm',  'e',  0x12, 0x03, 0x0A, 0x01, 'a',  0x12, 0x3E, 0x12, 0x3C, 0x0A,
        0x10, 1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12,   13,   14,
        15,   16,   0x12, 0x08, 0xAB, 2,    3,    4,    5,    6,    7,    8,    0x22, 0x00, 0x2A,
        0x02, 'o',  'p',  0x30, 0x02, 0x39, 0x00, 0x00, 0x2A, 0x36, 0xFE, 0x9C, 0x97, 0x17, 0x41,
        0x40, 0x42, 0x39, 0x36, 0xFE, 0x9C, 0x97, 0x17, 0x50, 0x07, 0x7A, 0x02, 0x18, 0x02};
    assert_json(
        TRACES, slice_of(wire, sizeof(wire)),
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"
        "\"stringValue\":\"a\"}}]},\"scopeSpans\":[{\"spans\":[{\"traceId\":"
        "\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"ab02030405060708\",\"name\":\"op\","
        "\"kind\":2,\"startTimeUnixNano\":\"1700000000000000000\",\"endTimeUnixNano\":"
        "\"1700000000001000000\",\"droppedAttributesCount\":7,\"status\":{\"code\":2}}]}]}]}");
}

static void test_every_kind_of_value(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        size_t len;
        const char *json;
    } cases[] = {
        {"", 0, "{}"},
        {"\x0A\x00", 2, "{\"stringValue\":\"\"}"},
        {"\x0A\x03"
         "a\xFF\"",
         5, "{\"stringValue\":\"a\xEF\xBF\xBD\\\"\"}"},
        {"\x10\x00", 2, "{\"boolValue\":false}"},
        {"\x18\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11, "{\"intValue\":\"-1\"}"},
        {"\x21\x00\x00\x00\x00\x00\x00\xE0\x3F", 9, "{\"doubleValue\":0.5}"},
        {"\x21\x00\x00\x00\x00\x00\x00\xF8\x7F", 9, "{\"doubleValue\":\"NaN\"}"},
        {"\x2A\x00", 2, "{\"arrayValue\":{}}"},
        {"\x2A\x06\x0A\x02\x10\x01\x0A\x00", 8,
         "{\"arrayValue\":{\"values\":[{\"boolValue\":true},{}]}}"},
        {"\x32\x09\x0A\x07\x0A\x01k\x12\x02\x18\x05", 11,
         "{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"intValue\":\"5\"}}]}}"},
        {"\x3A\x02\x00\xFF", 4, "{\"bytesValue\":\"AP8=\"}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_json(VALUE, slice_of(cases[i].wire, cases[i].len), cases[i].json);
    }
}

static void test_built_histogram_reads_as_expected(void **state)
{
    (void)state;
    uint8_t buf[512];
    static const double bounds[] = {0.5};
    static const uint64_t counts[] = {1, 2};
    struct otlp_histogram hist = {.count = 3,
                                  .sum = INFINITY,
                                  .has_sum = true,
                                  .bounds = bounds,
                                  .bound_count = 1,
                                  .counts = counts};
    struct otlp_point point = {.time_unix_ns = 9};
    struct otlp_metric metric = {.name = SLICE_LITERAL("m"),
                                 .data = OTLP_DATA_HISTOGRAM,
                                 .temporality = OTLP_TEMPORALITY_DELTA};
    struct otlp_envelope envelope = {.scope_name = SLICE_LITERAL("s")};
    struct otlp_build b;
    otlp_build_init(&b, buf, sizeof(buf));
    assert_int_equal(otlp_envelope_begin(&b, &envelope), 0);
    otlp_build_histogram(&b, &point, &hist);
    otlp_build_metric(&b, 0, &metric);
    assert_json(METRICS, otlp_envelope_end(&b, &envelope),
                "{\"resourceMetrics\":[{\"resource\":{},\"scopeMetrics\":[{\"scope\":{\"name\":"
                "\"s\"},\"metrics\":[{\"name\":\"m\",\"histogram\":{\"dataPoints\":[{"
                "\"timeUnixNano\":\"9\",\"count\":\"3\",\"sum\":\"Infinity\",\"bucketCounts\":["
                "\"1\",\"2\"],\"explicitBounds\":[0.5]}],\"aggregationTemporality\":1}}]}]}]}");
}

static void test_replies_logs_and_status(void **state)
{
    (void)state;
    assert_json(TRACES_REPLY, (struct slice){0}, "{}");
    assert_json(TRACES_REPLY, slice_of("\x0A\x00", 2), "{\"partialSuccess\":{}}");
    assert_json(TRACES_REPLY, slice_of("\x0A\x06\x08\x03\x12\x02no", 8),
                "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"no\"}}");
    assert_json(LOG_RECORD, slice_of("\x10\x09\x45\x01\x00\x00\x00\x4A\x01\xEF\x62\x01x", 13),
                "{\"severityNumber\":9,\"flags\":1,\"traceId\":\"ef\",\"eventName\":\"x\"}");
    assert_json(&google__rpc__status__descriptor,
                slice_of("\x08\x0E\x12\x04"
                         "busy",
                         8),
                "{\"code\":14,\"message\":\"busy\"}");
}

static void test_bad_wire_and_full_buffer_are_reported(void **state)
{
    (void)state;
    arena_reset(&arena);
    bytes_clear(&out);
    assert_int_equal(otlp_json_encode(VALUE, slice_of("\x0A\x05", 2), &arena, &out),
                     FAULT_TRUNCATED);
    struct bytes small;
    static const char expected[] = "{\"boolValue\":true}";
    bytes_init(&small, sizeof(expected) - 1);
    assert_int_equal(otlp_json_encode(VALUE, slice_of("\x10\x01", 2), &arena, &small), 0);
    bytes_fini(&small);
    bytes_init(&small, sizeof(expected) - 2);
    assert_int_equal(otlp_json_encode(VALUE, slice_of("\x10\x01", 2), &arena, &small), FAULT_LIMIT);
    bytes_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_span_request_follows_the_mapping),
        cmocka_unit_test(test_every_kind_of_value),
        cmocka_unit_test(test_built_histogram_reads_as_expected),
        cmocka_unit_test(test_replies_logs_and_status),
        cmocka_unit_test(test_bad_wire_and_full_buffer_are_reported),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
