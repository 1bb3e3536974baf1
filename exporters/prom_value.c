/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_value — numbers, histograms and summaries that only a scrape reads.
 *
 * Histograms and summaries live in one block each, sized for their bounds or quantiles and replaced
 * when those change. Sources: OpenTelemetry metrics data model; behaviour of the Collector's
 * prometheus exporter, whose delta points without a matching begin we add all the same.
 */
#include "exporters/prom_value.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "exporters/prom_exphist.h"

/* Summaries of clients have five to ten quantiles. */
#define QUANTILES_MAX_COUNT 256

struct prom_histogram {
    uint64_t count; /* of all buckets */
    double sum;
    bool has_sum;
    uint32_t bound_count;
    double *bounds;    /* inside the same block */
    uint64_t counts[]; /* bound_count + 1 */
};

struct prom_quantile {
    double quantile;
    double value;
};

struct prom_summary {
    uint64_t count;
    double sum;
    uint32_t quantile_count;
    struct prom_quantile quantiles[];
};

void prom_value_fini(struct prom_value *value)
{
    switch (value->kind) {
    case PROM_VALUE_HISTOGRAM:
        mem_free(value->histogram);
        break;
    case PROM_VALUE_EXPHIST:
        mem_free(value->exphist);
        break;
    case PROM_VALUE_SUMMARY:
        mem_free(value->summary);
        break;
    case PROM_VALUE_NONE:
    case PROM_VALUE_NUMBER:
        break;
    }
    *value = (struct prom_value){0};
}

/* When a point was taken. */
struct window {
    uint64_t start_unix_ns;
    uint64_t time_unix_ns;
};

static bool is_older(const struct prom_value *value, struct window w)
{
    return value->kind != PROM_VALUE_NONE && w.time_unix_ns != 0 &&
           w.time_unix_ns < value->time_unix_ns;
}

/* Deltas may come in any order; the latest gives the time. */
static void set_window(struct prom_value *value, struct window w)
{
    if (!is_older(value, w)) {
        value->start_unix_ns = w.start_unix_ns;
        value->time_unix_ns = w.time_unix_ns;
    }
}

/* Empties a value of another kind. */
static void become(struct prom_value *value, enum prom_value_kind kind)
{
    if (value->kind != kind) {
        prom_value_fini(value);
    }
}

/* --- numbers ---------------------------------------------------------------------------------- */

void prom_value_set(struct prom_value *value, double number)
{
    become(value, PROM_VALUE_NUMBER);
    value->kind = PROM_VALUE_NUMBER;
    value->number = number;
}

int prom_value_add_number(struct prom_value *value,
                          const struct PROM_METRICS(NumberDataPoint) * point, bool is_delta)
{
    double number = 0;
    if (point->value_case ==
        OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_DOUBLE) {
        number = point->as_double;
    } else if (point->value_case ==
               OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT) {
        number = (double)point->as_int;
    } else {
        return FAULT_MALFORMED;
    }
    struct window w = {.start_unix_ns = point->start_time_unix_nano,
                       .time_unix_ns = point->time_unix_nano};
    become(value, PROM_VALUE_NUMBER);
    if (!is_delta && is_older(value, w)) {
        return 0;
    }
    value->number = is_delta ? value->number + number : number;
    set_window(value, w);
    value->kind = PROM_VALUE_NUMBER;
    return 0;
}

/* --- histograms ------------------------------------------------------------------------------- */

static bool has_rising_bounds(const struct PROM_METRICS(HistogramDataPoint) * point)
{
    for (size_t i = 0; i < point->n_explicit_bounds; i++) {
        double bound = point->explicit_bounds[i];
        bool rises = i == 0 || bound > point->explicit_bounds[i - 1];
        if (!isfinite(bound) || !rises) {
            return false;
        }
    }
    return true;
}

