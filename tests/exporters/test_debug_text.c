/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of debug_text: requests packed by protobuf-c against the text a reader should see.
 */
#include "exporters/debug_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "exporters/debug_signals.h"

#define WIRE_MAX_BYTES 8192
#define START_NS UINT64_C(1581452772000000321)
#define TIME_NS UINT64_C(1581452773000000789)
#define TIMES                                                                                      \
    "StartTimestamp: 2020-02-11 20:26:12.000000321 +0000 UTC\n"                                    \
    "Timestamp: 2020-02-11 20:26:13.000000789 +0000 UTC\n"

static struct arena arena;
static struct bytes out;
static struct debug_counts counts;
static uint8_t wire_buf[WIRE_MAX_BYTES];

static int set_up(void **state)
{
    (void)state;
    bytes_init(&out, 1 << 20);
    return arena_init(&arena, 4096, 1 << 22);
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    bytes_fini(&out);
    return 0;
}

static ProtobufCBinaryData text_of(const char *text)
{
    static uint8_t copies[64][64];
    static size_t next;
    uint8_t *copy = copies[next++ % 64];
    size_t len = strlen(text);
    assert_true(len < 64);
    memcpy(copy, text, len);
    return (ProtobufCBinaryData){.data = copy, .len = len};
}

static struct slice pack(const ProtobufCMessage *message)
{
    assert_true(protobuf_c_message_get_packed_size(message) <= sizeof(wire_buf));
    return slice_of(wire_buf, protobuf_c_message_pack(message, wire_buf));
}

static void assert_text(enum signal signal, enum debug_verbosity verbosity,
                        const ProtobufCMessage *message, const char *expected)
{
    bytes_clear(&out);
    arena_reset(&arena);
    assert_int_equal(debug_text_encode(signal, verbosity, pack(message), &arena, &counts, &out), 0);
    bytes_append_byte(&out, 0);
    assert_string_equal((const char *)out.ptr, expected);
}

/* --- attributes shared by the tests ----------------------------------------------------------- */

static struct DEBUG_COMMON(AnyValue) any_text = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__INIT;
static struct DEBUG_COMMON(AnyValue) any_int = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__INIT;
static struct DEBUG_COMMON(KeyValue) pair_text = OPENTELEMETRY__PROTO__COMMON__V1__KEY_VALUE__INIT;
static struct DEBUG_COMMON(KeyValue) pair_int = OPENTELEMETRY__PROTO__COMMON__V1__KEY_VALUE__INIT;
static struct DEBUG_COMMON(KeyValue) * pairs[] = {&pair_text, &pair_int};
static Opentelemetry__Proto__Resource__V1__Resource resource =
    OPENTELEMETRY__PROTO__RESOURCE__V1__RESOURCE__INIT;
static struct DEBUG_COMMON(InstrumentationScope) scope =
    OPENTELEMETRY__PROTO__COMMON__V1__INSTRUMENTATION_SCOPE__INIT;

static void fill_common(void)
{
    any_text.value_case = DEBUG_VALUE_CASE(STRING_VALUE);
    any_text.string_value = text_of("user");
    any_int.value_case = DEBUG_VALUE_CASE(INT_VALUE);
    any_int.int_value = 200;
    pair_text.has_key = pair_int.has_key = 1;
    pair_text.key = text_of("state");
    pair_text.value = &any_text;
    pair_int.key = text_of("code");
    pair_int.value = &any_int;
    resource.attributes = pairs;
    resource.n_attributes = 1;
    scope.has_name = scope.has_version = 1;
    scope.name = text_of("lib");
    scope.version = text_of("1.2");
    scope.attributes = pairs + 1;
    scope.n_attributes = 1;
}

/* --- metrics ---------------------------------------------------------------------------------- */

/* One request with one metric, filled by the test. */
static struct DEBUG_METRICS(Metric) metric;

