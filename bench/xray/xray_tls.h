/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_tls — TLS of the sink: a key and a certificate made at start, which nobody can verify.
 */
#pragma once

#include <openssl/ssl.h>

#include "core/base/defs.h"

/* A server's context; moves out, freed with SSL_CTX_free. NULL when OpenSSL refuses. */
WEIR_MUST_USE SSL_CTX *xray_tls_new(void);
