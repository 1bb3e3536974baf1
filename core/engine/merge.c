/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge — rounds over the shards' slices.
 *
 * The table is asked by canonical key at announcements only, and for series beyond the limit;
 * everything else goes through the sources' maps. A merged series ends when no shard refers to it
 * any more and nothing is left to say.
 */
#include "core/engine/merge.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/merge_table.h"

static size_t map_bytes(const struct merge_source *source)
{
    return (size_t)source->seal->table.record_max * sizeof(uint32_t);
}

static size_t refused_bytes(const struct merge_source *source)
{
    return (size_t)source->seal->table.record_max * sizeof(source->refused[0]);
}

static int init_sources(struct merge *merge, const struct merge_options *options)
{
    merge->sources = mem_alloc_array(options->source_count, sizeof(merge->sources[0]));
    if (merge->sources == NULL) {
        return -ENOMEM;
    }
    merge->source_count = options->source_count;
    for (uint32_t i = 0; i < merge->source_count; i++) {
        merge->sources[i].seal = options->sources[i]; /* all of them: fini asks for their sizes */
    }
    for (uint32_t i = 0; i < merge->source_count; i++) {
        struct merge_source *source = &merge->sources[i];
        source->merged_of = mem_reserve(map_bytes(source));
        source->refused = mem_reserve(refused_bytes(source));
        if (source->merged_of == NULL || source->refused == NULL) {
            return -ENOMEM;
        }
    }
    return 0;
}

static uint32_t rounds_of(uint64_t expiry_ns, uint64_t interval_ns)
{
    uint64_t rounds = (expiry_ns + interval_ns - 1) / interval_ns;
    return rounds > UINT32_MAX ? UINT32_MAX : (uint32_t)rounds;
}

int merge_init(struct merge *merge, const struct merge_options *options)
{
    ASSERT(options->source_count > 0 && options->interval_ns > 0);
    /* In the worst case each shard has its own overflow series, and so has the merge. */
    uint32_t overflow_max = (SERIES_OVERFLOW_MAX_COUNT + 1) * (options->source_count + 1);
    *merge = (struct merge){
        .series_max = options->series_max,
        .overflow_max = overflow_max,
        .record_max = options->series_max + overflow_max,
        .config = options->config,
        .hash_seed = options->hash_seed,
        .interval_ns = options->interval_ns,
        .counter_expiry_rounds = rounds_of(options->counter_expiry_ns, options->interval_ns),
        .gauge_expiry_rounds = rounds_of(options->gauge_expiry_ns, options->interval_ns),
        .gauge_base = options->gauge_base,
        .wake_context = options->wake_context,
        .wake = options->wake,
    };
    int err = init_sources(merge, options);
    if (err != 0) {
        goto fail;
    }
    err = key_pool_init(&merge->keys, options->key_max_bytes);
    if (err != 0) {
        goto fail;
    }
    err = sketch_pool_init(&merge->pool, options->pool_max_bytes);
    if (err != 0) {
        goto fail;
    }
    err = -ENOMEM;
    merge->records = mem_reserve((size_t)merge->record_max * sizeof(merge->records[0]));
    if (merge->records == NULL) {
        goto fail;
    }
    err = merge_table_init(merge);
    if (err != 0) {
        goto fail;
    }
    return 0;

fail:
    merge_fini(merge);
    return err;
}

void merge_fini(struct merge *merge)
{
    for (uint32_t i = 0; i < merge->source_count; i++) {
        struct merge_source *source = &merge->sources[i];
        mem_unreserve(source->merged_of, map_bytes(source));
        mem_unreserve(source->refused, refused_bytes(source));
    }
    mem_free(merge->sources);
    if (merge->keys.base != NULL) {
        key_pool_fini(&merge->keys);
    }
    sketch_pool_fini(&merge->pool);
    mem_unreserve(merge->records, (size_t)merge->record_max * sizeof(merge->records[0]));
    merge_table_fini(merge);
    *merge = (struct merge){0};
}

