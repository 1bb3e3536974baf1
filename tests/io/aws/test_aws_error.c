/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of io/aws/aws_error: classes of codes and statuses, and codes out of three places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "io/aws/aws_error.h"

static void check_class(uint32_t status, const char *code, enum aws_error_class expected)
{
    enum aws_error_class got = aws_error_classify(status, slice_of_text(code));
    if (got != expected) {
        fail_msg("%u %s: %s instead of %s", status, code, aws_error_class_name(got),
                 aws_error_class_name(expected));
    }
}

static void test_codes_decide_whatever_the_status(void **state)
{
    (void)state;
    static const char *const throttles[] = {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "RequestThrottled",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
    };
    for (size_t i = 0; i < COUNT_OF(throttles); i++) {
        check_class(400, throttles[i], AWS_ERROR_THROTTLE);
        check_class(503, throttles[i], AWS_ERROR_THROTTLE);
    }
    check_class(400, "RequestTimeout", AWS_ERROR_TRANSIENT);
    check_class(400, "RequestTimeoutException", AWS_ERROR_TRANSIENT);
    check_class(400, "InternalFailure", AWS_ERROR_TRANSIENT);
    check_class(400, "InternalServerError", AWS_ERROR_TRANSIENT);
    check_class(400, "ServiceUnavailable", AWS_ERROR_TRANSIENT);
    check_class(400, "RequestExpired", AWS_ERROR_SKEW);
    check_class(403, "RequestInTheFuture", AWS_ERROR_SKEW);
    check_class(403, "RequestTimeTooSkewed", AWS_ERROR_SKEW);
    check_class(403, "InvalidSignatureException", AWS_ERROR_SKEW_PERHAPS);
    check_class(403, "SignatureDoesNotMatch", AWS_ERROR_SKEW_PERHAPS);
    check_class(401, "AuthFailure", AWS_ERROR_SKEW_PERHAPS);
    check_class(400, "ExpiredToken", AWS_ERROR_CREDENTIALS);
    check_class(403, "ExpiredTokenException", AWS_ERROR_CREDENTIALS);
    check_class(403, "UnrecognizedClientException", AWS_ERROR_CREDENTIALS);
    check_class(403, "InvalidClientTokenId", AWS_ERROR_CREDENTIALS);
}

static void test_statuses_decide_where_codes_do_not(void **state)
{
    (void)state;
    check_class(200, "", AWS_ERROR_NONE);
    check_class(204, "", AWS_ERROR_NONE);
    check_class(200, "ThrottlingException", AWS_ERROR_THROTTLE);
    check_class(200, "SomethingElse", AWS_ERROR_PERMANENT);
    check_class(0, "", AWS_ERROR_TRANSIENT);
    check_class(429, "", AWS_ERROR_THROTTLE);
    check_class(429, "SomethingElse", AWS_ERROR_THROTTLE);
    check_class(408, "", AWS_ERROR_TRANSIENT);
    check_class(500, "", AWS_ERROR_TRANSIENT);
    check_class(501, "", AWS_ERROR_PERMANENT);
    check_class(502, "", AWS_ERROR_TRANSIENT);
    check_class(503, "SomethingElse", AWS_ERROR_TRANSIENT);
    check_class(504, "", AWS_ERROR_TRANSIENT);
    check_class(505, "", AWS_ERROR_PERMANENT);
    check_class(599, "", AWS_ERROR_TRANSIENT);
    check_class(600, "", AWS_ERROR_PERMANENT);
    check_class(400, "", AWS_ERROR_PERMANENT);
    check_class(400, "throttling", AWS_ERROR_PERMANENT);
    check_class(400, "ThrottlingExceptio", AWS_ERROR_PERMANENT);
    check_class(400, "InvalidRequestException", AWS_ERROR_PERMANENT);
    check_class(403, "AccessDeniedException", AWS_ERROR_PERMANENT);
    check_class(404, "", AWS_ERROR_PERMANENT);
    check_class(413, "", AWS_ERROR_PERMANENT);
    check_class(301, "", AWS_ERROR_PERMANENT);
}

static void check_read(const char *header, const char *body, const char *code, const char *message)
{
    struct aws_error error;
    memset(&error, 'x', sizeof(error));
    aws_error_read(slice_of_text(header), slice_of_text(body), &error);
    assert_string_equal(error.code, code);
    assert_string_equal(error.message, message);
}

