/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/h2_client on its own: room, leaving, breaking and closing in every state, and what
 * each request is told. Bodies, answers and resets are tested through grpc_client.
 */
#include "io/h2_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/resolve.h"
#include "tests/support/grpc_stub.h"
#include "tests/support/http_stub.h"
#include "tests/support/loop_fixture.h"

#define REQUESTS_MAX 8

struct test_request {
    struct h2_request base;
    uint64_t end_count;
    struct h2_end end;
    uint32_t field_count;
    bool starts_another; /* from inside on_end */
    bool closes;         /* likewise */
};

static struct grpc_stub stub;
static struct loop *loop;
static struct h2_client *client;
static struct test_request requests[REQUESTS_MAX];
static uint64_t ready_count;
static uint64_t room_count;
static uint64_t leave_count;
static uint64_t down_count;
static uint64_t ends_count;
static int down_fault;
static char down_text[160];

static const struct grpc_stub_answer ok_script[] = {{0}};
static const struct grpc_stub_answer hang_script[] = {{.hangs = true}};

/* --- who listens ------------------------------------------------------------------------------ */

static void on_ready(struct h2_client_user *user)
{
    (void)user;
    ready_count++;
}

static void on_room(struct h2_client_user *user)
{
    (void)user;
    room_count++;
}

static void on_leave(struct h2_client_user *user, uint32_t code, struct slice debug)
{
    (void)user;
    assert_int_equal(code, H2_CODE_NO_ERROR);
    assert_true(debug.len == 0 || slice_is_text(debug, "max_age"));
    leave_count++;
}

static void on_down(struct h2_client_user *user, int fault, const char *why_text)
{
    (void)user;
    down_count++;
    down_fault = fault;
    (void)strncpy(down_text, why_text, sizeof(down_text) - 1);
    client = NULL;
}

static const struct h2_client_user_ops user_ops = {
    .on_ready = on_ready,
    .on_room = on_room,
    .on_leave = on_leave,
    .on_down = on_down,
};
static struct h2_client_user user = {.ops = &user_ops};

static void start(size_t index);

static void request_on_field(struct h2_request *base, struct slice name, struct slice value)
{
    (void)value;
    assert_true(name.len > 0);
    CONTAINER_OF(base, struct test_request, base)->field_count++;
}

static bool request_on_data(struct h2_request *base, struct slice bytes)
{
    (void)base;
    return bytes.len > 0;
}

static void request_on_end(struct h2_request *base, const struct h2_end *end)
{
    struct test_request *request = CONTAINER_OF(base, struct test_request, base);
    request->end_count++;
    request->end = *end;
    ends_count++;
    if (request->starts_another) {
        request->starts_another = false;
        start(7);
    }
    if (request->closes) {
        h2_client_close(client);
        client = NULL;
    }
}

static const struct h2_request_ops request_ops = {
    .on_field = request_on_field,
    .on_data = request_on_data,
    .on_end = request_on_end,
};

/* --- the rig ---------------------------------------------------------------------------------- */

static struct h2_client_options options_for(uint16_t port)
{
    struct h2_client_options options = {.connect_timeout_ns = 5 * CLOCK_NS_PER_S};
    assert_true(resolve_literal("127.0.0.1", port, &options.address));
    return options;
}

static void reset(void **state)
{
    loop = *state;
    memset(requests, 0, sizeof(requests));
    ready_count = 0;
    room_count = 0;
    leave_count = 0;
    down_count = 0;
    ends_count = 0;
    down_text[0] = '\0';
}

static void open_to(void **state, const struct h2_client_options *options)
{
    reset(state);
    assert_int_equal(h2_client_open(loop, options, &user, &client), 0);
    assert_int_equal(h2_client_room(client), 0);
}

static void open_ready(void **state, struct grpc_stub_options stub_options)
{
    grpc_stub_start(&stub, &stub_options);
    struct h2_client_options options = options_for(stub.port);
    open_to(state, &options);
    loop_fixture_until(loop, &ready_count);
    assert_true(h2_client_room(client) > 0);
}

static int try_start(size_t index, const struct iovec *body, size_t body_count)
{
    const struct h2_field fields[] = {
        {.name = SLICE_LITERAL(":method"), .value = SLICE_LITERAL("POST")},
        {.name = SLICE_LITERAL(":scheme"), .value = SLICE_LITERAL("http")},
        {.name = SLICE_LITERAL(":path"), .value = SLICE_LITERAL("/x")},
        {.name = SLICE_LITERAL(":authority"), .value = SLICE_LITERAL("h")},
    };
    struct h2_request *request = &requests[index].base;
    request->ops = &request_ops;
    request->head = SLICE_LITERAL("head");
    request->body = body;
    request->body_count = body_count;
    return h2_client_start(client, request, fields, COUNT_OF(fields));
}

