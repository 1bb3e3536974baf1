/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series_birth — how records come and go.
 *
 * A birth takes a record (lowest free one, so that the table stays dense), stores the key once and
 * enters the index; beyond the quota it becomes the overflow series of its name. Going is two
 * steps, because the merge's thread reads keys: retire leaves the index, release frees the memory.
 */
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/mem.h"
#include "core/model/series.h"
#include "core/model/series_table.h"

/* OpenTelemetry's own attribute for the measurements a cardinality limit folded together. */
static const struct slice overflow_tags[] = {
    [TAG_STYLE_DOGSTATSD] = {(const uint8_t *)"otel.metric.overflow:true", 25},
    [TAG_STYLE_EQUALS] = {(const uint8_t *)"otel.metric.overflow=true", 25},
};

/* Where even the overflow series are too many. */
static const struct slice overflow_name = {(const uint8_t *)"weir.series_overflow", 20};

/* Lowest free record; record_max where there is none. */
static uint32_t record_take(struct series_table *table)
{
    uint32_t word_limit = (table->record_max + 63) / 64;
    for (uint32_t word = table->record_hint; word < word_limit; word++) {
        if (table->occupied[word] == UINT64_MAX) {
            continue;
        }
        uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(~table->occupied[word]);
        if (index >= table->record_max) {
            break;
        }
        table->record_hint = word;
        table->occupied[word] |= UINT64_C(1) << (index % 64);
        table->block_live[index / SERIES_BLOCK_RECORDS]++;
        if (index >= table->record_limit) {
            table->record_limit = index + 1;
        }
        return index;
    }
    return table->record_max;
}

static void record_give(struct series_table *table, uint32_t index)
{
    uint32_t block = index / SERIES_BLOCK_RECORDS;
    ASSERT(table->block_live[block] > 0);
    table->hot[index] = (struct series_hot){0};
    table->occupied[index / 64] &= ~(UINT64_C(1) << (index % 64));
    if (index / 64 < table->record_hint) {
        table->record_hint = index / 64;
    }
    table->block_live[block]--;
    if (table->block_live[block] == 0) {
        mem_release_pages(&table->hot[(size_t)block * SERIES_BLOCK_RECORDS],
                          SERIES_BLOCK_RECORDS * sizeof(table->hot[0]));
    }
    while (table->record_limit > 0 &&
           (table->hot[table->record_limit - 1].flags & SERIES_LIVE) == 0) {
        table->record_limit--;
    }
}

static void index_add(struct series_table *table, uint64_t hash, uint32_t index)
{
    uint64_t at = hash & table->slot_mask;
    while (table->slots[at] != 0) {
        at = (at + 1) & table->slot_mask;
    }
    table->slots[at] = (uint64_t)(index + 1) << 32 | (uint32_t)hash;
    table->slot_used_count++;
}

/* Empties slot `hole` and moves up what stood behind it only because it was taken. */
static void index_close_hole(struct series_table *table, uint64_t hole)
{
    uint64_t mask = table->slot_mask;
    uint64_t at = hole;
    for (;;) {
        at = (at + 1) & mask;
        uint64_t slot = table->slots[at];
        if (slot == 0) {
            break;
        }
        uint64_t home = slot & mask;
        /* It may move into the hole only if the hole lies between its home and where it stands. */
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->slots[hole] = slot;
            hole = at;
        }
    }
    table->slots[hole] = 0;
    table->slot_used_count--;
}

static void index_remove(struct series_table *table, uint64_t hash, uint32_t index)
{
    uint64_t wanted = (uint64_t)(index + 1) << 32 | (uint32_t)hash;
    uint64_t at = hash & table->slot_mask;
    while (table->slots[at] != wanted) {
        ASSERT(table->slots[at] != 0);
        at = (at + 1) & table->slot_mask;
    }
    index_close_hole(table, at);
}

/* A record with a stored key, in the index; 1 + its index, 0 where memory is out. */
static uint32_t bear(struct series_table *table, const struct series_parts *parts, uint64_t hash)
{
    uint32_t offset = key_pool_take(&table->keys, series_parts_bytes(parts));
    if (offset == 0) {
        return 0;
    }
    uint32_t index = record_take(table);
    if (index == table->record_max) {
        key_pool_give(&table->keys, offset, series_parts_bytes(parts));
        return 0;
    }
    /* Matching a pattern needs working memory; a series is born once. */
    bool was_armed = mem_guard_lift();
    uint32_t bounds_index = aggregate_find_bounds(table->config, parts->kind, parts->name);
    mem_guard_restore(was_armed);
    series_key_write(key_pool_at(&table->keys, offset), parts, bounds_index);
    table->hot[index] = (struct series_hot){
        .key_offset = offset,
        .aggregate = (uint8_t)aggregate_of(table->config, parts->kind, bounds_index),
        .flags = SERIES_LIVE,
    };
    index_add(table, hash, index);
    table->live_count++;
    return index + 1;
}

