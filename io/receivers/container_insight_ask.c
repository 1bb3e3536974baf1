/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_ask — one request after another.
 *
 *     identity ─▶ group ─▶ /v1/metadata ─▶ /v1/tasks ─▶ on_done
 *
 * A step whose answer is known is passed over; one that fails ends the round, but for the group:
 * its name is a tag, and tags are shown only where the instance is set so. That there is none is an
 * answer; what only failed is asked again in the next round.
 */
#include "io/receivers/container_insight_ask.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fault.h"
#include "io/aws/json_members.h"
#include "io/http_client.h"

#define IDENTITY_PATH "/latest/dynamic/instance-identity/document"
#define GROUP_PATH "/latest/meta-data/tags/instance/aws:autoscaling:groupName"
#define AGENT_PORT 51678

enum identity_member {
    MEMBER_ID,
    MEMBER_TYPE,
    MEMBER_ADDRESS,
    MEMBER_COUNT,
};

static void finish(struct container_insight_ask *ask)
{
    ask->is_under_way = false;
    ask->on_done(ask);
}

static void fail(struct container_insight_ask *ask, enum container_insight_source source,
                 const char *why)
{
    ask->missing |= CONTAINER_INSIGHT_SOURCE_BIT(source);
    ask->why = why;
    finish(ask);
}

/* --- the agent -------------------------------------------------------------------------------- */

static void ask_agent(struct container_insight_ask *ask, const char *path, retry_call_fn *on_done)
{
    bool is_in6 = strchr(ask->agent_host, ':') != NULL;
    int len = snprintf(ask->url, sizeof(ask->url), is_in6 ? "http://[%s]:%d%s" : "http://%s:%d%s",
                       ask->agent_host, AGENT_PORT, path);
    ASSERT(len > 0 && (size_t)len < sizeof(ask->url));
    ask->call = (struct retry_call){
        .loop = ask->loop,
        .client = ask->client,
        .on_done = on_done,
        .http =
            {
                .method = "GET",
                .url = ask->url,
                .timeout_ms = CONTAINER_INSIGHT_TIMEOUT_MS,
                .response_max_bytes = CONTAINER_INSIGHT_ANSWER_MAX_BYTES,
            },
    };
    int err = retry_call_start(&ask->call);
    if (err != 0) {
        fail(ask, CONTAINER_INSIGHT_AGENT, fault_text(err));
    }
}

/* NULL where the answer is a document. */
static const char *trouble_of(const struct http_result *result)
{
    if (result->fault != 0) {
        return "the ECS agent does not answer";
    }
    bool is_whole = result->status == 200 && !result->is_body_cut;
    return is_whole ? NULL : "the ECS agent's answer is not as expected";
}

static void on_tasks(struct retry_call *call, const struct http_result *result)
{
    struct container_insight_ask *ask = CONTAINER_OF(call, struct container_insight_ask, call);
    const char *trouble = trouble_of(result);
    if (trouble == NULL && container_insight_agent_read_tasks(result->body, &ask->tasks) != 0) {
        trouble = "the ECS agent's list of tasks is none";
    }
    if (trouble != NULL) {
        fail(ask, CONTAINER_INSIGHT_AGENT, trouble);
        return;
    }
    (void)container_insight_id_keep(&ask->tasks.cluster,
                                    slice_of_text(ask->labels.instance.cluster));
    finish(ask);
}

static void on_metadata(struct retry_call *call, const struct http_result *result)
{
    struct container_insight_ask *ask = CONTAINER_OF(call, struct container_insight_ask, call);
    const char *trouble = trouble_of(result);
    if (trouble == NULL &&
        container_insight_agent_read_instance(result->body, &ask->labels.instance) != 0) {
        trouble = "the ECS agent does not say which cluster it is of";
    }
    if (trouble != NULL) {
        fail(ask, CONTAINER_INSIGHT_AGENT, trouble);
        return;
    }
    ask_agent(ask, "/v1/tasks", on_tasks);
}

static void ask_next(struct container_insight_ask *ask)
{
    bool has_cluster = ask->labels.instance.cluster[0] != '\0';
    ask_agent(ask, has_cluster ? "/v1/tasks" : "/v1/metadata",
              has_cluster ? on_tasks : on_metadata);
}

/* --- the machine ------------------------------------------------------------------------------ */

static bool is_address(const char *text)
{
    struct in6_addr in6;
    struct in_addr in4;
    return inet_pton(AF_INET, text, &in4) == 1 || inet_pton(AF_INET6, text, &in6) == 1;
}

