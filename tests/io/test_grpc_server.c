/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of grpc_server: every row of answers to bad input, the gate, calls that are cancelled, late
 * or many, on a real loop with a peer that speaks in raw frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "io/grpc_server.h"
#include "tests/support/h2_peer.h"
#include "tests/support/loop_fixture.h"

#define MESSAGE_MAX_BYTES 1000
#define HEAD(path)                                                                                 \
    ":method: POST\n:scheme: http\n:path: " path "\n:authority: weir\n"                            \
    "content-type: application/grpc\nte: trailers\n"
#define EXPORT HEAD("/a.Trace/Export")
/* Trailers-Only. */
#define ERROR_HEAD(id, http, status)                                                               \
    "HEADERS " id " END :status=" http " content-type=application/grpc grpc-status=" status
#define OK_ANSWER(id)                                                                              \
    "HEADERS " id " :status=200 content-type=application/grpc\nDATA " id                           \
    " 00000000020a00\nHEADERS " id " END grpc-status=0\n"

static struct loop *loop;
static struct h2_server server;
static struct grpc_server grpc;
static struct h2_peer peer;
static uint64_t closed_count;

static struct grpc_call *held;
static uint64_t call_count;
static uint64_t cancel_count;
static uint64_t admitted_bytes; /* by the gate, and neither released nor handed over */
static bool is_full;
static char last_call[512];

static enum grpc_status rig_on_head(struct grpc_server *s, struct grpc_call *call,
                                    const char **text)
{
    assert_ptr_equal(s, &grpc);
    struct slice value;
    if (grpc_call_header(call, "authorization", &value) && slice_is_text(value, "bad")) {
        *text = "not you";
        return GRPC_UNAUTHENTICATED;
    }
    return GRPC_OK;
}

static enum grpc_admission rig_on_admit(struct grpc_server *s, struct grpc_call *call,
                                        uint32_t wire_bytes)
{
    (void)s;
    (void)call;
    if (is_full) {
        return GRPC_REFUSED;
    }
    admitted_bytes += wire_bytes;
    return GRPC_ADMITTED;
}

static void rig_on_release(struct grpc_server *s, struct grpc_call *call, uint32_t wire_bytes)
{
    (void)s;
    (void)call;
    admitted_bytes -= wire_bytes;
}

static void rig_on_call(struct grpc_server *s, struct grpc_call *call)
{
    (void)s;
    struct slice message = grpc_call_message(call);
    struct slice encoding = grpc_call_encoding(call);
    struct slice value;
    call_count++;
    admitted_bytes -= message.len;
    (void)snprintf(last_call, sizeof(last_call), "%zu %d %.*s [%.*s]", grpc_call_method(call),
                   grpc_call_is_compressed(call), (int)encoding.len, (const char *)encoding.ptr,
                   (int)message.len, (const char *)message.ptr);
    if (grpc_call_header(call, "x-hold", &value)) {
        held = call;
        return;
    }
    if (grpc_call_header(call, "x-fail", &value)) {
        grpc_call_fail(call, grpc_status_parse(value), SLICE_LITERAL("as asked: 100%"),
                       1500 * CLOCK_NS_PER_MS);
        return;
    }
    grpc_call_respond(call, SLICE_LITERAL("\x0a\x00"));
}

static void rig_on_cancel(struct grpc_server *s, struct grpc_call *call)
{
    (void)s;
    assert_ptr_equal(call, held);
    assert_int_equal(grpc_call_path(call).len, 0);
    assert_null(grpc_call_stream(call));
    cancel_count++;
}

static const struct grpc_server_ops OPS = {
    .on_head = rig_on_head,
    .on_admit = rig_on_admit,
    .on_release = rig_on_release,
    .on_call = rig_on_call,
    .on_cancel = rig_on_cancel,
};

static void rig_on_stream(struct h2_server *s, struct h2_stream *stream)
{
    (void)s;
    grpc_server_take(&grpc, stream);
}

static void rig_on_closed(struct h2_server *s)
{
    (void)s;
    closed_count++;
}

static const struct h2_server_ops SERVER_OPS = {
    .on_head = rig_on_stream,
    .on_closed = rig_on_closed,
};

