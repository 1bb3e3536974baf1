/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget — lease and return on one atomic.
 */
#include "core/engine/budget.h"

#include "core/base/defs.h"

void budget_init(struct budget *budget, uint64_t max)
{
    budget->max = max;
    atomic_init(&budget->available, max);
}

uint64_t budget_lease(struct budget *budget, uint64_t wanted)
{
    uint64_t available = atomic_load_explicit(&budget->available, memory_order_relaxed);
    uint64_t amount;
    do {
        amount = available < wanted ? available : wanted;
        if (amount == 0) {
            return 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(&budget->available, &available,
                                                    available - amount, memory_order_relaxed,
                                                    memory_order_relaxed));
    return amount;
}

void budget_return(struct budget *budget, uint64_t amount)
{
    uint64_t before = atomic_fetch_add_explicit(&budget->available, amount, memory_order_relaxed);
    ASSERT(amount <= budget->max - before);
}

uint64_t budget_leased(const struct budget *budget)
{
    return budget->max - atomic_load_explicit(&budget->available, memory_order_relaxed);
}
