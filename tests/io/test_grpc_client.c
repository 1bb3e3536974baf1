/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/grpc_client against a scripted server: what is sent, what its answers and resets
 * mean, and what deadlines, cancelling and missing memory do.
 */
#include "io/grpc_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "tests/support/grpc_rig.h"
#include "tests/support/loop_fixture.h"

/* --- what is sent ----------------------------------------------------------------------------- */

static void test_call_carries_its_head_and_message(void **state)
{
    const struct h2_field fields[] = {
        {.name = SLICE_LITERAL("x-api-key"), .value = SLICE_LITERAL("s3cret")}};
    grpc_rig_start_stub(grpc_rig_ok_script, 1);
    struct grpc_client_options options = grpc_rig_options("127.0.0.1", grpc_rig.stub.port);
    options.fields = fields;
    options.field_count = 1;
    grpc_rig_open_with(state, &options);
    struct grpc_rig_call *call = grpc_rig_run_call();
    assert_int_equal(call->status, GRPC_OK);
    assert_string_equal(call->message, "yes");
    grpc_rig_assert_field(0, ":method", "POST");
    grpc_rig_assert_field(0, ":scheme", "http");
    grpc_rig_assert_field(0, ":path", GRPC_RIG_PATH);
    grpc_rig_assert_field(0, ":authority", "test.example:4317");
    grpc_rig_assert_field(0, "te", "trailers");
    grpc_rig_assert_field(0, "content-type", "application/grpc");
    grpc_rig_assert_field(0, "user-agent", "test/1");
    grpc_rig_assert_field(0, "grpc-accept-encoding", "identity,gzip");
    grpc_rig_assert_field(0, "x-api-key", "s3cret");
    assert_int_equal(grpc_stub_field(grpc_stub_request(&grpc_rig.stub, 0), "grpc-encoding").len, 0);
    assert_true(grpc_stub_field(grpc_stub_request(&grpc_rig.stub, 0), "grpc-timeout").len > 0);
    const struct grpc_stub_request *got = grpc_stub_request(&grpc_rig.stub, 0);
    assert_int_equal(got->body_len, 10);
    assert_memory_equal(got->body, "\0\0\0\0\5hello", 10);
    grpc_rig_close();
}

static void test_compressed_message_says_so(void **state)
{
    grpc_rig_start_stub(grpc_rig_ok_script, 1);
    grpc_rig_open(state);
    grpc_rig.calls[0].base.encoding = "gzip";
    (void)grpc_rig_run_call();
    grpc_rig_assert_field(0, "grpc-encoding", "gzip");
    assert_int_equal(grpc_stub_request(&grpc_rig.stub, 0)->body[0], 1);
    grpc_rig_close();
}

static void test_call_without_timeout_announces_none(void **state)
{
    grpc_rig_start_stub(grpc_rig_ok_script, 1);
    grpc_rig_open(state);
    (void)grpc_rig_start_call(0, "", 0, 0);
    grpc_rig_until_done(1);
    assert_int_equal(grpc_rig.calls[0].status, GRPC_OK);
    assert_int_equal(grpc_stub_field(grpc_stub_request(&grpc_rig.stub, 0), "grpc-timeout").len, 0);
    assert_int_equal(grpc_stub_request(&grpc_rig.stub, 0)->body_len, 5);
    grpc_rig_close();
}

static void test_many_calls_share_one_connection(void **state)
{
    grpc_rig_start_stub(grpc_rig_ok_script, 1);
    grpc_rig_open(state);
    for (size_t i = 0; i < GRPC_RIG_CALLS_MAX; i++) {
        (void)grpc_rig_begin(i);
    }
    grpc_rig_until_done(GRPC_RIG_CALLS_MAX);
    for (size_t i = 0; i < GRPC_RIG_CALLS_MAX; i++) {
        assert_int_equal(grpc_rig.calls[i].status, GRPC_OK);
        assert_int_equal(grpc_rig.calls[i].done_count, 1);
    }
    assert_int_equal(grpc_stub_connection_count(&grpc_rig.stub), 1);
    assert_int_equal(grpc_client_link_count(grpc_rig.client), 1);
    grpc_rig_close();
}

