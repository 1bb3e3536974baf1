/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region_discovery — a job for the files, a request for the task, a document of the machine.
 */
#include "io/aws/region_discovery.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/aws/profile_texts.h"
#include "io/helper.h"
#include "io/loop.h"

#define BACKOFF_FIRST_NS CLOCK_NS_PER_S
#define BACKOFF_MAX_NS (60 * CLOCK_NS_PER_S)

/* The profile's region, read where reading may block. */
struct region_job {
    struct helper_job job;
    struct aws_environment env;
    struct region_discovery *owner; /* NULL once nobody waits for it; the loop's thread only */
    char region[AWS_REGION_MAX_BYTES + 2]; /* one more than can be valid, so that it shows */
};

/* Set by the loops' threads, never unset; read by whoever decides whether the process goes on. */
static _Atomic bool has_failed;

/* --- how it ends ------------------------------------------------------------------------------ */

/* From a later turn; at once only where even a timer is refused. */
static void wake_waiters(struct region_discovery *d)
{
    if (loop_timer_arm(d->loop, &d->wake, loop_now_mono_ns(d->loop)) != 0) {
        waiter_wake_all(&d->waiters);
    }
}

static void on_wake(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    waiter_wake_all(&CONTAINER_OF(timer, struct region_discovery, wake)->waiters);
}

static void succeed(struct region_discovery *d)
{
    d->is_looking = false;
    d->backoff_ns = 0;
    log_info("aws_region_found", LOG_TEXT("region", d->region.text),
             LOG_TEXT("source", aws_region_source_name(d->region.source)));
    wake_waiters(d);
}

static void fail(struct region_discovery *d)
{
    bool is_news = d->backoff_ns == 0;
    d->is_looking = false;
    atomic_store_explicit(&has_failed, true, memory_order_release);
    d->backoff_ns = is_news ? BACKOFF_FIRST_NS : d->backoff_ns * 2;
    d->backoff_ns = d->backoff_ns < BACKOFF_MAX_NS ? d->backoff_ns : BACKOFF_MAX_NS;
    if (is_news) {
        /* A warning: what cannot do without ends weir, and says so itself. */
        log_warn("aws_region_unknown", LOG_TEXT("reason", d->why));
    }
    uint64_t due_mono_ns = loop_now_mono_ns(d->loop) + d->backoff_ns;
    bool is_armed = loop_timer_arm(d->loop, &d->timer, due_mono_ns) == 0;
    (void)is_armed; /* if not, the next one who waits begins a new try */
    wake_waiters(d);
}

/* --- machine ---------------------------------------------------------------------------------- */

static void note(struct region_discovery *d, const char *step, const char *why)
{
    size_t used = strlen(d->why);
    (void)snprintf(d->why + used, sizeof(d->why) - used, "; %s: %.120s", step, why);
}

static void on_identity(struct imds_get *get, const struct imds_answer *answer)
{
    struct region_discovery *d = CONTAINER_OF(get, struct region_discovery, imds_get);
    if (answer->fault == 0 && aws_region_from_instance(answer->body, &d->region) == 0) {
        succeed(d);
        return;
    }
    note(d, "instance metadata", answer->fault == 0 ? "its document names no region" : answer->why);
    fail(d);
}

static void ask_machine(struct region_discovery *d)
{
    if (aws_environment_is_true(d->env, AWS_VARIABLE_IMDS_DISABLED)) {
        note(d, "instance metadata", "AWS_EC2_METADATA_DISABLED");
        fail(d);
        return;
    }
    d->imds_get.on_done = on_identity;
    int err = imds_get_start(d->imds, &d->imds_get, "/latest/dynamic/instance-identity/document");
    if (err != 0) {
        note(d, "instance metadata", fault_text(err));
        fail(d);
    }
}

/* --- task ------------------------------------------------------------------------------------- */

static void on_task(struct retry_call *call, const struct http_result *result)
{
    struct region_discovery *d = CONTAINER_OF(call, struct region_discovery, task_call);
    if (result->fault == 0 && result->status == 200 &&
        aws_region_from_task(result->body, &d->region) == 0) {
        succeed(d);
        return;
    }
    note(d, "task metadata", result->fault != 0 ? result->fault_text : "it names no region");
    ask_machine(d);
}

static void ask_task(struct region_discovery *d)
{
    const char *base = aws_environment_text(d->env, AWS_VARIABLE_TASK_METADATA_URI);
    int len = snprintf(d->task_url, sizeof(d->task_url), "%s/task", base);
    if (base[0] == '\0' || len < 0 || (size_t)len >= sizeof(d->task_url)) {
        note(d, "task metadata", "no ECS_CONTAINER_METADATA_URI_V4");
        ask_machine(d);
        return;
    }
    d->task_call = (struct retry_call){
        .loop = d->loop,
        .client = d->client,
        .on_done = on_task,
        .http = {.method = "GET",
                 .url = d->task_url,
                 .timeout_ms = REGION_TASK_TIMEOUT_MS,
                 .response_max_bytes = 1024 * 1024},
    };
    int err = retry_call_start(&d->task_call);
    if (err != 0) {
        note(d, "task metadata", fault_text(err));
        ask_machine(d);
    }
}

