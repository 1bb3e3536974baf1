/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of prom_write: OTLP in, WriteRequests out, read back by a reader of the tests' own.
 *
 * Input is OTLP/JSON with single quotes; output is the text of tests/support/prom_write_text.h.
 */
#include "codecs/prom_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codecs/otlp_json.h"
#include "codecs/prom_write_wire.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_build.h"
#include "core/otlp/otlp_point.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "tests/support/prom_write_text.h"

#define METRICS_REQUEST                                                                            \
    (&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor)
#define JSON_MAX_BYTES 16384
#define SEED 7

/* Pieces of requests. */
#define TEXT(key, value) "{'key':'" key "','value':{'stringValue':'" value "'}}"
#define REQUEST(resource, scope, metrics)                                                          \
    "{'resourceMetrics':[{'resource':{'attributes':[" resource                                     \
    "]},'scopeMetrics':[{'scope':{" scope "},'metrics':[" metrics "]}]}]}"
#define GAUGE(name, points) "{'name':'" name "','gauge':{'dataPoints':[" points "]}}"
#define SUM(name, points)                                                                          \
    "{'name':'" name                                                                               \
    "','sum':{'isMonotonic':true,'aggregationTemporality':2,'dataPoints':[" points "]}}"
#define HISTOGRAM(name, points)                                                                    \
    "{'name':'" name "','histogram':{'aggregationTemporality':2,'dataPoints':[" points "]}}"
#define EXPHIST(name, points)                                                                      \
    "{'name':'" name "','exponentialHistogram':{'aggregationTemporality':2,'dataPoints':[" points  \
    "]}}"
#define SUMMARY(name, points) "{'name':'" name "','summary':{'dataPoints':[" points "]}}"
#define AT_1 "'timeUnixNano':'1000000000'"
#define AT_2 "'timeUnixNano':'2000000000'"
#define POINT(value) "{" AT_1 ",'asDouble':" value "}"
#define POINT_OF(value, attributes) "{" AT_1 ",'asDouble':" value ",'attributes':[" attributes "]}"

static struct prom_write_options options;
static struct prom_write pw;
static struct bytes wire;
static struct bytes request;
static struct bytes text;

static int set_up(void **state)
{
    (void)state;
    options = (struct prom_write_options){.has_suffixes = true,
                                          .has_scope_labels = true,
                                          .has_target_info = true,
                                          .request_max_bytes = 3000000};
    bytes_init(&wire, 1 << 26);
    bytes_init(&request, 1 << 26);
    bytes_init(&text, 1 << 26);
    return prom_write_init(&pw, &options, SEED);
}

static int tear_down(void **state)
{
    (void)state;
    prom_write_fini(&pw);
    bytes_fini(&wire);
    bytes_fini(&request);
    bytes_fini(&text);
    return 0;
}

/* Takes in one request; `json` with single quotes. */
static void add(const char *json, uint64_t item_count)
{
    char doubled[JSON_MAX_BYTES];
    size_t len = strlen(json);
    assert_in_range(len, 1, sizeof(doubled) - 1);
    for (size_t i = 0; i <= len; i++) {
        doubled[i] = json[i] == '\'' ? '"' : json[i];
    }
    bytes_clear(&wire);
    assert_int_equal(otlp_json_decode(METRICS_REQUEST, slice_of_text(doubled), &wire, NULL), 0);
    prom_write_add(&pw, bytes_slice(&wire), item_count);
}

/* All requests as text, and how many there were. */
static size_t take_all(uint64_t *item_count)
{
    size_t count = 0;
    uint64_t more = 0;
    bytes_clear(&text);
    *item_count = 0;
    while (prom_write_next(&pw, &request, &more)) {
        assert_int_equal(request.err, 0);
        (void)prom_write_text(bytes_slice(&request), &text);
        *item_count += more;
        count++;
    }
    bytes_append_byte(&text, 0);
    return count;
}

/* What was added becomes one request, of these lines. */
static void assert_text(const char *expected)
{
    uint64_t item_count = 0;
    size_t count = take_all(&item_count);
    assert_string_equal((const char *)text.ptr, expected);
    assert_int_equal(count, expected[0] == '\0' ? 0 : 1);
    assert_int_equal(item_count, pw.tally.written_count);
    prom_write_clear(&pw);
}

static void assert_becomes(const char *json, const char *expected)
{
    add(json, 1);
    assert_int_equal(pw.tally.written_count, 1);
    assert_text(expected);
}

