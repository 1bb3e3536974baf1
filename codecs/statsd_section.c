/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_section — what stands between the pipes of a metric: the type, then sections in any order.
 *
 *   page.views:3|c|@0.1|#env:prod|c:ci-83a1|T1656581400
 *                ^ ^    ^         ^         ^
 *
 * DogStatsD 1.0 to 1.6. Sections nobody knows, and empty ones, are skipped, because every version
 * of the protocol has added one.
 */
#include "codecs/statsd_parts.h"
#include "core/base/number.h"

#define NS_PER_SECOND UINT64_C(1000000000)

uint8_t statsd_kind_of(struct slice type)
{
    if (type.len == 2) {
        return type.ptr[0] == 'm' && type.ptr[1] == 's' ? KIND_TIMING : 0;
    }
    if (type.len != 1) {
        return 0;
    }
    switch (type.ptr[0]) {
    case 'c':
        return KIND_COUNTER;
    case 'g':
        return KIND_GAUGE;
    case 'h':
        return KIND_HISTOGRAM;
    case 'd':
        return KIND_DISTRIBUTION;
    case 's':
        return KIND_SET;
    default:
        return 0;
    }
}

bool statsd_time_parse(struct slice seconds, uint64_t *time_unix_ns)
{
    uint64_t value = 0;
    if (number_parse_u64(seconds, &value) != 0 || value == 0 ||
        value > (uint64_t)INT64_MAX / NS_PER_SECOND) {
        return false;
    }
    *time_unix_ns = value * NS_PER_SECOND;
    return true;
}

struct slice statsd_take_until(struct slice *rest, uint8_t byte)
{
    size_t found = slice_find(*rest, byte);
    struct slice taken = slice_first(*rest, found);
    *rest = slice_from(*rest, found == rest->len ? found : found + 1);
    return taken;
}

struct slice statsd_origin_of(struct slice text)
{
    struct slice origin = {0};
    while (text.len > 0) {
        struct slice id = statsd_take_until(&text, ',');
        if (slice_has_prefix(id, SLICE_LITERAL("ci-"))) {
            origin = slice_from(id, 3);
        } else if (id.len > 0 && !slice_has_prefix(id, SLICE_LITERAL("in-"))) {
            origin = id;
        }
    }
    return origin;
}

/* The Collector uses a rate only between 0 and 1; what is outside counts as 1. */
static bool rate_parse(struct slice text, uint8_t kind, struct statsd_sections *out)
{
    double rate = 1;
    if (number_parse_f64(text, &rate) != 0) {
        return false;
    }
    if (kind == KIND_GAUGE || kind == KIND_SET) {
        return true;
    }
    out->is_rate_out_of_range = !(rate > 0 && rate <= 1);
    out->is_weight_capped = false;
    out->weight = 1;
    if (!out->is_rate_out_of_range) {
        out->is_weight_capped = rate * STATSD_WEIGHT_MAX < 1;
        out->weight = out->is_weight_capped ? STATSD_WEIGHT_MAX : 1 / rate;
        /* One rounding of the division may step over the limit it has just been held against. */
        out->weight = out->weight > STATSD_WEIGHT_MAX ? STATSD_WEIGHT_MAX : out->weight;
    }
    ASSERT(out->weight >= 1);
    return true;
}

bool statsd_sections_parse(struct slice text, uint8_t kind, struct statsd_sections *out,
                           enum statsd_why *why)
{
    ASSERT(kind > 0 && kind < KIND_LIMIT);
    while (text.len > 0) {
        struct slice section = statsd_take_until(&text, '|');
        if (section.len == 0) {
            continue;
        }
        struct slice rest = slice_from(section, 1);
        switch (section.ptr[0]) {
        case '@':
            if (!rate_parse(rest, kind, out)) {
                *why = STATSD_WHY_BAD_RATE;
                return false;
            }
            break;
        case '#':
            out->tags = rest;
            break;
        case 'T':
            if ((kind != KIND_COUNTER && kind != KIND_GAUGE) ||
                !statsd_time_parse(rest, &out->time_unix_ns)) {
                *why = STATSD_WHY_BAD_TIMESTAMP;
                return false;
            }
            break;
        case 'c': /* `card:` begins with the same letter */
            if (rest.len > 0 && rest.ptr[0] == ':') {
                out->origin = statsd_origin_of(slice_from(rest, 1));
            }
            break;
        default:
            break;
        }
    }
    return true;
}

bool statsd_has_control_byte(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7F) {
            return true;
        }
    }
    return false;
}

bool statsd_texts_are_valid(const struct statsd_metric *metric, enum statsd_why *why)
{
    const struct statsd_sections *sections = &metric->sections;
    if (metric->name.len > STATSD_NAME_MAX_BYTES) {
        *why = STATSD_WHY_NAME_TOO_LONG;
    } else if (sections->tags.len > STATSD_TAGS_MAX_BYTES) {
        *why = STATSD_WHY_TAGS_TOO_LONG;
    } else if (sections->origin.len > STATSD_ORIGIN_MAX_BYTES) {
        *why = STATSD_WHY_ORIGIN_TOO_LONG;
    } else if (statsd_has_control_byte(metric->name)) {
        *why = STATSD_WHY_BAD_NAME;
    } else if (statsd_has_control_byte(sections->tags) ||
               statsd_has_control_byte(sections->origin)) {
        *why = STATSD_WHY_BAD_TAGS;
    } else if (!slice_is_utf8(metric->name) || !slice_is_utf8(sections->tags) ||
               !slice_is_utf8(sections->origin)) {
        *why = STATSD_WHY_INVALID_UTF8;
    } else {
        return true;
    }
    return false;
}

bool statsd_member_is_valid(struct slice member, enum statsd_why *why)
{
    if (member.len > STATSD_MEMBER_MAX_BYTES) {
        *why = STATSD_WHY_MEMBER_TOO_LONG;
        return false;
    }
    if (!slice_is_utf8(member)) {
        *why = STATSD_WHY_INVALID_UTF8;
        return false;
    }
    return true;
}
