/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of exporters/otlp_grpc_exporter against a scripted server: what is sent, what its answers
 * do, what a drain and a close do, and that the books balance at the end of each.
 */
#include "exporters/otlp_grpc_exporter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codecs/compress.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/grpc.h"
#include "io/h2.h"
#include "tests/support/exporter_books.h"
#include "tests/support/exporter_rig.h"
#include "tests/support/grpc_stub.h"
#include "tests/support/http_stub.h"
#include "tests/support/loop_fixture.h"

#define QUICK_RETRY                                                                                \
    "retry_on_failure: {initial_interval: 10ms, max_interval: 20ms, max_elapsed_time: 30s}\n"

/* Two parts, each a ResourceMetrics with an empty ScopeMetrics in it. */
#define PART_WIRE "\x0A\x02\x12\x00"
#define ITEMS_PER_PART 5
#define ITEM_COUNT (2 * ITEMS_PER_PART)
static const char both_parts[] = PART_WIRE PART_WIRE;
#define BOTH_BYTES (sizeof(both_parts) - 1)

static struct exporter_rig rig;
static struct grpc_stub stub;

static const struct grpc_stub_answer ok_script[] = {{0}};

static void start_stub(const struct grpc_stub_answer *script, size_t len)
{
    grpc_stub_start(&stub, &(struct grpc_stub_options){.script = script, .script_len = len});
}

/* The keys of `format` behind the endpoint, in the clear. */
WEIR_PRINTF(4, 5)
static void open_as(void **state, enum signal signal, const char *target, const char *format, ...)
{
    char yaml[1024];
    char all[2048];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(yaml, sizeof(yaml), format, arguments);
    va_end(arguments);
    assert_in_range(len, 0, sizeof(yaml) - 1);
    len = snprintf(all, sizeof(all), "endpoint: %s\ntls: {insecure: true}\n%s", target, yaml);
    assert_in_range(len, 0, sizeof(all) - 1);
    rig_open(&rig, *state, otlp_grpc_exporter_new, signal, all);
}

static void open_with(void **state, const char *more)
{
    open_as(state, SIGNAL_METRICS, stub.target, "%s", more);
}

static void offer(void)
{
    const struct slice parts[] = {SLICE_LITERAL(PART_WIRE), SLICE_LITERAL(PART_WIRE)};
    rig_offer(&rig, parts, COUNT_OF(parts), ITEMS_PER_PART);
}

static void close_exporter(void)
{
    struct loop *loop = rig.loop;
    RIG_STAT_IS(&rig, items_held, 0);
    rig_close(&rig);
    loop_fixture_run(loop, 2 * CLOCK_NS_PER_MS);
}

static void close_both(void)
{
    close_exporter();
    grpc_stub_stop(&stub);
}

static void assert_field(size_t index, const char *name, const char *value)
{
    struct slice got = grpc_stub_field(grpc_stub_request(&stub, index), name);
    if (!slice_is_text(got, value)) {
        print_error("%s: %.*s\n", name, (int)got.len, (const char *)got.ptr);
    }
    assert_true(slice_is_text(got, value));
}

static void assert_body_is(size_t index, enum compress_kind kind)
{
    const struct grpc_stub_request *got = grpc_stub_request(&stub, index);
    struct bytes plain;
    bytes_init(&plain, 1 << 20);
    assert_true(got->body_len > GRPC_PREFIX_BYTES);
    assert_int_equal(got->body[0], kind != COMPRESS_NONE ? 1 : 0);
    struct slice message =
        slice_of(got->body + GRPC_PREFIX_BYTES, got->body_len - GRPC_PREFIX_BYTES);
    assert_int_equal(decompress_bounded(kind, message, &plain), 0);
    assert_int_equal(plain.len, BOTH_BYTES);
    assert_memory_equal(plain.ptr, both_parts, BOTH_BYTES);
    bytes_fini(&plain);
}

/* --- what is sent ----------------------------------------------------------------------------- */

