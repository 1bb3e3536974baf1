/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp_flow — edge-triggered: an event means that both directions are pumped until neither moves.
 */
#include "tests/support/balancer/tcp_flow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "tests/support/balancer/member.h"
#include "tests/support/balancer/proxy_head.h"

#define HALF_BYTES (64 << 10)
#define LISTEN_BACKLOG 1024
/* So many buffers of one connection before the others have their turn. */
#define PUMP_ROUNDS_COUNT 32
#define EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

/* One direction. What was read stands in [first, limit) until it is written. */
struct half {
    size_t first;
    size_t limit;
    bool is_ended;     /* the reader saw the end */
    bool is_forwarded; /* and the writer has said so */
    uint8_t bytes[HALF_BYTES];
};

struct tcp_flow {
    struct watch client;
    struct watch target;
    struct tcp_flow *next; /* owned; of all flows, or of the dead ones */
    struct tcp_flow *previous;
    struct listener *listener; /* borrowed */
    struct member *member;     /* borrowed */
    uint32_t target_index;
    struct sockaddr_in from;
    uint64_t began_mono_ns;
    bool is_connected;
    bool is_dead;
    struct half up; /* to the target */
    struct half down;
};

enum pump { PUMP_WAITS, PUMP_MOVED, PUMP_BROKEN };

static void unlink_flow(struct balancer *b, struct tcp_flow *f)
{
    if (f->previous != NULL) {
        f->previous->next = f->next;
    } else {
        b->tcp_flows = f->next;
    }
    if (f->next != NULL) {
        f->next->previous = f->previous;
    }
}

static void end(struct balancer *b, struct tcp_flow *f)
{
    balancer_unwatch(&f->client);
    balancer_unwatch(&f->target);
    unlink_flow(b, f);
    f->is_dead = true;
    f->previous = NULL;
    f->next = b->tcp_dead;
    b->tcp_dead = f;
}

static void reset(struct balancer *b, struct tcp_flow *f)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(f->client.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    if (f->target.fd >= 0) {
        (void)setsockopt(f->target.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    end(b, f);
}

static enum pump fill(struct half *h, int fd)
{
    if (h->is_ended || h->first != h->limit) {
        return PUMP_WAITS;
    }
    const ssize_t got = recv(fd, h->bytes, sizeof(h->bytes), MSG_DONTWAIT);
    if (got < 0) {
        return errno == EAGAIN ? PUMP_WAITS : PUMP_BROKEN;
    }
    h->is_ended = got == 0;
    h->first = 0;
    h->limit = (size_t)got;
    return PUMP_MOVED;
}

static enum pump empty(struct half *h, int fd, uint64_t *sent_bytes)
{
    if (h->first != h->limit) {
        const ssize_t sent =
            send(fd, h->bytes + h->first, h->limit - h->first, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            return errno == EAGAIN ? PUMP_WAITS : PUMP_BROKEN;
        }
        h->first += (size_t)sent;
        *sent_bytes += (uint64_t)sent;
        return PUMP_MOVED;
    }
    if (h->is_ended && !h->is_forwarded) {
        h->is_forwarded = true;
        return shutdown(fd, SHUT_WR) == 0 ? PUMP_MOVED : PUMP_BROKEN;
    }
    return PUMP_WAITS;
}

static enum pump pump(struct half *h, int from, int to, uint64_t *sent_bytes)
{
    const enum pump filled = fill(h, from);
    if (filled == PUMP_BROKEN) {
        return PUMP_BROKEN;
    }
    const enum pump emptied = empty(h, to, sent_bytes);
    return emptied == PUMP_WAITS ? filled : emptied;
}

/* The edge was used up and there is more: a change of the watch brings it back. */
static void come_again(struct balancer *b, struct tcp_flow *f)
{
    struct epoll_event event = {.events = EVENTS, .data.ptr = &f->client};
    if (epoll_ctl(b->epoll_fd, EPOLL_CTL_MOD, f->client.fd, &event) != 0) {
        reset(b, f);
    }
}

static void pump_both(struct balancer *b, struct tcp_flow *f)
{
    struct member_counts *counts = &f->member->counts;
    for (int i = 0; i < PUMP_ROUNDS_COUNT; i++) {
        const enum pump up = pump(&f->up, f->client.fd, f->target.fd, &counts->bytes_to_target);
        const enum pump down = pump(&f->down, f->target.fd, f->client.fd, &counts->bytes_to_client);
        if (up == PUMP_BROKEN || down == PUMP_BROKEN) {
            reset(b, f);
            return;
        }
        if (f->up.is_forwarded && f->down.is_forwarded) {
            end(b, f);
            return;
        }
        if (up == PUMP_WAITS && down == PUMP_WAITS) {
            return;
        }
    }
    come_again(b, f);
}

static void flow_on_event(struct balancer *b, struct tcp_flow *f, uint32_t events)
{
    if (f->is_dead) {
        return; /* ended by an earlier event of the same turn */
    }
    if ((events & EPOLLERR) != 0) {
        reset(b, f);
    } else if (f->is_connected) {
        pump_both(b, f);
    }
}

static void client_on_event(struct balancer *b, struct watch *w, uint32_t events)
{
    flow_on_event(b, CONTAINER_OF(w, struct tcp_flow, client), events);
}

static void target_on_event(struct balancer *b, struct watch *w, uint32_t events)
{
    struct tcp_flow *f = CONTAINER_OF(w, struct tcp_flow, target);
    if (!f->is_dead && !f->is_connected) {
        if ((events & EPOLLERR) != 0) {
            f->member->counts.refused_connection_count++;
        }
        f->is_connected = (events & (EPOLLOUT | EPOLLERR)) != 0;
    }
    flow_on_event(b, f, events);
}

static int connect_to(struct balancer *b, struct tcp_flow *f)
{
    const int is_on = 1;
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = b->address};
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(f->listener->target_port),
                                   .sin_addr = b->targets[f->target_index].address};
    f->target.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (f->target.fd < 0 ||
        setsockopt(f->target.fd, IPPROTO_TCP, TCP_NODELAY, &is_on, sizeof(is_on)) != 0 ||
        setsockopt(f->target.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &is_on, sizeof(is_on)) != 0 ||
        bind(f->target.fd, (const struct sockaddr *)&from, sizeof(from)) != 0) {
        return -errno;
    }
    if (connect(f->target.fd, (const struct sockaddr *)&at, sizeof(at)) != 0 &&
        errno != EINPROGRESS) {
        return -errno;
    }
    return balancer_watch(b, &f->target, EVENTS);
}

