/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_logs — log events of a batch reach CloudWatch Logs, in as many PutLogEvents as that takes.
 *
 * One `struct aws_logs` per exporter: client, known streams, and how many requests may be in
 * flight. One job per batch in hand: its events, the requests they became, and which of those are
 * answered. A job is answered once per attempt; what the service took or refused for good is never
 * sent again by the next one. A request that finds its stream missing waits until the stream was
 * made.
 *
 *     aws_logs_job_clear(job);
 *     err = aws_logs_job_add(job, &record);  …
 *     err = aws_logs_job_start(job, timeout_ms);      → on_done, from a later turn
 *     err = aws_logs_job_start(job, timeout_ms);      after SEND_RETRYABLE: only what is left
 *
 * Egress-local. Source: CloudWatch Logs API, PutLogEvents.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/base/timer.h"
#include "exporters/aws_limiter.h"
#include "exporters/aws_logs_create.h"
#include "exporters/aws_logs_events.h"
#include "exporters/aws_logs_names.h"
#include "exporters/rejects.h"
#include "exporters/sender.h"
#include "io/aws/signed_request.h"

struct aws_logs_job;
struct loop;

/* Of what the service said, for the log. */
#define AWS_LOGS_REASON_MAX_BYTES 256

struct aws_logs_options {
    struct aws_client_options client;          /* texts are borrowed until close */
    const struct aws_logs_group_config *group; /* borrowed until close */
    uint32_t limit_max;           /* requests in flight when nothing is throttled; > 0 */
    bool says_emf;                /* tells the service that the events are metric documents */
    uint64_t hash_seed;           /* random, one per process */
    struct exporter_stats *stats; /* borrowed until close; bytes and requests are counted there */
};

struct aws_logs {
    struct loop *loop;         /* borrowed */
    struct aws_client *client; /* owned */
    struct aws_logs_names names;
    struct aws_logs_creator creator;
    struct aws_limiter limiter;
    struct exporter_stats *stats;
    bool says_emf;
};

/* 0, -ENOMEM or what aws_client_open says; aws_logs_close is safe after either. */
WEIR_MUST_USE int aws_logs_open(struct aws_logs *logs, struct loop *loop,
                                const struct aws_logs_options *options);

/* Every job must be finished with. Frees; idempotent, and fine for zeros. */
void aws_logs_close(struct aws_logs *logs);

enum aws_logs_put_state {
    AWS_LOGS_PUT_IDLE,    /* to be sent by the next attempt */
    AWS_LOGS_PUT_IN_LINE, /* for its turn in the limiter */
    AWS_LOGS_PUT_SENDING,
    AWS_LOGS_PUT_CREATING, /* waits for its stream */
    AWS_LOGS_PUT_DONE,     /* taken or refused for good: never again */
};

/* One request of a job. */
struct aws_logs_put {
    struct aws_request request;
    struct aws_turn turn;
    struct aws_logs_cut cut;
    struct aws_logs_job *job;     /* borrowed */
    struct aws_logs_put *waiting; /* the next one that needs the same stream */
    struct iovec *pieces;         /* in the job's array */
    uint64_t created_count;       /* of the stream, when the request was sent */
    uint32_t recovery_count;      /* times it found the stream missing, in this attempt */
    enum aws_logs_put_state state;
    bool is_unknown; /* the last attempt ended without an answer, though it was sent */
    bool was_sent;   /* by any attempt */
    bool is_repeat;  /* an earlier attempt sent it, and this one has not yet */
};

/* What came of an attempt; rejected_items counts those of all attempts for the batch. */
typedef void(aws_logs_done_fn)(struct aws_logs_job *job, const struct send_result *result);

/* Embedded in its owner. */
struct aws_logs_job {
    struct aws_logs *logs; /* borrowed */
    aws_logs_done_fn *on_done;
    struct aws_logs_events events;
    struct aws_logs_put *puts; /* owned */
    struct iovec *pieces;      /* owned; of all requests */
    size_t put_count;
    size_t put_capacity;
    size_t piece_capacity;
    size_t open_count;  /* requests of this attempt that are not decided */
    struct timer timer; /* answers in a later turn where nothing was sent */
    bool is_prepared;   /* the events are cut */
    bool is_starting;   /* an attempt is being begun further up the stack */
    bool has_failed;    /* a request of this attempt is to be repeated */
    bool was_refused;   /* a request was refused for good */
    uint64_t taken_event_count;
    uint64_t taken_items;
    uint64_t rejected_items;
    struct rejects rejects; /* why, of events that were refused one by one */
    uint64_t retry_after_ms;
    uint64_t timeout_ms;
    uint32_t status;
    char reason[AWS_LOGS_REASON_MAX_BYTES];  /* of the last failure that may pass */
    char refusal[AWS_LOGS_REASON_MAX_BYTES]; /* of the last one that does not */
};

/* Where an event goes and what it says. Borrowed until add returns. */
struct aws_logs_record {
    struct slice group;
    struct slice stream;
    uint64_t time_ms;
    struct slice message;
    uint32_t item_count;
};

/* An empty job. Allocates nothing. */
void aws_logs_job_init(struct aws_logs_job *job, struct aws_logs *logs, aws_logs_done_fn *on_done);

/* Frees; not while an attempt is under way. Idempotent. */
void aws_logs_job_fini(struct aws_logs_job *job);

/* Forgets the batch; keeps memory. Not while an attempt is under way. */
void aws_logs_job_clear(struct aws_logs_job *job);

/*
 * Takes a copy of one event, or refuses it and counts its items as rejected. Only before the first
 * attempt. 0 for both; -ENOMEM or FAULT_LIMIT, and then the whole batch should be tried again
 * later.
 */
WEIR_MUST_USE int aws_logs_job_add(struct aws_logs_job *job, const struct aws_logs_record *record);

/*
 * Items that never became an event are rejected with the batch, for the reasons in `rejects`; `why`
 * is static, for the log.
 */
void aws_logs_job_refuse(struct aws_logs_job *job, uint64_t item_count,
                         const struct rejects *rejects, const char *why);

/*
 * aws_logs_job_start — one attempt for everything that was neither taken nor refused yet.
 *
 *   timeout_ms   of each request
 *
 * Returns 0, and on_done follows once from a later turn unless cancel comes first; or -ENOMEM.
 */
WEIR_MUST_USE int aws_logs_job_start(struct aws_logs_job *job, uint64_t timeout_ms);

/* Tells the slot of the batch how many of its items are taken or refused by now. */
void aws_logs_job_report(const struct aws_logs_job *job, struct send_slot *slot);

/* For on_done: the sender gets the result, and what it must know should it give up later. */
void aws_logs_job_settle(const struct aws_logs_job *job, struct send_slot *slot,
                         const struct send_result *result);

/* Gives the attempt up; no on_done follows. Fine when none is under way. */
void aws_logs_job_cancel(struct aws_logs_job *job);

/* The creator's callback: whoever waits for `stream` goes on, or fails with it. */
void aws_logs_job_on_created(struct aws_logs_creator *creator, struct aws_logs_stream *stream,
                             const struct aws_logs_created *result);
