/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata — detectors on one loop until all are done or the time is over; then what they found,
 * in the order of the plan.
 */
#include "io/aws/metadata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/processors/resource_detect_plan.h"
#include "core/processors/resource_detected.h"
#include "io/aws/aws_environment.h"
#include "io/aws/detect_ec2.h"
#include "io/aws/detect_ecs.h"
#include "io/aws/detect_env.h"
#include "io/aws/detect_system.h"
#include "io/http_client.h"
#include "io/loop.h"

/* Between two tries of a detector that failed for a moment. */
#define RETRY_PAUSE_NS CLOCK_NS_PER_S

/* One detection; on the heap, because the detectors keep documents. */
struct metadata {
    const struct resource_detect_plan *plan;
    struct loop *loop;          /* owned */
    struct http_client *client; /* owned; never uses a proxy */
    struct aws_environment env;
    struct imds imds;
    struct detect_env env_detector;
    struct detect_system system;
    struct detect_ecs ecs;
    struct detect_ec2 ec2;
    struct detect_state *states[DETECTOR_COUNT]; /* in the order of the plan */
    uint32_t state_count;
};

/* --- setting up ------------------------------------------------------------------------------- */

static const char *variable(const char *name, const char *older_name)
{
    const char *text = getenv(name);
    if (text == NULL || text[strspn(text, " \t")] == '\0') {
        text = getenv(older_name);
    }
    return text != NULL ? text : "";
}

/* Fargate has no instance metadata; asking for it would only take time. */
static bool is_machine_asked(const struct aws_environment *env)
{
    const char *execution = getenv("AWS_EXECUTION_ENV");
    bool is_fargate = execution != NULL && strcmp(execution, "AWS_ECS_FARGATE") == 0;
    return !is_fargate && !aws_environment_is_true(env, AWS_VARIABLE_IMDS_DISABLED);
}

static struct detect_state *set_up_detector(struct metadata *m, enum detector detector)
{
    switch (detector) {
    case DETECTOR_ENV:
        detect_env_init(&m->env_detector, m->plan,
                        slice_of_text(variable("OTEL_RESOURCE_ATTRIBUTES", "OTEL_RESOURCE")));
        return &m->env_detector.state;
    case DETECTOR_SYSTEM:
        detect_system_init(&m->system, m->plan, m->loop);
        return &m->system.state;
    case DETECTOR_ECS:
        detect_ecs_init(
            &m->ecs, m->plan,
            slice_of_text(variable("ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI")),
            m->loop, m->client);
        return &m->ecs.state;
    case DETECTOR_EC2:
        detect_ec2_init(&m->ec2, m->plan, &m->imds, is_machine_asked(&m->env));
        return &m->ec2.state;
    case DETECTOR_COUNT:
        break;
    }
    return NULL;
}

static int set_up(struct metadata *m)
{
    const struct loop_options loop_options = {.backend = LOOP_BACKEND_EPOLL};
    const struct http_client_options client_options = {.ignores_proxies = true};
    int err = aws_environment_read(&m->env);
    if (err == 0) {
        err = loop_open(&loop_options, &m->loop, NULL);
    }
    if (err == 0) {
        err = http_client_open(m->loop, &client_options, &m->client);
    }
    if (err == 0) {
        err = imds_init(&m->imds, m->loop, m->client, &m->env);
    }
    for (uint32_t i = 0; i < m->plan->detector_count && err == 0; i++) {
        m->states[i] = set_up_detector(m, m->plan->detectors[i]);
        ASSERT(m->states[i] != NULL);
        m->state_count++;
    }
    return err;
}

static void tear_down(struct metadata *m)
{
    for (uint32_t i = 0; i < m->state_count; i++) {
        m->states[i]->ops->stop(m->states[i]);
        resource_detected_fini(&m->states[i]->found);
    }
    http_client_close(m->client);
    if (m->loop != NULL) {
        loop_settle(m->loop);
    }
    loop_close(m->loop);
    aws_environment_fini(&m->env);
    mem_free(m);
}

/* --- running ---------------------------------------------------------------------------------- */

