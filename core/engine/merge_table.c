/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge_table — open addressing over the records, and the overflow series of those without one.
 *
 * The spelling of an overflow series is the shards' (core/model/series_birth.c), so that what
 * overflowed there and what overflows here is one series.
 */
#include "core/engine/merge_table.h"

#include <errno.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/mem.h"

#define INDEX_COUNT_MIN 1024

static const struct slice overflow_tags[] = {
    [TAG_STYLE_DOGSTATSD] = {(const uint8_t *)"otel.metric.overflow:true", 25},
    [TAG_STYLE_EQUALS] = {(const uint8_t *)"otel.metric.overflow=true", 25},
};

static const struct slice overflow_name = {(const uint8_t *)"weir.series_overflow", 20};

static size_t index_bytes(uint64_t count)
{
    return (size_t)count * sizeof(uint32_t);
}

int merge_table_init(struct merge *merge)
{
    merge->index = mem_reserve(index_bytes(INDEX_COUNT_MIN));
    if (merge->index == NULL) {
        return -ENOMEM;
    }
    merge->index_mask = INDEX_COUNT_MIN - 1;
    return 0;
}

void merge_table_fini(struct merge *merge)
{
    if (merge->index != NULL) {
        mem_unreserve(merge->index, index_bytes(merge->index_mask + 1));
    }
    merge->index = NULL;
}

/* --- the index ------------------------------------------------------------------------------- */

static uint64_t home_of(const struct merge *merge, const struct series_key *key)
{
    return series_key_hash(key, merge->hash_seed) & merge->index_mask;
}

static int index_resize(struct merge *merge, uint64_t count)
{
    uint32_t *old = merge->index;
    uint64_t old_mask = merge->index_mask;
    uint32_t *index = mem_reserve(index_bytes(count));
    if (index == NULL) {
        return -ENOMEM;
    }
    merge->index = index;
    merge->index_mask = count - 1;
    for (uint64_t i = 0; i <= old_mask; i++) {
        if (old[i] == 0) {
            continue;
        }
        uint64_t at = home_of(merge, merge->records[old[i] - 1].key);
        while (index[at] != 0) {
            at = (at + 1) & merge->index_mask;
        }
        index[at] = old[i];
    }
    mem_unreserve(old, index_bytes(old_mask + 1));
    return 0;
}

/* Where `key` stands in the index, or the empty place where it belongs. */
static uint64_t index_find(const struct merge *merge, const struct series_key *key)
{
    uint64_t at = home_of(merge, key);
    while (merge->index[at] != 0 &&
           !series_key_equal(merge->records[merge->index[at] - 1].key, key)) {
        at = (at + 1) & merge->index_mask;
    }
    return at;
}

static void index_remove(struct merge *merge, const struct series_key *key)
{
    uint64_t hole = index_find(merge, key);
    ASSERT(merge->index[hole] != 0);
    uint64_t at = hole;
    for (;;) {
        at = (at + 1) & merge->index_mask;
        if (merge->index[at] == 0) {
            break;
        }
        uint64_t home = home_of(merge, merge->records[merge->index[at] - 1].key);
        if (((at - home) & merge->index_mask) >= ((at - hole) & merge->index_mask)) {
            merge->index[hole] = merge->index[at];
            hole = at;
        }
    }
    merge->index[hole] = 0;
    merge->index_used_count--;
}

/* --- records --------------------------------------------------------------------------------- */

static bool is_overflow(const struct series_key *key)
{
    return (key->flags & SERIES_KEY_OVERFLOW) != 0;
}

struct merged *merge_table_find(const struct merge *merge, const struct series_key *key)
{
    uint32_t found = merge->index[index_find(merge, key)];
    return found != 0 ? &merge->records[found - 1] : NULL;
}

bool merge_table_has_room(const struct merge *merge, const struct series_key *key)
{
    ASSERT(merge->stats.series_count >= merge->overflow_count);
    return is_overflow(key) ||
           merge->stats.series_count - merge->overflow_count < merge->series_max;
}

