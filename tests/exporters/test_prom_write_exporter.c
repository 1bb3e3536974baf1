/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/prom_write_exporter against a scripted server: what is sent, in which order,
 * what answers do to it, what each configured key changes, and that the books balance at the end
 * of each.
 */
#include "exporters/prom_write_exporter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "codecs/otlp_json.h"
#include "codecs/snappy.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "tests/support/exporter_rig.h"
#include "tests/support/http_stub.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/prom_write_text.h"

#define METRICS_REQUEST                                                                            \
    (&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor)
/* Retries that a test can wait for. */
#define QUICK_RETRY                                                                                \
    "retry_on_failure: {initial_interval: 10ms, max_interval: 20ms, max_elapsed_time: 30s}\n"
#define TEXT_MAX_BYTES 16384
#define PATH "/api/v1/write"

static struct exporter_rig rig;
static struct http_stub stub;
static struct bytes wire;
static struct bytes text;

static const struct http_stub_answer ok_script[] = {{.status = 204}};

/* --- the rig ---------------------------------------------------------------------------------- */

static void start_stub(const struct http_stub_answer *script, size_t len)
{
    const struct http_stub_options options = {.script = script, .script_len = len};
    http_stub_start(&stub, &options);
}

static void open_exporter(void **state, const char *yaml)
{
    char all[TEXT_MAX_BYTES];
    int len = snprintf(all, sizeof(all), "endpoint: %s" PATH "\n%s", stub.url, yaml);
    assert_in_range(len, 1, sizeof(all) - 1);
    bytes_init(&wire, 1 << 24);
    bytes_init(&text, 1 << 24);
    rig_open(&rig, *state, prom_write_exporter_new, SIGNAL_METRICS, all);
}

static void close_exporter(void)
{
    struct loop *loop = rig.loop;
    RIG_STAT_IS(&rig, items_held, 0);
    rig_close(&rig);
    for (int i = 0; i < 10; i++) {
        assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
    }
    bytes_fini(&wire);
    bytes_fini(&text);
}

static void close_both(void)
{
    close_exporter();
    http_stub_stop(&stub);
}

static void append_json(const char *json)
{
    char doubled[TEXT_MAX_BYTES];
    size_t len = strlen(json);
    assert_in_range(len, 1, sizeof(doubled) - 1);
    for (size_t i = 0; i <= len; i++) {
        doubled[i] = json[i] == '\'' ? '"' : json[i];
    }
    assert_int_equal(otlp_json_decode(METRICS_REQUEST, slice_of_text(doubled), &wire, NULL), 0);
}

/* A batch of one part; `json` with single quotes. */
static void offer(const char *json, uint32_t item_count)
{
    bytes_clear(&wire);
    append_json(json);
    struct slice part = bytes_slice(&wire);
    rig_offer(&rig, &part, 1, item_count);
}

/* A batch of `count` gauges, each a series, all of one value. */
static void offer_gauges(uint32_t count, int value)
{
    bytes_clear(&wire);
    for (uint32_t i = 0; i < count; i++) {
        char json[512];
        (void)snprintf(json, sizeof(json),
                       "{'resourceMetrics':[{'scopeMetrics':[{'metrics':[{'name':'g','gauge':{"
                       "'dataPoints':[{'timeUnixNano':'%d000000000','asInt':'%d','attributes':["
                       "{'key':'n','value':{'stringValue':'%03u'}}]}]}}]}]}]}",
                       value, value, i);
        append_json(json);
    }
    struct slice part = bytes_slice(&wire);
    rig_offer(&rig, &part, 1, count);
}

/* A request as text, borrowed until the next one. */
static const char *sent(size_t index)
{
    const struct http_stub_request *got = http_stub_request(&stub, index);
    struct slice body = slice_of(got->body, got->body_len);
    size_t len = 0;
    assert_int_equal(snappy_block_len(body, &len), 0);
    uint8_t *plain = mem_alloc(len);
    assert_non_null(plain);
    assert_int_equal(snappy_block_decode(body, plain, len), 0);
    bytes_clear(&text);
    (void)prom_write_text(slice_of(plain, len), &text);
    bytes_append_byte(&text, 0);
    mem_free(plain);
    return (const char *)text.ptr;
}

