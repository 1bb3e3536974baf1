/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series — the table a shard folds its points into.
 *
 * A burst goes through four loops: hash and prefetch the slot; find the candidate and prefetch its
 * hot record; prefetch its key; compare and apply. Each loop's loads are independent of one
 * another, so at a million series the four cache misses of a point overlap with those of its
 * neighbours.
 *
 * Births, the only place where something may be refused, are in series_birth.c.
 */
#include "core/model/series.h"

#include <errno.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/model/series_spelling.h"
#include "core/model/series_table.h"
#include "core/model/sketch_pool.h"

/*
 * The index is rebuilt twice as large at one half, so that three of four series stand in their home
 * slot; smaller below an eighth.
 */
#define SLOT_COUNT_MIN 1024
/*
 * Points that go through the four loops together. What they prefetch, up to five lines each, must
 * still be in the first-level cache when it is used, and 32 are more than a core can have under
 * way.
 */
#ifndef STRIDE_POINTS
#define STRIDE_POINTS 32
#endif

static size_t slots_bytes(uint64_t slot_count)
{
    return (size_t)slot_count * sizeof(uint64_t);
}

static size_t bitmap_bytes(uint32_t record_max)
{
    return ((size_t)record_max + 63) / 64 * sizeof(uint64_t);
}

static size_t blocks_bytes(uint32_t record_max)
{
    return ((size_t)record_max / SERIES_BLOCK_RECORDS + 1) * sizeof(uint16_t);
}

int series_table_init(struct series_table *table, const struct series_options *options)
{
    ASSERT(options->series_max > 0 && options->config != NULL && options->pool != NULL);
    uint32_t record_max = options->series_max + SERIES_OVERFLOW_MAX_COUNT + 1;
    *table = (struct series_table){
        .slot_mask = SLOT_COUNT_MIN - 1,
        .hash_seed = options->hash_seed,
        .record_max = record_max,
        .config = options->config,
        .pool = options->pool,
        .tags_are_valid = options->tags_are_valid,
        .lease_quota = options->lease_quota,
    };
    int err = key_pool_init(&table->keys, options->key_max_bytes);
    table->slots = mem_reserve(slots_bytes(SLOT_COUNT_MIN));
    table->hot = mem_reserve((size_t)record_max * sizeof(table->hot[0]));
    table->occupied = mem_reserve(bitmap_bytes(record_max));
    table->block_live = mem_reserve(blocks_bytes(record_max));
    if (err != 0 || table->slots == NULL || table->hot == NULL || table->occupied == NULL ||
        table->block_live == NULL) {
        series_table_fini(table);
        return -ENOMEM;
    }
    return 0;
}

void series_table_fini(struct series_table *table)
{
    for (uint32_t i = 0; i < table->record_limit; i++) {
        struct series_hot *hot = &table->hot[i];
        if ((hot->flags & SERIES_LIVE) != 0) {
            aggregate_give(hot->aggregate, &hot->bank[0], table->pool);
            aggregate_give(hot->aggregate, &hot->bank[1], table->pool);
        }
    }
    key_pool_fini(&table->keys);
    mem_unreserve(table->slots, slots_bytes(table->slot_mask + 1));
    mem_unreserve(table->hot, (size_t)table->record_max * sizeof(table->hot[0]));
    mem_unreserve(table->occupied, bitmap_bytes(table->record_max));
    mem_unreserve(table->block_live, blocks_bytes(table->record_max));
    *table = (struct series_table){0};
}

