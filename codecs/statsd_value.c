/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_value — values become points in the sink: one per line, or as many as are packed.
 *
 *   latency:12:15:9.5|ms
 *           ^  ^  ^
 *
 * A line is all or nothing, however many arrays its values fill: all are checked before the first
 * one is handed out.
 */
#include "codecs/statsd_parts.h"
#include "core/base/fault.h"
#include "core/base/number.h"

void statsd_flush(struct statsd_sink *sink)
{
    ASSERT(sink->point_count <= sink->point_cap);
    if (sink->point_count > 0) {
        sink->on_points(sink);
        sink->point_count = 0;
    }
    sink->joined_used_bytes = 0;
}

bool statsd_value_parse(const struct statsd_walk *walk, struct slice text, struct point *point,
                        enum statsd_why *why)
{
    int err = number_parse_f64(text, &point->value);
    if (err != 0) {
        *why = err == FAULT_OVERFLOW ? STATSD_WHY_NUMBER_RANGE : STATSD_WHY_BAD_NUMBER;
        return false;
    }
    point->is_delta = walk->is_sign_delta && point->kind == KIND_GAUGE &&
                      (text.ptr[0] == '+' || text.ptr[0] == '-');
    return true;
}

/* Checks every packed value; points as far as the array has room. Returns how many, 0 on fault. */
static size_t values_parse(const struct statsd_walk *walk, struct slice values,
                           const struct point *like, enum statsd_why *why)
{
    struct point *out = walk->sink->points + walk->sink->point_count;
    size_t room = walk->sink->point_cap - walk->sink->point_count;
    struct point spare = *like;
    size_t count = 0;
    *why = STATSD_WHY_EMPTY_VALUE;
    while (values.len > 0) {
        struct slice text = statsd_take_until(&values, ':');
        if (text.len == 0) {
            continue;
        }
        if (!statsd_value_parse(walk, text, &spare, why)) {
            return 0;
        }
        if (count < room) {
            out[count] = spare;
        }
        count++;
    }
    return count;
}

/* Appends every value; they were found good before, and more of them than fit the array. */
static void values_push_many(const struct statsd_walk *walk, struct slice values,
                             const struct point *like)
{
    struct statsd_sink *sink = walk->sink;
    while (values.len > 0) {
        struct slice text = statsd_take_until(&values, ':');
        if (text.len == 0) {
            continue;
        }
        if (sink->point_count == sink->point_cap) {
            statsd_flush(sink);
        }
        struct point *point = &sink->points[sink->point_count];
        *point = *like;
        enum statsd_why why = STATSD_WHY_BAD_NUMBER;
        bool is_good = statsd_value_parse(walk, text, point, &why);
        ASSERT(is_good);
        sink->point_count++;
    }
}

/* Appends the points of one metric. Returns how many, 0 on fault. */
static size_t values_push(const struct statsd_walk *walk, struct slice values,
                          const struct point *like, enum statsd_why *why)
{
    struct statsd_sink *sink = walk->sink;
    size_t count = values_parse(walk, values, like, why);
    if (count <= sink->point_cap - sink->point_count) {
        sink->point_count += (uint32_t)count;
    } else {
        values_push_many(walk, values, like);
    }
    return count;
}

static size_t member_push(struct statsd_sink *sink, struct slice member, const struct point *like,
                          enum statsd_why *why)
{
    if (!statsd_member_is_valid(member, why)) {
        return 0;
    }
    if (sink->point_count == sink->point_cap) {
        statsd_flush(sink);
    }
    struct point *point = &sink->points[sink->point_count];
    *point = *like;
    point->member = member;
    sink->point_count++;
    return 1;
}

/* A flush forgets the joined names, but points behind it may still need this one. */
static void joined_keep(struct statsd_sink *sink, struct slice name)
{
    uintptr_t first = (uintptr_t)sink->joined;
    uintptr_t at = (uintptr_t)name.ptr;
    if (at < first || at - first >= sizeof(sink->joined)) {
        return;
    }
    uint32_t end = (uint32_t)(at - first + name.len);
    ASSERT(end <= sizeof(sink->joined));
    if (sink->joined_used_bytes < end) {
        sink->joined_used_bytes = end;
    }
}

bool statsd_metric_push(const struct statsd_walk *walk, const struct statsd_metric *metric,
                        enum statsd_why *why)
{
    ASSERT(metric->name.len > 0);
    ASSERT(metric->kind > 0 && metric->kind < KIND_LIMIT);
    struct statsd_sink *sink = walk->sink;
    const struct point like = {
        .name = metric->name,
        .tags = metric->sections.tags,
        .origin = metric->sections.origin,
        .weight = metric->sections.weight,
        .time_unix_ns = metric->sections.time_unix_ns,
        .kind = metric->kind,
        .tag_style = metric->tag_style,
    };
    size_t count = metric->kind == KIND_SET ? member_push(sink, metric->values, &like, why)
                                            : values_push(walk, metric->values, &like, why);
    if (count == 0) {
        return false;
    }
    joined_keep(sink, metric->name);
    sink->counts.line_count++;
    sink->counts.metric_count++;
    sink->counts.point_count += count;
    sink->counts.rate_out_of_range_count += metric->sections.is_rate_out_of_range;
    sink->counts.weight_capped_count += metric->sections.is_weight_capped;
    return true;
}
