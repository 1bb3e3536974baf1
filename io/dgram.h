/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dgram — one datagram socket of a receiver on one thread: route's first arrow.
 *
 * Takes coalesced runs apart, counts, samples what the kernel dropped, and closes in steps so that
 * what arrived is read. Embedded in its owner; its thread's own.
 *
 *   OPEN ──close──▶ DRAINING ──dry or late──▶ REFUSING ──dry──▶ STOPPING ──▶ CLOSED
 *
 * DRAINING still reads what arrives (the owner has had the group steer new datagrams elsewhere, see
 * socket_group_hand_on). REFUSING reads what is queued, while the kernel turns new ones away: over
 * IP the sender is told that nobody listens. What can still not be read is booked
 * `unread_at_close`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/base/timer.h"
#include "core/engine/stats.h"
#include "io/loop.h"

/* Datagrams shown to one callback. */
#define DGRAM_SEGMENTS_MAX 64

enum dgram_state {
    DGRAM_CLOSED,
    DGRAM_OPEN,
    DGRAM_DRAINING,
    DGRAM_REFUSING,
    DGRAM_STOPPING,
};

struct dgram;

/* Whole datagrams, none empty; borrowed until return. */
typedef void(dgram_burst_fn)(struct dgram *dgram, const struct slice *segments, size_t count);
/* Receiving failed for good; nothing more will come until dgram_close. */
typedef void(dgram_fault_fn)(struct dgram *dgram, int fault);
/* The descriptor is closed; the memory may go. */
typedef void(dgram_closed_fn)(struct dgram *dgram);

struct dgram {
    struct loop_dgram_socket socket; /* fd owned */
    struct loop *loop;               /* borrowed until on_closed */
    struct receiver_stats *stats;    /* borrowed until on_closed; this thread writes */
    dgram_burst_fn *on_burst;
    dgram_fault_fn *on_fault;
    dgram_closed_fn *on_closed;

    /* From here on dgram.c's own. */
    enum dgram_state state;
    uint32_t seen_drop_count;     /* of the kernel, as last read */
    uint64_t deadline_mono_ns;    /* of draining, of refusing */
    uint64_t drain_receive_count; /* receives since the last look */
    struct timer timer;           /* drops each second; while closing, the next step */
};

/*
 * Starts receiving; loop, stats and callbacks are set, the rest is zero. Moves `fd` in on success.
 * The socket's earlier drops are booked, too. 0, -EBUSY, -ENOMEM or -errno.
 *
 * Counts wire_received, wire_parsed, wire_dropped_truncated, wire_bytes, receives, kernel_dropped.
 * A truncated datagram is counted and not shown: where it was cut nobody knows.
 */
WEIR_MUST_USE int dgram_open(struct dgram *dgram, int fd);

/*
 * Closes in the steps above, reading for `drain_max_ns` at most before new datagrams are refused
 * (0: refuse at once); then on_closed. Idempotent; a closed one stays closed without a callback.
 */
void dgram_close(struct dgram *dgram, uint64_t drain_max_ns);

/* Reads the kernel's drop counter now. */
void dgram_sample_drops(struct dgram *dgram);