static void assert_refused(const char *json, enum prom_write_refusal why)
{
    add(json, 1);
    assert_int_equal(pw.tally.written_count, 0);
    for (int i = 0; i < PROM_WRITE_REFUSAL_COUNT; i++) {
        assert_int_equal(pw.tally.refused_counts[i], i == (int)why ? 1 : 0);
    }
    assert_text("");
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void test_numbers_keep_their_value_and_time(void **state)
{
    (void)state;
    assert_becomes(REQUEST("", "", GAUGE("load", POINT("0.1"))), "{__name__=\"load\"} 0.1@1000\n");
    assert_becomes(REQUEST("", "", GAUGE("big", "{" AT_1 ",'asInt':'9007199254740993'}")),
                   "{__name__=\"big\"} 9007199254740992@1000\n");
    assert_becomes(REQUEST("", "", GAUGE("cold", "{" AT_2 ",'asInt':'-3'}")),
                   "{__name__=\"cold\"} -3@2000\n");
    assert_becomes(REQUEST("", "", GAUGE("odd", POINT("'NaN'"))), "{__name__=\"odd\"} nan@1000\n");
    assert_becomes(REQUEST("", "", GAUGE("odd", POINT("'-Infinity'"))),
                   "{__name__=\"odd\"} -inf@1000\n");
    assert_becomes(REQUEST("", "", GAUGE("odd", POINT("-0.0"))), "{__name__=\"odd\"} -0@1000\n");
    assert_becomes(REQUEST("", "", GAUGE("old", "{'asInt':'1'}")), "{__name__=\"old\"} 1@0\n");
}

static void test_names_have_namespace_unit_and_kind(void **state)
{
    (void)state;
    options.namespace = SLICE_LITERAL("shop");
    assert_becomes(REQUEST("", "", SUM("http.hits", POINT("7"))),
                   "{__name__=\"shop_http_hits_total\"} 7@1000\n");
    assert_becomes(REQUEST("", "",
                           "{'name':'wait','unit':'ms','sum':{'aggregationTemporality':2,"
                           "'dataPoints':[" POINT("7") "]}}"),
                   "{__name__=\"shop_wait_milliseconds\"} 7@1000\n");
    assert_becomes(
        REQUEST("", "", "{'name':'full','unit':'1','gauge':{'dataPoints':[" POINT("1") "]}}"),
        "{__name__=\"shop_full_ratio\"} 1@1000\n");
    options.has_suffixes = false;
    assert_becomes(REQUEST("", "", SUM("http.hits", POINT("7"))),
                   "{__name__=\"shop_http_hits\"} 7@1000\n");
    assert_refused(REQUEST("", "", GAUGE("", POINT("1"))), PROM_WRITE_NAME);
}

static void test_deltas_are_refused_and_shown(void **state)
{
    (void)state;
    static const char *const deltas[] = {
        REQUEST("", "",
                "{'name':'d','sum':{'aggregationTemporality':1,'dataPoints':[" POINT("1") "]}}"),
        REQUEST("", "",
                "{'name':'d','histogram':{'aggregationTemporality':1,'dataPoints':[{" AT_1
                ",'count':'1'}]}}"),
        REQUEST("", "",
                "{'name':'d','exponentialHistogram':{'aggregationTemporality':1,'dataPoints':["
                "{" AT_1 "}]}}"),
    };
    for (size_t i = 0; i < COUNT_OF(deltas); i++) {
        add(deltas[i], 1);
        assert_int_equal(pw.delta_name_len, 1);
        assert_memory_equal(pw.delta_name, "d", 1);
        prom_write_clear(&pw);
        assert_refused(deltas[i], PROM_WRITE_DELTA);
    }
    assert_int_equal(pw.delta_name_len, 0);
}

static void test_points_that_say_nothing_are_refused(void **state)
{
    (void)state;
    assert_refused(REQUEST("", "", GAUGE("g", "{" AT_1 "}")), PROM_WRITE_MALFORMED);
    assert_refused(REQUEST("", "", "{'name':'s','sum':{'dataPoints':[" POINT("1") "]}}"),
                   PROM_WRITE_MALFORMED);
}

static void test_bytes_that_are_no_request_are_refused(void **state)
{
    (void)state;
    prom_write_add(&pw, SLICE_LITERAL("\x0A\x7F"), 3);
    prom_write_add(&pw, SLICE_LITERAL("\x0A\x02\x12\x05"), 2);
    prom_write_add(&pw, (struct slice){0}, 1);
    assert_int_equal(pw.tally.refused_counts[PROM_WRITE_MALFORMED], 6);
    assert_text("");
}

/* --- labels ----------------------------------------------------------------------------------- */

static void test_labels_are_sorted_around_the_name(void **state)
{
    (void)state;
    assert_becomes(REQUEST("", "",
                           GAUGE("g", POINT_OF("1", TEXT("z", "4") "," TEXT("Zone", "1") "," TEXT(
                                                        "a.b", "2") "," TEXT("__x", "3")))),
                   "{Zone=\"1\",__name__=\"g\",a_b=\"2\",key__x=\"3\",z=\"4\"} 1@1000\n");
}

static void test_labels_of_one_name_are_joined_and_empty_ones_left_out(void **state)
{
    (void)state;
    assert_becomes(
        REQUEST("", "",
                GAUGE("g", POINT_OF("1", TEXT("a.b", "x") "," TEXT("a_b", "y") "," TEXT("c", "")))),
        "{__name__=\"g\",a_b=\"x;y\"} 1@1000\n");
}

static void test_values_of_all_types_become_text(void **state)
{
    (void)state;
    assert_becomes(REQUEST("", "",
                           GAUGE("g", POINT_OF("1", "{'key':'b','value':{'boolValue':true}},"
                                                    "{'key':'i','value':{'intValue':'-5'}},"
                                                    "{'key':'d','value':{'doubleValue':0.5}},"
                                                    "{'key':'l','value':{'arrayValue':{'values':["
                                                    "{'intValue':'1'}]}}}"))),
                   "{__name__=\"g\",b=\"true\",d=\"0.5\",i=\"-5\",l=\"[1]\"} 1@1000\n");
}

static void test_bad_utf8_is_mended(void **state)
{
    (void)state;
    static uint8_t buf[512];
    struct otlp_build b;
    const struct attr attr = {.key = SLICE_LITERAL("a"), .value = SLICE_LITERAL("x\xFFy\xC3")};
    const struct attr twin = {.key = SLICE_LITERAL("a_"), .value = SLICE_LITERAL("fine")};
    const struct attr attrs[] = {attr, twin, {.key = SLICE_LITERAL("a."), .value = attr.value}};
    const struct otlp_point point = {.time_unix_ns = 1000000, .attrs = attrs, .attr_count = 3};
    const struct otlp_metric metric = {.name = SLICE_LITERAL("g"), .data = OTLP_DATA_GAUGE};
    const struct otlp_envelope envelope = {0};
    otlp_build_init(&b, buf, sizeof(buf));
    assert_int_equal(otlp_envelope_begin(&b, &envelope), 0);
    size_t mark = otlp_build_mark(&b);
    otlp_build_number(&b, &point, (struct otlp_number){.f64 = 1});
    otlp_build_metric(&b, mark, &metric);
    assert_int_equal(b.err, 0);
    prom_write_add(&pw, otlp_envelope_end(&b, &envelope), 1);
    assert_text("{__name__=\"g\",a=\"x\xEF\xBF\xBDy\xEF\xBF\xBD\","
                "a_=\"fine;x\xEF\xBF\xBDy\xEF\xBF\xBD\"} 1@1\n");
}

static void test_too_many_labels_are_refused_and_forgotten(void **state)
{
    (void)state;
    static struct attr attrs[PROM_LABELS_MAX_COUNT + 1];
    static char names[PROM_LABELS_MAX_COUNT + 1][8];
    static uint8_t buf[65536];
    const struct otlp_metric metric = {.name = SLICE_LITERAL("g"), .data = OTLP_DATA_GAUGE};
    const struct otlp_envelope envelope = {0};
    struct otlp_build b;
    for (size_t i = 0; i < COUNT_OF(attrs); i++) {
        (void)snprintf(names[i], sizeof(names[i]), "l%03zu", i);
        attrs[i] = (struct attr){.key = slice_of_text(names[i]), .value = SLICE_LITERAL("v")};
    }
    otlp_build_init(&b, buf, sizeof(buf));
    assert_int_equal(otlp_envelope_begin(&b, &envelope), 0);
    size_t mark = otlp_build_mark(&b);
    for (size_t i = 0; i < 3; i++) {
        const struct otlp_point point = {.time_unix_ns = 1000000,
                                         .attrs = attrs,
                                         .attr_count =
                                             i == 1 ? COUNT_OF(attrs) : COUNT_OF(attrs) - 1 - i};
        otlp_build_number(&b, &point, (struct otlp_number){.f64 = 1});
    }
    otlp_build_metric(&b, mark, &metric);
    prom_write_add(&pw, otlp_envelope_end(&b, &envelope), 3);
    assert_int_equal(pw.tally.written_count, 2);
    assert_int_equal(pw.tally.refused_counts[PROM_WRITE_LABELS], 1);
}

static void test_job_and_instance_come_from_the_service(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {TEXT("service.name", "web"), "{__name__=\"g\",job=\"web\"} 1@1000\n"},
        {TEXT("service.name", "web") "," TEXT("service.namespace",
                                              "shop") "," TEXT("service.instance.id", "i1"),
         "{__name__=\"g\",instance=\"i1\",job=\"shop/web\"} 1@1000\n"},
        {TEXT("service.instance.id", "i1"), "{__name__=\"g\",instance=\"i1\"} 1@1000\n"},
        {"{'key':'service.name','value':{'intValue':'5'}}", "{__name__=\"g\",job=\"5\"} 1@1000\n"},
        {TEXT("service.namespace", "shop"), "{__name__=\"g\"} 1@1000\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char json[2048];
        (void)snprintf(json, sizeof(json),
                       "{'resourceMetrics':[{'resource':{'attributes':[%s]},'scopeMetrics':["
                       "{'metrics':[" GAUGE("g", POINT("1")) "]}]}]}",
                       rows[i][0]);
        assert_becomes(json, rows[i][1]);
    }
    /* They count whatever the point says. */
    assert_becomes(
        REQUEST(TEXT("service.name", "web"), "", GAUGE("g", POINT_OF("1", TEXT("job", "mine")))),
        "{__name__=\"g\",job=\"web\"} 1@1000\n");
}

static void test_target_info_has_what_else_is_known(void **state)
{
    (void)state;
    options.namespace = SLICE_LITERAL("n");
    add(REQUEST(TEXT("service.name", "web") "," TEXT("host.name", "h"), "",
                GAUGE("g", POINT("1") ",{" AT_2 ",'asDouble':2}")),
        2);
    assert_text("{__name__=\"n_g\",job=\"web\"} 1@1000 2@2000\n"
                "{__name__=\"n_target_info\",host_name=\"h\",job=\"web\"} 1@2000\n");
    /* Nobody to join it with; no time; switched off. */
    assert_becomes(REQUEST(TEXT("host.name", "h"), "", GAUGE("g", POINT("1"))),
                   "{__name__=\"n_g\"} 1@1000\n");
    assert_becomes(REQUEST(TEXT("service.name", "web") "," TEXT("host.name", "h"), "",
                           GAUGE("g", "{'asDouble':1}")),
                   "{__name__=\"n_g\",job=\"web\"} 1@0\n");
    options.has_target_info = false;
    assert_becomes(
        REQUEST(TEXT("service.name", "web") "," TEXT("host.name", "h"), "", GAUGE("g", POINT("1"))),
        "{__name__=\"n_g\",job=\"web\"} 1@1000\n");
}

static void test_external_labels_give_way(void **state)
{
    (void)state;
    const struct prom_write_label labels[] = {
        {SLICE_LITERAL("zone"), SLICE_LITERAL("eu")},
        {SLICE_LITERAL("job"), SLICE_LITERAL("never")},
        {SLICE_LITERAL("env"), SLICE_LITERAL("never")},
    };
    options.external_labels = labels;
    options.external_label_count = COUNT_OF(labels);
    assert_becomes(
        REQUEST(TEXT("service.name", "web"), "", GAUGE("g", POINT_OF("1", TEXT("env", "test")))),
        "{__name__=\"g\",env=\"test\",job=\"web\",zone=\"eu\"} 1@1000\n");
}

#define SCOPE "'name':'lib','version':'1.2','attributes':[" TEXT("team", "a") "]"

static void test_scopes_are_labels_unless_switched_off(void **state)
{
    (void)state;
    assert_becomes(REQUEST("", SCOPE, GAUGE("g", POINT("1"))),
                   "{__name__=\"g\",otel_scope_name=\"lib\",otel_scope_team=\"a\","
                   "otel_scope_version=\"1.2\"} 1@1000\n");
    options.has_scope_labels = false;
    assert_becomes(REQUEST("", SCOPE, GAUGE("g", POINT("1"))), "{__name__=\"g\"} 1@1000\n");
}

#define RESOURCE TEXT("service.name", "web") "," TEXT("host.name", "h") "," TEXT("env", "r")

static void test_resource_attributes_become_labels_when_asked(void **state)
{
    (void)state;
    options.has_target_info = false;
    options.has_resource_labels = true;
    assert_becomes(REQUEST(RESOURCE, "", GAUGE("g", POINT_OF("1", TEXT("env", "p")))),
                   "{__name__=\"g\",env=\"p\",host_name=\"h\",job=\"web\",service_name=\"web\"} "
                   "1@1000\n");
    options.leaves_out_service_attrs = true;
    assert_becomes(REQUEST(RESOURCE, "", GAUGE("g", POINT("1"))),
                   "{__name__=\"g\",env=\"r\",host_name=\"h\",job=\"web\"} 1@1000\n");
}

/* --- histograms and summaries ----------------------------------------------------------------- */

#define BUCKETS "'count':'6','bucketCounts':['1','2','3'],'explicitBounds':[0.00001,2.5]"

static void test_histograms_have_buckets_count_and_sum(void **state)
{
    (void)state;
    assert_becomes(
        REQUEST("", "",
                HISTOGRAM("size", "{" AT_1 "," BUCKETS ",'sum':9.5,'attributes':[" TEXT(
                                      "le", "mine") "," TEXT("Z", "z") "," TEXT("fine", "f") "]}")),
        "{Z=\"z\",__name__=\"size_count\",exported_le=\"mine\",fine=\"f\"} 6@1000\n"
        "{Z=\"z\",__name__=\"size_sum\",exported_le=\"mine\",fine=\"f\"} 9.5@1000\n"
        "{Z=\"z\",__name__=\"size_bucket\",exported_le=\"mine\",fine=\"f\","
        "le=\"0.00001\"} 1@1000\n"
        "{Z=\"z\",__name__=\"size_bucket\",exported_le=\"mine\",fine=\"f\","
        "le=\"2.5\"} 3@1000\n"
        "{Z=\"z\",__name__=\"size_bucket\",exported_le=\"mine\",fine=\"f\","
        "le=\"+Inf\"} 6@1000\n");
    /* Without a sum, without buckets, with a bound that is infinite. */
    assert_becomes(REQUEST("", "", HISTOGRAM("size", "{" AT_1 ",'count':'2'}")),
                   "{__name__=\"size_count\"} 2@1000\n"
                   "{__name__=\"size_bucket\",le=\"+Inf\"} 2@1000\n");
    assert_becomes(REQUEST("", "",
                           HISTOGRAM("size", "{" AT_1 ",'count':'2','bucketCounts':['2','0'],"
                                             "'explicitBounds':['Infinity']}")),
                   "{__name__=\"size_count\"} 2@1000\n"
                   "{__name__=\"size_bucket\",le=\"+Inf\"} 2@1000\n");
}

static void test_exemplars_go_to_their_bucket(void **state)
{
    (void)state;
    assert_becomes(
        REQUEST("", "",
                HISTOGRAM("size",
                          "{" AT_1 "," BUCKETS ",'exemplars':["
                          "{'timeUnixNano':'900000000','asDouble':2.5,"
                          "'traceId':'0102030405060708090a0b0c0d0e0f10',"
                          "'spanId':'00000000000000ff','filteredAttributes':[" TEXT(
                              "user.id", "u") "]},"
                                              "{'asInt':'7'},{'timeUnixNano':'900000000'}]}")),
        "{__name__=\"size_count\"} 6@1000\n"
        "{__name__=\"size_bucket\",le=\"0.00001\"} 1@1000\n"
        "{__name__=\"size_bucket\",le=\"2.5\"} "
        "#{span_id=\"00000000000000ff\",trace_id=\"0102030405060708090a0b0c0d0e0f10\","
        "user_id=\"u\"}2.5@900 3@1000\n"
        "{__name__=\"size_bucket\",le=\"+Inf\"} 6@1000 #{}7@1000\n");
}

#define LONG_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_exemplars_that_say_too_much_keep_their_ids(void **state)
{
    (void)state;
    /* "trace_id" and 32 digits are 40 characters, "k" and its value 88: 128 just fit. */
    static const char format[] =
        "{'resourceMetrics':[{'scopeMetrics':[{'metrics':[{'name':'s','sum':{'isMonotonic':true,"
        "'aggregationTemporality':2,'dataPoints':[{'timeUnixNano':'1000000000','asInt':'1',"
        "'exemplars':[{'asInt':'1','traceId':'ffffffffffffffffffffffffffffffff',"
        "'filteredAttributes':[{'key':'k','value':{'stringValue':'%s'}}]}]}]}}]}]}]}";
    static const char *const values[] = {LONG_64 "01234567890123456789abc",
                                         LONG_64 "01234567890123456789abcd"};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        char json[2048];
        char expected[1024];
        (void)snprintf(json, sizeof(json), format, values[i]);
        (void)snprintf(expected, sizeof(expected),
                       "{__name__=\"s_total\"} 1@1000 #{%s%s%strace_id=\"%s\"}1@1000\n",
                       i == 0 ? "k=\"" : "", i == 0 ? values[i] : "", i == 0 ? "\"," : "",
                       "ffffffffffffffffffffffffffffffff");
        assert_becomes(json, expected);
    }
}

