/* SPDX-License-Identifier: Apache-2.0 */
/*
 * imds — a token first where there is none, then the document; 401 means: another token, once.
 *
 * Where the token is refused as unknown (403, 404, 405) or not answered in time, version 1 is
 * spoken if that is allowed; a 400 is our mistake and final.
 */
#include "io/aws/imds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "io/loop.h"

#define TTL_HEADER "X-aws-ec2-metadata-token-ttl-seconds: 21600"
/* A token is not used in its last minute. */
#define TOKEN_SPARE_S 60

static bool has_token(const struct imds *imds)
{
    return imds->token_line[0] != '\0' && loop_now_mono_ns(imds->loop) < imds->token_until_mono_ns;
}

static int send_get(struct imds_get *get)
{
    struct imds *imds = get->imds;
    bool asks_token = !imds->is_v1 && !has_token(imds);
    const char *path = asks_token ? "/latest/api/token" : get->path;
    int len = snprintf(get->url, sizeof(get->url), "%s%s", imds->base, path);
    if (len < 0 || (size_t)len >= sizeof(get->url)) {
        return FAULT_LIMIT;
    }
    get->is_token_asked = asks_token;
    get->header[0] = asks_token ? TTL_HEADER : imds->token_line;
    get->call.http = (struct http_request){
        .method = asks_token ? "PUT" : "GET",
        .url = get->url,
        .headers = get->header,
        .header_count = asks_token || !imds->is_v1 ? 1 : 0,
        .timeout_ms = IMDS_TIMEOUT_MS,
        .response_max_bytes = RETRY_CALL_RESPONSE_MAX_BYTES,
    };
    return retry_call_start(&get->call);
}

static void fail(struct imds_get *get, int fault, const char *why)
{
    const struct imds_answer answer = {.fault = fault, .why = why};
    get->on_done(get, &answer);
}

static void fail_absent(struct imds_get *get)
{
    const struct imds_answer answer = {.fault = FAULT_MALFORMED,
                                       .why = "it has no such document (no role is attached?)",
                                       .is_absent = true};
    get->on_done(get, &answer);
}

static void send_or_fail(struct imds_get *get)
{
    int err = send_get(get);
    if (err != 0) {
        fail(get, err, fault_text(err));
    }
}

static bool is_token_text(struct slice token)
{
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] <= ' ' || token.ptr[i] >= 0x7f) {
            return false;
        }
    }
    return token.len > 0 && token.len <= IMDS_TOKEN_MAX_BYTES;
}

static void take_token(struct imds_get *get, const struct http_result *result)
{
    struct imds *imds = get->imds;
    bool is_unknown = result->fault == -ETIMEDOUT || result->status == 403 ||
                      result->status == 404 || result->status == 405;
    if (result->fault == 0 && result->status == 200 && is_token_text(result->body)) {
        (void)snprintf(imds->token_line, sizeof(imds->token_line), "X-aws-ec2-metadata-token: %.*s",
                       (int)result->body.len, (const char *)result->body.ptr);
        imds->token_until_mono_ns =
            loop_now_mono_ns(imds->loop) + (IMDS_TOKEN_TTL_S - TOKEN_SPARE_S) * CLOCK_NS_PER_S;
    } else if (is_unknown && !imds->is_v1_forbidden) {
        imds->is_v1 = true;
    } else {
        fail(get, result->fault != 0 ? result->fault : FAULT_MALFORMED,
             result->fault != 0 ? result->fault_text : "no session token was given");
        return;
    }
    send_or_fail(get);
}

static void take_document(struct imds_get *get, const struct http_result *result)
{
    struct imds *imds = get->imds;
    if (result->fault != 0) {
        fail(get, result->fault, result->fault_text);
        return;
    }
    if (result->status == 401 && !get->is_token_renewed) {
        get->is_token_renewed = true;
        imds->token_line[0] = '\0';
        imds->is_v1 = false;
        send_or_fail(get);
        return;
    }
    if (result->status == 404) {
        fail_absent(get);
        return;
    }
    if (result->status != 200 || result->is_body_cut) {
        fail(get, FAULT_MALFORMED, "its answer is not as expected");
        return;
    }
    const struct imds_answer answer = {.body = result->body, .why = ""};
    get->on_done(get, &answer);
}

static void get_on_done(struct retry_call *call, const struct http_result *result)
{
    struct imds_get *get = CONTAINER_OF(call, struct imds_get, call);
    if (get->is_token_asked) {
        take_token(get, result);
        return;
    }
    take_document(get, result);
}

int imds_init(struct imds *imds, struct loop *loop, struct http_client *client,
              const struct aws_environment *env)
{
    *imds = (struct imds){
        .loop = loop,
        .client = client,
        .is_v1_forbidden = aws_environment_is_true(env, AWS_VARIABLE_IMDS_V1_DISABLED),
    };
    const char *mode = aws_environment_text(env, AWS_VARIABLE_IMDS_ENDPOINT_MODE);
    const char *base = aws_environment_text(env, AWS_VARIABLE_IMDS_ENDPOINT);
    if (base[0] == '\0') {
        base = strcasecmp(mode, "IPv6") == 0 ? IMDS_URL_IN6 : IMDS_URL;
    }
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/') {
        len--; /* the path brings its own */
    }
    if (len >= sizeof(imds->base)) {
        return FAULT_LIMIT;
    }
    memcpy(imds->base, base, len);
    return 0;
}

int imds_get_start(struct imds *imds, struct imds_get *get, const char *path)
{
    ASSERT(path[0] == '/');
    get->imds = imds;
    get->path = path;
    get->is_token_renewed = false;
    get->call.loop = imds->loop;
    get->call.client = imds->client;
    get->call.on_done = get_on_done;
    return send_get(get);
}

void imds_get_cancel(struct imds_get *get)
{
    retry_call_cancel(&get->call);
}
