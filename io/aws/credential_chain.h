/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential_chain — the source of the set that this process itself has: the SDKs' chain.
 *
 * A fetch asks the helper for a plan, then does what is HTTP in it: a web identity's token for a
 * role, the container's endpoint, the machine's metadata; then the roles that a profile names, one
 * after another. Loop-local.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/defs.h"
#include "io/aws/credential_plan.h"
#include "io/aws/credentials.h"
#include "io/aws/imds.h"
#include "io/aws/region_discovery.h"
#include "io/aws/retry_call.h"
#include "io/aws/sts.h"
#include "io/aws/waiter.h"

#define CREDENTIAL_ROLE_PATH_BYTES 256
#define CREDENTIAL_CONTAINER_TIMEOUT_MS 5000

struct chain_job;
struct helper_port;

/* Embedded in its owner. All that is borrowed is so until fini. */
struct credential_chain {
    struct credential_source source;
    struct loop *loop;
    struct helper_port *port;
    struct http_client *client; /* one that uses no proxy */
    const struct aws_environment *env;
    struct imds *imds;
    struct region_discovery *discovery; /* for STS */
    struct aws_region region;           /* a setting's, before discovery; "" for none */
    struct sts sts;                     /* from here on private */
    struct waiter region_waiter;
    struct chain_job *job;       /* the plan; with the helper or here */
    bool is_planning;            /* the job is with the helper */
    struct credential_set *held; /* owned: what the next role is assumed with */
    size_t roles_left;
    struct retry_call container_call;
    const char *container_headers[2];
    char *authorization_line; /* owned, wiped */
    struct imds_get imds_get;
    char role_path[CREDENTIAL_ROLE_PATH_BYTES];
};

/*
 * The fields before `sts` are filled; `sts_client` is borrowed until fini. 0, -ENOMEM or
 * FAULT_LIBRARY.
 */
WEIR_MUST_USE int credential_chain_init(struct credential_chain *chain,
                                        struct http_client *sts_client);

/* Cancels what is under way. The port is still open. Idempotent. */
void credential_chain_fini(struct credential_chain *chain);
