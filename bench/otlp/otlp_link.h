/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_link — one connection of the load: dialled again when it ends, full of requests meanwhile.
 *
 * A protocol is a row of operations; sockets, buffers and the poller are the same for all of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/otlp/otlp_load.h"
#include "bench/otlp/otlp_out.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

#define OTLP_LINK_RECEIVE_BYTES 65536u
#define OTLP_LINK_AUTHORITY_MAX_BYTES 64u

struct nghttp2_session;
struct otlp_link;

enum otlp_link_state {
    OTLP_LINK_DOWN,       /* dialled again at retry_mono_ns */
    OTLP_LINK_CONNECTING, /* the socket tells */
    OTLP_LINK_UP,
};

/* A request under way; its place is its identity. */
struct otlp_flight {
    struct otlp_request request;
    struct slice body; /* borrows from the corpus */
    size_t sent_bytes; /* handed to the connection */
    int grpc_status;   /* -1 while unknown */
    int http_status;
    bool is_used;
};

/* All return 0 or negative, and then the link goes down. */
struct otlp_link_ops {
    int (*open)(struct otlp_link *link); /* it is connected */
    int (*submit)(struct otlp_link *link, struct otlp_flight *flight);
    int (*receive)(struct otlp_link *link, struct slice bytes); /* borrowed until return */
    int (*gather)(struct otlp_link *link);  /* moves what is to be said into `out`; optional */
    int (*written)(struct otlp_link *link); /* `out` is empty again; optional */
    void (*close)(struct otlp_link *link);  /* idempotent */
};

extern const struct otlp_link_ops otlp_link_grpc_ops;
extern const struct otlp_link_ops otlp_link_http_ops;
extern const struct otlp_link_ops otlp_link_raw_ops;

struct otlp_link {
    const struct otlp_link_ops *ops;
    struct otlp_load *load;
    struct nghttp2_session *session; /* owned; gRPC only */
    uint64_t retry_mono_ns;
    uint64_t opened_mono_ns;
    uint32_t index;
    uint32_t used_count; /* of flights */
    int fd;
    enum otlp_link_state state;
    bool is_awaiting_room;
    bool is_leaving; /* takes nothing new: the peer said goodbye */
    char authority[OTLP_LINK_AUTHORITY_MAX_BYTES];
    uint8_t answer[4096]; /* HTTP/1.1: the head of an answer that came in pieces */
    size_t answer_bytes;
    size_t answer_left_bytes; /* of its body, to be thrown away */
    struct otlp_flight flights[OTLP_LOAD_STREAMS_MAX_COUNT];
    struct otlp_out out;
};

/* Starts to connect if it is time to. */
void otlp_link_dial(struct otlp_link *link, uint64_t now_mono_ns);

/* Can it take a request? */
bool otlp_link_has_room(const struct otlp_link *link);

/* Takes one on; what becomes of it is told to otlp_load_done. Only with room. */
void otlp_link_submit(struct otlp_link *link, const struct otlp_request *request);

/* Writes what was taken on. */
void otlp_link_flush(struct otlp_link *link);

/* The poller says that something is to be done. */
void otlp_link_turn(struct otlp_link *link, uint32_t events);

/* Ends the connection; requests under way are unanswered. `error` is 0 or negative. */
void otlp_link_down(struct otlp_link *link, int error);

/* For protocols: a flight is over. */
void otlp_link_land(struct otlp_link *link, struct otlp_flight *flight, enum otlp_outcome outcome);
