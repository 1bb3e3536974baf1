/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of emf_delta: differences, restarts, kinds of numbers, and a table held against a plain
 * array while series come and go.
 */
#include "codecs/emf_delta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codecs/emf.h"
#include "core/base/mem.h"

#define SERIES 3000
#define ROUNDS 60
#define IDLE_S 3600

static struct otlp_number integer(int64_t value)
{
    return (struct otlp_number){.i64 = value, .is_integer = true};
}

static struct otlp_number fraction(double value)
{
    return (struct otlp_number){.f64 = value};
}

static struct emf_key key_of(uint64_t id)
{
    return emf_key_of(slice_of(&id, sizeof(id)), 1);
}

static struct emf_delta delta_of(uint32_t series_max)
{
    struct emf_delta delta;
    emf_delta_init(&delta, series_max, EMF_DELTA_IDLE_MIN_NS);
    return delta;
}

/* The next value of series 1, which there is room for. */
static void take(struct emf_delta *delta, struct otlp_number value, uint32_t now_s,
                 struct otlp_number *out)
{
    assert_int_not_equal(emf_delta_number(delta, key_of(1), value, now_s, out), EMF_DELTA_FULL);
}

static void test_integers_stay_exact_beyond_2_to_53(void **state)
{
    (void)state;
    struct emf_delta delta = delta_of(10);
    struct otlp_number out;
    int64_t big = INT64_C(1) << 60;
    assert_int_equal(emf_delta_number(&delta, key_of(1), integer(big), 0, &out), EMF_DELTA_FIRST);
    assert_int_equal(out.i64, big);
    assert_int_equal(emf_delta_number(&delta, key_of(1), integer(big + 1), 0, &out),
                     EMF_DELTA_DONE);
    assert_true(out.is_integer);
    assert_int_equal(out.i64, 1);
    emf_delta_fini(&delta);
}

static void test_a_difference_that_overflows_is_a_double(void **state)
{
    (void)state;
    struct emf_delta delta = delta_of(10);
    struct otlp_number out;
    take(&delta, integer(INT64_MIN), 0, &out);
    assert_int_equal(emf_delta_number(&delta, key_of(1), integer(INT64_MAX), 0, &out),
                     EMF_DELTA_DONE);
    assert_false(out.is_integer);
    assert_true(out.f64 == 0x1p64);
    emf_delta_fini(&delta);
}

static void test_a_decrease_gives_the_value_itself(void **state)
{
    (void)state;
    struct emf_delta delta = delta_of(10);
    struct otlp_number out;
    take(&delta, integer(10), 0, &out);
    take(&delta, integer(9), 0, &out);
    assert_int_equal(out.i64, 9);
    take(&delta, fraction(8.5), 0, &out);
    assert_false(out.is_integer);
    assert_true(out.f64 == 8.5);
    take(&delta, integer(9), 0, &out);
    assert_false(out.is_integer);
    assert_true(out.f64 == 0.5);
    emf_delta_fini(&delta);
}

static void test_a_summary_restarts_with_its_count(void **state)
{
    (void)state;
    struct emf_delta delta = delta_of(10);
    struct emf_delta_pair out;
    struct emf_delta_pair value = {.sum = 10, .count = 5};
    assert_int_equal(emf_delta_summary(&delta, key_of(1), value, 0, &out), EMF_DELTA_FIRST);
    value = (struct emf_delta_pair){.sum = 8, .count = 7}; /* a sum may decrease */
    assert_int_equal(emf_delta_summary(&delta, key_of(1), value, 0, &out), EMF_DELTA_DONE);
    assert_true(out.sum == -2);
    assert_int_equal(out.count, 2);
    value = (struct emf_delta_pair){.sum = 9, .count = 6};
    assert_int_equal(emf_delta_summary(&delta, key_of(1), value, 0, &out), EMF_DELTA_DONE);
    assert_true(out.sum == 9);
    assert_int_equal(out.count, 6);
    emf_delta_fini(&delta);
}