static void test_body_is_sent_as_the_parts_have_it(void **state)
{
    start_stub(ok_script, 1);
    open_with(state, "compression: none\n");
    offer();
    rig_settle(&rig);
    assert_body_is(0, COMPRESS_NONE);
    assert_field(0, "content-type", "application/grpc");
    assert_field(0, "user-agent", "weir/" WEIR_VERSION);
    assert_field(0, ":authority", stub.target);
    assert_field(0, ":scheme", "http");
    RIG_STAT_IS(&rig, items_delivered, ITEM_COUNT);
    RIG_STAT_IS(&rig, request_bytes, BOTH_BYTES);
    RIG_STAT_IS(&rig, requests_sent, 1);
    close_both();
}

static void test_each_signal_has_its_service(void **state)
{
    static const char *const paths[SIGNAL_COUNT] = {
        [SIGNAL_TRACES] = "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        [SIGNAL_METRICS] = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        [SIGNAL_LOGS] = "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    };
    start_stub(ok_script, 1);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        open_as(state, (enum signal)i, stub.target, "compression: none\n");
        offer();
        rig_settle(&rig);
        assert_string_equal(grpc_stub_request(&stub, i)->path, paths[i]);
        close_exporter();
    }
    grpc_stub_stop(&stub);
}

static void test_compression_is_gzip_unless_told_otherwise(void **state)
{
    static const struct {
        const char *yaml;
        enum compress_kind kind;
        const char *encoding;
    } rows[] = {
        {"", COMPRESS_GZIP, "gzip"},
        {"compression: gzip\n", COMPRESS_GZIP, "gzip"},
        {"compression: zstd\n", COMPRESS_ZSTD, "zstd"},
        {"compression: snappy\n", COMPRESS_SNAPPY_FRAMED, "snappy"},
        {"compression: none\n", COMPRESS_NONE, ""},
        {"compression: \"\"\n", COMPRESS_NONE, ""},
    };
    start_stub(ok_script, 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_with(state, rows[i].yaml);
        offer();
        rig_settle(&rig);
        assert_field(i, "grpc-encoding", rows[i].encoding);
        assert_body_is(i, rows[i].kind);
        RIG_STAT_IS(&rig, request_bytes, grpc_stub_request(&stub, i)->body_len - GRPC_PREFIX_BYTES);
        close_exporter();
    }
    grpc_stub_stop(&stub);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void test_status_decides_between_retry_and_drop(void **state)
{
    static const bool is_retried[GRPC_STATUS_COUNT] = {
        [GRPC_CANCELLED] = true,    [GRPC_DEADLINE_EXCEEDED] = true, [GRPC_ABORTED] = true,
        [GRPC_OUT_OF_RANGE] = true, [GRPC_UNAVAILABLE] = true,       [GRPC_DATA_LOSS] = true,
    };
    for (uint32_t status = 1; status < GRPC_STATUS_COUNT; status++) {
        const struct grpc_stub_answer script[] = {
            {.status = status, .message = "no", .is_trailers_only = status % 2 == 0}, {0}};
        start_stub(script, 2);
        open_with(state, QUICK_RETRY);
        offer();
        rig_settle(&rig);
        assert_int_equal(grpc_stub_request_count(&stub), is_retried[status] ? 2 : 1);
        RIG_STAT_IS(&rig, items_delivered, is_retried[status] ? ITEM_COUNT : 0);
        RIG_STAT_IS(&rig, items_rejected, is_retried[status] ? 0 : ITEM_COUNT);
        close_both();
    }
}

static void test_a_retry_sends_the_same_bytes(void **state)
{
    static const struct grpc_stub_answer script[] = {
        {.status = 14}, {.status = 4}, {.http_status = 503}, {0}};
    start_stub(script, COUNT_OF(script));
    open_with(state, QUICK_RETRY);
    offer();
    rig_settle(&rig);
    for (size_t i = 0; i < COUNT_OF(script); i++) {
        assert_body_is(i, COMPRESS_GZIP);
    }
    RIG_STAT_IS(&rig, requests_retried, 3);
    RIG_STAT_IS(&rig, items_delivered, ITEM_COUNT);
    close_both();
}

static void test_retry_info_is_the_least_wait_and_makes_exhaustion_retryable(void **state)
{
    uint8_t details[64];
    const struct grpc_details words = {.status = 8, .retry_delay_ns = 300 * CLOCK_NS_PER_MS};
    size_t len = grpc_details_encode(&words, details, sizeof(details));
    const struct grpc_stub_answer script[] = {{.status = 8, .details = details, .details_len = len},
                                              {0}};
    start_stub(script, 2);
    open_with(state, QUICK_RETRY);
    uint64_t begin_mono_ns = clock_mono_ns();
    offer();
    rig_settle(&rig);
    assert_true(clock_mono_ns() - begin_mono_ns >= 300 * CLOCK_NS_PER_MS);
    RIG_STAT_IS(&rig, items_delivered, ITEM_COUNT);
    close_both();
}

static void test_partial_success_is_counted_per_item(void **state)
{
    static const char three[] = "\x0A\x07\x08\x03\x12\x03old";
    static const char warning[] = "\x0A\x06\x12\x04hmm!";
    static const char more[] = "\x0A\x02\x08\x64"; /* 100: more than were sent */
    static const char negative[] = "\x0A\x0B\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01";
    static const char broken[] = "\x0A\x63\x08\x03";
    static const char empty[] = "\x0A\x00";
    char three_copy[sizeof(three)];
    memcpy(three_copy, three, sizeof(three));
    struct bytes gzipped;
    bytes_init(&gzipped, 1024);
    const struct iovec piece = {.iov_base = three_copy, .iov_len = sizeof(three) - 1};
    assert_int_equal(compress_iov(COMPRESS_GZIP, &piece, 1, &gzipped), 0);
    const struct grpc_stub_answer script[] = {
        {.body = three, .body_len = sizeof(three) - 1},
        {.body = warning, .body_len = sizeof(warning) - 1},
        {.body = more, .body_len = sizeof(more) - 1},
        {.body = negative, .body_len = sizeof(negative) - 1},
        {.body = broken, .body_len = sizeof(broken) - 1},
        {.body = empty, .body_len = sizeof(empty) - 1},
        {.body = gzipped.ptr, .body_len = gzipped.len, .body_encoding = "gzip"},
        {.body = "xx", .body_len = 2, .body_encoding = "lzma"},
    };
    static const uint64_t rejected_sums[] = {3, 3, 13, 13, 13, 13, 16, 16};
    start_stub(script, COUNT_OF(script));
    open_with(state, "");
    for (size_t i = 0; i < COUNT_OF(script); i++) {
        offer();
        rig_settle(&rig);
        RIG_STAT_IS(&rig, items_rejected_partial, rejected_sums[i]);
        RIG_STAT_IS(&rig, items_delivered, (i + 1) * ITEM_COUNT - rejected_sums[i]);
    }
    close_both();
    bytes_fini(&gzipped);
}

static void test_a_refused_connection_is_tried_until_the_upstream_is_up(void **state)
{
    char target[32];
    uint16_t port = 0;
    int held_fd = http_stub_hold_port(&port);
    (void)snprintf(target, sizeof(target), "127.0.0.1:%u", port);
    open_as(state, SIGNAL_METRICS, target, QUICK_RETRY);
    offer();
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (counter_read(&rig.exporter->stats.requests_retried) == 0 &&
           clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_true(counter_read(&rig.exporter->stats.requests_retried) > 0);
    RIG_STAT_IS(&rig, items_held, ITEM_COUNT);
    grpc_stub_start(
        &stub, &(struct grpc_stub_options){.script = ok_script, .script_len = 1, .port = port});
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, ITEM_COUNT);
    close_both();
    (void)close(held_fd);
}

static void test_what_the_peer_did_not_look_at_is_no_failure(void **state)
{
    static const struct grpc_stub_answer script[] = {
        {.goes_away = true}, {.is_reset = true, .reset_code = H2_CODE_REFUSED_STREAM}, {0}};
    start_stub(script, COUNT_OF(script));
    open_with(state, "retry_on_failure: {enabled: false}\n");
    offer();
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_delivered, ITEM_COUNT);
    RIG_STAT_IS(&rig, requests_sent, 1);
    RIG_STAT_IS(&rig, requests_retried, 0);
    close_both();
}