static void assert_header(size_t index, const char *name, const char *value)
{
    struct slice got = http_stub_header(http_stub_request(&stub, index), name);
    if (!slice_is_text(got, value)) {
        fail_msg("%s: %.*s", name, (int)got.len, (const char *)got.ptr);
    }
}

/* Turns for so long, whatever happens. */
static void turn_ms(uint64_t ms)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + ms * CLOCK_NS_PER_MS;
    while (clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
}

/* Turns until the server has had so many requests. */
static void turn_until_sent(size_t count)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (http_stub_request_count(&stub) < count && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_true(http_stub_request_count(&stub) >= count);
}

/* Standard error goes to a file in memory meanwhile. */
static int saved_stderr = -1;
static int logged_fd = -1;

static void begin_log(void)
{
    logged_fd = memfd_create("logged", MFD_CLOEXEC);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(logged_fd >= 0 && saved_stderr >= 0);
    assert_int_equal(dup2(logged_fd, STDERR_FILENO), STDERR_FILENO);
}

static void end_log(char *out, size_t cap)
{
    assert_int_equal(dup2(saved_stderr, STDERR_FILENO), STDERR_FILENO);
    ssize_t len = pread(logged_fd, out, cap - 1, 0);
    assert_true(len >= 0);
    out[len] = '\0';
    (void)close(saved_stderr);
    (void)close(logged_fd);
}

/* --- what is sent ----------------------------------------------------------------------------- */

#define WEB                                                                                        \
    "{'resourceMetrics':[{'resource':{'attributes':[{'key':'service.name','value':{"               \
    "'stringValue':'web'}},{'key':'host.name','value':{'stringValue':'h'}}]},'scopeMetrics':[{"    \
    "'scope':{'name':'lib'},'metrics':[{'name':'jobs.done','unit':'By','description':'d',"         \
    "'sum':{'isMonotonic':true,'aggregationTemporality':2,'dataPoints':[{"                         \
    "'timeUnixNano':'1000000000','asInt':'42'}]}}]}]}]}"

static void test_a_request_has_the_heads_of_remote_write(void **state)
{
    start_stub(ok_script, 1);
    open_exporter(state, "");
    offer(WEB, 1);
    rig_settle(&rig);
    const struct http_stub_request *got = http_stub_request(&stub, 0);
    assert_string_equal(got->method, "POST");
    assert_string_equal(got->target, PATH);
    assert_header(0, "Content-Encoding", "snappy");
    assert_header(0, "Content-Type", "application/x-protobuf");
    assert_header(0, "X-Prometheus-Remote-Write-Version", "0.1.0");
    assert_header(0, "User-Agent", "weir/" WEIR_VERSION);
    RIG_STAT_IS(&rig, items_delivered, 1);
    RIG_STAT_IS(&rig, requests_sent, 1);
    RIG_STAT_IS(&rig, request_bytes, got->body_len);
    close_both();
}

static void test_keys_of_the_translation_have_their_effect(void **state)
{
    static const struct {
        const char *yaml;
        const char *expected;
    } rows[] = {
        {"", "{__name__=\"jobs_done_bytes_total\",job=\"web\",otel_scope_name=\"lib\"} 42@1000\n"
             "{__name__=\"target_info\",host_name=\"h\",job=\"web\"} 1@1000\n"},
        {"target_info: {enabled: false}\ndisable_scope_info: true\nnamespace: shop\n",
         "{__name__=\"shop_jobs_done_bytes_total\",job=\"web\"} 42@1000\n"},
        {"target_info: {enabled: false}\ndisable_scope_info: true\nadd_metric_suffixes: false\n"
         "external_labels: {zone: eu}\n",
         "{__name__=\"jobs_done\",job=\"web\",zone=\"eu\"} 42@1000\n"},
        {"target_info: {enabled: false}\ndisable_scope_info: true\n"
         "translation_strategy: UnderscoreEscapingWithoutSuffixes\n"
         "resource_to_telemetry_conversion: {enabled: true}\n",
         "{__name__=\"jobs_done\",host_name=\"h\",job=\"web\",service_name=\"web\"} 42@1000\n"},
        {"target_info: {enabled: false}\ndisable_scope_info: true\nadd_metric_suffixes: false\n"
         "translation_strategy: UnderscoreEscapingWithSuffixes\n"
         "resource_to_telemetry_conversion: {enabled: true, exclude_service_attributes: true}\n",
         "{__name__=\"jobs_done_bytes_total\",host_name=\"h\",job=\"web\"} 42@1000\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        start_stub(ok_script, 1);
        open_exporter(state, rows[i].yaml);
        offer(WEB, 1);
        rig_settle(&rig);
        assert_string_equal(sent(0), rows[i].expected);
        assert_int_equal(http_stub_request_count(&stub), 1);
        close_both();
    }
}

static void test_metadata_is_sent_when_asked(void **state)
{
    start_stub(ok_script, 1);
    open_exporter(state, "send_metadata: true\nmax_batch_request_parallelism: 1\n");
    offer(WEB, 1);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 2);
    assert_string_equal(sent(1), "meta counter jobs_done_bytes_total \"d\" \"By\"\n");
    RIG_STAT_IS(&rig, items_delivered, 1);
    RIG_STAT_IS(&rig, requests_sent, 2);
    close_both();
}

