/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_sink — what stands in for the X-Ray service: HTTP/1.1, over TLS or plain.
 *
 * Every request's signature is made anew and compared. PutTraceSegments is read and every document
 * entered into the ledger; it and all other calls are answered with success at once. One thread;
 * ledger and plain counts are read after it has ended, the atomics at any time.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/xray/xray_ledger.h"
#include "bench/xray/xray_verify.h"
#include "core/base/defs.h"

#define XRAY_SINK_CONNECTIONS_MAX_COUNT 256u
#define XRAY_SINK_REQUEST_MAX_BYTES (16u << 20)

struct xray_sink_options {
    const char *address; /* loopback host:port; port 0 lets the kernel pick */
    uint64_t seed;       /* of the corpus that is to arrive */
    uint64_t item_limit; /* numbers below it are known; 1 to XRAY_LEDGER_MAX_COUNT */
    bool is_plain;
    bool takes_unsigned; /* signatures are not looked at */
};

struct xray_connection;

struct xray_sink {
    struct xray_connection *connections[XRAY_SINK_CONNECTIONS_MAX_COUNT]; /* owned or NULL */
    SSL_CTX *tls;                                                         /* owned; NULL: plain */
    struct xray_ledger ledger;
    struct xray_verify verify;
    bool verifies;
    uint64_t bad_request_count;   /* could not be read; answered with 400 */
    uint64_t bad_document_count;  /* without the two ids */
    uint64_t unsigned_count;      /* signed wrongly or not at all; answered with 403 */
    uint64_t other_request_count; /* other calls than PutTraceSegments */
    uint64_t broken_count;        /* connections that failed */
    int epoll_fd;
    int listen_fd;
    uint16_t port;
    /* Written by the sink thread (relaxed), read by anyone. */
    _Atomic uint64_t request_count;
    _Atomic uint64_t body_bytes;
    _Atomic uint64_t arrived_count; /* different segments of the corpus */
    atomic_bool is_stopping;
};

/* Listens. 0 or negative; xray_sink_fini is due in any case. */
WEIR_MUST_USE int xray_sink_init(struct xray_sink *sink, const struct xray_sink_options *options);
void xray_sink_fini(struct xray_sink *sink);

/* Serves until xray_sink_stop. The calling thread becomes the sink thread. */
void xray_sink_run(struct xray_sink *sink);
void xray_sink_stop(struct xray_sink *sink);

/* Static texts. */
struct xray_answer {
    const char *status; /* "200 OK" */
    const char *body;   /* JSON */
};

/*
 * xray_sink_take — one request, whole; `head` is its request line and headers with the empty line.
 * All are borrowed during the call. Enters its documents and returns what the service would say.
 */
WEIR_MUST_USE struct xray_answer xray_sink_take(struct xray_sink *sink, struct slice path,
                                                struct slice head, struct slice body);