/* Moves every slot into an index of `slot_count`; the low half of a slot is its home. */
static int rebuild_index(struct series_table *table, uint64_t slot_count)
{
    ASSERT((slot_count & (slot_count - 1)) == 0 && slot_count > table->slot_used_count);
    uint64_t *slots = mem_reserve(slots_bytes(slot_count));
    if (slots == NULL) {
        return -ENOMEM;
    }
    for (uint64_t i = 0; i <= table->slot_mask; i++) {
        uint64_t slot = table->slots[i];
        if (slot == 0) {
            continue;
        }
        uint64_t at = slot & (slot_count - 1);
        while (slots[at] != 0) {
            at = (at + 1) & (slot_count - 1);
        }
        slots[at] = slot;
    }
    mem_unreserve(table->slots, slots_bytes(table->slot_mask + 1));
    table->slots = slots;
    table->slot_mask = slot_count - 1;
    return 0;
}

int series_prepare(struct series_table *table)
{
    uint64_t slot_count = table->slot_mask + 1;
    uint64_t after_count = (uint64_t)table->slot_used_count + 2 * POINT_BURST_MAX;
    if (after_count <= slot_count / 2) {
        return 0;
    }
    return rebuild_index(table, slot_count * 2);
}

void series_shrink(struct series_table *table)
{
    uint64_t slot_count = table->slot_mask + 1;
    uint64_t target_count = slot_count;
    while (target_count > SLOT_COUNT_MIN && table->slot_used_count < target_count / 8) {
        target_count /= 2;
    }
    if (target_count != slot_count) {
        /* Without memory for the smaller index the larger one serves as well. */
        (void)rebuild_index(table, target_count);
    }
}

/* 1 + index of the first record from `home` on whose slot bears the tag of `hash`; 0 for none. */
static inline uint32_t first_candidate(const struct series_table *table, uint64_t hash)
{
    uint64_t at = hash & table->slot_mask;
    for (;;) {
        uint64_t slot = table->slots[at];
        if ((uint32_t)slot == (uint32_t)hash || slot == 0) {
            return (uint32_t)(slot >> 32);
        }
        at = (at + 1) & table->slot_mask;
    }
}

uint32_t series_find(const struct series_table *table, const struct series_parts *parts,
                     uint64_t hash)
{
    uint64_t word = series_parts_word(parts);
    uint64_t at = hash & table->slot_mask;
    while (table->slots[at] != 0) {
        uint64_t slot = table->slots[at];
        if ((uint32_t)slot == (uint32_t)hash) {
            uint32_t index = (uint32_t)(slot >> 32) - 1;
            if (series_spelling_is(series_key_at(table, index), parts, word)) {
                return index + 1;
            }
        }
        at = (at + 1) & table->slot_mask;
    }
    return 0;
}

/* Folds one point into a live record of the open bank: what is not a sum. */
static __attribute__((noinline)) void apply_other(struct series_table *table, uint32_t index, const struct point *point,
                        const struct aggregate_context *context, struct series_report *report)
{
    struct series_hot *hot = &table->hot[index];
    if (hot->aggregate == AGGREGATE_NONE) {
        report->filtered_count++;
        return;
    }
    uint32_t bounds_index = series_key_at(table, index)->bounds_index;
    int err =
        aggregate_add(hot->aggregate, &hot->bank[table->open_bank], point, bounds_index, context);
    if (err == 0) {
        hot->flags |= (uint8_t)(SERIES_DIRTY_BANK_0 << table->open_bank);
        report->folded_count++;
        return;
    }
    if (err == FAULT_LIMIT) {
        report->observer_limit_count++;
        return;
    }
    report->memory_limit_count++;
}

static inline void apply(struct series_table *table, uint32_t index, const struct point *point,
                         const struct aggregate_context *context, struct series_report *report)
{
    struct series_hot *hot = &table->hot[index];
    if (hot->aggregate != AGGREGATE_SUM) {
        apply_other(table, index, point, context, report);
        return;
    }
    uint32_t open = table->open_bank;
    hot->bank[open].sum += point->value * point->weight;
    hot->flags |= (uint8_t)(SERIES_DIRTY_BANK_0 << open);
    report->folded_count++;
}

/*
 * The slow way of a point whose first candidate was not its series. Out of line, like the other:
 * what they need in registers costs the known series of the usual kind 1.5 ns.
 */
