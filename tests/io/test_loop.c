/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/loop.h, each on every backend: timers, wake, polls, listeners, streams, limits of
 * building. Datagrams are tested through io/dgram in test_dgram.c.
 */
#include "tests/support/loop_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "io/io_bounds.h"

/* --- timers and clock ------------------------------------------------------------------------- */

struct ticker {
    struct timer timer;
    uint64_t fired_count;
    uint64_t fired_mono_ns;
};

static void ticker_on_fire(struct timer *timer, uint64_t now_mono_ns)
{
    struct ticker *ticker = CONTAINER_OF(timer, struct ticker, timer);
    ticker->fired_count++;
    ticker->fired_mono_ns = now_mono_ns;
}

static void test_timer_fires_once_and_not_early(void **state)
{
    struct loop *loop = *state;
    struct ticker ticker = {.timer.on_fire = ticker_on_fire};
    uint64_t deadline_mono_ns = clock_mono_ns() + 20 * CLOCK_NS_PER_MS;
    assert_int_equal(loop_timer_arm(loop, &ticker.timer, deadline_mono_ns), 0);
    loop_fixture_until(loop, &ticker.fired_count);
    assert_true(ticker.fired_mono_ns >= deadline_mono_ns);
    loop_fixture_run(loop, 5 * CLOCK_NS_PER_MS);
    assert_int_equal(ticker.fired_count, 1);
}

static void test_timer_ends_a_wait_without_end(void **state)
{
    struct loop *loop = *state;
    struct ticker ticker = {.timer.on_fire = ticker_on_fire};
    assert_int_equal(loop_timer_arm(loop, &ticker.timer, clock_mono_ns() + CLOCK_NS_PER_MS), 0);
    for (int i = 0; i < 10 && ticker.fired_count == 0; i++) {
        assert_true(loop_turn(loop, UINT64_MAX) >= 0);
    }
    assert_int_equal(ticker.fired_count, 1);
}

static void test_timers_ten_thousand_all_fire(void **state)
{
    enum { COUNT = 10000 };
    struct loop *loop = *state;
    struct ticker *tickers = mem_alloc_array(COUNT, sizeof(*tickers));
    assert_non_null(tickers);
    uint64_t base_mono_ns = clock_mono_ns();
    for (uint64_t i = 0; i < COUNT; i++) {
        tickers[i].timer.on_fire = ticker_on_fire;
        uint64_t deadline_mono_ns = base_mono_ns + (i * 7919 % COUNT) * 1000;
        assert_int_equal(loop_timer_arm(loop, &tickers[i].timer, deadline_mono_ns), 0);
    }
    loop_timer_cancel(loop, &tickers[17].timer);
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    uint64_t fired_count = 0;
    while (fired_count < COUNT - 1 && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
        fired_count = 0;
        for (size_t i = 0; i < COUNT; i++) {
            fired_count += tickers[i].fired_count;
        }
    }
    assert_int_equal(fired_count, COUNT - 1);
    assert_int_equal(tickers[17].fired_count, 0);
    mem_free(tickers);
}

static void count_on_turn(void *owner, uint64_t now_mono_ns)
{
    uint64_t *count = owner;
    assert_true(now_mono_ns > 0);
    (*count)++;
}

static void test_turn_callback_runs_once_per_turn(void **state)
{
    struct loop *loop = *state;
    uint64_t count = 0;
    loop_set_turn(loop, &count, count_on_turn);
    for (int i = 0; i < 5; i++) {
        assert_true(loop_turn(loop, 0) >= 0);
    }
    assert_int_equal(count, 5);
    struct loop_stats stats;
    loop_stats_read(loop, &stats);
    assert_int_equal(stats.turn_count, 5);
    assert_true(loop_now_unix_ns(loop) > UINT64_C(1600000000) * CLOCK_NS_PER_S);
}

static void test_turn_that_waits_in_vain_takes_its_time(void **state)
{
    struct loop *loop = *state;
    assert_true(loop_turn(loop, 0) >= 0);
    uint64_t begin_mono_ns = clock_mono_ns();
    assert_int_equal(loop_turn(loop, 20 * CLOCK_NS_PER_MS), 0);
    assert_true(clock_mono_ns() - begin_mono_ns >= 19 * CLOCK_NS_PER_MS);
}