/* The end of the last series gives the sources' maps back, too. */
static void record_end(struct merge *merge, struct merged *record)
{
    merge_table_end(merge, record);
    for (uint32_t i = 0; merge->stats.series_count == 0 && i < merge->source_count; i++) {
        mem_release_pages(merge->sources[i].merged_of, map_bytes(&merge->sources[i]));
        merge->sources[i].slot_limit = 0;
    }
}

/* --- rounds ---------------------------------------------------------------------------------- */

/* A series without a place waits for one: its key is kept, and it is looked at in each window. */
static void refuse(struct merge_source *source, uint32_t slot, const struct series_key *key)
{
    source->refused_count += source->refused[slot] == NULL ? 1 : 0;
    source->refused[slot] = key;
}

static void unrefuse(struct merge_source *source, uint32_t slot)
{
    if (source->refused_count == 0 || source->refused[slot] == NULL) {
        return;
    }
    source->refused[slot] = NULL;
    source->refused_count--;
    if (source->refused_count == 0) {
        mem_release_pages(source->refused, refused_bytes(source));
    }
}

/* Where the values of a series go that this slot has not told of yet, or that was refused. */
static struct merged *announce(struct merge *merge, struct merge_source *source, uint32_t slot,
                               const struct series_key *key, uint8_t aggregate)
{
    if (slot >= source->slot_limit) {
        source->slot_limit = slot + 1;
    }
    struct merged *record = merge_table_find(merge, key);
    if (record == NULL && !merge_table_has_room(merge, key)) {
        refuse(source, slot, key);
        merge->stats.overflow_count++;
        return merge_table_overflow(merge, key, aggregate);
    }
    if (record == NULL) {
        record = merge_table_bear(merge, key, aggregate);
    }
    if (record == NULL) {
        return NULL;
    }
    unrefuse(source, slot);
    record->reference_count++;
    source->merged_of[slot] = (uint32_t)(record - merge->records) + 1;
    return record;
}

/* The record for an entry that comes without its key; NULL where there is none. */
static struct merged *find_again(struct merge *merge, struct merge_source *source, uint32_t slot)
{
    if (source->merged_of[slot] != 0) {
        return &merge->records[source->merged_of[slot] - 1];
    }
    const struct series_key *key = source->refused_count > 0 ? source->refused[slot] : NULL;
    if (key == NULL) {
        return NULL;
    }
    uint8_t aggregate =
        (uint8_t)aggregate_of(merge->config, (enum kind)key->kind, key->bounds_index);
    return announce(merge, source, slot, key, aggregate);
}

/* Cuts every reference that `source` has to a record that ends early. */
static void forget(const struct merge *merge, struct merge_source *source,
                   const struct merged *record)
{
    uint32_t wanted = (uint32_t)(record - merge->records) + 1;
    for (uint32_t slot = 0; slot < source->slot_limit; slot++) {
        if (source->merged_of[slot] == wanted) {
            source->merged_of[slot] = 0;
        }
    }
}

static void take_leave(struct merge *merge, struct merge_source *source, uint32_t slot,
                       const struct series_key *key)
{
    if (source->merged_of[slot] == 0) {
        unrefuse(source, slot);
        return; /* it never had a place */
    }
    struct merged *record = &merge->records[source->merged_of[slot] - 1];
    source->merged_of[slot] = 0;
    ASSERT(record->reference_count > 0);
    record->reference_count--;
    bool has_more = record->reference_count > 0 || (record->flags & MERGED_DIRTY) != 0;
    if (!has_more) {
        record_end(merge, record);
        return;
    }
    if (record->key == key && merge_table_own_key(merge, record) != 0) {
        /* Without a name it cannot be said: what is left of it is lost, and counted. */
        merge->stats.memory_limit_count++;
        for (uint32_t i = 0; i < merge->source_count; i++) {
            forget(merge, &merge->sources[i], record);
        }
        record_end(merge, record);
    }
}

