/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_egress — the StatsD receiver's part on the egress thread: merge the shards, emit OTLP.
 *
 * One per receiver. Its memory belongs to the receiver; all but the two atomics is touched by the
 * egress thread only, once it is started.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/emit.h"
#include "core/engine/merge.h"
#include "io/receivers/receiver.h"
#include "io/receivers/statsd_config.h"
#include "io/worker.h"

struct statsd_egress {
    struct worker_hook hook;
    struct receiver_home *home; /* borrowed */
    struct merge merge;
    struct emit emit;
    struct emit_options options;
    struct attr replica; /* borrows from the configuration and the home */
    struct receiver_stats stats;
    bool is_hooked;
    _Atomic bool is_done; /* egress writes (release), main reads (acquire) */
};

/* Merges `sources` (borrowed; one per shard). 0 or -ENOMEM. */
WEIR_MUST_USE int statsd_egress_init(struct statsd_egress *egress,
                                     const struct statsd_config *config, struct receiver_home *home,
                                     struct seal_table *const *sources);

/* Its hook must be off. Idempotent. */
void statsd_egress_fini(struct statsd_egress *egress);

/* Main thread: from now on parts go there; hooks it in when called first. */
void statsd_egress_connect(struct statsd_egress *egress, struct pipeline *const *pipelines,
                           uint32_t pipeline_count);

/* Main thread: takes it off the egress thread. Idempotent. */
void statsd_egress_stop(struct statsd_egress *egress);
