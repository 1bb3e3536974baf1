/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_client — one outgoing HTTP/2 connection with many requests on it.
 *
 * Stands between a channel and whoever knows what the requests mean (grpc_client). It dials, speaks
 * HTTP/2 with prior knowledge or by ALPN, sends bodies from where they lie, and tells how each
 * request ended: answered, reset, never looked at by the peer, or lost with the connection. Lives
 * so, on its loop's thread:
 *
 *     DIALING → GREETING → READY → LEAVING → DOWN
 *
 * GREETING ends with the peer's SETTINGS, LEAVING begins with its GOAWAY or with h2_client_leave,
 * and every state may fall to DOWN. Sources: RFC 9113, RFC 7541; the library's words are in
 * io/h2.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/h2.h"
#include "io/loop.h"

struct h2_client;
struct h2_client_user;
struct h2_request;
struct tls_context;

/* Called from the loop, never from inside a function below. */
struct h2_client_user_ops {
    /* The peer's SETTINGS are here: requests may begin. Once. */
    void (*on_ready)(struct h2_client_user *user);
    /* A request ended, so that there is room again, or the peer allows more than before. */
    void (*on_room)(struct h2_client_user *user);
    /* GOAWAY came: there is no room any more, what began and was not refused goes on. Once. */
    void (*on_leave)(struct h2_client_user *user, uint32_t code, struct slice debug);
    /*
     * Gone; every request was told its end before. fault is 0 after an orderly leave; `why_text` is
     * borrowed until return. The client frees itself: the pointer must not be used any more.
     */
    void (*on_down)(struct h2_client_user *user, int fault, const char *why_text);
};

/* Embedded in its owner. */
struct h2_client_user {
    const struct h2_client_user_ops *ops;
};

struct h2_client_options {
    struct loop_address address;
    struct tls_context *tls;       /* borrowed until on_down or close; NULL: in the clear */
    const char *server_name;       /* under TLS: SNI and verification; borrowed likewise */
    uint64_t connect_timeout_ns;   /* from dialing to SETTINGS */
    uint64_t keepalive_time_ns;    /* of silence before a PING; 0 for never */
    uint64_t keepalive_timeout_ns; /* for its answer */
    bool keepalive_without_requests;
    uint32_t receive_buffer_bytes; /* SO_RCVBUF; 0 keeps the kernel's own */
    uint32_t send_buffer_bytes;    /* SO_SNDBUF; likewise */
};

/* How a request ended. */
enum h2_ending {
    H2_ENDED,     /* the answer is whole */
    H2_RESET,     /* RST_STREAM with `code`, from either side */
    H2_UNSENT,    /* the peer did not look at it: safe to send again at once */
    H2_LOST,      /* the connection broke; nobody knows what the peer did */
    H2_CANCELLED, /* by h2_client_try_cancel, which said that this would follow */
};

struct h2_end {
    enum h2_ending ending;
    uint32_t code;        /* H2_RESET: any number */
    const char *why_text; /* H2_LOST: a sentence; else "" or NULL */
};

struct h2_request_ops {
    /*
     * A field of the answer's head or trailer, in order; `:status` among them. Borrowed until
     * return. Neither this nor on_data may call back into the client.
     */
    void (*on_field)(struct h2_request *request, struct slice name, struct slice value);
    /* Bytes of the answer's body. False: no more of it is wanted; it ends as H2_RESET, CANCEL. */
    bool (*on_data)(struct h2_request *request, struct slice bytes);
    /* Once; the request is its owner's again. `end` is borrowed until return. */
    void (*on_end)(struct h2_request *request, const struct h2_end *end);
};

/* Embedded in its owner. */
struct h2_request {
    const struct h2_request_ops *ops;
    struct slice head;        /* first bytes of the body; copied when they are sent */
    const struct iovec *body; /* the rest of it, sent from where it lies; borrowed until on_end */
    size_t body_count;
    struct h2_client *client; /* the client's, and so is what follows; NULL while not under way */
    struct h2_request *next;
    struct h2_request *previous;
    int32_t stream_id;
    size_t head_offset; /* of the first byte not sent yet; likewise below */
    size_t piece_index;
    size_t piece_offset;
    uint64_t left_bytes;
    uint64_t pin_round; /* the send that refers to its bytes */
    bool is_on_wire;
    bool is_answered; /* END_STREAM came */
    bool is_over;     /* `end` is filled */
    struct h2_end end;
};

/*
 * h2_client_open — begins to dial.
 *
 *   options   copied
 *   user      borrowed until on_down or close
 *   out       the connection; it frees itself after on_down, or by close
 *
 * 0, -ENOMEM, -EBUSY, -errno or FAULT_LIBRARY. What goes wrong later is an on_down.
 */
WEIR_MUST_USE int h2_client_open(struct loop *loop, const struct h2_client_options *options,
                                 struct h2_client_user *user, struct h2_client **out);

/* How many requests may begin now; 0 before on_ready and from on_leave on. */
uint32_t h2_client_room(const struct h2_client *client);

/* Requests under way. */
uint32_t h2_client_request_count(const struct h2_client *client);

/*
 * h2_client_start — sends a request.
 *
 *   fields   pseudo-header fields first, names in lower case; read before return
 *   request  ops, head and body are set; borrowed until its on_end
 *
 * 0; -EAGAIN where there is no room; -ENOMEM or FAULT_LIBRARY. On a failure nothing is borrowed.
 */
WEIR_MUST_USE int h2_client_start(struct h2_client *client, struct h2_request *request,
                                  const struct h2_field *fields, size_t field_count);

/*
 * Gives a request up. True: it is over, no on_end follows. False: the kernel is just reading its
 * body; on_end (H2_CANCELLED) follows as soon as that is done.
 */
WEIR_MUST_USE bool h2_client_try_cancel(struct h2_client *client, struct h2_request *request);

/*
 * Gives a request up at any price: no on_end follows and nothing of it is read after return. Where
 * the kernel is reading its body this breaks the connection.
 */
void h2_client_drop(struct h2_client *client, struct h2_request *request);

/* Begins no more; on_down once the last request under way has ended. Idempotent. */
void h2_client_leave(struct h2_client *client);

/* Breaks the connection; ends and on_down follow from a later turn. `why_text` is copied. */
void h2_client_break(struct h2_client *client, int fault, const char *why_text);

/*
 * Closes at once, without any further callback. Requests under way are their owners' again. NULL is
 * fine. The loop needs some more turns to let go of the socket.
 */
void h2_client_close(struct h2_client *client);
