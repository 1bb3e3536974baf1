/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_proxy — the sampling proxy: the calls of the X-Ray SDKs, signed and sent on to AWS.
 *
 * SDKs have no credentials; they ask their daemon for rules and quotas, and it asks X-Ray in their
 * name. GetSamplingRules is answered once for all who ask the same within a few seconds, and with
 * the last good rules while AWS is out of reach. Whatever is no sampling call is signed only on its
 * own port, where the owner says so, and all of it goes to X-Ray's one host. Loop-local, on the
 * egress thread. Source: X-Ray daemon, "TCP proxy"; X-Ray API reference, GetSamplingRules,
 * GetSamplingTargets.
 *
 *     ask ─▶ cached? ─▶ under way? ─▶ aws_client ─▶ answer, as it came
 *             200         waits          └ no answer: stale rules, or 502
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/log.h"
#include "core/engine/stats.h"
#include "io/http1_server.h"
#include "io/receivers/xray_ask.h"
#include "io/receivers/xray_proxy_cache.h"

struct aws_client;
struct loop;
struct xray_proxy;
struct xray_proxy_call;
struct xray_proxy_config; /* io/receivers/xray_config.h */

/* Statistics of all rules of a service; with every path allowed, a batch of segments. */
#define XRAY_PROXY_BODY_MAX_BYTES (1024 * 1024)

/* Nothing refers to the proxy any more. From the loop; once for each successful open. */
typedef void(xray_proxy_closed_fn)(struct xray_proxy *proxy);

struct xray_proxy {
    struct loop *loop;                      /* borrowed until on_closed; set by the owner, as */
    const struct xray_proxy_config *config; /* all up to on_closed; borrowed */
    const char *receiver_id;                /* borrowed; for the log */
    struct receiver_stats *stats;           /* proxy_* and connections_* are written here */
    bool signs_all_paths;                   /* on its own port, not only the two sampling calls */
    xray_proxy_closed_fn *on_closed;

    /* From here on xray_proxy.c's and xray_proxy_http.c's own. */
    struct http1_server http1;
    struct aws_client *client;     /* owned; NULL while it is not open */
    struct xray_proxy_call *calls; /* owned, a list: those under way */
    struct xray_proxy_cache cache;
    uint64_t body_bytes; /* of requests on its own port that are not answered */
    uint32_t ask_count;  /* those that wait for an answer */
    bool is_port_closed;
    struct log_limit complaints;
};

/*
 * xray_proxy_open — serves on a listening, non-blocking socket.
 *
 *   fd   moved in on 0
 *
 * 0: `proxy` is borrowed until on_closed. Otherwise what aws_client_open or the loop answered, and
 * nothing moved and nothing runs.
 */
WEIR_MUST_USE int xray_proxy_open(struct xray_proxy *proxy, int fd);

/*
 * xray_proxy_ask — an answer for `ask`, told exactly once, perhaps before the call returns. Borrows
 * it until then, or until xray_proxy_forget. Where the proxy is not open the answer is a 503.
 */
void xray_proxy_ask(struct xray_proxy *proxy, struct xray_ask *ask);

/* An ask that waits is told nothing any more. The call to AWS goes on, for the others. */
void xray_proxy_forget(struct xray_ask *ask);

/* Every connection of now ends with its next answer. */
void xray_proxy_send_away(struct xray_proxy *proxy);

/* Stops listening; who was heard is answered; then on_closed. Idempotent. */
void xray_proxy_stop(struct xray_proxy *proxy);

/* As stop, but calls under way are given up. */
void xray_proxy_abort(struct xray_proxy *proxy);

/*
 * Once per turn, not from inside a callback: brings the counters of connections up to date, and
 * closes where nothing but an ask from elsewhere was left to wait for.
 */
void xray_proxy_turn(struct xray_proxy *proxy);

/* --- for xray_proxy_http.c -------------------------------------------------------------------- */

/* Its port is closed and all exchanges are answered. */
void xray_proxy_on_port_closed(struct xray_proxy *proxy);
