/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_peer — raw frames over a socket pair; answers are written down as text.
 *
 * Field blocks that come back are read with nghttp2's inflater; everything else is taken apart
 * here, so that the server is not judged by its own library alone.
 */
#include "tests/support/h2_peer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "io/channel.h"

#define FRAME_HEAD_BYTES 9
#define PATIENCE_NS (20 * CLOCK_NS_PER_S)
#define TURNS_MIN 3 /* of a run, where the machine lets the test stand meanwhile */
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* --- life ------------------------------------------------------------------------------------- */

/* Has the channel between opening and adoption. */
static void nobody_on_receive(struct channel_user *user, struct slice bytes)
{
    (void)user;
    (void)bytes;
    fail_msg("bytes before adoption");
}

static void nobody_on_end(struct channel_user *user, int fault)
{
    (void)user;
    (void)fault;
}

static void nobody_on_closed(struct channel_user *user)
{
    (void)user;
}

static const struct channel_user_ops NOBODY_OPS = {
    .on_receive = nobody_on_receive,
    .on_end = nobody_on_end,
    .on_sent = nobody_on_end,
    .on_closed = nobody_on_closed,
};

static struct channel_user nobody = {.ops = &NOBODY_OPS};

void h2_peer_open(struct h2_peer *peer, struct loop *loop, struct h2_server *server)
{
    int fds[2];
    memset(peer, 0, sizeof(*peer));
    peer->loop = loop;
    peer->is_reading = true;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    peer->fd = fds[0];
    assert_int_equal(nghttp2_hd_inflate_new(&peer->inflater), 0);
    struct channel_options options = {.role = CHANNEL_SERVER};
    struct channel *channel = NULL;
    assert_int_equal(channel_open(loop, fds[1], &options, &nobody, &channel), 0);
    assert_int_equal(h2_server_adopt(server, channel, slice_of(NULL, 0)), 0);
}

void h2_peer_close(struct h2_peer *peer)
{
    if (peer->fd >= 0) {
        close(peer->fd);
        peer->fd = -1;
    }
    nghttp2_hd_inflate_del(peer->inflater);
    peer->inflater = NULL;
}

/* --- sending ---------------------------------------------------------------------------------- */

void h2_peer_send(struct h2_peer *peer, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    uint64_t until_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (len > 0 && !peer->is_closed && clock_mono_ns() < until_mono_ns) {
        ssize_t n = send(peer->fd, at, len, MSG_NOSIGNAL);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
            continue;
        }
        if (n < 0 && errno != EAGAIN) {
            return; /* the server is gone, which the test may expect */
        }
        h2_peer_turn(peer);
    }
}

void h2_peer_greet(struct h2_peer *peer)
{
    h2_peer_send(peer, PREFACE, sizeof(PREFACE) - 1);
    h2_peer_frame(peer, NGHTTP2_SETTINGS, 0, 0, slice_of(NULL, 0));
}

void h2_peer_frame(struct h2_peer *peer, uint8_t type, uint8_t flags, uint32_t stream_id,
                   struct slice payload)
{
    const uint8_t head[FRAME_HEAD_BYTES] = {
        (uint8_t)(payload.len >> 16),
        (uint8_t)(payload.len >> 8),
        (uint8_t)payload.len,
        type,
        flags,
        (uint8_t)(stream_id >> 24),
        (uint8_t)(stream_id >> 16),
        (uint8_t)(stream_id >> 8),
        (uint8_t)stream_id,
    };
    h2_peer_send(peer, head, sizeof(head));
    h2_peer_send(peer, payload.ptr, payload.len);
}

/* A string without Huffman coding: its length with a 7-bit prefix, then itself. */
static size_t encode_text(const char *text, size_t len, uint8_t *out, size_t cap)
{
    assert_true(len + 6 <= cap);
    size_t n = 0;
    if (len < 127) {
        out[n++] = (uint8_t)len;
    } else {
        size_t rest = len - 127;
        out[n++] = 127;
        while (rest >= 128) {
            out[n++] = (uint8_t)(rest % 128 + 128);
            rest /= 128;
        }
        out[n++] = (uint8_t)rest;
    }
    memcpy(out + n, text, len);
    return n + len;
}

size_t h2_peer_encode(const char *lines, uint8_t *out, size_t cap)
{
    size_t n = 0;
    while (*lines != '\0') {
        const char *end = strchr(lines, '\n');
        const char *colon = strstr(lines, ": ");
        assert_non_null(end);
        assert_non_null(colon);
        assert_true(colon < end);
        assert_true(n < cap);
        out[n++] = 0; /* literal without indexing, new name */
        n += encode_text(lines, (size_t)(colon - lines), out + n, cap - n);
        n += encode_text(colon + 2, (size_t)(end - colon - 2), out + n, cap - n);
        lines = end + 1;
    }
    return n;
}

void h2_peer_headers(struct h2_peer *peer, uint32_t stream_id, uint8_t flags, const char *lines)
{
    static uint8_t block[65536];
    size_t len = h2_peer_encode(lines, block, sizeof(block));
    h2_peer_frame(peer, NGHTTP2_HEADERS, flags | H2_PEER_END_HEADERS, stream_id,
                  slice_of(block, len));
}

