/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dgram — coalesced runs taken apart, counters, and the closing in steps.
 */
#include "io/dgram.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "io/io_bounds.h"
#include "io/socket.h"

/* How often a closing socket is looked at. */
#define STEP_NS (10 * CLOCK_NS_PER_MS)

/* --- receiving ------------------------------------------------------------------------------- */

/* Segments on their way to the owner, across the receives of one burst. */
struct gathering {
    struct slice segments[DGRAM_SEGMENTS_MAX];
    size_t count;
    uint64_t datagram_count;
};

static void flush(struct dgram *dgram, struct gathering *gathering)
{
    if (gathering->count > 0) {
        dgram->on_burst(dgram, gathering->segments, gathering->count);
        gathering->count = 0;
    }
}

static void gather(struct dgram *dgram, const struct loop_dgram *receive,
                   struct gathering *gathering)
{
    struct slice rest = receive->bytes;
    do {
        size_t len = receive->segment_bytes < rest.len ? receive->segment_bytes : rest.len;
        gathering->datagram_count++;
        if (len == 0) {
            return; /* an empty datagram: counted, nothing to show */
        }
        if (gathering->count == DGRAM_SEGMENTS_MAX) {
            flush(dgram, gathering);
        }
        gathering->segments[gathering->count] = slice_first(rest, len);
        gathering->count++;
        rest = slice_from(rest, len);
    } while (rest.len > 0);
}

static void dgram_on_receive(struct loop_dgram_socket *socket, const struct loop_dgram *burst,
                             size_t count)
{
    struct dgram *dgram = CONTAINER_OF(socket, struct dgram, socket);
    struct gathering gathering;
    gathering.count = 0; /* the slots are filled before they are read */
    gathering.datagram_count = 0;
    uint64_t truncated_count = 0;
    uint64_t byte_count = 0;
    for (size_t i = 0; i < count; i++) {
        byte_count += burst[i].bytes.len;
        if (burst[i].is_truncated) {
            truncated_count++;
        } else {
            gather(dgram, &burst[i], &gathering);
        }
    }
    flush(dgram, &gathering);
    dgram->drain_receive_count += count;
    counter_add(&dgram->stats->receives, count);
    counter_add(&dgram->stats->wire_bytes, byte_count);
    counter_add(&dgram->stats->wire_received, gathering.datagram_count + truncated_count);
    counter_add(&dgram->stats->wire_parsed, gathering.datagram_count);
    counter_add(&dgram->stats->wire_dropped_truncated, truncated_count);
}

static void dgram_on_error(struct loop_dgram_socket *socket, int fault)
{
    struct dgram *dgram = CONTAINER_OF(socket, struct dgram, socket);
    dgram->on_fault(dgram, fault);
}

/* --- the kernel's drops ----------------------------------------------------------------------- */

void dgram_sample_drops(struct dgram *dgram)
{
    uint32_t drop_count;
    if (socket_read_drops(dgram->socket.fd, &drop_count) != 0) {
        return; /* an old kernel or no kernel socket: the counter stays, as "at least" says */
    }
    uint32_t grown_count = drop_count - dgram->seen_drop_count; /* right across a wrap, too */
    dgram->seen_drop_count = drop_count;
    if (dgram->state == DGRAM_REFUSING || dgram->state == DGRAM_STOPPING) {
        counter_add(&dgram->stats->unread_at_close, grown_count); /* by a filter of ours */
    } else {
        counter_add(&dgram->stats->kernel_dropped, grown_count);
    }
}

static void rearm(struct dgram *dgram, uint64_t deadline_mono_ns)
{
    /* Without memory for the timer the kernel's drops are sampled at close only. */
    if (loop_timer_arm(dgram->loop, &dgram->timer, deadline_mono_ns) != 0 &&
        dgram->state != DGRAM_OPEN) {
        dgram->state = DGRAM_STOPPING; /* and closing cannot take its time */
        loop_dgram_stop(dgram->loop, &dgram->socket);
    }
}

/* --- closing --------------------------------------------------------------------------------- */

static void dgram_enter(struct dgram *dgram, enum dgram_state state)
{
    ASSERT(state == DGRAM_CLOSED || state == DGRAM_OPEN || state > dgram->state);
    dgram->state = state;
}

static void refuse(struct dgram *dgram, uint64_t now_mono_ns)
{
    dgram_sample_drops(dgram);
    dgram_enter(dgram, DGRAM_REFUSING);
    dgram->deadline_mono_ns = now_mono_ns;
    if (socket_refuse_all(dgram->socket.fd) == 0) {
        /* The queue only shrinks from here on; without that, one more look has to do. */
        dgram->deadline_mono_ns += DGRAM_DRAIN_MS * CLOCK_NS_PER_MS;
    }
}

