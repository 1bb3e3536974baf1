/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/otlp_http_exporter against a scripted server: what is sent, what its answers
 * do, what each configured key changes, and that the books balance at the end of each.
 */
#include "exporters/otlp_http_exporter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codecs/compress.h"
#include "codecs/otlp_json.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/pipeline.h"
#include "core/otlp/proto/collector_metrics.pb-c.h"
#include "tests/support/config_fixture.h"
#include "tests/support/exporter_books.h"
#include "tests/support/http_stub.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/tls_identity.h"
#include "tools/weir/config_yaml.h"

/* Retries that a test can wait for. */
#define QUICK_RETRY                                                                                \
    "retry_on_failure: {initial_interval: 10ms, max_interval: 20ms, max_elapsed_time: 30s}\n"

/* Two parts, each a ResourceMetrics with an empty ScopeMetrics in it. */
#define PART_WIRE "\x0A\x02\x12\x00"
#define PART_COUNT 2
#define ITEMS_PER_PART 5
#define ITEM_COUNT (PART_COUNT * ITEMS_PER_PART)
static const char both_parts[] = PART_WIRE PART_WIRE;
#define BOTH_BYTES (sizeof(both_parts) - 1)

/* --- the rig ---------------------------------------------------------------------------------- */

struct rig {
    struct loop *loop;
    struct config_fixture config;
    struct exporter *exporter;
    struct pipeline pipeline;
};

static struct rig rig;
static struct http_stub stub;

static const struct http_stub_answer ok_script[] = {{0}};

static void start_stub(const struct http_stub_answer *script, size_t len)
{
    struct http_stub_options options = {.script = script, .script_len = len};
    http_stub_start(&stub, &options);
}

/* The code of otlp_http_exporter_new for this section. */
static int configure(const char *yaml)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    uint32_t source_index = 0;
    config_fixture_init(&rig.config);
    struct slice text = slice_of_text(yaml);
    struct slice name = SLICE_LITERAL("test.yaml");
    assert_int_equal(config_tree_add_source(&rig.config.tree, name, text, &source_index), 0);
    assert_int_equal(
        config_yaml_parse(&rig.config.tree, &rig.config.report, text, NULL, source_index, &node),
        0);
    config_reader_open(&reader, &rig.config.report, node, "exporters.otlphttp");
    return otlp_http_exporter_new(&reader, "otlphttp/test", &rig.exporter);
}

static void open_exporter(void **state, enum signal signal, const char *yaml)
{
    rig.loop = *state;
    int err = configure(yaml);
    if (err != 0) {
        print_error("%s\n", config_fixture_printed(&rig.config));
    }
    assert_int_equal(err, 0);
    assert_int_equal(rig.exporter->ops->open(rig.exporter, rig.loop), 0);
    pipeline_init(&rig.pipeline, "test", signal, &rig.exporter, 1);
}

/* `format` has one %s for the stub's URL. */
WEIR_PRINTF(3, 4)
static void open_with(void **state, enum signal signal, const char *format, ...)
{
    char yaml[TLS_IDENTITY_PEM_BYTES * 5];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(yaml, sizeof(yaml), format, arguments);
    va_end(arguments);
    assert_in_range(len, 1, sizeof(yaml) - 1);
    open_exporter(state, signal, yaml);
}

static void offer_as(enum signal signal)
{
    struct batch *batch = batch_new(signal, 0);
    assert_non_null(batch);
    for (int i = 0; i < PART_COUNT; i++) {
        struct part part;
        assert_int_equal(part_copy(&part, SLICE_LITERAL(PART_WIRE), signal, ITEMS_PER_PART), 0);
        assert_int_equal(batch_push(batch, &part), 0);
    }
    assert_int_equal(pipeline_submit(&rig.pipeline, &batch), 0);
}

static void offer(void)
{
    offer_as(SIGNAL_METRICS);
}

static void settle(void)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (!rig.exporter->ops->is_idle(rig.exporter) && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_true(rig.exporter->ops->is_idle(rig.exporter));
}

static uint64_t count_of(const struct counter *counter)
{
    return counter_read(counter);
}
#define STAT_IS(field, value) assert_int_equal(count_of(&rig.exporter->stats.field), value)