static void assert_metric(enum debug_verbosity verbosity, const char *expected)
{
    struct DEBUG_METRICS(Metric) * metrics[] = {&metric};
    struct DEBUG_METRICS(ScopeMetrics) in_scope =
        OPENTELEMETRY__PROTO__METRICS__V1__SCOPE_METRICS__INIT;
    struct DEBUG_METRICS(ResourceMetrics) from =
        OPENTELEMETRY__PROTO__METRICS__V1__RESOURCE_METRICS__INIT;
    struct DEBUG_METRICS(ScopeMetrics) * scopes[] = {&in_scope};
    struct DEBUG_METRICS(ResourceMetrics) * resources[] = {&from};
    struct DEBUG_METRICS_REQUEST request =
        OPENTELEMETRY__PROTO__COLLECTOR__METRICS__V1__EXPORT_METRICS_SERVICE_REQUEST__INIT;
    fill_common();
    in_scope.scope = &scope;
    in_scope.metrics = metrics;
    in_scope.n_metrics = 1;
    from.resource = &resource;
    from.has_schema_url = 1;
    from.schema_url = text_of("https://x");
    from.scope_metrics = scopes;
    from.n_scope_metrics = 1;
    request.resource_metrics = resources;
    request.n_resource_metrics = 1;
    assert_text(SIGNAL_METRICS, verbosity, &request.base, expected);
    assert_int_equal(counts.resource_count, 1);
    assert_int_equal(counts.metric_count, 1);
}

static void name_metric(const char *name)
{
    metric = (struct DEBUG_METRICS(Metric))OPENTELEMETRY__PROTO__METRICS__V1__METRIC__INIT;
    metric.has_name = metric.has_unit = 1;
    metric.name = text_of(name);
    metric.unit = text_of("ms");
}

#define DETAILED_HEAD                                                                              \
    "ResourceMetrics #0\n"                                                                         \
    "Resource SchemaURL: https://x\n"                                                              \
    "Resource attributes:\n"                                                                       \
    "     -> state: Str(user)\n"                                                                   \
    "ScopeMetrics #0\n"                                                                            \
    "ScopeMetrics SchemaURL: \n"                                                                   \
    "InstrumentationScope lib 1.2\n"                                                               \
    "InstrumentationScope attributes:\n"                                                           \
    "     -> code: Int(200)\n"                                                                     \
    "Metric #0\n"                                                                                  \
    "Descriptor:\n"
#define NORMAL_HEAD                                                                                \
    "ResourceMetrics #0 [https://x] state=user\n"                                                  \
    "ScopeMetrics #0 lib@1.2 code=200\n"
#define ATTRIBUTES                                                                                 \
    "Data point attributes:\n"                                                                     \
    "     -> state: Str(user)\n"                                                                   \
    "     -> code: Int(200)\n"

