/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/receivers/otlp_receiver: from open to close on real threads, with requests that wait
 * while it drains, pipelines that change, addresses that are taken, and refused memory; on every
 * backend.
 */
#include "tests/support/loop_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "tests/support/otlp_client.h"
#include "tests/support/otlp_rig.h"

#define SPAN "\x0a\x06\x12\x04\x12\x02\x2a\x00"
#define RECORD "\x0a\x04\x12\x02\x12\x00"
#define PROTOBUF "Content-Type: application/x-protobuf\r\n"
#define BYTES(literal) slice_of("" literal, sizeof(literal) - 1)
#define CONNECTIONS 16
/* With an empty SETTINGS frame. */
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
#define FLOOD_FRAMES 60000
#define YAML "protocols: {http: {endpoint: '127.0.0.1:%u'}}\n"

static struct otlp_rig rig;
static struct otlp_answer answer;

static void open_with(const char *yaml, bool answers_late)
{
    const struct otlp_rig_options options = {
        .backend = loop_fixture_backend, .yaml = yaml, .answers_late = answers_late};
    otlp_rig_open(&rig, &options);
}

static uint32_t ask(int fd, const char *line, struct slice body)
{
    otlp_client_ask(fd, line, PROTOBUF, body);
    otlp_client_read(fd, &answer);
    return answer.status;
}

/* --- serving ---------------------------------------------------------------------------------- */

static void test_connections_on_all_shards(void **state)
{
    (void)state;
    int fds[CONNECTIONS];
    open_with(YAML, false);
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        fds[i] = otlp_client_connect(rig.port);
    }
    for (uint32_t k = 0; k < 3; k++) {
        for (uint32_t i = 0; i < CONNECTIONS; i++) {
            otlp_client_ask(fds[i], "POST /v1/traces", PROTOBUF, BYTES(SPAN));
        }
        for (uint32_t i = 0; i < CONNECTIONS; i++) {
            otlp_client_read(fds[i], &answer);
            assert_int_equal(answer.status, 200);
        }
    }
    otlp_rig_await_items(&rig, SIGNAL_TRACES, 3 * CONNECTIONS);
    assert_int_equal(OTLP_RIG_COUNT(&rig, connections_accepted), CONNECTIONS);
    assert_int_equal(OTLP_RIG_COUNT(&rig, connections_open), CONNECTIONS);
    assert_int_equal(OTLP_RIG_COUNT(&rig, accepted_spans), 3 * CONNECTIONS);
    for (uint32_t i = 0; i < CONNECTIONS; i++) {
        (void)close(fds[i]);
    }
    otlp_rig_close(&rig);
}

static void test_both_endpoints_at_once(void **state)
{
    (void)state;
    open_with("protocols:\n  http: {endpoint: '127.0.0.1:%u'}\n"
              "  grpc: {endpoint: '127.0.0.1:0'}\n",
              false);
    int fd = otlp_client_connect(rig.port);
    assert_int_equal(ask(fd, "POST /v1/traces", BYTES(SPAN)), 200);
    (void)close(fd);
    otlp_rig_close(&rig);
}

static void test_silent_and_odd_connections_are_let_go(void **state)
{
    (void)state;
    open_with(YAML, false);
    int odd = otlp_client_connect(rig.port);
    otlp_client_send(odd, "hello, is this SMTP?\r\n", 22);
    assert_true(otlp_client_is_closed(odd));
    (void)close(odd);
    int silent = otlp_client_connect(rig.port); /* says nothing until it is drained */
    otlp_rig_close(&rig);
    assert_true(otlp_client_is_closed(silent));
    (void)close(silent);
}

