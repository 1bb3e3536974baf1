/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_frame — cuts a byte stream into lines or frames, copying only what a read left unfinished.
 *
 * Knows no socket: bytes in, slices of whole lines out. One per connection; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/stream.h"

struct stream_frame;

/* Whole lines, as in stream_lines_fn. */
typedef void(stream_frame_fn)(struct stream_frame *frame, struct slice lines);

struct stream_frame {
    enum stream_framing framing;
    uint32_t line_max_bytes;
    stream_frame_fn *on_lines;
    uint64_t too_long_count; /* lines beyond the limit; the owner takes it */

    /* From here on stream_frame.c's own. */
    bool is_skipping; /* inside a line that is too long */
    uint8_t *tail;    /* owned; a line's begin, or a frame's with its length in front */
    size_t tail_bytes;
    size_t tail_cap_bytes;
};

/*
 * Shows what `bytes` completes. 0; -ENOMEM when the tail cannot be kept; FAULT_LIMIT for a length
 * beyond the limit, after which nothing in the stream can be believed.
 */
WEIR_MUST_USE int stream_frame_feed(struct stream_frame *frame, struct slice bytes);

/* The stream is over: an unfinished line counts as a line. Returns whether a frame was cut off. */
bool stream_frame_end(struct stream_frame *frame);

/* Frees the tail. Idempotent. */
void stream_frame_fini(struct stream_frame *frame);
