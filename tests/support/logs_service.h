/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs_service — as much of CloudWatch Logs as an exporter meets, on top of http_stub.
 *
 * Knows which groups and streams exist, makes them when told, and answers puts to streams it does
 * not have as the service does. A script decides about the other puts. Everything it was sent is
 * kept by the stub.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/http_stub.h"

#define LOGS_SERVICE_NAMES_MAX 16
#define LOGS_SERVICE_NAME_BYTES 64

/* One answer; what a script is made of. */
extern const struct http_stub_answer logs_taken;       /* 200 with a token */
extern const struct http_stub_answer logs_missing;     /* ResourceNotFoundException */
extern const struct http_stub_answer logs_exists;      /* ResourceAlreadyExistsException */
extern const struct http_stub_answer logs_denied;      /* AccessDeniedException */
extern const struct http_stub_answer logs_throttled;   /* ThrottlingException */
extern const struct http_stub_answer logs_unavailable; /* 503 */
extern const struct http_stub_answer logs_invalid;     /* InvalidParameterException */
extern const struct http_stub_answer logs_hung_up;     /* none at all */
extern const struct http_stub_answer logs_slow;        /* 200 after ten seconds */

struct logs_service {
    struct http_stub stub;
    /* Set before start. */
    const struct http_stub_answer *const *put_script; /* for puts to streams that exist */
    size_t put_script_len;                            /* afterwards all are taken */
    bool has_all;                                     /* every group and stream exists */
    bool denies_creation;                             /* creating is not allowed */
    bool group_exists_unseen; /* CreateLogGroup says that somebody was faster */
    uint32_t abort_count;     /* so many CreateLogGroup meet OperationAbortedException */
    bool hangs_creation;      /* creating a stream takes ten seconds */
    /* The rest is the service's own. */
    char groups[LOGS_SERVICE_NAMES_MAX][LOGS_SERVICE_NAME_BYTES];
    char streams[LOGS_SERVICE_NAMES_MAX][2 * LOGS_SERVICE_NAME_BYTES];
    size_t group_count;
    size_t stream_count;
    size_t put_count; /* to streams that exist */
    size_t create_group_calls;
    size_t create_stream_calls;
    size_t retention_calls;
};

/* `service` holds the settings. */
void logs_service_start(struct logs_service *service);
void logs_service_stop(struct logs_service *service);

/* The operation of a request, "PutLogEvents"; static or borrowed from the request. */
struct slice logs_service_operation(struct logs_service *service, size_t index);

/* The index of the nth request (from 0) for `operation`; fails the test where there is none. */
size_t logs_service_find(struct logs_service *service, const char *operation, size_t nth);

/* How many requests there were for `operation`. */
size_t logs_service_count(struct logs_service *service, const char *operation);

/* Its body. */
struct slice logs_service_body(struct logs_service *service, size_t index);
