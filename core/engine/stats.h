/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats — counters with one writer each, readable by any thread; declared in stats.def.
 *
 * The writer is the thread that owns the instance (a shard, an egress thread); stores are relaxed,
 * so a counter costs an addition. Totals over instances are made by the reader.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"

/* One writer (relaxed load and store), any reader (relaxed). */
struct counter {
    _Atomic uint64_t value;
};

static inline void counter_add(struct counter *counter, uint64_t amount)
{
    uint64_t value = atomic_load_explicit(&counter->value, memory_order_relaxed);
    atomic_store_explicit(&counter->value, value + amount, memory_order_relaxed);
}

/* For levels, and for totals that another place keeps. */
static inline void counter_set(struct counter *counter, uint64_t value)
{
    atomic_store_explicit(&counter->value, value, memory_order_relaxed);
}

static inline uint64_t counter_read(const struct counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

/* Reasons for which a StatsD line is refused; index is the codec's enum, names come with it. */
#define STATS_LINE_REASON_MAX 32

#define STAT(scope, field, metric, kind, labels, help) STATS_FIELD_##scope(field)
#define STATS_FIELD_receiver(field) struct counter field;
#define STATS_FIELD_exporter(field)
#define STATS_FIELD_processor(field)
#define STATS_FIELD_worker(field)
struct receiver_stats {
#include "core/engine/stats.def"
    struct counter line_reasons[STATS_LINE_REASON_MAX]; /* weir_items_invalid by reason */
};
#undef STATS_FIELD_receiver
#undef STATS_FIELD_exporter
#define STATS_FIELD_receiver(field)
#define STATS_FIELD_exporter(field) struct counter field;
struct exporter_stats {
#include "core/engine/stats.def"
};
#undef STATS_FIELD_exporter
#undef STATS_FIELD_processor
#define STATS_FIELD_exporter(field)
#define STATS_FIELD_processor(field) struct counter field;
struct processor_stats {
#include "core/engine/stats.def"
};
#undef STATS_FIELD_processor
#undef STATS_FIELD_worker
#define STATS_FIELD_processor(field)
#define STATS_FIELD_worker(field) struct counter field;
struct worker_stats {
#include "core/engine/stats.def"
};
#undef STATS_FIELD_receiver
#undef STATS_FIELD_exporter
#undef STATS_FIELD_processor
#undef STATS_FIELD_worker
#undef STAT

enum stats_scope {
    STATS_RECEIVER,
    STATS_EXPORTER,
    STATS_PROCESSOR,
    STATS_WORKER,
};

enum stats_kind {
    STATS_COUNTER,
    STATS_GAUGE,
};

/* One row of stats.def. */
struct stats_row {
    enum stats_scope scope;
    enum stats_kind kind;
    size_t offset; /* of the counter in its struct */
    const char *field;
    const char *metric;
    const char *labels; /* constant labels in Prometheus syntax, may be empty */
    const char *help;
};

/* All rows, in the order of stats.def. */
const struct stats_row *stats_rows(size_t *count);

/* The counter of `row` in an instance of its scope. */
uint64_t stats_read(const struct stats_row *row, const void *instance);

/* All counters of `instance` with that metric name, whatever their labels, added up. */
uint64_t stats_sum(enum stats_scope scope, const char *metric, const void *instance);
