/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_headers_config — the key `headers` of exporters over HTTP, and the headers they add.
 *
 * A list of lines as io/http_client wants them. Main thread, at start and reload; frozen
 * afterwards.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

struct config_reader;

struct http_headers {
    const char **lines; /* "Name: value", in the arena; HTTP_HEADERS_MAX of them fit */
    size_t count;
};

/*
 * Reads the map `headers`. Complaints go to the reader's report.
 *   texts      takes the lines; must outlive `out`
 *   room       how many headers are yet to come from elsewhere, the authenticator's among them
 *   reserved   names that are not the user's to set: such an entry is left out, with a warning
 * Returns 0 or -ENOMEM.
 */
WEIR_MUST_USE int http_headers_read(struct config_reader *r, struct arena *texts, size_t room,
                                    const char *const *reserved, struct http_headers *out);

/* Appends a header of our own; there must be room. 0 or -ENOMEM. */
WEIR_MUST_USE int http_headers_add(struct http_headers *headers, struct arena *texts,
                                   struct slice name, struct slice value);

/* Is there one of that name, in any case? */
bool http_headers_has(const struct http_headers *headers, const char *name);
