/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls — what sessions are made from: certificates, keys, authorities, versions, for either role.
 *
 * A context is built from settings on a thread that may read files; its current state is swapped
 * whole when the files change, and sessions under way keep the one they began with. Used through
 * io/channel.h; the session itself is io/tls_session.h. Sources: RFC 5246, RFC 8446, RFC 7301; the
 * words of the Collector's configuration.
 */
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/io_bounds.h"

enum tls_version {
    TLS_VERSION_DEFAULT, /* lowest 1.2, highest 1.3 */
    TLS_VERSION_1_0,
    TLS_VERSION_1_1,
    TLS_VERSION_1_2,
    TLS_VERSION_1_3,
};

/* What is offered (client) or chosen from (server), in this order. */
enum tls_alpn {
    TLS_ALPN_NONE = 0,
    TLS_ALPN_H2 = 1,
    TLS_ALPN_HTTP1 = 2,
};

/* All texts are borrowed during tls_context_new, which copies them; NULL or 0 where not wanted. */
struct tls_settings {
    bool is_server;
    const char *ca_file; /* client: who vouches for servers */
    const char *ca_pem;
    bool includes_system_cas; /* beside ca_*; a client without ca_* has them anyway */
    const char *cert_file;    /* own certificate, with its chain */
    const char *cert_pem;
    const char *key_file;
    const char *key_pem;
    const char *client_ca_file; /* server: clients must show a certificate that these vouch for */
    bool reloads_client_ca;     /* read again when it changed */
    bool skips_verification;    /* client */
    const char *server_name_override; /* client: verified and sent instead of the host */
    enum tls_version min_version;
    enum tls_version max_version;
    const char *cipher_suites;     /* OpenSSL's list for 1.2 and below */
    const char *curve_preferences; /* OpenSSL's list of groups */
    uint32_t alpn;                 /* bits of enum tls_alpn */
    uint64_t reload_interval_ns;   /* certificates, keys and authorities; 0: never again */
};

/* Crosses threads: made and reloaded by one, used by any. */
struct tls_context;

/*
 * tls_context_new — reads the files and builds what sessions need. Blocks; never on a shard.
 *
 *   why   TLS_WHY_BYTES; filled on failure with what to tell a person; no secrets
 *
 * 0 and *out moves out; FAULT_CONFIG for settings that make no sense, FAULT_MALFORMED for what is
 * in the files, FAULT_LIMIT, -ENOMEM or -errno of the file.
 */
WEIR_MUST_USE int tls_context_new(const struct tls_settings *settings, struct tls_context **out,
                                  char *why);

/* Sessions made from it live on. NULL is fine. */
void tls_context_free(struct tls_context *context);

/*
 * tls_context_reload — looks whether files changed, where that is wanted and due, and if so swaps.
 *
 * One thread at a time, one that may read files; not from a shard. Call it once a second or so.
 * 1: swapped, new sessions use the new files. 0: nothing to do. Negative with `why` (TLS_WHY_BYTES)
 * filled: what was used before is still used.
 */
WEIR_MUST_USE int tls_context_reload(struct tls_context *context, uint64_t now_mono_ns, char *why);

/* Any thread: a fresh session of the current state; NULL where memory is refused. */
WEIR_MUST_USE SSL *tls_context_session(struct tls_context *context);

/* What a client verifies instead of the host it connects to; NULL: the host. */
const char *tls_context_server_name(const struct tls_context *context);
bool tls_context_is_server(const struct tls_context *context);

/* Does a session of this context have to prove who the server is? */
bool tls_context_verifies(const struct tls_context *context);

/* Equal, in a time that depends on the lengths alone. */
bool tls_secret_equal(struct slice a, struct slice b);

/*
 * Routes OpenSSL's memory through mem, for counting and for tests. Before any other use of the
 * library in the process: false where it is too late.
 */
bool tls_use_mem(void);
