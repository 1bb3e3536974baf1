/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_schema — the objects of a segment document, their members, and the slots they are noted in.
 *
 * Members without a slot of their own are here because a wrong type in them refuses the document,
 * as it does in the Collector. Names match in any case of ASCII. Source: X-Ray segment documents;
 * types as the Collector's model has them. Used by xray_segment and xray_to_otlp only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/defs.h"

/*
 * Of a segment or subsegment. Whatever stands inside one object lies side by side; otherwise the
 * order is that of the attributes.
 */
enum xray_slot {
    XRAY_SLOT_NAME,
    XRAY_SLOT_ID,
    XRAY_SLOT_TRACE_ID,
    XRAY_SLOT_PARENT_ID,
    XRAY_SLOT_START_TIME,
    XRAY_SLOT_END_TIME,
    XRAY_SLOT_NAMESPACE,
    XRAY_SLOT_TYPE,
    XRAY_SLOT_ANNOTATIONS, /* an item: xray_segment.h */
    XRAY_SLOT_METADATA,    /* an item */
    XRAY_SLOT_CAUSE,       /* a string, or the object itself */
    XRAY_SLOT_EXCEPTIONS,
    XRAY_SLOT_IN_PROGRESS,
    XRAY_SLOT_USER,
    XRAY_SLOT_METHOD, /* http from here … */
    XRAY_SLOT_CLIENT_IP,
    XRAY_SLOT_USER_AGENT,
    XRAY_SLOT_URL,
    XRAY_SLOT_X_FORWARDED_FOR,
    XRAY_SLOT_STATUS,
    XRAY_SLOT_CONTENT_LENGTH, /* … to here */
    XRAY_SLOT_AWS,            /* aws from here … */
    XRAY_SLOT_ACCOUNT_ID,
    XRAY_SLOT_OPERATION,
    XRAY_SLOT_REGION,
    XRAY_SLOT_REQUEST_ID,
    XRAY_SLOT_QUEUE_URL,
    XRAY_SLOT_TABLE_NAME,
    XRAY_SLOT_RETRIES,
    XRAY_SLOT_LOGS,
    XRAY_SLOT_EC2_ZONE,
    XRAY_SLOT_EC2_INSTANCE_ID,
    XRAY_SLOT_EC2_SIZE,
    XRAY_SLOT_EC2_AMI_ID,
    XRAY_SLOT_ECS_CONTAINER,
    XRAY_SLOT_ECS_ZONE,
    XRAY_SLOT_ECS_CONTAINER_ID,
    XRAY_SLOT_BEANSTALK_ENVIRONMENT,
    XRAY_SLOT_BEANSTALK_DEPLOYMENT,
    XRAY_SLOT_BEANSTALK_VERSION,
    XRAY_SLOT_EKS_CONTAINER_ID,
    XRAY_SLOT_EKS_CLUSTER,
    XRAY_SLOT_EKS_POD,
    XRAY_SLOT_SDK_VERSION,
    XRAY_SLOT_SDK,     /* … to here */
    XRAY_SLOT_SQL_URL, /* sql from here … */
    XRAY_SLOT_DATABASE_TYPE,
    XRAY_SLOT_SANITIZED_QUERY,
    XRAY_SLOT_DATABASE_USER, /* … to here */
    XRAY_SLOT_TRACED,
    XRAY_SLOT_SERVICE_VERSION,
    XRAY_SLOT_RESOURCE_ARN,
    XRAY_SLOT_UNUSED, /* what is checked and not kept */
    XRAY_SLOT_COUNT,
};
_Static_assert(XRAY_SLOT_COUNT <= 64, "one bit per slot");

/* Of an exception. */
enum xray_exception_slot {
    XRAY_EXCEPTION_ID,
    XRAY_EXCEPTION_MESSAGE,
    XRAY_EXCEPTION_TYPE,
    XRAY_EXCEPTION_REMOTE,
    XRAY_EXCEPTION_TRUNCATED,
    XRAY_EXCEPTION_SKIPPED,
    XRAY_EXCEPTION_CAUSE,
    XRAY_EXCEPTION_STACK,
};

/* Of a stack frame. */
enum xray_frame_slot { XRAY_FRAME_PATH, XRAY_FRAME_LINE, XRAY_FRAME_LABEL };

