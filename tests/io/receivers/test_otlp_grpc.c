/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of OTLP/gRPC (otlp_grpc) on a running receiver: calls of every signal, what each bad one is
 * told, pressure, answers that come later; on every backend.
 */
#include "tests/support/loop_fixture.h"

#include <string.h>
#include <unistd.h>

#include "codecs/compress.h"
#include "core/base/mem.h"
#include "io/grpc.h"
#include "tests/support/otlp_client.h"
#include "tests/support/otlp_rig.h"

#define SPAN "\x0a\x06\x12\x04\x12\x02\x2a\x00"
#define BYTES(literal) slice_of("" literal, sizeof(literal) - 1)
#define LIMIT (1024 * 1024)
#define HEAD(path) ":method: POST\n:scheme: http\n:path: " path "\n:authority: x\nte: trailers\n"
#define GRPC "content-type: application/grpc\n"
#define TRACE_SERVICE "opentelemetry.proto.collector.trace.v1.TraceService"
#define TRACES HEAD("/" TRACE_SERVICE "/Export")
#define METRICS HEAD("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")
#define LOGS HEAD("/opentelemetry.proto.collector.logs.v1.LogsService/Export")
#define YAML                                                                                       \
    "protocols:\n"                                                                                 \
    "  grpc:\n"                                                                                    \
    "    endpoint: 127.0.0.1:%u\n"                                                                 \
    "    max_recv_msg_size_mib: 1\n"

static struct otlp_rig rig;
static struct otlp_h2_client h2;
static const struct otlp_answer *got;

static void open_with(const char *yaml, uint32_t signals, bool answers_late)
{
    const struct otlp_rig_options options = {.backend = loop_fixture_backend,
                                             .yaml = yaml,
                                             .signals = signals,
                                             .answers_late = answers_late};
    otlp_rig_open(&rig, &options);
    otlp_h2_open(&h2, rig.port);
}

static void close_all(void)
{
    otlp_h2_close(&h2);
    otlp_rig_close(&rig);
}

/* A message with its prefix; from a buffer of its own until the next but seven. */
static struct slice framed(uint8_t flag, struct slice message)
{
    static uint8_t frames[8][LIMIT + 64];
    static uint32_t next;
    uint8_t *frame = frames[next % 8];
    next++;
    assert_true(message.len <= LIMIT + 1);
    frame[0] = flag;
    for (uint32_t i = 0; i < 4; i++) {
        frame[1 + i] = (uint8_t)(message.len >> (24 - 8 * i));
    }
    if (message.len > 0) {
        memcpy(frame + GRPC_PREFIX_BYTES, message.ptr, message.len);
    }
    return slice_of(frame, GRPC_PREFIX_BYTES + message.len);
}

static struct slice packed(enum compress_kind kind, struct slice bytes)
{
    static struct bytes out;
    bytes_fini(&out);
    bytes_init(&out, 2 * LIMIT);
    struct iovec iov = {.iov_base = mem_copy_text(bytes.ptr, bytes.len), .iov_len = bytes.len};
    assert_int_equal(compress_iov(kind, &iov, 1, &out), 0);
    mem_free(iov.iov_base);
    return bytes_slice(&out);
}

static void check_ok(const char *hex_free_body, size_t len)
{
    assert_int_equal(got->status, 200);
    if (!slice_is_text(otlp_answer_field(got, "grpc-status"), "0")) {
        print_error("%s\n", got->head);
    }
    assert_true(slice_is_text(otlp_answer_field(got, "grpc-status"), "0"));
    assert_true(otlp_answer_body_is(got, hex_free_body, len));
}

static void check_accepted(void)
{
    check_ok("\0\0\0\0\0", 5);
}

static void check_refused(uint32_t http_status, const char *code, const char *words)
{
    struct slice message = otlp_answer_field(got, "grpc-message");
    bool is_right = got->status == http_status && got->is_trailers_only &&
                    slice_is_text(otlp_answer_field(got, "grpc-status"), code) &&
                    memmem(message.ptr, message.len, words, strlen(words)) != NULL;
    if (!is_right) {
        print_error("%u\n%s\n", got->status, got->head);
    }
    assert_true(is_right);
}

/* --- accepted --------------------------------------------------------------------------------- */

