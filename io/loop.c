/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop — what all backends share: the order of a turn, timers, clock, wake flag, pacing and
 * counters (sources: loop_source.c). What touches the kernel stands behind the ops table.
 *
 * A turn: gather (submit, wait, dispatch), timers, what became due (on_sent, on_end, on_closed),
 * the owner's turn callback. What becomes due later than that is made in the next turn, which then
 * does not wait.
 */
#include "io/loop.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"
#include "io/loop_ops.h"
#include "io/loop_slot.h"

#define TIMERS_AT_FIRST 64
/* For sources that were stopped at the very end; the kernel may have to let go of each. */
#define SETTLE_MS 5000
/* A closed source's owner may arm a timer for the next turn, and that another one. */
#define SETTLE_TURNS 8

/* --- building -------------------------------------------------------------------------------- */

int loop_base_init(struct loop *loop, const struct loop_ops *ops, bool has_wake_fd)
{
    *loop = (struct loop){
        .ops = ops,
        .wake_fd = -1,
        .pace.limit_ns = LOOP_LINGER_LONG_US * 1000,
    };
    int err = timer_heap_init(&loop->timers, TIMERS_AT_FIRST);
    if (err != 0) {
        return err;
    }
    if (has_wake_fd) {
        loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (loop->wake_fd < 0) {
            return -errno;
        }
    }
    ops->read_clock(loop);
    return 0;
}

void loop_base_fini(struct loop *loop)
{
    timer_heap_fini(&loop->timers);
    loop_slots_fini(&loop->slots);
    if (loop->wake_fd >= 0) {
        (void)close(loop->wake_fd); /* an eventfd has nothing left to flush */
    }
    loop->wake_fd = -1;
}

int loop_open(const struct loop_options *options, struct loop **out, const char **why_text)
{
    const char *text = NULL;
    int err = -EINVAL;
    switch (options->backend) {
    case LOOP_BACKEND_URING:
    case LOOP_BACKEND_AUTO:
        err = loop_uring_open(options, out, &text);
        break;
    case LOOP_BACKEND_EPOLL:
        err = loop_epoll_open(options, out);
        text = LOOP_FELL_BACK_TEXT "as configured";
        break;
    }
    if (err != 0 && options->backend == LOOP_BACKEND_AUTO) {
        err = loop_epoll_open(options, out);
    } else if (err != 0 && text != NULL) {
        text += sizeof(LOOP_FELL_BACK_TEXT) - 1; /* nothing was fallen back to */
    }
    if (why_text != NULL) {
        *why_text = text;
    }
    return err;
}

void loop_settle(struct loop *loop)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + SETTLE_MS * CLOCK_NS_PER_MS;
    bool is_over = false;
    for (uint32_t i = 0; i < SETTLE_TURNS || !is_over; i++) {
        /* What is closed may have something to do for its owner yet, which takes no time. */
        int handled = loop_turn(loop, loop->slots.used_count > 0 ? CLOCK_NS_PER_MS : 0);
        bool is_failed = handled < 0 && handled != -EINTR;
        is_over = loop->slots.used_count == 0 || is_failed || clock_mono_ns() >= deadline_mono_ns;
    }
}

void loop_close(struct loop *loop)
{
    if (loop != NULL) {
        ASSERT(loop->slots.used_count == 0);
        loop->ops->close(loop);
    }
}

enum loop_backend loop_backend_of(const struct loop *loop)
{
    return loop->ops->backend;
}

/* --- clock, timers, wake ---------------------------------------------------------------------- */

void loop_read_host_clock(struct loop *loop)
{
    loop_set_clock(loop, clock_mono_ns(), clock_unix_ns());
}

void loop_set_clock(struct loop *loop, uint64_t now_mono_ns, uint64_t now_unix_ns)
{
    loop->now_mono_ns = now_mono_ns;
    loop->now_unix_ns = now_unix_ns;
}

uint64_t loop_now_mono_ns(const struct loop *loop)
{
    return loop->now_mono_ns;
}

uint64_t loop_now_unix_ns(const struct loop *loop)
{
    return loop->now_unix_ns;
}

