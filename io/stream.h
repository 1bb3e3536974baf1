/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream — lines over connections: accepts, puts lines together across reads, hands them on.
 *
 * Whole lines of a read are shown as one borrowed slice, without a copy; only an unfinished tail is
 * kept. A line beyond the limit is counted and skipped up to its end, and the connection lives. One
 * listener per address and thread, embedded in its owner; its thread's own. Without a listener it
 * serves connections that others accepted (stream_adopt), under TLS or in the clear.
 *
 * A connection's life: OPEN until its end, an error, too long a silence, or its age; then LEAVING:
 * we half-close (a peer that looks notices), and go on reading until a sweep finds it silent, at
 * most STREAM_LEAVE_MS; then it is closed. A peer that never looks and keeps sending loses what is
 * on its way at that moment, as with any close from the server's side.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/base/timer.h"
#include "core/engine/stats.h"
#include "io/io_bounds.h"
#include "io/loop.h"

enum stream_framing {
    STREAM_FRAMING_NEWLINE, /* lines end with LF; the last may end with the connection */
    STREAM_FRAMING_LENGTH,  /* 4 bytes, little-endian, then that many bytes of lines */
};

/* Zero means the default, or off where that is said. */
struct stream_options {
    enum stream_framing framing;
    uint32_t line_max_bytes; /* of a line without its LF, or of a frame; must be set */
    uint32_t connections_max;
    uint64_t idle_timeout_ms; /* off: a silent connection may stay */
    uint64_t age_max_ms;      /* ± STREAM_AGE_JITTER_PERCENT; off: a connection may stay */
};

struct channel;
struct stream;
struct stream_connection;

/*
 * Lines, each ended by LF but perhaps the last: that was ended by the connection's end, or by the
 * frame's. Never empty; borrowed until return. The owner counts wire_received and wire_parsed per
 * line; lines that were too long are counted here (as received and dropped).
 */
typedef void(stream_lines_fn)(struct stream *stream, struct slice lines);
/* Accepting failed (`fault` negative); the loop tries again by itself. */
typedef void(stream_fault_fn)(struct stream *stream, int fault);
/* All descriptors are closed; the memory may go. */
typedef void(stream_closed_fn)(struct stream *stream);

enum stream_state {
    STREAM_CLOSED,
    STREAM_OPEN,
    STREAM_DRAINING, /* no new connections, the others are leaving */
    STREAM_CLOSING,
};

struct stream {
    struct loop_listener listener; /* fd owned */
    struct loop *loop;             /* borrowed until on_closed */
    struct receiver_stats *stats;  /* borrowed until on_closed; this thread writes */
    struct stream_options options;
    stream_lines_fn *on_lines;
    stream_fault_fn *on_fault;
    stream_closed_fn *on_closed;

    /* From here on stream.c's own. */
    enum stream_state state;
    bool is_paused;
    bool is_listening;               /* the listener has yet to be closed */
    struct stream_connection *first; /* owned, a list */
    uint32_t connection_count;
    uint64_t jitter_state;
    struct timer sweep;
};

/*
 * Starts accepting; loop, stats, options and callbacks are set, the rest is zero. Moves the
 * listening `fd` in on success; -1: there is none, and connections come by stream_adopt only. 0,
 * -EBUSY, -ENOMEM or -errno.
 */
WEIR_MUST_USE int stream_open(struct stream *stream, int fd);

/*
 * stream_adopt — serves a connection that somebody else accepted.
 *
 *   channel       handed over on 0, and counted here alone from then on; otherwise still the
 *                 caller's
 *   first_bytes   what was received of it already, borrowed during the call; may be empty
 *
 * 0, FAULT_LIMIT (connections_max), FAULT_CLOSED (draining or not open) or -ENOMEM. Lines that are
 * complete in `first_bytes` reach on_lines before the call returns, also while paused.
 */
WEIR_MUST_USE int stream_adopt(struct stream *stream, struct channel *channel,
                               struct slice first_bytes);

/*
 * Backpressure: no connection is read until resume; the peers' windows close. What a connection had
 * delivered in this turn may follow. Connections accepted meanwhile wait, too.
 */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);

/* Tells every connection to go, and reads on; new ones are still accepted. */
void stream_send_away(struct stream *stream);

/* First phase of going: accepts no more, tells every connection to go, and reads on. */
void stream_drain(struct stream *stream);

/* Closes the listener and all connections; then on_closed. Idempotent. */
void stream_close(struct stream *stream);
