/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2_client_dial — one descriptor, watched for writing; SO_ERROR says what came of it.
 *
 * The descriptor is handed over only after the loop has let go of it, because it is watched anew as
 * a stream.
 */
#include "io/h2_client_dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/fault.h"

/* Wishes; a kernel that refuses one gives a connection all the same. */
static void set_option(int fd, int level, int name, uint32_t value)
{
    int number = value <= INT32_MAX ? (int)value : INT32_MAX;
    (void)setsockopt(fd, level, name, &number, sizeof(number));
}

static void set_options(int fd, sa_family_t family, const struct h2_dial_options *options)
{
    if (options->receive_buffer_bytes != 0) {
        set_option(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer_bytes);
    }
    if (options->send_buffer_bytes != 0) {
        set_option(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer_bytes);
    }
    if (family == AF_UNIX) {
        return;
    }
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (options->user_timeout_ms != 0) {
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options->user_timeout_ms);
    }
}

static void dial_on_ready(struct loop_poll *poll, uint32_t events)
{
    (void)events;
    struct h2_dial *dial = CONTAINER_OF(poll, struct h2_dial, poll);
    int error = 0;
    socklen_t len = sizeof(error);
    dial->fault = getsockopt(poll->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? -error : -errno;
    loop_poll_stop(dial->loop, poll);
}

static void dial_on_closed(struct loop_poll *poll)
{
    struct h2_dial *dial = CONTAINER_OF(poll, struct h2_dial, poll);
    int fd = poll->fd;
    if (dial->fault != 0) {
        (void)close(fd); /* nothing was sent on it */
        fd = -1;
    }
    dial->on_done(dial, fd, dial->fault);
}

int h2_dial_start(struct h2_dial *dial, struct loop *loop, const struct loop_address *address,
                  const struct h2_dial_options *options)
{
    sa_family_t family = address->any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    set_options(fd, family, options);
    dial->loop = loop;
    dial->fault = 0;
    dial->poll = (struct loop_poll){
        .fd = fd,
        .on_ready = dial_on_ready,
        .on_closed = dial_on_closed,
    };
    int err = connect(fd, &address->any, address->len) == 0 || errno == EINPROGRESS ? 0 : -errno;
    if (err == 0) {
        err = loop_poll_watch(loop, &dial->poll, LOOP_POLL_WRITE);
    }
    if (err != 0) {
        (void)close(fd); /* nothing was sent on it */
    }
    return err;
}

void h2_dial_stop(struct h2_dial *dial)
{
    dial->fault = FAULT_CLOSED;
    loop_poll_stop(dial->loop, &dial->poll);
}
