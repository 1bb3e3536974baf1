/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_config — the `tls` section of the Collector, read into tls_settings, for both roles.
 *
 * Texts are copied into the caller's arena, cipher suites and curves turned from the words of the
 * configuration into OpenSSL's. Used by receivers, extensions and exporters over gRPC.
 */
#pragma once

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "io/tls.h"

struct config_reader;

struct tls_config {
    bool is_enabled; /* server: the section was written; client: not `insecure`, or with a CA */
    struct tls_settings settings; /* texts borrow from the arena; `alpn` is left to the owner */
};

/*
 * Reads the key `tls` of a listener's section: absent or null means in the clear. Complaints go to
 * the reader's report.
 *   texts   takes copies of all texts; must outlive `out`
 * 0 or -ENOMEM.
 */
WEIR_MUST_USE int tls_config_read_server(struct config_reader *parent, struct arena *texts,
                                         struct tls_config *out);

/* The same for who connects: absent means TLS with the system's authorities. */
WEIR_MUST_USE int tls_config_read_client(struct config_reader *parent, struct arena *texts,
                                         struct tls_config *out);
