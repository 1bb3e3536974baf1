/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/awsemf_exporter and awsemf_lines: documents reach CloudWatch Logs or standard
 * output, once, also where the first attempt fails, and the books balance.
 */
#include "exporters/awsemf_exporter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codecs/otlp_json.h"
#include "core/base/mem.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "exporters/awsemf_lines.h"
#include "exporters/exporter_bounds.h"
#include "tests/support/exporter_rig.h"
#include "tests/support/logs_service.h"
#include "tests/support/loop_fixture.h"

#define METRICS_REQUEST                                                                            \
    (&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor)
#define QUICK_RETRY                                                                                \
    "retry_on_failure: {initial_interval: 10ms, max_interval: 20ms, max_elapsed_time: 30s}\n"
#define NAMES "namespace: n\nlog_group_name: g\nlog_stream_name: s\n"
#define CONFIG_MAX_BYTES 2048
#define OUT_MAX_BYTES (8 * 1024 * 1024)

static struct exporter_rig rig;
static struct logs_service service;
static struct bytes wire;

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
    rig_open(&rig, *state, awsemf_exporter_new, SIGNAL_METRICS, all);
    bytes_init(&wire, 64 * 1024 * 1024);
}

static void close_exporter(void)
{
    RIG_STAT_IS(&rig, items_held, 0);
    struct loop *loop = rig.loop;
    rig_close(&rig);
    for (int i = 0; i < 4; i++) {
        assert_true(loop_turn(loop, 0) >= 0);
    }
    bytes_fini(&wire);
}

static void close_both(void)
{
    close_exporter();
    logs_service_stop(&service);
}

/* One metric `m` with this data in OTLP/JSON. */
static void offer(const char *data, uint32_t point_count)
{
    char json[2048];
    int len = snprintf(json, sizeof(json),
                       "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"m\","
                       "%s}]}]}]}",
                       data);
    assert_in_range(len, 1, sizeof(json) - 1);
    bytes_clear(&wire);
    assert_int_equal(otlp_json_decode(METRICS_REQUEST, slice_of_text(json), &wire, NULL), 0);
    struct slice part = bytes_slice(&wire);
    rig_offer(&rig, &part, 1, point_count);
}

/* A cumulative sum with this value, now. */
static void offer_total(uint32_t value)
{
    char data[512];
    (void)snprintf(data, sizeof(data),
                   "\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":true,\"dataPoints\":[{"
                   "\"timeUnixNano\":\"%llu\",\"asInt\":\"%u\"}]}",
                   (unsigned long long)clock_unix_ns(), value);
    offer(data, 1);
}

static void offer_gauge(const char *attribute)
{
    char data[512];
    (void)snprintf(data, sizeof(data),
                   "\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":\"%llu\",\"asInt\":\"7\","
                   "\"attributes\":[{\"key\":\"a\",\"value\":{\"stringValue\":\"%s\"}}]}]}",
                   (unsigned long long)clock_unix_ns(), attribute);
    offer(data, 1);
}

static bool body_has(size_t index, const char *text)
{
    struct slice body = logs_service_body(&service, index);
    return memmem(body.ptr, body.len, text, strlen(text)) != NULL;
}

/* --- CloudWatch Logs -------------------------------------------------------------------------- */

static void test_a_point_becomes_a_document_in_a_put(void **state)
{
    start_service((struct logs_service){.has_all = true});
    open_exporter(state, NAMES);
    offer_gauge("x");
    rig_settle(&rig);
    const struct http_stub_request *got = http_stub_request(&service.stub, 0);
    assert_true(slice_is_text(http_stub_header(got, "x-amzn-logs-format"), "json/emf"));
    assert_true(slice_is_text(logs_service_operation(&service, 0), "PutLogEvents"));
    assert_true(body_has(0, "{\"logGroupName\":\"g\",\"logStreamName\":\"s\",\"logEvents\":["));
    assert_true(body_has(0, "\\\"_aws\\\":{\\\"CloudWatchMetrics\\\":["));
    assert_true(body_has(0, "\\\"m\\\":7"));
    RIG_STAT_IS(&rig, items_delivered, 1);
    RIG_STAT_IS(&rig, request_bytes, got->body_len);
    close_both();
}