static void test_resets_and_lost_connections_follow_the_table(void **state)
{
    static const struct {
        struct grpc_stub_answer answer;
        bool is_retried;
    } rows[] = {
        {{.is_reset = true, .reset_code = H2_CODE_INTERNAL_ERROR}, false},
        {{.is_reset = true, .reset_code = H2_CODE_CANCEL}, true},
        {{.is_reset = true, .reset_code = H2_CODE_ENHANCE_YOUR_CALM}, false},
        {{.is_reset = true, .reset_code = H2_CODE_INADEQUATE_SECURITY}, false},
        {{.hangs_up = true}, true},
        {{.http_status = 404}, false},
        {{.http_status = 429}, true},
        {{.http_status = 502}, true},
        {{.http_status = 500}, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct grpc_stub_answer script[] = {rows[i].answer, {0}};
        start_stub(script, 2);
        open_with(state, QUICK_RETRY);
        offer();
        rig_settle(&rig);
        RIG_STAT_IS(&rig, items_delivered, rows[i].is_retried ? ITEM_COUNT : 0);
        RIG_STAT_IS(&rig, items_rejected, rows[i].is_retried ? 0 : ITEM_COUNT);
        close_both();
    }
}

static void test_retry_switched_off_drops(void **state)
{
    static const struct grpc_stub_answer script[] = {{.status = 14}};
    start_stub(script, 1);
    open_with(state, "retry_on_failure: {enabled: false}\n");
    offer();
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_dropped_retry, ITEM_COUNT);
    close_both();
}

