/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_client — unary gRPC calls to one target: names, connections and calls in flight.
 *
 * The target's addresses each get a connection, and more of them where the peer's stream limit is
 * reached. A call takes the next connection with room; one that the peer did not look at (GOAWAY,
 * REFUSED_STREAM) goes out again at once on another. A connection that fails is tried again after 1
 * s × 1.6 ± 20 %, at most 120 s; names are looked up again when a connection broke and every 30 s
 * while there are calls. Knows no payload. Lives on its loop's thread. Sources:
 * grpc/doc/PROTOCOL-HTTP2.md, connection-backoff.md, load-balancing.md, wait-for-ready.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/base/timer.h"
#include "io/grpc.h"
#include "io/grpc_client_answer.h"
#include "io/h2_client.h"
#include "io/io_bounds.h"

struct grpc_client;
struct grpc_client_call;
struct grpc_link;

enum grpc_balancer {
    GRPC_ROUND_ROBIN, /* all addresses in turn */
    GRPC_PICK_FIRST,  /* the first one that answers */
};

/* Texts and fields are borrowed until grpc_client_close. */
struct grpc_client_options {
    const char *host;      /* name or literal address; unused with unix_path */
    uint16_t port;         /* likewise */
    const char *unix_path; /* NULL: TCP */
    const char *authority; /* of every call: "host:port" */
    const char *user_agent;
    const char *accept_encoding;   /* "identity,gzip": what the owner can decompress */
    const struct h2_field *fields; /* metadata of every call; lower-case names */
    size_t field_count;            /* at most GRPC_CLIENT_FIELDS_MAX */
    struct tls_context *tls;       /* NULL: in the clear */
    const char *server_name;       /* under TLS: SNI and verification */
    enum grpc_balancer balancer;
    bool waits_for_ready; /* calls wait for a connection instead of failing where there is none */
    bool keepalive_without_calls;
    uint64_t keepalive_time_ns; /* 0: never */
    uint64_t keepalive_timeout_ns;
    uint32_t receive_buffer_bytes; /* of the sockets; 0 keeps the kernel's own */
    uint32_t send_buffer_bytes;
    uint64_t connect_timeout_ns; /* 0: GRPC_CLIENT_CONNECT_MS; from here on for tests */
    uint64_t backoff_ns;         /* 0: GRPC_CLIENT_BACKOFF_MS */
    uint64_t resolve_every_ns;   /* 0: GRPC_CLIENT_RESOLVE_EVERY_MS */
    uint32_t answer_max_bytes;   /* 0: GRPC_CLIENT_ANSWER_MAX_BYTES */
    uint64_t seed;               /* of the jitter */
};

/* What came of a call; borrowed until the callback returns. */
struct grpc_client_result {
    enum grpc_status status;
    struct slice text;       /* the peer's words, decoded, or ours */
    uint64_t retry_delay_ns; /* of RetryInfo, 0 where it names none; or GRPC_NO_RETRY_DELAY */
    struct slice message;    /* GRPC_OK: as it came; empty where none did */
    bool is_compressed;      /* `message` is, by `encoding` */
    struct slice encoding;
};

/* Once per started call, from a later turn; the call may be started again from inside. */
typedef void(grpc_client_done_fn)(struct grpc_client_call *call,
                                  const struct grpc_client_result *result);

enum grpc_call_state {
    GRPC_CALL_IDLE,
    GRPC_CALL_WAITING, /* for a connection with room */
    GRPC_CALL_SENT,
    GRPC_CALL_EXPIRED, /* over, but the kernel still reads its message */
    GRPC_CALL_FAILED,  /* told in the next turn */
};

/* Embedded in its owner; zeroed is idle. Everything pointed to is borrowed until on_done. */
struct grpc_client_call {
    const char *path;           /* "/package.Service/Method" */
    const char *encoding;       /* of a compressed message: "gzip"; NULL: it is not */
    const struct iovec *pieces; /* the message; sent from where it lies */
    size_t piece_count;
    struct h2_field credential; /* in the place of metadata of its name; an empty name: none. Read
                                   with each sending, so it may be pointed elsewhere before */
    uint64_t timeout_ns;        /* 0: none */
    grpc_client_done_fn *on_done;

    struct grpc_client *client; /* the client's, and so is what follows */
    struct h2_request request;
    struct timer deadline;
    uint64_t deadline_mono_ns; /* UINT64_MAX: none */
    struct grpc_client_call *next;
    struct grpc_client_call *previous;
    struct grpc_link *link;       /* SENT, EXPIRED */
    uint64_t avoided_link_number; /* the one that refused it last */
    uint32_t resend_count;
    enum grpc_call_state state;
    uint8_t prefix[GRPC_PREFIX_BYTES];
    struct grpc_answer answer;
};

/*
 * grpc_client_open — moves out a client; connects with the first call. 0, -ENOMEM, -EBUSY or
 * -errno. `options` is copied, its texts are borrowed; `loop` is borrowed until close.
 */
WEIR_MUST_USE int grpc_client_open(struct loop *loop, const struct grpc_client_options *options,
                                   struct grpc_client **out);

/*
 * Every call must be idle: done or cancelled. Closes all connections, frees. NULL is fine. Not from
 * inside on_done. The loop needs some more turns to let go of the sockets.
 */
void grpc_client_close(struct grpc_client *client);

/*
 * grpc_client_start — begins an idle call; on_done follows from a later turn. 0, -ENOMEM, or
 * FAULT_LIMIT for a message of 4 GiB and more; on a failure nothing is borrowed.
 */
WEIR_MUST_USE int grpc_client_start(struct grpc_client *client, struct grpc_client_call *call);

/* Gives a call up: no on_done follows, nothing is borrowed any more. Fine for an idle one. */
void grpc_client_cancel(struct grpc_client_call *call);

/* For tests and status pages: connections that are open, and addresses known. */
uint32_t grpc_client_link_count(const struct grpc_client *client);
uint32_t grpc_client_peer_count(const struct grpc_client *client);
