/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of compress: round trips however the input is cut, bounds on both ways, damaged input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "codecs/compress.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define INPUT_BYTES 300000

static const enum compress_kind kinds[] = {COMPRESS_NONE, COMPRESS_GZIP, COMPRESS_ZSTD};
static uint8_t input[INPUT_BYTES];

static int setup(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof(input); i++) {
        seed = seed * 1664525u + 1013904223u;
        input[i] = (uint8_t)((uint8_t) "abcdefgh"[seed >> 29] ^ (i % 1000 == 0 ? seed >> 24 : 0u));
    }
    return 0;
}

static int compress_one(enum compress_kind kind, size_t len, struct bytes *out)
{
    struct iovec iov = {.iov_base = input, .iov_len = len};
    return compress_iov(kind, &iov, 1, out);
}

static void assert_unpacks_to(enum compress_kind kind, struct slice in, struct slice expected)
{
    struct bytes out;
    bytes_init(&out, expected.len + 1);
    assert_int_equal(decompress_bounded(kind, in, &out), 0);
    assert_true(slice_equal(bytes_slice(&out), expected));
    bytes_fini(&out);
}

static void test_round_trips_of_many_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 100, 4095, 4096, 4097, 65535, 65537, INPUT_BYTES};
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            struct bytes out;
            bytes_init(&out, 1 << 20);
            assert_int_equal(compress_one(kinds[k], sizes[i], &out), 0);
            assert_unpacks_to(kinds[k], bytes_slice(&out), slice_of(input, sizes[i]));
            bytes_fini(&out);
        }
    }
}

static void test_pieces_compress_as_their_concatenation(void **state)
{
    (void)state;
    struct iovec iov[] = {{input, 10},        {input + 10, 0},      {input + 10, 70000},
                          {input + 70010, 1}, {input + 70011, 500}, {NULL, 0}};
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        struct bytes out;
        bytes_init(&out, 1 << 20);
        bytes_append(&out, "head", 4);
        assert_int_equal(compress_iov(kinds[k], iov, COUNT_OF(iov), &out), 0);
        assert_memory_equal(out.ptr, "head", 4);
        assert_unpacks_to(kinds[k], slice_from(bytes_slice(&out), 4), slice_of(input, 70511));
        bytes_clear(&out);
        assert_int_equal(compress_iov(kinds[k], NULL, 0, &out), 0);
        assert_unpacks_to(kinds[k], bytes_slice(&out), (struct slice){0});
        bytes_fini(&out);
    }
}

static void test_members_and_frames_may_follow_one_another(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        struct bytes out;
        bytes_init(&out, 1 << 20);
        assert_int_equal(compress_one(kinds[k], 70000, &out), 0);
        struct iovec rest = {.iov_base = input + 70000, .iov_len = 100};
        assert_int_equal(compress_iov(kinds[k], &rest, 1, &out), 0);
        assert_unpacks_to(kinds[k], bytes_slice(&out), slice_of(input, 70100));
        bytes_fini(&out);
    }
}

static void test_compressed_size_is_bounded(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        struct bytes out;
        bytes_init(&out, 1 << 20);
        assert_int_equal(compress_one(kinds[k], 5000, &out), 0);
        size_t len = out.len;
        bytes_fini(&out);
        bytes_init(&out, len);
        assert_int_equal(compress_one(kinds[k], 5000, &out), 0);
        assert_int_equal(out.len, len);
        bytes_fini(&out);
        bytes_init(&out, len - 1);
        assert_int_equal(compress_one(kinds[k], 5000, &out), FAULT_LIMIT);
        assert_int_equal(out.len, 0);
        bytes_fini(&out);
    }
}

static void test_inflated_size_is_bounded(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        struct bytes packed;
        struct bytes out;
        bytes_init(&packed, 1 << 20);
        assert_int_equal(compress_one(kinds[k], 20000, &packed), 0);
        bytes_init(&out, 20000);
        assert_int_equal(decompress_bounded(kinds[k], bytes_slice(&packed), &out), 0);
        assert_int_equal(out.len, 20000);
        bytes_fini(&out);
        bytes_init(&out, 19999);
        assert_int_equal(decompress_bounded(kinds[k], bytes_slice(&packed), &out), FAULT_LIMIT);
        assert_int_equal(out.len, 0);
        bytes_fini(&out);
        bytes_fini(&packed);
    }
}

static void test_damaged_input_is_refused(void **state)
{
    (void)state;
    for (size_t k = 1; k < COUNT_OF(kinds); k++) {
        struct bytes packed;
        struct bytes out;
        bytes_init(&packed, 1 << 20);
        bytes_init(&out, 1 << 16);
        assert_int_equal(compress_one(kinds[k], 3000, &packed), 0);
        for (size_t len = 0; len < packed.len; len++) {
            assert_int_equal(decompress_bounded(kinds[k], slice_of(packed.ptr, len), &out),
                             FAULT_MALFORMED);
        }
        bytes_append(&packed, "tail", 4);
        assert_int_equal(decompress_bounded(kinds[k], bytes_slice(&packed), &out), FAULT_MALFORMED);
        bytes_fini(&out);
        bytes_fini(&packed);
    }
}

static void test_a_lying_size_claim_reserves_no_memory(void **state)
{
    (void)state;
    struct bytes packed;
    struct bytes out;
    bytes_init(&packed, 1 << 20);
    assert_int_equal(compress_one(COMPRESS_GZIP, 100, &packed), 0);
    memset(packed.ptr + packed.len - 4, 0xFF, 4);
    bytes_init(&out, (size_t)1 << 33);
    assert_int_equal(decompress_bounded(COMPRESS_GZIP, bytes_slice(&packed), &out),
                     FAULT_MALFORMED);
    assert_true(out.capacity_bytes < 1 << 20);
    bytes_fini(&out);
    bytes_fini(&packed);
}

static void test_refused_memory_is_reported(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        struct bytes out;
        bytes_init(&out, 1 << 20);
        for (uint64_t nth = 1; nth <= (kinds[k] == COMPRESS_GZIP ? 2 : 1); nth++) {
            mem_fail_nth(nth);
            assert_int_equal(compress_one(kinds[k], 5000, &out), -ENOMEM);
            mem_fail_nth(0);
            assert_int_equal(out.len, 0);
        }
        assert_int_equal(compress_one(kinds[k], 5000, &out), 0);
        bytes_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips_of_many_sizes),
        cmocka_unit_test(test_pieces_compress_as_their_concatenation),
        cmocka_unit_test(test_members_and_frames_may_follow_one_another),
        cmocka_unit_test(test_compressed_size_is_bounded),
        cmocka_unit_test(test_inflated_size_is_bounded),
        cmocka_unit_test(test_damaged_input_is_refused),
        cmocka_unit_test(test_a_lying_size_claim_reserves_no_memory),
        cmocka_unit_test(test_refused_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