static void test_unix_socket_is_a_target(void **state)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/tmp/weir_grpc_%d.sock", (int)getpid());
    (void)unlink(path);
    grpc_rig_start_stub_with((struct grpc_stub_options){
        .script = grpc_rig_ok_script, .script_len = 1, .unix_path = path});
    struct grpc_client_options options = grpc_rig_options(NULL, 0);
    options.unix_path = path;
    grpc_rig_open_with(state, &options);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    grpc_rig_close();
    (void)unlink(path);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void test_every_status_arrives_with_its_text(void **state)
{
    struct grpc_stub_answer script[GRPC_STATUS_COUNT * 2];
    for (uint32_t i = 0; i < COUNT_OF(script); i++) {
        script[i] = (struct grpc_stub_answer){
            .status = i / 2, .message = "na%C3%AFve %41", .is_trailers_only = i % 2 == 1};
    }
    grpc_rig_start_stub(script, COUNT_OF(script));
    grpc_rig_open(state);
    for (uint32_t i = 0; i < COUNT_OF(script); i++) {
        struct grpc_rig_call *call = grpc_rig_run_call();
        assert_int_equal(call->status, i / 2);
        assert_string_equal(call->text, "na\xC3\xAFve A");
        assert_true(call->retry_delay_ns == GRPC_NO_RETRY_DELAY);
    }
    grpc_rig_close();
}

static void test_retry_info_is_read(void **state)
{
    uint8_t details[128];
    const struct grpc_details words = {.status = 8, .retry_delay_ns = 1500 * CLOCK_NS_PER_MS};
    size_t len = grpc_details_encode(&words, details, sizeof(details));
    const struct grpc_stub_answer script[] = {
        {.status = 8, .details = details, .details_len = len},
        {.status = 14, .details = "\xFF\xFF", .details_len = 2}};
    grpc_rig_start_stub(script, 2);
    grpc_rig_open(state);
    assert_true(grpc_rig_run_call()->retry_delay_ns == 1500 * CLOCK_NS_PER_MS);
    assert_int_equal(grpc_rig.calls[0].status, GRPC_RESOURCE_EXHAUSTED);
    assert_true(grpc_rig_run_call()->retry_delay_ns == GRPC_NO_RETRY_DELAY);
    assert_int_equal(grpc_rig.calls[0].status, GRPC_UNAVAILABLE);
    grpc_rig_close();
}

static void test_http_statuses_are_mapped(void **state)
{
    static const struct {
        uint32_t http;
        enum grpc_status status;
    } rows[] = {
        {400, GRPC_INTERNAL},      {401, GRPC_UNAUTHENTICATED}, {403, GRPC_PERMISSION_DENIED},
        {404, GRPC_UNIMPLEMENTED}, {429, GRPC_UNAVAILABLE},     {502, GRPC_UNAVAILABLE},
        {503, GRPC_UNAVAILABLE},   {504, GRPC_UNAVAILABLE},     {500, GRPC_UNKNOWN},
        {418, GRPC_UNKNOWN},
    };
    struct grpc_stub_answer script[COUNT_OF(rows)];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        script[i] = (struct grpc_stub_answer){.http_status = rows[i].http,
                                              .content_type = "text/html",
                                              .body = "<p>no</p>",
                                              .body_len = 9};
    }
    grpc_rig_start_stub(script, COUNT_OF(script));
    grpc_rig_open(state);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(grpc_rig_run_call()->status, rows[i].status);
    }
    grpc_rig_close();
}