static void sleep_on_fire(struct timer *timer, uint64_t now_mono_ns)
{
    ticker_on_fire(timer, now_mono_ns);
    assert_int_equal(usleep((LOOP_STALL_MS + 20) * 1000), 0);
}

static void test_long_turn_counts_as_stall(void **state)
{
    struct loop *loop = *state;
    struct ticker ticker = {.timer.on_fire = sleep_on_fire};
    assert_int_equal(loop_timer_arm(loop, &ticker.timer, 1), 0);
    loop_fixture_until(loop, &ticker.fired_count);
    struct loop_stats stats;
    loop_stats_read(loop, &stats);
    assert_int_equal(stats.stall_count, 1);
    assert_true(stats.stall_longest_ns > LOOP_STALL_MS * CLOCK_NS_PER_MS);
}

/* --- wake ------------------------------------------------------------------------------------ */

#define WAKES 2000

/* Messages pass one at a time: each wake has to arrive, or both sides stand still. */
struct relay {
    struct loop *loop;
    _Atomic uint64_t pushed_count;
    _Atomic uint64_t taken_count;
    _Atomic bool is_over; /* the thread has ended, or given up */
};

static void *relay_run(void *argument)
{
    struct relay *relay = argument;
    for (uint64_t i = 1; i <= WAKES; i++) {
        atomic_store(&relay->pushed_count, i);
        loop_wake(relay->loop);
        uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
        while (atomic_load(&relay->taken_count) < i && clock_mono_ns() < deadline_mono_ns) {
            (void)sched_yield(); /* the loop's thread may have no other CPU */
        }
        if (atomic_load(&relay->taken_count) < i) {
            atomic_store(&relay->is_over, true);
            return relay; /* a wake was lost */
        }
    }
    atomic_store(&relay->is_over, true);
    return NULL;
}

static void relay_on_turn(void *owner, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct relay *relay = owner;
    atomic_store(&relay->taken_count, atomic_load(&relay->pushed_count));
}

static void test_wake_from_another_thread_is_never_lost(void **state)
{
    struct relay relay = {.loop = *state};
    loop_set_turn(*state, &relay, relay_on_turn);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, relay_run, &relay), 0);
    while (atomic_load(&relay.taken_count) < WAKES && !atomic_load(&relay.is_over)) {
        assert_true(loop_turn(*state, 2 * LOOP_FIXTURE_PATIENCE_NS) >= 0);
    }
    void *lost = NULL;
    assert_int_equal(pthread_join(thread, &lost), 0);
    assert_null(lost);
}

static void test_wake_before_the_wait_makes_it_return(void **state)
{
    struct loop *loop = *state;
    loop_wake(loop);
    uint64_t begin_mono_ns = clock_mono_ns();
    assert_true(loop_turn(loop, 60 * CLOCK_NS_PER_S) >= 0);
    assert_true(clock_mono_ns() - begin_mono_ns < 20 * CLOCK_NS_PER_S);
}

/* --- polls ----------------------------------------------------------------------------------- */

struct watcher {
    struct loop_poll poll;
    struct loop *loop;
    uint64_t ready_count;
    uint64_t closed_count;
    uint32_t events;
    uint32_t stop_after_count;
};

static void watcher_on_ready(struct loop_poll *poll, uint32_t events)
{
    struct watcher *watcher = CONTAINER_OF(poll, struct watcher, poll);
    watcher->ready_count++;
    watcher->events = events;
    assert_int_equal(watcher->closed_count, 0);
    if (watcher->ready_count == watcher->stop_after_count) {
        loop_poll_stop(watcher->loop, poll);
    }
}

static void watcher_on_closed(struct loop_poll *poll)
{
    CONTAINER_OF(poll, struct watcher, poll)->closed_count++;
}