static void test_summaries_have_quantiles(void **state)
{
    (void)state;
    assert_becomes(REQUEST("", "",
                           SUMMARY("t", "{" AT_1 ",'count':'3','sum':9,'quantileValues':["
                                        "{'quantile':0.5,'value':2},"
                                        "{'quantile':1,'value':'NaN'}],'attributes':[" TEXT(
                                            "quantile", "mine") "," TEXT("z", "z") "]}")),
                   "{__name__=\"t_count\",exported_quantile=\"mine\",z=\"z\"} 3@1000\n"
                   "{__name__=\"t_sum\",exported_quantile=\"mine\",z=\"z\"} 9@1000\n"
                   "{__name__=\"t\",exported_quantile=\"mine\",quantile=\"0.5\",z=\"z\"} 2@1000\n"
                   "{__name__=\"t\",exported_quantile=\"mine\",quantile=\"1\",z=\"z\"} nan@1000\n");
}

static void test_exponential_histograms_become_native_ones(void **state)
{
    (void)state;
    /* Index 0 of OTLP is the bucket (1, base], which is Prometheus' index 1. Gaps of two are
     * filled, wider ones begin a new span. */
    assert_becomes(REQUEST("", "",
                           EXPHIST("x", "{" AT_1 ",'count':'15','sum':42.5,'scale':1,"
                                        "'zeroCount':'2','positive':{'offset':-1,'bucketCounts':"
                                        "['0','1','0','0','2','0','0','0','3']},"
                                        "'negative':{'offset':4,'bucketCounts':['7']}}")),
                   "{__name__=\"x\"} h[schema=1 count=15 sum=42.5 zt=1e-128 zero=2 "
                   "pos=(1,4)(3,1)1,0,0,2,3 neg=(5,1)7 @1000]\n");
    assert_becomes(
        REQUEST("", "", EXPHIST("x", "{" AT_1 ",'count':'0','scale':0,'zeroThreshold':0.25}")),
        "{__name__=\"x\"} h[schema=0 count=0 sum=0 zt=0.25 zero=0 @1000]\n");
}

