/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_http — heads judged, verdicts worded.
 */
#include "io/receivers/otlp_http.h"

#include <inttypes.h>
#include <stdio.h>

#include "io/receivers/otlp_shard.h"
#include "io/receivers/xray_proxy.h"

#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_JSON "application/json"
#define TYPE_PROTOBUF "application/x-protobuf"

/* The media type of a Content-Type, without parameters and blanks. */
static struct slice media_type(struct slice value)
{
    size_t len = slice_find(value, ';');
    while (len > 0 && value.ptr[len - 1] == ' ') {
        len--;
    }
    return slice_first(value, len);
}

static void answer_text(struct otlp_http_answer *answer, uint32_t status, const char *text)
{
    answer->status = status;
    answer->retry_after_s = 0;
    answer->content_type = TYPE_TEXT;
    answer->challenge = NULL;
    answer->body = slice_of_text(text);
}

/* What the Collector says where a type is asked for that it cannot put its words into. */
static void answer_unworded(struct otlp_http_answer *answer)
{
    answer_text(answer, 500, "{\"code\": 13, \"message\": \"failed to marshal error message\"}");
    answer->content_type = TYPE_JSON;
}

/* --- CORS ------------------------------------------------------------------------------------- */

/* One '*' in the pattern stands for any run of bytes. */
static bool origin_matches(struct slice pattern, struct slice origin)
{
    size_t star = slice_find(pattern, '*');
    if (star == pattern.len) {
        return http1_text_equal(pattern, origin);
    }
    struct slice head = slice_first(pattern, star);
    struct slice tail = slice_from(pattern, star + 1);
    return origin.len >= head.len + tail.len &&
           http1_text_equal(slice_first(origin, head.len), head) &&
           http1_text_equal(slice_from(origin, origin.len - tail.len), tail);
}

static bool origin_is_allowed(const struct otlp_cors *cors, struct slice origin)
{
    if (!cors->is_enabled || origin.len == 0) {
        return false;
    }
    for (uint32_t i = 0; i < cors->origin_count; i++) {
        if (origin_matches(cors->origins[i], origin)) {
            return true;
        }
    }
    return false;
}

