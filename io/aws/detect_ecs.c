/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_ecs — two requests, one after the other, for two documents.
 */
#include "io/aws/detect_ecs.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "io/aws/json_members.h"

static void ecs_on_task(struct retry_call *call, const struct http_result *result)
{
    struct detect_ecs *ecs = CONTAINER_OF(call, struct detect_ecs, call);
    struct detect_state *state = &ecs->state;
    if (result->fault != 0) {
        detect_state_note(state, true, "%s: %.100s", ecs->url, result->fault_text);
    } else if (result->status != 200 || result->is_body_cut) {
        detect_state_note(state, result->status == 429 || result->status >= 500,
                          "%s: answered %u, or with too much", ecs->url, result->status);
    } else if (detect_ecs_read_task(state, result->body, slice_of_text(ecs->own_id)) != 0) {
        detect_state_note(state, false, "%s: what it answered is no document of a task", ecs->url);
    }
    detect_state_finish(state);
}

/* Fails at once where not even that can be done. */
static void ask(struct detect_ecs *ecs, const char *path, retry_call_fn *on_done)
{
    (void)snprintf(ecs->url, sizeof(ecs->url), "%s%s", ecs->base, path); /* it has the room */
    ecs->call = (struct retry_call){
        .loop = ecs->loop,
        .client = ecs->client,
        .on_done = on_done,
        .http = {.method = "GET",
                 .url = ecs->url,
                 .timeout_ms = DETECT_ECS_TIMEOUT_MS,
                 .response_max_bytes = DETECT_ECS_RESPONSE_MAX_BYTES},
    };
    int err = retry_call_start(&ecs->call);
    if (err != 0) {
        detect_state_note(&ecs->state, false, "%s: %s", ecs->url, fault_text(err));
        detect_state_finish(&ecs->state);
    }
}

/* Without the id of our own container the task is told of all the same, but for its logs. */
static void ecs_on_container(struct retry_call *call, const struct http_result *result)
{
    struct detect_ecs *ecs = CONTAINER_OF(call, struct detect_ecs, call);
    struct json_member id = {.name = SLICE_LITERAL("DockerId")};
    if (result->fault != 0) {
        detect_state_note(&ecs->state, true, "%s: %.100s", ecs->url, result->fault_text);
    } else if (result->status != 200 || json_members_read(result->body, &id, 1) != 0 ||
               json_member_copy(&id, ecs->own_id, sizeof(ecs->own_id)) != 0) {
        detect_state_note(&ecs->state, result->status == 429 || result->status >= 500,
                          "%s: answered %u, and not with a container", ecs->url, result->status);
    }
    ask(ecs, "/task", ecs_on_task);
}

static void ecs_start(struct detect_state *state)
{
    struct detect_ecs *ecs = CONTAINER_OF(state, struct detect_ecs, state);
    if (ecs->base[0] == '\0') {
        detect_state_finish(state);
        return;
    }
    ask(ecs, "", ecs_on_container);
}

static void ecs_stop(struct detect_state *state)
{
    struct detect_ecs *ecs = CONTAINER_OF(state, struct detect_ecs, state);
    if (!state->is_done) {
        detect_state_note(state, true, "%s: no answer in time", ecs->url);
        retry_call_cancel(&ecs->call);
        detect_state_finish(state);
    }
}

static const struct detect_ops ecs_ops = {.start = ecs_start, .stop = ecs_stop};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void detect_ecs_init(struct detect_ecs *ecs, const struct resource_detect_plan *plan,
                     struct slice base, struct loop *loop, struct http_client *client)
{
    while (base.len > 0 && is_blank(base.ptr[0])) {
        base = slice_from(base, 1);
    }
    while (base.len > 0 && is_blank(base.ptr[base.len - 1])) {
        base = slice_first(base, base.len - 1);
    }
    *ecs = (struct detect_ecs){
        .state = {.ops = &ecs_ops, .plan = plan, .detector = DETECTOR_ECS},
        .loop = loop,
        .client = client,
    };
    if (base.len >= sizeof(ecs->base)) {
        detect_state_note(&ecs->state, false, "the address of the metadata endpoint is too long");
    } else if (base.len > 0) {
        memcpy(ecs->base, base.ptr, base.len);
    }
}
