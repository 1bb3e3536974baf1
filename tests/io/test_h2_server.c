/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of h2_server: requests and answers, flow control, going away, deadlines, on a real loop
 * with a peer that speaks in raw frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/bounds.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/channel.h"
#include "tests/support/h2_rig.h"
#include "tests/support/loop_fixture.h"

static struct h2_rig rig;

static const struct h2_server_options NO_OPTIONS = {0};

static void open_with(void **state, const struct h2_server_options *options)
{
    h2_rig_open(&rig, *state, options);
    h2_peer_greet(&rig.peer);
    h2_peer_expect(&rig.peer, "SETTINGS ACK\n");
    h2_peer_frame(&rig.peer, NGHTTP2_SETTINGS, H2_PEER_ACK, 0, slice_of(NULL, 0));
}

static void send_data(uint32_t stream_id, uint8_t flags, size_t len)
{
    static uint8_t bytes[16384];
    memset(bytes, 'x', sizeof(bytes));
    while (len > sizeof(bytes)) {
        h2_peer_frame(&rig.peer, NGHTTP2_DATA, 0, stream_id, slice_of(bytes, sizeof(bytes)));
        len -= sizeof(bytes);
    }
    h2_peer_frame(&rig.peer, NGHTTP2_DATA, flags, stream_id, slice_of(bytes, len));
}

static void credit(uint32_t stream_id, uint32_t bytes)
{
    const uint8_t payload[] = {(uint8_t)(bytes >> 24), (uint8_t)(bytes >> 16),
                               (uint8_t)(bytes >> 8), (uint8_t)bytes};
    h2_peer_frame(&rig.peer, NGHTTP2_WINDOW_UPDATE, 0, stream_id,
                  slice_of(payload, sizeof(payload)));
}

static void setting(uint16_t id, uint32_t value)
{
    const uint8_t payload[] = {(uint8_t)(id >> 8),     (uint8_t)id,
                               (uint8_t)(value >> 24), (uint8_t)(value >> 16),
                               (uint8_t)(value >> 8),  (uint8_t)value};
    h2_peer_frame(&rig.peer, NGHTTP2_SETTINGS, 0, 0, slice_of(payload, sizeof(payload)));
}

/* --- requests and answers --------------------------------------------------------------------- */

static void test_settings_say_what_is_configured(void **state)
{
    const struct h2_server_options options = {
        .max_concurrent_streams = 7,
        .stream_window_bytes = 100000,
        .connection_window_bytes = 300000,
        .max_frame_bytes = 32768,
        .max_header_list_bytes = 5000,
    };
    h2_rig_open(&rig, *state, &options);
    h2_peer_greet(&rig.peer);
    h2_peer_expect(&rig.peer, "SETTINGS 4=100000 6=5000 5=32768 9=1 3=7\n");
    h2_peer_expect(&rig.peer, "WINDOW_UPDATE 0 234465\n");
    h2_peer_expect(&rig.peer, "SETTINGS ACK\n");
    h2_rig_close(&rig);
}

static void test_request_is_answered_with_body_and_trailers(void **state)
{
    open_with(state, &NO_OPTIONS);
    assert_false(h2_peer_has(&rig.peer, " 3=")); /* unlimited streams are not announced */
    h2_peer_headers(&rig.peer, 1, 0, H2_RIG_POST "x-one: 1\nx-empty: \n");
    h2_peer_frame(&rig.peer, NGHTTP2_DATA, 0, 1, SLICE_LITERAL("hel"));
    h2_peer_frame(&rig.peer, NGHTTP2_DATA, H2_PEER_END_STREAM, 1, SLICE_LITERAL("lo"));
    h2_peer_expect(&rig.peer, "HEADERS 1 :status=200 content-type=text/plain\n"
                              "DATA 1 68656c6c6f\nHEADERS 1 END done=yes\n");
    assert_string_equal(rig.last_head,
                        "POST /echo weir http content-type=text/plain x-one=1 x-empty=");
    h2_rig_settle(&rig);
    assert_int_equal(h2_peer_count(&rig.peer, "RST_STREAM"), 0);
    assert_int_equal(rig.server.stats.stream_count, 1);
    h2_rig_close(&rig);
}

