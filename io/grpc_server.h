/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_server — unary gRPC calls on the streams of an h2_server.
 *
 * The owner of the h2_server gives it each stream that is not plain HTTP. A request becomes a
 * *call*: its head is checked, a gate is asked before the message's memory is taken, the message is
 * copied once out of the frames, and then the call is the owner's, who answers it exactly once, in
 * this turn or a later one. Lives on its loop's thread. Sources: grpc/doc/PROTOCOL-HTTP2.md, and
 * what grpc-go answers to bad input, which clients are used to.
 *
 *     call:  stream ─▶ head ─▶ gate ─▶ message ─▶ on_call ─▶ respond or fail ─▶ gone
 *                        └────────┴───────┴─▶ refused (Trailers-Only)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/grpc.h"
#include "io/h2_server.h"
#include "io/io_bounds.h"

struct grpc_call;
struct grpc_server;

/* Says what is known; all are the full names before and after the path's middle slash. */
struct grpc_method {
    const char *service; /* "opentelemetry.proto.collector.trace.v1.TraceService" */
    const char *method;  /* "Export" */
};

enum grpc_admission {
    GRPC_ADMITTED,
    GRPC_REFUSED, /* answered UNAVAILABLE with `refusal_text` and RetryInfo of `refusal_delay_ns` */
};

struct grpc_server_ops {
    /*
     * A call's head is in order, its body has not been read. Authenticate here. GRPC_OK goes on;
     * otherwise it is answered with that status and *text (static). May be NULL.
     */
    enum grpc_status (*on_head)(struct grpc_server *server, struct grpc_call *call,
                                const char **text);
    /*
     * The gate: a message of `wire_bytes` (> 0) is about to arrive. Each GRPC_ADMITTED is followed
     * by exactly one on_call or on_release for the call. May be NULL: all are admitted.
     */
    enum grpc_admission (*on_admit)(struct grpc_server *server, struct grpc_call *call,
                                    uint32_t wire_bytes);
    /* An admitted message will not become an on_call: give its `wire_bytes` back. */
    void (*on_release)(struct grpc_server *server, struct grpc_call *call, uint32_t wire_bytes);
    /* The message is whole. From here on the call wants its one answer. */
    void (*on_call)(struct grpc_server *server, struct grpc_call *call);
    /*
     * Nobody waits for the answer any more (peer gone, deadline passed). The call still wants its
     * answer, which goes nowhere; its head is not readable any more. May be NULL.
     */
    void (*on_cancel)(struct grpc_server *server, struct grpc_call *call);
};

/* Frozen after init. */
struct grpc_server_options {
    const struct grpc_method *methods; /* borrowed for the server's life */
    size_t method_count;
    uint32_t message_max_bytes;  /* on the wire; 0: GRPC_MESSAGE_MAX_BYTES */
    uint64_t message_timeout_ns; /* head to last byte; 0: GRPC_MESSAGE_TIMEOUT_MS */
    const char *encodings;       /* for grpc-accept-encoding: "identity,gzip"; borrowed */
    const char *refusal_text;    /* of GRPC_REFUSED; borrowed */
    uint64_t refusal_delay_ns;   /* of its RetryInfo */
    bool has_health;             /* answer grpc.health.v1.Health/Check */
};

/* Loop-local totals since init. */
struct grpc_server_stats {
    uint64_t call_count;    /* streams taken */
    uint64_t handed_count;  /* on_call */
    uint64_t refused_count; /* by the gate, or for want of memory */
    uint64_t spoiled_count; /* ended before on_call in another way: bad, refused, given up */
    uint64_t too_large_count;
    uint64_t cancelled_count;                   /* by the peer or its going, before the answer */
    uint64_t deadline_count;                    /* deadlines passed, messages that took too long */
    uint64_t answered_count[GRPC_STATUS_COUNT]; /* by status, the server's own answers included */
};

struct grpc_server {
    const struct grpc_server_ops *ops;
    struct grpc_server_options options;
    struct loop *loop;
    bool is_serving; /* what Health/Check says; the owner may change it at any time */
    struct grpc_server_stats stats;
    uint32_t call_count; /* not answered yet */
};

/* `ops` static; `loop` borrowed for the server's life. */
void grpc_server_init(struct grpc_server *server, struct loop *loop,
                      const struct grpc_server_options *options, const struct grpc_server_ops *ops);

/*
 * grpc_server_take — from h2_server's on_head: makes a call of a stream, or answers it.
 *
 * The server must outlive the stream and every call; see call_count.
 */
void grpc_server_take(struct grpc_server *server, struct h2_stream *stream);

/* --- the call ----------------------------------------------------------------------------------
 */

/* Free for the owner, NULL at first. */
void *grpc_call_owner(const struct grpc_call *call);
void grpc_call_set_owner(struct grpc_call *call, void *owner);

/* Index into options.methods. */
size_t grpc_call_method(const struct grpc_call *call);

/* Borrowed until the answer or on_cancel; all empty afterwards. */
struct slice grpc_call_path(const struct grpc_call *call);
struct slice grpc_call_authority(const struct grpc_call *call);
struct slice grpc_call_encoding(const struct grpc_call *call); /* grpc-encoding; "" for none */
bool grpc_call_header(const struct grpc_call *call, const char *name, struct slice *value);
/* NULL afterwards. */
struct h2_stream *grpc_call_stream(const struct grpc_call *call);

/* UINT64_MAX where there is none. */
uint64_t grpc_call_deadline_mono_ns(const struct grpc_call *call);

/* --- its message, from on_call on ---------------------------------------------------------------
 */

bool grpc_call_is_compressed(const struct grpc_call *call);
/* Borrowed until the answer or grpc_call_take_message. */
struct slice grpc_call_message(const struct grpc_call *call);
/* Moves the memory out (from mem; NULL for an empty message); the message is empty afterwards. */
void *grpc_call_take_message(struct grpc_call *call);

/* --- its answer: exactly once, then the call is gone ---------------------------------------------
 */

/* OK with one uncompressed message, borrowed until return; may be empty. */
void grpc_call_respond(struct grpc_call *call, struct slice message);

/*
 * Trailers-Only with a status other than OK.
 *
 *   text             UTF-8, borrowed until return; cut to GRPC_TEXT_MAX_BYTES
 *   retry_delay_ns   RetryInfo for the peer, or GRPC_NO_RETRY_DELAY
 */
void grpc_call_fail(struct grpc_call *call, enum grpc_status status, struct slice text,
                    uint64_t retry_delay_ns);
