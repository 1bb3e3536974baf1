/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of xray_put: what is written is read back with another reader, and answers of every shape
 * are read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "codecs/xray_put.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define BODY_MAX_BYTES (4 << 20)

static struct bytes out;

static int setup(void **state)
{
    (void)state;
    bytes_init(&out, BODY_MAX_BYTES);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bytes_fini(&out);
    return 0;
}

/* The string that stands behind the comma, unescaped by jansson. */
static json_t *unescaped(struct slice appended)
{
    json_error_t error;
    assert_int_equal(appended.ptr[0], ',');
    json_t *text = json_loadb((const char *)appended.ptr + 1, appended.len - 1,
                              JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (text == NULL) {
        fail_msg("%s", error.text);
    }
    return text;
}

static void assert_survives(struct slice document)
{
    bytes_clear(&out);
    xray_put_append(&out, document);
    assert_int_equal(out.err, 0);
    json_t *text = unescaped(bytes_slice(&out));
    assert_int_equal(json_string_length(text), document.len);
    assert_memory_equal(json_string_value(text), document.ptr, document.len);
    json_decref(text);
}

static void test_every_byte_at_every_place_survives(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x80; c++) {
        for (size_t len = 1; len < 20; len++) {
            for (size_t at = 0; at < len; at++) {
                uint8_t document[20];
                memset(document, 'a', sizeof(document));
                document[at] = (uint8_t)c;
                document[len - 1] = document[len - 1] == 'a' ? '"' : document[len - 1];
                assert_survives(slice_of(document, len));
            }
        }
    }
    assert_survives(SLICE_LITERAL(""));
    assert_survives(SLICE_LITERAL("{\"name\":\"Gr\xC3\xB6\xC3\x9F"
                                  "e\",\"x\":\"\xF0\x9F\x98\x80\"}"));
    bytes_clear(&out);
    xray_put_append(&out, SLICE_LITERAL("{\"a\":\"\n\x01\"}"));
    bytes_append_byte(&out, 0);
    assert_string_equal((const char *)out.ptr, ",\"{\\\"a\\\":\\\"\\u000a\\u0001\\\"}\"");
}

static void test_a_document_of_control_characters_survives(void **state)
{
    (void)state;
    uint8_t document[5000];
    memset(document, '\x01', sizeof(document));
    assert_survives(slice_of(document, sizeof(document)));
    memset(document, '"', sizeof(document));
    assert_survives(slice_of(document, sizeof(document)));
}

static void test_bad_utf8_does_not_reach_the_service(void **state)
{
    (void)state;
    xray_put_append(&out, SLICE_LITERAL("a\xFF\"b\xC3"));
    json_t *text = unescaped(bytes_slice(&out));
    assert_string_equal(json_string_value(text), "a\xEF\xBF\xBD\"b\xEF\xBF\xBD");
    json_decref(text);
}

static void test_errors_stick(void **state)
{
    (void)state;
    struct bytes small;
    bytes_init(&small, 64);
    uint8_t document[100];
    memset(document, 'a', sizeof(document));
    xray_put_append(&small, slice_of(document, sizeof(document)));
    assert_int_equal(small.err, FAULT_LIMIT);
    bytes_fini(&small);
    bytes_init(&small, 4096);
    mem_fail_nth(1);
    xray_put_append(&small, slice_of(document, sizeof(document)));
    mem_fail_nth(0);
    assert_int_equal(small.err, -ENOMEM);
    bytes_fini(&small);
}

static void test_pieces_make_a_body(void **state)
{
    (void)state;
    json_error_t error;
    struct bytes body;
    bytes_init(&body, BODY_MAX_BYTES);
    xray_put_append(&out, SLICE_LITERAL("{\"id\":\"1\"}"));
    xray_put_append(&out, SLICE_LITERAL("{\"id\":\"2\"}"));
    bytes_append(&body, XRAY_PUT_HEAD.ptr, XRAY_PUT_HEAD.len);
    bytes_append(&body, out.ptr + 1, out.len - 1);
    bytes_append(&body, XRAY_PUT_TAIL.ptr, XRAY_PUT_TAIL.len);
    json_t *root = json_loadb((const char *)body.ptr, body.len, 0, &error);
    json_t *list = json_object_get(root, "TraceSegmentDocuments");
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_array_get(list, 1)), "{\"id\":\"2\"}");
    json_decref(root);
    bytes_fini(&body);
}

/* --- ids -------------------------------------------------------------------------------------- */

static void assert_id(const char *document, const char *expected)
{
    char id[16];
    size_t len = 0;
    bytes_clear(&out);
    xray_put_append(&out, slice_of_text(document));
    bool is_found = xray_put_find_id(bytes_slice(&out), id, sizeof(id), &len);
    assert_int_equal(is_found, expected != NULL);
    if (expected != NULL) {
        assert_true(slice_is_text(slice_of(id, len), expected));
    }
}

static void test_the_id_is_the_documents_own(void **state)
{
    (void)state;
    assert_id("{\"id\":\"a\"}", "a");
    assert_id("{\"subsegments\":[{\"id\":\"b\"}],\"trace_id\":\"t\",\"id\":\"a\"}", "a");
    assert_id("{ \"i\\u0064\" : \"\\u0061\" }", "a");
    assert_id("{\"id\":\"0123456789abcdef\"}", "0123456789abcdef");
    assert_id("{\"id\":\"0123456789abcdef0\"}", NULL);
    assert_id("{\"id\":1}", NULL);
    assert_id("{\"id\":null,\"x\":", NULL);
    assert_id("{}", NULL);
    assert_id("[]", NULL);
    assert_id("", NULL);
}

