/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_shard — the OTLP receiver's part on one shard: ports, connections, the three servers.
 *
 *     tcp_front ─┬─▶ http1_server ──▶ otlp_http1 ─┐
 *                ├─▶ h2_server ─┬─▶ otlp_h2 ──────┼─▶ otlp_intake ─▶ pipelines
 *                │              └─▶ grpc_server ──┤
 *                └─▶ statsd_shard                 └─▶ xray_asker ─▶ xray_proxy (egress)
 *
 * Its memory belongs to the receiver; all but the atomic is touched by the shard's thread only,
 * once it is started.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/stats.h"
#include "io/auth/authenticator.h"
#include "io/grpc_server.h"
#include "io/h2_server.h"
#include "io/http1_server.h"
#include "io/receivers/otlp_config.h"
#include "io/receivers/otlp_http.h"
#include "io/receivers/otlp_intake.h"
#include "io/receivers/otlp_stats.h"
#include "io/receivers/receiver.h"
#include "io/receivers/xray_asker.h"
#include "io/tcp_front.h"
#include "io/worker.h"

enum otlp_shard_state {
    OTLP_SHARD_IDLE,
    OTLP_SHARD_RECEIVING,
    OTLP_SHARD_PARTING, /* those accepted last have yet to say what they speak */
    OTLP_SHARD_LEAVING, /* those there finish what they began */
    OTLP_SHARD_DONE,
};

/* One listening address, with servers of its own, because each may want other credentials. */
struct otlp_port {
    struct otlp_shard *shard;
    enum otlp_protocol protocol; /* whose keys these are; both are served */
    int fd;                      /* owned until start; -1 for none */
    struct tls_context *tls;     /* borrowed; NULL in the clear */
    struct authenticator *auth;  /* borrowed; NULL: everybody may come in */
    struct tcp_front front;
    struct http1_server http1;
    struct h2_server h2;
    struct grpc_server grpc;
    bool has_front;
    bool has_http1;
    bool has_h2;
};

struct statsd_shard;

struct otlp_shard {
    struct worker_hook hook;
    struct worker *worker;            /* borrowed */
    struct worker *egress;            /* borrowed; woken when parts crossed */
    const struct otlp_config *config; /* borrowed */
    const char *receiver_id;          /* borrowed; for the log */
    struct otlp_port ports[OTLP_PROTOCOL_COUNT];
    struct grpc_method methods[SIGNAL_COUNT]; /* known to both grpc_servers */
    struct otlp_intake intake;
    struct statsd_shard *statsd;    /* borrowed until this shard leaves; NULL: no lines here */
    struct xray_asker *asker;       /* borrowed; NULL: no sampling calls here */
    struct otlp_http_answer answer; /* of the request being judged */
    struct timer leave_timer;
    uint32_t open_count; /* fronts and servers that have yet to close */
    uint32_t h2_request_count;
    enum otlp_shard_state state;
    bool is_accepting; /* of a PARTING one: connections that were half made */
    struct receiver_stats stats;
    struct otlp_booked booked; /* of what otlp_stats publishes */
    _Atomic bool is_done;      /* the shard writes (release), main reads (acquire) */
};

/* No sockets yet. 0 or -ENOMEM; otlp_shard_fini is fine after either. */
WEIR_MUST_USE int otlp_shard_init(struct otlp_shard *shard, const char *receiver_id,
                                  const struct otlp_config *config,
                                  const struct receiver_home *home, struct worker *worker);

/* It must be idle or done. Idempotent. */
void otlp_shard_fini(struct otlp_shard *shard);

/* All from the main thread. */

/* What a shard's requests are judged by and go to; both change with a reload. */
struct otlp_links {
    struct otlp_routes routes[SIGNAL_COUNT];
    struct authenticator *auth[OTLP_PROTOCOL_COUNT]; /* borrowed; NULL: none */
};

/*
 * From now on StatsD goes to `statsd` (NULL: nowhere) and sampling calls may be asked. Both end
 * when the shard leaves.
 */
void otlp_shard_join(struct otlp_shard *shard, struct statsd_shard *statsd);

/* From now on nothing goes to earlier pipelines, and no earlier authenticator is asked. */
void otlp_shard_connect(struct otlp_shard *shard, const struct otlp_links *links);
WEIR_MUST_USE int otlp_shard_start(struct otlp_shard *shard);
void otlp_shard_send_away(struct otlp_shard *shard);
/* With a successor, new connections go to it already; those half made still come here. */
void otlp_shard_drain(struct otlp_shard *shard, bool has_successor);
/* Ends at once what comes in; answers that are due may still come home. */
void otlp_shard_halt(struct otlp_shard *shard);
/* Ends at once what is left, and waits for it. Idempotent. */
void otlp_shard_stop(struct otlp_shard *shard);