/* Metadata says the same with every batch: it is neither repeated nor does a batch wait for it. */
static void test_metadata_that_is_not_taken_is_counted_told_and_not_repeated(void **state)
{
    static const struct {
        struct http_stub_answer answer;
        const char *reason;
    } rows[] = {
        {{.status = 404}, "\"metadata: HTTP status 404\""},
        {{.status = 503}, "\"metadata: HTTP status 503\""},
        {{.status = 400, .body = "no metadata", .body_len = 11}, "\"metadata: no metadata\""},
        {{.hangs_up = true}, "\"metadata: "},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char logged[8192];
        const struct http_stub_answer script[] = {{0}, rows[i].answer};
        start_stub(script, COUNT_OF(script));
        open_exporter(state, QUICK_RETRY "send_metadata: true\nmax_batch_request_parallelism: 1\n");
        begin_log();
        offer(WEB, 1);
        rig_settle(&rig);
        end_log(logged, sizeof(logged));
        RIG_STAT_IS(&rig, items_delivered, 1);
        RIG_STAT_IS(&rig, left_out_metadata, 1);
        RIG_STAT_IS(&rig, left_out_infos, 0);
        if (strstr(logged, "export_partial_success") == NULL ||
            strstr(logged, rows[i].reason) == NULL) {
            fail_msg("no %s in: %s", rows[i].reason, logged);
        }
        close_both();
    }
}

/* What a request would not say is said of the points first. */
static void test_a_refusal_of_points_is_told_before_that_of_metadata(void **state)
{
    static const struct http_stub_answer script[] = {
        {.status = 400, .body = "old samples", .body_len = 11}, {.status = 404}};
    char logged[8192];
    start_stub(script, COUNT_OF(script));
    open_exporter(state, "send_metadata: true\nmax_batch_request_parallelism: 1\n");
    begin_log();
    offer(WEB, 1);
    rig_settle(&rig);
    end_log(logged, sizeof(logged));
    assert_non_null(strstr(logged, "\"old samples\""));
    assert_null(strstr(logged, "metadata: "));
    RIG_STAT_IS(&rig, items_rejected, 1);
    RIG_STAT_IS(&rig, left_out_metadata, 1);
    close_both();
}

static void test_a_target_info_that_is_too_long_is_counted_and_told(void **state)
{
    char logged[8192];
    start_stub(ok_script, 1);
    open_exporter(state, "");
    bytes_clear(&wire);
    /* More labels than a series may have. */
    char json[TEXT_MAX_BYTES];
    size_t len = (size_t)snprintf(json, sizeof(json),
                                  "{'resourceMetrics':[{'resource':{'attributes':[{'key':"
                                  "'service.name','value':{'stringValue':'web'}}");
    for (int i = 0; i < 300; i++) {
        len += (size_t)snprintf(json + len, sizeof(json) - len,
                                ",{'key':'a%d','value':{'intValue':'1'}}", i);
    }
    (void)snprintf(json + len, sizeof(json) - len,
                   "]},'scopeMetrics':[{'metrics':[{'name':'g','gauge':{'dataPoints':[{"
                   "'timeUnixNano':'1000000000','asInt':'1'}]}}]}]}]}");
    begin_log();
    offer(json, 1);
    rig_settle(&rig);
    end_log(logged, sizeof(logged));
    assert_string_equal(sent(0), "{__name__=\"g\",job=\"web\"} 1@1000\n");
    RIG_STAT_IS(&rig, items_delivered, 1);
    RIG_STAT_IS(&rig, left_out_infos, 1);
    assert_non_null(strstr(logged, "\"prometheus_left_out\""));
    close_both();
}

