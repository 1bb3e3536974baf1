/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_schema — one table per object of a segment document, sorted by the length of the names.
 *
 * A name is found by its length, then by words of eight bytes; SDKs write names as they stand here,
 * so other cases are only looked for where that failed. Source: X-Ray segment documents.
 */
#include "codecs/xray_schema.h"

#define BIT(slot) (UINT64_C(1) << (slot))
/* Bits of the slots from `first_slot` to `last_slot`. */
#define BITS(first_slot, last_slot) ((BIT(last_slot) - BIT(first_slot)) | BIT(last_slot))

#define MEMBER(text, kind, own_slot, inside, bits)                                                 \
    {                                                                                              \
        .name = text, .len = sizeof(text) - 1, .type = XRAY_TYPE_##kind, .slot = (own_slot),       \
        .object = XRAY_OBJECT_##inside, .is_inside = (bits)                                        \
    }
#define PLAIN(text, kind, slot) MEMBER(text, kind, XRAY_SLOT_##slot, SEGMENT, BIT(XRAY_SLOT_##slot))
#define INNER(text, kind, inside, slot, first_slot, last_slot)                                     \
    MEMBER(text, kind, XRAY_SLOT_##slot, inside,                                                   \
           BITS(XRAY_SLOT_##first_slot, XRAY_SLOT_##last_slot) | BIT(XRAY_SLOT_##slot))
#define OTHER(text, kind, slot) MEMBER(text, kind, slot, SEGMENT, BIT(slot))

/* clang-format off */
static const struct xray_member segment_members[] = {
    PLAIN("id", TEXT, ID),
    INNER("aws", OBJECT, AWS, AWS, AWS, SDK),
    INNER("sql", OBJECT, SQL, UNUSED, SQL_URL, DATABASE_USER),
    PLAIN("name", TEXT, NAME),
    INNER("http", OBJECT, HTTP, UNUSED, METHOD, CONTENT_LENGTH),
    PLAIN("type", TEXT, TYPE),
    PLAIN("user", TEXT, USER),
    PLAIN("error", BOOL, UNUSED),
    PLAIN("fault", BOOL, UNUSED),
    INNER("cause", CAUSE, CAUSE, CAUSE, CAUSE, EXCEPTIONS),
    INNER("links", LIST, LINK, UNUSED, UNUSED, UNUSED),
    PLAIN("origin", TEXT, UNUSED),
    PLAIN("traced", BOOL, TRACED),
    INNER("service", OBJECT, SERVICE, UNUSED, SERVICE_VERSION, SERVICE_VERSION),
    PLAIN("end_time", NUMBER, END_TIME),
    PLAIN("trace_id", TEXT, TRACE_ID),
    PLAIN("metadata", MAPS, METADATA),
    PLAIN("throttle", BOOL, UNUSED),
    PLAIN("parent_id", TEXT, PARENT_ID),
    PLAIN("namespace", TEXT, NAMESPACE),
    PLAIN("start_time", NUMBER, START_TIME),
    PLAIN("annotations", MAP, ANNOTATIONS),
    PLAIN("subsegments", SUBSEGMENTS, UNUSED),
    PLAIN("in_progress", BOOL, IN_PROGRESS),
    PLAIN("resource_arn", TEXT, RESOURCE_ARN),
    PLAIN("precursor_ids", TEXTS, UNUSED),
};

static const struct xray_member service_members[] = {
    PLAIN("version", TEXT, SERVICE_VERSION),
    PLAIN("compiler", TEXT, UNUSED),
    PLAIN("compiler_version", TEXT, UNUSED),
};

static const struct xray_member link_members[] = {
    PLAIN("id", TEXT, UNUSED),
    PLAIN("trace_id", TEXT, UNUSED),
    PLAIN("attributes", MAP, UNUSED),
};

static const struct xray_member http_members[] = {
    INNER("request", OBJECT, REQUEST, UNUSED, METHOD, X_FORWARDED_FOR),
    INNER("response", OBJECT, RESPONSE, UNUSED, STATUS, CONTENT_LENGTH),
};

static const struct xray_member request_members[] = {
    PLAIN("url", TEXT, URL),
    PLAIN("method", TEXT, METHOD),
    PLAIN("client_ip", TEXT, CLIENT_IP),
    PLAIN("user_agent", TEXT, USER_AGENT),
    PLAIN("x_forwarded_for", BOOL, X_FORWARDED_FOR),
};

static const struct xray_member response_members[] = {
    PLAIN("status", INTEGER, STATUS),
    PLAIN("content_length", ANY, CONTENT_LENGTH),
};

static const struct xray_member sql_members[] = {
    PLAIN("url", TEXT, SQL_URL),
    PLAIN("user", TEXT, DATABASE_USER),
    PLAIN("preparation", TEXT, UNUSED),
    PLAIN("database_type", TEXT, DATABASE_TYPE),
    PLAIN("driver_version", TEXT, UNUSED),
    PLAIN("sanitized_query", TEXT, SANITIZED_QUERY),
    PLAIN("database_version", TEXT, UNUSED),
    PLAIN("connection_string", TEXT, UNUSED),
};

static const struct xray_member cause_members[] = {
    PLAIN("paths", TEXTS, UNUSED),
    INNER("exceptions", LIST, EXCEPTION, EXCEPTIONS, EXCEPTIONS, EXCEPTIONS),
    PLAIN("working_directory", TEXT, UNUSED),
};

static const struct xray_member exception_members[] = {
    OTHER("id", TEXT, XRAY_EXCEPTION_ID),
    OTHER("type", TEXT, XRAY_EXCEPTION_TYPE),
    OTHER("cause", TEXT, XRAY_EXCEPTION_CAUSE),
    MEMBER("stack", LIST, XRAY_EXCEPTION_STACK, FRAME, BIT(XRAY_EXCEPTION_STACK)),
    OTHER("remote", BOOL, XRAY_EXCEPTION_REMOTE),
    OTHER("message", TEXT, XRAY_EXCEPTION_MESSAGE),
    OTHER("skipped", INTEGER, XRAY_EXCEPTION_SKIPPED),
    OTHER("truncated", INTEGER, XRAY_EXCEPTION_TRUNCATED),
};

static const struct xray_member frame_members[] = {
    OTHER("path", TEXT, XRAY_FRAME_PATH),
    OTHER("line", INTEGER, XRAY_FRAME_LINE),
    OTHER("label", TEXT, XRAY_FRAME_LABEL),
};

static const struct xray_member aws_members[] = {
    INNER("ec2", OBJECT, EC2, UNUSED, EC2_ZONE, EC2_AMI_ID),
    INNER("ecs", OBJECT, ECS, UNUSED, ECS_CONTAINER, ECS_CONTAINER_ID),
    INNER("eks", OBJECT, EKS, UNUSED, EKS_CONTAINER_ID, EKS_POD),
    INNER("xray", OBJECT, XRAY, UNUSED, SDK_VERSION, SDK),
    PLAIN("region", TEXT, REGION),
    PLAIN("retries", INTEGER, RETRIES),
    PLAIN("operation", TEXT, OPERATION),
    PLAIN("queue_url", TEXT, QUEUE_URL),
    PLAIN("account_id", TEXT, ACCOUNT_ID),
    PLAIN("request_id", TEXT, REQUEST_ID),
    PLAIN("table_name", TEXT, TABLE_NAME),
    PLAIN("table_names", TEXTS, UNUSED),
    INNER("cloudwatch_logs", LIST, LOG, LOGS, LOGS, LOGS),
    INNER("elastic_beanstalk", OBJECT, BEANSTALK, UNUSED, BEANSTALK_ENVIRONMENT,
          BEANSTALK_VERSION),
};

static const struct xray_member log_members[] = {
    OTHER("arn", TEXT, XRAY_LOG_ARN),
    OTHER("log_group", TEXT, XRAY_LOG_GROUP),
};

static const struct xray_member ec2_members[] = {
    PLAIN("ami_id", TEXT, EC2_AMI_ID),
    PLAIN("instance_id", TEXT, EC2_INSTANCE_ID),
    PLAIN("instance_size", TEXT, EC2_SIZE),
    PLAIN("availability_zone", TEXT, EC2_ZONE),
};

static const struct xray_member ecs_members[] = {
    PLAIN("task_arn", TEXT, UNUSED),
    PLAIN("container", TEXT, ECS_CONTAINER),
    PLAIN("task_family", TEXT, UNUSED),
    PLAIN("cluster_arn", TEXT, UNUSED),
    PLAIN("launch_type", TEXT, UNUSED),
    PLAIN("container_id", TEXT, ECS_CONTAINER_ID),
    PLAIN("container_arn", TEXT, UNUSED),
    PLAIN("availability_zone", TEXT, ECS_ZONE),
};

static const struct xray_member beanstalk_members[] = {
    PLAIN("deployment_id", INTEGER, BEANSTALK_DEPLOYMENT),
    PLAIN("version_label", TEXT, BEANSTALK_VERSION),
    PLAIN("environment_name", TEXT, BEANSTALK_ENVIRONMENT),
};

static const struct xray_member eks_members[] = {
    PLAIN("pod", TEXT, EKS_POD),
    PLAIN("cluster_name", TEXT, EKS_CLUSTER),
    PLAIN("container_id", TEXT, EKS_CONTAINER_ID),
};

static const struct xray_member xray_members[] = {
    PLAIN("sdk", TEXT, SDK),
    PLAIN("sdk_version", TEXT, SDK_VERSION),
    PLAIN("auto_instrumentation", BOOL, UNUSED),
};

struct xray_members {
    const struct xray_member *members; /* by length of the name */
    uint32_t count;
};

#define TABLE(table) {.members = (table), .count = COUNT_OF(table)}
static const struct xray_members objects[XRAY_OBJECT_COUNT] = {
    [XRAY_OBJECT_SEGMENT] = TABLE(segment_members),
    [XRAY_OBJECT_SERVICE] = TABLE(service_members),
    [XRAY_OBJECT_LINK] = TABLE(link_members),
    [XRAY_OBJECT_HTTP] = TABLE(http_members),
    [XRAY_OBJECT_REQUEST] = TABLE(request_members),
    [XRAY_OBJECT_RESPONSE] = TABLE(response_members),
    [XRAY_OBJECT_SQL] = TABLE(sql_members),
    [XRAY_OBJECT_CAUSE] = TABLE(cause_members),
    [XRAY_OBJECT_EXCEPTION] = TABLE(exception_members),
    [XRAY_OBJECT_FRAME] = TABLE(frame_members),
    [XRAY_OBJECT_AWS] = TABLE(aws_members),
    [XRAY_OBJECT_LOG] = TABLE(log_members),
    [XRAY_OBJECT_EC2] = TABLE(ec2_members),
    [XRAY_OBJECT_ECS] = TABLE(ecs_members),
    [XRAY_OBJECT_BEANSTALK] = TABLE(beanstalk_members),
    [XRAY_OBJECT_EKS] = TABLE(eks_members),
    [XRAY_OBJECT_XRAY] = TABLE(xray_members),
};
/* clang-format on */

void xray_schema_index(struct xray_index *index)
{
    for (size_t object = 0; object < XRAY_OBJECT_COUNT; object++) {
        const struct xray_member *at = objects[object].members;
        const struct xray_member *limit = at + objects[object].count;
        for (size_t len = 0; len < XRAY_NAME_MAX_BYTES + 2; len++) {
            while (at < limit && at->len < len) {
                at++;
            }
            index->of_len[object][len] = at;
        }
        ASSERT(at == limit); /* sorted, and none too long */
    }
}

static bool is_name_folded(const struct xray_member *member, const uint8_t *key, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t c = key[i];
        c = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
        if (c != (uint8_t)member->name[i]) {
            return false;
        }
    }
    return true;
}

const struct xray_member *xray_schema_find_folded(const struct xray_member *first,
                                                  const struct xray_member *limit,
                                                  const uint8_t *key, size_t len)
{
    for (const struct xray_member *member = first; member < limit; member++) {
        if (is_name_folded(member, key, len)) {
            return member;
        }
    }
    return NULL;
}
