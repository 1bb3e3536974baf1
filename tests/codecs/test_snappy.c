/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of snappy: the vectors, round trips of every kind of content, and libsnappy as an oracle
 * both ways where it is installed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "codecs/compress.h"
#include "codecs/snappy.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "tests/support/snappy_oracle.h"
#include "tests/support/vectors.h"

#define TEXT_MAX_BYTES 70000
#define INPUT_MAX_BYTES 200000
#define ROUNDS 400

static uint8_t text[TEXT_MAX_BYTES];
static uint8_t packed_text[TEXT_MAX_BYTES];
static uint8_t input[INPUT_MAX_BYTES];

/* --- vectors ---------------------------------------------------------------------------------- */

static uint8_t hex_digit(uint8_t c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct slice unhex(struct slice hex)
{
    assert_true(hex.len / 2 <= sizeof(packed_text));
    for (size_t i = 0; i < hex.len / 2; i++) {
        packed_text[i] = (uint8_t)(hex_digit(hex.ptr[2 * i]) << 4 | hex_digit(hex.ptr[2 * i + 1]));
    }
    return slice_of(packed_text, hex.len / 2);
}

/* A copy of exactly the input's size lets sanitizers see its end. */
static int decompress_copy(enum compress_kind kind, struct slice in, struct bytes *out)
{
    uint8_t *exact = mem_alloc(in.len + 1);
    assert_non_null(exact);
    memcpy(exact + 1, in.ptr, in.len);
    int err = decompress_bounded(kind, slice_of(exact + 1, in.len), out);
    mem_free(exact);
    return err;
}

static void check_case(const struct vector *v)
{
    enum compress_kind kind = COMPRESS_SNAPPY;
    struct bytes out;
    int err = 0;
    bytes_init(&out, TEXT_MAX_BYTES);
    for (size_t i = 0; i < v->line_count; i++) {
        struct slice key = v->lines[i].key;
        struct slice value = v->lines[i].text;
        if (slice_is_text(key, "kind")) {
            kind = slice_is_text(value, "framed") ? COMPRESS_SNAPPY_FRAMED : COMPRESS_SNAPPY;
        } else if (slice_is_text(key, "in")) {
            err = decompress_copy(kind, unhex(value), &out);
        } else if (slice_is_text(key, "bad")) {
            if (err != FAULT_MALFORMED || out.len != 0) {
                fail_msg("%.*s: accepted", (int)v->title.len, (const char *)v->title.ptr);
            }
        } else {
            size_t len = vector_unescape(value, text, sizeof(text));
            if (err != 0 || !slice_equal(bytes_slice(&out), slice_of(text, len))) {
                fail_msg("%.*s", (int)v->title.len, (const char *)v->title.ptr);
            }
        }
    }
    bytes_fini(&out);
}

static void test_vectors_decode_as_they_say(void **state)
{
    (void)state;
    struct vectors vectors;
    struct vector v;
    size_t count = 0;
    assert_int_equal(vectors_open(&vectors, WEIR_SOURCE_DIR "/tests/vectors/compress/snappy.vec"),
                     0);
    while (vectors_next(&vectors, &v)) {
        check_case(&v);
        count++;
    }
    vectors_close(&vectors);
    assert_true(count > 40);
}

/* --- round trips ------------------------------------------------------------------------------ */

static uint64_t seed;

static uint32_t random_below(uint32_t limit)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((seed >> 33) % limit);
}

/* Noise, few letters, and copies of what stands far and near before, in turns. */
static size_t make_input(void)
{
    size_t len = random_below(random_below(4) == 0 ? INPUT_MAX_BYTES : 3000);
    size_t at = 0;
    while (at < len) {
        size_t run = 1 + random_below(random_below(5) == 0 ? 5000 : 40);
        run = run < len - at ? run : len - at;
        uint32_t way = random_below(4);
        size_t back =
            at == 0 ? 0 : 1 + random_below((uint32_t)(random_below(2) == 0 ? at : 1 + at % 20));
        back = back > at ? at : back;
        for (size_t i = 0; i < run; i++) {
            uint8_t noise = (uint8_t)random_below(way == 0 ? 256 : 3);
            input[at + i] = way >= 2 && back > 0 ? input[at + i - back] : noise;
        }
        at += run;
    }
    return len;
}

