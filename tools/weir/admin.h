/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin — weir's own pages: self-metrics and status on 8888, the health check on 13133.
 *
 *     GET  /metrics          the Collector's names where it has one, weir_* beside them
 *     GET  /api/v1/status    the same and more as JSON
 *     GET  /livez /readyz    200, or 503 with a reason
 *     GET  /                 a status page
 *     POST /-/reload /-/drain   from this host only
 *
 * Lives on the main thread's loop.
 */
#pragma once

#include "core/base/defs.h"
#include "tools/weir/graph.h"
#include "tools/weir/life.h"

struct admin;

/* Binds and serves. 0, or negative after a log line. `life` is borrowed. */
WEIR_MUST_USE int admin_open(struct life *life, struct admin **out);

/* Stops serving and frees; turns the loop until that is done. NULL is fine. */
void admin_close(struct admin *admin);
