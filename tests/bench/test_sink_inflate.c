/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each encoding there and back, and what is broken refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libdeflate.h>
#include <string.h>
#include <zstd.h>

#include "bench/sink_inflate.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define PLAIN_BYTES (3u << 20)

static uint8_t *make_plain(void)
{
    uint8_t *plain = mem_alloc(PLAIN_BYTES);
    assert_non_null(plain);
    for (size_t i = 0; i < PLAIN_BYTES; i++) {
        plain[i] = (uint8_t)(i * i >> 7);
    }
    return plain;
}

static void check_round_trip(const char *encoding, const uint8_t *packed, size_t packed_len,
                             const uint8_t *plain)
{
    struct sink_inflate_buffer buffer = {0};
    struct slice out = {0};
    assert_int_equal(
        sink_inflate(&buffer, slice_of_text(encoding), slice_of(packed, packed_len), &out), 0);
    assert_int_equal(out.len, PLAIN_BYTES);
    assert_memory_equal(out.ptr, plain, PLAIN_BYTES);
    assert_int_equal(
        sink_inflate(&buffer, slice_of_text(encoding), slice_of(packed, packed_len - 9), &out),
        FAULT_MALFORMED);
    assert_int_equal(sink_inflate(&buffer, slice_of_text(encoding), slice_of(packed, 0), &out),
                     FAULT_MALFORMED);
    sink_inflate_fini(&buffer);
}

static void test_gzip_comes_back(void **state)
{
    (void)state;
    uint8_t *plain = make_plain();
    struct libdeflate_compressor *deflater = libdeflate_alloc_compressor(1);
    const size_t bound = libdeflate_gzip_compress_bound(deflater, PLAIN_BYTES);
    uint8_t *packed = mem_alloc(bound);
    assert_non_null(packed);
    const size_t len = libdeflate_gzip_compress(deflater, plain, PLAIN_BYTES, packed, bound);
    libdeflate_free_compressor(deflater);
    check_round_trip("gzip", packed, len, plain);
    mem_free(packed);
    mem_free(plain);
}

static void test_zstd_comes_back(void **state)
{
    (void)state;
    uint8_t *plain = make_plain();
    const size_t bound = ZSTD_compressBound(PLAIN_BYTES);
    uint8_t *packed = mem_alloc(bound);
    assert_non_null(packed);
    const size_t len = ZSTD_compress(packed, bound, plain, PLAIN_BYTES, 1);
    check_round_trip("zstd", packed, len, plain);
    mem_free(packed);
    mem_free(plain);
}

static void test_identity_borrows_and_the_unknown_is_refused(void **state)
{
    (void)state;
    struct sink_inflate_buffer buffer = {0};
    struct slice out = {0};
    const struct slice body = SLICE_LITERAL("abc");
    assert_int_equal(sink_inflate(&buffer, (struct slice){0}, body, &out), 0);
    assert_ptr_equal(out.ptr, body.ptr);
    assert_int_equal(sink_inflate(&buffer, SLICE_LITERAL("br"), body, &out), FAULT_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gzip_comes_back),
        cmocka_unit_test(test_zstd_comes_back),
        cmocka_unit_test(test_identity_borrows_and_the_unknown_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
