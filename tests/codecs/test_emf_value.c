/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of emf_value: buckets and their pieces, hostile scales, the table of digits.
 */
#include "codecs/emf_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "codecs/emf.h"
#include "core/base/fault.h"
#include "core/base/number.h"

/* Buckets as wire bytes: offset, then packed counts. */
struct side {
    uint8_t bytes[4096];
    size_t len;
};

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    return arena_init(&arena, 65536, 1 << 20);
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

/* `count` buckets of one event each, from `offset` (below 64) on. */
static struct slice side_of(struct side *side, int32_t offset, uint32_t count)
{
    uint32_t zigzag = (uint32_t)offset << 1 ^ (uint32_t)(offset >> 31);
    side->bytes[0] = 1 << 3;
    side->bytes[1] = (uint8_t)zigzag;
    side->bytes[2] = 2 << 3 | 2;
    side->bytes[3] = (uint8_t)(count | 0x80);
    side->bytes[4] = (uint8_t)(count >> 7);
    for (uint32_t i = 0; i < count; i++) {
        side->bytes[5 + i] = 1;
    }
    side->len = 5 + count;
    return slice_of(side->bytes, side->len);
}

static void test_pieces_join_at_their_bounds_and_add_up(void **state)
{
    (void)state;
    static struct side positive;
    static struct side negative;
    static const uint32_t negative_counts[] = {0, 1, 99, 100};
    for (size_t n = 0; n < COUNT_OF(negative_counts); n++) {
        struct emf_point point = {.scale = 3,
                                  .count = 150 + 4 + negative_counts[n],
                                  .sum = 7,
                                  .min = -1e9,
                                  .max = 1e9,
                                  .has_min = true,
                                  .has_max = true,
                                  .zero_count = 4,
                                  .positive = side_of(&positive, -20, 150),
                                  .negative = side_of(&negative, 5, negative_counts[n])};
        struct emf_buckets buckets;
        assert_int_equal(emf_buckets_read(&point, &arena, &buckets), 0);
        assert_int_equal(buckets.count, 151 + negative_counts[n]);
        uint32_t pieces = emf_buckets_piece_count(&buckets);
        assert_int_equal(pieces, (buckets.count + 99) / 100);
        uint64_t count = 0;
        double sum = 0;
        double below = 1e9;
        for (uint32_t i = 0; i < pieces; i++) {
            struct emf_value value = emf_buckets_piece(&buckets, &point, i);
            assert_true(value.bucket_count <= EMF_VALUES_MAX);
            assert_true(value.stats.max <= below);
            assert_true(value.stats.min <= value.stats.max);
            below = value.stats.min;
            count += value.stats.count;
            sum += value.stats.sum;
        }
        assert_int_equal(count, point.count);
        assert_true(sum == 7);
        assert_true(below == -1e9);
        arena_reset(&arena);
    }
}

static void test_values_go_down_from_one_bucket_to_the_next(void **state)
{
    (void)state;
    static struct side positive;
    static struct side negative;
    struct emf_point point = {.scale = -1,
                              .zero_count = 1,
                              .positive = side_of(&positive, -30, 60),
                              .negative = side_of(&negative, -30, 60)};
    struct emf_buckets buckets;
    assert_int_equal(emf_buckets_read(&point, &arena, &buckets), 0);
    for (uint32_t i = 0; i < buckets.count; i++) {
        assert_true(buckets.items[i].low <= buckets.items[i].high);
        assert_true(i == 0 || buckets.items[i].high <= buckets.items[i - 1].low);
    }
    arena_reset(&arena);
}

