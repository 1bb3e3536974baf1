/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies are valid requests of the promised size, and a counter finds in them what was promised.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "bench/otlp/otlp_corpus.h"
#include "bench/otlp/otlp_count.h"
#include "codecs/bytes.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_walk.h"

static struct otlp_corpus_options small_options(enum signal signal)
{
    struct otlp_corpus_options options = otlp_corpus_default_options();
    options.signal = signal;
    options.body_count = 4;
    options.item_count = 100;
    return options;
}

/* Everything about one signal: validity, counts, identities, sizes. */
static void check_signal(enum signal signal, uint32_t group_count)
{
    struct otlp_corpus_options options = small_options(signal);
    options.group_count = group_count;
    struct otlp_corpus corpus;
    struct otlp_ledger ledger;
    struct otlp_count_bodies bodies;
    struct otlp_fate fates[4] = {{0}};
    assert_int_equal(otlp_corpus_build(&corpus, &options), 0);
    assert_int_equal(otlp_ledger_init(&ledger, &options), 0);
    for (uint32_t i = 0; i < options.body_count; i++) {
        struct otlp_counts counts;
        const struct slice body = otlp_corpus_body(&corpus, i);
        assert_int_equal(otlp_walk(signal, body, &counts, NULL), 0);
        assert_int_equal(counts.item_count, options.item_count);
        assert_int_equal(counts.resource_count, group_count);
        assert_false(counts.is_irregular);
        assert_int_equal(otlp_count_request(signal, body, &ledger, &bodies), 0);
        assert_int_equal(bodies.count, 1);
        assert_int_equal(bodies.body_indices[0], i);
        fates[i].acked_count = 1;
    }
    const struct otlp_balance balance = otlp_ledger_balance(&ledger, &corpus, fates);
    assert_int_equal(balance.arrived_items, 400);
    assert_int_equal(balance.acked_items, 400);
    assert_int_equal(balance.lost_items + balance.duplicate_items + balance.stranger_items, 0);
    assert_true(balance.digest_matches);
    otlp_ledger_fini(&ledger);
    otlp_corpus_fini(&corpus);
}

static void test_every_signal_is_valid_and_countable(void **state)
{
    (void)state;
    check_signal(SIGNAL_TRACES, 1);
    check_signal(SIGNAL_METRICS, 1);
    check_signal(SIGNAL_LOGS, 1);
    check_signal(SIGNAL_TRACES, 7);
    check_signal(SIGNAL_METRICS, 7);
}

static void test_items_have_the_size_asked_for(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {388, 512, 2000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct otlp_corpus_options options = small_options(SIGNAL_TRACES);
        options.item_bytes = sizes[i];
        struct otlp_corpus corpus;
        assert_int_equal(otlp_corpus_build(&corpus, &options), 0);
        const double around = otlp_corpus_mean_item_bytes(&corpus) - sizes[i];
        assert_true(around > -0.5 && around < 4); /* resource and scope, per item */
        otlp_corpus_fini(&corpus);
    }
}

static void test_the_same_seed_makes_the_same_bytes(void **state)
{
    (void)state;
    struct otlp_corpus_options options = small_options(SIGNAL_LOGS);
    struct otlp_corpus a;
    struct otlp_corpus b;
    struct otlp_corpus c;
    assert_int_equal(otlp_corpus_build(&a, &options), 0);
    assert_int_equal(otlp_corpus_build(&b, &options), 0);
    options.seed++;
    assert_int_equal(otlp_corpus_build(&c, &options), 0);
    assert_true(slice_equal(otlp_corpus_body(&a, 3), otlp_corpus_body(&b, 3)));
    assert_false(slice_equal(otlp_corpus_body(&a, 3), otlp_corpus_body(&a, 2)));
    assert_false(slice_equal(otlp_corpus_body(&a, 3), otlp_corpus_body(&c, 3)));
    assert_false(ident_digest_equal(a.bodies[3].digest, c.bodies[3].digest));
    otlp_corpus_fini(&a);
    otlp_corpus_fini(&b);
    otlp_corpus_fini(&c);
}

