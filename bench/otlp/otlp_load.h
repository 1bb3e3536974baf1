/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_load — sends a corpus over its connections, and knows what became of each request.
 *
 * Without a rate every connection is kept full: the next request leaves when an answer comes, and
 * latency counts from there. With a rate request n is due n/rate after the start, whether the peer
 * is ready or not, and its latency counts from that moment: who makes requests wait pays for it.
 * Bodies take turns; one may be under way several times. One thread, one epoll; nothing blocks.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/load_address.h"
#include "bench/otlp/latency.h"
#include "bench/otlp/otlp_corpus.h"
#include "bench/otlp/otlp_ledger.h"
#include "core/base/defs.h"

#define OTLP_LOAD_CONNECTIONS_MAX_COUNT 256u
#define OTLP_LOAD_STREAMS_MAX_COUNT 128u
#define OTLP_LOAD_AGAIN_MAX_COUNT 65536u

enum otlp_protocol {
    OTLP_PROTOCOL_GRPC,
    OTLP_PROTOCOL_HTTP,
    OTLP_PROTOCOL_RAW, /* bodies one after another; written is acknowledged (for the floor) */
};

enum otlp_outcome {
    OTLP_OUTCOME_OK,
    OTLP_OUTCOME_REFUSED,    /* an answer that asks to come again */
    OTLP_OUTCOME_FAILED,     /* an answer that says never, or none that makes sense */
    OTLP_OUTCOME_UNANSWERED, /* the connection ended first, or the time was over */
};
#define OTLP_OUTCOME_COUNT 4

struct otlp_request {
    uint64_t scheduled_mono_ns;
    uint64_t again_mono_ns; /* for one sent again: not before */
    uint32_t body_index;
};

/* What happened in one phase; an answer belongs to the phase in which it came. */
struct otlp_tally {
    uint64_t submitted_count; /* sendings, those sent again included */
    uint64_t outcome_counts[OTLP_OUTCOME_COUNT];
    uint64_t resent_count;
    uint64_t unsent_count; /* due by the schedule, but nobody took them */
    uint64_t wire_bytes;   /* of bodies submitted */
    uint64_t started_mono_ns;
    uint64_t ended_mono_ns;
    struct latency lateness; /* from the scheduled time until it was handed to a connection */
    struct latency latency;  /* of the good answers to requests due after the skipped time */
};

struct otlp_load_options {
    struct load_address target;
    enum otlp_protocol protocol;
    uint32_t connection_count;
    uint32_t stream_count; /* in flight per connection; 1 for the others but gRPC */
    bool resends;          /* refused and unanswered requests are sent again */
    uint64_t resend_ms;    /* after so long */
    FILE *times;           /* borrowed; a line for each good answer: due, came; NULL: none */
};

/* The first that is reached ends the phase. */
struct otlp_phase {
    uint64_t rate_requests_milli; /* thousandths of requests per second; 0: as fast as it goes */
    uint64_t duration_ns;
    uint64_t request_count; /* 0: any */
    uint64_t skip_ns;       /* at the beginning: no latencies */
    bool is_draining;       /* nothing new; ends as soon as nothing is under way */
};

struct otlp_link;

struct otlp_load {
    struct otlp_load_options options;
    const struct otlp_corpus *corpus; /* borrowed until fini */
    struct otlp_link **links;         /* owned; connection_count */
    struct otlp_fate *fates;          /* owned; per body */
    /* Owned; a ring per body: the load thread writes, sinks read, relaxed. */
    _Atomic uint64_t *sent_mono_ns;
    uint32_t *sent_counts;      /* owned; per body: sendings that arrive, as far as is known */
    struct otlp_request *again; /* owned ring */
    uint32_t again_first;
    uint32_t again_count;
    uint32_t next_body;
    uint32_t next_link;
    uint64_t in_flight_count;
    uint64_t connect_error_count;
    uint64_t broken_count; /* connections that ended with requests under way */
    int last_error;        /* negative */
    int epoll_fd;
    uint64_t phase_first_mono_ns; /* latencies count for requests due from here on */
    struct otlp_tally *tally;     /* borrowed; of the phase under way */
};

/* Opens nothing yet. 0 or negative; otlp_load_fini is due in any case. */
WEIR_MUST_USE int otlp_load_init(struct otlp_load *load, const struct otlp_load_options *options,
                                 const struct otlp_corpus *corpus);
void otlp_load_fini(struct otlp_load *load);

/* Runs one phase; fills `tally`. Requests under way at its end stay under way. */
void otlp_load_run(struct otlp_load *load, const struct otlp_phase *phase,
                   const atomic_bool *cancel, struct otlp_tally *tally);

/* What is still under way has no answer: closes all connections and enters that. */
void otlp_load_end(struct otlp_load *load, struct otlp_tally *tally);

/* For links: what became of a request. */
void otlp_load_done(struct otlp_load *load, const struct otlp_request *request,
                    enum otlp_outcome outcome);
