/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit_metric — kind by kind, what the Collector's StatsD receiver makes of a series.
 *
 * Counters: delta Sum, start = the window's start. Gauges: Gauge without a start. Timers by
 * observer: delta ExponentialHistogram or Histogram, Summary, or one Gauge point per sample. Sets,
 * which the Collector does not know: a Gauge with the number of distinct members. Unit and
 * description are empty, as there.
 */
#include "core/engine/emit_metric.h"

#include <math.h>

#include "core/base/bounds.h"
#include "core/model/attrs.h"
#include "core/model/exphist.h"
#include "core/model/histogram.h"
#include "core/model/samples.h"
#include "core/model/set.h"
#include "core/model/summary.h"
#include "core/otlp/otlp_point.h"

/* Tags, metric_type and container.id. */
#define ATTRS_MAX (STATSD_TAGS_MAX_COUNT + 2)

static struct slice kind_name(enum kind kind)
{
    switch (kind) {
    case KIND_COUNTER:
        return SLICE_LITERAL("counter");
    case KIND_GAUGE:
        return SLICE_LITERAL("gauge");
    case KIND_TIMING:
        return SLICE_LITERAL("timing");
    case KIND_HISTOGRAM:
        return SLICE_LITERAL("histogram");
    case KIND_DISTRIBUTION:
        return SLICE_LITERAL("distribution");
    case KIND_SET:
        return SLICE_LITERAL("set");
    }
    return SLICE_LITERAL("");
}

/* Keys are unique in OTLP: of several tags with one key the last value counts. */
static size_t add_attr(struct attr *attrs, size_t count, struct attr attr)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(attrs[i].key, attr.key)) {
            attrs[i] = attr;
            return count;
        }
    }
    ASSERT(count < ATTRS_MAX);
    attrs[count] = attr;
    return count + 1;
}

static size_t collect_attrs(const struct emit_options *options, const struct series_key *key,
                            struct attr *attrs)
{
    size_t count = 0;
    struct attr attr;
    struct attrs_iter iter = attrs_iterate(series_key_tags(key), series_key_tag_style(key));
    while (count < STATSD_TAGS_MAX_COUNT && attrs_next(&iter, &attr)) {
        count = add_attr(attrs, count, attr);
    }
    if (key->origin_len > 0) {
        attr = (struct attr){SLICE_LITERAL("container.id"), series_key_origin(key), true};
        count = add_attr(attrs, count, attr);
    }
    if (options->adds_metric_type) {
        attr = (struct attr){SLICE_LITERAL("metric_type"), kind_name(key->kind), true};
        count = add_attr(attrs, count, attr);
    }
    return count;
}

/* A sum as the configuration wants it: whole numbers as integers, never cut. */
static struct otlp_number number_of(double value, enum counter_type type)
{
    bool is_whole = fabs(value) <= 9007199254740992.0 && value == trunc(value);
    if (type == COUNTER_TYPE_INT && is_whole) {
        return (struct otlp_number){.i64 = (int64_t)value, .is_integer = true};
    }
    return (struct otlp_number){.f64 = value};
}

static uint32_t write_samples(struct otlp_build *build, struct otlp_point head,
                              const struct samples *samples)
{
    for (uint32_t i = samples->count; i > 0; i--) {
        const struct sample *sample = &samples->items[i - 1];
        head.start_unix_ns = 0;
        head.time_unix_ns = sample->time_unix_ns;
        otlp_build_number(build, &head, (struct otlp_number){.f64 = sample->value});
    }
    return samples->count;
}

static struct otlp_buckets fill_buckets(const struct exphist *hist, enum exphist_sign sign,
                                        uint64_t *counts)
{
    struct exphist_view view = exphist_trimmed(hist, sign);
    for (uint32_t i = 0; i < view.slot_count; i++) {
        counts[i] = exphist_view_count(view, i);
    }
    return (struct otlp_buckets){.offset = view.offset, .count = view.slot_count, .counts = counts};
}

static void write_exphist(struct emit *emit, struct otlp_build *build,
                          const struct otlp_point *head, const struct exphist *hist)
{
    uint64_t *counts = emit->bucket_counts;
    const struct otlp_exphist out = {
        .count = hist->count,
        .sum = exphist_sum(hist),
        .min = hist->min,
        .max = hist->max,
        .has_sum = true,
        .has_minmax = hist->count > 0,
        .scale = exphist_scale(hist),
        .zero_count = hist->zero_count,
        .positive = fill_buckets(hist, EXPHIST_POSITIVE, counts),
        .negative = fill_buckets(hist, EXPHIST_NEGATIVE, counts + EXPHIST_BUCKETS_MAX_COUNT),
    };
    otlp_build_exphist(build, head, &out);
}

