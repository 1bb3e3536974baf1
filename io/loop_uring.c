/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_uring — the loop on io_uring: one ring per thread, created on it.
 *
 * With SINGLE_ISSUER and DEFER_TASKRUN (Linux 6.1) completions appear only when the loop asks, so a
 * turn is one system call: submit what the last turn queued, wait, then copy the completions out
 * and dispatch them. Needs Linux 6.0 (multishot receive); what later kernels add is probed.
 */
#include "io/loop_uring.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"
#include "io/loop_slot.h"

#define SUBMISSION_COUNT 256
#define COMPLETION_COUNT 2048
#define GROUP_DGRAMS 1
#define GROUP_STREAMS 2
/* A ring that is full takes nothing until it was submitted; once is enough unless memory is short.
 */
#define SUBMIT_ATTEMPTS_MAX 64
/* Tags no slot: its index would lie beyond LOOP_SOURCES_MAX. */
#define TAG_WAKE UINT64_MAX
/* Linux 6.12, newer than the liburing this builds with. */
#define FEATURE_MIN_TIMEOUT (1U << 15)
/* Waits without end are made in slices where the call insists on a time. */
#define WAIT_SLICE_NS (3600 * CLOCK_NS_PER_S)

struct io_uring_sqe *uring_next_submission(struct uring_loop *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    for (int i = 0; sqe == NULL && i < SUBMIT_ATTEMPTS_MAX; i++) {
        (void)io_uring_submit_and_get_events(&u->ring); /* judged by whether room was made */
        sqe = io_uring_get_sqe(&u->ring);
    }
    ASSERT(sqe != NULL); /* a ring that never takes anything cannot be gone on with */
    return sqe;
}

static void arm_wake(struct uring_loop *u)
{
    struct io_uring_sqe *sqe = uring_next_submission(u);
    io_uring_prep_poll_multishot(sqe, u->base.wake_fd, POLLIN);
    io_uring_sqe_set_data64(sqe, TAG_WAKE);
}

/* --- the turn -------------------------------------------------------------------------------- */

static struct __kernel_timespec timespec_of(uint64_t wait_ns)
{
    return (struct __kernel_timespec){
        .tv_sec = (int64_t)(wait_ns / CLOCK_NS_PER_S),
        .tv_nsec = (int64_t)(wait_ns % CLOCK_NS_PER_S),
    };
}

/*
 * Waits for LOOP_LINGER_COMPLETIONS or for `linger_ns`, and then, if there was nothing at all, for
 * one completion until `wait_ns` are over: one call where an idle turn would need two.
 */
static int wait_lingering(struct uring_loop *u, uint64_t wait_ns, uint64_t linger_ns)
{
    struct __kernel_timespec wait = timespec_of(wait_ns < WAIT_SLICE_NS ? wait_ns : WAIT_SLICE_NS);
    struct io_uring_getevents_arg argument = {
        .pad = (uint32_t)(linger_ns / 1000), /* min_wait_usec in newer headers */
        .ts = (uint64_t)(uintptr_t)&wait,
    };
    uint32_t flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    int fd = u->ring.ring_fd;
    if (u->has_registered_fd) {
        flags |= IORING_ENTER_REGISTERED_RING;
        fd = u->ring.enter_ring_fd;
    }
    return io_uring_enter2((unsigned int)fd, 0, LOOP_LINGER_COMPLETIONS, flags,
                           (sigset_t *)(void *)&argument, sizeof(argument));
}

static int submit_and_wait(struct uring_loop *u, uint64_t wait_ns, uint64_t linger_ns)
{
    if (wait_ns == 0 || io_uring_cq_ready(&u->ring) > 0) {
        return io_uring_submit_and_get_events(&u->ring);
    }
    if (linger_ns > 0 && u->has_min_wait && io_uring_sq_ready(&u->ring) == 0) {
        return wait_lingering(u, wait_ns, linger_ns);
    }
    if (linger_ns == 0 && wait_ns == UINT64_MAX) {
        return io_uring_submit_and_wait(&u->ring, 1);
    }
    uint32_t wanted_count = linger_ns > 0 ? LOOP_LINGER_COMPLETIONS : 1;
    struct __kernel_timespec wait = timespec_of(linger_ns > 0 ? linger_ns : wait_ns);
    struct io_uring_cqe *first = NULL;
    return io_uring_submit_and_wait_timeout(&u->ring, &first, wanted_count, &wait, NULL);
}

