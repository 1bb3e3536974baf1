/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_build — from settings and the files they name to one SSL_CTX; private to tls.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/tls.h"

/* What tells that a file is another one than before. */
struct tls_stamp {
    uint64_t device;
    uint64_t inode;
    uint64_t size_bytes;
    int64_t changed_s;
    int64_t changed_ns;
};

enum tls_stamp_which {
    TLS_STAMP_OWN = 1,       /* certificate, key, authorities */
    TLS_STAMP_CLIENT_CA = 2, /* who vouches for clients */
};

struct tls_stamps {
    struct tls_stamp ca;
    struct tls_stamp cert;
    struct tls_stamp key;
    struct tls_stamp client_ca;
};

/* Files that are not there, or not named, are all zeros. Blocks. */
void tls_stamps_take(const struct tls_settings *settings, struct tls_stamps *out);

/* Did one of those that `which` (bits of enum tls_stamp_which) names change? Blocks. */
bool tls_stamps_differ(const struct tls_settings *settings, const struct tls_stamps *before,
                       uint32_t which);

/* As tls_context_new; *out moves out. */
WEIR_MUST_USE int tls_build(const struct tls_settings *settings, SSL_CTX **out, char *why);
