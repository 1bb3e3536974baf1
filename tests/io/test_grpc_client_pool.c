/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/grpc_client_pool: how connections are made, lost, kept alive and spread over the
 * addresses of a name.
 */
#include "io/grpc_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "io/io_bounds.h"
#include "tests/support/grpc_rig.h"
#include "tests/support/http_stub.h"
#include "tests/support/loop_fixture.h"

/* --- connections ------------------------------------------------------------------------------ */

static void test_refused_connection_fails_calls_at_once(void **state)
{
    uint16_t port;
    int held_fd = http_stub_hold_port(&port);
    struct grpc_client_options options = grpc_rig_options("127.0.0.1", port);
    grpc_rig_open_with(state, &options);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_UNAVAILABLE);
    assert_non_null(strstr(grpc_rig.calls[0].text, "Connection refused"));
    grpc_rig_close_client();
    (void)close(held_fd);
}

static void test_wait_for_ready_waits_until_the_peer_is_up(void **state)
{
    uint16_t port;
    int held_fd = http_stub_hold_port(&port);
    struct grpc_client_options options = grpc_rig_options("127.0.0.1", port);
    options.waits_for_ready = true;
    grpc_rig_open_with(state, &options);
    (void)grpc_rig_begin(0);
    loop_fixture_run(grpc_rig.loop, 60 * CLOCK_NS_PER_MS);
    assert_int_equal(grpc_rig.done_count, 0);
    grpc_rig_start_stub_with(
        (struct grpc_stub_options){.script = grpc_rig_ok_script, .script_len = 1, .port = port});
    grpc_rig_until_done(1);
    assert_int_equal(grpc_rig.calls[0].status, GRPC_OK);
    grpc_rig_close();
    (void)close(held_fd);
}

static void test_backoff_grows_from_attempt_to_attempt(void **state)
{
    static const struct grpc_stub_answer script[] = {{0}};
    grpc_rig_start_stub_with(
        (struct grpc_stub_options){.script = script, .script_len = 1, .greeting = "go away\r\n"});
    struct grpc_client_options options = grpc_rig_options("127.0.0.1", grpc_rig.stub.port);
    options.waits_for_ready = true;
    grpc_rig_open_with(state, &options);
    uint64_t begin_mono_ns = loop_now_mono_ns(grpc_rig.loop); /* as the attempts see it */
    (void)grpc_rig_start_call(0, "x", 1, 0);
    /* 20 + 32 + 51 + 82 = 185 ms until the fifth, ± 20 % */
    while (grpc_stub_connection_count(&grpc_rig.stub) < 5) {
        assert_true(loop_turn(grpc_rig.loop, CLOCK_NS_PER_MS) >= 0);
        assert_true(clock_mono_ns() - begin_mono_ns < LOOP_FIXTURE_PATIENCE_NS);
    }
    assert_true(clock_mono_ns() - begin_mono_ns >= 148 * CLOCK_NS_PER_MS);
    grpc_client_cancel(&grpc_rig.calls[0].base);
    grpc_rig_close();
}

static void test_peer_without_http2_is_named(void **state)
{
    static const struct grpc_stub_answer script[] = {{0}};
    grpc_rig_start_stub_with((struct grpc_stub_options){
        .script = script, .script_len = 1, .greeting = "HTTP/1.1 400 Bad Request\r\n\r\n"});
    grpc_rig_open(state);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_UNAVAILABLE);
    assert_non_null(strstr(grpc_rig.calls[0].text, "does not speak HTTP/2"));
    grpc_rig_close();
}

static void test_lost_connection_fails_its_calls_and_the_next_gets_a_new_one(void **state)
{
    static const struct grpc_stub_answer script[] = {{.hangs_up = true},
                                                     {.body = "ok", .body_len = 2}};
    grpc_rig_start_stub(script, 2);
    grpc_rig_open(state);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_UNAVAILABLE);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    assert_int_equal(grpc_stub_connection_count(&grpc_rig.stub), 2);
    grpc_rig_close();
}

static void test_stream_limit_opens_another_connection(void **state)
{
    static const struct grpc_stub_answer script[] = {{.delay_ms = 150}};
    grpc_rig_start_stub_with(
        (struct grpc_stub_options){.script = script, .script_len = 1, .max_concurrent_streams = 3});
    grpc_rig_open(state);
    for (size_t i = 0; i < 6; i++) {
        (void)grpc_rig_begin(i);
    }
    grpc_rig_until_done(6);
    assert_int_equal(grpc_stub_most_streams(&grpc_rig.stub), 3);
    assert_int_equal(grpc_stub_connection_count(&grpc_rig.stub), 2);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(grpc_rig.calls[i].status, GRPC_OK);
    }
    grpc_rig_close();
}