static bool is_ordinary(int result)
{
    return result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY ||
           result == -EAGAIN;
}

static size_t gather_completions(struct uring_loop *u)
{
    uint32_t head;
    uint32_t count = 0;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        if (count == LOOP_GATHER_MAX) {
            break;
        }
        u->gathered[count] = (struct uring_completion){
            .tag = cqe->user_data,
            .result = cqe->res,
            .flags = cqe->flags,
        };
        count++;
    }
    io_uring_cq_advance(&u->ring, count);
    return count;
}

/*
 * What a completion led to, an answer above all, does not wait for the rest of the turn, which may
 * hold a megabyte of others' requests.
 */
static void submit_early(struct uring_loop *u)
{
    if (io_uring_sq_ready(&u->ring) > 0) {
        (void)io_uring_submit(&u->ring); /* what is left over goes with the turn's submission */
    }
}

static int uring_gather(struct loop *loop, uint64_t wait_ns)
{
    struct uring_loop *u = uring_of(loop);
    uint64_t linger_ns = loop_linger_ns(loop, wait_ns);
    int err = submit_and_wait(u, loop_wait_begin(loop, wait_ns), linger_ns);
    loop_wait_end(loop);
    if (!is_ordinary(err)) {
        return err;
    }
    int handled_count = 0;
    size_t count = gather_completions(u);
    for (size_t i = 0; i < count; i++) {
        if (u->gathered[i].tag != TAG_WAKE) {
            handled_count += uring_complete(u, &u->gathered[i]);
            submit_early(u);
            continue;
        }
        loop_drain_wake(loop);
        handled_count++;
        if ((u->gathered[i].flags & IORING_CQE_F_MORE) == 0) {
            arm_wake(u);
        }
    }
    uring_flush_burst(u);
    return handled_count;
}

static void uring_interrupt(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t written = write(loop->wake_fd, &one, sizeof(one));
    (void)written; /* EAGAIN: the counter is full, so the loop is being woken already */
}

static void uring_trim(struct loop *loop)
{
    struct uring_loop *u = uring_of(loop);
    if (io_uring_cq_ready(&u->ring) == 0) { /* else a buffer may hold bytes not gathered yet */
        uring_pool_trim(&u->dgrams);
        uring_pool_trim(&u->streams);
    }
}

static void uring_close(struct loop *loop)
{
    struct uring_loop *u = uring_of(loop);
    uring_pool_fini(&u->dgrams, &u->ring);
    uring_pool_fini(&u->streams, &u->ring);
    if (u->is_ring_open) {
        io_uring_queue_exit(&u->ring);
    }
    loop_base_fini(loop);
    mem_free(u);
}

static const struct loop_ops uring_ops = {
    .backend = LOOP_BACKEND_URING,
    .dgram_start = uring_dgram_start,
    .dgram_stop = uring_dgram_stop,
    .listener_start = uring_listener_start,
    .listener_stop = uring_listener_stop,
    .stream_start = uring_stream_start,
    .stream_pause = uring_stream_pause,
    .stream_resume = uring_stream_resume,
    .stream_send = uring_stream_send,
    .stream_shutdown = uring_stream_shutdown,
    .stream_close = uring_stream_close,
    .poll_watch = uring_poll_watch,
    .poll_stop = uring_poll_stop,
    .gather = uring_gather,
    .is_quiet = uring_is_quiet,
    .listener_resume = uring_listener_resume,
    .release = uring_release,
    .read_clock = loop_read_host_clock,
    .interrupt = uring_interrupt,
    .trim = uring_trim,
    .close = uring_close,
};

/* --- building -------------------------------------------------------------------------------- */

