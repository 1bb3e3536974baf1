/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_key — 128 bits that stand for a row of texts: a resource, a scope, a family, a series.
 *
 * Two different rows share a key with a probability of 2^-128 for each pair, so what has the same
 * key is the same, and no table compares names. The seed is one per workbench and random, so nobody
 * outside can look for a pair. Hash: XXH3.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct prom_key {
    uint64_t low;
    uint64_t high;
};

static inline bool prom_key_equal(struct prom_key a, struct prom_key b)
{
    return a.low == b.low && a.high == b.high;
}

#define PROM_KEY_BUFFER_BYTES 2048

/* A row being hashed: short texts side by side, so that most rows are one call of the hash. */
struct prom_key_maker {
    uint64_t seed;
    size_t used_bytes;
    uint8_t buffer[PROM_KEY_BUFFER_BYTES];
};

/* Begins a row inside of what `parent` stands for; zeros for nothing. */
void prom_key_begin(struct prom_key_maker *maker, uint64_t seed, struct prom_key parent);

/* The next text of the row; where one ends and the next begins is part of the key. */
void prom_key_add(struct prom_key_maker *maker, struct slice text);

struct prom_key prom_key_end(const struct prom_key_maker *maker);
