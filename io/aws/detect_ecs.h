/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_ecs — the ECS task this process runs in, as its metadata endpoint tells.
 *
 * First the container of our own, which is known by its id and left out of the lists of log groups
 * and streams; then the task. Outside ECS there is no endpoint, and nothing is found. Source: ECS
 * developer guide, "Task metadata endpoint version 4"; the attributes are the Collector's.
 */
#pragma once

#include "io/aws/detect_state.h"
#include "io/aws/retry_call.h"

struct arena;
struct http_client;
struct loop;

#define DETECT_ECS_URL_MAX_BYTES 512
#define DETECT_ECS_ID_MAX_BYTES 256
#define DETECT_ECS_TIMEOUT_MS 2000
#define DETECT_ECS_RESPONSE_MAX_BYTES (1024 * 1024)
/* Containers whose logs are listed; a task has at most ten. */
#define DETECT_ECS_LOGS_MAX 32

struct detect_ecs {
    struct detect_state state;
    char base[DETECT_ECS_URL_MAX_BYTES]; /* "" outside ECS */
    char url[DETECT_ECS_URL_MAX_BYTES + 8];
    char own_id[DETECT_ECS_ID_MAX_BYTES]; /* "" while it is not known */
    struct loop *loop;
    struct http_client *client;
    struct retry_call call;
};

/*
 * `base` is the address of the endpoint, blanks around it ignored; empty outside ECS. The client
 * uses no proxy; it and the loop are borrowed until stop.
 */
void detect_ecs_init(struct detect_ecs *ecs, const struct resource_detect_plan *plan,
                     struct slice base, struct loop *loop, struct http_client *client);

/*
 * detect_ecs_read_task — what a task's document says.
 *
 *   own_id   the container that is left out of the log lists, which need it; empty: no lists
 *
 * 0, FAULT_MALFORMED for what is no document of a task, FAULT_LIMIT. Pure but for the state.
 */
WEIR_MUST_USE int detect_ecs_read_task(struct detect_state *state, struct slice json,
                                       struct slice own_id);