static void start(size_t index)
{
    assert_int_equal(try_start(index, NULL, 0), 0);
}

static void finish(void)
{
    h2_client_close(client);
    client = NULL;
    loop_fixture_run(loop, 2 * CLOCK_NS_PER_MS);
    grpc_stub_stop(&stub);
}

static void until_requests_came(size_t count)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (grpc_stub_request_count(&stub) < count && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(grpc_stub_request_count(&stub), count);
}

/* --- requests --------------------------------------------------------------------------------- */

static void test_room_is_what_the_peer_allows(void **state)
{
    open_ready(state, (struct grpc_stub_options){
                          .script = hang_script, .script_len = 1, .max_concurrent_streams = 2});
    assert_int_equal(h2_client_room(client), 2);
    start(0);
    start(1);
    assert_int_equal(h2_client_room(client), 0);
    assert_int_equal(try_start(2, NULL, 0), -EAGAIN);
    assert_null(requests[2].base.client);
    assert_int_equal(h2_client_request_count(client), 2);
    assert_true(h2_client_try_cancel(client, &requests[0].base));
    loop_fixture_until(loop, &room_count);
    assert_int_equal(h2_client_room(client), 1);
    assert_int_equal(requests[0].end_count, 0);
    finish();
}

static void test_answered_request_is_told_once_and_another_may_begin(void **state)
{
    open_ready(state, (struct grpc_stub_options){.script = ok_script, .script_len = 1});
    requests[0].starts_another = true;
    start(0);
    while (requests[7].end_count == 0) {
        assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(requests[0].end_count, 1);
    assert_int_equal(requests[0].end.ending, H2_ENDED);
    assert_true(requests[0].field_count >= 3);
    assert_int_equal(requests[7].end.ending, H2_ENDED);
    assert_int_equal(grpc_stub_connection_count(&stub), 1);
    assert_int_equal(grpc_stub_request(&stub, 0)->body_len, 4);
    finish();
}

static void test_close_from_inside_an_end_is_fine(void **state)
{
    open_ready(state, (struct grpc_stub_options){.script = ok_script, .script_len = 1});
    requests[0].closes = true;
    start(0);
    start(1);
    loop_fixture_until(loop, &ends_count);
    loop_fixture_run(loop, 5 * CLOCK_NS_PER_MS);
    assert_int_equal(down_count, 0);
    assert_int_equal(ends_count, 1);
    assert_null(requests[1].base.client);
    finish();
}

/* --- leaving ---------------------------------------------------------------------------------- */

static void test_leave_waits_for_the_last_request(void **state)
{
    static const struct grpc_stub_answer script[] = {{.delay_ms = 20}};
    open_ready(state, (struct grpc_stub_options){.script = script, .script_len = 1});
    start(0);
    h2_client_leave(client);
    h2_client_leave(client);
    assert_int_equal(h2_client_room(client), 0);
    assert_int_equal(try_start(1, NULL, 0), -EAGAIN);
    loop_fixture_until(loop, &down_count);
    assert_int_equal(requests[0].end.ending, H2_ENDED);
    assert_int_equal(down_fault, 0);
    assert_int_equal(leave_count, 0);
    finish();
}

static void test_leave_without_requests_is_the_end(void **state)
{
    open_ready(state, (struct grpc_stub_options){.script = ok_script, .script_len = 1});
    h2_client_leave(client);
    assert_int_equal(down_count, 0); /* from a later turn */
    loop_fixture_until(loop, &down_count);
    assert_int_equal(down_fault, 0);
    finish();
}

static void test_goaway_is_told_with_what_it_leaves_out(void **state)
{
    static const struct grpc_stub_answer script[] = {{.hangs = true}, {.goes_away = true}};
    open_ready(state, (struct grpc_stub_options){.script = script, .script_len = 2});
    start(0);
    until_requests_came(1);
    start(1);
    loop_fixture_until(loop, &leave_count);
    assert_int_equal(h2_client_room(client), 0);
    assert_int_equal(requests[1].end_count, 1);
    assert_int_equal(requests[1].end.ending, H2_UNSENT);
    assert_int_equal(requests[0].end_count, 0);
    assert_int_equal(down_count, 0);
    finish();
}

/* --- breaking --------------------------------------------------------------------------------- */

static void test_break_ends_every_request_then_the_connection(void **state)
{
    open_ready(state, (struct grpc_stub_options){.script = hang_script, .script_len = 1});
    start(0);
    start(1);
    until_requests_came(2);
    h2_client_break(client, -ECONNRESET, "enough");
    assert_int_equal(ends_count, 0);
    loop_fixture_until(loop, &down_count);
    assert_int_equal(ends_count, 2);
    assert_int_equal(requests[0].end.ending, H2_LOST);
    assert_int_equal(down_fault, -ECONNRESET);
    assert_string_equal(down_text, "enough");
    finish();
}

static void test_refused_connection_is_down(void **state)
{
    uint16_t port;
    int held_fd = http_stub_hold_port(&port);
    struct h2_client_options options = options_for(port);
    open_to(state, &options);
    loop_fixture_until(loop, &down_count);
    assert_int_equal(down_fault, -ECONNREFUSED);
    loop_fixture_run(loop, 2 * CLOCK_NS_PER_MS);
    (void)close(held_fd);
}

static void test_mute_peer_runs_into_the_connect_timeout(void **state)
{
    grpc_stub_start(
        &stub, &(struct grpc_stub_options){.script = ok_script, .script_len = 1, .is_mute = true});
    struct h2_client_options options = options_for(stub.port);
    options.connect_timeout_ns = 20 * CLOCK_NS_PER_MS;
    open_to(state, &options);
    loop_fixture_until(loop, &down_count);
    assert_int_equal(down_fault, -ETIMEDOUT);
    assert_int_equal(ready_count, 0);
    finish();
}

static void test_drop_frees_the_body_at_once(void **state)
{
    size_t len = 16 << 20;
    uint8_t *large = mem_alloc(len);
    assert_non_null(large);
    const struct iovec body = {.iov_base = large, .iov_len = len};
    open_ready(state, (struct grpc_stub_options){.script = hang_script,
                                                 .script_len = 1,
                                                 .max_frame_bytes = 1 << 20,
                                                 .window_bytes = 0x7FFFFFFF});
    assert_int_equal(try_start(0, &body, 1), 0);
    start(1);
    h2_client_drop(client, &requests[0].base);
    assert_null(requests[0].base.client);
    mem_free(large);
    loop_fixture_run(loop, 20 * CLOCK_NS_PER_MS);
    assert_int_equal(requests[0].end_count, 0);
    finish();
}

static void test_close_is_fine_in_every_state(void **state)
{
    for (uint32_t turns = 0; turns < 8; turns++) {
        grpc_stub_start(&stub, &(struct grpc_stub_options){.script = hang_script, .script_len = 1});
        struct h2_client_options options = options_for(stub.port);
        open_to(state, &options);
        for (uint32_t i = 0; i < turns; i++) {
            assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
        }
        if (h2_client_room(client) > 0) {
            start(0);
        }
        h2_client_close(client);
        client = NULL;
        h2_client_close(NULL);
        loop_fixture_run(loop, 2 * CLOCK_NS_PER_MS);
        assert_int_equal(down_count + ends_count, 0);
        grpc_stub_stop(&stub);
    }
}

static void test_open_fails_cleanly_at_every_allocation(void **state)
{
    reset(state);
    struct h2_client_options options = options_for(http_stub_free_port());
    int err = -ENOMEM;
    uint64_t nth = 1;
    for (; err != 0; nth++) {
        assert_true(nth < 100);
        client = NULL;
        mem_fail_nth(nth);
        err = h2_client_open(loop, &options, &user, &client);
        mem_fail_nth(0);
        assert_true((err == 0) == (client != NULL));
    }
    assert_true(nth > 5);
    h2_client_close(client);
    client = NULL;
    loop_fixture_run(loop, 2 * CLOCK_NS_PER_MS);
    assert_int_equal(down_count, 0);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_room_is_what_the_peer_allows),
        LOOP_TEST(test_answered_request_is_told_once_and_another_may_begin),
        LOOP_TEST(test_close_from_inside_an_end_is_fine),
        LOOP_TEST(test_leave_waits_for_the_last_request),
        LOOP_TEST(test_leave_without_requests_is_the_end),
        LOOP_TEST(test_goaway_is_told_with_what_it_leaves_out),
        LOOP_TEST(test_break_ends_every_request_then_the_connection),
        LOOP_TEST(test_refused_connection_is_down),
        LOOP_TEST(test_mute_peer_runs_into_the_connect_timeout),
        LOOP_TEST(test_drop_frees_the_body_at_once),
        LOOP_TEST(test_close_is_fine_in_every_state),
        LOOP_TEST(test_open_fails_cleanly_at_every_allocation),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