static void check_round_trip(enum compress_kind kind, size_t len)
{
    struct bytes packed;
    struct bytes out;
    size_t cut = len == 0 ? 0 : random_below((uint32_t)len);
    struct iovec iov[] = {{input, cut}, {NULL, 0}, {input + cut, len - cut}};
    bytes_init(&packed, 2 * INPUT_MAX_BYTES);
    bytes_init(&out, len);
    assert_int_equal(compress_iov(kind, iov, COUNT_OF(iov), &packed), 0);
    assert_true(packed.len <= 32 + len + len / 6);
    assert_int_equal(decompress_copy(kind, bytes_slice(&packed), &out), 0);
    assert_true(slice_equal(bytes_slice(&out), slice_of(input, len)));
    if (kind == COMPRESS_SNAPPY) {
        assert_true(snappy_oracle_agrees(bytes_slice(&packed), slice_of(input, len)));
    }
    bytes_fini(&out);
    bytes_fini(&packed);
}

static void test_random_content_survives(void **state)
{
    (void)state;
    seed = 7;
    for (size_t i = 0; i < ROUNDS; i++) {
        size_t len = make_input();
        check_round_trip(COMPRESS_SNAPPY, len);
        check_round_trip(COMPRESS_SNAPPY_FRAMED, len);
    }
}

static void test_blocks_of_the_oracle_are_read(void **state)
{
    (void)state;
    if (!snappy_oracle_is_here()) {
        print_message("libsnappy is not installed\n");
        skip();
    }
    seed = 8;
    for (size_t i = 0; i < ROUNDS; i++) {
        struct bytes packed;
        struct bytes out;
        size_t len = make_input();
        bytes_init(&packed, 2 * INPUT_MAX_BYTES);
        bytes_init(&out, len);
        snappy_oracle_pack(slice_of(input, len), &packed);
        assert_int_equal(decompress_copy(COMPRESS_SNAPPY, bytes_slice(&packed), &out), 0);
        assert_true(slice_equal(bytes_slice(&out), slice_of(input, len)));
        bytes_fini(&out);
        bytes_fini(&packed);
    }
}

/* Damaged blocks: both say no, or both say the same. */
static void test_oracle_agrees_on_damaged_blocks(void **state)
{
    (void)state;
    if (!snappy_oracle_is_here()) {
        print_message("libsnappy is not installed\n");
        skip();
    }
    seed = 9;
    for (size_t i = 0; i < 20 * ROUNDS; i++) {
        struct bytes packed;
        struct bytes out;
        size_t len = make_input() % 500;
        struct iovec iov = {.iov_base = input, .iov_len = len};
        bytes_init(&packed, 2 * INPUT_MAX_BYTES);
        bytes_init(&out, 1 << 20);
        assert_int_equal(compress_iov(COMPRESS_SNAPPY, &iov, 1, &packed), 0);
        packed.ptr[random_below((uint32_t)packed.len)] ^= (uint8_t)(1u << random_below(8));
        packed.len -= random_below(8) == 0 ? 1 : 0;
        int err = decompress_copy(COMPRESS_SNAPPY, bytes_slice(&packed), &out);
        assert_true(err == 0 || err == FAULT_MALFORMED);
        assert_int_equal(err == 0, snappy_oracle_agrees(bytes_slice(&packed), bytes_slice(&out)));
        bytes_fini(&out);
        bytes_fini(&packed);
    }
}

static void test_block_is_appended_and_bounded(void **state)
{
    (void)state;
    struct bytes out;
    bytes_init(&out, 7);
    bytes_append(&out, "head", 4);
    struct slice block = SLICE_LITERAL("\x03\x08"
                                       "abc");
    assert_int_equal(decompress_bounded(COMPRESS_SNAPPY, block, &out), 0);
    assert_true(slice_is_text(bytes_slice(&out), "headabc"));
    bytes_fini(&out);
    bytes_init(&out, 6);
    bytes_append(&out, "head", 4);
    assert_int_equal(decompress_bounded(COMPRESS_SNAPPY, block, &out), FAULT_LIMIT);
    assert_true(slice_is_text(bytes_slice(&out), "head"));
    bytes_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_decode_as_they_say),
        cmocka_unit_test(test_random_content_survives),
        cmocka_unit_test(test_blocks_of_the_oracle_are_read),
        cmocka_unit_test(test_oracle_agrees_on_damaged_blocks),
        cmocka_unit_test(test_block_is_appended_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
