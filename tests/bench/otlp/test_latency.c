/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets meet without gaps, and quantiles are right to 1/64.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/otlp/latency.h"

static struct latency subject;

static void test_buckets_follow_one_another(void **state)
{
    (void)state;
    assert_int_equal(latency_bucket_of(0), 0);
    for (size_t i = 0; i + 1 < LATENCY_BUCKET_COUNT; i++) {
        const uint64_t edge_ns = latency_bucket_edge_ns(i);
        assert_int_equal(latency_bucket_of(edge_ns), i);
        assert_int_equal(latency_bucket_of(edge_ns + 1), i + 1);
    }
    assert_int_equal(latency_bucket_of(UINT64_MAX), LATENCY_BUCKET_COUNT - 1);
}

static void test_buckets_are_narrow(void **state)
{
    (void)state;
    for (size_t i = 1; i < LATENCY_BUCKET_COUNT; i++) {
        const uint64_t edge_ns = latency_bucket_edge_ns(i);
        const uint64_t width_ns = edge_ns - latency_bucket_edge_ns(i - 1);
        assert_true(width_ns == 1 || width_ns <= edge_ns / 64 + 1);
    }
}

static void test_an_empty_one_has_no_quantiles(void **state)
{
    (void)state;
    subject = (struct latency){0};
    assert_int_equal(latency_quantile_ns(&subject, 0), 0);
    assert_int_equal(latency_quantile_ns(&subject, 1), 0);
}

static void test_quantiles_are_close(void **state)
{
    (void)state;
    subject = (struct latency){0};
    for (uint64_t i = 1; i <= 100000; i++) {
        latency_record(&subject, i * 1000);
    }
    assert_int_equal(subject.count, 100000);
    assert_in_range(latency_quantile_ns(&subject, 0.5), 50000000, 50000000 + 50000000 / 64);
    assert_in_range(latency_quantile_ns(&subject, 0.99), 99000000, 100000000);
    assert_int_equal(latency_quantile_ns(&subject, 1), 100000000);
    assert_int_equal(latency_quantile_ns(&subject, 0), 1000 + 7); /* its bucket's edge */
}

static void test_the_longest_is_exact_even_beyond_the_buckets(void **state)
{
    (void)state;
    subject = (struct latency){0};
    latency_record(&subject, 5);
    latency_record(&subject, UINT64_MAX - 3);
    assert_true(subject.max_ns == UINT64_MAX - 3);
    assert_true(latency_quantile_ns(&subject, 1) == UINT64_MAX - 3);
    assert_int_equal(latency_quantile_ns(&subject, 0.5), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets_follow_one_another),
        cmocka_unit_test(test_buckets_are_narrow),
        cmocka_unit_test(test_an_empty_one_has_no_quantiles),
        cmocka_unit_test(test_quantiles_are_close),
        cmocka_unit_test(test_the_longest_is_exact_even_beyond_the_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
