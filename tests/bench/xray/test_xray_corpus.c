/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams are whole segments of one length, different from each other, and no stamp repeats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/xray/xray_body.h"
#include "bench/xray/xray_corpus.h"
#include "codecs/xray_datagram.h"
#include "codecs/xray_to_otlp.h"
#include "core/base/mem.h"

#define NOW_S 1767225600

static void build(struct xray_corpus *c, uint32_t body_count, uint32_t segment_bytes)
{
    struct xray_corpus_options options = xray_corpus_default_options();
    options.body_count = body_count;
    options.segment_bytes = segment_bytes;
    *c = (struct xray_corpus){0};
    assert_int_equal(xray_corpus_build(c, &options, NOW_S), 0);
}

/* The document of a datagram, escaped as it is inside a request: quotes only. */
static size_t escape(struct slice document, char *to)
{
    size_t len = 0;
    for (size_t i = 0; i < document.len; i++) {
        if (document.ptr[i] == '"') {
            to[len++] = '\\';
        }
        to[len++] = (char)document.ptr[i];
    }
    return len;
}

static uint64_t sequence_of(const struct xray_corpus *c, uint32_t index)
{
    static char escaped[8192];
    struct slice document;
    enum xray_datagram_why why;
    struct xray_ident ident;
    assert_int_equal(xray_datagram_read(xray_corpus_datagram(c, index), &document, &why), 0);
    const size_t len = escape(document, escaped);
    assert_true(xray_document_ident(slice_of(escaped, len), &ident));
    return xray_ident_sequence(c->options.seed, &ident);
}

static void test_every_document_is_one_that_the_gateway_takes(void **state)
{
    (void)state;
    struct xray_corpus c;
    build(&c, 512, 1024);
    struct xray_to_otlp *translator = xray_to_otlp_new();
    struct bytes out;
    assert_non_null(translator);
    bytes_init(&out, 1 << 20);
    c.stamp.apply(&c.stamp, 0, 0, 512);
    for (uint32_t i = 0; i < 512; i++) {
        struct slice document;
        enum xray_datagram_why why;
        const char *refused = NULL;
        uint32_t span_count = 0;
        bytes_clear(&out);
        assert_int_equal(xray_corpus_datagram(&c, i).len, 1024);
        assert_int_equal(xray_datagram_read(xray_corpus_datagram(&c, i), &document, &why), 0);
        assert_int_equal(xray_to_otlp_append(translator, document, &out, &span_count, &refused), 0);
        assert_int_equal(span_count, 2);
    }
    bytes_fini(&out);
    xray_to_otlp_free(translator);
    xray_corpus_fini(&c);
}

static void test_bodies_differ_and_are_the_same_for_the_same_seed(void **state)
{
    (void)state;
    struct xray_corpus a;
    struct xray_corpus b;
    build(&a, 512, 1024);
    build(&b, 512, 1024);
    for (uint32_t i = 0; i < 512; i++) {
        assert_true(slice_equal(xray_corpus_datagram(&a, i), xray_corpus_datagram(&b, i)));
        for (uint32_t j = 0; j < i; j++) {
            assert_false(slice_equal(xray_corpus_datagram(&a, i), xray_corpus_datagram(&a, j)));
        }
    }
    xray_corpus_fini(&a);
    xray_corpus_fini(&b);
}

static void test_a_stamp_writes_the_number_of_the_sending(void **state)
{
    (void)state;
    struct xray_corpus c;
    build(&c, XRAY_CORPUS_BODIES_MIN_COUNT, 1024);
    c.stamp.apply(&c.stamp, 0, 0, XRAY_CORPUS_BODIES_MIN_COUNT);
    for (uint32_t i = 0; i < XRAY_CORPUS_BODIES_MIN_COUNT; i++) {
        assert_int_equal(sequence_of(&c, i), i);
    }
    c.stamp.apply(&c.stamp, 3, 10, 2);
    assert_int_equal(sequence_of(&c, 9), 9);
    assert_int_equal(sequence_of(&c, 10), 3 * XRAY_CORPUS_BODIES_MIN_COUNT + 10);
    assert_int_equal(sequence_of(&c, 11), 3 * XRAY_CORPUS_BODIES_MIN_COUNT + 11);
    assert_int_equal(sequence_of(&c, 12), 12);
    xray_corpus_fini(&c);
}

static void test_lengths_are_kept_at_their_bounds_and_refused_beyond(void **state)
{
    (void)state;
    struct xray_corpus c;
    static const uint32_t good[] = {XRAY_CORPUS_SEGMENT_MIN_BYTES, XRAY_CORPUS_SEGMENT_MAX_BYTES};
    static const uint32_t bad[] = {XRAY_CORPUS_SEGMENT_MIN_BYTES - 1,
                                   XRAY_CORPUS_SEGMENT_MAX_BYTES + 1};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        build(&c, XRAY_CORPUS_BODIES_MIN_COUNT, good[i]);
        assert_int_equal(xray_corpus_datagram(&c, 63).len, good[i]);
        xray_corpus_fini(&c);
    }
    struct xray_corpus_options options = xray_corpus_default_options();
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        c = (struct xray_corpus){0};
        options.segment_bytes = bad[i];
        assert_true(xray_corpus_build(&c, &options, NOW_S) < 0);
        xray_corpus_fini(&c);
    }
    options = xray_corpus_default_options();
    options.body_count = XRAY_CORPUS_BODIES_MIN_COUNT - 1;
    assert_true(xray_corpus_build(&c, &options, NOW_S) < 0);
    xray_corpus_fini(&c);
}

static void test_without_memory_there_is_no_corpus(void **state)
{
    (void)state;
    const struct xray_corpus_options options = xray_corpus_default_options();
    for (uint64_t nth = 1; nth <= 3; nth++) {
        struct xray_corpus c = {0};
        mem_fail_nth(nth);
        assert_true(xray_corpus_build(&c, &options, NOW_S) < 0);
        mem_fail_nth(0);
        xray_corpus_fini(&c);
        xray_corpus_fini(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_document_is_one_that_the_gateway_takes),
        cmocka_unit_test(test_bodies_differ_and_are_the_same_for_the_same_seed),
        cmocka_unit_test(test_a_stamp_writes_the_number_of_the_sending),
        cmocka_unit_test(test_lengths_are_kept_at_their_bounds_and_refused_beyond),
        cmocka_unit_test(test_without_memory_there_is_no_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