static void test_every_signal_and_compression(void **state)
{
    (void)state;
    open_with(YAML, 0, false);
    got = otlp_h2_ask(&h2, TRACES GRPC, framed(0, BYTES(SPAN)));
    check_accepted();
    got = otlp_h2_ask(&h2, METRICS GRPC,
                      framed(0, BYTES("\x0a\x08\x12\x06\x12\x04\x2a\x02\x0a\x00")));
    check_accepted();
    got = otlp_h2_ask(&h2, LOGS GRPC, framed(0, BYTES("\x0a\x04\x12\x02\x12\x00")));
    check_accepted();
    got = otlp_h2_ask(&h2, TRACES GRPC, framed(0, BYTES(""))); /* of nothing */
    check_accepted();
    got = otlp_h2_ask(&h2, TRACES GRPC "grpc-encoding: gzip\n", framed(0, BYTES(SPAN)));
    check_accepted();
    got = otlp_h2_ask(&h2, TRACES GRPC "grpc-encoding: gzip\n",
                      framed(1, packed(COMPRESS_GZIP, BYTES(SPAN))));
    check_accepted();
    got = otlp_h2_ask(&h2, TRACES GRPC "grpc-encoding: zstd\n",
                      framed(1, packed(COMPRESS_ZSTD, BYTES(SPAN))));
    check_accepted();
    got = otlp_h2_ask(&h2, TRACES GRPC "grpc-encoding: snappy\n",
                      framed(1, packed(COMPRESS_SNAPPY_FRAMED, BYTES(SPAN))));
    check_accepted();
    got = otlp_h2_ask(&h2, TRACES GRPC "grpc-encoding: deflate\n",
                      framed(1, packed(COMPRESS_DEFLATE, BYTES(SPAN))));
    check_accepted();
    otlp_rig_await_items(&rig, SIGNAL_TRACES, 6);
    otlp_rig_await_items(&rig, SIGNAL_METRICS, 1);
    otlp_rig_await_items(&rig, SIGNAL_LOGS, 1);
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_parsed), 9);
    close_all();
}

static void test_http_on_the_same_port(void **state)
{
    (void)state;
    static struct otlp_answer answer;
    open_with(YAML, 0, false);
    int fd = otlp_client_connect(rig.port);
    otlp_client_ask(fd, "POST /v1/traces", "Content-Type: application/x-protobuf\r\n", BYTES(SPAN));
    otlp_client_read(fd, &answer);
    assert_int_equal(answer.status, 200);
    (void)close(fd);
    got =
        otlp_h2_ask(&h2, HEAD("/v1/traces") "content-type: application/x-protobuf\n", BYTES(SPAN));
    assert_int_equal(got->status, 200);
    otlp_rig_await_items(&rig, SIGNAL_TRACES, 2);
    close_all();
}

/* --- refused ---------------------------------------------------------------------------------- */

static void test_heads_that_are_not_welcome(void **state)
{
    (void)state;
    open_with(YAML, 6, false);
    got = otlp_h2_ask(&h2, TRACES GRPC, framed(0, BYTES(SPAN))); /* in no pipeline */
    check_refused(200, "12", "unknown service " TRACE_SERVICE);
    got = otlp_h2_ask(&h2, HEAD("/no.Such/Export") GRPC, framed(0, BYTES(SPAN)));
    check_refused(200, "12", "unknown service no.Such");
    got = otlp_h2_ask(&h2, HEAD("/AWS.ALB/healthcheck") GRPC, framed(0, BYTES("")));
    check_refused(200, "12", "unknown service AWS.ALB");
    got = otlp_h2_ask(&h2, HEAD("/grpc.health.v1.Health/Check") GRPC, framed(0, BYTES("")));
    check_refused(200, "12", "unknown service grpc.health.v1.Health");
    got = otlp_h2_ask(&h2, HEAD("/nope") GRPC, framed(0, BYTES(SPAN)));
    check_refused(200, "12", "malformed method name");
    got = otlp_h2_ask(&h2, HEAD("/opentelemetry.proto.collector.logs.v1.LogsService/Import") GRPC,
                      framed(0, BYTES("")));
    check_refused(200, "12", "unknown method Import for service");
    got = otlp_h2_ask(&h2, LOGS "content-type: text/plain\n", framed(0, BYTES("")));
    check_refused(415, "3", "invalid gRPC request content-type \"text/plain\"");
    got = otlp_h2_ask(&h2, LOGS "content-type: application/grpcx\n", framed(0, BYTES("")));
    check_refused(415, "3", "application/grpcx");
    got = otlp_h2_ask(&h2, LOGS, framed(0, BYTES("")));
    check_refused(415, "3", "invalid gRPC request content-type \"\"");
    got = otlp_h2_ask(&h2,
                      ":method: PUT\n:scheme: http\n:path: /opentelemetry.proto.collector.logs.v1."
                      "LogsService/Export\n:authority: x\n" GRPC,
                      framed(0, BYTES("")));
    check_refused(405, "13", "POST");
    got = otlp_h2_ask(&h2, LOGS GRPC "grpc-encoding: br\n", framed(0, BYTES("")));
    check_refused(200, "12", "Decompressor is not installed for grpc-encoding \"br\"");
    assert_true(otlp_answer_field(got, "grpc-accept-encoding").len > 0);
    got = otlp_h2_ask(&h2, LOGS GRPC, framed(0, BYTES("\x0a\x04\x12\x02\x12\x00")));
    check_accepted(); /* the connection is none the worse for it */
    close_all();
}

