/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_out — gathers what a session wants to say into the runs of bytes of one send.
 *
 * Frames are copied into one growing buffer, which is why its runs are kept as offsets; bodies that
 * nghttp2 leaves to us (NGHTTP2_DATA_FLAG_NO_COPY) are only referred to.
 */
#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "io/h2.h"
#include "io/io_bounds.h"

/* First allocation; a turn's small answers mostly fit. */
#define BUFFER_MIN_BYTES 2048
/* A frame's head, the body it refers to, and a copied frame behind them in the same step. */
#define FRAME_SEGMENTS 3

static int make_room(struct h2_out *out, size_t bytes)
{
    ASSERT(out->buffer_len <= out->buffer_capacity_bytes);
    if (bytes <= out->buffer_capacity_bytes - out->buffer_len) {
        return 0;
    }
    if (bytes > SIZE_MAX / 4 || out->buffer_len > SIZE_MAX / 4) {
        return -ENOMEM;
    }
    size_t capacity =
        out->buffer_capacity_bytes > 0 ? out->buffer_capacity_bytes : BUFFER_MIN_BYTES;
    while (capacity - out->buffer_len < bytes) {
        capacity *= 2;
    }
    /* Metered but never refused for the cap: a connection beyond it still gets its last word. */
    nghttp2_mem hooks = h2_memory_hooks(out->memory);
    uint8_t *buffer = hooks.realloc(out->buffer, capacity, hooks.mem_user_data);
    if (buffer == NULL) {
        return -ENOMEM;
    }
    out->buffer = buffer;
    out->buffer_capacity_bytes = capacity;
    return 0;
}

int h2_out_append(struct h2_out *out, struct slice bytes)
{
    if (bytes.len == 0) {
        return 0;
    }
    struct h2_out_segment *last =
        out->segment_count > 0 ? &out->segments[out->segment_count - 1] : NULL;
    bool is_new = last == NULL || last->referred != NULL;
    if (is_new && out->segment_count == COUNT_OF(out->segments)) {
        return -EAGAIN;
    }
    int err = make_room(out, bytes.len);
    if (err != 0) {
        return err;
    }
    if (is_new) {
        last = &out->segments[out->segment_count++];
        *last = (struct h2_out_segment){.offset = out->buffer_len};
    }
    memcpy(out->buffer + out->buffer_len, bytes.ptr, bytes.len);
    out->buffer_len += bytes.len;
    last->len += bytes.len;
    out->total_bytes += bytes.len;
    return 0;
}

int h2_out_refer(struct h2_out *out, struct slice bytes)
{
    if (bytes.len == 0) {
        return 0;
    }
    if (out->segment_count == COUNT_OF(out->segments)) {
        return -EAGAIN;
    }
    out->segments[out->segment_count++] =
        (struct h2_out_segment){.referred = bytes.ptr, .len = bytes.len};
    out->total_bytes += bytes.len;
    return 0;
}

bool h2_out_has_room(const struct h2_out *out)
{
    return out->segment_count <= COUNT_OF(out->segments) - FRAME_SEGMENTS &&
           out->total_bytes < H2_OUT_MAX_BYTES;
}

int h2_out_gather(struct h2_out *out, nghttp2_session *session)
{
    while (h2_out_has_room(out)) {
        const uint8_t *ptr = NULL;
        size_t before_bytes = out->total_bytes;
        ssize_t len = nghttp2_session_mem_send(session, &ptr);
        if (len < 0) {
            return h2_fault((int)len);
        }
        if (len == 0 && out->total_bytes == before_bytes) {
            return 0; /* nothing to say, or a callback has no room */
        }
        /* A callback may have used up what room there was, but for the last segment. */
        int err = h2_out_append(out, slice_of(ptr, (size_t)len));
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

size_t h2_out_iov(const struct h2_out *out, struct iovec *iov)
{
    for (uint32_t i = 0; i < out->segment_count; i++) {
        const struct h2_out_segment *s = &out->segments[i];
        union {
            const uint8_t *in;
            void *out;
        } base = {.in = s->referred != NULL ? s->referred : out->buffer + s->offset};
        iov[i] = (struct iovec){.iov_base = base.out, .iov_len = s->len};
    }
    return out->segment_count;
}

void h2_out_reset(struct h2_out *out)
{
    h2_memory_free(out->memory, out->buffer);
    *out = (struct h2_out){.memory = out->memory};
}
