/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of prom_pull_exporter: parts as weir writes them go in, a client on loopback scrapes, and
 * what it reads is compared by value. The book of items balances at the end of each.
 */
#include "exporters/exporter_bounds.h"
#include "exporters/prom_pull_exporter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/prom_rig.h"

#define BARE "endpoint: 127.0.0.1:0\nwithout_scope_info: true\n"
#define MANY_SERIES 100000

static uint64_t stat_of(const struct counter *counter)
{
    return counter_read(counter);
}
#define STAT_IS(field, value) assert_int_equal(stat_of(&rig.exporter->stats.field), value)

/* --- what goes in ----------------------------------------------------------------------------- */

static struct attr attr_of(const char *key, const char *value)
{
    return (struct attr){
        .key = slice_of_text(key), .value = slice_of_text(value), .has_value = true};
}

static struct otlp_point point_now(const struct attr *attrs, size_t count)
{
    return (struct otlp_point){.start_unix_ns = rig.start_unix_ns,
                               .time_unix_ns = rig.time_unix_ns,
                               .attrs = attrs,
                               .attr_count = count};
}

static struct otlp_metric metric_of(const char *name, enum otlp_data data,
                                    enum otlp_temporality temporality)
{
    return (struct otlp_metric){
        .name = slice_of_text(name), .data = data, .temporality = temporality};
}

/* The next window. */
static void advance_time(void)
{
    rig.start_unix_ns = rig.time_unix_ns;
    rig.time_unix_ns += 1000;
}

/* One point with one tag, `env`. */
static void offer_number(struct otlp_metric metric, const char *env, double value)
{
    size_t mark = prom_rig_begin();
    struct attr attr = attr_of("env", env);
    struct otlp_point point = point_now(&attr, 1);
    otlp_build_number(&rig.build, &point, (struct otlp_number){.f64 = value});
    prom_rig_end(mark, &metric, 1);
}

static void offer_gauge(const char *name, const char *env, double value)
{
    offer_number(metric_of(name, OTLP_DATA_GAUGE, OTLP_TEMPORALITY_DELTA), env, value);
}

static void offer_sum(const char *name, enum otlp_temporality temporality, bool is_monotonic,
                      double value)
{
    struct otlp_metric metric = metric_of(name, OTLP_DATA_SUM, temporality);
    metric.is_monotonic = is_monotonic;
    offer_number(metric, "a", value);
}

/* --- what comes out --------------------------------------------------------------------------- */

static bool has_line(const char *line)
{
    size_t len = strlen(line);
    for (const char *at = strstr(prom_rig_page, line); at != NULL; at = strstr(at + 1, line)) {
        if ((at == prom_rig_page || at[-1] == '\n') && (at[len] == '\n' || at[len] == '\0')) {
            return true;
        }
    }
    return false;
}

static void assert_lines(const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!has_line(lines[i])) {
            fail_msg("no line '%s' in:\n%s", lines[i], prom_rig_page);
        }
    }
}
#define ASSERT_LINES(...)                                                                          \
    assert_lines((const char *const[]){__VA_ARGS__}, COUNT_OF(((const char *const[]){__VA_ARGS__})))

