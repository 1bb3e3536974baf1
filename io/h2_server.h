/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_server — HTTP/2 connections of one shard: heads and bodies in, answers out.
 *
 * Not tied to gRPC: whoever owns the server looks at a head and attaches a *user* to its stream, or
 * answers at once. Flow control is backpressure: bytes of a body count against the peer's windows
 * until h2_stream_consume. A stream that was answered or reset gives its credit back by itself, so
 * that no stream starves the others. Answers of one turn leave in one send. Lives on its loop's
 * thread; embedded in its owner. Sources: RFC 9113, RFC 7541.
 *
 *     connection:  open ─▶ leaving (GOAWAY 2^31−1, PING) ─▶ left (GOAWAY last id) ─▶ closing
 *                    └── a broken peer, a timeout, an abort ────────────────────────────▲
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/base/timer.h"
#include "io/channel.h"
#include "io/h2.h"
#include "io/io_bounds.h"
#include "io/loop.h"

struct h2_connection;
struct h2_server;
struct h2_stream;
struct h2_stream_user;

struct h2_stream_user_ops {
    /*
     * Bytes of the body, borrowed until return; `is_last` comes once, perhaps with no bytes. Each
     * byte wants its h2_stream_consume, now or later.
     */
    void (*on_body)(struct h2_stream_user *user, struct slice bytes, bool is_last);
    /*
     * The stream is over before it was answered: the peer reset it, or its connection is gone.
     * Once, and the last the user hears; the stream is not touched any more. Always from the loop,
     * never from inside a call of the user's.
     */
    void (*on_reset)(struct h2_stream_user *user, uint32_t h2_code);
};

/* Embedded in its owner; borrowed from h2_stream_attach until the answer or on_reset. */
struct h2_stream_user {
    const struct h2_stream_user_ops *ops;
};

struct h2_server_ops {
    /*
     * A request's head is whole. Attach a user or answer now; a stream left without either is reset
     * with REFUSED_STREAM. Answering from here is fine.
     */
    void (*on_head)(struct h2_server *server, struct h2_stream *stream);
    /* After drain or abort: no connection is left, the memory may go. From a later turn. */
    void (*on_closed)(struct h2_server *server);
};

/* Zero means the default in core/base/bounds.h, or what is said. */
struct h2_server_options {
    uint32_t connections_max;
    uint32_t max_concurrent_streams; /* 0: not announced, bounded by H2_STREAMS_MAX */
    uint32_t stream_window_bytes;
    uint32_t connection_window_bytes;
    uint32_t max_frame_bytes;       /* 16 384 to 16 777 215 */
    uint32_t max_header_list_bytes; /* of one request: name + value + 32 each */
    size_t memory_max_bytes;        /* of one connection: nghttp2's state, heads, answers */
    uint64_t keepalive_time_ns;     /* silence after which the peer is pinged */
    uint64_t keepalive_timeout_ns;  /* for the answer to that ping */
    uint64_t idle_max_ns;           /* without streams; 0: no limit */
    uint64_t age_max_ns;            /* ± H2_AGE_JITTER_PERCENT; 0: no limit */
    uint64_t age_grace_ns;          /* for open streams after GOAWAY; 0: no limit */
    uint64_t ping_min_ns;           /* peers that ping more often are sent away; 0: floods only */
    bool may_ping_idle;             /* with ping_min_ns: also while no stream is open */
    uint64_t response_timeout_ns;   /* from the answer to its last byte being sent */
    uint64_t preface_timeout_ns;    /* from adoption to the peer's SETTINGS */
};

/* Why a connection was ended by us. */
enum h2_abuse {
    H2_ABUSE_RESETS, /* streams reset, by the peer or for its mistakes, faster than allowed */
    H2_ABUSE_CONTINUATIONS, /* one header block in too many fragments, or far too large */
    H2_ABUSE_SETTINGS,
    H2_ABUSE_PINGS,
    H2_ABUSE_EMPTY_DATA,
    H2_ABUSE_SMALL_FRAMES, /* WINDOW_UPDATE, PRIORITY */
    H2_ABUSE_SLOW_READER,  /* an answer that the peer's windows do not let through */
    H2_ABUSE_OUTPUT,       /* output the peer does not read while it asks for more */
    H2_ABUSE_MEMORY,       /* memory_max_bytes */
    H2_ABUSE_LIMIT,
};

/* Loop-local totals since init. */
struct h2_server_stats {
    uint64_t adopted_count;
    uint64_t refused_count; /* not adopted: too many connections, or no memory */
    uint64_t stream_count;
    uint64_t stream_refused_count; /* beyond max_concurrent_streams, or no memory for the head */
    uint64_t header_too_large_count;
    uint64_t peer_reset_count; /* RST_STREAM received */
    uint64_t malformed_count;  /* connections ended for breaking HTTP/2 */
    uint64_t timeout_count;    /* preface, keepalive */
    uint64_t aged_count;       /* sent away for age or idleness */
    uint64_t abuse_count[H2_ABUSE_LIMIT];
};

