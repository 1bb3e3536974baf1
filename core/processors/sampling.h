/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampling — the arithmetic of consistent probability sampling: 56 bits of randomness on one side,
 * a threshold of 56 bits on the other.
 *
 * An item is taken where its randomness is not below the threshold, so whoever samples less takes a
 * subset. Pure functions. Source: W3C Trace Context Level 2 (randomness of a trace id),
 * OpenTelemetry's TraceState probability sampling (th, rv, rounding); the hash of the Collector's
 * probabilistic_sampler, so that tiers with one seed agree.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

#define SAMPLING_BITS 56
#define SAMPLING_DIGITS 14 /* hexadecimal ones of 56 bits */
/* Thresholds: nothing is below the first, no randomness reaches the second. */
#define SAMPLING_ALWAYS UINT64_C(0)
#define SAMPLING_NEVER (UINT64_C(1) << SAMPLING_BITS)
#define SAMPLING_RANDOMNESS_MAX (SAMPLING_NEVER - 1)
#define SAMPLING_TRACE_ID_BYTES 16

/* 32 bits of FNV-1a over the seed, least significant byte first, and the bytes. */
uint32_t sampling_hash(uint32_t seed, struct slice bytes);

/*
 * Randomness whose upper 14 bits are the hash's lower 14 turned around, so that comparing with
 * sampling_hash_threshold gives the decision the hash alone would give; the other bits of the hash
 * follow.
 */
uint64_t sampling_hash_randomness(uint32_t seed, struct slice bytes);

/* The threshold of the hash: 2^14 buckets, cut towards fewer items; SAMPLING_NEVER for none. */
uint64_t sampling_hash_threshold(float percent);

/* The last 56 bits of a trace id of SAMPLING_TRACE_ID_BYTES. */
uint64_t sampling_trace_randomness(struct slice trace_id);

/*
 * The threshold of a probability, rounded to `digit_count` (1 … SAMPLING_DIGITS) significant
 * hexadecimal digits; leading zeros and leading f's do not count as significant. False where the
 * probability is not in [2^-56, 1].
 */
bool sampling_threshold(double probability, uint32_t digit_count, uint64_t *out);

/* The probability that a threshold stands for. */
double sampling_probability(uint64_t threshold);

/* "th": 1 to 14 hexadecimal digits, trailing zeros left out. */
bool sampling_parse_threshold(struct slice text, uint64_t *out);
/* "rv": exactly 14. */
bool sampling_parse_randomness(struct slice text, uint64_t *out);

/* Lower-case digits without a terminator. `threshold` is below SAMPLING_NEVER. Returns how many. */
size_t sampling_format_threshold(uint64_t threshold, char out[SAMPLING_DIGITS]);
void sampling_format_randomness(uint64_t randomness, char out[SAMPLING_DIGITS]);
