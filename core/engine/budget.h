/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget — a global amount leased to threads in blocks, so that nobody counts together per item.
 *
 * One of the few things that cross shards: what is leased, touched once per block, and the limit,
 * which a reload may change. Relaxed.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct budget {
    _Atomic uint64_t leased; /* any thread adds and takes away */
    _Atomic uint64_t max;    /* main writes, any thread reads */
};

void budget_init(struct budget *budget, uint64_t max);

/* Main thread. Below what is leased nothing is taken back; nothing more is leased until it fits. */
void budget_set_max(struct budget *budget, uint64_t max);

/* Takes up to `wanted`; returns how much it got, 0 where nothing is left. */
uint64_t budget_lease(struct budget *budget, uint64_t wanted);

void budget_return(struct budget *budget, uint64_t amount);

/* What is leased at the moment, and how much may be. */
uint64_t budget_leased(const struct budget *budget);
uint64_t budget_max(const struct budget *budget);
