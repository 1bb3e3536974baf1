/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_epoll — the epoll backend's state, shared by its files (loop_epoll.c, loop_epoll_dgram.c).
 */
#pragma once

#include <netinet/udp.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/base/defs.h"
#include "io/io_bounds.h"
#include "io/loop.h"
#include "io/loop_ops.h"

#define READY_EVENTS_MAX 128
#define IDLE_EVENTS_MAX 32

/*
 * An odd number of cache lines between buffers: at 64 KiB apart their first lines would all fall
 * into one set of the cache.
 */
#define DGRAM_STRIDE_BYTES (LOOP_DGRAM_BUFFER_BYTES + 64)
_Static_assert((DGRAM_STRIDE_BYTES / 64) % 2 == 1, "buffers share a cache set");

/* Room for the one control message asked for: the segment size of UDP_GRO. */
struct dgram_control {
    alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(int))];
};

struct epoll_loop {
    struct loop base;
    int ready_fd; /* owned */
    int idle_fd;  /* owned */
    uint32_t dgram_count;
    uint32_t burst_max;    /* buffers, headers in use */
    bool has_pwait2;       /* the kernel, and the seccomp profile, know epoll_pwait2 */
    bool has_names;        /* the headers ask for the peer's address */
    uint8_t *dgram_bytes;  /* owned, reserved */
    uint8_t *stream_bytes; /* owned, reserved */
    size_t stream_cap_bytes;
    struct mmsghdr headers[LOOP_DGRAM_BURST_MAX];
    struct iovec iov[LOOP_DGRAM_BURST_MAX];
    struct dgram_control control[LOOP_DGRAM_BURST_MAX];
    struct loop_address peers[LOOP_DGRAM_BURST_MAX];
    struct loop_dgram burst[LOOP_DGRAM_BURST_MAX];
    struct epoll_event ready_events[READY_EVENTS_MAX];
    struct epoll_event idle_events[IDLE_EVENTS_MAX];
};

static inline struct epoll_loop *epoll_of(struct loop *loop)
{
    return CONTAINER_OF(loop, struct epoll_loop, base);
}

/*
 * Watches slot->fd in the set for `events`; 0 takes it out, because a hang-up is reported whatever
 * is asked. 0 or -errno.
 */
WEIR_MUST_USE int epoll_watch(int epoll_fd, struct loop_slot *slot, uint32_t events);

/* Takes slot->fd out of the set; fine when it is not in. */
void epoll_unwatch(int epoll_fd, struct loop_slot *slot);

/* The datagram rows of the ops table. */
WEIR_MUST_USE int epoll_dgram_start(struct loop *loop, struct loop_dgram_socket *socket);
void epoll_dgram_stop(struct loop *loop, struct loop_slot *slot);

/* One recvmmsg of a ready socket, shown to its owner. Returns how many receives. */
int epoll_receive_burst(struct epoll_loop *e, struct loop_slot *slot);

/* Points headers [0, count) at their buffers anew, with or without room for the peer's address. */
void epoll_reset_headers(struct epoll_loop *e, size_t count, bool wants_names);
