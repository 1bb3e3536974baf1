/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge_record — folding by aggregate: sums add, sketches merge, gauges find their latest word.
 *
 * A gauge over several shards: the latest absolute value wins; the deltas of a shard count if its
 * last one is not older than that. Until all shards have spoken the deltas are kept one by one.
 */
#include "core/engine/merge_record.h"

#include <errno.h>

#include "core/base/fault.h"
#include "core/model/exphist.h"
#include "core/model/histogram.h"
#include "core/model/samples.h"
#include "core/model/set.h"
#include "core/model/summary.h"

static int fold_gauge(struct merge *merge, struct merged *record, const struct gauge *source)
{
    if (record->gauge == NULL) {
        record->gauge = sketch_pool_take(&merge->pool, sizeof(*record->gauge));
    }
    struct merged_gauge *gauge = record->gauge;
    if (gauge == NULL) {
        return -ENOMEM;
    }
    if (source->absolute_unix_ns > gauge->absolute_unix_ns) {
        gauge->absolute = source->absolute;
        gauge->absolute_unix_ns = source->absolute_unix_ns;
    }
    if (source->delta_unix_ns == 0) {
        return 0;
    }
    if (gauge->deltas == NULL) {
        gauge->deltas = samples_new(&merge->pool);
    }
    if (gauge->deltas == NULL) {
        return -ENOMEM;
    }
    struct sample delta = {.value = source->delta, .time_unix_ns = source->delta_unix_ns};
    return samples_add(gauge->deltas, &merge->pool, delta);
}

static int fold_exphist(struct merge *merge, struct merged *record, const struct exphist *source)
{
    if (record->value.exphist == NULL) {
        record->value.exphist = exphist_new(&merge->pool, exphist_max_size(source));
    }
    if (record->value.exphist == NULL) {
        return -ENOMEM;
    }
    return exphist_merge(record->value.exphist, &merge->pool, source);
}

static int fold_histogram(struct merge *merge, struct merged *record,
                          const struct histogram *source)
{
    if (record->value.histogram == NULL) {
        record->value.histogram = histogram_new(&merge->pool, source->bounds, source->bound_count);
    }
    if (record->value.histogram == NULL) {
        return -ENOMEM;
    }
    return histogram_merge(record->value.histogram, source);
}

static int fold_set(struct merge *merge, struct merged *record, const struct set *source)
{
    if (record->value.set == NULL) {
        record->value.set = set_new(&merge->pool);
    }
    return record->value.set == NULL ? -ENOMEM : set_merge(record->value.set, &merge->pool, source);
}

static int fold_summary(struct merge *merge, struct merged *record, const struct summary *source)
{
    if (record->value.summary == NULL) {
        record->value.summary = summary_new(&merge->pool);
    }
    return record->value.summary == NULL
               ? -ENOMEM
               : summary_merge(record->value.summary, &merge->pool, source);
}

static int fold_samples(struct merge *merge, struct merged *record, const struct samples *source)
{
    if (record->value.samples == NULL) {
        record->value.samples = samples_new(&merge->pool);
    }
    if (record->value.samples == NULL) {
        return -ENOMEM;
    }
    uint32_t dropped_count = 0;
    int err = samples_merge(record->value.samples, &merge->pool, source, &dropped_count);
    merge->stats.observer_limit_count += dropped_count;
    return err;
}

int merged_fold(struct merge *merge, struct merged *record, union aggregate_value value)
{
    switch ((enum aggregate)record->aggregate) {
    case AGGREGATE_NONE:
        return 0;
    case AGGREGATE_SUM:
        record->value.sum += value.sum;
        return 0;
    case AGGREGATE_GAUGE:
        return fold_gauge(merge, record, value.gauge);
    case AGGREGATE_SET:
        return fold_set(merge, record, value.set);
    case AGGREGATE_EXPHIST:
        return fold_exphist(merge, record, value.exphist);
    case AGGREGATE_HISTOGRAM:
        return fold_histogram(merge, record, value.histogram);
    case AGGREGATE_SUMMARY:
        return fold_summary(merge, record, value.summary);
    case AGGREGATE_SAMPLES:
        return fold_samples(merge, record, value.samples);
    }
    return 0;
}

double merged_settle_gauge(struct merge *merge, struct merged *record)
{
    struct merged_gauge *gauge = record->gauge;
    ASSERT(gauge != NULL);
    bool goes_on =
        merge->gauge_base == GAUGE_BASE_PREVIOUS && (record->flags & MERGED_HAS_VALUE) != 0;
    double value = goes_on ? gauge->base : 0;
    if (gauge->absolute_unix_ns != 0) {
        value = gauge->absolute;
    }
    uint32_t delta_count = gauge->deltas == NULL ? 0 : gauge->deltas->count;
    for (uint32_t i = 0; i < delta_count; i++) {
        const struct sample *delta = &gauge->deltas->items[i];
        if (delta->time_unix_ns >= gauge->absolute_unix_ns) {
            value += delta->value;
        }
    }
    return value;
}

static void clear_gauge(struct merge *merge, struct merged *record)
{
    struct merged_gauge *gauge = record->gauge;
    if (gauge == NULL) {
        return;
    }
    samples_give(gauge->deltas, &merge->pool);
    gauge->deltas = NULL;
    gauge->absolute_unix_ns = 0;
}

void merged_clear(struct merge *merge, struct merged *record)
{
    if (record->aggregate == AGGREGATE_GAUGE) {
        clear_gauge(merge, record);
        return;
    }
    aggregate_give(record->aggregate, &record->value, &merge->pool);
}

void merged_drop(struct merge *merge, struct merged *record)
{
    merged_clear(merge, record);
    if (record->aggregate == AGGREGATE_GAUGE) {
        sketch_pool_give(&merge->pool, record->gauge, sizeof(*record->gauge));
    }
    record->value.object = NULL;
}
