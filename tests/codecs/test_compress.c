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
#include <zstd.h>

#include "codecs/compress.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define INPUT_BYTES 300000
/* A framed stream that holds nothing. */
#define SNAPPY_START_BYTES 10
#define BOMB_BYTES (64 * 1024 * 1024)
#define BOMB_BOUND_BYTES (1024 * 1024)

static const enum compress_kind kinds[] = {
    COMPRESS_NONE,    COMPRESS_GZIP,   COMPRESS_ZSTD,          COMPRESS_ZLIB,
    COMPRESS_DEFLATE, COMPRESS_SNAPPY, COMPRESS_SNAPPY_FRAMED,
};
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

static bool may_be_concatenated(enum compress_kind kind)
{
    return kind != COMPRESS_ZLIB && kind != COMPRESS_DEFLATE && kind != COMPRESS_SNAPPY;
}

static void test_members_and_frames_may_follow_one_another(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        struct bytes out;
        if (!may_be_concatenated(kinds[k])) {
            continue;
        }
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
            bool is_stream = kinds[k] == COMPRESS_SNAPPY_FRAMED && len == SNAPPY_START_BYTES;
            assert_int_equal(decompress_bounded(kinds[k], slice_of(packed.ptr, len), &out),
                             is_stream ? 0 : FAULT_MALFORMED);
            assert_int_equal(out.len, 0);
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
    bytes_init(&out, (size_t)1 << 33);
    assert_int_equal(decompress_bounded(COMPRESS_GZIP, bytes_slice(&packed), &out), 0);
    assert_int_equal(out.capacity_bytes, 100);
    bytes_fini(&out);
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
        bool has_state = kinds[k] != COMPRESS_NONE && kinds[k] != COMPRESS_ZSTD;
        for (uint64_t nth = 1; nth <= (has_state ? 2 : 1); nth++) {
            mem_fail_nth(nth);
            assert_int_equal(compress_one(kinds[k], 5000, &out), -ENOMEM);
            mem_fail_nth(0);
            assert_int_equal(out.len, 0);
        }
        assert_int_equal(compress_one(kinds[k], 5000, &out), 0);
        struct bytes plain;
        bytes_init(&plain, 1 << 20);
        mem_fail_nth(1);
        assert_int_equal(decompress_bounded(kinds[k], bytes_slice(&out), &plain), -ENOMEM);
        mem_fail_nth(0);
        assert_int_equal(decompress_bounded(kinds[k], bytes_slice(&out), &plain), 0);
        bytes_fini(&plain);
        bytes_fini(&out);
    }
}

static void test_a_bomb_takes_no_more_than_the_bound(void **state)
{
    (void)state;
    static const uint8_t zeros[65536];
    struct iovec iov[BOMB_BYTES / sizeof(zeros)];
    for (size_t i = 0; i < COUNT_OF(iov); i++) {
        iov[i] = (struct iovec){.iov_base = (void *)(uintptr_t)zeros, .iov_len = sizeof(zeros)};
    }
    for (size_t k = 1; k < COUNT_OF(kinds); k++) {
        struct bytes packed;
        struct bytes out;
        bytes_init(&packed, BOMB_BYTES);
        bytes_init(&out, BOMB_BOUND_BYTES);
        assert_int_equal(compress_iov(kinds[k], iov, COUNT_OF(iov), &packed), 0);
        assert_true(packed.len < BOMB_BYTES / 15);
        assert_int_equal(decompress_bounded(kinds[k], bytes_slice(&packed), &out), FAULT_LIMIT);
        assert_true(out.capacity_bytes <= BOMB_BOUND_BYTES);
        assert_int_equal(out.len, 0);
        bytes_fini(&out);
        bytes_fini(&packed);
    }
}

