/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of h2_server against peers that cost more than they bring: each budget holds, one beyond it
 * ends the connection with ENHANCE_YOUR_CALM, and honest clients do not come near.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "io/h2_server_connection.h"
#include "io/io_bounds.h"
#include "tests/support/h2_rig.h"
#include "tests/support/loop_fixture.h"

static struct h2_rig rig;

static void open_with(void **state, const struct h2_server_options *options)
{
    h2_rig_open(&rig, *state, options);
    h2_peer_greet(&rig.peer);
    h2_peer_expect(&rig.peer, "SETTINGS ACK\n");
}

static void expect_calm(enum h2_abuse abuse, const char *text)
{
    char expected[96];
    h2_peer_expect(&rig.peer, "CLOSED");
    (void)snprintf(expected, sizeof(expected), "ENHANCE_YOUR_CALM %s\n", text);
    if (!h2_peer_has(&rig.peer, expected)) {
        fail_msg("no \"%s\" in:\n%s", expected, rig.peer.log);
    }
    assert_int_equal(rig.server.stats.abuse_count[abuse], 1);
    assert_int_equal(rig.open_count, 0);
    h2_rig_close(&rig);
}

static uint32_t next_id;

/* The events that floods are made of, one at a time. */
static void send_reset(void)
{
    const uint8_t cancel[] = {0, 0, 0, H2_CODE_CANCEL};
    next_id += 2;
    h2_peer_headers(&rig.peer, next_id, 0, H2_RIG_GET("/hold"));
    h2_peer_frame(&rig.peer, NGHTTP2_RST_STREAM, 0, next_id, slice_of(cancel, sizeof(cancel)));
}

static void send_mistake(void)
{
    next_id += 2;
    h2_peer_headers(&rig.peer, next_id, 0, H2_RIG_GET("/hold"));
    h2_peer_frame(&rig.peer, NGHTTP2_WINDOW_UPDATE, 0, next_id, SLICE_LITERAL("\x7f\xff\xff\xff"));
}

static void send_settings(void)
{
    h2_peer_frame(&rig.peer, NGHTTP2_SETTINGS, 0, 0, slice_of(NULL, 0));
}

static void send_ping(void)
{
    h2_peer_frame(&rig.peer, NGHTTP2_PING, 0, 0, SLICE_LITERAL("12345678"));
}

static void send_empty_data(void)
{
    if (next_id == 0) {
        next_id = 1;
        h2_peer_headers(&rig.peer, 1, 0, H2_RIG_GET("/hold"));
    }
    h2_peer_frame(&rig.peer, NGHTTP2_DATA, 0, 1, slice_of(NULL, 0));
}

static void send_window_update(void)
{
    h2_peer_frame(&rig.peer, NGHTTP2_WINDOW_UPDATE, 0, 0, SLICE_LITERAL("\0\0\0\1"));
}

static void send_priority(void)
{
    h2_peer_frame(&rig.peer, NGHTTP2_PRIORITY, 0, 1, SLICE_LITERAL("\0\0\0\0\1"));
}

/* Many at once, where the budget runs out faster than a slow machine sends frame by frame. */
static void send_many(const char *frame, size_t len)
{
    static char frames[14 * 1000];
    size_t count = sizeof(frames) / len;
    for (size_t i = 0; i < count; i++) {
        memcpy(frames + i * len, frame, len);
    }
    h2_peer_send(&rig.peer, frames, count * len);
}

static void send_window_updates(void)
{
    send_many("\0\0\4\x08\0\0\0\0\0\0\0\0\1", 13);
}

static void send_priorities(void)
{
    send_many("\0\0\5\2\0\0\0\0\1\0\0\0\0\1", 14);
}

struct flood {
    void (*send_one)(void);
    uint32_t burst_count;
    enum h2_abuse abuse;
    const char *text;
    void (*send_more)(void); /* NULL: one by one */
};

