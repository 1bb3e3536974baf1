/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_http — the keys of a scrape_config that say how its targets are spoken to: secrets,
 * TLS, the way out.
 *
 * Secrets may stand in the configuration or in files, which are read again and again; see
 * prom_scrape_watch. Read once by the main thread, frozen after. Source: Prometheus,
 * "Configuration", <http_config> as it stands inline in <scrape_config>.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/engine/config.h"
#include "io/http_client.h"

enum prom_auth_kind {
    PROM_AUTH_NONE,
    PROM_AUTH_BASIC,
    PROM_AUTH_TYPED, /* a type, "Bearer" mostly, and credentials */
};

/* At most one of the two is set, the other is empty. */
struct prom_secret {
    const char *text;
    const char *file;
};

/* Texts are never NULL. */
struct prom_scrape_http {
    enum prom_auth_kind auth;
    const char *auth_type; /* of PROM_AUTH_TYPED */
    struct prom_secret username;
    struct prom_secret secret; /* password or credentials */
    struct http_client_options client;
    bool follows_redirects;
};

/* Where texts of the settings go; a refusal of memory is remembered. */
struct prom_texts {
    struct arena *arena; /* borrowed */
    bool is_short;
};

/* A NUL-terminated copy; empty where memory is short. A NUL inside ends it early. */
const char *prom_texts_keep(struct prom_texts *texts, struct slice text);

/* The text of `key`, or "" where there is none; one with a NUL byte in it is reported. */
const char *prom_texts_read(struct config_reader *r, struct prom_texts *texts, const char *key);

/* Room for `count` elements, zeroed; NULL where memory is short, and for none. */
void *prom_texts_array(struct prom_texts *texts, size_t count, size_t element_bytes);

/* Reads the inline keys out of a scrape_config; complaints go to the reader's report. */
void prom_scrape_http_read(struct config_reader *r, struct prom_texts *texts,
                           struct prom_scrape_http *out);