static void test_sum_with_exemplar_and_gauge_without_value(void **state)
{
    (void)state;
    uint8_t trace_id[] = {1, 2, 0xAB};
    struct DEBUG_METRICS(Exemplar) exemplar = OPENTELEMETRY__PROTO__METRICS__V1__EXEMPLAR__INIT;
    struct DEBUG_METRICS(Exemplar) * exemplars[] = {&exemplar};
    struct DEBUG_METRICS(NumberDataPoint) a =
        OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__INIT;
    struct DEBUG_METRICS(NumberDataPoint) b = a;
    struct DEBUG_METRICS(NumberDataPoint) * points[] = {&a, &b};
    struct DEBUG_METRICS(Sum) sum = OPENTELEMETRY__PROTO__METRICS__V1__SUM__INIT;
    exemplar.value_case = DEBUG_EXEMPLAR_CASE(DOUBLE);
    exemplar.as_double = 15;
    exemplar.has_trace_id = 1;
    exemplar.trace_id = (ProtobufCBinaryData){.data = trace_id, .len = 3};
    exemplar.filtered_attributes = pairs;
    exemplar.n_filtered_attributes = 1;
    a.has_start_time_unix_nano = a.has_time_unix_nano = 1;
    a.start_time_unix_nano = START_NS;
    a.time_unix_nano = TIME_NS;
    a.attributes = pairs;
    a.n_attributes = 2;
    a.exemplars = exemplars;
    a.n_exemplars = 1;
    a.value_case = DEBUG_NUMBER_CASE(DOUBLE);
    a.as_double = 123.456;
    b.value_case = DEBUG_NUMBER_CASE(INT);
    b.as_int = -7;
    sum.has_aggregation_temporality = sum.has_is_monotonic = sum.is_monotonic = 1;
    sum.aggregation_temporality = 1;
    sum.data_points = points;
    sum.n_data_points = 2;
    name_metric("cpu");
    metric.metadata = pairs + 1;
    metric.n_metadata = 1;
    metric.data_case = DEBUG_DATA_CASE(SUM);
    metric.sum = &sum;
    assert_metric(DEBUG_DETAILED, DETAILED_HEAD
                  "     -> Name: cpu\n     -> Description: \n     -> Unit: ms\n"
                  "     -> DataType: Sum\n"
                  "     -> Metadata:\n          -> code: Int(200)\n"
                  "     -> IsMonotonic: true\n"
                  "     -> AggregationTemporality: Delta\n"
                  "NumberDataPoints #0\n" ATTRIBUTES TIMES "Value: 123.456000\n"
                  "Exemplars:\nExemplar #0\n     -> Trace ID: 0102ab\n     -> Span ID: \n"
                  "     -> Timestamp: 1970-01-01 00:00:00 +0000 UTC\n     -> Value: 15.000000\n"
                  "     -> FilteredAttributes:\n          -> state: Str(user)\n"
                  "NumberDataPoints #1\n"
                  "StartTimestamp: 1970-01-01 00:00:00 +0000 UTC\n"
                  "Timestamp: 1970-01-01 00:00:00 +0000 UTC\nValue: -7\n");
    assert_int_equal(counts.item_count, 2);
    assert_metric(DEBUG_NORMAL, NORMAL_HEAD "cpu{state=user,code=200} 123.456\ncpu{} -7\n");
    assert_metric(DEBUG_BASIC, "");
    assert_int_equal(counts.item_count, 2);

    struct DEBUG_METRICS(Gauge) gauge = OPENTELEMETRY__PROTO__METRICS__V1__GAUGE__INIT;
    b.value_case = 0;
    gauge.data_points = points + 1;
    gauge.n_data_points = 1;
    name_metric("gone");
    metric.data_case = DEBUG_DATA_CASE(GAUGE);
    metric.gauge = &gauge;
    assert_metric(DEBUG_NORMAL, NORMAL_HEAD "gone{}\n");
}

static void test_histogram(void **state)
{
    (void)state;
    double bounds[] = {0.125, 3};
    uint64_t buckets[] = {1324, 13, 1};
    struct DEBUG_METRICS(HistogramDataPoint) p =
        OPENTELEMETRY__PROTO__METRICS__V1__HISTOGRAM_DATA_POINT__INIT;
    struct DEBUG_METRICS(HistogramDataPoint) * points[] = {&p};
    struct DEBUG_METRICS(Histogram) data = OPENTELEMETRY__PROTO__METRICS__V1__HISTOGRAM__INIT;
    p.has_start_time_unix_nano = p.has_time_unix_nano = p.has_count = p.has_sum = p.has_max = 1;
    p.start_time_unix_nano = START_NS;
    p.time_unix_nano = TIME_NS;
    p.count = 1338;
    p.sum = INFINITY;
    p.max = 8.13;
    p.explicit_bounds = bounds;
    p.n_explicit_bounds = 2;
    p.bucket_counts = buckets;
    p.n_bucket_counts = 3;
    data.has_aggregation_temporality = 1;
    data.aggregation_temporality = 2;
    data.data_points = points;
    data.n_data_points = 1;
    name_metric("h");
    metric.data_case = DEBUG_DATA_CASE(HISTOGRAM);
    metric.histogram = &data;
    assert_metric(DEBUG_DETAILED, DETAILED_HEAD
                  "     -> Name: h\n     -> Description: \n     -> Unit: ms\n"
                  "     -> DataType: Histogram\n     -> AggregationTemporality: Cumulative\n"
                  "HistogramDataPoints #0\n" TIMES "Count: 1338\nSum: +Inf\nMax: 8.130000\n"
                  "ExplicitBounds #0: 0.125000\nExplicitBounds #1: 3.000000\n"
                  "Buckets #0, Count: 1324\nBuckets #1, Count: 13\nBuckets #2, Count: 1\n");
    assert_metric(DEBUG_NORMAL,
                  NORMAL_HEAD "h{} count=1338 sum=Infinity max=8.13 le0.125=1324 le3=13 1\n");
}

