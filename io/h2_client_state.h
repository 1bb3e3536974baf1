/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_client_state — what the files of h2_client share: the connection itself.
 *
 * h2_client.c lives its life, h2_client_session.c talks to nghttp2. Included by nobody else.
 */
#pragma once

#include "core/base/timer.h"
#include "io/channel.h"
#include "io/h2_client.h"
#include "io/h2_client_dial.h"
#include "io/io_bounds.h"

enum h2_client_state {
    H2_CLIENT_DIALING,
    H2_CLIENT_GREETING, /* the channel is open, SETTINGS are awaited */
    H2_CLIENT_READY,
    H2_CLIENT_LEAVING, /* no more requests; ends with the last one */
    H2_CLIENT_DOWN,    /* waits for the loop to let go */
};

/* First and last of a list by h2_request.next and .previous. */
struct h2_request_list {
    struct h2_request *first;
    struct h2_request *last;
};

struct h2_client { /* its loop's thread */
    struct channel_user channel_user;
    struct h2_dial dial;
    struct loop *loop;           /* borrowed */
    struct h2_client_user *user; /* borrowed; NULL once it was told the end */
    struct h2_client_options options;
    struct channel *channel; /* owned from GREETING until DOWN */
    int fd;                  /* the channel's; for cutting a send short */
    nghttp2_session *session;
    struct h2_memory memory; /* of the session and `out` */
    struct h2_out out;       /* the send under way */
    uint64_t send_round;     /* numbers the sends, from 1 */
    struct timer timer;      /* always armed, so that arming it anew cannot fail */
    uint64_t due_mono_ns;    /* end of connecting, next keepalive, or UINT64_MAX */
    uint64_t heard_mono_ns;
    uint64_t pinged_mono_ns; /* 0 while no PING of ours is out */
    struct h2_request_list active;
    struct h2_request_list over; /* ended; not told yet */
    uint32_t request_count;      /* active ones */
    enum h2_client_state state;
    uint32_t leave_code; /* of the peer's GOAWAY */
    uint8_t leave_debug[H2_CLIENT_DEBUG_MAX_BYTES];
    size_t leave_debug_len;
    int fault;
    char why_text[H2_CLIENT_WHY_MAX_BYTES];
    bool is_sending;  /* the channel has `out` */
    bool is_inside;   /* nghttp2 is calling us */
    bool is_kicked;   /* settle in the next turn */
    bool is_breaking; /* for `fault` and `why_text`, at the next occasion */
    bool is_greeted;  /* on_ready is due */
    bool has_left;    /* on_leave is due */
    bool has_room;    /* on_room is due */
};

static inline void h2_request_list_push(struct h2_request_list *list, struct h2_request *request)
{
    request->next = NULL;
    request->previous = list->last;
    if (list->last != NULL) {
        list->last->next = request;
    } else {
        list->first = request;
    }
    list->last = request;
}

static inline void h2_request_list_remove(struct h2_request_list *list, struct h2_request *request)
{
    if (request->previous != NULL) {
        request->previous->next = request->next;
    } else {
        list->first = request->next;
    }
    if (request->next != NULL) {
        request->next->previous = request->previous;
    } else {
        list->last = request->previous;
    }
    request->next = NULL;
    request->previous = NULL;
}

/* Makes the session and its first SETTINGS. 0, -ENOMEM or FAULT_LIBRARY. */
WEIR_MUST_USE int h2_client_session_open(struct h2_client *client);

/* Idempotent. */
void h2_client_session_close(struct h2_client *client);

/* Hands bytes to the library. 0, or as h2_fault. */
WEIR_MUST_USE int h2_client_session_receive(struct h2_client *client, struct slice bytes);

/* Submits; the request has its stream afterwards. 0, -ENOMEM or FAULT_LIBRARY. */
WEIR_MUST_USE int h2_client_session_submit(struct h2_client *client, struct h2_request *request,
                                           const struct h2_field *fields, size_t field_count);

/* Moves an active request to those that are over. */
void h2_client_request_over(struct h2_client *client, struct h2_request *request,
                            const struct h2_end *end);
