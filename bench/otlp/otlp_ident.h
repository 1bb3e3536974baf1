/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_ident — the identities of items: a running number that looks random on the wire, and sums
 * over identities that do not depend on their order.
 *
 * Every item of a corpus has a number. Spans and log records carry it as their span id, mixed one
 * to one with the seed, so that a sink can tell which item it sees; data points carry it in their
 * time. A digest is the sum, modulo 2^128, of a hash of each identity's bytes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

#define IDENT_SEQUENCE_MAX (UINT64_C(1) << 32)
/* A data point's time is this plus its number in microseconds. */
#define IDENT_TIME_BASE_NS UINT64_C(1767225600000000000)
#define IDENT_TIME_STEP_NS UINT64_C(1000)

struct ident_digest {
    uint64_t low;
    uint64_t high;
};

/* `sequence` below IDENT_SEQUENCE_MAX. Never 0; different for different numbers of one seed. */
uint64_t ident_id_of(uint64_t seed, uint64_t sequence);

/* The number behind an id; anything at all for an id that ident_id_of did not make. */
uint64_t ident_sequence_of(uint64_t seed, uint64_t id);

uint64_t ident_time_of(uint64_t sequence);

/* UINT64_MAX for a time that ident_time_of did not make. */
uint64_t ident_sequence_of_time(uint64_t time_unix_ns);

/* Adds the hash of one identity's bytes. */
void ident_digest_add(struct ident_digest *digest, struct slice ident);

/* Adds `more`, `times` times over. */
void ident_digest_add_many(struct ident_digest *digest, struct ident_digest more, uint64_t times);

bool ident_digest_equal(struct ident_digest a, struct ident_digest b);