static void test_exponential_histogram(void **state)
{
    (void)state;
    uint64_t negative[] = {10, 20};
    uint64_t positive[] = {40, 50};
    struct DEBUG_METRICS(ExponentialHistogramDataPoint__Buckets) below =
        OPENTELEMETRY__PROTO__METRICS__V1__EXPONENTIAL_HISTOGRAM_DATA_POINT__BUCKETS__INIT;
    struct DEBUG_METRICS(ExponentialHistogramDataPoint__Buckets) above = below;
    struct DEBUG_METRICS(ExponentialHistogramDataPoint) p =
        OPENTELEMETRY__PROTO__METRICS__V1__EXPONENTIAL_HISTOGRAM_DATA_POINT__INIT;
    struct DEBUG_METRICS(ExponentialHistogramDataPoint) * points[] = {&p};
    struct DEBUG_METRICS(ExponentialHistogram) data =
        OPENTELEMETRY__PROTO__METRICS__V1__EXPONENTIAL_HISTOGRAM__INIT;
    below.has_offset = above.has_offset = 1;
    below.offset = -1;
    below.bucket_counts = negative;
    below.n_bucket_counts = 2;
    above.offset = 1;
    above.bucket_counts = positive;
    above.n_bucket_counts = 2;
    p.has_start_time_unix_nano = p.has_time_unix_nano = p.has_count = p.has_zero_count = 1;
    p.start_time_unix_nano = START_NS;
    p.time_unix_nano = TIME_NS;
    p.count = 121;
    p.zero_count = 1;
    p.has_zero_threshold = 1;
    p.zero_threshold = 0.25;
    p.negative = &below;
    p.positive = &above;
    data.data_points = points;
    data.n_data_points = 1;
    name_metric("e");
    metric.data_case = DEBUG_DATA_CASE(EXPONENTIAL_HISTOGRAM);
    metric.exponential_histogram = &data;
    assert_metric(DEBUG_DETAILED,
                  DETAILED_HEAD "     -> Name: e\n     -> Description: \n     -> Unit: ms\n"
                                "     -> DataType: ExponentialHistogram\n"
                                "     -> AggregationTemporality: Unspecified\n"
                                "ExponentialHistogramDataPoints #0\n" TIMES "Count: 121\n"
                                "Bucket [-2.000000, -1.000000), Count: 20\n"
                                "Bucket [-1.000000, -0.500000), Count: 10\n"
                                "Bucket [0, 0], Count: 1\n"
                                "Bucket (2.000000, 4.000000], Count: 40\n"
                                "Bucket (4.000000, 8.000000], Count: 50\n");
    assert_metric(DEBUG_NORMAL,
                  NORMAL_HEAD "e{} count=121 le-1=20 le-0.5=10 le0.25=1 le4=40 le8=50\n");
}