static __attribute__((noinline)) void find_or_bear(struct series_table *table, const struct point *point, uint64_t hash,
                         const struct aggregate_context *context, struct series_report *report)
{
    struct series_parts parts = series_parts_of(point);
    uint32_t found = series_find(table, &parts, hash);
    if (found == 0) {
        found = series_bear(table, &parts, hash, report);
    }
    if (found != 0) {
        apply(table, found - 1, point, context, report);
    }
}

/* One pass of the four loops. */
static void ingest_stride(struct series_table *table, const struct point *points, size_t count,
                          const struct aggregate_context *context, struct series_report *report)
{
    uint64_t words[STRIDE_POINTS];
    uint64_t hashes[STRIDE_POINTS];
    uint32_t found[STRIDE_POINTS];
    const struct short_text_secret secret = short_text_secret_of(table->hash_seed);
    for (size_t i = 0; i < count; i++) {
        struct series_parts parts = series_parts_of(&points[i]);
        words[i] = series_parts_word(&parts);
        hashes[i] = series_spelling_hash(&parts, words[i], secret);
        __builtin_prefetch(&table->slots[hashes[i] & table->slot_mask]);
    }
    for (size_t i = 0; i < count; i++) {
        found[i] = first_candidate(table, hashes[i]);
        __builtin_prefetch(&table->hot[found[i] == 0 ? 0 : found[i] - 1], 1);
    }
    for (size_t i = 0; i < count; i++) {
        if (found[i] != 0) {
            const char *key = (const char *)series_key_at(table, found[i] - 1);
            __builtin_prefetch(key);
            __builtin_prefetch(key + WEIR_CACHE_LINE_BYTES);
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct series_parts parts = series_parts_of(&points[i]);
        if (WEIR_LIKELY(found[i] != 0 &&
                        series_spelling_is(series_key_at(table, found[i] - 1), &parts, words[i]))) {
            apply(table, found[i] - 1, &points[i], context, report);
            continue;
        }
        find_or_bear(table, &points[i], hashes[i], context, report);
    }
}

void series_ingest(struct series_table *table, const struct point *points, size_t count,
                   uint64_t now_unix_ns, struct series_report *report)
{
    ASSERT(count <= POINT_BURST_MAX);
    const struct aggregate_context context = {
        .config = table->config,
        .pool = table->pool,
        .now_unix_ns = now_unix_ns,
        .hash_seed = table->hash_seed,
    };
    for (size_t at = 0; at < count; at += STRIDE_POINTS) {
        size_t left_count = count - at;
        size_t stride_count = left_count < STRIDE_POINTS ? left_count : STRIDE_POINTS;
        ingest_stride(table, points + at, stride_count, &context, report);
    }
}

static bool record_is_valid(const struct series_table *table, uint32_t index)
{
    const struct series_hot *hot = &table->hot[index];
    if ((hot->flags & SERIES_RETIRING) != 0) {
        return true;
    }
    struct series_parts parts = series_key_parts(series_key_at(table, index));
    uint64_t hash = series_parts_hash(&parts, table->hash_seed);
    return series_find(table, &parts, hash) == index + 1;
}

bool series_table_is_valid(const struct series_table *table)
{
    uint32_t live_count = 0;
    uint32_t indexed_count = 0;
    for (uint32_t i = 0; i < table->record_limit; i++) {
        bool is_live = (table->hot[i].flags & SERIES_LIVE) != 0;
        bool is_occupied = (table->occupied[i / 64] >> (i % 64) & 1) != 0;
        if (is_live != is_occupied || (is_live && !record_is_valid(table, i))) {
            return false;
        }
        live_count += is_live ? 1 : 0;
        indexed_count += is_live && (table->hot[i].flags & SERIES_RETIRING) == 0 ? 1 : 0;
    }
    return live_count == table->live_count && indexed_count == table->slot_used_count;
}
