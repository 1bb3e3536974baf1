/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_rig — see micro_rig.h. One fixed configuration: counters are sums, nothing expires.
 */
#include "bench/micro_rig.h"

#include "core/base/bounds.h"
#include "core/engine/budget.h"

#define RIG_KEY_BYTES_PER_SERIES 256
#define RIG_KEY_MIN_BYTES (16u << 20)
#define RIG_POOL_BYTES (64u << 20)
#define RIG_HASH_SEED UINT64_C(0x5DEECE66D1234567)
#define RIG_IDLE_WINDOWS 1000
#define RIG_START_NS UINT64_C(1700000000000000000)

static const struct aggregate_config rig_config = {
    .aggregate_of = {[KIND_COUNTER] = AGGREGATE_SUM},
};

static int open_shard(struct rig *rig, uint32_t index, uint32_t series_max)
{
    struct shard *shard = &rig->shards[index];
    int err = shard_init(shard, index, RIG_POOL_BYTES);
    if (err != 0) {
        return err;
    }
    const struct seal_options options = {
        .series =
            {
                .series_max = series_max,
                .key_max_bytes = RIG_KEY_MIN_BYTES + (size_t)series_max * RIG_KEY_BYTES_PER_SERIES,
                .hash_seed = RIG_HASH_SEED,
                .config = &rig_config,
                .pool = &shard->pool,
            },
        .series_budget = &rig->budget,
        .lease_block_count = 1024,
        .interval_ns = RIG_INTERVAL_NS,
        .idle_window_max = RIG_IDLE_WINDOWS,
    };
    return seal_table_init(&rig->seals[index], &options, rig->now_ns, rig->now_ns);
}

int rig_open(struct rig *rig, uint32_t shard_count, uint32_t series_max)
{
    ASSERT(shard_count > 0 && shard_count <= RIG_SHARDS_MAX);
    rig->now_ns = RIG_START_NS;
    budget_init(&rig->budget, (uint64_t)shard_count * (series_max + 1024));
    struct seal_table *sources[RIG_SHARDS_MAX];
    for (uint32_t i = 0; i < shard_count; i++) {
        rig->shard_count = i + 1;
        sources[i] = &rig->seals[i];
        int err = open_shard(rig, i, series_max);
        if (err != 0) {
            return err;
        }
    }
    const struct merge_options options = {
        .sources = sources,
        .source_count = shard_count,
        .series_max = series_max,
        .key_max_bytes = RIG_KEY_MIN_BYTES,
        .pool_max_bytes = RIG_POOL_BYTES,
        .hash_seed = RIG_HASH_SEED,
        .interval_ns = RIG_INTERVAL_NS,
        .config = &rig_config,
    };
    return merge_init(&rig->merge, &options);
}

void rig_close(struct rig *rig)
{
    merge_fini(&rig->merge);
    for (uint32_t i = 0; i < rig->shard_count; i++) {
        seal_table_fini(&rig->seals[i]);
        shard_fini(&rig->shards[i]);
    }
    *rig = (struct rig){0};
}

int rig_fill(struct corpus *corpus, const struct rig_input *input, uint64_t seed)
{
    struct corpus_options options = corpus_default_options();
    options.seed = seed;
    options.series_count = input->series_count;
    options.tag_count = input->is_tagged ? 2 : 0;
    options.line_bytes = input->is_tagged ? RIG_TAGGED_LINE_BYTES : RIG_UNTAGGED_LINE_BYTES;
    return corpus_build(corpus, &options);
}

static void ingest_lines(struct rig *rig, uint32_t shard_index, const struct corpus *corpus)
{
    struct slice rest = slice_of(corpus->bytes, corpus->bytes_used);
    while (rest.len > 0) {
        size_t end = slice_find(rest, '\n');
        struct point point = rig_point(slice_first(rest, end));
        shard_ingest(&rig->seals[shard_index], &point, 1, rig->now_ns, &rig->stats);
        rest = slice_from(rest, end + 1);
    }
}

int rig_bear(struct rig *rig, const struct rig_input *input)
{
    for (uint32_t i = 0; i < rig->shard_count; i++) {
        struct corpus corpus = {0};
        int err = rig_fill(&corpus, input, RIG_MEET_SEED + 1 + i);
        if (err == 0) {
            ingest_lines(rig, i, &corpus);
        }
        corpus_fini(&corpus);
        if (err != 0) {
            return err;
        }
        ASSERT(rig->seals[i].table.live_count == input->series_count);
    }
    return 0;
}

struct slice rig_datagram(const struct corpus *corpus, uint32_t index)
{
    const struct corpus_datagram *datagram = &corpus->datagrams[index];
    return slice_of(corpus->bytes + datagram->offset, datagram->len - 1);
}

struct point rig_point(struct slice line)
{
    size_t colon = slice_find(line, ':');
    size_t hash = slice_find(line, '#');
    ASSERT(colon < line.len);
    return (struct point){
        .name = slice_first(line, colon),
        .tags = hash < line.len ? slice_from(line, hash + 1) : (struct slice){0},
        .value = line.ptr[colon + 1] - '0',
        .weight = 1,
        .kind = KIND_COUNTER,
    };
}