int loop_timer_arm(struct loop *loop, struct timer *timer, uint64_t deadline_mono_ns)
{
    return timer_arm(&loop->timers, timer, deadline_mono_ns);
}

void loop_timer_cancel(struct loop *loop, struct timer *timer)
{
    timer_cancel(&loop->timers, timer);
}

void loop_set_turn(struct loop *loop, void *owner, loop_turn_fn *on_turn)
{
    loop->turn_owner = owner;
    loop->on_turn = on_turn;
}

/*
 * The waker writes is_woken and reads is_waiting; the loop writes is_waiting and reads is_woken.
 * Both orders are sequentially consistent, so at least one side sees the other. The exchange may
 * not become a plain look first: a waker's earlier push has to be visible to whoever clears the
 * flag.
 */
void loop_wake(struct loop *loop)
{
    if (!atomic_exchange(&loop->is_woken, true) && atomic_load(&loop->is_waiting)) {
        loop->ops->interrupt(loop);
    }
}

uint64_t loop_wait_begin(struct loop *loop, uint64_t wait_ns)
{
    if (wait_ns == 0) {
        return 0;
    }
    atomic_store(&loop->is_waiting, true);
    return atomic_load(&loop->is_woken) ? 0 : wait_ns;
}

void loop_wait_end(struct loop *loop)
{
    atomic_store_explicit(&loop->is_waiting, false, memory_order_relaxed);
    (void)atomic_exchange(&loop->is_woken, false); /* whichever it was, this turn answers it */
    loop->ops->read_clock(loop);
}

void loop_drain_wake(struct loop *loop)
{
    uint64_t count;
    ssize_t got = read(loop->wake_fd, &count, sizeof(count));
    (void)got; /* EAGAIN: another turn had it already */
}

/* --- pace ------------------------------------------------------------------------------------ */

void loop_touch(struct loop *loop)
{
    loop->touched_mono_ns = loop->now_mono_ns;
}

void loop_note_receives(struct loop *loop, size_t count, size_t bytes, bool is_full)
{
    struct loop_pace *pace = &loop->pace;
    if (pace->receive_count == 0) {
        pace->interval_ns = loop->now_mono_ns - pace->turn_mono_ns;
        pace->turn_mono_ns = loop->now_mono_ns;
    }
    pace->receive_count += count;
    pace->receive_bytes += bytes;
    pace->is_full = pace->is_full || is_full;
    loop_touch(loop);
}

void loop_note_socket(struct loop *loop, int fd)
{
    int buffer_bytes = 0;
    socklen_t len = sizeof(buffer_bytes);
    /* 0 stays where it fails: the shortest linger. */
    (void)getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, &len);
    uint64_t room_us = (uint64_t)buffer_bytes / LOOP_LINGER_ROOM_BYTES;
    uint64_t limit_ns = (room_us > LOOP_LINGER_US ? room_us : LOOP_LINGER_US) * 1000;
    loop->pace.limit_ns = limit_ns < loop->pace.limit_ns ? limit_ns : loop->pace.limit_ns;
}

uint64_t loop_linger_ns(struct loop *loop, uint64_t wait_ns)
{
    struct loop_pace pace = loop->pace;
    /* Somebody at the end of a stream may be waiting for an answer. */
    uint64_t limit_ns = loop->stream_count == 0 ? pace.limit_ns : LOOP_LINGER_US * 1000;
    loop->pace.receive_count = 0;
    loop->pace.receive_bytes = 0;
    loop->pace.is_full = false;
    bool is_sparse = pace.receive_count * limit_ns < LOOP_LINGER_WORTH * pace.interval_ns;
    if (pace.receive_count == 0 || pace.is_full || is_sparse) {
        return 0;
    }
    /* Silence before that turn says nothing about the rate inside it: take the higher estimate. */
    uint64_t interval_ns = pace.interval_ns < limit_ns ? pace.interval_ns : limit_ns;
    uint64_t by_count_ns = interval_ns * LOOP_LINGER_RECEIVES / pace.receive_count;
    uint64_t by_bytes_ns = interval_ns * LOOP_LINGER_BYTES / (pace.receive_bytes + 1);
    uint64_t linger_ns = wait_ns < limit_ns ? wait_ns : limit_ns;
    linger_ns = by_count_ns < linger_ns ? by_count_ns : linger_ns;
    linger_ns = by_bytes_ns < linger_ns ? by_bytes_ns : linger_ns;
    if (linger_ns < LOOP_LINGER_MIN_US * 1000) {
        return 0;
    }
    counter_add(&loop->counters.linger_count, 1);
    return linger_ns;
}