static void test_reset_codes_are_mapped(void **state)
{
    static const struct {
        uint32_t code;
        enum grpc_status status;
    } rows[] = {
        {H2_CODE_NO_ERROR, GRPC_INTERNAL},
        {H2_CODE_PROTOCOL_ERROR, GRPC_INTERNAL},
        {H2_CODE_INTERNAL_ERROR, GRPC_INTERNAL},
        {H2_CODE_FLOW_CONTROL_ERROR, GRPC_INTERNAL},
        {H2_CODE_FRAME_SIZE_ERROR, GRPC_INTERNAL},
        {H2_CODE_CANCEL, GRPC_CANCELLED},
        {H2_CODE_COMPRESSION_ERROR, GRPC_INTERNAL},
        {H2_CODE_CONNECT_ERROR, GRPC_INTERNAL},
        {H2_CODE_ENHANCE_YOUR_CALM, GRPC_RESOURCE_EXHAUSTED},
        {H2_CODE_INADEQUATE_SECURITY, GRPC_PERMISSION_DENIED},
    };
    struct grpc_stub_answer script[COUNT_OF(rows)];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        script[i] = (struct grpc_stub_answer){.is_reset = true, .reset_code = rows[i].code};
    }
    grpc_rig_start_stub(script, COUNT_OF(script));
    grpc_rig_open(state);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(grpc_rig_run_call()->status, rows[i].status);
    }
    assert_int_equal(grpc_stub_connection_count(&grpc_rig.stub), 1);
    grpc_rig_close();
}

static void test_answer_at_the_limit_is_taken_and_beyond_is_not(void **state)
{
    static uint8_t large[101];
    const struct grpc_stub_answer script[] = {{.body = large, .body_len = 100},
                                              {.body = large, .body_len = 101},
                                              {.body = "ok", .body_len = 2}};
    grpc_rig_start_stub(script, 3);
    struct grpc_client_options options = grpc_rig_options("127.0.0.1", grpc_rig.stub.port);
    options.answer_max_bytes = 100;
    grpc_rig_open_with(state, &options);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    assert_int_equal(grpc_rig.calls[0].message_len, 100);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    assert_int_equal(grpc_stub_connection_count(&grpc_rig.stub), 1);
    grpc_rig_close();
}

static void test_compressed_answer_is_handed_on(void **state)
{
    const struct grpc_stub_answer script[] = {
        {.body = "zzz", .body_len = 3, .body_encoding = "gzip"}};
    grpc_rig_start_stub(script, 1);
    grpc_rig_open(state);
    (void)grpc_rig_run_call();
    assert_true(grpc_rig.calls[0].is_compressed);
    assert_string_equal(grpc_rig.calls[0].encoding, "gzip");
    assert_string_equal(grpc_rig.calls[0].message, "zzz");
    grpc_rig_close();
}

static void test_early_answer_ends_a_message_that_is_still_sent(void **state)
{
    static const struct grpc_stub_answer script[] = {
        {.status = 14, .message = "busy", .answers_early = true, .is_trailers_only = true},
        {.body = "ok", .body_len = 2}};
    size_t len = 4 << 20;
    uint8_t *large = mem_alloc(len);
    assert_non_null(large);
    grpc_rig_start_stub(script, 2);
    grpc_rig_open(state);
    (void)grpc_rig_start_call(0, large, len, 5 * CLOCK_NS_PER_S);
    grpc_rig_until_done(1);
    assert_int_equal(grpc_rig.calls[0].status, GRPC_UNAVAILABLE);
    assert_string_equal(grpc_rig.calls[0].text, "busy");
    assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    assert_int_equal(grpc_stub_connection_count(&grpc_rig.stub), 1);
    grpc_rig_close();
    mem_free(large);
}

/* --- bodies ----------------------------------------------------------------------------------- */

