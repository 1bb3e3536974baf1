/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential_chain — plan, then at most a handful of requests, then one set or one reason.
 */
#include "io/aws/credential_chain.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/helper.h"
#include "io/loop.h"

#define IMDS_ROLES_PATH "/latest/meta-data/iam/security-credentials/"

/* Its own owner while the helper has it. */
struct chain_job {
    struct helper_job job;
    struct aws_environment env;
    struct credential_plan plan;
    struct credential_chain *owner; /* NULL once nobody waits for it; the loop's thread only */
};

static void job_free(struct chain_job *job)
{
    if (job != NULL) {
        credential_plan_fini(&job->plan);
        aws_environment_fini(&job->env);
        mem_free(job);
    }
}

/* --- how it ends ------------------------------------------------------------------------------ */

static void forget_plan(struct credential_chain *chain)
{
    job_free(chain->job);
    chain->job = NULL;
    credential_set_free(chain->held);
    chain->held = NULL;
    if (chain->authorization_line != NULL) {
        OPENSSL_cleanse(chain->authorization_line, strlen(chain->authorization_line));
        mem_free(chain->authorization_line);
        chain->authorization_line = NULL;
    }
}

static void succeed(struct credential_chain *chain)
{
    struct credential_set *set = chain->held;
    chain->held = NULL;
    forget_plan(chain);
    chain->source.on_done(&chain->source, set, "");
}

/* The provider, what it said, and what was not configured before it. */
static void fail(struct credential_chain *chain, const char *why)
{
    char text[CREDENTIAL_WHY_BYTES];
    const struct credential_plan *plan = chain->job != NULL ? &chain->job->plan : NULL;
    bool names_provider = plan != NULL && plan->step != CREDENTIAL_STEP_NONE;
    const char *tried = plan != NULL ? plan->tried : "";
    (void)snprintf(text, sizeof(text), "%s%s%.240s%s%.240s%s", names_provider ? plan->source : "",
                   names_provider ? ": " : "", why, tried[0] != '\0' ? " (tried before: " : "",
                   tried, tried[0] != '\0' ? ")" : "");
    forget_plan(chain);
    chain->source.on_done(&chain->source, NULL, text);
}

/* --- roles ------------------------------------------------------------------------------------ */

static const struct aws_region *region_of(const struct credential_chain *chain)
{
    return chain->region.text[0] != '\0' ? &chain->region
                                         : region_discovery_current(chain->discovery);
}

/* The next STS call; its region is known. */
static void call_sts(struct credential_chain *chain)
{
    const struct credential_plan *plan = &chain->job->plan;
    char why[CREDENTIAL_WHY_BYTES];
    int err = 0;
    if (chain->held == NULL) {
        err = sts_assume_web_role(&chain->sts, region_of(chain), &plan->web_role, plan->web_token,
                                  why);
    } else {
        chain->roles_left--;
        err = sts_assume_role(&chain->sts, region_of(chain), &plan->roles[chain->roles_left],
                              &chain->held->keys, why);
    }
    if (err != 0) {
        fail(chain, why);
    }
}

static void on_region(struct waiter *waiter)
{
    struct credential_chain *chain = CONTAINER_OF(waiter, struct credential_chain, region_waiter);
    if (region_of(chain) == NULL) {
        fail(chain, "no region to ask STS in");
        return;
    }
    call_sts(chain);
}

static void want_sts(struct credential_chain *chain)
{
    if (region_of(chain) == NULL) {
        region_discovery_wait(chain->discovery, &chain->region_waiter);
        return;
    }
    call_sts(chain);
}

/* Moves `set` in. */
static void take_set(struct credential_chain *chain, struct credential_set *set)
{
    credential_set_free(chain->held);
    chain->held = set;
    if (chain->roles_left > 0) {
        want_sts(chain);
        return;
    }
    succeed(chain);
}

static void on_assumed(struct sts *sts, struct credential_set *set, const char *why)
{
    struct credential_chain *chain = CONTAINER_OF(sts, struct credential_chain, sts);
    if (set == NULL) {
        fail(chain, why);
        return;
    }
    take_set(chain, set);
}