static void close_exporter(void)
{
    assert_books_balance(&rig.exporter->stats);
    STAT_IS(items_held, 0);
    rig.exporter->ops->close(rig.exporter);
    rig.exporter = NULL;
    pipeline_fini(&rig.pipeline);
    config_fixture_fini(&rig.config);
    for (int i = 0; i < 4; i++) {
        assert_true(loop_turn(rig.loop, 0) >= 0);
    }
}

static void close_both(void)
{
    close_exporter();
    http_stub_stop(&stub);
}

static void assert_header(size_t index, const char *name, const char *value)
{
    struct slice got = http_stub_header(http_stub_request(&stub, index), name);
    if (!slice_is_text(got, value)) {
        print_error("%s: %.*s\n", name, (int)got.len, (const char *)got.ptr);
    }
    assert_true(slice_is_text(got, value));
}

/* --- what is sent ----------------------------------------------------------------------------- */

static void test_protobuf_is_sent_as_the_parts_have_it(void **state)
{
    start_stub(ok_script, 1);
    open_with(state, SIGNAL_METRICS, "endpoint: %s\ncompression: none\n", stub.url);
    offer();
    settle();
    const struct http_stub_request *got = http_stub_request(&stub, 0);
    assert_string_equal(got->method, "POST");
    assert_string_equal(got->target, "/v1/metrics");
    assert_int_equal(got->body_len, BOTH_BYTES);
    assert_memory_equal(got->body, both_parts, BOTH_BYTES);
    assert_header(0, "Content-Type", "application/x-protobuf");
    assert_header(0, "User-Agent", "weir/" WEIR_VERSION);
    assert_null(strstr(got->head, "Content-Encoding"));
    STAT_IS(items_delivered, ITEM_COUNT);
    STAT_IS(request_bytes, BOTH_BYTES);
    STAT_IS(requests_sent, 1);
    close_both();
}

static void assert_body_is(size_t index, enum compress_kind kind, const void *bytes, size_t len)
{
    const struct http_stub_request *got = http_stub_request(&stub, index);
    struct bytes plain;
    bytes_init(&plain, 1 << 20);
    assert_int_equal(decompress_bounded(kind, slice_of(got->body, got->body_len), &plain), 0);
    assert_int_equal(plain.len, len);
    assert_memory_equal(plain.ptr, bytes, len);
    bytes_fini(&plain);
}

static void test_gzip_is_the_default(void **state)
{
    start_stub(ok_script, 1);
    open_with(state, SIGNAL_METRICS, "endpoint: %s/\n", stub.url);
    offer();
    settle();
    assert_string_equal(http_stub_request(&stub, 0)->target, "/v1/metrics");
    assert_header(0, "Content-Encoding", "gzip");
    assert_body_is(0, COMPRESS_GZIP, both_parts, BOTH_BYTES);
    STAT_IS(request_bytes, http_stub_request(&stub, 0)->body_len);
    close_both();
}

static void test_zstd_when_asked_and_none_when_empty(void **state)
{
    start_stub(ok_script, 1);
    open_with(state, SIGNAL_METRICS, "endpoint: %s\ncompression: zstd\n", stub.url);
    offer();
    settle();
    assert_header(0, "Content-Encoding", "zstd");
    assert_body_is(0, COMPRESS_ZSTD, both_parts, BOTH_BYTES);
    close_exporter();
    open_with(state, SIGNAL_METRICS, "endpoint: %s\ncompression: \"\"\n", stub.url);
    offer();
    settle();
    assert_null(strstr(http_stub_request(&stub, 1)->head, "Content-Encoding"));
    close_both();
}

static void test_json_is_the_same_request_in_json(void **state)
{
    static const char text[] =
        "{\"resourceMetrics\":[{\"scopeMetrics\":[{}]},{\"scopeMetrics\":[{}]}]}";
    start_stub(ok_script, 1);
    open_with(state, SIGNAL_METRICS, "endpoint: %s\nencoding: json\ncompression: none\n", stub.url);
    offer();
    settle();
    const struct http_stub_request *got = http_stub_request(&stub, 0);
    assert_header(0, "Content-Type", "application/json");
    assert_int_equal(got->body_len, sizeof(text) - 1);
    assert_memory_equal(got->body, text, sizeof(text) - 1);
    close_exporter();
    open_with(state, SIGNAL_METRICS, "endpoint: %s\nencoding: json\n", stub.url);
    offer();
    settle();
    assert_header(1, "Content-Encoding", "gzip");
    assert_body_is(1, COMPRESS_GZIP, text, sizeof(text) - 1);
    close_both();
}

