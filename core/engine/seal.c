/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal — flips a table's banks at the end of a window and carries the sealed one over in slices.
 *
 * The scan walks all records in order: a dirty one becomes an entry, one that was idle for too long
 * ends. What a slice carried is given back when the slice comes home, which is also the merge's
 * word that it no longer reads the keys that ended.
 */
#include "core/engine/seal.h"

#include <errno.h>

#include "core/base/clock.h"
#include "core/base/mem.h"

/* Records looked at in one turn, dirty or not: 64 Ki × 24 bytes, about 0.2 ms. */
#define SCAN_RECORDS_PER_TURN 65536

static uint64_t window_end_unix_ns(const struct seal_table *seal)
{
    return clock_align_up(seal->window_start_unix_ns + 1, seal->interval_ns);
}

/* The table's word that its quota is used up. */
static uint32_t lease_quota(struct series_table *table)
{
    struct seal_table *seal = CONTAINER_OF(table, struct seal_table, table);
    uint64_t amount = budget_lease(seal->series_budget, seal->lease_block_count);
    seal->leased_count += amount;
    return (uint32_t)amount;
}

int seal_table_init(struct seal_table *seal, const struct seal_options *options,
                    uint64_t now_unix_ns, uint64_t now_mono_ns)
{
    ASSERT(options->interval_ns > 0 && options->idle_window_max > 0);
    ASSERT(options->lease_block_count > 0);
    *seal = (struct seal_table){
        .series_budget = options->series_budget,
        .lease_block_count = options->lease_block_count,
        .interval_ns = options->interval_ns,
        .idle_window_max = options->idle_window_max,
        .window_start_unix_ns = now_unix_ns,
        .window_start_mono_ns = now_mono_ns,
    };
    struct series_options series = options->series;
    series.lease_quota = lease_quota;
    int err = series_table_init(&seal->table, &series);
    if (err != 0) {
        goto fail;
    }
    err = mailbox_init(&seal->sealed, SEAL_SLICE_COUNT);
    if (err != 0) {
        goto fail;
    }
    err = mailbox_init(&seal->returned, SEAL_SLICE_COUNT);
    if (err != 0) {
        goto fail;
    }
    seal->slices = mem_reserve(SEAL_SLICE_COUNT * sizeof(seal->slices[0]));
    if (seal->slices == NULL) {
        err = -ENOMEM;
        goto fail;
    }
    for (uint32_t i = 0; i < SEAL_SLICE_COUNT; i++) {
        seal->free_slices[i] = &seal->slices[i];
    }
    seal->free_slice_count = SEAL_SLICE_COUNT;
    return 0;

fail:
    seal_table_fini(seal);
    return err;
}

/* Gives back the objects that a slice carried; its series that ended are freed. */
static void slice_come_home(struct seal_table *seal, struct seal_slice *slice)
{
    for (uint32_t i = 0; i < slice->entry_count; i++) {
        uint32_t entry = slice->entries[i];
        uint32_t index = entry & SEAL_ENTRY_INDEX;
        if ((entry & (uint32_t)SEAL_ENTRY_GONE) != 0) {
            series_release(&seal->table, index);
            continue;
        }
        enum aggregate aggregate = seal->table.hot[index].aggregate;
        if (aggregate != AGGREGATE_SUM) {
            aggregate_give(aggregate, &slice->values[i], seal->table.pool);
        }
    }
    /* Pages of a slice that was full are given back, so that a quiet table is a small one. */
    if (slice->entry_count > SEAL_SLICE_SERIES_MAX / 4) {
        mem_release_pages(slice, sizeof(*slice));
    }
    ASSERT(seal->free_slice_count < SEAL_SLICE_COUNT);
    seal->free_slices[seal->free_slice_count] = slice;
    seal->free_slice_count++;
}

static void take_slices_home(struct seal_table *seal)
{
    struct seal_slice *slice = mailbox_take(&seal->returned);
    while (slice != NULL) {
        slice_come_home(seal, slice);
        slice = mailbox_take(&seal->returned);
    }
}

void seal_table_fini(struct seal_table *seal)
{
    if (seal->slices != NULL) {
        struct seal_slice *slice = mailbox_take(&seal->sealed);
        while (slice != NULL) {
            slice_come_home(seal, slice);
            slice = mailbox_take(&seal->sealed);
        }
        take_slices_home(seal);
    }
    if (seal->table.pool != NULL) {
        series_table_fini(&seal->table);
    }
    if (seal->series_budget != NULL) {
        budget_return(seal->series_budget, seal->leased_count);
    }
    mailbox_fini(&seal->sealed);
    mailbox_fini(&seal->returned);
    mem_unreserve(seal->slices, SEAL_SLICE_COUNT * sizeof(seal->slices[0]));
    *seal = (struct seal_table){0};
}

