/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal — the end of a window on one shard, and what crosses to the merge.
 *
 * A seal table is one receiver's series on one shard. On the interval its bank flips, O(1); in
 * later turns the sealed bank crosses in slices of at most SEAL_SLICE_SERIES_MAX dirty series. A
 * slice is the shard's memory: the merge reads it and sends it home, and what it carried is freed
 * there. There are few slices, so a merge that lags slows the sealing and with it the next flip:
 * the window becomes longer, with true times, and nothing is lost.
 *
 * Windows are aligned to the wall clock. Their length is measured by the monotonic clock, so that a
 * step of the wall clock neither loses nor repeats a window.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/bounds.h"
#include "core/base/defs.h"
#include "core/base/mailbox.h"
#include "core/engine/budget.h"
#include "core/model/series.h"
#include "core/model/sketch_pool.h"

#define SEAL_SLICE_COUNT 4

enum {
    SEAL_ENTRY_INDEX = 0x3FFFFFFF,     /* the series' index on its shard */
    SEAL_ENTRY_BORN = 0x40000000,      /* first sight: the next entry of `keys` names it */
    SEAL_ENTRY_GONE = (int)0x80000000, /* the series ends: likewise; it has no value */
};

/* Belongs to the shard's seal table; the merge borrows it until it sends it home. */
struct seal_slice {
    uint64_t start_unix_ns;
    uint64_t end_unix_ns;
    uint32_t entry_count;
    uint32_t key_count;
    bool is_last;  /* closes its window */
    bool is_final; /* the shard sends nothing after it */
    uint32_t entries[SEAL_SLICE_SERIES_MAX];
    union aggregate_value values[SEAL_SLICE_SERIES_MAX];
    const struct series_key *keys[SEAL_SLICE_SERIES_MAX];
    uint8_t aggregates[SEAL_SLICE_SERIES_MAX]; /* of the entry in `keys` */
};

struct seal_options {
    struct series_options series;
    struct budget *series_budget; /* borrowed; shared by the receiver's shards */
    uint32_t lease_block_count;   /* quota is leased in blocks of so many series, ≥ 1 */
    uint64_t interval_ns;
    uint32_t idle_window_max; /* windows without a point before a series ends, ≥ 1 */
};

struct seal_table {
    struct series_table table;
    struct mailbox sealed;     /* slices to the merge */
    struct mailbox returned;   /* slices coming home */
    struct seal_slice *slices; /* owned; reserved, SEAL_SLICE_COUNT */
    struct seal_slice *free_slices[SEAL_SLICE_COUNT];
    uint32_t free_slice_count;
    struct budget *series_budget; /* borrowed */
    uint32_t lease_block_count;
    uint64_t leased_count; /* quota taken from the budget and not returned */
    uint64_t interval_ns;
    uint32_t idle_window_max;
    uint64_t window_start_unix_ns;
    uint64_t window_start_mono_ns;
    uint64_t sealed_start_unix_ns;
    uint64_t sealed_end_unix_ns;
    uint32_t scan_index;
    bool is_sealing;
    bool is_finishing;         /* nothing will be ingested any more */
    bool is_final;             /* the sealing under way is the last one */
    bool is_drained;           /* the last slice was sent */
    uint64_t clock_step_count; /* windows in which the wall clock jumped */
};

/* Opens the first window at `now`. 0 or -ENOMEM. */
WEIR_MUST_USE int seal_table_init(struct seal_table *seal, const struct seal_options *options,
                                  uint64_t now_unix_ns, uint64_t now_mono_ns);

/* The merge must have stopped. Idempotent. */
void seal_table_fini(struct seal_table *seal);

/* Before a burst is ingested: room in the index for its births. May allocate. */
void seal_prepare(struct seal_table *seal);

/*
 * One turn's share of sealing: takes slices home, flips when the window is over, sends at most one
 * slice. Returns true while there is more to do at once.
 */
bool seal_turn(struct seal_table *seal, uint64_t now_unix_ns, uint64_t now_mono_ns);

/* When the open window ends, on the monotonic clock; at most one interval away. */
uint64_t seal_next_mono_ns(const struct seal_table *seal, uint64_t now_unix_ns,
                           uint64_t now_mono_ns);

/* Ends the open window now, whatever the interval; nothing may be ingested afterwards. */
void seal_finish(struct seal_table *seal);

/* Has the merge everything, and have all slices come home? */
bool seal_is_done(const struct seal_table *seal);
