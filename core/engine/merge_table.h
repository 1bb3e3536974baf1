/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge_table — the merged series of one receiver by canonical key, and the limit on their number;
 * shared by merge.c and merge_table.c only.
 *
 * Here a series counts once, however many shards see it and in whatever order its tags stand, so
 * this is where the receiver's limit holds. Overflow series do not count.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/merge.h"
#include "core/engine/merge_record.h"

/* The empty index. 0 or -ENOMEM; merge_table_fini is safe after either. */
WEIR_MUST_USE int merge_table_init(struct merge *merge);
void merge_table_fini(struct merge *merge);

/* The record of that series, NULL where there is none. */
struct merged *merge_table_find(const struct merge *merge, const struct series_key *key);

/* May a series that has no record yet have one? Overflow series always may. */
bool merge_table_has_room(const struct merge *merge, const struct series_key *key);

/* A fresh record for a series without one; `key` is borrowed. NULL where there is no memory. */
struct merged *merge_table_bear(struct merge *merge, const struct series_key *key,
                                uint8_t aggregate);

/*
 * The overflow series of `key`'s name, made if need be; it owns its key and, without a shard that
 * refers to it, ends with the round. NULL where there is no memory, or where names overflow too and
 * what is left for all of them is of another aggregate.
 */
struct merged *merge_table_overflow(struct merge *merge, const struct series_key *key,
                                    uint8_t aggregate);

/* Copies the key, so that it stays when its shard lets it go. 0 or -ENOMEM. */
WEIR_MUST_USE int merge_table_own_key(struct merge *merge, struct merged *record);

/* Frees a record and what it owns. */
void merge_table_end(struct merge *merge, struct merged *record);
