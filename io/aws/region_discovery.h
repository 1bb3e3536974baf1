/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region_discovery — the region where no setting of the exporter names it.
 *
 * Order: AWS_REGION, AWS_DEFAULT_REGION, the profile, the task's metadata, the machine's. Asked for
 * once for all clients of a loop; tried again with backoff while it cannot be found. The files are
 * read on the helper's thread. Loop-local.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/timer.h"
#include "io/aws/aws_environment.h"
#include "io/aws/imds.h"
#include "io/aws/region.h"
#include "io/aws/retry_call.h"
#include "io/aws/waiter.h"

#define REGION_WHY_BYTES 256
#define REGION_TASK_URL_MAX_BYTES 512
#define REGION_TASK_TIMEOUT_MS 2000

struct helper_port;
struct region_job;

/* Embedded in its owner. All that is borrowed is so until fini. */
struct region_discovery {
    struct loop *loop;
    struct helper_port *port;
    struct http_client *client; /* one that uses no proxy */
    const struct aws_environment *env;
    bool is_local_mode; /* no metadata is asked */
    struct aws_region region;
    char why[REGION_WHY_BYTES]; /* why there is none */
    struct waiter_list waiters; /* private, and so is what follows */
    struct timer timer;         /* the next try, or telling the waiters */
    struct timer wake;
    struct region_job *job; /* with the helper; its own owner then */
    struct retry_call task_call;
    char task_url[REGION_TASK_URL_MAX_BYTES];
    struct imds *imds;
    struct imds_get imds_get;
    uint64_t backoff_ns; /* of the last failure; 0 where the last try did not fail */
    bool is_looking;
};

/* What the fields above it are made of: fill them, then init. Starts nothing. */
void region_discovery_init(struct region_discovery *d);

/* Cancels all; waiters are forgotten. The port is still open. Idempotent. */
void region_discovery_fini(struct region_discovery *d);

/* NULL while it is not known. */
const struct aws_region *region_discovery_current(const struct region_discovery *d);

/* Has a search in this process ended without a region, ever? From any thread. */
bool region_discovery_has_failed(void);

/* Looks for it where nobody does yet. `waiter` is told, from a later turn, how that went. */
void region_discovery_wait(struct region_discovery *d, struct waiter *waiter);