static void assert_page(const char *expected)
{
    prom_rig_scrape();
    assert_string_equal(prom_rig_page, expected);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void test_empty_page(void **state)
{
    prom_rig_open(state, BARE);
    assert_page("");
    assert_non_null(
        strstr(prom_rig_head, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    prom_rig_close();
}

static void test_gauges_show_their_latest_value(void **state)
{
    prom_rig_open(state, BARE);
    offer_gauge("queue.depth", "prod", 3);
    offer_gauge("queue.depth", "de\"v\n", -1.5);
    advance_time();
    offer_gauge("queue.depth", "prod", 7);
    rig.time_unix_ns = 1;
    offer_gauge("queue.depth", "prod", 9); /* older than what is shown */
    offer_gauge("alpha", "prod", 1);
    assert_page("# TYPE alpha gauge\n"
                "alpha{env=\"prod\"} 1\n"
                "# TYPE queue_depth gauge\n"
                "queue_depth{env=\"prod\"} 7\n"
                "queue_depth{env=\"de\\\"v\\n\"} -1.5\n");
    STAT_IS(items_delivered, 5);
    prom_rig_close();
}

static void test_deltas_add_up(void **state)
{
    prom_rig_open(state, BARE);
    for (int i = 1; i <= 4; i++) {
        offer_sum("jobs", OTLP_TEMPORALITY_DELTA, true, i);
        offer_sum("stock", OTLP_TEMPORALITY_DELTA, false, -i);
        offer_sum("level", OTLP_TEMPORALITY_CUMULATIVE, false, i);
        offer_sum("seen", OTLP_TEMPORALITY_CUMULATIVE, true, 10 * i);
        advance_time();
    }
    prom_rig_scrape();
    ASSERT_LINES("# TYPE jobs_total counter", "jobs_total{env=\"a\"} 10", "# TYPE stock gauge",
                 "stock{env=\"a\"} -10", "# TYPE level gauge", "level{env=\"a\"} 4",
                 "# TYPE seen_total counter", "seen_total{env=\"a\"} 40");
    rig.time_unix_ns = 1;
    offer_sum("jobs", OTLP_TEMPORALITY_DELTA, true, 5); /* late, and counted all the same */
    offer_sum("seen", OTLP_TEMPORALITY_CUMULATIVE, true, 5);
    prom_rig_scrape();
    ASSERT_LINES("jobs_total{env=\"a\"} 15", "seen_total{env=\"a\"} 40");
    prom_rig_close();
}

static void test_a_negative_delta_lowers_the_one_total_of_its_name(void **state)
{
    prom_rig_open(state, BARE);
    static const double deltas[] = {5, -7, 4};
    for (size_t i = 0; i < COUNT_OF(deltas); i++) {
        offer_sum("jobs", OTLP_TEMPORALITY_DELTA, true, deltas[i]);
        advance_time();
    }
    assert_page("# TYPE jobs_total counter\n"
                "jobs_total{env=\"a\"} 2\n");
    STAT_IS(items_delivered, 3);
    prom_rig_close();
}

static void test_integers_and_units(void **state)
{
    prom_rig_open(state, BARE);
    size_t mark = prom_rig_begin();
    struct otlp_point point = point_now(NULL, 0);
    otlp_build_number(&rig.build, &point,
                      (struct otlp_number){.i64 = INT64_C(1) << 40, .is_integer = true});
    struct otlp_metric metric = metric_of("io", OTLP_DATA_SUM, OTLP_TEMPORALITY_DELTA);
    metric.is_monotonic = true;
    metric.unit = SLICE_LITERAL("By");
    metric.description = SLICE_LITERAL("Bytes\nread");
    prom_rig_end(mark, &metric, 1);
    assert_page("# HELP io_bytes_total Bytes\\nread\n"
                "# TYPE io_bytes_total counter\n"
                "io_bytes_total 1099511627776\n");
    prom_rig_close();
}

/* --- histograms and summaries ----------------------------------------------------------------- */

static void offer_histogram(const double *bounds, size_t bound_count, const uint64_t *counts,
                            enum otlp_temporality temporality, double sum)
{
    size_t mark = prom_rig_begin();
    struct attr attrs[] = {attr_of("le", "mine"), attr_of("env", "a")};
    struct otlp_point point = point_now(attrs, 2);
    struct otlp_histogram hist = {.sum = sum,
                                  .has_sum = true,
                                  .bounds = bounds,
                                  .bound_count = bound_count,
                                  .counts = counts};
    for (size_t i = 0; i <= bound_count; i++) {
        hist.count += counts[i];
    }
    otlp_build_histogram(&rig.build, &point, &hist);
    struct otlp_metric metric = metric_of("took", OTLP_DATA_HISTOGRAM, temporality);
    prom_rig_end(mark, &metric, 1);
}

#define H "env=\"a\",exported_le=\"mine\""

static void test_histograms_add_up_until_their_bounds_change(void **state)
{
    prom_rig_open(state, BARE);
    static const double bounds[] = {1, 2.5};
    static const uint64_t counts[] = {1, 2, 3};
    offer_histogram(bounds, 2, counts, OTLP_TEMPORALITY_DELTA, 10);
    advance_time();
    offer_histogram(bounds, 2, counts, OTLP_TEMPORALITY_DELTA, 10);
    assert_page("# TYPE took histogram\n"
                "took_bucket{" H ",le=\"1\"} 2\n"
                "took_bucket{" H ",le=\"2.5\"} 6\n"
                "took_bucket{" H ",le=\"+Inf\"} 12\n"
                "took_sum{" H "} 20\n"
                "took_count{" H "} 12\n");
    advance_time();
    offer_histogram(bounds, 1, counts, OTLP_TEMPORALITY_DELTA, 5);
    prom_rig_scrape();
    ASSERT_LINES("took_bucket{" H ",le=\"1\"} 1", "took_bucket{" H ",le=\"+Inf\"} 3",
                 "took_sum{" H "} 5");
    advance_time();
    offer_histogram(bounds, 1, counts, OTLP_TEMPORALITY_CUMULATIVE, 6);
    prom_rig_scrape();
    ASSERT_LINES("took_bucket{" H ",le=\"+Inf\"} 3", "took_sum{" H "} 6");
    static const double falling[] = {2, 1};
    advance_time();
    offer_histogram(falling, 2, counts, OTLP_TEMPORALITY_DELTA, 1);
    STAT_IS(items_rejected, 1);
    STAT_IS(items_delivered, 4);
    prom_rig_close();
}

static void offer_exphist(int32_t scale, int32_t offset, const uint64_t *counts, uint32_t count,
                          uint64_t zero_count)
{
    size_t mark = prom_rig_begin();
    struct otlp_point point = point_now(NULL, 0);
    struct otlp_exphist hist = {.scale = scale,
                                .zero_count = zero_count,
                                .sum = 1.5,
                                .has_sum = true,
                                .positive = {.offset = offset, .count = count, .counts = counts}};
    hist.count = zero_count;
    for (uint32_t i = 0; i < count; i++) {
        hist.count += counts[i];
    }
    otlp_build_exphist(&rig.build, &point, &hist);
    struct otlp_metric metric = metric_of("wait", OTLP_DATA_EXPHIST, OTLP_TEMPORALITY_DELTA);
    prom_rig_end(mark, &metric, 1);
    advance_time();
}

/* The count behind `le="…"` of `wait`, or -1 where that edge is not shown. */
static int64_t bucket_at(const char *le)
{
    char line[128];
    (void)snprintf(line, sizeof(line), "wait_bucket{le=\"%s\"} ", le);
    const char *at = strstr(prom_rig_page, line);
    return at == NULL ? -1 : (int64_t)strtoull(at + strlen(line), NULL, 10);
}

static void test_exponential_histograms_become_classic_ones(void **state)
{
    prom_rig_open(state, BARE);
    static const uint64_t counts[] = {1, 2, 0, 4};
    offer_exphist(0, 0, counts, 4, 3); /* (1,2] 1  (2,4] 2  (8,16] 4 */
    assert_page("# TYPE wait histogram\n"
                "wait_bucket{le=\"0\"} 3\n"
                "wait_bucket{le=\"1\"} 3\n"
                "wait_bucket{le=\"2\"} 4\n"
                "wait_bucket{le=\"4\"} 6\n"
                "wait_bucket{le=\"8\"} 6\n"
                "wait_bucket{le=\"16\"} 10\n"
                "wait_bucket{le=\"+Inf\"} 10\n"
                "wait_sum 1.5\n"
                "wait_count 10\n");
    /* Far away: 2^40 … 2^41. The range no longer fits 20 buckets of factor 2. */
    static const uint64_t far[] = {5};
    offer_exphist(0, 40, far, 1, 0);
    prom_rig_scrape();
    assert_int_equal(bucket_at("1"), 3);
    assert_int_equal(bucket_at("2"), -1);
    assert_int_equal(bucket_at("16"), 10);
    assert_int_equal(bucket_at("+Inf"), 15);
    ASSERT_LINES("wait_sum 3", "wait_count 15");
    prom_rig_close();
}

static void test_counts_below_an_edge_never_fall(void **state)
{
    prom_rig_open(state, BARE);
    static const char *const edges[] = {"0.0625", "0.25", "1", "4", "16", "256", "65536", "+Inf"};
    int64_t before[COUNT_OF(edges)] = {0};
    uint64_t random = 12345;
    for (int round = 0; round < 60; round++) {
        uint64_t counts[40];
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint32_t count = 1 + (uint32_t)(random >> 33) % 40;
        int32_t scale = (int32_t)(random >> 40) % 8;
        /* The range widens slowly, so that the scale falls step by step. */
        int32_t offset =
            ((int32_t)((random >> 50) % (uint64_t)(round + 1)) - round / 2) * (1 << (scale / 2));
        for (uint32_t i = 0; i < count; i++) {
            counts[i] = (random >> (i % 50)) & 7;
        }
        offer_exphist(scale, offset, counts, count, random & 3);
        prom_rig_scrape();
        for (size_t i = 0; i < COUNT_OF(edges); i++) {
            int64_t now = bucket_at(edges[i]);
            if (now >= 0) {
                assert_true(now >= before[i]);
                before[i] = now;
            }
        }
        uint32_t lines = 0;
        for (const char *at = strstr(prom_rig_page, "_bucket"); at != NULL;
             at = strstr(at + 1, "_bucket")) {
            lines++;
        }
        assert_true(lines <= PROM_EXPHIST_BUCKETS_MAX + 3); /* zero, lowest edge, +Inf */
    }
    assert_true(before[COUNT_OF(edges) - 1] > 1000);
    prom_rig_close();
}

static void test_hostile_exponential_histograms_are_refused(void **state)
{
    prom_rig_open(state, BARE);
    static const uint64_t counts[] = {1, 1};
    offer_exphist(21, 0, counts, 2, 0);
    offer_exphist(-11, 0, counts, 2, 0);
    offer_exphist(0, INT32_MAX, counts, 2, 0);
    STAT_IS(items_rejected, 3);
    offer_exphist(20, INT32_MIN, counts, 2, 0);
    offer_exphist(20, INT32_MAX - 2, counts, 2, 0);
    prom_rig_scrape();
    prom_rig_close();
}

static void offer_summary(uint64_t count, double sum, double median)
{
    size_t mark = prom_rig_begin();
    struct otlp_point point = point_now(NULL, 0);
    struct otlp_quantile quantiles[] = {{.quantile = 0.5, .value = median},
                                        {.quantile = 1, .value = 2 * median}};
    struct otlp_summary summary = {
        .count = count, .sum = sum, .quantiles = quantiles, .quantile_count = 2};
    otlp_build_summary(&rig.build, &point, &summary);
    struct otlp_metric metric = metric_of("size", OTLP_DATA_SUMMARY, OTLP_TEMPORALITY_DELTA);
    prom_rig_end(mark, &metric, 1);
}

static void test_summaries_of_windows_add_up(void **state)
{
    prom_rig_open(state, BARE);
    offer_summary(4, 10, 2);
    advance_time();
    offer_summary(6, 20, 3);
    assert_page("# TYPE size summary\n"
                "size{quantile=\"0.5\"} 3\n"
                "size{quantile=\"1\"} 6\n"
                "size_sum 30\n"
                "size_count 10\n");
    rig.time_unix_ns += 1000; /* same begin, later end: it contains what was counted */
    offer_summary(16, 50, 4);
    prom_rig_scrape();
    ASSERT_LINES("size{quantile=\"0.5\"} 4", "size_sum 50", "size_count 16");
    rig.start_unix_ns = 1;
    rig.time_unix_ns = 500; /* late, from before everything */
    offer_summary(1, 1, 9);
    prom_rig_scrape();
    ASSERT_LINES("size{quantile=\"0.5\"} 4", "size_sum 51", "size_count 17");
    prom_rig_close();
}

/* --- names and labels ------------------------------------------------------------------------- */

static void test_resources_become_job_instance_and_target_info(void **state)
{
    prom_rig_open(state, BARE);
    struct attr resource[] = {attr_of("service.name", "shop"), attr_of("service.namespace", "eu"),
                              attr_of("service.instance.id", "i-1"), attr_of("host.name", "h")};
    rig.resource = resource;
    rig.resource_count = 4;
    offer_gauge("x", "a", 1);
    assert_page("# HELP target_info Target metadata\n"
                "# TYPE target_info gauge\n"
                "target_info{host_name=\"h\",instance=\"i-1\",job=\"eu/shop\"} 1\n"
                "# TYPE x gauge\n"
                "x{env=\"a\",instance=\"i-1\",job=\"eu/shop\"} 1\n");
    STAT_IS(items_delivered, 1);
    prom_rig_close();
}

static void test_an_instance_alone_is_no_label(void **state)
{
    prom_rig_open(state, BARE);
    struct attr resource[] = {attr_of("service.instance.id", "i-1")};
    rig.resource = resource;
    rig.resource_count = 1;
    offer_gauge("x", "a", 1);
    assert_page("# TYPE x gauge\nx{env=\"a\"} 1\n");
    prom_rig_close();
}

static void test_keys_that_shape_names_and_labels(void **state)
{
    prom_rig_open(state, "endpoint: 127.0.0.1:0\n"
                         "namespace: my-app\n"
                         "const_labels: {region: eu, env: never, \"an other\": v}\n"
                         "send_timestamps: true\n"
                         "add_metric_suffixes: false\n"
                         "resource_to_telemetry_conversion: {enabled: true}\n");
    struct attr resource[] = {attr_of("host.name", "h"), attr_of("env", "of resource")};
    rig.resource = resource;
    rig.resource_count = 2;
    rig.time_unix_ns = UINT64_C(1700000000123000000);
    offer_sum("jobs.done", OTLP_TEMPORALITY_DELTA, true, 2);
    assert_page("# TYPE my_app_jobs_done counter\n"
                "my_app_jobs_done{an_other=\"v\",env=\"a\",host_name=\"h\","
                "otel_scope_name=\"test.scope\",otel_scope_version=\"1.2\",region=\"eu\"} 2 "
                "1700000000123\n");
    prom_rig_close();
}

static void test_labels_that_end_in_one_name_are_joined(void **state)
{
    prom_rig_open(state, BARE);
    size_t mark = prom_rig_begin();
    struct attr attrs[] = {attr_of("b.c", "2"), attr_of("b_c", "3"), attr_of("9", "x"),
                           attr_of("bare", ""), attr_of("_a", "y")};
    struct otlp_point point = point_now(attrs, 5);
    otlp_build_number(&rig.build, &point, (struct otlp_number){.f64 = 1});
    struct otlp_metric metric = metric_of("x", OTLP_DATA_GAUGE, OTLP_TEMPORALITY_DELTA);
    prom_rig_end(mark, &metric, 1);
    assert_page("# TYPE x gauge\nx{b_c=\"2;3\",key_9=\"x\",key_a=\"y\"} 1\n");
    prom_rig_close();
}

static void test_order_of_tags_does_not_matter(void **state)
{
    prom_rig_open(state, BARE);
    struct attr attrs[] = {attr_of("a", "1"), attr_of("b", "2"), attr_of("a", "1")};
    for (size_t first = 0; first < 2; first++) {
        size_t mark = prom_rig_begin();
        struct otlp_point point = point_now(attrs + first, 2);
        otlp_build_number(&rig.build, &point, (struct otlp_number){.f64 = 1});
        struct otlp_metric metric = metric_of("x", OTLP_DATA_SUM, OTLP_TEMPORALITY_DELTA);
        prom_rig_end(mark, &metric, 1);
    }
    assert_page("# TYPE x gauge\nx{a=\"1\",b=\"2\"} 2\n");
    prom_rig_close();
}

/* --- what is refused -------------------------------------------------------------------------- */

static void test_type_conflicts_and_nonsense_are_refused_and_counted(void **state)
{
    prom_rig_open(state, BARE);
    offer_gauge("x", "a", 1);
    offer_summary(1, 1, 1);
    offer_gauge("size", "a", 1); /* a summary already */
    offer_gauge("...", "a", 1);  /* no name is left */
    offer_sum("y", (enum otlp_temporality)0, true, 1);
    prom_rig_submit(SLICE_LITERAL("\x0A\x05 not"), 7);
    prom_rig_submit(SLICE_LITERAL("\x0A\x00"), 2); /* fewer items than were claimed */
    STAT_IS(items_delivered, 2);
    STAT_IS(items_rejected, 3 + 7 + 2);
    STAT_IS(items_offered, 14);
    prom_rig_scrape();
    ASSERT_LINES("x{env=\"a\"} 1", "size_count 1");
    assert_null(strstr(prom_rig_page, "y_total"));
    prom_rig_close();
}

static void test_memory_that_runs_out_is_counted(void **state)
{
    prom_rig_open(state, BARE);
    for (uint64_t nth = 1; nth < 16; nth++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "m%d", (int)nth);
        size_t mark = prom_rig_begin();
        struct otlp_point point = point_now(NULL, 0);
        otlp_build_number(&rig.build, &point, (struct otlp_number){.f64 = 1});
        struct otlp_metric metric = metric_of(name, OTLP_DATA_GAUGE, OTLP_TEMPORALITY_DELTA);
        struct batch *batch = batch_new(SIGNAL_METRICS, 0);
        struct part part;
        struct slice bytes = prom_rig_finish(mark, &metric);
        assert_int_equal(part_copy(&part, bytes, SIGNAL_METRICS, 1), 0);
        assert_int_equal(batch_push(batch, &part), 0);
        mem_fail_nth(nth);
        int err = pipeline_submit(&rig.pipeline, &batch);
        mem_fail_nth(0);
        assert_int_equal(err, 0);
        prom_rig_settle();
    }
    assert_true(stat_of(&rig.exporter->stats.items_dropped_memory) > 0);
    assert_true(stat_of(&rig.exporter->stats.items_delivered) > 0);
    prom_rig_scrape();
    prom_rig_close();
}

static void test_http_answers_beside_the_page(void **state)
{
    prom_rig_open(state, BARE);
    prom_rig_ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(prom_rig_head, "404 Not Found"));
    prom_rig_ask("POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(prom_rig_head, "405 Method Not Allowed"));
    assert_non_null(strstr(prom_rig_head, "Allow: GET, HEAD"));
    prom_rig_ask("GET /metrics?name=x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(prom_rig_head, "200 OK"));
    prom_rig_close();
}

static void test_openmetrics_needs_key_and_header(void **state)
{
    static const char accept[] =
        PROM_RIG_GET "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n";
    prom_rig_open(state, BARE);
    offer_sum("jobs", OTLP_TEMPORALITY_DELTA, true, 2);
    prom_rig_ask(accept);
    ASSERT_LINES("# TYPE jobs_total counter", "jobs_total{env=\"a\"} 2");
    prom_rig_close();

    prom_rig_open(state, BARE "enable_open_metrics: true\n");
    offer_sum("jobs", OTLP_TEMPORALITY_DELTA, true, 2);
    prom_rig_ask(accept);
    assert_string_equal(prom_rig_page, "# TYPE jobs counter\njobs_total{env=\"a\"} 2.0\n# EOF\n");
    assert_non_null(
        strstr(prom_rig_head, "Content-Type: application/openmetrics-text; version=1.0.0"));
    prom_rig_scrape();
    ASSERT_LINES("# TYPE jobs_total counter");
    prom_rig_close();
}

static void test_series_expire(void **state)
{
    prom_rig_open(state, BARE "metric_expiration: 300ms\n");
    static const char refreshed[] = "# TYPE x gauge\nx{env=\"new\"} 2\n";
    uint64_t begin_mono_ns = loop_now_mono_ns(rig.loop);
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    offer_gauge("x", "old", 1);
    offer_gauge("y", "old", 1);
    do { /* until the old ones have gone */
        loop_fixture_run(rig.loop, 20 * CLOCK_NS_PER_MS);
        offer_gauge("x", "new", 2);
        prom_rig_scrape();
    } while (strcmp(prom_rig_page, refreshed) != 0 && clock_mono_ns() < deadline_mono_ns);
    assert_string_equal(prom_rig_page, refreshed);
    assert_true(clock_mono_ns() - begin_mono_ns >= 300 * CLOCK_NS_PER_MS);
    loop_fixture_run(rig.loop, 500 * CLOCK_NS_PER_MS);
    assert_page("");
    offer_sum("x", OTLP_TEMPORALITY_DELTA, true, 1); /* the name is free for another type */
    offer_summary(1, 1, 1);
    prom_rig_scrape();
    ASSERT_LINES("# TYPE x_total counter", "size_count 1");
    prom_rig_close();
}

/* --- size ------------------------------------------------------------------------------------- */

static void offer_many(uint32_t count)
{
    for (uint32_t first = 0; first < count; first += 10000) {
        size_t mark = prom_rig_begin();
        for (uint32_t i = 0; i < 10000; i++) {
            char value[32];
            (void)snprintf(value, sizeof(value), "value-%06u", first + i);
            struct attr attrs[] = {attr_of("host", value), attr_of("env", "prod")};
            struct otlp_point point = point_now(attrs, 2);
            otlp_build_number(&rig.build, &point, (struct otlp_number){.f64 = first + i});
        }
        struct otlp_metric metric = metric_of("many", OTLP_DATA_GAUGE, OTLP_TEMPORALITY_DELTA);
        prom_rig_end(mark, &metric, 10000);
    }
}

static void test_a_large_page_never_holds_the_loop(void **state)
{
    prom_rig_open(state, BARE "metric_expiration: 60s\n");
    offer_many(MANY_SERIES);
    struct loop_stats before;
    struct loop_stats after;
    loop_stats_read(rig.loop, &before);
    uint64_t started_mono_ns = clock_mono_ns();
    prom_rig_scrape();
    uint64_t took_ms = (clock_mono_ns() - started_mono_ns) / CLOCK_NS_PER_MS;
    loop_stats_read(rig.loop, &after);
    assert_in_range(prom_rig_turn_max_ns, 1, LOOP_STALL_MS * CLOCK_NS_PER_MS);
    size_t len = strlen(prom_rig_page);
    print_message("%d series: %zu bytes in %d turns, %d ms\n", MANY_SERIES, len,
                  (int)(after.turn_count - before.turn_count), (int)took_ms);
    uint32_t lines = 0;
    for (size_t i = 0; i < len; i++) { /* a sanitized strchr reads to the end, each time */
        lines += prom_rig_page[i] == '\n';
    }
    assert_int_equal(lines, MANY_SERIES + 1);
    ASSERT_LINES("many{env=\"prod\",host=\"value-099999\"} 99999");
    prom_rig_close();
}

static void test_scrapes_are_bounded_and_survive_a_close(void **state)
{
    prom_rig_open(state, BARE);
    offer_many(MANY_SERIES);
    int fds[PROM_SCRAPES_MAX];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = prom_rig_connect();
        prom_rig_send(fds[i], PROM_RIG_GET "\r\n"); /* and nobody reads */
        prom_rig_await_answer(fds[i]);
    }
    prom_rig_ask(PROM_RIG_GET "\r\n");
    assert_non_null(strstr(prom_rig_head, "503 Service Unavailable"));
    assert_non_null(strstr(prom_rig_head, "Retry-After: 1"));
    assert_false(rig.exporter->ops->is_idle(rig.exporter));
    rig.exporter->ops->close(rig.exporter); /* with pages on their way */
    for (int t = 0; t < 20; t++) {
        assert_true(loop_turn(rig.loop, 0) >= 0);
    }
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        (void)close(fds[i]);
    }
    pipeline_fini(&rig.pipeline);
    config_fixture_fini(&rig.config);
}

/* --- configuration and life ------------------------------------------------------------------- */

static void assert_refused(const char *yaml, const char *complaint)
{
    assert_int_equal(prom_rig_configure(yaml), FAULT_CONFIG);
    const char *printed = config_fixture_printed(&rig.config);
    if (strstr(printed, complaint) == NULL) {
        fail_msg("no '%s' in %s", complaint, printed);
    }
    config_fixture_fini(&rig.config);
}

static void test_bad_sections_are_refused(void **state)
{
    (void)state;
    assert_refused("endpoint: nonsense", "endpoint");
    assert_refused("metric_expiration: 0s", "metric_expiration");
    assert_refused("metric_expirations: 5m", "metric_expiration");
    assert_refused("translation_strategy: NoTranslation", "not supported yet");
    assert_refused("tls: {}", "tls");
    assert_refused("const_labels: 5", "const_labels");
}

static void test_strategy_outranks_suffixes(void **state)
{
    prom_rig_open(state, BARE "add_metric_suffixes: true\n"
                              "translation_strategy: UnderscoreEscapingWithoutSuffixes\n");
    offer_sum("jobs", OTLP_TEMPORALITY_DELTA, true, 2);
    assert_page("# TYPE jobs counter\njobs{env=\"a\"} 2\n");
    prom_rig_close();
}

static void test_defaults_are_the_collectors(void **state)
{
    (void)state;
    assert_int_equal(prom_rig_configure("{}"), 0);
    rig.exporter->ops->close(rig.exporter); /* never opened */
    config_fixture_fini(&rig.config);
}

static void test_taken_port_fails_to_open(void **state)
{
    prom_rig_open(state, BARE);
    struct prom_rig first = rig;
    char yaml[64];
    (void)snprintf(yaml, sizeof(yaml), "endpoint: 127.0.0.1:%d",
                   prom_pull_exporter_port(rig.exporter));
    assert_int_equal(prom_rig_configure(yaml), 0);
    assert_int_equal(rig.exporter->ops->open(rig.exporter, rig.loop), -EADDRINUSE);
    rig.exporter->ops->close(rig.exporter);
    config_fixture_fini(&rig.config);
    rig = first;
    prom_rig_close();
}

/* Makes an exporter of `yaml` in rig that may take over from `old`; opens it when told to. */
static bool succeed(const struct prom_rig *old, const char *yaml, bool opens)
{
    assert_int_equal(prom_rig_configure(yaml), 0);
    bool has_taken = rig.exporter->ops->take_over(rig.exporter, old->exporter);
    if (opens) {
        assert_int_equal(rig.exporter->ops->open(rig.exporter, rig.loop), 0);
        struct exporter *const *routes = &rig.exporter;
        pipeline_init(&rig.pipeline, "test", SIGNAL_METRICS, routes, 1);
    }
    return has_taken;
}

static void test_a_successor_takes_over_the_socket(void **state)
{
    prom_rig_open(state, BARE);
    offer_gauge("old", "a", 1);
    prom_rig_settle();
    struct prom_rig first = rig;
    int early = prom_rig_connect(); /* waits in the backlog */
    assert_true(succeed(&first, BARE "namespace: next\n", true));
    struct prom_rig second = rig;
    assert_int_equal(prom_pull_exporter_port(first.exporter),
                     prom_pull_exporter_port(second.exporter));
    rig = first;
    prom_rig_close();
    rig = second;
    offer_gauge("new", "a", 2);
    assert_page("# TYPE next_new gauge\n"
                "next_new{env=\"a\"} 2\n");
    (void)close(early);
    prom_rig_close();
}

static void test_a_successor_that_never_opens_leaves_the_socket_alone(void **state)
{
    prom_rig_open(state, BARE);
    struct prom_rig first = rig;
    assert_true(succeed(&first, BARE "namespace: next\n", false));
    rig.exporter->ops->close(rig.exporter);
    config_fixture_fini(&rig.config);
    rig = first;
    offer_gauge("old", "a", 1);
    assert_page("# TYPE old gauge\n"
                "old{env=\"a\"} 1\n");
    prom_rig_close();
}

static void test_a_successor_may_stand_on_another_address_of_the_port(void **state)
{
    prom_rig_open(state, BARE);
    char yaml[128];
    uint16_t port = prom_pull_exporter_port(rig.exporter);
    prom_rig_close(); /* with that port spelled out: */
    (void)snprintf(yaml, sizeof(yaml), "endpoint: 127.0.0.1:%u\nwithout_scope_info: true\n", port);
    prom_rig_open(state, yaml);
    struct prom_rig first = rig;
    assert_false(succeed(&first, BARE, false)); /* another port: nothing to take over */
    rig.exporter->ops->close(rig.exporter);
    config_fixture_fini(&rig.config);
    (void)snprintf(yaml, sizeof(yaml), "endpoint: 0.0.0.0:%u\nwithout_scope_info: true\n", port);
    assert_true(succeed(&first, yaml, true));
    struct prom_rig second = rig;
    rig = first;
    prom_rig_close();
    rig = second;
    offer_gauge("new", "a", 2);
    assert_page("# TYPE new gauge\n"
                "new{env=\"a\"} 2\n");
    prom_rig_close();
}

static void test_nth_allocation_fails_cleanly(void **state)
{
    rig.loop = *state;
    bool is_through = false;
    for (uint64_t nth = 1; nth < 40 && !is_through; nth++) {
        struct exporter *exporter = NULL;
        struct config_reader reader;
        config_fixture_init(&rig.config);
        config_reader_open(&reader, &rig.config.report, NULL, "exporters.prometheus");
        mem_fail_nth(nth);
        int err = prom_pull_exporter_new(&reader, "prometheus", &exporter);
        mem_fail_nth(0);
        is_through = err == 0;
        if (err == 0) {
            exporter->ops->close(exporter);
        }
        config_fixture_fini(&rig.config);
    }
    assert_true(is_through);
}

/* --- a judge from outside --------------------------------------------------------------------- */

/* Exit status of promtool on the last page: 0 fine, 1 unreadable, 3 matters of style. */
static int promtool_status(void)
{
    FILE *pipe = popen("promtool check metrics >/dev/null 2>&1", "w");
    assert_non_null(pipe);
    size_t len = strlen(prom_rig_page);
    assert_int_equal(fwrite(prom_rig_page, 1, len, pipe), len);
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_promtool_reads_the_page(void **state)
{
    if (system("promtool --version >/dev/null 2>&1") != 0) {
        print_message("skipped: promtool is not installed\n");
        skip();
    }
    prom_rig_open(state, BARE "send_timestamps: true\n");
    static const double bounds[] = {1, 2.5};
    static const uint64_t counts[] = {1, 2, 3};
    struct attr resource[] = {attr_of("service.name", "a\"b\\c\n"), attr_of("x.y", "z")};
    rig.resource = resource;
    rig.resource_count = 2;
    offer_gauge("gauge.a", "gr\xc3\xbc\xc3\x9f", 1e-300);
    offer_gauge("gauge.b", "bad \xff utf-8", -0.0);
    offer_sum("counter", OTLP_TEMPORALITY_DELTA, true, 1e21);
    offer_histogram(bounds, 2, counts, OTLP_TEMPORALITY_DELTA, 10);
    offer_exphist(3, -5, counts, 3, 1);
    offer_summary(3, 1, 2);
    prom_rig_scrape();
    int status = promtool_status();
    if (status != 0 && status != 3) {
        fail_msg("promtool: %d for\n%s", status, prom_rig_page);
    }
    (void)snprintf(prom_rig_page, PROM_RIG_PAGE_MAX_BYTES, "a{b=c} 1\n"); /* it does look */
    assert_int_equal(promtool_status(), 1);
    prom_rig_close();
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_empty_page),
        LOOP_TEST(test_gauges_show_their_latest_value),
        LOOP_TEST(test_deltas_add_up),
        LOOP_TEST(test_a_negative_delta_lowers_the_one_total_of_its_name),
        LOOP_TEST(test_integers_and_units),
        LOOP_TEST(test_histograms_add_up_until_their_bounds_change),
        LOOP_TEST(test_exponential_histograms_become_classic_ones),
        LOOP_TEST(test_counts_below_an_edge_never_fall),
        LOOP_TEST(test_hostile_exponential_histograms_are_refused),
        LOOP_TEST(test_summaries_of_windows_add_up),
        LOOP_TEST(test_resources_become_job_instance_and_target_info),
        LOOP_TEST(test_an_instance_alone_is_no_label),
        LOOP_TEST(test_keys_that_shape_names_and_labels),
        LOOP_TEST(test_labels_that_end_in_one_name_are_joined),
        LOOP_TEST(test_order_of_tags_does_not_matter),
        LOOP_TEST(test_type_conflicts_and_nonsense_are_refused_and_counted),
        LOOP_TEST(test_memory_that_runs_out_is_counted),
        LOOP_TEST(test_http_answers_beside_the_page),
        LOOP_TEST(test_openmetrics_needs_key_and_header),
        LOOP_TEST(test_series_expire),
        LOOP_TEST(test_a_large_page_never_holds_the_loop),
        LOOP_TEST(test_scrapes_are_bounded_and_survive_a_close),
        LOOP_TEST(test_bad_sections_are_refused),
        LOOP_TEST(test_strategy_outranks_suffixes),
        LOOP_TEST(test_defaults_are_the_collectors),
        LOOP_TEST(test_taken_port_fails_to_open),
        LOOP_TEST(test_a_successor_takes_over_the_socket),
        LOOP_TEST(test_a_successor_that_never_opens_leaves_the_socket_alone),
        LOOP_TEST(test_a_successor_may_stand_on_another_address_of_the_port),
        LOOP_TEST(test_nth_allocation_fails_cleanly),
        LOOP_TEST(test_promtool_reads_the_page),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    int status = prom_rig_init() ? loop_fixture_main(run) : 1;
    prom_rig_fini();
    return status;
}
