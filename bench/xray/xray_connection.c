/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_connection — see xray_connection.h. Non-blocking; reads until there is nothing more, so that
 * nothing decrypted stays behind in OpenSSL while the socket is silent.
 */
#include "bench/xray/xray_connection.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/sink_head.h"
#include "bench/xray/xray_sink.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define CONNECTION_FIRST_BYTES 131072u
/* The longest answer. */
#define ANSWER_MAX_BYTES 512u
#define READ_MIN_BYTES 16384u

struct xray_connection *xray_connection_new(struct xray_sink *sink, int fd)
{
    struct xray_connection *c = mem_alloc(sizeof(*c));
    if (c == NULL) {
        (void)close(fd); /* nothing was written to it */
        return NULL;
    }
    c->sink = sink;
    c->fd = fd;
    c->capacity = CONNECTION_FIRST_BYTES;
    c->bytes = mem_alloc(c->capacity);
    bool is_good = c->bytes != NULL;
    if (is_good && sink->tls != NULL) {
        c->ssl = SSL_new(sink->tls);
        is_good = c->ssl != NULL && SSL_set_fd(c->ssl, fd) == 1;
    }
    if (!is_good) {
        xray_connection_free(c);
        return NULL;
    }
    if (c->ssl != NULL) {
        SSL_set_accept_state(c->ssl);
    }
    return c;
}

void xray_connection_free(struct xray_connection *c)
{
    if (c == NULL) {
        return;
    }
    SSL_free(c->ssl);
    (void)close(c->fd); /* what counts was counted when it was read */
    mem_free(c->bytes);
    mem_free(c);
}

bool xray_connection_has_output(const struct xray_connection *c)
{
    return c->out_used > 0;
}

/* --- transport -------------------------------------------------------------------------------- */

/* What a call of OpenSSL or the kernel came to: bytes, -EAGAIN, or the end. */
static ssize_t connection_result(const struct xray_connection *c, ssize_t result, int error)
{
    if (result > 0) {
        return result;
    }
    if (c->ssl == NULL) {
        return result == 0 || error != EAGAIN ? -ECONNRESET : -EAGAIN;
    }
    const int why = SSL_get_error(c->ssl, (int)result);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? -EAGAIN : -ECONNRESET;
}

static ssize_t connection_read(struct xray_connection *c)
{
    const size_t room = c->capacity - c->used;
    if (c->ssl == NULL) {
        const ssize_t got = recv(c->fd, c->bytes + c->used, room, 0);
        return connection_result(c, got, errno);
    }
    ERR_clear_error();
    return connection_result(c, SSL_read(c->ssl, c->bytes + c->used, (int)room), 0);
}

static ssize_t connection_write(struct xray_connection *c)
{
    if (c->ssl == NULL) {
        const ssize_t sent = send(c->fd, c->out, c->out_used, MSG_NOSIGNAL);
        return connection_result(c, sent, errno);
    }
    ERR_clear_error();
    return connection_result(c, SSL_write(c->ssl, c->out, (int)c->out_used), 0);
}

static int connection_flush(struct xray_connection *c)
{
    while (c->out_used > 0) {
        const ssize_t sent = connection_write(c);
        if (sent < 0) {
            return sent == -EAGAIN ? 0 : (int)sent;
        }
        memmove(c->out, c->out + sent, c->out_used - (size_t)sent);
        c->out_used -= (size_t)sent;
    }
    return 0;
}

/* --- requests --------------------------------------------------------------------------------- */

static int connection_put(struct xray_connection *c, const char *status, const char *text)
{
    const size_t room = sizeof(c->out) - c->out_used;
    if (room < ANSWER_MAX_BYTES) {
        return FAULT_LIMIT; /* asks on and on, and reads no answer */
    }
    const int len = snprintf((char *)c->out + c->out_used, room,
                             "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                             "Content-Length: %zu\r\n\r\n%s",
                             status, strlen(text), text);
    ASSERT(len > 0 && (size_t)len < ANSWER_MAX_BYTES);
    c->out_used += (size_t)len;
    return 0;
}

static int connection_continue(struct xray_connection *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (sizeof(c->out) - c->out_used < sizeof(text)) {
        return FAULT_LIMIT;
    }
    memcpy(c->out + c->out_used, text, sizeof(text) - 1);
    c->out_used += sizeof(text) - 1;
    return 0;
}

/* The request at the front, if it is whole; *taken_bytes is its length or 0. */
static int connection_request(struct xray_connection *c, struct slice bytes, size_t *taken_bytes)
{
    struct sink_head head;
    *taken_bytes = 0;
    const enum parse parsed = sink_head_parse(bytes, &head);
    if (parsed == PARSE_MORE && bytes.len < SINK_HEAD_MAX_BYTES) {
        return 0;
    }
    if (parsed != PARSE_DONE || head.body_bytes > XRAY_SINK_REQUEST_MAX_BYTES) {
        c->sink->bad_request_count++;
        return FAULT_MALFORMED;
    }
    if (bytes.len - head.head_bytes < head.body_bytes) {
        const bool is_asked = head.expects_continue && bytes.len == head.head_bytes;
        return is_asked ? connection_continue(c) : 0;
    }
    const struct slice body =
        slice_first(slice_from(bytes, head.head_bytes), (size_t)head.body_bytes);
    *taken_bytes = head.head_bytes + body.len;
    c->is_ending = head.wants_close;
    const struct xray_answer answer =
        xray_sink_take(c->sink, head.path, slice_first(bytes, head.head_bytes), body);
    return connection_put(c, answer.status, answer.body);
}

static int connection_requests(struct xray_connection *c)
{
    size_t offset = 0;
    size_t taken_bytes = 1;
    int err = 0;
    while (err == 0 && taken_bytes > 0 && offset < c->used && !c->is_ending) {
        err = connection_request(c, slice_of(c->bytes + offset, c->used - offset), &taken_bytes);
        offset += taken_bytes;
    }
    memmove(c->bytes, c->bytes + offset, c->used - offset);
    c->used -= offset;
    return err;
}

static int connection_make_room(struct xray_connection *c)
{
    if (c->capacity - c->used >= READ_MIN_BYTES) {
        return 0;
    }
    if (c->capacity > XRAY_SINK_REQUEST_MAX_BYTES) {
        return FAULT_LIMIT;
    }
    uint8_t *grown = mem_resize(c->bytes, c->capacity * 2);
    if (grown == NULL) {
        return -ENOMEM;
    }
    c->bytes = grown;
    c->capacity *= 2;
    return 0;
}

int xray_connection_serve(struct xray_connection *c)
{
    for (;;) {
        int err = connection_make_room(c);
        if (err != 0) {
            return err;
        }
        const ssize_t got = connection_read(c);
        if (got == -EAGAIN) {
            return connection_flush(c);
        }
        if (got < 0) {
            return (int)got;
        }
        c->used += (size_t)got;
        err = connection_requests(c);
        if (err == 0) {
            err = connection_flush(c);
        }
        if (err != 0 || c->is_ending) {
            return err != 0 ? err : -ECONNRESET;
        }
    }
}
