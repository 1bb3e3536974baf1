/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop — one thread's turn of work: submit, gather completions, dispatch.
 *
 * One contract, three implementations chosen when the loop is opened: io_uring (loop_uring.c),
 * epoll with recvmmsg (loop_epoll.c), and a scripted one for tests (tests/support/fake_loop.c). A
 * loop belongs to the thread that opened it; only loop_wake may be called from elsewhere.
 *
 * Everything registered here (timer, datagram socket, listener, stream, poll) is a struct embedded
 * in its owner and borrowed until its *closed* callback or, for timers, until it fires. Callbacks
 * run from loop_turn only, never from inside the call that registered them. Bytes shown to a
 * callback are borrowed until it returns.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/base/timer.h"
#include "io/io_bounds.h"

struct loop;
struct loop_slot; /* the loop's own record of a source */

enum loop_backend {
    LOOP_BACKEND_AUTO,
    LOOP_BACKEND_URING,
    LOOP_BACKEND_EPOLL,
};

/* Limits are per loop; zero means the default in core/base/bounds.h. */
struct loop_options {
    enum loop_backend backend;
    uint32_t dgram_buffer_count; /* receive buffers of 64 KiB, shared by all datagram sockets */
    uint32_t stream_buffer_count;
    uint32_t stream_buffer_bytes;
};

/*
 * A peer's or own address. `sun` names are not copied beyond what the kernel gave.
 */
struct loop_address {
    socklen_t len; /* bytes of the member in use */
    union {
        struct sockaddr any;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
        struct sockaddr_un sun;
    };
};

/* --- datagrams ------------------------------------------------------------------------------- */

/*
 * One receive: a single datagram, or several of one flow coalesced by the kernel (UDP_GRO).
 * Segments are `segment_bytes` long each, the last may be shorter.
 */
struct loop_dgram {
    struct slice bytes;
    uint32_t segment_bytes; /* equals bytes.len for a single datagram; 0 only when bytes.len is 0 */
    bool is_truncated;      /* the kernel cut it; `bytes` is what fitted */
    const struct loop_address *peer; /* borrowed; NULL unless `wants_peer` */
};

struct loop_dgram_socket;

/* A burst of at most LOOP_DGRAM_BURST_MAX receives from one socket. */
typedef void(loop_dgram_fn)(struct loop_dgram_socket *socket, const struct loop_dgram *burst,
                            size_t count);
/* The socket is out of the loop; its descriptor is the owner's again. */
typedef void(loop_dgram_closed_fn)(struct loop_dgram_socket *socket);
/* Receiving failed for good (`fault` is negative); the socket is idle until it is stopped. */
typedef void(loop_dgram_error_fn)(struct loop_dgram_socket *socket, int fault);

struct loop_dgram_socket {
    int fd;          /* owner's; non-blocking */
    bool wants_peer; /* fill loop_dgram.peer */
    loop_dgram_fn *on_receive;
    loop_dgram_error_fn *on_error;
    loop_dgram_closed_fn *on_closed;
    struct loop_slot *slot; /* the loop's; NULL before loop_dgram_start and after on_closed */
};

/* Starts receiving. Borrows `socket` until on_closed. 0, -EBUSY (too many sources) or -errno. */
WEIR_MUST_USE int loop_dgram_start(struct loop *loop, struct loop_dgram_socket *socket);

/* Stops receiving; what was received already is still shown; then on_closed. Idempotent. */
void loop_dgram_stop(struct loop *loop, struct loop_dgram_socket *socket);

/* --- listeners ------------------------------------------------------------------------------- */

struct loop_listener;

/* A connection; `fd` moves in (non-blocking). `peer` borrowed. Who waits at a stop comes too. */
typedef void(loop_accept_fn)(struct loop_listener *listener, int fd,
                             const struct loop_address *peer);
/*
 * Accepting failed (`fault` negative, -EMFILE for instance); the loop tries again by itself after
 * LOOP_ACCEPT_PAUSE_MS.
 */
typedef void(loop_accept_error_fn)(struct loop_listener *listener, int fault);
typedef void(loop_listener_closed_fn)(struct loop_listener *listener);

struct loop_listener {
    int fd; /* owner's; listening, non-blocking */
    loop_accept_fn *on_accept;
    loop_accept_error_fn *on_error;
    loop_listener_closed_fn *on_closed;
    struct loop_slot *slot;
};

WEIR_MUST_USE int loop_listener_start(struct loop *loop, struct loop_listener *listener);
void loop_listener_stop(struct loop *loop, struct loop_listener *listener);

/* --- streams --------------------------------------------------------------------------------- */

struct loop_stream;

/* Bytes that arrived; never empty. Borrowed until return. */
typedef void(loop_stream_receive_fn)(struct loop_stream *stream, struct slice bytes);
/* The peer will send no more (fault 0), or the connection failed (fault negative). At most once. */
typedef void(loop_stream_end_fn)(struct loop_stream *stream, int fault);
/* The whole of what loop_stream_send was given is with the kernel (0), or sending failed. */
typedef void(loop_stream_sent_fn)(struct loop_stream *stream, int fault);
/* The descriptor is closed and nothing refers to `stream` any more: its memory may go. */
typedef void(loop_stream_closed_fn)(struct loop_stream *stream);