static void test_fine_buckets_are_merged_to_schema_8(void **state)
{
    (void)state;
    /* Scale 10: four buckets become one. -5 … 2 are the merged indexes -2, -1 and 0. */
    assert_becomes(REQUEST("", "",
                           EXPHIST("x", "{" AT_1 ",'count':'36','scale':10,'positive':{"
                                        "'offset':-5,'bucketCounts':"
                                        "['1','2','3','4','5','6','7','8']}}")),
                   "{__name__=\"x\"} h[schema=8 count=36 sum=0 zt=1e-128 zero=0 "
                   "pos=(-1,3)1,14,21 @1000]\n");
    assert_becomes(REQUEST("", "",
                           EXPHIST("x", "{" AT_1 ",'count':'3','scale':2000000000,'positive':{"
                                        "'offset':-1,'bucketCounts':['1','2']}}")),
                   "{__name__=\"x\"} h[schema=8 count=3 sum=0 zt=1e-128 zero=0 "
                   "pos=(0,2)1,2 @1000]\n");
}

static void test_histograms_that_prometheus_would_refuse_are_refused(void **state)
{
    (void)state;
    assert_becomes(REQUEST("", "", EXPHIST("x", "{" AT_1 ",'count':'1','scale':-4,'zeroCount':1}")),
                   "{__name__=\"x\"} h[schema=-4 count=1 sum=0 zt=1e-128 zero=1 @1000]\n");
    assert_refused(REQUEST("", "", EXPHIST("x", "{" AT_1 ",'count':'1','scale':-5,'zeroCount':1}")),
                   PROM_WRITE_SCALE);
    assert_refused(REQUEST("", "", EXPHIST("x", "{" AT_1 ",'count':'2','scale':0,'zeroCount':1}")),
                   PROM_WRITE_MALFORMED);
    assert_refused(REQUEST("", "",
                           EXPHIST("x", "{" AT_1 ",'count':'1','scale':0,'positive':{"
                                        "'offset':2147483647,'bucketCounts':['1']}}")),
                   PROM_WRITE_MALFORMED);
    /* What was observed as NaN is in the count and in no bucket. */
    assert_becomes(REQUEST("", "",
                           EXPHIST("x", "{" AT_1 ",'count':'2','sum':'NaN','scale':0,"
                                        "'zeroCount':1}")),
                   "{__name__=\"x\"} h[schema=0 count=2 sum=nan zt=1e-128 zero=1 @1000]\n");
}

