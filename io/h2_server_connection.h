/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_server_connection — one peer of an h2_server and its streams.
 *
 * Private to h2_server.c (the server and its options), h2_server_connection.c (a connection's
 * life), h2_server_deadline.c (what it may take), h2_server_session.c (what nghttp2 tells),
 * h2_server_stream.c (heads, answers) and h2_server_flood.c (budgets against floods). A connection
 * is freed in its channel's on_closed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/timer.h"
#include "io/channel.h"
#include "io/h2.h"
#include "io/h2_server.h"

/* An ordinary head of gRPC: eleven fields, 350 bytes. */
#define H2_HEAD_INLINE_FIELDS 20
#define H2_HEAD_INLINE_BYTES 640

/* In the PING that goes with the first GOAWAY. */
#define H2_LEAVE_PING ((const uint8_t *)"leaving!")
#define H2_PING_BYTES 8

enum h2_state {
    H2_STATE_OPEN,
    H2_STATE_LEAVING, /* GOAWAY(2^31−1) and a PING are out; waits for its answer */
    H2_STATE_LEFT,    /* GOAWAY(last id) is out; open streams are served */
    H2_STATE_ENDING,  /* reads no more; the last words are being sent */
    H2_STATE_LINGER,  /* all is sent; gives the peer time to read it */
    H2_STATE_CLOSING, /* waiting for the channel's on_closed */
};

/* Name, then value, in the head's text. */
struct h2_span {
    uint32_t offset;
    uint32_t name_len;
    uint32_t value_len;
};

enum h2_pseudo {
    H2_PSEUDO_METHOD,
    H2_PSEUDO_PATH,
    H2_PSEUDO_SCHEME,
    H2_PSEUDO_AUTHORITY,
    H2_PSEUDO_LIMIT,
};

/* A request's fields; starts in place, moves to the heap when it outgrows that. */
struct h2_head {
    struct h2_span *spans; /* owned unless inline_spans */
    uint8_t *text;         /* owned unless inline_text */
    uint32_t span_count;
    uint32_t span_capacity;
    uint32_t text_len;
    uint32_t text_capacity_bytes;
    uint32_t pseudo_count;
    struct h2_span pseudo[H2_PSEUDO_LIMIT]; /* name_len 0: absent */
    struct h2_span inline_spans[H2_HEAD_INLINE_FIELDS];
    uint8_t inline_text[H2_HEAD_INLINE_BYTES];
};

struct h2_stream {
    struct h2_connection *connection;
    struct h2_stream *next; /* of the connection's open streams */
    struct h2_stream *previous;
    struct h2_stream_user *user; /* borrowed; NULL: body is discarded */
    int32_t id;
    bool is_head_ended; /* END_STREAM on the head */
    bool is_ended;      /* END_STREAM arrived */
    bool is_answered;   /* or reset by us */
    size_t unconsumed_bytes;

    /* The answer; `answers` of the connection lists them by age. */
    struct h2_stream *next_answer;
    struct h2_stream *previous_answer;
    uint64_t answer_until_mono_ns; /* 0: not listed */
    const uint8_t *body;           /* borrows from body_memory or answer_memory */
    size_t body_left_bytes;
    void *body_memory;         /* owned, from mem */
    void *answer_memory;       /* owned, from the meter: trailers and a copied body */
    struct h2_field *trailers; /* in answer_memory */
    size_t trailer_count;

    struct h2_head head;
};

struct h2_bucket {
    uint32_t used_count;
    uint64_t drained_mono_ns;
};

struct h2_connection {
    struct channel_user user;
    struct channel *channel;
    struct h2_server *server;
    nghttp2_session *session; /* owned */
    enum h2_state state;
    bool is_receiving; /* inside nghttp2's callbacks */
    bool is_sending;   /* the channel is */
    bool is_paused;    /* the peer does not read what we say */
    bool is_unflushed; /* listed */
    bool is_begun;     /* the peer's SETTINGS are here */
    bool is_input_ended;
    bool has_last_word; /* a GOAWAY of our own making goes before the end */
    uint32_t last_word_code;
    const char *last_word;  /* static */
    const char *leave_text; /* static */

    struct h2_connection *next;
    struct h2_connection *previous;
    struct h2_connection *next_unflushed;

