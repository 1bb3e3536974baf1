/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_page — what the admin server says: the state of the process as text.
 */
#pragma once

#include "codecs/bytes.h"
#include "tools/weir/life.h"

/* The Prometheus text format, version 0.0.4. Errors stick in `out`. */
void admin_page_metrics(const struct life *life, struct bytes *out);

/* One JSON object: version, state, books, receivers, exporters, threads. */
void admin_page_status(const struct life *life, struct bytes *out);

/* The status page: one HTML file without outside parts, which fetches the status itself. */
struct slice admin_page_html(void);

/* What the Collector's health_check extension answers. */
void admin_page_health(const struct life *life, struct bytes *out);
