/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_epoll_dgram — datagram sockets of the epoll backend: recvmmsg into one set of buffers.
 *
 * The headers are set up once and always fill the same buffers from the first on, so that a light
 * load stays inside the cache.
 */
#include <errno.h>
#include <string.h>

#include "io/loop_epoll.h"

int epoll_dgram_start(struct loop *loop, struct loop_dgram_socket *socket)
{
    struct epoll_loop *e = epoll_of(loop);
    struct loop_slot *slot = NULL;
    int err = loop_take_slot(loop, LOOP_SLOT_DGRAM, socket->fd, &slot);
    if (err != 0) {
        return err;
    }
    slot->source.dgram = socket;
    err = epoll_watch(e->idle_fd, slot, EPOLLIN);
    if (err != 0) {
        loop_slot_release(&loop->slots, slot);
        return err;
    }
    socket->slot = slot;
    e->dgram_count++;
    return 0;
}

void epoll_dgram_stop(struct loop *loop, struct loop_slot *slot)
{
    struct epoll_loop *e = epoll_of(loop);
    ASSERT(e->dgram_count > 0);
    e->dgram_count--;
    epoll_unwatch(e->idle_fd, slot); /* a descriptor closed early has left the set by itself */
}

/* The kernel overwrites the lengths of the headers it used; only those are put back. */
void epoll_reset_headers(struct epoll_loop *e, size_t count, bool wants_names)
{
    for (size_t i = 0; i < count; i++) {
        struct msghdr *header = &e->headers[i].msg_hdr;
        header->msg_name = wants_names ? &e->peers[i].any : NULL;
        header->msg_namelen =
            wants_names ? sizeof(e->peers[i]) - offsetof(struct loop_address, any) : 0;
        header->msg_controllen = sizeof(e->control[i]);
    }
}

static uint32_t segment_bytes_of(struct msghdr *header, uint32_t len)
{
    struct cmsghdr *message = CMSG_FIRSTHDR(header);
    if (message == NULL || message->cmsg_level != SOL_UDP || message->cmsg_type != UDP_GRO) {
        return len;
    }
    int segment_bytes;
    memcpy(&segment_bytes, CMSG_DATA(message), sizeof(segment_bytes));
    return segment_bytes > 0 && (uint32_t)segment_bytes < len ? (uint32_t)segment_bytes : len;
}

static size_t fill_burst(struct epoll_loop *e, size_t count)
{
    size_t total_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        struct msghdr *header = &e->headers[i].msg_hdr;
        uint32_t len = e->headers[i].msg_len;
        e->peers[i].len = header->msg_namelen;
        e->burst[i] = (struct loop_dgram){
            .bytes = slice_of(e->iov[i].iov_base, len),
            .segment_bytes = segment_bytes_of(header, len),
            .is_truncated = (header->msg_flags & MSG_TRUNC) != 0,
            .peer = e->has_names ? &e->peers[i] : NULL,
        };
        total_bytes += len;
    }
    return total_bytes;
}

int epoll_receive_burst(struct epoll_loop *e, struct loop_slot *slot)
{
    struct loop_dgram_socket *socket = slot->source.dgram;
    if (e->has_names != socket->wants_peer) {
        e->has_names = socket->wants_peer;
        epoll_reset_headers(e, e->burst_max, e->has_names);
    }
    int got = recvmmsg(slot->fd, e->headers, e->burst_max, MSG_DONTWAIT, NULL);
    if (got <= 0) {
        int fault = got == 0 ? -EAGAIN : -errno;
        if (!loop_is_passing_fault(fault)) {
            epoll_unwatch(e->idle_fd, slot); /* nothing more to lose than the event */
            loop_end_input(&e->base, slot, fault);
        }
        return 0;
    }
    size_t count = (size_t)got;
    size_t total_bytes = fill_burst(e, count);
    loop_note_receives(&e->base, count, total_bytes, count == e->burst_max);
    socket->on_receive(socket, e->burst, count);
    epoll_reset_headers(e, count, e->has_names);
    return got;
}
