/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_statsd_scan — every variant gives the spans a byte by byte reading gives, on all lengths and
 * flush against an unreadable page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "codecs/statsd_scan.h"
#include "core/base/bounds.h"
#include "core/base/slice.h"

#define BYTES_MAX 8192
#define SPANS_MAX (BYTES_MAX / 2 + 1)

/* `bytes` ends where the unreadable page begins. */
static uint8_t *fenced;

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static uint32_t offset_of(struct slice line, uint32_t start, uint8_t byte, size_t nth)
{
    size_t at = slice_find(line, byte);
    for (size_t i = 0; i < nth && at < line.len; i++) {
        at += 1 + slice_find(slice_from(line, at + 1), byte);
    }
    return start + (uint32_t)at;
}

/* The reference. */
static size_t spans_expect(struct slice bytes, struct statsd_span *spans)
{
    size_t count = 0;
    size_t at = 0;
    while (at < bytes.len) {
        size_t len = slice_find(slice_from(bytes, at), '\n');
        struct slice line = slice_of(bytes.ptr + at, len);
        if (len > 0) {
            struct statsd_span *s = &spans[count++];
            s->start = (uint32_t)at;
            s->limit = (uint32_t)(at + len);
            s->colon = offset_of(line, s->start, ':', 0);
            for (size_t i = 0; i < STATSD_SPAN_PIPE_COUNT; i++) {
                s->pipe[i] = offset_of(line, s->start, '|', i);
            }
            s->is_odd = 0;
            for (size_t i = 0; i < len; i++) {
                s->is_odd |= line.ptr[i] < 0x20 || line.ptr[i] > 0x7E;
            }
        }
        at += len + 1;
    }
    return count;
}

static void check_span(const struct statsd_span *actual, const struct statsd_span *expected)
{
    assert_int_equal(actual->start, expected->start);
    assert_int_equal(actual->limit, expected->limit);
    assert_int_equal(actual->colon, expected->colon);
    for (size_t i = 0; i < STATSD_SPAN_PIPE_COUNT; i++) {
        assert_int_equal(actual->pipe[i], expected->pipe[i]);
    }
    /* A very long line may be called odd for nothing; an odd one must be. */
    if (expected->is_odd != 0 || expected->limit - expected->start < 1024) {
        assert_int_equal(actual->is_odd != 0, expected->is_odd != 0);
    }
}

static void check_variants(struct slice bytes)
{
    static struct statsd_span expected[SPANS_MAX];
    static struct statsd_span spans[STATSD_SPAN_BURST_MAX];
    size_t expected_count = spans_expect(bytes, expected);
    for (size_t i = 0; statsd_scan_at(i) != NULL; i++) {
        size_t offset = 0;
        size_t seen = 0;
        while (offset < bytes.len) {
            size_t count = 0;
            size_t next = statsd_scan_at(i)->lines(bytes.ptr, bytes.len, offset, spans, &count);
            assert_true(next > offset && next <= bytes.len);
            assert_true(count <= STATSD_SPAN_BURST_MAX && count <= expected_count - seen);
            for (size_t k = 0; k < count; k++) {
                check_span(&spans[k], &expected[seen + k]);
            }
            seen += count;
            offset = next;
        }
        assert_int_equal(seen, expected_count);
    }
}

/* `alphabet` decides what the random bytes look like. */
static void check_random(const char *alphabet, size_t alphabet_len, uint32_t seed)
{
    for (size_t len = 0; len < 400; len++) {
        uint8_t *at = fenced + BYTES_MAX - len;
        for (size_t i = 0; i < len; i++) {
            at[i] = (uint8_t)alphabet[next_random(&seed) % alphabet_len];
        }
        check_variants(slice_of(at, len));
    }
    for (size_t len = BYTES_MAX - 300; len <= BYTES_MAX; len += 7) {
        uint8_t *at = fenced + BYTES_MAX - len;
        for (size_t i = 0; i < len; i++) {
            at[i] = (uint8_t)alphabet[next_random(&seed) % alphabet_len];
        }
        check_variants(slice_of(at, len));
    }
}

static void test_variants_agree_on_dense_separators(void **state)
{
    (void)state;
    check_random("a:|\n", 4, 1);
}

static void test_variants_agree_on_nothing_but_line_feeds(void **state)
{
    (void)state;
    check_random("\n", 1, 2);
}

static void test_variants_agree_on_lines_of_about_a_block(void **state)
{
    (void)state;
    static const char alphabet[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:|:|a\n";
    check_random(alphabet, sizeof(alphabet) - 1, 3);
}

static void test_variants_agree_on_lines_longer_than_a_chunk(void **state)
{
    (void)state;
    check_random("aaaaaaaaaaaaaaaa", 16, 4);
    memset(fenced, 'a', BYTES_MAX);
    fenced[2500] = ':';
    fenced[2600] = '|';
    fenced[3000] = 0xC3;
    fenced[5000] = '|';
    fenced[5100] = '\n';
    check_variants(slice_of(fenced, BYTES_MAX));
}

static void test_variants_agree_on_any_byte(void **state)
{
    (void)state;
    static char alphabet[256];
    for (size_t i = 0; i < sizeof(alphabet); i++) {
        alphabet[i] = (char)i;
    }
    check_random(alphabet, sizeof(alphabet), 5);
    for (size_t i = 0; i < 256; i++) {
        /* One odd candidate at each place of a line of a block and of a longer one. */
        for (size_t len = 60; len < 70; len++) {
            uint8_t *at = fenced + BYTES_MAX - len;
            memset(at, 'a', len);
            at[(i * 7) % len] = (uint8_t)i;
            check_variants(slice_of(at, len));
        }
    }
}

static void test_variant_is_at_hand(void **state)
{
    (void)state;
    assert_non_null(statsd_scan_at(0));
    size_t count = 0;
    while (statsd_scan_at(count) != NULL) {
        print_message("  variant %s\n", statsd_scan_at(count)->name);
        count++;
    }
    assert_string_equal(statsd_scan_at(count - 1)->name, "scalar");
    assert_null(statsd_scan_at(count + 1));
}

static int fence_setup(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(BYTES_MAX % page, 0);
    void *map =
        mmap(NULL, BYTES_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        return -1;
    }
    fenced = map;
    return mprotect(fenced + BYTES_MAX, page, PROT_NONE);
}

static int fence_teardown(void **state)
{
    (void)state;
    return munmap(fenced, BYTES_MAX + (size_t)sysconf(_SC_PAGESIZE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variant_is_at_hand),
        cmocka_unit_test(test_variants_agree_on_dense_separators),
        cmocka_unit_test(test_variants_agree_on_nothing_but_line_feeds),
        cmocka_unit_test(test_variants_agree_on_lines_of_about_a_block),
        cmocka_unit_test(test_variants_agree_on_lines_longer_than_a_chunk),
        cmocka_unit_test(test_variants_agree_on_any_byte),
    };
    return cmocka_run_group_tests(tests, fence_setup, fence_teardown);
}