static void test_headers_are_sent_and_win_over_ours(void **state)
{
    start_stub(ok_script, 1);
    open_with(state, SIGNAL_METRICS,
              "endpoint: %s\n"
              "headers: {x-api-key: s3cret, Host: other.example, User-Agent: mine, x-empty: ''}\n",
              stub.url);
    offer();
    settle();
    assert_header(0, "x-api-key", "s3cret");
    assert_header(0, "Host", "other.example");
    assert_header(0, "User-Agent", "mine");
    assert_non_null(strstr(http_stub_request(&stub, 0)->head, "x-empty:"));
    close_both();
}

static void test_each_signal_has_its_path_or_its_own_endpoint(void **state)
{
    static const struct {
        enum signal signal;
        const char *path;
        const char *key;
    } rows[] = {
        {SIGNAL_TRACES, "/v1/traces", "traces_endpoint"},
        {SIGNAL_METRICS, "/v1/metrics", "metrics_endpoint"},
        {SIGNAL_LOGS, "/v1/logs", "logs_endpoint"},
    };
    start_stub(ok_script, 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_with(state, rows[i].signal, "endpoint: %s\n", stub.url);
        offer_as(rows[i].signal);
        settle();
        assert_string_equal(http_stub_request(&stub, i * 2)->target, rows[i].path);
        close_exporter();
        open_with(state, rows[i].signal, "%s: %s/own/path/\n", rows[i].key, stub.url);
        offer_as(rows[i].signal);
        settle();
        assert_string_equal(http_stub_request(&stub, i * 2 + 1)->target, "/own/path/");
        close_exporter();
    }
    /* A signal without any endpoint is refused, in the books. */
    open_with(state, SIGNAL_LOGS, "traces_endpoint: %s\n", stub.url);
    offer_as(SIGNAL_LOGS);
    settle();
    STAT_IS(items_rejected, ITEM_COUNT);
    close_both();
}

/* --- answers ---------------------------------------------------------------------------------- */

static void test_retryable_statuses_are_sent_again_until_accepted(void **state)
{
    static const struct http_stub_answer script[] = {
        {.status = 503}, {.status = 429}, {.status = 502}, {.status = 504}, {.status = 202}};
    start_stub(script, COUNT_OF(script));
    open_with(state, SIGNAL_METRICS, "endpoint: %s\n" QUICK_RETRY, stub.url);
    offer();
    settle();
    assert_int_equal(http_stub_request_count(&stub), 5);
    assert_body_is(4, COMPRESS_GZIP, both_parts, BOTH_BYTES);
    STAT_IS(items_delivered, ITEM_COUNT);
    STAT_IS(requests_sent, 5);
    STAT_IS(requests_retried, 4);
    close_both();
}

static void test_other_statuses_are_refusals_for_good(void **state)
{
    static const uint32_t statuses[] = {301, 400, 401, 403, 404, 408, 413, 500, 501};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        const struct http_stub_answer script[] = {
            {.status = statuses[i], .body = "no", .body_len = 2}};
        start_stub(script, 1);
        open_with(state, SIGNAL_METRICS, "endpoint: %s\n" QUICK_RETRY, stub.url);
        offer();
        settle();
        assert_int_equal(http_stub_request_count(&stub), 1);
        STAT_IS(items_rejected, ITEM_COUNT);
        STAT_IS(items_delivered, 0);
        close_both();
    }
}

static void test_retry_after_is_the_least_wait(void **state)
{
    static const struct http_stub_answer script[] = {
        {.status = 503, .headers = "Retry-After: 1\r\n"}, {0}};
    start_stub(script, 2);
    open_with(state, SIGNAL_METRICS, "endpoint: %s\n" QUICK_RETRY, stub.url);
    uint64_t begin_mono_ns = clock_mono_ns();
    offer();
    settle();
    assert_true(clock_mono_ns() - begin_mono_ns >= CLOCK_NS_PER_S);
    STAT_IS(items_delivered, ITEM_COUNT);
    close_both();
}

