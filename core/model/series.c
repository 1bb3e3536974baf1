/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series — the table a shard folds its points into.
 *
 * A burst goes through four stations: hash and prefetch the slot; find the candidate and prefetch
 * its hot record; prefetch its key; compare and fold. Points pass in small groups, each group one
 * station behind the one before it, so that at a million series the four cache misses of a point
 * overlap with the work on its neighbours.
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
 * Points that pass a station together: measured at a million series, 60 ns a point with 4, 62 with
 * 6, 71 with 8, 82 with 16 and 87 with 2; at ten thousand all lie within a tenth.
 */
#define GROUP_POINTS 4

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
static __attribute__((noinline)) void apply_other(struct series_table *table, uint32_t index,
                                                  const struct point *point,
                                                  const struct aggregate_context *context,
                                                  struct series_report *report)
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
 * The slow way of a point whose first candidate was not its series. Out of line, so that births do
 * not take registers from the points of known series.
 */
static __attribute__((noinline)) void find_or_bear(struct series_table *table,
                                                   const struct point *point, uint64_t hash,
                                                   const struct aggregate_context *context,
                                                   struct series_report *report)
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

/* A burst on its way through the four stations; which points, [from, to), is said at each. */
struct burst {
    struct series_table *table;
    const struct point *points;
    struct series_report *report;
    struct aggregate_context context;
    struct short_text_secret secret;
    uint64_t words[POINT_BURST_MAX];
    uint64_t hashes[POINT_BURST_MAX];
    uint32_t found[POINT_BURST_MAX]; /* 1 + index of the candidate, 0 for none */
};

static void burst_hash(struct burst *burst, size_t from, size_t to)
{
    const uint64_t *slots = burst->table->slots;
    const uint64_t slot_mask = burst->table->slot_mask;
    const struct short_text_secret secret = burst->secret;
    for (size_t i = from; i < to; i++) {
        struct series_parts parts = series_parts_of(&burst->points[i]);
        uint64_t word = series_parts_word(&parts);
        uint64_t hash = series_spelling_hash(&parts, word, secret);
        burst->words[i] = word;
        burst->hashes[i] = hash;
        __builtin_prefetch(&slots[hash & slot_mask]);
    }
}

static void burst_find(struct burst *burst, size_t from, size_t to)
{
    const struct series_table *table = burst->table;
    for (size_t i = from; i < to; i++) {
        uint32_t found = first_candidate(table, burst->hashes[i]);
        burst->found[i] = found;
        __builtin_prefetch(&table->hot[found == 0 ? 0 : found - 1], 1);
    }
}

/* A key of usual length lies on two lines. */
static void burst_fetch_keys(struct burst *burst, size_t from, size_t to)
{
    const struct series_table *table = burst->table;
    for (size_t i = from; i < to; i++) {
        uint32_t found = burst->found[i];
        const char *key = (const char *)series_key_at(table, found == 0 ? 0 : found - 1);
        __builtin_prefetch(key);
        __builtin_prefetch(key + WEIR_CACHE_LINE_BYTES);
    }
}

static void burst_fold(struct burst *burst, size_t from, size_t to)
{
    struct series_table *table = burst->table;
    for (size_t i = from; i < to; i++) {
        const struct point *point = &burst->points[i];
        struct series_parts parts = series_parts_of(point);
        uint32_t found = burst->found[i];
        if (WEIR_LIKELY(found != 0 && series_spelling_is(series_key_at(table, found - 1), &parts,
                                                         burst->words[i]))) {
            apply(table, found - 1, point, &burst->context, burst->report);
            continue;
        }
        find_or_bear(table, point, burst->hashes[i], &burst->context, burst->report);
    }
}

typedef void(station_fn)(struct burst *burst, size_t from, size_t to);

/* Lets group number `group` of the burst through a station, if there is such a group. */
static inline void pass(station_fn *station, struct burst *burst, size_t count, size_t group)
{
    size_t from = group * GROUP_POINTS; /* wraps to far above `count` before the first group */
    if (from < count) {
        station(burst, from, count - from < GROUP_POINTS ? count : from + GROUP_POINTS);
    }
}

void series_ingest(struct series_table *table, const struct point *points, size_t count,
                   uint64_t now_unix_ns, struct series_report *report)
{
    ASSERT(count <= POINT_BURST_MAX);
    struct burst burst;
    burst.table = table;
    burst.points = points;
    burst.report = report;
    burst.secret = short_text_secret_of(table->hash_seed);
    burst.context = (struct aggregate_context){
        .config = table->config,
        .pool = table->pool,
        .now_unix_ns = now_unix_ns,
        .hash_seed = table->hash_seed,
    };
    size_t group_count = (count + GROUP_POINTS - 1) / GROUP_POINTS;
    for (size_t group = 0; group < group_count + 3; group++) {
        pass(burst_hash, &burst, count, group);
        pass(burst_find, &burst, count, group - 1);
        pass(burst_fetch_keys, &burst, count, group - 2);
        pass(burst_fold, &burst, count, group - 3);
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