/* --- answers ---------------------------------------------------------------------------------- */

static struct xray_unprocessed entries[3];

static size_t read_answer(const char *body)
{
    return xray_put_read_answer(slice_of_text(body), entries, COUNT_OF(entries));
}

static void test_answers_of_every_shape(void **state)
{
    (void)state;
    assert_int_equal(read_answer(""), 0);
    assert_int_equal(read_answer("{}"), 0);
    assert_int_equal(read_answer("[]"), 0);
    assert_int_equal(read_answer("{\"UnprocessedTraceSegments\":[]}"), 0);
    assert_int_equal(read_answer("{\"UnprocessedTraceSegments\":null}"), 0);
    assert_int_equal(read_answer("{\"x\":[{}],\"UnprocessedTraceSegments\":[1,{\"Id\":\"a\","
                                 "\"ErrorCode\":\"InvalidSegment\",\"Message\":\"no\",\"y\":{}}]}"),
                     1);
    assert_true(slice_is_text(slice_of(entries[0].id, entries[0].id_len), "a"));
    assert_true(slice_is_text(slice_of(entries[0].code, entries[0].code_len), "InvalidSegment"));
    assert_true(slice_is_text(slice_of(entries[0].message, entries[0].message_len), "no"));
    assert_false(entries[0].can_succeed);
    assert_int_equal(read_answer("{\"UnprocessedTraceSegments\":[{\"Id\":null,\"ErrorCode\":"
                                 "\"ThrottledException\"},{},{},{},{}]}"),
                     5);
    assert_int_equal(entries[0].id_len, 0);
    assert_true(entries[0].can_succeed);
    assert_int_equal(entries[1].id_len, 0);
    /* Cut in the middle: what was read counts. */
    assert_int_equal(read_answer("{\"UnprocessedTraceSegments\":[{\"Id\":\"a\"},{\"Id\":\"b"), 1);
}

static void test_long_texts_are_cut(void **state)
{
    (void)state;
    char body[1024];
    char id[400];
    memset(id, 'x', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    (void)snprintf(body, sizeof(body), "{\"UnprocessedTraceSegments\":[{\"Id\":\"%s\"}]}", id);
    assert_int_equal(read_answer(body), 1);
    assert_int_equal(entries[0].id_len, XRAY_UNPROCESSED_TEXT_MAX_BYTES);
}

static void test_codes_that_can_succeed(void **state)
{
    (void)state;
    assert_true(xray_put_can_succeed(SLICE_LITERAL("ThrottledException")));
    assert_true(xray_put_can_succeed(SLICE_LITERAL("ServiceUnavailable")));
    assert_false(xray_put_can_succeed(SLICE_LITERAL("InvalidTraceId")));
    assert_false(xray_put_can_succeed(SLICE_LITERAL("")));
}

/* --- telemetry -------------------------------------------------------------------------------- */

static void test_telemetry_has_every_member(void **state)
{
    (void)state;
    struct xray_telemetry_source source = {.hostname = SLICE_LITERAL("h"),
                                           .instance_id = SLICE_LITERAL("i"),
                                           .resource_arn = SLICE_LITERAL("a")};
    struct xray_telemetry_record records[2] = {
        {.time_unix_ns = UINT64_C(1700000000250000000),
         .received_count = 1,
         .sent_count = 2,
         .spillover_count = 3,
         .rejected_count = 4,
         .timeout_count = 5,
         .connection_refused_count = 6,
         .http_4xx_count = 7,
         .http_5xx_count = 8,
         .unknown_host_count = 9,
         .other_count = 10},
    };
    xray_put_telemetry(&out, &source, records, 1);
    bytes_append_byte(&out, 0);
    assert_string_equal(
        (const char *)out.ptr,
        "{\"EC2InstanceId\":\"i\",\"Hostname\":\"h\",\"ResourceARN\":\"a\",\"TelemetryRecords\":[{"
        "\"Timestamp\":1700000000.25,\"SegmentsReceivedCount\":1,\"SegmentsSentCount\":2,"
        "\"SegmentsSpilloverCount\":3,\"SegmentsRejectedCount\":4,\"BackendConnectionErrors\":{"
        "\"TimeoutCount\":5,\"ConnectionRefusedCount\":6,\"HTTPCode4XXCount\":7,"
        "\"HTTPCode5XXCount\":8,\"UnknownHostCount\":9,\"OtherCount\":10}}]}");
    bytes_clear(&out);
    source = (struct xray_telemetry_source){0};
    xray_put_telemetry(&out, &source, records, 2);
    json_error_t error;
    json_t *root = json_loadb((const char *)out.ptr, out.len, 0, &error);
    assert_int_equal(json_object_size(root), 1);
    assert_int_equal(json_array_size(json_object_get(root, "TelemetryRecords")), 2);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_byte_at_every_place_survives, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_document_of_control_characters_survives, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_bad_utf8_does_not_reach_the_service, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors_stick, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pieces_make_a_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_id_is_the_documents_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_of_every_shape, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_texts_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_codes_that_can_succeed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_telemetry_has_every_member, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