static void test_headers_are_sent_but_ours_are_not_changed(void **state)
{
    start_stub(ok_script, 1);
    open_exporter(state, "headers: {X-Scope-OrgID: '234', x-empty: '', user-agent: mine}\n");
    offer(WEB, 1);
    rig_settle(&rig);
    assert_header(0, "X-Scope-OrgID", "234");
    assert_header(0, "User-Agent", "weir/" WEIR_VERSION);
    assert_non_null(strstr(http_stub_request(&stub, 0)->head, "x-empty:"));
    close_both();
}

/* --- answers ---------------------------------------------------------------------------------- */

static void test_failures_that_may_pass_are_sent_again(void **state)
{
    static const struct http_stub_answer script[] = {
        {.status = 500}, {.status = 503}, {.hangs_up = true}, {.status = 429}, {.status = 200}};
    start_stub(script, COUNT_OF(script));
    open_exporter(state, QUICK_RETRY);
    offer(WEB, 1);
    rig_settle(&rig);
    assert_true(http_stub_request_count(&stub) >= COUNT_OF(script));
    assert_non_null(strstr(sent(COUNT_OF(script) - 1), "} 42@1000\n"));
    RIG_STAT_IS(&rig, items_delivered, 1);
    close_both();
}

static void test_the_upstream_says_how_long_to_wait(void **state)
{
    static const struct http_stub_answer script[] = {
        {.status = 429, .headers = "Retry-After: 1\r\n"}, {.status = 200}};
    start_stub(script, COUNT_OF(script));
    open_exporter(state, QUICK_RETRY);
    uint64_t start_mono_ns = clock_mono_ns();
    offer(WEB, 1);
    rig_settle(&rig);
    assert_true(clock_mono_ns() - start_mono_ns >= CLOCK_NS_PER_S * 9 / 10);
    RIG_STAT_IS(&rig, items_delivered, 1);
    RIG_STAT_IS(&rig, requests_retried, 1);
    close_both();
}

static void test_other_answers_are_refusals_for_good(void **state)
{
    static const uint32_t statuses[] = {301, 400, 401, 403, 404, 413, 422};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        const struct http_stub_answer script[] = {
            {.status = statuses[i], .body = "out of order sample", .body_len = 19}};
        start_stub(script, 1);
        open_exporter(state, QUICK_RETRY);
        offer(WEB, 1);
        rig_settle(&rig);
        assert_int_equal(http_stub_request_count(&stub), 1);
        RIG_STAT_IS(&rig, items_rejected, 1);
        RIG_STAT_IS(&rig, items_delivered, 0);
        close_both();
    }
}

static void test_without_retries_a_failure_is_the_end(void **state)
{
    static const struct http_stub_answer script[] = {{.status = 503}};
    start_stub(script, 1);
    open_exporter(state, "retry_on_failure: {enabled: false}\n");
    offer(WEB, 1);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_dropped_retry, 1);
    close_both();
}

static void test_an_upstream_that_does_not_answer_is_given_up(void **state)
{
    static const struct http_stub_answer script[] = {{.status = 200, .is_held = true}};
    start_stub(script, 1);
    open_exporter(state, "timeout: 50ms\nretry_on_failure: {enabled: false}\n");
    offer(WEB, 1);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_dropped_retry, 1);
    close_both();
}

/* --- deltas ----------------------------------------------------------------------------------- */

#define DELTA                                                                                      \
    "{'resourceMetrics':[{'scopeMetrics':[{'metrics':[{'name':'d','sum':{"                         \
    "'aggregationTemporality':1,'dataPoints':[{'asInt':'1'},{'asInt':'2'}]}}]}]}]}"

