/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp_flow — bursts in, one send per datagram out, and the error queue read for what was refused.
 */
#include "tests/support/balancer/udp_flow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "tests/support/balancer/member.h"

#define BURST_COUNT 64
#define DATAGRAM_MAX_BYTES 65536
#define RECEIVE_BUFFER_BYTES (64 << 20)
#define ERROR_BUFFER_BYTES (4 << 20)
/* A send reports what earlier ones met, one error at a time; so often it may have to be repeated.
 */
#define SEND_ATTEMPTS_COUNT 16

struct udp_ring {
    struct mmsghdr messages[BURST_COUNT];
    struct iovec parts[BURST_COUNT];
    struct sockaddr_in clients[BURST_COUNT];
    /* Room for SO_RXQ_OVFL. */
    _Alignas(struct cmsghdr) uint8_t control[BURST_COUNT][64];
    uint8_t bytes[BURST_COUNT][DATAGRAM_MAX_BYTES];
};

struct udp_flow {
    struct watch watch;
    struct udp_flow *next;     /* owned; of the bucket */
    struct listener *listener; /* borrowed */
    struct sockaddr_in client;
    int target_index;
    uint64_t seen_mono_ns;
};

int udp_flow_init(struct balancer *b)
{
    b->udp_ring = mem_alloc(sizeof(*b->udp_ring));
    return b->udp_ring == NULL ? -ENOMEM : 0;
}

/* Whose word it is that nobody listened: the target's host, or one on the way. */
static bool is_refusal(const struct msghdr *message)
{
    for (const struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL;
         c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)message, (struct cmsghdr *)(uintptr_t)c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) {
            struct sock_extended_err err;
            memcpy(&err, CMSG_DATA(c), sizeof(err));
            return err.ee_origin == SO_EE_ORIGIN_ICMP;
        }
    }
    return false;
}

static void read_refusals(struct udp_flow *f)
{
    struct member *m = &f->listener->members[f->target_index];
    for (;;) {
        uint8_t bytes[64];
        _Alignas(struct cmsghdr) uint8_t control[512];
        struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        if (recvmsg(f->watch.fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            return;
        }
        if (is_refusal(&message)) {
            m->counts.refused_datagram_count++;
        }
    }
}

static void flow_on_event(struct balancer *b, struct watch *w, uint32_t events)
{
    (void)b;
    (void)events;
    read_refusals(CONTAINER_OF(w, struct udp_flow, watch));
}

static void disconnect(struct udp_flow *f)
{
    if (f->target_index != MEMBER_NONE) {
        read_refusals(f);
    }
    balancer_unwatch(&f->watch);
    f->target_index = MEMBER_NONE;
}

static int connect_to(struct balancer *b, struct udp_flow *f, int target_index)
{
    const int is_on = 1;
    const int buffer_bytes = ERROR_BUFFER_BYTES;
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(f->listener->target_port),
                                   .sin_addr = b->targets[target_index].address};
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = b->address};
    f->watch.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (f->watch.fd < 0 ||
        setsockopt(f->watch.fd, IPPROTO_IP, IP_RECVERR, &is_on, sizeof(is_on)) != 0 ||
        setsockopt(f->watch.fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)) !=
            0 ||
        bind(f->watch.fd, (const struct sockaddr *)&from, sizeof(from)) != 0 ||
        connect(f->watch.fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
        return -errno;
    }
    f->target_index = target_index;
    return balancer_watch(b, &f->watch, 0); /* errors come unasked */
}

static struct udp_flow **bucket_of(struct balancer *b, const struct sockaddr_in *client)
{
    return &b->udp_flows[member_hash(client) % BALANCER_UDP_BUCKETS_COUNT];
}

static struct udp_flow *find(struct balancer *b, struct listener *l,
                             const struct sockaddr_in *client)
{
    for (struct udp_flow *f = *bucket_of(b, client); f != NULL; f = f->next) {
        if (f->listener == l && f->client.sin_port == client->sin_port &&
            f->client.sin_addr.s_addr == client->sin_addr.s_addr) {
            return f;
        }
    }
    return NULL;
}

static struct udp_flow *find_or_add(struct balancer *b, struct listener *l,
                                    const struct sockaddr_in *client)
{
    struct udp_flow *f = find(b, l, client);
    if (f != NULL) {
        return f;
    }
    f = mem_alloc(sizeof(*f));
    if (f == NULL) {
        return NULL;
    }
    struct udp_flow **bucket = bucket_of(b, client);
    *f = (struct udp_flow){.watch = {.fd = -1, .on_event = flow_on_event},
                           .next = *bucket,
                           .listener = l,
                           .client = *client,
                           .target_index = MEMBER_NONE,
                           .seen_mono_ns = b->now_mono_ns};
    *bucket = f;
    return f;
}

static bool is_idle(const struct balancer *b, const struct udp_flow *f)
{
    return b->now_mono_ns - f->seen_mono_ns >= b->settings.udp_idle_ms * CLOCK_NS_PER_MS;
}

