/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace_attrs — the attributes of a span or a resource, with the names X-Ray knows numbered.
 *
 * Loaded once, looked at by each block in its turn; a block marks what it consumed, and what nobody
 * consumed becomes annotations and metadata. The memory is used again for the next span.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/otlp/otlp_attr.h"

/* clang-format off: one name a line */
#define XRAY_KEY_LIST(X)                                                                           \
    X(AWS_ACCOUNT_ID, "aws.account_id")                                                            \
    X(AWS_ANNOTATIONS, "aws.xray.annotations")                                                     \
    X(AWS_DYNAMODB_TABLES, "aws.dynamodb.table_names")                                             \
    X(AWS_ECS_CLUSTER_ARN, "aws.ecs.cluster.arn")                                                  \
    X(AWS_ECS_CONTAINER_ARN, "aws.ecs.container.arn")                                              \
    X(AWS_ECS_LAUNCHTYPE, "aws.ecs.launchtype")                                                    \
    X(AWS_ECS_TASK_ARN, "aws.ecs.task.arn")                                                        \
    X(AWS_ECS_TASK_FAMILY, "aws.ecs.task.family")                                                  \
    X(AWS_HTTP_ERROR_MESSAGE, "aws.http.error_message")                                            \
    X(AWS_IN_PROGRESS, "aws.xray.inprogress")                                                      \
    X(AWS_LOCAL_SERVICE, "aws.local.service")                                                      \
    X(AWS_LOG_GROUP_ARNS, "aws.log.group.arns")                                                    \
    X(AWS_LOG_GROUP_NAMES, "aws.log.group.names")                                                  \
    X(AWS_OPERATION, "aws.operation")                                                              \
    X(AWS_QUEUE_URL, "aws.queue_url")                                                              \
    X(AWS_QUEUE_URL_DOTTED, "aws.queue.url")                                                       \
    X(AWS_REGION, "aws.region")                                                                    \
    X(AWS_REMOTE_OPERATION, "aws.remote.operation")                                                \
    X(AWS_REMOTE_SERVICE, "aws.remote.service")                                                    \
    X(AWS_REQUEST_ID, "aws.request_id")                                                            \
    X(AWS_REQUEST_ID_CAMEL, "aws.requestId")                                                       \
    X(AWS_SERVICE, "aws.service")                                                                  \
    X(AWS_SPAN_KIND, "aws.span.kind")                                                              \
    X(AWS_TABLE_NAME, "aws.table_name")                                                            \
    X(AWS_TABLE_NAME_DOTTED, "aws.table.name")                                                     \
    X(CLIENT_ADDRESS, "client.address")                                                            \
    X(CLOUD_ACCOUNT_ID, "cloud.account.id")                                                        \
    X(CLOUD_PLATFORM, "cloud.platform")                                                            \
    X(CLOUD_PROVIDER, "cloud.provider")                                                            \
    X(CLOUD_ZONE, "cloud.availability_zone")                                                       \
    X(CONTAINER_ID, "container.id")                                                                \
    X(CONTAINER_IMAGE_TAG, "container.image.tag")                                                  \
    X(CONTAINER_IMAGE_TAGS, "container.image.tags")                                                \
    X(CONTAINER_NAME, "container.name")                                                            \
    X(DB_CONNECTION_STRING, "db.connection_string")                                                \
    X(DB_NAME, "db.name")                                                                          \
    X(DB_NAMESPACE, "db.namespace")                                                                \
    X(DB_QUERY_TEXT, "db.query.text")                                                              \
    X(DB_STATEMENT, "db.statement")                                                                \
    X(DB_SYSTEM, "db.system")                                                                      \
    X(DB_SYSTEM_NAME, "db.system.name")                                                            \
    X(DB_USER, "db.user")                                                                          \
    X(ENDUSER_ID, "enduser.id")                                                                    \
    X(EXCEPTION_MESSAGE, "exception.message")                                                      \
    X(EXCEPTION_STACKTRACE, "exception.stacktrace")                                                \
    X(EXCEPTION_TYPE, "exception.type")                                                            \
    X(HOST_ID, "host.id")                                                                          \
    X(HOST_IMAGE_ID, "host.image.id")                                                              \
    X(HOST_NAME, "host.name")                                                                      \
    X(HOST_TYPE, "host.type")                                                                      \
    X(HTTP_CLIENT_IP, "http.client_ip")                                                            \
    X(HTTP_HOST, "http.host")                                                                      \
    X(HTTP_METHOD, "http.method")                                                                  \
    X(HTTP_REQUEST_METHOD, "http.request.method")                                                  \
    X(HTTP_RESPONSE_STATUS_CODE, "http.response.status_code")                                      \
    X(HTTP_SCHEME, "http.scheme")                                                                  \
    X(HTTP_SERVER_NAME, "http.server_name")                                                        \
    X(HTTP_STATUS_CODE, "http.status_code")                                                        \
    X(HTTP_STATUS_TEXT, "http.status_text")                                                        \
    X(HTTP_TARGET, "http.target")                                                                  \
    X(HTTP_URL, "http.url")                                                                        \
    X(HTTP_USER_AGENT, "http.user_agent")                                                          \
    X(K8S_CLUSTER_NAME, "k8s.cluster.name")                                                        \
    X(K8S_POD_NAME, "k8s.pod.name")                                                                \
    X(K8S_REMOTE_NAMESPACE, "K8s.RemoteNamespace")                                                 \
    X(MESSAGE_PAYLOAD_SIZE, "messaging.message_payload_size_bytes")                                \
    X(MESSAGE_TYPE, "message.type")                                                                \
    X(MESSAGING_URL, "messaging.url")                                                              \
    X(NET_HOST_NAME, "net.host.name")                                                              \
    X(NET_HOST_PORT, "net.host.port")                                                              \
    X(NET_PEER_IP, "net.peer.ip")                                                                  \
    X(NET_PEER_NAME, "net.peer.name")                                                              \
    X(NET_PEER_PORT, "net.peer.port")                                                              \
    X(NETWORK_PEER_ADDRESS, "network.peer.address")                                                \
    X(PEER_SERVICE, "peer.service")                                                                \
    X(REMOTE_TARGET, "remoteTarget")                                                               \
    X(RPC_METHOD, "rpc.method")                                                                    \
    X(RPC_SERVICE, "rpc.service")                                                                  \
    X(RPC_SYSTEM, "rpc.system")                                                                    \
    X(SERVER_ADDRESS, "server.address")                                                            \
    X(SERVER_PORT, "server.port")                                                                  \
    X(SERVICE_INSTANCE_ID, "service.instance.id")                                                  \
    X(SERVICE_NAME, "service.name")                                                                \
    X(SERVICE_NAMESPACE, "service.namespace")                                                      \
    X(SERVICE_VERSION, "service.version")                                                          \
    X(TELEMETRY_AUTO_VERSION, "telemetry.auto.version")                                            \
    X(TELEMETRY_DISTRO_VERSION, "telemetry.distro.version")                                        \
    X(TELEMETRY_SDK_LANGUAGE, "telemetry.sdk.language")                                            \
    X(TELEMETRY_SDK_NAME, "telemetry.sdk.name")                                                    \
    X(TELEMETRY_SDK_VERSION, "telemetry.sdk.version")                                              \
    X(URL_FULL, "url.full")                                                                        \
    X(URL_PATH, "url.path")                                                                        \
    X(URL_QUERY, "url.query")                                                                      \
    X(URL_SCHEME, "url.scheme")                                                                    \
    X(USER_AGENT_ORIGINAL, "user_agent.original")
