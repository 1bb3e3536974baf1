/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids can be read back, and digests do not depend on the order of what they are of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/otlp/otlp_ident.h"

static void test_an_id_tells_its_number(void **state)
{
    (void)state;
    static const uint64_t sequences[] = {0, 1, 2, 999, 511999, IDENT_SEQUENCE_MAX - 1};
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
        for (uint64_t seed = 0; seed < 100; seed++) {
            const uint64_t id = ident_id_of(seed, sequences[i]);
            assert_true(id != 0);
            assert_true(ident_sequence_of(seed, id) == sequences[i]);
        }
    }
}

static void test_a_foreign_id_has_no_small_number(void **state)
{
    (void)state;
    uint32_t hit_count = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        hit_count += ident_sequence_of(1, ident_id_of(2, i)) < 1000000;
    }
    assert_int_equal(hit_count, 0);
}

static void test_a_time_tells_its_number(void **state)
{
    (void)state;
    assert_true(ident_sequence_of_time(ident_time_of(0)) == 0);
    assert_true(ident_sequence_of_time(ident_time_of(511999)) == 511999);
    assert_true(ident_sequence_of_time(ident_time_of(7) + 1) == UINT64_MAX);
    assert_true(ident_sequence_of_time(IDENT_TIME_BASE_NS - 1) == UINT64_MAX);
    assert_true(ident_sequence_of_time(0) == UINT64_MAX);
}

static struct ident_digest digest_of(const uint32_t *words, size_t count)
{
    struct ident_digest digest = {0};
    for (size_t i = 0; i < count; i++) {
        ident_digest_add(&digest, slice_of(&words[i], sizeof(words[i])));
    }
    return digest;
}

static void test_a_digest_ignores_order_and_nothing_else(void **state)
{
    (void)state;
    const uint32_t words[] = {1, 2, 3, 4};
    const uint32_t turned[] = {4, 2, 1, 3};
    const uint32_t twice[] = {1, 2, 3, 3};
    assert_true(ident_digest_equal(digest_of(words, 4), digest_of(turned, 4)));
    assert_false(ident_digest_equal(digest_of(words, 4), digest_of(words, 3)));
    assert_false(ident_digest_equal(digest_of(words, 4), digest_of(twice, 4)));
}

static void test_many_times_is_again_and_again(void **state)
{
    (void)state;
    const uint32_t words[] = {7, 8, 9};
    const struct ident_digest one = digest_of(words, 3);
    struct ident_digest sum = {0};
    struct ident_digest product = {0};
    for (int i = 0; i < 1000; i++) {
        ident_digest_add_many(&sum, one, 1);
    }
    ident_digest_add_many(&product, one, 1000);
    assert_true(ident_digest_equal(sum, product));
    /* (2^64 - 1)² = 2^128 - 2^65 + 1: the upper half is 2^64 - 2. */
    struct ident_digest square = {0};
    ident_digest_add_many(&square, (struct ident_digest){.low = UINT64_MAX}, UINT64_MAX);
    assert_true(square.low == 1);
    assert_true(square.high == UINT64_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_id_tells_its_number),
        cmocka_unit_test(test_a_foreign_id_has_no_small_number),
        cmocka_unit_test(test_a_time_tells_its_number),
        cmocka_unit_test(test_a_digest_ignores_order_and_nothing_else),
        cmocka_unit_test(test_many_times_is_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