static void test_series_that_ended_get_a_stale_marker(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {GAUGE("g", "{" AT_1 ",'flags':1}"), "{__name__=\"g\"} stale@1000\n"},
        {SUM("s", "{" AT_1 ",'flags':1,'asInt':'5','exemplars':[{'asInt':'1'}]}"),
         "{__name__=\"s_total\"} stale@1000\n"},
        {HISTOGRAM("h", "{" AT_1 ",'flags':1,'bucketCounts':['0','0'],'explicitBounds':[1]}"),
         "{__name__=\"h_count\"} stale@1000\n"
         "{__name__=\"h_bucket\",le=\"1\"} stale@1000\n"
         "{__name__=\"h_bucket\",le=\"+Inf\"} stale@1000\n"},
        {EXPHIST("x", "{" AT_1 ",'flags':1,'count':'9'}"),
         "{__name__=\"x\"} h[schema=0 count=0 sum=stale zt=1e-128 zero=0 @1000]\n"},
        {SUMMARY("t", "{" AT_1 ",'flags':1,'quantileValues':[{'quantile':0.5}]}"),
         "{__name__=\"t_count\"} stale@1000\n"
         "{__name__=\"t_sum\"} stale@1000\n"
         "{__name__=\"t\",quantile=\"0.5\"} stale@1000\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char json[2048];
        (void)snprintf(json, sizeof(json),
                       "{'resourceMetrics':[{'scopeMetrics':[{'metrics':[%s]}]}]}", rows[i][0]);
        assert_becomes(json, rows[i][1]);
    }
}

