/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_session — one TLS connection without a socket: ciphertext in, plaintext out, and back.
 *
 * Ciphertext is read where the caller has it and written into the session's own buffer, which the
 * caller takes. Knows no loop and no clock; stands below io/channel.h. Thread of its channel.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/io_bounds.h"
#include "io/tls.h"

struct tls_session;

/*
 * tls_session_new — a session at the beginning of its handshake.
 *
 *   server_name   client: host name or address that is sent and verified; NULL for servers
 *
 * 0 and *out moves out; -ENOMEM or FAULT_LIBRARY. A client's first flight is in its output.
 */
WEIR_MUST_USE int tls_session_new(struct tls_context *context, const char *server_name,
                                  struct tls_session **out);
/* NULL is fine. */
void tls_session_free(struct tls_session *session);

/*
 * tls_session_receive — goes on with the handshake, then decrypts.
 *
 *   cipher   what came; what was read is cut off its front
 *   plain    `cap` bytes, at least TLS_RECORD_BYTES; *len says how many were filled
 *
 * 0 with *len > 0: plaintext, call again. 0 with *len 0: all was read, more is needed.
 * FAULT_CLOSED: the peer said goodbye. FAULT_MALFORMED: the session is over, tls_session_why says
 * why; an alert may be in the output. Each call may leave output.
 */
WEIR_MUST_USE int tls_session_receive(struct tls_session *session, struct slice *cipher,
                                      uint8_t *plain, size_t cap, size_t *len);

/*
 * Encrypts `bytes` (1 to TLS_RECORD_BYTES) into the output, once the handshake is done. 0, -ENOMEM
 * or FAULT_LIBRARY: the session is over.
 */
WEIR_MUST_USE int tls_session_send(struct tls_session *session, struct slice bytes);

/* Says goodbye; the rest of the peer's side may still be received. */
void tls_session_close(struct tls_session *session);

bool tls_session_is_established(const struct tls_session *session);

size_t tls_session_output_bytes(const struct tls_session *session);
/* Moves the output out (mem); NULL and 0 where there is none. */
void tls_session_take_output(struct tls_session *session, void **memory, size_t *len);

/* The protocol agreed by ALPN, or the empty slice; borrows from the session. */
struct slice tls_session_alpn(const struct tls_session *session);

/* A sentence on what went wrong, "" before. Borrows from the session. */
const char *tls_session_why(const struct tls_session *session);