static void test_pieces_of_all_sizes_arrive_in_order(void **state)
{
    static const size_t sizes[] = {0, 1, 511, 512, 513, 0, 16384, 70000, 3, 3, 3, 200000, 0, 40};
    struct iovec pieces[COUNT_OF(sizes) * 3];
    uint8_t *bytes = mem_alloc(4 << 20);
    assert_non_null(bytes);
    for (size_t i = 0; i < 4 << 20; i++) {
        bytes[i] = (uint8_t)(i * 31 + (i >> 8));
    }
    size_t len = 0;
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        size_t size = sizes[i % COUNT_OF(sizes)];
        pieces[i] = (struct iovec){.iov_base = bytes + len, .iov_len = size};
        len += size;
    }
    const struct grpc_stub_options variants[] = {
        {.script = grpc_rig_ok_script, .script_len = 1},
        {.script = grpc_rig_ok_script,
         .script_len = 1,
         .max_frame_bytes = 1 << 20,
         .window_bytes = 1 << 24},
        {.script = grpc_rig_ok_script, .script_len = 1, .window_bytes = 7001},
    };
    for (size_t v = 0; v < COUNT_OF(variants); v++) {
        grpc_rig_start_stub_with(variants[v]);
        grpc_rig_open(state);
        for (size_t i = 0; i < 4; i++) {
            (void)grpc_rig_begin(i);
            grpc_client_cancel(&grpc_rig.calls[i].base);
            grpc_rig.calls[i].base.pieces = pieces;
            grpc_rig.calls[i].base.piece_count = COUNT_OF(pieces);
            assert_int_equal(grpc_client_start(grpc_rig.client, &grpc_rig.calls[i].base), 0);
        }
        grpc_rig_until_done(4);
        for (size_t i = 0; i < grpc_stub_request_count(&grpc_rig.stub); i++) {
            const struct grpc_stub_request *got = grpc_stub_request(&grpc_rig.stub, i);
            if (!got->is_whole) {
                continue; /* one of those that were given up */
            }
            assert_int_equal(got->body_len, len + GRPC_PREFIX_BYTES);
            assert_memory_equal(got->body + GRPC_PREFIX_BYTES, bytes, len);
        }
        grpc_rig_close();
    }
    mem_free(bytes);
}

/* --- deadlines and cancelling ----------------------------------------------------------------- */

static void test_deadline_ends_a_call_that_hangs(void **state)
{
    static const struct grpc_stub_answer script[] = {{0}, {.hangs = true}, {0}};
    grpc_rig_start_stub(script, COUNT_OF(script));
    grpc_rig_open(state);
    (void)grpc_rig_run_call();
    uint64_t begin_mono_ns = loop_now_mono_ns(grpc_rig.loop);
    (void)grpc_rig_start_call(1, "x", 1, 300 * CLOCK_NS_PER_MS);
    grpc_rig_until_done(2);
    assert_int_equal(grpc_rig.calls[1].status, GRPC_DEADLINE_EXCEEDED);
    assert_true(clock_mono_ns() - begin_mono_ns >= 300 * CLOCK_NS_PER_MS);
    /* The connection goes on. */
    assert_int_equal(grpc_rig_run_call()->status, GRPC_OK);
    assert_int_equal(grpc_stub_connection_count(&grpc_rig.stub), 1);
    grpc_rig_close();
}

static void test_deadline_ends_a_call_whose_message_nobody_reads(void **state)
{
    size_t len = 32 << 20;
    uint8_t *large = mem_alloc(len);
    assert_non_null(large);
    grpc_rig_start_stub_with((struct grpc_stub_options){.script = grpc_rig_ok_script,
                                                        .script_len = 1,
                                                        .max_frame_bytes = 1 << 20,
                                                        .window_bytes = 0x7FFFFFFF});
    grpc_rig_open(state);
    (void)grpc_rig_run_call();
    (void)grpc_rig_start_call(1, large, len, 1);
    grpc_rig_until_done(2);
    assert_int_equal(grpc_rig.calls[1].status, GRPC_DEADLINE_EXCEEDED);
    mem_free(large); /* nothing reads it any more */
    loop_fixture_run(grpc_rig.loop, 20 * CLOCK_NS_PER_MS);
    grpc_rig_close();
}

static void test_deadline_ends_a_call_that_waits_for_a_connection(void **state)
{
    grpc_rig_start_stub_with(
        (struct grpc_stub_options){.script = grpc_rig_ok_script, .script_len = 1, .is_mute = true});
    grpc_rig_open(state);
    (void)grpc_rig_start_call(0, "x", 1, 30 * CLOCK_NS_PER_MS);
    grpc_rig_until_done(1);
    assert_int_equal(grpc_rig.calls[0].status, GRPC_DEADLINE_EXCEEDED);
    grpc_rig_close();
}

