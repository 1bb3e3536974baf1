/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs_service — see the header.
 */
#include "tests/support/logs_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/defs.h"

#define ERROR(code, text)                                                                          \
    {                                                                                              \
        .status = 400, .body = "{\"__type\":\"" code "\",\"message\":\"" text "\"}",               \
        .body_len = sizeof("{\"__type\":\"" code "\",\"message\":\"" text "\"}") - 1               \
    }

const struct http_stub_answer logs_taken = {
    .body = "{\"nextSequenceToken\":\"1\"}",
    .body_len = sizeof("{\"nextSequenceToken\":\"1\"}") - 1,
};
const struct http_stub_answer logs_missing =
    ERROR("ResourceNotFoundException", "The specified log stream does not exist.");
const struct http_stub_answer logs_exists = ERROR("ResourceAlreadyExistsException", "It does.");
const struct http_stub_answer logs_denied = ERROR("AccessDeniedException", "Not you.");
const struct http_stub_answer logs_throttled = ERROR("ThrottlingException", "Rate exceeded");
const struct http_stub_answer logs_invalid = ERROR("InvalidParameterException", "No.");
const struct http_stub_answer logs_unavailable = {.status = 503};
const struct http_stub_answer logs_hung_up = {.hangs_up = true};
const struct http_stub_answer logs_slow = {.delay_ms = 10000};
static const struct http_stub_answer aborted = ERROR("OperationAbortedException", "Another one.");
static const struct http_stub_answer made = {0};

static struct slice operation_of(const struct http_stub_request *request)
{
    struct slice target = http_stub_header(request, "X-Amz-Target");
    size_t dot = slice_find(target, '.');
    return dot < target.len ? slice_from(target, dot + 1) : target;
}

/* The value of a member that holds no escapes; "" where there is none. */
static void read_member(const struct http_stub_request *request, const char *name, char *out)
{
    char key[LOGS_SERVICE_NAME_BYTES];
    int len = snprintf(key, sizeof(key), "\"%s\":\"", name);
    const char *body = (const char *)request->body;
    const char *found = memmem(body, request->body_len, key, (size_t)len);
    out[0] = '\0';
    if (found != NULL) {
        size_t at = (size_t)(found - body) + (size_t)len;
        struct slice rest = slice_of(body + at, request->body_len - at);
        size_t end = slice_find(rest, '"');
        (void)snprintf(out, LOGS_SERVICE_NAME_BYTES, "%.*s", (int)end, body + at);
    }
}

static bool has_group(const struct logs_service *service, const char *name)
{
    for (size_t i = 0; i < service->group_count; i++) {
        if (strcmp(service->groups[i], name) == 0) {
            return true;
        }
    }
    return service->has_all;
}

static bool has_stream(const struct logs_service *service, const char *path)
{
    for (size_t i = 0; i < service->stream_count; i++) {
        if (strcmp(service->streams[i], path) == 0) {
            return true;
        }
    }
    return service->has_all;
}

static void add_group(struct logs_service *service, const char *name)
{
    ASSERT(service->group_count < LOGS_SERVICE_NAMES_MAX);
    (void)snprintf(service->groups[service->group_count], LOGS_SERVICE_NAME_BYTES, "%s", name);
    service->group_count++;
}

static const struct http_stub_answer *on_create_group(struct logs_service *service,
                                                      const char *group)
{
    service->create_group_calls++;
    if (service->denies_creation) {
        return &logs_denied;
    }
    if (service->abort_count > 0) {
        service->abort_count--;
        return &aborted;
    }
    if (has_group(service, group)) {
        return &logs_exists;
    }
    add_group(service, group);
    return service->group_exists_unseen ? &logs_exists : &made;
}

static const struct http_stub_answer *on_create_stream(struct logs_service *service,
                                                       const char *group, const char *path)
{
    service->create_stream_calls++;
    if (service->hangs_creation) {
        return &logs_slow;
    }
    if (service->denies_creation) {
        return &logs_denied;
    }
    if (!has_group(service, group)) {
        return &logs_missing;
    }
    if (has_stream(service, path)) {
        return &logs_exists;
    }
    ASSERT(service->stream_count < LOGS_SERVICE_NAMES_MAX);
    (void)snprintf(service->streams[service->stream_count], sizeof(service->streams[0]), "%s",
                   path);
    service->stream_count++;
    return &made;
}

static const struct http_stub_answer *on_put(struct logs_service *service, const char *path)
{
    if (!has_stream(service, path)) {
        return &logs_missing;
    }
    size_t index = service->put_count;
    service->put_count++;
    return index < service->put_script_len ? service->put_script[index] : &logs_taken;
}

static const struct http_stub_answer *answer_for(struct logs_service *service,
                                                 const struct http_stub_request *request)
{
    char group[LOGS_SERVICE_NAME_BYTES];
    char stream[LOGS_SERVICE_NAME_BYTES];
    char path[2 * LOGS_SERVICE_NAME_BYTES];
    struct slice operation = operation_of(request);
    read_member(request, "logGroupName", group);
    read_member(request, "logStreamName", stream);
    (void)snprintf(path, sizeof(path), "%s:%s", group, stream);
    if (slice_is_text(operation, "PutLogEvents")) {
        return on_put(service, path);
    }
    if (slice_is_text(operation, "CreateLogGroup")) {
        return on_create_group(service, group);
    }
    if (slice_is_text(operation, "CreateLogStream")) {
        return on_create_stream(service, group, path);
    }
    service->retention_calls++;
    return slice_is_text(operation, "PutRetentionPolicy") ? &made : &logs_invalid;
}

static struct http_stub_answer choose(void *owner, const struct http_stub_request *request)
{
    return *answer_for(owner, request);
}

void logs_service_start(struct logs_service *service)
{
    struct http_stub_options options = {
        .script = &logs_taken,
        .script_len = 1,
        .choose = choose,
        .owner = service,
    };
    http_stub_start(&service->stub, &options);
}

void logs_service_stop(struct logs_service *service)
{
    http_stub_stop(&service->stub);
}

struct slice logs_service_operation(struct logs_service *service, size_t index)
{
    return operation_of(http_stub_request(&service->stub, index));
}

size_t logs_service_count(struct logs_service *service, const char *operation)
{
    size_t count = 0;
    size_t request_count = http_stub_request_count(&service->stub);
    for (size_t i = 0; i < request_count; i++) {
        count += slice_is_text(logs_service_operation(service, i), operation) ? 1 : 0;
    }
    return count;
}

size_t logs_service_find(struct logs_service *service, const char *operation, size_t nth)
{
    size_t request_count = http_stub_request_count(&service->stub);
    for (size_t i = 0; i < request_count; i++) {
        if (slice_is_text(logs_service_operation(service, i), operation)) {
            if (nth == 0) {
                return i;
            }
            nth--;
        }
    }
    fail_msg("no such %s", operation);
    return 0;
}

struct slice logs_service_body(struct logs_service *service, size_t index)
{
    const struct http_stub_request *request = http_stub_request(&service->stub, index);
    return slice_of(request->body, request->body_len);
}
