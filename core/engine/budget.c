/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget — lease and return on one atomic.
 */
#include "core/engine/budget.h"

#include "core/base/defs.h"

void budget_init(struct budget *budget, uint64_t max)
{
    atomic_init(&budget->leased, 0);
    atomic_init(&budget->max, max);
}

void budget_set_max(struct budget *budget, uint64_t max)
{
    atomic_store_explicit(&budget->max, max, memory_order_relaxed);
}

uint64_t budget_lease(struct budget *budget, uint64_t wanted)
{
    uint64_t leased = atomic_load_explicit(&budget->leased, memory_order_relaxed);
    uint64_t amount;
    do {
        uint64_t max = budget_max(budget);
        uint64_t left = leased < max ? max - leased : 0;
        amount = left < wanted ? left : wanted;
        if (amount == 0) {
            return 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(&budget->leased, &leased, leased + amount,
                                                    memory_order_relaxed, memory_order_relaxed));
    return amount;
}

void budget_return(struct budget *budget, uint64_t amount)
{
    uint64_t before = atomic_fetch_sub_explicit(&budget->leased, amount, memory_order_relaxed);
    ASSERT(amount <= before);
}

uint64_t budget_leased(const struct budget *budget)
{
    return atomic_load_explicit(&budget->leased, memory_order_relaxed);
}

uint64_t budget_max(const struct budget *budget)
{
    return atomic_load_explicit(&budget->max, memory_order_relaxed);
}