static void test_stream_limit_of_one_is_bounded_in_connections(void **state)
{
    static const struct grpc_stub_answer script[] = {{.delay_ms = 5}};
    grpc_rig_start_stub_with(
        (struct grpc_stub_options){.script = script, .script_len = 1, .max_concurrent_streams = 1});
    grpc_rig_open(state);
    for (size_t i = 0; i < GRPC_RIG_CALLS_MAX; i++) {
        (void)grpc_rig_begin(i);
    }
    grpc_rig_until_done(GRPC_RIG_CALLS_MAX);
    assert_in_range(grpc_stub_connection_count(&grpc_rig.stub), 2, GRPC_CLIENT_LINKS_PER_PEER_MAX);
    grpc_rig_close();
}

static void test_refused_stream_goes_out_again_at_once(void **state)
{
    static const struct grpc_stub_answer script[] = {
        {.is_reset = true, .reset_code = H2_CODE_REFUSED_STREAM}, {.body = "ok", .body_len = 2}};
    grpc_rig_start_stub(script, 2);
    grpc_rig_open(state);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    assert_int_equal(grpc_rig.calls[0].done_count, 1);
    assert_int_equal(grpc_stub_request_count(&grpc_rig.stub), 2);
    assert_int_equal(grpc_stub_connection_count(&grpc_rig.stub), 2);
    assert_int_not_equal(grpc_stub_request(&grpc_rig.stub, 0)->connection_index,
                         grpc_stub_request(&grpc_rig.stub, 1)->connection_index);
    grpc_rig_close();
}

static void test_peer_that_refuses_everything_is_given_up(void **state)
{
    static const struct grpc_stub_answer script[] = {
        {.is_reset = true, .reset_code = H2_CODE_REFUSED_STREAM}};
    grpc_rig_start_stub(script, 1);
    grpc_rig_open(state);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_UNAVAILABLE);
    assert_int_equal(grpc_stub_request_count(&grpc_rig.stub), 1 + GRPC_CLIENT_RESENDS_MAX);
    grpc_rig_close();
}

static void test_goaway_moves_what_it_leaves_out(void **state)
{
    static const struct grpc_stub_answer script[] = {{.goes_away = true},
                                                     {.body = "ok", .body_len = 2}};
    grpc_rig_start_stub(script, 2);
    grpc_rig_open(state);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    assert_int_equal(grpc_stub_connection_count(&grpc_rig.stub), 2);
    grpc_rig_close();
}

