/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_logs_names — the log groups and streams an exporter writes to, each known by one record.
 *
 * A stream's record says whether it was created since a request began, who waits for that, and how
 * every request to it begins. Owns the records; those that nobody uses go when there are too many.
 * Egress-local.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/aws/signed_request.h"

struct aws_logs_creator;
struct aws_logs_put;

/* Of a group and of a stream. */
#define AWS_LOGS_NAME_MAX_BYTES 512
/* Records of streams, about 300 bytes each, and of groups. */
#define AWS_LOGS_STREAMS_MAX 16384
/* Slots of either table; a power of two. */
#define AWS_LOGS_BUCKETS 1024

/* What a group is busy with; see aws_logs_create.h. */
enum aws_logs_step {
    AWS_LOGS_STEP_IDLE,
    AWS_LOGS_STEP_STREAM,
    AWS_LOGS_STEP_GROUP,
    AWS_LOGS_STEP_RETENTION,
    AWS_LOGS_STEP_STREAM_AGAIN, /* after the group was made */
};

struct aws_logs_group {
    struct slice name;              /* borrows from this record */
    struct aws_logs_group *next;    /* of its bucket */
    struct aws_logs_stream *wanted; /* borrowed; to be created, oldest first */
    struct aws_logs_creator *creator;
    struct aws_request request;
    struct bytes body;
    struct iovec piece;
    uint32_t stream_count;
    enum aws_logs_step step;
    char bytes[];
};

struct aws_logs_stream {
    struct slice name;              /* borrows from this record */
    struct slice head;              /* a request up to its first event; owned by the record */
    struct aws_logs_group *group;   /* borrowed; lives longer */
    struct aws_logs_stream *next;   /* of its bucket */
    struct aws_logs_stream *wanted; /* the next one to be created in the same group */
    struct aws_logs_put *waiting;   /* borrowed, a list: requests that need the stream */
    uint64_t order;                 /* no two streams have the same */
    uint64_t use_count;             /* events and requests that point here */
    uint64_t created_count;         /* how often it was found to exist after all */
    void *head_memory;              /* owned */
    char bytes[];
};

struct aws_logs_names {
    struct aws_logs_group **groups;   /* owned; AWS_LOGS_BUCKETS */
    struct aws_logs_stream **streams; /* owned; AWS_LOGS_BUCKETS */
    struct aws_logs_stream *latest;   /* borrowed; most events go where the last one went */
    uint64_t next_order;
    uint64_t hash_seed;
    uint32_t stream_count;
    uint32_t stream_max; /* setting */
};

/* 0 or -ENOMEM; aws_logs_names_fini is safe after either. `hash_seed` is random. */
WEIR_MUST_USE int aws_logs_names_init(struct aws_logs_names *names, uint64_t hash_seed);

/* Frees every record; none may be in use. Idempotent. */
void aws_logs_names_fini(struct aws_logs_names *names);

/*
 * aws_logs_names_find — the record of a stream, made where there is none.
 *
 *   group, stream   copied when new
 *   out             borrowed; stays while its use_count is above 0, else until the next find
 *
 * Returns 0; FAULT_MALFORMED for a name that is empty or too long; FAULT_LIMIT when there are too
 * many streams in use; -ENOMEM.
 */
WEIR_MUST_USE int aws_logs_names_find(struct aws_logs_names *names, struct slice group,
                                      struct slice stream, struct aws_logs_stream **out);
