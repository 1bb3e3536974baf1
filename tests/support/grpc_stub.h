/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_stub — a scripted gRPC server on loopback, in a thread of its own.
 *
 * Answers its n-th request with the n-th line of the script, and the last line for ever after;
 * keeps what it was sent. Can do what real servers do to their clients: refuse, reset, hang, go
 * away.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

#define GRPC_STUB_CONNECTIONS_MAX 64
#define GRPC_STUB_REQUESTS_MAX 256
#define GRPC_STUB_TARGET_BYTES 64

struct ssl_ctx_st;

/* One answer. Zero is OK with an empty message. */
struct grpc_stub_answer {
    uint32_t status;     /* grpc-status */
    const char *message; /* grpc-message as it stands on the wire; NULL for none */
    const void *details; /* grpc-status-details-bin, before base64; NULL for none */
    size_t details_len;
    const void *body; /* the answer's message */
    size_t body_len;
    const char *body_encoding; /* grpc-encoding; the message's flag is set */
    uint32_t http_status;      /* not 0: this one, and no grpc-status */
    const char *content_type;  /* NULL: application/grpc */
    uint32_t reset_code;       /* with is_reset: RST_STREAM instead of an answer */
    uint32_t delay_ms;
    bool is_reset;
    bool is_trailers_only; /* of a status other than OK; else head, then trailers */
    bool answers_early;    /* to the head, before the message is there */
    bool hangs;            /* never answers */
    bool hangs_up;         /* closes the connection instead */
    bool goes_away;        /* GOAWAY that leaves this request out */
    bool goes_away_after;  /* GOAWAY, then the answer */
};

struct grpc_stub_request {
    char path[128];
    char *head; /* owned; "name: value\n" each, NUL-terminated; pseudo-header fields too */
    uint8_t *body;
    size_t body_len;
    uint32_t connection_index;
    bool is_whole;
};

struct grpc_stub_options {
    const struct grpc_stub_answer *script; /* borrowed; at least one */
    size_t script_len;
    struct ssl_ctx_st *tls;          /* borrowed; NULL: in the clear */
    uint16_t port;                   /* 0: the kernel picks */
    const char *unix_path;           /* instead of TCP */
    const char *address;             /* NULL: 127.0.0.1 */
    const char *greeting;            /* bytes sent instead of HTTP/2 */
    uint32_t max_concurrent_streams; /* 0: not announced */
    uint32_t max_frame_bytes;        /* 0: not announced */
    uint32_t window_bytes;           /* of a stream; 0: the default */
    bool is_mute;                    /* accepts connections, reads, and says nothing at all */
    bool ignores_pings;
};

struct grpc_stub {
    struct grpc_stub_options options;
    uint16_t port;
    char target[GRPC_STUB_TARGET_BYTES]; /* 127.0.0.1:PORT */
    int listen_fd;
    int stop_fd;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    uint32_t connection_count;
    uint32_t open_count;
    uint32_t ping_count;
    uint32_t most_streams; /* open at once on one connection */
    struct grpc_stub_request requests[GRPC_STUB_REQUESTS_MAX];
    size_t request_count;
};

/* Listens and begins to answer; what cannot be done fails the test at hand. */
void grpc_stub_start(struct grpc_stub *stub, const struct grpc_stub_options *options);

/* Closes everything, joins the thread, frees. */
void grpc_stub_stop(struct grpc_stub *stub);

size_t grpc_stub_request_count(struct grpc_stub *stub);
uint32_t grpc_stub_connection_count(struct grpc_stub *stub);
/* Connections open now. */
uint32_t grpc_stub_open_count(struct grpc_stub *stub);
uint32_t grpc_stub_ping_count(struct grpc_stub *stub);
uint32_t grpc_stub_most_streams(struct grpc_stub *stub);

/* The request of that index, which must have come; valid until stop. */
const struct grpc_stub_request *grpc_stub_request(struct grpc_stub *stub, size_t index);

/* The value of a field, or the empty slice. */
struct slice grpc_stub_field(const struct grpc_stub_request *request, const char *name);