    struct h2_memory memory;
    struct h2_out out;
    struct h2_stream *streams; /* owned, open ones */
    uint32_t stream_count;
    uint64_t held_bytes;            /* received for users and not consumed, all streams together */
    struct h2_stream *building;     /* owned; its head is not whole */
    uint64_t head_bytes;            /* of the block under way: name + value + 32 each */
    uint32_t fragment_count;        /* CONTINUATION frames of it */
    struct h2_stream *first_answer; /* the oldest that is not out */
    struct h2_stream *last_answer;

    struct timer timer; /* armed for the earliest of what follows */
    uint64_t preface_until_mono_ns;
    uint64_t received_mono_ns;
    uint64_t ping_until_mono_ns;
    uint64_t idle_since_mono_ns;
    uint64_t age_until_mono_ns;
    uint64_t leave_until_mono_ns; /* LEAVING: for the answer; LEFT: grace; LINGER: for the end */
    uint64_t send_until_mono_ns;

    struct h2_bucket buckets[H2_ABUSE_LIMIT];
    uint64_t peer_ping_mono_ns;
    uint32_t ping_strikes;
    bool has_answered; /* since the peer's last ping */
};

/* --- h2_server.c ------------------------------------------------------------------------------ */

/* A connection is gone: was it the last one? */
void h2_server_check_closed(struct h2_server *server);
/* Sends what the connection has to say at the end of this turn. */
void h2_server_flush_later(struct h2_connection *c);

/* --- h2_server_connection.c ------------------------------------------------------------------- */

/* 0, or negative and the channel is still the caller's. */
WEIR_MUST_USE int h2_connection_start(struct h2_server *server, struct channel *channel,
                                      struct slice first);
/* Two-step GOAWAY; `text` static. */
void h2_connection_leave(struct h2_connection *c, const char *text);
/* The peer acknowledged that it was told to go, or has had time enough. */
void h2_connection_left(struct h2_connection *c);
/* A GOAWAY with code and (static) text, then the end. Streams are reset. Safe in callbacks. */
void h2_connection_fail(struct h2_connection *c, enum h2_code code, const char *text);
/* The same, booked. */
void h2_connection_abuse(struct h2_connection *c, enum h2_abuse abuse);
/* Closes without a word; streams are reset. */
void h2_connection_close(struct h2_connection *c);
/* Sends what there is, unless a send is under way; ends the connection when it is over. */
void h2_connection_flush(struct h2_connection *c);
bool h2_connection_is_over(const struct h2_connection *c);

/* --- h2_server_deadline.c --------------------------------------------------------------------- */

/* The timer shall fire at `deadline_mono_ns` at the latest. */
void h2_connection_watch(struct h2_connection *c, uint64_t deadline_mono_ns);
/* Does what is due; the connection's timer. */
void h2_connection_on_timer(struct timer *timer, uint64_t now_mono_ns);

/* --- h2_server_session.c ---------------------------------------------------------------------- */

/* 0 or -ENOMEM. */
WEIR_MUST_USE int h2_session_callbacks_new(nghttp2_session_callbacks **out);

/* --- h2_server_stream.c ----------------------------------------------------------------------- */

/* NULL where there is no memory. Listed with its connection. */
WEIR_MUST_USE struct h2_stream *h2_stream_new(struct h2_connection *c, int32_t id);
/* Unlists and frees; its unconsumed credit goes back. */
void h2_stream_free(struct h2_stream *stream);
/* 0 or -ENOMEM. */
WEIR_MUST_USE int h2_stream_add_field(struct h2_stream *stream, struct slice name,
                                      struct slice value);
/* Tells the user that it is over, once, unless it was answered. */
void h2_stream_tell_reset(struct h2_stream *stream, uint32_t code);

/* --- h2_server_flood.c ------------------------------------------------------------------------ */

/* Takes one from the budget of its kind; ends the connection and returns false beyond it. */
bool h2_flood_admit(struct h2_connection *c, enum h2_abuse abuse);
/* Something useful was sent: pings and window updates that come with it are no flood. */
void h2_flood_forgive(struct h2_connection *c);
/* A PING that is no acknowledgement: floods, and the configured distance. */
void h2_flood_ping(struct h2_connection *c);