static void test_deltas_are_refused_by_their_reason(void **state)
{
    start_stub(ok_script, 1);
    open_exporter(state, "");
    offer(DELTA, 2);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 0);
    RIG_STAT_IS(&rig, items_rejected_delta, 2);
    RIG_STAT_IS(&rig, items_rejected, 0);
    RIG_STAT_IS(&rig, requests_sent, 0);
    /* Beside others, only they are refused. */
    bytes_clear(&wire);
    append_json(WEB);
    size_t web_len = wire.len;
    append_json(DELTA);
    struct slice all = bytes_slice(&wire);
    struct slice parts[] = {slice_from(all, web_len), slice_first(all, web_len)};
    rig_offer(&rig, parts, 2, 2); /* and one item that was not there */
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_rejected_delta, 4);
    RIG_STAT_IS(&rig, items_rejected_malformed_point, 1);
    RIG_STAT_IS(&rig, items_delivered, 1);
    close_both();
}

/* --- several requests ------------------------------------------------------------------------- */

/* Each gauge of offer_gauges is about 30 bytes: one request for each. */
#define ONE_BY_ONE "max_batch_size_bytes: 1\n"

/* The first request with the series of that number is answered so, everything else is taken. */
struct odd_one {
    const char *number;
    struct http_stub_answer answer;
    uint32_t count; /* of such answers to be given */
};

static struct http_stub_answer choose_odd(void *owner, const struct http_stub_request *request)
{
    struct odd_one *odd = owner;
    bool is_odd =
        memmem(request->body, request->body_len, odd->number, strlen(odd->number)) != NULL;
    if (!is_odd || odd->count == 0) {
        return (struct http_stub_answer){0};
    }
    odd->count--;
    return odd->answer;
}

static void start_odd(struct odd_one *odd)
{
    const struct http_stub_options options = {.choose = choose_odd, .owner = odd};
    http_stub_start(&stub, &options);
}

static void test_a_retry_sends_only_what_is_left(void **state)
{
    struct odd_one odd = {.number = "004", .answer = {.status = 503}, .count = 2};
    start_odd(&odd);
    open_exporter(state, ONE_BY_ONE QUICK_RETRY "max_batch_request_parallelism: 8\n");
    offer_gauges(8, 1);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 10);
    assert_non_null(strstr(sent(9), "n=\"004\""));
    RIG_STAT_IS(&rig, items_delivered, 8);
    RIG_STAT_IS(&rig, requests_sent, 10);
    RIG_STAT_IS(&rig, requests_retried, 2);
    close_both();
}

static void test_each_request_that_is_sent_again_is_counted(void **state)
{
    struct odd_one odd = {.number = "00", .answer = {.status = 503}, .count = 2};
    start_odd(&odd);
    open_exporter(state, ONE_BY_ONE QUICK_RETRY "max_batch_request_parallelism: 2\n");
    offer_gauges(3, 1); /* two fail side by side; the third waits until they are sent again */
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 5);
    RIG_STAT_IS(&rig, items_delivered, 3);
    RIG_STAT_IS(&rig, requests_sent, 5);
    RIG_STAT_IS(&rig, requests_retried, 2);
    close_both();
}

static void test_a_refused_request_is_refused_alone(void **state)
{
    struct odd_one odd = {.number = "004", .answer = {.status = 400}, .count = 9};
    start_odd(&odd);
    open_exporter(state, ONE_BY_ONE QUICK_RETRY);
    offer_gauges(8, 1);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 8);
    RIG_STAT_IS(&rig, items_delivered, 7);
    RIG_STAT_IS(&rig, items_rejected_partial, 1);
    close_both();
}

static void test_what_is_given_up_is_what_is_left(void **state)
{
    struct odd_one odd = {.number = "004", .answer = {.status = 503}, .count = 1000};
    start_odd(&odd);
    open_exporter(state, ONE_BY_ONE "retry_on_failure: {initial_interval: 1ms, max_interval: 1ms, "
                                    "max_elapsed_time: 30ms}\nmax_batch_request_parallelism: 8\n");
    offer_gauges(8, 1);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, 7);
    RIG_STAT_IS(&rig, items_dropped_retry, 1);
    close_both();
}