static void test_a_refused_connection_is_tried_until_the_upstream_is_up(void **state)
{
    uint16_t port = 0;
    int held_fd = http_stub_hold_port(&port);
    open_with(state, SIGNAL_METRICS, "endpoint: http://127.0.0.1:%u\n" QUICK_RETRY, port);
    offer();
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (count_of(&rig.exporter->stats.requests_retried) == 0 &&
           clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_true(count_of(&rig.exporter->stats.requests_retried) > 0);
    STAT_IS(items_held, ITEM_COUNT);
    struct http_stub_options options = {.script = ok_script, .script_len = 1, .port = port};
    http_stub_start(&stub, &options);
    settle();
    STAT_IS(items_delivered, ITEM_COUNT);
    close_both();
    (void)close(held_fd);
}

static void test_a_slow_answer_runs_into_the_timeout_and_is_tried_again(void **state)
{
    static const struct http_stub_answer script[] = {{.delay_ms = 60000}, {0}};
    start_stub(script, 2);
    open_with(state, SIGNAL_METRICS, "endpoint: %s\ntimeout: 50ms\n" QUICK_RETRY, stub.url);
    offer();
    settle();
    /* On a busy machine a good answer may be late as well. */
    assert_true(count_of(&rig.exporter->stats.requests_sent) >= 2);
    STAT_IS(items_delivered, ITEM_COUNT);
    close_both();
}

static void test_partial_success_in_protobuf_and_json(void **state)
{
    /* partial_success {rejected_data_points: 3, error_message: "old"} */
    static const char protobuf[] = "\x0A\x07\x08\x03\x12\x03old";
    static const char json[] =
        "{\"partialSuccess\":{\"rejectedDataPoints\":\"4\",\"errorMessage\":\"older\"}}";
    static const char more[] = "\x0A\x02\x08\x64"; /* 100: more than were sent */
    static const char broken[] = "\x0A\x63\x08\x03";
    static const struct http_stub_answer script[] = {
        {.headers = "Content-Type: application/x-protobuf\r\n",
         .body = protobuf,
         .body_len = sizeof(protobuf) - 1},
        {.headers = "Content-Type: application/json; charset=utf-8\r\n",
         .body = json,
         .body_len = sizeof(json) - 1},
        {.headers = "Content-Type: application/x-protobuf\r\n",
         .body = more,
         .body_len = sizeof(more) - 1},
        {.headers = "Content-Type: application/x-protobuf\r\n",
         .body = broken,
         .body_len = sizeof(broken) - 1},
    };
    static const uint64_t rejected_sums[] = {3, 7, 17, 17};
    start_stub(script, COUNT_OF(script));
    open_with(state, SIGNAL_METRICS, "endpoint: %s\n", stub.url);
    for (size_t i = 0; i < COUNT_OF(script); i++) {
        offer();
        settle();
        STAT_IS(items_rejected_partial, rejected_sums[i]);
        STAT_IS(items_delivered, (i + 1) * ITEM_COUNT - rejected_sums[i]);
    }
    close_both();
}

static void test_retry_switched_off_drops(void **state)
{
    static const struct http_stub_answer script[] = {{.status = 503}};
    start_stub(script, 1);
    open_with(state, SIGNAL_METRICS, "endpoint: %s\nretry_on_failure: {enabled: false}\n",
              stub.url);
    offer();
    settle();
    STAT_IS(items_dropped_retry, ITEM_COUNT);
    close_both();
}

static void test_drain_with_the_upstream_down_books_what_is_left(void **state)
{
    uint16_t port = 0;
    int held_fd = http_stub_hold_port(&port);
    open_with(state, SIGNAL_METRICS, "endpoint: http://127.0.0.1:%u\n", port);
    offer();
    offer();
    loop_fixture_run(rig.loop, 20 * CLOCK_NS_PER_MS);
    STAT_IS(items_held, 2 * ITEM_COUNT); /* waiting for seconds */
    rig.exporter->ops->drain(rig.exporter, loop_now_mono_ns(rig.loop) + CLOCK_NS_PER_S);
    settle();
    STAT_IS(items_dropped_shutdown, 2 * ITEM_COUNT);
    close_exporter();
    (void)close(held_fd);
}

static void test_close_with_a_request_in_flight_gives_it_up(void **state)
{
    static const struct http_stub_answer script[] = {{.delay_ms = 60000}};
    start_stub(script, 1);
    open_with(state, SIGNAL_METRICS, "endpoint: %s\n", stub.url);
    offer();
    while (http_stub_request_count(&stub) == 0) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    STAT_IS(requests_in_flight, 1);
    uint64_t now_mono_ns = loop_now_mono_ns(rig.loop);
    rig.exporter->ops->drain(rig.exporter, now_mono_ns + CLOCK_NS_PER_MS);
    settle();
    STAT_IS(items_dropped_shutdown, ITEM_COUNT);
    close_both();
}

/* --- keys of the queue ------------------------------------------------------------------------ */

static void test_num_consumers_bounds_what_is_in_flight(void **state)
{
    static const struct http_stub_answer script[] = {{.delay_ms = 30}, {.delay_ms = 30}, {0}};
    start_stub(script, 3);
    open_with(state, SIGNAL_METRICS, "endpoint: %s\nsending_queue: {num_consumers: 1}\n", stub.url);
    offer();
    offer();
    offer();
    while (!rig.exporter->ops->is_idle(rig.exporter)) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
        assert_true(count_of(&rig.exporter->stats.requests_in_flight) <= 1);
    }
    STAT_IS(items_delivered, 3 * ITEM_COUNT);
    close_both();
}

