/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_proxy — an exchange becomes a signed request, its answer the exchange's.
 *
 * Of the client's headers only those go on that X-Ray knows: nothing hop-by-hop, nothing that the
 * signer sets itself, and no Accept-Encoding, because the answer is handed on as it came.
 */
#include "io/receivers/xray_proxy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/aws/signed_request.h"
#include "io/receivers/xray_config.h"

/* Statistics of all rules of a service; with every path allowed, a batch of segments. */
#define BODY_MAX_BYTES (1024 * 1024)
/* All bodies at once; the SDKs' have some kilobytes. */
#define BODIES_MAX_BYTES (16 * 1024 * 1024)
#define ANSWER_MAX_BYTES (4 * 1024 * 1024)
#define CONNECTIONS_MAX 1024
/* Shorter than the patience of every SDK's client. */
#define CALL_TIMEOUT_MS 5000
/* How long stale rules answer before AWS is asked again. */
#define STALE_HOLD_NS CLOCK_NS_PER_S

/* "DELETE" and what may come; nothing of X-Ray has longer ones. */
#define METHOD_MAX_BYTES 15

#define JSON_TYPE "application/json"

/* What of the client's head goes on to X-Ray. */
static const char *const forwarded_headers[] = {"content-type", "accept", "x-amzn-xray-timestamp"};

struct xray_proxy_call {
    struct aws_request request;
    struct xray_proxy *proxy;
    struct http1_exchange *exchange; /* answered from on_done */
    struct xray_proxy_rules *rules;  /* borrowed while it is_fetching; NULL: not kept */
    struct iovec body;               /* borrows from the exchange, as the headers do */
    struct aws_header headers[COUNT_OF(forwarded_headers)];
    char method[METHOD_MAX_BYTES + 1];
    char path[AWS_PATH_MAX_BYTES + 1];
    struct xray_proxy_call *next;
    struct xray_proxy_call *prev;
};

static struct xray_proxy *proxy_of(struct http1_server *server)
{
    return CONTAINER_OF(server, struct xray_proxy, http1);
}

/* --- what is served --------------------------------------------------------------------------- */

static bool is_call(const struct http1_exchange *exchange, const char *path)
{
    return slice_is_text(http1_exchange_method(exchange), "POST") &&
           slice_is_text(http1_exchange_path(exchange), path) &&
           http1_exchange_query(exchange).len == 0;
}

static bool is_rules_call(const struct http1_exchange *exchange)
{
    return is_call(exchange, "/GetSamplingRules");
}

static bool is_allowed(const struct xray_proxy *proxy, const struct http1_exchange *exchange)
{
    if (is_rules_call(exchange) || is_call(exchange, "/SamplingTargets")) {
        return true;
    }
    struct slice path = http1_exchange_path(exchange);
    return proxy->signs_all_paths && path.len > 0 && path.ptr[0] == '/';
}

static bool proxy_on_admit(struct http1_server *server, struct http1_exchange *exchange,
                           struct http1_refusal *refusal)
{
    struct xray_proxy *proxy = proxy_of(server);
    if (is_allowed(proxy, exchange)) {
        return true;
    }
    counter_add(&proxy->stats->proxy_refused, 1);
    *refusal = (struct http1_refusal){
        .status = 403,
        .content_type = JSON_TYPE,
        .body = SLICE_LITERAL("{\"message\":\"only POST /GetSamplingRules and POST "
                              "/SamplingTargets are signed here\"}"),
    };
    return false;
}

static bool proxy_on_charge(struct http1_server *server, uint64_t bytes)
{
    struct xray_proxy *proxy = proxy_of(server);
    if (bytes > BODIES_MAX_BYTES - proxy->body_bytes) {
        return false;
    }
    proxy->body_bytes += bytes;
    return true;
}

