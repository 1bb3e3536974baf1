/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_proxy — an ask becomes a signed request, whose answer is told to all who wait for it.
 *
 * Of the client's headers only those go on that X-Ray knows: nothing hop-by-hop, nothing that the
 * signer sets itself, and no Accept-Encoding, because the answer is handed on as it came. A call
 * holds copies of what it sends, because whoever asked may go before the answer comes.
 */
#include "io/receivers/xray_proxy.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/aws/signed_request.h"
#include "io/receivers/xray_config.h"
#include "io/receivers/xray_proxy_http.h"

#define ANSWER_MAX_BYTES (4 * 1024 * 1024)
/* Shorter than the patience of every SDK's client. */
#define CALL_TIMEOUT_MS 5000
/* How long stale rules answer before AWS is asked again. */
#define STALE_HOLD_NS CLOCK_NS_PER_S

/* "DELETE" and what may come; nothing of X-Ray has longer ones. */
#define METHOD_MAX_BYTES 15

#define JSON_TYPE "application/json"

struct xray_proxy_call {
    struct aws_request request;
    struct xray_proxy *proxy;
    struct xray_proxy_rules *rules; /* borrowed; NULL: not kept */
    struct xray_ask *asks;          /* who waits, in order; empty once all were forgotten */
    struct xray_ask *last;
    struct iovec body; /* points into `bytes`, as the headers do */
    struct aws_header headers[XRAY_ASK_HEADER_COUNT];
    char method[METHOD_MAX_BYTES + 1];
    char path[AWS_PATH_MAX_BYTES + 1];
    struct xray_proxy_call *next;
    struct xray_proxy_call *prev;
    uint8_t bytes[];
};

/* --- who waits -------------------------------------------------------------------------------- */

static void wait_for(struct xray_proxy_call *call, struct xray_ask *ask)
{
    ask->call = call;
    ask->next = NULL;
    ask->prev = call->last;
    if (call->last != NULL) {
        call->last->next = ask;
    } else {
        call->asks = ask;
    }
    call->last = ask;
    call->proxy->ask_count++;
}

static void wait_no_more(struct xray_ask *ask)
{
    struct xray_proxy_call *call = ask->call;
    if (ask->prev != NULL) {
        ask->prev->next = ask->next;
    } else {
        call->asks = ask->next;
    }
    if (ask->next != NULL) {
        ask->next->prev = ask->prev;
    } else {
        call->last = ask->prev;
    }
    ask->call = NULL;
    ask->next = NULL;
    ask->prev = NULL;
    ASSERT(call->proxy->ask_count > 0);
    call->proxy->ask_count--;
}

/* --- answers ---------------------------------------------------------------------------------- */

static struct xray_told told_of_answer(const struct aws_answer *answer)
{
    return (struct xray_told){
        .status = answer->status,
        .content_type = answer->content_type,
        .body = answer->body,
        .error_type = answer->status / 100 == 2 ? (struct slice){0} : answer->code,
        .request_id = answer->request_id,
    };
}

static struct xray_told told_of_rules(const struct xray_proxy_rules *rules)
{
    return (struct xray_told){
        .status = 200,
        .content_type = xray_proxy_rules_type(rules),
        .body = xray_proxy_rules_body(rules),
    };
}

/* No answer of AWS to hand on: ours, in its shape. */
static struct xray_told told_of_failure(enum aws_outcome outcome)
{
    bool is_unsigned = outcome == AWS_NO_CREDENTIALS;
    return (struct xray_told){
        .status = is_unsigned ? 403 : 502,
        .content_type = SLICE_LITERAL(JSON_TYPE),
        .body = is_unsigned ? SLICE_LITERAL("{\"message\":\"the gateway has no credentials\"}")
                            : SLICE_LITERAL("{\"message\":\"the gateway cannot reach X-Ray\"}"),
        .error_type = is_unsigned ? SLICE_LITERAL("UnrecognizedClientException")
                                  : SLICE_LITERAL("ServiceUnavailableException"),
    };
}

static struct counter *counter_of(struct xray_proxy *proxy, const struct xray_told *told,
                                  bool is_ours)
{
    if (is_ours) {
        return &proxy->stats->proxy_failed;
    }
    return told->status / 100 == 2 ? &proxy->stats->proxy_answered : &proxy->stats->proxy_rejected;
}

