/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of h2: the meter of a connection, runs of gathered output, words for codes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/h2.h"
#include "io/io_bounds.h"

/* What each block costs beside its bytes. */
#define BLOCK_BYTES 16

static void test_meter_counts_and_caps(void **state)
{
    (void)state;
    struct h2_memory memory = {.max_bytes = 100};
    void *a = h2_memory_alloc(&memory, 100 - BLOCK_BYTES);
    assert_non_null(a);
    assert_int_equal(memory.used_bytes, 100);
    assert_true(h2_memory_is_full(&memory));
    assert_null(h2_memory_alloc(&memory, 0));
    assert_null(h2_memory_resize(&memory, a, 100 - BLOCK_BYTES + 1));
    a = h2_memory_resize(&memory, a, 10);
    assert_non_null(a);
    assert_int_equal(memory.used_bytes, 10 + BLOCK_BYTES);
    assert_null(h2_memory_alloc(&memory, SIZE_MAX));
    assert_null(h2_memory_alloc(&memory, SIZE_MAX - BLOCK_BYTES));
    h2_memory_free(&memory, a);
    h2_memory_free(&memory, NULL);
    assert_int_equal(memory.used_bytes, 0);
}

static void test_meter_survives_refusals(void **state)
{
    (void)state;
    struct h2_memory memory = {.max_bytes = 1000};
    char *a = h2_memory_alloc(&memory, 4);
    assert_non_null(a);
    memcpy(a, "kept", 4);
    mem_fail_nth(1);
    assert_null(h2_memory_resize(&memory, a, 100));
    mem_fail_nth(1);
    assert_null(h2_memory_alloc(&memory, 1));
    assert_memory_equal(a, "kept", 4);
    assert_int_equal(memory.used_bytes, 4 + BLOCK_BYTES);
    h2_memory_free(&memory, a);
}

/* nghttp2 is never refused for the cap, only measured. */
static void test_hooks_go_beyond_the_cap(void **state)
{
    (void)state;
    struct h2_memory memory = {.max_bytes = 10};
    nghttp2_mem hooks = h2_memory_hooks(&memory);
    uint8_t *zeroed = hooks.calloc(3, 5, hooks.mem_user_data);
    assert_non_null(zeroed);
    for (size_t i = 0; i < 15; i++) {
        assert_int_equal(zeroed[i], 0);
    }
    assert_null(hooks.calloc(SIZE_MAX, 2, hooks.mem_user_data));
    assert_int_equal(memory.used_bytes, 15 + BLOCK_BYTES);
    assert_true(h2_memory_is_full(&memory));
    hooks.free(zeroed, hooks.mem_user_data);
    assert_int_equal(memory.used_bytes, 0);
}

static void test_output_keeps_the_order_of_copies_and_references(void **state)
{
    (void)state;
    struct h2_memory memory = {.max_bytes = 1 << 20};
    struct h2_out out = {.memory = &memory};
    static uint8_t body[5000];
    assert_int_equal(h2_out_append(&out, SLICE_LITERAL("head")), 0);
    assert_int_equal(h2_out_append(&out, SLICE_LITERAL("er")), 0);
    assert_int_equal(h2_out_refer(&out, slice_of(body, sizeof(body))), 0);
    assert_int_equal(h2_out_append(&out, slice_of(body, sizeof(body))), 0); /* makes it move */
    assert_int_equal(h2_out_refer(&out, slice_of(NULL, 0)), 0);
    struct iovec iov[LOOP_STREAM_IOV_MAX];
    assert_int_equal(h2_out_iov(&out, iov), 3);
    assert_int_equal(iov[0].iov_len, 6);
    assert_memory_equal(iov[0].iov_base, "header", 6);
    assert_ptr_equal(iov[1].iov_base, body);
    assert_int_equal(iov[2].iov_len, sizeof(body));
    assert_int_equal(out.total_bytes, 6 + 2 * sizeof(body));
    h2_out_reset(&out);
    assert_int_equal(memory.used_bytes, 0);
    assert_int_equal(h2_out_iov(&out, iov), 0);
}

static void test_output_says_when_its_runs_are_used_up(void **state)
{
    (void)state;
    struct h2_memory memory = {.max_bytes = 1 << 20};
    struct h2_out out = {.memory = &memory};
    uint32_t count = 0;
    while (h2_out_has_room(&out)) {
        assert_int_equal(h2_out_append(&out, SLICE_LITERAL("h")), 0);
        assert_int_equal(h2_out_refer(&out, SLICE_LITERAL("body")), 0);
        count++;
    }
    assert_true(count >= LOOP_STREAM_IOV_MAX / 2 - 1);
    /* What a callback may add after it was told of room always fits. */
    assert_int_equal(h2_out_append(&out, SLICE_LITERAL("last")), 0);
    while (out.segment_count < LOOP_STREAM_IOV_MAX) {
        assert_int_equal(h2_out_refer(&out, SLICE_LITERAL("x")), 0);
    }
    assert_int_equal(h2_out_refer(&out, SLICE_LITERAL("x")), -EAGAIN);
    assert_int_equal(h2_out_append(&out, SLICE_LITERAL("x")), -EAGAIN);
    h2_out_reset(&out);
}

static void test_output_without_memory_is_refused(void **state)
{
    (void)state;
    struct h2_memory memory = {.max_bytes = 1 << 20};
    struct h2_out out = {.memory = &memory};
    mem_fail_nth(1);
    assert_int_equal(h2_out_append(&out, SLICE_LITERAL("x")), -ENOMEM);
    assert_int_equal(out.total_bytes, 0);
    assert_int_equal(out.segment_count, 0);
    h2_out_reset(&out);
}

static void test_codes_have_words(void **state)
{
    (void)state;
    assert_string_equal(h2_code_text(0), "NO_ERROR");
    assert_string_equal(h2_code_text(H2_CODE_HTTP_1_1_REQUIRED), "HTTP_1_1_REQUIRED");
    assert_string_equal(h2_code_text(14), "unknown code");
    assert_int_equal(h2_fault(0), 0);
    assert_int_equal(h2_fault(17), 0);
    assert_int_equal(h2_fault(NGHTTP2_ERR_NOMEM), -ENOMEM);
    assert_int_equal(h2_fault(NGHTTP2_ERR_FLOODED), FAULT_LIMIT);
    assert_int_equal(h2_fault(NGHTTP2_ERR_BAD_CLIENT_MAGIC), FAULT_MALFORMED);
    assert_int_equal(h2_fault(NGHTTP2_ERR_INVALID_STATE), FAULT_LIBRARY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meter_counts_and_caps),
        cmocka_unit_test(test_meter_survives_refusals),
        cmocka_unit_test(test_hooks_go_beyond_the_cap),
        cmocka_unit_test(test_output_keeps_the_order_of_copies_and_references),
        cmocka_unit_test(test_output_says_when_its_runs_are_used_up),
        cmocka_unit_test(test_output_without_memory_is_refused),
        cmocka_unit_test(test_codes_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