/* --- receiving -------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void note(struct h2_peer *peer, const char *format,
                                                       ...)
{
    va_list args;
    va_start(args, format);
    size_t room = sizeof(peer->log) - peer->log_len;
    int len = vsnprintf(peer->log + peer->log_len, room, format, args);
    va_end(args);
    assert_true(len >= 0);
    peer->log_len += (size_t)len < room ? (size_t)len : room - 1;
}

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void note_payload(struct h2_peer *peer, struct slice payload)
{
    if (payload.len > H2_PEER_SHOWN_BYTES) {
        note(peer, " bytes=%zu", payload.len);
        return;
    }
    note(peer, "%s", payload.len > 0 ? " " : "");
    for (size_t i = 0; i < payload.len; i++) {
        note(peer, "%02x", payload.ptr[i]);
    }
}

static void note_headers(struct h2_peer *peer, struct slice block)
{
    while (true) {
        nghttp2_nv field;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(peer->inflater, &field, &flags, block.ptr, block.len, 1);
        assert_true(n >= 0);
        block = slice_from(block, (size_t)n);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            note(peer, " %.*s=%.*s", (int)field.namelen, (const char *)field.name,
                 (int)field.valuelen, (const char *)field.value);
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
            (void)nghttp2_hd_inflate_end_headers(peer->inflater);
            return;
        }
    }
}

static void note_settings(struct h2_peer *peer, uint8_t flags, struct slice payload)
{
    note(peer, "SETTINGS%s", (flags & H2_PEER_ACK) != 0 ? " ACK" : "");
    for (size_t i = 0; i + 6 <= payload.len; i += 6) {
        note(peer, " %d=%" PRIu32, payload.ptr[i] << 8 | payload.ptr[i + 1],
             read_u32(payload.ptr + i + 2));
    }
}

static void note_frame(struct h2_peer *peer, const uint8_t *head, struct slice payload)
{
    uint8_t flags = head[4];
    uint32_t id = read_u32(head + 5);
    const char *end = (flags & H2_PEER_END_STREAM) != 0 ? " END" : "";
    peer->frame_count++;
    switch (head[3]) {
    case NGHTTP2_DATA:
        peer->data_bytes += payload.len;
        note(peer, "DATA %" PRIu32 "%s", id, end);
        note_payload(peer, payload);
        break;
    case NGHTTP2_HEADERS:
        note(peer, "HEADERS %" PRIu32 "%s", id, end);
        note_headers(peer, payload);
        break;
    case NGHTTP2_RST_STREAM:
        note(peer, "RST_STREAM %" PRIu32 " %s", id, h2_code_text(read_u32(payload.ptr)));
        break;
    case NGHTTP2_SETTINGS:
        note_settings(peer, flags, payload);
        break;
    case NGHTTP2_PING:
        note(peer, "PING%s", (flags & H2_PEER_ACK) != 0 ? " ACK" : "");
        note_payload(peer, payload);
        break;
    case NGHTTP2_GOAWAY:
        note(peer, "GOAWAY %" PRIu32 " %s %.*s", read_u32(payload.ptr),
             h2_code_text(read_u32(payload.ptr + 4)), (int)payload.len - 8,
             (const char *)payload.ptr + 8);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        peer->credit_bytes += id == 0 ? read_u32(payload.ptr) : 0;
        note(peer, "WINDOW_UPDATE %" PRIu32 " %" PRIu32, id, read_u32(payload.ptr));
        break;
    default:
        note(peer, "FRAME %d", head[3]);
        break;
    }
    note(peer, "\n");
}

static void take_frames(struct h2_peer *peer)
{
    size_t used = 0;
    while (peer->in_len - used >= FRAME_HEAD_BYTES) {
        const uint8_t *head = peer->in + used;
        size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        assert_true(len <= H2_PEER_IN_BYTES / 2);
        if (peer->in_len - used < FRAME_HEAD_BYTES + len) {
            break;
        }
        note_frame(peer, head, slice_of(head + FRAME_HEAD_BYTES, len));
        used += FRAME_HEAD_BYTES + len;
    }
    memmove(peer->in, peer->in + used, peer->in_len - used);
    peer->in_len -= used;
}

void h2_peer_turn(struct h2_peer *peer)
{
    assert_true(loop_turn(peer->loop, CLOCK_NS_PER_MS) >= 0);
    while (peer->is_reading && !peer->is_closed) {
        ssize_t n =
            recv(peer->fd, peer->in + peer->in_len, sizeof(peer->in) - peer->in_len, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            peer->is_closed = true;
            note(peer, "CLOSED\n");
            return;
        }
        peer->in_len += (size_t)n;
        take_frames(peer);
    }
}

void h2_peer_run(struct h2_peer *peer, uint64_t duration_ns)
{
    uint64_t until_mono_ns = clock_mono_ns() + duration_ns;
    for (int i = 0; i < TURNS_MIN || clock_mono_ns() < until_mono_ns; i++) {
        h2_peer_turn(peer);
    }
}

bool h2_peer_has(const struct h2_peer *peer, const char *text)
{
    return strstr(peer->log, text) != NULL;
}

bool h2_peer_await(struct h2_peer *peer, const char *text)
{
    uint64_t until_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (!h2_peer_has(peer, text) && clock_mono_ns() < until_mono_ns) {
        if (peer->is_closed) {
            break;
        }
        h2_peer_turn(peer);
    }
    return h2_peer_has(peer, text);
}

void h2_peer_expect(struct h2_peer *peer, const char *text)
{
    if (!h2_peer_await(peer, text)) {
        fail_msg("no \"%s\" in:\n%s", text, peer->log);
    }
}

size_t h2_peer_count(const struct h2_peer *peer, const char *text)
{
    size_t count = 0;
    for (const char *line = peer->log; line != NULL && *line != '\0';) {
        count += strncmp(line, text, strlen(text)) == 0 ? 1 : 0;
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return count;
}

void h2_peer_clear(struct h2_peer *peer)
{
    peer->log_len = 0;
    peer->log[0] = '\0';
}