static void test_decimals_have_no_exponent(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *shown;
    } rows[] = {
        {0, "0"},
        {-0.5, "-0.5"},
        {1e-7, "0.0000001"},
        {1.25e-6, "0.00000125"},
        {-2.5e-10, "-0.00000000025"},
        {1e21, "1000000000000000000000"},
        {1.5e300 / 1e276, "1500000000000000000000000"},
        {123456789.125, "123456789.125"},
        {0.1, "0.1"},
        {(double)INFINITY, "+Inf"},
        {-(double)INFINITY, "-Inf"},
        {(double)NAN, "NaN"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bytes_clear(&text);
        prom_wire_decimal(&text, rows[i].value);
        bytes_append_byte(&text, 0);
        assert_string_equal((const char *)text.ptr, rows[i].shown);
    }
}

/* --- batches ---------------------------------------------------------------------------------- */

static void test_samples_of_a_series_are_put_together_in_order(void **state)
{
    (void)state;
    add(REQUEST("", "", SUM("s", "{" AT_2 ",'asInt':'2'}")), 1);
    add(REQUEST("", "", GAUGE("g", POINT("5"))), 1);
    add(REQUEST("", "",
                SUM("s", "{" AT_1 ",'asInt':'1'},{" AT_2 ",'asInt':'2'},{" AT_2 ",'asInt':'3'}")),
        3);
    assert_int_equal(pw.tally.written_count, 5);
    assert_text("{__name__=\"s_total\"} 1@1000 2@2000 3@2000\n"
                "{__name__=\"g\"} 5@1000\n");
}

static void test_metadata_goes_once_and_by_itself(void **state)
{
    (void)state;
    uint64_t item_count = 0;
    options.has_metadata = true;
    static const char json[] = REQUEST(
        "", "",
        "{'name':'hits','description':'How often.','unit':'{hit}','sum':{'isMonotonic':true,"
        "'aggregationTemporality':2,'dataPoints':[" POINT("7") "]}}," GAUGE(
            "g", POINT("1")) "," SUMMARY("t", "{" AT_1
                                              "}") "," EXPHIST("x", "{" AT_1
                                                                    "}") ","
                                                                         "{'name':'d','sum':{'"
                                                                         "aggregationTemporality':"
                                                                         "1,'dataPoints':[" POINT(
                                                                             "1") "]}}");
    add(json, 5);
    add(json, 5);
    assert_int_equal(pw.tally.written_count, 8);
    assert_int_equal(take_all(&item_count), 2);
    assert_int_equal(item_count, 8);
    const char *metadata = strstr((const char *)text.ptr, "meta");
    assert_non_null(metadata);
    assert_string_equal(metadata, "meta counter hits_total \"How often.\" \"{hit}\"\n"
                                  "meta gauge g \"\" \"\"\n"
                                  "meta summary t \"\" \"\"\n"
                                  "meta histogram x \"\" \"\"\n");
}