static void complain(struct xray_proxy *proxy, const struct aws_answer *answer)
{
    uint64_t suppressed_count = 0;
    if (!log_limit_admit(&proxy->complaints, loop_now_mono_ns(proxy->loop), &suppressed_count)) {
        return;
    }
    log_warn("sampling_call_failed", LOG_TEXT("receiver", proxy->receiver_id),
             LOG_U64("status", answer->status), LOG_SLICE("code", answer->code),
             LOG_TEXT("reason", answer->fault_text != NULL ? answer->fault_text : ""),
             LOG_U64("suppressed", suppressed_count));
}

/* --- one call --------------------------------------------------------------------------------- */

static void link_call(struct xray_proxy *proxy, struct xray_proxy_call *call)
{
    call->next = proxy->calls;
    if (call->next != NULL) {
        call->next->prev = call;
    }
    proxy->calls = call;
}

static void unlink_call(struct xray_proxy *proxy, struct xray_proxy_call *call)
{
    if (call->prev != NULL) {
        call->prev->next = call->next;
    } else {
        ASSERT(proxy->calls == call);
        proxy->calls = call->next;
    }
    if (call->next != NULL) {
        call->next->prev = call->prev;
    }
}

/* Everybody who waits; the first is counted by itself, the others by `shared`. */
static void tell_all(struct xray_proxy_call *call, const struct xray_told *told,
                     struct counter *first, struct counter *shared)
{
    struct xray_proxy_rules *rules = call->rules;
    if (rules != NULL) {
        /* An answer may bring the connection's next request: the entry must be in order by then. */
        rules->call = NULL;
        rules->is_pinned = true;
    }
    for (struct counter *counter = first; call->asks != NULL; counter = shared) {
        struct xray_ask *ask = call->asks;
        wait_no_more(ask);
        counter_add(counter, 1);
        ask->tell(ask, told);
    }
    if (rules != NULL) {
        rules->is_pinned = false;
    }
}

static bool is_out_of_reach(const struct aws_answer *answer)
{
    return answer->status == 0 || answer->is_body_cut || answer->outcome == AWS_THROTTLED ||
           answer->outcome == AWS_TRANSIENT || answer->outcome == AWS_NO_CREDENTIALS;
}

/* The answer of AWS, the last good rules, or our regrets. */
static void finish_call(struct xray_proxy_call *call, const struct aws_answer *answer)
{
    struct xray_proxy *proxy = call->proxy;
    struct xray_proxy_rules *rules = call->rules;
    uint64_t now_mono_ns = loop_now_mono_ns(proxy->loop);
    if (answer->outcome != AWS_OK) {
        complain(proxy, answer);
    }
    if (is_out_of_reach(answer) && rules != NULL && rules->has_answer) {
        xray_proxy_rules_hold(rules, now_mono_ns + STALE_HOLD_NS);
        struct xray_told told = told_of_rules(rules);
        tell_all(call, &told, &proxy->stats->proxy_stale, &proxy->stats->proxy_stale);
        return;
    }
    bool is_ours = answer->status == 0 || answer->is_body_cut;
    struct xray_told told = is_ours ? told_of_failure(answer->outcome) : told_of_answer(answer);
    struct counter *first = counter_of(proxy, &told, is_ours);
    struct counter *shared = first;
    if (rules != NULL && answer->outcome == AWS_OK && !is_ours) {
        xray_proxy_rules_store(rules, answer->content_type, answer->body,
                               now_mono_ns + proxy->config->rules_cache_ns);
        shared = &proxy->stats->proxy_cached;
    }
    tell_all(call, &told, first, shared);
}

static void call_on_done(struct aws_request *request, const struct aws_answer *answer)
{
    struct xray_proxy_call *call = CONTAINER_OF(request, struct xray_proxy_call, request);
    unlink_call(call->proxy, call);
    finish_call(call, answer);
    mem_free(call);
}

static void give_up_calls(struct xray_proxy *proxy)
{
    const struct aws_answer answer = {.outcome = AWS_TRANSIENT, .fault_text = "given up"};
    while (proxy->calls != NULL) {
        struct xray_proxy_call *call = proxy->calls;
        aws_client_cancel(proxy->client, &call->request);
        call_on_done(&call->request, &answer);
    }
}

