/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_client — outgoing HTTP/1.1 and HTTP/2: libcurl's multi interface on a loop of ours.
 *
 * Serves the exporters that speak HTTP, and whatever fetches credentials or metadata. Connections
 * are kept and used again; HTTP/2 is spoken where an https peer offers it. Peers are verified
 * unless told otherwise in so many words. Redirects are not followed, because a telemetry backend
 * that moved is a configuration to mend. Egress-local: everything happens on the loop's thread,
 * which must not be killed by SIGPIPE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/io_bounds.h"
#include "io/loop.h"

struct http_call; /* the client's record of a request under way */
struct http_client;
struct lease;

enum http_tls_version {
    HTTP_TLS_DEFAULT, /* 1.2 as the least, whatever OpenSSL has as the most */
    HTTP_TLS_1_0,
    HTTP_TLS_1_1,
    HTTP_TLS_1_2,
    HTTP_TLS_1_3,
};

/* Texts may be NULL or empty for "not set"; they are borrowed until http_client_close. */
struct http_tls_options {
    const char *ca_file;
    const char *ca_pem;
    const char *cert_file;
    const char *cert_pem;
    const char *key_file;
    const char *key_pem;
    bool includes_system_cas;  /* beside ca_file or ca_pem */
    bool insecure_skip_verify; /* neither the chain nor the name is looked at */
    enum http_tls_version min_version;
    enum http_tls_version max_version;
};

struct http_client_options {
    struct http_tls_options tls;
    /*
     * http://, https:// or socks5:// URL; used for every host. Without it HTTP_PROXY, HTTPS_PROXY
     * and NO_PROXY of the environment count, but never for loopback.
     */
    const char *proxy_url;
    bool ignores_proxies; /* of the environment too: for addresses of this machine's own network */
};

/* What became of a request; borrowed until the callback returns. */
struct http_result {
    int fault;               /* 0 when an answer came, whatever its status; else negative */
    const char *fault_text;  /* libcurl's sentence or fault_text's, "" when fault is 0 */
    uint32_t status;         /* 0 when none came */
    uint32_t repeat_count;   /* times it was sent again here, unanswered, before this came of it */
    uint64_t retry_after_ms; /* Retry-After as seconds or date, from now; 0 for none or past */
    struct slice body;       /* at most response_max_bytes of it */
    bool is_body_cut;
    struct slice content_type; /* "" when none was given */
    /* The values of request->wanted_headers in their order; "" for what the answer did not have. */
    struct slice headers[HTTP_WANTED_HEADERS_MAX];
    struct http_call *call; /* the client's, for http_result_take_body */
};

struct http_request;

/* Once per started request, from a later turn; `request` may be started again from inside. */
typedef void(http_done_fn)(struct http_request *request, const struct http_result *result);

/* Embedded in its owner. Everything pointed to is borrowed until on_done or cancel. */
struct http_request {
    const char *method; /* "POST"; GET and HEAD go without a body */
    const char *url;
    const char *const *headers;        /* "Name: value", or "Name;" for an empty value */
    size_t header_count;               /* at most HTTP_HEADERS_MAX */
    const char *const *wanted_headers; /* names, in any case, to be handed out with the answer */
    size_t wanted_header_count;        /* at most HTTP_WANTED_HEADERS_MAX */
    const struct iovec *body;          /* read in place */
    size_t body_count;
    uint64_t timeout_ms; /* of the whole request, connecting included; 0 for none */
    size_t response_max_bytes;
    /*
     * Charged for the answer as it comes, until on_done has returned; an answer that finds no room
     * there ends with FAULT_LIMIT. Of the client's thread, outlives the client; NULL for none.
     */
    struct lease *memory;
    http_done_fn *on_done;
    struct http_call *call; /* the client's; NULL while not under way */
};

/* Is `url` one this client can fetch: http or https, with a host, well-formed? */
bool http_url_is_valid(const char *url);

/*
 * http_client_open — moves out a client on `loop`, which is borrowed until close.
 * Returns 0, -ENOMEM or FAULT_LIBRARY. `options` is copied, its texts are borrowed.
 */
WEIR_MUST_USE int http_client_open(struct loop *loop, const struct http_client_options *options,
                                   struct http_client **out);

/*
 * Cancels what is under way (no on_done follows), closes all connections, frees. NULL is fine. Not
 * from inside on_done. The loop needs one more turn to let go of the sockets.
 */
void http_client_close(struct http_client *client);

/*
 * http_client_start — begins a request that is not under way.
 * Returns 0, and on_done follows from a later turn; -ENOMEM; FAULT_LIBRARY where libcurl refuses
 * the settings. On a failure nothing is borrowed and no on_done follows.
 */
WEIR_MUST_USE int http_client_start(struct http_client *client, struct http_request *request);

/* Gives a request up; no on_done follows. Fine for one that is not under way. */
void http_client_cancel(struct http_client *client, struct http_request *request);

/*
 * http_result_take_body — from inside on_done: moves out the memory of result->body, which begins
 * with it and is freed with mem_free; result->body is not valid any more.
 *
 *   charged_bytes   filled: what of request->memory goes with it, to be given back by the caller
 *
 * NULL for an empty body. Once.
 */
WEIR_MUST_USE void *http_result_take_body(const struct http_result *result,
                                          uint64_t *charged_bytes);
