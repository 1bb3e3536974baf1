/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_frame — lines and frames across reads.
 *
 *   read 1: "a:1|c\nb:2|"      shown "a:1|c\n", tail "b:2|"
 *   read 2: "c\nc:3|c\nd"      shown "b:2|c\n" (from the tail), "c:3|c\n" (from the read), tail "d"
 *
 * Lengths are those of DogStatsD's Unix streams: uint32, little-endian.
 */
#include "io/stream_frame.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

#define LENGTH_BYTES 4
#define TAIL_FIRST_BYTES 512

static int keep(struct stream_frame *frame, struct slice bytes)
{
    if (bytes.len > frame->tail_cap_bytes - frame->tail_bytes) {
        size_t needed_bytes = frame->tail_bytes + bytes.len;
        size_t cap_bytes = frame->tail_cap_bytes > 0 ? frame->tail_cap_bytes : TAIL_FIRST_BYTES;
        while (cap_bytes < needed_bytes) {
            cap_bytes *= 2;
        }
        uint8_t *grown = mem_resize(frame->tail, cap_bytes);
        if (grown == NULL) {
            return -ENOMEM;
        }
        frame->tail = grown;
        frame->tail_cap_bytes = cap_bytes;
    }
    if (bytes.len > 0) {
        memcpy(frame->tail + frame->tail_bytes, bytes.ptr, bytes.len);
        frame->tail_bytes += bytes.len;
    }
    return 0;
}

/* A large tail is rare; ten thousand connections should not each keep one. */
static void forget_tail(struct stream_frame *frame)
{
    frame->tail_bytes = 0;
    if (frame->tail_cap_bytes > TAIL_FIRST_BYTES) {
        mem_free(frame->tail);
        frame->tail = NULL;
        frame->tail_cap_bytes = 0;
    }
}

static void show(struct stream_frame *frame, struct slice lines)
{
    if (lines.len > 0) {
        frame->on_lines(frame, lines);
    }
}

/* --- lines ----------------------------------------------------------------------------------- */

/* `lines` ends with LF. Leaves out lines beyond the limit, shows the runs between them. */
static void show_lines(struct stream_frame *frame, struct slice lines)
{
    size_t run_offset = 0;
    size_t offset = 0;
    if (lines.len - 1 <= frame->line_max_bytes) {
        show(frame, lines); /* the usual case: not one of them can be too long */
        return;
    }
    while (offset < lines.len) {
        size_t line_bytes = slice_find(slice_from(lines, offset), '\n');
        size_t next_offset = offset + line_bytes + 1;
        if (line_bytes > frame->line_max_bytes) {
            show(frame, slice_of(lines.ptr + run_offset, offset - run_offset));
            frame->too_long_count++;
            run_offset = next_offset;
        }
        offset = next_offset;
    }
    show(frame, slice_from(lines, run_offset));
}

static int keep_line(struct stream_frame *frame, struct slice bytes)
{
    if (bytes.len > frame->line_max_bytes - frame->tail_bytes) {
        frame->too_long_count++;
        frame->is_skipping = true;
        forget_tail(frame);
        return 0;
    }
    return keep(frame, bytes);
}

/* Finishes the line that earlier reads began; returns what follows it through `*rest`. */
static int finish_line(struct stream_frame *frame, struct slice bytes, struct slice *rest)
{
    size_t line_bytes = slice_find(bytes, '\n');
    *rest = slice_from(bytes, line_bytes < bytes.len ? line_bytes + 1 : line_bytes);
    if (frame->is_skipping) {
        frame->is_skipping = line_bytes == bytes.len;
        return 0;
    }
    int err = keep_line(frame, slice_first(bytes, line_bytes));
    if (err != 0 || line_bytes == bytes.len) {
        return err;
    }
    if (frame->is_skipping) {
        frame->is_skipping = false; /* one byte too many, and the end of it in the same read */
        return 0;
    }
    err = keep(frame, SLICE_LITERAL("\n"));
    if (err == 0) {
        show(frame, slice_of(frame->tail, frame->tail_bytes));
        forget_tail(frame);
    }
    return err;
}

