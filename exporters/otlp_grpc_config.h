/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_grpc_config — the keys of the `otlp` exporter, with the Collector's names and defaults.
 *
 * Owns every text it hands out. Main thread, at start and reload; frozen afterwards.
 */
#pragma once

#include <stdbool.h>

#include "codecs/compress.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "exporters/sender.h"
#include "io/grpc_client.h"
#include "io/tls_config.h"

struct config_reader;

struct otlp_grpc_config {
    struct arena texts;                /* owned; all strings below */
    struct grpc_client_options client; /* without `tls`, which is made when the exporter opens */
    struct tls_config tls;
    const char *authenticator_id; /* NULL: none */
    enum compress_kind compression;
    const char *encoding; /* grpc-encoding; NULL: none */
    struct sender_config sender;
};

/*
 * Reads all keys; does not finish the reader. Complaints go to its report. Returns 0 or -ENOMEM;
 * otlp_grpc_config_fini is safe after either.
 */
WEIR_MUST_USE int otlp_grpc_config_read(struct config_reader *r, struct otlp_grpc_config *out);

/* Idempotent. */
void otlp_grpc_config_fini(struct otlp_grpc_config *config);
