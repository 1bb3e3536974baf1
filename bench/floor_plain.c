/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_plain — recvmmsg behind epoll, written as plainly as can be: what the loop is held against.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/floor.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"

#define PLAIN_CONTROL_BYTES CMSG_SPACE(sizeof(int))

struct plain {
    struct mmsghdr messages[LOOP_DGRAM_BURST_MAX];
    struct iovec iov[LOOP_DGRAM_BURST_MAX];
    _Alignas(struct cmsghdr) char control[LOOP_DGRAM_BURST_MAX][PLAIN_CONTROL_BYTES];
    uint8_t *buffers; /* owned; reserved address space */
};

static uint32_t plain_segment_bytes(struct msghdr *message, uint32_t len)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    if (control == NULL || control->cmsg_level != SOL_UDP || control->cmsg_type != UDP_GRO) {
        return len;
    }
    int segment_bytes = 0;
    memcpy(&segment_bytes, CMSG_DATA(control), sizeof(segment_bytes));
    return segment_bytes > 0 ? (uint32_t)segment_bytes : len;
}

/* How many receives there were, or -errno. */
static int plain_receive(struct plain *plain, struct floor_thread *thread)
{
    for (size_t i = 0; i < LOOP_DGRAM_BURST_MAX; i++) {
        plain->messages[i].msg_hdr.msg_control = plain->control[i];
        plain->messages[i].msg_hdr.msg_controllen = PLAIN_CONTROL_BYTES;
    }
    const int got = recvmmsg(thread->fd, plain->messages, LOOP_DGRAM_BURST_MAX, MSG_DONTWAIT, NULL);
    if (got < 0) {
        return -errno;
    }
    for (int i = 0; i < got; i++) {
        const uint32_t len = plain->messages[i].msg_len;
        floor_count(&thread->counts, slice_of(plain->iov[i].iov_base, len),
                    plain_segment_bytes(&plain->messages[i].msg_hdr, len));
    }
    return got;
}

static int plain_loop(struct plain *plain, struct floor_thread *thread, int epoll_fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, thread->fd, &event) != 0) {
        return -errno;
    }
    while (!atomic_load_explicit(thread->is_stopping, memory_order_relaxed)) {
        if (epoll_wait(epoll_fd, &event, 1, FLOOR_WAIT_MS) <= 0) {
            continue;
        }
        const int got = plain_receive(plain, thread);
        if (got < 0 && got != -EAGAIN && got != -EINTR) {
            return got;
        }
    }
    return 0;
}

int floor_plain_run(struct floor_thread *thread)
{
    const size_t buffers_bytes = (size_t)LOOP_DGRAM_BURST_MAX * LOOP_DGRAM_BUFFER_BYTES;
    struct plain *plain = mem_alloc(sizeof(*plain));
    uint8_t *buffers = mem_reserve(buffers_bytes);
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int err = epoll_fd < 0 ? -errno : 0;
    if (plain == NULL || buffers == NULL) {
        err = -ENOMEM;
    }
    if (err == 0) {
        plain->buffers = buffers;
        for (size_t i = 0; i < LOOP_DGRAM_BURST_MAX; i++) {
            plain->iov[i] = (struct iovec){
                .iov_base = buffers + i * LOOP_DGRAM_BUFFER_BYTES,
                .iov_len = LOOP_DGRAM_BUFFER_BYTES,
            };
            plain->messages[i].msg_hdr.msg_iov = &plain->iov[i];
            plain->messages[i].msg_hdr.msg_iovlen = 1;
        }
        err = plain_loop(plain, thread, epoll_fd);
    }
    if (epoll_fd >= 0) {
        (void)close(epoll_fd); /* holds nothing */
    }
    if (buffers != NULL) {
        mem_unreserve(buffers, buffers_bytes);
    }
    mem_free(plain);
    return err;
}