static void test_summary_and_metric_without_data(void **state)
{
    (void)state;
    struct DEBUG_METRICS(SummaryDataPoint__ValueAtQuantile) q =
        OPENTELEMETRY__PROTO__METRICS__V1__SUMMARY_DATA_POINT__VALUE_AT_QUANTILE__INIT;
    struct DEBUG_METRICS(SummaryDataPoint__ValueAtQuantile) * quantiles[] = {&q};
    struct DEBUG_METRICS(SummaryDataPoint) p =
        OPENTELEMETRY__PROTO__METRICS__V1__SUMMARY_DATA_POINT__INIT;
    struct DEBUG_METRICS(SummaryDataPoint) * points[] = {&p};
    struct DEBUG_METRICS(Summary) data = OPENTELEMETRY__PROTO__METRICS__V1__SUMMARY__INIT;
    q.has_quantile = q.has_value = 1;
    q.quantile = 0.01;
    q.value = 15;
    p.has_start_time_unix_nano = p.has_time_unix_nano = p.has_count = p.has_sum = 1;
    p.start_time_unix_nano = START_NS;
    p.time_unix_nano = TIME_NS;
    p.count = 1;
    p.sum = 99.573;
    p.quantile_values = quantiles;
    p.n_quantile_values = 1;
    data.data_points = points;
    data.n_data_points = 1;
    name_metric("s");
    metric.data_case = DEBUG_DATA_CASE(SUMMARY);
    metric.summary = &data;
    assert_metric(DEBUG_DETAILED,
                  DETAILED_HEAD "     -> Name: s\n     -> Description: \n     -> Unit: ms\n"
                                "     -> DataType: Summary\nSummaryDataPoints #0\n" TIMES
                                "Count: 1\nSum: 99.573000\n"
                                "QuantileValue #0: Quantile 0.010000, Value 15.000000\n");
    assert_metric(DEBUG_NORMAL, NORMAL_HEAD "s{} count=1 sum=99.573000 q0.01=15\n");

    name_metric("none");
    assert_metric(DEBUG_DETAILED,
                  DETAILED_HEAD "     -> Name: none\n     -> Description: \n     -> Unit: ms\n"
                                "     -> DataType: Empty\n");
    assert_int_equal(counts.item_count, 0);
}

/* --- spans ------------------------------------------------------------------------------------ */

