/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender — what every networked exporter does with its batches: queue, send, retry, account.
 *
 * Takes batches from the queue, keeps at most num_consumers of them in hand, asks the exporter for
 * one attempt at a time and acts on what came of it. A batch that waits for its next attempt keeps
 * its place in hand, as in the Collector, so that a failing upstream fills the queue behind it. All
 * counting of items is done here. A slot lives so:
 *
 *     IDLE → SENDING → IDLE                     accepted, refused for good, or given up
 *            SENDING → WAITING → SENDING → …    retryable; the wait is that of retry.h, shorter
 *                                               in a drain, which ends at its deadline
 *
 * Egress-local; embedded in the exporter's struct.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/log.h"
#include "core/base/slice.h"
#include "core/base/timer.h"
#include "core/engine/component.h"
#include "exporters/queue.h"
#include "exporters/rejects.h"
#include "exporters/retry.h"

struct config_reader;
struct loop;
struct send_slot;
struct sender;

struct sender_config {
    struct retry_config retry;
    bool is_queue_enabled; /* off: a batch is taken only when it can be sent at once */
    uint32_t consumer_count;
    uint64_t queue_size_units;
    uint32_t sizer; /* enum queue_sizer */
    bool blocks_on_overflow;
    uint64_t timeout_ns;   /* of one attempt; 0 for none */
    uint32_t attempts_max; /* of one batch, the first included; 0 for no limit but retry's */
};

/*
 * Reads the keys `timeout`, `sending_queue` and `retry_on_failure` of an exporter's section.
 * Complaints go to the reader's report.
 */
void sender_config_read(struct config_reader *r, uint64_t default_timeout_ns,
                        struct sender_config *out);

enum send_outcome {
    SEND_ACCEPTED,
    SEND_RETRYABLE, /* worth another attempt */
    SEND_REJECTED,  /* refused for good: counted, never repeated */
};

/* What came of one attempt. Slices are borrowed until sender_done returns. */
struct send_result {
    enum send_outcome outcome;
    uint64_t rejected_items; /* SEND_ACCEPTED only: partial success; at most the batch's */
    uint64_t retry_after_ns; /* SEND_RETRYABLE only: the least the peer asked for, 0 for none */
    uint32_t status;         /* of the peer's protocol, for the log; 0 when none came */
    struct slice reason;     /* the peer's words or ours, for the log; any bytes */
};

/* What an exporter brings. Both functions are called on the egress thread and must not block. */
struct sender_ops {
    /*
     * Begins one attempt for slot->batch, at most sender_attempt_timeout_ns long. 0: sender_done
     * follows exactly once, from a later turn, unless cancel comes first. -ENOMEM counts as a
     * retryable failure, every other negative code as a refusal for good.
     */
    int (*send)(struct sender *sender, struct send_slot *slot);
    /* The attempt under way is given up; sender_done must not follow. */
    void (*cancel)(struct sender *sender, struct send_slot *slot);
    /* An attempt is not one request: the exporter counts those it sends, and sends again, itself.
     */
    bool counts_requests;
};

enum send_state {
    SEND_STATE_IDLE,
    SEND_STATE_SENDING,
    SEND_STATE_WAITING, /* for the next attempt */
};

/* A batch in hand. The exporter keeps what belongs to it in an array of its own, by `index`. */
struct send_slot {
    struct timer timer; /* armed while WAITING */
    struct sender *sender;
    struct batch *batch; /* borrowed until decided; NULL while IDLE */
    struct retry retry;
    /* What is known already of a batch sent in several requests: the exporter keeps both current,
     * so that the rest alone counts as lost when the batch is given up. */
    uint64_t delivered_items;
    uint64_t rejected_items;
    /* Why items of it are refused, as far as the exporter knows; borrowed from it until the batch
     * is decided. NULL when a batch begins: whoever knows nothing may leave it so. */
    const struct rejects *rejects;
    uint32_t index;
    uint32_t attempt_count; /* 1 in the first call of `send` for a batch */
    enum send_state state;
};

struct sender {
    struct exporter *exporter;    /* borrowed */
    const struct sender_ops *ops; /* borrowed */
    struct sender_config config;
    struct loop *loop;       /* borrowed from open on */
    struct send_slot *slots; /* owned; config.consumer_count */
    struct queue queue;
    struct queue oversized; /* taken, never to be sent; answered in the next turn */
    struct timer kick;      /* takes from the queue in a later turn than submit's */
    struct timer deadline;  /* of the drain */
    uint64_t held_items;
    uint64_t random_state;
    uint32_t busy_count;    /* slots not IDLE */
    uint32_t sending_count; /* slots SENDING */
    bool is_draining;
    struct log_limit retry_limit;
    struct log_limit drop_limit;
    struct log_limit partial_limit;
    struct log_limit warning_limit; /* the upstream took all, and has something to say */
    uint64_t unlogged_dropped_items;
};

/*
 * sender_init — a sender that is not open yet; sets exporter->blocks_on_overflow and the capacity
 * in its stats. `config` is copied. Allocates nothing.
 */
void sender_init(struct sender *sender, struct exporter *exporter, const struct sender_ops *ops,
                 const struct sender_config *config);

/* Makes the slots. 0 or -ENOMEM; sender_close is safe after either. `seed` is for the jitter. */
WEIR_MUST_USE int sender_open(struct sender *sender, struct loop *loop, uint64_t seed);

/* The submit of exporter_ops: 0 or -EAGAIN. */
WEIR_MUST_USE int sender_submit(struct sender *sender, struct batch *batch);

/* What came of the attempt of a SENDING slot. */
void sender_done(struct send_slot *slot, const struct send_result *result);

/* How long the attempt about to begin may take; 0 for no limit. */
uint64_t sender_attempt_timeout_ns(const struct sender *sender);

/*
 * The drain of exporter_ops: what waits for its next attempt gets it at once, and from then on
 * backoffs are short, until the deadline; what is left then is lost in the shutdown, as is what a
 * peer asks to keep beyond it. May be called again with another deadline; one that has passed ends
 * it before the call returns.
 */
void sender_drain(struct sender *sender, uint64_t deadline_mono_ns);

bool sender_is_idle(const struct sender *sender);

/* Gives up what is left, counted as lost in the shutdown; frees. Idempotent. */
void sender_close(struct sender *sender);
