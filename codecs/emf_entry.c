/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_entry — see emf_entry.h.
 */
#include "codecs/emf_entry.h"

#include <string.h>

#include "codecs/emf_state.h"
#include "codecs/emf_value.h"
#include "core/base/fault.h"
#include "core/base/number.h"

#define NS_PER_S UINT64_C(1000000000)

static void drop(struct emf *emf, enum emf_drop reason)
{
    emf->tally.drops[reason]++;
}

/* --- into a group ----------------------------------------------------------------------------- */

/* What a metric of a point is called and worth. */
struct entry {
    struct slice name;
    const struct emf_labels *labels; /* of `labels_key` */
    struct emf_key labels_key;
    uint32_t piece_index;
    uint32_t point_count; /* see struct emf_metric */
};

/* NULL where there is no memory. */
static struct emf_metric *add_entry(struct emf *emf, const struct emf_point_now *p,
                                    const struct entry *entry, const struct emf_value *value)
{
    const struct emf_group_key key = {
        .labels_key = entry->labels_key,
        .place = p->place,
        .time_ms = p->time_ms,
        .data = p->metric->data,
        .piece_index = entry->piece_index,
    };
    struct emf_group *group = emf_groups_find(&emf->groups, &key, entry->labels, &emf->arena);
    if (group == NULL) {
        return NULL;
    }
    const struct emf_metric metric = {
        .name = entry->name,
        .unit = p->metric->unit,
        .resolution_s = p->resolution_s,
        .point_count = entry->point_count,
        .value = *value,
    };
    return emf_group_add(group, &metric, &emf->arena);
}

/* The entry of a point that becomes one metric. */
static struct entry entry_of(const struct emf_point_now *p)
{
    return (struct entry){.name = p->metric->name,
                          .labels = p->labels,
                          .labels_key = p->labels_key,
                          .point_count = 1};
}

static void add_whole(struct emf *emf, const struct emf_point_now *p, const struct emf_value *value)
{
    struct entry entry = entry_of(p);
    if (add_entry(emf, p, &entry, value) == NULL) {
        drop(emf, EMF_DROP_MEMORY);
    }
}

/* False and booked where CloudWatch would refuse the number. */
static bool check_number(struct emf *emf, double value)
{
    if (emf_is_in_range(value)) {
        return true;
    }
    drop(emf, emf_is_finite(value) ? EMF_DROP_OUT_OF_RANGE : EMF_DROP_NOT_FINITE);
    return false;
}

/* --- sums and gauges -------------------------------------------------------------------------- */

/* The series of a point: as long as these are the same, so is the running value. */
static struct emf_key series_key(const struct emf *emf, const struct emf_point_now *p)
{
    const uint64_t words[] = {
        p->labels_key.low,  p->labels_key.high,  p->place->key.low,         p->place->key.high,
        p->metric->key.low, p->metric->key.high, (uint64_t)p->metric->data,
    };
    return emf_key_of(slice_of(words, sizeof(words)), emf->hash_seed);
}

/* Books a point whose delta is not to be sent. */
static bool take_answer(struct emf *emf, enum emf_delta_answer answer)
{
    switch (answer) {
    case EMF_DELTA_DONE:
        return true;
    case EMF_DELTA_FIRST:
        if (!emf->options.retains_initial) {
            drop(emf, EMF_DROP_INITIAL);
        }
        return emf->options.retains_initial;
    case EMF_DELTA_FULL:
        drop(emf, EMF_DROP_SERIES_LIMIT);
        return false;
    }
    return false;
}

static uint32_t now_s(const struct emf *emf)
{
    return (uint32_t)(emf->now.mono_ns / NS_PER_S);
}

