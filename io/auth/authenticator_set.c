/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authenticator_set — looked through from the front: there are few.
 */
#include "io/auth/authenticator_set.h"

#include <stddef.h>

struct authenticator *authenticator_find(const struct authenticator_set *set, struct slice id)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (slice_is_text(id, set->ids[i])) {
            return set->authenticators[i];
        }
    }
    return NULL;
}