static void test_a_delta_is_made_once_however_often_it_is_sent(void **state)
{
    static const struct http_stub_answer *const script[] = {&logs_throttled, &logs_unavailable,
                                                            &logs_taken};
    start_service(
        (struct logs_service){.has_all = true, .put_script = script, .put_script_len = 3});
    open_exporter(state, NAMES);
    offer_total(100);
    rig_settle(&rig);
    assert_int_equal(service.put_count, 0); /* the base of what follows */
    RIG_STAT_IS(&rig, items_delivered, 1);
    offer_total(105);
    rig_settle(&rig);
    offer_total(112);
    rig_settle(&rig);
    assert_int_equal(service.put_count, 4);
    for (size_t i = 0; i < 3; i++) {
        assert_true(body_has(i, "\\\"m\\\":5"));
    }
    assert_true(body_has(3, "\\\"m\\\":7"));
    RIG_STAT_IS(&rig, items_delivered, 3);
    RIG_STAT_IS(&rig, items_rejected, 0);
    RIG_STAT_IS(&rig, emf_initial, 1); /* delivered: it is what the next delta is counted from */
    RIG_STAT_IS(&rig, emf_delta_series, 1);
    close_both();
}

static void test_the_default_group_is_made_with_its_retention(void **state)
{
    start_service((struct logs_service){0});
    open_exporter(state, "namespace: shop\nlog_retention: 30\n");
    offer_gauge("x");
    rig_settle(&rig);
    size_t group = logs_service_find(&service, "CreateLogGroup", 0);
    size_t retention = logs_service_find(&service, "PutRetentionPolicy", 0);
    assert_true(body_has(group, "\"logGroupName\":\"/metrics/shop\""));
    assert_true(body_has(retention, "\"retentionInDays\":30"));
    assert_true(body_has(logs_service_find(&service, "CreateLogStream", 0), "otel-stream-"));
    RIG_STAT_IS(&rig, items_delivered, 1);
    close_both();
}

static void test_points_that_cannot_be_said_are_rejected_alone(void **state)
{
    start_service((struct logs_service){.has_all = true});
    open_exporter(state, NAMES);
    offer("\"gauge\":{\"dataPoints\":[{\"asDouble\":\"NaN\"},{\"asInt\":\"1\"}]}", 2);
    rig_settle(&rig);
    assert_int_equal(service.put_count, 1);
    RIG_STAT_IS(&rig, items_delivered, 1);
    RIG_STAT_IS(&rig, items_rejected_not_finite, 1);
    offer("\"gauge\":{\"dataPoints\":[{\"asDouble\":\"Infinity\"}]}", 1);
    rig_settle(&rig);
    assert_int_equal(service.put_count, 1);
    RIG_STAT_IS(&rig, items_rejected_not_finite, 2);
    RIG_STAT_IS(&rig, items_rejected, 0);
    RIG_STAT_IS(&rig, emf_documents, 1);
    close_both();
}

static void test_stale_points_cost_their_neighbours_nothing(void **state)
{
    start_service((struct logs_service){.has_all = true});
    open_exporter(state, NAMES);
    offer("\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":\"1\",\"asInt\":\"1\"},{\"asInt\":\"2\"}]}",
          2);
    rig_settle(&rig);
    assert_int_equal(service.put_count, 1);
    RIG_STAT_IS(&rig, items_delivered, 1);
    RIG_STAT_IS(&rig, items_rejected_too_old, 1);
    close_both();
}

/* --- standard output -------------------------------------------------------------------------- */

static int saved_stdout = -1;
static int pipe_out = -1;

