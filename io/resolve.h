/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve — names become addresses, on the helper's thread.
 *
 * Literal addresses need no lookup and are answered at once by resolve_literal. Lives on the thread
 * of the port that was given.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "io/io_bounds.h"
#include "io/loop.h"

struct helper_port;
struct resolve;

/* What came of a lookup; borrowed until the callback returns. */
struct resolve_result {
    int fault;                            /* 0 with at least one address; else negative */
    const char *fault_text;               /* the resolver's words, static; "" when fault is 0 */
    const struct loop_address *addresses; /* in order of preference, none twice */
    uint32_t address_count;               /* at most RESOLVE_ADDRESSES_MAX */
};

typedef void(resolve_done_fn)(void *owner, const struct resolve_result *result);

/* "127.0.0.1", "::1", "fe80::1%eth0": filled and true; false for everything that is a name. */
bool resolve_literal(const char *host, uint16_t port, struct loop_address *out);

/*
 * resolve_start — looks `host` (copied) up and calls `on_done` once, from a later turn.
 *
 *   port         borrowed until on_done or cancel
 *   port_number  put into each address
 *   out          the lookup under way, for resolve_cancel; gone once on_done was called
 *
 * 0 or -ENOMEM; -ENAMETOOLONG beyond SOCKET_HOST_MAX_BYTES.
 */
WEIR_MUST_USE int resolve_start(struct helper_port *port, const char *host, uint16_t port_number,
                                struct resolve **out, void *owner, resolve_done_fn *on_done);

/* Gives a lookup up; no on_done follows. NULL is fine. */
void resolve_cancel(struct resolve *resolve);