static void test_hostile_scales_are_out_of_range_or_harmless(void **state)
{
    (void)state;
    static struct side positive;
    static const int32_t scales[] = {INT32_MIN, -1000, -61, -60, 60, 61, 1000, INT32_MAX};
    static const int32_t offsets[] = {-63, 0, 63};
    for (size_t i = 0; i < COUNT_OF(scales) * COUNT_OF(offsets); i++) {
        struct emf_point point = {.scale = scales[i / COUNT_OF(offsets)],
                                  .positive =
                                      side_of(&positive, offsets[i % COUNT_OF(offsets)], 3)};
        struct emf_buckets buckets;
        int err = emf_buckets_read(&point, &arena, &buckets);
        assert_true(err == 0 || err == FAULT_OVERFLOW);
        for (uint32_t b = 0; err == 0 && b < buckets.count; b++) {
            assert_true(emf_is_in_range(buckets.items[b].low));
            assert_true(emf_is_in_range(buckets.items[b].high));
        }
        arena_reset(&arena);
    }
}

static void test_the_range_ends_at_2_to_360(void **state)
{
    (void)state;
    static struct side positive;
    assert_true(emf_is_in_range(0x1p360));
    assert_true(emf_is_in_range(-0x1p360));
    assert_false(emf_is_in_range(0x1.0000000000001p360));
    assert_false(emf_is_in_range((double)NAN));
    assert_false(emf_is_in_range(-(double)INFINITY));
    /* Scale −3: bucket 44 ends at 2^360, the next one behind it. */
    struct emf_buckets buckets;
    struct emf_point point = {.scale = -3, .positive = side_of(&positive, 44, 1)};
    assert_int_equal(emf_buckets_read(&point, &arena, &buckets), 0);
    point.positive = side_of(&positive, 45, 1);
    assert_int_equal(emf_buckets_read(&point, &arena, &buckets), FAULT_OVERFLOW);
    arena_reset(&arena);
}

static void test_buckets_beyond_the_arena_are_refused(void **state)
{
    (void)state;
    static struct side positive;
    struct arena small;
    struct emf_buckets buckets;
    struct emf_point point = {.positive = side_of(&positive, 0, 60)};
    assert_int_equal(arena_init(&small, 64, 128), 0);
    assert_int_equal(emf_buckets_read(&point, &small, &buckets), FAULT_LIMIT);
    arena_fini(&small);
}

/* What the values of one bucket are written as. */
static double written_middle(double low, double high, struct emf_digits *digits)
{
    struct bytes bytes;
    bytes_init(&bytes, 4096);
    struct json_out out = json_out_of(&bytes);
    const struct emf_bucket bucket = {.low = low, .high = high, .count = 1};
    const struct emf_value value = {
        .kind = EMF_VALUE_BUCKETS, .bucket_count = 1, .buckets = &bucket};
    emf_value_write(&value, digits, &out);
    struct slice text = bytes_slice(&bytes);
    double number = 0;
    size_t at = slice_find(text, 'V');
    text = slice_from(text, at + sizeof("Values\":[") - 1);
    assert_int_equal(number_parse_f64(slice_first(text, slice_find(text, ']')), &number), 0);
    bytes_fini(&bytes);
    return number;
}

static void test_remembered_digits_are_those_of_the_value(void **state)
{
    (void)state;
    static struct emf_digits digits[EMF_DIGITS_COUNT];
    uint64_t random = 1;
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 5000; i++) { /* more than the table holds */
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            double low = ldexp((double)(random >> 11), (int)(random % 120) - 100);
            assert_true(written_middle(low, low * 1.5, digits) == (low + low * 1.5) / 2);
        }
        random = 1; /* the same once more */
    }
    assert_true(written_middle(0, 0, digits) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_join_at_their_bounds_and_add_up),
        cmocka_unit_test(test_values_go_down_from_one_bucket_to_the_next),
        cmocka_unit_test(test_hostile_scales_are_out_of_range_or_harmless),
        cmocka_unit_test(test_the_range_ends_at_2_to_360),
        cmocka_unit_test(test_buckets_beyond_the_arena_are_refused),
        cmocka_unit_test(test_remembered_digits_are_those_of_the_value),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
