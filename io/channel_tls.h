/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel_tls — the half of a channel that encrypts: private to channel.c and channel_tls.c.
 *
 *     handshake ──▶ open ──▶ ended (the peer said goodbye; we may still send)
 *         └───────────┴────▶ failing: alert, half-close, at most TLS_LINGER_MS ──▶ on_end
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/timer.h"
#include "io/channel.h"
#include "io/io_bounds.h"

struct tls_session;

enum channel_tls_state {
    CHANNEL_TLS_NONE, /* in the clear */
    CHANNEL_TLS_HANDSHAKE,
    CHANNEL_TLS_OPEN,
    CHANNEL_TLS_ENDED,
    CHANNEL_TLS_FAILING,
};

/* What channel_send was given and is not encrypted yet. */
struct channel_send {
    struct iovec iov[LOOP_STREAM_IOV_MAX]; /* bytes borrowed until on_sent */
    size_t iov_count;
    size_t iov_index;
};

struct channel { /* its loop's thread */
    struct loop_stream stream;
    struct loop *loop;           /* borrowed until on_closed */
    struct channel_user *user;   /* borrowed until its on_closed or a hand-over */
    struct channel_watch *watch; /* borrowed until its on_gone */
    struct loop_address peer;
    bool is_closing;
    bool is_paused;
    bool is_end_told;

    /* Under TLS only. */
    enum channel_tls_state tls_state;
    bool is_user_sending;    /* an on_sent is owed */
    bool is_stream_sending;  /* `sending` is with the loop */
    bool is_shutdown_due;    /* half-close when the user's send is out */
    const char *why;         /* static, where the session has no words of its own */
    struct tls_session *tls; /* owned */
    void *sending;           /* owned; ciphertext */
    struct timer timer;      /* of the handshake, and of failing */
    struct channel_send send;
};

/* The user's on_end, once. */
void channel_tell_end(struct channel *c, int fault);

/* A session and its timer; nothing is sent. 0, -ENOMEM or FAULT_LIBRARY, and then as before. */
WEIR_MUST_USE int channel_tls_prepare(struct channel *c, const struct channel_options *options);
/* The client's first flight, or the server's answer to the bytes that came already. */
void channel_tls_begin(struct channel *c, struct slice first);
/* Frees what TLS owns; no loop callback comes any more. */
void channel_tls_fini(struct channel *c);

void channel_tls_receive(struct channel *c, struct slice bytes);
void channel_tls_end(struct channel *c, int fault);
void channel_tls_sent(struct channel *c, int fault);
WEIR_MUST_USE int channel_tls_send(struct channel *c, const struct iovec *iov, size_t iov_count);
void channel_tls_shutdown(struct channel *c);
