/* SPDX-License-Identifier: Apache-2.0 */
/*
 * point — one observation on its way from a line to a series.
 *
 * Lives on the caller's stack; its slices borrow from the datagram until shard_ingest returns. A
 * line with packed values becomes several points that share name, tags and ratio.
 */
#pragma once

#include <stdint.h>

#include "core/base/slice.h"

/* What the client said it is. Part of a series' identity; 0 is never a kind. */
enum kind {
    KIND_COUNTER = 1,
    KIND_GAUGE,
    KIND_TIMING,
    KIND_HISTOGRAM,
    KIND_DISTRIBUTION,
    KIND_SET,
};
#define KIND_LIMIT 7 /* one past the last kind */

/* How the bytes of `tags` are written; they are split only when a series is born or emitted. */
enum tag_style {
    TAG_STYLE_DOGSTATSD, /* key:value,bare,key2:value2 */
    TAG_STYLE_EQUALS,    /* key=value,key2=value2 (Influx, Librato, SignalFx) */
};

struct point {
    struct slice name;   /* never empty */
    struct slice tags;   /* as sent, without the leading '#'; may be empty */
    struct slice origin; /* container id of `c:`, without its `ci-` prefix; may be empty */
    union {
        double value;        /* as sent; milliseconds for KIND_TIMING */
        struct slice member; /* KIND_SET only */
    };
    double weight;         /* 1 / sample rate, in [1, STATSD_WEIGHT_MAX] */
    uint64_t time_unix_ns; /* of `T`; 0 where the client gave none */
    uint8_t kind;          /* enum kind */
    uint8_t tag_style;     /* enum tag_style */
    uint8_t is_delta;      /* gauges: value is added instead of set */
};