static void test_a_failure_stops_the_rest_of_the_batch(void **state)
{
    struct odd_one odd = {.number = "000", .answer = {.status = 503}, .count = 1};
    start_odd(&odd);
    open_exporter(state, ONE_BY_ONE QUICK_RETRY "max_batch_request_parallelism: 1\n");
    offer_gauges(3, 1);
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 4);
    static const char *const numbers[] = {"n=\"000\"", "n=\"000\"", "n=\"001\"", "n=\"002\""};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        assert_non_null(strstr(sent(i), numbers[i]));
    }
    RIG_STAT_IS(&rig, items_delivered, 3);
    close_both();
}

static uint32_t count_connections(void)
{
    uint32_t count = 0;
    for (size_t i = 0; i < http_stub_request_count(&stub); i++) {
        uint32_t index = http_stub_request(&stub, i)->connection_index;
        count = index + 1 > count ? index + 1 : count;
    }
    return count;
}

static void test_so_many_requests_of_a_batch_go_at_once(void **state)
{
    static const struct {
        const char *yaml;
        uint32_t connection_count;
    } rows[] = {
        {"", 5},
        {"remote_write_queue: {num_consumers: 2}\n", 2},
        {"remote_write_queue: {num_consumers: 2}\nmax_batch_request_parallelism: 3\n", 3},
        {"max_batch_request_parallelism: 1\n", 1},
    };
    static const struct http_stub_answer script[] = {{.status = 200, .delay_ms = 30}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char yaml[256];
        (void)snprintf(yaml, sizeof(yaml), ONE_BY_ONE "%s", rows[i].yaml);
        start_stub(script, 1);
        open_exporter(state, yaml);
        offer_gauges(10, 1);
        rig_settle(&rig);
        assert_int_equal(http_stub_request_count(&stub), 10);
        assert_int_equal(count_connections(), rows[i].connection_count);
        RIG_STAT_IS(&rig, items_delivered, 10);
        close_both();
    }
}

static void test_batches_do_not_overtake_each_other(void **state)
{
    static const struct http_stub_answer script[] = {
        {.status = 200, .is_held = true}, {.status = 503, .is_held = true}, {.status = 200}};
    start_stub(script, COUNT_OF(script));
    open_exporter(state, QUICK_RETRY);
    for (int value = 1; value <= 3; value++) {
        offer_gauges(2, value);
    }
    for (size_t count = 1; count <= 2; count++) {
        turn_until_sent(count);
        turn_ms(20); /* no other one comes before the answer */
        assert_int_equal(http_stub_request_count(&stub), count);
        http_stub_release(&stub);
    }
    rig_settle(&rig);
    assert_int_equal(http_stub_request_count(&stub), 4);
    assert_non_null(strstr(sent(0), "} 1@1000\n"));
    assert_non_null(strstr(sent(1), "} 2@2000\n")); /* fails */
    assert_non_null(strstr(sent(2), "} 2@2000\n"));
    assert_non_null(strstr(sent(3), "} 3@3000\n"));
    close_both();
}

static void test_parts_of_one_series_are_one_series(void **state)
{
    start_stub(ok_script, 1);
    open_exporter(state, "");
    bytes_clear(&wire);
    size_t limits[3];
    for (int value = 3; value >= 1; value--) {
        char json[512];
        (void)snprintf(json, sizeof(json),
                       "{'resourceMetrics':[{'scopeMetrics':[{'metrics':[{'name':'g','gauge':{"
                       "'dataPoints':[{'timeUnixNano':'%d000000000','asInt':'%d'}]}}]}]}]}",
                       value, value);
        append_json(json);
        limits[3 - value] = wire.len;
    }
    struct slice all = bytes_slice(&wire);
    struct slice parts[] = {slice_first(all, limits[0]),
                            slice_from(slice_first(all, limits[1]), limits[0]),
                            slice_from(all, limits[1])};
    rig_offer(&rig, parts, 3, 1);
    rig_settle(&rig);
    assert_string_equal(sent(0), "{__name__=\"g\"} 1@1000 2@2000 3@3000\n");
    close_both();
}

/* --- the queue and the end -------------------------------------------------------------------- */