struct h2_server {
    const struct h2_server_ops *ops; /* from h2_server_init */
    struct h2_server_options options;
    struct loop *loop; /* borrowed until on_closed */
    struct h2_server_stats stats;
    /* From here on the server's own. */
    struct h2_connection *connections; /* owned, a list */
    struct h2_connection *unflushed;   /* have something to say; sent when `flush` fires */
    uint32_t connection_count;
    bool is_draining;
    bool is_closed_told;
    uint64_t jitter_state;
    struct timer flush;
    struct timer closed;
    nghttp2_option *option;               /* owned */
    nghttp2_session_callbacks *callbacks; /* owned */
};

/* 0 or -ENOMEM. `ops` static; options are copied and their defaults filled in. */
WEIR_MUST_USE int h2_server_init(struct h2_server *server, struct loop *loop,
                                 const struct h2_server_options *options,
                                 const struct h2_server_ops *ops);

/* No connection may be left (before the first, or after on_closed). Idempotent. */
void h2_server_fini(struct h2_server *server);

/*
 * h2_server_adopt — a connection whose first bytes are (the beginning of) an HTTP/2 preface.
 *
 *   channel   its user becomes the server on 0; otherwise it stays the caller's
 *   first     bytes received already, borrowed until return; may be empty
 *
 * 0, -EBUSY (too many connections), FAULT_CLOSED (draining) or -ENOMEM. What is in `first` is
 * handled before it returns: on_head may be called from inside.
 */
WEIR_MUST_USE int h2_server_adopt(struct h2_server *server, struct channel *channel,
                                  struct slice first);

/* Tells every present connection to go (GOAWAY in two steps); those adopted later may stay. */
void h2_server_send_away(struct h2_server *server);

/*
 * As send_away, adopts no more, and closes each connection once its streams are answered; then
 * on_closed. Idempotent.
 */
void h2_server_drain(struct h2_server *server);

/* As drain, but every connection closes at once; users of open streams get their on_reset. */
void h2_server_abort(struct h2_server *server);

/* --- the request: borrowed until it is answered or reset ---------------------------------------
 */

struct slice h2_stream_method(const struct h2_stream *stream);
struct slice h2_stream_path(const struct h2_stream *stream); /* with its query; "" for CONNECT */
struct slice h2_stream_scheme(const struct h2_stream *stream);
struct slice h2_stream_authority(const struct h2_stream *stream); /* or what `host` says */

/* The first field of this (lower-case) name. */
bool h2_stream_header(const struct h2_stream *stream, const char *name, struct slice *value);
/* All but the pseudo-headers, in their order; `index` below the count. */
size_t h2_stream_field_count(const struct h2_stream *stream);
struct h2_field h2_stream_field(const struct h2_stream *stream, size_t index);

/* Did the head end the stream: no body will come? */
bool h2_stream_is_ended(const struct h2_stream *stream);
/* Of its connection; borrowed likewise. */
struct channel *h2_stream_channel(const struct h2_stream *stream);
struct h2_server *h2_stream_server(const struct h2_stream *stream);

void h2_stream_attach(struct h2_stream *stream, struct h2_stream_user *user);

/* Gives `bytes` of the body's credit back to the peer: taken or discarded. */
void h2_stream_consume(struct h2_stream *stream, size_t bytes);

/* --- the answer --------------------------------------------------------------------------------
 */

/*
 * Everything borrowed until return, unless a memory is given. Names are lower case, names and
 * values fit for HTTP; at most H2_RESPONSE_FIELDS_MAX fields, and as many trailers.
 */
struct h2_response {
    uint32_t status; /* 200 to 599 */
    const struct h2_field *fields;
    size_t field_count;
    struct slice body; /* empty, and no trailers: the head ends the stream */
    const struct h2_field *trailers;
    size_t trailer_count;
};

/*
 * h2_stream_respond — the whole answer.
 *
 *   memory   NULL, or *memory (from mem) that holds the body moves in and is set to NULL
 *
 * The stream is over for its user: what still comes of the body is discarded and credited, and if
 * the peer is still sending when the answer is out, it is told to stop by RST_STREAM(NO_ERROR).
 * Where there is no memory for the answer the stream is reset with INTERNAL_ERROR.
 */
void h2_stream_respond(struct h2_stream *stream, const struct h2_response *response, void **memory);

/* Ends the stream without an answer; its user hears nothing more. */
void h2_stream_reset(struct h2_stream *stream, enum h2_code code);
