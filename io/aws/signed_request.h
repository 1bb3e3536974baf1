/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signed_request — requests to one AWS service, signed with Signature Version 4.
 *
 * A client knows its service, finds the region and the credentials by itself, and shares both with
 * all clients of its loop; requests wait inside for what is not there yet. An attempt is repeated
 * once with new credentials and once with a corrected clock, where the answer asks for it; any
 * other failure is the caller's to judge. Egress-local: everything happens on the loop's thread and
 * nothing there blocks.
 *
 *     WAITING ── region, credentials ──▶ SENDING ── answer ──▶ on_done
 *        ▲  └── none to be had, too late ──────────────────────▶ on_done (AWS_NO_CREDENTIALS)
 *        └───────── expired, or the clock is wrong ─────┘
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

struct aws_call; /* the client's record of a request under way */
struct aws_client;
struct http_client_options;
struct loop;

/* Header lines of one request, of the caller's and ours together. */
#define AWS_HEADERS_MAX 24
#define AWS_REQUEST_HEADERS_MAX (AWS_HEADERS_MAX - 5)
/* Method, path with its query. */
#define AWS_PATH_MAX_BYTES 2048
#define AWS_TIMEOUT_DEFAULT_MS 30000

/* Texts may be NULL or empty for "not set"; they are borrowed until aws_client_close. */
struct aws_client_options {
    const char *service;      /* "xray", "logs": what is signed for, and the host's first label */
    const char *region;       /* before the environment, profile and metadata */
    const char *endpoint;     /* before AWS_ENDPOINT_URL… and the partition's host */
    const char *role_arn;     /* assumed with what the chain of providers found */
    const char *external_id;  /* shown when the role is assumed */
    const char *session_name; /* of the role; made up where not set */
    const char *sts_region;   /* where the role is assumed; `region` where not set */
    /* The role is assumed with the token in this file, and not with what the chain found. */
    const char *web_identity_token_file;
    const char *proxy_address;
    bool insecure_skip_verify;
    /* How the service is reached, in place of the two above, which STS keeps. NULL: as STS. */
    const struct http_client_options *http;
    bool is_eager;       /* credentials are looked for at once, so that their lack shows early */
    bool is_local_mode;  /* neither the task's nor the machine's metadata are asked for a region */
    uint64_t timeout_ms; /* for requests that name none; 0: AWS_TIMEOUT_DEFAULT_MS */
};

enum aws_outcome {
    AWS_OK,             /* status 2xx */
    AWS_THROTTLED,      /* again, later and slower */
    AWS_TRANSIENT,      /* again, later; also where no answer came */
    AWS_NO_CREDENTIALS, /* none, no region, or the service refused what we have: again, later */
    AWS_PERMANENT,      /* the same request would fail again */
};

/* What became of a request; borrowed until the callback returns. */
struct aws_answer {
    enum aws_outcome outcome;
    uint32_t status;         /* 0 when no answer came */
    struct slice code;       /* "ThrottlingException"; "" where none was given */
    struct slice message;    /* of the service */
    struct slice request_id; /* for logs */
    struct slice body;       /* at most response_max_bytes of it */
    struct slice content_type;
    bool is_body_cut;
    uint64_t retry_after_ms; /* the service's hint; 0 for none */
    bool was_answered;       /* false: the service may or may not have seen the request */
    bool was_sent;           /* false: it certainly has not, for nothing left this machine */
    uint32_t repeat_count;  /* times it was sent again because a kept connection ended unanswered */
    const char *fault_text; /* why no answer came, in words for logs; "" where one did */
};

struct aws_header {
    struct slice name; /* without CR, LF, colon */
    struct slice value;
};

struct aws_request;

/* Once per started request, from a later turn; `request` may be started again from inside. */
typedef void(aws_done_fn)(struct aws_request *request, const struct aws_answer *answer);

/* Embedded in its owner. Everything pointed to is borrowed until on_done or cancel. */
struct aws_request {
    const char *method;               /* "POST"; GET and HEAD go without a body */
    const char *path;                 /* "/TraceSegments", may hold a query; "/" where NULL */
    const struct aws_header *headers; /* all of them are signed; not Host, not X-Amz-Date */
    size_t header_count;              /* at most AWS_REQUEST_HEADERS_MAX */
    const struct iovec *body;         /* read in place, hashed anew for each attempt */
    size_t body_count;
    uint64_t timeout_ms; /* of the wait for credentials, and of each attempt; 0: the client's */
    size_t response_max_bytes;
    const char *user_agent; /* not signed, as proxies may change it; NULL: weir's own */
    aws_done_fn *on_done;
    struct aws_call *call; /* the client's; NULL while not under way */
};

/*
 * aws_client_open — moves out a client on `loop`, which is borrowed until close. Never blocks; the
 * environment is read by the first client of a loop, and only then.
 * Returns 0, -ENOMEM, -EBUSY, FAULT_LIBRARY, -errno; FAULT_CONFIG for a region or an endpoint that
 * cannot be one (the log says so). `options` is copied, its texts are borrowed.
 */
WEIR_MUST_USE int aws_client_open(struct loop *loop, const struct aws_client_options *options,
                                  struct aws_client **out);

/*
 * Cancels what is under way or waiting (no on_done follows) and frees. NULL is fine. Not from
 * inside on_done. The loop needs one more turn to let go of the sockets.
 */
void aws_client_close(struct aws_client *client);

/*
 * aws_client_start — begins a request that is not under way.
 * Returns 0, and on_done follows from a later turn; -ENOMEM; FAULT_LIMIT for too many headers or
 * too long a path; FAULT_MALFORMED for a header with a line end in it. On a failure nothing is
 * borrowed and no on_done follows.
 */
WEIR_MUST_USE int aws_client_start(struct aws_client *client, struct aws_request *request);

/* Gives a request up; no on_done follows. Fine for one that is not under way. */
void aws_client_cancel(struct aws_client *client, struct aws_request *request);

/* The region requests are signed for; "" while it is not known. Borrows until close. */
const char *aws_client_region(const struct aws_client *client);

/* What a client counted so far; its thread only. */
struct aws_client_stats {
    uint64_t attempt_count;    /* requests that went out, repeats included */
    uint64_t expired_count;    /* answers that refused the credentials */
    uint64_t skew_count;       /* repeats with a corrected clock */
    uint64_t unanswered_count; /* attempts without an answer */
};

void aws_client_stats_read(const struct aws_client *client, struct aws_client_stats *out);
