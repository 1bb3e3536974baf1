/* SPDX-License-Identifier: Apache-2.0 */
/*
 * number — decimal text to numbers and back, whatever the locale says.
 *
 * Parsing takes the whole slice or refuses: no blanks, no underscores, no hexadecimal, no NaN or
 * infinity. Nothing is read past the slice and nothing is allocated.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/* Enough for whatever the functions below write: sign, 17 digits, point, e-308; 20 digits. */
#define NUMBER_TEXT_MAX_BYTES 32

/*
 * number_parse_f64 — sign, digits with at most one dot among or beside them, exponent; all but one
 * digit optional. The nearest double, ties to even.
 *
 *   text   borrowed, of any length; ".5", "5.", "+1e-3" are fine
 *   out    filled only on 0
 *
 * Returns 0, FAULT_MALFORMED, or FAULT_OVERFLOW when the nearest double is infinite. What is too
 * small becomes a denormal or a zero with the sign of the text.
 */
WEIR_MUST_USE int number_parse_f64(struct slice text, double *out);

/* Digits only, leading zeros included. 0, FAULT_MALFORMED or FAULT_OVERFLOW; out only on 0. */
WEIR_MUST_USE int number_parse_u64(struct slice text, uint64_t *out);

/* As number_parse_u64, after an optional sign of either kind. */
WEIR_MUST_USE int number_parse_i64(struct slice text, int64_t *out);

/*
 * Each writes text without a terminator and returns its length; 0, and nothing written, when `cap`
 * is too small. NUMBER_TEXT_MAX_BYTES always is enough.
 *
 * number_format_f64 writes digits that number_parse_f64 reads back as the same double, as few of
 * them as 15 to 17 allow; integers below 2^53 without point or exponent; "NaN", "Infinity",
 * "-Infinity", "-0".
 */
size_t number_format_f64(double value, char *buf, size_t cap);
size_t number_format_u64(uint64_t value, char *buf, size_t cap);
size_t number_format_i64(int64_t value, char *buf, size_t cap);