static void test_the_queue_is_bounded_in_batches(void **state)
{
    static const struct http_stub_answer script[] = {{.status = 200, .delay_ms = 100}};
    start_stub(script, 1);
    open_exporter(state, "remote_write_queue: {queue_size: 2}\n");
    RIG_STAT_IS(&rig, queue_capacity, 2);
    offer_gauges(1, 1);
    offer_gauges(1, 2);
    RIG_STAT_IS(&rig, queue_used, 2);
    offer_gauges(1, 3);
    assert_true(pipeline_is_holding(&rig.pipeline));
    while (!rig.exporter->ops->is_idle(rig.exporter)) {
        turn_ms(1);
    }
    assert_true(pipeline_retry(&rig.pipeline));
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, 3);
    close_both();
}

static void test_without_a_queue_a_batch_waits_for_the_one_before(void **state)
{
    start_stub(ok_script, 1);
    open_exporter(state, "remote_write_queue: {enabled: false, queue_size: 0}\n");
    assert_true(rig.exporter->answers_late);
    assert_true(rig.exporter->blocks_on_overflow);
    offer_gauges(1, 1);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, 1);
    close_both();
}

static void test_a_drain_ends_in_time_and_books_what_is_left(void **state)
{
    struct odd_one odd = {.number = "001", .answer = {.status = 503}, .count = 100000};
    start_odd(&odd);
    open_exporter(state, ONE_BY_ONE QUICK_RETRY "max_batch_request_parallelism: 4\n");
    offer_gauges(4, 1);
    turn_until_sent(5); /* the others are taken, and the odd one is tried again */
    rig.exporter->ops->drain(rig.exporter, clock_mono_ns() + 200 * CLOCK_NS_PER_MS);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, 3);
    RIG_STAT_IS(&rig, items_dropped_shutdown, 1);
    close_both();
}

static void test_a_close_gives_up_what_is_under_way(void **state)
{
    static const struct http_stub_answer script[] = {{.status = 200, .is_held = true}};
    start_stub(script, 1);
    open_exporter(state, ONE_BY_ONE);
    offer_gauges(8, 1);
    offer_gauges(8, 2);
    turn_until_sent(5); /* as many as go at once */
    rig.exporter->ops->drain(rig.exporter, loop_now_mono_ns(rig.loop));
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_dropped_shutdown, 16);
    close_both();
}

/* --- configuration ---------------------------------------------------------------------------- */

static void test_what_cannot_work_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *words;
    } rows[] = {
        {"timeout: 1s\n", "endpoint"},
        {"endpoint: somewhere\n", "must be a URL"},
        {"endpoint: http://h\nendpont: x\n", "endpont"},
        {"endpoint: http://h\nsending_queue: {}\n", "sending_queue"},
        {"endpoint: http://h\nwal: {directory: x}\n", "not supported yet"},
        {"endpoint: http://h\nhttp: {endpoint: x}\n", "not supported yet"},
        {"endpoint: http://h\nresource_constant_labels: {}\n", "not supported yet"},
        {"endpoint: http://h\nprotobuf_message: io.prometheus.write.v2.Request\n",
         "not supported yet"},
        {"endpoint: http://h\ntranslation_strategy: NoTranslation\n", "not supported yet"},
        {"endpoint: http://h\ncompression: gzip\n", "must be snappy"},
        {"endpoint: http://h\nread_buffer_size: 1\n", "not supported yet"},
        {"endpoint: http://h\nremote_write_queue: {queue_size: 0}\n", "will drop all the data"},
        {"endpoint: http://h\nremote_write_queue: {num_consumers: 0}\n", "must be positive"},
        {"endpoint: http://h\nremote_write_queue: {size: 1}\n", "size"},
        {"endpoint: http://h\nmax_batch_request_parallelism: 0\n", "below 1"},
        {"endpoint: http://h\nmax_batch_size_bytes: 0\n", "greater than 0"},
        {"endpoint: http://h\nexternal_labels: {a: ''}\n", "empty name or value"},
        {"endpoint: http://h\nheaders: {'a b': c}\n", "must be a token"},
        {"endpoint: http://h\nretry_on_failure: {max_elapsed_time: 1ms}\n", "max_elapsed_time"},
        {"endpoint: http://h\nresource_to_telemetry_conversion: {included: [a]}\n",
         "not supported yet"},
        {"endpoint: http://h\ntls: {tpm: {}}\n", "not supported yet"},
        {"endpoint: http://h\nauth: {}\n", "authenticator"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rig_assert_refused(&rig, prom_write_exporter_new, rows[i].yaml, rows[i].words);
    }
}

