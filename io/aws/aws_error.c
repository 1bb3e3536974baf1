/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_error — one table from codes to classes, and three places where a code may stand.
 *
 * Source: AWS SDKs and Tools Reference, "Retry behavior"; Smithy, "AWS JSON 1.1 protocol" and
 * "AWS query protocol", error serialization.
 */
#include "io/aws/aws_error.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/fault.h"
#include "io/aws/json_members.h"
#include "io/aws/xml_text.h"

/* Codes are often sent with status 400, which would be permanent. */
static const struct {
    const char *code;
    enum aws_error_class error_class;
} table[] = {
    {"Throttling", AWS_ERROR_THROTTLE},
    {"ThrottlingException", AWS_ERROR_THROTTLE},
    {"ThrottledException", AWS_ERROR_THROTTLE},
    {"RequestThrottledException", AWS_ERROR_THROTTLE},
    {"TooManyRequestsException", AWS_ERROR_THROTTLE},
    {"ProvisionedThroughputExceededException", AWS_ERROR_THROTTLE},
    {"TransactionInProgressException", AWS_ERROR_THROTTLE},
    {"RequestLimitExceeded", AWS_ERROR_THROTTLE},
    {"BandwidthLimitExceeded", AWS_ERROR_THROTTLE},
    {"LimitExceededException", AWS_ERROR_THROTTLE},
    {"RequestThrottled", AWS_ERROR_THROTTLE},
    {"SlowDown", AWS_ERROR_THROTTLE},
    {"PriorRequestNotComplete", AWS_ERROR_THROTTLE},
    {"EC2ThrottledException", AWS_ERROR_THROTTLE},
    {"RequestTimeout", AWS_ERROR_TRANSIENT},
    {"RequestTimeoutException", AWS_ERROR_TRANSIENT},
    {"InternalFailure", AWS_ERROR_TRANSIENT},
    {"InternalServerError", AWS_ERROR_TRANSIENT},
    {"ServiceUnavailable", AWS_ERROR_TRANSIENT},
    {"RequestExpired", AWS_ERROR_SKEW},
    {"RequestInTheFuture", AWS_ERROR_SKEW},
    {"RequestTimeTooSkewed", AWS_ERROR_SKEW},
    {"InvalidSignatureException", AWS_ERROR_SKEW_PERHAPS},
    {"SignatureDoesNotMatch", AWS_ERROR_SKEW_PERHAPS},
    {"AuthFailure", AWS_ERROR_SKEW_PERHAPS},
    {"ExpiredToken", AWS_ERROR_CREDENTIALS},
    {"ExpiredTokenException", AWS_ERROR_CREDENTIALS},
    {"UnrecognizedClientException", AWS_ERROR_CREDENTIALS},
    {"InvalidClientTokenId", AWS_ERROR_CREDENTIALS},
};

const char *aws_error_class_name(enum aws_error_class error_class)
{
    switch (error_class) {
    case AWS_ERROR_NONE:
        return "none";
    case AWS_ERROR_THROTTLE:
        return "throttle";
    case AWS_ERROR_TRANSIENT:
        return "transient";
    case AWS_ERROR_SKEW:
        return "skew";
    case AWS_ERROR_SKEW_PERHAPS:
        return "skew_perhaps";
    case AWS_ERROR_CREDENTIALS:
        return "credentials";
    case AWS_ERROR_PERMANENT:
        return "permanent";
    }
    return "unknown";
}

/*
 * 408 and the 5xx that proxies and load balancers invent are as passing as the four that the SDKs
 * repeat; what a server does not implement (501, 505) it will not implement a second later.
 */
static enum aws_error_class class_of_status(uint32_t status)
{
    if (status == 429) {
        return AWS_ERROR_THROTTLE;
    }
    if (status == 0 || status == 408) {
        return AWS_ERROR_TRANSIENT;
    }
    if (status >= 500 && status <= 599 && status != 501 && status != 505) {
        return AWS_ERROR_TRANSIENT;
    }
    return AWS_ERROR_PERMANENT;
}

enum aws_error_class aws_error_classify(uint32_t status, struct slice code)
{
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (slice_is_text(code, table[i].code)) {
            return table[i].error_class;
        }
    }
    if (status >= 200 && status <= 299 && code.len == 0) {
        return AWS_ERROR_NONE;
    }
    return class_of_status(status);
}

/* --- reading --------------------------------------------------------------------------------- */

static bool is_code_byte(uint8_t c)
{
    uint8_t lower = c | 0x20;
    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') || c == '.' || c == '_' ||
           c == '-';
}