static bool header_is_allowed(const struct otlp_cors *cors, struct slice name)
{
    static const char *const defaults[] = {"accept", "content-type", "x-requested-with"};
    if (cors->allows_any_header || http1_text_equal(name, SLICE_LITERAL("origin"))) {
        return true;
    }
    for (uint32_t i = 0; i < cors->header_count; i++) {
        if (http1_text_equal(name, cors->headers[i])) {
            return true;
        }
    }
    for (size_t i = 0; cors->header_count == 0 && i < COUNT_OF(defaults); i++) {
        if (http1_text_equal(name, slice_of_text(defaults[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_preflight(const struct otlp_cors *cors, const struct otlp_http_head *head)
{
    return cors->is_enabled && slice_is_text(head->method, "OPTIONS") && head->cors_method.len > 0;
}

static bool preflight_is_allowed(const struct otlp_cors *cors, const struct otlp_http_head *head)
{
    struct slice rest = head->cors_headers;
    struct slice name;
    bool is_allowed =
        origin_is_allowed(cors, head->origin) &&
        (slice_is_text(head->cors_method, "GET") || slice_is_text(head->cors_method, "POST") ||
         slice_is_text(head->cors_method, "HEAD"));
    while (is_allowed && http1_next_element(&rest, &name)) {
        is_allowed = header_is_allowed(cors, name);
    }
    return is_allowed;
}

static void add_preflight(const struct otlp_cors *cors, const struct otlp_http_head *head,
                          void *target, otlp_http_header_fn *add)
{
    char age[24];
    if (!preflight_is_allowed(cors, head)) {
        return;
    }
    add(target, SLICE_LITERAL("access-control-allow-methods"), head->cors_method);
    if (head->cors_headers.len > 0) {
        add(target, SLICE_LITERAL("access-control-allow-headers"), head->cors_headers);
    }
    if (cors->max_age_s > 0) {
        int len = snprintf(age, sizeof(age), "%" PRIu64, cors->max_age_s);
        add(target, SLICE_LITERAL("access-control-max-age"), slice_of(age, (size_t)len));
    }
}

static void add_cors(const struct otlp_cors *cors, const struct otlp_http_head *head, void *target,
                     otlp_http_header_fn *add)
{
    bool is_asked_first = is_preflight(cors, head);
    bool is_allowed =
        is_asked_first ? preflight_is_allowed(cors, head) : origin_is_allowed(cors, head->origin);
    add(target, SLICE_LITERAL("vary"),
        is_asked_first ? SLICE_LITERAL("Origin, Access-Control-Request-Method, "
                                       "Access-Control-Request-Headers")
                       : SLICE_LITERAL("Origin"));
    if (!is_allowed) {
        return;
    }
    add(target, SLICE_LITERAL("access-control-allow-origin"),
        cors->allows_any_origin ? SLICE_LITERAL("*") : head->origin);
    add(target, SLICE_LITERAL("access-control-allow-credentials"), SLICE_LITERAL("true"));
    if (is_asked_first) {
        add_preflight(cors, head, target, add);
    } else if (cors->exposed.len > 0) {
        add(target, SLICE_LITERAL("access-control-expose-headers"), cors->exposed);
    }
}

void otlp_http_add_headers(const struct otlp_config *config, const struct otlp_http_head *head,
                           void *target, otlp_http_header_fn *add)
{
    for (uint32_t i = 0; i < config->header_count; i++) {
        add(target, config->headers[i].name, config->headers[i].value);
    }
    if (config->cors.is_enabled) {
        add_cors(&config->cors, head, target, add);
    }
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool find_signal(const struct otlp_shard *shard, struct slice path, enum signal *out)
{
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        if (slice_equal(path, shard->config->paths[i]) &&
            otlp_intake_has(&shard->intake, (enum signal)i)) {
            *out = (enum signal)i;
            return true;
        }
    }
    return false;
}

/* An encoding nobody knows: in the words of a Status, or, without a usable type, as it comes. */
static void refuse_encoding(const struct otlp_http_head *head, bool is_json, bool has_type,
                            struct otlp_http_answer *answer)
{
    struct otlp_verdict verdict;
    if (!has_type && head->content_type.len > 0) {
        answer_unworded(answer);
        return;
    }
    otlp_verdict_refuse(&verdict, GRPC_INVALID_ARGUMENT, "unsupported Content-Encoding: %.*s",
                        (int)(head->content_encoding.len < 64 ? head->content_encoding.len : 64),
                        (const char *)head->content_encoding.ptr);
    otlp_http_word(&verdict, SIGNAL_TRACES, is_json || !has_type, answer);
}

/* A call of an X-Ray SDK, where the configuration has somebody who answers it. */
static bool is_sampling(const struct otlp_shard *shard, const struct otlp_http_head *head)
{
    return shard->asker != NULL && xray_ask_is_sampling(head->method, head->path, head->query);
}

bool otlp_http_is_too_large(const struct otlp_http_plan *plan, uint64_t bytes,
                            struct otlp_http_answer *answer)
{
    if (!plan->is_sampling || bytes <= XRAY_PROXY_BODY_MAX_BYTES) {
        return false;
    }
    answer_text(answer, 413, "413 the request body is too large");
    return true;
}

const char *otlp_http_credentials(const struct otlp_port *port)
{
    return port->auth == NULL ? NULL : authenticator_header(port->auth);
}

/* True where the port's authenticator lets the request in. */
static bool is_granted(const struct otlp_port *port, const struct otlp_http_head *head,
                       bool is_json, bool has_type, struct otlp_http_answer *answer)
{
    struct otlp_verdict verdict;
    if (port->auth == NULL) {
        return true;
    }
    uint64_t now_mono_ns = loop_now_mono_ns(port->shard->worker->loop);
    enum auth_verdict result = authenticator_check(port->auth, head->credentials, now_mono_ns);
    if (result == AUTH_GRANTED) {
        return true;
    }
    if (result == AUTH_BUSY) {
        otlp_verdict_postpone(&verdict, authenticator_verdict_text(port->auth, result));
    } else {
        otlp_verdict_refuse(&verdict, GRPC_UNAUTHENTICATED, "%s",
                            authenticator_verdict_text(port->auth, result));
    }
    if (!has_type && head->content_type.len > 0) {
        answer_unworded(answer);
        return false;
    }
    otlp_http_word(&verdict, SIGNAL_TRACES, is_json || !has_type, answer);
    answer->challenge = answer->status == 401 ? authenticator_challenge(port->auth) : NULL;
    return false;
}

bool otlp_http_judge(const struct otlp_port *port, const struct otlp_http_head *head,
                     struct otlp_http_plan *plan, struct otlp_http_answer *answer)
{
    const struct otlp_shard *shard = port->shard;
    struct slice type = media_type(head->content_type);
    bool is_protobuf = http1_text_equal(type, SLICE_LITERAL(TYPE_PROTOBUF));
    plan->is_json = http1_text_equal(type, SLICE_LITERAL(TYPE_JSON));
    if (is_preflight(&shard->config->cors, head)) {
        *answer = (struct otlp_http_answer){.status = 204};
        return false;
    }
    if (!is_granted(port, head, plan->is_json, is_protobuf || plan->is_json, answer)) {
        return false;
    }
    if (compress_kind_of(head->content_encoding, &plan->kind) != 0 ||
        !shard->config->takes_kind[plan->kind]) {
        refuse_encoding(head, plan->is_json, is_protobuf || plan->is_json, answer);
        return false;
    }
    plan->is_sampling = is_sampling(shard, head);
    if (plan->is_sampling) {
        plan->signal = SIGNAL_TRACES;
        if (plan->kind != COMPRESS_NONE) {
            answer_text(answer, 415, "415 sampling calls come uncompressed");
        }
        return plan->kind == COMPRESS_NONE;
    }
    if (!find_signal(shard, head->path, &plan->signal)) {
        answer_text(answer, 404, "404 page not found");
        return false;
    }
    if (!slice_is_text(head->method, "POST")) {
        answer_text(answer, 405, "405 method not allowed, supported: [POST]");
        return false;
    }
    if (!is_protobuf && !plan->is_json) {
        answer_text(answer, 415,
                    "415 unsupported media type, supported: [application/json, "
                    "application/x-protobuf]");
        return false;
    }
    return true;
}

void otlp_http_word(const struct otlp_verdict *verdict, enum signal signal, bool is_json,
                    struct otlp_http_answer *answer)
{
    struct bytes out;
    bytes_init(&out, sizeof(answer->text));
    if (verdict->status == GRPC_OK) {
        otlp_verdict_encode_response(verdict, signal, is_json, &out);
    } else {
        otlp_verdict_encode_status(verdict, is_json, &out);
    }
    answer->status = otlp_verdict_http_status(verdict);
    answer->retry_after_s = otlp_verdict_retry_after_s(verdict);
    answer->content_type = is_json ? TYPE_JSON : TYPE_PROTOBUF;
    answer->challenge = NULL;
    /* Where memory is short the status alone has to say it. */
    size_t len = out.err == 0 ? out.len : 0;
    for (size_t i = 0; i < len; i++) {
        answer->text[i] = (char)out.ptr[i];
    }
    answer->body = slice_of(answer->text, len);
    bytes_fini(&out);
}