struct merged *merge_table_bear(struct merge *merge, const struct series_key *key,
                                uint8_t aggregate)
{
    uint64_t capacity = merge->index_mask + 1;
    if (merge->index_used_count >= capacity / 4 * 3 && index_resize(merge, capacity * 2) != 0) {
        return NULL;
    }
    uint32_t index;
    if (merge->free_head != 0) {
        index = merge->free_head - 1;
        merge->free_head = merge->records[index].next_free;
    } else if (merge->record_limit < merge->record_max) {
        index = merge->record_limit;
        merge->record_limit++;
    } else {
        return NULL;
    }
    merge->records[index] =
        (struct merged){.key = key, .aggregate = aggregate, .flags = MERGED_LIVE};
    merge->index[index_find(merge, key)] = index + 1;
    merge->index_used_count++;
    merge->stats.series_count++;
    merge->overflow_count += is_overflow(key) ? 1 : 0;
    return &merge->records[index];
}

void merge_table_end(struct merge *merge, struct merged *record)
{
    index_remove(merge, record->key);
    merge->overflow_count -= is_overflow(record->key) ? 1 : 0;
    merged_drop(merge, record);
    if ((record->flags & MERGED_OWNS_KEY) != 0) {
        uint32_t offset = (uint32_t)((size_t)((const uint8_t *)record->key - merge->keys.base) / 8);
        key_pool_give(&merge->keys, offset, series_key_bytes(record->key));
    }
    uint32_t index = (uint32_t)(record - merge->records);
    *record = (struct merged){.next_free = merge->free_head};
    merge->free_head = index + 1;
    merge->stats.series_count--;
    if (merge->stats.series_count == 0) {
        /* The usual end of a burst of series: everything goes back at once. */
        mem_release_pages(merge->records, (size_t)merge->record_limit * sizeof(*record));
        merge->record_limit = 0;
        merge->free_head = 0;
        /* Keeping the large index costs memory, not correctness. */
        (void)index_resize(merge, INDEX_COUNT_MIN);
    }
}

int merge_table_own_key(struct merge *merge, struct merged *record)
{
    size_t bytes = series_key_bytes(record->key);
    uint32_t offset = key_pool_take(&merge->keys, bytes);
    if (offset == 0) {
        return -ENOMEM;
    }
    struct series_key *copy = key_pool_at(&merge->keys, offset);
    memcpy(copy, record->key, bytes);
    record->key = copy;
    record->flags |= MERGED_OWNS_KEY;
    return 0;
}

/* --- overflow -------------------------------------------------------------------------------- */

/* The record of this overflow series, made if need be; its key lives in merge->keys. */
static struct merged *find_or_bear(struct merge *merge, const struct series_parts *parts,
                                   uint8_t aggregate)
{
    size_t bytes = series_parts_bytes(parts);
    uint32_t offset = key_pool_take(&merge->keys, bytes);
    if (offset == 0) {
        return NULL;
    }
    struct series_key *key = key_pool_at(&merge->keys, offset);
    uint32_t bounds_index = aggregate_find_bounds(merge->config, parts->kind, parts->name);
    series_key_write(key, parts, bounds_index);
    struct merged *record = merge_table_find(merge, key);
    bool is_known = record != NULL;
    bool has_place = merge->overflow_count < merge->overflow_max;
    if (!is_known && has_place &&
        aggregate_of(merge->config, parts->kind, bounds_index) == aggregate) {
        record = merge_table_bear(merge, key, aggregate);
    }
    if (is_known || record == NULL) {
        key_pool_give(&merge->keys, offset, bytes);
        return record;
    }
    record->flags |= MERGED_OWNS_KEY;
    return record;
}

struct merged *merge_table_overflow(struct merge *merge, const struct series_key *key,
                                    uint8_t aggregate)
{
    struct series_parts parts = series_key_parts(key);
    bool is_equals = (parts.flags & SERIES_KEY_TAGS_EQUALS) != 0;
    parts.tags = overflow_tags[is_equals ? TAG_STYLE_EQUALS : TAG_STYLE_DOGSTATSD];
    parts.origin = (struct slice){0};
    parts.time_unix_ns = 0;
    parts.flags = (uint8_t)((is_equals ? SERIES_KEY_TAGS_EQUALS : 0) | SERIES_KEY_OVERFLOW);
    struct merged *record = NULL;
    if (merge->overflow_count + KIND_LIMIT * 2 < merge->overflow_max) {
        record = find_or_bear(merge, &parts, aggregate);
    }
    if (record == NULL) {
        parts.name = overflow_name;
        record = find_or_bear(merge, &parts, aggregate);
    }
    return record != NULL && record->aggregate == aggregate ? record : NULL;
}
