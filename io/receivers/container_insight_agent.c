/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_agent — one pass over each answer; a function per level of brackets.
 *
 * The members of a task come in any order, so its containers are taken first and given back where
 * it turns out not to run.
 */
#include "io/receivers/container_insight_agent.h"

#include <string.h>
#include <strings.h>

#include "core/base/fault.h"
#include "core/base/json.h"

/* Of an ARN: the resource stands behind so many colons. */
#define ARN_RESOURCE_COLONS 5

/* --- texts ------------------------------------------------------------------------------------ */

static bool is_key(struct json_text key, const char *name)
{
    return json_text_is_plain(key) && key.raw.len == strlen(name) &&
           strncasecmp((const char *)key.raw.ptr, name, key.raw.len) == 0;
}

static bool is_id_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool container_insight_id_keep(struct container_insight_id *out, struct slice text)
{
    bool is_good = text.len > 0 && text.len <= CONTAINER_INSIGHT_ID_MAX_BYTES;
    for (size_t i = 0; i < text.len && is_good; i++) {
        is_good = is_id_byte(text.ptr[i]);
    }
    *out = (struct container_insight_id){0};
    if (is_good) {
        memcpy(out->text, text.ptr, text.len);
    }
    return is_good;
}

/* arn:partition:ecs:region:account:kind/id, or with the cluster's name before the id. */
static bool keep_arn_id(struct container_insight_id *out, struct json_text arn)
{
    struct slice rest = json_text_is_plain(arn) ? arn.raw : (struct slice){0};
    for (uint32_t i = 0; i < ARN_RESOURCE_COLONS; i++) {
        size_t colon = slice_find(rest, ':');
        rest = slice_from(rest, colon < rest.len ? colon + 1 : colon);
    }
    size_t slash = rest.len;
    while (slash > 0 && rest.ptr[slash - 1] != '/') {
        slash--;
    }
    return container_insight_id_keep(out, slash > 0 ? slice_from(rest, slash) : (struct slice){0});
}

/* --- the instance ----------------------------------------------------------------------------- */

static bool keep_cluster(char out[CONTAINER_INSIGHT_CLUSTER_MAX_BYTES + 1], struct json_text text)
{
    size_t len = json_text_len(text);
    if (len == 0 || len > CONTAINER_INSIGHT_CLUSTER_MAX_BYTES) {
        return false;
    }
    out[json_text_write(text, (uint8_t *)out)] = '\0';
    return strlen(out) == len;
}

static bool read_instance(struct json_reader *reader, struct container_insight_instance *out)
{
    bool has_cluster = false;
    bool has_id = false;
    enum json_token token = json_next(reader);
    for (; token == JSON_TOKEN_KEY; token = json_next(reader)) {
        bool is_cluster = is_key(reader->text, "Cluster");
        bool is_arn = is_key(reader->text, "ContainerInstanceArn");
        token = json_next(reader);
        if (token == JSON_TOKEN_STRING && is_cluster) {
            has_cluster = keep_cluster(out->cluster, reader->text);
        } else if (token == JSON_TOKEN_STRING && is_arn) {
            has_id = keep_arn_id(&out->id, reader->text);
        }
        if (!json_skip(reader, token)) {
            return false;
        }
    }
    return token == JSON_TOKEN_OBJECT_CLOSE && has_cluster && has_id;
}

int container_insight_agent_read_instance(struct slice json, struct container_insight_instance *out)
{
    struct json_reader reader = json_of(json, JSON_UTF8_REPLACE);
    *out = (struct container_insight_instance){0};
    if (json_next(&reader) == JSON_TOKEN_OBJECT_OPEN && read_instance(&reader, out) &&
        json_next(&reader) == JSON_TOKEN_END) {
        return 0;
    }
    *out = (struct container_insight_instance){0};
    return FAULT_MALFORMED;
}

/* --- tasks ------------------------------------------------------------------------------------ */

/* A container whose id is none has no cgroup either, and passes. */
static void add_container(struct container_insight_tasks *out, struct slice docker_id)
{
    if (out->container_count == CONTAINER_INSIGHT_CONTAINERS_MAX) {
        out->is_cut = true;
        return;
    }
    if (container_insight_id_keep(&out->containers[out->container_count], docker_id)) {
        out->container_count++;
    }
}