static void test_request_without_body_is_answered_at_once(void **state)
{
    open_with(state, &NO_OPTIONS);
    h2_peer_headers(&rig.peer, 1, H2_PEER_END_STREAM, H2_RIG_GET("/echo"));
    h2_peer_expect(&rig.peer, "HEADERS 1 :status=200 content-type=text/plain\n"
                              "HEADERS 1 END done=yes\n");
    h2_peer_headers(&rig.peer, 3, H2_PEER_END_STREAM, H2_RIG_GET("/early"));
    h2_peer_expect(&rig.peer, "HEADERS 3 END :status=413\n");
    h2_rig_close(&rig);
}

static void test_trailers_of_a_request_end_its_body(void **state)
{
    open_with(state, &NO_OPTIONS);
    h2_peer_headers(&rig.peer, 1, 0, H2_RIG_POST);
    h2_peer_frame(&rig.peer, NGHTTP2_DATA, 0, 1, SLICE_LITERAL("a"));
    h2_peer_headers(&rig.peer, 1, H2_PEER_END_STREAM, "x-trailer: t\n");
    h2_peer_expect(&rig.peer, "DATA 1 61\nHEADERS 1 END done=yes\n");
    h2_rig_close(&rig);
}

static void test_early_answer_tells_a_sending_peer_to_stop(void **state)
{
    open_with(state, &NO_OPTIONS);
    h2_peer_headers(&rig.peer, 1, 0,
                    ":method: POST\n:scheme: http\n:path: /early\n:authority: weir\n");
    h2_peer_expect(&rig.peer, "HEADERS 1 END :status=413\nRST_STREAM 1 NO_ERROR\n");
    assert_int_equal(rig.body_bytes, 0);
    h2_rig_close(&rig);
}

static void test_stream_that_nobody_takes_is_refused(void **state)
{
    open_with(state, &NO_OPTIONS);
    h2_peer_headers(&rig.peer, 1, H2_PEER_END_STREAM, H2_RIG_GET("/none"));
    h2_peer_expect(&rig.peer, "RST_STREAM 1 REFUSED_STREAM\n");
    h2_rig_close(&rig);
}

static void test_answers_of_one_turn_leave_in_one_send(void **state)
{
    open_with(state, &NO_OPTIONS);
    for (uint32_t i = 0; i < 10; i++) {
        h2_peer_headers(&rig.peer, 1 + 2 * i, H2_PEER_END_STREAM, H2_RIG_GET("/hold"));
    }
    h2_rig_settle(&rig);
    assert_int_equal(rig.open_count, 10);
    h2_peer_clear(&rig.peer);
    h2_rig_release(&rig); /* outside of any receive */
    while (rig.peer.log_len == 0) {
        h2_peer_turn(&rig.peer);
    }
    /* They were there all at once. */
    assert_int_equal(h2_peer_count(&rig.peer, "HEADERS"), 10);
    h2_rig_close(&rig);
}

static void test_large_head_is_kept_whole(void **state)
{
    static char lines[40000];
    open_with(state, &NO_OPTIONS);
    size_t len = (size_t)snprintf(lines, sizeof(lines), "%s", H2_RIG_GET("/hold"));
    for (int i = 0; i < 100; i++) {
        len += (size_t)snprintf(lines + len, sizeof(lines) - len, "x-%03d: %0100d\n", i, i);
    }
    h2_peer_headers(&rig.peer, 1, H2_PEER_END_STREAM, lines);
    h2_rig_settle(&rig);
    assert_non_null(strstr(rig.last_head, "GET /hold weir http x-000="));
    h2_rig_release(&rig);
    h2_peer_expect(&rig.peer, "HEADERS 1 END :status=204\n");
    h2_rig_close(&rig);
}

