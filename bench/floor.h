/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor — the least that receiving a load can cost: read it, count it, throw it away.
 *
 * Datagrams: each thread has a reuseport socket with the options the gateway uses (UDP_GRO, a large
 * receive buffer). TCP: bytes are read and nothing is said. gRPC and HTTP/1.1: requests are
 * received and answered with success, and that is all. Threads are named as the gateway's shards
 * are, so that a report adds both up alike.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

#define FLOOR_THREADS_MAX_COUNT 64u
/* A thread looks this often whether it is to stop. */
#define FLOOR_WAIT_MS 100u

/* Written by its own thread; read after it was joined. */
struct floor_counts {
    uint64_t receive_count; /* what the kernel handed over: runs */
    uint64_t datagram_count;
    uint64_t byte_count;
};

enum floor_io {
    FLOOR_IO_PLAIN, /* epoll and recvmmsg, nothing of the gateway's */
    FLOOR_IO_EPOLL, /* io/loop on epoll */
    FLOOR_IO_URING, /* io/loop on io_uring */
};

enum floor_protocol {
    FLOOR_PROTOCOL_UDP,
    FLOOR_PROTOCOL_TCP,
    FLOOR_PROTOCOL_OTLP, /* gRPC or HTTP/1.1, as the client speaks */
};

struct floor_thread {
    enum floor_io io; /* of UDP */
    enum floor_protocol protocol;
    int fd; /* owned by main; -1 but for UDP and TCP */
    uint16_t port;
    int fault;
    const atomic_bool *is_stopping; /* borrowed; main writes, threads read, relaxed */
    struct floor_counts counts;
};

/* One receive: `segment_bytes` as in struct loop_dgram. */
void floor_count(struct floor_counts *counts, struct slice bytes, uint32_t segment_bytes);

/* Receive until told to stop. 0 or negative. */
WEIR_MUST_USE int floor_plain_run(struct floor_thread *thread);
WEIR_MUST_USE int floor_loop_run(struct floor_thread *thread);
WEIR_MUST_USE int floor_tcp_run(struct floor_thread *thread);
WEIR_MUST_USE int floor_otlp_run(struct floor_thread *thread);
