/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series_key — the name of a series: kind, metric name, tags, origin, and for points with a time of
 * their own that time.
 *
 * A key is immutable from birth on, so that the merge's thread may read it until it has
 * acknowledged the end of the series. Behind the header stand: time (8 bytes, optional), name,
 * tags, origin.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bounds.h"
#include "core/base/slice.h"
#include "core/model/point.h"

struct series_key {
    uint16_t name_len;
    uint16_t tags_len;
    uint8_t origin_len;
    uint8_t kind;         /* enum kind */
    uint8_t flags;        /* SERIES_KEY_… */
    uint8_t bounds_index; /* 1 + index into aggregate_config.bounds, 0 for none */
};
_Static_assert(sizeof(struct series_key) == 8, "keys are counted in the memory budget");

enum {
    SERIES_KEY_TAGS_EQUALS = 1, /* tags are in TAG_STYLE_EQUALS */
    SERIES_KEY_HAS_TIME = 2,
    SERIES_KEY_OVERFLOW = 4, /* stands for the series that did not fit */
};

/* Longest origin kept; container ids have 64 characters. */
#define SERIES_ORIGIN_MAX_BYTES 255
_Static_assert(STATSD_ORIGIN_MAX_BYTES <= SERIES_ORIGIN_MAX_BYTES, "a key holds every origin read");

/* The parts of a key before it is stored; slices borrow from the caller. */
struct series_parts {
    struct slice name;
    struct slice tags;
    struct slice origin;
    uint64_t time_unix_ns; /* 0: none */
    uint8_t kind;
    uint8_t flags; /* SERIES_KEY_… but HAS_TIME, which follows from the time */
};

struct slice series_key_name(const struct series_key *key);
struct slice series_key_tags(const struct series_key *key);
struct slice series_key_origin(const struct series_key *key);
uint64_t series_key_time_unix_ns(const struct series_key *key); /* 0 where points have none */
enum tag_style series_key_tag_style(const struct series_key *key);
size_t series_key_bytes(const struct series_key *key); /* header included */

/* Bytes that `parts` need as a stored key. */
size_t series_parts_bytes(const struct series_parts *parts);

/* Writes the stored form into `key`, which has series_parts_bytes() of room. */
void series_key_write(struct series_key *key, const struct series_parts *parts,
                      uint32_t bounds_index);

/* Same spelling? The bounds index is not part of the identity. */
bool series_key_is(const struct series_key *key, const struct series_parts *parts);

/* Hash of the spelling. */
uint64_t series_parts_hash(const struct series_parts *parts, uint64_t seed);

/* The parts of a stored key; they borrow from it. */
struct series_parts series_key_parts(const struct series_key *key);

/*
 * A hash that is equal for keys that name the same series, in whatever order their tags stand. The
 * same seed gives the same hash on every shard.
 */
uint64_t series_key_hash(const struct series_key *key, uint64_t seed);

/* Do both name the same series? Tag order and repeated tags do not matter. */
bool series_key_equal(const struct series_key *a, const struct series_key *b);
