/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_rig — see the header. The service itself answers whatever the script says; signatures are
 * made again from the request as it arrived and compared.
 */
#include "tests/io/aws/aws_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codecs/sigv4_sign.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "io/loop.h"

#define PATIENCE_NS (20 * CLOCK_NS_PER_S)

/* --- the server ------------------------------------------------------------------------------- */

static uint64_t server_unix_s(const struct aws_script *script)
{
    return (uint64_t)((int64_t)(clock_unix_ns() / CLOCK_NS_PER_S) + script->clock_skew_s);
}

enum date_format {
    DATE_RFC3339,
    DATE_AMZ,
    DATE_HTTP,
};

static void format_date(uint64_t unix_s, enum date_format format, char *buf, size_t cap)
{
    time_t time = (time_t)unix_s;
    struct tm tm;
    (void)gmtime_r(&time, &tm);
    switch (format) {
    case DATE_RFC3339:
        (void)strftime(buf, cap, "%Y-%m-%dT%H:%M:%SZ", &tm);
        return;
    case DATE_AMZ:
        (void)strftime(buf, cap, "%Y%m%dT%H%M%SZ", &tm);
        return;
    case DATE_HTTP:
        (void)strftime(buf, cap, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        return;
    }
}

static struct http_stub_answer text_answer(uint32_t status, const char *body)
{
    return (struct http_stub_answer){.status = status, .body = body, .body_len = strlen(body)};
}

static struct http_stub_answer give_keys(struct aws_script *script, bool is_xml)
{
    char expires[64];
    uint64_t lifetime_s = script->key_lifetime_s > 0 ? script->key_lifetime_s : 3600;
    script->key_count++;
    format_date(server_unix_s(script) + lifetime_s, DATE_RFC3339, expires, sizeof(expires));
    uint32_t n = script->key_count;
    if (is_xml) {
        (void)snprintf(script->body, sizeof(script->body),
                       "<R xmlns=\"x\"><A><Credentials><AccessKeyId>AKIDFETCHED%u</AccessKeyId>"
                       "<SecretAccessKey>SECRET%u</SecretAccessKey><SessionToken>TOKEN%u"
                       "</SessionToken><Expiration>%s</Expiration></Credentials></A></R>",
                       n, n, n, expires);
    } else {
        (void)snprintf(script->body, sizeof(script->body),
                       "{\"Code\":\"Success\",\"AccessKeyId\":\"AKIDFETCHED%u\","
                       "\"SecretAccessKey\":\"SECRET%u\",\"Token\":\"TOKEN%u\","
                       "\"Expiration\":\"%s\"}",
                       n, n, n, expires);
    }
    struct http_stub_answer answer = text_answer(200, script->body);
    answer.delay_ms = script->key_delay_ms;
    return answer;
}

static struct http_stub_answer serve_container(struct aws_script *script,
                                               const struct http_stub_request *request)
{
    struct slice shown = http_stub_header(request, "Authorization");
    if (script->key_status != 0) {
        return text_answer(script->key_status, "{\"code\":\"Down\",\"message\":\"not today\"}");
    }
    if (script->required_token != NULL && !slice_is_text(shown, script->required_token)) {
        return text_answer(401, "{\"code\":\"InvalidToken\",\"message\":\"who are you\"}");
    }
    return give_keys(script, false);
}

static struct http_stub_answer serve_imds(struct aws_script *script,
                                          const struct http_stub_request *request)
{
    struct slice token = http_stub_header(request, "X-aws-ec2-metadata-token");
    if (strcmp(request->target, "/latest/api/token") == 0) {
        if (script->has_no_tokens) {
            return text_answer(404, "");
        }
        script->tokens_given++;
        return text_answer(200, script->tokens_given == 1 ? "IMDSTOKEN1" : "IMDSTOKEN2");
    }
    bool is_first = slice_is_text(token, "IMDSTOKEN1");
    bool is_known =
        script->has_no_tokens ? token.len == 0 : is_first || slice_is_text(token, "IMDSTOKEN2");
    if (!is_known || (is_first && script->is_first_token_refused)) {
        return text_answer(401, "");
    }
    if (strcmp(request->target, "/latest/meta-data/iam/security-credentials/") == 0) {
        return text_answer(200, "my-role\nother-role\n");
    }
    if (strcmp(request->target, "/latest/meta-data/iam/security-credentials/my-role") == 0) {
        return give_keys(script, false);
    }
    if (strcmp(request->target, "/latest/dynamic/instance-identity/document") == 0) {
        return text_answer(200, "{\"region\":\"ap-south-1\",\"instanceId\":\"i-1\"}");
    }
    return text_answer(404, "");
}

static bool is_key_refused(const struct aws_script *script, const struct http_stub_request *request)
{
    char wanted[64];
    struct slice shown = http_stub_header(request, "Authorization");
    (void)snprintf(wanted, sizeof(wanted), "Credential=AKIDFETCHED%u/", script->key_count);
    const char *text = (const char *)shown.ptr;
    return script->are_keys_refused ||
           (script->is_old_key_refused && memmem(text, shown.len, wanted, strlen(wanted)) == NULL);
}

static bool is_late(const struct aws_script *script, const struct http_stub_request *request)
{
    char now[32];
    char before[32];
    char after[32];
    struct slice date = http_stub_header(request, "X-Amz-Date");
    uint64_t now_s = server_unix_s(script);
    format_date(now_s, DATE_AMZ, now, sizeof(now));
    format_date(now_s - 300, DATE_AMZ, before, sizeof(before));
    format_date(now_s + 300, DATE_AMZ, after, sizeof(after));
    /* What is not signed has no time. */
    return date.len > 0 && (slice_compare(date, slice_of_text(before)) < 0 ||
                            slice_compare(date, slice_of_text(after)) > 0);
}

static void put_date(struct aws_script *script, const char *more)
{
    char date[64];
    format_date(server_unix_s(script), DATE_HTTP, date, sizeof(date));
    (void)snprintf(script->headers, sizeof(script->headers), "Date: %s\r\n%s", date, more);
}

static struct http_stub_answer serve_sts(struct aws_script *script,
                                         const struct http_stub_request *request)
{
    bool is_signed = http_stub_header(request, "Authorization").len > 0;
    struct http_stub_answer answer =
        text_answer(400, "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch"
                         "</Code><Message>Signature expired</Message></Error></ErrorResponse>");
    put_date(script, "");
    if (!is_signed || !is_late(script, request)) {
        answer = give_keys(script, true);
    }
    answer.headers = script->headers;
    return answer;
}

static struct http_stub_answer serve_service(struct aws_script *script,
                                             const struct http_stub_request *request)
{
    struct http_stub_answer answer = text_answer(script->service_status, "{}");
    put_date(script, script->service_headers != NULL ? script->service_headers : "");
    if (script->service_body != NULL) {
        answer = text_answer(script->service_status, script->service_body);
    }
    if (is_late(script, request)) {
        answer = text_answer(403, "{\"__type\":\"RequestTimeTooSkewed\",\"message\":\"clock\"}");
    } else if (is_key_refused(script, request)) {
        answer = text_answer(400, "{\"__type\":\"x#ExpiredTokenException\",\"message\":\"old\"}");
    }
    answer.headers = script->headers;
    return answer;
}

static struct http_stub_answer choose(void *owner, const struct http_stub_request *request)
{
    struct aws_script *script = owner;
    if (strncmp(request->target, "/container", 10) == 0) {
        return serve_container(script, request);
    }
    if (strncmp(request->target, "/latest/", 8) == 0) {
        return serve_imds(script, request);
    }
    if (strcmp(request->target, "/v4/id/task") == 0) {
        return text_answer(200, "{\"TaskARN\":\"arn:aws:ecs:sa-east-1:1:task/c/t\"}");
    }
    if (strcmp(request->target, "/sts/") == 0 || strcmp(request->target, "/sts") == 0) {
        return serve_sts(script, request);
    }
    return serve_service(script, request);
}

/* --- life ------------------------------------------------------------------------------------- */

void aws_rig_clear_environment(void)
{
    static const char *const names[] = {
        "AWS_ACCESS_KEY_ID",
        "AWS_ACCESS_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_EC2_METADATA_V1_DISABLED",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "AWS_CA_BUNDLE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_XRAY",
        "AWS_ENDPOINT_URL_STS",
        "ECS_CONTAINER_METADATA_URI_V4",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)unsetenv(names[i]);
    }
    (void)setenv("HOME", "/nonexistent", 1);
    (void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
}

void aws_rig_open(struct aws_rig *rig, struct loop *loop)
{
    char url[128];
    *rig = (struct aws_rig){.loop = loop};
    const struct http_stub_options options = {.choose = choose, .owner = &rig->script};
    aws_rig_clear_environment();
    http_stub_start(&rig->stub, &options);
    (void)setenv("AWS_ENDPOINT_URL", rig->stub.url, 1);
    (void)snprintf(url, sizeof(url), "%s/sts", rig->stub.url);
    (void)setenv("AWS_ENDPOINT_URL_STS", url, 1);
}

void aws_rig_open_client(struct aws_rig *rig, const struct aws_client_options *options)
{
    const struct aws_client_options usual = {.service = "xray", .region = "eu-west-1"};
    assert_int_equal(aws_client_open(rig->loop, options != NULL ? options : &usual, &rig->client),
                     0);
}

void aws_rig_close(struct aws_rig *rig)
{
    aws_client_close(rig->client);
    for (int i = 0; i < 4; i++) {
        assert_true(loop_turn(rig->loop, 0) >= 0);
    }
    http_stub_stop(&rig->stub);
    aws_rig_clear_environment();
}

void aws_rig_use_container(struct aws_rig *rig)
{
    char url[128];
    (void)snprintf(url, sizeof(url), "%s/container", rig->stub.url);
    (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
}

/* --- requests --------------------------------------------------------------------------------- */

static void copy_text(char *out, size_t cap, struct slice text)
{
    size_t len = text.len < cap - 1 ? text.len : cap - 1;
    if (len > 0) {
        memcpy(out, text.ptr, len);
    }
    out[len] = '\0';
}

static void probe_on_done(struct aws_request *request, const struct aws_answer *answer)
{
    struct aws_probe *probe = CONTAINER_OF(request, struct aws_probe, request);
    assert_null(request->call);
    probe->is_done++;
    probe->outcome = answer->outcome;
    probe->status = answer->status;
    probe->retry_after_ms = answer->retry_after_ms;
    probe->was_answered = answer->was_answered;
    probe->was_sent = answer->was_sent;
    copy_text(probe->code, sizeof(probe->code), answer->code);
    copy_text(probe->body, sizeof(probe->body), answer->body);
    copy_text(probe->fault_text, sizeof(probe->fault_text), slice_of_text(answer->fault_text));
}

struct aws_probe aws_probe_of(void)
{
    static const struct aws_header headers[] = {
        {{(const uint8_t *)"Content-Type", 12}, {(const uint8_t *)"application/json", 16}},
        {{(const uint8_t *)"X-Amz-Target", 12}, {(const uint8_t *)"Test.Put", 8}},
    };
    static char first[] = "{\"TraceSegment";
    static char second[] = "Documents\":[]}";
    static const struct iovec body[] = {
        {.iov_base = first, .iov_len = sizeof(first) - 1},
        {.iov_base = second, .iov_len = sizeof(second) - 1},
    };
    return (struct aws_probe){
        .request = {.method = "POST",
                    .path = "/TraceSegments",
                    .headers = headers,
                    .header_count = COUNT_OF(headers),
                    .body = body,
                    .body_count = COUNT_OF(body),
                    .timeout_ms = 15000,
                    .response_max_bytes = 1024,
                    .on_done = probe_on_done},
    };
}

void aws_rig_run(struct aws_rig *rig, struct aws_probe *probe)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    uint64_t before = probe->is_done;
    assert_int_equal(aws_client_start(rig->client, &probe->request), 0);
    assert_int_equal(probe->is_done, before); /* never from inside start */
    while (probe->is_done == before && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig->loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(probe->is_done, before + 1);
}

size_t aws_rig_count(struct aws_rig *rig, const char *target)
{
    size_t count = 0;
    for (size_t i = 0; i < http_stub_request_count(&rig->stub); i++) {
        count += strcmp(http_stub_request(&rig->stub, i)->target, target) == 0 ? 1 : 0;
    }
    return count;
}

const struct http_stub_request *aws_rig_last(struct aws_rig *rig, const char *target)
{
    size_t count = http_stub_request_count(&rig->stub);
    for (size_t i = count; i > 0; i--) {
        const struct http_stub_request *request = http_stub_request(&rig->stub, i - 1);
        if (strcmp(request->target, target) == 0) {
            return request;
        }
    }
    fail_msg("no request of %s", target);
    return NULL;
}

/* --- signatures ------------------------------------------------------------------------------- */

/* What stands behind `key` up to one of `ends`. */
static struct slice part_of(struct slice text, const char *key, const char *ends)
{
    const char *at = memmem(text.ptr, text.len, key, strlen(key));
    assert_non_null(at);
    at += strlen(key);
    size_t left = text.len - (size_t)(at - (const char *)text.ptr);
    size_t len = 0;
    while (len < left && strchr(ends, at[len]) == NULL) {
        len++;
    }
    return slice_of(at, len);
}

/* The next piece up to `end`; `rest` shrinks. */
static struct slice take_piece(struct slice *rest, uint8_t end)
{
    size_t len = slice_find(*rest, end);
    struct slice piece = slice_first(*rest, len);
    *rest = slice_from(*rest, len < rest->len ? len + 1 : len);
    return piece;
}

static uint64_t parse_amz_date(struct slice date)
{
    char text[32];
    struct tm tm = {.tm_sec = 0};
    copy_text(text, sizeof(text), date);
    assert_non_null(strptime(text, "%Y%m%dT%H%M%SZ", &tm));
    return (uint64_t)timegm(&tm);
}

bool aws_rig_is_signed(const struct http_stub_request *request, const char *secret)
{
    struct sigv4_signer signer;
    struct sigv4_header headers[32];
    struct sigv4_result result;
    char hash[DIGEST_SHA256_HEX_BYTES];
    size_t header_count = 0;
    struct slice authorization = http_stub_header(request, "Authorization");
    struct slice signature = part_of(authorization, "Signature=", ",");
    struct slice names = part_of(authorization, "SignedHeaders=", ",");
    struct slice scope = part_of(authorization, "Credential=", ",");
    struct slice key_id = take_piece(&scope, '/');
    (void)take_piece(&scope, '/');
    const struct sigv4_scope terms = {.region = take_piece(&scope, '/'),
                                      .service = take_piece(&scope, '/')};
    while (names.len > 0) {
        char name[64];
        copy_text(name, sizeof(name), take_piece(&names, ';'));
        if (strcmp(name, "x-amz-date") != 0 && strcmp(name, "x-amz-security-token") != 0) {
            struct slice value = http_stub_header(request, name);
            const char *at = (const char *)value.ptr; /* its name is found in the head, before it */
            size_t name_len = strlen(name);
            while (strncasecmp(at, name, name_len) != 0) {
                at--;
            }
            headers[header_count] = (struct sigv4_header){slice_of(at, name_len), value};
            header_count++;
        }
    }
    const struct slice body = slice_of(request->body, request->body_len);
    struct slice target = slice_of_text(request->target);
    assert_int_equal(sigv4_signer_init(&signer), 0);
    assert_int_equal(sigv4_hash_payload(&signer, &body, 1, hash), 0);
    const struct sigv4_request signing = {
        .method = slice_of_text(request->method),
        .path = take_piece(&target, '?'),
        .query = target,
        .headers = headers,
        .header_count = header_count,
        .payload_hash_hex = slice_of(hash, sizeof(hash)),
        .is_path_normalised = true,
    };
    const struct sigv4_credentials keys = {
        .access_key_id = key_id,
        .secret_access_key = slice_of_text(secret),
        .session_token = http_stub_header(request, "X-Amz-Security-Token"),
    };
    int err = sigv4_sign(&signer, &signing, &keys, &terms,
                         parse_amz_date(http_stub_header(request, "X-Amz-Date")), &result);
    bool is_same = err == 0 && slice_equal(signature, slice_of(result.signature_hex,
                                                               sizeof(result.signature_hex)));
    sigv4_signer_fini(&signer);
    return is_same;
}