static void take_json(struct credential_chain *chain, struct slice json)
{
    char why[CREDENTIAL_WHY_BYTES];
    struct credential_set *set = NULL;
    if (credential_set_read_json(json, chain->job->plan.source, &set, why) != 0) {
        fail(chain, why);
        return;
    }
    take_set(chain, set);
}

/* --- container -------------------------------------------------------------------------------- */

static void on_container(struct retry_call *call, const struct http_result *result)
{
    struct credential_chain *chain = CONTAINER_OF(call, struct credential_chain, container_call);
    char why[CREDENTIAL_WHY_BYTES];
    struct credential_set *set = NULL;
    if (result->fault != 0) {
        fail(chain, result->fault_text);
        return;
    }
    if (result->status == 200) {
        take_json(chain, result->body);
        return;
    }
    int err = credential_set_read_json(result->body, chain->job->plan.source, &set, why);
    credential_set_free(err == 0 ? set : NULL); /* keys in a refusal are none */
    char text[CREDENTIAL_WHY_BYTES];
    (void)snprintf(text, sizeof(text), "status %u%s%.400s", result->status, err != 0 ? ": " : "",
                   err != 0 ? why : "");
    fail(chain, text);
}

/* "Authorization: …" with a NUL. 0 or -ENOMEM. */
static int make_authorization(struct credential_chain *chain)
{
    static const char name[] = "Authorization: ";
    struct slice value = chain->job->plan.authorization;
    if (value.len == 0) {
        return 0;
    }
    char *line = mem_alloc(sizeof(name) + value.len);
    if (line == NULL) {
        return -ENOMEM;
    }
    memcpy(line, name, sizeof(name) - 1);
    memcpy(line + sizeof(name) - 1, value.ptr, value.len);
    chain->authorization_line = line;
    return 0;
}

/* An agent on this machine is asked directly; a server elsewhere as every other. */
static struct http_client *container_client(const struct credential_chain *chain)
{
    bool is_elsewhere = strncasecmp(chain->job->plan.url, "https://", 8) == 0;
    return is_elsewhere ? chain->sts.client : chain->client;
}

static void ask_container(struct credential_chain *chain)
{
    int err = make_authorization(chain);
    chain->container_headers[0] = "Accept: application/json";
    chain->container_headers[1] = chain->authorization_line;
    chain->container_call = (struct retry_call){
        .loop = chain->loop,
        .client = container_client(chain),
        .on_done = on_container,
        .http = {.method = "GET",
                 .url = chain->job->plan.url,
                 .headers = chain->container_headers,
                 .header_count = chain->authorization_line != NULL ? 2 : 1,
                 .timeout_ms = CREDENTIAL_CONTAINER_TIMEOUT_MS,
                 .response_max_bytes = RETRY_CALL_RESPONSE_MAX_BYTES},
    };
    if (err == 0) {
        err = retry_call_start(&chain->container_call);
    }
    if (err != 0) {
        fail(chain, fault_text(err));
    }
}

/* --- instance metadata ------------------------------------------------------------------------ */

static void on_machine_keys(struct imds_get *get, const struct imds_answer *answer)
{
    struct credential_chain *chain = CONTAINER_OF(get, struct credential_chain, imds_get);
    if (answer->fault != 0) {
        fail(chain, answer->why);
        return;
    }
    take_json(chain, answer->body);
}

static bool is_role_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7f || name.ptr[i] == '/' || name.ptr[i] == '?' ||
            name.ptr[i] == '#') {
            return false;
        }
    }
    return name.len > 0;
}

/* The first line names the role. */
static void on_machine_role(struct imds_get *get, const struct imds_answer *answer)
{
    struct credential_chain *chain = CONTAINER_OF(get, struct credential_chain, imds_get);
    if (answer->fault != 0) {
        fail(chain, answer->why);
        return;
    }
    struct slice name = slice_first(answer->body, slice_find(answer->body, '\n'));
    if (name.len > 0 && name.ptr[name.len - 1] == '\r') {
        name = slice_first(name, name.len - 1);
    }
    int len = snprintf(chain->role_path, sizeof(chain->role_path), "%s%.*s", IMDS_ROLES_PATH,
                       (int)name.len, (const char *)name.ptr);
    if (!is_role_name(name) || len < 0 || (size_t)len >= sizeof(chain->role_path)) {
        fail(chain, "no role is attached");
        return;
    }
    chain->imds_get.on_done = on_machine_keys;
    int err = imds_get_start(chain->imds, &chain->imds_get, chain->role_path);
    if (err != 0) {
        fail(chain, fault_text(err));
    }
}

