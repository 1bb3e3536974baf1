/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pull_receiver — what receivers share that go and fetch: nobody sends to them, they ask.
 *
 * All of it lives on the egress thread, where HTTP goes out: a source fetches, makes OTLP of what
 * came, and pushes; the points run through every processor of their pipelines. What finds no room
 * waits in an outbox of bounded size; beyond that a push is refused and counted. The main thread
 * sees an ordinary receiver. A source embeds `struct pull_receiver` first and brings `pull_ops`.
 *
 *     open ─▶ start ─▶ (collect ─▶ pull_push …)* ─▶ stop ─▶ outbox runs empty ─▶ free
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/base/timer.h"
#include "core/engine/spread.h"
#include "core/engine/stats.h"
#include "core/model/part.h"
#include "io/receivers/receiver.h"
#include "io/worker.h"

struct loop;
struct pull_receiver;

/* Parts, and their bytes, that wait for room in the pipelines. */
#define PULL_OUTBOX_PARTS_MAX 256
#define PULL_OUTBOX_BYTES_MAX (UINT64_C(64) * 1024 * 1024)

/* Why points are refused; labels of weir_items_invalid. A source's own follow. */
enum pull_why {
    PULL_WHY_QUEUE_FULL,
    PULL_WHY_MEMORY,
    PULL_WHY_SHUTDOWN, /* closed before all pipelines had room */
    PULL_WHY_LIMIT,
};

/* What a source brings. Called on the egress thread, but for `check` and `free`. */
struct pull_ops {
    const char *type; /* config key: "prometheus" */
    /* Optional. Main thread, first of all: can it work here? 0, or negative after a log line. */
    int (*check)(struct pull_receiver *pull, const struct receiver_home *home);
    /* Makes what it needs on `loop`, which is borrowed until stop. 0, or negative after a log line.
     */
    int (*open)(struct pull_receiver *pull, struct loop *loop);
    /* Once, when points may come: a source with times of its own arms its timers. Optional. */
    void (*start)(struct pull_receiver *pull);
    /*
     * Every interval_ns from the start on, the first time at once: fetch, and pull_push what came,
     * now or from a later turn. The last cycle may still be under way. Not called where interval_ns
     * is 0.
     */
    void (*collect)(struct pull_receiver *pull, uint64_t now_mono_ns);
    /*
     * Gives up what is under way; cancels timers; closes what `open` made. No push follows. Once,
     * also after a failed open.
     */
    void (*stop)(struct pull_receiver *pull);
    /* Main thread, last: frees the receiver itself. Also of one that was never opened. */
    void (*free)(struct pull_receiver *pull);
    /* Optional: labels of all reasons, pull_reason for those below PULL_WHY_LIMIT; else NULL. */
    const char *(*reason)(uint32_t index);
};

struct pull_receiver {
    struct receiver receiver;
    const struct pull_ops *ops;
    uint64_t interval_ns;
    struct receiver_home *home;        /* borrowed; NULL until open */
    struct receiver_ops face;          /* what the main thread sees */
    struct receiver_counters counters; /* of the one thread */
    struct receiver_stats stats;       /* written by the egress thread */
    /* The egress thread's. */
    struct loop *loop; /* borrowed; NULL while the source is not open */
    struct worker_hook hook;
    struct timer timer; /* of the next cycle */
    struct spread spread;
    struct part *outbox; /* owned; a ring of PULL_OUTBOX_PARTS_MAX */
    uint32_t outbox_first;
    uint32_t outbox_count;
    uint64_t outbox_bytes;
    bool is_hooked;
    bool is_open;   /* `stop` is due */
    bool is_ending; /* no pushes any more */
    struct log_limit complaints;
    _Atomic bool is_done; /* egress writes (release), main reads (acquire) */
};

/*
 * pull_receiver_init — a receiver that is made but not opened.
 *
 *   id           borrowed, as receiver.id
 *   transport    static; label of the self-metrics
 *   interval_ns  of ops->collect; 0: the source keeps its own times
 */
void pull_receiver_init(struct pull_receiver *pull, const struct pull_ops *ops, const char *id,
                        const char *transport, uint64_t interval_ns);

/*
 * pull_push — points on their way into every pipeline. Egress thread.
 *
 *   bytes        whole ResourceMetrics fields, a valid export request; copied
 *   item_count   data points in it; 0 and empty bytes are fine, and nothing happens
 *
 * Booked here: 0 when they wait for the turn's end; -EAGAIN and -ENOMEM where they are refused and
 * counted for want of room.
 */
int pull_push(struct pull_receiver *pull, struct slice bytes, uint32_t item_count);

/* The label of a reason that all pull receivers share; static, NULL for others. */
const char *pull_reason(uint32_t index);

/* Points that the source itself refuses, by one of its own reasons (from PULL_WHY_LIMIT on). */
void pull_refuse(struct pull_receiver *pull, uint32_t reason, uint64_t item_count);
