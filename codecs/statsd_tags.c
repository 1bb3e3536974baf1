/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_tags — tags that stand in the name, and the check of a series' tags.
 *
 *   cpu.load,host=a,region=eu:3|g     Influx
 *   cpu.load#host=a,region=eu:3|g     Librato
 *   cpu[host=a,region=eu].load:3|g    SignalFx: brackets anywhere, the rest is joined
 *
 * Only one style is looked for per line. Where the line has `|#` tags too, those win and the name
 * stays as it was sent: nothing is thrown away.
 */
#include "codecs/statsd_parts.h"

/* Joins head and tail in the sink's buffer; the result lives until the points are taken. */
static bool name_join(struct statsd_sink *sink, struct slice head, struct slice tail,
                      struct slice *name)
{
    if (head.len > STATSD_NAME_MAX_BYTES || tail.len > STATSD_NAME_MAX_BYTES - head.len) {
        return false;
    }
    size_t len = head.len + tail.len;
    if (len > sizeof(sink->joined) - sink->joined_used_bytes) {
        statsd_flush(sink);
    }
    uint8_t *at = sink->joined + sink->joined_used_bytes;
    memcpy(at, head.ptr, head.len);
    memcpy(at + head.len, tail.ptr, tail.len);
    sink->joined_used_bytes += (uint32_t)len;
    *name = slice_of(at, len);
    return true;
}

/* Returns false only where the joined name is too long. */
static bool split_brackets(struct statsd_sink *sink, struct statsd_metric *metric)
{
    struct slice name = metric->name;
    size_t open = slice_find(name, '[');
    size_t close = open + slice_find(slice_from(name, open), ']');
    if (close == name.len) {
        return true; /* no bracket, or only one: an ordinary name */
    }
    struct slice head = slice_first(name, open);
    struct slice tail = slice_from(name, close + 1);
    metric->sections.tags = slice_of(name.ptr + open + 1, close - open - 1);
    metric->tag_style = TAG_STYLE_EQUALS;
    if (head.len == 0 || tail.len == 0) {
        metric->name = head.len == 0 ? tail : head;
        return true;
    }
    return name_join(sink, head, tail, &metric->name);
}

bool statsd_name_tags_split(const struct statsd_walk *walk, struct statsd_metric *metric,
                            enum statsd_why *why)
{
    const struct statsd_options *options = walk->options;
    if (metric->sections.tags.len > 0) {
        return true;
    }
    if (options->signalfx_tags && !split_brackets(walk->sink, metric)) {
        *why = STATSD_WHY_NAME_TOO_LONG;
        return false;
    }
    if (metric->tag_style != TAG_STYLE_EQUALS) {
        struct slice name = metric->name;
        size_t comma = options->influx_tags ? slice_find(name, ',') : name.len;
        size_t hash = options->librato_tags ? slice_find(name, '#') : name.len;
        size_t at = comma < hash ? comma : hash;
        if (at < name.len) {
            metric->name = slice_first(name, at);
            metric->sections.tags = slice_from(name, at + 1);
            metric->tag_style = TAG_STYLE_EQUALS;
        }
    }
    if (metric->name.len == 0) {
        *why = STATSD_WHY_EMPTY_NAME;
        return false;
    }
    return true;
}

bool statsd_tags_are_valid(const struct statsd_options *options, struct slice tags,
                           enum tag_style tag_style, enum statsd_why *why)
{
    const uint8_t separator = tag_style == TAG_STYLE_EQUALS ? '=' : ':';
    size_t count = 0;
    while (tags.len > 0) {
        struct slice tag = statsd_take_until(&tags, ',');
        if (tag.len == 0) {
            continue;
        }
        count++;
        size_t at = slice_find(tag, separator);
        if (count > STATSD_TAGS_MAX_COUNT) {
            *why = STATSD_WHY_TOO_MANY_TAGS;
            return false;
        }
        if (at == 0) {
            *why = STATSD_WHY_EMPTY_KEY;
            return false;
        }
        if (at + 1 >= tag.len && !options->simple_tags) {
            *why = STATSD_WHY_BARE_TAG;
            return false;
        }
    }
    return true;
}