static void rig_open(void **state)
{
    static const struct grpc_method METHODS[] = {
        {"a.Trace", "Export"},
        {"a.Logs", "Export"},
    };
    const struct h2_server_options options = {.stream_window_bytes = 65536,
                                              .connection_window_bytes = 131072};
    const struct grpc_server_options grpc_options = {
        .methods = METHODS,
        .method_count = COUNT_OF(METHODS),
        .message_max_bytes = MESSAGE_MAX_BYTES,
        .encodings = "identity,gzip,zstd",
        .refusal_text = "data refused due to high memory usage",
        .refusal_delay_ns = CLOCK_NS_PER_S,
        .has_health = true,
    };
    loop = *state;
    closed_count = 0;
    held = NULL;
    call_count = 0;
    cancel_count = 0;
    admitted_bytes = 0;
    is_full = false;
    assert_int_equal(h2_server_init(&server, loop, &options, &SERVER_OPS), 0);
    grpc_server_init(&grpc, loop, &grpc_options, &OPS);
    h2_peer_open(&peer, loop, &server);
    h2_peer_greet(&peer);
    h2_peer_expect(&peer, "SETTINGS ACK\n");
}

static void rig_close(void)
{
    h2_server_abort(&server);
    loop_fixture_until(loop, &closed_count);
    if (held != NULL) {
        assert_true(cancel_count > 0);
        grpc_call_respond(held, slice_of(NULL, 0)); /* goes nowhere */
    }
    assert_int_equal(grpc.call_count, 0);
    assert_int_equal(admitted_bytes, 0);
    h2_peer_close(&peer);
    h2_server_fini(&server);
}

static void send_body(uint32_t id, uint8_t flags, const char *bytes, size_t len)
{
    h2_peer_frame(&peer, NGHTTP2_DATA, flags, id, slice_of(bytes, len));
}

static void settle(void)
{
    h2_peer_frame(&peer, NGHTTP2_PING, 0, 0, SLICE_LITERAL("settled!"));
    h2_peer_expect(&peer, "PING ACK 736574746c656421");
}

/* --- calls ------------------------------------------------------------------------------------ */

static void test_call_is_handed_over_and_answered(void **state)
{
    rig_open(state);
    h2_peer_headers(&peer, 1, 0, HEAD("/a.Logs/Export") "grpc-encoding: gzip\n");
    send_body(1, H2_PEER_END_STREAM, "\1\0\0\0\5hello", 10);
    h2_peer_expect(&peer, OK_ANSWER("1"));
    assert_string_equal(last_call, "1 1 gzip [hello]");
    h2_peer_headers(&peer, 3, 0, EXPORT);
    send_body(3, H2_PEER_END_STREAM, "\0\0\0\0\2hi", 7);
    h2_peer_expect(&peer, OK_ANSWER("3"));
    assert_string_equal(last_call, "0 0  [hi]");
    assert_int_equal(h2_peer_count(&peer, "RST_STREAM"), 0);
    assert_int_equal(grpc.stats.answered_count[GRPC_OK], 2);
    rig_close();
}

static void test_message_may_be_split_anywhere(void **state)
{
    static const char BODY[] = "\0\0\0\0\5hello";
    const size_t len = sizeof(BODY) - 1;
    rig_open(state);
    uint32_t id = 1;
    for (size_t cut = 0; cut <= len; cut++) {
        h2_peer_clear(&peer);
        h2_peer_headers(&peer, id, 0, EXPORT);
        send_body(id, 0, BODY, cut);
        settle();
        send_body(id, H2_PEER_END_STREAM, BODY + cut, len - cut);
        h2_peer_expect(&peer, "END grpc-status=0\n");
        assert_string_equal(last_call, "0 0  [hello]");
        id += 2;
    }
    assert_int_equal(call_count, len + 1);
    rig_close();
}

static void test_empty_message_is_a_call(void **state)
{
    rig_open(state);
    h2_peer_headers(&peer, 1, 0, EXPORT);
    send_body(1, H2_PEER_END_STREAM, "\0\0\0\0\0", 5);
    h2_peer_expect(&peer, OK_ANSWER("1"));
    assert_string_equal(last_call, "0 0  []");
    rig_close();
}

