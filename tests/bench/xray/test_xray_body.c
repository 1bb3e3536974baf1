/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of PutTraceSegments: every document is found, and its own ids, not those inside it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/xray/xray_body.h"
#include "core/base/fault.h"

#define TRACE "1-5f84c7a1-bd862e3fe1be46a994272793"

/* How many documents there are, or the fault. */
static int count(const char *text)
{
    struct xray_body body;
    struct slice document;
    int documents = 0;
    int got = xray_body_open(&body, slice_of_text(text));
    if (got != 0) {
        return got;
    }
    for (got = xray_body_next(&body, &document); got > 0; got = xray_body_next(&body, &document)) {
        documents++;
    }
    return got == 0 ? documents : got;
}

static void test_documents_are_counted(void **state)
{
    (void)state;
    assert_int_equal(count("{\"TraceSegmentDocuments\":[]}"), 0);
    assert_int_equal(count("{\"TraceSegmentDocuments\":[\"{}\"]}"), 1);
    assert_int_equal(count(" { \"TraceSegmentDocuments\" : [ \"{}\" , \"\" ] } \n"), 2);
    assert_int_equal(count("{\"TraceSegmentDocuments\":[\"a\\\",\\\"b\",\"\\\\\",\"\\\\\\\"\"]}"),
                     3);
}

static void test_bodies_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "{\"TraceSegmentDocuments\"",
        "{\"TraceSegmentDocuments\":{}}",
        "{\"TraceSegmentDocuments\":[",
        "{\"TraceSegmentDocuments\":[\"{}\"",
        "{\"TraceSegmentDocuments\":[\"{}",
        "{\"TraceSegmentDocuments\":[\"{}\\\"",
        "{\"TraceSegmentDocuments\":[{}]}",
        "{\"TraceSegmentDocuments\":[\"{}\"]",
        "{\"TraceSegmentDocuments\":[\"{}\"]}x",
        "{\"TraceSegmentDocuments\":[\"{}\" \"{}\"]}",
        "{\"TraceSegmentDocuments\":[,\"{}\"]}",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(count(texts[i]), FAULT_MALFORMED);
    }
}

static bool ident_of(const char *escaped, struct xray_ident *ident)
{
    memset(ident, 0, sizeof(*ident));
    return xray_document_ident(slice_of_text(escaped), ident);
}

static void test_ids_are_the_documents_own(void **state)
{
    (void)state;
    struct xray_ident ident;
    assert_true(ident_of("{\\\"subsegments\\\":[{\\\"id\\\":\\\"1111111111111111\\\","
                         "\\\"trace_id\\\":\\\"x\\\"}],\\\"note\\\":\\\"\\\\\\\"id\\\\\\\":{\\\","
                         "\\\"trace_id\\\": \\\"" TRACE "\\\",\\n\\\"n\\\":1,"
                         "\\\"id\\\" :\\\"70de5b6f19ff9a0a\\\"}",
                         &ident));
    assert_memory_equal(ident.segment_id, "70de5b6f19ff9a0a", 16);
    assert_memory_equal(ident.trace_digits, "bd862e3fe1be46a994272793", 24);
}

static void test_a_value_that_reads_like_a_key_is_no_key(void **state)
{
    (void)state;
    struct xray_ident ident;
    assert_true(ident_of("{\\\"name\\\":\\\"id\\\",\\\"id\\\":\\\"70de5b6f19ff9a0a\\\","
                         "\\\"trace_id\\\":\\\"" TRACE "\\\"}",
                         &ident));
    assert_memory_equal(ident.segment_id, "70de5b6f19ff9a0a", 16);
}

static void test_documents_without_both_ids_are_told(void **state)
{
    (void)state;
    struct xray_ident ident;
    static const char *const texts[] = {
        "",
        "{}",
        "\\",
        "{\\\"id\\\":\\\"70de5b6f19ff9a0a\\\"}",
        "{\\\"trace_id\\\":\\\"" TRACE "\\\"}",
        "{\\\"id\\\":\\\"70de5b6f19ff9a0\\\",\\\"trace_id\\\":\\\"" TRACE "\\\"}",
        "{\\\"id\\\":\\\"70de5b6f19ff9a0aa\\\",\\\"trace_id\\\":\\\"" TRACE "\\\"}",
        "{\\\"id\\\":\\\"70de5b6f19ff9a0a\\\",\\\"trace_id\\\":\\\"" TRACE "0\\\"}",
        "{\\\"id\\\":\\\"70de5b6f19ff9a0a\\\",\\\"id\\\":\\\"70de5b6f19ff9a0a\\\"}",
        "{\\\"a\\\":{\\\"id\\\":\\\"70de5b6f19ff9a0a\\\",\\\"trace_id\\\":\\\"" TRACE "\\\"}}",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_false(ident_of(texts[i], &ident));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents_are_counted),
        cmocka_unit_test(test_bodies_that_are_none_are_refused),
        cmocka_unit_test(test_ids_are_the_documents_own),
        cmocka_unit_test(test_a_value_that_reads_like_a_key_is_no_key),
        cmocka_unit_test(test_documents_without_both_ids_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
