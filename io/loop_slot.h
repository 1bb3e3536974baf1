/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_slot — what a loop remembers about one source, and the tags that name it to the kernel.
 *
 * A slot is taken when a source starts and released right before the source's on_closed. Slots
 * never move, and each carries a generation that grows with every use, so that an event for the
 * previous tenant is recognised. Private to the backends of loop.h; one thread per table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/base/defs.h"
#include "core/base/timer.h"
#include "io/io_bounds.h"
#include "io/loop.h"

enum loop_slot_kind {
    LOOP_SLOT_FREE,
    LOOP_SLOT_DGRAM,
    LOOP_SLOT_LISTENER,
    LOOP_SLOT_STREAM,
    LOOP_SLOT_POLL,
};

/* Receiving side of a source. FAILED and ENDED are final. */
enum loop_input {
    LOOP_INPUT_ON,
    LOOP_INPUT_PAUSED,
    LOOP_INPUT_ENDED,
};

/* Sending side of a stream; SENT is waiting for its on_sent. */
enum loop_output {
    LOOP_OUTPUT_IDLE,
    LOOP_OUTPUT_SENDING,
    LOOP_OUTPUT_SENT,
};

/* One send under way; made at a stream's first send and kept until its slot is released. */
struct loop_send {
    struct msghdr message; /* points into iov; the first unsent byte is iov[0] */
    struct iovec iov[LOOP_STREAM_IOV_MAX];
};

/* Bytes received from the kernel after their stream was paused. */
struct loop_held {
    uint8_t *bytes; /* owned; NULL while empty */
    size_t used_bytes;
    size_t cap_bytes;
};

struct loop_slot {
    struct loop_slot *next; /* in the free list, or in the loop's list of what is due */
    struct loop *loop;      /* borrowed; the table's owner */
    union {
        struct loop_dgram_socket *dgram;
        struct loop_listener *listener;
        struct loop_stream *stream;
        struct loop_poll *poll;
    } source; /* borrowed until on_closed */
    int fd;
    uint32_t index;
    uint32_t generation;
    enum loop_slot_kind kind;
    enum loop_input input;
    enum loop_output output;
    bool is_closing;
    bool is_due;            /* in the loop's list of what is due */
    bool is_end_due;        /* on_end (or on_error) with `fault` has yet to be called */
    bool is_shutdown_due;   /* half-close once the send under way is done */
    uint32_t events;        /* what the kernel watches for now */
    uint32_t events_wanted; /* polls: what the owner asked for */
    uint32_t armed;         /* io_uring: operations the kernel holds, one bit per enum loop_op */
    int fault;              /* why the input ended */
    int sent_fault;
    struct loop_send *send; /* owned */
    struct loop_held held;  /* owned */
    struct timer retry;     /* listeners: when accepting is tried again */
};

/* What an event is about; io_uring has several operations per slot. */
enum loop_op {
    LOOP_OP_READY,   /* epoll: whatever the slot is */
    LOOP_OP_RECEIVE, /* datagrams */
    LOOP_OP_READ,    /* streams */
    LOOP_OP_SEND,
    LOOP_OP_ACCEPT,
    LOOP_OP_POLL,
    LOOP_OP_CANCEL,
    LOOP_OP_WAKE,
};

struct loop_slots {
    struct loop_slot **chunks; /* owned array of owned chunks, LOOP_SLOT_CHUNK_COUNT slots each */
    struct loop_slot *free;
    uint32_t chunk_count;
    uint32_t used_count;
};

#define LOOP_SLOT_CHUNK_COUNT 64

/* Zeroed is a valid, empty table. All slots must have been released. Idempotent. */
void loop_slots_fini(struct loop_slots *slots);

/*
 * A zeroed slot with its index and generation set, for `kind`; moves out, back with
 * loop_slot_release. NULL when LOOP_SOURCES_MAX are in use or memory is refused.
 */
WEIR_MUST_USE struct loop_slot *loop_slot_acquire(struct loop_slots *slots,
                                                  enum loop_slot_kind kind);

/* Frees what the slot owns and outdates every tag that names it. */
void loop_slot_release(struct loop_slots *slots, struct loop_slot *slot);

/* The slot's send block, made on first use; NULL when memory is refused. */
WEIR_MUST_USE struct loop_send *loop_slot_send(struct loop_slot *slot);

/* Appends a copy of `bytes` to what is held. 0 or -ENOMEM. */
WEIR_MUST_USE int loop_slot_hold(struct loop_slot *slot, struct slice bytes);

/* Starts `send` with a copy of `iov`; returns its length in bytes. */
size_t loop_send_fill(struct loop_send *send, const struct iovec *iov, size_t iov_count);

/* Takes `sent_bytes` off the front; true when nothing is left. */
bool loop_send_advance(struct loop_send *send, size_t sent_bytes);

/* The 64 bits the kernel carries for us: generation, operation, index. */
uint64_t loop_tag_pack(const struct loop_slot *slot, enum loop_op op);

/*
 * The slot a tag names, or NULL when it has been released since (the event is late). `*op` is set
 * in both cases.
 */
struct loop_slot *loop_tag_unpack(const struct loop_slots *slots, uint64_t tag, enum loop_op *op);