static void step(struct dgram *dgram, uint64_t now_mono_ns)
{
    bool is_quiet = dgram->drain_receive_count == 0 && socket_is_dry(dgram->socket.fd);
    bool is_late = now_mono_ns >= dgram->deadline_mono_ns;
    dgram->drain_receive_count = 0;
    if (dgram->state == DGRAM_DRAINING && (is_quiet || is_late)) {
        refuse(dgram, now_mono_ns);
    } else if (dgram->state == DGRAM_REFUSING && (is_quiet || is_late)) {
        dgram_enter(dgram, DGRAM_STOPPING);
        loop_dgram_stop(dgram->loop, &dgram->socket);
        return;
    }
    rearm(dgram, now_mono_ns + STEP_NS);
}

static void dgram_on_timer(struct timer *timer, uint64_t now_mono_ns)
{
    struct dgram *dgram = CONTAINER_OF(timer, struct dgram, timer);
    if (dgram->state == DGRAM_OPEN) {
        dgram_sample_drops(dgram);
        rearm(dgram, now_mono_ns + DGRAM_DROPS_EVERY_MS * CLOCK_NS_PER_MS);
    } else {
        step(dgram, now_mono_ns);
    }
}

/* Reads what is left without keeping it. A coalesced run counts for each of its datagrams. */
static uint64_t count_unread(int fd)
{
    uint64_t unread_count = 0;
    for (uint32_t i = 0; i < DGRAM_UNREAD_MAX; i++) {
        uint64_t control[8] = {0};
        struct msghdr header = {.msg_control = control, .msg_controllen = sizeof(control)};
        ssize_t len = recvmsg(fd, &header, MSG_DONTWAIT | MSG_TRUNC);
        if (len < 0) {
            break;
        }
        struct cmsghdr *message = CMSG_FIRSTHDR(&header);
        int segment_bytes = 0;
        if (message != NULL && message->cmsg_level == SOL_UDP && message->cmsg_type == UDP_GRO) {
            memcpy(&segment_bytes, CMSG_DATA(message), sizeof(segment_bytes));
        }
        bool is_run = segment_bytes > 0 && len > segment_bytes;
        unread_count += is_run ? (uint64_t)((len + segment_bytes - 1) / segment_bytes) : 1;
    }
    return unread_count;
}

static void dgram_on_closed(struct loop_dgram_socket *socket)
{
    struct dgram *dgram = CONTAINER_OF(socket, struct dgram, socket);
    counter_add(&dgram->stats->unread_at_close, count_unread(socket->fd));
    dgram_sample_drops(dgram);
    loop_timer_cancel(dgram->loop, &dgram->timer);
    (void)close(socket->fd); /* read empty; nothing is left to report */
    socket->fd = -1;
    dgram_enter(dgram, DGRAM_CLOSED);
    dgram->on_closed(dgram);
}

void dgram_close(struct dgram *dgram, uint64_t drain_max_ns)
{
    if (dgram->state != DGRAM_OPEN) {
        return;
    }
    uint64_t now_mono_ns = loop_now_mono_ns(dgram->loop);
    dgram->drain_receive_count = 0;
    if (drain_max_ns > 0) {
        dgram_enter(dgram, DGRAM_DRAINING);
        dgram->deadline_mono_ns = now_mono_ns + drain_max_ns;
    } else {
        refuse(dgram, now_mono_ns);
    }
    rearm(dgram, now_mono_ns + STEP_NS);
}

/* --- opening --------------------------------------------------------------------------------- */

int dgram_open(struct dgram *dgram, int fd)
{
    ASSERT(dgram->state == DGRAM_CLOSED && dgram->loop != NULL && dgram->stats != NULL);
    ASSERT(dgram->on_burst != NULL && dgram->on_fault != NULL && dgram->on_closed != NULL);
    dgram->socket = (struct loop_dgram_socket){
        .fd = fd,
        .on_receive = dgram_on_receive,
        .on_error = dgram_on_error,
        .on_closed = dgram_on_closed,
    };
    dgram->timer = (struct timer){.on_fire = dgram_on_timer};
    dgram->seen_drop_count = 0;
    uint64_t due_mono_ns = loop_now_mono_ns(dgram->loop) + DGRAM_DROPS_EVERY_MS * CLOCK_NS_PER_MS;
    int err = loop_timer_arm(dgram->loop, &dgram->timer, due_mono_ns);
    if (err != 0) {
        return err;
    }
    err = loop_dgram_start(dgram->loop, &dgram->socket);
    if (err != 0) {
        loop_timer_cancel(dgram->loop, &dgram->timer);
        return err;
    }
    dgram_enter(dgram, DGRAM_OPEN);
    return 0;
}