static void test_head_beyond_its_limit_resets_the_stream_only(void **state)
{
    const struct h2_server_options options = {.max_header_list_bytes = 1000};
    static char lines[2000];
    open_with(state, &options);
    /* 4 pseudo-headers make 43 + 5 + 12 … bytes; see RFC 9113 6.5.2 for the 32 of each field. */
    int used = 7 + 3 + 7 + 4 + 5 + 5 + 10 + 4 + 4 * 32;
    int left = 1000 - used - 32 - 1;
    (void)snprintf(lines, sizeof(lines), "%sx: %0*d\n", H2_RIG_GET("/echo"), left, 0);
    h2_peer_headers(&rig.peer, 1, H2_PEER_END_STREAM, lines);
    h2_peer_expect(&rig.peer, "HEADERS 1 :status=200");
    (void)snprintf(lines, sizeof(lines), "%sx: %0*d\n", H2_RIG_GET("/echo"), left + 1, 0);
    h2_peer_headers(&rig.peer, 3, H2_PEER_END_STREAM, lines);
    h2_peer_expect(&rig.peer, "RST_STREAM 3 FRAME_SIZE_ERROR\n");
    h2_peer_headers(&rig.peer, 5, H2_PEER_END_STREAM, H2_RIG_GET("/echo"));
    h2_peer_expect(&rig.peer, "HEADERS 5 :status=200");
    assert_int_equal(rig.server.stats.header_too_large_count, 1);
    h2_rig_close(&rig);
}

static void test_stream_beyond_the_limit_is_refused(void **state)
{
    const struct h2_server_options options = {.max_concurrent_streams = 2};
    open_with(state, &options);
    for (uint32_t id = 1; id <= 5; id += 2) {
        h2_peer_headers(&rig.peer, id, H2_PEER_END_STREAM, H2_RIG_GET("/hold"));
    }
    h2_peer_expect(&rig.peer, "RST_STREAM 5 REFUSED_STREAM\n");
    assert_int_equal(rig.open_count, 2);
    h2_rig_release(&rig);
    h2_peer_expect(&rig.peer, "HEADERS 1 END :status=204\n");
    h2_peer_headers(&rig.peer, 7, H2_PEER_END_STREAM, H2_RIG_GET("/echo"));
    h2_peer_expect(&rig.peer, "HEADERS 7 :status=200");
    assert_int_equal(rig.server.stats.stream_refused_count, 1);
    h2_rig_close(&rig);
}

static void test_reset_by_the_peer_is_told_once(void **state)
{
    const uint8_t cancel[] = {0, 0, 0, H2_CODE_CANCEL};
    open_with(state, &NO_OPTIONS);
    h2_peer_headers(&rig.peer, 1, 0, H2_RIG_GET("/hold"));
    h2_peer_frame(&rig.peer, NGHTTP2_RST_STREAM, 0, 1, slice_of(cancel, sizeof(cancel)));
    h2_rig_settle(&rig);
    assert_int_equal(rig.reset_count, 1);
    assert_int_equal(rig.reset_code, H2_CODE_CANCEL);
    assert_int_equal(rig.open_count, 0);
    h2_rig_close(&rig);
    assert_int_equal(rig.reset_count, 1);
}

