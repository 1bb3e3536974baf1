/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_server — a small HTTP/1.1 server on a loop: admin pages, health checks, pull endpoints.
 *
 * A request with its whole (bounded) body becomes an *exchange*; whoever owns the server answers it
 * at once or in a later turn, with a body in one piece or with one that is produced piece by piece,
 * one piece per turn. Keep-alive, pipelining, HEAD, 100-continue and chunks are handled here. Lives
 * on its loop's thread; embedded in its owner. Sources: RFC 9110, RFC 9112.
 *
 *     connection:  idle ─▶ head ─▶ body ─▶ handling ─▶ sending ─┬─▶ idle
 *                    └──────┴───────┴── timeout, error ──▶ …    └─▶ linger ─▶ closing
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bounds.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/http1.h"
#include "io/loop.h"

struct http1_connection;
struct http1_server;

/* A request and the place for its answer; the server's. Answered exactly once, then gone. */
struct http1_exchange;

/* A request is complete. Answer now or later, but answer: the exchange waits for it. */
typedef void(http1_request_fn)(struct http1_server *server, struct http1_exchange *exchange);
/* After http1_server_stop: nothing refers to the server any more, its memory may go. */
typedef void(http1_server_closed_fn)(struct http1_server *server);

/* Zero means the default in core/base/bounds.h. */
struct http1_server_options {
    uint32_t connections_max;
    uint32_t body_max_bytes;  /* of a request; more is answered 413 */
    uint32_t head_timeout_ms; /* from the first byte to the last of head, and of body */
    uint32_t idle_timeout_ms; /* between requests */
    uint32_t send_timeout_ms; /* for one piece of an answer */
};

/* Loop-local; totals since start. */
struct http1_server_stats {
    uint64_t accepted_count;
    uint64_t refused_count; /* connections closed at once: too many of them, or no memory */
    uint64_t request_count;
    uint64_t bad_count; /* requests answered by the server itself with 4xx or 5xx */
    uint64_t timeout_count;
};

struct http1_listener {
    struct loop_listener listener; /* fd owned */
    struct http1_server *server;
};

struct http1_server {
    http1_request_fn *on_request;        /* set by the owner */
    http1_server_closed_fn *on_closed;   /* set by the owner */
    struct http1_server_options options; /* set by the owner */
    struct loop *loop;                   /* from here on the server's own */
    struct http1_listener listeners[HTTP1_LISTENERS_MAX];
    uint32_t listener_count;
    uint32_t listening_count; /* not closed yet */
    struct http1_connection *connections;
    uint32_t connection_count;
    bool is_stopping;
    struct timer closed_timer;
    struct http1_server_stats stats;
};

/*
 * http1_server_start — serves on listening, non-blocking sockets.
 *
 *   fds   moved in on 0; 1 to HTTP1_LISTENERS_MAX of them
 *
 * 0: `server` is borrowed until on_closed. Otherwise what the loop answered for the first socket:
 * nothing moved and nothing runs. One that fails after it is closed with a warning; the others
 * serve.
 */
WEIR_MUST_USE int http1_server_start(struct http1_server *server, struct loop *loop, const int *fds,
                                     uint32_t fd_count);

/*
 * Stops listening; requests that are complete or have a body under way are still answered, then
 * every connection closes; then on_closed, from a later turn. Idempotent.
 */
void http1_server_stop(struct http1_server *server);

/* As stop, but connections close at once, answered or not. Exchanges still want their answer. */
void http1_server_abort(struct http1_server *server);

/* --- the request ------------------------------------------------------------------------------ */

/* All borrow until the exchange is answered. */
struct slice http1_exchange_method(const struct http1_exchange *exchange);
struct slice http1_exchange_path(const struct http1_exchange *exchange);  /* without the query */
struct slice http1_exchange_query(const struct http1_exchange *exchange); /* without the '?' */
struct slice http1_exchange_body(const struct http1_exchange *exchange);
bool http1_exchange_header(const struct http1_exchange *exchange, const char *name,
                           struct slice *value);
const struct http1_head *http1_exchange_head(const struct http1_exchange *exchange);
/* Is the peer on this host: 127.0.0.0/8, ::1 (mapped or not), or a Unix socket? */
bool http1_exchange_is_local(const struct http1_exchange *exchange);

/* GET or HEAD, for which HEAD needs no code of its own: the server leaves the body out. */
bool http1_exchange_is_get(const struct http1_exchange *exchange);

/* --- the answer ------------------------------------------------------------------------------- */

/*
 * One more header of the answer, before it is given. 0; FAULT_MALFORMED for bytes that may not
 * stand in one; FAULT_LIMIT beyond HTTP1_EXTRA_HEADERS_MAX_BYTES in all.
 */
WEIR_MUST_USE int http1_exchange_add_header(struct http1_exchange *exchange, const char *name,
                                            struct slice value);

/*
 * http1_respond — the answer with its body in one piece.
 *
 *   content_type   static; NULL for none
 *   memory         *memory (from mem, or NULL) moves in and is set to NULL
 *   len            bytes of it that are the body
 */
void http1_respond(struct http1_exchange *exchange, uint32_t status, const char *content_type,
                   void **memory, size_t len);

/* The same with a copy of `text`; 500 without a body where there is no memory for it. */
void http1_respond_text(struct http1_exchange *exchange, uint32_t status, const char *content_type,
                        struct slice text);

enum http1_produced {
    HTTP1_PRODUCED_MORE,   /* a piece, perhaps empty; ask again in a later turn */
    HTTP1_PRODUCED_LAST,   /* the last piece, perhaps empty */
    HTTP1_PRODUCED_FAILED, /* the connection is cut, so that nobody takes it for the whole */
};

struct http1_producer;

/* Sets *piece, borrowed until the next call or on_closed. From the loop, once per turn at most. */
typedef enum http1_produced(http1_produce_fn)(struct http1_producer *producer, struct slice *piece);
/* All is sent, or the connection is gone: the producer's memory may go. Once, in a later turn. */
typedef void(http1_producer_closed_fn)(struct http1_producer *producer);

/* Embedded in its owner. */
struct http1_producer {
    http1_produce_fn *on_produce;
    http1_producer_closed_fn *on_closed;
};

/*
 * http1_respond_produced — the answer with a body of unknown length.
 *
 * 0: `producer` is borrowed until its on_closed. FAULT_CLOSED: the client is gone already; the
 * exchange is over and the producer was not taken.
 */
WEIR_MUST_USE int http1_respond_produced(struct http1_exchange *exchange, uint32_t status,
                                         const char *content_type, struct http1_producer *producer);