static void test_frames_name_their_length_and_compression(void **state)
{
    (void)state;
    struct otlp_corpus_options options = small_options(SIGNAL_TRACES);
    struct otlp_corpus plain;
    struct otlp_corpus packed;
    assert_int_equal(otlp_corpus_build(&plain, &options), 0);
    options.compression = COMPRESS_GZIP;
    assert_int_equal(otlp_corpus_build(&packed, &options), 0);
    const struct slice framed = packed.bodies[1].framed;
    const size_t len = (size_t)framed.ptr[1] << 24 | (size_t)framed.ptr[2] << 16 |
                       (size_t)framed.ptr[3] << 8 | framed.ptr[4];
    assert_int_equal(plain.bodies[1].framed.ptr[0], 0);
    assert_int_equal(framed.ptr[0], 1);
    assert_int_equal(len, framed.len - OTLP_CORPUS_PREFIX_BYTES);
    struct bytes unpacked;
    bytes_init(&unpacked, 1 << 20);
    assert_int_equal(decompress_bounded(COMPRESS_GZIP, otlp_corpus_body(&packed, 1), &unpacked), 0);
    assert_true(slice_equal(bytes_slice(&unpacked), otlp_corpus_body(&plain, 1)));
    bytes_fini(&unpacked);
    otlp_corpus_fini(&plain);
    otlp_corpus_fini(&packed);
}

static void check_refused(struct otlp_corpus_options options)
{
    struct otlp_corpus corpus;
    assert_int_equal(otlp_corpus_build(&corpus, &options), -EINVAL);
    otlp_corpus_fini(&corpus);
}

static void test_bounds_are_kept(void **state)
{
    (void)state;
    struct otlp_corpus_options options = small_options(SIGNAL_TRACES);
    options.body_count = 0;
    check_refused(options);
    options = small_options(SIGNAL_TRACES);
    options.item_count = OTLP_CORPUS_ITEMS_MAX_COUNT + 1;
    check_refused(options);
    options = small_options(SIGNAL_TRACES);
    options.group_count = 101;
    check_refused(options);
    options = small_options(SIGNAL_TRACES);
    options.body_count = OTLP_CORPUS_BODIES_MAX_COUNT;
    options.item_count = OTLP_CORPUS_ITEMS_MAX_COUNT;
    check_refused(options);
}

static void test_a_corpus_survives_any_failed_allocation(void **state)
{
    (void)state;
    struct otlp_corpus_options options = small_options(SIGNAL_TRACES);
    options.compression = COMPRESS_ZSTD;
    int err = -ENOMEM;
    uint64_t nth = 1;
    for (; err != 0 && nth < 100; nth++) {
        struct otlp_corpus corpus;
        mem_fail_nth(nth);
        err = otlp_corpus_build(&corpus, &options);
        mem_fail_nth(0);
        otlp_corpus_fini(&corpus);
    }
    assert_int_equal(err, 0);
    assert_true(nth > 5);
}

static void test_broken_bytes_are_malformed(void **state)
{
    (void)state;
    const struct otlp_corpus_options options = small_options(SIGNAL_TRACES);
    struct otlp_corpus corpus;
    struct otlp_ledger ledger;
    struct otlp_count_bodies bodies;
    assert_int_equal(otlp_corpus_build(&corpus, &options), 0);
    assert_int_equal(otlp_ledger_init(&ledger, &options), 0);
    const struct slice body = otlp_corpus_body(&corpus, 0);
    assert_int_equal(
        otlp_count_request(SIGNAL_TRACES, slice_first(body, body.len - 1), &ledger, &bodies),
        FAULT_MALFORMED);
    assert_int_equal(otlp_count_request(SIGNAL_TRACES, SLICE_LITERAL("\x0a\x7f"), &ledger, &bodies),
                     FAULT_MALFORMED);
    assert_int_equal(otlp_count_request(SIGNAL_TRACES, SLICE_LITERAL("\x0f"), &ledger, &bodies),
                     FAULT_MALFORMED);
    assert_int_equal(otlp_count_request(SIGNAL_TRACES, (struct slice){0}, &ledger, &bodies), 0);
    otlp_ledger_fini(&ledger);
    otlp_corpus_fini(&corpus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_signal_is_valid_and_countable),
        cmocka_unit_test(test_items_have_the_size_asked_for),
        cmocka_unit_test(test_the_same_seed_makes_the_same_bytes),
        cmocka_unit_test(test_frames_name_their_length_and_compression),
        cmocka_unit_test(test_bounds_are_kept),
        cmocka_unit_test(test_a_corpus_survives_any_failed_allocation),
        cmocka_unit_test(test_broken_bytes_are_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