/* The flow keeps its target while it may. Returns whether there is one. */
static bool is_routed(struct balancer *b, struct udp_flow *f)
{
    if (f->target_index != MEMBER_NONE) {
        if (!is_idle(b, f) &&
            member_keeps_flows(b, f->listener, &f->listener->members[f->target_index])) {
            return true;
        }
        disconnect(f);
    }
    const int picked = member_pick(b, f->listener, &f->client);
    if (picked == MEMBER_NONE) {
        return false;
    }
    if (connect_to(b, f, picked) != 0) {
        disconnect(f);
        return false;
    }
    return true;
}

static void send_on(struct udp_flow *f, const uint8_t *bytes, size_t len)
{
    struct member *m = &f->listener->members[f->target_index];
    for (int i = 0; i < SEND_ATTEMPTS_COUNT; i++) {
        if (send(f->watch.fd, bytes, len, 0) >= 0) {
            m->counts.datagram_count++;
            m->counts.datagram_bytes += len;
            return;
        }
        read_refusals(f); /* the error was an earlier datagram's, and this one was not sent */
    }
    m->counts.failed_datagram_count++;
}

static void forward(struct balancer *b, struct listener *l, const struct sockaddr_in *client,
                    const uint8_t *bytes, size_t len)
{
    l->datagram_count++;
    l->datagram_bytes += len;
    struct udp_flow *f = find_or_add(b, l, client);
    if (f == NULL || !is_routed(b, f)) {
        l->nobody_datagram_count++;
        return;
    }
    f->seen_mono_ns = b->now_mono_ns;
    send_on(f, bytes, len);
}

/* The kernel's count of what the socket had no room for; it is a running total. */
static void note_overrun(struct listener *l, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t total = 0;
            memcpy(&total, CMSG_DATA(c), sizeof(total));
            l->overrun_datagram_count = total;
        }
    }
}

static void listener_on_event(struct balancer *b, struct watch *w, uint32_t events)
{
    (void)events;
    struct listener *l = CONTAINER_OF(w, struct listener, watch);
    struct udp_ring *r = b->udp_ring;
    for (size_t i = 0; i < BURST_COUNT; i++) {
        r->parts[i] = (struct iovec){.iov_base = r->bytes[i], .iov_len = sizeof(r->bytes[i])};
        r->messages[i].msg_hdr = (struct msghdr){.msg_name = &r->clients[i],
                                                 .msg_namelen = sizeof(r->clients[i]),
                                                 .msg_iov = &r->parts[i],
                                                 .msg_iovlen = 1,
                                                 .msg_control = r->control[i],
                                                 .msg_controllen = sizeof(r->control[i])};
    }
    const int count = recvmmsg(w->fd, r->messages, BURST_COUNT, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        note_overrun(l, &r->messages[i].msg_hdr);
        forward(b, l, &r->clients[i], r->bytes[i], r->messages[i].msg_len);
    }
}

int udp_flow_listen(struct balancer *b, struct listener *l)
{
    const int is_on = 1;
    const int buffer_bytes = RECEIVE_BUFFER_BYTES;
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(l->port), .sin_addr = b->address};
    l->watch = (struct watch){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                              .on_event = listener_on_event};
    if (l->watch.fd < 0 ||
        setsockopt(l->watch.fd, SOL_SOCKET, SO_RXQ_OVFL, &is_on, sizeof(is_on)) != 0 ||
        setsockopt(l->watch.fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)) !=
            0 ||
        bind(l->watch.fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
        return -errno;
    }
    return balancer_watch(b, &l->watch, EPOLLIN);
}

/* The idle ones of one bucket go, or all. */
static void prune(struct balancer *b, struct udp_flow **place, bool is_everybody)
{
    while (*place != NULL) {
        struct udp_flow *f = *place;
        if (!is_everybody && !is_idle(b, f)) {
            place = &f->next;
            continue;
        }
        *place = f->next;
        disconnect(f);
        mem_free(f);
    }
}

void udp_flow_sweep(struct balancer *b)
{
    for (size_t i = 0; i < BALANCER_UDP_BUCKETS_COUNT; i++) {
        prune(b, &b->udp_flows[i], false);
    }
}

void udp_flow_fini(struct balancer *b)
{
    for (size_t i = 0; i < BALANCER_UDP_BUCKETS_COUNT; i++) {
        prune(b, &b->udp_flows[i], true);
    }
    mem_free(b->udp_ring);
    b->udp_ring = NULL;
}

uint64_t udp_flow_count(const struct balancer *b, const struct listener *l, uint32_t target_index)
{
    uint64_t count = 0;
    for (size_t i = 0; i < BALANCER_UDP_BUCKETS_COUNT; i++) {
        for (const struct udp_flow *f = b->udp_flows[i]; f != NULL; f = f->next) {
            count += f->listener == l && f->target_index == (int)target_index;
        }
    }
    return count;
}