static void test_one_series_past_the_limit_is_refused(void **state)
{
    (void)state;
    struct emf_delta delta = delta_of(3);
    struct otlp_number out;
    for (uint64_t id = 0; id < 3; id++) {
        assert_int_equal(emf_delta_number(&delta, key_of(id), integer(1), 0, &out),
                         EMF_DELTA_FIRST);
    }
    assert_int_equal(emf_delta_number(&delta, key_of(3), integer(1), 0, &out), EMF_DELTA_FULL);
    assert_int_equal(emf_delta_number(&delta, key_of(2), integer(4), 0, &out), EMF_DELTA_DONE);
    assert_int_equal(out.i64, 3);
    emf_delta_fini(&delta);
}

static void test_without_memory_series_are_refused_and_none_is_lost(void **state)
{
    (void)state;
    struct emf_delta delta = delta_of(1000);
    struct otlp_number out;
    mem_fail_nth(1);
    assert_int_equal(emf_delta_number(&delta, key_of(0), integer(1), 0, &out), EMF_DELTA_FULL);
    uint64_t count = 0;
    while (delta.series_count < delta.slot_count / 4 * 3 || delta.slot_count == 0) {
        assert_int_equal(emf_delta_number(&delta, key_of(count), integer(1), 0, &out),
                         EMF_DELTA_FIRST);
        count++;
    }
    mem_fail_nth(1);
    assert_int_equal(emf_delta_number(&delta, key_of(count), integer(1), 0, &out), EMF_DELTA_FULL);
    mem_fail_nth(0);
    for (uint64_t id = 0; id < count; id++) {
        assert_int_equal(emf_delta_number(&delta, key_of(id), integer(2), 0, &out), EMF_DELTA_DONE);
    }
    assert_int_equal(emf_delta_number(&delta, key_of(count), integer(1), 0, &out), EMF_DELTA_FIRST);
    emf_delta_fini(&delta);
}

static void test_the_last_second_of_the_idle_time_counts(void **state)
{
    (void)state;
    struct emf_delta delta = delta_of(10);
    struct otlp_number out;
    take(&delta, integer(1), 100, &out);
    emf_delta_sweep(&delta, 100 + IDLE_S);
    assert_int_equal(delta.series_count, 1);
    emf_delta_sweep(&delta, 100 + IDLE_S + 1);
    assert_int_equal(delta.series_count, 0);
    emf_delta_fini(&delta);
    emf_delta_sweep(&delta, 0); /* of nothing */
}

/* What the table has to know: value and time of each series, 0 where it forgot. */
static void test_a_table_that_churns_agrees_with_an_array(void **state)
{
    (void)state;
    static int64_t values[SERIES];
    static uint32_t seen_s[SERIES];
    struct emf_delta delta = delta_of(SERIES);
    uint32_t random = 1;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        uint32_t now_s = round * 900;
        uint32_t expected_count = 0;
        for (uint32_t i = 0; i < SERIES; i++) {
            random = random * 1664525u + 1013904223u;
            if (random >> 29 != 0) {
                continue; /* one of eight is seen */
            }
            struct otlp_number out;
            enum emf_delta_answer answer =
                emf_delta_number(&delta, key_of(i), integer(values[i] + 5), now_s, &out);
            assert_int_equal(answer, seen_s[i] == 0 ? EMF_DELTA_FIRST : EMF_DELTA_DONE);
            assert_int_equal(out.i64, seen_s[i] == 0 ? values[i] + 5 : 5);
            values[i] += 5;
            seen_s[i] = now_s;
        }
        for (uint32_t pass = 0; pass < 3; pass++) {
            emf_delta_sweep(&delta, now_s); /* a removal may bring one past the last slot back */
        }
        for (uint32_t i = 0; i < SERIES; i++) {
            seen_s[i] = seen_s[i] != 0 && now_s - seen_s[i] > IDLE_S ? 0 : seen_s[i];
            expected_count += seen_s[i] != 0 ? 1 : 0;
        }
        assert_int_equal(delta.series_count, expected_count);
    }
    emf_delta_fini(&delta);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_stay_exact_beyond_2_to_53),
        cmocka_unit_test(test_a_difference_that_overflows_is_a_double),
        cmocka_unit_test(test_a_decrease_gives_the_value_itself),
        cmocka_unit_test(test_a_summary_restarts_with_its_count),
        cmocka_unit_test(test_one_series_past_the_limit_is_refused),
        cmocka_unit_test(test_without_memory_series_are_refused_and_none_is_lost),
        cmocka_unit_test(test_the_last_second_of_the_idle_time_counts),
        cmocka_unit_test(test_a_table_that_churns_agrees_with_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
