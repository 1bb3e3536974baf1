/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_ecs_task — what the document of a task says, as attributes.
 *
 * Region, account and partition are those of the task's ARN; the cluster is a name on EC2 and an
 * ARN on Fargate. Containers count for the log lists that are normal, run, and log by awslogs.
 */
#include <string.h>
#include <strings.h>

#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/base/json.h"
#include "io/aws/detect_ecs.h"
#include "io/aws/json_members.h"

#define SCRATCH_CHUNK_BYTES 4096
/* Texts are at most as long as their document, and the ARNs made of them repeat each twice. */
#define SCRATCH_MAX_BYTES (4 * DETECT_ECS_RESPONSE_MAX_BYTES)

enum task_member {
    TASK_ARN,
    TASK_CLUSTER,
    TASK_FAMILY,
    TASK_REVISION,
    TASK_ZONE,
    TASK_LAUNCH_TYPE,
    TASK_MEMBER_COUNT,
};

enum container_member {
    CONTAINER_ID,
    CONTAINER_TYPE,
    CONTAINER_STATUS,
    CONTAINER_LOG_DRIVER,
    CONTAINER_MEMBER_COUNT,
};

enum log_member {
    LOG_GROUP,
    LOG_REGION,
    LOG_STREAM,
    LOG_MEMBER_COUNT,
};

/* The parts of arn:partition:service:region:account:resource. */
struct arn {
    struct slice partition;
    struct slice region;
    struct slice account;
    struct slice resource;
};

/* The lists, side by side. */
struct log_lists {
    struct slice groups[DETECT_ECS_LOGS_MAX];
    struct slice group_arns[DETECT_ECS_LOGS_MAX];
    struct slice streams[DETECT_ECS_LOGS_MAX];
    struct slice stream_arns[DETECT_ECS_LOGS_MAX];
    size_t count;
};

/* One reading. */
struct task_reading {
    struct detect_state *state;
    struct arena scratch; /* owned */
    struct arn arn;
    int err; /* FAULT_LIMIT; sticks */
};

/* --- texts ------------------------------------------------------------------------------------ */

/* The value of a member, or the empty slice. */
static struct slice text_of(struct task_reading *reading, const struct json_member *member)
{
    struct slice text = {0};
    if (member->is_found && json_text_value(member->text, &reading->scratch, &text) != 0) {
        reading->err = FAULT_LIMIT;
    }
    return text;
}

/* All pieces, one after another; a list of them ends with the empty piece. */
static struct slice join(struct task_reading *reading, const struct slice *pieces, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += pieces[i].len;
    }
    uint8_t *joined = arena_alloc(&reading->scratch, len);
    if (joined == NULL) {
        reading->err = FAULT_LIMIT;
        return (struct slice){0};
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].len > 0) {
            memcpy(joined + at, pieces[i].ptr, pieces[i].len);
        }
        at += pieces[i].len;
    }
    return slice_of(joined, len);
}

#define JOINED(reading, ...)                                                                       \
    join((reading), (const struct slice[]){__VA_ARGS__},                                           \
         COUNT_OF(((const struct slice[]){__VA_ARGS__})))

/* What stands before the next colon; takes it off. */
static struct slice take_part(struct slice *rest)
{
    size_t colon = slice_find(*rest, ':');
    struct slice part = slice_first(*rest, colon);
    *rest = slice_from(*rest, colon < rest->len ? colon + 1 : colon);
    return part;
}

/* All empty for what is no ARN. */
static struct arn arn_of(struct slice text)
{
    struct arn arn = {0};
    struct slice rest = text;
    if (!slice_is_text(take_part(&rest), "arn")) {
        return arn;
    }
    arn.partition = take_part(&rest);
    (void)take_part(&rest); /* the service */
    arn.region = take_part(&rest);
    arn.account = take_part(&rest);
    arn.resource = rest;
    return arn;
}

static struct slice behind_last_slash(struct slice text)
{
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != '/') {
        at--;
    }
    return slice_from(text, at);
}

/* --- containers ------------------------------------------------------------------------------- */

