/* SPDX-License-Identifier: Apache-2.0 */
/* Equal texts hash alike wherever they lie, different ones do not, and the seed decides how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/model/short_text.h"

#define LEN_MAX (SHORT_TEXT_INLINE_MAX_BYTES + 40)
#define SEED UINT64_C(0x0123456789ABCDEF)

/* An exactly sized copy, so that a sanitizer sees a read before or behind it. */
static uint8_t *copy_of(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = test_malloc(len);
    memcpy(copy, bytes, len);
    return copy;
}

static uint64_t hash_of(const uint8_t *bytes, size_t len, uint64_t seed)
{
    struct short_text_secret secret = short_text_secret_of(seed);
    uint64_t state = short_text_hash_word(secret.start, secret, len);
    return short_text_hash(state, secret, slice_of(bytes, len));
}

static void fill(uint8_t *bytes)
{
    for (size_t i = 0; i < LEN_MAX; i++) {
        bytes[i] = (uint8_t)(i * 37 + 11);
    }
}

static void test_equal_sees_every_bit_of_every_length(void **state)
{
    (void)state;
    uint8_t text[LEN_MAX];
    fill(text);
    for (size_t len = 1; len <= LEN_MAX; len++) {
        uint8_t *same = copy_of(text, len);
        uint8_t *other = copy_of(text, len);
        assert_true(short_text_equal(same, other, len));
        for (size_t bit = 0; bit < len * 8; bit++) {
            other[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(short_text_equal(same, other, len));
            assert_false(short_text_equal(other, same, len));
            other[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        test_free(same);
        test_free(other);
    }
}

static void test_hash_sees_every_bit_of_every_length(void **state)
{
    (void)state;
    uint8_t text[LEN_MAX];
    fill(text);
    for (size_t len = 1; len <= LEN_MAX; len++) {
        uint8_t *copy = copy_of(text, len);
        uint64_t hash = hash_of(copy, len, SEED);
        assert_true(hash == hash_of(text, len, SEED));
        for (size_t bit = 0; bit < len * 8; bit++) {
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
            uint64_t differing = hash ^ hash_of(copy, len, SEED);
            /* A fair hash turns 32 of 64; fewer than 8 has odds of one in 10^10. */
            assert_in_range(__builtin_popcountll(differing), 8, 56);
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        test_free(copy);
    }
}

static void test_hash_depends_on_seed(void **state)
{
    (void)state;
    uint8_t text[LEN_MAX];
    fill(text);
    for (size_t len = 1; len <= LEN_MAX; len++) {
        for (uint64_t seed = 0; seed < 64; seed++) {
            uint64_t differing =
                hash_of(text, len, SEED) ^ hash_of(text, len, SEED ^ UINT64_C(1) << seed);
            assert_in_range(__builtin_popcountll(differing), 8, 56);
        }
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Names that count upwards are what an index of 2^17 slots meets: low bits must spread. */
static void test_hash_of_numbered_names_fills_slots_evenly(void **state)
{
    (void)state;
    enum { NAME_COUNT = 1 << 16, SLOT_COUNT = 1 << 17, LEN = 24 };
    uint64_t *hashes = test_calloc(NAME_COUNT, sizeof(*hashes));
    uint8_t *slots = test_calloc(SLOT_COUNT, 1);
    uint8_t name[LEN] = "shop.orders.s00000.total";
    uint32_t used_count = 0;
    for (uint32_t i = 0; i < NAME_COUNT; i++) {
        uint32_t rest = i;
        for (size_t digit = 0; digit < 5; digit++) {
            name[17 - digit] = (uint8_t)('0' + rest % 10);
            rest /= 10;
        }
        hashes[i] = hash_of(name, LEN, SEED);
        used_count += slots[hashes[i] % SLOT_COUNT] == 0 ? 1 : 0;
        slots[hashes[i] % SLOT_COUNT] = 1;
    }
    /* Random throws fill 1 − e^(−1/2) of the slots, 51 573; the standard deviation is below 100. */
    assert_in_range(used_count, 51000, 52200);
    qsort(hashes, NAME_COUNT, sizeof(*hashes), by_value);
    for (uint32_t i = 1; i < NAME_COUNT; i++) {
        assert_true(hashes[i] != hashes[i - 1]);
    }
    test_free(slots);
    test_free(hashes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_sees_every_bit_of_every_length),
        cmocka_unit_test(test_hash_sees_every_bit_of_every_length),
        cmocka_unit_test(test_hash_depends_on_seed),
        cmocka_unit_test(test_hash_of_numbered_names_fills_slots_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