static void fold_slice(struct merge *merge, struct merge_source *source,
                       const struct seal_slice *slice)
{
    uint32_t key_index = 0;
    for (uint32_t i = 0; i < slice->entry_count; i++) {
        uint32_t entry = slice->entries[i];
        uint32_t slot = entry & SEAL_ENTRY_INDEX;
        if ((entry & (uint32_t)SEAL_ENTRY_GONE) != 0) {
            take_leave(merge, source, slot, slice->keys[key_index]);
            key_index++;
            continue;
        }
        struct merged *record = NULL;
        if ((entry & SEAL_ENTRY_BORN) != 0) {
            record =
                announce(merge, source, slot, slice->keys[key_index], slice->aggregates[key_index]);
            key_index++;
        } else {
            record = find_again(merge, source, slot);
        }
        if (record == NULL || merged_fold(merge, record, slice->values[i]) != 0) {
            merge->stats.memory_limit_count++;
            continue;
        }
        record->flags |= MERGED_DIRTY;
        record->seen_round = merge->round_index;
    }
}

/* Nobody may take more of a source that has closed this round's window. */
static bool wants_slice(const struct merge *merge, const struct merge_source *source)
{
    if (source->is_final) {
        return false;
    }
    return !source->has_end ||
           merge->round_end_unix_ns > source->end_unix_ns + merge->interval_ns / 2;
}

static void close_source(struct merge *merge, struct merge_source *source,
                         const struct seal_slice *slice)
{
    source->has_end = true;
    source->is_final = slice->is_final;
    source->end_unix_ns = slice->end_unix_ns;
    if (slice->end_unix_ns > merge->round_end_unix_ns) {
        merge->round_end_unix_ns = slice->end_unix_ns;
    }
    if (merge->round_start_unix_ns == 0 || slice->start_unix_ns < merge->round_start_unix_ns) {
        merge->round_start_unix_ns = slice->start_unix_ns;
    }
}

/* One slice of one source; false where there is none to take. */
static bool take_slice(struct merge *merge, uint32_t source_index)
{
    struct merge_source *source = &merge->sources[source_index];
    if (!wants_slice(merge, source)) {
        return false;
    }
    struct seal_slice *slice = mailbox_take(&source->seal->sealed);
    if (slice == NULL) {
        return false;
    }
    fold_slice(merge, source, slice);
    if (slice->is_last) {
        close_source(merge, source, slice);
    }
    void *message = slice;
    bool is_pushed = mailbox_try_push(&source->seal->returned, &message);
    ASSERT(is_pushed);
    if (merge->wake != NULL) {
        merge->wake(merge->wake_context, source_index);
    }
    return true;
}

static bool round_is_complete(const struct merge *merge)
{
    bool has_any = false;
    for (uint32_t i = 0; i < merge->source_count; i++) {
        const struct merge_source *source = &merge->sources[i];
        if (wants_slice(merge, source)) {
            return false;
        }
        has_any = has_any || source->has_end;
    }
    return has_any;
}

/*
 * Where a source closed late the round before ended late, and this one begins there: windows of a
 * series do not overlap. A clock that was set back is another matter, and times are left as told.
 */
static void settle_round_start(struct merge *merge)
{
    uint64_t last_end_ns = merge->last_end_unix_ns;
    bool is_shortly_before = merge->round_start_unix_ns < last_end_ns &&
                             last_end_ns - merge->round_start_unix_ns <= merge->interval_ns / 2;
    if (is_shortly_before && last_end_ns < merge->round_end_unix_ns) {
        merge->round_start_unix_ns = last_end_ns;
    }
    merge->last_end_unix_ns = merge->round_end_unix_ns;
}

bool merge_turn(struct merge *merge, uint32_t budget_count)
{
    uint32_t taken_count = 0;
    bool has_progress = true;
    while (has_progress && !merge->is_reading) {
        has_progress = false;
        for (uint32_t i = 0; i < merge->source_count; i++) {
            bool is_taken = take_slice(merge, i);
            taken_count += is_taken ? 1 : 0;
            has_progress = has_progress || is_taken;
        }
        if (round_is_complete(merge)) {
            settle_round_start(merge);
            merge->is_reading = true;
            merge->read_index = 0;
        }
        if (taken_count >= budget_count) {
            return true;
        }
    }
    return false;
}

bool merge_is_reading(const struct merge *merge)
{
    return merge->is_reading;
}

/* --- reading a round out --------------------------------------------------------------------- */

