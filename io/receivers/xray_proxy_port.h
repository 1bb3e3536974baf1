/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_proxy_port — the sampling proxy as a part of its receiver, or as all there is of an
 * extension: bound by the main thread, served by the egress thread.
 *
 * Its memory belongs to that owner. All functions are the main thread's.
 *
 *     bind ─▶ start ─▶ (send_away) ─▶ drain ─▶ is_done ─▶ stop
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "core/base/defs.h"
#include "core/engine/stats.h"
#include "io/receivers/receiver.h"
#include "io/receivers/xray_proxy.h"
#include "io/worker.h"

struct xray_proxy_port {
    struct xray_proxy proxy;
    struct receiver_stats stats; /* written by the egress thread */
    struct worker_hook hook;
    struct worker *egress; /* borrowed; NULL until bound */
    int fd;                /* owned until the proxy has it; -1 for none */
    bool is_open;          /* the proxy has yet to close; the egress thread's */
    bool is_hooked;        /* the egress thread's */
    _Atomic bool is_done;  /* egress writes (release), main reads (acquire) */
};

/*
 * xray_proxy_port_bind — a listening socket on the address of the configuration; nothing is served.
 *
 *   port     zeroed; xray_proxy_port_stop is fine before and after, whatever came of it
 *   config   borrowed until stop, as are the others
 *
 * 0, or negative after a log line.
 */
WEIR_MUST_USE int xray_proxy_port_bind(struct xray_proxy_port *port, const char *receiver_id,
                                       const struct xray_proxy_config *config,
                                       const struct receiver_home *home);

/* Serves. 0 or negative. */
WEIR_MUST_USE int xray_proxy_port_start(struct xray_proxy_port *port);

void xray_proxy_port_send_away(struct xray_proxy_port *port);

/* Stops listening; who was heard is still answered. Idempotent. */
void xray_proxy_port_drain(struct xray_proxy_port *port);

/* Is everybody answered and gone? Also true of a port that never served. */
bool xray_proxy_port_is_done(const struct xray_proxy_port *port);

/* Ends at once what is left, waits for it, closes the socket. Idempotent. */
void xray_proxy_port_stop(struct xray_proxy_port *port);
