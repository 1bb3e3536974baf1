/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_job — the remote write requests of one batch, each on its own way.
 *
 * A batch becomes requests once; they stay as they are until the batch is decided. An attempt sends
 * those that are neither taken nor refused yet, a few at a time. A series is in one request only,
 * so their order does not matter; batches come one after the other. A request lives so:
 *
 *     IDLE → SENDING ─┬─ 2xx ─────────────────────────▶ TAKEN
 *      ▲              ├─ another 4xx, 1xx, 3xx ────────▶ REFUSED
 *      └──────────────┴─ 429, 5xx, no answer
 *
 * Metadata is refused in the last case too: the next batch says it again, and nothing waits for it.
 *
 * Egress-local; embedded in the exporter. Source: Prometheus "Remote-Write 1.0", retries.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "codecs/bytes.h"
#include "codecs/prom_write.h"
#include "core/base/defs.h"
#include "core/base/timer.h"
#include "exporters/http_post.h"
#include "exporters/rejects.h"
#include "exporters/sender.h"

/* Of what the upstream said, for the log. */
#define PROM_WRITE_REASON_BYTES 256

struct loop;
struct prom_write_job;

enum prom_write_state {
    PROM_WRITE_IDLE,
    PROM_WRITE_SENDING,
    PROM_WRITE_TAKEN,
    PROM_WRITE_REFUSED,
};

struct prom_write_request {
    struct http_post post;
    struct prom_write_job *job;
    struct bytes body; /* compressed */
    struct iovec piece;
    uint64_t item_count;
    uint64_t described_count; /* metrics; not 0: metadata, without items */
    enum prom_write_state state;
    bool was_sent; /* once at least */
};

/* What came of an attempt. */
typedef void(prom_write_done_fn)(struct prom_write_job *job, const struct send_result *result);

struct prom_write_job {
    struct loop *loop;            /* borrowed from open on */
    struct exporter_stats *stats; /* borrowed */
    struct prom_write *write;     /* borrowed; scratch of prom_write_job_fill */
    struct http_poster *poster;   /* borrowed from open on */
    prom_write_done_fn *on_done;
    uint32_t parallel_max;
    struct bytes plain; /* one request before compression */
    struct prom_write_request *
        *requests; /* owned, and what they point to; some are kept for later batches */
    size_t capacity;
    size_t count;      /* of this batch */
    size_t open_count; /* SENDING */
    size_t next_index; /* of the attempt: looked at next */
    uint64_t batch_items;
    uint64_t refused_items;  /* that never became part of a request */
    struct rejects rejects;  /* why */
    const char *refused_why; /* most of them; static, NULL for none */
    struct bytes delta_name; /* of a metric that was refused for its temporality; or empty */
    uint64_t left_out_infos; /* as the tally of prom_write has them */
    uint64_t left_out_metadata;
    struct timer timer; /* answers in a later turn where nothing is to be sent */
    uint64_t timeout_ms;
    bool has_failed; /* a request of the attempt is to be repeated */
    uint64_t retry_after_ms;
    uint32_t failure_status;
    uint32_t refusal_status;
    char failure[PROM_WRITE_REASON_BYTES]; /* of the attempt; "" for none */
    char refusal[PROM_WRITE_REASON_BYTES]; /* of the batch */
};

/* An empty job; what it borrows is the caller's to set. Allocates nothing. */
void prom_write_job_init(struct prom_write_job *job);

/* Frees; not while requests are under way. Idempotent. */
void prom_write_job_fini(struct prom_write_job *job);

/*
 * Makes the requests of a batch. 0; -ENOMEM, and then nothing of it is kept. What is in the batch
 * and cannot be written is refused.
 */
WEIR_MUST_USE int prom_write_job_fill(struct prom_write_job *job, const struct batch *batch);

/*
 * prom_write_job_start — one attempt for what is neither taken nor refused.
 *
 *   timeout_ms   of each request
 *
 * 0, and on_done follows once from a later turn unless cancel comes first; -ENOMEM or FAULT_LIBRARY
 * where not one request could begin.
 */
WEIR_MUST_USE int prom_write_job_start(struct prom_write_job *job, uint64_t timeout_ms);

/* Forgets the batch and the memory that only a large one needs; not while requests are under way.
 */
void prom_write_job_trim(struct prom_write_job *job);

/* Gives the attempt up; no on_done follows. */
void prom_write_job_cancel(struct prom_write_job *job);

/* Tells the slot of the batch how many of its items are taken or refused by now, and why. */
void prom_write_job_report(const struct prom_write_job *job, struct send_slot *slot);
