/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hll — HyperLogLog registers over 64-bit hashes: how many distinct ones were seen, with a
 * standard error of 0.8 %.
 *
 * Plain functions over HLL_REGISTER_COUNT bytes that somebody else owns. A register holds the
 * longest run of leading zeros seen, so adding and merging commute. Source: O. Ertl, "New
 * cardinality estimation algorithms for HyperLogLog sketches" (2017), the improved raw estimator.
 */
#pragma once

#include <stdint.h>

#include "core/base/bounds.h"

#define HLL_REGISTER_COUNT (1 << HLL_PRECISION_BITS)

/* Sees `hash`, whose bits must be uniform. */
void hll_add(uint8_t registers[HLL_REGISTER_COUNT], uint64_t hash);

/* Sees everything `source` saw. */
void hll_merge(uint8_t target[HLL_REGISTER_COUNT], const uint8_t source[HLL_REGISTER_COUNT]);

/* Distinct hashes seen, estimated without a bias to correct; 0 for zeroed registers. */
double hll_estimate(const uint8_t registers[HLL_REGISTER_COUNT]);
