/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_limiter — a line of those who wait, and a limit that goes up slowly and down fast.
 *
 * Requests that were in flight together are refused together; after the first refusal has halved
 * the limit, as many answers as were still to come say nothing more.
 */
#include "exporters/aws_limiter.h"

static void line_push(struct aws_limiter *limiter, struct aws_turn *turn)
{
    turn->next = NULL;
    turn->previous = limiter->last;
    if (limiter->last != NULL) {
        limiter->last->next = turn;
    } else {
        limiter->first = turn;
    }
    limiter->last = turn;
    turn->is_waiting = true;
}

static void line_remove(struct aws_limiter *limiter, struct aws_turn *turn)
{
    ASSERT(turn->is_waiting);
    if (turn->previous != NULL) {
        turn->previous->next = turn->next;
    } else {
        limiter->first = turn->next;
    }
    if (turn->next != NULL) {
        turn->next->previous = turn->previous;
    } else {
        limiter->last = turn->previous;
    }
    turn->next = NULL;
    turn->previous = NULL;
    turn->is_waiting = false;
}

/* Turns may end at once and come back here; the outermost call goes on for them. */
static void serve(struct aws_limiter *limiter)
{
    if (limiter->is_calling) {
        return;
    }
    limiter->is_calling = true;
    while (limiter->first != NULL && limiter->in_flight < aws_limiter_allowed(limiter)) {
        struct aws_turn *turn = limiter->first;
        line_remove(limiter, turn);
        limiter->in_flight++;
        turn->on_turn(turn);
    }
    limiter->is_calling = false;
}

static void shrink(struct aws_limiter *limiter)
{
    limiter->throttle_count++;
    if (limiter->deaf_count > 0) {
        limiter->deaf_count--;
        return;
    }
    limiter->limit = limiter->limit / 2 > 1 ? limiter->limit / 2 : 1;
    limiter->deaf_count = limiter->in_flight;
}

static void grow(struct aws_limiter *limiter)
{
    if (limiter->deaf_count > 0) {
        limiter->deaf_count--;
        return;
    }
    limiter->limit += 1 / limiter->limit;
    if (limiter->limit > (double)limiter->limit_max) {
        limiter->limit = (double)limiter->limit_max;
    }
}

void aws_limiter_init(struct aws_limiter *limiter, uint32_t limit_max)
{
    ASSERT(limit_max > 0);
    *limiter = (struct aws_limiter){.limit = (double)limit_max, .limit_max = limit_max};
}

uint32_t aws_limiter_allowed(const struct aws_limiter *limiter)
{
    return (uint32_t)limiter->limit;
}

bool aws_limiter_enter(struct aws_limiter *limiter, struct aws_turn *turn)
{
    ASSERT(turn->on_turn != NULL);
    ASSERT(!turn->is_waiting);
    if (limiter->first == NULL && limiter->in_flight < aws_limiter_allowed(limiter)) {
        limiter->in_flight++;
        return true;
    }
    line_push(limiter, turn);
    return false;
}

void aws_limiter_leave(struct aws_limiter *limiter, bool is_throttled)
{
    ASSERT(limiter->in_flight > 0);
    limiter->in_flight--;
    if (is_throttled) {
        shrink(limiter);
    } else {
        grow(limiter);
    }
    serve(limiter);
}

void aws_limiter_cancel(struct aws_limiter *limiter)
{
    ASSERT(limiter->in_flight > 0);
    limiter->in_flight--;
    limiter->deaf_count -= limiter->deaf_count > 0 ? 1 : 0;
    serve(limiter);
}

void aws_limiter_forget(struct aws_limiter *limiter, struct aws_turn *turn)
{
    if (turn->is_waiting) {
        line_remove(limiter, turn);
    }
}
