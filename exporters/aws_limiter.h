/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_limiter — how many requests of one exporter may be in flight, learnt from throttling.
 *
 * Additive increase, multiplicative decrease: an answer that says "slow down" halves the limit, at
 * most once for all requests that were under way together; a round of successes raises it by one.
 * Whoever finds no room waits in line and is called when there is some. Pure state, egress-local.
 *
 *     if (aws_limiter_enter(&limiter, &mine)) { start(); }       else mine.on_turn calls start()
 *     … aws_limiter_leave(&limiter, is_throttled);               once per request that started
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/defs.h"

struct aws_turn;

/* It is `turn`'s turn, which counts as in flight from here on. May start another request. */
typedef void(aws_turn_fn)(struct aws_turn *turn);

/* A place in the line. Embedded in its owner; zeroed but for on_turn is ready. */
struct aws_turn {
    aws_turn_fn *on_turn;
    struct aws_turn *next;
    struct aws_turn *previous;
    bool is_waiting;
};

struct aws_limiter {
    struct aws_turn *first; /* borrowed; the line, oldest first */
    struct aws_turn *last;
    double limit;            /* requests; in [1, limit_max] */
    uint32_t limit_max;      /* setting */
    uint32_t in_flight;      /* entered and not left */
    uint32_t deaf_count;     /* answers still to come of requests that saw the last decrease */
    uint64_t throttle_count; /* answers that said so, ever */
    bool is_calling;         /* the line is being served further up the stack */
};

/* `limit_max` > 0: what is allowed when nobody complains. */
void aws_limiter_init(struct aws_limiter *limiter, uint32_t limit_max);

/* True: go on, it counts as in flight. False: `turn` waits, on_turn follows unless it leaves. */
WEIR_MUST_USE bool aws_limiter_enter(struct aws_limiter *limiter, struct aws_turn *turn);

/* One that was in flight is over. Serves the line before it returns. */
void aws_limiter_leave(struct aws_limiter *limiter, bool is_throttled);

/* One that was in flight was given up unanswered: nothing is learnt. Serves the line too. */
void aws_limiter_cancel(struct aws_limiter *limiter);

/* Takes a waiting place out of the line; fine for one that does not wait. */
void aws_limiter_forget(struct aws_limiter *limiter, struct aws_turn *turn);

/* Whole requests allowed at this moment, at least 1. */
uint32_t aws_limiter_allowed(const struct aws_limiter *limiter);
