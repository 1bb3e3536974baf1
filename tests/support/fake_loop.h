/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_loop — io/loop.h with a scripted network and a clock that moves only when told.
 *
 * What a test injects is delivered, in order, by the next turn (fake_loop_settle, fake_loop_advance
 * or loop_turn itself, which never waits). Descriptors are numbers without a kernel behind them,
 * from FAKE_FD_FIRST on. Deterministic; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/loop.h"

/* Beyond every limit of descriptors, so that closing one for real is refused. */
#define FAKE_FD_FIRST (1 << 24)

/* Where the clocks stand in the beginning: 2024-01-01T00:00:00Z, and an hour after boot. */
#define FAKE_UNIX_FIRST_NS (UINT64_C(1704067200) * 1000000000)
#define FAKE_MONO_FIRST_NS (UINT64_C(3600) * 1000000000)

/* A loop for loop.h's functions, closed with loop_close; NULL when memory is refused. */
WEIR_MUST_USE struct loop *fake_loop_open(void);

/* A descriptor nobody else has; for sockets, listeners and outgoing streams. */
int fake_loop_new_fd(struct loop *loop);

/* --- time ------------------------------------------------------------------------------------ */

/* Turns until nothing is due any more; time stands still. */
void fake_loop_settle(struct loop *loop);

/* Lets time pass, stopping at each timer on the way; settles before, at each, and at the end. */
void fake_loop_advance(struct loop *loop, uint64_t duration_ns);

/* Sets the wall clock, which does not move timers. */
void fake_loop_set_unix(struct loop *loop, uint64_t now_unix_ns);

/* --- what arrives ----------------------------------------------------------------------------- */

/* A receive of `bytes` (copied) in segments of `segment_bytes` (0: a single datagram). */
void fake_loop_datagram(struct loop *loop, struct loop_dgram_socket *socket, struct slice bytes,
                        uint32_t segment_bytes, bool is_truncated);
void fake_loop_datagram_fault(struct loop *loop, struct loop_dgram_socket *socket, int fault);

/* A peer connects; returns the descriptor that on_accept will be given. */
int fake_loop_connect(struct loop *loop, struct loop_listener *listener);
void fake_loop_accept_fault(struct loop *loop, struct loop_listener *listener, int fault);

/* Bytes (copied) arrive on the stream with `fd`; lost when there is none then. */
void fake_loop_input(struct loop *loop, int fd, struct slice bytes);
/* The peer's end: fault 0, or negative for a broken connection. */
void fake_loop_end(struct loop *loop, int fd, int fault);

/* The polled descriptor is ready for `events`; reported if they are watched for. */
void fake_loop_ready(struct loop *loop, struct loop_poll *poll, uint32_t events);

/* --- what leaves ------------------------------------------------------------------------------ */

/* All bytes sent on `fd` so far; borrowed until the next turn. */
struct slice fake_loop_output(const struct loop *loop, int fd);

/* Sends on `fd` stay under way while held; released, they are done in the next turn. */
void fake_loop_hold_sends(struct loop *loop, int fd, bool is_held);
/* Sends on `fd` fail with `fault` (negative) from now on. */
void fake_loop_fail_sends(struct loop *loop, int fd, int fault);

/* Half-closed by us; closed by us. */
bool fake_loop_is_shut(const struct loop *loop, int fd);
bool fake_loop_is_closed(const struct loop *loop, int fd);
