/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats — the rows of stats.def as a table.
 */
#include "core/engine/stats.h"

#include <string.h>

#define STATS_SCOPE_receiver STATS_RECEIVER
#define STATS_SCOPE_exporter STATS_EXPORTER
#define STATS_SCOPE_processor STATS_PROCESSOR
#define STATS_SCOPE_worker STATS_WORKER
#define COUNTER STATS_COUNTER
#define GAUGE STATS_GAUGE
#define STAT(scope_, field_, metric_, kind_, labels_, help_)                                       \
    {                                                                                              \
        .scope = STATS_SCOPE_##scope_,                                                             \
        .kind = kind_,                                                                             \
        .offset = offsetof(struct scope_##_stats, field_),                                         \
        .field = #field_,                                                                          \
        .metric = metric_,                                                                         \
        .labels = labels_,                                                                         \
        .help = help_,                                                                             \
    },

static const struct stats_row rows[] = {
#include "core/engine/stats.def"
};

const struct stats_row *stats_rows(size_t *count)
{
    *count = COUNT_OF(rows);
    return rows;
}

uint64_t stats_read(const struct stats_row *row, const void *instance)
{
    const struct counter *counter =
        (const struct counter *)(const void *)((const char *)instance + row->offset);
    return counter_read(counter);
}

uint64_t stats_sum(enum stats_scope scope, const char *metric, const void *instance)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].scope == scope && strcmp(rows[i].metric, metric) == 0) {
            sum += stats_read(&rows[i], instance);
        }
    }
    return sum;
}
