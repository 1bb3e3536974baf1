/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_receiver — StatsD and DogStatsD over UDP, TCP and Unix sockets (type `statsd`).
 *
 * Ties its parts together on the main thread: statsd_config, one statsd_shard per shard, one
 * statsd_egress. Keys: statsd_config.h. Source: the Collector's statsdreceiver, and what
 * codecs/README.md says of the dialects.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/config.h"
#include "io/receivers/receiver.h"

struct statsd_shard;

extern const struct receiver_ops statsd_receiver_ops;

/*
 * Reads its keys and finishes the reader. 0 moves out a receiver that ops->close frees;
 * FAULT_CONFIG or -ENOMEM. `id` is borrowed for its life.
 */
WEIR_MUST_USE int statsd_receiver_new(struct config_reader *config, const char *id,
                                      struct receiver **out);

/* After open: its part on the shard of that index, for connections that come on other receivers'
 * ports. Borrowed until the receiver is closed. */
struct statsd_shard *statsd_receiver_shard(struct receiver *receiver, uint32_t shard_index);