/* "com.amazonaws.xray#ThrottledException:http://…" → "ThrottledException"; "" for no code. */
static void take_code(struct slice text, char out[AWS_ERROR_CODE_MAX_BYTES + 1])
{
    size_t colon = slice_find(text, ':');
    text = slice_first(text, colon);
    size_t hash = slice_find(text, '#');
    while (hash < text.len) {
        text = slice_from(text, hash + 1);
        hash = slice_find(text, '#');
    }
    while (text.len > 0 && text.ptr[0] == ' ') {
        text = slice_from(text, 1);
    }
    while (text.len > 0 && text.ptr[text.len - 1] == ' ') {
        text = slice_first(text, text.len - 1);
    }
    bool is_code = text.len <= AWS_ERROR_CODE_MAX_BYTES;
    for (size_t i = 0; i < text.len && is_code; i++) {
        is_code = is_code_byte(text.ptr[i]);
    }
    size_t len = is_code ? text.len : 0;
    if (len > 0) {
        memcpy(out, text.ptr, len);
    }
    out[len] = '\0';
}

/* Control characters become blanks. */
static void clean_inplace(char *text)
{
    for (; *text != '\0'; text++) {
        uint8_t c = (uint8_t)*text;
        if (c < ' ' || c == 0x7F) {
            *text = ' ';
        }
    }
}

/* As much of a message as fits, cut between characters. */
static void take_message(struct json_text text, char out[AWS_ERROR_MESSAGE_MAX_BYTES + 1])
{
    size_t len = 0;
    uint8_t piece[JSON_PIECE_MAX_BYTES];
    while (text.raw.len > 0) {
        size_t piece_len = json_text_take(&text, piece);
        if (piece_len > AWS_ERROR_MESSAGE_MAX_BYTES - len) {
            break;
        }
        memcpy(out + len, piece, piece_len);
        len += piece_len;
    }
    out[len] = '\0';
}

enum json_name { NAME_TYPE, NAME_CODE, NAME_CODE_CAPITAL, NAME_MESSAGE, NAME_MESSAGE_CAPITAL };

static void read_json(struct slice body, struct aws_error *out)
{
    struct json_member members[] = {
        [NAME_TYPE] = {.name = SLICE_LITERAL("__type")},
        [NAME_CODE] = {.name = SLICE_LITERAL("code")},
        [NAME_CODE_CAPITAL] = {.name = SLICE_LITERAL("Code")},
        [NAME_MESSAGE] = {.name = SLICE_LITERAL("message")},
        [NAME_MESSAGE_CAPITAL] = {.name = SLICE_LITERAL("Message")},
    };
    char code[AWS_ERROR_MESSAGE_MAX_BYTES];
    if (json_members_read(body, members, COUNT_OF(members)) != 0) {
        return;
    }
    for (size_t i = NAME_TYPE; i <= NAME_CODE_CAPITAL && out->code[0] == '\0'; i++) {
        if (json_member_copy(&members[i], code, sizeof(code)) == 0) {
            take_code(slice_of_text(code), out->code);
        }
    }
    for (size_t i = NAME_MESSAGE; i <= NAME_MESSAGE_CAPITAL && out->message[0] == '\0'; i++) {
        if (members[i].is_found) {
            take_message(members[i].text, out->message);
        }
    }
}

/* Cuts the last character off where its end is missing. */
static void drop_partial_character(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && !slice_is_utf8(slice_of(text, len))) {
        len--;
    }
    text[len] = '\0';
}

static void read_xml(struct slice body, struct aws_error *out)
{
    struct slice error = body;
    struct slice text;
    char code[AWS_ERROR_CODE_MAX_BYTES + 1];
    (void)xml_text_find(body, "Error", &error); /* some servers send its children alone */
    if (out->code[0] == '\0' && xml_text_find(error, "Code", &text) &&
        xml_text_copy(text, code, sizeof(code)) == 0) {
        take_code(slice_of_text(code), out->code);
    }
    if (xml_text_find(error, "Message", &text) &&
        xml_text_copy(text, out->message, sizeof(out->message)) == FAULT_LIMIT) {
        drop_partial_character(out->message);
    }
}

void aws_error_read(struct slice type_header, struct slice body, struct aws_error *out)
{
    *out = (struct aws_error){0};
    take_code(type_header, out->code);
    while (body.len > 0 && (body.ptr[0] == ' ' || (body.ptr[0] >= '\t' && body.ptr[0] <= '\r'))) {
        body = slice_from(body, 1);
    }
    if (body.len > 0 && body.ptr[0] == '{') {
        read_json(body, out);
    } else if (body.len > 0 && body.ptr[0] == '<') {
        read_xml(body, out);
    }
    clean_inplace(out->message);
}
