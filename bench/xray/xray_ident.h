/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_ident — the identity of a segment: a running number that looks random on the wire.
 *
 * The segment's id is its number, mixed one to one with the seed (bench/otlp/otlp_ident.h), so that
 * a sink can tell which segment it sees; the trace id's 24 digits come from the same number and are
 * the second witness: a sink knows both from one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

#define XRAY_SEGMENT_ID_BYTES 16u
#define XRAY_TRACE_DIGITS_BYTES 24u

/* Lower-case hexadecimal digits, without terminators. */
struct xray_ident {
    char segment_id[XRAY_SEGMENT_ID_BYTES];
    char trace_digits[XRAY_TRACE_DIGITS_BYTES]; /* of the trace id, behind its time */
};

/* `sequence` below IDENT_SEQUENCE_MAX. */
void xray_ident_of(uint64_t seed, uint64_t sequence, struct xray_ident *out);

/*
 * The number behind an identity; UINT64_MAX where the two ids are not those of one number, or are
 * no digits at all.
 */
uint64_t xray_ident_sequence(uint64_t seed, const struct xray_ident *ident);
