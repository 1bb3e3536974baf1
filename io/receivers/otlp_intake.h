/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_intake — a request's body becomes parts on their way to the pipelines, and an answer.
 *
 *     body ─▶ unpack ─▶ JSON to protobuf ─▶ walk ─▶ part ─▶ shard half of each pipeline
 *
 * Knows neither gRPC nor HTTP: whoever received the body says how to answer. The answer comes at
 * once where the pipelines keep what they take, and after the upstreams' where one of them answers
 * late. One per receiver and shard; shard-local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/compress.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/engine/lease.h"
#include "core/engine/pipeline.h"
#include "core/engine/stats.h"
#include "core/engine/ticket.h"
#include "io/io_bounds.h"
#include "io/receivers/otlp_verdict.h"

struct otlp_reply;

/* Gives the answer to whoever waits for it; the reply's `to` is not to be used afterwards. */
typedef void(otlp_reply_fn)(const struct otlp_reply *reply, const struct otlp_verdict *verdict);

/* How a request is answered; copied where the answer comes later. */
struct otlp_reply {
    otlp_reply_fn *send;
    void *to; /* a grpc_call, an http1_exchange or an otlp_h2_request, as `send` knows */
    enum signal signal;
    bool is_json;
    bool is_grpc; /* whose words and statuses fit for what is wrong with the body */
};

/* A request's body. `memory` moves in, with what was charged for it. */
struct otlp_body {
    void *memory; /* owned; NULL for an empty body */
    size_t len;
    uint64_t charged_bytes;
    enum compress_kind kind;
    uint32_t max_bytes; /* of what it unpacks to */
};

/* The pipelines of one signal. */
struct otlp_routes {
    struct pipeline *pipelines[OTLP_PIPELINES_MAX]; /* borrowed */
    uint32_t count;
};

struct otlp_intake {
    uint32_t shard_id;
    struct otlp_routes routes[SIGNAL_COUNT];
    struct lease lease;
    struct ticket_returns returns;
    struct arena scratch;
    struct receiver_stats *stats; /* borrowed; this shard writes */
    uint64_t now_unix_ns;         /* of the turn */
    uint32_t waiting_count;       /* requests whose answer comes later */
    bool has_sent;                /* something crossed since it was last cleared: wake the egress */
};

/* 0 or -ENOMEM; otlp_intake_fini is fine after either. */
WEIR_MUST_USE int otlp_intake_init(struct otlp_intake *intake, uint32_t shard_id,
                                   struct budget *memory, struct receiver_stats *stats);

/* Nobody may be waiting. Idempotent. */
void otlp_intake_fini(struct otlp_intake *intake);

/* Is there room for `bytes` more? Charged until otlp_intake_release, or gone with a body. */
WEIR_MUST_USE bool otlp_intake_charge(struct otlp_intake *intake, uint64_t bytes);
void otlp_intake_release(struct otlp_intake *intake, uint64_t bytes);

/* Is there a pipeline for this signal? */
bool otlp_intake_has(const struct otlp_intake *intake, enum signal signal);

/* Takes a body in and sees to it that `reply` is sent exactly once, now or in a later turn. */
void otlp_intake_take(struct otlp_intake *intake, struct otlp_body *body,
                      const struct otlp_reply *reply);

/* Once per turn: answers that came home. True while somebody waits. */
bool otlp_intake_collect(struct otlp_intake *intake);
