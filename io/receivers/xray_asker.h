/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_asker — sampling calls that came to a shard, asked of the proxy on the egress thread.
 *
 * Crosses threads: questions go out by one mailbox and come home, answered, by another. A question
 * is the shard's, made and freed there; the answer's body is made on the egress thread and moves
 * out with the answer. One asker per shard; all askers of a receiver ask the same proxy, and may be
 * given another one at any time: what is under way is answered by the former.
 *
 *     shard  xray_asker_ask ──▶ asks ──▶ proxy ──▶ answers ──▶ xray_asker_collect  shard
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/mailbox.h"
#include "core/base/slice.h"
#include "core/engine/budget.h"
#include "core/engine/lease.h"
#include "io/receivers/xray_ask.h"
#include "io/worker.h"

/* Under way at a time, of one shard; a power of two. A fleet of ten thousand asks once in ten
 * seconds. */
#define XRAY_ASKS_MAX 1024

struct xray_errand;
struct xray_proxy;

/*
 * The answer to a question; `to` is not to be used afterwards. What *memory (mem, or NULL) points
 * to holds the body and may be moved out, with NULL left; it is freed otherwise.
 */
typedef void(xray_reply_fn)(void *to, const struct xray_told *told, void **memory);

/* A sampling call, whole. Slices are borrowed during xray_asker_ask. */
struct xray_question {
    struct slice path; /* one of the two; it is a POST */
    struct slice headers[XRAY_ASK_HEADER_COUNT];
    void *body_memory; /* moved in, with its charge, whatever becomes of the question */
    size_t body_len;
    uint64_t charged_bytes;
    void *to; /* an http1_exchange or an otlp_h2_request, as `reply` knows */
    xray_reply_fn *reply;
};

struct xray_asker {
    struct worker *worker;  /* borrowed; the shard's */
    struct worker *egress;  /* borrowed */
    struct budget *memory;  /* borrowed; bodies of answers on their way are charged to it */
    struct lease *lease;    /* borrowed; the shard's; bodies of questions are charged to it */
    struct mailbox asks;    /* shard → egress */
    struct mailbox answers; /* egress → shard; never full, for no more are ever out */
    /* The shard's. */
    uint32_t out_count; /* questions that are not home */
    bool is_open;       /* there is a proxy to ask */
    /* The egress thread's. */
    struct xray_errand *taken; /* a list: those that the proxy has */
};

/* The askers of one receiver. Zeroed but for what init sets; the egress thread's. */
struct xray_askers {
    struct worker_hook hook;
    struct xray_asker *all; /* owned; one per shard */
    uint32_t count;
    struct xray_proxy *proxy; /* borrowed; NULL: nobody to ask */
    struct worker *egress;    /* borrowed */
    bool is_hooked;
};

/* --- main thread ------------------------------------------------------------------------------ */

/* Room for `count` askers; xray_asker_init each. 0 or -ENOMEM; xray_askers_fini after either. */
WEIR_MUST_USE int xray_askers_init(struct xray_askers *askers, uint32_t count,
                                   struct worker *egress);

/* 0 or -ENOMEM. `asker` has worker, egress, memory and lease set, and is zero otherwise. */
WEIR_MUST_USE int xray_asker_init(struct xray_asker *asker);

/*
 * From now on `proxy` is asked; NULL: nobody, and then no shard may ask any more. Questions on
 * their way still go to the former, which answers them. It is not referred to after the return.
 */
void xray_askers_connect(struct xray_askers *askers, struct xray_proxy *proxy);

/* Whatever is under way anywhere is answered with 503 at once. No shard may ask any more. */
void xray_askers_give_up(struct xray_askers *askers);

/* Everything is home. Idempotent. */
void xray_askers_fini(struct xray_askers *askers);

/* --- the shard -------------------------------------------------------------------------------- */

/* Asks; the reply comes once, now where the question cannot be asked, or from a later turn. */
void xray_asker_ask(struct xray_asker *asker, struct xray_question *question);

/* Once per turn: answers that came home. */
void xray_asker_collect(struct xray_asker *asker);
