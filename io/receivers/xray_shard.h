/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_shard — the X-Ray receiver's part on one shard: its socket, and the way in behind it.
 *
 * Its memory belongs to the receiver; all but the atomic is touched by the shard only, once it is
 * started.
 *
 *     IDLE ──start──▶ RECEIVING ──drain──▶ LEAVING ──socket closed, parts sent──▶ DONE
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/stats.h"
#include "io/dgram.h"
#include "io/receivers/receiver.h"
#include "io/receivers/xray_intake.h"
#include "io/worker.h"

enum xray_shard_state {
    XRAY_SHARD_IDLE,
    XRAY_SHARD_RECEIVING,
    XRAY_SHARD_LEAVING,
    XRAY_SHARD_DONE,
};

struct xray_shard {
    struct worker_hook hook;
    struct worker *worker;   /* borrowed */
    struct worker *egress;   /* borrowed; woken when parts cross */
    const char *receiver_id; /* borrowed; for the log */
    struct xray_intake intake;
    struct dgram dgram;
    int fd;       /* owned until it moves into dgram; -1 for none */
    bool is_open; /* the socket has yet to close */
    enum xray_shard_state state;
    struct receiver_stats stats;
    _Atomic bool is_done; /* the shard writes (release), main reads (acquire) */
};

/* Buffers, no socket. `worker` is its thread. 0 or -ENOMEM; xray_shard_fini is fine after either.
 */
WEIR_MUST_USE int xray_shard_init(struct xray_shard *shard, const char *receiver_id,
                                  const struct receiver_home *home, struct worker *worker);

/* Closes a descriptor that was never started. It must be idle or done. Idempotent. */
void xray_shard_fini(struct xray_shard *shard);

/* Main thread, before start: moves a bound socket in. */
void xray_shard_add_socket(struct xray_shard *shard, int fd);

/* Main thread, before start and at every reload: what is gathered goes the old way. */
void xray_shard_connect(struct xray_shard *shard, struct pipeline *const *pipelines,
                        uint32_t pipeline_count);

/* Main thread: begins to receive. 0 or negative. */
WEIR_MUST_USE int xray_shard_start(struct xray_shard *shard);

/* Main thread: leaves the socket; is_done says when all that was read has been sent. */
void xray_shard_drain(struct xray_shard *shard, bool has_successor);

/* Main thread: takes it off its thread for good, whatever is left. Idempotent. */
void xray_shard_stop(struct xray_shard *shard);
