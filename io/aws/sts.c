/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sts — two forms in a POST body, one of them signed, and an XML answer.
 */
#include "io/aws/sts.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/number.h"
#include "io/aws/aws_error.h"
#include "io/aws/aws_time.h"
#include "io/loop.h"

#define SESSION_NAME_BYTES 64

static const struct aws_header form_header[] = {
    {{(const uint8_t *)"Content-Type", 12},
     {(const uint8_t *)"application/x-www-form-urlencoded", 33}},
};

static const char *const plain_lines[] = {"Content-Type: application/x-www-form-urlencoded",
                                          "User-Agent: weir/" WEIR_VERSION};

/* --- the form --------------------------------------------------------------------------------- */

static bool is_unreserved(uint8_t byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

static void put_escaped(struct bytes *body, struct slice text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        if (is_unreserved(byte)) {
            bytes_append_byte(body, byte);
        } else {
            const char escaped[] = {'%', hex[byte >> 4], hex[byte & 15]};
            bytes_append(body, escaped, sizeof(escaped));
        }
    }
}

/* Nothing for a value that is empty. */
static void put_field(struct bytes *body, const char *name, struct slice value)
{
    if (value.len == 0) {
        return;
    }
    bytes_append_byte(body, '&');
    bytes_append(body, name, strlen(name));
    bytes_append_byte(body, '=');
    put_escaped(body, value);
}

static void put_role(struct sts *sts, const struct credential_role *role)
{
    char number[NUMBER_TEXT_MAX_BYTES];
    char name[SESSION_NAME_BYTES];
    (void)snprintf(name, sizeof(name), "weir-%" PRIu64,
                   loop_now_unix_ns(sts->loop) / CLOCK_NS_PER_S);
    put_field(&sts->body, "RoleArn", slice_of_text(role->arn));
    put_field(&sts->body, "RoleSessionName",
              slice_of_text(role->session_name[0] != '\0' ? role->session_name : name));
    put_field(&sts->body, "ExternalId", slice_of_text(role->external_id));
    if (role->duration_s > 0) {
        size_t len = number_format_u64(role->duration_s, number, sizeof(number));
        put_field(&sts->body, "DurationSeconds", slice_of(number, len));
    }
}

static void clear_body(struct sts *sts)
{
    if (sts->body.ptr != NULL) {
        OPENSSL_cleanse(sts->body.ptr, sts->body.capacity_bytes);
    }
    bytes_clear(&sts->body);
}

static int begin_body(struct sts *sts, const char *action)
{
    clear_body(sts);
    int err = bytes_reserve_exact(&sts->body, STS_BODY_MAX_BYTES);
    bytes_append(&sts->body, "Action=", 7);
    bytes_append(&sts->body, action, strlen(action));
    bytes_append(&sts->body, "&Version=2011-06-15", 19);
    return err;
}

/* --- sending ---------------------------------------------------------------------------------- */

static uint64_t now_unix_s(const struct sts *sts)
{
    return loop_now_unix_ns(sts->loop) / CLOCK_NS_PER_S;
}

static int prepare_signed(struct sts *sts)
{
    sts->request = (struct aws_request){
        .method = "POST",
        .path = "/",
        .headers = form_header,
        .header_count = COUNT_OF(form_header),
        .body = &sts->piece,
        .body_count = 1,
    };
    const struct signed_terms terms = {
        .endpoint = &sts->endpoint,
        .keys = &sts->with->keys,
        .region = slice_of_text(sts->region.text),
        .service = SLICE_LITERAL("sts"),
        .unix_s = (uint64_t)((int64_t)now_unix_s(sts) + sts->skew_s),
    };
    return signed_attempt_prepare(&sts->attempt, &sts->signer, &sts->request, &terms,
                                  &sts->call.http);
}

/* The endpoint may have a path of its own, but the action always stands at its root. */
static void prepare_plain(struct sts *sts)
{
    static const char *const wanted[] = {"x-amzn-errortype", "x-amzn-requestid", "date"};
    sts->call.http.method = "POST";
    sts->call.http.url = sts->endpoint.url;
    sts->call.http.headers = plain_lines;
    sts->call.http.header_count = COUNT_OF(plain_lines);
    sts->call.http.wanted_headers = wanted;
    sts->call.http.wanted_header_count = COUNT_OF(wanted);
    sts->call.http.body = &sts->piece;
    sts->call.http.body_count = 1;
}

static int send_form(struct sts *sts)
{
    sts->piece = (struct iovec){.iov_base = sts->body.ptr, .iov_len = sts->body.len};
    sts->call.http = (struct http_request){
        .timeout_ms = STS_TIMEOUT_MS,
        .response_max_bytes = RETRY_CALL_RESPONSE_MAX_BYTES,
    };
    if (sts->with == NULL) {
        prepare_plain(sts);
        return retry_call_start(&sts->call);
    }
    int err = prepare_signed(sts);
    return err != 0 ? err : retry_call_start(&sts->call);
}

