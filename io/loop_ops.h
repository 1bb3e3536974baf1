/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_ops — what a backend of loop.h has to bring, and the parts all backends share.
 *
 * A backend embeds `struct loop` first in its own struct and fills an ops table; loop.c does the
 * rest: timers, the clock, the wake flag, deferred callbacks, pacing, statistics. Included by the
 * backends and by tests/support/fake_loop.c only.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/timer.h"
#include "core/engine/stats.h"
#include "io/io_bounds.h"
#include "io/loop.h"
#include "io/loop_slot.h"

/*
 * All members are called on the loop's own thread but `interrupt`. Contracts are those of the
 * functions in loop.h with the same name; a source's `slot` is NULL when `*_start` is called, and
 * set and not closing when another member is.
 */
struct loop_ops {
    enum loop_backend backend;
    int (*dgram_start)(struct loop *loop, struct loop_dgram_socket *socket);
    void (*dgram_stop)(struct loop *loop, struct loop_slot *slot);
    int (*listener_start)(struct loop *loop, struct loop_listener *listener);
    void (*listener_stop)(struct loop *loop, struct loop_slot *slot);
    int (*stream_start)(struct loop *loop, struct loop_stream *stream);
    void (*stream_pause)(struct loop *loop, struct loop_slot *slot);
    void (*stream_resume)(struct loop *loop, struct loop_slot *slot);
    int (*stream_send)(struct loop *loop, struct loop_slot *slot); /* slot->send is filled */
    void (*stream_shutdown)(struct loop *loop, struct loop_slot *slot);
    void (*stream_close)(struct loop *loop, struct loop_slot *slot);
    int (*poll_watch)(struct loop *loop, struct loop_poll *poll, uint32_t events);
    void (*poll_stop)(struct loop *loop, struct loop_slot *slot);

    /*
     * Submits, waits for at most `wait_ns` (between loop_wait_begin and loop_wait_end), dispatches.
     * Returns completions handled, or -errno.
     */
    int (*gather)(struct loop *loop, uint64_t wait_ns);

    /* Is anything of a closing slot still with the kernel? Then its end waits. */
    bool (*is_quiet)(const struct loop *loop, const struct loop_slot *slot);

    /* A listener's pause after a failed accept is over. */
    void (*listener_resume)(struct loop *loop, struct loop_slot *slot);

    /* The slot is quiet and about to be released: closes a stream's descriptor. */
    void (*release)(struct loop *loop, struct loop_slot *slot);

    void (*read_clock)(struct loop *loop); /* calls loop_set_clock */
    void (*interrupt)(struct loop *loop);  /* any thread: ends a wait under way */
    void (*trim)(struct loop *loop);
    void (*close)(struct loop *loop); /* frees the backend, its base too (loop_base_fini) */
};

/* Written by the loop's thread, read by any, relaxed. */
struct loop_counters {
    struct counter turn_count;
    struct counter completion_count;
    struct counter linger_count;
    struct counter stall_count;
    struct counter stall_longest_ns;
    struct counter late_count;
    struct counter buffers_exhausted_count;
};

/* Datagrams of the current and the previous turn, to judge how long the next wait may linger. */
struct loop_pace {
    uint64_t turn_mono_ns;  /* when the last turn with datagrams gathered them */
    uint64_t interval_ns;   /* between the last two of them */
    uint64_t receive_count; /* of the last turn; 0 when it was not busy */
    uint64_t receive_bytes;
    bool is_full;      /* more was waiting than the turn took */
    uint64_t limit_ns; /* of a linger: what the smallest receive buffer so far has room for */
};

struct loop {
    const struct loop_ops *ops;
    uint64_t now_mono_ns;
    uint64_t now_unix_ns;
    struct timer_heap timers;
    struct loop_slots slots;
    uint32_t stream_count;       /* open ones */
    struct loop_slot *due_first; /* slots with callbacks to make, in order */
    struct loop_slot *due_last;
    struct loop_pace pace;
    void *turn_owner;
    loop_turn_fn *on_turn;
    uint64_t touched_mono_ns; /* last receive since the buffers were trimmed; 0 when trimmed */
    int wake_fd;              /* eventfd; -1 where the backend has none */
    struct loop_counters counters;

    /* Crosses threads: sequentially consistent, both sides write one and read the other. */
    alignas(WEIR_CACHE_LINE_BYTES) _Atomic bool is_woken; /* wakers set, the loop clears */
    _Atomic bool is_waiting;                              /* the loop sets and clears */
};

/* `loop` zeroed before. With `has_wake_fd` an eventfd is opened. 0 or -errno. */
WEIR_MUST_USE int loop_base_init(struct loop *loop, const struct loop_ops *ops, bool has_wake_fd);

/* Tolerates a partly built base. Idempotent. */
void loop_base_fini(struct loop *loop);

/* What read_clock of the real backends is. */
void loop_read_host_clock(struct loop *loop);
void loop_set_clock(struct loop *loop, uint64_t now_mono_ns, uint64_t now_unix_ns);

/* Returns how long to wait, which is 0 when a wake came first. Pairs with loop_wait_end. */
uint64_t loop_wait_begin(struct loop *loop, uint64_t wait_ns);

/* Takes the wake and reads the clock. */
void loop_wait_end(struct loop *loop);

/* Empties the eventfd after it was reported ready. */
void loop_drain_wake(struct loop *loop);

/* Takes a slot for a source; -EBUSY or 0. */
WEIR_MUST_USE int loop_take_slot(struct loop *loop, enum loop_slot_kind kind, int fd,
                                 struct loop_slot **out);

/* Has the slot's callbacks made (settled) later in this turn, or in the next. */
void loop_defer(struct loop *loop, struct loop_slot *slot);

/* Makes the callbacks that are due now; returns for how many slots. Called once per turn. */
WEIR_MUST_USE int loop_settle_due(struct loop *loop);

/* Ends a source's input: on_end or on_error follows, once. */
void loop_end_input(struct loop *loop, struct loop_slot *slot, int fault);

/* Marks the send as done; on_sent follows. */
void loop_finish_send(struct loop *loop, struct loop_slot *slot, int fault);

/* A failed accept: reports it, and calls ops->listener_resume after LOOP_ACCEPT_PAUSE_MS. */
void loop_pause_accept(struct loop *loop, struct loop_slot *slot, int fault);

/* Whether a receive or accept that failed so is worth trying again. `fault` is negative. */
bool loop_is_passing_fault(int fault);

/* Tells the pace what one burst brought. */
void loop_note_receives(struct loop *loop, size_t count, size_t bytes, bool is_full);

/* Tells the pace of a socket whose buffer has to hold what comes during a linger. */
void loop_note_socket(struct loop *loop, int fd);

/* How long the next wait should let datagrams gather; 0 for not at all. Counts it. */
uint64_t loop_linger_ns(struct loop *loop, uint64_t wait_ns);

/* Any input at all: keeps the buffers from being trimmed. */
void loop_touch(struct loop *loop);

/* What every refusal begins with; cut off where there is no falling back. */
#define LOOP_FELL_BACK_TEXT "epoll: "

/*
 * The backends. 0, -ENOMEM or -errno. `*why_text` is static: "io_uring", or LOOP_FELL_BACK_TEXT and
 * what was refused.
 */
WEIR_MUST_USE int loop_epoll_open(const struct loop_options *options, struct loop **out);
WEIR_MUST_USE int loop_uring_open(const struct loop_options *options, struct loop **out,
                                  const char **why_text);