/* Every way of cutting the same bytes in two gives the same frames. */
static void test_input_may_be_split_anywhere(void **state)
{
    static uint8_t bytes[1024];
    size_t len = 24 + 9;
    memcpy(bytes, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", len);
    uint8_t *head = bytes + len;
    size_t block_len = h2_peer_encode(H2_RIG_POST, head + 9, sizeof(bytes) - len - 9);
    memcpy(head, "\0\0\0\1\4\0\0\0\1", 9);
    head[2] = (uint8_t)block_len;
    len += 9 + block_len;
    memcpy(bytes + len, "\0\0\5\0\1\0\0\0\1hello", 14);
    len += 14;
    for (size_t cut = 0; cut <= len; cut++) {
        h2_rig_open(&rig, *state, NULL);
        h2_peer_send(&rig.peer, bytes, cut);
        h2_peer_turn(&rig.peer);
        h2_peer_send(&rig.peer, bytes + cut, len - cut);
        h2_peer_expect(&rig.peer, "DATA 1 68656c6c6f\nHEADERS 1 END done=yes\n");
        h2_rig_close(&rig);
    }
}

static void test_input_may_come_byte_by_byte(void **state)
{
    h2_rig_open(&rig, *state, NULL);
    static const char GREETING[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    for (size_t i = 0; i < sizeof(GREETING) - 1; i++) {
        h2_peer_send(&rig.peer, GREETING + i, 1);
        h2_peer_turn(&rig.peer);
    }
    h2_peer_expect(&rig.peer, "SETTINGS ACK\n");
    h2_rig_close(&rig);
}

/* --- flow control ----------------------------------------------------------------------------- */

static void test_credit_comes_back_as_bytes_are_taken(void **state)
{
    const struct h2_server_options options = {
        .stream_window_bytes = 65536,
        .connection_window_bytes = 131072,
    };
    open_with(state, &options);
    h2_peer_clear(&rig.peer);
    rig.peer.credit_bytes = 0;
    h2_peer_headers(&rig.peer, 1, 0,
                    ":method: POST\n:scheme: http\n:path: /stall\n:authority: a\n");
    send_data(1, 0, 65536);
    h2_rig_settle(&rig);
    assert_int_equal(rig.body_bytes, 65536);
    assert_int_equal(h2_peer_count(&rig.peer, "WINDOW_UPDATE"), 0);
    h2_rig_consume(&rig);
    h2_peer_expect(&rig.peer, "WINDOW_UPDATE 1 65536\n");
    h2_peer_expect(&rig.peer, "WINDOW_UPDATE 0 65536\n");
    h2_rig_close(&rig);
}

/* Two streams that stand still hold all but 1 000 bytes of the connection's window. */
static void test_stalled_streams_do_not_starve_others(void **state)
{
    const struct h2_server_options options = {
        .stream_window_bytes = 65536,
        .connection_window_bytes = 131072,
    };
    open_with(state, &options);
    h2_peer_headers(&rig.peer, 1, 0, H2_RIG_GET("/stall"));
    send_data(1, 0, 65536);
    h2_peer_headers(&rig.peer, 3, 0, H2_RIG_GET("/stall"));
    send_data(3, 0, 64536);
    for (uint32_t id = 5; id < 105; id += 2) {
        h2_peer_headers(&rig.peer, id, 0, H2_RIG_POST);
        send_data(id, H2_PEER_END_STREAM, 500); /* what is always left of the rest */
        h2_rig_settle(&rig);
    }
    h2_peer_expect(&rig.peer, "HEADERS 103 END done=yes\n");
    h2_rig_close(&rig);
}

/* Bodies nobody wants cost the connection no credit, however they end. */
static void test_discarded_bodies_give_their_credit_back(void **state)
{
    const struct h2_server_options options = {
        .stream_window_bytes = 65536,
        .connection_window_bytes = 131072,
    };
    const uint8_t cancel[] = {0, 0, 0, H2_CODE_CANCEL};
    open_with(state, &options);
    rig.peer.credit_bytes = 0;
    for (uint32_t id = 1; id < 41; id += 4) {
        h2_peer_headers(&rig.peer, id, 0,
                        ":method: POST\n:scheme: http\n:path: /early\n:authority: a\n");
        send_data(id, H2_PEER_END_STREAM, 40000);
        h2_peer_headers(&rig.peer, id + 2, 0,
                        ":method: POST\n:scheme: http\n:path: /stall\n:authority: a\n");
        send_data(id + 2, 0, 20000);
        h2_peer_frame(&rig.peer, NGHTTP2_RST_STREAM, 0, id + 2, slice_of(cancel, sizeof(cancel)));
        h2_rig_settle(&rig);
    }
    /* 600 000 bytes went through a window of 131 072; at most half of it is still unsaid. */
    assert_true(rig.peer.credit_bytes >= 600000 - 131072);
    assert_int_equal(rig.server.connection_count, 1);
    h2_rig_close(&rig);
}

static void test_answer_waits_for_the_peers_window(void **state)
{
    h2_rig_open(&rig, *state, NULL);
    h2_peer_greet(&rig.peer);
    setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10);
    h2_peer_headers(&rig.peer, 1, H2_PEER_END_STREAM, H2_RIG_GET("/big"));
    h2_rig_settle(&rig);
    assert_int_equal(rig.peer.data_bytes, 10);
    credit(1, 15);
    h2_rig_settle(&rig);
    assert_int_equal(rig.peer.data_bytes, 25);
    credit(1, 1 << 20);
    credit(0, 1 << 20);
    h2_peer_expect(&rig.peer, "DATA 1 END");
    assert_int_equal(rig.peer.data_bytes, H2_RIG_BIG_BYTES);
    h2_rig_close(&rig);
}

/* --- going ------------------------------------------------------------------------------------ */

static void test_drain_goes_in_two_steps_and_serves_what_is_open(void **state)
{
    open_with(state, &NO_OPTIONS);
    h2_peer_headers(&rig.peer, 1, H2_PEER_END_STREAM, H2_RIG_GET("/hold"));
    h2_rig_settle(&rig);
    h2_server_drain(&rig.server);
    h2_peer_expect(&rig.peer, "GOAWAY 2147483647 NO_ERROR \nPING 6c656176696e6721\n");
    /* A request that crossed the first GOAWAY is served. */
    h2_peer_headers(&rig.peer, 3, H2_PEER_END_STREAM, H2_RIG_GET("/hold"));
    h2_peer_frame(&rig.peer, NGHTTP2_PING, H2_PEER_ACK, 0, SLICE_LITERAL("leaving!"));
    h2_peer_expect(&rig.peer, "GOAWAY 3 NO_ERROR going away\n");
    h2_peer_headers(&rig.peer, 5, H2_PEER_END_STREAM, H2_RIG_GET("/hold"));
    h2_peer_run(&rig.peer, 5 * CLOCK_NS_PER_MS);
    assert_int_equal(rig.open_count, 2);
    assert_int_equal(rig.closed_count, 0);
    h2_rig_release(&rig);
    h2_peer_expect(&rig.peer, "CLOSED");
    assert_true(h2_peer_has(&rig.peer, "HEADERS 1 END :status=204\n"));
    assert_true(h2_peer_has(&rig.peer, "HEADERS 3 END :status=204\n"));
    close(rig.peer.fd);
    rig.peer.fd = -1;
    loop_fixture_until(*state, &rig.closed_count);
    assert_int_equal(rig.reset_count, 0);
    h2_peer_close(&rig.peer);
    h2_server_fini(&rig.server);
}

static void test_send_away_leaves_new_connections_alone(void **state)
{
    static struct h2_peer second;
    open_with(state, &NO_OPTIONS);
    h2_server_send_away(&rig.server);
    h2_peer_expect(&rig.peer, "GOAWAY 2147483647");
    h2_peer_open(&second, *state, &rig.server);
    h2_peer_greet(&second);
    h2_peer_headers(&second, 1, H2_PEER_END_STREAM, H2_RIG_GET("/echo"));
    h2_peer_expect(&second, "HEADERS 1 :status=200");
    assert_false(h2_peer_has(&second, "GOAWAY"));
    h2_peer_close(&second);
    h2_rig_close(&rig);
}

static void test_abort_resets_what_is_open(void **state)
{
    open_with(state, &NO_OPTIONS);
    h2_peer_headers(&rig.peer, 1, 0, H2_RIG_GET("/hold"));
    h2_rig_settle(&rig);
    h2_rig_close(&rig);
    assert_int_equal(rig.reset_count, 1);
}

static void test_drained_server_adopts_no_more(void **state)
{
    static const struct channel_user_ops OPS = {0};
    struct channel_user user = {.ops = &OPS};
    struct channel *channel = (struct channel *)(void *)&user; /* never looked at */
    h2_rig_open(&rig, *state, NULL);
    h2_server_drain(&rig.server);
    assert_int_equal(h2_server_adopt(&rig.server, channel, slice_of(NULL, 0)), FAULT_CLOSED);
    assert_int_equal(rig.server.stats.refused_count, 1);
    h2_rig_close(&rig);
}

static void test_connections_are_limited(void **state)
{
    const struct h2_server_options options = {.connections_max = 1};
    struct channel_user user = {0};
    h2_rig_open(&rig, *state, &options);
    assert_int_equal(
        h2_server_adopt(&rig.server, (struct channel *)(void *)&user, slice_of(NULL, 0)), -EBUSY);
    h2_rig_close(&rig);
}

static void test_age_sends_a_connection_away(void **state)
{
    const struct h2_server_options options = {
        .age_max_ns = 30 * CLOCK_NS_PER_MS,
        .age_grace_ns = 500 * CLOCK_NS_PER_MS, /* enough to answer the PING in */
    };
    open_with(state, &options);
    h2_peer_headers(&rig.peer, 1, H2_PEER_END_STREAM, H2_RIG_GET("/hold"));
    h2_peer_expect(&rig.peer, "GOAWAY 2147483647 NO_ERROR");
    h2_peer_frame(&rig.peer, NGHTTP2_PING, H2_PEER_ACK, 0, SLICE_LITERAL("leaving!"));
    h2_peer_expect(&rig.peer, "GOAWAY 1 NO_ERROR max_age\n");
    assert_int_equal(rig.reset_count, 0);
    /* Nobody answers the held request: when the grace is over, it is cut. */
    h2_peer_expect(&rig.peer, "GOAWAY 1 NO_ERROR grace_is_over\n");
    h2_peer_expect(&rig.peer, "CLOSED");
    assert_int_equal(rig.reset_count, 1);
    assert_int_equal(rig.server.stats.aged_count, 1);
    h2_rig_close(&rig);
}

static void test_idle_connection_is_sent_away(void **state)
{
    const struct h2_server_options options = {.idle_max_ns = 300 * CLOCK_NS_PER_MS};
    open_with(state, &options);
    h2_peer_headers(&rig.peer, 1, H2_PEER_END_STREAM, H2_RIG_GET("/hold"));
    h2_peer_run(&rig.peer, 400 * CLOCK_NS_PER_MS);
    assert_false(h2_peer_has(&rig.peer, "GOAWAY")); /* not idle while a stream is open */
    h2_rig_release(&rig);
    h2_peer_expect(&rig.peer, "GOAWAY 2147483647 NO_ERROR");
    h2_peer_frame(&rig.peer, NGHTTP2_PING, H2_PEER_ACK, 0, SLICE_LITERAL("leaving!"));
    h2_peer_expect(&rig.peer, "GOAWAY 1 NO_ERROR max_idle\nCLOSED");
    h2_rig_close(&rig);
}

static void test_silent_peer_is_pinged_and_then_closed(void **state)
{
    const struct h2_server_options options = {
        .keepalive_time_ns = 20 * CLOCK_NS_PER_MS,
        .keepalive_timeout_ns = 400 * CLOCK_NS_PER_MS,
    };
    open_with(state, &options);
    h2_peer_expect(&rig.peer, "PING 0000000000000000\n");
    h2_peer_frame(&rig.peer, NGHTTP2_PING, H2_PEER_ACK, 0, slice_of("\0\0\0\0\0\0\0\0", 8));
    h2_peer_run(&rig.peer, 10 * CLOCK_NS_PER_MS);
    assert_false(h2_peer_has(&rig.peer, "CLOSED"));
    h2_peer_expect(&rig.peer, "CLOSED");
    assert_true(h2_peer_count(&rig.peer, "PING") >= 2);
    assert_int_equal(rig.server.stats.timeout_count, 1);
    h2_rig_close(&rig);
}

static void test_peer_without_preface_is_closed(void **state)
{
    const struct h2_server_options options = {.preface_timeout_ns = 20 * CLOCK_NS_PER_MS};
    h2_rig_open(&rig, *state, &options);
    h2_peer_send(&rig.peer, "PRI * HTTP", 10);
    h2_peer_expect(&rig.peer, "CLOSED");
    assert_int_equal(rig.server.stats.timeout_count, 1);
    h2_rig_close(&rig);
}

static void test_half_closed_peer_gets_its_answer(void **state)
{
    open_with(state, &NO_OPTIONS);
    h2_peer_headers(&rig.peer, 1, H2_PEER_END_STREAM, H2_RIG_GET("/hold"));
    h2_peer_headers(&rig.peer, 3, 0, H2_RIG_GET("/hold")); /* will never be whole */
    h2_rig_settle(&rig);
    assert_int_equal(shutdown(rig.peer.fd, SHUT_WR), 0);
    h2_peer_run(&rig.peer, 10 * CLOCK_NS_PER_MS);
    assert_int_equal(rig.reset_count, 1);
    h2_rig_release(&rig);
    h2_peer_expect(&rig.peer, "HEADERS 1 END :status=204\n");
    h2_peer_expect(&rig.peer, "CLOSED");
    h2_rig_close(&rig);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void test_fini_may_come_twice(void **state)
{
    /* nghttp2 takes options and callbacks from libc, where nothing can be made to fail. */
    static const struct h2_server_ops OPS = {0};
    struct h2_server server;
    assert_int_equal(h2_server_init(&server, *state, &NO_OPTIONS, &OPS), 0);
    h2_server_fini(&server);
    h2_server_fini(&server);
}

static void nobody(struct channel_user *user, int fault)
{
    (void)user;
    (void)fault;
}

static void nobody_on_receive(struct channel_user *user, struct slice bytes)
{
    (void)user;
    (void)bytes;
}

static uint64_t nobody_closed_count;

static void nobody_on_closed(struct channel_user *user)
{
    (void)user;
    nobody_closed_count++;
}

static void test_adopt_survives_every_failed_allocation(void **state)
{
    static const struct channel_user_ops OPS = {
        .on_receive = nobody_on_receive,
        .on_end = nobody,
        .on_sent = nobody,
        .on_closed = nobody_on_closed,
    };
    static struct channel_user user = {.ops = &OPS};
    int fds[2];
    h2_rig_open(&rig, *state, NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct channel *channel = NULL;
    struct channel_options options = {.role = CHANNEL_SERVER};
    assert_int_equal(channel_open(*state, fds[1], &options, &user, &channel), 0);
    int err = -ENOMEM;
    uint64_t nth = 0;
    while (err != 0) {
        mem_fail_nth(++nth);
        err = h2_server_adopt(&rig.server, channel, slice_of(NULL, 0));
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
        assert_true(nth < 1000);
    }
    assert_true(nth > 5);
    close(fds[0]);
    h2_rig_close(&rig);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_settings_say_what_is_configured),
        LOOP_TEST(test_request_is_answered_with_body_and_trailers),
        LOOP_TEST(test_request_without_body_is_answered_at_once),
        LOOP_TEST(test_trailers_of_a_request_end_its_body),
        LOOP_TEST(test_early_answer_tells_a_sending_peer_to_stop),
        LOOP_TEST(test_stream_that_nobody_takes_is_refused),
        LOOP_TEST(test_answers_of_one_turn_leave_in_one_send),
        LOOP_TEST(test_large_head_is_kept_whole),
        LOOP_TEST(test_head_beyond_its_limit_resets_the_stream_only),
        LOOP_TEST(test_stream_beyond_the_limit_is_refused),
        LOOP_TEST(test_reset_by_the_peer_is_told_once),
        LOOP_TEST(test_input_may_be_split_anywhere),
        LOOP_TEST(test_input_may_come_byte_by_byte),
        LOOP_TEST(test_credit_comes_back_as_bytes_are_taken),
        LOOP_TEST(test_stalled_streams_do_not_starve_others),
        LOOP_TEST(test_discarded_bodies_give_their_credit_back),
        LOOP_TEST(test_answer_waits_for_the_peers_window),
        LOOP_TEST(test_drain_goes_in_two_steps_and_serves_what_is_open),
        LOOP_TEST(test_send_away_leaves_new_connections_alone),
        LOOP_TEST(test_abort_resets_what_is_open),
        LOOP_TEST(test_drained_server_adopts_no_more),
        LOOP_TEST(test_connections_are_limited),
        LOOP_TEST(test_age_sends_a_connection_away),
        LOOP_TEST(test_idle_connection_is_sent_away),
        LOOP_TEST(test_silent_peer_is_pinged_and_then_closed),
        LOOP_TEST(test_peer_without_preface_is_closed),
        LOOP_TEST(test_half_closed_peer_gets_its_answer),
        LOOP_TEST(test_fini_may_come_twice),
        LOOP_TEST(test_adopt_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
