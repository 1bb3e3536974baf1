/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_send — see load_send.h.
 *
 * Three ways out: UDP_SEGMENT (a run of equally long datagrams and at most one shorter at its end
 * in one call, which is how fast clients send and what lets the receiver coalesce), sendmmsg (one
 * packet each, as plain clients send), and stream writes of whole runs.
 */
#include "bench/load_send.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "bench/load_address.h"
#include "bench/load_pace.h"
#include "bench/proc_clock.h"
#include "core/base/mem.h"

#define SEND_BATCH_MAX 64u
/* What one send may carry over IPv4, segmented or not. */
#define SEND_RUN_MAX_BYTES 65507u
#define SEND_BUFFER_BYTES (4 << 20)

static int sender_open(const struct load_options *o, const struct load_address *address)
{
    const bool is_datagram =
        o->transport == LOAD_TRANSPORT_UDP || o->transport == LOAD_TRANSPORT_UNIXGRAM;
    const int fd = load_address_connect(address, is_datagram ? SOCK_DGRAM : SOCK_STREAM);
    if (fd < 0) {
        return fd;
    }
    const struct timeval stall = {.tv_sec = LOAD_SEND_STALL_S};
    const int buffer_bytes = SEND_BUFFER_BYTES;
    /* Both are comforts: without them a stall lasts longer or bursts are shorter. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof(stall));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
    return fd;
}

int load_sender_init(struct load_sender *s, const struct load_options *o,
                     const struct corpus *corpus)
{
    *s = (struct load_sender){.corpus = corpus};
    struct load_address address;
    const bool is_path =
        o->transport == LOAD_TRANSPORT_UNIX || o->transport == LOAD_TRANSPORT_UNIXGRAM;
    int err = is_path ? load_address_of_path(o->target, &address)
                      : load_address_parse(o->target, &address);
    if (err != 0) {
        return err;
    }
    s->is_stream = o->transport == LOAD_TRANSPORT_TCP || o->transport == LOAD_TRANSPORT_UNIX;
    s->segment_max_count = o->transport == LOAD_TRANSPORT_UDP ? o->segment_max_count : 0;
    s->fds = mem_alloc_array(o->flow_count, sizeof(*s->fds));
    if (s->fds == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < o->flow_count; i++) {
        const int fd = sender_open(o, &address);
        if (fd < 0) {
            return fd;
        }
        s->fds[i] = fd;
        s->fd_count++;
    }
    return 0;
}

void load_sender_fini(struct load_sender *s)
{
    for (uint32_t i = 0; i < s->fd_count; i++) {
        (void)close(s->fds[i]); /* everything that counts was counted when it was sent */
    }
    mem_free(s->fds);
    *s = (struct load_sender){0};
}

static void sender_advance(struct load_sender *s, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        s->sent_bytes += s->corpus->datagrams[s->position.datagram_index].len;
        s->position.datagram_index++;
        if (s->position.datagram_index == s->corpus->datagram_count) {
            s->position.datagram_index = 0;
            s->position.pass_count++;
        }
    }
    if (!s->is_stream) {
        s->sent_bytes -= count; /* the last newline of each stayed behind */
    }
    s->sent_datagrams += count;
    s->error_run_count = 0;
}

static void sender_fail(struct load_sender *s, int error)
{
    s->error_count++;
    s->refused_count += error == -ECONNREFUSED;
    s->last_error = error;
    s->error_run_count++;
    if (s->error_run_count >= LOAD_SEND_ERRORS_MAX) {
        s->is_broken = true;
    }
}

/*
 * How many datagrams from the position on fit into one run: within `lines_max`, `count_max` and the
 * size of a send, not past the end of the corpus, at least one.
 */
static uint32_t sender_run_count(const struct load_sender *s, uint64_t lines_max,
                                 uint32_t count_max, bool is_equal_wanted)
{
    const struct corpus_datagram *first = &s->corpus->datagrams[s->position.datagram_index];
    const uint32_t left = s->corpus->datagram_count - s->position.datagram_index;
    const uint32_t limit = left < count_max ? left : count_max;
    uint64_t lines = first->line_count;
    uint64_t bytes = first->len;
    uint32_t count = 1;
    while (count < limit) {
        const struct corpus_datagram *next = first + count;
        if (lines + next->line_count > lines_max || bytes + next->len > SEND_RUN_MAX_BYTES ||
            (is_equal_wanted && next->len != first->len)) {
            break;
        }
        lines += next->line_count;
        bytes += next->len;
        count++;
    }
    return count;
}

static void sender_stamp(const struct load_sender *s, uint32_t count)
{
    if (s->stamp != NULL) {
        s->stamp->apply(s->stamp, s->position.pass_count, s->position.datagram_index, count);
    }
}

