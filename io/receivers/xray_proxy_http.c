/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_proxy_http — which requests are let in, what their bodies may take, and the words of the
 * answer.
 */
#include "io/receivers/xray_proxy_http.h"

#include "core/base/mem.h"
#include "io/http1_server.h"
#include "io/receivers/xray_proxy.h"

/* All bodies at once; the SDKs' have some kilobytes. */
#define BODIES_MAX_BYTES (16 * 1024 * 1024)
#define CONNECTIONS_MAX 1024
#define JSON_TYPE "application/json"

struct exchange_ask {
    struct xray_ask ask;
    struct http1_exchange *exchange;
};

static struct xray_proxy *proxy_of(struct http1_server *server)
{
    return CONTAINER_OF(server, struct xray_proxy, http1);
}

/* --- what is served --------------------------------------------------------------------------- */

static bool is_allowed(const struct xray_proxy *proxy, const struct http1_exchange *exchange)
{
    struct slice path = http1_exchange_path(exchange);
    if (xray_ask_is_sampling(http1_exchange_method(exchange), path,
                             http1_exchange_query(exchange))) {
        return true;
    }
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

/* --- asking ----------------------------------------------------------------------------------- */

/* A header that cannot be repeated to the client is left out: the body says the same. */
static void add_header(struct http1_exchange *exchange, const char *name, struct slice value)
{
    if (value.len > 0 && http1_exchange_add_header(exchange, name, value) != 0) {
        return;
    }
}

static void tell_exchange(struct xray_ask *ask, const struct xray_told *told)
{
    struct exchange_ask *own = CONTAINER_OF(ask, struct exchange_ask, ask);
    struct http1_exchange *exchange = own->exchange;
    mem_free(own);
    add_header(exchange, "Content-Type", told->content_type);
    add_header(exchange, "X-Amzn-ErrorType", told->error_type);
    add_header(exchange, "X-Amzn-RequestId", told->request_id);
    http1_respond_text(exchange, told->status, NULL, told->body);
}

static void proxy_on_request(struct http1_server *server, struct http1_exchange *exchange)
{
    struct xray_proxy *proxy = proxy_of(server);
    struct exchange_ask *own = mem_alloc(sizeof(*own));
    if (own == NULL) {
        counter_add(&proxy->stats->proxy_failed, 1);
        http1_respond_text(exchange, 503, NULL, (struct slice){0});
        return;
    }
    *own = (struct exchange_ask){
        .ask = {.tell = tell_exchange,
                .method = http1_exchange_method(exchange),
                .path = http1_exchange_path(exchange),
                .query = http1_exchange_query(exchange),
                .body = http1_exchange_body(exchange)},
        .exchange = exchange,
    };
    for (uint32_t i = 0; i < XRAY_ASK_HEADER_COUNT; i++) {
        const char *name = xray_ask_header_name((enum xray_ask_header)i);
        (void)http1_exchange_header(exchange, name, &own->ask.headers[i]); /* absent stays empty */
    }
    xray_proxy_ask(proxy, &own->ask);
}

static void proxy_on_closed(struct http1_server *server)
{
    xray_proxy_on_port_closed(proxy_of(server));
}

int xray_proxy_http_start(struct xray_proxy *proxy, int fd)
{
    proxy->body_bytes = 0;
    proxy->http1 = (struct http1_server){
        .on_request = proxy_on_request,
        .on_closed = proxy_on_closed,
        .on_admit = proxy_on_admit,
        .on_charge = proxy_on_charge,
        .on_release = proxy_on_release,
        .options = {.connections_max = CONNECTIONS_MAX,
                    .body_max_bytes = XRAY_PROXY_BODY_MAX_BYTES},
    };
    return http1_server_start(&proxy->http1, proxy->loop, &fd, 1);
}
