/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of xray_datagram: headers as SDKs write them, as the daemon's JSON reader takes them, and
 * those it refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "codecs/xray_datagram.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

/* Reads a copy of its exact length, so that a sanitizer sees what is read past it. */
static enum xray_datagram_why read_copy(struct slice datagram, struct slice expected)
{
    uint8_t *copy = mem_alloc(datagram.len == 0 ? 1 : datagram.len);
    enum xray_datagram_why why = XRAY_DATAGRAM_WHY_LIMIT;
    struct slice document = {0};
    assert_non_null(copy);
    memcpy(copy, datagram.ptr, datagram.len);
    int err = xray_datagram_read(slice_of(copy, datagram.len), &document, &why);
    assert_int_equal(err, why == XRAY_DATAGRAM_WHY_NONE ? 0 : FAULT_MALFORMED);
    if (err == 0) {
        assert_true(slice_equal(document, expected));
    } else {
        assert_null(document.ptr);
    }
    mem_free(copy);
    return why;
}

static enum xray_datagram_why read_header(const char *header)
{
    char datagram[512];
    size_t len = strlen(header);
    assert_true(len + 3 <= sizeof(datagram));
    memcpy(datagram, header, len);
    memcpy(datagram + len, "\n{}", 3);
    return read_copy(slice_of(datagram, len + 3), SLICE_LITERAL("{}"));
}

static void test_headers_of_sdks_are_read(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{\"format\":\"json\",\"version\":1}",
        "{\"format\": \"json\", \"version\": 1}",
        "{\"version\":1,\"format\":\"json\"}",
        " {\t\"format\" : \"json\" , \"version\" : 1 } \r",
        "{\"Format\":\"JSON\",\"VERSION\":1}",
        "{\"format\":\"Json\",\"version\":1,\"other\":{\"format\":[1,\"x\"]}}",
        "{\"f\\u006frmat\":\"js\\u006Fn\",\"version\":1}",
        "{\"format\":\"xml\",\"version\":2,\"format\":\"json\",\"version\":1}",
        "{\"format\":\"json\",\"format\":null,\"version\":1,\"version\":null}",
        "{\"\xFF\":1,\"format\":\"json\",\"version\":1}",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(read_header(good[i]), XRAY_DATAGRAM_WHY_NONE);
    }
}

static void test_other_headers_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "null",
        "[]",
        "\"json\"",
        "{}",
        "{\"format\":\"json\"}",
        "{\"version\":1}",
        "{\"format\":\"json\",\"version\":2}",
        "{\"format\":\"json\",\"version\":-1}",
        "{\"format\":\"json\",\"version\":1.0}",
        "{\"format\":\"json\",\"version\":1e0}",
        "{\"format\":\"json\",\"version\":1.0,\"version\":1}",
        "{\"format\":\"json\",\"version\":01}",
        "{\"format\":\"json\",\"version\":\"1\"}",
        "{\"format\":\"json\",\"version\":true}",
        "{\"format\":\"json\",\"version\":99999999999999999999}",
        "{\"format\":\"xml\",\"version\":1}",
        "{\"format\":\"jso\",\"version\":1}",
        "{\"format\":\"json2\",\"version\":1}",
        "{\"format\":\"json \",\"version\":1}",
        "{\"format\":\"\",\"version\":1}",
        "{\"format\":1,\"version\":1}",
        "{\"format\":1,\"format\":\"json\",\"version\":1}",
        "{\"format\":\"json\",\"version\":1",
        "{\"format\":\"json\",\"version\":1}}",
        "{\"format\":\"json\",\"version\":1} {}",
        "{\"format\":\"json\",\"version\":1,}",
        "{\"format\":\"json\",\"version\":1,\"other\":[}",
        "{\"format\":\"json\" \"version\":1}",
        "{format:\"json\",version:1}",
        "{\"formats\":\"json\",\"version\":1}",
        "{\"form\xC3\xA4t\":\"json\",\"version\":1}",
        "{\"format\":\"json\",\"version\":1}\x01",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(read_header(bad[i]), XRAY_DATAGRAM_WHY_BAD_HEADER);
    }
}

static void test_the_document_is_what_follows_byte_for_byte(void **state)
{
    (void)state;
    struct slice datagram = SLICE_LITERAL("{\"format\":\"json\",\"version\":1}\n\n\0x\n{}\n");
    assert_int_equal(read_copy(datagram, SLICE_LITERAL("\n\0x\n{}\n")), XRAY_DATAGRAM_WHY_NONE);
}

static void test_datagrams_without_a_part_are_refused(void **state)
{
    (void)state;
    struct slice none = {0};
    struct slice whole = SLICE_LITERAL("{\"format\":\"json\",\"version\":1}\n{");
    assert_int_equal(read_copy(SLICE_LITERAL(""), none), XRAY_DATAGRAM_WHY_NO_HEADER);
    assert_int_equal(read_copy(SLICE_LITERAL("{\"a\":1}"), none), XRAY_DATAGRAM_WHY_NO_HEADER);
    assert_int_equal(read_copy(SLICE_LITERAL("\n"), none), XRAY_DATAGRAM_WHY_BAD_HEADER);
    assert_int_equal(read_copy(SLICE_LITERAL("\n{}"), none), XRAY_DATAGRAM_WHY_BAD_HEADER);
    assert_int_equal(read_copy(slice_first(whole, whole.len - 2), none),
                     XRAY_DATAGRAM_WHY_NO_HEADER);
    assert_int_equal(read_copy(slice_first(whole, whole.len - 1), none),
                     XRAY_DATAGRAM_WHY_NO_DOCUMENT);
    assert_int_equal(read_copy(whole, SLICE_LITERAL("{")), XRAY_DATAGRAM_WHY_NONE);
}

/* Random bytes in a good datagram: only the contract is checked, and that nothing breaks. */
static void test_mutations_are_read_or_refused(void **state)
{
    (void)state;
    static const char good[] = "{\"format\": \"json\", \"version\": 1, \"x\": [1,{}]}\n{\"a\":1}";
    uint64_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        char copy[sizeof(good)];
        memcpy(copy, good, sizeof(good));
        for (int k = 0; k < 3; k++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            copy[(seed >> 33) % (sizeof(good) - 1)] = (char)(seed >> 24);
        }
        struct slice datagram = slice_of(copy, sizeof(good) - 1 - (size_t)(seed >> 60));
        struct slice document = {0};
        enum xray_datagram_why why = XRAY_DATAGRAM_WHY_NONE;
        if (xray_datagram_read(datagram, &document, &why) == 0) {
            assert_true(document.len > 0);
            assert_ptr_equal(document.ptr + document.len, datagram.ptr + datagram.len);
        } else {
            assert_int_not_equal(why, XRAY_DATAGRAM_WHY_NONE);
        }
    }
}

static void test_reasons_have_labels_and_words(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < XRAY_DATAGRAM_WHY_LIMIT; i++) {
        assert_true(strlen(xray_datagram_why_label((enum xray_datagram_why)i)) > 3);
        assert_true(strlen(xray_datagram_why_text((enum xray_datagram_why)i)) > 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_of_sdks_are_read),
        cmocka_unit_test(test_other_headers_are_refused),
        cmocka_unit_test(test_the_document_is_what_follows_byte_for_byte),
        cmocka_unit_test(test_datagrams_without_a_part_are_refused),
        cmocka_unit_test(test_mutations_are_read_or_refused),
        cmocka_unit_test(test_reasons_have_labels_and_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