static void test_queue_size_and_sizer_bound_the_queue(void **state)
{
    static const struct {
        const char *sizer;
        uint64_t size;
        uint64_t used;
    } rows[] = {
        {"requests", 1, 1}, {"items", ITEM_COUNT + 1, ITEM_COUNT}, {"bytes", 9, BOTH_BYTES}};
    start_stub(ok_script, 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_with(state, SIGNAL_METRICS,
                  "endpoint: %s\nsending_queue: {queue_size: %u, sizer: %s}\n", stub.url,
                  (uint32_t)rows[i].size, rows[i].sizer);
        assert_false(rig.exporter->blocks_on_overflow);
        offer();
        STAT_IS(queue_used, rows[i].used);
        STAT_IS(queue_capacity, rows[i].size);
        offer();
        assert_true(pipeline_is_holding(&rig.pipeline));
        settle();
        assert_true(pipeline_retry(&rig.pipeline));
        settle();
        STAT_IS(items_delivered, 2 * ITEM_COUNT);
        close_exporter();
    }
    http_stub_stop(&stub);
}

static void test_block_on_overflow_and_a_queue_switched_off(void **state)
{
    start_stub(ok_script, 1);
    open_with(state, SIGNAL_METRICS, "endpoint: %s\nsending_queue: {block_on_overflow: true}\n",
              stub.url);
    assert_true(rig.exporter->blocks_on_overflow);
    close_exporter();
    open_with(state, SIGNAL_METRICS,
              "endpoint: %s\nsending_queue: {enabled: false, num_consumers: 1}\n", stub.url);
    assert_true(rig.exporter->blocks_on_overflow);
    offer();
    offer();
    assert_true(pipeline_is_holding(&rig.pipeline));
    settle();
    assert_true(pipeline_retry(&rig.pipeline));
    settle();
    STAT_IS(items_delivered, 2 * ITEM_COUNT);
    close_both();
}

/* --- TLS and the proxy ------------------------------------------------------------------------ */

/* Whether a batch is delivered with this `tls` section. */
static bool delivers_with(void **state, const char *tls)
{
    open_with(state, SIGNAL_METRICS, "endpoint: %s\nretry_on_failure: {enabled: false}\ntls: %s\n",
              stub.url, tls);
    offer();
    settle();
    bool is_delivered = count_of(&rig.exporter->stats.items_delivered) == ITEM_COUNT;
    close_exporter();
    return is_delivered;
}

/* The PEM text as a double-quoted YAML scalar. */
static void quote_pem(const char *pem, char *out)
{
    size_t len = 0;
    for (size_t i = 0; pem[i] != '\0'; i++) {
        if (pem[i] == '\n') {
            out[len++] = '\\';
        }
        out[len++] = pem[i] == '\n' ? 'n' : pem[i];
    }
    out[len] = '\0';
}