/* --- sending on ------------------------------------------------------------------------------- */

static bool copy_target(struct xray_proxy_call *call, const struct xray_ask *ask)
{
    size_t path_len = ask->path.len;
    size_t query_len = ask->query.len > 0 ? ask->query.len + 1 : 0; /* with its '?' */
    if (ask->method.len >= sizeof(call->method) || path_len >= sizeof(call->path) ||
        query_len >= sizeof(call->path) - path_len) {
        return false;
    }
    memcpy(call->method, ask->method.ptr, ask->method.len);
    memcpy(call->path, ask->path.ptr, path_len);
    if (ask->query.len > 0) {
        call->path[path_len] = '?';
        memcpy(call->path + path_len + 1, ask->query.ptr, ask->query.len);
    }
    /* What is behind a '#' would be signed, and not sent. */
    return strchr(call->path, '#') == NULL;
}

static size_t bytes_of(const struct xray_ask *ask)
{
    size_t len = ask->body.len;
    for (uint32_t i = 0; i < XRAY_ASK_HEADER_COUNT; i++) {
        len += ask->headers[i].len;
    }
    return len;
}

/* Appends a copy at *used; there is room. */
static struct slice keep(struct xray_proxy_call *call, struct slice bytes, size_t *used)
{
    uint8_t *copy = call->bytes + *used;
    if (bytes.len > 0) {
        memcpy(copy, bytes.ptr, bytes.len);
    }
    *used += bytes.len;
    return slice_of(copy, bytes.len);
}

static void fill_request(struct xray_proxy_call *call, const struct xray_ask *ask)
{
    size_t header_count = 0;
    size_t used = 0;
    for (uint32_t i = 0; i < XRAY_ASK_HEADER_COUNT; i++) {
        if (ask->headers[i].len > 0) {
            call->headers[header_count] = (struct aws_header){
                .name = slice_of_text(xray_ask_header_name((enum xray_ask_header)i)),
                .value = keep(call, ask->headers[i], &used)};
            header_count++;
        }
    }
    struct slice body = keep(call, ask->body, &used);
    call->body = (struct iovec){.iov_base = (void *)(uintptr_t)body.ptr, .iov_len = body.len};
    call->request = (struct aws_request){
        .method = call->method,
        .path = call->path,
        .headers = call->headers,
        .header_count = header_count,
        .body = &call->body,
        .body_count = body.len > 0 ? 1 : 0,
        .timeout_ms = CALL_TIMEOUT_MS,
        .response_max_bytes = ANSWER_MAX_BYTES,
        .on_done = call_on_done,
    };
}

static int start_call(struct xray_proxy *proxy, struct xray_proxy_call *call, struct xray_ask *ask)
{
    if (!copy_target(call, ask)) {
        return FAULT_MALFORMED;
    }
    fill_request(call, ask);
    int err = aws_client_start(proxy->client, &call->request);
    if (err == 0) {
        link_call(proxy, call);
        wait_for(call, ask);
        if (call->rules != NULL) {
            call->rules->call = call;
        }
    }
    return err;
}

static void refuse(struct xray_proxy *proxy, struct xray_ask *ask, int err)
{
    bool is_theirs = err == FAULT_MALFORMED || err == FAULT_LIMIT;
    const struct xray_told told = {
        .status = is_theirs ? 400 : 503,
        .content_type = SLICE_LITERAL(JSON_TYPE),
        .body = SLICE_LITERAL("{\"message\":\"the gateway cannot send this request\"}"),
    };
    counter_add(is_theirs ? &proxy->stats->proxy_refused : &proxy->stats->proxy_failed, 1);
    ask->tell(ask, &told);
}

static void forward(struct xray_proxy *proxy, struct xray_ask *ask, struct xray_proxy_rules *rules)
{
    struct xray_proxy_call *call = mem_alloc(sizeof(*call) + bytes_of(ask));
    if (call == NULL) {
        refuse(proxy, ask, -ENOMEM);
        return;
    }
    call->proxy = proxy;
    call->rules = rules;
    int err = start_call(proxy, call, ask);
    if (err != 0) {
        mem_free(call);
        refuse(proxy, ask, err);
    }
}

