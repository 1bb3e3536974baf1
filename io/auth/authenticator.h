/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authenticator — who may come in (server), and what we show when we go out (client).
 *
 * An extension of the configuration, `bearertokenauth`, `basicauth` or `sigv4auth`, made by
 * bearer_auth.h, basic_auth.h or sigv4_auth.h and used through this face by receivers and
 * exporters; one that signs shows no header, its settings are had from sigv4_auth.h. Secrets may
 * stand in files; these are read by whoever calls authenticator_reload, and the result is swapped
 * whole. Crosses threads: one reloads, any checks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bounds.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* Room for a reason. */
#define AUTH_WHY_BYTES 256

enum auth_verdict {
    AUTH_GRANTED,
    AUTH_MISSING, /* the header is not there, or is of another scheme: 401, UNAUTHENTICATED */
    AUTH_REFUSED, /* the credentials are wrong: 401, UNAUTHENTICATED */
    AUTH_BUSY,    /* too many hard passwords to check at the moment: 503, UNAVAILABLE */
};

struct authenticator;

/* NULL is fine. Nobody may be checking. */
void authenticator_free(struct authenticator *authenticator);

/* "bearertokenauth", "basicauth" or "sigv4auth"; static. */
const char *authenticator_type(const struct authenticator *authenticator);

/* Can it judge who comes in? Can it show something when we go out? */
bool authenticator_is_server(const struct authenticator *authenticator);
bool authenticator_is_client(const struct authenticator *authenticator);

/* The header it is about, in lower case ("authorization"); borrowed, frozen. */
const char *authenticator_header(const struct authenticator *authenticator);

/*
 * authenticator_check — judges a request.
 *
 *   value         of the header, borrowed; empty where it is absent
 *   now_mono_ns   bounds how much of its time a thread spends on slow hashes
 *
 * Any thread. Compared in constant time. A bcrypt password that was right before is recognised
 * without hashing it again.
 */
enum auth_verdict authenticator_check(struct authenticator *authenticator, struct slice value,
                                      uint64_t now_mono_ns);

/* What the client is told, as the Collector says it; static. */
const char *authenticator_verdict_text(const struct authenticator *authenticator,
                                       enum auth_verdict verdict);

/* Value for WWW-Authenticate beside a 401; static. */
const char *authenticator_challenge(const struct authenticator *authenticator);

/*
 * authenticator_value — the header's value for a request of ours.
 *
 *   buf   `cap` bytes; NUL-terminated on success; the caller wipes it after use
 *
 * Any thread. Its length, FAULT_LIMIT where it does not fit, or FAULT_UNSUPPORTED where it is no
 * client's.
 */
WEIR_MUST_USE int authenticator_value(struct authenticator *authenticator, char *buf, size_t cap);

/*
 * authenticator_reload — reads its files again if they changed.
 *
 *   why   AUTH_WHY_BYTES; filled on failure, without secrets
 *
 * Blocks; one thread at a time, never a shard. Call it once a second or so. 1: swapped. 0: nothing
 * to do. Negative: the file is not usable, what was used before is still used.
 */
WEIR_MUST_USE int authenticator_reload(struct authenticator *authenticator, char *why);
