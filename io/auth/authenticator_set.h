/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authenticator_set — the authenticators of a configuration, by the id of their extension.
 */
#pragma once

#include <stdint.h>

#include "core/base/slice.h"
#include "io/auth/authenticator.h"

#define AUTHENTICATORS_MAX 16

/* Owned by the graph; frozen while receivers look into it. */
struct authenticator_set {
    const char *ids[AUTHENTICATORS_MAX];                      /* borrowed */
    struct authenticator *authenticators[AUTHENTICATORS_MAX]; /* owned by the graph */
    uint32_t count;
};

/* NULL for an id that is not there, the empty one included. */
struct authenticator *authenticator_find(const struct authenticator_set *set, struct slice id);