static void test_unknown_content_size_of_zstd_is_no_obstacle(void **state)
{
    (void)state;
    struct bytes packed;
    struct bytes out;
    ZSTD_CCtx *context = ZSTD_createCCtx();
    /* A window of 128 MiB, which nobody has to keep who undoes the frame as a whole. */
    assert_int_equal(ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 27)), 0);
    bytes_init(&packed, 1 << 20);
    assert_int_equal(bytes_reserve(&packed, 1 << 19), 0);
    ZSTD_inBuffer source = {.src = input, .size = sizeof(input)};
    ZSTD_outBuffer target = {.dst = packed.ptr, .size = packed.capacity_bytes};
    assert_int_not_equal(
        ZSTD_isError(ZSTD_compressStream2(context, &target, &source, ZSTD_e_flush)), 1);
    assert_int_equal(ZSTD_compressStream2(context, &target, &source, ZSTD_e_end), 0);
    ZSTD_freeCCtx(context);
    packed.len = target.pos;
    assert_true(ZSTD_getFrameContentSize(packed.ptr, packed.len) == ZSTD_CONTENTSIZE_UNKNOWN);
    assert_unpacks_to(COMPRESS_ZSTD, bytes_slice(&packed), slice_of(input, sizeof(input)));
    bytes_init(&out, sizeof(input) - 1);
    assert_int_equal(decompress_bounded(COMPRESS_ZSTD, bytes_slice(&packed), &out), FAULT_LIMIT);
    bytes_fini(&out);
    bytes_fini(&packed);
}

static void test_words_name_kinds(void **state)
{
    (void)state;
    enum compress_kind kind = COMPRESS_GZIP;
    assert_int_equal(compress_kind_of((struct slice){0}, &kind), 0);
    assert_int_equal(kind, COMPRESS_NONE);
    for (size_t k = 0; k < COMPRESS_KIND_COUNT; k++) {
        assert_int_equal(compress_kind_of(slice_of_text(compress_name(kinds[k])), &kind), 0);
        assert_int_equal(kind, kinds[k]);
    }
    assert_int_equal(compress_kind_of(SLICE_LITERAL("GZip"), &kind), 0);
    assert_int_equal(kind, COMPRESS_GZIP);
    static const char *const others[] = {"br", "lz4", "gzip ", "gzi", "gzip, gzip", "*", "x-gzip"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_int_equal(compress_kind_of(slice_of_text(others[i]), &kind), FAULT_UNSUPPORTED);
    }
}

static void test_deflate_is_the_zlib_format(void **state)
{
    (void)state;
    static const uint8_t zlib[] = {0x78, 0x9C, 0x4B, 0x04, 0x00, 0x00, 0x62, 0x00, 0x62};
    static const uint8_t raw[] = {0x4B, 0x04, 0x00};
    assert_unpacks_to(COMPRESS_DEFLATE, slice_of(zlib, sizeof(zlib)), SLICE_LITERAL("a"));
    struct bytes out;
    bytes_init(&out, 100);
    assert_int_equal(decompress_bounded(COMPRESS_DEFLATE, slice_of(raw, sizeof(raw)), &out),
                     FAULT_MALFORMED);
    bytes_fini(&out);
}

static void test_taken_memory_is_the_callers(void **state)
{
    (void)state;
    struct bytes packed;
    struct bytes out;
    struct slice content;
    bytes_init(&packed, 1 << 20);
    bytes_init(&out, 1 << 20);
    assert_null(bytes_take(&out, &content));
    assert_int_equal(content.len, 0);
    assert_int_equal(compress_one(COMPRESS_GZIP, INPUT_BYTES, &packed), 0);
    assert_int_equal(decompress_bounded(COMPRESS_GZIP, bytes_slice(&packed), &out), 0);
    assert_int_equal(out.capacity_bytes, INPUT_BYTES);
    void *memory = bytes_take(&out, &content);
    assert_ptr_equal(memory, content.ptr);
    assert_true(slice_equal(content, slice_of(input, INPUT_BYTES)));
    assert_int_equal(out.len + out.capacity_bytes, 0);
    assert_int_equal(out.max_bytes, 1 << 20);
    mem_free(memory);
    bytes_append(&out, "x", 1);
    memory = bytes_take(&out, &content);
    assert_true(slice_is_text(content, "x"));
    mem_free(memory);
    bytes_fini(&packed);
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
        cmocka_unit_test(test_a_bomb_takes_no_more_than_the_bound),
        cmocka_unit_test(test_unknown_content_size_of_zstd_is_no_obstacle),
        cmocka_unit_test(test_words_name_kinds),
        cmocka_unit_test(test_deflate_is_the_zlib_format),
        cmocka_unit_test(test_taken_memory_is_the_callers),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
