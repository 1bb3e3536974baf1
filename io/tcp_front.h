/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_front — one TCP port for everything: accepts, finds out what a connection speaks, hands it
 * on.
 *
 * Lives on its shard's loop, embedded in its owner (a receiver). A connection stays here from
 * accept to the first bytes that tell its protocol:
 *
 *     accept ─▶ [PROXY header] ─▶ look ─┬─▶ TLS, then look again ─▶ on_protocol
 *                                       └─▶ on_protocol
 *
 * Silence for TCP_FRONT_SILENCE_MS is a load balancer's probe: closed, and no error. Connections
 * are counted until they are gone, whoever has them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/log.h"
#include "core/base/slice.h"
#include "core/base/timer.h"
#include "core/engine/stats.h"
#include "io/channel.h"
#include "io/io_bounds.h"
#include "io/sniff.h"

struct tcp_front;
struct tcp_front_visitor;

/* Zero means the default, or off where that is said. */
struct tcp_front_options {
    uint32_t protocols;       /* SNIFF_BITs of HTTP1, HTTP2, STATSD; must be set */
    struct tls_context *tls;  /* borrowed until on_closed; NULL: no TLS */
    bool allows_cleartext;    /* beside TLS; off: whoever speaks in the clear is turned away */
    bool expects_proxy;       /* a PROXY header, version 2, is required of everybody */
    bool allows_proxy;        /* it may come first, and need not */
    uint32_t connections_max; /* open at once, handed on or not */
    uint32_t silence_ms;
};

/*
 * The connection speaks `kind` (one of those in `protocols`).
 *
 *   channel   whoever takes it calls channel_hand_over before returning true; false: it is closed
 *   first     what it has said so far, perhaps more than one read; never empty; borrowed until
 *             return
 */
typedef bool(tcp_front_protocol_fn)(struct tcp_front *front, enum sniff_kind kind,
                                    struct channel *channel, struct slice first);
/* Accepting failed (`fault` negative); the loop tries again by itself. */
typedef void(tcp_front_fault_fn)(struct tcp_front *front, int fault);
/* Listeners and every channel ever accepted are gone; the memory may go. */
typedef void(tcp_front_closed_fn)(struct tcp_front *front);

struct tcp_front_listener {
    struct loop_listener listener; /* fd owned */
    struct tcp_front *front;
};

/* Loop-local; what receiver_stats has no name for. Totals since start. */
struct tcp_front_counts {
    uint64_t silent_count;      /* closed, or gone, without a word */
    uint64_t unknown_count;     /* spoke none of the protocols, or no PROXY header */
    uint64_t tls_failed_count;  /* handshakes */
    uint64_t turned_away_count; /* the protocol's owner would not have it */
};

struct tcp_front {
    struct loop *loop;            /* borrowed until on_closed; set by the owner, as all up to */
    struct receiver_stats *stats; /* on_closed; connections_* are written by this thread */
    const char *name;             /* borrowed; for log lines */
    struct tcp_front_options options;
    tcp_front_protocol_fn *on_protocol;
    tcp_front_fault_fn *on_fault; /* may be NULL */
    tcp_front_closed_fn *on_closed;

    /* From here on tcp_front.c's own. */
    struct tcp_front_listener listeners[TCP_FRONT_LISTENERS_MAX];
    uint32_t listener_count;
    uint32_t listening_count;
    struct tcp_front_visitor *first; /* owned, a list: who has not said what it speaks */
    struct channel_watch watch;
    uint32_t channel_count; /* not gone yet */
    bool is_stopping;
    struct timer closed_timer;
    struct tcp_front_counts counts;
    struct log_limit complaints;
};

/*
 * tcp_front_open — accepts on listening, non-blocking sockets.
 *
 *   fds   1 to TCP_FRONT_LISTENERS_MAX; each that listens has moved in
 *
 * 0: `front` is borrowed until on_closed. Otherwise what the loop answered for the first socket,
 * and nothing moved and nothing runs. One that fails after it is closed with a warning.
 */
WEIR_MUST_USE int tcp_front_open(struct tcp_front *front, const int *fds, uint32_t fd_count);

/*
 * Stops listening and closes who has not said what it speaks. on_closed follows, from a later turn,
 * when those that were handed on are gone as well. Idempotent.
 */
void tcp_front_stop(struct tcp_front *front);

/*
 * Stops listening only: who was accepted, or waits for it, may still say what it speaks, for
 * silence_ms at most. Then tcp_front_stop.
 */
void tcp_front_stop_accepting(struct tcp_front *front);

/* After tcp_front_stop_accepting: is there nobody left who has yet to say what it speaks? */
bool tcp_front_is_quiet(const struct tcp_front *front);