/* SplitMix64. */
static uint64_t draw(uint64_t *seed)
{
    *seed += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ (mixed >> 31);
}

#define SERIES_COUNT 1500

/* Every double there is, more often than not an odd one. */
static double draw_double(uint64_t *seed)
{
    static const double odd[] = {0,    -0.0, 0.1, 1e308, 5e-324, (double)INFINITY,
                                 -1.5, 1e21, 3,   -7,    1e-300, -(double)INFINITY};
    uint64_t bits = draw(seed);
    double value = 0;
    memcpy(&value, &bits, sizeof(value));
    return bits % 3 == 0 || isnan(value) ? odd[draw(seed) % COUNT_OF(odd)] : value;
}

/* A gauge per series with two points each, as one request in `buf`. */
static struct slice build_gauges(uint8_t *buf, size_t bytes, const double *values)
{
    const struct otlp_metric metric = {.name = SLICE_LITERAL("g"), .data = OTLP_DATA_GAUGE};
    const struct otlp_envelope envelope = {0};
    struct otlp_build b;
    otlp_build_init(&b, buf, bytes);
    assert_int_equal(otlp_envelope_begin(&b, &envelope), 0);
    size_t mark = otlp_build_mark(&b);
    for (size_t i = SERIES_COUNT * 2; i > 0; i--) {
        char name[16];
        (void)snprintf(name, sizeof(name), "s%zu", (i - 1) % SERIES_COUNT);
        const struct attr attr = {.key = SLICE_LITERAL("series"), .value = slice_of_text(name)};
        const struct otlp_point point = {
            .time_unix_ns = i <= SERIES_COUNT ? 2000000 : 1000000, .attrs = &attr, .attr_count = 1};
        otlp_build_number(&b, &point, (struct otlp_number){.f64 = values[i - 1]});
    }
    otlp_build_metric(&b, mark, &metric);
    assert_int_equal(b.err, 0);
    return otlp_envelope_end(&b, &envelope);
}

static void expect_gauges(const double *values, struct bytes *out)
{
    for (size_t i = 0; i < SERIES_COUNT; i++) {
        uint64_t bits[2];
        char line[256];
        struct bytes label;
        bytes_init(&label, 4096);
        memcpy(&bits[0], &values[i + SERIES_COUNT], sizeof(bits[0]));
        memcpy(&bits[1], &values[i], sizeof(bits[1]));
        (void)snprintf(line, sizeof(line), "s%zu", i);
        struct bytes series;
        bytes_init(&series, 4096);
        prom_wire_label(&series, SLICE_LITERAL("__name__"), SLICE_LITERAL("g"));
        prom_wire_label(&series, SLICE_LITERAL("series"), slice_of_text(line));
        prom_wire_sample(&series, bits[0], 1);
        prom_wire_sample(&series, bits[1], 2);
        prom_wire_head(&label, PROM_TAG_REQUEST_SERIES, series.len);
        bytes_append(&label, series.ptr, series.len);
        bytes_append(out, label.ptr, label.len);
        bytes_fini(&label);
        bytes_fini(&series);
    }
}

static void test_any_value_arrives_however_requests_are_cut(void **state)
{
    (void)state;
    static double values[SERIES_COUNT * 2];
    static uint8_t buf[1 << 20];
    static const size_t limits[] = {1, 60, 1000, 10000, 100000, 3000000};
    uint64_t seed = 42;
    struct bytes expected;
    bytes_init(&expected, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        values[i] = draw_double(&seed);
    }
    expect_gauges(values, &expected);
    struct slice gauges = build_gauges(buf, sizeof(buf), values);
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        uint64_t items = 0;
        uint64_t more = 0;
        size_t at = 0;
        options.request_max_bytes = limits[i];
        prom_write_add(&pw, gauges, SERIES_COUNT * 2);
        bytes_clear(&text);
        while (prom_write_next(&pw, &request, &more)) {
            struct prom_write_counts counts = prom_write_text(bytes_slice(&request), &text);
            assert_true(request.len <= limits[i] || counts.series_count == 1);
            assert_int_equal(counts.sample_count, more);
            assert_true(request.len <= expected.len - at);
            assert_memory_equal(request.ptr, expected.ptr + at, request.len);
            at += request.len;
            items += more;
        }
        assert_int_equal(at, expected.len);
        assert_int_equal(items, SERIES_COUNT * 2);
        prom_write_clear(&pw);
    }
    bytes_fini(&expected);
}

static void test_a_point_is_never_taken_apart(void **state)
{
    (void)state;
    uint64_t item_count = 0;
    options.request_max_bytes = 1;
    add(REQUEST("", "", HISTOGRAM("size", "{" AT_1 "," BUCKETS ",'sum':1}")), 1);
    add(REQUEST("", "", GAUGE("g", POINT("1"))), 1);
    add(REQUEST("", "", HISTOGRAM("size", "{" AT_2 "," BUCKETS ",'sum':2}")), 1);
    assert_true(prom_write_next(&pw, &request, &item_count));
    assert_int_equal(item_count, 2);
    struct prom_write_counts counts = prom_write_text(bytes_slice(&request), &text);
    assert_int_equal(counts.series_count, 5);
    assert_int_equal(counts.sample_count, 10);
    assert_true(prom_write_next(&pw, &request, &item_count));
    assert_int_equal(item_count, 1);
    assert_false(prom_write_next(&pw, &request, &item_count));
}

