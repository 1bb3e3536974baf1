/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease — blocks from the budget in, blocks back out.
 */
#include "core/engine/lease.h"

#include "core/base/bounds.h"

bool lease_take(struct lease *lease, uint64_t bytes)
{
    if (bytes > lease->spare_bytes) {
        uint64_t missing_bytes = bytes - lease->spare_bytes;
        uint64_t wanted_bytes =
            missing_bytes > LEASE_BLOCK_BYTES ? missing_bytes : LEASE_BLOCK_BYTES;
        uint64_t got_bytes = budget_lease(lease->budget, wanted_bytes);
        lease->spare_bytes += got_bytes;
        if (got_bytes < missing_bytes) {
            lease_fini(lease); /* others may need the little there is */
            return false;
        }
    }
    lease->spare_bytes -= bytes;
    return true;
}

void lease_give(struct lease *lease, uint64_t bytes)
{
    lease->spare_bytes += bytes;
    if (lease->spare_bytes > (uint64_t)2 * LEASE_BLOCK_BYTES) {
        budget_return(lease->budget, lease->spare_bytes - LEASE_BLOCK_BYTES);
        lease->spare_bytes = LEASE_BLOCK_BYTES;
    }
}

void lease_fini(struct lease *lease)
{
    if (lease->spare_bytes > 0) {
        budget_return(lease->budget, lease->spare_bytes);
        lease->spare_bytes = 0;
    }
}
