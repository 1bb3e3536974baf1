/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_tcp — accepts connections, reads what they bring and forgets it: what bytes cost on their
 * way out of the kernel.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/floor.h"
#include "core/base/mem.h"

#define TCP_READ_BYTES (256u << 10)
#define TCP_EVENTS_COUNT 64

/* New connections are watched and otherwise unknown; the process's end closes what is left. */
static void tcp_accept(const struct floor_thread *thread, int epoll_fd)
{
    const int fd = accept4(thread->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        (void)close(fd); /* the peer sees that it is not served */
    }
}

static void tcp_read(struct floor_thread *thread, int fd, uint8_t *bytes)
{
    const ssize_t got = recv(fd, bytes, TCP_READ_BYTES, MSG_DONTWAIT);
    if (got > 0) {
        floor_count(&thread->counts, slice_of(bytes, (size_t)got), 0);
        return;
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        (void)close(fd); /* the peer is gone */
    }
}

static int tcp_loop(struct floor_thread *thread, int epoll_fd, uint8_t *bytes)
{
    struct epoll_event events[TCP_EVENTS_COUNT];
    struct epoll_event event = {.events = EPOLLIN, .data.fd = thread->fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, thread->fd, &event) != 0) {
        return -errno;
    }
    while (!atomic_load_explicit(thread->is_stopping, memory_order_relaxed)) {
        const int ready_count = epoll_wait(epoll_fd, events, TCP_EVENTS_COUNT, FLOOR_WAIT_MS);
        for (int i = 0; i < ready_count; i++) {
            if (events[i].data.fd == thread->fd) {
                tcp_accept(thread, epoll_fd);
            } else {
                tcp_read(thread, events[i].data.fd, bytes);
            }
        }
    }
    return 0;
}

int floor_tcp_run(struct floor_thread *thread)
{
    uint8_t *bytes = mem_alloc(TCP_READ_BYTES);
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int err = epoll_fd < 0 ? -errno : 0;
    if (bytes == NULL) {
        err = -ENOMEM;
    }
    if (err == 0) {
        err = tcp_loop(thread, epoll_fd, bytes);
    }
    if (epoll_fd >= 0) {
        (void)close(epoll_fd); /* holds nothing that is still of use */
    }
    mem_free(bytes);
    return err;
}