void seal_prepare(struct seal_table *seal)
{
    int err = series_prepare(&seal->table);
    if (WEIR_LIKELY(err == 0)) {
        return;
    }
    /* An index that cannot grow takes no births; points go to series that are there. */
    seal->leased_count -= seal->table.quota_count;
    budget_return(seal->series_budget, seal->table.quota_count);
    seal->table.quota_count = 0;
}

static void return_surplus_quota(struct seal_table *seal)
{
    struct series_table *table = &seal->table;
    if (table->quota_count <= 2 * seal->lease_block_count) {
        return;
    }
    uint32_t surplus = table->quota_count - seal->lease_block_count;
    table->quota_count -= surplus;
    seal->leased_count -= surplus;
    budget_return(seal->series_budget, surplus);
}

/* The edge of the interval next to `unix_ns` where it is close by (a turn comes a little early or
 * late and still closes the window on its edge), else `unix_ns`. */
static uint64_t snap_to_edge(uint64_t unix_ns, uint64_t interval_ns)
{
    uint64_t tolerance_ns = interval_ns / 16;
    uint64_t after_ns = unix_ns % interval_ns;
    if (after_ns <= tolerance_ns) {
        return unix_ns - after_ns;
    }
    uint64_t before_ns = interval_ns - after_ns;
    return before_ns <= tolerance_ns ? unix_ns + before_ns : unix_ns;
}

/*
 * Starts the sealing of the open window. Its end is the wall clock's word where that agrees with
 * the monotonic clock, else the start plus the time that really went by.
 */
static void flip(struct seal_table *seal, uint64_t now_unix_ns, uint64_t now_mono_ns)
{
    ASSERT(!seal->is_sealing);
    uint64_t start_unix_ns = seal->window_start_unix_ns;
    uint64_t expected_unix_ns = start_unix_ns + (now_mono_ns - seal->window_start_mono_ns);
    uint64_t drift_ns = now_unix_ns > expected_unix_ns ? now_unix_ns - expected_unix_ns
                                                       : expected_unix_ns - now_unix_ns;
    bool is_step = drift_ns > SEAL_CLOCK_DRIFT_MS * CLOCK_NS_PER_MS;
    uint64_t told_unix_ns = is_step ? expected_unix_ns : now_unix_ns;
    uint64_t end_unix_ns = told_unix_ns;
    if (!seal->is_finishing && !is_step) {
        end_unix_ns = snap_to_edge(told_unix_ns, seal->interval_ns);
    }
    if (end_unix_ns <= start_unix_ns) {
        end_unix_ns = start_unix_ns + 1;
    }
    seal->sealed_start_unix_ns = start_unix_ns;
    seal->sealed_end_unix_ns = end_unix_ns;
    /* Windows follow each other without gap or overlap, but a stepped clock is believed. */
    seal->window_start_unix_ns = is_step ? now_unix_ns : end_unix_ns;
    seal->window_start_mono_ns = is_step ? now_mono_ns : now_mono_ns + end_unix_ns - told_unix_ns;
    seal->clock_step_count += is_step ? 1 : 0;

    seal->table.open_bank ^= 1;
    seal->scan_index = 0;
    seal->is_sealing = true;
}

static bool window_is_over(const struct seal_table *seal, uint64_t now_unix_ns,
                           uint64_t now_mono_ns)
{
    if (now_mono_ns <= seal->window_start_mono_ns) {
        return false;
    }
    uint64_t elapsed_ns = now_mono_ns - seal->window_start_mono_ns;
    if (elapsed_ns >= seal->interval_ns) {
        return true;
    }
    /* A wall clock that jumped ahead ends the window only if enough time really passed, too. */
    uint64_t left_ns = window_end_unix_ns(seal) - seal->window_start_unix_ns;
    return now_unix_ns >= window_end_unix_ns(seal) &&
           elapsed_ns + SEAL_CLOCK_DRIFT_MS * CLOCK_NS_PER_MS >= left_ns;
}

uint64_t seal_next_mono_ns(const struct seal_table *seal, uint64_t now_unix_ns,
                           uint64_t now_mono_ns)
{
    uint64_t end_unix_ns = window_end_unix_ns(seal);
    uint64_t latest_mono_ns = seal->window_start_mono_ns + seal->interval_ns;
    uint64_t wait_ns = end_unix_ns > now_unix_ns ? end_unix_ns - now_unix_ns : 0;
    return now_mono_ns + wait_ns < latest_mono_ns ? now_mono_ns + wait_ns : latest_mono_ns;
}