/* The member of that name, if it begins with `kind`, as it stands in the document. */
static bool find_raw(struct slice object, const char *name, enum json_token kind, struct slice *out)
{
    struct json_reader reader = json_of(object, JSON_UTF8_REPLACE);
    if (json_next(&reader) != JSON_TOKEN_OBJECT_OPEN) {
        return false;
    }
    while (json_next(&reader) == JSON_TOKEN_KEY) {
        bool is_it = json_text_equals(reader.text, slice_of_text(name));
        enum json_token token = json_next(&reader);
        const uint8_t *from = reader.start + reader.token_offset;
        if (!json_skip(&reader, token)) {
            return false;
        }
        if (is_it && token == kind) {
            *out = slice_of(from, (size_t)(reader.pos - from));
            return true;
        }
    }
    return false;
}

static bool is_member(const struct json_member *member, const char *text)
{
    return member->is_found && json_text_equals(member->text, slice_of_text(text));
}

/* Does this container's log belong to the lists? */
static bool is_logging(struct slice container, struct slice own_id)
{
    struct json_member members[CONTAINER_MEMBER_COUNT] = {
        [CONTAINER_ID] = {.name = SLICE_LITERAL("DockerId")},
        [CONTAINER_TYPE] = {.name = SLICE_LITERAL("Type")},
        [CONTAINER_STATUS] = {.name = SLICE_LITERAL("KnownStatus")},
        [CONTAINER_LOG_DRIVER] = {.name = SLICE_LITERAL("LogDriver")},
    };
    return json_members_read(container, members, COUNT_OF(members)) == 0 &&
           is_member(&members[CONTAINER_TYPE], "NORMAL") &&
           is_member(&members[CONTAINER_STATUS], "RUNNING") &&
           is_member(&members[CONTAINER_LOG_DRIVER], "awslogs") &&
           !(members[CONTAINER_ID].is_found &&
             json_text_equals(members[CONTAINER_ID].text, own_id));
}

static void add_log(struct task_reading *reading, struct log_lists *lists, struct slice options)
{
    struct json_member members[LOG_MEMBER_COUNT] = {
        [LOG_GROUP] = {.name = SLICE_LITERAL("awslogs-group")},
        [LOG_REGION] = {.name = SLICE_LITERAL("awslogs-region")},
        [LOG_STREAM] = {.name = SLICE_LITERAL("awslogs-stream")},
    };
    if (json_members_read(options, members, COUNT_OF(members)) != 0) {
        return;
    }
    struct slice group = text_of(reading, &members[LOG_GROUP]);
    struct slice region = text_of(reading, &members[LOG_REGION]);
    struct slice stream = text_of(reading, &members[LOG_STREAM]);
    if (group.len + region.len + stream.len == 0) {
        return;
    }
    if (lists->count == DETECT_ECS_LOGS_MAX) {
        detect_state_note(reading->state, false, "more than %d containers with logs",
                          DETECT_ECS_LOGS_MAX);
        return;
    }
    struct slice arn = JOINED(reading, SLICE_LITERAL("arn:"), reading->arn.partition,
                              SLICE_LITERAL(":logs:"), region, SLICE_LITERAL(":"),
                              reading->arn.account, SLICE_LITERAL(":log-group:"), group);
    size_t at = lists->count;
    lists->groups[at] = group;
    lists->group_arns[at] = arn;
    lists->streams[at] = stream;
    lists->stream_arns[at] = JOINED(reading, arn, SLICE_LITERAL(":log-stream:"), stream);
    lists->count++;
}

static void put_logs(struct task_reading *reading, struct slice json, struct slice own_id)
{
    struct log_lists lists = {.count = 0};
    struct slice containers;
    if (own_id.len == 0 || !find_raw(json, "Containers", JSON_TOKEN_ARRAY_OPEN, &containers)) {
        return;
    }
    struct json_reader reader = json_of(containers, JSON_UTF8_REPLACE);
    enum json_token token = json_next(&reader); /* the bracket, as was just seen */
    for (token = json_next(&reader); token == JSON_TOKEN_OBJECT_OPEN; token = json_next(&reader)) {
        const uint8_t *from = reader.start + reader.token_offset;
        bool is_whole = json_skip(&reader, token);
        ASSERT(is_whole); /* find_raw went through it */
        struct slice container = slice_of(from, (size_t)(reader.pos - from));
        struct slice options;
        if (is_logging(container, own_id) &&
            find_raw(container, "LogOptions", JSON_TOKEN_OBJECT_OPEN, &options)) {
            add_log(reading, &lists, options);
        }
    }
    if (reading->err == 0) {
        detect_state_put_list(reading->state, "aws.log.group.names", lists.groups, lists.count);
        detect_state_put_list(reading->state, "aws.log.group.arns", lists.group_arns, lists.count);
        detect_state_put_list(reading->state, "aws.log.stream.names", lists.streams, lists.count);
        detect_state_put_list(reading->state, "aws.log.stream.arns", lists.stream_arns,
                              lists.count);
    }
}