/* A counter or gauge that is still to be repeated. */
static bool repeats(const struct merge *merge, const struct merged *record)
{
    uint32_t idle_rounds = merge->round_index - record->seen_round;
    if (record->aggregate == AGGREGATE_SUM) {
        return idle_rounds <= merge->counter_expiry_rounds;
    }
    return record->aggregate == AGGREGATE_GAUGE && idle_rounds <= merge->gauge_expiry_rounds &&
           (record->flags & MERGED_HAS_VALUE) != 0;
}

static void round_end(struct merge *merge)
{
    merge->is_reading = false;
    merge->round_index++;
    merge->stats.round_count++;
    merge->round_start_unix_ns = 0;
    merge->round_end_unix_ns = 0;
    for (uint32_t i = 0; i < merge->source_count; i++) {
        merge->sources[i].has_end = false;
    }
}

static void fill_point(struct merge *merge, struct merged *record, struct merge_point *out)
{
    *out = (struct merge_point){.key = record->key, .aggregate = record->aggregate};
    bool is_dirty = (record->flags & MERGED_DIRTY) != 0;
    switch ((enum aggregate)record->aggregate) {
    case AGGREGATE_NONE:
        break;
    case AGGREGATE_SUM:
        out->number = is_dirty ? record->value.sum : 0;
        break;
    case AGGREGATE_GAUGE:
        out->number = is_dirty ? merged_settle_gauge(merge, record) : record->gauge->base;
        break;
    case AGGREGATE_SET:
        out->set = record->value.set;
        break;
    case AGGREGATE_EXPHIST:
        out->exphist = record->value.exphist;
        break;
    case AGGREGATE_HISTOGRAM:
        out->histogram = record->value.histogram;
        break;
    case AGGREGATE_SUMMARY:
        out->summary = record->value.summary;
        break;
    case AGGREGATE_SAMPLES:
        out->samples = record->value.samples;
        break;
    }
}

bool merge_next(struct merge *merge, struct merge_point *out)
{
    ASSERT(merge->is_reading);
    while (merge->read_index < merge->record_limit) {
        struct merged *record = &merge->records[merge->read_index];
        bool is_live = (record->flags & MERGED_LIVE) != 0;
        if (is_live && ((record->flags & MERGED_DIRTY) != 0 || repeats(merge, record))) {
            fill_point(merge, record, out);
            return true;
        }
        if (is_live && record->reference_count == 0) {
            record_end(merge, record);
        }
        merge->read_index++;
    }
    round_end(merge);
    return false;
}

void merge_consume(struct merge *merge)
{
    ASSERT(merge->is_reading && merge->read_index < merge->record_limit);
    struct merged *record = &merge->records[merge->read_index];
    if ((record->flags & MERGED_DIRTY) != 0) {
        if (record->aggregate == AGGREGATE_GAUGE) {
            record->gauge->base = merged_settle_gauge(merge, record);
            record->flags |= MERGED_HAS_VALUE;
        }
        merged_clear(merge, record);
        record->flags &= (uint8_t)~MERGED_DIRTY;
    }
    merge->read_index++;
    if (record->reference_count == 0) {
        record_end(merge, record);
    }
}

bool merge_is_done(const struct merge *merge)
{
    for (uint32_t i = 0; i < merge->source_count; i++) {
        if (!merge->sources[i].is_final) {
            return false;
        }
    }
    return !merge->is_reading;
}

bool merge_is_valid(const struct merge *merge)
{
    uint64_t live_count = 0;
    uint32_t overflow_count = 0;
    for (uint32_t i = 0; i < merge->record_limit; i++) {
        const struct merged *record = &merge->records[i];
        if ((record->flags & MERGED_LIVE) == 0) {
            continue;
        }
        live_count++;
        if (merge_table_find(merge, record->key) != record) {
            return false;
        }
        overflow_count += (record->key->flags & SERIES_KEY_OVERFLOW) != 0 ? 1 : 0;
    }
    return live_count == merge->stats.series_count && live_count == merge->index_used_count &&
           overflow_count == merge->overflow_count &&
           live_count - overflow_count <= merge->series_max;
}