static void test_further_messages_are_ignored(void **state)
{
    rig_open(state);
    h2_peer_headers(&peer, 1, 0, EXPORT "x-hold: 1\n");
    send_body(1, 0, "\0\0\0\0\1a\0\0\0\0\1b", 12);
    send_body(1, H2_PEER_END_STREAM, "\2\2\2", 3);
    settle();
    assert_int_equal(call_count, 1);
    grpc_call_respond(held, SLICE_LITERAL("\x0a\x00"));
    held = NULL;
    h2_peer_expect(&peer, OK_ANSWER("1"));
    rig_close();
}

static void test_answer_may_come_later_and_be_a_failure(void **state)
{
    rig_open(state);
    h2_peer_headers(&peer, 1, 0, EXPORT "x-fail: 14\n");
    send_body(1, H2_PEER_END_STREAM, "\0\0\0\0\1a", 6);
    /* The details say 14, the text, and 1.5 s; see the tests of grpc for the bytes. */
    h2_peer_expect(&peer, ERROR_HEAD("1", "200", "14") " grpc-message=as asked: 100%25 "
                                                       "grpc-status-details-bin=CA4SDmFzIGFz");
    h2_peer_headers(&peer, 3, 0, EXPORT "x-hold: 1\n");
    send_body(3, H2_PEER_END_STREAM, "\0\0\0\0\1a", 6);
    settle();
    grpc_call_fail(held, GRPC_INVALID_ARGUMENT, SLICE_LITERAL("no"), GRPC_NO_RETRY_DELAY);
    held = NULL;
    h2_peer_expect(&peer, ERROR_HEAD("3", "200", "3") " grpc-message=no\n");
    rig_close();
}

static void test_message_memory_moves_out(void **state)
{
    rig_open(state);
    h2_peer_headers(&peer, 1, 0, EXPORT "x-hold: 1\n");
    send_body(1, H2_PEER_END_STREAM, "\0\0\0\0\5hello", 10);
    settle();
    void *memory = grpc_call_take_message(held);
    assert_memory_equal(memory, "hello", 5);
    assert_int_equal(grpc_call_message(held).len, 0);
    mem_free(memory);
    grpc_call_respond(held, slice_of(NULL, 0));
    held = NULL;
    h2_peer_expect(&peer, "DATA 1 0000000000\nHEADERS 1 END grpc-status=0\n");
    rig_close();
}

/* --- bad input -------------------------------------------------------------------------------- */

struct row {
    const char *name;
    const char *head;
    const char *body; /* NULL: END_STREAM on the head */
    size_t body_len;
    const char *answer;
};

#define BODY(text) text, sizeof(text) - 1