static void test_many_samples_of_one_series_are_sorted_soon(void **state)
{
    (void)state;
    static uint8_t buf[1 << 21];
    enum { COUNT = 40000 };
    const struct otlp_metric metric = {.name = SLICE_LITERAL("g"), .data = OTLP_DATA_GAUGE};
    const struct otlp_envelope envelope = {0};
    struct otlp_build b;
    uint64_t seed = 1;
    uint64_t item_count = 0;
    otlp_build_init(&b, buf, sizeof(buf));
    assert_int_equal(otlp_envelope_begin(&b, &envelope), 0);
    size_t mark = otlp_build_mark(&b);
    for (uint32_t i = 0; i < COUNT; i++) {
        const struct otlp_point point = {.time_unix_ns = (1 + draw(&seed) % 1000) * 1000000};
        otlp_build_number(&b, &point, (struct otlp_number){.f64 = i});
    }
    otlp_build_metric(&b, mark, &metric);
    assert_int_equal(b.err, 0);
    prom_write_add(&pw, otlp_envelope_end(&b, &envelope), COUNT);
    assert_true(prom_write_next(&pw, &request, &item_count));
    assert_int_equal(item_count, COUNT);
    struct prom_write_counts counts = prom_write_text(bytes_slice(&request), &text);
    assert_int_equal(counts.sample_count, COUNT);
    int64_t last_ms = 0;
    for (size_t i = 0; i < text.len; i++) {
        int64_t time_ms = 0;
        for (size_t at = i + 1; text.ptr[i] == '@' && at < text.len && text.ptr[at] >= '0'; at++) {
            time_ms = time_ms * 10 + text.ptr[at] - '0';
        }
        assert_true(text.ptr[i] != '@' || time_ms >= last_ms);
        last_ms = text.ptr[i] == '@' ? time_ms : last_ms;
    }
}

static void test_init_survives_every_failed_allocation(void **state)
{
    (void)state;
    struct prom_write other;
    int err = -ENOMEM;
    uint64_t nth = 1;
    for (; err != 0; nth++) {
        mem_fail_nth(nth);
        err = prom_write_init(&other, &options, SEED);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
        prom_write_fini(&other);
    }
    assert_true(nth > 4);
}

static void test_points_without_memory_are_refused(void **state)
{
    (void)state;
    static const char json[] =
        REQUEST(TEXT("service.name", "web"), "",
                GAUGE("g", POINT("1")) "," HISTOGRAM("size", "{" AT_1 "," BUCKETS "}"));
    for (uint64_t nth = 1; nth < 40; nth++) {
        struct prom_write other;
        uint64_t seen = 0;
        bytes_clear(&wire);
        add(json, 2); /* fills `wire` */
        prom_write_clear(&pw);
        assert_int_equal(prom_write_init(&other, &options, SEED), 0);
        mem_fail_nth(nth);
        prom_write_add(&other, bytes_slice(&wire), 2);
        mem_fail_nth(0);
        seen = other.tally.written_count + other.tally.refused_counts[PROM_WRITE_MEMORY];
        assert_int_equal(seen, 2);
        prom_write_fini(&other);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_numbers_keep_their_value_and_time),
        TEST(test_names_have_namespace_unit_and_kind),
        TEST(test_deltas_are_refused_and_shown),
        TEST(test_points_that_say_nothing_are_refused),
        TEST(test_bytes_that_are_no_request_are_refused),
        TEST(test_labels_are_sorted_around_the_name),
        TEST(test_labels_of_one_name_are_joined_and_empty_ones_left_out),
        TEST(test_values_of_all_types_become_text),
        TEST(test_bad_utf8_is_mended),
        TEST(test_too_many_labels_are_refused_and_forgotten),
        TEST(test_job_and_instance_come_from_the_service),
        TEST(test_target_info_has_what_else_is_known),
        TEST(test_external_labels_give_way),
        TEST(test_scopes_are_labels_unless_switched_off),
        TEST(test_resource_attributes_become_labels_when_asked),
        TEST(test_histograms_have_buckets_count_and_sum),
        TEST(test_exemplars_go_to_their_bucket),
        TEST(test_exemplars_that_say_too_much_keep_their_ids),
        TEST(test_summaries_have_quantiles),
        TEST(test_exponential_histograms_become_native_ones),
        TEST(test_fine_buckets_are_merged_to_schema_8),
        TEST(test_histograms_that_prometheus_would_refuse_are_refused),
        TEST(test_series_that_ended_get_a_stale_marker),
        TEST(test_decimals_have_no_exponent),
        TEST(test_samples_of_a_series_are_put_together_in_order),
        TEST(test_metadata_goes_once_and_by_itself),
        TEST(test_any_value_arrives_however_requests_are_cut),
        TEST(test_a_point_is_never_taken_apart),
        TEST(test_many_samples_of_one_series_are_sorted_soon),
        TEST(test_init_survives_every_failed_allocation),
        TEST(test_points_without_memory_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
