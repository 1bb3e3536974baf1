/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_bits — etsy's multi-bit lines, where every colon begins an independent value:
 *
 *   name:1|c:2|c|@0.1:3|g|#tag:value
 *        ^~~ ^~~~~~~~ ^~~
 *
 * A bad bit is refused alone. What stands behind `|#` holds for all bits. etsy lets the last tag
 * swallow what follows the tags; here those are sections like any others.
 */
#include "codecs/statsd_parts.h"

/* Offset of the first `|#`, or the length. */
static size_t find_tags(struct slice line)
{
    size_t at = slice_find(line, '|');
    while (at + 1 < line.len && line.ptr[at + 1] != '#') {
        at += 1 + slice_find(slice_from(line, at + 1), '|');
    }
    return at + 1 < line.len ? at : line.len;
}

bool statsd_bits_are_likely(struct slice line)
{
    if (find_tags(line) < line.len) {
        return false;
    }
    struct slice rest = line;
    (void)statsd_take_until(&rest, '|'); /* the name and the first value */
    struct slice part = statsd_take_until(&rest, '|');
    bool has_colon = slice_find(part, ':') < part.len;
    while (!has_colon && rest.len > 0) {
        part = statsd_take_until(&rest, '|');
        /* Of the sections, `c:`, `e:` and `card:` have a colon of their own; a rate has none. */
        has_colon = part.len > 0 && part.ptr[0] == '@' && slice_find(part, ':') < part.len;
    }
    return has_colon;
}

/* One bit, value|type|sections; `metric` comes with the name and the shared sections. */
static bool bit_push(const struct statsd_walk *walk, struct slice bit, struct statsd_metric metric,
                     enum statsd_why *why)
{
    struct slice rest = bit;
    metric.values = statsd_take_until(&rest, '|');
    if (metric.values.len == bit.len) {
        *why = STATSD_WHY_MISSING_TYPE;
        return false;
    }
    if (metric.values.len == 0) {
        *why = STATSD_WHY_EMPTY_VALUE;
        return false;
    }
    metric.kind = statsd_kind_of(statsd_take_until(&rest, '|'));
    if (metric.kind == 0) {
        *why = STATSD_WHY_UNKNOWN_TYPE;
        return false;
    }
    if (metric.sections.time_unix_ns != 0 && metric.kind != KIND_COUNTER &&
        metric.kind != KIND_GAUGE) {
        *why = STATSD_WHY_BAD_TIMESTAMP;
        return false;
    }
    if (metric.kind == KIND_GAUGE || metric.kind == KIND_SET) {
        metric.sections.weight = 1; /* a shared rate says nothing about these */
        metric.sections.is_rate_out_of_range = false;
        metric.sections.is_weight_capped = false;
    }
    return statsd_sections_parse(rest, metric.kind, &metric.sections, why) &&
           statsd_texts_are_valid(&metric, why) && statsd_metric_push(walk, &metric, why);
}

/* Name and shared sections; returns false where they spoil all bits. */
static bool line_parse(const struct statsd_walk *walk, struct slice *rest, struct slice shared,
                       struct statsd_metric *metric, enum statsd_why *why)
{
    size_t colon = slice_find(*rest, ':');
    if (colon >= slice_find(*rest, '|')) {
        bool has_pipe = slice_find(*rest, '|') < rest->len || shared.len > 0;
        *why = has_pipe ? STATSD_WHY_MISSING_VALUE : STATSD_WHY_MISSING_TYPE;
        return false;
    }
    metric->name = statsd_take_until(rest, ':');
    metric->sections.weight = 1;
    if (metric->name.len == 0) {
        *why = STATSD_WHY_EMPTY_NAME;
        return false;
    }
    return statsd_sections_parse(shared, KIND_COUNTER, &metric->sections, why) &&
           (!walk->has_name_tags || statsd_name_tags_split(walk, metric, why)) &&
           statsd_texts_are_valid(metric, why);
}

void statsd_bits_decode(const struct statsd_walk *walk, struct slice line)
{
    size_t tags_at = find_tags(line);
    struct slice shared = slice_from(line, tags_at == line.len ? tags_at : tags_at + 1);
    struct slice rest = slice_first(line, tags_at);
    struct statsd_metric metric = {0};
    enum statsd_why why = STATSD_WHY_MISSING_TYPE;
    if (!line_parse(walk, &rest, shared, &metric, &why)) {
        statsd_refuse(walk->sink, why, line);
        return;
    }
    bool has_more = true;
    while (has_more) {
        size_t colon = slice_find(rest, ':');
        struct slice bit = slice_first(rest, colon);
        has_more = colon < rest.len;
        rest = slice_from(rest, has_more ? colon + 1 : colon);
        if (!bit_push(walk, bit, metric, &why)) {
            statsd_refuse(walk->sink, why, bit);
        }
    }
}