static struct watcher watcher_of(struct loop *loop, int fd)
{
    return (struct watcher){
        .poll = {.fd = fd, .on_ready = watcher_on_ready, .on_closed = watcher_on_closed},
        .loop = loop,
    };
}

static void test_poll_is_level_triggered_until_stopped(void **state)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    struct watcher watcher = watcher_of(*state, ends[0]);
    watcher.stop_after_count = 3;
    assert_int_equal(loop_poll_watch(*state, &watcher.poll, LOOP_POLL_READ), 0);
    loop_fixture_run(*state, 3 * CLOCK_NS_PER_MS);
    assert_int_equal(watcher.ready_count, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    loop_fixture_until(*state, &watcher.closed_count);
    assert_int_equal(watcher.ready_count, 3);
    assert_int_equal(watcher.events, LOOP_POLL_READ);
    assert_null(watcher.poll.slot);
    close(ends[0]);
    close(ends[1]);
}

static void test_poll_changes_what_it_watches(void **state)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    struct watcher watcher = watcher_of(*state, ends[0]);
    assert_int_equal(loop_poll_watch(*state, &watcher.poll, LOOP_POLL_READ), 0);
    loop_fixture_run(*state, 2 * CLOCK_NS_PER_MS);
    assert_int_equal(watcher.ready_count, 0);
    assert_int_equal(loop_poll_watch(*state, &watcher.poll, LOOP_POLL_WRITE), 0);
    loop_fixture_until(*state, &watcher.ready_count);
    assert_int_equal(watcher.events, LOOP_POLL_WRITE);
    assert_int_equal(loop_poll_watch(*state, &watcher.poll, 0), 0);
    loop_fixture_run(*state, 2 * CLOCK_NS_PER_MS);
    watcher.ready_count = 0;
    close(ends[1]); /* a hang-up, while nothing is watched for, must not spin or report */
    loop_fixture_run(*state, 2 * CLOCK_NS_PER_MS);
    assert_int_equal(watcher.ready_count, 0);
    loop_poll_stop(*state, &watcher.poll);
    loop_poll_stop(*state, &watcher.poll);
    close(ends[0]);
    loop_fixture_until(*state, &watcher.closed_count);
    assert_int_equal(watcher.closed_count, 1);
}

/* The number of a closed descriptor is taken over at once; the old watch must not see the new one.
 */