static void test_messages_that_are_not_welcome(void **state)
{
    (void)state;
    static uint8_t large[LIMIT + 1];
    open_with(YAML, 0, false);
    got = otlp_h2_ask(&h2, TRACES GRPC, framed(1, BYTES(SPAN)));
    check_refused(200, "13", "compressed flag set with identity or empty encoding");
    got = otlp_h2_ask(&h2, TRACES GRPC, framed(2, BYTES(SPAN)));
    check_refused(200, "13", "grpc: received unexpected payload format 2");
    got = otlp_h2_ask(&h2, TRACES GRPC, framed(0, slice_of(large, LIMIT + 1)));
    check_refused(200, "8", "grpc: received message larger than max (1048577 vs. 1048576)");
    assert_int_equal(otlp_answer_field(got, "grpc-status-details-bin").len, 0);
    got = otlp_h2_ask(&h2, TRACES GRPC "grpc-encoding: gzip\n",
                      framed(1, packed(COMPRESS_GZIP, slice_of(large, LIMIT + 1))));
    check_refused(200, "8", "grpc: received message after decompression larger than max 1048576");
    got = otlp_h2_ask(&h2, TRACES GRPC "grpc-encoding: gzip\n", framed(1, BYTES("no gzip")));
    check_refused(200, "13", "grpc: failed to decompress the received message: ");
    got = otlp_h2_ask(&h2, TRACES GRPC, framed(0, BYTES("\x0a\x7f")));
    check_refused(200, "13", "grpc: error unmarshalling request: ");
    got = otlp_h2_ask(&h2, TRACES GRPC, BYTES(""));
    check_refused(200, "2", "EOF");
    got = otlp_h2_ask(&h2, TRACES GRPC, slice_first(framed(0, BYTES(SPAN)), 9));
    check_refused(200, "2", "unexpected EOF");
    got = otlp_h2_ask(&h2, TRACES GRPC, framed(0, BYTES(SPAN)));
    check_accepted();
    otlp_rig_await_items(&rig, SIGNAL_TRACES, 1);
    OTLP_RIG_AWAIT(&rig, wire_dropped_invalid, 8);
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_received), 9);
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_parsed), 1);
    close_all();
}

static void test_pressure_is_told_with_a_delay(void **state)
{
    (void)state;
    open_with(YAML, 0, false);
    uint64_t taken_bytes = budget_lease(&rig.memory, OTLP_RIG_BUDGET);
    got = otlp_h2_ask(&h2, TRACES GRPC, framed(0, BYTES(SPAN)));
    check_refused(200, "14", "data refused due to high memory usage");
    struct slice bin = otlp_answer_field(got, "grpc-status-details-bin");
    uint8_t bytes[512];
    size_t len = 0;
    struct grpc_details details;
    assert_true(bin.len > 0 && bin.len <= sizeof(bytes));
    assert_int_equal(grpc_bin_decode(bin, bytes, &len), 0);
    assert_int_equal(grpc_details_decode(slice_of(bytes, len), &details), 0);
    assert_int_equal(details.status, GRPC_UNAVAILABLE);
    assert_int_equal(details.retry_delay_ns, CLOCK_NS_PER_S);
    OTLP_RIG_AWAIT(&rig, wire_refused, 1);
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_received), 1);
    budget_return(&rig.memory, taken_bytes);
    got = otlp_h2_ask(&h2, TRACES GRPC, framed(0, BYTES(SPAN)));
    check_accepted();
    close_all();
}

static void test_health(void **state)
{
    (void)state;
    open_with(YAML "    health_service: true\n", 0, false);
    got = otlp_h2_ask(&h2, HEAD("/grpc.health.v1.Health/Check") GRPC, framed(0, BYTES("")));
    check_ok("\0\0\0\0\x02\x08\x01", 7);
    rig.receiver->ops->send_away(rig.receiver);
    struct otlp_h2_client fresh;
    otlp_h2_open(&fresh, rig.port);
    got = otlp_h2_ask(&fresh, HEAD("/grpc.health.v1.Health/Check") GRPC, framed(0, BYTES("")));
    check_ok("\0\0\0\0\x02\x08\x02", 7); /* told so while others are told to go */
    otlp_h2_close(&fresh);
    close_all();
}