/* The first SETTINGS of a connection counts, too; the settling PINGs leave some room as well. */
static const struct flood FLOODS[] = {
    {send_reset, H2_RESETS_BURST, H2_ABUSE_RESETS, "too_many_resets", NULL},
    {send_mistake, H2_RESETS_BURST, H2_ABUSE_RESETS, "too_many_resets", NULL},
    {send_settings, H2_SETTINGS_BURST - 1, H2_ABUSE_SETTINGS, "too_many_settings", NULL},
    {send_ping, H2_PINGS_BURST - 1, H2_ABUSE_PINGS, "too_many_pings", NULL},
    {send_empty_data, H2_EMPTY_DATA_BURST, H2_ABUSE_EMPTY_DATA, "too_many_empty_frames", NULL},
    {send_window_update, H2_SMALL_FRAMES_BURST, H2_ABUSE_SMALL_FRAMES, "too_many_small_frames",
     send_window_updates},
    {send_priority, H2_SMALL_FRAMES_BURST, H2_ABUSE_SMALL_FRAMES, "too_many_small_frames",
     send_priorities},
};

static void test_floods_end_the_connection_beyond_their_budget(void **state)
{
    for (size_t f = 0; f < COUNT_OF(FLOODS); f++) {
        const struct flood *flood = &FLOODS[f];
        open_with(state, NULL);
        next_id = flood->send_one == send_empty_data ? 0 : UINT32_MAX;
        for (uint32_t i = 0; i < flood->burst_count; i++) {
            flood->send_one();
        }
        h2_rig_settle(&rig);
        assert_false(h2_peer_has(&rig.peer, "GOAWAY"));
        /* A budget gives back while it is filled: the slower the machine, the more it takes. */
        uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
        while (!rig.peer.is_closed && clock_mono_ns() < deadline_mono_ns) {
            (flood->send_more != NULL ? flood->send_more : flood->send_one)();
        }
        expect_calm(flood->abuse, flood->text);
    }
}

/* Clients measure their bandwidth with a PING per round trip while answers come. */
static void test_pings_beside_answers_are_forgiven(void **state)
{
    open_with(state, NULL);
    for (uint32_t i = 0; i < 5; i++) {
        for (uint32_t k = 0; k < H2_PINGS_BURST / 2; k++) {
            send_ping();
        }
        h2_peer_headers(&rig.peer, 1 + 2 * i, H2_PEER_END_STREAM, H2_RIG_GET("/echo"));
        h2_rig_settle(&rig);
    }
    assert_false(h2_peer_has(&rig.peer, "GOAWAY"));
    h2_rig_close(&rig);
}

static void test_ping_distance_is_enforced_where_configured(void **state)
{
    const struct h2_server_options options = {
        .ping_min_ns = 60 * CLOCK_NS_PER_S,
        .may_ping_idle = true,
    };
    open_with(state, &options);
    /* The first sets the clock, two more are strikes, the next one is too many. */
    for (int i = 0; i < 3; i++) {
        h2_rig_settle(&rig);
    }
    assert_false(h2_peer_has(&rig.peer, "GOAWAY"));
    send_ping();
    expect_calm(H2_ABUSE_PINGS, "too_many_pings");
}

static void test_ping_strikes_end_with_an_answer(void **state)
{
    const struct h2_server_options options = {
        .ping_min_ns = 60 * CLOCK_NS_PER_S,
        .may_ping_idle = true,
    };
    open_with(state, &options);
    for (uint32_t i = 0; i < 10; i++) {
        h2_rig_settle(&rig);
        h2_rig_settle(&rig);
        h2_peer_headers(&rig.peer, 1 + 2 * i, H2_PEER_END_STREAM, H2_RIG_GET("/early"));
        char expected[64];
        (void)snprintf(expected, sizeof(expected), "HEADERS %d END", 1 + 2 * (int)i);
        h2_peer_expect(&rig.peer, expected);
    }
    assert_false(h2_peer_has(&rig.peer, "GOAWAY"));
    h2_rig_close(&rig);
}

static void test_pings_of_an_idle_peer_are_hours_apart(void **state)
{
    const struct h2_server_options options = {.ping_min_ns = CLOCK_NS_PER_MS};
    open_with(state, &options);
    for (int i = 0; i < 3; i++) {
        h2_rig_settle(&rig);
        h2_peer_run(&rig.peer, 2 * CLOCK_NS_PER_MS);
    }
    send_ping();
    expect_calm(H2_ABUSE_PINGS, "too_many_pings");
}