static void test_poll_stop_forgets_the_number(void **state)
{
    int old_ends[2];
    int new_ends[2];
    assert_int_equal(pipe2(old_ends, O_NONBLOCK | O_CLOEXEC), 0);
    struct watcher watcher = watcher_of(*state, old_ends[0]);
    assert_int_equal(loop_poll_watch(*state, &watcher.poll, LOOP_POLL_READ), 0);
    loop_poll_stop(*state, &watcher.poll);
    close(old_ends[0]);
    close(old_ends[1]);
    assert_int_equal(pipe2(new_ends, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(write(new_ends[1], "x", 1), 1);
    loop_fixture_until(*state, &watcher.closed_count);
    loop_fixture_run(*state, 2 * CLOCK_NS_PER_MS);
    assert_int_equal(watcher.ready_count, 0);
    close(new_ends[0]);
    close(new_ends[1]);
}

/* --- listeners and streams -------------------------------------------------------------------- */

#define INPUT_MAX_BYTES (1 << 20)

struct peer {
    struct loop_stream stream;
    struct loop *loop;
    uint8_t *input; /* owned by the test */
    size_t input_bytes;
    uint64_t ended_count;
    uint64_t sent_count;
    uint64_t closed_count;
    int end_fault;
    int sent_fault;
    bool is_pausing; /* pauses at the next bytes */
    bool is_closing; /* closes at the next bytes */
};

static void peer_on_receive(struct loop_stream *stream, struct slice bytes)
{
    struct peer *peer = CONTAINER_OF(stream, struct peer, stream);
    assert_true(bytes.len > 0 && bytes.len <= INPUT_MAX_BYTES - peer->input_bytes);
    assert_int_equal(peer->ended_count + peer->closed_count, 0);
    memcpy(peer->input + peer->input_bytes, bytes.ptr, bytes.len);
    peer->input_bytes += bytes.len;
    if (peer->is_pausing) {
        peer->is_pausing = false;
        loop_stream_pause(peer->loop, stream);
    }
    if (peer->is_closing) {
        loop_stream_close(peer->loop, stream);
    }
}

static void peer_on_end(struct loop_stream *stream, int fault)
{
    struct peer *peer = CONTAINER_OF(stream, struct peer, stream);
    peer->ended_count++;
    peer->end_fault = fault;
}

static void peer_on_sent(struct loop_stream *stream, int fault)
{
    struct peer *peer = CONTAINER_OF(stream, struct peer, stream);
    peer->sent_count++;
    peer->sent_fault = fault;
}

static void peer_on_closed(struct loop_stream *stream)
{
    CONTAINER_OF(stream, struct peer, stream)->closed_count++;
}

/* A stream in the loop, and the plain descriptor at its other end. */
static int peer_open(struct peer *peer, struct loop *loop)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    *peer = (struct peer){
        .stream = {.fd = ends[0],
                   .on_receive = peer_on_receive,
                   .on_end = peer_on_end,
                   .on_sent = peer_on_sent,
                   .on_closed = peer_on_closed},
        .loop = loop,
        .input = mem_alloc(INPUT_MAX_BYTES),
    };
    assert_non_null(peer->input);
    assert_int_equal(loop_stream_start(loop, &peer->stream), 0);
    return ends[1];
}

static void peer_close(struct peer *peer, int far_fd)
{
    loop_stream_close(peer->loop, &peer->stream);
    loop_stream_close(peer->loop, &peer->stream);
    loop_fixture_until(peer->loop, &peer->closed_count);
    assert_int_equal(peer->closed_count, 1);
    mem_free(peer->input);
    close(far_fd);
}

static void turn_until_input(struct peer *peer, size_t input_bytes)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (peer->input_bytes < input_bytes && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(peer->loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_int_equal(peer->input_bytes, input_bytes);
}

static void test_stream_receives_in_order_then_end(void **state)
{
    struct peer peer;
    int far_fd = peer_open(&peer, *state);
    for (size_t i = 0; i < 300; i++) {
        uint8_t block[1000];
        memset(block, (int)(i % 251), sizeof(block));
        size_t done_bytes = 0;
        while (done_bytes < sizeof(block)) {
            ssize_t sent = write(far_fd, block + done_bytes, sizeof(block) - done_bytes);
            if (sent < 0) {
                assert_int_equal(errno, EAGAIN);
                assert_true(loop_turn(*state, CLOCK_NS_PER_MS) >= 0);
                continue;
            }
            done_bytes += (size_t)sent;
        }
    }
    assert_int_equal(shutdown(far_fd, SHUT_WR), 0);
    loop_fixture_until(*state, &peer.ended_count);
    assert_int_equal(peer.end_fault, 0);
    assert_int_equal(peer.input_bytes, 300000);
    for (size_t i = 0; i < peer.input_bytes; i++) {
        assert_int_equal(peer.input[i], i / 1000 % 251);
    }
    loop_fixture_run(*state, 3 * CLOCK_NS_PER_MS);
    assert_int_equal(peer.ended_count, 1);
    peer_close(&peer, far_fd);
}

static void test_stream_pause_holds_everything_back(void **state)
{
    struct peer peer;
    int far_fd = peer_open(&peer, *state);
    peer.is_pausing = true;
    assert_int_equal(write(far_fd, "a", 1), 1);
    turn_until_input(&peer, 1);
    assert_int_equal(write(far_fd, "bc", 2), 2);
    assert_int_equal(shutdown(far_fd, SHUT_WR), 0);
    loop_fixture_run(*state, 5 * CLOCK_NS_PER_MS);
    assert_int_equal(peer.input_bytes, 1);
    assert_int_equal(peer.ended_count, 0);
    loop_stream_resume(*state, &peer.stream);
    loop_stream_pause(*state, &peer.stream);
    loop_stream_resume(*state, &peer.stream);
    loop_fixture_until(*state, &peer.ended_count);
    assert_int_equal(peer.input_bytes, 3);
    assert_memory_equal(peer.input, "abc", 3);
    peer_close(&peer, far_fd);
}

/* Pausing between the bytes' arrival and their completion's dispatch loses or doubles nothing. */
static void test_stream_pause_and_resume_in_every_turn_keeps_order(void **state)
{
    struct peer peer;
    int far_fd = peer_open(&peer, *state);
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t byte = (uint8_t)i;
        assert_int_equal(write(far_fd, &byte, 1), 1);
        if (i % 2 == 0) {
            loop_stream_pause(*state, &peer.stream);
        } else {
            loop_stream_resume(*state, &peer.stream);
        }
        if (i % 3 == 0) {
            assert_true(loop_turn(*state, 0) >= 0);
        }
    }
    loop_stream_resume(*state, &peer.stream);
    turn_until_input(&peer, 2000);
    for (size_t i = 0; i < 2000; i++) {
        assert_int_equal(peer.input[i], (uint8_t)i);
    }
    peer_close(&peer, far_fd);
}

static void test_stream_sends_more_than_the_socket_holds(void **state)
{
    enum { BYTES = 2 << 20 };
    struct peer peer;
    int far_fd = peer_open(&peer, *state);
    uint8_t *output = mem_alloc(BYTES);
    uint8_t *read_back = mem_alloc(BYTES);
    assert_non_null(output);
    assert_non_null(read_back);
    for (size_t i = 0; i < BYTES; i++) {
        output[i] = (uint8_t)(i * 31 >> 3);
    }
    struct iovec iov[3] = {
        {.iov_base = output, .iov_len = 10},
        {.iov_base = output + 10, .iov_len = 0},
        {.iov_base = output + 10, .iov_len = BYTES - 10},
    };
    assert_int_equal(loop_stream_send(*state, &peer.stream, iov, 3), 0);
    assert_int_equal(loop_stream_send(*state, &peer.stream, iov, 1), -EBUSY);
    assert_int_equal(peer.sent_count, 0);
    size_t got_bytes = 0;
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (got_bytes < BYTES && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(*state, CLOCK_NS_PER_MS) >= 0);
        ssize_t got = read(far_fd, read_back + got_bytes, BYTES - got_bytes);
        got_bytes += got > 0 ? (size_t)got : 0;
    }
    assert_int_equal(got_bytes, BYTES);
    assert_memory_equal(output, read_back, BYTES);
    loop_fixture_until(*state, &peer.sent_count);
    assert_int_equal(peer.sent_fault, 0);
    loop_stream_shutdown(*state, &peer.stream);
    assert_true(loop_turn(*state, 0) >= 0);
    assert_int_equal(read(far_fd, read_back, 1), 0);
    mem_free(output);
    mem_free(read_back);
    peer_close(&peer, far_fd);
}