static void test_goaway_lets_the_rest_finish(void **state)
{
    static const struct grpc_stub_answer script[] = {
        {.goes_away_after = true, .delay_ms = 20, .body = "one", .body_len = 3},
        {.body = "two", .body_len = 3}};
    grpc_rig_start_stub(script, 2);
    grpc_rig_open(state);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    assert_string_equal(grpc_rig.calls[0].message, "one");
    assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    assert_string_equal(grpc_rig.calls[0].message, "two");
    assert_int_equal(grpc_stub_connection_count(&grpc_rig.stub), 2);
    /* The old one is closed, not kept. */
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (grpc_stub_open_count(&grpc_rig.stub) > 1 && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(grpc_rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(grpc_stub_open_count(&grpc_rig.stub), 1);
    grpc_rig_close();
}

/* The stub has a thread of its own, which may be late. */
static void await_pings(uint32_t least)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (grpc_stub_ping_count(&grpc_rig.stub) < least && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(grpc_rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_true(grpc_stub_ping_count(&grpc_rig.stub) >= least);
}

static void test_silent_peer_is_pinged_and_given_up(void **state)
{
    static const struct grpc_stub_answer script[] = {{.hangs = true}};
    grpc_rig_start_stub_with(
        (struct grpc_stub_options){.script = script, .script_len = 1, .ignores_pings = true});
    struct grpc_client_options options = grpc_rig_options("127.0.0.1", grpc_rig.stub.port);
    options.keepalive_time_ns = 30 * CLOCK_NS_PER_MS;
    options.keepalive_timeout_ns = 30 * CLOCK_NS_PER_MS;
    grpc_rig_open_with(state, &options);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_UNAVAILABLE);
    assert_non_null(strstr(grpc_rig.calls[0].text, "keepalive"));
    await_pings(1); /* those of the connection are read before its end */
    grpc_rig_close();
}

static void test_pings_need_calls_unless_told_otherwise(void **state)
{
    for (int permits = 0; permits <= 1; permits++) {
        grpc_rig_start_stub(grpc_rig_ok_script, 1);
        struct grpc_client_options options = grpc_rig_options("127.0.0.1", grpc_rig.stub.port);
        options.keepalive_time_ns = 10 * CLOCK_NS_PER_MS;
        options.keepalive_timeout_ns = 20 * CLOCK_NS_PER_S;
        options.keepalive_without_calls = permits == 1;
        grpc_rig_open_with(state, &options);
        assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
        loop_fixture_run(grpc_rig.loop,
                         40 * CLOCK_NS_PER_MS); /* a slow machine pinged during the call */
        uint32_t before = grpc_stub_ping_count(&grpc_rig.stub);
        if (permits == 1) {
            await_pings(before + 1);
        } else {
            loop_fixture_run(grpc_rig.loop, 100 * CLOCK_NS_PER_MS);
            assert_int_equal(grpc_stub_ping_count(&grpc_rig.stub), before);
        }
        assert_int_equal(grpc_stub_open_count(&grpc_rig.stub), 1);
        grpc_rig_close();
    }
}

/* --- names ------------------------------------------------------------------------------------ */

static struct grpc_stub second;

/* 127.0.0.1 and 127.0.0.2, same port. */
static void start_pair(void)
{
    grpc_rig_start_stub(grpc_rig_ok_script, 1);
    grpc_stub_start(&second, &(struct grpc_stub_options){.script = grpc_rig_ok_script,
                                                         .script_len = 1,
                                                         .port = grpc_rig.stub.port,
                                                         .address = "127.0.0.2"});
}

static void close_pair(void)
{
    grpc_rig_close();
    grpc_stub_stop(&second);
}

#define CALLS_WAITING_MAX 100

/* One call, and a wait that grows: so many calls take 20 s, and the stubs' room suffices. */
static void call_and_wait(uint32_t index)
{
    (void)grpc_rig_run_call();
    loop_fixture_run(grpc_rig.loop, (5 + 4 * index) * CLOCK_NS_PER_MS);
}

static bool have_both_served(void)
{
    return grpc_stub_request_count(&grpc_rig.stub) > 0 && grpc_stub_request_count(&second) > 0;
}

/* Then both connections stand. */
static void call_until_both_served(void)
{
    for (uint32_t i = 0; i < CALLS_WAITING_MAX && !have_both_served(); i++) {
        call_and_wait(i);
    }
    assert_true(have_both_served());
}

static void test_round_robin_takes_all_addresses_in_turn(void **state)
{
    atomic_store(&grpc_rig_known_count, 2);
    start_pair();
    struct grpc_client_options options = grpc_rig_options("pair.example", grpc_rig.stub.port);
    grpc_rig_open_with(state, &options);
    call_until_both_served();
    size_t first_before = grpc_stub_request_count(&grpc_rig.stub);
    size_t second_before = grpc_stub_request_count(&second);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    }
    assert_int_equal(grpc_stub_request_count(&grpc_rig.stub) - first_before, 5);
    assert_int_equal(grpc_stub_request_count(&second) - second_before, 5);
    assert_int_equal(grpc_client_peer_count(grpc_rig.client), 2);
    close_pair();
}

static void test_pick_first_stays_with_the_first(void **state)
{
    atomic_store(&grpc_rig_known_count, 2);
    start_pair();
    struct grpc_client_options options = grpc_rig_options("pair.example", grpc_rig.stub.port);
    options.balancer = GRPC_PICK_FIRST;
    grpc_rig_open_with(state, &options);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    }
    assert_int_equal(grpc_stub_request_count(&grpc_rig.stub), 10);
    assert_int_equal(grpc_stub_connection_count(&second), 0);
    close_pair();
}

static void test_pick_first_goes_on_to_the_next_address(void **state)
{
    atomic_store(&grpc_rig_known_count, 2);
    uint16_t port;
    int held_fd = http_stub_hold_port(&port); /* nobody listens at 127.0.0.1 */
    grpc_stub_start(&second, &(struct grpc_stub_options){.script = grpc_rig_ok_script,
                                                         .script_len = 1,
                                                         .port = port,
                                                         .address = "127.0.0.2"});
    struct grpc_client_options options = grpc_rig_options("pair.example", port);
    options.balancer = GRPC_PICK_FIRST;
    grpc_rig_open_with(state, &options);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    grpc_rig_close_client();
    grpc_stub_stop(&second);
    (void)close(held_fd);
}

static void test_address_that_is_down_leaves_the_others_their_calls(void **state)
{
    atomic_store(&grpc_rig_known_count, 3); /* nobody listens at 127.0.0.3 */
    start_pair();
    struct grpc_client_options options = grpc_rig_options("three.example", grpc_rig.stub.port);
    grpc_rig_open_with(state, &options);
    call_until_both_served();
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    }
    close_pair();
}

