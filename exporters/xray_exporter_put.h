/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_exporter_put — the PutTraceSegments calls of one exporter.
 *
 * A fixed number of requests serves all batches in hand: whichever is free takes the next documents
 * of a batch and goes, as soon as the limiter lets it. A batch is a job:
 *
 *     struct xray_job job = {.docs = …, .on_done = …};
 *     xray_put_start(&put, &job, timeout_ms);   on_done once, from a later turn, unless …
 *     xray_put_cancel(&put, &job);
 *
 * Egress-local; embedded in the exporter.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "codecs/xray_put.h"
#include "core/base/defs.h"
#include "core/engine/stats.h"
#include "exporters/aws_limiter.h"
#include "exporters/xray_exporter_docs.h"
#include "exporters/xray_exporter_telemetry.h"
#include "io/aws/signed_request.h"

struct loop;
struct xray_job;
struct xray_put;

#define XRAY_REASON_MAX_BYTES 160

/* What became of a job's attempt. All documents are decided, or wait for the next one. */
typedef void(xray_job_fn)(struct xray_job *job);

struct xray_job {
    struct xray_docs *docs; /* borrowed */
    xray_job_fn *on_done;
    struct xray_job *next; /* the list of jobs with documents to send */
    uint64_t timeout_ms;   /* of each request; 0 for the client's */
    uint32_t open_count;   /* requests that have documents of it */
    bool is_active;        /* between start and on_done or cancel */
    bool is_starting;      /* xray_put_start has not returned */
    /* Of the last request that failed or was refused in part. */
    uint32_t status;
    uint64_t retry_after_ms;
    char reason[XRAY_REASON_MAX_BYTES]; /* NUL-terminated; "" for none */
};

/* Head, tail, and at worst each document by itself. */
#define XRAY_PIECES_MAX (XRAY_PUT_DOCUMENTS_MAX + 2)
#define XRAY_TIMESTAMP_MAX_BYTES 48

struct xray_request {
    struct aws_request aws;
    struct aws_turn turn;
    struct xray_put *put;
    struct xray_job *job; /* NULL while free */
    struct xray_doc *docs[XRAY_PUT_DOCUMENTS_MAX];
    size_t doc_count;
    struct iovec pieces[XRAY_PIECES_MAX];
    size_t piece_count;
    uint64_t body_bytes;
    struct aws_header headers[2];
    char timestamp[XRAY_TIMESTAMP_MAX_BYTES];
    bool is_in_flight; /* else it waits for its turn */
};

struct xray_put {
    struct loop *loop;             /* borrowed */
    struct aws_client *client;     /* borrowed */
    struct exporter_stats *stats;  /* borrowed */
    struct xray_telemetry *events; /* borrowed; where answers are counted too */
    struct xray_request *requests; /* owned */
    uint32_t request_count;
    struct aws_limiter limiter;
    struct xray_job *first; /* jobs with PENDING documents, oldest first */
    struct xray_job *last;
    struct xray_unprocessed entries[XRAY_PUT_DOCUMENTS_MAX]; /* scratch of one answer */
};

/* `request_count` at once. 0 or -ENOMEM; xray_put_fini is safe after either. */
WEIR_MUST_USE int xray_put_init(struct xray_put *put, struct loop *loop, struct aws_client *client,
                                struct exporter_stats *stats, struct xray_telemetry *events,
                                uint32_t request_count);

/* No job may be active. Idempotent. */
void xray_put_fini(struct xray_put *put);

/*
 * xray_put_start — begins an attempt for the PENDING documents of job->docs, at least one.
 * Returns 0, and on_done follows; -ENOMEM or what aws_client_start says where not one request could
 * begin: nothing was sent.
 */
WEIR_MUST_USE int xray_put_start(struct xray_put *put, struct xray_job *job);

/* Gives the attempt up with the whole exporter: nothing of another job begins in its place. */
void xray_put_cancel(struct xray_put *put, struct xray_job *job);
