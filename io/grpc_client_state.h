/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_client_state — what the files of grpc_client share: peers, links and the calls on them.
 *
 * grpc_client.c leads calls through their states, grpc_client_pool.c keeps the links to the
 * target's addresses. Included by nobody else.
 */
#pragma once

#include "io/grpc_client.h"
#include "io/io_bounds.h"

struct helper_port;
struct resolve;

/* One address of the target. */
struct grpc_peer {
    struct loop_address address;
    uint64_t backoff_ns;    /* of the next failure, before jitter; 0: the first one */
    uint64_t retry_mono_ns; /* no new connection before */
    bool is_listed;         /* scratch of a merge */
};

/* One connection to a peer, dialing or open. */
struct grpc_link {
    struct h2_client_user user;
    struct grpc_client *client; /* borrowed */
    struct grpc_peer *peer;     /* borrowed; NULL where the address is not the target's any more */
    struct h2_client *h2;
    struct grpc_link *next;
    uint64_t number;        /* never used again */
    uint64_t ready_mono_ns; /* 0 until on_ready */
    bool is_leaving;
};

/* First and last of a list by grpc_client_call.next and .previous. */
struct grpc_call_list {
    struct grpc_client_call *first;
    struct grpc_client_call *last;
};

struct grpc_client { /* its loop's thread */
    struct grpc_client_options options;
    struct loop *loop;
    struct timer timer; /* always armed, so that arming it anew cannot fail */
    struct grpc_peer *peers[RESOLVE_ADDRESSES_MAX]; /* owned */
    uint32_t peer_count;
    struct grpc_link *links; /* owned, a list */
    uint32_t link_count;
    uint32_t turn_index;  /* whose turn it is among the peers */
    uint64_t link_number; /* of the latest */
    struct grpc_call_list waiting;
    struct grpc_call_list failed; /* told in the next turn: unavailable for last_text */
    struct helper_port *port;     /* owned; NULL for literal addresses and paths */
    struct resolve *resolve;      /* a lookup under way */
    uint64_t resolved_mono_ns;    /* when the last lookup began; 0: never */
    uint64_t resolve_due_mono_ns; /* UINT64_MAX: when a call wants it */
    uint64_t resolve_backoff_ns;
    uint64_t called_mono_ns;    /* when the last call began */
    uint64_t keepalive_time_ns; /* doubled by peers that find it too often */
    uint64_t random_state;
    bool is_kicked;
    char last_text[GRPC_CLIENT_TEXT_MAX_BYTES]; /* why the last connection or lookup failed */
};

/* --- grpc_client.c: calls ----------------------------------------------------------------------
 */

/* Gives waiting calls to links with room, and fails those for which there is no hope. */
void grpc_client_dispatch(struct grpc_client *client);

/* --- grpc_client_pool.c: links -----------------------------------------------------------------
 */

/* Peers of targets that need no lookup. 0, -ENOMEM, FAULT_LIMIT for a path too long. */
WEIR_MUST_USE int grpc_pool_open(struct grpc_client *client);

/* Frees peers and links. */
void grpc_pool_close(struct grpc_client *client);

/*
 * A link with room; NULL where there is none at the moment. Begins to connect where that would
 * help. avoided_number   of a link to be passed over while there is another way; 0 for none
 */
struct grpc_link *grpc_pool_pick(struct grpc_client *client, uint64_t avoided_number);

/* Is a connection or a lookup under way that may bring room? */
bool grpc_pool_has_hope(const struct grpc_client *client);

/* Looks names up and dials where that is due. */
void grpc_pool_tend(struct grpc_client *client, uint64_t now_mono_ns);

/* When grpc_pool_tend has something to do next. */
uint64_t grpc_pool_next_mono_ns(const struct grpc_client *client);

/* Runs tend and dispatch in the next turn. */
void grpc_client_kick(struct grpc_client *client);
/* Arms the timer for what is due next. */
void grpc_client_arm(struct grpc_client *client);