static void send_block(uint32_t continuation_count)
{
    uint8_t block[256];
    size_t len = h2_peer_encode(H2_RIG_GET("/echo"), block, sizeof(block));
    h2_peer_frame(&rig.peer, NGHTTP2_HEADERS, H2_PEER_END_STREAM, 1, slice_of(block, len));
    for (uint32_t i = 1; i <= continuation_count; i++) {
        uint8_t flags = i == continuation_count ? H2_PEER_END_HEADERS : 0;
        h2_peer_frame(&rig.peer, NGHTTP2_CONTINUATION, flags, 1, slice_of(NULL, 0));
    }
}

static void test_continuations_are_limited(void **state)
{
    open_with(state, NULL);
    send_block(H2_CONTINUATIONS_MAX);
    h2_peer_expect(&rig.peer, "HEADERS 1 :status=200");
    h2_rig_close(&rig);
    open_with(state, NULL);
    send_block(H2_CONTINUATIONS_MAX + 1);
    expect_calm(H2_ABUSE_CONTINUATIONS, "header_block_too_large");
}

/* One entry of 4 000 bytes in the table, and then a byte for each use of it. */
static void test_bomb_of_references_is_cut(void **state)
{
    static uint8_t block[8192];
    static char value[3900];
    memset(value, 'v', sizeof(value));
    open_with(state, NULL);
    size_t len = h2_peer_encode(H2_RIG_GET("/echo"), block, sizeof(block));
    block[len++] = 0x40; /* with indexing, new name "x" */
    block[len++] = 1;
    block[len++] = 'x';
    block[len++] = 127;
    block[len++] = (uint8_t)((sizeof(value) - 127) % 128 + 128);
    block[len++] = (uint8_t)((sizeof(value) - 127) / 128);
    memcpy(block + len, value, sizeof(value));
    len += sizeof(value);
    while (len < sizeof(block)) {
        block[len++] = 0x80 | 62;
    }
    h2_peer_frame(&rig.peer, NGHTTP2_HEADERS, H2_PEER_END_STREAM | H2_PEER_END_HEADERS, 1,
                  slice_of(block, len));
    expect_calm(H2_ABUSE_CONTINUATIONS, "header_block_too_large");
}

static void shut_windows(void)
{
    h2_peer_frame(&rig.peer, NGHTTP2_SETTINGS, 0, 0, SLICE_LITERAL("\0\x04\0\0\0\0"));
}

static void test_answer_that_finds_no_window_is_dropped_in_time(void **state)
{
    const struct h2_server_options options = {.response_timeout_ns = 400 * CLOCK_NS_PER_MS};
    open_with(state, &options);
    shut_windows();
    h2_peer_headers(&rig.peer, 1, H2_PEER_END_STREAM, H2_RIG_GET("/big"));
    h2_peer_expect(&rig.peer, "HEADERS 1 :status=200\n");
    /* Tiny windows are no progress. */
    while (!h2_peer_has(&rig.peer, "RST_STREAM") && !rig.peer.is_closed) {
        h2_peer_frame(&rig.peer, NGHTTP2_WINDOW_UPDATE, 0, 1, SLICE_LITERAL("\0\0\0\1"));
        h2_peer_run(&rig.peer, 5 * CLOCK_NS_PER_MS);
    }
    assert_true(h2_peer_has(&rig.peer, "RST_STREAM 1 CANCEL\n"));
    assert_int_equal(rig.server.stats.abuse_count[H2_ABUSE_SLOW_READER], 1);
    h2_peer_headers(&rig.peer, 3, H2_PEER_END_STREAM, H2_RIG_GET("/early"));
    h2_peer_expect(&rig.peer, "HEADERS 3 END :status=413\n");
    h2_rig_close(&rig);
}

/* Windows wide open, and the socket full: nothing that is sent is read. */
static void open_without_reading(void **state, const struct h2_server_options *options)
{
    open_with(state, options);
    h2_peer_frame(&rig.peer, NGHTTP2_SETTINGS, 0, 0, SLICE_LITERAL("\0\x04\x7f\0\0\0"));
    h2_peer_frame(&rig.peer, NGHTTP2_WINDOW_UPDATE, 0, 0, SLICE_LITERAL("\x7f\0\0\0"));
    h2_rig_settle(&rig);
    rig.peer.is_reading = false;
    for (uint32_t i = 0; i < 4; i++) {
        h2_peer_headers(&rig.peer, 1 + 2 * i, H2_PEER_END_STREAM, H2_RIG_GET("/big"));
        h2_peer_run(&rig.peer, 3 * CLOCK_NS_PER_MS);
    }
}