static void write_head(struct balancer *b, struct tcp_flow *f)
{
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(f->listener->port), .sin_addr = b->address};
    f->up.limit = proxy_head_write(f->up.bytes, &f->from, &at);
}

static struct tcp_flow *add(struct balancer *b, struct listener *l, int fd,
                            const struct sockaddr_in *from)
{
    struct tcp_flow *f = mem_alloc(sizeof(*f));
    if (f == NULL) {
        return NULL;
    }
    f->client = (struct watch){.fd = fd, .on_event = client_on_event};
    f->target = (struct watch){.fd = -1, .on_event = target_on_event};
    f->listener = l;
    f->from = *from;
    f->began_mono_ns = b->now_mono_ns;
    f->next = b->tcp_flows;
    if (f->next != NULL) {
        f->next->previous = f;
    }
    b->tcp_flows = f;
    return f;
}

static void route(struct balancer *b, struct tcp_flow *f)
{
    const int picked = member_pick(b, f->listener, &f->from);
    if (picked == MEMBER_NONE) {
        f->listener->nobody_connection_count++;
        reset(b, f);
        return;
    }
    f->target_index = (uint32_t)picked;
    f->member = &f->listener->members[picked];
    f->member->counts.connection_count++;
    if (f->listener->is_proxied) {
        write_head(b, f);
    }
    if (connect_to(b, f) != 0) {
        f->member->counts.refused_connection_count++;
        reset(b, f);
    } else if (balancer_watch(b, &f->client, EVENTS) != 0) {
        reset(b, f);
    }
}

static void listener_on_event(struct balancer *b, struct watch *w, uint32_t events)
{
    (void)events;
    struct listener *l = CONTAINER_OF(w, struct listener, watch);
    const int is_on = 1;
    struct sockaddr_in from = {0};
    socklen_t from_bytes = sizeof(from);
    const int fd =
        accept4(w->fd, (struct sockaddr *)&from, &from_bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return; /* gone already */
    }
    l->connection_count++;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &is_on, sizeof(is_on)); /* only speed */
    struct tcp_flow *f = add(b, l, fd, &from);
    if (f == NULL) {
        struct watch refused = {.fd = fd};
        l->nobody_connection_count++;
        balancer_unwatch(&refused);
        return;
    }
    route(b, f);
}

int tcp_flow_listen(struct balancer *b, struct listener *l)
{
    const int is_on = 1;
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(l->port), .sin_addr = b->address};
    l->watch = (struct watch){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
                              .on_event = listener_on_event};
    if (l->watch.fd < 0 ||
        setsockopt(l->watch.fd, SOL_SOCKET, SO_REUSEADDR, &is_on, sizeof(is_on)) != 0 ||
        bind(l->watch.fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(l->watch.fd, LISTEN_BACKLOG) != 0) {
        return -errno;
    }
    return balancer_watch(b, &l->watch, EPOLLIN);
}

void tcp_flow_sweep(struct balancer *b)
{
    struct tcp_flow *next = NULL;
    for (struct tcp_flow *f = b->tcp_flows; f != NULL; f = next) {
        next = f->next;
        if (b->settings.is_terminating != 0 && !member_keeps_flows(b, f->listener, f->member)) {
            f->member->counts.reset_connection_count++;
            reset(b, f);
        }
    }
}

void tcp_flow_bury(struct balancer *b)
{
    while (b->tcp_dead != NULL) {
        struct tcp_flow *f = b->tcp_dead;
        b->tcp_dead = f->next;
        mem_free(f);
    }
}

void tcp_flow_fini(struct balancer *b)
{
    while (b->tcp_flows != NULL) {
        reset(b, b->tcp_flows);
    }
    tcp_flow_bury(b);
}

json_t *tcp_flow_list(const struct balancer *b)
{
    json_t *list = json_array();
    for (const struct tcp_flow *f = b->tcp_flows; f != NULL && list != NULL; f = f->next) {
        char client[INET_ADDRSTRLEN + 8];
        (void)inet_ntop(AF_INET, &f->from.sin_addr, client, INET_ADDRSTRLEN);
        const size_t len = strlen(client);
        (void)snprintf(client + len, sizeof(client) - len, ":%u", ntohs(f->from.sin_port));
        const uint64_t age_ms = (b->now_mono_ns - f->began_mono_ns) / CLOCK_NS_PER_MS;
        json_t *one = json_pack("{s:s, s:s, s:s, s:I}", "listener", f->listener->name, "target",
                                b->targets[f->target_index].name, "client", client, "age_ms",
                                (json_int_t)age_ms);
        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}
