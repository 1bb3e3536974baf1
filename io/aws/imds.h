/* SPDX-License-Identifier: Apache-2.0 */
/*
 * imds — documents of the EC2 instance metadata service, version 2 and, where it must be, 1.
 *
 * Holds the session token for all who ask on one loop, and renews it when the service no longer
 * takes it. Loop-local. Source: EC2 user guide, "Use the Instance Metadata Service".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/aws/aws_environment.h"
#include "io/aws/retry_call.h"

#define IMDS_URL "http://169.254.169.254"
#define IMDS_URL_IN6 "http://[fd00:ec2::254]"
#define IMDS_URL_MAX_BYTES 512
/* Tokens have 56 characters. */
#define IMDS_TOKEN_MAX_BYTES 255
#define IMDS_TOKEN_TTL_S 21600
#define IMDS_TIMEOUT_MS 1000

/* What all requests of a loop share. */
struct imds {
    struct loop *loop;          /* borrowed */
    struct http_client *client; /* borrowed; one that uses no proxy */
    char base[IMDS_URL_MAX_BYTES];
    char token_line[IMDS_TOKEN_MAX_BYTES + 64]; /* the header that shows it; "" while unknown */
    uint64_t token_until_mono_ns;
    bool is_v1_forbidden;
    bool is_v1; /* the service gives no tokens */
};

struct imds_get;

struct imds_answer {
    int fault;         /* 0: `body` is the document */
    struct slice body; /* borrowed until the callback returns */
    const char *why;   /* static or borrowed alike; "" when fault is 0 */
    bool is_absent;    /* of a fault: the service has no such document, and that is its answer */
};

/* Once per started get, from a later turn; it may be started again from inside. */
typedef void(imds_done_fn)(struct imds_get *get, const struct imds_answer *answer);

/* Embedded in its owner, who sets on_done. */
struct imds_get {
    imds_done_fn *on_done;
    struct imds *imds; /* borrowed; private, and so is what follows */
    struct retry_call call;
    char url[IMDS_URL_MAX_BYTES * 2];
    const char *path; /* borrowed until on_done */
    const char *header[1];
    bool is_token_asked;   /* the request under way asks for a token */
    bool is_token_renewed; /* once per get */
};

/* Both are borrowed until nobody asks any more. FAULT_LIMIT for an endpoint that is too long. */
WEIR_MUST_USE int imds_init(struct imds *imds, struct loop *loop, struct http_client *client,
                            const struct aws_environment *env);

/* `path` begins with a slash and is borrowed until on_done. 0, or negative and no on_done. */
WEIR_MUST_USE int imds_get_start(struct imds *imds, struct imds_get *get, const char *path);

/* No on_done follows. Fine for one that is not under way. */
void imds_get_cancel(struct imds_get *get);
