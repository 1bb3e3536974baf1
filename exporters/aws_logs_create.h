/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_logs_create — makes the log stream that a request found missing, and its group.
 *
 * One call of the service at a time per group, whoever asks and however often; the streams of a
 * group wait in line behind one another. That something exists already is success.
 *
 *     IDLE → STREAM ── made ──────────────────────────────────────────────▶ next stream, or IDLE
 *               └── no such group ▶ GROUP ▶ RETENTION ▶ STREAM_AGAIN ─────▶
 *
 * Egress-local. Source: CloudWatch Logs API, CreateLogStream, CreateLogGroup, PutRetentionPolicy.
 */
#pragma once

#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "exporters/aws_logs_config.h"
#include "exporters/aws_logs_names.h"

struct aws_client;
struct aws_logs_creator;

enum aws_logs_creation {
    AWS_LOGS_CREATED, /* or there already */
    AWS_LOGS_AGAIN,   /* not now; worth another attempt */
    AWS_LOGS_REFUSED, /* not allowed, or no name the service takes */
};

/* Borrowed until the callback returns. */
struct aws_logs_created {
    enum aws_logs_creation creation;
    const char *operation; /* the call that failed, static; NULL where none did */
    struct slice code;     /* of the service; "" where it did not answer */
    uint64_t retry_after_ms;
};

/* From a later turn, once for each stream that was wanted. */
typedef void(aws_logs_created_fn)(struct aws_logs_creator *creator, struct aws_logs_stream *stream,
                                  const struct aws_logs_created *result);

/* Embedded in its owner, who fills it in. */
struct aws_logs_creator {
    struct aws_client *client;                  /* borrowed */
    const struct aws_logs_group_config *config; /* borrowed */
    aws_logs_created_fn *on_created;
    uint64_t timeout_ms; /* of each call */
    uint64_t created_groups;
    uint64_t created_streams;
};

/* `stream` is to be created; fine for one that is wanted already. 0 or the fault of the client. */
WEIR_MUST_USE int aws_logs_create(struct aws_logs_creator *creator, struct aws_logs_stream *stream);

/* Gives up what is under way in this group; no on_created follows for any of its streams. */
void aws_logs_create_cancel(struct aws_logs_creator *creator, struct aws_logs_group *group);