/* clang-format on */

enum xray_key {
    XRAY_KEY_OTHER, /* a name X-Ray has no use for */
#define XRAY_KEY_ENUM(name, text) XRAY_KEY_##name,
    XRAY_KEY_LIST(XRAY_KEY_ENUM)
#undef XRAY_KEY_ENUM
        XRAY_KEY_COUNT,
};

/* Slots of the open-addressed table of names: a power of two, at most half full. */
#define XRAY_KEY_SLOTS 256

struct xray_keys {
    uint8_t slots[XRAY_KEY_SLOTS]; /* enum xray_key; 0 is free */
};

void xray_keys_init(struct xray_keys *keys);
enum xray_key xray_keys_find(const struct xray_keys *keys, struct slice name);

struct xray_attr {
    struct slice key;
    struct otlp_value value;
    enum xray_key id;
    bool is_used;    /* a block consumed it */
    bool is_removed; /* it is not to be seen by any block */
};

struct xray_attrs {
    struct xray_attr *attrs; /* owned */
    size_t count;
    size_t capacity;
    uint32_t first[XRAY_KEY_COUNT]; /* index + 1 of the first one with that name; 0 for none */
};

/* Idempotent. */
void xray_attrs_fini(struct xray_attrs *attrs);

/* The attributes, field `number` of `message`, which they borrow from. 0 or -ENOMEM. */
WEIR_MUST_USE int xray_attrs_load(struct xray_attrs *attrs, const struct xray_keys *keys,
                                  struct slice message, uint32_t number);

/* Nobody has consumed or removed anything; for the second document of a span. */
void xray_attrs_restore(struct xray_attrs *attrs);

/* Nobody is to see the first one with that name. */
void xray_attrs_remove(struct xray_attrs *attrs, enum xray_key key);

/* The first one with that name, consumed or not; NULL for none and for a removed one. */
struct xray_attr *xray_attrs_find(const struct xray_attrs *attrs, enum xray_key key);

/* As find, without those that were consumed. */
struct xray_attr *xray_attrs_find_left(const struct xray_attrs *attrs, enum xray_key key);

/* Its text, consumed or not; empty where it is none or absent. */
struct slice xray_attrs_text(const struct xray_attrs *attrs, enum xray_key key);

/* Consumes it and gives its text; empty where it is none, absent, or consumed before. */
struct slice xray_attrs_take(struct xray_attrs *attrs, enum xray_key key);

/* The text of a value; empty where it is none. */
static inline struct slice xray_value_text(const struct otlp_value *value)
{
    return value->kind == OTLP_VALUE_STRING ? value->bytes : (struct slice){0};
}