static void ask_machine(struct credential_chain *chain)
{
    chain->imds_get.on_done = on_machine_role;
    int err = imds_get_start(chain->imds, &chain->imds_get, IMDS_ROLES_PATH);
    if (err != 0) {
        fail(chain, fault_text(err));
    }
}

/* --- the plan --------------------------------------------------------------------------------- */

static void follow_plan(struct credential_chain *chain)
{
    struct credential_plan *plan = &chain->job->plan;
    struct credential_set *set = plan->set;
    chain->roles_left = plan->role_count;
    switch (plan->step) {
    case CREDENTIAL_STEP_NONE:
        fail(chain, plan->why);
        return;
    case CREDENTIAL_STEP_HELD:
        plan->set = NULL;
        take_set(chain, set);
        return;
    case CREDENTIAL_STEP_WEB_IDENTITY:
        want_sts(chain);
        return;
    case CREDENTIAL_STEP_CONTAINER:
        ask_container(chain);
        return;
    case CREDENTIAL_STEP_IMDS:
        ask_machine(chain);
        return;
    }
}

static void job_work(struct helper_job *helper_job)
{
    struct chain_job *job = CONTAINER_OF(helper_job, struct chain_job, job);
    credential_plan_make(&job->plan, &job->env);
}

static void job_on_done(struct helper_job *helper_job)
{
    struct chain_job *job = CONTAINER_OF(helper_job, struct chain_job, job);
    struct credential_chain *chain = job->owner;
    if (chain == NULL) {
        job_free(job);
        return;
    }
    chain->is_planning = false;
    follow_plan(chain);
}

static void job_discard(struct helper_job *helper_job)
{
    job_free(CONTAINER_OF(helper_job, struct chain_job, job));
}

static const struct helper_job_ops job_ops = {
    .work = job_work,
    .on_done = job_on_done,
    .discard = job_discard,
};

/* --- public ----------------------------------------------------------------------------------- */

static void chain_start(struct credential_source *source)
{
    struct credential_chain *chain = CONTAINER_OF(source, struct credential_chain, source);
    struct chain_job *job = mem_alloc(sizeof(*job));
    if (job == NULL || aws_environment_copy(&job->env, chain->env) != 0) {
        job_free(job);
        chain->source.on_done(&chain->source, NULL, "out of memory");
        return;
    }
    ASSERT(chain->job == NULL);
    job->job.ops = &job_ops;
    job->owner = chain;
    chain->job = job;
    chain->is_planning = true;
    helper_submit(chain->port, &job->job);
}

static void chain_cancel(struct credential_source *source)
{
    struct credential_chain *chain = CONTAINER_OF(source, struct credential_chain, source);
    if (chain->is_planning) {
        chain->job->owner = NULL; /* it frees itself when it comes back */
        chain->job = NULL;
        chain->is_planning = false;
    }
    waiter_remove(&chain->region_waiter);
    retry_call_cancel(&chain->container_call);
    imds_get_cancel(&chain->imds_get);
    sts_cancel(&chain->sts);
    forget_plan(chain);
}

static const struct credential_source_ops chain_ops = {
    .start = chain_start,
    .cancel = chain_cancel,
};

int credential_chain_init(struct credential_chain *chain, struct http_client *sts_client)
{
    chain->source.ops = &chain_ops;
    chain->region_waiter.on_ready = on_region;
    return sts_init(&chain->sts, chain->loop, sts_client, on_assumed);
}

void credential_chain_fini(struct credential_chain *chain)
{
    if (chain->loop == NULL) {
        return;
    }
    chain_cancel(&chain->source);
    sts_fini(&chain->sts);
    *chain = (struct credential_chain){.loop = NULL};
}