/* --- the task --------------------------------------------------------------------------------- */

static void put(struct task_reading *reading, const char *key, struct slice text)
{
    detect_state_put(reading->state, slice_of_text(key), text);
}

static void put_cluster(struct task_reading *reading, struct slice cluster)
{
    const struct arn *arn = &reading->arn;
    bool is_arn = slice_find(cluster, ':') < cluster.len;
    if (cluster.len > 0 && !is_arn) {
        cluster = JOINED(reading, SLICE_LITERAL("arn:"), arn->partition, SLICE_LITERAL(":ecs:"),
                         arn->region, SLICE_LITERAL(":"), arn->account, SLICE_LITERAL(":cluster/"),
                         cluster);
    }
    put(reading, "aws.ecs.cluster.arn", cluster);
}

static void put_launch_type(struct task_reading *reading, const struct json_member *member)
{
    static const char *const types[] = {"ec2", "fargate"};
    char text[16];
    for (size_t i = 0; i < COUNT_OF(types) && json_member_copy(member, text, sizeof(text)) == 0;
         i++) {
        if (strcasecmp(text, types[i]) == 0) {
            put(reading, "aws.ecs.launchtype", slice_of_text(types[i]));
        }
    }
}

static void put_task(struct task_reading *reading, const struct json_member *members)
{
    struct slice arn = text_of(reading, &members[TASK_ARN]);
    reading->arn = arn_of(arn);
    put(reading, "cloud.provider", SLICE_LITERAL("aws"));
    put(reading, "cloud.platform", SLICE_LITERAL("aws_ecs"));
    put(reading, "cloud.account.id", reading->arn.account);
    put(reading, "cloud.region", reading->arn.region);
    put(reading, "cloud.availability_zone", text_of(reading, &members[TASK_ZONE]));
    put(reading, "aws.ecs.task.arn", arn);
    put(reading, "aws.ecs.task.id", behind_last_slash(reading->arn.resource));
    put(reading, "aws.ecs.task.family", text_of(reading, &members[TASK_FAMILY]));
    put(reading, "aws.ecs.task.revision", text_of(reading, &members[TASK_REVISION]));
    put_launch_type(reading, &members[TASK_LAUNCH_TYPE]);
    put_cluster(reading, text_of(reading, &members[TASK_CLUSTER]));
}

int detect_ecs_read_task(struct detect_state *state, struct slice json, struct slice own_id)
{
    struct task_reading reading = {.state = state};
    struct json_member members[TASK_MEMBER_COUNT] = {
        [TASK_ARN] = {.name = SLICE_LITERAL("TaskARN")},
        [TASK_CLUSTER] = {.name = SLICE_LITERAL("Cluster")},
        [TASK_FAMILY] = {.name = SLICE_LITERAL("Family")},
        [TASK_REVISION] = {.name = SLICE_LITERAL("Revision")},
        [TASK_ZONE] = {.name = SLICE_LITERAL("AvailabilityZone")},
        [TASK_LAUNCH_TYPE] = {.name = SLICE_LITERAL("LaunchType")},
    };
    if (json_members_read(json, members, COUNT_OF(members)) != 0 || !members[TASK_ARN].is_found) {
        return FAULT_MALFORMED;
    }
    int err = arena_init(&reading.scratch, SCRATCH_CHUNK_BYTES, SCRATCH_MAX_BYTES);
    if (err == 0) {
        put_task(&reading, members);
        put_logs(&reading, json, own_id);
        err = reading.err;
    }
    arena_fini(&reading.scratch);
    return err;
}