/* Space-saving: a known name counts one more; a new one takes over the smallest count. */
static void note_offender(struct series_table *table, struct slice name, uint64_t hash)
{
    struct series_offender *smallest = &table->offenders[0];
    for (size_t i = 0; i < COUNT_OF(table->offenders); i++) {
        struct series_offender *offender = &table->offenders[i];
        if (offender->key_offset != 0 && offender->name_hash == hash) {
            offender->series_count++;
            return;
        }
        if (offender->series_count < smallest->series_count) {
            smallest = offender;
        }
    }
    uint32_t offset = key_pool_take(&table->keys, name.len);
    if (offset == 0) {
        return;
    }
    memcpy(key_pool_at(&table->keys, offset), name.ptr, name.len);
    if (smallest->key_offset != 0) {
        key_pool_give(&table->keys, smallest->key_offset, smallest->name_len);
    }
    smallest->key_offset = offset;
    smallest->name_len = (uint32_t)name.len;
    smallest->name_hash = hash;
    smallest->series_count++;
}

/* The overflow series of a name, else that of the kind; born where needed. */
static uint32_t find_overflow(struct series_table *table, const struct series_parts *parts)
{
    struct series_parts overflow = *parts;
    bool is_equals = (parts->flags & SERIES_KEY_TAGS_EQUALS) != 0;
    overflow.tags = overflow_tags[is_equals ? TAG_STYLE_EQUALS : TAG_STYLE_DOGSTATSD];
    overflow.origin = (struct slice){0};
    overflow.time_unix_ns = 0;
    overflow.flags |= SERIES_KEY_OVERFLOW;
    for (uint32_t attempt = 0; attempt < 2; attempt++) {
        uint64_t hash = series_parts_hash(&overflow, table->hash_seed);
        uint32_t found = series_find(table, &overflow, hash);
        if (found != 0) {
            return found;
        }
        bool is_last = attempt == 1;
        if (is_last || table->overflow_live_count + KIND_LIMIT * 2 < SERIES_OVERFLOW_MAX_COUNT) {
            found = bear(table, &overflow, hash);
            table->overflow_live_count += found != 0 ? 1 : 0;
            return found;
        }
        overflow.name = overflow_name;
    }
    return 0;
}

uint32_t series_bear(struct series_table *table, const struct series_parts *parts, uint64_t hash,
                     struct series_report *report)
{
    enum tag_style style =
        (parts->flags & SERIES_KEY_TAGS_EQUALS) != 0 ? TAG_STYLE_EQUALS : TAG_STYLE_DOGSTATSD;
    if (parts->tags.len > 0 && table->tags_are_valid != NULL &&
        !table->tags_are_valid(parts->tags, style)) {
        report->bad_tags_count++;
        return 0;
    }
    if (table->quota_count == 0 && table->lease_quota != NULL) {
        table->quota_count += table->lease_quota(table);
    }
    uint32_t born = 0;
    if (table->quota_count > 0) {
        born = bear(table, parts, hash);
    }
    if (born != 0) {
        table->quota_count--;
        report->born_count++;
        /* Births only: a flood beyond the limit must not cost more than a lookup. */
        const struct series_parts name_only = {.name = parts->name};
        note_offender(table, parts->name, series_parts_hash(&name_only, table->hash_seed));
        return born;
    }
    uint32_t found = find_overflow(table, parts);
    if (found == 0) {
        report->memory_limit_count++;
        return 0;
    }
    report->overflow_count++;
    return found;
}

void series_retire(struct series_table *table, uint32_t index)
{
    struct series_hot *hot = &table->hot[index];
    ASSERT((hot->flags & (SERIES_LIVE | SERIES_RETIRING)) == SERIES_LIVE);
    struct series_parts parts = series_key_parts(series_key_at(table, index));
    index_remove(table, series_parts_hash(&parts, table->hash_seed), index);
    hot->flags |= SERIES_RETIRING;
}

void series_release(struct series_table *table, uint32_t index)
{
    struct series_hot *hot = &table->hot[index];
    ASSERT((hot->flags & SERIES_RETIRING) != 0);
    const struct series_key *key = series_key_at(table, index);
    aggregate_give(hot->aggregate, &hot->bank[0], table->pool);
    aggregate_give(hot->aggregate, &hot->bank[1], table->pool);
    if ((key->flags & SERIES_KEY_OVERFLOW) != 0) {
        table->overflow_live_count--;
    } else {
        table->quota_count++;
    }
    key_pool_give(&table->keys, hot->key_offset, series_key_bytes(key));
    record_give(table, index);
    table->live_count--;
}

void series_reset_offenders(struct series_table *table)
{
    for (size_t i = 0; i < COUNT_OF(table->offenders); i++) {
        struct series_offender *offender = &table->offenders[i];
        if (offender->key_offset != 0) {
            key_pool_give(&table->keys, offender->key_offset, offender->name_len);
        }
        *offender = (struct series_offender){0};
    }
}