static void test_tls_keys(void **state)
{
    char tls[TLS_IDENTITY_PEM_BYTES * 4];
    char ca[TLS_IDENTITY_PEM_BYTES];
    char cert[TLS_IDENTITY_PEM_BYTES];
    char key[TLS_IDENTITY_PEM_BYTES];
    struct tls_identity server;
    struct tls_identity client;
    tls_identity_init(&server, "server");
    tls_identity_init(&client, "client");
    SSL_CTX *context = tls_identity_server(&server, &client);
    (void)SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    struct http_stub_options options = {.script = ok_script, .script_len = 1, .tls = context};
    http_stub_start(&stub, &options);

    (void)snprintf(tls, sizeof(tls), "{ca_file: %s, cert_file: %s, key_file: %s}",
                   server.certificate_file, client.certificate_file, client.key_file);
    assert_true(delivers_with(state, tls));
    (void)snprintf(tls, sizeof(tls), "{ca_file: %s}", server.certificate_file);
    assert_false(delivers_with(state, tls));
    (void)snprintf(tls, sizeof(tls), "{cert_file: %s, key_file: %s}", client.certificate_file,
                   client.key_file);
    assert_false(delivers_with(state, tls));
    (void)snprintf(tls, sizeof(tls), "{insecure_skip_verify: true, cert_file: %s, key_file: %s}",
                   client.certificate_file, client.key_file);
    assert_true(delivers_with(state, tls));
    (void)snprintf(tls, sizeof(tls),
                   "{insecure_skip_verify: true, cert_file: %s, key_file: %s, min_version: '1.3'}",
                   client.certificate_file, client.key_file);
    assert_false(delivers_with(state, tls));
    quote_pem(server.certificate_pem, ca);
    quote_pem(client.certificate_pem, cert);
    quote_pem(client.key_pem, key);
    (void)snprintf(tls, sizeof(tls),
                   "{ca_pem: \"%s\", include_system_ca_certs_pool: true, cert_pem: \"%s\", "
                   "key_pem: \"%s\", max_version: '1.2'}",
                   ca, cert, key);
    assert_true(delivers_with(state, tls));

    http_stub_stop(&stub);
    SSL_CTX_free(context);
    tls_identity_fini(&server);
    tls_identity_fini(&client);
}

static void test_insecure_is_fine_beside_a_plain_endpoint(void **state)
{
    start_stub(ok_script, 1);
    assert_true(delivers_with(state, "{insecure: true}"));
    http_stub_stop(&stub);
}

static void test_an_unreadable_certificate_fails_the_opening(void **state)
{
    rig.loop = *state;
    assert_int_equal(configure("endpoint: https://127.0.0.1:1\ntls: {ca_file: /nowhere/ca.pem}\n"),
                     0);
    assert_int_equal(rig.exporter->ops->open(rig.exporter, rig.loop), -ENOENT);
    rig.exporter->ops->close(rig.exporter);
    config_fixture_fini(&rig.config);
}

static void test_proxy_url_gets_the_requests(void **state)
{
    start_stub(ok_script, 1);
    open_with(state, SIGNAL_METRICS, "endpoint: http://127.0.0.1:1\nproxy_url: %s\n", stub.url);
    offer();
    settle();
    assert_string_equal(http_stub_request(&stub, 0)->target, "http://127.0.0.1:1/v1/metrics");
    STAT_IS(items_delivered, ITEM_COUNT);
    close_both();
}

/* --- building --------------------------------------------------------------------------------- */

static void assert_refused(const char *yaml, const char *words)
{
    assert_int_equal(configure(yaml), FAULT_CONFIG);
    const char *printed = config_fixture_printed(&rig.config);
    if (strstr(printed, words) == NULL) {
        print_error("wanted '%s' in:\n%s\n", words, printed);
    }
    assert_non_null(strstr(printed, words));
    config_fixture_fini(&rig.config);
}

#define GOOD "endpoint: http://localhost:4318\n"

static void test_bad_configuration_is_refused_with_words(void **state)
{
    (void)state;
    assert_refused("compression: gzip\n", "'endpoint' is missing");
    assert_refused("endpoint: localhost:4318\n", "must be a URL");
    assert_refused("traces_endpoint: ftp://host/\n", "must be a URL");
    assert_refused(GOOD "endpont: x\n", "did you mean 'endpoint'?");
    assert_refused(GOOD "encoding: xml\n", "encoding");
    assert_refused(GOOD "compression: snappy\n", "known but not supported yet");
    assert_refused(GOOD "compression: brotli\n", "compression");
    assert_refused(GOOD "headers: {'a b': x}\n", "token");
    assert_refused(GOOD "headers: {a: \"x\\r\\nb: y\"}\n", "one line");
    assert_refused(GOOD "insecure: true\n", "unknown key 'insecure'");
    assert_refused(GOOD "tls: {ca_file: a, ca_pem: b}\n", "exclude each other");
    assert_refused(GOOD "tls: {cert_file: a}\n", "needs its key");
    assert_refused(GOOD "tls: {min_version: '1.3', max_version: '1.2'}\n", "above max_version");
    assert_refused(GOOD "tls: {min_version: '0.9'}\n", "min_version");
    assert_refused(GOOD "sending_queue: {num_consumers: 0}\n", "must be positive");
    assert_refused(GOOD "sending_queue: {num_consumers: 1025}\n", "num_consumers");
    assert_refused(GOOD "sending_queue: {queue_size: 0}\n", "must be positive");
    assert_refused(GOOD "sending_queue: {sizer: kilos}\n", "sizer");
    assert_refused(GOOD "retry_on_failure: {randomization_factor: 1.5}\n", "between 0 and 1");
    assert_refused(GOOD "retry_on_failure: {multiplier: -1}\n", "negative");
    assert_refused(GOOD "retry_on_failure: {max_elapsed_time: 1s}\n", "less than");
}

