/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_attrs — reading tags in both styles, and one text for all orders of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/model/attrs.h"
#include "tests/core/model/sketch_random.h"

/* Each tag as "[key|value]", or "[key]" without a value. */
static void assert_tags(const char *tags, enum tag_style style, const char *expected,
                        uint32_t dropped_count)
{
    char text[512] = "";
    size_t len = 0;
    struct attrs_iter iter = attrs_iterate(slice_of_text(tags), style);
    struct attr attr;
    while (attrs_next(&iter, &attr)) {
        int n =
            snprintf(text + len, sizeof(text) - len, attr.has_value ? "[%.*s|%.*s]" : "[%.*s%.*s]",
                     (int)attr.key.len, (const char *)attr.key.ptr, (int)attr.value.len,
                     attr.value.len > 0 ? (const char *)attr.value.ptr : "");
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_string_equal(text, expected);
    assert_int_equal(iter.dropped_count, dropped_count);
    assert_false(attrs_next(&iter, &attr));
}

static void test_next_reads_dogstatsd(void **state)
{
    (void)state;
    assert_tags("", TAG_STYLE_DOGSTATSD, "", 0);
    assert_tags("a:b", TAG_STYLE_DOGSTATSD, "[a|b]", 0);
    assert_tags("a:b,bare,c:d", TAG_STYLE_DOGSTATSD, "[a|b][bare][c|d]", 0);
    assert_tags("url:http://x:80/a=b", TAG_STYLE_DOGSTATSD, "[url|http://x:80/a=b]", 0);
    assert_tags(",,a:b,,", TAG_STYLE_DOGSTATSD, "[a|b]", 0);
    assert_tags("a:,b", TAG_STYLE_DOGSTATSD, "[a|][b]", 0);
    assert_tags(":v", TAG_STYLE_DOGSTATSD, "[|v]", 0);
    assert_tags("#a:b,#c,##d:#e", TAG_STYLE_DOGSTATSD, "[a|b][c][d|#e]", 0);
    assert_tags("#,#", TAG_STYLE_DOGSTATSD, "", 0);
    assert_tags("a=b:c", TAG_STYLE_DOGSTATSD, "[a=b|c]", 0);
}

static void test_next_reads_equals(void **state)
{
    (void)state;
    assert_tags("", TAG_STYLE_EQUALS, "", 0);
    assert_tags("a=b,c=d=e:f", TAG_STYLE_EQUALS, "[a|b][c|d=e:f]", 0);
    assert_tags("a,=b,c=,d=1,,", TAG_STYLE_EQUALS, "[d|1]", 3);
    assert_tags("#a=b", TAG_STYLE_EQUALS, "[#a|b]", 0);
}

static void assert_canonical(const char *tags, enum tag_style style, const char *expected)
{
    uint8_t out[256];
    size_t len = 0;
    assert_int_equal(attrs_canonical(slice_of_text(tags), style, out, strlen(tags), &len), 0);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(out, expected, len);
}

static void test_canonical_sorts_and_removes_duplicates(void **state)
{
    (void)state;
    assert_canonical("", TAG_STYLE_DOGSTATSD, "");
    assert_canonical(",#,", TAG_STYLE_DOGSTATSD, "");
    assert_canonical("b:2,a:1", TAG_STYLE_DOGSTATSD, "a:1,b:2");
    assert_canonical("b,#a,b,a,b", TAG_STYLE_DOGSTATSD, "a,b");
    assert_canonical("##x:1,#x:1", TAG_STYLE_DOGSTATSD, "x:1");
    assert_canonical("a:1,a:,a", TAG_STYLE_DOGSTATSD, "a,a:,a:1");
    assert_canonical("z=1,drop,a=2,=x,z=1", TAG_STYLE_EQUALS, "a=2,z=1");
    assert_canonical("ab,a,abc", TAG_STYLE_DOGSTATSD, "a,ab,abc");
}

static void test_canonical_refuses_a_small_buffer(void **state)
{
    (void)state;
    const struct slice tags = SLICE_LITERAL("bb:2,a:1");
    for (size_t cap = 0; cap <= tags.len; cap++) {
        uint8_t out[16];
        memset(out, 0xee, sizeof(out));
        size_t len = 77;
        int err = attrs_canonical(tags, TAG_STYLE_DOGSTATSD, out, cap, &len);
        assert_int_equal(err, cap < tags.len ? FAULT_OVERFLOW : 0);
        assert_int_equal(len, cap < tags.len ? 77 : tags.len);
        assert_int_equal(out[cap], 0xee);
    }
}

static void test_canonical_counts_distinct_tags_to_the_limit(void **state)
{
    (void)state;
    char tags[8 * (STATSD_TAGS_MAX_COUNT + 2)];
    uint8_t out[sizeof(tags)];
    size_t tags_len = 0;
    size_t len = 0;
    for (uint32_t i = 0; i < STATSD_TAGS_MAX_COUNT; i++) {
        tags_len += (size_t)snprintf(tags + tags_len, sizeof(tags) - tags_len, "t%03u,", i);
    }
    assert_int_equal(
        attrs_canonical(slice_of(tags, tags_len), TAG_STYLE_DOGSTATSD, out, sizeof(out), &len), 0);
    assert_int_equal(len, tags_len - 1);
    /* One more of the same is fine, one more distinct is not. */
    memcpy(tags + tags_len, "t000", 4);
    assert_int_equal(
        attrs_canonical(slice_of(tags, tags_len + 4), TAG_STYLE_DOGSTATSD, out, sizeof(out), &len),
        0);
    memcpy(tags + tags_len, "a000", 4);
    assert_int_equal(
        attrs_canonical(slice_of(tags, tags_len + 4), TAG_STYLE_DOGSTATSD, out, sizeof(out), &len),
        FAULT_LIMIT);
}

/* Random tags, shuffled: the same bytes each time, and canonical text is its own canonical text. */
static void test_canonical_is_equal_for_all_orders(void **state)
{
    (void)state;
    struct sketch_random r = {.state = 2};
    for (uint32_t round = 0; round < 300; round++) {
        enum tag_style style = round % 2 == 0 ? TAG_STYLE_DOGSTATSD : TAG_STYLE_EQUALS;
        char names[40][8];
        uint32_t count = 1 + random_below(&r, COUNT_OF(names));
        for (uint32_t i = 0; i < count; i++) {
            (void)snprintf(names[i], sizeof(names[i]), "%s%c%c%u",
                           random_below(&r, 5) == 0 ? "#" : "", 'a' + (char)random_below(&r, 3),
                           random_below(&r, 2) == 0 ? ':' : '=',
                           random_below(&r, 12)); /* always fits */
        }
        uint8_t first[400];
        size_t first_len = 0;
        for (uint32_t shuffle = 0; shuffle < 4; shuffle++) {
            char tags[400] = "";
            size_t tags_len = 0;
            for (uint32_t i = count; i > 0; i--) {
                uint32_t pick = shuffle == 0 ? i - 1 : random_below(&r, i);
                char moved[8];
                memcpy(moved, names[pick], sizeof(moved));
                memcpy(names[pick], names[i - 1], sizeof(moved));
                memcpy(names[i - 1], moved, sizeof(moved));
                tags_len +=
                    (size_t)snprintf(tags + tags_len, sizeof(tags) - tags_len, "%s,", moved);
            }
            uint8_t out[400];
            size_t len = 0;
            assert_int_equal(attrs_canonical(slice_of(tags, tags_len), style, out, tags_len, &len),
                             0);
            if (shuffle == 0) {
                memcpy(first, out, len);
                first_len = len;
            }
            assert_int_equal(len, first_len);
            assert_memory_equal(out, first, len);
            uint8_t again[400];
            assert_int_equal(attrs_canonical(slice_of(out, len), style, again, len, &len), 0);
            assert_int_equal(len, first_len);
            assert_memory_equal(again, first, len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next_reads_dogstatsd),
        cmocka_unit_test(test_next_reads_equals),
        cmocka_unit_test(test_canonical_sorts_and_removes_duplicates),
        cmocka_unit_test(test_canonical_refuses_a_small_buffer),
        cmocka_unit_test(test_canonical_counts_distinct_tags_to_the_limit),
        cmocka_unit_test(test_canonical_is_equal_for_all_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