static void take_number(struct emf *emf, const struct emf_point_now *p,
                        const struct emf_point *point)
{
    if (!point->has_number) {
        drop(emf, EMF_DROP_NO_VALUE);
        return;
    }
    if (!point->number.is_integer && !check_number(emf, point->number.f64)) {
        return;
    }
    struct emf_value value = {.kind = EMF_VALUE_NUMBER, .number = point->number};
    if (p->metric->is_cumulative &&
        !take_answer(emf, emf_delta_number(&emf->delta, series_key(emf, p), point->number,
                                           now_s(emf), &value.number))) {
        return;
    }
    add_whole(emf, p, &value);
}

/* --- histograms ------------------------------------------------------------------------------- */

static bool check_stats(struct emf *emf, const struct emf_point *point)
{
    return check_number(emf, point->max) && check_number(emf, point->min) &&
           check_number(emf, point->sum);
}

static void take_histogram(struct emf *emf, const struct emf_point_now *p,
                           const struct emf_point *point)
{
    if (!check_stats(emf, point)) {
        return;
    }
    const struct emf_value value = {
        .kind = EMF_VALUE_STATS,
        .stats = {.min = point->min, .max = point->max, .sum = point->sum, .count = point->count},
    };
    add_whole(emf, p, &value);
}

/* The first piece carries the point; without all of them it is not sent. */
static void add_pieces(struct emf *emf, const struct emf_point_now *p,
                       const struct emf_point *point, const struct emf_buckets *buckets)
{
    struct emf_metric *first = NULL;
    struct entry entry = entry_of(p);
    uint32_t piece_count = emf_buckets_piece_count(buckets);
    for (uint32_t i = 0; i < piece_count; i++) {
        struct emf_value value = emf_buckets_piece(buckets, point, i);
        entry.piece_index = i;
        entry.point_count = i == 0 ? 1 : 0;
        struct emf_metric *piece = add_entry(emf, p, &entry, &value);
        if (piece == NULL) {
            if (first != NULL) {
                first->point_count = 0; /* it is booked as dropped instead */
            }
            drop(emf, EMF_DROP_MEMORY);
            return;
        }
        first = i == 0 ? piece : first;
    }
}

static void take_exphist(struct emf *emf, const struct emf_point_now *p,
                         const struct emf_point *point)
{
    struct emf_buckets buckets;
    if (!check_stats(emf, point)) {
        return;
    }
    int err = emf_buckets_read(point, &emf->arena, &buckets);
    if (err != 0) {
        drop(emf, err == FAULT_OVERFLOW ? EMF_DROP_OUT_OF_RANGE : EMF_DROP_MEMORY);
        return;
    }
    add_pieces(emf, p, point, &buckets);
}

/* --- summaries -------------------------------------------------------------------------------- */

/* False and booked where sum or a quantile is no number to send. */
static bool read_quantiles(struct emf *emf, struct slice content, struct emf_stats *stats)
{
    struct pb_reader in = pb_reader_of(content);
    struct otlp_quantile quantile;
    bool has_any = false;
    if (!check_number(emf, stats->sum)) {
        return false;
    }
    while (emf_point_next_quantile(&in, &quantile)) {
        if (!check_number(emf, quantile.value)) {
            return false;
        }
        stats->min = has_any ? stats->min : quantile.value;
        stats->max = quantile.value;
        has_any = true;
    }
    return true;
}

/* `name` with a suffix, in the arena; no pointer where that is full. */
static struct slice suffixed(struct emf *emf, struct slice name, struct slice suffix)
{
    uint8_t *text = arena_alloc(&emf->arena, name.len + suffix.len);
    if (text == NULL) {
        return (struct slice){0};
    }
    memcpy(text, name.ptr, name.len);
    memcpy(text + name.len, suffix.ptr, suffix.len);
    return slice_of(text, name.len + suffix.len);
}

/* The labels of a point with one for the quantile, under emf->quantile. False without memory. */
static bool label_quantile(struct emf *emf, const struct emf_labels *labels, double quantile)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    size_t len = number_format_f64(quantile, text, sizeof(text));
    struct slice value = arena_copy(&emf->arena, slice_of(text, len));
    emf_labels_clear(&emf->quantile);
    for (uint32_t i = 0; i < labels->count; i++) {
        emf_labels_add(&emf->quantile, labels->items[i].name, labels->items[i].value);
    }
    emf_labels_add(&emf->quantile, SLICE_LITERAL("quantile"), value);
    emf_labels_finish(&emf->quantile);
    return value.ptr != NULL && emf->quantile.err == 0;
}