/* --- the end ---------------------------------------------------------------------------------- */

static void test_drain_gives_up_what_hangs_at_its_deadline(void **state)
{
    static const struct grpc_stub_answer script[] = {{.hangs = true}};
    start_stub(script, 1);
    open_with(state, "timeout: 60s\n");
    offer();
    while (grpc_stub_request_count(&stub) == 0) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    RIG_STAT_IS(&rig, requests_in_flight, 1);
    rig.exporter->ops->drain(rig.exporter, loop_now_mono_ns(rig.loop) + CLOCK_NS_PER_MS);
    rig_settle(&rig);
    RIG_STAT_IS(&rig, items_dropped_shutdown, ITEM_COUNT);
    close_both();
}

static void test_close_in_every_state_leaves_nothing(void **state)
{
    static const struct grpc_stub_answer script[] = {{.hangs = true}};
    size_t len = 4 << 20;
    uint8_t *large = mem_alloc(len);
    assert_non_null(large);
    for (uint64_t wait_ms = 0; wait_ms < 6; wait_ms++) {
        start_stub(script, 1);
        open_with(state, "compression: none\nsending_queue: {num_consumers: 2}\n");
        for (int i = 0; i < 4; i++) {
            const struct slice part = slice_of(large, len);
            rig_offer(&rig, &part, 1, ITEMS_PER_PART);
        }
        loop_fixture_run(rig.loop, wait_ms * CLOCK_NS_PER_MS);
        assert_books_balance(&rig.exporter->stats);
        rig.exporter->ops->drain(rig.exporter, 0);
        RIG_STAT_IS(&rig, items_dropped_shutdown, 4 * ITEMS_PER_PART);
        assert_true(pipeline_is_idle(&rig.pipeline));
        close_both();
    }
    mem_free(large);
}

/* --- the queue -------------------------------------------------------------------------------- */