struct loop_stream {
    int fd; /* moved in by loop_stream_start; closed by the loop */
    loop_stream_receive_fn *on_receive;
    loop_stream_end_fn *on_end;
    loop_stream_sent_fn *on_sent; /* may be NULL for streams that never send */
    loop_stream_closed_fn *on_closed;
    struct loop_slot *slot;
};

/* Takes over stream->fd on success and begins to receive. */
WEIR_MUST_USE int loop_stream_start(struct loop *loop, struct loop_stream *stream);

/* Backpressure: after pause no on_receive until resume (what was gathered in this turn may follow).
 */
void loop_stream_pause(struct loop *loop, struct loop_stream *stream);
void loop_stream_resume(struct loop *loop, struct loop_stream *stream);

/*
 * Sends all of `iov` (at most LOOP_STREAM_IOV_MAX entries), then on_sent. The array is copied, the
 * bytes are borrowed until on_sent. One send at a time: -EBUSY while another is under way.
 */
WEIR_MUST_USE int loop_stream_send(struct loop *loop, struct loop_stream *stream,
                                   const struct iovec *iov, size_t iov_count);

/* Half-close: no more sending from us. */
void loop_stream_shutdown(struct loop *loop, struct loop_stream *stream);

/* Closes; outstanding work is cancelled, an unfinished send is reported to nobody; then on_closed.
 */
void loop_stream_close(struct loop *loop, struct loop_stream *stream);

/* --- readiness of foreign descriptors (libcurl's sockets, signalfd) ----------------------------
 */

enum {
    LOOP_POLL_READ = 1,
    LOOP_POLL_WRITE = 2,
    LOOP_POLL_ERROR = 4, /* reported only */
};

struct loop_poll;

/* `events` says what is ready. Level-triggered: reported again while it stays ready. */
typedef void(loop_poll_fn)(struct loop_poll *poll, uint32_t events);
typedef void(loop_poll_closed_fn)(struct loop_poll *poll);

struct loop_poll {
    int fd; /* owner's; must outlive loop_poll_stop's return, not on_closed */
    loop_poll_fn *on_ready;
    loop_poll_closed_fn *on_closed; /* the struct's memory may go */
    struct loop_slot *slot;
};

/* Starts watching, or changes what is watched for (`events` may be 0: nothing). */
WEIR_MUST_USE int loop_poll_watch(struct loop *loop, struct loop_poll *poll, uint32_t events);
/* After return on_ready is not called again; on_closed follows in a later turn. */
void loop_poll_stop(struct loop *loop, struct loop_poll *poll);

/* --- the loop itself ---------------------------------------------------------------------------
 */

/* Called once per turn after dispatch, for mailboxes. `now_mono_ns` is the turn's time. */
typedef void(loop_turn_fn)(void *owner, uint64_t now_mono_ns);

/*
 * Opens a loop on the calling thread. `why_text`, if not NULL, receives a static or loop-owned
 * sentence that says which backend was taken and why (for the log line). With LOOP_BACKEND_URING
 * and a kernel or seccomp profile that refuses it: -errno (EPERM, ENOSYS …) and *why_text explains.
 */
WEIR_MUST_USE int loop_open(const struct loop_options *options, struct loop **out,
                            const char **why_text);

/* Turns until all that was stopped is closed, for some seconds at most. */
void loop_settle(struct loop *loop);
/* All sources must have been closed. NULL is fine. */
void loop_close(struct loop *loop);

enum loop_backend loop_backend_of(const struct loop *loop);

/* Read once per turn. */
uint64_t loop_now_mono_ns(const struct loop *loop);
uint64_t loop_now_unix_ns(const struct loop *loop);

WEIR_MUST_USE int loop_timer_arm(struct loop *loop, struct timer *timer, uint64_t deadline_mono_ns);
void loop_timer_cancel(struct loop *loop, struct timer *timer);

/* `on_turn` is called at the end of every turn with `owner`; one per loop. */
void loop_set_turn(struct loop *loop, void *owner, loop_turn_fn *on_turn);

/*
 * One turn: submit, wait (at most `wait_max_ns`, UINT64_MAX for as long as it takes; 0 only looks),
 * gather, dispatch. Returns how many completions were handled, or -errno where it cannot wait.
 */
WEIR_MUST_USE int loop_turn(struct loop *loop, uint64_t wait_max_ns);

/* What a loop has seen so far. Written by its thread, readable by any. */
struct loop_stats {
    uint64_t turn_count;
    uint64_t completion_count;        /* completions and readiness events handled */
    uint64_t linger_count;            /* turns that waited for datagrams to gather */
    uint64_t stall_count;             /* turns longer than LOOP_STALL_MS */
    uint64_t stall_longest_ns;        /* the longest turn of them */
    uint64_t late_count;              /* completions for a source that was gone already */
    uint64_t buffers_exhausted_count; /* receives that found no free buffer; ordinary */
};

/* Any thread, while the loop is open. */
void loop_stats_read(const struct loop *loop, struct loop_stats *out);

/* Any thread: makes the current or next wait return at once. Cheap while the loop is awake. */
void loop_wake(struct loop *loop);

/* Gives the pages of the receive buffers back to the kernel; after LOOP_TRIM_AFTER_MS of silence
 * the loop does so by itself. */
void loop_trim(struct loop *loop);