static void capture_stdout(void)
{
    int ends[2];
    (void)fflush(stdout);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    saved_stdout = dup(STDOUT_FILENO);
    assert_true(saved_stdout >= 0);
    assert_int_equal(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
    assert_int_equal(close(ends[1]), 0);
    pipe_out = ends[0];
}

/* Gives stdout back; what was written is in `out`, NUL-terminated. */
static size_t release_stdout(char *out, size_t used_bytes)
{
    assert_int_equal(dup2(saved_stdout, STDOUT_FILENO), STDOUT_FILENO);
    assert_int_equal(close(saved_stdout), 0);
    ssize_t n = 1;
    while (n > 0) {
        n = read(pipe_out, out + used_bytes, OUT_MAX_BYTES - 1 - used_bytes);
        used_bytes += n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(close(pipe_out), 0);
    out[used_bytes] = '\0';
    return used_bytes;
}

static void test_stdout_gets_a_line_per_document(void **state)
{
    char *out = mem_alloc(OUT_MAX_BYTES);
    assert_non_null(out);
    capture_stdout();
    rig_open(&rig, *state, awsemf_exporter_new, SIGNAL_METRICS,
             NAMES "output_destination: stdout\n");
    bytes_init(&wire, 64 * 1024 * 1024);
    offer_gauge("x");
    offer_gauge("y");
    rig_settle(&rig);
    size_t len = release_stdout(out, 0);
    char *second = strchr(out, '\n');
    assert_non_null(second);
    assert_int_equal(out[0], '{');
    assert_int_equal(second[1], '{');
    assert_int_equal(out[len - 1], '\n');
    assert_ptr_equal(strchr(second + 1, '\n'), out + len - 1);
    assert_non_null(strstr(out, "\"a\":\"x\""));
    assert_non_null(strstr(second, "\"a\":\"y\""));
    RIG_STAT_IS(&rig, items_delivered, 2);
    RIG_STAT_IS(&rig, request_bytes, len);
    close_exporter();
    mem_free(out);
}

struct line_test {
    struct awsemf_block blocks[3];
    uint64_t done_count;
    int err;
};
static struct line_test lines_seen;

static void block_on_done(struct awsemf_block *block, int err)
{
    assert_ptr_equal(block, &lines_seen.blocks[lines_seen.done_count]);
    lines_seen.done_count++;
    lines_seen.err = err;
}

static void fill_block(size_t index, char letter, size_t len)
{
    struct awsemf_block *block = &lines_seen.blocks[index];
    *block = (struct awsemf_block){.on_done = block_on_done};
    bytes_init(&block->text, OUT_MAX_BYTES);
    for (size_t i = 0; i + 1 < len; i++) {
        bytes_append_byte(&block->text, (uint8_t)letter);
    }
    bytes_append_byte(&block->text, '\n');
}

static void test_a_slow_reader_holds_the_lines_and_loses_none(void **state)
{
    enum { LEN = 300000 };
    struct awsemf_lines lines;
    static char out[3 * LEN + 1];
    int ends[2];
    size_t used_bytes = 0;
    lines_seen = (struct line_test){0};
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    awsemf_lines_init(&lines, *state, ends[1]);
    for (size_t i = 0; i < 3; i++) {
        fill_block(i, (char)('a' + i), LEN);
        assert_int_equal(awsemf_lines_write(&lines, &lines_seen.blocks[i]), 0);
    }
    loop_fixture_run(*state, 20 * CLOCK_NS_PER_MS);
    assert_int_equal(lines_seen.done_count, 0); /* the pipe is full, and nobody was blocked */
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (used_bytes < 3 * LEN && clock_mono_ns() < deadline_mono_ns) {
        ssize_t n = read(ends[0], out + used_bytes, sizeof(out) - 1 - used_bytes);
        used_bytes += n > 0 ? (size_t)n : 0;
        assert_true(loop_turn(*state, CLOCK_NS_PER_MS) >= 0);
    }
    loop_fixture_until(*state, &lines_seen.done_count);
    assert_int_equal(used_bytes, 3 * LEN);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(out[i * LEN], 'a' + i);
        assert_int_equal(out[(i + 1) * LEN - 2], 'a' + i);
        assert_int_equal(out[(i + 1) * LEN - 1], '\n');
        bytes_fini(&lines_seen.blocks[i].text);
    }
    assert_int_equal(lines_seen.err, 0);
    assert_int_equal(close(ends[0]) | close(ends[1]), 0);
}

/* Each write is a packet of its own here; what others write between two cuts no line. */
static void test_a_write_ends_where_a_line_ends(void **state)
{
    enum { LINES = 1000, LINE_BYTES = 37 };
    struct awsemf_lines lines;
    static char packet[2 * LINE_PIECE_MAX_BYTES];
    int ends[2];
    size_t used_bytes = 0;
    lines_seen = (struct line_test){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
                     0);
    awsemf_lines_init(&lines, *state, ends[1]);
    fill_block(0, 'a', (size_t)LINES * LINE_BYTES);
    for (size_t i = LINE_BYTES - 1; i < (size_t)LINES * LINE_BYTES; i += LINE_BYTES) {
        lines_seen.blocks[0].text.ptr[i] = '\n';
    }
    assert_int_equal(awsemf_lines_write(&lines, &lines_seen.blocks[0]), 0);
    while (used_bytes < (size_t)LINES * LINE_BYTES) {
        assert_true(loop_turn(*state, CLOCK_NS_PER_MS) >= 0);
        ssize_t n = read(ends[0], packet, sizeof(packet));
        assert_true(n > 0 || errno == EAGAIN);
        assert_true(n <= 0 || (n <= LINE_PIECE_MAX_BYTES && packet[n - 1] == '\n'));
        used_bytes += n > 0 ? (size_t)n : 0;
    }
    loop_fixture_until(*state, &lines_seen.done_count);
    assert_int_equal(lines_seen.err, 0);
    bytes_fini(&lines_seen.blocks[0].text);
    assert_int_equal(close(ends[0]) | close(ends[1]), 0);
}

static void test_a_block_given_up_inside_a_line_ends_the_line(void **state)
{
    struct awsemf_lines lines;
    static char out[400000];
    int ends[2];
    size_t used_bytes = 0;
    lines_seen = (struct line_test){0};
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    awsemf_lines_init(&lines, *state, ends[1]);
    fill_block(1, 'a', 300000);
    fill_block(0, 'b', 10); /* the first to be done */
    assert_int_equal(awsemf_lines_write(&lines, &lines_seen.blocks[1]), 0);
    loop_fixture_run(*state, 10 * CLOCK_NS_PER_MS);
    awsemf_lines_cancel(&lines, &lines_seen.blocks[1]);
    awsemf_lines_cancel(&lines, &lines_seen.blocks[1]);
    assert_int_equal(awsemf_lines_write(&lines, &lines_seen.blocks[0]), 0);
    while (lines_seen.done_count == 0) {
        ssize_t n = read(ends[0], out + used_bytes, sizeof(out) - 1 - used_bytes);
        used_bytes += n > 0 ? (size_t)n : 0;
        assert_true(loop_turn(*state, CLOCK_NS_PER_MS) >= 0);
    }
    ssize_t n = read(ends[0], out + used_bytes, sizeof(out) - 1 - used_bytes);
    used_bytes += n > 0 ? (size_t)n : 0;
    assert_true(used_bytes > 11);
    assert_memory_equal(out + used_bytes - 12, "a\nbbbbbbbbb\n", 12);
    bytes_fini(&lines_seen.blocks[0].text);
    bytes_fini(&lines_seen.blocks[1].text);
    assert_int_equal(close(ends[0]) | close(ends[1]), 0);
}

static void test_an_output_that_is_closed_fails_the_block(void **state)
{
    struct awsemf_lines lines;
    int ends[2];
    lines_seen = (struct line_test){0};
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(close(ends[0]), 0);
    awsemf_lines_init(&lines, *state, ends[1]);
    fill_block(0, 'a', 10);
    assert_int_equal(awsemf_lines_write(&lines, &lines_seen.blocks[0]), 0);
    loop_fixture_until(*state, &lines_seen.done_count);
    assert_int_equal(lines_seen.err, -EPIPE);
    bytes_fini(&lines_seen.blocks[0].text);
    assert_int_equal(close(ends[1]), 0);
}

/* --- configuration and memory ----------------------------------------------------------------- */

static void test_an_empty_section_is_enough(void **state)
{
    rig_open(&rig, *state, awsemf_exporter_new, SIGNAL_METRICS, "");
    bytes_init(&wire, 1024);
    close_exporter();
}

static void test_bad_configuration_is_refused_with_words(void **state)
{
    (void)state;
    exporter_new_fn *make = awsemf_exporter_new;
    rig_assert_refused(&rig, make, "name_space: n\n", "namespace");
    rig_assert_refused(&rig, make, "endpoint: x\n", "endpoint must be a URL");
    rig_assert_refused(&rig, make, "output_destination: file\n", "output_destination");
}

static void test_refused_memory_is_survived_while_opening(void **state)
{
    int err = -ENOMEM;
    for (uint64_t nth = 1; err != 0; nth++) {
        assert_true(nth < 300);
        assert_int_equal(
            rig_configure(&rig, *state, awsemf_exporter_new,
                          "endpoint: http://127.0.0.1:1\nregion: eu-central-1\n" NAMES),
            0);
        mem_fail_nth(nth);
        err = rig.exporter->ops->open(rig.exporter, *state);
        mem_fail_nth(0);
        rig.exporter->ops->close(rig.exporter);
        config_fixture_fini(&rig.config);
        loop_fixture_run(*state, CLOCK_NS_PER_MS);
    }
}

static void test_refused_memory_while_sending_is_booked(void **state)
{
    start_service((struct logs_service){0});
    open_exporter(state, NAMES);
    for (uint64_t nth = 1; nth <= 30; nth++) {
        offer_gauge("x");
        mem_fail_nth(nth);
        rig_settle(&rig);
        mem_fail_nth(0);
    }
    const struct exporter_stats *stats = &rig.exporter->stats;
    assert_int_equal(counter_read(&stats->items_delivered) +
                         stats_sum(STATS_EXPORTER, "weir_items_rejected", stats),
                     30);
    close_both();
}

static int run_group(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_a_point_becomes_a_document_in_a_put),
        LOOP_TEST(test_a_delta_is_made_once_however_often_it_is_sent),
        LOOP_TEST(test_the_default_group_is_made_with_its_retention),
        LOOP_TEST(test_points_that_cannot_be_said_are_rejected_alone),
        LOOP_TEST(test_stale_points_cost_their_neighbours_nothing),
        LOOP_TEST(test_stdout_gets_a_line_per_document),
        LOOP_TEST(test_a_slow_reader_holds_the_lines_and_loses_none),
        LOOP_TEST(test_a_write_ends_where_a_line_ends),
        LOOP_TEST(test_a_block_given_up_inside_a_line_ends_the_line),
        LOOP_TEST(test_an_output_that_is_closed_fails_the_block),
        LOOP_TEST(test_an_empty_section_is_enough),
        LOOP_TEST(test_bad_configuration_is_refused_with_words),
        LOOP_TEST(test_refused_memory_is_survived_while_opening),
        LOOP_TEST(test_refused_memory_while_sending_is_booked),
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
