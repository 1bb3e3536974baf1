/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_uring — the io_uring backend's state, shared by its files: loop_uring.c (ring, turn),
 * loop_uring_source.c (arming and completions of each kind), loop_uring_pool.c (provided buffers).
 */
#pragma once

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/base/defs.h"
#include "io/io_bounds.h"
#include "io/loop.h"
#include "io/loop_ops.h"

/* In front of a datagram the kernel writes io_uring_recvmsg_out, the name and the control bytes. */
#define URING_NAME_BYTES sizeof(struct sockaddr_storage)
#define URING_CONTROL_BYTES CMSG_SPACE(sizeof(int))
#define URING_HEAD_BYTES                                                                           \
    (sizeof(struct io_uring_recvmsg_out) + URING_NAME_BYTES + URING_CONTROL_BYTES)

/* Buffers the kernel picks from when something arrives. Shard-local. */
struct uring_pool {
    struct io_uring_buf_ring *ring; /* owned, reserved; entry_count entries */
    uint8_t *bytes;                 /* owned, reserved; buffer_count times stride_bytes */
    size_t stride_bytes;
    uint32_t buffer_bytes;
    uint32_t buffer_count;
    uint32_t entry_count; /* a power of two */
    uint16_t group;
    bool is_registered;
};

/* A completion, copied out of the ring. */
struct uring_completion {
    uint64_t tag;
    int32_t result;
    uint32_t flags;
};

struct uring_loop {
    struct loop base;
    struct io_uring ring;
    bool is_ring_open;
    bool has_registered_fd; /* the ring's descriptor needs no look-up per call */
    bool has_min_wait;      /* one call can wait for several, then for one */
    struct msghdr plain;    /* how datagrams are received: without and with the peer's name */
    struct msghdr named;
    struct uring_pool dgrams;
    struct uring_pool streams;
    struct loop_slot *burst_slot; /* whose datagrams the burst holds */
    size_t burst_count;
    size_t burst_bytes;
    struct loop_dgram burst[LOOP_DGRAM_BURST_MAX];
    uint16_t burst_buffers[LOOP_DGRAM_BURST_MAX];
    struct loop_address peers[LOOP_DGRAM_BURST_MAX];
    struct uring_completion gathered[LOOP_GATHER_MAX];
};

static inline struct uring_loop *uring_of(struct loop *loop)
{
    return CONTAINER_OF(loop, struct uring_loop, base);
}

/*
 * Registers `buffer_count` buffers of `buffer_bytes` as `group`. 0, -ENOMEM or -errno; the pool is
 * fit for uring_pool_fini either way.
 */
WEIR_MUST_USE int uring_pool_init(struct uring_pool *pool, struct io_uring *ring, uint16_t group,
                                  uint32_t buffer_count, uint32_t buffer_bytes);
void uring_pool_fini(struct uring_pool *pool, struct io_uring *ring);

/* The buffer a completion names; borrowed until it is given back. */
uint8_t *uring_pool_at(const struct uring_pool *pool, uint16_t buffer_index);

/* Hands `count` buffers back to the kernel. */
void uring_pool_give_back(struct uring_pool *pool, const uint16_t *buffer_indices, size_t count);

/* Hands the pages of all buffers back; none may hold bytes that are still wanted. */
void uring_pool_trim(struct uring_pool *pool);

/* A submission for one operation of a slot, tagged; the rest is the caller's to fill. */
struct io_uring_sqe *uring_next_submission(struct uring_loop *u);

/* The rows of the ops table that are about sources. */
WEIR_MUST_USE int uring_dgram_start(struct loop *loop, struct loop_dgram_socket *socket);
void uring_dgram_stop(struct loop *loop, struct loop_slot *slot);
WEIR_MUST_USE int uring_listener_start(struct loop *loop, struct loop_listener *listener);
void uring_listener_stop(struct loop *loop, struct loop_slot *slot);
void uring_listener_resume(struct loop *loop, struct loop_slot *slot);
WEIR_MUST_USE int uring_stream_start(struct loop *loop, struct loop_stream *stream);
void uring_stream_pause(struct loop *loop, struct loop_slot *slot);
void uring_stream_resume(struct loop *loop, struct loop_slot *slot);
WEIR_MUST_USE int uring_stream_send(struct loop *loop, struct loop_slot *slot);
void uring_stream_shutdown(struct loop *loop, struct loop_slot *slot);
void uring_stream_close(struct loop *loop, struct loop_slot *slot);
WEIR_MUST_USE int uring_poll_watch(struct loop *loop, struct loop_poll *poll, uint32_t events);
void uring_poll_stop(struct loop *loop, struct loop_slot *slot);
bool uring_is_quiet(const struct loop *loop, const struct loop_slot *slot);
void uring_release(struct loop *loop, struct loop_slot *slot);

/* Handles one completion that names a slot. Returns how much it counts for: 0 or 1. */
int uring_complete(struct uring_loop *u, const struct uring_completion *completion);

/* Shows the datagrams gathered so far to their owner and gives their buffers back. */
void uring_flush_burst(struct uring_loop *u);