static const struct row ROWS[] = {
    {"path without a service", HEAD("/Export"), NULL, 0,
     ERROR_HEAD("1", "200", "12") " grpc-message=malformed method name: \"/Export\"\n"},
    {"path without a slash in front", HEAD("a.Trace/Export"), NULL, 0,
     "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"unknown service", HEAD("/AWS.ALB/healthcheck"), NULL, 0,
     ERROR_HEAD("1", "200", "12") " grpc-message=unknown service AWS.ALB\n"},
    {"unknown method", HEAD("/a.Trace/Import"), NULL, 0,
     ERROR_HEAD("1", "200", "12") " grpc-message=unknown method Import for service a.Trace\n"},
    {"health watch", HEAD("/grpc.health.v1.Health/Watch"), NULL, 0,
     ERROR_HEAD("1", "200",
                "12") " grpc-message=unknown method Watch for service grpc.health.v1.Health\n"},
    {"other content type",
     ":method: POST\n:scheme: http\n:path: /a.Trace/Export\n:authority: a\n"
     "content-type: application/json\n",
     NULL, 0,
     ERROR_HEAD("1", "415",
                "3") " grpc-message=invalid gRPC request content-type \"application/json\"\n"},
    {"no content type", ":method: POST\n:scheme: http\n:path: /a.Trace/Export\n:authority: a\n",
     NULL, 0, ERROR_HEAD("1", "415", "3") " grpc-message=invalid gRPC request content-type \"\"\n"},
    {"not POST",
     ":method: GET\n:scheme: http\n:path: /a.Trace/Export\n:authority: a\n"
     "content-type: application/grpc\n",
     NULL, 0,
     ERROR_HEAD("1", "405",
                "13") " grpc-message=received a :method of \"GET\" which should be POST\n"},
    {"malformed timeout", EXPORT "grpc-timeout: 5s\n", NULL, 0,
     ERROR_HEAD("1", "400", "13") " grpc-message=malformed grpc-timeout: \"5s\"\n"},
    {"malformed binary metadata", EXPORT "x-bin: AAA,*\n", NULL, 0,
     ERROR_HEAD("1", "400", "13") " grpc-message=malformed binary metadata in header \"x-bin\"\n"},
    {"connection field", EXPORT "connection: close\n", NULL, 0, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"two authorities", EXPORT "host: a\nhost: b\n", NULL, 0, "RST_STREAM 1 PROTOCOL_ERROR\n"},
    {"unknown encoding", EXPORT "grpc-encoding: br\n", BODY("\1\0\0\0\1a"),
     ERROR_HEAD("1", "200",
                "12") " grpc-message=grpc: Decompressor is not installed for grpc-encoding \"br\""
                      " grpc-accept-encoding=identity,gzip,zstd\n"},
    {"flag without encoding", EXPORT, BODY("\1\0\0\0\1a"),
     ERROR_HEAD("1", "200",
                "13") " grpc-message=grpc: compressed flag set with identity or empty encoding\n"},
    {"flag with identity", EXPORT "grpc-encoding: identity\n", BODY("\1\0\0\0\1a"),
     ERROR_HEAD("1", "200",
                "13") " grpc-message=grpc: compressed flag set with identity or empty encoding\n"},
    {"unknown flag", EXPORT, BODY("\2\0\0\0\1a"),
     ERROR_HEAD("1", "200", "13") " grpc-message=grpc: received unexpected payload format 2\n"},
    {"one byte too large", EXPORT, BODY("\0\0\0\x03\xe9"),
     ERROR_HEAD("1", "200",
                "8") " grpc-message=grpc: received message larger than max (1001 vs. 1000)\n"},
    {"no message", EXPORT, BODY(""), ERROR_HEAD("1", "200", "2") " grpc-message=EOF\n"},
    {"no body", EXPORT, NULL, 0, ERROR_HEAD("1", "200", "2") " grpc-message=EOF\n"},
    {"half a prefix", EXPORT, BODY("\0\0"),
     ERROR_HEAD("1", "200", "2") " grpc-message=unexpected EOF\n"},
    {"half a message", EXPORT, BODY("\0\0\0\0\2a"),
     ERROR_HEAD("1", "200", "2") " grpc-message=unexpected EOF\n"},
    {"deadline in the past", EXPORT "grpc-timeout: 0n\n", BODY("\0\0\0\0\1a"),
     ERROR_HEAD("1", "200", "4") " grpc-message=context deadline exceeded\n"},
    {"refused credentials", EXPORT "authorization: bad\n", BODY("\0\0\0\0\1a"),
     ERROR_HEAD("1", "200", "16") " grpc-message=not you\n"},
    {"good metadata", EXPORT "x-bin: AAA,AAA=,\ngrpc-timeout: 99999999H\n", BODY("\0\0\0\0\1a"),
     OK_ANSWER("1")},
};

static void test_bad_input_is_answered_as_grpc_go_does(void **state)
{
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        const struct row *row = &ROWS[i];
        rig_open(state);
        h2_peer_headers(&peer, 1, row->body == NULL ? H2_PEER_END_STREAM : 0, row->head);
        if (row->body != NULL) {
            send_body(1, H2_PEER_END_STREAM, row->body, row->body_len);
        }
        if (!h2_peer_await(&peer, row->answer)) {
            fail_msg("row \"%s\" got:\n%s", row->name, peer.log);
        }
        assert_false(h2_peer_has(&peer, "GOAWAY"));
        rig_close();
    }
}

static void test_message_at_the_limit_is_taken(void **state)
{
    static char body[5 + MESSAGE_MAX_BYTES] = "\0\0\0\x03\xe8";
    rig_open(state);
    h2_peer_headers(&peer, 1, 0, EXPORT);
    send_body(1, H2_PEER_END_STREAM, body, sizeof(body));
    h2_peer_expect(&peer, OK_ANSWER("1"));
    rig_close();
}

/* --- the gate --------------------------------------------------------------------------------- */