static void serve_rules(struct xray_proxy *proxy, struct xray_ask *ask)
{
    uint64_t now_mono_ns = loop_now_mono_ns(proxy->loop);
    struct xray_proxy_rules *rules = xray_proxy_cache_find(&proxy->cache, ask->body, now_mono_ns);
    if (rules == NULL) {
        forward(proxy, ask, NULL);
        return;
    }
    if (xray_proxy_rules_is_fresh(rules, now_mono_ns)) {
        struct xray_told told = told_of_rules(rules);
        counter_add(rules->is_stale ? &proxy->stats->proxy_stale : &proxy->stats->proxy_cached, 1);
        ask->tell(ask, &told);
        return;
    }
    if (rules->call == NULL) {
        forward(proxy, ask, rules);
        return;
    }
    wait_for(rules->call, ask);
}

void xray_proxy_ask(struct xray_proxy *proxy, struct xray_ask *ask)
{
    ASSERT(ask->tell != NULL && ask->call == NULL);
    if (proxy->client == NULL) {
        refuse(proxy, ask, FAULT_CLOSED);
        return;
    }
    if (proxy->config->rules_cache_ns > 0 &&
        xray_ask_is_for_rules(ask->method, ask->path, ask->query)) {
        serve_rules(proxy, ask);
        return;
    }
    forward(proxy, ask, NULL);
}

void xray_proxy_forget(struct xray_ask *ask)
{
    ASSERT(ask->call != NULL);
    counter_add(&ask->call->proxy->stats->proxy_failed, 1); /* every call has one result */
    wait_no_more(ask);
}

/* --- life ------------------------------------------------------------------------------------- */

/* Not from inside a call's end: the client may not be closed there. */
static void close_if_done(struct xray_proxy *proxy)
{
    if (!proxy->is_port_closed || proxy->ask_count > 0 || proxy->client == NULL) {
        return;
    }
    give_up_calls(proxy); /* nobody waits for them */
    aws_client_close(proxy->client);
    proxy->client = NULL;
    xray_proxy_cache_fini(&proxy->cache);
    proxy->on_closed(proxy);
}

static void publish(struct xray_proxy *proxy)
{
    const struct http1_server_stats *stats = &proxy->http1.stats;
    counter_set(&proxy->stats->connections_accepted, stats->accepted_count);
    counter_set(&proxy->stats->connections_refused, stats->refused_count);
    counter_set(&proxy->stats->connections_open, proxy->http1.connection_count);
}

void xray_proxy_on_port_closed(struct xray_proxy *proxy)
{
    publish(proxy);
    proxy->is_port_closed = true;
    close_if_done(proxy);
}

void xray_proxy_turn(struct xray_proxy *proxy)
{
    publish(proxy);
    close_if_done(proxy);
}

static int open_client(struct xray_proxy *proxy)
{
    const struct xray_proxy_config *config = proxy->config;
    const struct aws_client_options options = {
        .service = config->service_name,
        .region = config->region,
        .endpoint = config->aws_endpoint,
        .role_arn = config->role_arn,
        .proxy_address = config->proxy_address,
        .insecure_skip_verify = config->is_insecure,
        .is_local_mode = config->is_local_mode,
        .timeout_ms = CALL_TIMEOUT_MS,
    };
    return aws_client_open(proxy->loop, &options, &proxy->client);
}

int xray_proxy_open(struct xray_proxy *proxy, int fd)
{
    proxy->calls = NULL;
    proxy->ask_count = 0;
    proxy->is_port_closed = false;
    proxy->cache = (struct xray_proxy_cache){0};
    proxy->complaints = (struct log_limit){0};
    int err = open_client(proxy);
    if (err != 0) {
        proxy->client = NULL;
        return err;
    }
    err = xray_proxy_http_start(proxy, fd);
    if (err != 0) {
        aws_client_close(proxy->client);
        proxy->client = NULL;
    }
    return err;
}

void xray_proxy_send_away(struct xray_proxy *proxy)
{
    http1_server_send_away(&proxy->http1);
}

void xray_proxy_stop(struct xray_proxy *proxy)
{
    http1_server_stop(&proxy->http1);
}

void xray_proxy_abort(struct xray_proxy *proxy)
{
    http1_server_abort(&proxy->http1);
    give_up_calls(proxy);
}