/* The newline between two datagrams has no place in a segmented send: one iovec for each. */
static void sender_segmented(struct load_sender *s, int fd, uint64_t lines_max)
{
    struct iovec iov[SEND_BATCH_MAX];
    const uint32_t count = sender_run_count(s, lines_max, s->segment_max_count, true);
    const struct corpus_datagram *first = &s->corpus->datagrams[s->position.datagram_index];
    for (uint32_t i = 0; i < count; i++) {
        iov[i] = (struct iovec){
            .iov_base = s->corpus->bytes + first[i].offset,
            .iov_len = first[i].len - 1,
        };
    }
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control = {0};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
    if (count > 1) {
        const uint16_t segment_bytes = (uint16_t)(first->len - 1);
        control.header.cmsg_level = SOL_UDP;
        control.header.cmsg_type = UDP_SEGMENT;
        control.header.cmsg_len = CMSG_LEN(sizeof(segment_bytes));
        memcpy(CMSG_DATA(&control.header), &segment_bytes, sizeof(segment_bytes));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control.bytes);
    }
    sender_stamp(s, count);
    s->call_count++;
    if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) {
        sender_fail(s, -errno);
        return;
    }
    sender_advance(s, count);
}

static void sender_plain(struct load_sender *s, int fd, uint64_t lines_max)
{
    struct iovec iov[SEND_BATCH_MAX];
    struct mmsghdr messages[SEND_BATCH_MAX];
    const struct corpus_datagram *first = &s->corpus->datagrams[s->position.datagram_index];
    const uint32_t left = s->corpus->datagram_count - s->position.datagram_index;
    uint64_t lines = 0;
    uint32_t count = 0;
    while (count < left && count < SEND_BATCH_MAX &&
           (count == 0 || lines + first[count].line_count <= lines_max)) {
        lines += first[count].line_count;
        iov[count] = (struct iovec){
            .iov_base = s->corpus->bytes + first[count].offset,
            .iov_len = first[count].len - 1,
        };
        messages[count] = (struct mmsghdr){
            .msg_hdr = {.msg_iov = &iov[count], .msg_iovlen = 1},
        };
        count++;
    }
    sender_stamp(s, count);
    s->call_count++;
    const int sent = sendmmsg(fd, messages, count, MSG_NOSIGNAL);
    if (sent < 0) {
        sender_fail(s, -errno);
        return;
    }
    sender_advance(s, (uint32_t)sent);
}

static void sender_stream(struct load_sender *s, int fd, uint64_t lines_max)
{
    const uint32_t count = sender_run_count(s, lines_max, SEND_BATCH_MAX, false);
    const struct corpus_datagram *first = &s->corpus->datagrams[s->position.datagram_index];
    const struct corpus_datagram *last = first + count - 1;
    const uint8_t *at = s->corpus->bytes + first->offset;
    size_t left = last->offset + (size_t)last->len - first->offset;
    while (left > 0) {
        s->call_count++;
        const ssize_t sent = send(fd, at, left, MSG_NOSIGNAL);
        if (sent < 0) {
            sender_fail(s, -errno);
            s->is_broken = true; /* part of a line may be out: what follows would be another line */
            return;
        }
        at += sent;
        left -= (size_t)sent;
    }
    sender_advance(s, count);
}

static void sender_step(struct load_sender *s, uint64_t lines_max)
{
    const int fd = s->fds[s->next_flow];
    s->next_flow = (s->next_flow + 1) % s->fd_count;
    if (s->is_stream) {
        sender_stream(s, fd, lines_max);
    } else if (s->segment_max_count > 0) {
        sender_segmented(s, fd, lines_max);
    } else {
        sender_plain(s, fd, lines_max);
    }
}

static void sender_sleep_until(uint64_t mono_ns)
{
    const struct timespec until = {
        .tv_sec = (time_t)(mono_ns / 1000000000u),
        .tv_nsec = (long)(mono_ns % 1000000000u), /* libc's type */
    };
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL); /* early is fine */
}

uint64_t load_sender_run(struct load_sender *s, const struct load_goal *goal)
{
    const uint64_t started_ns = proc_mono_ns();
    const uint64_t lines_before = corpus_lines_until(s->corpus, s->position);
    struct pace pace;
    pace_init(&pace, goal->rate_lines, started_ns);
    (void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* without it ticks are 50 µs late */
    for (;;) {
        const uint64_t now_ns = proc_mono_ns();
        const uint64_t sent = corpus_lines_until(s->corpus, s->position) - lines_before;
        if (s->is_broken || now_ns - started_ns >= goal->duration_ns ||
            (goal->line_count != 0 && sent >= goal->line_count) ||
            atomic_load_explicit(goal->cancel, memory_order_relaxed)) {
            return pace.forgiven_ns;
        }
        uint64_t owed = pace_owed_lines(&pace, sent, now_ns);
        if (goal->line_count != 0 && owed > goal->line_count - sent) {
            owed = goal->line_count - sent;
        }
        const uint32_t next = s->corpus->datagrams[s->position.datagram_index].line_count;
        const bool is_last = goal->line_count != 0 && goal->line_count - sent < next;
        if (owed < next && !is_last) {
            sender_sleep_until(now_ns + goal->tick_us * 1000);
            continue;
        }
        sender_step(s, owed);
    }
}