static void test_codes_stand_in_the_header(void **state)
{
    (void)state;
    check_read("ThrottlingException", "", "ThrottlingException", "");
    check_read("ThrottlingException:http://internal.amazon.com/coral/com.amazon.coral/", "",
               "ThrottlingException", "");
    check_read("com.amazonaws.xray#ThrottledException", "", "ThrottledException", "");
    check_read(" a#b#InvalidRequestException :x#y", "", "InvalidRequestException", "");
    check_read("FromHeader", "{\"__type\":\"FromBody\",\"message\":\"m\"}", "FromHeader", "m");
    check_read("bad\r\nheader", "{\"__type\":\"FromBody\"}", "FromBody", "");
    check_read("", "", "", "");
    check_read("#:", "", "", "");
}

static void test_codes_stand_in_json(void **state)
{
    (void)state;
    check_read("",
               "{\"__type\":\"com.amazonaws.logs#ResourceNotFoundException\",\"message\":\"gone\"}",
               "ResourceNotFoundException", "gone");
    check_read("", " \r\n{\"message\":\"no\",\"code\":\"AccessDenied\"}", "AccessDenied", "no");
    check_read("", "{\"Code\":\"Throttling\",\"Message\":\"Rate exceeded\"}", "Throttling",
               "Rate exceeded");
    check_read("", "{\"__type\":\"\",\"code\":\"Second\"}", "Second", "");
    check_read("", "{\"__type\":7,\"code\":\"Second\"}", "Second", "");
    check_read("", "{\"Message\":\"User: \\u00e9 is\\nnot \\\"allowed\\\"\"}", "",
               "User: \xC3\xA9 is not \"allowed\"");
    check_read("", "{\"a\":{\"code\":\"Inner\"},\"code\":\"Outer\"}", "Outer", "");
    check_read("", "{\"__type\":\"Half\"", "", "");
    check_read("", "[\"__type\"]", "", "");
    check_read("", "plain text", "", "");
    check_read("", "{\"__type\":\"with blanks inside\"}", "", "");
}

static void test_codes_stand_in_xml(void **state)
{
    (void)state;
    check_read("",
               "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
               "  <Error>\n    <Type>Sender</Type>\n    <Code>ExpiredToken</Code>\n"
               "    <Message>The token &lt;x&gt; is &#101;xpired &amp; gone</Message>\n  </Error>\n"
               "  <RequestId>1</RequestId>\n</ErrorResponse>",
               "ExpiredToken", "The token <x> is expired & gone");
    check_read("",
               "<?xml version=\"1.0\"?><Response><Errors><Error><Code>RequestLimitExceeded</Code>"
               "<Message>slow</Message></Error></Errors><RequestID>1</RequestID></Response>",
               "RequestLimitExceeded", "slow");
    check_read("", "<Code>Alone</Code>", "Alone", "");
    check_read("", "<Error><Code>Open", "", "");
    check_read("", "<html><body>502 Bad Gateway</body></html>", "", "");
    check_read("", "<", "", "");
}

static void test_long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    char body[1024];
    char code[AWS_ERROR_CODE_MAX_BYTES + 2];
    struct aws_error error;
    memset(code, 'C', sizeof(code) - 1);
    code[sizeof(code) - 1] = '\0';
    check_read(code, "", "", "");
    check_read(code + 1, "", code + 1, "");

    /* One byte of room is left for two, then exactly two. */
    char letters[AWS_ERROR_MESSAGE_MAX_BYTES];
    memset(letters, 'm', sizeof(letters) - 1);
    letters[sizeof(letters) - 1] = '\0';
    static const char *const around[][2] = {{"{\"message\":\"", "\"}"},
                                            {"<Error><Message>", "</Message></Error>"}};
    for (size_t i = 0; i < COUNT_OF(around); i++) {
        (void)snprintf(body, sizeof(body), "%s%s\xC3\xA9%s", around[i][0], letters, around[i][1]);
        aws_error_read((struct slice){0}, slice_of_text(body), &error);
        assert_string_equal(error.message, letters);
        (void)snprintf(body, sizeof(body), "%s%s\xC3\xA9%s", around[i][0], letters + 1,
                       around[i][1]);
        aws_error_read((struct slice){0}, slice_of_text(body), &error);
        assert_int_equal(strlen(error.message), AWS_ERROR_MESSAGE_MAX_BYTES);
    }
}

static void test_every_class_has_a_name(void **state)
{
    (void)state;
    for (int i = AWS_ERROR_NONE; i <= AWS_ERROR_PERMANENT; i++) {
        assert_string_not_equal(aws_error_class_name((enum aws_error_class)i), "unknown");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_decide_whatever_the_status),
        cmocka_unit_test(test_statuses_decide_where_codes_do_not),
        cmocka_unit_test(test_codes_stand_in_the_header),
        cmocka_unit_test(test_codes_stand_in_json),
        cmocka_unit_test(test_codes_stand_in_xml),
        cmocka_unit_test(test_long_texts_are_cut_between_characters),
        cmocka_unit_test(test_every_class_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
