/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_http_config — the keys of the `otlphttp` exporter, with the Collector's names and defaults.
 *
 * Owns every text it hands out. Main thread, at start and reload; frozen afterwards.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "codecs/compress.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/model/part.h"
#include "exporters/http_headers_config.h"
#include "exporters/sender.h"
#include "io/http_client.h"

struct config_reader;

struct otlp_http_config {
    struct arena texts;             /* owned; all strings below */
    const char *urls[SIGNAL_COUNT]; /* NULL for a signal without an endpoint */
    struct http_headers headers;    /* ours and the user's */
    bool is_json;
    enum compress_kind compression;
    struct http_client_options client;
    const char *authenticator_id; /* NULL: none */
    struct sender_config sender;
};

/*
 * Reads all keys; does not finish the reader. Complaints go to its report. Returns 0 or -ENOMEM;
 * otlp_http_config_fini is safe after either.
 */
WEIR_MUST_USE int otlp_http_config_read(struct config_reader *r, struct otlp_http_config *out);

/* Idempotent. */
void otlp_http_config_fini(struct otlp_http_config *config);