static void test_who_may_come_in(void **state)
{
    (void)state;
    const struct otlp_rig_options options = {
        .backend = loop_fixture_backend,
        .yaml = YAML "    auth: {authenticator: bearertokenauth}\n",
        .token = "secret",
    };
    otlp_rig_open(&rig, &options);
    otlp_h2_open(&h2, rig.port);
    got = otlp_h2_ask(&h2, TRACES GRPC, framed(0, BYTES(SPAN)));
    check_refused(200, "16", "");
    got = otlp_h2_ask(&h2, TRACES GRPC "authorization: Bearer wrong\n", framed(0, BYTES(SPAN)));
    check_refused(200, "16", "");
    got = otlp_h2_ask(&h2, HEAD("/v1/traces") "content-type: application/x-protobuf\n",
                      BYTES(SPAN)); /* no way around it */
    assert_int_equal(got->status, 401);
    assert_true(slice_is_text(otlp_answer_field(got, "www-authenticate"), "Bearer"));
    got = otlp_h2_ask(&h2, TRACES GRPC "authorization: Bearer secret\n", framed(0, BYTES(SPAN)));
    check_accepted();
    otlp_rig_await_items(&rig, SIGNAL_TRACES, 1);
    OTLP_RIG_AWAIT(&rig, wire_dropped_invalid, 3);
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_received), 4);
    close_all();
}

/* --- answers that come later ------------------------------------------------------------------ */

static void test_calls_wait_for_their_upstream(void **state)
{
    (void)state;
    static const struct {
        enum delivery delivery;
        const char *code;
    } cases[] = {{DELIVERY_ACCEPTED, "0"}, {DELIVERY_REJECTED, "0"}, {DELIVERY_LOST, "14"}};
    open_with(YAML, 0, true);
    otlp_rig_hold(&rig);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct otlp_h2_stream *first =
            otlp_h2_start(&h2, TRACES GRPC, framed(0, BYTES(SPAN)), false);
        struct otlp_h2_stream *second =
            otlp_h2_start(&h2, TRACES GRPC, framed(0, BYTES(SPAN SPAN)), false);
        otlp_rig_await_held(&rig, 2);
        assert_false(first->answer.is_over || second->answer.is_over);
        assert_int_equal(otlp_rig_release(&rig, cases[i].delivery), 2);
        (void)otlp_h2_wait(&h2, first);
        got = otlp_h2_wait(&h2, second);
        assert_true(slice_is_text(otlp_answer_field(got, "grpc-status"), cases[i].code));
    }
    assert_true(otlp_answer_field(got, "grpc-status-details-bin").len > 0);
    got = &h2.streams[3].answer; /* two spans, refused for good */
    assert_memory_equal(got->body + GRPC_PREFIX_BYTES + 2, "\x08\x02\x12", 3);
    close_all();
}

static void test_calls_that_are_given_up_leave_nothing_behind(void **state)
{
    (void)state;
    open_with(YAML, 0, true);
    otlp_rig_hold(&rig);
    struct otlp_h2_stream *reset = otlp_h2_start(&h2, TRACES GRPC, framed(0, BYTES(SPAN)), false);
    struct otlp_h2_stream *timed =
        otlp_h2_start(&h2, TRACES GRPC "grpc-timeout: 50m\n", framed(0, BYTES(SPAN)), false);
    struct otlp_h2_stream *cut = otlp_h2_start(&h2, TRACES GRPC, BYTES("\0\0\0\0\x08\x0a"), true);
    struct otlp_h2_client gone;
    otlp_h2_open(&gone, rig.port);
    (void)otlp_h2_start(&gone, TRACES GRPC, framed(0, BYTES(SPAN)), false);
    otlp_rig_await_held(&rig, 3);
    otlp_h2_reset(&h2, reset);
    otlp_h2_reset(&h2, cut);
    otlp_h2_close(&gone);
    got = otlp_h2_wait(&h2, timed);
    check_refused(200, "4", "");
    assert_int_equal(otlp_rig_release(&rig, DELIVERY_ACCEPTED), 3);
    close_all(); /* nothing is charged, nobody waits */
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_signal_and_compression),
        cmocka_unit_test(test_http_on_the_same_port),
        cmocka_unit_test(test_heads_that_are_not_welcome),
        cmocka_unit_test(test_messages_that_are_not_welcome),
        cmocka_unit_test(test_pressure_is_told_with_a_delay),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_who_may_come_in),
        cmocka_unit_test(test_calls_wait_for_their_upstream),
        cmocka_unit_test(test_calls_that_are_given_up_leave_nothing_behind),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
