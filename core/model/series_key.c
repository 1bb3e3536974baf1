/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series_key — the name of a series as stored bytes, and identity beyond their spelling.
 *
 * Two keys name the same series when all but their tags are equal and their tags are equal as sets.
 * The canonical form (sorted, repeats removed) is computed on the stack where it is needed: when a
 * series is announced to the merge, and nowhere on the way of a known one.
 */
#include "core/model/series_key.h"

#include <string.h>

#include "core/base/bounds.h"
#include "core/model/attrs.h"
#include "core/model/series_spelling.h"

_Static_assert(STATSD_NAME_MAX_BYTES <= UINT16_MAX && STATSD_TAGS_MAX_BYTES <= UINT16_MAX,
               "lengths of a key are 16 bits");

static const uint8_t *key_bytes(const struct series_key *key)
{
    const uint8_t *bytes = (const uint8_t *)(key + 1);
    return (key->flags & SERIES_KEY_HAS_TIME) != 0 ? bytes + sizeof(uint64_t) : bytes;
}

struct slice series_key_name(const struct series_key *key)
{
    return slice_of(key_bytes(key), key->name_len);
}

struct slice series_key_tags(const struct series_key *key)
{
    return slice_of(key_bytes(key) + key->name_len, key->tags_len);
}

struct slice series_key_origin(const struct series_key *key)
{
    return slice_of(key_bytes(key) + key->name_len + key->tags_len, key->origin_len);
}

uint64_t series_key_time_unix_ns(const struct series_key *key)
{
    uint64_t time_unix_ns = 0;
    if ((key->flags & SERIES_KEY_HAS_TIME) != 0) {
        memcpy(&time_unix_ns, key + 1, sizeof(time_unix_ns));
    }
    return time_unix_ns;
}

enum tag_style series_key_tag_style(const struct series_key *key)
{
    return (key->flags & SERIES_KEY_TAGS_EQUALS) != 0 ? TAG_STYLE_EQUALS : TAG_STYLE_DOGSTATSD;
}

size_t series_key_bytes(const struct series_key *key)
{
    size_t time_bytes = (key->flags & SERIES_KEY_HAS_TIME) != 0 ? sizeof(uint64_t) : 0;
    return sizeof(*key) + time_bytes + key->name_len + key->tags_len + key->origin_len;
}

size_t series_parts_bytes(const struct series_parts *parts)
{
    size_t time_bytes = parts->time_unix_ns != 0 ? sizeof(uint64_t) : 0;
    return sizeof(struct series_key) + time_bytes + parts->name.len + parts->tags.len +
           parts->origin.len;
}

/* The header that a key of these parts has, but for its bounds index. */
static struct series_key header_of(const struct series_parts *parts)
{
    uint8_t time_flag = parts->time_unix_ns != 0 ? SERIES_KEY_HAS_TIME : 0;
    return (struct series_key){
        .name_len = (uint16_t)parts->name.len,
        .tags_len = (uint16_t)parts->tags.len,
        .origin_len = (uint8_t)parts->origin.len,
        .kind = parts->kind,
        .flags = parts->flags | time_flag,
    };
}

static uint8_t *append(uint8_t *at, struct slice bytes)
{
    if (bytes.len > 0) {
        memcpy(at, bytes.ptr, bytes.len);
    }
    return at + bytes.len;
}

void series_key_write(struct series_key *key, const struct series_parts *parts,
                      uint32_t bounds_index)
{
    ASSERT(parts->name.len <= UINT16_MAX && parts->tags.len <= UINT16_MAX);
    ASSERT(parts->origin.len <= SERIES_ORIGIN_MAX_BYTES && bounds_index <= UINT8_MAX);
    *key = header_of(parts);
    key->bounds_index = (uint8_t)bounds_index;
    uint8_t *at = (uint8_t *)(key + 1);
    if (parts->time_unix_ns != 0) {
        memcpy(at, &parts->time_unix_ns, sizeof(parts->time_unix_ns));
        at += sizeof(parts->time_unix_ns);
    }
    at = append(at, parts->name);
    at = append(at, parts->tags);
    (void)append(at, parts->origin);
}

bool series_key_is(const struct series_key *key, const struct series_parts *parts)
{
    return series_spelling_is(key, parts, series_parts_word(parts));
}

uint64_t series_parts_hash(const struct series_parts *parts, uint64_t seed)
{
    return series_spelling_hash(parts, series_parts_word(parts), short_text_secret_of(seed));
}

struct series_parts series_key_parts(const struct series_key *key)
{
    return (struct series_parts){
        .name = series_key_name(key),
        .tags = series_key_tags(key),
        .origin = series_key_origin(key),
        .time_unix_ns = series_key_time_unix_ns(key),
        .kind = key->kind,
        .flags = key->flags & (uint8_t)~SERIES_KEY_HAS_TIME,
    };
}

/* The canonical tags in `buf` (STATSD_TAGS_MAX_BYTES), or the tags as they are where that fails. */
static struct slice canonical_tags(struct slice tags, enum tag_style style, uint8_t *buf)
{
    size_t len = 0;
    int err = attrs_canonical(tags, style, buf, STATSD_TAGS_MAX_BYTES, &len);
    return err == 0 ? slice_of(buf, len) : tags;
}

uint64_t series_key_hash(const struct series_key *key, uint64_t seed)
{
    uint8_t buf[STATSD_TAGS_MAX_BYTES];
    struct series_parts parts = series_key_parts(key);
    parts.tags = canonical_tags(parts.tags, series_key_tag_style(key), buf);
    return series_parts_hash(&parts, seed);
}

bool series_key_equal(const struct series_key *a, const struct series_key *b)
{
    if (a->kind != b->kind || a->flags != b->flags ||
        series_key_time_unix_ns(a) != series_key_time_unix_ns(b) ||
        !slice_equal(series_key_name(a), series_key_name(b)) ||
        !slice_equal(series_key_origin(a), series_key_origin(b))) {
        return false;
    }
    if (slice_equal(series_key_tags(a), series_key_tags(b))) {
        return true;
    }
    uint8_t buf_a[STATSD_TAGS_MAX_BYTES];
    uint8_t buf_b[STATSD_TAGS_MAX_BYTES];
    return slice_equal(canonical_tags(series_key_tags(a), series_key_tag_style(a), buf_a),
                       canonical_tags(series_key_tags(b), series_key_tag_style(b), buf_b));
}