static int feed_lines(struct stream_frame *frame, struct slice bytes)
{
    if (frame->is_skipping || frame->tail_bytes > 0) {
        int err = finish_line(frame, bytes, &bytes);
        if (err != 0) {
            return err;
        }
    }
    if (bytes.len == 0) {
        return 0;
    }
    const uint8_t *last = memrchr(bytes.ptr, '\n', bytes.len);
    if (last == NULL) {
        return keep_line(frame, bytes);
    }
    size_t whole_bytes = (size_t)(last - bytes.ptr) + 1;
    show_lines(frame, slice_first(bytes, whole_bytes));
    return whole_bytes < bytes.len ? keep_line(frame, slice_from(bytes, whole_bytes)) : 0;
}

/* --- frames ---------------------------------------------------------------------------------- */

static uint32_t frame_length(const uint8_t *ptr)
{
    return (uint32_t)ptr[0] | (uint32_t)ptr[1] << 8 | (uint32_t)ptr[2] << 16 |
           (uint32_t)ptr[3] << 24;
}

/* Moves up to what is missing of the tail from `*bytes` into it. */
static int fill_tail(struct stream_frame *frame, struct slice *bytes, size_t wanted_bytes)
{
    size_t missing_bytes = wanted_bytes - frame->tail_bytes;
    size_t taken_bytes = bytes->len < missing_bytes ? bytes->len : missing_bytes;
    int err = keep(frame, slice_first(*bytes, taken_bytes));
    *bytes = slice_from(*bytes, taken_bytes);
    return err;
}

/* Finishes the frame that earlier reads began. */
static int finish_frame(struct stream_frame *frame, struct slice *bytes)
{
    int err = 0;
    if (frame->tail_bytes < LENGTH_BYTES) {
        err = fill_tail(frame, bytes, LENGTH_BYTES);
    }
    if (err != 0 || frame->tail_bytes < LENGTH_BYTES) {
        return err;
    }
    uint32_t length = frame_length(frame->tail);
    if (length > frame->line_max_bytes) {
        frame->too_long_count++;
        return FAULT_LIMIT;
    }
    err = fill_tail(frame, bytes, (size_t)LENGTH_BYTES + length);
    if (err == 0 && frame->tail_bytes == (size_t)LENGTH_BYTES + length) {
        show(frame, slice_of(frame->tail + LENGTH_BYTES, length));
        forget_tail(frame);
    }
    return err;
}

static int feed_frames(struct stream_frame *frame, struct slice bytes)
{
    if (frame->tail_bytes > 0) {
        int err = finish_frame(frame, &bytes);
        if (err != 0) {
            return err;
        }
    }
    while (bytes.len >= LENGTH_BYTES) {
        uint32_t length = frame_length(bytes.ptr);
        if (length > frame->line_max_bytes) {
            frame->too_long_count++;
            return FAULT_LIMIT;
        }
        if (length > bytes.len - LENGTH_BYTES) {
            break;
        }
        show(frame, slice_of(bytes.ptr + LENGTH_BYTES, length));
        bytes = slice_from(bytes, (size_t)LENGTH_BYTES + length);
    }
    return keep(frame, bytes);
}

/* --- both ------------------------------------------------------------------------------------ */

int stream_frame_feed(struct stream_frame *frame, struct slice bytes)
{
    ASSERT(frame->line_max_bytes > 0);
    switch (frame->framing) {
    case STREAM_FRAMING_NEWLINE:
        return feed_lines(frame, bytes);
    case STREAM_FRAMING_LENGTH:
        return feed_frames(frame, bytes);
    }
    return -EINVAL;
}

bool stream_frame_end(struct stream_frame *frame)
{
    bool is_cut = frame->framing == STREAM_FRAMING_LENGTH && frame->tail_bytes > 0;
    if (!is_cut && frame->tail_bytes > 0) {
        show(frame, slice_of(frame->tail, frame->tail_bytes));
    }
    forget_tail(frame);
    return is_cut;
}

void stream_frame_fini(struct stream_frame *frame)
{
    mem_free(frame->tail);
    frame->tail = NULL;
    frame->tail_bytes = 0;
    frame->tail_cap_bytes = 0;
}
