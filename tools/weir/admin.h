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

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "tools/weir/graph.h"
#include "tools/weir/life.h"

struct admin;

/* Connections to the health check that got no answer; totals since start. */
struct admin_refusals {
    uint64_t no_room_count;       /* too many at once, or no memory */
    uint64_t accept_failed_count; /* times that the kernel gave none, as for want of descriptors */
    uint64_t unknown_count;       /* spoke no HTTP/1 */
};

/* False, and `out` is left alone, where no health check is served. `admin` may be NULL. */
bool admin_health_refusals(const struct admin *admin, struct admin_refusals *out);

/* Binds and serves. 0, or negative after a log line. `life` is borrowed. */
WEIR_MUST_USE int admin_open(struct life *life, struct admin **out);

/* Stops serving and frees; turns the loop until that is done. NULL is fine. */
void admin_close(struct admin *admin);