static void slice_add(struct seal_slice *slice, uint32_t entry, union aggregate_value value)
{
    slice->entries[slice->entry_count] = entry;
    slice->values[slice->entry_count] = value;
    slice->entry_count++;
}

static void slice_add_key(struct seal_slice *slice, const struct series_key *key, uint8_t aggregate)
{
    slice->keys[slice->key_count] = key;
    slice->aggregates[slice->key_count] = aggregate;
    slice->key_count++;
}

/* One record that had no point in the sealed window, nor so far in the open one. */
static void scan_idle(struct seal_table *seal, struct seal_slice *slice, uint32_t index)
{
    struct series_hot *hot = &seal->table.hot[index];
    if (hot->idle_window_count < seal->idle_window_max) {
        hot->idle_window_count++;
        return;
    }
    series_retire(&seal->table, index);
    if ((hot->flags & SERIES_ANNOUNCED) == 0) {
        series_release(&seal->table, index);
        return;
    }
    slice_add_key(slice, series_key_at(&seal->table, index), hot->aggregate);
    slice_add(slice, index | (uint32_t)SEAL_ENTRY_GONE, (union aggregate_value){0});
}

static void scan_record(struct seal_table *seal, struct seal_slice *slice, uint32_t index)
{
    struct series_hot *hot = &seal->table.hot[index];
    if ((hot->flags & (SERIES_LIVE | SERIES_RETIRING)) != SERIES_LIVE) {
        return;
    }
    uint32_t sealed = seal->table.open_bank ^ 1;
    uint8_t sealed_flag = (uint8_t)(SERIES_DIRTY_BANK_0 << sealed);
    if ((hot->flags & (SERIES_DIRTY_BANK_0 | SERIES_DIRTY_BANK_1)) == 0) {
        scan_idle(seal, slice, index);
        return;
    }
    hot->idle_window_count = 0;
    if ((hot->flags & sealed_flag) == 0) {
        return;
    }
    uint32_t entry = index;
    if ((hot->flags & SERIES_ANNOUNCED) == 0) {
        hot->flags |= SERIES_ANNOUNCED;
        slice_add_key(slice, series_key_at(&seal->table, index), hot->aggregate);
        entry |= SEAL_ENTRY_BORN;
    }
    slice_add(slice, entry, hot->bank[sealed]);
    hot->bank[sealed].object = NULL;
    hot->flags &= (uint8_t)~sealed_flag;
}

/* The next slice of the sealed bank; sends it. */
static void send_slice(struct seal_table *seal)
{
    seal->free_slice_count--;
    struct seal_slice *slice = seal->free_slices[seal->free_slice_count];
    slice->entry_count = 0;
    slice->key_count = 0;
    slice->start_unix_ns = seal->sealed_start_unix_ns;
    slice->end_unix_ns = seal->sealed_end_unix_ns;
    uint32_t looked_count = 0;
    while (seal->scan_index < seal->table.record_limit &&
           slice->entry_count < SEAL_SLICE_SERIES_MAX && looked_count < SCAN_RECORDS_PER_TURN) {
        scan_record(seal, slice, seal->scan_index);
        seal->scan_index++;
        looked_count++;
    }
    slice->is_last = seal->scan_index >= seal->table.record_limit;
    slice->is_final = slice->is_last && seal->is_final;
    if (slice->is_last) {
        seal->is_sealing = false;
        seal->is_drained = seal->is_final;
        series_shrink(&seal->table);
        return_surplus_quota(seal);
    }
    void *message = slice;
    bool is_pushed = mailbox_try_push(&seal->sealed, &message);
    /* There are as many places in the mailbox as there are slices. */
    ASSERT(is_pushed);
}

bool seal_turn(struct seal_table *seal, uint64_t now_unix_ns, uint64_t now_mono_ns)
{
    take_slices_home(seal);
    if (seal->is_drained) {
        return false;
    }
    if (!seal->is_sealing) {
        if (!seal->is_finishing && !window_is_over(seal, now_unix_ns, now_mono_ns)) {
            return false;
        }
        flip(seal, now_unix_ns, now_mono_ns);
        seal->is_final = seal->is_finishing;
    }
    if (seal->free_slice_count > 0) {
        send_slice(seal);
    }
    return seal->is_sealing && seal->free_slice_count > 0;
}

void seal_finish(struct seal_table *seal)
{
    seal->is_finishing = true;
}

bool seal_is_done(const struct seal_table *seal)
{
    return seal->is_drained && seal->free_slice_count == SEAL_SLICE_COUNT;
}