/* --- the turn -------------------------------------------------------------------------------- */

static uint64_t limit_wait(uint64_t wait_ns, uint64_t now_mono_ns, uint64_t deadline_mono_ns)
{
    uint64_t until_ns = deadline_mono_ns > now_mono_ns ? deadline_mono_ns - now_mono_ns : 0;
    return until_ns < wait_ns ? until_ns : wait_ns;
}

static uint64_t wait_limit_ns(struct loop *loop, uint64_t wait_max_ns)
{
    if (loop->due_first != NULL) {
        return 0;
    }
    uint64_t wait_ns = wait_max_ns;
    uint64_t next_mono_ns = timer_next_mono_ns(&loop->timers);
    if (next_mono_ns != UINT64_MAX) {
        wait_ns = limit_wait(wait_ns, loop->now_mono_ns, next_mono_ns);
    }
    if (loop->touched_mono_ns != 0) {
        uint64_t trim_mono_ns = loop->touched_mono_ns + LOOP_TRIM_AFTER_MS * CLOCK_NS_PER_MS;
        wait_ns = limit_wait(wait_ns, loop->now_mono_ns, trim_mono_ns);
    }
    return wait_ns;
}

/* A second look at the clock, so that a stall is seen and the next wait is measured from here. */
static void finish_turn(struct loop *loop, uint64_t begin_mono_ns, int handled_count)
{
    counter_add(&loop->counters.turn_count, 1);
    counter_add(&loop->counters.completion_count, (uint64_t)handled_count);
    if (loop->touched_mono_ns != 0 &&
        loop->now_mono_ns - loop->touched_mono_ns >= LOOP_TRIM_AFTER_MS * CLOCK_NS_PER_MS) {
        loop_trim(loop);
    }
    if (handled_count == 0) {
        return;
    }
    loop->ops->read_clock(loop);
    uint64_t spent_ns = loop->now_mono_ns - begin_mono_ns;
    if (spent_ns > LOOP_STALL_MS * CLOCK_NS_PER_MS) {
        counter_add(&loop->counters.stall_count, 1);
        if (spent_ns > counter_read(&loop->counters.stall_longest_ns)) {
            counter_set(&loop->counters.stall_longest_ns, spent_ns);
        }
    }
}

int loop_turn(struct loop *loop, uint64_t wait_max_ns)
{
    int handled_count = loop->ops->gather(loop, wait_limit_ns(loop, wait_max_ns));
    if (handled_count < 0) {
        return handled_count;
    }
    uint64_t begin_mono_ns = loop->now_mono_ns;
    handled_count += (int)timer_run(&loop->timers, begin_mono_ns, LOOP_BUDGET_EVENTS);
    handled_count += loop_settle_due(loop);
    if (loop->on_turn != NULL) {
        loop->on_turn(loop->turn_owner, begin_mono_ns);
    }
    finish_turn(loop, begin_mono_ns, handled_count);
    return handled_count;
}

void loop_trim(struct loop *loop)
{
    loop->touched_mono_ns = 0;
    loop->ops->trim(loop);
}

void loop_stats_read(const struct loop *loop, struct loop_stats *out)
{
    const struct loop_counters *counters = &loop->counters;
    *out = (struct loop_stats){
        .turn_count = counter_read(&counters->turn_count),
        .completion_count = counter_read(&counters->completion_count),
        .linger_count = counter_read(&counters->linger_count),
        .stall_count = counter_read(&counters->stall_count),
        .stall_longest_ns = counter_read(&counters->stall_longest_ns),
        .late_count = counter_read(&counters->late_count),
        .buffers_exhausted_count = counter_read(&counters->buffers_exhausted_count),
    };
}
