/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_connection — one client of an http1_server: its input, the exchange under way, its output.
 *
 * Private to http1_server.c (listeners and life), http1_connection.c (bytes in, states),
 * http1_body.c (admission and bodies), http1_exchange.c (what the owner asks) and http1_answer.c
 * (answers out). A connection is freed when its channel is closed and its exchange answered,
 * whichever comes last.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/timer.h"
#include "io/channel.h"
#include "io/http1_chunks.h"
#include "io/http1_server.h"
#include "io/io_bounds.h"

#define HTTP1_ANSWER_HEAD_BYTES (HTTP1_EXTRA_HEADERS_MAX_BYTES + 512)

enum http1_state {
    HTTP1_STATE_IDLE,     /* between requests */
    HTTP1_STATE_HEAD,     /* the first byte is here, the head is not whole */
    HTTP1_STATE_BODY,     /* the head is whole, the body is not */
    HTTP1_STATE_DRAIN,    /* refused; its short body is thrown away before the answer */
    HTTP1_STATE_HANDLING, /* the owner has the exchange */
    HTTP1_STATE_SENDING,  /* an answer is on its way */
    HTTP1_STATE_LINGER,   /* answered for the last time; what still comes is thrown away */
    HTTP1_STATE_CLOSING,  /* waiting for the channel's on_closed */
};

/* Bytes that grow up to what the caller allows. */
struct http1_buffer {
    uint8_t *ptr; /* owned */
    size_t len;
    size_t capacity_bytes;
};

struct http1_exchange {
    uint32_t extra_bytes;
    char extra[HTTP1_EXTRA_HEADERS_MAX_BYTES]; /* header lines of the owner's */
};

struct http1_connection {
    struct channel_user user;
    struct channel *channel; /* borrowed; NULL once it is closed */
    struct timer timeout;    /* armed in every state but HANDLING and CLOSING */
    struct timer produce;    /* the next piece, in the next turn */
    struct http1_server *server;
    struct http1_connection *next;
    struct http1_connection *previous;
    enum http1_state state;
    bool is_input_ended; /* the client sends no more; it may still read */
    bool is_paused;
    bool is_peer_local;
    bool is_known;          /* asked before, and answered */
    uint64_t leave_mono_ns; /* from then on the next answer is the last */

    struct http1_buffer in;    /* the head of the request under way */
    struct http1_buffer ahead; /* what came behind the request under way */
    size_t ahead_taken_bytes;  /* of its front */
    struct http1_buffer body;  /* of the request under way, unwrapped */
    uint64_t charged_bytes;    /* for `body` */
    struct http1_head head;
    struct http1_chunks chunks;
    uint64_t window_bytes;       /* of the body, since its rate was looked at */
    uint64_t body_until_mono_ns; /* UINT64_MAX: as long as it takes */
    uint64_t drain_bytes;        /* still to be thrown away */
    uint64_t linger_bytes;

    struct http1_exchange exchange;
    bool is_exchange_open; /* shown to the owner and not answered */
    bool is_send_busy;     /* the channel is sending */
    bool is_answer_due;    /* waits for the 100 to be sent */
    bool will_close;       /* after this answer */
    void *answer;          /* owned; body in one piece */
    size_t answer_len;
    uint32_t answer_status;
    const char *answer_type;         /* static, or NULL */
    struct http1_producer *producer; /* borrowed until its on_closed */
    bool is_last_piece;
    uint32_t answer_head_len;
    char answer_head[HTTP1_ANSWER_HEAD_BYTES];
    char chunk_head[20]; /* size of a chunk in hexadecimal, CR LF */
};

/* 0, FAULT_LIMIT beyond `max_bytes` in all, -ENOMEM. */
WEIR_MUST_USE int http1_buffer_append(struct http1_buffer *buffer, struct slice bytes,
                                      size_t max_bytes);
void http1_buffer_fini(struct http1_buffer *buffer);

static inline struct slice http1_buffer_slice(const struct http1_buffer *buffer)
{
    return slice_of(buffer->ptr, buffer->len);
}

/* --- http1_connection.c ----------------------------------------------------------------------- */

/* A new client: moves `fd` in on 0. Otherwise negative, and the descriptor is still the caller's.
 */
WEIR_MUST_USE int http1_connection_start(struct http1_server *server, int fd,
                                         const struct loop_address *peer);
/* The same for a channel that is open already; handed over on 0. */
WEIR_MUST_USE int http1_connection_adopt(struct http1_server *server, struct channel *channel,
                                         struct slice first_bytes);
/* Enters a state and sets the time it may last. */
void http1_connection_enter(struct http1_connection *c, enum http1_state state);
void http1_connection_close(struct http1_connection *c);
/* The answer is sent: on to the next request, or to the end. */
void http1_connection_next(struct http1_connection *c);
/* Frees it if nothing refers to it any more. */
void http1_connection_release(struct http1_connection *c);

/* --- http1_body.c ----------------------------------------------------------------------------- */

/* The head is whole; `bytes` follow it. Admits the request, or refuses it. */
void http1_body_begin(struct http1_connection *c, struct slice bytes);
/* State BODY: takes what belongs to the body off `bytes`; the whole goes to the owner. */
void http1_body_read(struct http1_connection *c, struct slice *bytes);
/* State DRAIN: throws away what belongs to the refused body; then the answer. */
void http1_body_drain(struct http1_connection *c, struct slice *bytes);
/* The body is too slow, or it only took long: then its time goes on. */
void http1_body_on_timeout(struct http1_connection *c, uint64_t now_mono_ns);
/* Frees the body and gives back what was charged for it. */
void http1_body_fini(struct http1_connection *c);

/* --- http1_answer.c --------------------------------------------------------------------------- */

/* The server's own answer to a request that it does not hand on; the connection ends with it. */
void http1_answer_refuse(struct http1_connection *c, uint32_t status, const char *text);
/* What is said to a refused request; *refusal is copied. Sent by http1_answer_start. */
void http1_answer_prepare(struct http1_connection *c, const struct http1_refusal *refusal);
void http1_answer_start(struct http1_connection *c);
/* 100 Continue. */
void http1_answer_continue(struct http1_connection *c);
void http1_answer_on_sent(struct channel_user *user, int fault);
void http1_answer_on_produce(struct timer *timer, uint64_t now_mono_ns);

/* --- http1_server.c --------------------------------------------------------------------------- */

/* A connection or a listener is gone: was it the last one? */
void http1_server_check_closed(struct http1_server *server);
/* When a connection that begins now is told to go. */
uint64_t http1_server_leave_mono_ns(struct http1_server *server);
