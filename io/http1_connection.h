/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1_connection — one client of an http1_server: its input, the exchange under way, its output.
 *
 * Private to http1_server.c (listeners and life), http1_connection.c (requests in) and
 * http1_answer.c (answers out). A connection is freed when its stream is closed and its exchange
 * answered, whichever comes last.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bounds.h"
#include "core/base/timer.h"
#include "io/http1_chunks.h"
#include "io/http1_server.h"

#define HTTP1_ANSWER_HEAD_BYTES (HTTP1_EXTRA_HEADERS_MAX_BYTES + 512)

enum http1_state {
    HTTP1_STATE_IDLE,     /* between requests */
    HTTP1_STATE_HEAD,     /* the first byte is here, the head is not whole */
    HTTP1_STATE_BODY,     /* the head is whole, the body is not */
    HTTP1_STATE_HANDLING, /* the owner has the exchange */
    HTTP1_STATE_SENDING,  /* an answer is on its way */
    HTTP1_STATE_LINGER,   /* answered for the last time; what still comes is thrown away */
    HTTP1_STATE_CLOSING,  /* waiting for the stream's on_closed */
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
    struct loop_stream stream;
    struct timer timeout; /* armed in every state but HANDLING and CLOSING */
    struct timer produce; /* the next piece, in the next turn */
    struct http1_server *server;
    struct http1_connection *next;
    struct http1_connection *previous;
    enum http1_state state;
    bool is_stream_closed;
    bool is_input_ended; /* the client sends no more; it may still read */
    bool is_peer_local;

    struct http1_buffer in;    /* the request under way, from its first byte */
    struct http1_buffer ahead; /* what came while `in` was shown to the owner */
    struct http1_buffer body;  /* of a chunked request, unwrapped */
    struct http1_head head;
    struct http1_chunks chunks;
    size_t request_bytes; /* of `in`, once the request is whole */
    uint64_t linger_bytes;

    struct http1_exchange exchange;
    bool is_exchange_open; /* shown to the owner and not answered */
    bool is_send_busy;     /* the stream is sending */
    bool is_answer_due;    /* waits for the 100 to be sent */
    bool will_close;       /* after this answer */
    void *answer;          /* owned; body in one piece */
    size_t answer_len;
    struct http1_producer *producer; /* borrowed until its on_closed */
    bool is_last_piece;
    uint32_t answer_head_len;
    char answer_head[HTTP1_ANSWER_HEAD_BYTES];
    char chunk_head[20]; /* size of a chunk in hexadecimal, CR LF */
};

/* 0, FAULT_LIMIT beyond `max_bytes` in all, -ENOMEM. */
WEIR_MUST_USE int http1_buffer_append(struct http1_buffer *buffer, struct slice bytes,
                                      size_t max_bytes);
/* Cuts `len` bytes off the front. */
void http1_buffer_take(struct http1_buffer *buffer, size_t len);
void http1_buffer_fini(struct http1_buffer *buffer);

/* --- http1_connection.c ----------------------------------------------------------------------- */

/* A new client: moves `fd` in on 0. Otherwise negative, and the descriptor is still the caller's.
 */
WEIR_MUST_USE int http1_connection_start(struct http1_server *server, int fd,
                                         const struct loop_address *peer);
/* Enters a state and sets the time it may last. */
void http1_connection_enter(struct http1_connection *c, enum http1_state state);
void http1_connection_close(struct http1_connection *c);
/* The answer is sent: on to the next request, or to the end. */
void http1_connection_next(struct http1_connection *c);
/* Frees it if nothing refers to it any more. */
void http1_connection_release(struct http1_connection *c);

/* --- http1_answer.c --------------------------------------------------------------------------- */

/* The server's own answer to a request that it does not hand on; the connection ends with it. */
void http1_answer_refuse(struct http1_connection *c, uint32_t status, const char *text);
/* 100 Continue, if the client waits for it. */
void http1_answer_continue(struct http1_connection *c);
void http1_answer_on_sent(struct loop_stream *stream, int fault);
void http1_answer_on_produce(struct timer *timer, uint64_t now_mono_ns);

/* --- http1_server.c --------------------------------------------------------------------------- */

/* A connection or a listener is gone: was it the last one? */
void http1_server_check_closed(struct http1_server *server);