static void write_histogram(struct otlp_build *build, const struct otlp_point *head,
                            const struct histogram *hist)
{
    const struct otlp_histogram out = {
        .count = hist->count,
        .sum = histogram_sum(hist),
        .min = hist->min,
        .max = hist->max,
        .has_sum = true,
        .has_minmax = hist->count > 0,
        .bounds = hist->bounds,
        .bound_count = hist->bound_count,
        .counts = hist->counts,
    };
    otlp_build_histogram(build, head, &out);
}

static void write_summary(const struct emit_options *options, struct otlp_build *build,
                          const struct otlp_point *head, const struct merge_point *point)
{
    struct otlp_quantile quantiles[EMIT_PERCENTILES_MAX];
    uint8_t kind = point->key->kind;
    uint32_t count = options->percentile_count[kind];
    summary_sort(point->summary);
    for (uint32_t i = 0; i < count; i++) {
        double quantile = options->percentiles[kind][i] / 100;
        quantiles[i] = (struct otlp_quantile){.quantile = quantile,
                                              .value = summary_quantile(point->summary, quantile)};
    }
    const struct otlp_summary out = {
        .count = (uint64_t)summary_count(point->summary),
        .sum = summary_sum(point->summary),
        .quantiles = quantiles,
        .quantile_count = count,
    };
    otlp_build_summary(build, head, &out);
}

/* The data points, and what kind of metric they make. Returns how many. */
static uint32_t write_points(struct emit *emit, struct otlp_build *build, struct otlp_point head,
                             const struct merge_point *point, struct otlp_metric *metric)
{
    struct otlp_point instant = head;
    instant.start_unix_ns = 0;
    switch (point->aggregate) {
    case AGGREGATE_NONE:
        return 0;
    case AGGREGATE_SUM:
        metric->data = OTLP_DATA_SUM;
        metric->is_monotonic = emit->options->is_monotonic;
        otlp_build_number(build, &head, number_of(point->number, emit->options->counter_type));
        return 1;
    case AGGREGATE_GAUGE:
        otlp_build_number(build, &instant, (struct otlp_number){.f64 = point->number});
        return 1;
    case AGGREGATE_SET:
        otlp_build_number(
            build, &instant,
            (struct otlp_number){.i64 = (int64_t)set_estimate(point->set), .is_integer = true});
        return 1;
    case AGGREGATE_EXPHIST:
        metric->data = OTLP_DATA_EXPHIST;
        write_exphist(emit, build, &head, point->exphist);
        return 1;
    case AGGREGATE_HISTOGRAM:
        metric->data = OTLP_DATA_HISTOGRAM;
        write_histogram(build, &head, point->histogram);
        return 1;
    case AGGREGATE_SUMMARY:
        metric->data = OTLP_DATA_SUMMARY;
        write_summary(emit->options, build, &head, point);
        return 1;
    case AGGREGATE_SAMPLES:
        return write_samples(build, head, point->samples);
    }
    return 0;
}

uint32_t emit_metric(struct emit *emit, struct otlp_build *build, const struct merge_point *point)
{
    struct attr attrs[ATTRS_MAX];
    uint64_t own_unix_ns = series_key_time_unix_ns(point->key);
    const struct otlp_point head = {
        .start_unix_ns = own_unix_ns != 0 ? 0 : emit->merge->round_start_unix_ns,
        .time_unix_ns = own_unix_ns != 0 ? own_unix_ns : emit->merge->round_end_unix_ns,
        .attrs = attrs,
        .attr_count = collect_attrs(emit->options, point->key, attrs),
    };
    struct otlp_metric metric = {
        .name = series_key_name(point->key),
        .data = OTLP_DATA_GAUGE,
        .temporality = OTLP_TEMPORALITY_DELTA,
    };
    size_t mark = otlp_build_mark(build);
    uint32_t point_count = write_points(emit, build, head, point, &metric);
    if (point_count > 0) {
        otlp_build_metric(build, mark, &metric);
    }
    return point_count;
}