/* Each quantile as a metric of its own; they are booked with the sum. */
static bool add_quantiles(struct emf *emf, const struct emf_point_now *p, struct slice content)
{
    struct pb_reader in = pb_reader_of(content);
    struct otlp_quantile quantile;
    while (emf_point_next_quantile(&in, &quantile)) {
        if (!label_quantile(emf, p->labels, quantile.quantile)) {
            return false;
        }
        const struct entry entry = {
            .name = p->metric->name,
            .labels = &emf->quantile,
            .labels_key = emf_labels_key(&emf->quantile, emf->hash_seed, &emf->scratch),
        };
        const struct emf_value value = {
            .kind = EMF_VALUE_NUMBER,
            .number = {.f64 = quantile.value},
        };
        if (emf->scratch.err != 0 || add_entry(emf, p, &entry, &value) == NULL) {
            return false;
        }
    }
    return true;
}

static void add_detailed(struct emf *emf, const struct emf_point_now *p, struct slice content,
                         const struct emf_stats *stats)
{
    struct slice count_name = suffixed(emf, p->metric->name, SLICE_LITERAL("_count"));
    struct entry entry = entry_of(p);
    entry.name = suffixed(emf, p->metric->name, SLICE_LITERAL("_sum"));
    if (entry.name.ptr == NULL || count_name.ptr == NULL) {
        drop(emf, EMF_DROP_MEMORY);
        return;
    }
    struct emf_value value = {.kind = EMF_VALUE_NUMBER, .number = {.f64 = stats->sum}};
    struct emf_metric *sum = add_entry(emf, p, &entry, &value);
    entry.name = count_name;
    entry.point_count = 0;
    value.number = stats->count > INT64_MAX
                       ? (struct otlp_number){.f64 = (double)stats->count}
                       : (struct otlp_number){.i64 = (int64_t)stats->count, .is_integer = true};
    bool is_done =
        sum != NULL && add_entry(emf, p, &entry, &value) != NULL && add_quantiles(emf, p, content);
    if (!is_done) {
        drop(emf, EMF_DROP_MEMORY);
        if (sum != NULL) {
            sum->point_count = 0;
        }
    }
}

static void take_summary(struct emf *emf, const struct emf_point_now *p,
                         const struct emf_point *point, struct slice content)
{
    struct emf_stats stats = {.sum = point->sum, .count = point->count};
    if (!read_quantiles(emf, content, &stats)) {
        return;
    }
    if (p->place->is_prometheus) {
        struct emf_delta_pair delta = {.sum = stats.sum, .count = stats.count};
        if (!take_answer(emf, emf_delta_summary(&emf->delta, series_key(emf, p), delta, now_s(emf),
                                                &delta))) {
            return;
        }
        stats.sum = delta.sum;
        stats.count = delta.count;
    }
    if (emf->options.has_detailed_metrics) {
        add_detailed(emf, p, content, &stats);
        return;
    }
    const struct emf_value value = {.kind = EMF_VALUE_STATS, .stats = stats};
    add_whole(emf, p, &value);
}

void emf_entry_take(struct emf *emf, const struct emf_point_now *now, const struct emf_point *point,
                    struct slice content)
{
    switch (now->metric->data) {
    case OTLP_DATA_GAUGE:
    case OTLP_DATA_SUM:
        take_number(emf, now, point);
        break;
    case OTLP_DATA_HISTOGRAM:
        take_histogram(emf, now, point);
        break;
    case OTLP_DATA_EXPHIST:
        take_exphist(emf, now, point);
        break;
    case OTLP_DATA_SUMMARY:
        take_summary(emf, now, point, content);
        break;
    }
}
