/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series_table — what series.c and series_birth.c share; nobody else includes this.
 */
#pragma once

#include <stdint.h>

#include "core/model/series.h"

/* 512 records of 24 bytes are exactly three pages. */
#define SERIES_BLOCK_RECORDS 512
_Static_assert(SERIES_BLOCK_RECORDS * sizeof(struct series_hot) % 4096 == 0,
               "a block of records covers whole pages");

/* 1 + index of the record with this spelling, or 0. */
uint32_t series_find(const struct series_table *table, const struct series_parts *parts,
                     uint64_t hash);

/*
 * 1 + index of a new record for these parts, or of the overflow series that stands in for it; 0
 * where the tags are refused or nothing is left, counted in `report`.
 */
uint32_t series_bear(struct series_table *table, const struct series_parts *parts, uint64_t hash,
                     struct series_report *report);
