/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of AWS's published examples are accepted; with anything changed they are not.
 * Source: AWS Signature Version 4 test suite, post-vanilla and post-x-www-form-urlencoded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/xray/xray_verify.h"

#define SCOPE "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
#define SIGNATURE "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
#define FORM_SIGNATURE "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"

static bool is_good(const char *head, const char *body)
{
    struct xray_verify verify = {.scope_len = 0};
    return xray_verify_request(&verify, slice_of_text(head), slice_of_text(body));
}

#define HEAD_OF(host, date, scope, names, signature)                                               \
    "POST / HTTP/1.1\r\nHost:" host "\r\nX-Amz-Date: " date                                        \
    "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=" scope ", SignedHeaders=" names               \
    ", Signature=" signature "\r\n\r\n"
#define HOST "example.amazonaws.com"
#define DATE "20150830T123600Z"
#define NAMES "host;x-amz-date"

static void test_a_published_signature_is_accepted(void **state)
{
    (void)state;
    assert_true(is_good(HEAD_OF(HOST, DATE, SCOPE, NAMES, SIGNATURE), ""));
    assert_true(is_good("POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                        "Host:" HOST "\r\nX-Amz-Date:" DATE "\r\n"
                        "Authorization: AWS4-HMAC-SHA256 Credential=" SCOPE
                        ", SignedHeaders=content-type;host;x-amz-date, Signature=" FORM_SIGNATURE
                        "\r\n\r\n",
                        "Param1=value1"));
}

static void test_what_was_changed_is_refused(void **state)
{
    (void)state;
    assert_false(is_good(HEAD_OF(HOST, DATE, SCOPE, NAMES, SIGNATURE), "x"));
    assert_false(is_good(HEAD_OF("example.com", DATE, SCOPE, NAMES, SIGNATURE), ""));
    assert_false(is_good(HEAD_OF(HOST, "20150830T123601Z", SCOPE, NAMES, SIGNATURE), ""));
    assert_false(is_good(HEAD_OF(HOST, DATE, "AKIDEXAMPLE/20150830/us-east-2/service/aws4_request",
                                 NAMES, SIGNATURE),
                         ""));
    assert_false(is_good(
        HEAD_OF(HOST, DATE, "AKIDOTHER/20150830/us-east-1/service/aws4_request", NAMES, SIGNATURE),
        ""));
    assert_false(is_good(HEAD_OF(HOST, DATE, SCOPE, NAMES, SIGNATURE "0"), ""));
    assert_false(is_good(HEAD_OF(HOST, DATE, SCOPE, NAMES, ""), ""));
}

static void test_a_request_that_is_not_signed_is_refused(void **state)
{
    (void)state;
    assert_false(is_good("", ""));
    assert_false(is_good("POST / HTTP/1.1\r\nHost: a\r\n\r\n", ""));
    assert_false(is_good("POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n", ""));
    assert_false(is_good(HEAD_OF(HOST, DATE, SCOPE, "host", SIGNATURE), ""));
    assert_false(is_good(HEAD_OF(HOST, DATE, "AKIDEXAMPLE/20150830", NAMES, SIGNATURE), ""));
    assert_false(is_good(HEAD_OF(HOST, DATE, SCOPE, NAMES ";absent", SIGNATURE), ""));
}

static void test_the_key_of_another_day_does_not_stay(void **state)
{
    (void)state;
    struct xray_verify verify = {.scope_len = 0};
    const char *good = HEAD_OF(HOST, DATE, SCOPE, NAMES, SIGNATURE);
    const char *other = HEAD_OF(HOST, DATE, "AKIDEXAMPLE/20150831/us-east-1/service/aws4_request",
                                NAMES, SIGNATURE);
    for (int i = 0; i < 2; i++) {
        assert_true(xray_verify_request(&verify, slice_of_text(good), slice_of_text("")));
        assert_false(xray_verify_request(&verify, slice_of_text(other), slice_of_text("")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_published_signature_is_accepted),
        cmocka_unit_test(test_what_was_changed_is_refused),
        cmocka_unit_test(test_a_request_that_is_not_signed_is_refused),
        cmocka_unit_test(test_the_key_of_another_day_does_not_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
