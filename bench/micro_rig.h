/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_rig — a receiver's shards and their merge without sockets or threads, and lines to feed
 * them, for the micro-benchmarks of the route.
 *
 * The lines are those of the load generator, met in random order, packed into datagrams.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bench/load_corpus.h"
#include "core/base/defs.h"
#include "core/engine/merge.h"
#include "core/engine/shard.h"

#define RIG_SHARDS_MAX 4
#define RIG_INTERVAL_NS UINT64_C(10000000000)
/* The shapes of the budget table, newline not counted; tagged lines have two tags. */
#define RIG_UNTAGGED_LINE_BYTES 34
#define RIG_TAGGED_LINE_BYTES 60

/* Zeroed before rig_open. Each shard may hold every series. */
struct rig {
    uint32_t shard_count;
    uint64_t now_ns; /* both clocks */
    struct shard shards[RIG_SHARDS_MAX];
    struct seal_table seals[RIG_SHARDS_MAX];
    struct receiver_stats stats;
    struct budget budget;
    struct merge merge;
};

/* 0 or -ENOMEM; rig_close is due in any case. */
WEIR_MUST_USE int rig_open(struct rig *rig, uint32_t shard_count, uint32_t series_max);
void rig_close(struct rig *rig);

/* What a benchmark meets. */
struct rig_input {
    uint32_t series_count;
    bool is_tagged; /* 60-byte lines, else 34 */
};

/*
 * rig_fill — the datagrams of `input`, in an order that follows from `seed`.
 *
 *   corpus   zeroed; corpus_fini is due in any case
 *
 * Returns what corpus_build returns.
 */
WEIR_MUST_USE int rig_fill(struct corpus *corpus, const struct rig_input *input, uint64_t seed);

/*
 * rig_bear — brings the series of `input` to life on every shard, on each in an order of its own,
 * so that neither records nor keys are met later in the order in which they lie in memory. Seeds
 * from RIG_MEET_SEED + 1 on are used; benchmarks meet the series in the order of RIG_MEET_SEED.
 * Returns what corpus_build returns.
 */
#define RIG_MEET_SEED 1
WEIR_MUST_USE int rig_bear(struct rig *rig, const struct rig_input *input);

/* Datagram `index` as a socket would show it: without its last newline. Borrows from the corpus. */
struct slice rig_datagram(const struct corpus *corpus, uint32_t index);

/*
 * A line of the corpus, without its newline, as the counter point that the decoder makes of it.
 * For benchmarks of what comes after decoding.
 */
struct point rig_point(struct slice line);
