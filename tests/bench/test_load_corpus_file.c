/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A corpus written to a file and read again is the same corpus.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/load_corpus_file.h"
#include "core/base/fault.h"

static void test_corpus_survives_the_way_through_a_file(void **state)
{
    (void)state;
    struct corpus_options o = corpus_default_options();
    o.weights[CORPUS_KIND_TIMING] = 1;
    o.weights[CORPUS_KIND_SET] = 1;
    o.tag_count = 3;
    struct corpus made = {0};
    struct corpus read_again = {0};
    char path[] = "/tmp/weir-corpus-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(corpus_build(&made, &o), 0);
    assert_int_equal(corpus_file_write(&made, path, "a remark"), 0);
    assert_int_equal(corpus_file_read(&read_again, path), 0);
    (void)unlink(path);
    assert_int_equal(made.bytes_used, read_again.bytes_used);
    assert_memory_equal(made.bytes, read_again.bytes, made.bytes_used);
    assert_int_equal(made.datagram_count, read_again.datagram_count);
    assert_int_equal(made.line_count, read_again.line_count);
    assert_true(totals_counter_sum(&made.names) == totals_counter_sum(&read_again.names));
    assert_int_equal(totals_histogram_count(&made.names),
                     totals_histogram_count(&read_again.names));
    corpus_fini(&made);
    corpus_fini(&read_again);
}

static int parse_text(const char *text)
{
    struct corpus c = {0};
    const int err = corpus_parse(&c, slice_of_text(text));
    corpus_fini(&c);
    return err;
}

static void test_corpus_text_refuses_what_it_cannot_add_up(void **state)
{
    (void)state;
    assert_int_equal(parse_text("# only a remark\n"), 0);
    assert_int_equal(parse_text("a:1|c"), 0);
    assert_int_equal(parse_text("a:1.5|g\n"), 0);
    assert_int_equal(parse_text("a:1.5|c\n"), FAULT_UNSUPPORTED);
    assert_int_equal(parse_text("a:1|c|@0.1\n"), FAULT_UNSUPPORTED);
    assert_int_equal(parse_text("a:1|q\n"), FAULT_MALFORMED);
    assert_int_equal(parse_text("a:1\n"), FAULT_MALFORMED);
    assert_int_equal(parse_text(":1|c\n"), FAULT_MALFORMED);
    assert_int_equal(parse_text("a\n"), FAULT_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus_survives_the_way_through_a_file),
        cmocka_unit_test(test_corpus_text_refuses_what_it_cannot_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