/* Ids and the address; false where the document lacks any of them. */
static bool keep_identity(struct container_insight_ask *ask, struct slice json)
{
    struct container_insight_labels *labels = &ask->labels;
    struct json_member members[MEMBER_COUNT] = {
        [MEMBER_ID] = {.name = SLICE_LITERAL("instanceId")},
        [MEMBER_TYPE] = {.name = SLICE_LITERAL("instanceType")},
        [MEMBER_ADDRESS] = {.name = SLICE_LITERAL("privateIp")},
    };
    bool is_whole =
        json_members_read(json, members, COUNT_OF(members)) == 0 &&
        json_member_copy(&members[MEMBER_ID], labels->instance_id, sizeof(labels->instance_id)) ==
            0 &&
        json_member_copy(&members[MEMBER_TYPE], labels->instance_type,
                         sizeof(labels->instance_type)) == 0 &&
        json_member_copy(&members[MEMBER_ADDRESS], ask->agent_host, sizeof(ask->agent_host)) == 0;
    if (is_whole && is_address(ask->agent_host)) {
        return true;
    }
    ask->agent_host[0] = '\0';
    return false;
}

static void on_group(struct imds_get *get, const struct imds_answer *answer)
{
    struct container_insight_ask *ask = CONTAINER_OF(get, struct container_insight_ask, identity);
    char *group = ask->labels.auto_scaling_group;
    ask->is_group_answered = answer->fault == 0 || answer->is_absent;
    bool is_name = answer->fault == 0 && answer->body.len > 0 &&
                   answer->body.len <= CONTAINER_INSIGHT_LABEL_MAX_BYTES &&
                   slice_is_utf8(answer->body);
    if (is_name) {
        memcpy(group, answer->body.ptr, answer->body.len);
        group[answer->body.len] = '\0';
    }
    ask_next(ask);
}

static void ask_group(struct container_insight_ask *ask)
{
    ask->identity.on_done = on_group;
    if (imds_get_start(&ask->imds, &ask->identity, GROUP_PATH) != 0) {
        ask_next(ask);
    }
}

static void on_identity(struct imds_get *get, const struct imds_answer *answer)
{
    struct container_insight_ask *ask = CONTAINER_OF(get, struct container_insight_ask, identity);
    if (answer->fault != 0) {
        fail(ask, CONTAINER_INSIGHT_IDENTITY, "the machine's metadata does not answer");
        return;
    }
    if (!keep_identity(ask, answer->body)) {
        fail(ask, CONTAINER_INSIGHT_IDENTITY, "the machine's identity document is none");
        return;
    }
    ask_group(ask);
}

static void ask_machine(struct container_insight_ask *ask)
{
    if (!ask->is_machine_asked) {
        fail(ask, CONTAINER_INSIGHT_IDENTITY, "the machine's metadata is not to be asked");
        return;
    }
    ask->identity.on_done = on_identity;
    int err = imds_get_start(&ask->imds, &ask->identity, IDENTITY_PATH);
    if (err != 0) {
        fail(ask, CONTAINER_INSIGHT_IDENTITY, fault_text(err));
    }
}

/* --- rounds ----------------------------------------------------------------------------------- */

void container_insight_ask_start(struct container_insight_ask *ask)
{
    ASSERT(!ask->is_under_way);
    ask->is_under_way = true;
    ask->tasks.is_known = false;
    ask->missing = 0;
    ask->why = "";
    if (ask->agent_host[0] == '\0') {
        ask_machine(ask);
    } else if (!ask->is_group_answered) {
        ask_group(ask);
    } else {
        ask_next(ask);
    }
}

/* Fargate has no instance metadata; asking for it would only take time. */
static bool may_ask_machine(const struct aws_environment *env)
{
    const char *execution = getenv("AWS_EXECUTION_ENV");
    bool is_fargate = execution != NULL && strcmp(execution, "AWS_ECS_FARGATE") == 0;
    return !is_fargate && !aws_environment_is_true(env, AWS_VARIABLE_IMDS_DISABLED);
}

static void keep_node_name(struct container_insight_labels *labels)
{
    const char *name = getenv("HOST_NAME");
    struct slice text = slice_of_text(name);
    if (text.len < sizeof(labels->node_name) && slice_is_utf8(text)) {
        memcpy(labels->node_name, name != NULL ? name : "", text.len + 1);
    }
}

int container_insight_ask_open(struct container_insight_ask *ask, struct loop *loop)
{
    const struct http_client_options options = {.ignores_proxies = true};
    ask->loop = loop;
    keep_node_name(&ask->labels);
    int err = aws_environment_read(&ask->env);
    if (err == 0) {
        err = http_client_open(loop, &options, &ask->client);
    }
    if (err == 0) {
        err = imds_init(&ask->imds, loop, ask->client, &ask->env);
        ask->is_machine_asked = may_ask_machine(&ask->env);
    }
    return err;
}

void container_insight_ask_close(struct container_insight_ask *ask)
{
    if (ask->is_under_way) {
        imds_get_cancel(&ask->identity);
        retry_call_cancel(&ask->call);
        ask->is_under_way = false;
    }
    http_client_close(ask->client);
    ask->client = NULL;
    aws_environment_fini(&ask->env);
}
