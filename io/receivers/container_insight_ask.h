/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_ask — asks over HTTP who the host is and which tasks run there.
 *
 * First the machine's metadata, for its ids, its address and its group; at that address the ECS
 * agent, for the cluster and its tasks. What does not change is asked until it is known, the tasks
 * in every round. Egress-local. Source: ECS developer guide, "Container agent introspection".
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "io/aws/aws_environment.h"
#include "io/aws/imds.h"
#include "io/aws/retry_call.h"
#include "io/receivers/container_insight_agent.h"
#include "io/receivers/container_insight_build.h"

#define CONTAINER_INSIGHT_URL_MAX_BYTES 128
#define CONTAINER_INSIGHT_TIMEOUT_MS 1000
/* Of the list of tasks. */
#define CONTAINER_INSIGHT_ANSWER_MAX_BYTES (5 * 1024 * 1024)

struct container_insight_ask;

/* A round is over. Maybe from inside start; another one may be started from inside. */
typedef void(container_insight_ask_fn)(struct container_insight_ask *ask);

/* Embedded in its owner, which must have zeroed it. */
struct container_insight_ask {
    container_insight_ask_fn *on_done; /* set before the first start */
    struct container_insight_labels labels;
    struct container_insight_tasks tasks; /* of the last round; not known where it failed */
    uint32_t missing;                     /* CONTAINER_INSIGHT_SOURCE_BITs of the last round */
    const char *why;                      /* the last thing that was wrong; static; "" for none */
    bool is_under_way;
    struct loop *loop; /* borrowed; private, and so is what follows */
    struct http_client *client;
    struct aws_environment env; /* owned */
    struct imds imds;
    struct imds_get identity;
    struct retry_call call;
    char agent_host[INET6_ADDRSTRLEN]; /* "" while not known */
    char url[CONTAINER_INSIGHT_URL_MAX_BYTES];
    bool is_machine_asked;
    bool is_group_answered; /* with its name, or that it has none to show */
};

/*
 * On the thread of `loop`, which is borrowed until close. Reads the environment: that of the
 * metadata service, and HOST_NAME, which becomes a label. 0, or negative; close either way.
 */
WEIR_MUST_USE int container_insight_ask_open(struct container_insight_ask *ask, struct loop *loop);

/* A round; not while one is under way. */
void container_insight_ask_start(struct container_insight_ask *ask);

/* Gives up the round under way. Idempotent. */
void container_insight_ask_close(struct container_insight_ask *ask);