static void test_what_says_the_default_is_fine(void **state)
{
    struct exporter_rig other;
    static const char yaml[] = "endpoint: https://h/x\ncompression: snappy\n"
                               "protobuf_message: prometheus.WriteRequest\n"
                               "proxy_url: http://p:1\ntls: {insecure: true}\n"
                               "auth: {authenticator: sigv4auth}\n";
    assert_int_equal(rig_configure(&other, *state, prom_write_exporter_new, yaml), 0);
    assert_string_equal(other.exporter->authenticator_id, "sigv4auth");
    other.exporter->ops->close(other.exporter);
    config_fixture_fini(&other.config);
}

static void test_every_failed_allocation_is_survived(void **state)
{
    struct exporter_rig other;
    int err = -ENOMEM;
    static const char yaml[] = "endpoint: http://127.0.0.1:1/x\nexternal_labels: {a: b}\n";
    for (uint64_t nth = 1; err != 0 && nth < 200; nth++) {
        err = rig_configure(&other, *state, prom_write_exporter_new, yaml);
        assert_int_equal(err, 0);
        mem_fail_nth(nth);
        err = other.exporter->ops->open(other.exporter, *state);
        mem_fail_nth(0);
        other.exporter->ops->close(other.exporter);
        config_fixture_fini(&other.config);
        for (int i = 0; i < 4; i++) {
            assert_true(loop_turn(*state, 0) >= 0);
        }
    }
    assert_int_equal(err, 0);
}

static void test_a_batch_survives_every_failed_allocation(void **state)
{
    for (uint64_t nth = 1; nth < 60; nth++) {
        start_stub(ok_script, 1);
        open_exporter(state, ONE_BY_ONE QUICK_RETRY);
        offer_gauges(3, 1);
        mem_fail_nth(nth);
        turn_ms(2);
        mem_fail_nth(0);
        rig_settle(&rig);
        close_both();
    }
}

static int run_group(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_a_request_has_the_heads_of_remote_write),
        LOOP_TEST(test_keys_of_the_translation_have_their_effect),
        LOOP_TEST(test_metadata_is_sent_when_asked),
        LOOP_TEST(test_metadata_that_is_not_taken_is_counted_told_and_not_repeated),
        LOOP_TEST(test_a_refusal_of_points_is_told_before_that_of_metadata),
        LOOP_TEST(test_a_target_info_that_is_too_long_is_counted_and_told),
        LOOP_TEST(test_headers_are_sent_but_ours_are_not_changed),
        LOOP_TEST(test_failures_that_may_pass_are_sent_again),
        LOOP_TEST(test_the_upstream_says_how_long_to_wait),
        LOOP_TEST(test_other_answers_are_refusals_for_good),
        LOOP_TEST(test_without_retries_a_failure_is_the_end),
        LOOP_TEST(test_an_upstream_that_does_not_answer_is_given_up),
        LOOP_TEST(test_deltas_are_refused_by_their_reason),
        LOOP_TEST(test_a_retry_sends_only_what_is_left),
        LOOP_TEST(test_each_request_that_is_sent_again_is_counted),
        LOOP_TEST(test_a_refused_request_is_refused_alone),
        LOOP_TEST(test_what_is_given_up_is_what_is_left),
        LOOP_TEST(test_a_failure_stops_the_rest_of_the_batch),
        LOOP_TEST(test_so_many_requests_of_a_batch_go_at_once),
        LOOP_TEST(test_batches_do_not_overtake_each_other),
        LOOP_TEST(test_parts_of_one_series_are_one_series),
        LOOP_TEST(test_the_queue_is_bounded_in_batches),
        LOOP_TEST(test_without_a_queue_a_batch_waits_for_the_one_before),
        LOOP_TEST(test_a_drain_ends_in_time_and_books_what_is_left),
        LOOP_TEST(test_a_close_gives_up_what_is_under_way),
        LOOP_TEST(test_what_cannot_work_is_refused),
        LOOP_TEST(test_what_says_the_default_is_fine),
        LOOP_TEST(test_every_failed_allocation_is_survived),
        LOOP_TEST(test_a_batch_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as the program does */
    return loop_fixture_main(run_group);
}
