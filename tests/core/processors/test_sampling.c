/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/processors/sampling: the hash of the Collector bit by bit, thresholds and
 * randomness as text, rounding at both ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/defs.h"
#include "core/processors/sampling.h"

static const uint8_t zeros[16];

static void test_hash_agrees_with_other_tiers(void **state)
{
    (void)state;
    /* Lower 14 bits of FNV-1a over a seed of 0, alone and with a trace id of zeros. */
    assert_int_equal(sampling_hash(0, slice_of(NULL, 0)) & 0x3FFF, 0x3515);
    assert_int_equal(sampling_hash(0, slice_of(zeros, 16)) & 0x3FFF, 0x2455);
    /* The seed goes in like four bytes of text before the others. */
    assert_int_equal(sampling_hash(0x64636261, slice_of_text("e")), 0x749bcf08); /* of "abcde" */
}

static void test_hash_randomness_decides_like_the_hash(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        uint8_t id[4] = {(uint8_t)i, (uint8_t)(i >> 8), 7, 9};
        uint32_t bucket = sampling_hash(42, slice_of(id, 4)) & 0x3FFF;
        uint64_t randomness = sampling_hash_randomness(42, slice_of(id, 4));
        float percent = (float)(i % 101);
        uint32_t accepted = (uint32_t)(percent * (16384 / 100.0F));
        assert_int_equal(bucket < accepted, randomness >= sampling_hash_threshold(percent));
    }
}

static void test_hash_threshold_is_cut(void **state)
{
    (void)state;
    char text[SAMPLING_DIGITS];
    assert_int_equal(sampling_hash_threshold(100), SAMPLING_ALWAYS);
    assert_int_equal(sampling_hash_threshold(0), SAMPLING_NEVER);
    assert_int_equal(sampling_hash_threshold(0.001F), SAMPLING_NEVER);
    size_t len = sampling_format_threshold(sampling_hash_threshold(10), text);
    assert_true(slice_is_text(slice_of(text, len), "e668"));
    len = sampling_format_threshold(sampling_hash_threshold(100.0F / 3), text);
    assert_true(slice_is_text(slice_of(text, len), "aaac"));
}

static void check_threshold(double probability, uint32_t digits, const char *expected)
{
    uint64_t threshold = 0;
    char text[SAMPLING_DIGITS];
    assert_true(sampling_threshold(probability, digits, &threshold));
    size_t len = sampling_format_threshold(threshold, text);
    if (!slice_is_text(slice_of(text, len), expected)) {
        print_error("%g: %.*s, not %s\n", probability, (int)len, text, expected);
    }
    assert_true(slice_is_text(slice_of(text, len), expected));
}

static void test_thresholds_round_to_significant_digits(void **state)
{
    (void)state;
    check_threshold(1, 4, "0");
    check_threshold(0.5, 4, "8");
    check_threshold(0.25, 4, "c");
    check_threshold(0.01, 14, "fd70a3d70a3d71");
    check_threshold(0.01, 4, "fd70a");
    check_threshold(0.01, 3, "fd71");
    check_threshold(0.4, 3, "99a");
    check_threshold(0.2, 6, "cccccd");
    check_threshold(1.0 / 16384, 4, "fffc");
    check_threshold(1.0 / (1 << 28), 4, "fffffff");
    check_threshold(sampling_probability(SAMPLING_NEVER - 1), 4, "ffffffffffffff");
}

static void test_probabilities_out_of_range_have_no_threshold(void **state)
{
    (void)state;
    uint64_t threshold = 0;
    assert_false(sampling_threshold(0, 4, &threshold));
    assert_false(sampling_threshold(-0.5, 4, &threshold));
    assert_false(sampling_threshold(1.0001, 4, &threshold));
    assert_false(sampling_threshold(0.0 / 0.0, 4, &threshold));
    assert_false(sampling_threshold(sampling_probability(SAMPLING_NEVER - 1) / 2, 4, &threshold));
}

static void test_texts_are_read_strictly(void **state)
{
    (void)state;
    uint64_t value = 0;
    assert_true(sampling_parse_threshold(slice_of_text("8"), &value));
    assert_int_equal(value, UINT64_C(1) << 55);
    assert_true(sampling_parse_threshold(slice_of_text("FFFFFFFFFFFFFF"), &value));
    assert_int_equal(value, SAMPLING_RANDOMNESS_MAX);
    assert_true(sampling_parse_threshold(slice_of_text("0"), &value));
    assert_int_equal(value, 0);
    assert_false(sampling_parse_threshold(slice_of_text(""), &value));
    assert_false(sampling_parse_threshold(slice_of_text("100000000000000"), &value));
    assert_false(sampling_parse_threshold(slice_of_text("-1"), &value));
    assert_false(sampling_parse_threshold(slice_of_text("g"), &value));
    assert_true(sampling_parse_randomness(slice_of_text("0000000000000a"), &value));
    assert_int_equal(value, 10);
    assert_false(sampling_parse_randomness(slice_of_text("a"), &value));
    assert_false(sampling_parse_randomness(slice_of_text("00000000000000a"), &value));
}

static void test_trace_ids_give_their_last_56_bits(void **state)
{
    (void)state;
    static const uint8_t id[16] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                   0xFF, 0x80, 0,    0,    0,    0,    0,    1};
    char text[SAMPLING_DIGITS];
    uint64_t randomness = sampling_trace_randomness(slice_of(id, sizeof(id)));
    assert_int_equal(randomness, (UINT64_C(1) << 55) + 1);
    sampling_format_randomness(randomness, text);
    assert_true(slice_is_text(slice_of(text, sizeof(text)), "80000000000001"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_agrees_with_other_tiers),
        cmocka_unit_test(test_hash_randomness_decides_like_the_hash),
        cmocka_unit_test(test_hash_threshold_is_cut),
        cmocka_unit_test(test_thresholds_round_to_significant_digits),
        cmocka_unit_test(test_probabilities_out_of_range_have_no_threshold),
        cmocka_unit_test(test_texts_are_read_strictly),
        cmocka_unit_test(test_trace_ids_give_their_last_56_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