static void test_num_consumers_is_what_is_in_flight_on_one_connection(void **state)
{
    static const struct grpc_stub_answer script[] = {{.delay_ms = 30}};
    start_stub(script, 1);
    open_with(state, "sending_queue: {num_consumers: 3}\n");
    for (int i = 0; i < 7; i++) {
        offer();
    }
    while (!rig.exporter->ops->is_idle(rig.exporter)) {
        assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
        assert_true(counter_read(&rig.exporter->stats.requests_in_flight) <= 3);
    }
    assert_int_equal(grpc_stub_most_streams(&stub), 3);
    assert_int_equal(grpc_stub_connection_count(&stub), 1);
    RIG_STAT_IS(&rig, items_delivered, 7 * ITEM_COUNT);
    close_both();
}

static void test_queue_keys_bound_the_queue(void **state)
{
    static const struct {
        const char *yaml;
        uint64_t used;
    } rows[] = {
        {"sending_queue: {queue_size: 1, sizer: requests}\n", 1},
        {"sending_queue: {queue_size: 11, sizer: items}\n", ITEM_COUNT},
        {"sending_queue: {queue_size: 9, sizer: bytes}\n", BOTH_BYTES},
    };
    start_stub(ok_script, 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_with(state, rows[i].yaml);
        assert_false(rig.exporter->blocks_on_overflow);
        offer();
        RIG_STAT_IS(&rig, queue_used, rows[i].used);
        offer();
        assert_true(pipeline_is_holding(&rig.pipeline));
        while (!rig.exporter->ops->is_idle(rig.exporter)) {
            assert_true(loop_turn(rig.loop, CLOCK_NS_PER_MS) >= 0);
        }
        assert_true(pipeline_retry(&rig.pipeline));
        rig_settle(&rig);
        RIG_STAT_IS(&rig, items_delivered, 2 * ITEM_COUNT);
        close_exporter();
    }
    open_with(state, "sending_queue: {block_on_overflow: true}\n");
    assert_true(rig.exporter->blocks_on_overflow);
    close_both();
}

/* --- memory ----------------------------------------------------------------------------------- */

static void test_refused_memory_is_survived_at_every_step(void **state)
{
    struct loop *loop = *state;
    int err = -ENOMEM;
    for (uint64_t nth = 1; err != 0; nth++) {
        assert_true(nth < 100);
        assert_int_equal(rig_configure(&rig, loop, otlp_grpc_exporter_new,
                                       "endpoint: name.example:4317\nheaders: {a: b}\n"
                                       "tls: {insecure: true}\n"),
                         0);
        mem_fail_nth(nth);
        err = rig.exporter->ops->open(rig.exporter, loop);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM || err == -EBUSY);
        rig.exporter->ops->close(rig.exporter);
        config_fixture_fini(&rig.config);
        loop_fixture_run(loop, CLOCK_NS_PER_MS);
    }
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_body_is_sent_as_the_parts_have_it),
        LOOP_TEST(test_each_signal_has_its_service),
        LOOP_TEST(test_compression_is_gzip_unless_told_otherwise),
        LOOP_TEST(test_status_decides_between_retry_and_drop),
        LOOP_TEST(test_a_retry_sends_the_same_bytes),
        LOOP_TEST(test_retry_info_is_the_least_wait_and_makes_exhaustion_retryable),
        LOOP_TEST(test_partial_success_is_counted_per_item),
        LOOP_TEST(test_a_refused_connection_is_tried_until_the_upstream_is_up),
        LOOP_TEST(test_what_the_peer_did_not_look_at_is_no_failure),
        LOOP_TEST(test_resets_and_lost_connections_follow_the_table),
        LOOP_TEST(test_retry_switched_off_drops),
        LOOP_TEST(test_drain_gives_up_what_hangs_at_its_deadline),
        LOOP_TEST(test_close_in_every_state_leaves_nothing),
        LOOP_TEST(test_num_consumers_is_what_is_in_flight_on_one_connection),
        LOOP_TEST(test_queue_keys_bound_the_queue),
        LOOP_TEST(test_refused_memory_is_survived_at_every_step),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
