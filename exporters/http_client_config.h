/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_client_config — the keys by which every exporter over HTTP says how it connects: `tls` with
 * the Collector's client settings, and `proxy_url`.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/http_client.h"

struct config_reader;

/*
 * A NUL-terminated copy of `text` in `texts`; NULL when memory is refused. A NUL inside would end
 * it early, so whoever reads a text from outside checks for one first.
 */
WEIR_MUST_USE const char *http_text_copy(struct arena *texts, struct slice text);

/*
 * Reads `tls` and `proxy_url` of an exporter's section. Complaints go to the reader's report.
 *   texts   takes copies of all texts; must outlive `out`
 * Returns 0 or -ENOMEM.
 */
WEIR_MUST_USE int http_client_config_read(struct config_reader *r, struct arena *texts,
                                          struct http_client_options *out);

/* Can the files be read that `tls` names? Logs the first that cannot; 0 or -errno. */
WEIR_MUST_USE int http_client_config_check_files(const struct http_tls_options *tls,
                                                 const char *exporter_id);
