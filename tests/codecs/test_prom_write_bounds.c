/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of prom_write where something has no room: points are whole or not there, what belongs to
 * no point is counted when it is left out, and points that share a series stay together.
 *
 * Input is OTLP/JSON with single quotes; output is the text of tests/support/prom_write_text.h.
 */
#include "codecs/prom_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "codecs/otlp_json.h"
#include "core/base/mem.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "tests/support/prom_write_text.h"

#define METRICS_REQUEST                                                                            \
    (&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor)
#define JSON_MAX_BYTES (2 * 1024 * 1024)
#define SEED 7

#define TEXT(key, value) "{'key':'" key "','value':{'stringValue':'" value "'}}"
#define REQUEST(resource, metrics)                                                                 \
    "{'resourceMetrics':[{'resource':{'attributes':[" resource                                     \
    "]},'scopeMetrics':[{'metrics':[" metrics "]}]}]}"
#define GAUGE(name, point) "{'name':'" name "','gauge':{'dataPoints':[" point "]}}"
#define HISTOGRAM(name, point)                                                                     \
    "{'name':'" name "','histogram':{'aggregationTemporality':2,'dataPoints':[" point "]}}"
#define SUMMARY(name, point) "{'name':'" name "','summary':{'dataPoints':[" point "]}}"
#define AT_1 "'timeUnixNano':'1000000000'"
#define AT_2 "'timeUnixNano':'2000000000'"
#define AT_3 "'timeUnixNano':'3000000000'"
#define BUCKETS "'count':'6','sum':9,'bucketCounts':['1','2','3'],'explicitBounds':[0.5,2.5]"

static struct prom_write_options options;
static struct prom_write pw;
static struct bytes wire;
static struct bytes request;
static struct bytes text;
static char json[JSON_MAX_BYTES];

static int set_up(void **state)
{
    (void)state;
    options = (struct prom_write_options){.has_target_info = true, .request_max_bytes = 3000000};
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

/* The bytes of one request, borrowed until the next; `format` with single quotes. */
WEIR_PRINTF(1, 2)
static struct slice wire_of(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(json, sizeof(json), format, arguments);
    va_end(arguments);
    assert_in_range(len, 1, sizeof(json) - 1);
    for (int i = 0; i < len; i++) {
        json[i] = json[i] == '\'' ? '"' : json[i];
    }
    bytes_clear(&wire);
    assert_int_equal(otlp_json_decode(METRICS_REQUEST, slice_of_text(json), &wire, NULL), 0);
    return bytes_slice(&wire);
}

/* The next request as text; false where there is none. */
static bool take_one(struct prom_write *from, uint64_t *item_count)
{
    bytes_clear(&text);
    bool has_one = prom_write_next(from, &request, item_count);
    assert_int_equal(request.err, 0);
    assert_int_equal(request.len > 0, has_one);
    if (has_one) {
        (void)prom_write_text(bytes_slice(&request), &text);
    }
    bytes_append_byte(&text, 0);
    return has_one;
}

static size_t count_text(const char *part)
{
    size_t count = 0;
    const char *at = strstr((const char *)text.ptr, part);
    for (; at != NULL; at = strstr(at + 1, part)) {
        count++;
    }
    return count;
}

/* --- memory ----------------------------------------------------------------------------------- */

#define THREE_POINTS                                                                               \
    REQUEST("", HISTOGRAM("size", "{" AT_1 "," BUCKETS "}") "," HISTOGRAM(                         \
                    "size", "{" AT_2 "," BUCKETS "}") "," SUMMARY("t",                             \
                                                                  "{" AT_3 ",'count':'3','sum':9," \
                                                                  "'quantileValues':["             \
                                                                  "{'quantile':0.5,'value':2},"    \
                                                                  "{'quantile':1,'value':3}]}"))

/* Each of the three points has all its samples or none, as the tally says. How many have. */
static uint64_t check_three_points(struct prom_write *from)
{
    uint64_t item_count = 0;
    uint64_t written = from->tally.written_count;
    assert_int_equal(written + from->tally.refused_counts[PROM_WRITE_MEMORY], 3);
    bool has_any = take_one(from, &item_count);
    assert_int_equal(has_any, written > 0);
    assert_int_equal(item_count, written);
    size_t counts[] = {count_text("@1000"), count_text("@2000"), count_text("@3000")};
    static const size_t whole_counts[] = {5, 5, 4};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        assert_true(counts[i] == 0 || counts[i] == whole_counts[i]);
        written -= counts[i] > 0 ? 1 : 0;
    }
    assert_int_equal(written, 0);
    assert_false(prom_write_next(from, &request, &item_count));
    return from->tally.written_count;
}

static void test_a_full_set_ends_between_points(void **state)
{
    (void)state;
    struct slice points = wire_of("%s", THREE_POINTS);
    uint64_t written = 0;
    uint64_t seen = 0; /* a bit for each number of points that were written */
    for (size_t room = 0; written < 3; room += ARENA_ALIGNMENT_BYTES) {
        assert_true(room < 65536);
        pw.series.arena.max_bytes = room;
        prom_write_add(&pw, points, 3);
        written = check_three_points(&pw);
        seen |= UINT64_C(1) << written;
        prom_write_clear(&pw);
    }
    assert_int_equal(seen, 0xF);
}

static void test_refused_memory_ends_between_points(void **state)
{
    (void)state;
    struct slice points = wire_of("%s", THREE_POINTS);
    for (uint64_t nth = 1; nth < 60; nth++) {
        struct prom_write other;
        assert_int_equal(prom_write_init(&other, &options, SEED), 0);
        mem_fail_nth(nth);
        prom_write_add(&other, points, 3);
        mem_fail_nth(0);
        (void)check_three_points(&other);
        prom_write_fini(&other);
    }
}

