/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_shard — the StatsD receiver's part on one shard: sockets, decoding, folding, sealing.
 *
 * The datagram route runs through here: burst → lines → points → series, in one callback, without a
 * copy and without an allocation. Its memory belongs to the receiver; all but the atomic is touched
 * by the shard only, once it is started.
 *
 *     IDLE ──start──▶ RECEIVING ──drain──▶ LEAVING ──sockets closed──▶ SEALING ──all home──▶ DONE
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "codecs/statsd_line.h"
#include "core/base/defs.h"
#include "core/base/log.h"
#include "core/engine/seal.h"
#include "core/engine/shard.h"
#include "core/engine/stats.h"
#include "io/dgram.h"
#include "io/receivers/receiver.h"
#include "io/receivers/statsd_config.h"
#include "io/stream.h"
#include "io/worker.h"

enum statsd_shard_state {
    STATSD_SHARD_IDLE,
    STATSD_SHARD_RECEIVING,
    STATSD_SHARD_LEAVING,
    STATSD_SHARD_SEALING,
    STATSD_SHARD_DONE,
};

struct channel;
struct statsd_shard;

/* One socket of the shard; which member is used follows from the endpoint's transport. */
struct statsd_listener {
    struct statsd_shard *shard;
    union {
        struct dgram dgram;
        struct stream stream;
    };
    const struct statsd_endpoint *endpoint; /* borrowed */
    int fd;                                 /* owned until it moves into the member */
    bool is_stream;
    bool is_open;
    struct log_limit refused_limits[STATSD_WHY_LIMIT]; /* of samples in the log, by reason */
};

struct statsd_shard {
    struct worker_hook hook;
    struct worker *worker;              /* borrowed */
    const char *receiver_id;            /* borrowed; for the log */
    struct worker *egress;              /* borrowed; woken when slices cross */
    const struct statsd_config *config; /* borrowed */
    struct shard shard;
    struct budget series_budget; /* its own: that series count once is the merge's business */
    struct seal_table seal;
    struct statsd_sink sink;
    struct statsd_counts booked; /* what of sink.counts is in the stats already */
    struct point points[POINT_BURST_MAX];
    struct statsd_listener listeners[STATSD_LISTENERS_MAX + 1]; /* the last: guests */
    struct statsd_listener *decoding;                           /* whose bytes are being decoded */
    struct statsd_listener *guests; /* of listeners, from start on; opened when one comes */
    uint32_t listener_count;
    uint32_t open_count; /* listeners that have yet to close */
    struct timer window_timer;
    struct timer leave_timer; /* the next step of the streams' leaving */
    enum statsd_shard_state state;
    bool has_successor; /* another receiver takes over the address */
    bool is_handing_on; /* to it, connections that were half made apart */
    struct receiver_stats stats;
    _Atomic bool is_done; /* the shard writes (release), main reads (acquire) */
};

/*
 * Tables and buffers, no sockets. `worker` is its thread. 0 or -ENOMEM.
 */
WEIR_MUST_USE int statsd_shard_init(struct statsd_shard *shard, const char *receiver_id,
                                    const struct statsd_config *config,
                                    const struct receiver_home *home, struct worker *worker);

/* Closes descriptors that were never started. It must be idle or done. Idempotent. */
void statsd_shard_fini(struct statsd_shard *shard);

/* Main thread, before start: moves a bound socket in. `endpoint` is the configuration's. */
void statsd_shard_add_listener(struct statsd_shard *shard, int fd,
                               const struct statsd_endpoint *endpoint);

/* Main thread: begins to receive. 0 or negative. */
WEIR_MUST_USE int statsd_shard_start(struct statsd_shard *shard);

/*
 * The shard's own thread: a connection on a port of another receiver speaks StatsD. As stream_adopt
 * otherwise; FAULT_CLOSED also while the shard does not receive. Its settings and books are ours.
 */
WEIR_MUST_USE int statsd_shard_adopt(struct statsd_shard *shard, struct channel *channel,
                                     struct slice first_bytes);

/* Main thread: tells connections to go while everything is still read. */
void statsd_shard_send_away(struct statsd_shard *shard);

/* Main thread: leaves the sockets, then flushes the window; is_done says when. */
void statsd_shard_drain(struct statsd_shard *shard, bool has_successor);

/* Main thread: takes it off its thread for good, whatever is left. Idempotent. */
void statsd_shard_stop(struct statsd_shard *shard);
