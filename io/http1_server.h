/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_server — an HTTP/1.1 server on a loop: telemetry in, admin pages, pull endpoints.
 *
 * A request with its whole (bounded) body becomes an *exchange*; whoever owns the server answers it
 * at once or in a later turn, with a body in one piece or with one that is produced piece by piece,
 * one piece per turn. Before the body is read the owner may refuse it (on_admit), and is asked for
 * its memory (on_charge). Keep-alive, pipelining, HEAD, 100-continue and chunks are handled here.
 * Lives on its loop's thread; embedded in its owner. Sources: RFC 9110, RFC 9112.
 *
 *     connection:  idle ─▶ head ─▶ body ─▶ handling ─▶ sending ─┬─▶ idle
 *                    │      ├▶ drain ┘ refused, little to come ─┤
 *                    └──────┴───────┴── timeout, error ──▶ …    └─▶ linger ─▶ closing
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/http1.h"
#include "io/io_bounds.h"
#include "io/loop.h"

struct channel;
struct http1_connection;
struct http1_server;

/* A request and the place for its answer; the server's. Answered exactly once, then gone. */
struct http1_exchange;

/* A request is complete. Answer now or later, but answer: the exchange waits for it. */
typedef void(http1_request_fn)(struct http1_server *server, struct http1_exchange *exchange);
/* After http1_server_stop: nothing refers to the server any more, its memory may go. */
typedef void(http1_server_closed_fn)(struct http1_server *server);

/* What a refused request is told. Zeroed but for the status is a refusal without a body. */
struct http1_refusal {
    uint32_t status;
    uint32_t retry_after_s;   /* 0: no Retry-After */
    const char *content_type; /* static; NULL for none */
    struct slice body;        /* borrowed until the callback's next call, or static */
};

/*
 * The head is complete and nothing of the body was looked at. true: welcome. false: *refusal says
 * what it is told; on_request is not called. The exchange may be asked for method, path, query and
 * headers, given headers (http1_exchange_add_header), which stay for its answer, and is not to be
 * answered or kept.
 */
typedef bool(http1_admit_fn)(struct http1_server *server, struct http1_exchange *exchange,
                             struct http1_refusal *refusal);
/*
 * The server refuses a request by itself whose head is complete: the body is too large, came too
 * slowly, breaks its framing, or was not given memory. *refusal holds what would be said, in plain
 * text; the owner may put it into its own words, status included. As for on_admit otherwise.
 */
typedef void(http1_refuse_fn)(struct http1_server *server, struct http1_exchange *exchange,
                              struct http1_refusal *refusal);
/*
 * May the body under way take `bytes` more? With a Content-Length once and for all of it, before
 * the first is read; chunked, as it grows. false: the request is refused with 503.
 */
typedef bool(http1_charge_fn)(struct http1_server *server, uint64_t bytes);
/* What was charged and not taken with its body (http1_exchange_take_body) is free again. */
typedef void(http1_release_fn)(struct http1_server *server, uint64_t bytes);

/* Zero means the default in core/base/bounds.h, or off where that is said. */
struct http1_server_options {
    uint32_t connections_max;
    uint32_t body_max_bytes;      /* of a request; more is refused with too_large_status */
    uint32_t too_large_status;    /* 413; the Collector says 400 */
    uint32_t head_timeout_ms;     /* from the first byte of a head to its last */
    uint32_t body_timeout_ms;     /* off; for the whole of a body, however fast it comes */
    uint32_t body_rate_min_bytes; /* per second, averaged over each head_timeout_ms */
    uint32_t idle_timeout_ms;     /* between requests */
    uint32_t send_timeout_ms;     /* for one piece of an answer */
    uint32_t linger_max_bytes;    /* read and thrown away of what follows a refused head */
    uint64_t age_max_ms;          /* off; ± HTTP1_AGE_JITTER_PERCENT: then Connection: close */
    bool is_one_answer;           /* every connection ends with its first answer */
    uint32_t retry_after_s;       /* 1; in the server's own answers 503 */
};

