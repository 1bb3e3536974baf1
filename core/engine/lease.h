/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease — one thread's share of a byte budget, so that most charges touch no other thread.
 *
 * A receiver charges what it is about to read and keeps the charge with the bytes; whoever frees
 * them gives it back, to its own lease or straight to the budget.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/engine/budget.h"

/* Thread-local. Zeroed but for `budget` is empty. */
struct lease {
    struct budget *budget; /* borrowed */
    uint64_t spare_bytes;  /* leased and charged to nothing */
};

/* Charges `bytes`; false where the budget has not so many left, and then nothing is charged. */
WEIR_MUST_USE bool lease_take(struct lease *lease, uint64_t bytes);

/* What was charged is free again. */
void lease_give(struct lease *lease, uint64_t bytes);

/* Returns what is spare: before the thread ends. */
void lease_fini(struct lease *lease);