/* Says `opening`, then `frame` until the peer has enough of it. */
static void flood(const char *opening, size_t opening_len, const void *frame, size_t frame_len)
{
    int fd = otlp_client_connect(rig.port);
    assert_int_equal(send(fd, opening, opening_len, MSG_NOSIGNAL), opening_len);
    for (uint32_t i = 0; i < FLOOD_FRAMES; i++) {
        if (send(fd, frame, frame_len, MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    assert_true(otlp_client_is_closed(fd));
    (void)close(fd);
}

static void test_why_connections_were_ended_is_counted(void **state)
{
    (void)state;
    open_with("protocols: {http: {endpoint: '127.0.0.1:%u', read_header_timeout: 300ms}}\n", false);
    flood("hello, is this SMTP?\r\n", 22, "", 0);
    OTLP_RIG_AWAIT(&rig, ended_unknown, 1);
    int silent = otlp_client_connect(rig.port);
    (void)close(silent);
    OTLP_RIG_AWAIT(&rig, ended_silent, 1);
    int slow = otlp_client_connect(rig.port);
    otlp_client_send(slow, "POST /v1/traces HTTP/1.1\r\nHo", 28);
    assert_true(otlp_client_is_closed(slow));
    (void)close(slow);
    OTLP_RIG_AWAIT(&rig, ended_timeout, 1);
    flood(PREFACE, sizeof(PREFACE) - 1, "\0\0\x01\0\0\0\0\0\0x", 10); /* DATA of stream 0 */
    OTLP_RIG_AWAIT(&rig, ended_malformed, 1);
    flood(PREFACE, sizeof(PREFACE) - 1,
          "\0\0\x08\x06\0\0\0\0\0"
          "12345678",
          17);
    OTLP_RIG_AWAIT(&rig, ended_pings, 1);
    flood(PREFACE, sizeof(PREFACE) - 1, "\0\0\0\x04\0\0\0\0\0", 9);
    OTLP_RIG_AWAIT(&rig, ended_settings, 1);
    flood(PREFACE, sizeof(PREFACE) - 1, "\0\0\x04\x08\0\0\0\0\0\0\0\0\x01", 13);
    OTLP_RIG_AWAIT(&rig, ended_small_frames, 1); /* WINDOW_UPDATE */
    otlp_rig_close(&rig);
}

static void test_pipelines_change_while_it_serves(void **state)
{
    (void)state;
    open_with(YAML, false);
    int fd = otlp_client_connect(rig.port);
    assert_int_equal(ask(fd, "POST /v1/traces", BYTES(SPAN)), 200);
    /* The head is judged with traces, the body comes when they are gone. */
    static const char head[] =
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n" PROTOBUF "\r\n\x0a\x06";
    int slow = otlp_client_connect(rig.port);
    otlp_client_send(slow, head, sizeof(head) - 1);
    (void)usleep(20000);
    otlp_rig_connect(&rig, 1 << SIGNAL_LOGS);
    otlp_client_send(slow, "\x12\x04\x12\x02\x2a\x00", 6);
    otlp_client_read(slow, &answer);
    assert_int_equal(answer.status, 404);
    (void)close(slow);
    assert_int_equal(ask(fd, "POST /v1/traces", BYTES(SPAN)), 404);
    assert_int_equal(ask(fd, "POST /v1/logs", BYTES(RECORD)), 200);
    otlp_rig_connect(&rig, 1 << SIGNAL_TRACES);
    assert_int_equal(ask(fd, "POST /v1/traces", BYTES(SPAN)), 200);
    (void)close(fd);
    otlp_rig_await_items(&rig, SIGNAL_TRACES, 2);
    otlp_rig_close(&rig);
}

static void test_those_sent_away_are_still_served(void **state)
{
    (void)state;
    open_with(YAML, false);
    int fd = otlp_client_connect(rig.port);
    assert_int_equal(ask(fd, "POST /v1/traces", BYTES(SPAN)), 200);
    assert_int_equal(otlp_answer_field(&answer, "connection").len, 0);
    rig.receiver->ops->send_away(rig.receiver);
    assert_int_equal(ask(fd, "POST /v1/traces", BYTES(SPAN)), 200);
    assert_true(slice_is_text(otlp_answer_field(&answer, "connection"), "close"));
    assert_true(otlp_client_is_closed(fd));
    (void)close(fd);
    fd = otlp_client_connect(rig.port);
    assert_int_equal(ask(fd, "POST /v1/traces", BYTES(SPAN)), 200);
    (void)close(fd);
    otlp_rig_close(&rig);
}

/* --- other receivers behind the port ---------------------------------------------------------- */

#define GUESTS "protocols:\n  http: {endpoint: '127.0.0.1:%u'}\n  statsd: {receiver: statsd/x}\n"

static void test_it_names_the_receivers_it_serves(void **state)
{
    (void)state;
    struct receiver_reference references[RECEIVER_REFERENCES_MAX];
    open_with(GUESTS "  xray: {receiver: awsxray}\n", false);
    assert_int_equal(rig.receiver->ops->references(rig.receiver, references), 2);
    assert_string_equal(references[0].type, "statsd");
    assert_true(slice_is_text(references[0].id, "statsd/x"));
    assert_int_equal(references[0].mark.line, 3);
    assert_string_equal(references[1].type, "awsxray");
    assert_string_equal(references[1].key, "protocols.xray.receiver");
    otlp_rig_close(&rig);
    open_with(YAML, false);
    assert_int_equal(rig.receiver->ops->references(rig.receiver, references), 0);
    rig.receiver->ops->join(rig.receiver, NULL);
    otlp_rig_close(&rig);
}

/* As while it drains: those it served may be gone. */
static void test_nobody_joined_is_nobody_harmed(void **state)
{
    (void)state;
    open_with(GUESTS "  xray: {receiver: awsxray}\n", false);
    int fd = otlp_client_connect(rig.port);
    otlp_client_send(fd, "a:1|c\n", 6);
    assert_true(otlp_client_is_closed(fd));
    (void)close(fd);
    OTLP_RIG_AWAIT(&rig, ended_turned_away, 1);
    fd = otlp_client_connect(rig.port);
    assert_int_equal(ask(fd, "POST /GetSamplingRules", BYTES("{}")), 503);
    assert_int_equal(ask(fd, "POST /v1/traces", BYTES(SPAN)), 200);
    (void)close(fd);
    assert_int_equal(OTLP_RIG_COUNT(&rig, wire_received), 1); /* the call is no request of OTLP */
    otlp_rig_close(&rig);
}

/* --- requests that wait ----------------------------------------------------------------------- */

static void test_answers_come_home_to_a_sleeping_shard(void **state)
{
    (void)state;
    open_with(YAML, true);
    int fd = otlp_client_connect(rig.port);
    for (uint32_t i = 0; i < 50; i++) {
        assert_int_equal(ask(fd, "POST /v1/traces", BYTES(SPAN)), 200);
    }
    (void)close(fd);
    otlp_rig_close(&rig);
}

static void test_rejected_items_are_a_partial_success(void **state)
{
    (void)state;
    open_with(YAML, true);
    otlp_rig_hold(&rig);
    int fd = otlp_client_connect(rig.port);
    otlp_client_ask(fd, "POST /v1/traces", PROTOBUF, BYTES(SPAN SPAN SPAN));
    otlp_rig_await_held(&rig, 1);
    (void)otlp_rig_release(&rig, DELIVERY_REJECTED);
    otlp_client_read(fd, &answer);
    assert_int_equal(answer.status, 200);
    assert_memory_equal(answer.body + 2, "\x08\x03\x12", 3);
    otlp_client_ask(fd, "POST /v1/traces", PROTOBUF, BYTES(SPAN));
    otlp_rig_await_held(&rig, 1);
    (void)otlp_rig_release(&rig, DELIVERY_LOST);
    otlp_client_read(fd, &answer);
    assert_int_equal(answer.status, 503);
    assert_true(slice_is_text(otlp_answer_field(&answer, "retry-after"), "1"));
    (void)close(fd);
    otlp_rig_close(&rig);
}

static void test_draining_waits_for_requests_that_wait(void **state)
{
    (void)state;
    open_with(YAML, true);
    otlp_rig_hold(&rig);
    int fd = otlp_client_connect(rig.port);
    int idle = otlp_client_connect(rig.port);
    struct otlp_h2_client h2;
    assert_int_equal(ask(idle, "POST /nowhere", BYTES("")), 404);
    otlp_client_ask(fd, "POST /v1/traces", PROTOBUF, BYTES(SPAN));
    otlp_h2_open(&h2, rig.port);
    struct otlp_h2_stream *stream =
        otlp_h2_start(&h2,
                      ":method: POST\n:scheme: http\n:path: /v1/traces\n:authority: x\n"
                      "content-type: application/x-protobuf\n",
                      BYTES(SPAN), false);
    otlp_rig_await_held(&rig, 2);
    rig.receiver->ops->drain(rig.receiver, false);
    rig.receiver->ops->drain(rig.receiver, false);
    assert_true(otlp_client_is_closed(idle));
    (void)usleep(50000);
    assert_false(rig.receiver->ops->is_drained(rig.receiver));
    assert_int_equal(otlp_rig_release(&rig, DELIVERY_ACCEPTED), 2);
    otlp_client_read(fd, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(slice_is_text(otlp_answer_field(&answer, "connection"), "close"));
    assert_true(otlp_client_is_closed(fd));
    assert_int_equal(otlp_h2_wait(&h2, stream)->status, 200);
    assert_true(h2.is_goaway);
    assert_true(otlp_client_is_closed(h2.fd));
    otlp_h2_close(&h2);
    (void)close(fd);
    (void)close(idle);
    otlp_rig_close(&rig);
}

static void test_clients_that_are_gone_leave_nothing_behind(void **state)
{
    (void)state;
    open_with(YAML, true);
    otlp_rig_hold(&rig);
    int fd = otlp_client_connect(rig.port);
    struct otlp_h2_client h2;
    otlp_client_ask(fd, "POST /v1/traces", PROTOBUF, BYTES(SPAN));
    otlp_h2_open(&h2, rig.port);
    (void)otlp_h2_start(&h2,
                        ":method: POST\n:scheme: http\n:path: /v1/traces\n:authority: x\n"
                        "content-type: application/x-protobuf\n",
                        BYTES(SPAN), false);
    otlp_rig_await_held(&rig, 2);
    (void)close(fd);
    otlp_h2_close(&h2);
    (void)usleep(20000);
    assert_int_equal(otlp_rig_release(&rig, DELIVERY_ACCEPTED), 2);
    otlp_rig_close(&rig);
}

/* --- addresses -------------------------------------------------------------------------------- */

static void test_unix_socket_is_served_and_removed(void **state)
{
    (void)state;
    char yaml[256];
    char path[64];
    struct stat info;
    (void)snprintf(path, sizeof(path), "/tmp/weir-test-otlp-%d.sock", (int)getpid());
    (void)snprintf(yaml, sizeof(yaml), "protocols: {http: {endpoint: %s, transport: unix}}\n",
                   path);
    open_with(yaml, false);
    int fd = otlp_client_connect_path(path);
    assert_int_equal(ask(fd, "POST /v1/traces", BYTES(SPAN)), 200);
    (void)close(fd);
    /* A successor that never comes to be leaves the path alone. */
    static struct otlp_rig other;
    const struct otlp_rig_options options = {.backend = loop_fixture_backend, .yaml = yaml};
    otlp_rig_prepare(&other, &options);
    assert_int_equal(other.receiver->ops->open(other.receiver, &other.home), 0);
    other.receiver->ops->close(other.receiver);
    other.receiver = NULL;
    otlp_rig_close(&other);
    fd = otlp_client_connect_path(path);
    assert_int_equal(ask(fd, "POST /v1/traces", BYTES(SPAN)), 200);
    (void)close(fd);
    otlp_rig_close(&rig);
    assert_int_equal(stat(path, &info), -1);
}

static void test_taken_port_is_an_error(void **state)
{
    (void)state;
    char yaml[256];
    open_with(YAML, false);
    static struct otlp_rig other;
    /* Another family of sockets would share it; an address that is nobody's cannot be had. */
    (void)snprintf(yaml, sizeof(yaml), "protocols: {http: {endpoint: '203.0.113.1:4318'}}\n");
    const struct otlp_rig_options options = {.backend = loop_fixture_backend, .yaml = yaml};
    otlp_rig_prepare(&other, &options);
    assert_true(other.receiver->ops->open(other.receiver, &other.home) < 0);
    other.receiver->ops->close(other.receiver);
    other.receiver = NULL;
    otlp_rig_close(&other);
    otlp_rig_close(&rig);
}

/* --- life ------------------------------------------------------------------------------------- */

static void test_closing_what_was_never_opened_or_started(void **state)
{
    (void)state;
    const struct otlp_rig_options options = {.backend = loop_fixture_backend, .yaml = YAML};
    otlp_rig_prepare(&rig, &options);
    rig.receiver->ops->close(rig.receiver);
    rig.receiver = NULL;
    otlp_rig_close(&rig);
    otlp_rig_prepare(&rig, &options);
    assert_int_equal(rig.receiver->ops->open(rig.receiver, &rig.home), 0);
    otlp_rig_connect(&rig, 7);
    rig.receiver->ops->drain(rig.receiver, false);
    rig.receiver->ops->close(rig.receiver);
    rig.receiver = NULL;
    otlp_rig_close(&rig);
}

static void test_closing_without_draining(void **state)
{
    (void)state;
    open_with(YAML, false);
    int fd = otlp_client_connect(rig.port);
    assert_int_equal(ask(fd, "POST /v1/traces", BYTES(SPAN)), 200);
    otlp_client_send(
        fd, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n" PROTOBUF "\r\nab", 92);
    rig.receiver->ops->close(rig.receiver);
    rig.receiver = NULL;
    assert_true(otlp_client_is_closed(fd));
    (void)close(fd);
    otlp_rig_close(&rig);
}

static void test_refused_memory_at_every_step_of_opening(void **state)
{
    (void)state;
    const struct otlp_rig_options options = {.backend = loop_fixture_backend, .yaml = YAML};
    for (uint64_t nth = 1; nth < 100; nth++) {
        otlp_rig_prepare(&rig, &options);
        mem_fail_nth(nth);
        int err = rig.receiver->ops->open(rig.receiver, &rig.home);
        mem_fail_nth(0);
        rig.receiver->ops->close(rig.receiver);
        rig.receiver = NULL;
        otlp_rig_close(&rig);
        if (err == 0) {
            assert_true(nth > 2 + 2 * OTLP_RIG_SHARDS);
            return;
        }
        assert_int_equal(err, -ENOMEM);
    }
    fail();
}

struct failing_start {
    struct receiver *receiver;
    uint64_t nth;
};

static void fail_on_shard(struct worker *worker, void *argument)
{
    (void)worker;
    mem_fail_nth(((struct failing_start *)argument)->nth);
}

static void test_refused_memory_at_every_step_of_starting(void **state)
{
    (void)state;
    const struct otlp_rig_options options = {.backend = loop_fixture_backend, .yaml = YAML};
    for (uint64_t nth = 1; nth < 100; nth++) {
        struct failing_start call = {.nth = nth};
        struct failing_start off = {.nth = 0};
        otlp_rig_prepare(&rig, &options);
        assert_int_equal(rig.receiver->ops->open(rig.receiver, &rig.home), 0);
        otlp_rig_connect(&rig, 7);
        worker_call(&rig.shards[1], &call, fail_on_shard);
        int err = rig.receiver->ops->start(rig.receiver);
        worker_call(&rig.shards[1], &off, fail_on_shard);
        rig.receiver->ops->close(rig.receiver);
        rig.receiver = NULL;
        otlp_rig_close(&rig);
        if (err == 0) {
            return;
        }
        assert_true(err < 0); /* the loop has no place for it, or no memory */
    }
    fail();
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_on_all_shards),
        cmocka_unit_test(test_both_endpoints_at_once),
        cmocka_unit_test(test_silent_and_odd_connections_are_let_go),
        cmocka_unit_test(test_why_connections_were_ended_is_counted),
        cmocka_unit_test(test_pipelines_change_while_it_serves),
        cmocka_unit_test(test_those_sent_away_are_still_served),
        cmocka_unit_test(test_it_names_the_receivers_it_serves),
        cmocka_unit_test(test_nobody_joined_is_nobody_harmed),
        cmocka_unit_test(test_answers_come_home_to_a_sleeping_shard),
        cmocka_unit_test(test_rejected_items_are_a_partial_success),
        cmocka_unit_test(test_draining_waits_for_requests_that_wait),
        cmocka_unit_test(test_clients_that_are_gone_leave_nothing_behind),
        cmocka_unit_test(test_unix_socket_is_served_and_removed),
        cmocka_unit_test(test_taken_port_is_an_error),
        cmocka_unit_test(test_closing_what_was_never_opened_or_started),
        cmocka_unit_test(test_closing_without_draining),
        cmocka_unit_test(test_refused_memory_at_every_step_of_opening),
        cmocka_unit_test(test_refused_memory_at_every_step_of_starting),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
