/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_line — StatsD text becomes points: datagram → line → point.
 *
 * Reads the union of the etsy format and DogStatsD 1.0 to 1.6; codecs/README.md has one table of
 * the choices made where implementations split. Owns nothing: everything it hands out borrows from
 * the bytes it was given (or from the sink, see below), and it never writes into them. Nothing
 * allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/bounds.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/point.h"

struct statsd_scan;

enum statsd_dialect {
    STATSD_DIALECT_AUTO,      /* packing, multi-bit lines without tags, signed gauges are deltas */
    STATSD_DIALECT_ETSY,      /* every ':' starts a bit of its own, signed gauges are deltas */
    STATSD_DIALECT_DOGSTATSD, /* packing, signed gauges are absolute */
};

/* Frozen while in use; all zeros is the default. */
struct statsd_options {
    uint8_t dialect;                /* enum statsd_dialect */
    bool simple_tags;               /* tags without a value are kept; else bare_tag */
    bool influx_tags;               /* name,k=v */
    bool librato_tags;              /* name#k=v */
    bool signalfx_tags;             /* na[k=v]me; looked for first, then the other two */
    const struct statsd_scan *scan; /* borrowed; NULL takes the fastest this machine has */
};

/* Why a line was refused: member, the label of its counter, what it means. */
#define STATSD_WHY_LIST(X)                                                                         \
    X(MISSING_TYPE, missing_type, "no '|' after the value")                                        \
    X(MISSING_VALUE, missing_value, "no ':' before the first '|'")                                 \
    X(EMPTY_NAME, empty_name, "nothing before the ':'")                                            \
    X(EMPTY_VALUE, empty_value, "nothing between ':' and '|'")                                     \
    X(UNKNOWN_TYPE, unknown_type, "none of c g ms h d s")                                          \
    X(BAD_NUMBER, bad_number, "the value is not a decimal number")                                 \
    X(NUMBER_RANGE, number_range, "the value is too large for a double")                           \
    X(BAD_RATE, bad_rate, "the sample rate is not a decimal number")                               \
    X(BAD_TIMESTAMP, bad_timestamp, "T on other types than c and g, or not positive seconds")      \
    X(BAD_NAME, bad_name, "a control byte in the name")                                            \
    X(BAD_TAGS, bad_tags, "a control byte in the tags or the container id")                        \
    X(INVALID_UTF8, invalid_utf8, "a text that is not UTF-8")                                      \
    X(NAME_TOO_LONG, name_too_long, "more than STATSD_NAME_MAX_BYTES")                             \
    X(TAGS_TOO_LONG, tags_too_long, "more than STATSD_TAGS_MAX_BYTES")                             \
    X(MEMBER_TOO_LONG, member_too_long, "more than STATSD_MEMBER_MAX_BYTES")                       \
    X(ORIGIN_TOO_LONG, origin_too_long, "more than STATSD_ORIGIN_MAX_BYTES")                       \
    X(LINE_TOO_LONG, line_too_long, "more than STATSD_LINE_MAX_BYTES")                             \
    X(TOO_MANY_TAGS, too_many_tags, "more than STATSD_TAGS_MAX_COUNT")                             \
    X(BARE_TAG, bare_tag, "a tag without a value while simple_tags is off")                        \
    X(EMPTY_KEY, empty_key, "a tag with a value and no key")                                       \
    X(BAD_EVENT, bad_event, "an event whose lengths or separators are wrong")                      \
    X(BAD_CHECK, bad_check, "a service check without name or status")

#define STATSD_WHY_MEMBER(member, label, text) STATSD_WHY_##member,
enum statsd_why { STATSD_WHY_LIST(STATSD_WHY_MEMBER) };
#undef STATSD_WHY_MEMBER
#define STATSD_WHY_LIMIT 22 /* one past the last reason */

/* The label of a reason, as in the list; static. */
const char *statsd_why_label(enum statsd_why why);

/*
 * The book of lines: line_count = metric_count + event_count + check_count + Σ invalid_count. Empty
 * lines are not lines. Each bit of a multi-bit line counts as a line of its own.
 */
struct statsd_counts {
    uint64_t line_count;
    uint64_t metric_count; /* lines that became points */
    uint64_t point_count;  /* ≥ metric_count, because values can be packed */
    uint64_t event_count;
    uint64_t check_count;
    uint64_t invalid_count[STATSD_WHY_LIMIT];
    /* Accepted all the same: */
    uint64_t rate_out_of_range_count; /* not in (0, 1], counted as 1 */
    uint64_t weight_capped_count;     /* 1/rate above STATSD_WEIGHT_MAX */
};