static void test_known_keys_that_are_not_supported_say_so(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "compression_params: {level: 1}",         "cookies: {enabled: true}",
        "profiles_endpoint: http://h/",           "max_conns_per_host: 1",
        "tls: {server_name_override: x}",         "tls: {reload_interval: 1h}",
        "sending_queue: {storage: file_storage}", "sending_queue: {wait_for_result: true}",
        "sending_queue: {batch: {min_size: 1}}",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        char yaml[256];
        (void)snprintf(yaml, sizeof(yaml), GOOD "%s\n", lines[i]);
        assert_refused(yaml, "known but not supported yet");
    }
    assert_int_equal(configure(GOOD "sending_queue: {wait_for_result: false, storage: null}\n"), 0);
    rig.exporter->ops->close(rig.exporter);
    config_fixture_fini(&rig.config);
}

static void test_refused_memory_is_survived_at_every_step(void **state)
{
    rig.loop = *state;
    int err = -ENOMEM;
    for (uint64_t nth = 1; err != 0; nth++) {
        struct exporter *exporter = NULL;
        assert_true(nth < 100);
        err = configure(GOOD "headers: {a: b}\n");
        assert_int_equal(err, 0);
        exporter = rig.exporter;
        mem_fail_nth(nth);
        err = exporter->ops->open(exporter, rig.loop);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
        exporter->ops->close(exporter);
        config_fixture_fini(&rig.config);
    }
}

static int run_group(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_protobuf_is_sent_as_the_parts_have_it),
        LOOP_TEST(test_gzip_is_the_default),
        LOOP_TEST(test_zstd_when_asked_and_none_when_empty),
        LOOP_TEST(test_json_is_the_same_request_in_json),
        LOOP_TEST(test_headers_are_sent_and_win_over_ours),
        LOOP_TEST(test_each_signal_has_its_path_or_its_own_endpoint),
        LOOP_TEST(test_retryable_statuses_are_sent_again_until_accepted),
        LOOP_TEST(test_other_statuses_are_refusals_for_good),
        LOOP_TEST(test_retry_after_is_the_least_wait),
        LOOP_TEST(test_a_refused_connection_is_tried_until_the_upstream_is_up),
        LOOP_TEST(test_a_slow_answer_runs_into_the_timeout_and_is_tried_again),
        LOOP_TEST(test_partial_success_in_protobuf_and_json),
        LOOP_TEST(test_retry_switched_off_drops),
        LOOP_TEST(test_drain_with_the_upstream_down_books_what_is_left),
        LOOP_TEST(test_close_with_a_request_in_flight_gives_it_up),
        LOOP_TEST(test_num_consumers_bounds_what_is_in_flight),
        LOOP_TEST(test_queue_size_and_sizer_bound_the_queue),
        LOOP_TEST(test_block_on_overflow_and_a_queue_switched_off),
        LOOP_TEST(test_tls_keys),
        LOOP_TEST(test_insecure_is_fine_beside_a_plain_endpoint),
        LOOP_TEST(test_an_unreadable_certificate_fails_the_opening),
        LOOP_TEST(test_proxy_url_gets_the_requests),
        LOOP_TEST(test_bad_configuration_is_refused_with_words),
        LOOP_TEST(test_known_keys_that_are_not_supported_say_so),
        LOOP_TEST(test_refused_memory_is_survived_at_every_step),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as the program does */
    return loop_fixture_main(run_group);
}
