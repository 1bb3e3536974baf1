/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_server_call — one call of a grpc_server, and the answers it may get.
 *
 * Private to grpc_server.c (calls), grpc_server_head.c (what a head must be like),
 * grpc_server_answer.c (headers, trailers, details) and grpc_server_health.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/timer.h"
#include "io/grpc_server.h"
#include "io/io_bounds.h"

/* As `method_index`: the built-in health check. */
#define GRPC_METHOD_HEALTH SIZE_MAX

struct grpc_call {
    struct h2_stream_user user;
    struct grpc_server *server;
    struct h2_stream *stream; /* borrowed until it is answered or reset; then NULL */
    void *owner;
    size_t method_index;
    struct slice encoding; /* borrows from the stream; empty for identity */
    uint64_t deadline_mono_ns;
    struct timer timer; /* the deadline */
    struct grpc_message message;
    bool is_admitted; /* the gate said yes, and on_call has not been */
    bool is_compressed;
    bool is_handed; /* on_call has been: the owner answers */
};

/* A text under construction; what does not fit is cut. */
struct grpc_text {
    char bytes[GRPC_TEXT_MAX_BYTES];
    size_t len;
};

void grpc_text_add(struct grpc_text *text, const char *words);
/* Quoted as Go does it: '"' and '\' escaped, what is not printable as \xNN. */
void grpc_text_quote(struct grpc_text *text, struct slice bytes);
struct slice grpc_text_slice(const struct grpc_text *text);

/* What is answered instead of a call. */
struct grpc_refusal {
    uint32_t http_status;
    enum grpc_status status;
    uint64_t retry_delay_ns;
    bool names_encodings; /* with grpc-accept-encoding */
    struct grpc_text text;
};

/* What a head says. */
struct grpc_request_head {
    size_t method_index;
    struct slice encoding;
    uint64_t timeout_ns; /* UINT64_MAX: none */
};

/* --- grpc_server_head.c ----------------------------------------------------------------------- */

/* True and *out, or false and *refusal. */
bool grpc_server_read_head(const struct grpc_server *server, const struct h2_stream *stream,
                           struct grpc_request_head *out, struct grpc_refusal *refusal);

/* --- grpc_server_answer.c --------------------------------------------------------------------- */

/* Trailers-Only. */
void grpc_server_refuse(struct grpc_server *server, struct h2_stream *stream,
                        const struct grpc_refusal *refusal);
/* The same for a status and a text in HTTP's 200. */
void grpc_server_answer_status(struct grpc_server *server, struct h2_stream *stream,
                               enum grpc_status status, struct slice text, uint64_t retry_delay_ns);
/* OK with one message. */
void grpc_server_answer_message(struct grpc_server *server, struct h2_stream *stream,
                                struct slice message);

/* --- grpc_server_health.c --------------------------------------------------------------------- */

/* Answers a whole health check. */
void grpc_server_check_health(struct grpc_call *call);