static void test_refused_message_is_discarded_and_credited(void **state)
{
    static char data[10000];
    rig_open(state);
    is_full = true;
    peer.credit_bytes = 0;
    for (uint32_t id = 1; id < 101; id += 2) {
        h2_peer_clear(&peer);
        h2_peer_headers(&peer, id, 0, EXPORT);
        send_body(id, 0, "\0\0\0\x03\xe8", 5);
        h2_peer_expect(&peer, "grpc-status=14 grpc-message=data refused due to high memory usage "
                              "grpc-status-details-bin=");
        h2_peer_expect(&peer, "NO_ERROR\n"); /* RST_STREAM: stop sending */
        send_body(id, H2_PEER_END_STREAM, data, sizeof(data));
        settle();
    }
    assert_int_equal(grpc.stats.refused_count, 50);
    assert_int_equal(call_count, 0);
    assert_true(peer.credit_bytes >= 500000 - 131072 / 2);
    is_full = false;
    h2_peer_headers(&peer, 101, 0, EXPORT);
    send_body(101, H2_PEER_END_STREAM, "\0\0\0\0\1a", 6);
    h2_peer_expect(&peer, OK_ANSWER("101"));
    rig_close();
}

/* --- calls that nobody waits for -------------------------------------------------------------- */

static void test_reset_before_the_message_releases_the_gate(void **state)
{
    rig_open(state);
    h2_peer_headers(&peer, 1, 0, EXPORT);
    send_body(1, 0, "\0\0\0\0\5he", 7);
    settle();
    assert_int_equal(admitted_bytes, 5);
    h2_peer_clear(&peer);
    h2_peer_frame(&peer, NGHTTP2_RST_STREAM, 0, 1, SLICE_LITERAL("\0\0\0\x08"));
    settle();
    assert_int_equal(admitted_bytes, 0);
    assert_int_equal(grpc.call_count, 0);
    assert_int_equal(cancel_count, 0); /* the owner never saw it */
    assert_int_equal(grpc.stats.cancelled_count, 1);
    rig_close();
}

static void test_reset_of_a_held_call_cancels_it(void **state)
{
    rig_open(state);
    h2_peer_headers(&peer, 1, 0, EXPORT "x-hold: 1\n");
    send_body(1, H2_PEER_END_STREAM, "\0\0\0\0\1a", 6);
    settle();
    h2_peer_clear(&peer);
    h2_peer_frame(&peer, NGHTTP2_RST_STREAM, 0, 1, SLICE_LITERAL("\0\0\0\x08"));
    settle();
    assert_int_equal(cancel_count, 1);
    assert_int_equal(grpc.call_count, 1); /* still wants its answer */
    grpc_call_respond(held, SLICE_LITERAL("x"));
    held = NULL;
    assert_int_equal(grpc.call_count, 0);
    h2_peer_clear(&peer);
    settle();
    assert_false(h2_peer_has(&peer, "HEADERS"));
    rig_close();
}

static void test_deadline_of_a_held_call_answers_and_cancels(void **state)
{
    rig_open(state);
    h2_peer_headers(&peer, 1, 0, EXPORT "x-hold: 1\ngrpc-timeout: 20m\n");
    send_body(1, H2_PEER_END_STREAM, "\0\0\0\0\1a", 6);
    h2_peer_expect(&peer, ERROR_HEAD("1", "200", "4") " grpc-message=context deadline exceeded\n");
    assert_int_equal(cancel_count, 1);
    assert_int_equal(grpc.stats.deadline_count, 1);
    rig_close();
}

static void test_deadline_of_an_unfinished_message_answers(void **state)
{
    rig_open(state);
    h2_peer_headers(&peer, 1, 0, EXPORT "grpc-timeout: 20m\n");
    send_body(1, 0, "\0\0\0\0\5a", 6);
    h2_peer_expect(&peer, ERROR_HEAD("1", "200", "4"));
    h2_peer_expect(&peer, "RST_STREAM 1 NO_ERROR\n");
    assert_int_equal(admitted_bytes, 0);
    assert_int_equal(call_count, 0);
    rig_close();
}