static uint8_t trace_id[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static uint8_t span_id[8] = {0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18};
static uint8_t no_id[8];

static void assert_span(struct DEBUG_TRACE(Span) * span, enum debug_verbosity verbosity,
                        const char *expected)
{
    struct DEBUG_TRACE(Span) * spans[] = {span};
    struct DEBUG_TRACE(ScopeSpans) in_scope = OPENTELEMETRY__PROTO__TRACE__V1__SCOPE_SPANS__INIT;
    struct DEBUG_TRACE(ResourceSpans) from = OPENTELEMETRY__PROTO__TRACE__V1__RESOURCE_SPANS__INIT;
    struct DEBUG_TRACE(ScopeSpans) * scopes[] = {&in_scope};
    struct DEBUG_TRACE(ResourceSpans) * resources[] = {&from};
    struct DEBUG_TRACE_REQUEST request =
        OPENTELEMETRY__PROTO__COLLECTOR__TRACE__V1__EXPORT_TRACE_SERVICE_REQUEST__INIT;
    in_scope.spans = spans;
    in_scope.n_spans = 1;
    from.scope_spans = scopes;
    from.n_scope_spans = 1;
    request.resource_spans = resources;
    request.n_resource_spans = 1;
    assert_text(SIGNAL_TRACES, verbosity, &request.base, expected);
    assert_int_equal(counts.item_count, 1);
}

static void test_span(void **state)
{
    (void)state;
    struct DEBUG_TRACE(Span__Event) event = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__EVENT__INIT;
    struct DEBUG_TRACE(Span__Link) link = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__LINK__INIT;
    struct DEBUG_TRACE(Span__Event) * events[] = {&event};
    struct DEBUG_TRACE(Span__Link) * links[] = {&link};
    struct DEBUG_TRACE(Status) status = OPENTELEMETRY__PROTO__TRACE__V1__STATUS__INIT;
    struct DEBUG_TRACE(Span) span = OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT;
    fill_common();
    event.has_name = event.has_time_unix_nano = event.has_dropped_attributes_count = 1;
    event.name = text_of("ev");
    event.time_unix_nano = START_NS;
    event.dropped_attributes_count = 2;
    event.attributes = pairs;
    event.n_attributes = 1;
    link.has_span_id = 1;
    link.span_id = (ProtobufCBinaryData){.data = span_id, .len = 8};
    status.has_code = status.has_message = 1;
    status.code = 2;
    status.message = text_of("cancelled");
    span.has_trace_id = span.has_span_id = span.has_parent_span_id = span.has_name = 1;
    span.has_kind = span.has_start_time_unix_nano = span.has_end_time_unix_nano = 1;
    span.trace_id = (ProtobufCBinaryData){.data = trace_id, .len = 16};
    span.span_id = (ProtobufCBinaryData){.data = span_id, .len = 8};
    span.parent_span_id = (ProtobufCBinaryData){.data = no_id, .len = 8};
    span.has_trace_state = 1;
    span.trace_state = text_of("ot=th:0");
    span.name = text_of("op");
    span.kind = 2;
    span.start_time_unix_nano = START_NS;
    span.end_time_unix_nano = TIME_NS;
    span.status = &status;
    span.attributes = pairs;
    span.n_attributes = 2;
    span.events = events;
    span.n_events = 1;
    span.links = links;
    span.n_links = 1;
    assert_span(&span, DEBUG_DETAILED,
                "ResourceSpans #0\nResource SchemaURL: \nScopeSpans #0\nScopeSpans SchemaURL: \n"
                "InstrumentationScope  \nSpan #0\n"
                "    Trace ID       : 0102030405060708090a0b0c0d0e0f10\n"
                "    Parent ID      : \n"
                "    ID             : 1112131415161718\n"
                "    Name           : op\n"
                "    Kind           : Server\n"
                "    TraceState     : ot=th:0\n"
                "    Start time     : 2020-02-11 20:26:12.000000321 +0000 UTC\n"
                "    End time       : 2020-02-11 20:26:13.000000789 +0000 UTC\n"
                "    Status code    : Error\n"
                "    Status message : cancelled\n"
                "    DroppedAttributesCount: 0\n"
                "Attributes:\n     -> state: Str(user)\n     -> code: Int(200)\n"
                "Events:\nSpanEvent #0\n     -> Name: ev\n"
                "     -> Timestamp: 2020-02-11 20:26:12.000000321 +0000 UTC\n"
                "     -> DroppedAttributesCount: 2\n"
                "     -> Attributes::\n          -> state: Str(user)\n"
                "    DroppedEventsCount: 0\n"
                "Links:\nSpanLink #0\n     -> Trace ID: \n     -> ID: 1112131415161718\n"
                "     -> TraceState: \n     -> DroppedAttributesCount: 0\n"
                "    DroppedLinksCount: 0\n");
    assert_span(&span, DEBUG_NORMAL,
                "ResourceTraces #0\nScopeTraces #0\n"
                "op 0102030405060708090a0b0c0d0e0f10 1112131415161718 state=user code=200\n");
}

/* --- log records ------------------------------------------------------------------------------ */

static struct DEBUG_LOGS(LogRecord) record;

static void assert_record(enum debug_verbosity verbosity, const char *expected)
{
    struct DEBUG_LOGS(LogRecord) * records[] = {&record};
    struct DEBUG_LOGS(ScopeLogs) in_scope = OPENTELEMETRY__PROTO__LOGS__V1__SCOPE_LOGS__INIT;
    struct DEBUG_LOGS(ResourceLogs) from = OPENTELEMETRY__PROTO__LOGS__V1__RESOURCE_LOGS__INIT;
    struct DEBUG_LOGS(ScopeLogs) * scopes[] = {&in_scope};
    struct DEBUG_LOGS(ResourceLogs) * resources[] = {&from};
    struct DEBUG_LOGS_REQUEST request =
        OPENTELEMETRY__PROTO__COLLECTOR__LOGS__V1__EXPORT_LOGS_SERVICE_REQUEST__INIT;
    in_scope.log_records = records;
    in_scope.n_log_records = 1;
    from.scope_logs = scopes;
    from.n_scope_logs = 1;
    request.resource_logs = resources;
    request.n_resource_logs = 1;
    assert_text(SIGNAL_LOGS, verbosity, &request.base, expected);
    assert_int_equal(counts.item_count, 1);
}

static void test_log_record(void **state)
{
    (void)state;
    record = (struct DEBUG_LOGS(LogRecord))OPENTELEMETRY__PROTO__LOGS__V1__LOG_RECORD__INIT;
    fill_common();
    record.has_time_unix_nano = record.has_severity_number = record.has_severity_text = 1;
    record.time_unix_nano = TIME_NS;
    record.severity_number = 10;
    record.severity_text = text_of("INFO");
    record.body = &any_text;
    record.attributes = pairs + 1;
    record.n_attributes = 1;
    assert_record(DEBUG_DETAILED,
                  "ResourceLog #0\nResource SchemaURL: \nScopeLogs #0\nScopeLogs SchemaURL: \n"
                  "InstrumentationScope  \nLogRecord #0\n"
                  "ObservedTimestamp: 1970-01-01 00:00:00 +0000 UTC\n"
                  "Timestamp: 2020-02-11 20:26:13.000000789 +0000 UTC\n"
                  "SeverityText: INFO\nSeverityNumber: Info2(10)\nBody: Str(user)\n"
                  "Attributes:\n     -> code: Int(200)\nTrace ID: \nSpan ID: \nFlags: 0\n");
    assert_record(DEBUG_NORMAL, "ResourceLog #0\nScopeLog #0\nuser code=200\n");
}

static void test_severities(void **state)
{
    (void)state;
    static const struct {
        int number;
        const char *line;
    } cases[] = {{0, "SeverityNumber: Unspecified(0)\n"},
                 {1, "SeverityNumber: Trace(1)\n"},
                 {24, "SeverityNumber: Fatal4(24)\n"},
                 {25, "SeverityNumber: (25)\n"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t wire[] = {0x0A, 6, 0x12, 4, 0x12, 2, 0x10, (uint8_t)cases[i].number};
        bytes_clear(&out);
        arena_reset(&arena);
        assert_int_equal(debug_text_encode(SIGNAL_LOGS, DEBUG_DETAILED,
                                           slice_of(wire, sizeof(wire)), &arena, &counts, &out),
                         0);
        bytes_append_byte(&out, 0);
        assert_non_null(strstr((const char *)out.ptr, cases[i].line));
    }
}

static void test_bad_wire_and_full_buffer_are_told(void **state)
{
    (void)state;
    struct bytes tiny;
    static const uint8_t wire[] = {0x0A, 0};
    arena_reset(&arena);
    assert_int_equal(
        debug_text_encode(SIGNAL_LOGS, DEBUG_NORMAL, slice_of(wire, 1), &arena, &counts, &out),
        FAULT_TRUNCATED);
    bytes_init(&tiny, 4);
    assert_int_equal(debug_text_encode(SIGNAL_LOGS, DEBUG_NORMAL, slice_of(wire, sizeof(wire)),
                                       &arena, &counts, &tiny),
                     FAULT_LIMIT);
    bytes_fini(&tiny);
    bytes_init(&tiny, 64);
    mem_fail_nth(1);
    assert_int_equal(debug_text_encode(SIGNAL_LOGS, DEBUG_NORMAL, slice_of(wire, sizeof(wire)),
                                       &arena, &counts, &tiny),
                     -ENOMEM);
    mem_fail_nth(0);
    bytes_fini(&tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum_with_exemplar_and_gauge_without_value),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_exponential_histogram),
        cmocka_unit_test(test_summary_and_metric_without_data),
        cmocka_unit_test(test_span),
        cmocka_unit_test(test_log_record),
        cmocka_unit_test(test_severities),
        cmocka_unit_test(test_bad_wire_and_full_buffer_are_told),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