/* --- what is no item -------------------------------------------------------------------------- */

static void fill_text(char *out, size_t len)
{
    memset(out, 'v', len);
    out[len] = '\0';
}

static void test_a_target_info_without_room_is_counted(void **state)
{
    (void)state;
    static char value[PROM_LABELS_MAX_BYTES + 1];
    static const char format[] = REQUEST(TEXT("service.name", "web") "," TEXT("a", "%s"),
                                         GAUGE("g", "{" AT_1 ",'asInt':'1'}"));
    uint64_t item_count = 0;
    for (int i = 0; i < 2; i++) {
        fill_text(value, i == 0 ? sizeof(value) / 2 : sizeof(value) - 1);
        prom_write_add(&pw, wire_of(format, value), 1);
        assert_int_equal(pw.tally.left_out_infos, i);
        assert_int_equal(pw.tally.left_out_metadata, 0);
        assert_int_equal(pw.tally.written_count, 1);
        assert_true(take_one(&pw, &item_count));
        assert_int_equal(count_text("target_info"), 1 - i);
        assert_int_equal(count_text("{__name__=\"g\",job=\"web\"} 1@1000\n"), 1);
        prom_write_clear(&pw);
        assert_int_equal(pw.tally.left_out_infos, 0);
    }
}

static void test_metadata_without_room_is_counted(void **state)
{
    (void)state;
    static char help[1024 * 1024 + 2];
    static const char format[] = REQUEST("", "{'name':'g','description':'%s','gauge':{"
                                             "'dataPoints':[{" AT_1 ",'asInt':'1'}]}}");
    uint64_t item_count = 0;
    options.has_metadata = true;
    for (size_t i = 0; i < 2; i++) {
        fill_text(help, 1024 * 1024 + i);
        prom_write_add(&pw, wire_of(format, help), 1);
        assert_int_equal(pw.tally.left_out_metadata, i);
        assert_int_equal(pw.tally.written_count, 1);
        assert_true(take_one(&pw, &item_count));
        assert_int_equal(item_count, 1);
        assert_int_equal(pw.described_count, 0);
        assert_int_equal(take_one(&pw, &item_count), i == 0);
        assert_int_equal(pw.described_count, i == 0 ? 1 : 0);
        prom_write_clear(&pw);
    }
}

/* "trace_id" stays, as it does beside an attribute of a hundred characters. */
static void test_an_exemplar_keeps_its_ids_whatever_stands_beside_them(void **state)
{
    (void)state;
    static char value[2 * PROM_LABELS_MAX_BYTES];
    static const char format[] = REQUEST(
        "", "{'name':'s','sum':{'isMonotonic':true,'aggregationTemporality':2,'dataPoints':[{" AT_1
            ",'asInt':'1','exemplars':[{'asInt':'1','traceId':'ffffffffffffffffffffffffffffffff',"
            "'filteredAttributes':[" TEXT("k", "%s") "]}]}]}}");
    static const size_t lens[] = {200, PROM_LABELS_MAX_BYTES, sizeof(value) - 1};
    uint64_t item_count = 0;
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        fill_text(value, lens[i]);
        prom_write_add(&pw, wire_of(format, value), 1);
        assert_true(take_one(&pw, &item_count));
        assert_string_equal((const char *)text.ptr,
                            "{__name__=\"s\"} 1@1000 "
                            "#{trace_id=\"ffffffffffffffffffffffffffffffff\"}1@1000\n");
        prom_write_clear(&pw);
    }
}

/* --- groups ----------------------------------------------------------------------------------- */

/* Names that collide tie points together which came from different metrics. */
static void test_points_that_share_a_series_go_together(void **state)
{
    (void)state;
    static const char *const requests[] = {
        REQUEST("", GAUGE("size_sum", "{" AT_1 ",'asInt':'1'}")),
        REQUEST("", GAUGE("other", "{" AT_1 ",'asInt':'1'}")),
        REQUEST("", GAUGE("size_count", "{" AT_1 ",'asInt':'1'}")),
        REQUEST("", GAUGE("size_bucket",
                          "{" AT_1 ",'asInt':'1','attributes':[" TEXT("le", "+Inf") "]}")),
        REQUEST("", HISTOGRAM("size", "{" AT_2 "," BUCKETS "}")),
        REQUEST("", GAUGE("size_sum", "{" AT_3 ",'asInt':'3'}")),
    };
    uint64_t item_count = 0;
    options.request_max_bytes = 1;
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        prom_write_add(&pw, wire_of("%s", requests[i]), 1);
    }
    assert_int_equal(pw.tally.written_count, COUNT_OF(requests));
    size_t other_count = 0;
    for (int i = 0; i < 2; i++) {
        assert_true(take_one(&pw, &item_count));
        bool is_other = count_text("other") > 0;
        other_count += is_other ? 1 : 0;
        assert_int_equal(item_count, is_other ? 1 : 5);
        assert_int_equal(count_text("{"), is_other ? 1 : 5);
        assert_int_equal(count_text("\"size_sum\"} 1@1000 9@2000 3@3000\n"), is_other ? 0 : 1);
    }
    assert_int_equal(other_count, 1);
    assert_false(take_one(&pw, &item_count));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_full_set_ends_between_points),
        TEST(test_refused_memory_ends_between_points),
        TEST(test_a_target_info_without_room_is_counted),
        TEST(test_metadata_without_room_is_counted),
        TEST(test_an_exemplar_keeps_its_ids_whatever_stands_beside_them),
        TEST(test_points_that_share_a_series_go_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