static void proxy_on_release(struct http1_server *server, uint64_t bytes)
{
    struct xray_proxy *proxy = proxy_of(server);
    ASSERT(bytes <= proxy->body_bytes);
    proxy->body_bytes -= bytes;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* What an exchange is told; borrowed until it was. */
struct told {
    uint32_t status;
    struct slice content_type;
    struct slice body;
    struct slice error_type; /* X-Amzn-ErrorType; empty: none */
    struct slice request_id;
};

/* A header that cannot be repeated to the client is left out: the body says the same. */
static void add_header(struct http1_exchange *exchange, const char *name, struct slice value)
{
    if (value.len > 0 && http1_exchange_add_header(exchange, name, value) != 0) {
        return;
    }
}

static void tell(struct http1_exchange *exchange, const struct told *told)
{
    add_header(exchange, "Content-Type", told->content_type);
    add_header(exchange, "X-Amzn-ErrorType", told->error_type);
    add_header(exchange, "X-Amzn-RequestId", told->request_id);
    http1_respond_text(exchange, told->status, NULL, told->body);
}

static struct told told_of_answer(const struct aws_answer *answer)
{
    return (struct told){
        .status = answer->status,
        .content_type = answer->content_type,
        .body = answer->body,
        .error_type = answer->status / 100 == 2 ? (struct slice){0} : answer->code,
        .request_id = answer->request_id,
    };
}

static struct told told_of_rules(const struct xray_proxy_rules *rules)
{
    return (struct told){
        .status = 200,
        .content_type = xray_proxy_rules_type(rules),
        .body = xray_proxy_rules_body(rules),
    };
}

/* No answer of AWS to hand on: ours, in its shape. */
static struct told told_of_failure(enum aws_outcome outcome)
{
    bool is_unsigned = outcome == AWS_NO_CREDENTIALS;
    return (struct told){
        .status = is_unsigned ? 403 : 502,
        .content_type = SLICE_LITERAL(JSON_TYPE),
        .body = is_unsigned ? SLICE_LITERAL("{\"message\":\"the gateway has no credentials\"}")
                            : SLICE_LITERAL("{\"message\":\"the gateway cannot reach X-Ray\"}"),
        .error_type = is_unsigned ? SLICE_LITERAL("UnrecognizedClientException")
                                  : SLICE_LITERAL("ServiceUnavailableException"),
    };
}

static struct counter *counter_of(struct xray_proxy *proxy, const struct told *told, bool is_ours)
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

/* Everybody who waited for the same; `first` is counted by itself, the others by `shared`. */
static void tell_all(struct xray_proxy_call *call, const struct told *told, struct counter *first,
                     struct counter *shared)
{
    struct xray_proxy_rules *rules = call->rules;
    struct http1_exchange **waiting = NULL;
    size_t waiting_count = 0;
    if (rules != NULL) {
        /* An answer may bring the connection's next request: the entry must be in order by then. */
        waiting_count = xray_proxy_rules_take_waiting(rules, &waiting);
        rules->is_fetching = false;
        rules->is_pinned = true;
    }
    counter_add(first, 1);
    counter_add(shared, waiting_count);
    tell(call->exchange, told);
    for (size_t i = 0; i < waiting_count; i++) {
        tell(waiting[i], told);
    }
    if (rules != NULL) {
        rules->is_pinned = false;
    }
    mem_free(waiting);
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
        struct told told = told_of_rules(rules);
        tell_all(call, &told, &proxy->stats->proxy_stale, &proxy->stats->proxy_stale);
        return;
    }
    bool is_ours = answer->status == 0 || answer->is_body_cut;
    struct told told = is_ours ? told_of_failure(answer->outcome) : told_of_answer(answer);
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

static void give_up(struct xray_proxy_call *call)
{
    const struct aws_answer answer = {.outcome = AWS_TRANSIENT, .fault_text = "given up"};
    aws_client_cancel(call->proxy->client, &call->request);
    call_on_done(&call->request, &answer);
}

/* --- sending on ------------------------------------------------------------------------------- */

static bool copy_target(struct xray_proxy_call *call)
{
    struct slice method = http1_exchange_method(call->exchange);
    struct slice path = http1_exchange_path(call->exchange);
    struct slice query = http1_exchange_query(call->exchange);
    if (method.len >= sizeof(call->method) || path.len >= sizeof(call->path) ||
        query.len >= sizeof(call->path) - path.len) {
        return false;
    }
    memcpy(call->method, method.ptr, method.len);
    memcpy(call->path, path.ptr, path.len);
    if (query.len > 0) {
        call->path[path.len] = '?';
        memcpy(call->path + path.len + 1, query.ptr, query.len);
    }
    /* What is behind a '#' would be signed, and not sent. */
    return strchr(call->path, '#') == NULL;
}

static void fill_request(struct xray_proxy_call *call)
{
    size_t header_count = 0;
    for (size_t i = 0; i < COUNT_OF(forwarded_headers); i++) {
        struct slice value = {0};
        if (http1_exchange_header(call->exchange, forwarded_headers[i], &value)) {
            call->headers[header_count] =
                (struct aws_header){.name = slice_of_text(forwarded_headers[i]), .value = value};
            header_count++;
        }
    }
    struct slice body = http1_exchange_body(call->exchange);
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

static int start_call(struct xray_proxy *proxy, struct xray_proxy_call *call)
{
    if (!copy_target(call)) {
        return FAULT_MALFORMED;
    }
    fill_request(call);
    int err = aws_client_start(proxy->client, &call->request);
    if (err == 0) {
        link_call(proxy, call);
        if (call->rules != NULL) {
            call->rules->is_fetching = true;
        }
    }
    return err;
}

static void refuse(struct xray_proxy *proxy, struct http1_exchange *exchange, int err)
{
    bool is_theirs = err == FAULT_MALFORMED || err == FAULT_LIMIT;
    counter_add(is_theirs ? &proxy->stats->proxy_refused : &proxy->stats->proxy_failed, 1);
    http1_respond_text(exchange, is_theirs ? 400 : 503, JSON_TYPE,
                       SLICE_LITERAL("{\"message\":\"the gateway cannot send this request\"}"));
}

static void forward(struct xray_proxy *proxy, struct http1_exchange *exchange,
                    struct xray_proxy_rules *rules)
{
    struct xray_proxy_call *call = mem_alloc(sizeof(*call));
    if (call == NULL) {
        refuse(proxy, exchange, -ENOMEM);
        return;
    }
    call->proxy = proxy;
    call->exchange = exchange;
    call->rules = rules;
    int err = start_call(proxy, call);
    if (err != 0) {
        mem_free(call);
        refuse(proxy, exchange, err);
    }
}

static void serve_rules(struct xray_proxy *proxy, struct http1_exchange *exchange)
{
    uint64_t now_mono_ns = loop_now_mono_ns(proxy->loop);
    struct slice body = http1_exchange_body(exchange);
    struct xray_proxy_rules *rules = xray_proxy_cache_find(&proxy->cache, body, now_mono_ns);
    if (rules == NULL) {
        forward(proxy, exchange, NULL);
        return;
    }
    if (xray_proxy_rules_is_fresh(rules, now_mono_ns)) {
        struct told told = told_of_rules(rules);
        counter_add(rules->is_stale ? &proxy->stats->proxy_stale : &proxy->stats->proxy_cached, 1);
        tell(exchange, &told);
        return;
    }
    if (!rules->is_fetching) {
        forward(proxy, exchange, rules);
        return;
    }
    int err = xray_proxy_rules_join(rules, exchange);
    if (err != 0) {
        refuse(proxy, exchange, err);
    }
}

static void proxy_on_request(struct http1_server *server, struct http1_exchange *exchange)
{
    struct xray_proxy *proxy = proxy_of(server);
    if (proxy->config->rules_cache_ns > 0 && is_rules_call(exchange)) {
        serve_rules(proxy, exchange);
        return;
    }
    forward(proxy, exchange, NULL);
}

/* --- life ------------------------------------------------------------------------------------- */

static void proxy_on_closed(struct http1_server *server)
{
    struct xray_proxy *proxy = proxy_of(server);
    ASSERT(proxy->calls == NULL); /* each had an exchange, and all of those are answered */
    aws_client_close(proxy->client);
    proxy->client = NULL;
    xray_proxy_cache_fini(&proxy->cache);
    xray_proxy_publish(proxy);
    proxy->on_closed(proxy);
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
    proxy->body_bytes = 0;
    proxy->cache = (struct xray_proxy_cache){0};
    proxy->complaints = (struct log_limit){0};
    proxy->http1 = (struct http1_server){
        .on_request = proxy_on_request,
        .on_closed = proxy_on_closed,
        .on_admit = proxy_on_admit,
        .on_charge = proxy_on_charge,
        .on_release = proxy_on_release,
        .options = {.connections_max = CONNECTIONS_MAX, .body_max_bytes = BODY_MAX_BYTES},
    };
    int err = open_client(proxy);
    if (err != 0) {
        return err;
    }
    err = http1_server_start(&proxy->http1, proxy->loop, &fd, 1);
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
    while (proxy->calls != NULL) {
        give_up(proxy->calls);
    }
}

void xray_proxy_publish(struct xray_proxy *proxy)
{
    const struct http1_server_stats *stats = &proxy->http1.stats;
    counter_set(&proxy->stats->connections_accepted, stats->accepted_count);
    counter_set(&proxy->stats->connections_refused, stats->refused_count);
    counter_set(&proxy->stats->connections_open, proxy->http1.connection_count);
}
