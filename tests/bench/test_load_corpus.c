/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The corpus is a pure function of its options, and its sums are those of its lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "bench/load_corpus.h"
#include "core/base/mem.h"

static struct corpus_options mixed_options(void)
{
    struct corpus_options o = corpus_default_options();
    o.series_count = 500;
    o.tag_count = 2;
    o.line_bytes = 60;
    for (size_t i = 0; i < CORPUS_KIND_COUNT; i++) {
        o.weights[i] = 1;
    }
    return o;
}

static void test_corpus_is_the_same_for_the_same_seed(void **state)
{
    (void)state;
    const struct corpus_options o = mixed_options();
    struct corpus_options other = o;
    other.seed++;
    struct corpus a = {0};
    struct corpus b = {0};
    struct corpus c = {0};
    assert_int_equal(corpus_build(&a, &o), 0);
    assert_int_equal(corpus_build(&b, &o), 0);
    assert_int_equal(corpus_build(&c, &other), 0);
    assert_int_equal(a.bytes_used, b.bytes_used);
    assert_memory_equal(a.bytes, b.bytes, a.bytes_used);
    assert_int_equal(a.datagram_count, b.datagram_count);
    assert_true(c.bytes_used != a.bytes_used || memcmp(a.bytes, c.bytes, a.bytes_used) != 0);
    corpus_fini(&a);
    corpus_fini(&b);
    corpus_fini(&c);
}

static void test_corpus_packs_up_to_the_datagram_size_and_pads_lines(void **state)
{
    (void)state;
    struct corpus_options o = corpus_default_options();
    o.line_bytes = 34;
    struct corpus c = {0};
    assert_int_equal(corpus_build(&c, &o), 0);
    uint32_t lines = 0;
    for (uint32_t i = 0; i < c.datagram_count; i++) {
        const struct corpus_datagram *d = &c.datagrams[i];
        assert_true(d->len - 1 <= o.datagram_bytes);
        assert_int_equal(d->len, d->line_count * 35);
        assert_int_equal(d->line_first, lines);
        lines += d->line_count;
        if (i + 1 < c.datagram_count) {
            assert_int_equal(d->line_count, 40); /* 40 × 35 - 1 = 1399; one more does not fit */
        }
    }
    assert_int_equal(lines, c.line_count);
    assert_true(c.line_count >= CORPUS_LINES_MIN_COUNT);
    assert_int_equal(c.names.count, o.series_count);
    corpus_fini(&c);
}

static void test_corpus_fills_a_datagram_to_the_last_byte(void **state)
{
    (void)state;
    struct corpus_options o = corpus_default_options();
    o.line_bytes = 34;
    o.datagram_bytes = 34 * 2 + 1;
    struct corpus c = {0};
    assert_int_equal(corpus_build(&c, &o), 0);
    assert_int_equal(c.datagrams[0].line_count, 2);
    corpus_fini(&c);
    o.datagram_bytes--;
    assert_int_equal(corpus_build(&c, &o), 0);
    assert_int_equal(c.datagrams[0].line_count, 1);
    corpus_fini(&c);
}

static void test_corpus_keeps_lines_per_datagram(void **state)
{
    (void)state;
    struct corpus_options o = corpus_default_options();
    o.lines_per_datagram = 1;
    struct corpus c = {0};
    assert_int_equal(corpus_build(&c, &o), 0);
    assert_int_equal(c.datagram_count, c.line_count);
    corpus_fini(&c);
}

/* Adds up the text itself, so that a wrong book cannot agree with a wrong line. */
static double counter_sum_of_text(const struct corpus *c, uint32_t datagram_limit)
{
    double sum = 0;
    for (uint32_t d = 0; d < datagram_limit; d++) {
        struct slice left = slice_of(c->bytes + c->datagrams[d].offset, c->datagrams[d].len);
        while (left.len > 0) {
            const size_t len = slice_find(left, '\n');
            const size_t colon = slice_find(left, ':');
            const size_t pipe = slice_find(left, '|');
            if (left.ptr[pipe + 1] == 'c') {
                assert_int_equal(pipe, colon + 2);
                sum += left.ptr[colon + 1] - '0';
            }
            left = slice_from(left, len + 1);
        }
    }
    return sum;
}

static void test_expected_sums_follow_the_position(void **state)
{
    (void)state;
    const struct corpus_options o = mixed_options();
    struct corpus c = {0};
    assert_int_equal(corpus_build(&c, &o), 0);
    const struct corpus_position at = {.pass_count = 3, .datagram_index = 7};
    struct totals expected = {0};
    assert_int_equal(corpus_expect(&c, at, &expected), 0);
    const double wanted =
        3 * counter_sum_of_text(&c, c.datagram_count) + counter_sum_of_text(&c, 7);
    assert_true(totals_counter_sum(&expected) == wanted);
    assert_true(wanted > 0);
    uint64_t observations = 0;
    uint64_t lines = 0;
    for (uint32_t i = 0; i < c.line_count; i++) {
        const uint8_t kind = c.lines[i].kind;
        const uint32_t times = i < c.datagrams[7].line_first ? 4 : 3;
        lines += times;
        if (kind != CORPUS_KIND_COUNTER && kind != CORPUS_KIND_GAUGE && kind != CORPUS_KIND_SET) {
            observations += times;
        }
    }
    assert_int_equal(totals_histogram_count(&expected), observations);
    assert_int_equal(corpus_lines_until(&c, at), lines);
    totals_fini(&expected);
    corpus_fini(&c);
}

static void test_corpus_refuses_options_out_of_bounds(void **state)
{
    (void)state;
    struct corpus c = {0};
    struct corpus_options o = corpus_default_options();
    o.series_count = 0;
    assert_int_equal(corpus_build(&c, &o), -EINVAL);
    o.series_count = CORPUS_SERIES_MAX_COUNT + 1;
    assert_int_equal(corpus_build(&c, &o), -EINVAL);
    o = corpus_default_options();
    o.weights[CORPUS_KIND_COUNTER] = 0;
    assert_int_equal(corpus_build(&c, &o), -EINVAL);
    o = corpus_default_options();
    o.value_max = CORPUS_VALUE_MAX + 1;
    assert_int_equal(corpus_build(&c, &o), -EINVAL);
}

static void test_corpus_survives_each_refused_allocation(void **state)
{
    (void)state;
    const struct corpus_options o = mixed_options();
    int err = -ENOMEM;
    for (uint64_t nth = 1; err != 0; nth++) {
        assert_true(nth < 200);
        struct corpus c = {0};
        mem_fail_nth(nth);
        err = corpus_build(&c, &o);
        mem_fail_nth(0);
        assert_true(err == 0 || err == -ENOMEM);
        corpus_fini(&c);
        assert_null(c.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus_is_the_same_for_the_same_seed),
        cmocka_unit_test(test_corpus_packs_up_to_the_datagram_size_and_pads_lines),
        cmocka_unit_test(test_corpus_fills_a_datagram_to_the_last_byte),
        cmocka_unit_test(test_corpus_keeps_lines_per_datagram),
        cmocka_unit_test(test_expected_sums_follow_the_position),
        cmocka_unit_test(test_corpus_refuses_options_out_of_bounds),
        cmocka_unit_test(test_corpus_survives_each_refused_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
