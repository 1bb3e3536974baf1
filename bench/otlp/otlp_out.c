/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_out — see otlp_out.h. Places in `copies` are used once; they come back when all is written.
 */
#include "bench/otlp/otlp_out.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define OUT_ROOM_PIECES 4u
#define OUT_ROOM_BYTES 16384u

bool otlp_out_has_room(const struct otlp_out *out)
{
    return out->count <= OTLP_OUT_PIECES_MAX_COUNT - OUT_ROOM_PIECES &&
           out->copied_bytes <= OTLP_OUT_COPIES_MAX_BYTES - OUT_ROOM_BYTES &&
           out->pending_bytes < OTLP_OUT_FULL_BYTES;
}

static bool out_push(struct otlp_out *out, void *ptr, size_t len)
{
    if (out->count == OTLP_OUT_PIECES_MAX_COUNT) {
        return false;
    }
    out->pieces[out->count] = (struct iovec){.iov_base = ptr, .iov_len = len};
    out->count++;
    out->pending_bytes += len;
    return true;
}

bool otlp_out_copy(struct otlp_out *out, struct slice bytes)
{
    uint8_t *to = out->copies + out->copied_bytes;
    if (bytes.len > OTLP_OUT_COPIES_MAX_BYTES - out->copied_bytes) {
        return false;
    }
    struct iovec *last = out->count > out->first ? &out->pieces[out->count - 1] : NULL;
    const bool is_next = last != NULL && (uint8_t *)last->iov_base + last->iov_len == to;
    if (!is_next && !out_push(out, to, bytes.len)) {
        return false;
    }
    if (is_next) {
        last->iov_len += bytes.len;
        out->pending_bytes += bytes.len;
    }
    memcpy(to, bytes.ptr, bytes.len);
    out->copied_bytes += bytes.len;
    return true;
}

bool otlp_out_refer(struct otlp_out *out, struct slice bytes)
{
    union {
        const uint8_t *in;
        void *out;
    } base = {.in = bytes.ptr};
    return bytes.len == 0 || out_push(out, base.out, bytes.len);
}

static void out_advance(struct otlp_out *out, size_t written_bytes)
{
    out->pending_bytes -= written_bytes;
    while (out->first < out->count && written_bytes >= out->pieces[out->first].iov_len) {
        written_bytes -= out->pieces[out->first].iov_len;
        out->first++;
    }
    if (out->first == out->count) {
        out->first = 0;
        out->count = 0;
        out->copied_bytes = 0;
        return;
    }
    struct iovec *piece = &out->pieces[out->first];
    piece->iov_base = (uint8_t *)piece->iov_base + written_bytes;
    piece->iov_len -= written_bytes;
}

int otlp_out_flush(struct otlp_out *out, int fd)
{
    while (out->first < out->count) {
        const struct msghdr message = {
            .msg_iov = &out->pieces[out->first],
            .msg_iovlen = out->count - out->first,
        };
        const ssize_t written = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return -errno;
        }
        out_advance(out, (size_t)written);
    }
    return 0;
}
