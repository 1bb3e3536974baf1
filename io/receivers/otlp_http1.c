/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_http1 — OTLP/HTTP on the exchanges of an http1_server.
 */
#include <stdio.h>

#include "core/base/mem.h"
#include "io/io_bounds.h"
#include "io/receivers/otlp_http.h"
#include "io/receivers/otlp_sampling.h"
#include "io/receivers/otlp_shard.h"

static struct otlp_port *port_of(struct http1_server *server)
{
    return CONTAINER_OF(server, struct otlp_port, http1);
}

static struct slice header_of(const struct http1_exchange *exchange, const char *name)
{
    struct slice value = {0};
    (void)http1_exchange_header(exchange, name, &value); /* absent stays empty */
    return value;
}

static struct otlp_http_head head_of(const struct otlp_port *port,
                                     const struct http1_exchange *exchange)
{
    const char *credentials = otlp_http_credentials(port);
    return (struct otlp_http_head){
        .method = http1_exchange_method(exchange),
        .path = http1_exchange_path(exchange),
        .query = http1_exchange_query(exchange),
        .content_type = header_of(exchange, "content-type"),
        .content_encoding = header_of(exchange, "content-encoding"),
        .origin = header_of(exchange, "origin"),
        .credentials = credentials != NULL ? header_of(exchange, credentials) : (struct slice){0},
        .cors_method = header_of(exchange, "access-control-request-method"),
        .cors_headers = header_of(exchange, "access-control-request-headers"),
    };
}

static void add_header(void *target, struct slice name, struct slice value)
{
    char text[OTLP_HEADER_NAME_MAX_BYTES + 1];
    if (name.len > OTLP_HEADER_NAME_MAX_BYTES) {
        return;
    }
    (void)snprintf(text, sizeof(text), "%.*s", (int)name.len, (const char *)name.ptr);
    /* A header that does not fit, or that no header may hold, is left out. */
    if (http1_exchange_add_header(target, text, value) != 0) {
        return;
    }
}

/* The answer as a refusal: its body lives in the shard until the next one. */
static void fill_refusal(struct otlp_shard *shard, const struct otlp_http_answer *answer,
                         struct http1_refusal *refusal)
{
    *refusal = (struct http1_refusal){
        .status = answer->status,
        .retry_after_s = answer->retry_after_s,
        .content_type = answer->content_type,
        .body = answer->body,
    };
    counter_add(&shard->stats.wire_received, 1);
    bool is_pressure = answer->status == 503;
    counter_add(is_pressure ? &shard->stats.wire_refused : &shard->stats.wire_dropped_invalid, 1);
}

bool otlp_http1_on_admit(struct http1_server *server, struct http1_exchange *exchange,
                         struct http1_refusal *refusal)
{
    struct otlp_port *port = port_of(server);
    struct otlp_shard *shard = port->shard;
    struct otlp_http_head head = head_of(port, exchange);
    struct otlp_http_plan plan;
    otlp_http_add_headers(shard->config, &head, exchange, add_header);
    uint64_t length_bytes = http1_exchange_head(exchange)->content_length;
    if (otlp_http_judge(port, &head, &plan, &shard->answer) &&
        !otlp_http_is_too_large(&plan, length_bytes, &shard->answer)) {
        return true;
    }
    if (shard->answer.status == 204) {
        *refusal = (struct http1_refusal){.status = 204}; /* a preflight is no request for us */
        return false;
    }
    if (shard->answer.challenge != NULL) {
        add_header(exchange, SLICE_LITERAL("WWW-Authenticate"),
                   slice_of_text(shard->answer.challenge));
    }
    fill_refusal(shard, &shard->answer, refusal);
    return false;
}

void otlp_http1_on_refuse(struct http1_server *server, struct http1_exchange *exchange,
                          struct http1_refusal *refusal)
{
    struct otlp_port *port = port_of(server);
    struct otlp_shard *shard = port->shard;
    struct otlp_http_head head = head_of(port, exchange);
    struct otlp_http_plan plan = {0};
    struct otlp_verdict verdict;
    if (!otlp_http_judge(port, &head, &plan, &shard->answer)) {
        return; /* its own words will do */
    }
    if (plan.is_sampling) {
        counter_add(&shard->stats.proxy_refused, 1); /* in plain text, and no request of OTLP */
        return;
    }
    if (refusal->status == 503) {
        otlp_verdict_postpone(&verdict, "data refused due to high memory usage");
    } else if (refusal->status == 408) {
        otlp_verdict_refuse(&verdict, GRPC_INVALID_ARGUMENT, "the request body came too slowly");
        verdict.http_status = 408;
    } else if (refusal->status == OTLP_HTTP1_TOO_LARGE) {
        otlp_verdict_refuse(&verdict, GRPC_INVALID_ARGUMENT, "http: request body too large");
    } else {
        otlp_verdict_refuse(&verdict, GRPC_INVALID_ARGUMENT, "malformed request body");
        verdict.http_status = refusal->status;
    }
    otlp_http_word(&verdict, plan.signal, plan.is_json, &shard->answer);
    fill_refusal(shard, &shard->answer, refusal);
}

bool otlp_http1_on_charge(struct http1_server *server, uint64_t bytes)
{
    return otlp_intake_charge(&port_of(server)->shard->intake, bytes);
}

void otlp_http1_on_release(struct http1_server *server, uint64_t bytes)
{
    otlp_intake_release(&port_of(server)->shard->intake, bytes);
}

static void send_reply(const struct otlp_reply *reply, const struct otlp_verdict *verdict)
{
    struct http1_exchange *exchange = reply->to;
    struct otlp_http_answer answer;
    otlp_http_word(verdict, reply->signal, reply->is_json, &answer);
    if (answer.retry_after_s > 0) {
        char text[16];
        int len = snprintf(text, sizeof(text), "%u", answer.retry_after_s);
        add_header(exchange, SLICE_LITERAL("retry-after"), slice_of(text, (size_t)len));
    }
    http1_respond_text(exchange, answer.status, answer.content_type, answer.body);
}

void otlp_http1_on_request(struct http1_server *server, struct http1_exchange *exchange)
{
    struct otlp_port *port = port_of(server);
    struct otlp_shard *shard = port->shard;
    struct otlp_http_head head = head_of(port, exchange);
    struct otlp_http_plan plan;
    if (!otlp_http_judge(port, &head, &plan, &shard->answer)) {
        /* The pipelines changed between head and body. */
        http1_respond_text(exchange, shard->answer.status, shard->answer.content_type,
                           shard->answer.body);
        return;
    }
    if (plan.is_sampling) {
        otlp_sampling_take(port, exchange);
        return;
    }
    struct otlp_body body = {.kind = plan.kind, .max_bytes = shard->config->body_max_bytes};
    http1_exchange_take_body(exchange, &body.memory, &body.len);
    body.charged_bytes = body.len;
    const struct otlp_reply reply = {
        .send = send_reply,
        .to = exchange,
        .signal = plan.signal,
        .is_json = plan.is_json,
    };
    otlp_intake_take(&shard->intake, &body, &reply);
}