static void test_stream_send_to_a_peer_that_is_gone_fails(void **state)
{
    struct peer peer;
    int far_fd = peer_open(&peer, *state);
    close(far_fd);
    struct iovec iov = {.iov_base = (void *)(uintptr_t) "x", .iov_len = 1};
    assert_int_equal(loop_stream_send(*state, &peer.stream, &iov, 1), 0);
    loop_fixture_until(*state, &peer.sent_count);
    assert_int_equal(peer.sent_fault, -EPIPE);
    loop_fixture_until(*state, &peer.ended_count);
    peer_close(&peer, dup(STDOUT_FILENO));
}

static void test_stream_close_from_receive_and_during_send(void **state)
{
    static uint8_t output[1 << 20];
    struct peer peer;
    int far_fd = peer_open(&peer, *state);
    struct iovec iov = {.iov_base = output, .iov_len = sizeof(output)};
    assert_int_equal(loop_stream_send(*state, &peer.stream, &iov, 1), 0);
    assert_true(loop_turn(*state, 0) >= 0);
    peer.is_closing = true;
    assert_int_equal(write(far_fd, "bye", 3), 3);
    loop_fixture_until(*state, &peer.closed_count);
    assert_int_equal(peer.sent_count, 0);
    assert_int_equal(peer.ended_count, 0);
    assert_int_equal(peer.input_bytes, 3);
    mem_free(peer.input);
    close(far_fd);
}