static void test_cancelled_calls_are_told_nothing(void **state)
{
    static const struct grpc_stub_answer script[] = {{.hangs = true}};
    size_t len = 8 << 20;
    uint8_t *large = mem_alloc(len);
    assert_non_null(large);
    grpc_rig_start_stub(script, 1);
    grpc_rig_open(state);
    grpc_client_cancel(&grpc_rig.calls[9].base); /* idle */
    (void)grpc_rig_begin(0);
    grpc_client_cancel(&grpc_rig.calls[0].base); /* waiting for its connection */
    (void)grpc_rig_start_call(1, large, len, 0);
    while (grpc_stub_request_count(&grpc_rig.stub) == 0) {
        assert_true(loop_turn(grpc_rig.loop, CLOCK_NS_PER_MS) >= 0);
    }
    grpc_client_cancel(&grpc_rig.calls[1].base); /* under way, its bytes perhaps with the kernel */
    memset(large, 0xFF, len);
    mem_free(large);
    loop_fixture_run(grpc_rig.loop, 20 * CLOCK_NS_PER_MS);
    assert_int_equal(grpc_rig.done_count, 0);
    grpc_rig_close();
}

/* --- memory ----------------------------------------------------------------------------------- */

static void test_open_fails_cleanly_at_every_allocation(void **state)
{
    grpc_rig.loop = *state;
    struct grpc_client_options options = grpc_rig_options("name.example", 4317);
    uint64_t nth = 1;
    int err = -ENOMEM;
    while (err != 0) {
        grpc_rig.client = NULL;
        mem_fail_nth(nth);
        err = grpc_client_open(grpc_rig.loop, &options, &grpc_rig.client);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM || err == -EBUSY);
        assert_true((err == 0) == (grpc_rig.client != NULL));
        nth++;
        assert_true(nth < 100);
    }
    assert_true(nth > 2);
    grpc_rig_close_client();
}

static void test_calls_end_in_order_when_memory_fails(void **state)
{
    grpc_rig_start_stub(grpc_rig_ok_script, 1);
    grpc_rig_open(state);
    for (uint64_t nth = 1; nth < 60; nth++) {
        mem_fail_nth(nth);
        struct grpc_rig_call *call = &grpc_rig.calls[0];
        call->base.path = GRPC_RIG_PATH;
        call->piece = (struct iovec){.iov_base = "hello", .iov_len = 5};
        call->base.pieces = &call->piece;
        call->base.piece_count = 1;
        call->base.timeout_ns = 5 * CLOCK_NS_PER_S;
        call->base.on_done = grpc_rig_on_done;
        int err = grpc_client_start(grpc_rig.client, &call->base);
        assert_true(err == 0 || err == -ENOMEM);
        if (err == 0) {
            grpc_rig_until_done(grpc_rig.done_count + 1);
        }
        mem_fail_nth(0);
        loop_fixture_run(grpc_rig.loop, CLOCK_NS_PER_MS);
    }
    /* As many attempts to connect as failed, as long is the wait until the next. */
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (grpc_rig_run_call()->status != GRPC_OK && clock_mono_ns() < deadline_mono_ns) {
        loop_fixture_run(grpc_rig.loop, 5 * CLOCK_NS_PER_MS);
    }
    assert_int_equal(grpc_rig.calls[0].status, GRPC_OK);
    grpc_rig_close();
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_call_carries_its_head_and_message),
        LOOP_TEST(test_compressed_message_says_so),
        LOOP_TEST(test_call_without_timeout_announces_none),
        LOOP_TEST(test_many_calls_share_one_connection),
        LOOP_TEST(test_unix_socket_is_a_target),
        LOOP_TEST(test_every_status_arrives_with_its_text),
        LOOP_TEST(test_retry_info_is_read),
        LOOP_TEST(test_http_statuses_are_mapped),
        LOOP_TEST(test_reset_codes_are_mapped),
        LOOP_TEST(test_answer_at_the_limit_is_taken_and_beyond_is_not),
        LOOP_TEST(test_compressed_answer_is_handed_on),
        LOOP_TEST(test_early_answer_ends_a_message_that_is_still_sent),
        LOOP_TEST(test_pieces_of_all_sizes_arrive_in_order),
        LOOP_TEST(test_deadline_ends_a_call_that_hangs),
        LOOP_TEST(test_deadline_ends_a_call_whose_message_nobody_reads),
        LOOP_TEST(test_deadline_ends_a_call_that_waits_for_a_connection),
        LOOP_TEST(test_cancelled_calls_are_told_nothing),
        LOOP_TEST(test_open_fails_cleanly_at_every_allocation),
        LOOP_TEST(test_calls_end_in_order_when_memory_fails),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
