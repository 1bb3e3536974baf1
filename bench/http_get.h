/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_get — one GET on loopback, for health checks and the server's own metrics.
 */
#pragma once

#include "bench/file_read.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/*
 * http_get — `url` is http://host:port/path with a loopback host. Returns the status (200 …) and
 * moves the body out (http_get_free), or a negative code, and then there is nothing to free.
 */
WEIR_MUST_USE int http_get(const char *url, struct file_bytes *body);

/* A body that was never filled is fine. */
void http_get_free(struct file_bytes *body);

/*
 * Sum of all samples in Prometheus text whose name starts with `prefix` and contains `part`. Only
 * the whole part of a value counts. `text` is borrowed until return.
 */
uint64_t http_metrics_sum(struct slice text, const char *prefix, const char *part);