/* Loop-local; totals since start. */
struct http1_server_stats {
    uint64_t accepted_count;
    uint64_t refused_count; /* connections closed at once: too many of them, or no memory */
    uint64_t request_count;
    uint64_t bad_count; /* requests answered by the server itself with 4xx or 5xx */
    uint64_t timeout_count;
    uint64_t unadmitted_count; /* requests that on_admit or on_charge refused */
    uint64_t aged_count;       /* connections told to go because of their age */
};

struct http1_listener {
    struct loop_listener listener; /* fd owned */
    struct http1_server *server;
};

struct http1_server {
    http1_request_fn *on_request;        /* set by the owner */
    http1_server_closed_fn *on_closed;   /* set by the owner */
    http1_admit_fn *on_admit;            /* set by the owner, or NULL: all are welcome */
    http1_refuse_fn *on_refuse;          /* set by the owner, or NULL: plain text */
    http1_charge_fn *on_charge;          /* set by the owner, or NULL: memory is not asked for */
    http1_release_fn *on_release;        /* set by the owner, with on_charge */
    struct http1_server_options options; /* set by the owner */
    struct loop *loop;                   /* from here on the server's own */
    struct http1_listener listeners[HTTP1_LISTENERS_MAX];
    uint32_t listener_count;
    uint32_t listening_count; /* not closed yet */
    struct http1_connection *connections;
    uint32_t connection_count;
    bool is_stopping;
    bool is_aborted;
    uint64_t jitter_state;
    struct timer closed_timer;
    struct http1_server_stats stats;
};

/*
 * http1_server_start — serves on listening, non-blocking sockets.
 *
 *   fds   moved in on 0; at most HTTP1_LISTENERS_MAX of them, and none for a server that only
 *         adopts
 *
 * 0: `server` is borrowed until on_closed. Otherwise what the loop answered for the first socket:
 * nothing moved and nothing runs. One that fails after it is closed with a warning; the others
 * serve.
 */
WEIR_MUST_USE int http1_server_start(struct http1_server *server, struct loop *loop, const int *fds,
                                     uint32_t fd_count);

/*
 * http1_server_adopt — serves a connection that somebody else accepted.
 *
 *   channel       handed over on 0; otherwise still the caller's
 *   first_bytes   what was received of it already, borrowed during the call
 *
 * 0, FAULT_LIMIT (connections_max), FAULT_CLOSED (stopping) or -ENOMEM. Requests that are complete
 * in `first_bytes` reach the owner before the call returns: on_admit, on_charge, on_request.
 */
WEIR_MUST_USE int http1_server_adopt(struct http1_server *server, struct channel *channel,
                                     struct slice first_bytes);

/* Every connection of now ends with its next answer (`Connection: close`); new ones are served. */
void http1_server_send_away(struct http1_server *server);

/*
 * Stops listening; requests that are complete or have a body under way are still answered. Who was
 * let in and has not asked yet has HTTP1_STOP_WAIT_MS for it, and as long again for the rest of a
 * head; who waits to be let in, too. Then every connection closes; then on_closed, from a later
 * turn. Idempotent.
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
/*
 * Moves the body out, from mem: *memory is NULL where *len is 0. It was received into this one
 * block; what was charged for it goes with it and is the owner's to give back. Once, before the
 * answer; http1_exchange_body is empty then.
 */
void http1_exchange_take_body(struct http1_exchange *exchange, void **memory, size_t *len);
bool http1_exchange_header(const struct http1_exchange *exchange, const char *name,
                           struct slice *value);
const struct http1_head *http1_exchange_head(const struct http1_exchange *exchange);
/* Is the peer on this host: 127.0.0.0/8, ::1 (mapped or not), or a Unix socket? */
bool http1_exchange_is_local(const struct http1_exchange *exchange);

/* Who sent it, as the channel has it: behind a PROXY header the client. Borrowed until answered. */
const struct loop_address *http1_exchange_peer(const struct http1_exchange *exchange);
bool http1_exchange_is_secure(const struct http1_exchange *exchange);

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
