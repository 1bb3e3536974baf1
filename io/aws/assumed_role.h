/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assumed_role — the source of a role's set: STS, asked with the credentials of another identity.
 *
 * Serves the `role_arn` of an exporter. Waits for the identity below where it has no set.
 * Loop-local.
 */
#pragma once

#include "core/base/defs.h"
#include "io/aws/credential_plan.h"
#include "io/aws/credentials.h"
#include "io/aws/region_discovery.h"
#include "io/aws/sts.h"
#include "io/aws/waiter.h"

/* Embedded in its owner. All that is borrowed is so until fini. */
struct assumed_role {
    struct credential_source source;
    struct loop *loop;
    struct credentials *below;          /* what it is assumed with */
    struct region_discovery *discovery; /* for STS */
    struct aws_region region;           /* a setting's, before discovery; "" for none */
    struct credential_role role;
    struct sts sts; /* from here on private */
    struct waiter waiter;
    uint64_t below_generation; /* of the set that the call under way is signed with */
};

/* The fields before `sts` are filled; `sts_client` is borrowed until fini. As sts_init. */
WEIR_MUST_USE int assumed_role_init(struct assumed_role *role, struct http_client *sts_client);

/* Cancels what is under way. Idempotent. */
void assumed_role_fini(struct assumed_role *role);
