/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shard — points into series, books kept.
 */
#include "core/engine/shard.h"

#include "core/base/mem.h"

int shard_init(struct shard *shard, uint32_t id, size_t pool_max_bytes)
{
    *shard = (struct shard){.id = id};
    return sketch_pool_init(&shard->pool, pool_max_bytes);
}

void shard_fini(struct shard *shard)
{
    sketch_pool_fini(&shard->pool);
}

/* What seldom happens costs nothing while it does not. */
static void book_refusals(const struct series_report *report, struct receiver_stats *stats)
{
    counter_add(&stats->items_filtered, report->filtered_count);
    counter_add(&stats->invalid_bare_tag, report->bad_tags_count);
    counter_add(&stats->invalid_observer_limit, report->observer_limit_count);
    counter_add(&stats->invalid_memory, report->memory_limit_count);
    counter_add(&stats->items_overflowed, report->overflow_count);
    counter_add(&stats->series_born, report->born_count);
}

void shard_ingest(struct seal_table *seal, const struct point *points, size_t count,
                  uint64_t now_unix_ns, struct receiver_stats *stats)
{
    struct series_report report = {0};
    seal_prepare(seal);
    mem_guard_arm();
    series_ingest(&seal->table, points, count, now_unix_ns, &report);
    mem_guard_disarm();
    counter_add(&stats->items_decoded, count);
    counter_add(&stats->items_folded, report.folded_count);
    if (report.folded_count != count || report.overflow_count + report.born_count != 0) {
        book_refusals(&report, stats);
    }
}