/* Up to the bracket that closes the container. */
static bool read_container(struct json_reader *reader, struct container_insight_tasks *out)
{
    enum json_token token = json_next(reader);
    for (; token == JSON_TOKEN_KEY; token = json_next(reader)) {
        bool is_id = is_key(reader->text, "DockerId");
        token = json_next(reader);
        if (is_id && token == JSON_TOKEN_STRING && json_text_is_plain(reader->text)) {
            add_container(out, reader->text.raw);
        }
        if (!json_skip(reader, token)) {
            return false;
        }
    }
    return token == JSON_TOKEN_OBJECT_CLOSE;
}

/* The value of Containers, whose first token was `token`; null is an empty list. */
static bool read_containers(struct json_reader *reader, enum json_token token,
                            struct container_insight_tasks *out)
{
    if (token != JSON_TOKEN_ARRAY_OPEN) {
        return json_skip(reader, token);
    }
    token = json_next(reader);
    while (token == JSON_TOKEN_OBJECT_OPEN) {
        if (!read_container(reader, out)) {
            return false;
        }
        token = json_next(reader);
    }
    return token == JSON_TOKEN_ARRAY_CLOSE;
}

/* Up to the bracket that closes the task; what it fills counts where it runs. */
static bool read_task(struct json_reader *reader, struct container_insight_tasks *out,
                      struct container_insight_task *task, bool *is_running)
{
    enum json_token token = json_next(reader);
    for (; token == JSON_TOKEN_KEY; token = json_next(reader)) {
        bool is_arn = is_key(reader->text, "Arn");
        bool is_status = is_key(reader->text, "KnownStatus");
        bool is_list = is_key(reader->text, "Containers");
        token = json_next(reader);
        if (token == JSON_TOKEN_STRING && is_arn) {
            (void)keep_arn_id(&task->id, reader->text); /* else it has no cgroup */
        } else if (token == JSON_TOKEN_STRING && is_status) {
            *is_running = json_text_equals(reader->text, SLICE_LITERAL("RUNNING"));
        }
        bool is_good = is_list ? read_containers(reader, token, out) : json_skip(reader, token);
        if (!is_good) {
            return false;
        }
    }
    return token == JSON_TOKEN_OBJECT_CLOSE;
}

static bool add_task(struct json_reader *reader, struct container_insight_tasks *out)
{
    struct container_insight_task task = {.container_first = out->container_count};
    bool is_running = false;
    if (!read_task(reader, out, &task, &is_running)) {
        return false;
    }
    task.container_count = out->container_count - task.container_first;
    bool has_room = out->task_count < CONTAINER_INSIGHT_TASKS_MAX;
    if (is_running) {
        out->running_count++;
        out->is_cut = out->is_cut || !has_room;
    }
    if (!is_running || !has_room || task.id.text[0] == '\0') {
        out->container_count = task.container_first;
        return true;
    }
    out->tasks[out->task_count] = task;
    out->task_count++;
    return true;
}

static bool read_list(struct json_reader *reader, enum json_token token,
                      struct container_insight_tasks *out)
{
    if (token == JSON_TOKEN_NULL) {
        return true;
    }
    if (token != JSON_TOKEN_ARRAY_OPEN) {
        return false;
    }
    token = json_next(reader);
    while (token == JSON_TOKEN_OBJECT_OPEN) {
        if (!add_task(reader, out)) {
            return false;
        }
        token = json_next(reader);
    }
    return token == JSON_TOKEN_ARRAY_CLOSE;
}

static bool read_document(struct json_reader *reader, struct container_insight_tasks *out)
{
    uint32_t list_count = 0;
    enum json_token token = json_next(reader);
    for (; token == JSON_TOKEN_KEY; token = json_next(reader)) {
        bool is_list = is_key(reader->text, "Tasks");
        token = json_next(reader);
        bool is_good = is_list ? read_list(reader, token, out) : json_skip(reader, token);
        if (!is_good) {
            return false;
        }
        list_count += is_list ? 1 : 0;
    }
    return token == JSON_TOKEN_OBJECT_CLOSE && list_count == 1;
}

int container_insight_agent_read_tasks(struct slice json, struct container_insight_tasks *out)
{
    struct json_reader reader = json_of(json, JSON_UTF8_REPLACE);
    memset(out, 0, sizeof(*out)); /* too large for a literal on the stack */
    if (json_next(&reader) == JSON_TOKEN_OBJECT_OPEN && read_document(&reader, out) &&
        json_next(&reader) == JSON_TOKEN_END) {
        out->is_known = true;
        return 0;
    }
    memset(out, 0, sizeof(*out));
    return FAULT_MALFORMED;
}