/* Buckets may be missing altogether; otherwise there is one more than bounds. */
static bool is_histogram_sound(const struct PROM_METRICS(HistogramDataPoint) * point)
{
    bool has_buckets = point->n_bucket_counts > 0;
    if (point->n_explicit_bounds > HISTOGRAM_BOUNDS_MAX_COUNT) {
        return false;
    }
    if (has_buckets && point->n_bucket_counts != point->n_explicit_bounds + 1) {
        return false;
    }
    return (has_buckets || point->n_explicit_bounds == 0) && has_rising_bounds(point);
}

static bool has_bounds_of(const struct prom_histogram *hist,
                          const struct PROM_METRICS(HistogramDataPoint) * point)
{
    size_t bytes = hist->bound_count * sizeof(hist->bounds[0]);
    return hist->bound_count == point->n_explicit_bounds &&
           (bytes == 0 || memcmp(hist->bounds, point->explicit_bounds, bytes) == 0);
}

static struct prom_histogram *histogram_new(const struct PROM_METRICS(HistogramDataPoint) * point)
{
    size_t bound_count = point->n_explicit_bounds; /* bounded by is_histogram_sound */
    size_t counts_bytes = (bound_count + 1) * sizeof(uint64_t);
    struct prom_histogram *hist =
        mem_alloc(sizeof(*hist) + counts_bytes + bound_count * sizeof(double));
    if (hist == NULL) {
        return NULL;
    }
    hist->bound_count = (uint32_t)bound_count;
    hist->bounds = (double *)(void *)((char *)(hist + 1) + counts_bytes);
    if (bound_count > 0) {
        memcpy(hist->bounds, point->explicit_bounds, bound_count * sizeof(double));
    }
    return hist;
}

static void histogram_clear(struct prom_histogram *hist)
{
    memset(hist->counts, 0, (hist->bound_count + (size_t)1) * sizeof(hist->counts[0]));
    hist->count = 0;
    hist->sum = 0;
    hist->has_sum = false;
}

static void histogram_add(struct prom_histogram *hist,
                          const struct PROM_METRICS(HistogramDataPoint) * point)
{
    uint64_t total = 0;
    for (size_t i = 0; i < point->n_bucket_counts; i++) {
        hist->counts[i] += point->bucket_counts[i];
        total += point->bucket_counts[i];
    }
    if (point->n_bucket_counts == 0) { /* count and sum only: all in the one bucket */
        hist->counts[0] += point->count;
        total = point->count;
    }
    hist->count += total;
    hist->has_sum = hist->has_sum || point->has_sum != 0;
    hist->sum += point->has_sum != 0 ? point->sum : 0;
}

int prom_value_add_histogram(struct prom_value *value,
                             const struct PROM_METRICS(HistogramDataPoint) * point, bool is_delta)
{
    struct window w = {.start_unix_ns = point->start_time_unix_nano,
                       .time_unix_ns = point->time_unix_nano};
    if (!is_histogram_sound(point)) {
        return FAULT_MALFORMED;
    }
    bool is_same = value->kind == PROM_VALUE_HISTOGRAM && has_bounds_of(value->histogram, point);
    if (is_older(value, w) && !(is_delta && is_same)) {
        return 0;
    }
    if (!is_same) {
        struct prom_histogram *hist = histogram_new(point);
        if (hist == NULL) {
            return -ENOMEM;
        }
        prom_value_fini(value);
        value->kind = PROM_VALUE_HISTOGRAM;
        value->histogram = hist;
    } else if (!is_delta) {
        histogram_clear(value->histogram);
    }
    histogram_add(value->histogram, point);
    set_window(value, w);
    return 0;
}

static void histogram_show(const struct prom_histogram *hist, struct bytes *out,
                           enum prom_format format, const struct prom_point *point)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < hist->bound_count; i++) {
        count += hist->counts[i];
        prom_text_bucket(out, format, point, hist->bounds[i], count);
    }
    prom_text_bucket(out, format, point, INFINITY, hist->count);
    if (hist->has_sum) {
        prom_text_sum(out, format, point, hist->sum);
    }
    prom_text_count(out, format, point, hist->count);
}

