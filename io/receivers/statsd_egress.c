/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_egress — once per turn of the egress thread: take slices, write parts, keep the counters.
 */
#include "io/receivers/statsd_egress.h"

#include <errno.h>

/* Slices merged in one turn: 8 × 4 096 series, about a millisecond. */
#define SLICES_PER_TURN 8
#define KEY_MAX_BYTES (UINT64_C(2) * 1024 * 1024 * 1024)

static void wake_shard(void *context, uint32_t source)
{
    const struct receiver_home *home = context;
    worker_wake(&home->shards[source]);
}

static void publish(struct statsd_egress *egress)
{
    const struct merge_stats *stats = &egress->merge.stats;
    counter_set(&egress->stats.rounds, stats->round_count);
    counter_set(&egress->stats.merge_overflowed, stats->overflow_count);
    counter_set(&egress->stats.merge_lost, stats->memory_limit_count + egress->emit.lost_count);
}

static bool egress_on_turn(struct worker_hook *hook, struct worker *worker)
{
    struct statsd_egress *egress = CONTAINER_OF(hook, struct statsd_egress, hook);
    bool has_more = merge_turn(&egress->merge, SLICES_PER_TURN);
    has_more = emit_turn(&egress->emit, loop_now_mono_ns(worker->loop)) || has_more;
    /* A round that was just read to its end makes room for slices that wait. */
    has_more = merge_turn(&egress->merge, SLICES_PER_TURN) || has_more;
    publish(egress);
    if (merge_is_done(&egress->merge) && emit_is_idle(&egress->emit)) {
        atomic_store_explicit(&egress->is_done, true, memory_order_release);
    }
    bool has_round = merge_is_reading(&egress->merge) && emit_is_idle(&egress->emit);
    return has_more || has_round;
}

static void set_replica(struct statsd_egress *egress, const struct statsd_config *config)
{
    if (config->replica_attribute[0] == 0) {
        return;
    }
    egress->replica = (struct attr){
        .key = slice_of_text(config->replica_attribute),
        .value = slice_of_text(egress->home->instance_id),
        .has_value = true,
    };
    egress->options.resource_attrs = &egress->replica;
    egress->options.resource_attr_count = 1;
}

int statsd_egress_init(struct statsd_egress *egress, const struct statsd_config *config,
                       struct receiver_home *home, struct seal_table *const *sources)
{
    *egress = (struct statsd_egress){
        .hook = {.on_turn = egress_on_turn}, .home = home, .options = config->emit};
    set_replica(egress, config);
    const struct merge_options options = {
        .sources = sources,
        .source_count = home->shard_count,
        .series_max = config->cardinality_limit,
        .key_max_bytes = KEY_MAX_BYTES,
        .pool_max_bytes = home->sketch_max_bytes,
        .hash_seed = home->hash_seed,
        .interval_ns = config->interval_ns,
        .counter_expiry_ns = config->counter_expiry_ns,
        .gauge_expiry_ns = config->gauge_expiry_ns,
        .gauge_base = config->gauge_base,
        .config = &config->aggregate,
        .wake_context = home,
        .wake = wake_shard,
    };
    int err = merge_init(&egress->merge, &options);
    if (err == 0) {
        err = emit_init(&egress->emit, &egress->options, &egress->merge, &egress->stats);
    }
    if (err != 0) {
        statsd_egress_fini(egress);
    }
    return err;
}

void statsd_egress_fini(struct statsd_egress *egress)
{
    ASSERT(!egress->is_hooked);
    emit_fini(&egress->emit);
    merge_fini(&egress->merge);
}

struct connect_call {
    struct statsd_egress *egress;
    struct pipeline *const *pipelines;
    uint32_t pipeline_count;
};

static void connect_on_egress(struct worker *worker, void *argument)
{
    const struct connect_call *call = argument;
    emit_connect(&call->egress->emit, call->pipelines, call->pipeline_count);
    if (!call->egress->is_hooked) {
        worker_add_hook(worker, &call->egress->hook);
        call->egress->is_hooked = true;
    }
}

void statsd_egress_connect(struct statsd_egress *egress, struct pipeline *const *pipelines,
                           uint32_t pipeline_count)
{
    struct connect_call call = {
        .egress = egress, .pipelines = pipelines, .pipeline_count = pipeline_count};
    worker_call(egress->home->egress, &call, connect_on_egress);
}

static void stop_on_egress(struct worker *worker, void *argument)
{
    struct statsd_egress *egress = argument;
    worker_remove_hook(worker, &egress->hook);
    egress->is_hooked = false;
}

void statsd_egress_stop(struct statsd_egress *egress)
{
    if (egress->is_hooked) {
        worker_call(egress->home->egress, egress, stop_on_egress);
    }
}