struct door {
    struct loop_listener listener;
    uint64_t accepted_count;
    uint64_t failed_count;
    uint64_t closed_count;
    int last_fault;
    struct loop_address last_peer;
};

static void door_on_accept(struct loop_listener *listener, int fd, const struct loop_address *peer)
{
    struct door *door = CONTAINER_OF(listener, struct door, listener);
    door->accepted_count++;
    door->last_peer = *peer;
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(fd);
}

static void door_on_error(struct loop_listener *listener, int fault)
{
    struct door *door = CONTAINER_OF(listener, struct door, listener);
    door->failed_count++;
    door->last_fault = fault;
}

static void door_on_closed(struct loop_listener *listener)
{
    CONTAINER_OF(listener, struct door, listener)->closed_count++;
}

static struct door door_open(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    *address = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(*address);
    assert_int_equal(bind(fd, (struct sockaddr *)address, len), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
    return (struct door){
        .listener = {.fd = fd,
                     .on_accept = door_on_accept,
                     .on_error = door_on_error,
                     .on_closed = door_on_closed},
    };
}

static int knock(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

static void test_listener_accepts_until_stopped(void **state)
{
    struct sockaddr_in address;
    struct door door = door_open(&address);
    assert_int_equal(loop_listener_start(*state, &door.listener), 0);
    for (uint64_t i = 0; i < 20; i++) {
        int fd = knock(&address);
        struct sockaddr_in own;
        socklen_t len = sizeof(own);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
        uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
        while (door.accepted_count <= i && clock_mono_ns() < deadline_mono_ns) {
            assert_true(loop_turn(*state, CLOCK_NS_PER_MS) >= 0);
        }
        assert_int_equal(door.accepted_count, i + 1);
        assert_int_equal(door.last_peer.in4.sin_port, own.sin_port);
        close(fd);
    }
    int waiting[2] = {knock(&address), knock(&address)};
    loop_listener_stop(*state, &door.listener);
    loop_fixture_until(*state, &door.closed_count);
    assert_int_equal(door.accepted_count, 22); /* those who waited come before on_closed */
    close(waiting[0]);
    close(waiting[1]);
    int fd = knock(&address); /* into the backlog */
    loop_fixture_run(*state, 3 * CLOCK_NS_PER_MS);
    assert_int_equal(door.accepted_count, 22);
    close(fd);
    close(door.listener.fd);
}

/* Without descriptors accepting pauses instead of spinning, and goes on by itself. */
static void test_listener_survives_running_out_of_descriptors(void **state)
{
    enum { HOARD_MAX = 65536 };
    static int hoard[HOARD_MAX];
    struct sockaddr_in address;
    struct door door = door_open(&address);
    assert_int_equal(loop_listener_start(*state, &door.listener), 0);
    assert_true(loop_turn(*state, 0) >= 0);
    int client_fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t hoard_count = 0;
    while (hoard_count < HOARD_MAX) {
        hoard[hoard_count] = dup(client_fd);
        if (hoard[hoard_count] < 0) {
            break;
        }
        hoard_count++;
    }
    assert_true(hoard_count < HOARD_MAX);
    assert_int_equal(connect(client_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    loop_fixture_until(*state, &door.failed_count);
    assert_int_equal(door.last_fault, -EMFILE);
    struct loop_stats before;
    struct loop_stats after;
    loop_stats_read(*state, &before);
    loop_fixture_run(*state, 30 * CLOCK_NS_PER_MS);
    loop_stats_read(*state, &after);
    assert_true(after.completion_count - before.completion_count < 10);
    for (size_t i = 0; i < hoard_count; i++) {
        close(hoard[i]);
    }
    loop_fixture_until(*state, &door.accepted_count);
    loop_listener_stop(*state, &door.listener);
    loop_fixture_until(*state, &door.closed_count);
    close(client_fd);
    close(door.listener.fd);
}

/* --- building -------------------------------------------------------------------------------- */

static void test_open_survives_every_failing_allocation(void **state)
{
    (void)state;
    struct loop_options options = {.backend = loop_fixture_backend};
    for (uint64_t nth = 1; nth < 20; nth++) {
        struct loop *loop = NULL;
        mem_fail_nth(nth);
        int err = loop_open(&options, &loop, NULL);
        mem_fail_nth(0);
        if (err == 0) {
            loop_close(loop);
            assert_true(nth > 3);
            return;
        }
        assert_int_equal(err, -ENOMEM);
        assert_null(loop);
    }
    fail_msg("opening a loop takes more allocations than expected");
}

static void test_open_says_which_backend_and_why(void **state)
{
    const char *why_text = NULL;
    struct loop *loop = NULL;
    assert_int_equal(loop_backend_of(*state), loop_fixture_backend);
    struct loop_options options = {.backend = LOOP_BACKEND_AUTO};
    assert_int_equal(loop_open(&options, &loop, &why_text), 0);
    assert_non_null(why_text);
    const char *expected = loop_backend_of(loop) == LOOP_BACKEND_URING ? "io_uring" : "epoll: ";
    assert_int_equal(strncmp(why_text, expected, strlen(expected)), 0);
    loop_close(loop);
}

/* In a child, because a seccomp filter stays: 0 where both answers are right. */
static int ask_while_refused(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = COUNT_OF(code), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
        return 1;
    }
    const char *why_text = NULL;
    struct loop *loop = NULL;
    struct loop_options options = {.backend = LOOP_BACKEND_URING};
    if (loop_open(&options, &loop, &why_text) != -EPERM || loop != NULL) {
        return 2;
    }
    if (strncmp(why_text, "io_uring_setup refused with EPERM", 33) != 0 ||
        strstr(why_text, "seccomp") == NULL) {
        return 3;
    }
    options.backend = LOOP_BACKEND_AUTO;
    if (loop_open(&options, &loop, &why_text) != 0 || loop_backend_of(loop) != LOOP_BACKEND_EPOLL) {
        return 4;
    }
    loop_close(loop);
    return strncmp(why_text, "epoll: io_uring_setup refused with EPERM", 40) == 0 ? 0 : 5;
}

static void test_open_falls_back_where_seccomp_refuses(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(ask_while_refused());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int run(const char *name)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_timer_fires_once_and_not_early),
        LOOP_TEST(test_timer_ends_a_wait_without_end),
        LOOP_TEST(test_timers_ten_thousand_all_fire),
        LOOP_TEST(test_turn_callback_runs_once_per_turn),
        LOOP_TEST(test_turn_that_waits_in_vain_takes_its_time),
        LOOP_TEST(test_long_turn_counts_as_stall),
        LOOP_TEST(test_wake_from_another_thread_is_never_lost),
        LOOP_TEST(test_wake_before_the_wait_makes_it_return),
        LOOP_TEST(test_poll_is_level_triggered_until_stopped),
        LOOP_TEST(test_poll_changes_what_it_watches),
        LOOP_TEST(test_poll_stop_forgets_the_number),
        LOOP_TEST(test_stream_receives_in_order_then_end),
        LOOP_TEST(test_stream_pause_holds_everything_back),
        LOOP_TEST(test_stream_pause_and_resume_in_every_turn_keeps_order),
        LOOP_TEST(test_stream_sends_more_than_the_socket_holds),
        LOOP_TEST(test_stream_send_to_a_peer_that_is_gone_fails),
        LOOP_TEST(test_stream_close_from_receive_and_during_send),
        LOOP_TEST(test_listener_accepts_until_stopped),
        LOOP_TEST(test_listener_survives_running_out_of_descriptors),
        cmocka_unit_test(test_open_survives_every_failing_allocation),
        LOOP_TEST(test_open_says_which_backend_and_why),
        cmocka_unit_test(test_open_falls_back_where_seccomp_refuses),
    };
    return _cmocka_run_group_tests(name, tests, COUNT_OF(tests), NULL, NULL);
}

int main(void)
{
    return loop_fixture_main(run);
}
