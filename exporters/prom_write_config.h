/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_config — the keys of the `prometheusremotewrite` exporter, with the Collector's names
 * and defaults.
 *
 * Owns every text it hands out. Main thread, at start and reload; frozen afterwards.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "codecs/prom_write.h"
#include "core/base/arena.h"
#include "core/base/defs.h"
#include "exporters/http_headers_config.h"
#include "exporters/sender.h"
#include "io/http_client.h"

struct config_reader;

#define PROM_WRITE_LABELS_MAX 64

struct prom_write_config {
    struct arena texts; /* owned; all strings below */
    const char *url;
    struct http_headers headers; /* ours and the user's */
    struct http_client_options client;
    const char *authenticator_id;    /* NULL: none */
    struct sender_config sender;     /* of one consumer: batches keep their order */
    uint32_t parallel_requests;      /* of one batch */
    struct prom_write_options write; /* borrows the labels below */
    struct prom_write_label labels[PROM_WRITE_LABELS_MAX];
};

/*
 * Reads all keys; does not finish the reader. Complaints go to its report. Not to be moved
 * afterwards. Returns 0 or -ENOMEM; prom_write_config_fini is safe after either.
 */
WEIR_MUST_USE int prom_write_config_read(struct config_reader *r, struct prom_write_config *out);

/* Idempotent. */
void prom_write_config_fini(struct prom_write_config *config);
