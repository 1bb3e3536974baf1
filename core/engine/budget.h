/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget — a global amount leased to threads in blocks, so that nobody counts together per item.
 *
 * One of the few things that cross shards: a single atomic, relaxed, touched once per block.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct budget {
    _Atomic uint64_t available; /* any thread takes and gives, relaxed */
    uint64_t max;               /* frozen after init */
};

void budget_init(struct budget *budget, uint64_t max);

/* Takes up to `wanted`; returns how much it got, 0 where nothing is left. */
uint64_t budget_lease(struct budget *budget, uint64_t wanted);

void budget_return(struct budget *budget, uint64_t amount);

/* What is leased at the moment. */
uint64_t budget_leased(const struct budget *budget);
