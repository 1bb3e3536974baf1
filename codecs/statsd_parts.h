/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_parts — the pieces statsd_line is made of, private to the statsd_* files of this folder.
 *
 * A function that can find fault returns bool and says why only on false; nothing is booked until
 * the whole line was looked at, so that a refused line leaves no trace but its reason.
 */
#pragma once

#include "codecs/statsd_line.h"

/* What holds for all lines of one statsd_decode. */
struct statsd_walk {
    const struct statsd_options *options; /* borrowed */
    struct statsd_sink *sink;             /* borrowed */
    bool is_sign_delta;                   /* a signed gauge is added */
    bool has_name_tags;                   /* one of the three styles is on */
    bool is_etsy;
};

/* What stands behind the type; the last of each wins. All zeros but `weight` = 1 to begin with. */
struct statsd_sections {
    struct slice tags;
    struct slice origin;
    double weight;
    uint64_t time_unix_ns;
    bool is_rate_out_of_range;
    bool is_weight_capped;
};

/* A metric taken apart; see the picture in statsd_line.c. */
struct statsd_metric {
    struct slice name;
    struct slice values;
    struct statsd_sections sections;
    uint8_t kind;
    uint8_t tag_style;
};

/* enum kind of exactly `c`, `g`, `ms`, `h`, `d` or `s`; 0 for anything else. */
uint8_t statsd_kind_of(struct slice type);

/* Seconds in digits, positive and at most INT64_MAX nanoseconds. */
bool statsd_time_parse(struct slice seconds, uint64_t *time_unix_ns);

/* The container id of what follows `c:`; empty where there is none. */
struct slice statsd_origin_of(struct slice text);

/* Takes the bytes before the first `byte` off the front of *rest, and the byte with them. */
struct slice statsd_take_until(struct slice *rest, uint8_t byte);

/*
 * Reads `text`, the bytes behind the pipe after the type, over what *out already holds.
 *   kind   enum kind; decides whether a rate counts and whether T is allowed
 */
bool statsd_sections_parse(struct slice text, uint8_t kind, struct statsd_sections *out,
                           enum statsd_why *why);

/* Lengths, control bytes and UTF-8 of name, tags and container id. */
bool statsd_texts_are_valid(const struct statsd_metric *metric, enum statsd_why *why);
/* The same for a set member. */
bool statsd_member_is_valid(struct slice member, enum statsd_why *why);
/* A byte below 0x20, or 0x7F. */
bool statsd_has_control_byte(struct slice text);

/* One number into point->value and point->is_delta; point->kind is set. */
bool statsd_value_parse(const struct statsd_walk *walk, struct slice text, struct point *point,
                        enum statsd_why *why);

/* Checks all values, then appends one point for each (a set: one), and books the metric. */
bool statsd_metric_push(const struct statsd_walk *walk, const struct statsd_metric *metric,
                        enum statsd_why *why);

/* Books one refused line or bit. */
void statsd_refuse(struct statsd_sink *sink, enum statsd_why why, struct slice line);

/* Is a refused line one of etsy's multi-bit lines, name:1|c:2|c|@0.1:3|g, without tags? */
bool statsd_bits_are_likely(struct slice line);
/* Decodes such a line, or any line in the etsy dialect; books each bit. */
void statsd_bits_decode(const struct statsd_walk *walk, struct slice line);

/*
 * Splits the tags off metric->name where one of the enabled styles is found and metric has no tags
 * yet. A name in two halves is joined in sink->joined, behind what is in use there.
 */
bool statsd_name_tags_split(const struct statsd_walk *walk, struct statsd_metric *metric,
                            enum statsd_why *why);

/* `line` begins with `_e{` or `_sc|`. Books it. */
void statsd_event_push(struct statsd_sink *sink, struct slice line);
void statsd_check_push(struct statsd_sink *sink, struct slice line);
