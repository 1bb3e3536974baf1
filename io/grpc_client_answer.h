/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_client_answer — the answer to one unary call, field by field and piece by piece, until its
 * status is known.
 *
 * No I/O here: what came on the stream goes in, the status goes out. Sources: grpc/doc/
 * PROTOCOL-HTTP2.md, http-grpc-status-mapping.md; OTLP specification, "OTLP/gRPC Throttling".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/grpc.h"
#include "io/io_bounds.h"

struct h2_end;

/* Zeroed is empty. */
struct grpc_answer {
    uint32_t http_status; /* 0 where none came */
    bool has_status;      /* grpc-status came */
    bool is_grpc;         /* content-type says so */
    bool is_too_large;
    bool is_message_done;
    bool has_no_memory;
    enum grpc_status status;
    uint64_t retry_delay_ns; /* valid where has_retry_info */
    bool has_retry_info;
    uint8_t *text; /* owned; grpc-message, decoded */
    size_t text_len;
    uint8_t encoding[GRPC_CLIENT_ENCODING_MAX_BYTES];
    size_t encoding_len;
    uint32_t max_bytes; /* setting: of a message */
    struct grpc_message message;
};

/* Frees; an empty answer again. */
void grpc_answer_fini(struct grpc_answer *answer);

/* A field of the head or the trailer. Borrowed until return. */
void grpc_answer_take_field(struct grpc_answer *answer, struct slice name, struct slice value);

/* Bytes of the body. False where no more of it is wanted. */
bool grpc_answer_take_body(struct grpc_answer *answer, struct slice bytes);

/*
 * grpc_answer_judge — the status once the stream has ended so.
 *
 *   text   what there is to say about it; borrows from the answer, `end` or nobody
 */
enum grpc_status grpc_answer_judge(const struct grpc_answer *answer, const struct h2_end *end,
                                   struct slice *text);
