/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every number is bounded, and nothing unknown is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "bench/load_options.h"

static int parse_words(struct load_options *o, char **words)
{
    int count = 0;
    while (words[count] != NULL) {
        count++;
    }
    return load_options_parse(o, count, words, 0);
}

static void test_options_are_read(void **state)
{
    (void)state;
    struct load_options o;
    char *words[] = {"--series", "7",      "--types", "c=8,ms=2",  "--transport",
                     "unix",     "--rate", "1000000", "--no-sink", "--target",
                     "/tmp/x",   "--",     "server",  "--series",  NULL};
    assert_int_equal(parse_words(&o, words), 0);
    assert_int_equal(o.corpus.series_count, 7);
    assert_int_equal(o.corpus.weights[CORPUS_KIND_COUNTER], 8);
    assert_int_equal(o.corpus.weights[CORPUS_KIND_TIMING], 2);
    assert_int_equal(o.corpus.weights[CORPUS_KIND_GAUGE], 0);
    assert_int_equal(o.transport, LOAD_TRANSPORT_UNIX);
    assert_int_equal(o.rate_lines, 1000000);
    assert_int_equal(o.is_without_sink, 1);
    assert_string_equal(o.command[0], "server");
    assert_string_equal(o.command[1], "--series");
}

static int parse_pair(char *name, char *value)
{
    struct load_options o;
    char *words[] = {name, value, NULL};
    return parse_words(&o, words);
}

static void test_options_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(parse_pair("--duration", "3600"), 0);
    assert_int_equal(parse_pair("--duration", "3601"), -EINVAL);
    assert_int_equal(parse_pair("--duration", "0"), -EINVAL);
    assert_int_equal(parse_pair("--segment", "64"), 0);
    assert_int_equal(parse_pair("--segment", "65"), -EINVAL);
    assert_int_equal(parse_pair("--flows", "-1"), -EINVAL);
    assert_int_equal(parse_pair("--flows", "1x"), -EINVAL);
    assert_int_equal(parse_pair("--seed", "18446744073709551616"), -EINVAL);
    assert_int_equal(parse_pair("--types", "c"), -EINVAL);
    assert_int_equal(parse_pair("--types", "q=1"), -EINVAL);
    assert_int_equal(parse_pair("--types", "c=1,"), -EINVAL);
    assert_int_equal(parse_pair("--transport", "sctp"), -EINVAL);
    assert_int_equal(parse_pair("--nonsense", "1"), -EINVAL);
    assert_int_equal(parse_pair("--rate", NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_are_read),
        cmocka_unit_test(test_options_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