static void test_unknown_name_fails_calls_and_is_asked_for_again(void **state)
{
    atomic_store(&grpc_rig_known_count, 0);
    grpc_rig_start_stub(grpc_rig_ok_script, 1);
    struct grpc_client_options options = grpc_rig_options("nobody.example", grpc_rig.stub.port);
    grpc_rig_open_with(state, &options);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_UNAVAILABLE);
    assert_non_null(strstr(grpc_rig.calls[0].text, "nobody.example"));
    atomic_store(&grpc_rig_known_count, 1);
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (grpc_rig_run_call()->status != GRPC_OK && clock_mono_ns() < deadline_mono_ns) {
        loop_fixture_run(grpc_rig.loop, 5 * CLOCK_NS_PER_MS);
    }
    assert_int_equal(grpc_rig.calls[0].status, GRPC_OK);
    grpc_rig_close();
}

/* Calls, each of which may ask for a lookup, until there are so many peers with a link each. */
static void call_until_peers(uint32_t count)
{
    for (uint32_t i = 0;
         i < CALLS_WAITING_MAX && (grpc_client_peer_count(grpc_rig.client) != count ||
                                   grpc_client_link_count(grpc_rig.client) != count);
         i++) {
        call_and_wait(i);
    }
    assert_int_equal(grpc_client_peer_count(grpc_rig.client), count);
    assert_int_equal(grpc_client_link_count(grpc_rig.client), count);
}

static void test_addresses_come_and_go_with_later_lookups(void **state)
{
    atomic_store(&grpc_rig_known_count, 1);
    start_pair();
    struct grpc_client_options options = grpc_rig_options("pair.example", grpc_rig.stub.port);
    options.resolve_every_ns = 20 * CLOCK_NS_PER_MS;
    grpc_rig_open_with(state, &options);
    (void)grpc_rig_run_call();
    assert_int_equal(grpc_client_peer_count(grpc_rig.client), 1);
    atomic_store(&grpc_rig_known_count, 2);
    call_until_peers(2);
    atomic_store(&grpc_rig_known_count, 1);
    call_until_peers(1);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    }
    close_pair();
}

static void test_lookups_keep_their_distance(void **state)
{
    static const struct grpc_stub_answer script[] = {{.hangs_up = true}};
    atomic_store(&grpc_rig_known_count, 1);
    grpc_rig_start_stub(script, 1);
    struct grpc_client_options options = grpc_rig_options("one.example", grpc_rig.stub.port);
    options.resolve_every_ns = 3600 * CLOCK_NS_PER_S;
    uint32_t before = atomic_load(&grpc_rig_lookup_count);
    grpc_rig_open_with(state, &options);
    for (size_t i = 0; i < 5; i++) {
        (void)grpc_rig_run_call();
        loop_fixture_run(grpc_rig.loop, 10 * CLOCK_NS_PER_MS);
    }
    assert_int_equal(atomic_load(&grpc_rig_lookup_count) - before, 1);
    grpc_rig_close();
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_refused_connection_fails_calls_at_once),
        LOOP_TEST(test_wait_for_ready_waits_until_the_peer_is_up),
        LOOP_TEST(test_backoff_grows_from_attempt_to_attempt),
        LOOP_TEST(test_peer_without_http2_is_named),
        LOOP_TEST(test_lost_connection_fails_its_calls_and_the_next_gets_a_new_one),
        LOOP_TEST(test_stream_limit_opens_another_connection),
        LOOP_TEST(test_stream_limit_of_one_is_bounded_in_connections),
        LOOP_TEST(test_refused_stream_goes_out_again_at_once),
        LOOP_TEST(test_peer_that_refuses_everything_is_given_up),
        LOOP_TEST(test_goaway_moves_what_it_leaves_out),
        LOOP_TEST(test_goaway_lets_the_rest_finish),
        LOOP_TEST(test_silent_peer_is_pinged_and_given_up),
        LOOP_TEST(test_pings_need_calls_unless_told_otherwise),
        LOOP_TEST(test_round_robin_takes_all_addresses_in_turn),
        LOOP_TEST(test_pick_first_stays_with_the_first),
        LOOP_TEST(test_pick_first_goes_on_to_the_next_address),
        LOOP_TEST(test_address_that_is_down_leaves_the_others_their_calls),
        LOOP_TEST(test_unknown_name_fails_calls_and_is_asked_for_again),
        LOOP_TEST(test_addresses_come_and_go_with_later_lookups),
        LOOP_TEST(test_lookups_keep_their_distance),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