static void test_message_that_takes_too_long_is_refused(void **state)
{
    rig_open(state);
    grpc.options.message_timeout_ns = 20 * CLOCK_NS_PER_MS;
    h2_peer_headers(&peer, 1, 0, EXPORT "grpc-timeout: 10S\n");
    h2_peer_headers(&peer, 3, 0, EXPORT "x-hold: 1\n");
    send_body(3, H2_PEER_END_STREAM, "\0\0\0\0\1a", 6);
    send_body(1, 0, "\0\0\0\0\5a", 6);
    h2_peer_expect(
        &peer, ERROR_HEAD("1", "200", "4") " grpc-message=the message took too long to arrive\n");
    assert_int_equal(admitted_bytes, 0);
    /* Once it is whole, only the deadline counts. */
    h2_peer_run(&peer, 30 * CLOCK_NS_PER_MS);
    assert_int_equal(cancel_count, 0);
    grpc_call_respond(held, SLICE_LITERAL("\x0a\x00"));
    held = NULL;
    h2_peer_expect(&peer, OK_ANSWER("3"));
    rig_close();
}

static void test_lost_connection_cancels_held_calls(void **state)
{
    rig_open(state);
    h2_peer_headers(&peer, 1, 0, EXPORT "x-hold: 1\n");
    send_body(1, H2_PEER_END_STREAM, "\0\0\0\0\1a", 6);
    settle();
    rig_close();
    assert_int_equal(cancel_count, 1);
}

static void test_drain_waits_for_held_calls(void **state)
{
    rig_open(state);
    h2_peer_headers(&peer, 1, 0, EXPORT "x-hold: 1\n");
    send_body(1, H2_PEER_END_STREAM, "\0\0\0\0\1a", 6);
    settle();
    h2_server_drain(&server);
    h2_peer_expect(&peer, "PING 6c656176696e6721\n");
    h2_peer_frame(&peer, NGHTTP2_PING, H2_PEER_ACK, 0, SLICE_LITERAL("leaving!"));
    h2_peer_expect(&peer, "GOAWAY 1 NO_ERROR going away\n");
    h2_peer_run(&peer, 5 * CLOCK_NS_PER_MS);
    assert_int_equal(closed_count, 0);
    grpc_call_respond(held, SLICE_LITERAL("\x0a\x00"));
    held = NULL;
    h2_peer_expect(&peer, OK_ANSWER("1"));
    h2_peer_expect(&peer, "CLOSED");
    rig_close();
}

/* --- health ----------------------------------------------------------------------------------- */

static void check_health(uint32_t id, const char *body, size_t len, const char *answer)
{
    h2_peer_clear(&peer);
    h2_peer_headers(&peer, id, 0, HEAD("/grpc.health.v1.Health/Check"));
    send_body(id, H2_PEER_END_STREAM, body, len);
    h2_peer_expect(&peer, answer);
}

static void test_health_knows_the_services(void **state)
{
    rig_open(state);
    check_health(1, BODY("\0\0\0\0\0"), "DATA 1 00000000020801\n");
    check_health(3,
                 BODY("\0\0\0\0\x09\x0a\x07"
                      "a.Trace"),
                 "DATA 3 00000000020801\n");
    check_health(5, BODY("\0\0\0\0\x03\x0a\x01x"),
                 ERROR_HEAD("5", "200", "5") " grpc-message=unknown service\n");
    check_health(7, BODY("\0\0\0\0\x02\x0a\x07"), ERROR_HEAD("7", "200", "13"));
    grpc.is_serving = false;
    check_health(9, BODY("\0\0\0\0\0"), "DATA 9 00000000020802\n");
    assert_int_equal(call_count, 0);
    rig_close();
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_call_is_handed_over_and_answered),
        LOOP_TEST(test_message_may_be_split_anywhere),
        LOOP_TEST(test_empty_message_is_a_call),
        LOOP_TEST(test_further_messages_are_ignored),
        LOOP_TEST(test_answer_may_come_later_and_be_a_failure),
        LOOP_TEST(test_message_memory_moves_out),
        LOOP_TEST(test_bad_input_is_answered_as_grpc_go_does),
        LOOP_TEST(test_message_at_the_limit_is_taken),
        LOOP_TEST(test_refused_message_is_discarded_and_credited),
        LOOP_TEST(test_reset_before_the_message_releases_the_gate),
        LOOP_TEST(test_reset_of_a_held_call_cancels_it),
        LOOP_TEST(test_deadline_of_a_held_call_answers_and_cancels),
        LOOP_TEST(test_deadline_of_an_unfinished_message_answers),
        LOOP_TEST(test_message_that_takes_too_long_is_refused),
        LOOP_TEST(test_lost_connection_cancels_held_calls),
        LOOP_TEST(test_drain_waits_for_held_calls),
        LOOP_TEST(test_health_knows_the_services),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