static void test_peer_that_does_not_read_is_closed_in_time(void **state)
{
    const struct h2_server_options options = {.response_timeout_ns = 500 * CLOCK_NS_PER_MS};
    open_without_reading(state, &options);
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (rig.server.connection_count > 0 && clock_mono_ns() < deadline_mono_ns) {
        h2_peer_turn(&rig.peer);
    }
    assert_true(rig.server.stats.abuse_count[H2_ABUSE_SLOW_READER] > 0);
    assert_int_equal(rig.server.connection_count, 0);
    h2_rig_close(&rig);
}

/* More frames than may wait, made by a peer that does not read them: it is not read either. */
static void test_peer_that_does_not_read_is_not_read(void **state)
{
    const struct h2_server_options options = {.max_concurrent_streams = 5};
    open_without_reading(state, &options);
    next_id = 7;
    const struct h2_connection *c = rig.server.connections;
    assert_non_null(c);
    /* What is open takes one more; the rest is refused, and a refusal is a frame that waits. */
    for (uint32_t i = 0; i < 4 * H2_FRAMES_WAITING_MAX && !c->is_paused; i++) {
        next_id += 2;
        h2_peer_headers(&rig.peer, next_id, H2_PEER_END_STREAM, H2_RIG_GET("/hold"));
        h2_peer_turn(&rig.peer);
    }
    assert_true(c->is_paused);
    assert_true(nghttp2_session_get_outbound_queue_size(c->session) > H2_FRAMES_WAITING_MAX);
    rig.peer.is_reading = true;
    h2_rig_settle(&rig);
    assert_false(c->is_paused);
    assert_false(h2_peer_has(&rig.peer, "GOAWAY"));
    assert_true(rig.server.stats.stream_refused_count > H2_FRAMES_WAITING_MAX / 2);
    h2_rig_close(&rig);
}

/* Streams that find no room are refused, and the connection lives. */
static void test_memory_of_a_connection_is_capped(void **state)
{
    const struct h2_server_options options = {.memory_max_bytes = 200000};
    open_with(state, &options);
    const struct h2_connection *c = rig.server.connections;
    size_t most_bytes = 0;
    for (uint32_t i = 0; i < 300; i++) {
        h2_peer_headers(&rig.peer, 1 + 2 * i, H2_PEER_END_STREAM, H2_RIG_GET("/hold"));
        h2_peer_turn(&rig.peer);
        most_bytes = c->memory.used_bytes > most_bytes ? c->memory.used_bytes : most_bytes;
    }
    h2_rig_settle(&rig);
    assert_true(rig.head_count > 20);
    assert_true(rig.head_count < 200);
    assert_int_equal(rig.head_count + rig.server.stats.stream_refused_count, 300);
    assert_true(most_bytes < 210000);
    h2_rig_release(&rig);
    h2_rig_settle(&rig);
    h2_peer_headers(&rig.peer, 601, H2_PEER_END_STREAM, H2_RIG_GET("/early"));
    h2_peer_expect(&rig.peer, "HEADERS 601 END :status=413\n");
    h2_rig_close(&rig);
}

static void test_connection_beyond_its_memory_is_ended(void **state)
{
    const struct h2_server_options options = {.memory_max_bytes = 1000};
    h2_rig_open(&rig, *state, &options);
    h2_peer_greet(&rig.peer);
    expect_calm(H2_ABUSE_MEMORY, "too_much_state");
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_floods_end_the_connection_beyond_their_budget),
        LOOP_TEST(test_pings_beside_answers_are_forgiven),
        LOOP_TEST(test_ping_distance_is_enforced_where_configured),
        LOOP_TEST(test_ping_strikes_end_with_an_answer),
        LOOP_TEST(test_pings_of_an_idle_peer_are_hours_apart),
        LOOP_TEST(test_continuations_are_limited),
        LOOP_TEST(test_bomb_of_references_is_cut),
        LOOP_TEST(test_answer_that_finds_no_window_is_dropped_in_time),
        LOOP_TEST(test_peer_that_does_not_read_is_closed_in_time),
        LOOP_TEST(test_peer_that_does_not_read_is_not_read),
        LOOP_TEST(test_memory_of_a_connection_is_capped),
        LOOP_TEST(test_connection_beyond_its_memory_is_ended),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