int prom_value_add_exphist(struct prom_value *value,
                           const struct PROM_METRICS(ExponentialHistogramDataPoint) * point,
                           bool is_delta)
{
    struct window w = {.start_unix_ns = point->start_time_unix_nano,
                       .time_unix_ns = point->time_unix_nano};
    bool is_same = value->kind == PROM_VALUE_EXPHIST;
    if (is_older(value, w) && !(is_delta && is_same)) {
        return 0;
    }
    struct prom_exphist next = {0};
    if (is_same) {
        next = *value->exphist;
        if (!is_delta) {
            prom_exphist_clear(&next);
        }
    }
    int err = prom_exphist_add(&next, point);
    if (err != 0) {
        return err;
    }
    if (!is_same) {
        struct prom_exphist *hist = mem_alloc(sizeof(*hist));
        if (hist == NULL) {
            return -ENOMEM;
        }
        prom_value_fini(value);
        value->kind = PROM_VALUE_EXPHIST;
        value->exphist = hist;
    }
    *value->exphist = next;
    set_window(value, w);
    return 0;
}

/* --- summaries -------------------------------------------------------------------------------- */

static struct prom_summary *summary_new(const struct PROM_METRICS(SummaryDataPoint) * point)
{
    size_t count = point->n_quantile_values;
    struct prom_summary *summary =
        mem_alloc(sizeof(*summary) + count * sizeof(summary->quantiles[0]));
    if (summary == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        summary->quantiles[i] =
            (struct prom_quantile){.quantile = point->quantile_values[i]->quantile,
                                   .value = point->quantile_values[i]->value};
    }
    summary->quantile_count = (uint32_t)count;
    summary->count = point->count;
    summary->sum = point->sum;
    return summary;
}

/* Does the point stand beside what is there, rather than contain it? */
static bool is_apart(const struct prom_value *value, struct window w)
{
    if (w.start_unix_ns == 0 || value->start_unix_ns == 0) {
        return false;
    }
    return w.start_unix_ns >= value->time_unix_ns || w.time_unix_ns <= value->start_unix_ns;
}

int prom_value_add_summary(struct prom_value *value,
                           const struct PROM_METRICS(SummaryDataPoint) * point)
{
    struct window w = {.start_unix_ns = point->start_time_unix_nano,
                       .time_unix_ns = point->time_unix_nano};
    if (point->n_quantile_values > QUANTILES_MAX_COUNT) {
        return FAULT_MALFORMED;
    }
    bool is_delta = value->kind == PROM_VALUE_SUMMARY && is_apart(value, w);
    if (is_older(value, w)) {
        if (is_delta) { /* late, but nobody counted it yet */
            value->summary->count += point->count;
            value->summary->sum += point->sum;
        }
        return 0;
    }
    struct prom_summary *summary = summary_new(point);
    if (summary == NULL) {
        return -ENOMEM;
    }
    if (is_delta) {
        summary->count += value->summary->count;
        summary->sum += value->summary->sum;
    }
    prom_value_fini(value);
    value->kind = PROM_VALUE_SUMMARY;
    value->summary = summary;
    set_window(value, w);
    return 0;
}

static void summary_show(const struct prom_summary *summary, struct bytes *out,
                         enum prom_format format, const struct prom_point *point)
{
    for (uint32_t i = 0; i < summary->quantile_count; i++) {
        prom_text_quantile(out, format, point, summary->quantiles[i].quantile,
                           summary->quantiles[i].value);
    }
    prom_text_sum(out, format, point, summary->sum);
    prom_text_count(out, format, point, summary->count);
}

void prom_value_show(const struct prom_value *value, struct bytes *out, enum prom_format format,
                     const struct prom_point *point)
{
    switch (value->kind) {
    case PROM_VALUE_NONE:
        break;
    case PROM_VALUE_NUMBER:
        prom_text_value(out, format, point, value->number);
        break;
    case PROM_VALUE_HISTOGRAM:
        histogram_show(value->histogram, out, format, point);
        break;
    case PROM_VALUE_EXPHIST:
        prom_exphist_show(value->exphist, out, format, point);
        break;
    case PROM_VALUE_SUMMARY:
        summary_show(value->summary, out, format, point);
        break;
    }
}
