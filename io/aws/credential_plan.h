/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential_plan — which provider gives credentials here, and everything about it that blocks.
 *
 * The settings decide, not success: the first provider that is configured is the one, as for the
 * SDKs, and its failure is the failure. Made on the helper's thread, where files are read, commands
 * run and names looked up; what is left to do is HTTP, which is credential_fetch's.
 * Order: environment, web identity, profile, container, instance metadata.
 * Source: AWS SDKs and Tools Reference, "Standardized credential providers".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/aws/aws_environment.h"
#include "io/aws/credential_set.h"

/* Profiles that name one another by source_profile; real chains have two or three. */
#define CREDENTIAL_ROLES_MAX 8
/* STS takes tokens of up to 20 000 characters. */
#define CREDENTIAL_WEB_TOKEN_MAX_BYTES 20000

enum credential_step {
    CREDENTIAL_STEP_NONE,         /* nothing can be fetched; `why` says it */
    CREDENTIAL_STEP_HELD,         /* `set` has them already */
    CREDENTIAL_STEP_WEB_IDENTITY, /* `web_role` by STS, for `web_token` */
    CREDENTIAL_STEP_CONTAINER,    /* GET `url` */
    CREDENTIAL_STEP_IMDS,         /* the instance's role */
};

/* A role to assume; texts are NUL-terminated, "" for not given. */
struct credential_role {
    const char *arn;
    const char *external_id;
    const char *session_name;
    uint32_t duration_s; /* 0: as STS likes */
};

/* Owns its texts; secrets among them are wiped. Zeroed is empty. */
struct credential_plan {
    enum credential_step step;
    const char *source;         /* static: the provider's name in logs */
    struct credential_set *set; /* owned */
    struct credential_role web_role;
    struct slice web_token; /* secret */
    const char *url;
    struct slice authorization; /* secret; "" for none */
    /* Assumed after that, the last one first, each with what the one before gave. */
    struct credential_role roles[CREDENTIAL_ROLES_MAX];
    size_t role_count;
    char tried[CREDENTIAL_WHY_BYTES]; /* providers that are not configured, and how one can tell */
    char why[CREDENTIAL_WHY_BYTES];
    struct arena texts; /* owned */
};

/* Blocks. Always leaves a plan, if only one that says why there is none; fini it. */
void credential_plan_make(struct credential_plan *plan, const struct aws_environment *env);

/* Idempotent; leaves zeros. */
void credential_plan_fini(struct credential_plan *plan);
