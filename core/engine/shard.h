/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shard — what one thread needs to fold points: memory for sketches, and the guarded way into a
 * table.
 *
 * State only; the thread and its loop are io/worker. Shard-local.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/seal.h"
#include "core/engine/stats.h"
#include "core/model/point.h"
#include "core/model/sketch_pool.h"

struct shard {
    uint32_t id;
    struct sketch_pool pool; /* values of all tables of this thread */
};

/* 0 or -ENOMEM. */
WEIR_MUST_USE int shard_init(struct shard *shard, uint32_t id, size_t pool_max_bytes);

/* All tables that use the pool must be gone. Idempotent. */
void shard_fini(struct shard *shard);

/*
 * shard_ingest — folds a burst of points into a receiver's table.
 *
 *   points   at most POINT_BURST_MAX; borrowed until return
 *   stats    gets decoded, folded, filtered and invalid items
 *
 * Nothing allocates once the room for births is made; a debug build panics where something does.
 */
void shard_ingest(struct seal_table *seal, const struct point *points, size_t count,
                  uint64_t now_unix_ns, struct receiver_stats *stats);