/* Of an element of cloudwatch_logs. */
enum xray_log_slot { XRAY_LOG_GROUP, XRAY_LOG_ARN };

enum xray_object {
    XRAY_OBJECT_SEGMENT,
    XRAY_OBJECT_SERVICE,
    XRAY_OBJECT_LINK,
    XRAY_OBJECT_HTTP,
    XRAY_OBJECT_REQUEST,
    XRAY_OBJECT_RESPONSE,
    XRAY_OBJECT_SQL,
    XRAY_OBJECT_CAUSE,
    XRAY_OBJECT_EXCEPTION,
    XRAY_OBJECT_FRAME,
    XRAY_OBJECT_AWS,
    XRAY_OBJECT_LOG,
    XRAY_OBJECT_EC2,
    XRAY_OBJECT_ECS,
    XRAY_OBJECT_BEANSTALK,
    XRAY_OBJECT_EKS,
    XRAY_OBJECT_XRAY,
    XRAY_OBJECT_COUNT,
};

/* What a member holds, where it is not null. */
enum xray_type {
    XRAY_TYPE_TEXT,
    XRAY_TYPE_NUMBER,
    XRAY_TYPE_INTEGER,
    XRAY_TYPE_BOOL,
    XRAY_TYPE_ANY,         /* anything; kept if it is no object and no array */
    XRAY_TYPE_OBJECT,      /* of `object` */
    XRAY_TYPE_LIST,        /* of objects; the array is noted */
    XRAY_TYPE_TEXTS,       /* an array of texts */
    XRAY_TYPE_MAP,         /* an object of anything, kept as an item */
    XRAY_TYPE_MAPS,        /* an object of objects, kept as an item */
    XRAY_TYPE_CAUSE,       /* a text or an object */
    XRAY_TYPE_SUBSEGMENTS, /* an array of segments */
};

/* auto_instrumentation, and a zero. */
#define XRAY_NAME_MAX_BYTES 20
#define XRAY_NAME_ROOM_BYTES 24

struct xray_member {
    char name[XRAY_NAME_ROOM_BYTES]; /* zeros behind it */
    uint8_t len;
    uint8_t type;       /* enum xray_type */
    uint8_t slot;       /* of the object this is a member of */
    uint8_t object;     /* enum xray_object of what is inside */
    uint64_t is_inside; /* a bit for each slot that null empties */
};

/* Per object and length of a name: the first member of that length; the last entry ends the list.
 */
struct xray_index {
    const struct xray_member *of_len[XRAY_OBJECT_COUNT][XRAY_NAME_MAX_BYTES + 2];
};

void xray_schema_index(struct xray_index *index);

/* The part of xray_schema_find for names in other cases, among members of their length. */
const struct xray_member *xray_schema_find_folded(const struct xray_member *first,
                                                  const struct xray_member *limit,
                                                  const uint8_t *key, size_t len);

static inline uint64_t xray_schema_word(const void *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* Is `key`, as long as the member's name, that name? Words of the same end overlap. */
static inline bool xray_schema_is_name(const struct xray_member *member, const uint8_t *key,
                                       size_t len)
{
    uint64_t difference = xray_schema_word(key) ^ xray_schema_word(member->name);
    if (len < sizeof(uint64_t)) {
        return difference << (8 * (sizeof(uint64_t) - len)) == 0;
    }
    difference |= xray_schema_word(key + len - 8) ^ xray_schema_word(member->name + len - 8);
    if (len > 16) {
        difference |= xray_schema_word(key + 8) ^ xray_schema_word(member->name + 8);
    }
    return difference == 0;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first bytes are the low ones");

/*
 * xray_schema_find — the member of that name, or NULL.
 *
 *   key   escapes undone; sizeof(uint64_t) bytes behind its end are readable
 */
static inline const struct xray_member *xray_schema_find(const struct xray_index *index,
                                                         enum xray_object object,
                                                         const uint8_t *key, size_t len)
{
    if (len > XRAY_NAME_MAX_BYTES || len == 0) {
        return NULL;
    }
    const struct xray_member *const *of_len = index->of_len[object] + len;
    for (const struct xray_member *member = of_len[0]; member < of_len[1]; member++) {
        if (xray_schema_is_name(member, key, len)) {
            return member;
        }
    }
    return xray_schema_find_folded(of_len[0], of_len[1], key, len);
}
