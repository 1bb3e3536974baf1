/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_connection — one connection of the sink: bytes in, whole requests out of them, answers back.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"

#define XRAY_CONNECTION_OUT_BYTES 8192u

struct xray_sink;

/* Sink thread. */
struct xray_connection {
    struct xray_sink *sink; /* borrowed: it owns this */
    SSL *ssl;               /* owned; NULL: plain */
    uint8_t *bytes;         /* owned; what was received and not yet served */
    size_t used;
    size_t capacity;
    uint8_t out[XRAY_CONNECTION_OUT_BYTES]; /* answers not yet written */
    size_t out_used;
    int fd; /* owned */
    bool is_ending;
};

/* Moves `fd` in, also on failure. NULL when memory or OpenSSL refuses. */
WEIR_MUST_USE struct xray_connection *xray_connection_new(struct xray_sink *sink, int fd);
void xray_connection_free(struct xray_connection *c);

/*
 * xray_connection_serve — reads what is there, answers what is whole, writes what can be written.
 * 0, or negative when the connection is over: -ECONNRESET at its end, FAULT_… for what it did.
 */
WEIR_MUST_USE int xray_connection_serve(struct xray_connection *c);

/* Does it wait for room to write? */
bool xray_connection_has_output(const struct xray_connection *c);