static const char *refusal_text(int fault)
{
    switch (fault) {
    case -EPERM:
        return LOOP_FELL_BACK_TEXT
            "io_uring_setup refused with EPERM (Operation not permitted), usually a seccomp "
            "profile (Docker, containerd, Fargate) or kernel.io_uring_disabled";
    case -EACCES:
        return LOOP_FELL_BACK_TEXT
            "io_uring_setup refused with EACCES (Permission denied), usually a security module";
    case -ENOSYS:
        return LOOP_FELL_BACK_TEXT
            "io_uring_setup refused with ENOSYS (Function not implemented): a kernel or sandbox "
            "without io_uring";
    case -EINVAL:
        return LOOP_FELL_BACK_TEXT
            "io_uring_setup refused with EINVAL (Invalid argument): a kernel older than 6.0";
    case -ENOMEM:
        return LOOP_FELL_BACK_TEXT
            "io_uring_setup refused with ENOMEM (Cannot allocate memory), perhaps the limit of "
            "locked memory";
    case -EMFILE:
    case -ENFILE:
        return LOOP_FELL_BACK_TEXT "io_uring_setup refused: no file descriptors left";
    default:
        return LOOP_FELL_BACK_TEXT "io_uring_setup refused with an unexpected error";
    }
}

/* The newest flags first; SINGLE_ISSUER came with multishot receive, so it is asked for in both. */
static int open_ring(struct uring_loop *u)
{
    static const uint32_t ATTEMPTS[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN,
    };
    int err = -EINVAL;
    for (size_t i = 0; i < COUNT_OF(ATTEMPTS) && err == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags =
                ATTEMPTS[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL,
            .cq_entries = COMPLETION_COUNT,
        };
        err = io_uring_queue_init_params(SUBMISSION_COUNT, &u->ring, &params);
        u->has_min_wait = (params.features & FEATURE_MIN_TIMEOUT) != 0;
    }
    u->is_ring_open = err == 0;
    return err;
}

static int reserve_pools(struct uring_loop *u, const struct loop_options *options)
{
    uint32_t dgram_count = options->dgram_buffer_count;
    uint32_t stream_count = options->stream_buffer_count;
    uint32_t stream_bytes = options->stream_buffer_bytes;
    u->plain = (struct msghdr){.msg_controllen = URING_CONTROL_BYTES};
    u->named = (struct msghdr){
        .msg_controllen = URING_CONTROL_BYTES,
        .msg_namelen = URING_NAME_BYTES,
    };
    int err = uring_pool_init(&u->dgrams, &u->ring, GROUP_DGRAMS,
                              dgram_count != 0 ? dgram_count : LOOP_DGRAM_BUFFER_COUNT,
                              LOOP_DGRAM_BUFFER_BYTES + (uint32_t)URING_HEAD_BYTES);
    if (err != 0) {
        return err;
    }
    return uring_pool_init(&u->streams, &u->ring, GROUP_STREAMS,
                           stream_count != 0 ? stream_count : LOOP_STREAM_BUFFER_COUNT,
                           stream_bytes != 0 ? stream_bytes : LOOP_STREAM_BUFFER_BYTES);
}

int loop_uring_open(const struct loop_options *options, struct loop **out, const char **why_text)
{
    *why_text = LOOP_FELL_BACK_TEXT "no memory for io_uring";
    struct uring_loop *u = mem_alloc_aligned(WEIR_CACHE_LINE_BYTES, sizeof(*u));
    if (u == NULL) {
        return -ENOMEM;
    }
    int err = loop_base_init(&u->base, &uring_ops, true);
    if (err != 0) {
        goto fail;
    }
    err = open_ring(u);
    if (err != 0) {
        *why_text = refusal_text(err);
        goto fail;
    }
    err = reserve_pools(u, options);
    if (err != 0) {
        *why_text = LOOP_FELL_BACK_TEXT "io_uring is there, but its buffer rings were refused";
        goto fail;
    }
    u->has_registered_fd = io_uring_register_ring_fd(&u->ring) == 1;
    arm_wake(u);
    *why_text = "io_uring";
    *out = &u->base;
    return 0;

fail:
    uring_close(&u->base);
    return err;
}
