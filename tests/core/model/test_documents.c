/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of core/model/documents: what is appended comes back, runs that break off are found out,
 * and cuts fall between documents.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/model/documents.h"

#define TEXT(literal) SLICE_LITERAL(literal)

/* Three documents, one of them empty: 4 + 2 + 4 + 0 + 4 + 3 bytes. */
static const char RUN[] = "\x02\0\0\0{}"
                          "\0\0\0\0"
                          "\x03\0\0\0abc";
#define RUN_BYTES (sizeof(RUN) - 1)

/* A copy of exactly `len` bytes, so that a sanitizer sees what is read beyond. */
static uint8_t *exactly(const void *bytes, size_t len)
{
    uint8_t *copy = mem_alloc(len == 0 ? 1 : len);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    return copy;
}

static void test_appended_documents_have_the_layout(void **state)
{
    (void)state;
    uint8_t memory[RUN_BYTES];
    size_t used_bytes = 0;
    documents_append(memory, sizeof(memory), &used_bytes, TEXT("{}"));
    assert_int_equal(used_bytes, documents_size_bytes(2));
    documents_append(memory, sizeof(memory), &used_bytes, (struct slice){0});
    documents_append(memory, sizeof(memory), &used_bytes, TEXT("abc"));
    assert_int_equal(used_bytes, sizeof(memory));
    assert_memory_equal(memory, RUN, RUN_BYTES);
}

static void test_lengths_are_little_endian(void **state)
{
    (void)state;
    size_t len = 0x10203;
    uint8_t *document = mem_alloc(len);
    uint8_t *memory = mem_alloc(documents_size_bytes(len));
    size_t used_bytes = 0;
    struct slice back;
    assert_non_null(document);
    assert_non_null(memory);
    memset(document, 'x', len);
    documents_append(memory, documents_size_bytes(len), &used_bytes, slice_of(document, len));
    assert_memory_equal(memory, "\x03\x02\x01\0x", 5);
    struct documents_reader reader = documents_reader_of(slice_of(memory, used_bytes));
    assert_true(documents_next(&reader, &back));
    assert_true(slice_equal(back, slice_of(document, len)));
    mem_free(document);
    mem_free(memory);
}

static void test_documents_come_back_in_order(void **state)
{
    (void)state;
    uint8_t *run = exactly(RUN, RUN_BYTES);
    struct documents_reader reader = documents_reader_of(slice_of(run, RUN_BYTES));
    struct slice document;
    assert_true(documents_next(&reader, &document));
    assert_true(slice_is_text(document, "{}"));
    assert_true(documents_next(&reader, &document));
    assert_int_equal(document.len, 0);
    assert_true(documents_next(&reader, &document));
    assert_true(slice_is_text(document, "abc"));
    assert_false(documents_next(&reader, &document));
    assert_int_equal(document.len, 0);
    assert_int_equal(reader.err, 0);
    mem_free(run);
}

static void test_empty_run_has_no_documents(void **state)
{
    (void)state;
    struct slice document;
    uint32_t count = 7;
    struct documents_reader reader = documents_reader_of((struct slice){0});
    assert_false(documents_next(&reader, &document));
    assert_int_equal(reader.err, 0);
    assert_int_equal(documents_check((struct slice){0}, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(documents_cut((struct slice){0}, 1, &count), 0);
    assert_int_equal(count, 0);
}

static void test_run_that_breaks_off_anywhere_is_found_out(void **state)
{
    (void)state;
    static const size_t ENDS[] = {0, 6, 10, RUN_BYTES};
    uint32_t whole_count = 0;
    for (size_t len = 0; len <= RUN_BYTES; len++) {
        uint8_t *run = exactly(RUN, len);
        uint32_t count;
        if (whole_count + 1 < COUNT_OF(ENDS) && len == ENDS[whole_count + 1]) {
            whole_count++;
        }
        bool is_whole = len == ENDS[whole_count];
        assert_int_equal(documents_check(slice_of(run, len), &count),
                         is_whole ? 0 : FAULT_MALFORMED);
        assert_int_equal(count, whole_count);
        /* The whole ones before the break can still be had. */
        assert_int_equal(documents_cut(slice_of(run, len), 9, &count), ENDS[whole_count]);
        assert_int_equal(count, whole_count);
        mem_free(run);
    }
    assert_int_equal(whole_count, 3);
}

static void test_length_beyond_the_run_is_malformed_and_stays_so(void **state)
{
    (void)state;
    static const char *const RUNS[] = {"\xff\xff\xff\xff{}", "\x03\0\0\0{}", "\0\0\0\x80{}"};
    for (size_t i = 0; i < COUNT_OF(RUNS); i++) {
        uint8_t *run = exactly(RUNS[i], 6);
        struct slice document;
        struct documents_reader reader = documents_reader_of(slice_of(run, 6));
        assert_false(documents_next(&reader, &document));
        assert_int_equal(reader.err, FAULT_MALFORMED);
        assert_false(documents_next(&reader, &document));
        assert_int_equal(reader.rest.len, 6);
        mem_free(run);
    }
}

static void test_cuts_fall_between_documents(void **state)
{
    (void)state;
    static const size_t ENDS[] = {0, 6, 10, RUN_BYTES, RUN_BYTES};
    struct slice run = slice_of(RUN, RUN_BYTES);
    for (uint32_t max = 0; max < COUNT_OF(ENDS); max++) {
        uint32_t taken;
        assert_int_equal(documents_cut(run, max, &taken), ENDS[max]);
        assert_int_equal(taken, max < 3 ? max : 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appended_documents_have_the_layout),
        cmocka_unit_test(test_lengths_are_little_endian),
        cmocka_unit_test(test_documents_come_back_in_order),
        cmocka_unit_test(test_empty_run_has_no_documents),
        cmocka_unit_test(test_run_that_breaks_off_anywhere_is_found_out),
        cmocka_unit_test(test_length_beyond_the_run_is_malformed_and_stays_so),
        cmocka_unit_test(test_cuts_fall_between_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