static int start(struct sts *sts, const struct aws_region *region, int err, char *why)
{
    const char *refusal = NULL;
    sts->region = *region;
    sts->is_repeated = false;
    if (err == 0 && sts->body.err != 0) {
        err = sts->body.err;
    }
    if (err == 0) {
        err =
            aws_endpoint_resolve(&sts->endpoint_env, slice_of(NULL, 0), slice_of_text(region->text),
                                 SLICE_LITERAL("sts"), &sts->endpoint, &refusal);
    }
    if (err == 0) {
        err = send_form(sts);
    }
    if (err != 0) {
        (void)snprintf(why, CREDENTIAL_WHY_BYTES, "sts: %s",
                       refusal != NULL ? refusal : fault_text(err));
    }
    return err;
}

/* --- the answer ------------------------------------------------------------------------------- */

/* Corrects the clock by the answer; is it worth another attempt? */
static bool learn_time(struct sts *sts, const struct http_result *result,
                       enum aws_error_class error_class)
{
    uint64_t theirs_unix_s = 0;
    if (aws_time_parse_http(result->headers[SIGNED_WANTED_DATE], &theirs_unix_s) != 0) {
        return false;
    }
    int64_t skew_s = (int64_t)theirs_unix_s - (int64_t)now_unix_s(sts);
    int64_t change_s = skew_s > sts->skew_s ? skew_s - sts->skew_s : sts->skew_s - skew_s;
    sts->skew_s = skew_s;
    return sts->with != NULL && !sts->is_repeated &&
           (error_class == AWS_ERROR_SKEW ||
            (error_class == AWS_ERROR_SKEW_PERHAPS && change_s > AWS_SKEW_BLAMED_S));
}

static void finish(struct sts *sts, struct credential_set *set, const char *why)
{
    credential_set_free(sts->with);
    sts->with = NULL;
    clear_body(sts);
    sts->on_done(sts, set, why);
}

static void sts_on_answer(struct retry_call *call, const struct http_result *result)
{
    struct sts *sts = CONTAINER_OF(call, struct sts, call);
    struct aws_error error = {.code = ""};
    char why[CREDENTIAL_WHY_BYTES];
    if (result->fault != 0) {
        (void)snprintf(why, sizeof(why), "sts: %s", result->fault_text);
        finish(sts, NULL, why);
        return;
    }
    if (result->status / 100 != 2) {
        aws_error_read(result->headers[SIGNED_WANTED_ERROR_TYPE], result->body, &error);
    }
    enum aws_error_class error_class =
        aws_error_classify(result->status, slice_of_text(error.code));
    if (learn_time(sts, result, error_class)) {
        sts->is_repeated = true;
        if (send_form(sts) == 0) {
            return;
        }
    }
    struct credential_set *set = NULL;
    char reason[CREDENTIAL_WHY_BYTES];
    why[0] = '\0';
    if (credential_set_read_xml(result->body, "sts", &set, reason) != 0) {
        (void)snprintf(why, sizeof(why), "sts answered %u: %.400s", result->status, reason);
        set = NULL;
    } else if (set->expires_unix_s != 0) {
        /* Their time of expiry, by our clock. */
        set->expires_unix_s = (uint64_t)((int64_t)set->expires_unix_s - sts->skew_s);
    }
    finish(sts, set, why);
}

/* --- public ----------------------------------------------------------------------------------- */

int sts_init(struct sts *sts, struct loop *loop, struct http_client *client, sts_done_fn *on_done)
{
    *sts = (struct sts){
        .on_done = on_done,
        .loop = loop,
        .client = client,
        .call = {.loop = loop, .client = client, .on_done = sts_on_answer},
    };
    bytes_init(&sts->body, STS_BODY_MAX_BYTES);
    aws_endpoint_env_read(SLICE_LITERAL("sts"), &sts->endpoint_env);
    return sigv4_signer_init(&sts->signer);
}

void sts_cancel(struct sts *sts)
{
    retry_call_cancel(&sts->call);
    credential_set_free(sts->with);
    sts->with = NULL;
}

void sts_fini(struct sts *sts)
{
    sts_cancel(sts);
    clear_body(sts);
    bytes_fini(&sts->body);
    signed_attempt_fini(&sts->attempt);
    sigv4_signer_fini(&sts->signer);
    *sts = (struct sts){.on_done = NULL};
}

int sts_assume_role(struct sts *sts, const struct aws_region *region,
                    const struct credential_role *role, const struct sigv4_credentials *keys,
                    char *why)
{
    ASSERT(sts->with == NULL);
    int err = credential_set_new(keys, 0, "sts", &sts->with);
    if (err == 0) {
        err = begin_body(sts, "AssumeRole");
    }
    if (err == 0) {
        put_role(sts, role);
    }
    err = start(sts, region, err, why);
    if (err != 0) {
        sts_cancel(sts);
    }
    return err;
}

int sts_assume_web_role(struct sts *sts, const struct aws_region *region,
                        const struct credential_role *role, struct slice token, char *why)
{
    ASSERT(sts->with == NULL);
    int err = begin_body(sts, "AssumeRoleWithWebIdentity");
    if (err == 0) {
        put_role(sts, role);
        put_field(&sts->body, "WebIdentityToken", token);
    }
    return start(sts, region, err, why);
}
