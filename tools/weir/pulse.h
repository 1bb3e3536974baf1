/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulse — one log line a minute about that minute, for whoever sees nothing of weir but its log.
 *
 * Alarms are made of it where nobody scrapes: increments since the line before, and two levels, of
 * which the age of the oldest batch is told nowhere else. The last line comes before the books are
 * closed, so that no increment goes untold. Main thread only.
 */
#pragma once

#include <stdint.h>

#include "core/base/timer.h"
#include "tools/weir/books.h"

struct life;

/* What is told as an increment. */
#define PULSE_TOTALS(X)                                                                            \
    X(wire_received)                                                                               \
    X(kernel_dropped_at_least)                                                                     \
    X(items_accepted)                                                                              \
    X(items_invalid)                                                                               \
    X(items_delivered)                                                                             \
    X(items_rejected)                                                                              \
    X(items_dropped)

#define PULSE_MEMBER(name) uint64_t name;
struct pulse_totals {
    PULSE_TOTALS(PULSE_MEMBER)
};
#undef PULSE_MEMBER

struct pulse {
    struct timer timer;
    uint64_t since_mono_ns;
    struct pulse_totals told; /* by all lines so far */
};

/*
 * What is new in `books` since the last call, and remembers that it was told. A total that is lower
 * than before has nothing new.
 */
struct pulse_totals pulse_take(struct pulse *pulse, const struct books *books);

/*
 * Everything since start, and what is held now: that of graphs which were replaced and still drain
 * counts as well, for with them waits what an upstream that is down did not take.
 */
void pulse_read(const struct life *life, struct books *books);

/* For how long the batch that any exporter of these graphs has held longest has been held; 0 for
 * none. */
uint64_t pulse_oldest_ms(const struct life *life, uint64_t now_mono_ns);

/* A line every minute from now on; `life` holds the pulse and outlives it. */
void pulse_start(struct life *life);

/* The last line, about the time since the one before. Nothing, where it was never started. */
void pulse_stop(struct life *life);
