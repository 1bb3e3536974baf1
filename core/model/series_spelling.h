/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series_spelling — what is done with the name of a series once per point: hash it, and compare it
 * with a stored key.
 *
 * Inline, so that the parts of a point are never put together in memory. Lengths, kind and flags
 * make one word, which goes into the hash first and is the first thing compared. Included by the
 * files of the series table and of series_key; everybody else calls series_key.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/model/series_key.h"
#include "core/model/short_text.h"

#define SERIES_WORD_FLAGS_SHIFT 48
#define SERIES_WORD_BOUNDS_SHIFT 56

static inline struct series_parts series_parts_of(const struct point *point)
{
    return (struct series_parts){
        .name = point->name,
        .tags = point->tags,
        .origin = point->origin,
        .time_unix_ns = point->time_unix_ns,
        .kind = point->kind,
        .flags = point->tag_style == TAG_STYLE_EQUALS ? SERIES_KEY_TAGS_EQUALS : 0,
    };
}

/* The header that a key of these parts has, but for its bounds index, as one number. */
static inline uint64_t series_parts_word(const struct series_parts *parts)
{
    uint64_t flags = parts->flags | (parts->time_unix_ns != 0 ? SERIES_KEY_HAS_TIME : 0u);
    return (uint64_t)parts->name.len | (uint64_t)parts->tags.len << 16 |
           (uint64_t)parts->origin.len << 32 | (uint64_t)parts->kind << 40 |
           flags << SERIES_WORD_FLAGS_SHIFT;
}

/* The same number of a stored key; one load where the machine is little-endian. */
static inline uint64_t series_key_word(const struct series_key *key)
{
    uint64_t word = (uint64_t)key->name_len | (uint64_t)key->tags_len << 16 |
                    (uint64_t)key->origin_len << 32 | (uint64_t)key->kind << 40 |
                    (uint64_t)key->flags << SERIES_WORD_FLAGS_SHIFT |
                    (uint64_t)key->bounds_index << SERIES_WORD_BOUNDS_SHIFT;
    return word & (UINT64_MAX >> (64 - SERIES_WORD_BOUNDS_SHIFT));
}

/* series_parts_hash with its preparations made. */
static inline uint64_t series_spelling_hash(const struct series_parts *parts, uint64_t word,
                                            struct short_text_secret secret)
{
    uint64_t hash = short_text_hash_word(secret.start, secret, word);
    hash = short_text_hash(hash, secret, parts->name);
    if (parts->tags.len > 0) {
        hash = short_text_hash(hash, secret, parts->tags);
    }
    if (parts->origin.len > 0) {
        hash = short_text_hash(hash, secret, parts->origin);
    }
    if (parts->time_unix_ns != 0) {
        hash = short_text_hash_word(hash, secret, parts->time_unix_ns);
    }
    return hash;
}

/* series_key_is with the word of the parts at hand. */
static inline bool series_spelling_is(const struct series_key *key,
                                      const struct series_parts *parts, uint64_t word)
{
    if (series_key_word(key) != word) {
        return false;
    }
    const uint8_t *bytes = (const uint8_t *)(key + 1);
    if (parts->time_unix_ns != 0) {
        if (short_text_load64(bytes) != parts->time_unix_ns) {
            return false;
        }
        bytes += sizeof(uint64_t);
    }
    const uint8_t *tags = bytes + parts->name.len;
    const uint8_t *origin = tags + parts->tags.len;
    return short_text_equal(bytes, parts->name.ptr, parts->name.len) &&
           (parts->tags.len == 0 || short_text_equal(tags, parts->tags.ptr, parts->tags.len)) &&
           (parts->origin.len == 0 || memcmp(origin, parts->origin.ptr, parts->origin.len) == 0);
}