enum statsd_priority { STATSD_PRIORITY_NORMAL, STATSD_PRIORITY_LOW };
enum statsd_alert {
    STATSD_ALERT_INFO,
    STATSD_ALERT_WARNING,
    STATSD_ALERT_ERROR,
    STATSD_ALERT_SUCCESS,
};

/* `_e{…}:`; every slice as sent (a newline is still the two bytes \n), borrowed like a point's. */
struct statsd_event {
    struct slice title; /* never empty */
    struct slice text;
    struct slice host;
    struct slice aggregation_key;
    struct slice source_type;
    struct slice tags;
    struct slice origin;
    uint64_t time_unix_ns; /* of `d:`; 0 where there is none or it is no number */
    uint8_t priority;      /* enum statsd_priority */
    uint8_t alert;         /* enum statsd_alert */
};

enum statsd_status { STATSD_OK, STATSD_WARNING, STATSD_CRITICAL, STATSD_UNKNOWN };

/* `_sc|`; slices as above. */
struct statsd_check {
    struct slice name; /* never empty */
    struct slice host;
    struct slice tags;
    struct slice message;
    struct slice origin;
    uint64_t time_unix_ns;
    uint8_t status; /* enum statsd_status */
};

struct statsd_sink;

/* Called with a full array; must take all of sink->points, which borrow until it returns. */
typedef void(statsd_points_fn)(struct statsd_sink *sink);
typedef void(statsd_event_fn)(struct statsd_sink *sink, const struct statsd_event *event);
typedef void(statsd_check_fn)(struct statsd_sink *sink, const struct statsd_check *check);
/* One call per refused line (or bit): `line` without its LF. For samples in a log. */
typedef void(statsd_bad_fn)(struct statsd_sink *sink, enum statsd_why why, struct slice line);

/* Names that SignalFx brackets cut in two are joined here until the points are taken. */
#define STATSD_JOINED_MAX_BYTES (2 * STATSD_NAME_MAX_BYTES)

/*
 * Where the points go. The caller embeds it and sets points, point_cap and on_points; the callbacks
 * find their owner with CONTAINER_OF. Several datagrams may be decoded into one array as long as
 * their bytes stay readable. Callbacks run inside statsd_decode or statsd_flush, never later.
 */
struct statsd_sink {
    struct point *points; /* borrowed; point_cap of them */
    uint32_t point_cap;   /* ≥ 1; POINT_BURST_MAX is a good size */
    uint32_t point_count; /* filled and not yet taken */
    uint32_t joined_used_bytes;
    struct statsd_counts counts;
    statsd_points_fn *on_points;
    statsd_event_fn *on_event; /* NULL: events are counted only */
    statsd_check_fn *on_check; /* NULL: checks are counted only */
    statsd_bad_fn *on_bad;     /* NULL: refused lines are counted only */
    uint8_t joined[STATSD_JOINED_MAX_BYTES];
};

/*
 * statsd_decode — every line of one datagram, or of a run of whole lines from a stream.
 *
 *   bytes   borrowed until the points are taken; lines end with LF, the last one may do without;
 *           one CR before the LF is not part of the line; at most UINT32_MAX bytes
 *   sink    points are appended, on_points runs whenever the array is full; what is left in the
 *           array at the end stays there for the next call or for statsd_flush
 *
 * A bad line is counted and costs nothing else. A line is all or nothing: if one of its packed
 * values is bad, none is handed out. Values as sent (milliseconds for `ms`), weight = 1/rate.
 * Tag texts are checked for length, control bytes and UTF-8 only; see statsd_tags_are_valid.
 */
void statsd_decode(const struct statsd_options *options, struct slice bytes,
                   struct statsd_sink *sink);

/* Hands out what is left in the array, if anything. To be called before the bytes go away. */
void statsd_flush(struct statsd_sink *sink);

/*
 * statsd_tags_are_valid — the part of the check that depends on the tags alone. The caller asks
 * once per series, when it is born, because the same text passes every time; a refused line is then
 * booked by the caller, under `why`, as invalid instead of accepted.
 *
 *   tags, tag_style   as in struct point; empty tags between commas are fine and skipped
 *   why               filled only on false: TOO_MANY_TAGS, EMPTY_KEY, BARE_TAG
 */
bool statsd_tags_are_valid(const struct statsd_options *options, struct slice tags,
                           enum tag_style tag_style, enum statsd_why *why);
