/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check — one connection per check, closed as soon as the verdict is in.
 */
#include "tests/support/balancer/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "tests/support/balancer/member.h"
#include "tests/support/balancer/proxy_head.h"

#define STATUS_LINE_BYTES 12 /* "HTTP/1.1 200" */
#define REQUEST_MAX_BYTES 512

struct check {
    struct watch watch;
    struct listener *listener; /* borrowed; lives as long as the program */
    struct member *member;     /* borrowed; owns this */
    struct in_addr address;
    uint64_t deadline_mono_ns;
    bool is_asked;
    size_t answer_bytes;
    char answer[STATUS_LINE_BYTES];
};

void check_free(struct check *c)
{
    if (c == NULL) {
        return;
    }
    balancer_unwatch(&c->watch);
    mem_free(c);
}

static void finish(struct balancer *b, struct check *c, bool is_passed)
{
    struct member *m = c->member;
    m->check = NULL;
    m->next_check_mono_ns = b->now_mono_ns + b->settings.check_interval_ms * CLOCK_NS_PER_MS;
    check_free(c);
    member_on_checked(b, m, is_passed);
}

static bool is_good_status(const struct check *c)
{
    return memcmp(c->answer, "HTTP/1.", 7) == 0 && c->answer[8] == ' ' &&
           (c->answer[9] == '2' || c->answer[9] == '3');
}

/* The request fits any socket buffer, so a send that is cut short is a failure. */
static bool ask(const struct check *c)
{
    char request[PROXY_HEAD_MAX_BYTES + REQUEST_MAX_BYTES];
    size_t bytes = 0;
    if (c->listener->is_check_proxied) {
        bytes = proxy_head_write_local((uint8_t *)request);
    }
    if (c->listener->check_kind == CHECK_HTTP) {
        char host[INET_ADDRSTRLEN];
        (void)inet_ntop(AF_INET, &c->address, host, sizeof(host));
        const int written = snprintf(request + bytes, REQUEST_MAX_BYTES,
                                     "GET / HTTP/1.1\r\nHost: %s:%u\r\nConnection: close\r\n"
                                     "User-Agent: balancer-check\r\n\r\n",
                                     host, c->listener->check_port);
        ASSERT(written > 0 && written < REQUEST_MAX_BYTES);
        bytes += (size_t)written;
    }
    return send(c->watch.fd, request, bytes, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)bytes;
}

static void read_answer(struct balancer *b, struct check *c)
{
    const ssize_t got = recv(c->watch.fd, c->answer + c->answer_bytes,
                             sizeof(c->answer) - c->answer_bytes, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        finish(b, c, false);
        return;
    }
    c->answer_bytes += (size_t)got;
    if (c->answer_bytes == sizeof(c->answer)) {
        finish(b, c, is_good_status(c));
    }
}

static void check_on_event(struct balancer *b, struct watch *w, uint32_t events)
{
    struct check *c = CONTAINER_OF(w, struct check, watch);
    if ((events & EPOLLERR) != 0) {
        finish(b, c, false);
        return;
    }
    if (c->is_asked) {
        read_answer(b, c);
        return;
    }
    c->is_asked = true;
    if (!ask(c)) {
        finish(b, c, false);
    } else if (c->listener->check_kind == CHECK_TCP) {
        finish(b, c, true);
    }
}

static int connect_to(struct balancer *b, struct check *c)
{
    c->watch.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->watch.fd < 0) {
        return -errno;
    }
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(c->listener->check_port), .sin_addr = c->address};
    if (connect(c->watch.fd, (const struct sockaddr *)&at, sizeof(at)) != 0 &&
        errno != EINPROGRESS) {
        return -errno;
    }
    return balancer_watch(b, &c->watch, EPOLLIN | EPOLLOUT | EPOLLET);
}

static void start(struct balancer *b, struct listener *l, uint32_t target_index)
{
    struct member *m = &l->members[target_index];
    struct check *c = mem_alloc(sizeof(*c));
    if (c == NULL) {
        return; /* asked again with the next sweep */
    }
    *c = (struct check){
        .watch = {.fd = -1, .on_event = check_on_event},
        .listener = l,
        .member = m,
        .address = b->targets[target_index].address,
        .deadline_mono_ns = b->now_mono_ns + b->settings.check_timeout_ms * CLOCK_NS_PER_MS,
    };
    m->check = c;
    if (connect_to(b, c) != 0) {
        finish(b, c, false);
    }
}

static void sweep_member(struct balancer *b, struct listener *l, uint32_t target_index)
{
    struct member *m = &l->members[target_index];
    if (m->check != NULL) {
        if (b->now_mono_ns >= m->check->deadline_mono_ns) {
            finish(b, m->check, false);
        }
        return;
    }
    if (m->state != MEMBER_ABSENT && b->now_mono_ns >= m->next_check_mono_ns) {
        start(b, l, target_index);
    }
}

void check_sweep(struct balancer *b)
{
    for (uint32_t i = 0; i < b->listener_count; i++) {
        for (uint32_t k = 0; k < b->target_count; k++) {
            sweep_member(b, &b->listeners[i], k);
        }
    }
}