/* --- environment and profile ------------------------------------------------------------------ */

static void job_free(struct region_job *job)
{
    aws_environment_fini(&job->env);
    mem_free(job);
}

static void job_work(struct helper_job *helper_job)
{
    struct region_job *job = CONTAINER_OF(helper_job, struct region_job, job);
    struct profile_texts texts;
    struct profile profile;
    if (profile_texts_load(&texts, &job->env) != 0) {
        return; /* the provider of credentials says so */
    }
    profile_texts_find(&texts, profile_selected(&job->env), &profile);
    struct slice region = profile.values[PROFILE_REGION];
    size_t len = region.len < sizeof(job->region) - 1 ? region.len : sizeof(job->region) - 1;
    if (len > 0) {
        memcpy(job->region, region.ptr, len);
    }
    profile_texts_fini(&texts);
}

static void choose(struct region_discovery *d, const char *profile)
{
    const struct aws_region_texts texts = {
        .env_region = slice_of_text(aws_environment_text(d->env, AWS_VARIABLE_REGION)),
        .env_default_region =
            slice_of_text(aws_environment_text(d->env, AWS_VARIABLE_DEFAULT_REGION)),
        .profile = slice_of_text(profile),
    };
    int err = aws_region_choose(&texts, &d->region);
    if (err == 0) {
        succeed(d);
        return;
    }
    if (err != -ENOENT) {
        (void)snprintf(d->why, sizeof(d->why), "what %s says is no region",
                       aws_region_source_name(d->region.source));
        fail(d);
        return;
    }
    (void)snprintf(d->why, sizeof(d->why), "neither AWS_REGION nor a profile names one");
    if (d->is_local_mode) {
        fail(d);
        return;
    }
    ask_task(d);
}

static void job_on_done(struct helper_job *helper_job)
{
    struct region_job *job = CONTAINER_OF(helper_job, struct region_job, job);
    struct region_discovery *d = job->owner;
    if (d != NULL) {
        d->job = NULL;
        choose(d, job->region);
    }
    job_free(job);
}

static void job_discard(struct helper_job *helper_job)
{
    job_free(CONTAINER_OF(helper_job, struct region_job, job));
}

static const struct helper_job_ops job_ops = {
    .work = job_work,
    .on_done = job_on_done,
    .discard = job_discard,
};

static void look(struct region_discovery *d)
{
    d->is_looking = true;
    d->why[0] = '\0';
    struct region_job *job = mem_alloc(sizeof(*job));
    if (job == NULL || aws_environment_copy(&job->env, d->env) != 0) {
        if (job != NULL) {
            job_free(job);
        }
        (void)snprintf(d->why, sizeof(d->why), "out of memory");
        fail(d);
        return;
    }
    job->job.ops = &job_ops;
    job->owner = d;
    d->job = job;
    helper_submit(d->port, &job->job);
}

static void on_due(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    look(CONTAINER_OF(timer, struct region_discovery, timer));
}

/* --- public ----------------------------------------------------------------------------------- */

void region_discovery_init(struct region_discovery *d)
{
    waiter_list_init(&d->waiters);
    d->timer.on_fire = on_due;
    d->wake.on_fire = on_wake;
    const struct aws_region_texts texts = {
        .env_region = slice_of_text(aws_environment_text(d->env, AWS_VARIABLE_REGION)),
        .env_default_region =
            slice_of_text(aws_environment_text(d->env, AWS_VARIABLE_DEFAULT_REGION)),
    };
    if (aws_region_choose(&texts, &d->region) != 0) {
        d->region = (struct aws_region){.text = ""}; /* looked for, and said, when it is needed */
    }
}

void region_discovery_fini(struct region_discovery *d)
{
    if (d->loop == NULL) {
        return;
    }
    if (d->job != NULL) {
        d->job->owner = NULL;
        d->job = NULL;
    }
    retry_call_cancel(&d->task_call);
    imds_get_cancel(&d->imds_get);
    loop_timer_cancel(d->loop, &d->timer);
    loop_timer_cancel(d->loop, &d->wake);
    d->loop = NULL;
}

const struct aws_region *region_discovery_current(const struct region_discovery *d)
{
    return d->region.text[0] != '\0' ? &d->region : NULL;
}

bool region_discovery_has_failed(void)
{
    return atomic_load_explicit(&has_failed, memory_order_acquire);
}

void region_discovery_wait(struct region_discovery *d, struct waiter *waiter)
{
    waiter_add(&d->waiters, waiter);
    if (region_discovery_current(d) != NULL || timer_is_armed(&d->timer)) {
        wake_waiters(d); /* known, or lately not to be found */
        return;
    }
    if (!d->is_looking) {
        look(d);
    }
}