/* When to look again: UINT64_MAX for never, 0 where all are done. */
static uint64_t next_look(const struct metadata *m)
{
    uint64_t next_mono_ns = 0;
    for (uint32_t i = 0; i < m->state_count; i++) {
        const struct detect_state *state = m->states[i];
        uint64_t own_mono_ns = state->is_done ? state->retry_mono_ns : UINT64_MAX;
        bool is_sooner = next_mono_ns == 0 || own_mono_ns < next_mono_ns;
        next_mono_ns = own_mono_ns != 0 && is_sooner ? own_mono_ns : next_mono_ns;
    }
    return next_mono_ns;
}

/* What failed for a moment is to be tried again, and is when its time has come. */
static void look_after(struct detect_state *state, uint64_t now_mono_ns)
{
    if (!state->is_done || !state->is_momentary) {
        return;
    }
    if (state->retry_mono_ns == 0) {
        state->retry_mono_ns = now_mono_ns + RETRY_PAUSE_NS;
    } else if (now_mono_ns >= state->retry_mono_ns) {
        state->retry_mono_ns = 0;
        state->is_done = false;
        state->is_momentary = false;
        state->why[0] = '\0';
        state->ops->start(state);
    }
}

static void run(struct metadata *m, uint64_t deadline_mono_ns)
{
    uint64_t next_mono_ns = UINT64_MAX;
    for (uint32_t i = 0; i < m->state_count; i++) {
        m->states[i]->ops->start(m->states[i]);
    }
    while (next_mono_ns != 0) {
        uint64_t now_mono_ns = clock_mono_ns();
        for (uint32_t i = 0; i < m->state_count; i++) {
            look_after(m->states[i], now_mono_ns);
        }
        next_mono_ns = next_look(m);
        if (next_mono_ns == 0 || now_mono_ns >= deadline_mono_ns) {
            return;
        }
        uint64_t until_mono_ns = next_mono_ns < deadline_mono_ns ? next_mono_ns : deadline_mono_ns;
        int handled = loop_turn(m->loop, until_mono_ns - now_mono_ns);
        if (handled < 0 && handled != -EINTR) {
            return; /* stopped as if the time were over */
        }
    }
}

/* --- what was found --------------------------------------------------------------------------- */

/* Stops a detector, says what went wrong, and takes what it found. 0 or -ENOMEM. */
static int take_findings(struct detect_state *state, struct resource_detected *out)
{
    int err = 0;
    state->ops->stop(state);
    if (state->why[0] != '\0') {
        log_warn("resource_detector_failed", LOG_TEXT("detector", detector_name(state->detector)),
                 LOG_TEXT("reason", state->why));
    }
    for (const struct resource_detected_attr *attr = state->found.first; attr != NULL && err == 0;
         attr = attr->next) {
        err = resource_detected_merge(out, attr);
    }
    return state->err == -ENOMEM ? -ENOMEM : err;
}

int metadata_detect(const struct resource_detect_plan *plan, struct resource_detected *out,
                    bool *is_complete)
{
    uint64_t begin_mono_ns = clock_mono_ns();
    *is_complete = true;
    struct metadata *m = mem_alloc(sizeof(*m));
    if (m == NULL) {
        return -ENOMEM;
    }
    m->plan = plan;
    int err = set_up(m);
    if (err == 0) {
        run(m, begin_mono_ns + plan->timeout_ns);
    }
    for (uint32_t i = 0; i < m->state_count && err == 0; i++) {
        err = take_findings(m->states[i], out);
        *is_complete = *is_complete && m->states[i]->why[0] == '\0';
    }
    tear_down(m);
    if (err != 0) {
        *is_complete = false;
        resource_detected_fini(out);
        log_warn("resource_detection_failed", LOG_FAULT("reason", err));
        return err == -ENOMEM ? err : 0;
    }
    log_info("resource_detected", LOG_U64("attributes", out->count),
             LOG_BOOL("complete", *is_complete),
             LOG_U64("after_ms", (clock_mono_ns() - begin_mono_ns) / CLOCK_NS_PER_MS));
    return 0;
}
