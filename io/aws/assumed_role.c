/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assumed_role — credentials below, a region, one call.
 */
#include "io/aws/assumed_role.h"

#include <stdio.h>
#include <string.h>

#include "io/loop.h"

static void fail(struct assumed_role *role, const char *why)
{
    role->source.on_done(&role->source, NULL, why);
}

static const struct aws_region *region_of(const struct assumed_role *role)
{
    return role->region.text[0] != '\0' ? &role->region : region_discovery_current(role->discovery);
}

static void call_sts(struct assumed_role *role, const struct credential_set *with)
{
    char why[CREDENTIAL_WHY_BYTES];
    if (sts_assume_role(&role->sts, region_of(role), &role->role, &with->keys, why) != 0) {
        fail(role, why);
    }
}

static void on_below(struct waiter *waiter)
{
    struct assumed_role *role = CONTAINER_OF(waiter, struct assumed_role, waiter);
    const struct credential_set *with = credentials_current(role->below, &role->below_generation);
    if (with == NULL) {
        char why[CREDENTIAL_WHY_BYTES];
        (void)snprintf(why, sizeof(why), "nothing to assume the role with: %.400s",
                       credentials_why(role->below));
        fail(role, why);
        return;
    }
    call_sts(role, with);
}

static void want_below(struct assumed_role *role)
{
    const struct credential_set *with = credentials_current(role->below, &role->below_generation);
    if (with == NULL) {
        role->waiter.on_ready = on_below;
        credentials_wait(role->below, &role->waiter);
        return;
    }
    call_sts(role, with);
}

static void on_region(struct waiter *waiter)
{
    struct assumed_role *role = CONTAINER_OF(waiter, struct assumed_role, waiter);
    if (region_of(role) == NULL) {
        fail(role, "no region to ask STS in");
        return;
    }
    want_below(role);
}

static void on_assumed(struct sts *sts, struct credential_set *set, const char *why)
{
    struct assumed_role *role = CONTAINER_OF(sts, struct assumed_role, sts);
    if (set == NULL && strstr(why, "ExpiredToken") != NULL) {
        /* The next try, a moment later, finds the new ones. */
        bool is_renewed = credentials_refuse(role->below, role->below_generation);
        (void)is_renewed;
    }
    role->source.on_done(&role->source, set, why);
}

static void role_start(struct credential_source *source)
{
    struct assumed_role *role = CONTAINER_OF(source, struct assumed_role, source);
    if (region_of(role) == NULL) {
        role->waiter.on_ready = on_region;
        region_discovery_wait(role->discovery, &role->waiter);
        return;
    }
    want_below(role);
}

static void role_cancel(struct credential_source *source)
{
    struct assumed_role *role = CONTAINER_OF(source, struct assumed_role, source);
    waiter_remove(&role->waiter);
    sts_cancel(&role->sts);
}

static const struct credential_source_ops role_ops = {
    .start = role_start,
    .cancel = role_cancel,
};

int assumed_role_init(struct assumed_role *role, struct http_client *sts_client)
{
    role->source.ops = &role_ops;
    return sts_init(&role->sts, role->loop, sts_client, on_assumed);
}

void assumed_role_fini(struct assumed_role *role)
{
    if (role->loop == NULL) {
        return;
    }
    role_cancel(&role->source);
    sts_fini(&role->sts);
    *role = (struct assumed_role){.loop = NULL};
}
